package format_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/cli"
	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

// maker makes a repository with the program, and remembers what the org held at each snapshot.
type maker struct {
	t      *testing.T
	dir    string
	server *emulator.Server
	loader *testkit.Loader
	reader *repository
	seen   map[string]map[string][]map[string]any // snapshot, object, records as the org tells them
	few    bool                                   // the org shows only the objects of the story
}

// storyObjects are the standard objects of the story, those with bytes, and some that every org fills.
// Each of dozens of snapshots is compared with a dump of all that it holds.
var storyObjects = testkit.Narrow("Account", "Attachment", "Contact", "ContentDocument", "ContentVersion", "Document", "Folder", "Opportunity",
	"Organization", "PermissionSet", "Profile", "RecordType", "StaticResource", "User", "UserRole")

// interfere lets f interfere with requests; few objects are seen where that is asked for.
func (m *maker) interfere(f func(emulator.Request) emulator.Fault) {
	m.server.Intercept(func(r emulator.Request) emulator.Fault {
		if m.few && r.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: storyObjects}
		}
		if f == nil {
			return emulator.Fault{}
		}
		return f(r)
	})
}

// newMaker is a maker on an org that shows few objects, or all.
func newMaker(t *testing.T, few bool) *maker {
	t.Helper()
	// The backups of many days are made in one: the calls of one day would not do.
	server, err := emulator.Start(t.Context(), emulator.Options{Seed: 3, DailyCalls: 200_000, Permissions: []string{"QueryAllFiles"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	m := &maker{t: t, dir: t.TempDir(), server: server, seen: map[string]map[string][]map[string]any{}, few: few}
	m.interfere(nil)
	m.loader = m.newLoader()
	t.Setenv("HOLDFAST_HOME", m.path("home"))
	t.Setenv("HOLDFAST_REPO", m.path("repository"))
	t.Setenv("HOLDFAST_KEY_FILE", m.path("daily.key"))
	body, err := json.Marshal(map[string]string{"instance_url": server.URL, "access_token": server.AccessToken})
	m.check(err)
	m.check(os.WriteFile(m.path("practice.json"), body, 0o600))
	m.run("org", "add", "practice", "--sign-in-file", m.path("practice.json"))
	m.run("init", "--recovery-key-file", m.path("recovery.key"))
	return m
}

// newLoader returns a client that has not yet asked how the objects are described.
func (m *maker) newLoader() *testkit.Loader {
	return &testkit.Loader{InstanceURL: m.server.URL, AccessToken: m.server.AccessToken, Version: "v66.0"}
}

func (m *maker) path(name string) string { return filepath.Join(m.dir, name) }

func (m *maker) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// run runs a command and takes a dump of the org for the snapshot that it made, if it made one.
func (m *maker) run(args ...string) (result map[string]any) {
	m.t.Helper()
	var out, said bytes.Buffer
	if code := cli.Main(append(args, "--json", "--quiet"), strings.NewReader(""), &out, &said); code != 0 && code != 3 && code != 22 {
		m.t.Fatalf("holdfast %s: exit code %d: %s", strings.Join(args, " "), code, &said)
	}
	m.interfere(nil)
	m.check(json.Unmarshal(out.Bytes(), &result))
	if _, err := os.Stat(filepath.Join(m.path("repository"), "config")); err != nil {
		return result
	}
	var err error
	m.reader, err = openRepository(m.path("repository"), m.path("daily.key"))
	m.check(err)
	for _, id := range m.reader.list()["snapshot"] {
		if m.seen[id] == nil {
			m.seen[id] = m.dump(id)
		}
	}
	return result
}

// refusing makes a snapshot while the org refuses to answer queries on an object.
func (m *maker) refusing(object string, args ...string) string {
	m.t.Helper()
	m.interfere(func(r emulator.Request) emulator.Fault {
		if query, err := url.QueryUnescape(r.Query); err != nil || !strings.Contains(query+" ", " FROM "+object+" ") {
			return emulator.Fault{}
		}
		return emulator.Fault{Status: 400, Body: `[{"errorCode":"UNKNOWN_EXCEPTION","message":"no"}]`}
	})
	return m.backup(args...)
}

// backup makes a snapshot and returns its Id.
func (m *maker) backup(args ...string) string {
	m.t.Helper()
	return m.run(append([]string{"backup", "practice"}, args...)...)["snapshot"].(map[string]any)["id"].(string)
}

// dump reads what the snapshot names from the org.
func (m *maker) dump(id string) map[string][]map[string]any {
	m.t.Helper()
	s := m.reader.manifest(id)
	dump := map[string][]map[string]any{}
	for _, p := range s.parts {
		if p.State == "whole" && !strings.HasPrefix(p.Object, "components/") { // which are held to the org as they are read
			dump[p.Object] = m.dumpPart(p)
		}
	}
	return dump
}

// compare holds every record of a snapshot to what the org held. Stale parts are left to count.
func (m *maker) compare(id string, s *checked) (values int) {
	m.t.Helper()
	for _, p := range s.parts {
		if strings.HasPrefix(p.Object, "components/") {
			m.components(id, p.Object, living(s.states[p.Object]))
			continue
		}
		if p.Stale {
			continue
		}
		state, seen := living(s.states[p.Object]), m.seen[id][p.Object]
		if strings.HasPrefix(p.Object, "files/") {
			values += m.compareFiles(id, s, p, seen)
			continue
		}
		if p.State == "whole" && p.Expected != len(seen) && p.Expected != -1 || len(state) != len(seen) {
			m.t.Errorf("%.8s %s: %d records and expected %d, the org had %d", id, p.Object, len(state), p.Expected, len(seen))
		}
		for _, want := range seen {
			got := state[want["Id"].(string)]
			if len(got.values) != len(p.Fields) {
				m.t.Errorf("%.8s %s %s has %d fields, not %d", id, p.Object, want["Id"], len(got.values), len(p.Fields))
			}
			for _, f := range p.Fields {
				value, held := got.values[f]
				text := canonical(s.types[p.Object][f], want[f])
				if !held || (value == nil) != (text == nil) || value != nil && *value != *text {
					m.t.Errorf("%.8s %s %s %s: %v, the org had %v", id, p.Object, want["Id"], f, value, want[f])
				}
				values++
			}
		}
	}
	return values
}

func living(state map[string]row) map[string]row {
	state = maps.Clone(state)
	maps.DeleteFunc(state, func(_ string, r row) bool { return r.gone })
	return state
}

// count compares what the parts say of their changes with the states of the parent.
func (m *maker) count(id string, s, parent *checked) {
	m.t.Helper()
	for _, p := range s.parts {
		before, after := map[string]row{}, living(s.states[p.Object])
		if parent != nil {
			before = living(parent.states[p.Object])
		}
		created, updated, deleted, same := 0, 0, len(before), 0
		for key, r := range after {
			old, ok := before[key]
			switch {
			case !ok:
				created++
				continue
			case hashRecord(p.Object, key, old.values).Cmp(hashRecord(p.Object, key, r.values)) == 0:
				same++
			default:
				updated++
			}
			deleted--
		}
		if p.Created != created || p.Updated != updated || p.Deleted != deleted || p.Unchanged > same {
			m.t.Errorf("%.8s %s: %d %d %d %d, not %d %d %d %d", id, p.Object, p.Created, p.Updated, p.Deleted, p.Unchanged, created, updated, deleted, same)
		}
		if p.Stale {
			was := parent.parts[slices.IndexFunc(parent.parts, func(q statedPart) bool { return q.Object == p.Object })]
			p.Stale, p.Reason, was.Created, was.Updated, was.Deleted, was.Unchanged = false, "", 0, 0, 0, 0
			if !reflect.DeepEqual(p, was) {
				m.t.Errorf("%.8s: stale part %+v, was %+v", id, p, was)
			}
		}
	}
}

// canonical spells a value of the REST API as digest.md says.
func canonical(kind string, value any) *string {
	var text string
	switch v := value.(type) {
	case nil:
		return nil
	case bool:
		text = strconv.FormatBool(v)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		text = v
	default:
		text = "no value of a field"
	}
	if kind == "datetime" {
		if at, err := time.Parse("2006-01-02T15:04:05.000-0700", text); err == nil {
			text = at.UTC().Format("2006-01-02T15:04:05.000Z")
		}
	}
	return &text
}

func boxes(fields string) map[string]string {
	return map[string]string{
		"package.xml": testkit.PackageXML("CustomObject", "Box__c"),
		"objects/Box__c.object": `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><deploymentStatus>Deployed</deploymentStatus>` + fields +
			`<label>Box</label><nameField><label>Name</label><type>Text</type></nameField><pluralLabel>Boxes</pluralLabel>
<sharingModel>ReadWrite</sharingModel></CustomObject>`,
	}
}

const (
	weight   = `<fields><fullName>Weight__c</fullName><label>Weight</label><type>Number</type><precision>8</precision><scale>2</scale></fields>`
	packedAt = `<fields><fullName>Packed__c</fullName><label>Packed</label><type>DateTime</type></fields>`
)

// TestSecondReaderOfAllObjects reads a snapshot of every object that the org has.
func TestSecondReaderOfAllObjects(t *testing.T) {
	m := newMaker(t, false)
	m.check(m.loader.DeployFiles(t.Context(), boxes(weight)))
	if _, err := m.loader.Insert(t.Context(), "Account", []testkit.Row{{"Name": "Site"}}); err != nil {
		t.Fatal(err)
	}
	id := m.backup()
	s, err := m.reader.checked(id)
	m.check(err)
	values := m.compare(id, s)
	m.coverage(s)
	if len(s.parts) < 400 || values < 1000 || s.head.Absent != 0 {
		t.Errorf("%d parts with %d values, %d absent", len(s.parts), values, s.head.Absent)
	}
}

// TestSecondReader makes a repository with a long story and reads all of it.
func TestSecondReader(t *testing.T) {
	m := newMaker(t, true)
	ctx := t.Context()
	insert := func(object string, n int, row func(i int) testkit.Row) []string {
		rows := make([]testkit.Row, n)
		for i := range rows {
			rows[i] = row(i)
		}
		ids, err := m.loader.Insert(ctx, object, rows)
		m.check(err)
		m.server.Clock().Advance(time.Hour)
		return ids
	}
	m.check(m.loader.DeployFiles(ctx, boxes(weight)))
	accounts := insert("Account", 120, func(i int) testkit.Row {
		return testkit.Row{"Name": "Site", "AnnualRevenue": strconv.Itoa(i) + ".50", "Description": strings.Repeat("é <&>\u2028\"\\", 5*i)}
	})
	contacts := insert("Contact", 40, func(i int) testkit.Row {
		return testkit.Row{"LastName": "Name", "AccountId": accounts[i], "Birthdate": "1970-01-31"}
	})
	insert("Opportunity", 5, func(i int) testkit.Row {
		return testkit.Row{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-12-31", "Amount": "-0.25"}
	})
	packed := insert("Box__c", 5, func(int) testkit.Row { return testkit.Row{"Name": "Box", "Weight__c": "1.20"} })
	attached := m.files(insert, accounts[0])
	m.refusing("Opportunity")
	before := m.backup()
	m.run("check", "practice") // writes a note

	m.check(m.loader.Update(ctx, "Contact", []testkit.Row{{"Id": contacts[0], "Email": "a@example.com", "AccountId": ""}}))
	m.check(m.loader.Delete(ctx, append(contacts[10:14:14], accounts[100])))
	m.check(m.loader.EmptyRecycleBin(ctx, contacts[10:12]))
	insert("Account", 2, func(int) testkit.Row { return testkit.Row{"Name": "Late"} })
	m.check(m.loader.Delete(ctx, attached[:2]))
	m.check(m.loader.Update(ctx, "Attachment", []testkit.Row{{"Id": attached[3], "Body": "b3RoZXI="}}))
	after := m.backup()
	plan := m.run("restore", "practice", "--undo", before+".."+after, "--plan", m.path("undo.plan"))
	m.run("apply", m.path("undo.plan"), "--approve", plan["digest"].(string))

	m.check(m.loader.DeployFiles(ctx, boxes(weight+packedAt)))
	m.loader = m.newLoader()
	m.check(m.loader.Update(ctx, "Box__c", []testkit.Row{{"Id": packed[2], "Packed__c": "2026-03-01T02:00:00.000Z"}}))
	for i := range 18 { // more layers than a part keeps
		m.check(m.loader.Update(ctx, "Contact", []testkit.Row{{"Id": contacts[20+i], "Phone": strconv.Itoa(i)}}))
		m.server.Clock().Advance(time.Hour)
		m.backup()
	}
	m.check(m.loader.DeployFiles(ctx, map[string]string{
		"package.xml":            testkit.PackageXML("CustomObject"),
		"destructiveChanges.xml": testkit.PackageXML("CustomField", "Box__c.Weight__c"),
	}))
	m.loader = m.newLoader()
	m.backup()
	m.check(m.loader.Delete(ctx, contacts[5:6]))
	m.backup("--full")
	m.check(m.loader.Delete(ctx, contacts[6:7]))
	m.server.Clock().Advance(time.Hour)
	m.refusing("Contact")

	snapshots := m.readAll()
	gone := snapshots[after].states
	for object, ids := range map[string][]string{"Contact": contacts[10:14], "Account": accounts[100:101]} {
		if len(gone[object])-len(living(gone[object])) != len(ids) {
			t.Errorf("%s: tombstones other than of %v", object, ids)
		}
		for _, id := range ids {
			if r := gone[object][id]; !r.gone || !slices.Contains([]string{"recycle bin", "deletion log"}, r.evidence) {
				t.Errorf("%s %s: %+v, not a tombstone", object, id, r)
			}
		}
	}
	m.notes(contacts[10:12])
	held := slices.IndexFunc(snapshots[before].parts, func(p statedPart) bool { return p.Object == "Account" })
	m.outcomes(snapshots[before].parts[held].Layers[0].Segments[0].Id)
}

// readAll reads every snapshot and holds it to the org and to its parent.
func (m *maker) readAll() map[string]*checked {
	m.t.Helper()
	snapshots := map[string]*checked{}
	values, most, absent, stale, kinds := 0, 0, 0, 0, map[string]int{}
	for _, id := range m.reader.list()["snapshot"] {
		s, err := m.reader.checked(id)
		if err != nil {
			m.t.Fatalf("snapshot %s: %v", id, err)
		}
		snapshots[id] = s
		kinds[s.head.Kind]++
		values += m.compare(id, s)
		for _, p := range s.parts {
			most = max(most, len(p.Layers))
		}
		absent, stale = absent+s.head.Absent, stale+s.head.Stale
		m.coverage(s)
	}
	for id, s := range snapshots {
		if parent, ok := snapshots[s.head.Parent]; ok {
			m.count(id, s, parent)
		} else if s.head.Parent != "" {
			m.t.Errorf("%s was written on %s, which is not there", id, s.head.Parent)
		}
	}
	frames := 0
	for _, id := range m.reader.list()["segment"] {
		f, _ := m.reader.read("segment", id)
		frames = max(frames, len(f)-1)
	}
	m.t.Logf("snapshots %v with %d values, at most %d layers and %d frames", kinds, values, most, frames)
	if kinds["backup"] != 24 || kinds["live"] != 1 || kinds["verify"] != 1 || most < 10 || most > 16 || frames < 2 || absent != 1 || stale != 1 {
		m.t.Errorf("the story shows not what it is told for: %d absent, %d stale", absent, stale)
	}
	return snapshots
}

// remarks are the rules of gaps that name something which is held.
var remarks = []string{"field-type", "field-new", "formula", "uncounted", "moving", "dangling", "unfiltered"}

// coverage wants every described field to be held, or named as a gap.
func (m *maker) coverage(s *checked) {
	m.t.Helper()
	missing := map[string]bool{}
	for _, g := range s.gaps {
		if rule, sentence, ok := strings.Cut(g.Reason, ": "); !ok || sentence == "" {
			m.t.Errorf("the gap %+v has no rule", g)
		} else if !slices.Contains(remarks, rule) {
			missing[g.Object+"."+g.Field] = true
		}
	}
	files := heldFiles(s)
	for _, p := range s.parts {
		if p.State == "absent" && !missing[p.Object+"."] {
			m.t.Errorf("%s is absent and no gap", p.Object)
		}
		for f := range s.types[p.Object] {
			if p.State == "whole" && f != "Id" && (slices.Contains(p.Fields, f) || files[p.Object+"."+f]) == missing[p.Object+"."+f] {
				m.t.Errorf("%s.%s is neither held nor a gap, or both", p.Object, f)
			}
		}
	}
}

// notes reads the notes: that of the check, and the identity map of the records that came back.
func (m *maker) notes(old []string) {
	m.t.Helper()
	for class, ids := range m.reader.list() {
		for _, id := range ids {
			if !strings.HasPrefix(class, "note-") {
				continue
			}
			name, body, err := m.reader.note(class, id)
			m.check(err)
			lines := strings.Split(string(body), "\n")
			sum := sha256.Sum256(body)
			switch class {
			case "note-check":
				if !strings.HasPrefix(name, m.server.OrgID+" 20") || string(body) != "the repository can be written" {
					m.t.Errorf("note %q: %q", name, body)
				}
			case "note-identity":
				if name != m.server.OrgID+"-"+hex.EncodeToString(sum[:16]) || lines[0] != "holdfast-identity/1 "+m.server.OrgID || len(lines) != len(old)+2 {
					m.t.Errorf("note %q: %q", name, body)
				}
				for i, id := range old {
					if !strings.HasPrefix(lines[i+1], "Contact "+id+" ") {
						m.t.Errorf("line %q, want the successor of %s", lines[i+1], id)
					}
				}
			case "note-begun", "note-settled":
				m.application(class, name, string(body))
			default:
				m.t.Errorf("a note of the unspecified class %s", class)
			}
		}
	}
}

// application reads a note of an application of a plan: identity.md, "Applications".
func (m *maker) application(class, name, body string) {
	m.t.Helper()
	if class == "note-settled" {
		if begun := regexp.MustCompile(`^` + m.server.OrgID + `-[0-9a-f]{32}-.+-\d+-[0-9a-f]{16}$`); !begun.MatchString(name) || body != "holdfast-settled/1\n" {
			m.t.Errorf("note %q: %q", name, body)
		}
		return
	}
	lines := strings.Split(body, "\n")
	if len(lines) != 6 || lines[0] != "holdfast-begun/1 "+m.server.OrgID || len(lines[1]) != 64 || lines[4] != "Contact" || lines[5] != "" {
		m.t.Errorf("note %q: %q", name, body)
		return
	}
	journal, err := strconv.Unquote(lines[3])
	m.check(err)
	where := sha256.Sum256([]byte(journal))
	if name != m.server.OrgID+"-"+lines[1][:32]+"-"+lines[2]+"-0-"+hex.EncodeToString(where[:8]) {
		m.t.Errorf("note %q: %q", name, body)
	}
}
