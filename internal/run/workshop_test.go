package run_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/emulator"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// workshop is an org with the components of a project, to which random deployments are made.
type workshop struct {
	*release
	rnd    *rand.Rand
	seed   uint64
	number int      // what is new has a number that nothing else has
	kinds  []string // types that are looked at

	rolled, units, kept, gone, conflicts, deletions, values, refused int // what was come across
}

// workshopKinds are the types that the generator makes or changes.
var workshopKinds = []string{
	"ApexClass", "ApexTrigger", "CustomLabels", "CustomMetadata", "CustomObject", "CustomTab", "Flow", "FlexiPage", "GlobalValueSet", "Layout",
	"LightningComponentBundle", "PermissionSet", "Profile", "QuickAction", "Queue", "RemoteSiteSetting", "StaticResource", "Workflow",
}

func newWorkshop(t *testing.T, seed uint64, options emulator.Options) *workshop {
	t.Helper()
	options.Seed = seed + 1
	return &workshop{release: newRelease(t, options), rnd: rand.New(rand.NewPCG(seed, 30)), seed: seed, number: 100, kinds: workshopKinds}
}

// sight is what an org has: the files of its components as a retrieve gives them, and which version of a flow is active.
type sight struct {
	files  map[sf.ComponentKey]map[string][]byte
	active map[string]string // flow → what its active version does; "" where none is active
	names  map[sf.ComponentKey]bool
	rows   map[string]map[string]map[string]string // object → name of the record → field → value
	hidden map[string]bool                         // fields as Object.Field that the user does not see: what is in them is not known
}

// see looks at the org with requests of its own, past capture and repository.
func (w *workshop) see() sight {
	w.Helper()
	s := sight{files: map[sf.ComponentKey]map[string][]byte{}, active: map[string]string{}, names: map[sf.ComponentKey]bool{}, rows: map[string]map[string]map[string]string{}, hidden: map[string]bool{}}
	var keys []sf.ComponentKey
	var queries []sf.ComponentQuery
	for _, kind := range append(slices.Clone(w.kinds), "CustomField", "ValidationRule", "ListView", "RecordType", "CompactLayout", "FieldSet", "WebLink", "CustomLabel") {
		queries = append(queries, sf.ComponentQuery{Type: kind})
	}
	for some := range slices.Chunk(queries, 3) {
		list, err := w.client.Components(w.Context(), some)
		if err != nil {
			w.Fatal(err)
		}
		for _, c := range list {
			if c.Namespace != "" {
				continue
			}
			s.names[c.ComponentKey] = true
			if slices.Contains(w.kinds, c.Type) {
				keys = append(keys, c.ComponentKey)
			}
		}
	}
	versions, err := w.client.FlowVersions(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	var running []sf.ComponentKey
	for _, v := range versions {
		name := sf.ComponentKey{Type: "Flow", Name: fmt.Sprintf("%s-%d", v.Flow, v.Number)}
		s.names[name] = true
		if _, ok := s.active[v.Flow]; !ok {
			s.active[v.Flow] = ""
		}
		if v.Status == "Active" {
			running = append(running, name)
		}
	}
	for path, body := range w.retrieve(keys) {
		key := keyAt(path)
		if s.files[key] == nil {
			s.files[key] = map[string][]byte{}
		}
		s.files[key][path] = body
	}
	if len(running) > 0 {
		for path, body := range w.retrieve(running) {
			root, err := component.Parse(body)
			if err != nil {
				w.Fatal(err)
			}
			root.Nodes = slices.DeleteFunc(root.Nodes, func(n *component.Node) bool { return n.Name == "status" })
			text, _ := component.Canonical("Flow", component.Print(root))
			flow, _ := component.SplitFlow(keyAt(path).Name)
			s.active[flow] = string(text)
		}
	}
	w.seeRecords(&s)
	return s
}

func (w *workshop) retrieve(keys []sf.ComponentKey) map[string][]byte {
	w.Helper()
	got, err := w.client.Retrieve(w.Context(), sf.ManifestOf("66.0", keys))
	if err != nil {
		w.Fatal(err)
	}
	archive, err := component.OpenArchive(got.Zip, component.DefaultLimits)
	if err != nil {
		w.Fatal(err)
	}
	out := map[string][]byte{}
	for e, err := range archive.Entries() {
		if err != nil {
			w.Fatal(err)
		}
		if path := strings.TrimPrefix(e.Path, "unpackaged/"); path != "package.xml" {
			out[path] = e.Body
		}
	}
	return out
}

// seeRecords reads the records of custom objects, value by value.
func (w *workshop) seeRecords(s *sight) {
	w.Helper()
	for key := range s.files {
		if key.Type != "CustomObject" || !strings.HasSuffix(key.Name, "__c") {
			continue
		}
		fields := w.fields(*s, key)
		visible, err := w.loader.Fields(w.Context(), key.Name) // a deployed profile may hide a field from everybody
		if err != nil {
			w.Fatal(err)
		}
		fields = slices.DeleteFunc(fields, func(f string) bool {
			if slices.ContainsFunc(visible, func(v testkit.FieldKind) bool { return v.Name == f }) {
				return false
			}
			s.hidden[key.Name+"."+f] = true
			return true
		})
		rows, err := w.loader.Query(w.Context(), "SELECT "+strings.Join(append([]string{"Id", "Name"}, fields...), ", ")+" FROM "+key.Name)
		if err != nil {
			w.Fatal(err)
		}
		s.rows[key.Name] = map[string]map[string]string{}
		for _, r := range rows {
			values := map[string]string{"Id": fmt.Sprint(r["Id"])}
			for _, f := range fields {
				if r[f] != nil {
					values[f] = fmt.Sprint(r[f])
				}
			}
			s.rows[key.Name][fmt.Sprint(r["Name"])] = values
		}
	}
}

// plainTypes are the types of fields into which the generator writes text.
var plainTypes = map[string]bool{"Text": true, "TextArea": true, "Number": true, "LongTextArea": true, "Checkbox": true}

// fields are the fields of an object whose values are compared.
func (w *workshop) fields(s sight, object sf.ComponentKey) []string {
	var out []string
	for _, n := range s.root(object).Nodes {
		if n.Name == "fields" && strings.HasSuffix(n.Value("fullName"), "__c") && n.Value("formula") == "" && plainTypes[n.Value("type")] {
			out = append(out, n.Value("fullName"))
		}
	}
	slices.Sort(out)
	return out
}

// root is the only document of a component, parsed; nil where it is none.
func (s sight) root(key sf.ComponentKey) *component.Node {
	if len(s.files[key]) != 1 {
		return nil
	}
	for _, body := range s.files[key] {
		if root, err := component.Parse(body); err == nil {
			return root
		}
	}
	return nil
}

func (s sight) entries() []component.Entry {
	var out []component.Entry
	for _, files := range s.files {
		for path, body := range files {
			out = append(out, component.Entry{Path: path, Body: body})
		}
	}
	return out
}

// included is what the snapshots of the workshop hold.
func (w *workshop) included(s sight) []string {
	out := []string{"User"}
	kinds := append(component.ContextTypes(), w.kinds...) // without what profiles speak of, they are not whole
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		out = append(out, "components/"+kind)
	}
	for _, object := range slices.Sorted(maps.Keys(s.rows)) {
		if len(s.rows[object]) > 0 {
			out = append(out, object)
		}
	}
	return out
}

// round makes one random deployment and what people do afterwards, takes the deployment back, and looks.
func (w *workshop) round(n int) {
	w.Helper()
	w.fill()
	before := w.see()
	from := w.take(w.included(before)...)
	w.change(2 + w.rnd.IntN(8))
	after := w.see()
	to := w.take(w.included(after)...)
	w.change(w.rnd.IntN(6))
	w.edit(after)
	later := w.see()
	p := w.plan(from, to)
	w.nothingOfBeforeGoes(p, before)
	out, err := run.ApplyRollback(w.Context(), w.applying(p, filepath.Join(w.TempDir(), fmt.Sprintf("journal%d", n))))
	if err != nil || !out.Verified || out.Left != 0 {
		var why []string
		for _, s := range out.Sent {
			for _, x := range s.Problems {
				why = append(why, fmt.Sprintf("%s %s: %s", x.Type, x.Name, x.Problem))
			}
		}
		w.Fatalf("round %d: %v, left %d, %d of %d done\n%s\n%s", n, err, out.Left, out.Done, len(p.Deployments), strings.Join(why, "\n"), shown(p))
	}
	w.server.Clock().Advance(time.Hour)
	w.rolled += min(1, len(p.Deployments))
	w.conflicts += p.Conflicts
	now := w.see()
	w.judge(before, after, later, now, p)
	if w.Failed() {
		for _, a := range p.Actions {
			w.Logf("%s %s %s: %s", a.Action, a.Type, a.Name, a.Why)
		}
		w.Fatalf("round %d\n%s", n, shown(p))
	}
	w.server.Clock().Advance(time.Hour)
}

// nothingOfBeforeGoes demands that no deployment deletes what was there before the change.
func (w *workshop) nothingOfBeforeGoes(p run.RollbackResult, before sight) {
	w.Helper()
	for _, d := range p.Plan.Deployments {
		for _, k := range d.Deleted {
			w.deletions++
			if before.names[k] {
				w.Errorf("%s %s was there before, and is deleted", k.Type, k.Name)
			}
		}
	}
}

// Law 11 for components: after the rollback of any deployment the org is as it was before it, but for what was
// done since to other components and parts, which stands; values of records that went with a field or an object are back;
// nothing that was there before is ever deleted.
func TestLaw11RandomDeploymentsOfProjects(t *testing.T) {
	t.Parallel()
	from, to := seeds(t, 2, 220) // of which 440 deployments and some more are made
	for seed := from; seed < to; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w, rounds := openWorkshop(t, seed)
			if os.Getenv("HOLDFAST_LONG") == "" && os.Getenv("HOLDFAST_SEEDS") == "" {
				rounds = 1
			}
			for n := range rounds {
				w.round(n)
			}
			t.Logf("%d deployments: %d rolled back, %d units as before, %d later edits kept, %d gone with what they were about, %d conflicts, %d deletions, %d values back, %d refused by the org",
				rounds, w.rolled, w.units, w.kept, w.gone, w.conflicts, w.deletions, w.values, w.refused)
		})
	}
}

// openWorkshop makes the org of a seed: of every eight, five have a generated project, and the others a real one.
func openWorkshop(t *testing.T, seed uint64) (*workshop, int) {
	t.Helper()
	var w *workshop
	switch seed % 8 {
	case 1:
		w = newWorkshop(t, seed, emulator.Options{})
		w.deployProject(sourceFiles(t, "dreamhouse", "force-app"))
		return w, 2
	case 4:
		w = newWorkshop(t, seed, emulator.Options{})
		w.deployProject(sourceFiles(t, "easy-spaces", "es-base-objects", "es-base-code", "es-space-mgmt"))
		return w, 2
	case 7:
		w = newWorkshop(t, seed, emulator.Options{Packages: testkit.NPSPRegistry(t)})
		testkit.InstallPackages(t, t.Context(), w.loader)
		w.deployProject(sourceFiles(t, "npsp", "force-app"))
		return w, 4
	}
	w = newWorkshop(t, seed, emulator.Options{})
	w.generate()
	return w, 2
}

func (w *workshop) deployProject(files []component.Entry) {
	w.Helper()
	archive, foreign, err := component.Known().FromSource(files)
	if err != nil || len(foreign) > 0 {
		w.Fatalf("%v; foreign %q", err, foreign)
	}
	if !w.send(archive, keysOf(archive), nil) {
		w.Fatal("the org refuses the project")
	}
	w.server.Clock().Advance(time.Hour)
}
