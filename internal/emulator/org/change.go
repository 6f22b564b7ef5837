package org

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Tx changes the schema, and the records that are metadata, as one transaction.
type Tx struct {
	org    *Org
	schema *schema
	work   *work
	// prefixes is how many custom objects there are, which numbers their key prefixes.
	prefixes int
	links    []linkMetadata // metadata relationships to records that are not there yet
}

// Change runs f under the org's lock. When f returns an error nothing of it remains. f must use the
// transaction and never the org.
func (o *Org) Change(caller Caller, f func(*Tx) error) error {
	defer o.writing(caller)()
	t := &Tx{org: o, schema: o.schema.copy(), work: o.begin(caller, o.clock.Now(), Options{}), prefixes: o.objects}
	schema, tables := o.schema, maps.Clone(o.tables)
	if err := f(t); err != nil {
		t.work.rollback(0)
		o.schema, o.tables = schema, tables
		o.adoptTables()
		return err
	}
	t.expose()
	o.schema.changed, o.objects = o.clock.Now(), t.prefixes
	t.work.commit()
	return nil
}

// expose publishes the schema as it is so far, so that records can be written under it.
func (t *Tx) expose() {
	t.schema.publish()
	t.org.schema = t.schema
	t.org.forget()
	t.org.adoptTables()
	t.schema = t.schema.copy()
}

// Savepoint runs f within the transaction; when f returns an error, what it did is taken back and
// the transaction goes on.
func (t *Tx) Savepoint(f func() error) error {
	mark, saved, prefixes := len(t.work.undo), t.schema.copy(), t.prefixes
	schema, tables := t.org.schema, maps.Clone(t.org.tables)
	err := f()
	if err != nil {
		t.work.rollback(mark)
		t.schema, t.prefixes = saved, prefixes
		t.org.schema, t.org.tables = schema, tables
		t.org.adoptTables()
	}
	return err
}

// Object returns the object as it is within the transaction.
func (t *Tx) Object(name string) (*Object, bool) {
	o := t.schema.object(name)
	return o, o != nil
}

// ObjectSpec is the definition of an object, as a CustomObject component gives it.
type ObjectSpec struct {
	Name        string // API name with namespace and suffix
	Label       string
	LabelPlural string
	Kind        Kind
	NameField   NameSpec
	Feeds       bool     // enableFeeds
	History     bool     // enableHistory
	Sharing     string   // sharingModel; empty is ReadWrite
	Index       []string // of a big object: its fields, in order
	Activities  bool     // enableActivities: tasks and events can be about its records
	// ControlledByParent takes OwnerId away, as a master-detail field does.
	ControlledByParent bool
}

// NameSpec is the nameField of a custom object.
type NameSpec struct {
	Label         string
	AutoNumber    bool
	DisplayFormat string // such as "A-{0000}"
	StartingAt    int
}

// PutObject defines a custom object, or changes its labels when it exists.
func (t *Tx) PutObject(spec ObjectSpec) (created bool, err *Error) {
	if old := t.schema.object(spec.Name); old != nil {
		if old.Custom {
			o := t.schema.edit(old)
			o.Label, o.LabelPlural = orElse(spec.Label, o.Label), orElse(spec.LabelPlural, o.LabelPlural)
			o.FeedEnabled = spec.Feeds
			t.activities(o, spec.Activities)
			t.satellites(o, spec)
		} else if spec.History || spec.Sharing != "" {
			t.satellites(t.schema.edit(old), spec)
		}
		return false, nil
	}
	if spec.Label == "" {
		return false, fault("REQUIRED_FIELD_MISSING", "Required field is missing: label")
	}
	if err := checkAPIName("object", spec.Name, "Custom Object"); err != nil {
		return false, err
	}
	o := newCustomObject(spec)
	t.denominated(o)
	o.KeyPrefix = t.prefix(spec.Kind)
	t.schema.objects[fold(spec.Name)] = o
	t.activities(o, spec.Activities)
	t.satellites(o, spec)
	return true, nil
}

// prefix gives out the key prefixes of custom objects: "a" and a counter for records, "m" for custom
// metadata, "e" for platform events. Source: public lists of key prefixes.
func (t *Tx) prefix(kind Kind) string {
	n := t.prefixes
	t.prefixes++
	first := "a"
	switch kind {
	case CustomMetadata:
		first = "m"
	case BigObject:
		first = "x"
	case PlatformEvent:
		first = "e"
	}
	return first + string([]byte{base62[n/62%62], base62[n%62]})
}

// activities lets tasks, events, notes and attachments be about the records of an object.
func (t *Tx) activities(o *Object, enabled bool) {
	if !enabled {
		return
	}
	for child, lookup := range map[string]string{"Task": "WhatId", "Event": "WhatId", "Note": "ParentId", "Attachment": "ParentId"} {
		c := t.schema.object(child)
		i := slices.IndexFunc(c.Fields, func(f *Field) bool { return f.Name == lookup })
		if slices.Contains(c.Fields[i].ReferenceTo, o.Name) {
			continue
		}
		c = t.schema.edit(c)
		f := *c.Fields[i]
		f.ReferenceTo = append(slices.Clone(f.ReferenceTo), o.Name)
		slices.Sort(f.ReferenceTo)
		c.Fields[i] = &f
	}
}

// RecordTypeSpec is the definition of a record type.
type RecordTypeSpec struct {
	Object        string
	DeveloperName string
	Namespace     string
	Label         string
	Description   string
	Active        bool
	// Picklists are the values that the record type offers, by field; a picklist that is not named offers
	// all of its values.
	Picklists map[string][]string
	// Default makes it the record type of records that name none, for all users.
	Default bool
}

// PutRecordType defines or changes a record type. The object gets RecordTypeId with its first one.
func (t *Tx) PutRecordType(spec RecordTypeSpec) (sf.ID, bool, *Error) {
	person := spec.Object == personObject && t.org.cfg.Features.PersonAccounts
	if person {
		spec.Object = "Account"
	}
	old := t.schema.object(spec.Object)
	if old == nil {
		return "", false, fault("INVALID_CROSS_REFERENCE_KEY", "Entity of type CustomObject named "+spec.Object+" cannot be found")
	}
	if len(old.RecordTypes) == 0 { // such as a custom setting; the code and the words are unverified
		return "", false, fault("FIELD_INTEGRITY_EXCEPTION", "Record types are not available for "+old.Name)
	}
	o := t.schema.edit(old)
	if t.field(o, "RecordTypeId") < 0 {
		f := newField("RecordTypeId", shape{kind: "ref", targets: []string{"RecordType"}})
		f.Label, f.RelationshipName, f.Permissionable = "Record Type ID", "RecordType", false
		o.Fields = slices.Insert(o.Fields, o.recordTypeAt(), f)
	}
	for i := range o.RecordTypes {
		rt := &o.RecordTypes[i]
		if strings.EqualFold(rt.DeveloperName, spec.DeveloperName) && !rt.Master {
			rt.Name, rt.Active, rt.Available = spec.Label, spec.Active, spec.Active
			o.offer(rt.ID, spec.Picklists)
			t.defaultRecordType(o, i, spec.Default)
			return rt.ID, false, nil
		}
	}
	values := map[string]string{
		"Name": spec.Label, "DeveloperName": spec.DeveloperName, "NamespacePrefix": spec.Namespace,
		"Description": spec.Description, "SobjectType": o.Name, "IsActive": boolText(spec.Active),
		"IsPersonType": boolText(person),
	}
	id := t.work.plant("RecordType", values)
	o.RecordTypes = slices.Insert(o.RecordTypes, len(o.RecordTypes)-1, RecordType{
		ID: id, Name: spec.Label, DeveloperName: spec.DeveloperName, Active: spec.Active, Available: spec.Active,
		Person: person,
	})
	t.defaultRecordType(o, len(o.RecordTypes)-2, spec.Default)
	o.offer(id, spec.Picklists)
	return id, true, nil
}

func (t *Tx) defaultRecordType(o *Object, i int, isDefault bool) {
	if !isDefault {
		return
	}
	for k := range o.RecordTypes {
		o.RecordTypes[k].Default = k == i
	}
}

func (t *Tx) field(o *Object, name string) int {
	return slices.IndexFunc(o.Fields, func(f *Field) bool { return strings.EqualFold(f.Name, name) })
}

// ValueSpec is one value of a value set as metadata gives it. Closed, Won, Probability and Category
// are of opportunity stages; Closed also of case and task statuses.
type ValueSpec struct {
	Value    string
	Label    string
	Inactive bool
	Default  bool

	Closed, Won bool
	Probability string
	Category    string

	Controlling []string // controlling values that allow this one
}

// PutValueSet defines or changes a global value set, or the standard value set of that name. Every
// picklist that takes its values from it changes with it.
func (t *Tx) PutValueSet(name string, standard bool, values []ValueSpec) (created bool, err *Error) {
	_, exists := t.schema.sets[name]
	if standard && !exists {
		return false, fault("INVALID_CROSS_REFERENCE_KEY", "Entity of type StandardValueSet named "+name+" cannot be found")
	}
	list := plainValues(values)
	t.schema.sets[name] = list
	for _, key := range slices.Collect(maps.Keys(t.schema.objects)) {
		o := t.schema.objects[key]
		for i, f := range o.Fields {
			if f.set != name {
				continue
			}
			o = t.schema.edit(o)
			c := *f
			c.Picklist = list
			o.Fields[i] = &c
		}
	}
	if standard {
		t.statuses(name, values)
	}
	return !exists, nil
}

func plainValues(values []ValueSpec) []PicklistValue {
	var list []PicklistValue
	for _, v := range values {
		list = append(list, PicklistValue{
			Value: v.Value, Label: orElse(v.Label, v.Value), Active: !v.Inactive, Default: v.Default,
		})
	}
	return list
}

// statuses adds the rows of OpportunityStage, CaseStatus and TaskStatus that a value set brings.
func (t *Tx) statuses(set string, values []ValueSpec) {
	switch set {
	case "OpportunityStage", "CaseStatus", "TaskStatus":
	default:
		return
	}
	table := t.org.tables[fold(set)]
	column := table.object.Field("ApiName").column
	for i, v := range values {
		if len(table.holding(column, v.Value)) > 0 {
			continue
		}
		if set == "OpportunityStage" {
			t.work.plantStage(i+1, stage{v.Value, orElse(v.Probability, "0"), orElse(v.Category, "Pipeline"), v.Closed, v.Won})
			continue
		}
		t.work.plant(set, map[string]string{
			"MasterLabel": orElse(v.Label, v.Value), "ApiName": v.Value, "SortOrder": itoa(i + 1),
			"IsDefault": boolText(v.Default), "IsClosed": boolText(v.Closed),
		})
	}
}

// PutMetadataRecord defines or changes a record of a custom metadata type. The Id of a new one does
// not change when it is deployed again.
func (t *Tx) PutMetadataRecord(object, developerName, label string, values []Assignment) (sf.ID, bool, *Error) {
	t.expose()
	o := t.schema.object(object)
	if o == nil || o.Kind != CustomMetadata {
		return "", false, fault("INVALID_TYPE", "Entity of type CustomObject named "+object+" cannot be found")
	}
	table := t.org.tables[fold(object)]
	d := &draft{w: t.work, t: table, object: o, vals: make([]string, table.columns), given: map[int]bool{}}
	for _, r := range table.holding(o.Field("QualifiedApiName").column, developerName) {
		if r.fate == live {
			d.old, d.id, d.vals = r, r.id, table.dense(r)
		}
	}
	for _, a := range values {
		f := o.Field(a.Field)
		if f == nil {
			return "", false, fault("INVALID_FIELD", "Field "+a.Field+" does not exist. Check spelling.")
		}
		text := a.Text
		if f.Type != sf.TypeReference {
			var err *Error
			if text, err = f.read(a.Text, false); err != nil {
				return "", false, err
			}
		}
		d.vals[f.column] = text
	}
	namespace, name, packaged := strings.Cut(developerName, "__")
	if !packaged {
		namespace, name = "", developerName
	}
	d.put("DeveloperName", developerName)
	d.put("MasterLabel", label)
	d.put("Label", label)
	d.put("Language", "en_US")
	d.put("NamespacePrefix", namespace)
	d.put("QualifiedApiName", developerName)
	if packaged {
		d.put("DeveloperName", name)
	}
	pos := int32(len(table.rows))
	if d.old != nil {
		pos = d.old.pos
	} else {
		d.id = t.org.newID(table)
	}
	for _, a := range values {
		if f := o.Field(a.Field); f.Type == sf.TypeReference && !f.holdsName() && a.Text != "" {
			d.vals[f.column] = "" // until the record of that name is there
			t.links = append(t.links, linkMetadata{table, d.id, f.column, fold(f.spec.ReferenceTo), a.Text})
		}
	}
	t.work.set(table, table.pack(d.id, d.vals, live, pos))
	t.connect()
	return d.id, d.old == nil, nil
}

// DropField deletes a custom field and its values.
func (t *Tx) DropField(object, field string) *Error {
	o := t.schema.object(object)
	if o == nil {
		return missing("CustomObject", object)
	}
	i := t.field(o, field)
	if i < 0 || !o.Fields[i].Custom {
		return missing("CustomField", object+"."+field)
	}
	o = t.schema.edit(o)
	o.Fields = slices.Delete(o.Fields, i, i+1)
	return nil
}

// DropObject deletes a custom object and its records. Lookups to it go with it.
func (t *Tx) DropObject(object string) *Error {
	o := t.schema.object(object)
	if o == nil || !o.Custom {
		return missing("CustomObject", object)
	}
	delete(t.schema.objects, fold(object))
	for _, key := range slices.Collect(maps.Keys(t.schema.objects)) {
		other := t.schema.objects[key]
		for _, f := range slices.Clone(other.Fields) {
			if f.Custom && len(f.ReferenceTo) == 1 && strings.EqualFold(f.ReferenceTo[0], object) {
				if err := t.DropField(other.Name, f.Name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// missing is the answer to a component that is not there; its wording is unverified.
func missing(kind, name string) *Error {
	return fault("INVALID_CROSS_REFERENCE_KEY", "No "+kind+" named: "+name+" found")
}

// ErrRollback makes Change take everything back without being a failure, as a validation does.
var ErrRollback = errors.New("rolled back on purpose")

// Packaged returns the full name of the custom object of an installed package that has this name
// without its namespace; empty when there is none.
func (t *Tx) Packaged(name string) string {
	for _, key := range slices.Sorted(maps.Keys(t.schema.objects)) {
		o := t.schema.objects[key]
		if strings.Count(o.Name, "__") == 2 && strings.HasSuffix(fold(o.Name), "__"+fold(name)) {
			return o.Name
		}
	}
	return ""
}
