package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// insert makes a record. What comes in which order: save.go.
func (w *work) insert(in *Row) (Result, *Error) {
	object := w.o.schema.object(in.Object)
	if object == nil {
		return Result{}, noObject(in.Object)
	}
	if !object.Createable || object.Kind == CustomMetadata {
		return Result{}, fault("INVALID_TYPE_FOR_OPERATION", "entity type cannot be inserted: "+object.Label)
	}
	if in.ID != "" {
		// The wording is unverified.
		return Result{}, fault("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", "Id")
	}
	if err := w.mayCreate(object); err != nil {
		return Result{}, err
	}
	t := w.o.tables[fold(object.Name)]
	d := &draft{w: w, t: t, object: object, vals: make([]string, t.columns), given: map[int]bool{}}
	if err := d.assign(in.Fields); err != nil {
		return Result{}, err
	}
	if object.Kind == PlatformEvent { // published and not kept
		return Result{ID: w.o.newID(t), Success: true, Created: true}, d.check(nil)
	}
	if object.Kind == BigObject {
		return d.store()
	}
	d.defaults()
	if err := d.prepare("before insert"); err != nil {
		return Result{}, err
	}
	d.id = w.o.newID(t)
	d.number()
	d.nameless()
	d.place()
	w.set(t, t.pack(d.id, d.vals, live, int32(len(t.rows))))
	if err := d.follow("after insert"); err != nil {
		return Result{}, err
	}
	return Result{ID: d.id, Success: true, Created: true}, nil
}

// update changes a live record. LastModified* and SystemModstamp move even when no value changes.
// Source: SOAP API Developer Guide, update(), and Object Reference, "System Fields".
func (w *work) update(in *Row) (Result, *Error) {
	id, t, r, err := w.target(in, Update)
	if err != nil {
		return Result{ID: id}, err
	}
	d := &draft{w: w, t: t, object: t.object, old: r, id: id, vals: t.dense(r), given: map[int]bool{}}
	if err := d.assign(in.Fields); err != nil {
		return Result{ID: id}, err
	}
	if err := d.prepare("before update"); err != nil {
		return Result{ID: id}, err
	}
	d.place()
	w.set(t, t.pack(id, d.vals, live, r.pos))
	if err := d.follow("after update"); err != nil {
		return Result{ID: id}, err
	}
	return Result{ID: id, Success: true}, nil
}

// upsert finds the record by the key and updates it, or inserts one that carries the key.
// Source: SOAP API Developer Guide, upsert().
func (w *work) upsert(in *Row) (Result, *Error) {
	object := w.o.schema.object(in.Object)
	if object == nil {
		return Result{}, noObject(in.Object)
	}
	key := w.opts.ExternalID
	if key == "" || strings.EqualFold(key, "Id") {
		if in.ID == "" {
			return w.insert(in)
		}
		return w.update(in)
	}
	text := ""
	for _, a := range in.Fields {
		if strings.EqualFold(a.Field, key) && a.Parent == nil {
			text = a.Text
		}
	}
	if text == "" {
		return Result{}, fault("MISSING_ARGUMENT", key+" not specified")
	}
	rows, f, err := w.o.byKey(object, key, text)
	switch {
	case err != nil:
		return Result{}, err
	case len(rows) > 1:
		return Result{}, manyRecords(f, rows)
	case len(rows) == 0:
		return w.insert(&Row{Object: in.Object, Fields: in.Fields})
	}
	changed := Row{Object: in.Object, ID: string(rows[0].id)}
	for _, a := range in.Fields {
		// The key itself need not be updateable when it does not change.
		if a.Parent == nil && strings.EqualFold(a.Field, key) && strings.EqualFold(a.Text, text) {
			continue
		}
		changed.Fields = append(changed.Fields, a)
	}
	return w.update(&changed)
}

// chosen reports the value that a new record gets.
func (v PicklistValue) chosen() bool { return v.Default && v.Active }

// defaults fills in what the row does not name: the record type, the owner, default values.
func (d *draft) defaults() {
	if f := d.object.Field("RecordTypeId"); f != nil && !d.given[f.column] {
		for _, rt := range d.object.RecordTypes {
			if rt.Default && !rt.Master {
				d.vals[f.column] = string(rt.ID)
			}
		}
	}
	if d.object.Field("OwnerId") != nil && d.get("OwnerId") == "" && d.object.Name != "Group" {
		d.put("OwnerId", string(d.w.caller.User))
	}
	for _, i := range d.object.defaulted {
		f := d.object.Fields[i]
		if f.column < 0 || d.given[f.column] || d.vals[f.column] != "" {
			continue
		}
		if f.initial != nil {
			d.vals[f.column] = d.w.o.constant(d.w.caller, f, d.w.at)
			continue
		}
		for _, v := range f.Picklist {
			if v.chosen() {
				d.vals[f.column] = d.w.o.word(v.Value)
			}
		}
	}
}

// audit stamps the record. Source: Object Reference, "System Fields".
func (d *draft) audit() {
	stamp, user := d.w.stamp, string(d.w.caller.User)
	if d.old == nil {
		d.preset("CreatedDate", stamp)
		d.preset("CreatedById", user)
		d.preset("LastModifiedDate", stamp)
		d.preset("LastModifiedById", user)
		d.put("SystemModstamp", stamp)
		return
	}
	if !d.w.opts.Quiet {
		d.put("LastModifiedDate", stamp)
		d.put("LastModifiedById", user)
		d.put("SystemModstamp", stamp)
	}
}

// check refuses a draft that breaks a rule of its fields.
func (d *draft) check(reject func(Attempt) *Error) *Error {
	if err := d.required(); err != nil {
		return err
	}
	if err := d.recordType(); err != nil {
		return err
	}
	for _, f := range d.object.Fields {
		if f.column < 0 || d.vals[f.column] == "" {
			continue
		}
		changed := d.old == nil || d.old.text(f.column) != d.vals[f.column]
		if !changed {
			continue
		}
		if f.Type == sf.TypeReference {
			if err := d.reference(f, sf.ID(d.vals[f.column])); err != nil {
				return err
			}
		}
		if f.Unique {
			if err := d.unique(f); err != nil {
				return err
			}
		}
	}
	if err := d.choices(); err != nil {
		return err
	}
	if reject == nil {
		return nil
	}
	op := Insert
	if d.old != nil {
		op = Update
	}
	return reject(Attempt{Op: op, Object: d.object.Name, ID: d.id, Value: d.get})
}

func (d *draft) required() *Error {
	var missing []string
	for _, f := range d.object.Fields {
		if f.column < 0 || f.Nillable && !f.needed || f.Type == sf.TypeBoolean || f.AutoNumber || d.vals[f.column] != "" {
			continue
		}
		if f.Createable || d.old != nil && d.given[f.column] {
			missing = append(missing, f.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// Source: public replies, "Required fields are missing: [Name]".
	return fault("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
}

// recordType refuses a record type of another object, and the master record type becomes null.
// Message from public replies.
func (d *draft) recordType() *Error {
	id := d.get("RecordTypeId")
	if id == "" || d.old != nil && id == d.was("RecordTypeId") {
		return nil
	}
	if sf.ID(id) == masterRecordType {
		d.put("RecordTypeId", "")
		return nil
	}
	for _, rt := range d.object.RecordTypes {
		if string(rt.ID) == id && rt.Active {
			return nil
		}
	}
	return fault("INVALID_CROSS_REFERENCE_KEY", "Record Type ID: this ID value isn't valid for the user: "+id, "RecordTypeId")
}

// reference refuses an Id of the wrong object, of no record, and of a deleted one. The codes and
// messages are those of public replies; that a deleted target answers ENTITY_IS_DELETED for custom
// lookups too is unverified.
func (d *draft) reference(f *Field, id sf.ID) *Error {
	target := d.w.o.objectOf(id)
	if target == nil || !slices.ContainsFunc(f.ReferenceTo, func(n string) bool { return strings.EqualFold(n, target.Name) }) {
		return fault("FIELD_INTEGRITY_EXCEPTION", f.Label+": id value of incorrect type: "+string(id), f.Name)
	}
	t := d.w.o.tables[fold(target.Name)]
	r := t.find(id)
	switch {
	case r != nil && r.fate == live:
		if f.Name == "OwnerId" && target.Name == "User" {
			return d.activeOwner(t, r)
		}
		if f.Name == "OwnerId" && target.Name == "Group" {
			return d.queued(t, r)
		}
		if id == d.id || f.Name == "ParentId" && t == d.t && d.id != "" && d.w.above(t, id, d.id, f) { // in a circle of any length
			return fault("CIRCULAR_DEPENDENCY", "attempt to violate hierarchy constraints", f.Name)
		}
		return nil
	case r != nil || d.w.o.wasHere(t, id):
		return fault("ENTITY_IS_DELETED", "entity is deleted")
	default:
		return fault("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
}

// activeOwner is asked only when the owner changes: a record of a user who has left can be edited.
// Message from public replies.
func (d *draft) activeOwner(t *table, user *row) *Error {
	if user.text(t.object.Field("IsActive").column) == "true" || d.w.rights().has("UpdateWithInactiveOwner") {
		return nil
	}
	return fault("INACTIVE_OWNER_OR_USER",
		"operation performed with inactive user ["+user.id.Short()+"] as owner of "+fold(d.object.Label), "OwnerId")
}

// unique compares with the live records; what lies in the Recycle Bin does not count (unverified).
// Message from public replies, whose list of fields is empty.
func (d *draft) unique(f *Field) *Error {
	for _, r := range d.t.holding(f.column, d.vals[f.column]) {
		if r.fate == live && r.id != d.id {
			return fault("DUPLICATE_VALUE", "duplicate value found: "+f.Name+
				" duplicates value on record with id: "+r.id.Short())
		}
	}
	return nil
}

// number gives auto-numbers their next values. Source: Object Reference, "Auto-number fields": they
// count up and are never given out twice, also when the record is rolled back.
func (d *draft) number() {
	for _, f := range d.object.Fields {
		if f.auto != nil && f.column >= 0 {
			n, ok := d.t.autos[f.column]
			if !ok {
				n = f.auto.start
			}
			d.t.autos[f.column] = n + 1
			d.vals[f.column] = f.auto.text(n, d.w.at)
		}
	}
}

// nameless names a record of a custom object after its Id when the row gives no name.
func (d *draft) nameless() {
	if f := d.object.Field("Name"); f != nil && f.column >= 0 && f.NameField && d.object.Custom && d.vals[f.column] == "" {
		d.vals[f.column] = string(d.id)
	}
}
