package run_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// maze is a random schema: custom objects with values of most types that refer to each other in trees, rings,
// junctions and chains that may not be broken.
type maze struct {
	dice    *rand.Rand
	objects []*mazeObject
	fresh   int // counts unique values
}

// mazeObject is a custom object, or a standard one of which the maze uses some fields.
type mazeObject struct {
	name        string
	standard    bool
	numbered    bool // the org names its records
	masters     int
	depth       int      // masters above it
	recordTypes []string // developer names
	fields      []*mazeField
}

// mazeField is a field that the maze writes.
type mazeField struct {
	name, kind string
	to         string // object, of a reference
	required   bool   // and is given when a record is created
	fixed      bool   // nobody can change it afterwards
	restrict   bool   // what it refers to cannot be deleted
	unique     bool
	values     []string // of a picklist
}

func (f *mazeField) master() bool    { return f.kind == "MasterDetail" }
func (f *mazeField) reference() bool { return f.to != "" }

// needed reports a reference without which there is no record.
func (f *mazeField) needed() bool { return f.reference() && (f.master() || f.required) }

func (o *mazeObject) field(name string) *mazeField {
	for _, f := range o.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

func (m *maze) object(name string) *mazeObject {
	for _, o := range m.objects {
		if o.name == name {
			return o
		}
	}
	return nil
}

func (m *maze) chance(percent int) bool { return m.dice.IntN(100) < percent }

// newMaze draws a schema of two to five custom objects.
func newMaze(rnd *rand.Rand) *maze {
	m := &maze{dice: rnd, objects: []*mazeObject{{name: "Account", standard: true, fields: []*mazeField{
		{name: "Name", kind: "Text", required: true},
		{name: "Site", kind: "Text"},
		{name: "NumberOfEmployees", kind: "Number"},
		{name: "ParentId", kind: "Lookup", to: "Account"},
	}}}}
	n := 2 + rnd.IntN(4)
	for i := range n {
		m.objects = append(m.objects, &mazeObject{name: fmt.Sprintf("M%d__c", i), numbered: m.chance(30)})
	}
	for i, o := range m.objects[1:] {
		m.scalars(o)
		m.masters(o, i+1)
		m.lookups(o, i+1)
		if m.chance(40) {
			o.recordTypes = []string{"RA", "RB"}
		}
	}
	return m
}

func (m *maze) scalars(o *mazeObject) {
	if !o.numbered {
		o.fields = append(o.fields, &mazeField{name: "Name", kind: "Text", required: true})
	}
	kinds := []string{"Text", "Number", "Checkbox", "Date", "DateTime", "Picklist", "MultiselectPicklist", "LongTextArea", "Email", "Phone", "Url", "Currency", "Percent", "TextArea", "Unique", "Required"}
	for i := range 2 + m.dice.IntN(5) {
		f := &mazeField{name: fmt.Sprintf("V%d__c", i), kind: kinds[m.dice.IntN(len(kinds))]}
		switch f.kind {
		case "Unique":
			f.kind, f.unique = "Text", true
		case "Required":
			f.kind, f.required = "Text", true
		case "Picklist", "MultiselectPicklist":
			f.values = []string{"red", "green", "dark blue"}
		}
		o.fields = append(o.fields, f)
	}
}

// masters gives an object none, one or two masters among the earlier ones. Three levels of details are the
// most that the platform has. Source: Salesforce Help, "Considerations for Object Relationships".
func (m *maze) masters(o *mazeObject, at int) {
	want := []int{0, 0, 1, 1, 2}[m.dice.IntN(5)]
	for range want {
		p := m.objects[m.dice.IntN(at)]
		if p.depth >= 2 {
			continue
		}
		o.fields = append(o.fields, &mazeField{
			name: fmt.Sprintf("Master%d__c", o.masters), kind: "MasterDetail", to: p.name, required: true, fixed: m.chance(50),
		})
		o.masters++
		o.depth = max(o.depth, p.depth+1)
	}
}

func (m *maze) lookups(o *mazeObject, at int) {
	add := func(to string, required bool) {
		o.fields = append(o.fields, &mazeField{
			name: fmt.Sprintf("L%d__c", len(o.fields)), kind: "Lookup", to: to, required: required, restrict: required || m.chance(30),
		})
	}
	if m.chance(60) {
		add(o.name, false)
	}
	if m.chance(40) {
		add(m.objects[m.dice.IntN(at)].name, true)
	}
	for range m.dice.IntN(3) {
		add(m.objects[m.dice.IntN(len(m.objects))].name, false)
	}
}

// files are the schema as the Metadata API takes it.
func (m *maze) files() map[string]string {
	names := []string{}
	files := map[string]string{}
	for _, o := range m.objects[1:] {
		names = append(names, o.name)
		files["objects/"+o.name+".object"] = m.definition(o)
	}
	var members strings.Builder
	for _, n := range names {
		members.WriteString("<members>" + n + "</members>")
	}
	files["package.xml"] = `<?xml version="1.0"?><Package` + metadataSpace + `><types>` + members.String() + `<name>CustomObject</name></types><version>66.0</version></Package>`
	return files
}

func (m *maze) definition(o *mazeObject) string {
	var b strings.Builder
	label := strings.TrimSuffix(o.name, "__c")
	sharing := "ReadWrite"
	if o.masters > 0 {
		sharing = "ControlledByParent"
	}
	name := `<type>Text</type>`
	if o.numbered {
		name = `<type>AutoNumber</type><displayFormat>N-{0000}</displayFormat>`
	}
	fmt.Fprintf(&b, `<?xml version="1.0"?><CustomObject%s><deploymentStatus>Deployed</deploymentStatus><label>%s</label><pluralLabel>%ss</pluralLabel>`+
		`<nameField><label>Name</label>%s</nameField><sharingModel>%s</sharingModel><enableActivities>true</enableActivities>`, metadataSpace, label, label, name, sharing)
	order := 0
	for _, f := range o.fields {
		if strings.HasSuffix(f.name, "__c") {
			fmt.Fprintf(&b, `<fields><fullName>%s</fullName><label>%s</label><type>%s</type>%s</fields>`, f.name, f.name, f.kind, f.details(label, &order))
		}
	}
	for _, r := range o.recordTypes {
		fmt.Fprintf(&b, `<recordTypes><fullName>%s</fullName><active>true</active><label>%s</label></recordTypes>`, r, r)
	}
	b.WriteString(`</CustomObject>`)
	return b.String()
}

// details are what a field of the kind says beyond its name.
func (f *mazeField) details(label string, order *int) string {
	var b strings.Builder
	if f.required && !f.master() {
		b.WriteString(`<required>true</required>`)
	}
	switch f.kind {
	case "Text":
		b.WriteString(`<length>80</length>`)
		if f.unique {
			b.WriteString(`<unique>true</unique><externalId>true</externalId>`)
		}
	case "Number", "Currency", "Percent":
		b.WriteString(`<precision>12</precision><scale>2</scale>`)
	case "Checkbox":
		b.WriteString(`<defaultValue>false</defaultValue>`)
	case "LongTextArea":
		b.WriteString(`<length>40000</length><visibleLines>3</visibleLines>`)
	case "Picklist", "MultiselectPicklist":
		if f.kind == "MultiselectPicklist" {
			b.WriteString(`<visibleLines>3</visibleLines>`)
		}
		b.WriteString(`<valueSet><restricted>true</restricted><valueSetDefinition><sorted>false</sorted>`)
		for _, v := range f.values {
			fmt.Fprintf(&b, `<value><fullName>%s</fullName><default>false</default><label>%s</label></value>`, v, v)
		}
		b.WriteString(`</valueSetDefinition></valueSet>`)
	case "MasterDetail":
		fmt.Fprintf(&b, `<referenceTo>%s</referenceTo><relationshipName>%s_%s</relationshipName><relationshipOrder>%d</relationshipOrder><reparentableMasterDetail>%v</reparentableMasterDetail>`,
			f.to, label, strings.TrimSuffix(f.name, "__c"), *order, !f.fixed)
		*order++
	case "Lookup":
		constraint := "SetNull"
		if f.restrict {
			constraint = "Restrict"
		}
		fmt.Fprintf(&b, `<referenceTo>%s</referenceTo><relationshipName>%s_%s</relationshipName><deleteConstraint>%s</deleteConstraint>`,
			f.to, label, strings.TrimSuffix(f.name, "__c"), constraint)
	}
	return b.String()
}

// value draws a value of the field, which is no reference; "" is blank.
func (m *maze) value(f *mazeField) string {
	if f.unique {
		m.fresh++
		return fmt.Sprintf("unique %d", m.fresh)
	}
	if !f.required && f.kind != "Checkbox" && m.chance(20) {
		return ""
	}
	switch f.kind {
	case "Text", "TextArea":
		if v := awkward[m.dice.IntN(len(awkward))]; v != "" && (f.kind != "Text" || !strings.ContainsAny(v, "\r\n")) {
			return v
		}
		return fmt.Sprintf("text %d", m.dice.IntN(10))
	case "LongTextArea":
		if m.chance(10) {
			return strings.Repeat("äx", 17_000)
		}
		return fmt.Sprintf("long\n%d", m.dice.IntN(10))
	case "Number", "Currency", "Percent":
		return fmt.Sprint(m.dice.IntN(1000))
	case "Checkbox":
		return fmt.Sprint(m.chance(50))
	case "Date":
		return fmt.Sprintf("2024-02-%02d", 1+m.dice.IntN(29))
	case "DateTime":
		return fmt.Sprintf("2024-02-%02dT01:02:03.000Z", 1+m.dice.IntN(29))
	case "Picklist":
		return f.values[m.dice.IntN(len(f.values))]
	case "MultiselectPicklist":
		return f.values[0] + ";" + f.values[1+m.dice.IntN(2)]
	case "Email":
		return fmt.Sprintf("p%d@maze.example", m.dice.IntN(10))
	case "Url":
		return fmt.Sprintf("https://maze.example/%d", m.dice.IntN(10))
	}
	return fmt.Sprint(m.dice.IntN(10)) // a phone
}
