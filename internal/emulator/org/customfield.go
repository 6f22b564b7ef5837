package org

import (
	"encoding/base64"
	"slices"
	"strings"

	"holdfast/internal/emulator/formula"
	"holdfast/internal/sf"
)

// FieldSpec is the definition of a custom field; the words are those of CustomField in the metadata
// WSDL.
type FieldSpec struct {
	Name  string // API name with namespace and suffix
	Label string
	Type  string // FieldType of the metadata WSDL: AutoNumber, Checkbox, Currency …

	Length, Precision, Scale int
	Required                 bool
	Unique                   bool
	CaseSensitive            bool
	ExternalID               bool
	DefaultValue             string // a formula
	HelpText                 string
	DisplayFormat            string // of an auto-number
	StartingNumber           int
	MaskChar, MaskType       string
	DisplayLocationInDecimal bool
	TrackHistory             bool // rows in the history of the object
	TrackFeedHistory         bool // posts in the feed of the record

	ReferenceTo             string
	RelationshipName        string // of the children, with namespace and without __r
	RelationshipOrder       int
	DeleteConstraint        string // Cascade, Restrict, SetNull
	Reparentable            bool
	WriteRequiresMasterRead bool
	LookupFilter            *LookupFilterSpec

	Formula           string
	BlankAsZero       bool // formulaTreatBlanksAs BlankAsZero
	SummaryOperation  string
	SummaryForeignKey string // Child__c.Parent__c
	SummarizedField   string // Child__c.Amount__c
	SummaryFilters    []SummaryFilter

	Values           []ValueSpec
	ValueSetName     string // global value set; Values is then empty
	ControllingField string
	Restricted       bool
}

// SummaryFilter is one filter item of a roll-up summary: Field is Child__c.Field__c.
type SummaryFilter struct {
	Field     string
	Operation string // FilterOperation of the metadata WSDL
	Value     string
}

// fieldShapes gives the describe type of a custom field by its metadata type. Lengths from Salesforce
// Help, "Custom Field Types", and the Object Reference.
var fieldShapes = map[string]shape{
	"Text": {kind: "string"}, "TextArea": {kind: "textarea", length: 255}, "LongTextArea": {kind: "textarea", length: 32768},
	"Html": {kind: "textarea", length: 32768}, "Picklist": {kind: "picklist", length: 255},
	"MultiselectPicklist": {kind: "multipicklist", length: 4099}, "Checkbox": {kind: "boolean"},
	"Currency": {kind: "currency"}, "Number": {kind: "double"}, "Percent": {kind: "percent"},
	"Date": {kind: "date"}, "DateTime": {kind: "datetime"}, "Time": {kind: "time"},
	"Email": {kind: "email", length: 80}, "Phone": {kind: "phone", length: 40}, "Url": {kind: "url", length: 255},
	"EncryptedText": {kind: "encryptedstring"}, "Location": {kind: "location"}, "AutoNumber": {kind: "string", length: 30},
	"Lookup": {kind: "ref"}, "MasterDetail": {kind: "ref"}, "Hierarchy": {kind: "ref"}, "MetadataRelationship": {kind: "ref"},
	"Summary": {kind: "double", precision: 18},
}

// formulaLength is the length of a formula field of type text.
// Source: describes of formula fields in public schemas (1300).
const formulaLength = 1300

// PutField defines a custom field, or changes it where the platform allows that. For a standard field
// only its picklist can change.
func (t *Tx) PutField(object string, spec FieldSpec) (created bool, err *Error) {
	old := t.schema.object(object)
	if old == nil {
		return false, missing("CustomObject", object)
	}
	i := t.field(old, spec.Name)
	if !strings.HasSuffix(fold(spec.Name), "__c") {
		t.standardField(old, i, spec)
		return false, nil
	}
	if err := t.checkSpec(spec); err != nil {
		return false, err
	}
	if i < 0 {
		if err := checkAPIName("field", spec.Name, old.Name); err != nil {
			return false, err
		}
	}
	f, err := t.newCustomField(old, spec)
	if err != nil {
		return false, err
	}
	if old.Name == "Contact" {
		if err := t.personField(spec); err != nil {
			return false, err
		}
	}
	if err := t.details(old, i, f); err != nil {
		return false, err
	}
	o := t.schema.edit(old)
	if i >= 0 {
		return false, t.replaceField(o, i, f)
	}
	o.Fields = append(o.Fields, f)
	if f.Type == sf.TypeLocation {
		o.Fields = append(o.Fields, coordinates(f, spec)...)
	}
	if spec.Type == "MasterDetail" && o.Custom {
		// A detail belongs to whoever owns its master.
		o.Fields = slices.DeleteFunc(o.Fields, func(f *Field) bool { return f.Name == "OwnerId" })
	}
	return true, nil
}

func (t *Tx) standardField(o *Object, i int, spec FieldSpec) {
	if i < 0 {
		return
	}
	tracks := spec.TrackHistory != o.Fields[i].spec.TrackHistory || spec.TrackFeedHistory != o.Fields[i].spec.TrackFeedHistory
	if len(spec.Values) == 0 && !tracks {
		return // layouts and help of standard fields mean nothing to the engine
	}
	o = t.schema.edit(o)
	f := *o.Fields[i]
	f.spec.TrackHistory, f.spec.TrackFeedHistory = spec.TrackHistory, spec.TrackFeedHistory
	if len(spec.Values) > 0 {
		f.Picklist, f.set = plainValues(spec.Values), ""
	}
	o.Fields[i] = &f
}

// checkSpec refuses what a deploy refuses. The message about referenceTo is that of public deploy
// results; the wording of the others is unverified.
func (t *Tx) checkSpec(spec FieldSpec) *Error {
	if spec.Label == "" {
		return fault("REQUIRED_FIELD_MISSING", "Required field is missing: label")
	}
	if spec.Type == "" {
		return fault("REQUIRED_FIELD_MISSING", "Required field is missing: type")
	}
	if _, ok := fieldShapes[spec.Type]; !ok {
		return fault("INVALID_TYPE", "'"+spec.Type+"' is not a valid value for the enum 'FieldType'")
	}
	switch spec.Type {
	case "Lookup", "MasterDetail", "MetadataRelationship":
		if spec.ReferenceTo == "" {
			return fault("REQUIRED_FIELD_MISSING", "Must specify a reference to for "+spec.Name)
		}
		if t.schema.object(spec.ReferenceTo) == nil && spec.Type != "MetadataRelationship" {
			return fault("FIELD_INTEGRITY_EXCEPTION", "referenceTo value of '"+spec.ReferenceTo+
				"' does not resolve to a valid sObject type")
		}
	case "Text", "EncryptedText":
		if spec.Length == 0 && spec.Formula == "" {
			return fault("REQUIRED_FIELD_MISSING", "Must specify 'length' for a CustomField of type "+spec.Type)
		}
	case "Number", "Currency", "Percent":
		if spec.Precision == 0 && spec.Formula == "" {
			return fault("REQUIRED_FIELD_MISSING", "Must specify 'precision' for a CustomField of type "+spec.Type)
		}
	}
	if spec.ValueSetName != "" {
		if _, ok := t.schema.sets[spec.ValueSetName]; !ok {
			return missing("GlobalValueSet", spec.ValueSetName)
		}
	}
	return nil
}

func (t *Tx) newCustomField(o *Object, spec FieldSpec) (*Field, *Error) {
	sh := fieldShapes[spec.Type]
	if spec.Length > 0 && sh.kind != "ref" {
		sh.length = spec.Length
	}
	if spec.Precision > 0 {
		sh.precision, sh.scale = spec.Precision, spec.Scale
	}
	if sh.kind == "ref" {
		sh.targets = []string{spec.ReferenceTo}
		if spec.Type == "Hierarchy" {
			sh.targets = []string{o.Name}
		}
		if target := t.schema.object(sh.targets[0]); target != nil {
			sh.targets[0] = target.Name
		}
	}
	f := newField(spec.Name, sh)
	f.Custom, f.Label, f.InlineHelpText, f.spec = true, spec.Label, spec.HelpText, spec
	f.Unique, f.CaseSensitive, f.ExternalID = spec.Unique, spec.CaseSensitive && spec.Unique, spec.ExternalID
	f.IDLookup = spec.ExternalID
	if spec.Required {
		f.Nillable, f.Permissionable = false, false
	}
	t.dress(f, spec)
	if f.Type == sf.TypeReference {
		t.relateField(f, spec)
	}
	if spec.Formula != "" {
		computed(f)
		f.CalculatedFormula, f.FormulaTreatNullNumberAsZero = spec.Formula, spec.BlankAsZero
		if f.Type == sf.TypeString {
			f.Length, f.ByteLength = formulaLength, 3*formulaLength
		}
		return f, f.compile(spec)
	}
	if spec.Type == "Summary" {
		return f, t.rollUp(f, spec)
	}
	if spec.DefaultValue != "" {
		f.DefaultedOnCreate, f.DefaultValueFormula = true, spec.DefaultValue
		if parsed, err := formula.Parse(spec.DefaultValue); err == nil {
			f.initial = &compiled{of: parsed}
			f.DefaultValue = constantText(parsed)
		}
	}
	return f, nil
}

// constantText is the text of a constant default as describe shows it; empty when it is not constant.
func constantText(f *formula.Formula) string {
	if v, ok := f.Constant(); ok && (v.Type == formula.TypeBoolean || v.Type == formula.TypeText) {
		return v.Spell()
	}
	return ""
}

// dress gives a field what belongs to its metadata type.
func (t *Tx) dress(f *Field, spec FieldSpec) {
	switch spec.Type {
	case "Html":
		f.HTMLFormatted, f.ExtraTypeInfo = true, "richtextarea"
		f.Aggregatable, f.Filterable, f.Groupable, f.Sortable = false, false, false, false
	case "AutoNumber":
		f.AutoNumber, f.Createable, f.Updateable, f.Nillable, f.DefaultedOnCreate = true, false, false, false, true
		f.auto = &autoNumber{format: orElse(spec.DisplayFormat, "{0}"), start: max(spec.StartingNumber, 1)}
	case "EncryptedText":
		f.Encrypted, f.Mask, f.MaskType = true, spec.MaskChar, spec.MaskType
		f.Aggregatable, f.Filterable, f.Groupable, f.Sortable = false, false, false, false
	case "Location":
		f.DisplayLocationInDecimal = spec.DisplayLocationInDecimal
	case "Picklist", "MultiselectPicklist":
		f.RestrictedPicklist = spec.Restricted || spec.ValueSetName != ""
		f.Picklist = plainValues(spec.Values)
		if spec.ValueSetName != "" {
			f.set, f.Picklist = spec.ValueSetName, t.schema.sets[spec.ValueSetName]
		}
		if spec.ControllingField != "" {
			f.DependentPicklist, f.ControllerName = true, spec.ControllingField
		}
		if spec.Type == "MultiselectPicklist" {
			f.Length, f.ByteLength = 4099, 3*4099
		}
	case "Checkbox":
		f.DefaultValue = "false"
	}
}

// validFor is the bitmap of the controlling values that allow a value: bit n, from the left, is the
// n-th controlling value. Source: SOAP API Developer Guide, "Working with picklists", validFor.
func validFor(controller *Field, allowed []string) string {
	values := []string{"false", "true"}
	if controller.Type != sf.TypeBoolean {
		values = nil
		for _, v := range controller.Picklist {
			values = append(values, v.Value)
		}
	}
	bits := make([]byte, (len(values)+7)/8)
	for i, v := range values {
		if slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, v) }) {
			bits[i/8] |= 0x80 >> (i % 8)
		}
	}
	return base64.StdEncoding.EncodeToString(bits)
}

// Finish derives what needs all fields of an object: which values a dependent picklist offers, and
// whether its formulas are right. A deploy calls it once all fields are there.
func (t *Tx) Finish(object string) []FormulaProblem {
	old := t.schema.object(object)
	if old == nil {
		return nil
	}
	var problems []FormulaProblem
	o := t.schema.edit(old)
	for i, f := range o.Fields {
		c := *f
		if f.ControllerName != "" && f.set == "" {
			if k := t.field(o, f.ControllerName); k >= 0 {
				c.Picklist = slices.Clone(f.Picklist)
				for n := range min(len(c.Picklist), len(f.spec.Values)) {
					c.Picklist[n].ValidFor = validFor(o.Fields[k], f.spec.Values[n].Controlling)
				}
			}
		}
		if f.formula != nil {
			p := t.checkFormula(o, f)
			if c.FormulaUnread = p != nil && !p.Computed; p != nil {
				problems = append(problems, *p)
			}
		}
		c.filter = t.finishFilter(f)
		o.Fields[i] = &c
	}
	return problems
}

// relateField gives a reference its relationship names and what happens to it when its parent goes.
func (t *Tx) relateField(f *Field, spec FieldSpec) {
	f.SearchPrefilterable = !spec.Required
	f.RelationshipName = f.Name[:len(f.Name)-1] + "r"
	if spec.RelationshipName != "" {
		f.link.kids = spec.RelationshipName + "__r"
	}
	switch {
	case spec.Type == "MetadataRelationship":
		f.Length, f.ByteLength = 255, 765
		f.SoapType = "xsd:string"
	case spec.Type == "MasterDetail":
		f.link.cascade, f.CascadeDelete = true, true
		f.Nillable, f.Permissionable, f.SearchPrefilterable = false, false, false
		f.Updateable = spec.Reparentable
		f.RelationshipOrder = spec.RelationshipOrder
		f.WriteRequiresMasterRead = spec.WriteRequiresMasterRead
	case spec.DeleteConstraint == "Cascade":
		f.link.cascade, f.CascadeDelete = true, true
	case spec.DeleteConstraint == "Restrict" || spec.Required:
		f.link.restrict, f.RestrictedDelete = true, true
	}
}

// computed makes a field read-only, as formulas and roll-ups are.
func computed(f *Field) {
	f.Calculated, f.Createable, f.Updateable = true, false, false
	f.Nillable = f.Type != sf.TypeBoolean
	f.DefaultedOnCreate = f.Type == sf.TypeBoolean
	f.Permissionable = true
}

// rollUp reads the definition of a roll-up summary. The child may come later in the same deploy, so
// it is looked up when the field is read.
func (t *Tx) rollUp(f *Field, spec FieldSpec) *Error {
	child, key, ok := strings.Cut(spec.SummaryForeignKey, ".")
	if !ok {
		return fault("REQUIRED_FIELD_MISSING", "Required field is missing: summaryForeignKey")
	}
	op := strings.ToUpper(spec.SummaryOperation)
	f.summary = &summary{child: fold(child), key: key, op: op, filters: spec.SummaryFilters}
	if op != "COUNT" {
		_, f.summary.field, _ = strings.Cut(spec.SummarizedField, ".")
		if c := t.schema.object(child); c != nil {
			if i := t.field(c, f.summary.field); i >= 0 {
				of := c.Fields[i]
				f.Type, f.SoapType, f.Precision, f.Scale = of.Type, of.SoapType, of.Precision, of.Scale
				f.Groupable = of.Groupable
			}
		}
	}
	computed(f)
	return nil
}

// coordinates are the two fields that hold the data of a location.
func coordinates(f *Field, spec FieldSpec) []*Field {
	var out []*Field
	base := strings.TrimSuffix(f.Name, "__c")
	for _, part := range []string{"Latitude", "Longitude"} {
		c := newField(base+"__"+part+"__s", shape{kind: "double", precision: spec.Scale + 3, scale: spec.Scale})
		c.Custom, c.Label, c.CompoundFieldName = true, f.Label+" ("+part+")", f.Name
		c.Nillable, c.Permissionable = f.Nillable, f.Permissionable
		out = append(out, c)
	}
	return out
}

// replaceField changes a field in place. Its values stay unless its new type loses them.
func (t *Tx) replaceField(o *Object, i int, f *Field) *Error {
	old := o.Fields[i]
	if err := t.retype(o, old, f); err != nil {
		return err
	}
	f.column = old.column
	o.Fields[i] = f
	if !f.Unique || old.Unique {
		return nil
	}
	table := t.org.tables[fold(o.Name)]
	if table == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, r := range table.rows {
		text := fold(r.text(f.column))
		if text != "" && r.fate == live && seen[text] {
			return fault("DUPLICATE_VALUE", "Cannot make field "+f.Name+" unique: there are duplicate values")
		}
		seen[text] = true
	}
	return nil
}
