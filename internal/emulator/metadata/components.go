package metadata

import (
	"encoding/xml"
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
)

// objectFile is one .object file of a deploy.
type objectFile struct {
	name, path string
	def        *customObject
}

// objects deploys the .object files of an archive: the objects first, then their fields by stage, then
// their record types.
func (d *deploy) objects(a *archive, rn *renamer) {
	var files []*objectFile
	for _, entry := range a.under("objects", "object") {
		f := &objectFile{name: entry[0], path: entry[1]}
		def, err := readObject(a.files[f.path])
		if err != nil {
			d.fail("CustomObject", f.name, f.path, "Error parsing file: "+err.Error())
			continue
		}
		f.def = def
		files = append(files, f)
	}
	rn.learn(d.tx, files)
	files = slices.DeleteFunc(files, func(f *objectFile) bool { return !d.object(a, rn, f) })
	for stage := range 4 {
		for _, f := range files {
			for i := range f.def.Fields {
				if field := &f.def.Fields[i]; field.stage() == stage {
					d.field(rn, f, field)
				}
			}
		}
	}
	for _, f := range files {
		for _, target := range targetsOf(f.name) {
			for _, p := range d.tx.Finish(target) {
				p.Fatal = p.Fatal && rn.namespace == "" // packages name fields of packages that come later
				d.formulaProblem(f, p)
			}
		}
		for _, rt := range f.def.RecordTypes {
			d.recordType(rn, f, rt)
		}
	}
	d.tx.ReadAgain()
	for _, f := range files {
		for _, v := range f.def.ValidationRules {
			d.validationRule(rn, f, v)
		}
	}
}

// formulaProblem says of a field that was deployed what is wrong with its formula.
func (d *deploy) formulaProblem(f *objectFile, p org.FormulaProblem) {
	for i := range d.messages {
		m := &d.messages[i]
		if m.ComponentType != "CustomField" || m.FullName != f.name+"."+p.Field || !m.Success {
			continue
		}
		if m.Problem, m.ProblemType = p.Message, "Warning"; p.Fatal {
			*m = Message{ComponentType: m.ComponentType, FullName: m.FullName, FileName: m.FileName, Problem: p.Message, ProblemType: "Error"}
			for _, target := range targetsOf(f.name) {
				_ = d.tx.DropField(target, p.Field) // it is there: it was deployed a moment ago
			}
		}
	}
}

// targetsOf returns the objects that a file is about. Activity stands for tasks and events.
// Source: Object Reference, Activity custom fields.
func targetsOf(name string) []string {
	if name == "Activity" {
		return []string{"Task", "Event"}
	}
	return []string{name}
}

// object deploys the object of a file, without its fields; false when there is no such object.
func (d *deploy) object(a *archive, rn *renamer, f *objectFile) bool {
	plain := f.name
	f.name = rn.object(f.name)
	files := map[string][]byte{f.path: a.files[f.path]}
	if rn.namespace != "" {
		files = nil
	}
	for _, target := range targetsOf(f.name) {
		_, exists := d.tx.Object(target)
		if exists && !f.def.defined(f.name) {
			if !strings.Contains(target, "__") && (f.def.EnableHistory || f.def.SharingModel != "") {
				spec := f.def.spec(target)
				d.attempt("CustomObject", f.name, f.path, func() (string, bool, *org.Error) {
					_, err := d.tx.PutObject(spec)
					return "", false, err
				})
			}
			continue
		}
		if !exists && !f.def.defined(f.name) {
			d.fail("CustomObject", f.name, f.path, "Entity of type CustomObject named "+target+" cannot be found")
			return false
		}
		spec := f.def.spec(f.name)
		ok := d.attempt("CustomObject", f.name, f.path, func() (string, bool, *org.Error) {
			created, err := d.tx.PutObject(spec)
			return "", created, err
		})
		if !ok {
			return false
		}
		d.keepFile("CustomObject", f.name, f.path, "", rn.namespace, files)
		return true
	}
	if rn.namespace == "" && d.manifest.has("CustomObject", plain) {
		d.done("CustomObject", f.name, f.path, "", false)
	}
	d.keepFile("CustomObject", f.name, f.path, "", rn.namespace, files)
	return true
}

func (d *deploy) field(rn *renamer, f *objectFile, field *customField) {
	spec := rn.field(f.name, field.spec())
	name := f.name + "." + spec.Name
	ok := d.attempt("CustomField", name, f.path, func() (string, bool, *org.Error) {
		created := false
		for i, target := range targetsOf(f.name) {
			s := spec
			if i > 0 && s.RelationshipName != "" { // two objects cannot share a child relationship
				s.RelationshipName += target
			}
			c, err := d.tx.PutField(target, s)
			if err != nil {
				return "", false, err
			}
			created = created || c
		}
		return "", created, nil
	})
	if ok {
		d.keepFile("CustomField", name, f.path, "", rn.namespace, nil)
	}
}

func (d *deploy) recordType(rn *renamer, f *objectFile, rt recordType) {
	name := f.name + "." + rn.prefixed(rt.FullName)
	var id string
	ok := d.attempt("RecordType", name, f.path, func() (string, bool, *org.Error) {
		got, created, err := d.tx.PutRecordType(org.RecordTypeSpec{
			Object: f.name, DeveloperName: rt.FullName, Namespace: rn.namespace, Label: rt.Label,
			Description: rt.Description, Active: rt.Active, Picklists: picklistOffers(rt.Offers),
		})
		id = string(got)
		return id, created, err
	})
	if ok {
		d.keepFile("RecordType", name, f.path, id, rn.namespace, nil)
	}
}

// valueSets deploys global and standard value sets.
func (d *deploy) valueSets() {
	for _, entry := range d.archive.under("globalValueSets", "globalValueSet") {
		var set struct {
			Values []customValue `xml:"customValue"`
		}
		d.valueSet("GlobalValueSet", entry, &set, &set.Values)
	}
	for _, entry := range d.archive.under("standardValueSets", "standardValueSet") {
		var set struct {
			Values []customValue `xml:"standardValue"`
		}
		d.valueSet("StandardValueSet", entry, &set, &set.Values)
	}
}

func (d *deploy) valueSet(kind string, entry [2]string, into any, values *[]customValue) {
	name, file := entry[0], entry[1]
	if err := xml.Unmarshal(d.archive.files[file], into); err != nil {
		d.fail(kind, name, file, "Error parsing file: "+err.Error())
		return
	}
	ok := d.attempt(kind, name, file, func() (string, bool, *org.Error) {
		created, err := d.tx.PutValueSet(name, kind == "StandardValueSet", valueSpecs(*values))
		return "", created, err
	})
	if ok {
		d.keepFile(kind, name, file, "", "", map[string][]byte{file: d.archive.files[file]})
	}
}

// customMetadata is one .md file.
type customMetadata struct {
	Label  string `xml:"label"`
	Values []struct {
		Field string `xml:"field"`
		Value struct {
			Text string `xml:",chardata"`
			Nil  string `xml:"http://www.w3.org/2001/XMLSchema-instance nil,attr"`
		} `xml:"value"`
	} `xml:"values"`
}

// records deploys custom metadata records: customMetadata/Type.Name.md.
func (d *deploy) records() {
	for _, entry := range d.archive.under("customMetadata", "md") {
		name, file := entry[0], entry[1]
		var md customMetadata
		if err := xml.Unmarshal(d.archive.files[file], &md); err != nil {
			d.fail("CustomMetadata", name, file, "Error parsing file: "+err.Error())
			continue
		}
		object, record, _ := strings.Cut(name, ".")
		var values []org.Assignment
		for _, v := range md.Values {
			values = append(values, org.Assignment{Field: v.Field, Text: v.Value.Text})
		}
		var id string
		ok := d.attempt("CustomMetadata", name, file, func() (string, bool, *org.Error) {
			got, created, err := d.tx.PutMetadataRecord(object+"__mdt", record, md.Label, values)
			id = string(got)
			return id, created, err
		})
		if ok {
			d.keepFile("CustomMetadata", name, file, id, "", map[string][]byte{file: d.archive.files[file]})
		}
	}
}
