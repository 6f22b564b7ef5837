package metadata

import (
	"encoding/xml"
	"regexp"
	"strings"

	"holdfast/internal/emulator/org"
)

// install installs the packages that the archive names from the registry. On the platform an
// InstalledPackage component names a version that AppExchange knows; here the registry knows one.
func (d *deploy) install() {
	for _, entry := range d.archive.under("installedPackages", "installedPackage") {
		namespace, file := entry[0], entry[1]
		var p struct {
			Version string `xml:"versionNumber"`
		}
		if err := xml.Unmarshal(d.archive.files[file], &p); err != nil {
			d.fail("InstalledPackage", namespace, file, "Error parsing file: "+err.Error())
			continue
		}
		folder, ok := d.store.registry[namespace]
		if !ok { // wording unverified
			d.fail("InstalledPackage", namespace, file, "Package "+namespace+" "+p.Version+" does not exist")
			continue
		}
		d.installFrom(namespace, file, func() (*archive, error) { return readFolder(folder) })
	}
}

func (d *deploy) installFrom(namespace, file string, read func() (*archive, error)) {
	a, err := read()
	if err != nil {
		d.fail("InstalledPackage", namespace, file, "Unable to read package: "+err.Error())
		return
	}
	_, again := d.store.components[key{"InstalledPackage", namespace}]
	before := d.messages
	d.messages = nil
	d.objects(a, &renamer{namespace: namespace})
	inner := d.messages
	d.messages = before
	for _, m := range inner {
		if !m.Success { // a package installs whole or not at all; its first problem stands for all
			d.fail("InstalledPackage", namespace, file, m.FullName+": "+m.Problem)
			return
		}
	}
	d.done("InstalledPackage", namespace, file, "", !again)
	d.keepFile("InstalledPackage", namespace, file, "", "", map[string][]byte{file: d.archive.files[file]})
}

// renamer gives the components of a package their namespace, and turns references inside the package
// into full names: to its own components, and to those of packages that are installed. Without a
// namespace it changes nothing.
type renamer struct {
	namespace string
	tx        *org.Tx
	objects   map[string]bool            // own custom objects, by plain name
	fields    map[string]map[string]bool // own fields by full name of the object, then plain name
	names     map[string]bool            // own fields of any object
}

// learn notes what the package defines.
func (rn *renamer) learn(tx *org.Tx, files []*objectFile) {
	rn.tx = tx
	rn.objects, rn.fields, rn.names = map[string]bool{}, map[string]map[string]bool{}, map[string]bool{}
	if rn.namespace == "" {
		return
	}
	for _, f := range files {
		if f.def.defined(f.name) {
			rn.objects[f.name] = true
		}
	}
	for _, f := range files {
		own := map[string]bool{}
		for _, field := range f.def.Fields {
			own[field.FullName] = true
			rn.names[field.FullName] = true
		}
		rn.fields[rn.object(f.name)] = own
	}
}

// plainCustom reports a custom name without namespace: Paid__c and not npe01__Paid__c.
func plainCustom(name string) bool {
	return strings.Count(name, "__") == 1 && strings.LastIndex(name, "__") > 0
}

func (rn *renamer) prefixed(name string) string {
	if rn.namespace == "" {
		return name
	}
	return rn.namespace + "__" + name
}

// object returns the full name of an object.
func (rn *renamer) object(name string) string {
	if rn.namespace == "" || !plainCustom(name) {
		return name
	}
	if rn.objects[name] {
		return rn.prefixed(name)
	}
	if _, ok := rn.tx.Object(name); ok { // an object of the org itself
		return name
	}
	if found := rn.tx.Packaged(name); found != "" {
		return found
	}
	return rn.prefixed(name)
}

// fieldName returns the full name of a field of an object, which is given by its full name.
func (rn *renamer) fieldName(object, name string) string {
	if rn.namespace == "" || !plainCustom(name) {
		return name
	}
	if rn.fields[object][name] {
		return rn.prefixed(name)
	}
	if o, ok := rn.tx.Object(object); ok {
		for _, f := range o.Fields {
			if f.Name == name || strings.HasSuffix(f.Name, "__"+name) {
				return f.Name
			}
		}
	}
	return rn.prefixed(name)
}

// path returns the full name of Object__c.Field__c.
func (rn *renamer) path(p string) string {
	object, field, ok := strings.Cut(p, ".")
	if !ok {
		return p
	}
	full := rn.object(object)
	return full + "." + rn.fieldName(full, field)
}

// customWord finds the custom names in a formula.
var customWord = regexp.MustCompile(`\b[A-Za-z]\w*__[cr]\b`)

// field gives a definition its full names.
func (rn *renamer) field(object string, s org.FieldSpec) org.FieldSpec {
	if rn.namespace == "" {
		return s
	}
	s.Name = rn.fieldName(object, s.Name)
	s.ReferenceTo = rn.object(s.ReferenceTo)
	if s.RelationshipName != "" {
		s.RelationshipName = rn.prefixed(s.RelationshipName)
	}
	s.SummaryForeignKey, s.SummarizedField = rn.path(s.SummaryForeignKey), rn.path(s.SummarizedField)
	for i := range s.SummaryFilters {
		s.SummaryFilters[i].Field = rn.path(s.SummaryFilters[i].Field)
	}
	if s.ControllingField != "" {
		s.ControllingField = rn.fieldName(object, s.ControllingField)
	}
	if s.ValueSetName != "" {
		s.ValueSetName = rn.prefixed(s.ValueSetName)
	}
	s.Formula, s.DefaultValue = rn.formula(object, s.Formula), rn.formula(object, s.DefaultValue)
	return s
}

// formula gives the custom names in a formula their namespace.
func (rn *renamer) formula(object, text string) string {
	if rn.namespace == "" {
		return text
	}
	return customWord.ReplaceAllStringFunc(text, func(word string) string {
		field := word[:len(word)-1] + "c"
		if !plainCustom(word) {
			return word
		}
		if rn.names[field] {
			return rn.prefixed(word)
		}
		full := rn.fieldName(object, field)
		return full[:len(full)-1] + word[len(word)-1:]
	})
}
