package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// DrillNamespaces returns the managed packages whose objects and fields the snapshot of the metadata describes,
// sorted: the empty org of a drill is started with a folder for each, which the drill fills.
//
// Errors: those with which Drill would begin.
func DrillNamespaces(ctx context.Context, in DrillInput) ([]string, error) {
	d := &drill{in: in}
	if err := d.load(ctx); err != nil {
		return nil, err
	}
	own, err := ownNamespaces(ctx, d.against)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, o := range d.against.Schema().Objects {
		if packageable(o.Name) {
			found[namespaceOf(o.Name)] = true
		}
		for _, f := range o.Fields {
			if packagedField(f) {
				found[namespaceOf(f.Name)] = true
			}
		}
	}
	delete(found, "")
	maps.DeleteFunc(found, func(ns string, _ bool) bool { return own[ns] })
	return slices.Sorted(maps.Keys(found)), nil
}

// ownNamespaces are those in which the org itself develops: what is named with one is the org's own.
func ownNamespaces(ctx context.Context, sn *snapshot.Snapshot) (map[string]bool, error) {
	own := map[string]bool{}
	if p, held := sn.Part("Organization"); held && p.State == snapshot.Whole {
		for r, err := range sn.Records(ctx, p.Object) {
			if err != nil {
				return nil, err
			}
			own[r.Get("NamespacePrefix").Text()] = true
		}
	}
	if !slices.Contains(componentKinds(sn), "CustomObject") {
		return own, nil
	}
	for row, err := range componentRows(ctx, sn, "CustomObject") {
		if err != nil {
			return nil, err
		}
		if row.Manageable != "" && !row.Installed() && row.Namespace == namespaceOf(row.Name) {
			own[row.Namespace] = true
		}
	}
	return own, nil
}

// apiName is the form of names of objects and fields. What is not of it is nobody's, and never becomes the name of a folder.
// Source: Metadata API Developer Guide, Metadata, "fullName".
var apiName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// namespaceOf returns ns of ns__Name__c, "" of a name without namespace.
func namespaceOf(name string) string {
	if parts := strings.Split(name, "__"); len(parts) == 3 && apiName.MatchString(name) {
		return parts[0]
	}
	return ""
}

// plainName is a name without its namespace.
func plainName(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, namespaceOf(name)), "__")
}

// packagedField reports a field that a definition can make. Parts of a location and of a person account come with another.
func packagedField(f *sf.Field) bool { return f.Custom && strings.HasSuffix(f.Name, "__c") }

// packageable reports an object that a definition can make. Shares, histories and feeds come with their object.
func packageable(object string) bool {
	return strings.HasSuffix(object, "__c") || strings.HasSuffix(object, "__mdt")
}

// packages gives the empty org the managed packages as far as a describe tells of them.
type packages struct {
	*drill
	whole *sf.Schema                            // of the org that is rehearsed
	empty *sf.Schema                            // of the empty org
	made  map[string]bool                       // objects of the packages that are there already
	files map[string]map[string]*component.Node // definitions by namespace and object
	later map[string]*component.Node            // fields that need objects of the org itself, by object
	left  map[string][]string                   // what is left out, by namespace
}

// packages installs the packages, each after those that it builds on.
func (d *drill) packages(ctx context.Context) error {
	if len(d.in.Packages) == 0 {
		return nil
	}
	empty, err := d.in.Org.Schema(ctx)
	if err != nil {
		return fmt.Errorf("describe the empty org: %w", err)
	}
	p := &packages{
		drill: d, whole: d.against.Schema(), empty: empty, made: map[string]bool{}, files: map[string]map[string]*component.Node{},
		later: map[string]*component.Node{}, left: map[string][]string{},
	}
	types, err := p.recordTypes(ctx)
	if err != nil {
		return err
	}
	for _, ns := range p.ordered() {
		p.define(ns, types[ns])
		if err := p.write(ns); err != nil {
			return fmt.Errorf("write package %s: %w", ns, err)
		}
		before := len(d.out.NotDeployed)
		key := sf.ComponentKey{Type: "InstalledPackage", Name: ns}
		root := element("InstalledPackage", text("versionNumber", "1.0")) // the folder has one
		file := component.Entry{Path: "installedPackages/" + ns + ".installedPackage", Body: component.Print(root)}
		if err := d.send(ctx, key.Type, []sf.ComponentKey{key}, []component.Entry{file}); err != nil {
			return err
		}
		if len(d.out.NotDeployed) == before {
			d.out.Packages = append(d.out.Packages, ns)
		}
	}
	d.later = p.later
	p.tell()
	return nil
}

// tell says what of the packages is not rehearsed.
func (p *packages) tell() {
	if len(p.out.Packages) > 0 {
		p.out.NotTried = append(p.out.NotTried, "packages "+strings.Join(p.out.Packages, ", ")+
			": objects and fields as the snapshot describes them; what their own rules and code refuse was not rehearsed")
	}
	for _, ns := range p.out.Packages {
		if left := p.left[ns]; len(left) > 0 {
			p.out.NotTried = append(p.out.NotTried, fmt.Sprintf("package %s: %d fields are formulas or roll-ups, or refer to what the empty org does not "+
				"have, and were left out: %s", ns, len(left), strings.Join(left, ", ")))
		}
	}
}

// ordered returns the namespaces, each after those on whose objects it has fields or to whose it refers. In a
// circle the first by name comes first, and what it needs of the others comes later.
func (p *packages) ordered() []string {
	needs := map[string]map[string]bool{}
	for ns := range p.in.Packages {
		needs[ns] = map[string]bool{}
	}
	for _, o := range p.whole.Objects {
		for _, f := range o.Fields {
			of := needs[namespaceOf(f.Name)]
			if of == nil {
				continue
			}
			for _, on := range append([]string{o.Name}, f.ReferenceTo...) {
				of[namespaceOf(on)] = true
			}
		}
	}
	var out []string
	seen := map[string]bool{}
	var visit func(ns string)
	visit = func(ns string) {
		if needs[ns] == nil || seen[ns] {
			return
		}
		seen[ns] = true
		for _, on := range slices.Sorted(maps.Keys(needs[ns])) {
			visit(on)
		}
		out = append(out, ns)
	}
	for _, ns := range slices.Sorted(maps.Keys(needs)) {
		visit(ns)
	}
	return out
}

// define makes the definitions of a package.
func (p *packages) define(ns string, types map[string][]*component.Node) {
	files := map[string]*component.Node{}
	p.files[ns] = files
	for _, o := range p.whole.Objects {
		if namespaceOf(o.Name) == ns && packageable(o.Name) {
			files[o.Name], p.made[o.Name] = p.object(o), true
		}
	}
	for _, o := range p.whole.Objects {
		for _, f := range o.Fields {
			if namespaceOf(f.Name) == ns && packagedField(f) {
				p.field(ns, o, f)
			}
		}
	}
	for object, nodes := range types {
		if p.there(object) {
			fileOf(files, object).Nodes = append(fileOf(files, object).Nodes, nodes...)
		}
	}
}

// field puts a field where it belongs: into the package, after the org's own objects, or to what is left out.
func (p *packages) field(ns string, o *sf.Object, f *sf.Field) {
	object := o.Name
	switch {
	case object == "Event" && p.whole.Object("Task") != nil && p.whole.Object("Task").Field(f.Name) != nil:
		return // it is one field of both. Source: Object Reference, Activity custom fields.
	case object == "Event", object == "Task":
		object = "Activity"
	}
	def, files, name := p.definition(o, f), p.files[ns], plainName(f.Name)
	for _, on := range append([]string{o.Name}, f.ReferenceTo...) {
		switch {
		case p.there(on):
		case p.whole.Object(on) != nil && packageable(on): // it comes after this package
			files, name = p.later, f.Name
		default:
			def = nil
		}
	}
	if def == nil {
		p.left[ns] = append(p.left[ns], o.Name+"."+f.Name)
		return
	}
	if to := def.Child("referenceTo"); to != nil && namespaceOf(to.Text) == ns && name != f.Name {
		to.Text = plainName(to.Text)
	}
	def.Nodes = append([]*component.Node{text("fullName", name)}, def.Nodes...)
	fileOf(files, object).Nodes = append(fileOf(files, object).Nodes, def)
}

// there reports an object that the empty org has by now.
func (p *packages) there(object string) bool { return p.made[object] || p.empty.Object(object) != nil }

// write puts the definitions of a package into the folder from which the empty org installs it.
func (p *packages) write(ns string) error {
	dir := filepath.Join(p.in.Packages[ns], "objects")
	err := os.MkdirAll(dir, 0o700)
	for name, root := range p.files[ns] {
		if namespaceOf(name) == ns { // the org gives what a package defines its namespace
			name = plainName(name)
		}
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name+".object"), component.Print(root), 0o600))
	}
	return err
}

// recordTypes returns the record types of the packages, by namespace and object, as far as the snapshot holds them.
func (p *packages) recordTypes(ctx context.Context) (map[string]map[string][]*component.Node, error) {
	out := map[string]map[string][]*component.Node{}
	if part, held := p.against.Part("RecordType"); !held || part.State != snapshot.Whole {
		return out, nil
	}
	for r, err := range p.against.Records(ctx, "RecordType") {
		if err != nil {
			return nil, err
		}
		ns, object := r.Get("NamespacePrefix").Text(), r.Get("SobjectType").Text()
		if p.in.Packages[ns] == "" {
			continue
		}
		if out[ns] == nil {
			out[ns] = map[string][]*component.Node{}
		}
		out[ns][object] = append(out[ns][object], element("recordTypes", text("fullName", r.Get("DeveloperName").Text()),
			text("active", r.Get("IsActive").Text()), text("label", r.Get("Name").Text())))
	}
	return out, nil
}

// packagedLater deploys the fields of packages that need objects of the org itself.
func (d *drill) packagedLater(ctx context.Context) error {
	var keys []sf.ComponentKey
	var files []component.Entry
	for _, object := range slices.Sorted(maps.Keys(d.later)) {
		for _, f := range d.later[object].Nodes {
			keys = append(keys, sf.ComponentKey{Type: "CustomField", Name: object + "." + f.Value("fullName")})
		}
		files = append(files, component.Entry{Path: "objects/" + object + ".object", Body: component.Print(d.later[object])})
	}
	return d.send(ctx, "CustomField", keys, files)
}
