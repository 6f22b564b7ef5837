package run_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// draft is a state of the components that somebody works on before it is deployed.
type draft struct {
	rnd    *rand.Rand
	sight  sight
	files  map[string]string
	number int
	before []map[string]string // deployed ahead: which version of a flow is active
}

func (w *workshop) draft(s sight, number int) *draft {
	d := &draft{rnd: rand.New(rand.NewPCG(uint64(number), 7)), sight: s, files: map[string]string{}, number: number}
	for _, e := range s.entries() {
		d.files[e.Path] = string(e.Body)
	}
	return d
}

// steps are the ways in which components are changed, the commoner ones several times.
var steps = []func(d *draft){
	(*draft).newClass, (*draft).newClass, (*draft).editClass, (*draft).editClass, (*draft).editClass,
	(*draft).newField, (*draft).newField, (*draft).newField, (*draft).newField, (*draft).dropChild, (*draft).dropChild, (*draft).dropChild, (*draft).dropChild,
	(*draft).newObject, (*draft).newPart, (*draft).newPart, (*draft).newLabel, (*draft).newLabel, (*draft).reword, (*draft).reword,
	(*draft).reword, (*draft).reword, (*draft).grant, (*draft).grant, (*draft).revoke, (*draft).newFlow, (*draft).newFlow, (*draft).changeFlow,
	(*draft).changeFlow, (*draft).switchFlow, (*draft).newRecordOfType, (*draft).drop, (*draft).drop, (*draft).drop, (*draft).drop, (*draft).dropObject,
	(*draft).newBundle, (*draft).editBundle, (*draft).newSet, (*draft).newResource, (*draft).rearrange,
}

// change makes a deployment of so many steps. Steps that the org refuses are left out: what is left is what people deploy.
func (w *workshop) change(count int) {
	w.Helper()
	s := w.see()
	var numbers []int
	for range count {
		w.number++
		numbers = append(numbers, w.number)
	}
	for len(numbers) > 0 {
		d := w.draft(s, 0)
		for _, n := range numbers {
			d.number, d.rnd = n, rand.New(rand.NewPCG(w.rnd.Uint64()&1|uint64(n)<<8, w.seed))
			steps[d.rnd.IntN(len(steps))](d)
		}
		if w.attempt(s, d) {
			return
		}
		w.refused++
		numbers = numbers[:len(numbers)/2]
	}
}

// attempt deploys a draft, and reports whether the org took it.
func (w *workshop) attempt(s sight, d *draft) bool {
	w.Helper()
	var files []component.Entry
	for path, body := range d.files {
		files = append(files, component.Entry{Path: path, Body: []byte(body)})
	}
	p := component.Between(s.entries(), files)
	var off []component.Entry
	var deleted []sf.ComponentKey
	for _, k := range p.Deleted {
		if k.Type != "Flow" {
			deleted = append(deleted, k)
			continue
		}
		if s.active[k.Name] != "" {
			off = append(off, entries(activated(k.Name, 0))...)
		}
		for n := range 60 {
			if v := (sf.ComponentKey{Type: "Flow", Name: fmt.Sprintf("%s-%d", k.Name, n)}); s.names[v] {
				deleted = append(deleted, v)
			}
		}
	}
	var ahead []component.Entry
	for _, files := range d.before {
		ahead = append(ahead, entries(files)...)
	}
	off = append(ahead, off...) // a flow that goes is off, whatever it was switched to
	off = lastOfEach(off)
	if len(off) > 0 && !w.send(off, keysOf(off), nil) {
		return false
	}
	if len(p.Files)+len(deleted) == 0 {
		return true
	}
	return w.send(p.Files, p.Members, deleted)
}

// lastOfEach leaves of files with the same path the last: what is switched twice before a deployment is switched once.
func lastOfEach(files []component.Entry) []component.Entry {
	at := map[string]int{}
	var out []component.Entry
	for _, f := range files {
		if i, twice := at[f.Path]; twice {
			out[i] = f
			continue
		}
		at[f.Path] = len(out)
		out = append(out, f)
	}
	return out
}

func keysOf(files []component.Entry) []sf.ComponentKey {
	var keys []sf.ComponentKey
	for _, f := range files {
		if key, ok := component.Known().Resolve(f.Path); ok {
			keys = append(keys, component.InManifest(key))
		}
	}
	return keys
}

func (w *workshop) send(files []component.Entry, members, deleted []sf.ComponentKey) bool {
	w.Helper()
	all := append(slices.Clone(files), component.Entry{Path: "package.xml", Body: component.PrintManifest(sf.ManifestOf("66.0", members))})
	if len(deleted) > 0 {
		all = append(all, component.Entry{Path: "destructiveChangesPost.xml", Body: component.PrintManifest(sf.ManifestOf("", deleted))})
	}
	raw, err := component.Pack(all)
	if err != nil {
		w.Fatal(err)
	}
	d, err := w.client.Deploy(w.Context(), raw, sf.DeployOptions{RollbackOnError: true})
	if err != nil {
		w.Fatal(err)
	}
	w.server.Clock().Advance(time.Hour)
	return d.Success
}

// fill writes records into custom objects that have few, so that deployments have something to destroy.
func (w *workshop) fill() {
	w.Helper()
	s := w.see()
	for n, object := range slices.Sorted(maps.Keys(s.rows)) {
		if len(s.rows[object]) > 3 || n > 5 {
			continue
		}
		fields := w.fields(s, sf.ComponentKey{Type: "CustomObject", Name: object})
		for i := range 3 {
			w.number++
			row := testkit.Row{"Name": fmt.Sprintf("row %d", w.number)}
			for _, f := range fields {
				if w.rnd.IntN(3) > 0 {
					row[f] = w.value(s, object, f, i)
				}
			}
			// Objects of real projects have required fields and rules: what they do not take is not there.
			_, _ = w.loader.Insert(w.Context(), object, []testkit.Row{row})
		}
	}
	w.server.Clock().Advance(time.Hour)
}

func (w *workshop) value(s sight, object, field string, i int) string {
	for _, n := range s.root(sf.ComponentKey{Type: "CustomObject", Name: object}).Nodes {
		if n.Value("fullName") != field {
			continue
		}
		switch n.Value("type") {
		case "Number":
			return fmt.Sprint(w.rnd.IntN(90))
		case "Checkbox":
			return "true"
		}
	}
	return fmt.Sprintf("v%d %d", w.number, i)
}

// edit changes some records, as people do after a deployment.
func (w *workshop) edit(s sight) {
	w.Helper()
	now := w.see()
	for _, object := range slices.Sorted(maps.Keys(now.rows)) {
		fields := w.fields(now, sf.ComponentKey{Type: "CustomObject", Name: object})
		for _, name := range slices.Sorted(maps.Keys(now.rows[object])) {
			if w.rnd.IntN(5) > 0 || len(fields) == 0 {
				continue
			}
			w.number++
			f := fields[w.rnd.IntN(len(fields))]
			_ = w.loader.Update(w.Context(), object, []testkit.Row{{"Id": now.rows[object][name]["Id"], f: w.value(now, object, f, 0)}})
		}
	}
	w.server.Clock().Advance(time.Hour)
}

// pick returns one of the paths below a folder, or "".
func (d *draft) pick(folder string, fits func(path string) bool) string {
	var paths []string
	for path := range d.files {
		if strings.HasPrefix(path, folder) && (fits == nil || fits(path)) {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return ""
	}
	slices.Sort(paths)
	return paths[d.rnd.IntN(len(paths))]
}

// with changes the document at a path.
func (d *draft) with(path string, change func(root *component.Node)) {
	root, err := component.Parse([]byte(d.files[path]))
	if err != nil {
		return
	}
	change(root)
	key, _ := component.Known().Resolve(path)
	d.files[path] = string(component.Print(component.Arrange(key.Type, root)))
}

func (d *draft) add(files map[string]string) { maps.Copy(d.files, files) }

// node reads an element.
func node(format string, args ...any) *component.Node {
	root, err := component.Parse([]byte(`<x` + metadataSpace + `>` + fmt.Sprintf(format, args...) + `</x>`))
	if err != nil {
		panic(err)
	}
	return root.Nodes[0]
}

func (d *draft) object() string {
	return d.pick("objects/", func(p string) bool { return strings.HasSuffix(p, "__c.object") })
}

func nameOf(path string) string {
	key, _ := component.Known().Resolve(path)
	return key.Name
}

// custom are the names of custom fields of the object at a path.
func (d *draft) custom(path string) []string {
	var out []string
	d.with(path, func(root *component.Node) {
		for _, n := range root.Nodes {
			if n.Name == "fields" && strings.HasSuffix(n.Value("fullName"), "__c") {
				out = append(out, n.Value("fullName"))
			}
		}
	})
	return out
}

func (d *draft) newClass() { d.add(generatedClass(fmt.Sprintf("Made%d", d.number), d.number)) }

func (d *draft) editClass() {
	if path := d.pick("classes/", func(p string) bool { return strings.HasSuffix(p, ".cls") }); path != "" {
		d.files[path] = fmt.Sprintf("public class %s { Integer n = %d; }", nameOf(path), d.number)
	}
}

func (d *draft) newField() {
	path := d.object()
	if path == "" {
		return
	}
	shape := []string{
		"<length>40</length><type>Text</type>", "<precision>8</precision><scale>0</scale><type>Number</type>", "<defaultValue>false</defaultValue><type>Checkbox</type>",
		"<length>1000</length><type>LongTextArea</type><visibleLines>3</visibleLines>", "<type>TextArea</type>",
		"<type>Picklist</type><valueSet><valueSetDefinition><sorted>false</sorted><value><fullName>one</fullName><default>false</default><label>one</label></value><value><fullName>two</fullName><default>false</default><label>two</label></value></valueSetDefinition></valueSet>",
		"<deleteConstraint>SetNull</deleteConstraint><referenceTo>Account</referenceTo><relationshipName>Rel%d</relationshipName><type>Lookup</type>",
	}[d.rnd.IntN(7)]
	if strings.Contains(shape, "%d") {
		shape = fmt.Sprintf(shape, d.number)
	}
	d.with(path, func(root *component.Node) {
		root.Nodes = append(root.Nodes, node("<fields><fullName>F%d__c</fullName><label>F%d</label>%s</fields>", d.number, d.number, shape))
	})
}

// dropChild deletes a field or another part that is a component itself.
func (d *draft) dropChild() {
	path := d.pick("", func(p string) bool {
		return strings.HasPrefix(p, "objects/") || strings.HasPrefix(p, "labels/") || strings.HasPrefix(p, "workflows/")
	})
	if path == "" {
		return
	}
	kind := component.Known().Kind(keyAt(path).Type)
	d.with(path, func(root *component.Node) {
		var at []int
		for i, n := range root.Nodes {
			child, ok := kind.Child(n.Name)
			if ok && child.Name != "RecordType" && (child.Name != "CustomField" || strings.HasSuffix(n.Value("fullName"), "__c")) {
				at = append(at, i)
			}
		}
		if len(at) > 0 {
			i := at[d.rnd.IntN(len(at))]
			root.Nodes = slices.Delete(root.Nodes, i, i+1)
		}
	})
}

func keyAt(path string) sf.ComponentKey {
	key, _ := component.Known().Resolve(path)
	return key
}

func (d *draft) newObject() {
	name := fmt.Sprintf("Made%d__c", d.number)
	body := thing("A=a", "B=b")["objects/Thing__c.object"]
	d.files["objects/"+name+".object"] = body
}

func (d *draft) dropObject() {
	if path := d.object(); path != "" && d.rnd.IntN(2) == 0 {
		delete(d.files, path)
	}
}

// newPart adds a rule, a list view and the like to an object.
func (d *draft) newPart() {
	path := d.object()
	if path == "" {
		return
	}
	fields := d.custom(path)
	field := "Name"
	if len(fields) > 0 {
		field = fields[d.rnd.IntN(len(fields))]
	}
	n := d.number
	part := []*component.Node{
		node("<validationRules><fullName>V%d</fullName><active>true</active><errorConditionFormula>Name = &quot;%d&quot;</errorConditionFormula><errorMessage>no</errorMessage></validationRules>", n, n),
		node("<validationRules><fullName>V%d</fullName><active>false</active><errorConditionFormula>ISBLANK(%s)</errorConditionFormula><errorMessage>no</errorMessage></validationRules>", n, field),
		node("<listViews><fullName>L%d</fullName><columns>NAME</columns><filterScope>Everything</filterScope><label>L%d</label></listViews>", n, n),
		node("<fieldSets><fullName>S%d</fullName><description>d</description><displayedFields><field>%s</field><isFieldManaged>false</isFieldManaged><isRequired>false</isRequired></displayedFields><label>S%d</label></fieldSets>", n, field, n),
		node("<compactLayouts><fullName>K%d</fullName><fields>Name</fields><label>K%d</label></compactLayouts>", n, n),
		node("<webLinks><fullName>W%d</fullName><availability>online</availability><displayType>link</displayType><encodingKey>UTF-8</encodingKey><hasMenubar>false</hasMenubar><hasScrollbars>true</hasScrollbars><hasToolbar>false</hasToolbar><height>600</height><isResizable>true</isResizable><linkType>url</linkType><masterLabel>W%d</masterLabel><openType>newWindow</openType><position>none</position><protected>false</protected><url>/home</url></webLinks>", n, n),
		node("<recordTypes><fullName>R%d</fullName><active>true</active><label>R%d</label></recordTypes>", n, n),
	}[d.rnd.IntN(7)]
	d.with(path, func(root *component.Node) { root.Nodes = append(root.Nodes, part) })
}

func (d *draft) newLabel() {
	const path = "labels/CustomLabels.labels"
	if d.files[path] == "" {
		d.files[path] = "<CustomLabels" + metadataSpace + "></CustomLabels>"
	}
	d.with(path, func(root *component.Node) {
		root.Nodes = append(root.Nodes, node("<labels><fullName>Label%d</fullName><language>en_US</language><protected>false</protected><shortDescription>s</shortDescription><value>v%d</value></labels>", d.number, d.number))
	})
}

// words are elements whose text means nothing to the platform.
var words = []string{"label", "pluralLabel", "description", "masterLabel", "shortDescription", "errorMessage", "inlineHelpText"}

// reword changes a text somewhere in a component.
func (d *draft) reword() {
	path := d.pick("", func(p string) bool { return !strings.HasPrefix(p, "flows/") && !strings.HasPrefix(p, "profiles/") })
	if path == "" {
		return
	}
	d.with(path, func(root *component.Node) {
		var all []*component.Node
		for _, n := range root.Nodes {
			if slices.Contains(words, n.Name) && len(n.Nodes) == 0 {
				all = append(all, n)
			}
			for _, c := range n.Nodes {
				if slices.Contains(words, c.Name) && len(c.Nodes) == 0 {
					all = append(all, c)
				}
			}
		}
		if len(all) > 0 {
			all[d.rnd.IntN(len(all))].Text = fmt.Sprintf("Word %d", d.number)
		}
	})
}
