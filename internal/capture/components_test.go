package capture_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

const metadataSpace = ` xmlns="http://soap.sforce.com/2006/04/metadata"`

// componentOrg is an emulated org whose metadata is captured, and no record.
func componentOrg(t testing.TB) *emulated {
	t.Helper()
	e := newEmulated(t, emulator.Options{Seed: 1})
	e.opts.Include = []string{"components/*"}
	e.opts.Metadata = e.client
	return e
}

// deploy deploys files; their manifest is made of what they are.
func (e *emulated) deploy(files map[string]string) {
	e.Helper()
	var keys []sf.ComponentKey
	var entries []component.Entry
	for path, body := range files {
		entries = append(entries, component.Entry{Path: path, Body: []byte(body)})
		if key, ok := component.Known().Resolve(path); ok {
			if content := map[string]string{"EmailFolder": "EmailTemplate", "ReportFolder": "Report", "DocumentFolder": "Document"}[key.Type]; content != "" {
				key.Type = content
			}
			keys = append(keys, key)
		}
	}
	m := sf.ManifestOf("66.0", keys)
	var b strings.Builder
	for _, t := range m.Types {
		b.WriteString("<types>")
		for _, name := range t.Members {
			b.WriteString("<members>" + name + "</members>")
		}
		b.WriteString("<name>" + t.Name + "</name></types>")
	}
	entries = append(entries, component.Entry{Path: "package.xml", Body: []byte(`<Package` + metadataSpace + `>` + b.String() + `<version>66.0</version></Package>`)})
	raw, err := component.Pack(entries)
	if err != nil {
		e.Fatal(err)
	}
	d, err := e.client.Deploy(e.Context(), raw, sf.DeployOptions{RollbackOnError: true})
	if err != nil || !d.Success {
		e.Fatalf("deploy: %v %s %+v", err, d.Error, d.Results[:min(len(d.Results), 3)])
	}
}

func (e *emulated) destroy(keys ...sf.ComponentKey) {
	e.Helper()
	var b strings.Builder
	for _, k := range keys {
		b.WriteString("<types><members>" + k.Name + "</members><name>" + k.Type + "</name></types>")
	}
	raw, err := component.Pack([]component.Entry{
		{Path: "package.xml", Body: []byte(`<Package` + metadataSpace + `><version>66.0</version></Package>`)},
		{Path: "destructiveChanges.xml", Body: []byte(`<Package` + metadataSpace + `>` + b.String() + `</Package>`)},
	})
	if err != nil {
		e.Fatal(err)
	}
	if d, err := e.client.Deploy(e.Context(), raw, sf.DeployOptions{RollbackOnError: true}); err != nil || !d.Success {
		e.Fatalf("destroy: %v %s %+v", err, d.Error, d.Results)
	}
}

// held returns the components of a type in the newest snapshot, by name.
func (e *emulated) held(kind string) map[string]component.Row {
	e.Helper()
	sn, err := e.store.Load(e.Context(), "latest")
	if err != nil {
		e.Fatal(err)
	}
	rows := map[string]component.Row{}
	if _, ok := sn.Part("components/" + kind); !ok {
		return rows
	}
	for r, err := range sn.Records(e.Context(), "components/"+kind) {
		if err != nil {
			e.Fatal(err)
		}
		row := component.RowOf(kind, r)
		rows[row.Name] = row
	}
	return rows
}

func (e *emulated) files(row component.Row) []component.Entry {
	e.Helper()
	body, err := snapshot.ParseBody(row.Content)
	if err != nil {
		e.Fatal(err)
	}
	raw, err := io.ReadAll(e.store.OpenBody(e.Context(), body))
	if err != nil {
		e.Fatal(err)
	}
	files, err := component.Unbundle(raw)
	if err != nil {
		e.Fatal(err)
	}
	return files
}

func class(name, body string) map[string]string {
	return map[string]string{
		"classes/" + name + ".cls":          body,
		"classes/" + name + ".cls-meta.xml": `<ApexClass` + metadataSpace + `><apiVersion>66.0</apiVersion><status>Active</status></ApexClass>`,
	}
}

// generated is an org with n classes, n/10 objects of three fields each, and profiles that say something of
// each of them.
func generated(n, profiles int) (map[string]string, map[string]string) {
	files := map[string]string{}
	var access strings.Builder
	for i := range n {
		name := fmt.Sprintf("Gen%05d", i)
		for path, body := range class(name, "public class "+name+" {}") {
			files[path] = body
		}
		fmt.Fprintf(&access, "<classAccesses><apexClass>%s</apexClass><enabled>%t</enabled></classAccesses>", name, i%2 == 0)
	}
	for i := range n / 10 {
		object := fmt.Sprintf("Thing%04d__c", i)
		var fields strings.Builder
		for f := range 3 {
			fmt.Fprintf(&fields, "<fields><fullName>F%d__c</fullName><label>F</label><length>9</length><type>Text</type></fields>", f)
			fmt.Fprintf(&access, "<fieldPermissions><editable>false</editable><field>%s.F%d__c</field><readable>%t</readable></fieldPermissions>", object, f, f > 0)
		}
		fmt.Fprintf(&access, "<objectPermissions><allowCreate>true</allowCreate><allowDelete>false</allowDelete><allowEdit>true</allowEdit>"+
			"<allowRead>true</allowRead><modifyAllRecords>false</modifyAllRecords><object>%s</object><viewAllRecords>false</viewAllRecords></objectPermissions>", object)
		files["objects/"+object+".object"] = `<CustomObject` + metadataSpace + `><deploymentStatus>Deployed</deploymentStatus><label>T</label>` +
			`<nameField><label>N</label><type>Text</type></nameField><pluralLabel>Ts</pluralLabel><sharingModel>ReadWrite</sharingModel>` + fields.String() + `</CustomObject>`
	}
	people := map[string]string{}
	for i := range profiles {
		people[fmt.Sprintf("profiles/People %02d.profile", i)] = `<Profile` + metadataSpace + `><custom>true</custom><userLicense>Salesforce</userLicense>` +
			access.String() + `</Profile>`
	}
	return files, people
}

// poisoned is an org one of whose components breaks every retrieve that asks for it.
type poisoned struct {
	capture.Metadata
	poison sf.ComponentKey
}

func (p poisoned) Retrieve(ctx context.Context, m sf.Manifest) (sf.Retrieved, error) {
	for _, t := range m.Types {
		if t.Name == p.poison.Type && slices.Contains(t.Members, p.poison.Name) {
			return sf.Retrieved{}, errors.New("UNKNOWN_EXCEPTION: An unexpected error occurred. Please include this ErrorId")
		}
	}
	return p.Metadata.Retrieve(ctx, m)
}

// TestTrap30Components: profiles are complete in every chunking, what breaks a retrieve is found and named, and
// all others are held; a component that is deleted has a tombstone, and an unchanged org no change.
func TestTrap30Components(t *testing.T) {
	e := componentOrg(t)
	files, people := generated(60, 40)
	e.deploy(files)
	e.deploy(people)
	want := map[string]string{}
	for path, body := range people {
		key, _ := component.Known().Resolve(path)
		want[key.Name] = component.Sum("Profile", []component.Entry{{Path: path, Body: []byte(body)}})
	}
	for _, chunk := range []int{20, 5000} {
		e.opts.ComponentChunk, e.opts.Full = chunk, true
		e.opts.Metadata = poisoned{e.client, sf.ComponentKey{Type: "ApexClass", Name: "Gen00037"}}
		r := e.backPartial("components/ApexClass")
		i := slices.IndexFunc(r.Parts, func(p capture.PartResult) bool { return p.Object == "components/ApexClass" })
		if broken := r.Parts[i].Broken; !slices.Equal(broken, []string{"Gen00037"}) || !r.Snapshot.Partial {
			t.Errorf("chunks of %d: broken %q, partial %t", chunk, broken, r.Snapshot.Partial)
		}
		if !slices.ContainsFunc(r.Coverage, func(g snapshot.Gap) bool {
			return g.Object == "components/ApexClass" && g.Field == "Gen00037" && capture.Of(g.Reason) == capture.RuleFailed
		}) {
			t.Errorf("chunks of %d: the coverage does not name it", chunk)
		}
		classes := e.held("ApexClass")
		if len(classes) != 60 || classes["Gen00037"].Content != "" || classes["Gen00036"].Content == "" {
			t.Errorf("chunks of %d: %d classes", chunk, len(classes))
		}
		// The broken class is named by nobody's retrieve, so profiles lack what they say of it, and nothing else.
		e.opts.Metadata = e.client
		e.back()
		profiles := e.held("Profile")
		for name, sum := range want {
			if profiles[name].Sum != sum {
				t.Fatalf("chunks of %d: %s is not what was deployed: %s", chunk, name, e.files(profiles[name])[0].Body)
			}
		}
	}
	e.unchanged()
	e.destroy(sf.ComponentKey{Type: "ApexClass", Name: "Gen00003"})
	e.back()
	if ev := e.evidence("components/ApexClass"); len(ev) != 1 || ev[component.RowID(sf.ComponentKey{Type: "ApexClass", Name: "Gen00003"})] != capture.EvidenceListing {
		t.Errorf("tombstones: %v", ev)
	}
	if _, still := e.held("ApexClass")["Gen00003"]; still {
		t.Error("what was deleted is held")
	}
}

// unchanged demands that another capture finds nothing new, whether it believes in dates or not.
func (e *emulated) unchanged() {
	e.Helper()
	for _, full := range []bool{false, true} {
		before, err := e.store.Load(e.Context(), "latest")
		if err != nil {
			e.Fatal(err)
		}
		e.opts.Full = full
		e.back()
		after, err := e.store.Load(e.Context(), "latest")
		if err != nil {
			e.Fatal(err)
		}
		parts := 0
		for _, p := range after.PartsOf(snapshot.Components) {
			parts++
			for change, err := range snapshot.Diff(e.Context(), before, after, p.Object) {
				e.Fatalf("full %t: %s differs in an unchanged org: %v %v", full, p.Object, change, err)
			}
		}
		if parts == 0 {
			e.Fatal("no components are held")
		}
	}
	e.opts.Full = false
}

// TestComponentsOfEveryKindAreHeld: folders, bundles, content beside its -meta.xml, versions of flows, and who
// changed what.
func TestComponentsOfEveryKindAreHeld(t *testing.T) {
	e := componentOrg(t)
	e.deploy(every())
	flow := func(status, label string) map[string]string {
		return map[string]string{"flows/Greet.flow": `<Flow` + metadataSpace + `><apiVersion>66.0</apiVersion><label>` + label + `</label><processType>AutoLaunchedFlow</processType>` +
			`<start><locationX>0</locationX><locationY>0</locationY></start><status>` + status + `</status></Flow>`}
	}
	e.deploy(flow("Active", "one"))
	e.deploy(flow("Draft", "two"))
	e.back()
	for kind, names := range map[string][]string{
		"LightningComponentBundle": {"hello"}, "AuraDefinitionBundle": {"Old"}, "StaticResource": {"Sheet"}, "Document": {"Papers/note.txt"},
		"DocumentFolder": {"Papers"}, "Report": {"Sales/Won"}, "ReportFolder": {"Sales"}, "EmailTemplate": {"Mails/Hi"}, "CustomLabels": {"CustomLabels"},
	} {
		for _, name := range names {
			row, ok := e.held(kind)[name]
			dated := kind != "CustomLabels" // which holds components and is none itself
			if !ok || row.Content == "" || row.ModifiedBy == "" || row.Modified.IsZero() == dated {
				t.Errorf("%s %s: held %t, %+v", kind, name, ok, row.Component)
			}
		}
	}
	if files := e.files(e.held("LightningComponentBundle")["hello"]); len(files) != 3 {
		t.Errorf("the bundle has %d files", len(files))
	}
	flows := e.held("Flow")
	if len(flows) != 2 || flows["Greet-1"].Status != "Active" || flows["Greet"].Version != 2 || flows["Greet"].Status != "Draft" {
		t.Errorf("flows: %+v", flows)
	}
	if admin := e.held("Profile")["Admin"]; admin.Content == "" || !admin.Modified.IsZero() {
		t.Errorf("a standard profile: %+v", admin)
	}
	if account := e.held("CustomObject")["Account"]; account.Content == "" {
		t.Error("no standard object")
	}
	e.unchanged()
}

// every is a component of each kind of files.
func every() map[string]string {
	meta := func(kind, inner string) string { return "<" + kind + metadataSpace + ">" + inner + "</" + kind + ">" }
	return map[string]string{
		"lwc/hello/hello.js":                      "import { LightningElement } from 'lwc';\nexport default class Hello extends LightningElement {}\n",
		"lwc/hello/hello.html":                    "<template></template>\n",
		"lwc/hello/hello.js-meta.xml":             meta("LightningComponentBundle", "<apiVersion>66.0</apiVersion><isExposed>false</isExposed>"),
		"aura/Old/Old.cmp":                        "<aura:component></aura:component>",
		"aura/Old/Old.cmp-meta.xml":               meta("AuraDefinitionBundle", "<apiVersion>66.0</apiVersion><description>d</description>"),
		"staticresources/Sheet.resource":          "body {}\r\n",
		"staticresources/Sheet.resource-meta.xml": meta("StaticResource", "<cacheControl>Public</cacheControl><contentType>text/css</contentType>"),
		"documents/Papers-meta.xml":               meta("DocumentFolder", "<accessType>Public</accessType><name>Papers</name><publicFolderAccess>ReadWrite</publicFolderAccess>"),
		"documents/Papers/note.txt":               "note\x00\xff",
		"documents/Papers/note.txt-meta.xml":      meta("Document", "<internalUseOnly>false</internalUseOnly><name>note</name><public>false</public>"),
		"reports/Sales-meta.xml":                  meta("ReportFolder", "<name>Sales</name>"),
		"reports/Sales/Won.report":                meta("Report", "<format>Tabular</format><name>Won</name><reportType>Opportunity</reportType>"),
		"email/Mails-meta.xml":                    meta("EmailFolder", "<accessType>Public</accessType><name>Mails</name><publicFolderAccess>ReadWrite</publicFolderAccess>"),
		"email/Mails/Hi.email":                    "Hi {!Contact.Name}",
		"email/Mails/Hi.email-meta.xml":           meta("EmailTemplate", "<available>true</available><encodingKey>UTF-8</encodingKey><name>Hi</name><style>none</style><subject>Hi</subject><type>text</type>"),
		"labels/CustomLabels.labels":              meta("CustomLabels", "<labels><fullName>A</fullName><language>en_US</language><protected>false</protected><shortDescription>a</shortDescription><value>a</value></labels>"),
		"permissionsets/Readers.permissionset":    meta("PermissionSet", "<hasActivationRequired>false</hasActivationRequired><label>Readers</label>"),
	}
}

// TestComponentsThatVanishInNumbersAreNotBuried: a listing that is cut short is no mass deletion, until the
// operator says that it was one.
func TestComponentsThatVanishInNumbersAreNotBuried(t *testing.T) {
	e := componentOrg(t)
	files, _ := generated(40, 0)
	e.deploy(files)
	e.back()
	e.opts.Metadata = blind{e.client, "ApexClass"}
	r := e.backPartial("components/ApexClass")
	if len(e.held("ApexClass")) != 40 || len(e.evidence("components/ApexClass")) != 0 {
		t.Errorf("buried on the word of a listing: %+v", r.Failed())
	}
	e.opts.AcceptDeletions = []string{"components/ApexClass"}
	e.back()
	if len(e.held("ApexClass")) != 0 || len(e.evidence("components/ApexClass")) != 40 {
		t.Error("deletions that were accepted are not recorded")
	}
}

// blind is an org that lists nothing of a type.
type blind struct {
	capture.Metadata
	kind string
}

func (b blind) Components(ctx context.Context, queries []sf.ComponentQuery) ([]sf.Component, error) {
	all, err := b.Metadata.Components(ctx, queries)
	return slices.DeleteFunc(all, func(c sf.Component) bool { return c.Type == b.kind }), err
}

// refusing is an org that refuses a type, whatever it is asked beside, and then everything.
type refusing struct {
	capture.Metadata
	kind string
	all  error
}

func (r refusing) Components(ctx context.Context, queries []sf.ComponentQuery) ([]sf.Component, error) {
	if r.all != nil {
		return nil, r.all
	}
	if slices.ContainsFunc(queries, func(q sf.ComponentQuery) bool { return q.Type == r.kind }) {
		return nil, errors.New("INVALID_TYPE: INVALID_TYPE: Cannot use: " + r.kind)
	}
	return r.Metadata.Components(ctx, queries)
}

// TestTypeThatIsRefusedStandsInNoOthersWay: it is named, what was held of it stays; and an org that does not
// answer at all loses nothing either.
func TestTypeThatIsRefusedStandsInNoOthersWay(t *testing.T) {
	e := componentOrg(t)
	files, _ := generated(10, 0)
	e.deploy(files)
	e.opts.Metadata = refusing{e.client, "ApexClass", nil}
	r := e.back()
	if !slices.ContainsFunc(r.Coverage, func(g snapshot.Gap) bool {
		return g.Object == "components/ApexClass" && capture.Of(g.Reason) == capture.RuleRefused
	}) || len(e.held("CustomObject")) == 0 {
		t.Errorf("coverage: %+v", r.Coverage)
	}
	e.opts.Metadata = e.client
	e.back()
	e.opts.Metadata = refusing{e.client, "ApexClass", nil}
	e.backPartial("components/ApexClass")
	if len(e.held("ApexClass")) != 10 {
		t.Error("what was held of a type that is refused is lost")
	}
	e.opts.Metadata = refusing{e.client, "", problem.New(problem.Unreachable, "the org does not answer")}
	e.opts.Include = append(e.opts.Include, "Account")
	_, err := capture.Run(t.Context(), e.client, e.store, e.opts)
	if problem.KindOf(err) != problem.Partial || len(e.held("ApexClass")) != 10 {
		t.Errorf("an org that does not answer: %v", err)
	}
}

// TestComponentsAreTakenOver: when they are not asked for they stay as they were, and when they are excluded
// they go.
func TestComponentsAreTakenOver(t *testing.T) {
	e := componentOrg(t)
	files, _ := generated(10, 0)
	e.deploy(files)
	e.back()
	e.opts.Metadata, e.opts.Include = nil, []string{"Account"}
	e.back()
	if len(e.held("ApexClass")) != 10 {
		t.Error("components are lost by a capture of records")
	}
	e.opts.Metadata, e.opts.Include, e.opts.Rules.Exclude = e.client, []string{"components/*"}, []string{"components/Apex*"}
	e.back()
	if len(e.held("ApexClass")) != 0 || len(e.held("CustomObject")) == 0 {
		t.Error("an excluded type is held, or another is not")
	}
}

// counting counts what is retrieved.
type counting struct {
	capture.Metadata
	mu        *sync.Mutex
	retrieved *[]string
}

func (c counting) Retrieve(ctx context.Context, m sf.Manifest) (sf.Retrieved, error) {
	c.mu.Lock()
	for _, t := range m.Types {
		*c.retrieved = append(*c.retrieved, t.Name)
	}
	c.mu.Unlock()
	return c.Metadata.Retrieve(ctx, m)
}

// TestDatesAreBelievedOnlyWhereTheyAreTrue: types whose date moves with their content are not retrieved again
// while it stands still, for some days; all others are, every time.
func TestDatesAreBelievedOnlyWhereTheyAreTrue(t *testing.T) {
	e := componentOrg(t)
	e.deploy(every())
	e.back()
	var retrieved []string
	e.opts.Metadata = counting{e.client, &sync.Mutex{}, &retrieved}
	e.back()
	if slices.Contains(retrieved, "StaticResource") || slices.Contains(retrieved, "LightningComponentBundle") || !slices.Contains(retrieved, "Profile") ||
		!slices.Contains(retrieved, "CustomObject") || !slices.Contains(retrieved, "CustomLabels") {
		t.Errorf("retrieved again: %q", retrieved)
	}
	e.server.Clock().Advance(7 * 24 * time.Hour)
	retrieved = nil
	e.back()
	if !slices.Contains(retrieved, "StaticResource") {
		t.Errorf("after a week: %q", retrieved)
	}
	if row := e.held("StaticResource")["Sheet"]; row.Content == "" || string(e.files(row)[0].Body) != "body {}\r\n" {
		t.Error("what was not retrieved again is lost")
	}
}

// TestManyComponents captures an org of 25,000 components, one of them poisonous, with 40 profiles, in a long run.
func TestManyComponents(t *testing.T) {
	if os.Getenv("HOLDFAST_LONG") == "" {
		t.Skip("NOT TESTED: 25,000 components, which take minutes: run by `make long`")
	}
	e := componentOrg(t)
	classes := 22_000 // and a tenth of that in objects, which count for themselves
	if n, err := strconv.Atoi(os.Getenv("HOLDFAST_COMPONENTS")); err == nil {
		classes = n
	}
	files, _ := generated(classes, 0)
	names := slices.Sorted(maps.Keys(files))
	for some := range slices.Chunk(names, 9_000) {
		part := map[string]string{}
		for _, name := range some {
			part[name] = files[name]
		}
		e.deploy(part)
	}
	_, people := generated(200, 40)
	e.deploy(people)
	e.opts.Metadata = poisoned{e.client, sf.ComponentKey{Type: "ApexClass", Name: "Gen00777"}}
	begun, calls := time.Now(), e.client.Usage().Calls
	e.backPartial("components/ApexClass")
	t.Logf("first: %v, %d calls, %d classes, %d objects", time.Since(begun).Round(time.Second), e.client.Usage().Calls-calls,
		len(e.held("ApexClass")), len(e.held("CustomObject")))
	if len(e.held("ApexClass")) != classes || e.held("ApexClass")["Gen00777"].Content != "" {
		t.Error("classes are missing, or the poison is held")
	}
	e.opts.Metadata = e.client
	begun, calls = time.Now(), e.client.Usage().Calls
	e.back()
	t.Logf("second: %v, %d calls", time.Since(begun).Round(time.Second), e.client.Usage().Calls-calls)
	for path, body := range people {
		key, _ := component.Known().Resolve(path)
		if e.held("Profile")[key.Name].Sum != component.Sum("Profile", []component.Entry{{Path: path, Body: []byte(body)}}) {
			t.Errorf("%s is not whole", key.Name)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d MiB from the system, the emulated org included", m.Sys>>20)
}
