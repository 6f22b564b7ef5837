package org

import (
	"strings"

	"holdfast/internal/sf"
)

// AccessSpec is a Profile or PermissionSet component: what it gives. A permission set is replaced as a
// whole; a profile changes only in what the component names. Source: Metadata API Developer Guide, Profile and
// PermissionSet (from API 40 a permission set that is deployed overwrites the one that is there).
type AccessSpec struct {
	Profile bool
	Name    string // of a profile its name in the org, such as System Administrator
	Label   string // of a permission set
	Objects []ObjectAccessSpec
	Fields  []FieldAccessSpec
	System  map[string]bool // userPermissions by name
	Custom  map[string]bool // customPermissions by name
}

// ObjectAccessSpec is one objectPermissions element.
type ObjectAccessSpec struct {
	Object                                         string
	Create, Read, Edit, Delete, ViewAll, ModifyAll bool
}

// FieldAccessSpec is one fieldPermissions element; Field is Object.Field.
type FieldAccessSpec struct {
	Field          string
	Read, Editable bool
}

// PutAccess defines or changes a profile or a permission set.
func (t *Tx) PutAccess(spec AccessSpec) (id sf.ID, created bool, err *Error) {
	t.expose()
	for _, f := range spec.Fields {
		object, name, _ := strings.Cut(f.Field, ".")
		if object == "Activity" {
			object = "Task"
		}
		if o := t.schema.object(object); strings.HasSuffix(fold(name), "__c") && (o == nil || t.field(o, name) < 0) {
			return "", false, fault("INVALID_CROSS_REFERENCE_KEY", "In field: field - no CustomField named "+f.Field+" found") // from public deploy results
		}
	}
	for _, a := range spec.Objects {
		if strings.HasSuffix(fold(a.Object), "__c") && t.schema.object(a.Object) == nil {
			return "", false, fault("INVALID_CROSS_REFERENCE_KEY", "In field: field - no CustomObject named "+a.Object+" found")
		}
	}
	set, id, created := t.holder(spec)
	t.system(spec, set)
	for _, a := range spec.Objects {
		t.grant("ObjectPermissions", set, map[string]string{"SobjectType": t.properName(a.Object)}, map[string]string{
			"PermissionsCreate": boolText(a.Create), "PermissionsRead": boolText(a.Read), "PermissionsEdit": boolText(a.Edit),
			"PermissionsDelete": boolText(a.Delete), "PermissionsViewAllRecords": boolText(a.ViewAll), "PermissionsModifyAllRecords": boolText(a.ModifyAll),
		})
	}
	for _, f := range spec.Fields {
		object, _, _ := strings.Cut(f.Field, ".")
		t.grant("FieldPermissions", set, map[string]string{"SobjectType": t.properName(object), "Field": f.Field}, map[string]string{
			"PermissionsRead": boolText(f.Read), "PermissionsEdit": boolText(f.Editable),
		})
	}
	for name, on := range spec.Custom {
		if on {
			t.allow(set, name)
		}
	}
	return id, created, nil
}

func (t *Tx) properName(object string) string {
	if o := t.schema.object(object); o != nil {
		return o.Name
	}
	return object
}

// holder returns the permission set that holds the rows, and the Id of the component.
func (t *Tx) holder(spec AccessSpec) (set, id sf.ID, created bool) {
	o := t.org
	sets := o.tables["permissionset"]
	if !spec.Profile {
		for _, r := range sets.holding(sets.object.Field("Name").column, spec.Name) {
			if r.fate == live && sets.text(r, "ProfileId") == "" {
				t.empty(r.id)
				return r.id, r.id, false
			}
		}
		id = t.work.plant("PermissionSet", map[string]string{"Name": spec.Name, "Label": orElse(spec.Label, spec.Name), "IsCustom": "true"})
		return id, id, true
	}
	profiles := o.tables["profile"]
	for _, r := range profiles.holding(profiles.object.Field("Name").column, spec.Name) {
		if r.fate == live {
			id = r.id
		}
	}
	if created = id == ""; created {
		id = t.work.plant("Profile", map[string]string{"Name": spec.Name, "UserType": "Standard"})
	}
	if owned := o.rowsOf("permissionset", "ProfileId", id); len(owned) > 0 {
		return owned[0].id, id, created
	}
	set = t.work.plant("PermissionSet", map[string]string{
		"Name": "X" + id.Short(), "Label": "X" + id.Short(), "ProfileId": string(id), "IsOwnedByProfile": "true",
	})
	return set, id, created
}

// empty takes away what a permission set gives.
func (t *Tx) empty(set sf.ID) {
	for _, object := range []string{"objectpermissions", "fieldpermissions", "setupentityaccess"} {
		for _, r := range t.org.rowsOf(object, "ParentId", set) {
			table := t.org.tables[object]
			t.work.set(table, table.pack(r.id, table.dense(r), gone, r.pos))
		}
	}
	sets := t.org.tables["permissionset"]
	r := sets.find(set)
	vals := sets.dense(r)
	for _, f := range sets.object.Fields {
		if strings.HasPrefix(f.Name, "Permissions") && f.column >= 0 {
			vals[f.column] = ""
		}
	}
	t.work.set(sets, sets.pack(r.id, vals, live, r.pos))
}

// system writes user permissions into the fields of the profile and of the permission set that holds its rows.
func (t *Tx) system(spec AccessSpec, set sf.ID) {
	ids := []sf.ID{set}
	if p := t.org.record(set); spec.Profile && p.r != nil {
		ids = append(ids, sf.ID(p.t.text(p.r, "ProfileId")))
	}
	for _, id := range ids {
		p := t.org.record(id)
		vals := p.t.dense(p.r)
		for name, on := range spec.System {
			p.t.amend(vals, "Permissions"+name, map[bool]string{true: "true"}[on])
		}
		t.work.set(p.t, p.t.pack(id, vals, live, p.r.pos))
	}
}

// grant writes one row below a permission set.
func (t *Tx) grant(object string, set sf.ID, key, values map[string]string) {
	table := t.org.tables[fold(object)]
	for _, r := range t.org.rowsOf(fold(object), "ParentId", set) {
		same := true
		for name, text := range key {
			same = same && strings.EqualFold(table.text(r, name), text)
		}
		if !same {
			continue
		}
		vals := table.dense(r)
		for name, text := range values {
			if text == "false" {
				text = ""
			}
			table.amend(vals, name, text)
		}
		t.work.set(table, table.pack(r.id, vals, live, r.pos))
		return
	}
	row := map[string]string{"ParentId": string(set)}
	for _, part := range []map[string]string{key, values} {
		for name, text := range part {
			row[name] = text
		}
	}
	t.work.plant(object, row)
}

// allow gives a custom permission.
func (t *Tx) allow(set sf.ID, name string) {
	table := t.org.tables["custompermission"]
	if table == nil {
		return
	}
	for _, r := range table.holding(table.object.Field("DeveloperName").column, name) {
		if r.fate == live {
			t.grant("SetupEntityAccess", set, map[string]string{"SetupEntityId": string(r.id)}, map[string]string{"SetupEntityType": "CustomPermission"})
		}
	}
}

// PutCustomPermission defines or changes a custom permission.
func (t *Tx) PutCustomPermission(name, label string) (sf.ID, bool, *Error) {
	t.expose()
	table := t.org.tables["custompermission"]
	for _, r := range table.holding(table.object.Field("DeveloperName").column, name) {
		if r.fate == live {
			return r.id, false, nil
		}
	}
	return t.work.plant("CustomPermission", map[string]string{"DeveloperName": name, "MasterLabel": label, "Language": "en_US"}), true, nil
}
