package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// sees reports whether the caller of a query may read a field.
func (s *selection) sees(tr *trail) bool {
	p := s.access
	if p.free() {
		return true
	}
	object := s.object
	for _, hop := range tr.hops {
		if !p.reads(object, hop) {
			return false
		}
		if len(hop.ReferenceTo) == 0 {
			return true
		}
		if object = s.o.schema.object(hop.ReferenceTo[len(hop.ReferenceTo)-1]); object == nil {
			return true
		}
	}
	return p.reads(object, tr.field)
}

func (p *permits) reads(object *Object, f *Field) bool {
	if f.CompoundFieldName != "" && f.Type != sf.TypeAddress {
		if whole := object.Field(f.CompoundFieldName); whole != nil && whole != f {
			if row, ok := p.fields[fold(object.Name+"."+whole.Name)]; ok && row.own && !row.read {
				return false
			}
		}
	}
	read, _ := p.field(object, f)
	return read
}

// locate resolves a path that the caller may read. A field that is hidden is one that is not there.
// Source: Salesforce Help, "Field-Level Security"; SOQL and SOSL Reference, INVALID_FIELD.
func (s *selection) locate(p *soql.Path) (*trail, error) {
	tr, err := s.o.schema.locate(s.q, s.object, p)
	if err != nil {
		return nil, err
	}
	if err := s.passes(p, tr.names[:len(tr.hops)]); err != nil {
		return nil, err
	}
	if s.sees(tr) {
		return tr, nil
	}
	return nil, noColumn(s.q, p.Pos, p.Names[len(p.Names)-1], s.object.Name)
}

// mine reports a record that its sharing lets the caller see: by its owner, by a queue or group of the caller,
// by the role of its owner below the caller's, or by a share. Objects that are open to everybody are not asked.
// Source: Salesforce Help, "Organization-Wide Sharing Defaults" and "Role Hierarchy"; sharing rules are
// what a deploy or a caller writes as shares.
func (o *Org) mine(caller Caller, t *table, r *row, edit bool) bool {
	owner := sf.ID(t.text(r, "OwnerId"))
	groups := o.groupsOf(caller.User)
	if owner == caller.User || slices.Contains(groups, owner) || o.below(owner, caller.User) {
		return true
	}
	share := o.schema.shareOf(t.object)
	if share == nil {
		return false
	}
	st := o.tables[fold(share.Name)]
	lookup := share.Field("ParentId")
	if lookup == nil {
		lookup = share.Field(t.object.Name + "Id")
	}
	if lookup == nil {
		return false
	}
	for _, s := range st.holding(lookup.column, string(r.id)) {
		to := sf.ID(st.text(s, "UserOrGroupId"))
		level := st.text(s, accessLevel(share))
		if s.fate == live && (to == caller.User || slices.Contains(groups, to)) && (!edit || level == "Edit" || level == "All") {
			return true
		}
	}
	return false
}

// shareOf is the share object of an object; nil when it has none.
func (s *schema) shareOf(o *Object) *Object {
	name := o.Name + "Share"
	if base, ok := strings.CutSuffix(o.Name, "__c"); ok {
		name = base + "__Share"
	}
	return s.object(name)
}

// groupsOf returns the groups and queues that a user belongs to, also through other groups.
func (o *Org) groupsOf(user sf.ID) []sf.ID {
	out := []sf.ID{}
	from := []sf.ID{user}
	for len(from) > 0 {
		id := from[0]
		from = from[1:]
		for _, m := range o.rowsOf("groupmember", "UserOrGroupId", id) {
			if group := sf.ID(o.tables["groupmember"].text(m, "GroupId")); !slices.Contains(out, group) {
				out, from = append(out, group), append(from, group)
			}
		}
	}
	return out
}

// maxRoles bounds the hierarchy of roles. Source: Salesforce Help: at most 500 roles by default.
const maxRoles = 500

// below reports an owner whose role lies below the role of a user.
func (o *Org) below(owner, user sf.ID) bool {
	role := func(id sf.ID) sf.ID {
		u := o.record(id)
		if u.r == nil || u.t.object.Name != "User" {
			return ""
		}
		return sf.ID(u.t.text(u.r, "UserRoleId"))
	}
	mine, at := role(user), role(owner)
	for range maxRoles {
		r := o.record(at)
		if mine == "" || at == "" || r.r == nil {
			return false
		}
		if at = sf.ID(r.t.text(r.r, "ParentRoleId")); at == mine {
			return true
		}
	}
	return false
}

// hides returns a test for rows that sharing hides from the caller of a query; nil when there are none.
func (s *selection) hides() func(*row) bool {
	if !s.object.restricted() || s.object.sharing == "Read" || s.access.object(s.o, s.object).viewAll {
		return nil
	}
	return func(r *row) bool { return !s.o.mine(s.caller, s.t, r, false) }
}

// setupObjects are written by those who manage users alone. Source: Object Reference, "Special Access Rules".
var setupObjects = map[string]bool{
	"user": true, "profile": true, "permissionset": true, "permissionsetassignment": true, "objectpermissions": true, "fieldpermissions": true,
	"setupentityaccess": true, "userrole": true, "group": true, "groupmember": true, "queuesobject": true, "permissionsetgroup": true,
	"permissionsetgroupcomponent": true, "recordtype": true,
}

const noAccess = "insufficient access rights on object id" // from public replies

// rights is what the caller may do.
func (w *work) rights() *permits {
	if w.access == nil {
		w.access = w.o.permits(w.caller)
	}
	return w.access
}

// mayCreate refuses the creation of records that the caller may not create. That the answer is the one of
// an object that nobody can create is what public replies show.
func (w *work) mayCreate(object *Object) *Error {
	if w.system {
		return nil
	}
	p := w.rights()
	if p.free() {
		return nil
	}
	a := p.object(w.o, object)
	switch {
	case !a.read:
		return noObject(object.Name)
	case !a.create:
		return fault("INVALID_TYPE_FOR_OPERATION", "entity type cannot be inserted: "+object.Label)
	case setupObjects[fold(object.Name)] && !p.has("ManageUsers"):
		return fault("INSUFFICIENT_ACCESS_OR_READONLY", noAccess)
	}
	return nil
}

// mayTouch refuses the change of a record that the caller may not change.
func (w *work) mayTouch(t *table, r *row, op Op) *Error {
	if w.system {
		return nil
	}
	p := w.rights()
	if p.free() {
		return nil
	}
	a := p.object(w.o, t.object)
	allowed := a.edit
	if op == Delete || op == HardDelete {
		allowed = a.remove
	}
	switch {
	case !a.read:
		return noObject(t.object.Name)
	case !allowed, setupObjects[fold(t.object.Name)] && !p.has("ManageUsers") && r.id != w.caller.User:
		return fault("INSUFFICIENT_ACCESS_OR_READONLY", noAccess)
	case t.object.restricted() && !a.modifyAll && !w.o.mine(w.caller, t, r, true):
		return fault("INSUFFICIENT_ACCESS_OR_READONLY", noAccess)
	}
	return nil
}

// mayWrite reports whether the caller may write a field.
func (d *draft) mayWrite(f *Field) bool {
	if d.w.system {
		return true
	}
	p := d.w.rights()
	if p.free() {
		return true
	}
	_, edit := p.field(d.object, f)
	return edit
}

// DescribeFor returns the object of that API name as a caller sees it: without the fields that field-level
// security hides, and with the flags of what the caller may do; false also when the caller may not see it.
func (o *Org) DescribeFor(caller Caller, name string) (*Object, bool) {
	defer o.read()()
	object := o.schema.object(name)
	if object == nil {
		return nil, false
	}
	return o.asSeen(o.permits(caller), object)
}

// ObjectsFor returns the objects that a caller may see, by name.
func (o *Org) ObjectsFor(caller Caller) []*Object {
	defer o.read()()
	p := o.permits(caller)
	if p.free() {
		return o.schema.sorted
	}
	var out []*Object
	for _, object := range o.schema.sorted {
		if seen, ok := o.asSeen(p, object); ok {
			out = append(out, seen)
		}
	}
	return out
}

func (o *Org) asSeen(p *permits, object *Object) (*Object, bool) {
	if p.free() {
		return object, true
	}
	a := p.object(o, object)
	if !a.read {
		return nil, false
	}
	c := *object
	c.Createable, c.Updateable, c.Deletable = c.Createable && a.create, c.Updateable && a.edit, c.Deletable && a.remove
	c.Undeletable = c.Undeletable && a.remove
	c.Fields, c.byName = nil, map[string]int{}
	for _, f := range object.Fields {
		if !p.reads(object, f) {
			continue
		}
		if _, edit := p.field(object, f); !edit && (f.Createable || f.Updateable) {
			read := *f
			read.Createable, read.Updateable = false, false
			f = &read
		}
		c.byName[fold(f.Name)] = len(c.Fields)
		c.Fields = append(c.Fields, f)
	}
	return &c, true
}
