package org

import (
	"strings"
	"time"

	"holdfast/internal/sf"
)

// permits is what a user may do: what the profile gives and what permission sets add. The rules are
// records, as on the platform: PermissionSet (each profile owns one), ObjectPermissions, FieldPermissions,
// SetupEntityAccess and PermissionSetAssignment; a deployed profile or permission set writes them.
// Sources: Object Reference, the pages of these objects; Salesforce Help, "User Permissions and Access".
type permits struct {
	all     bool            // the platform itself, and automation
	system  map[string]bool // user permissions by folded name
	custom  map[string]bool // custom permissions by folded name
	objects map[string]objectAccess
	fields  map[string]fieldAccess // by folded object.field: what rows say
	base    baseline
	until   time.Time // when an assignment expires, and all is worked out anew; zero: never
}

type objectAccess struct{ create, read, edit, remove, viewAll, modifyAll bool }

func (a *objectAccess) add(b objectAccess) {
	a.create, a.read, a.edit = a.create || b.create, a.read || b.read, a.edit || b.edit
	a.remove, a.viewAll, a.modifyAll = a.remove || b.remove, a.viewAll || b.viewAll, a.modifyAll || b.modifyAll
}

type fieldAccess struct {
	read, edit bool
	own        bool // a row of the profile itself, which replaces what the profile begins with
}

// baseline is what a profile begins with, before any row: new orgs do not hold the thousands of rows that
// the platform has for its standard profiles. What the standard profiles give is unverified beyond what
// their names say.
type baseline struct {
	standard bool // standard objects and fields
	deployed bool // custom objects and fields, as they are deployed
	every    bool // all records
}

// baseOf is what the profile of that name begins with.
func (o *Org) baseOf(profile string) baseline {
	switch profile {
	case "System Administrator":
		return baseline{standard: true, deployed: !o.cfg.StrictFieldAccess, every: true}
	case "Standard User":
		return baseline{standard: true}
	}
	return baseline{}
}

// GivesUnsaid reports what a profile gives of a custom field when no row of its own says anything: it is
// what a retrieve of the profile shows, as the platform shows the rows that Setup writes.
func (o *Org) GivesUnsaid(profile, object, field string) (read, edit bool) {
	defer o.read()()
	if !o.baseOf(profile).deployed {
		return false, false
	}
	d := o.schema.object(object)
	if d == nil {
		return false, false
	}
	f := d.Field(field)
	if f == nil || !f.Custom || !f.Permissionable {
		return false, false
	}
	return true, f.Updateable
}

// withheld are user permissions that a system administrator has only when somebody gives them.
// Source: Salesforce Help: "Bulk API Hard Delete" and "Query All Files" are off by default; "Set Audit Fields upon
// Record Creation" and "Update Records with Inactive Owners" need a setting first.
var withheld = map[string]bool{
	"bulkapiharddelete": true, "queryallfiles": true, "createauditfields": true, "updatewithinactiveowner": true,
}

// permits returns what a caller may do. It is worked out once for each user, until a record that it
// rests on changes or an assignment expires.
func (o *Org) permits(caller Caller) *permits {
	if caller.User == "" {
		return &permits{all: true}
	}
	o.accessMu.Lock()
	defer o.accessMu.Unlock()
	if p, ok := o.access[caller.User]; ok && (p.until.IsZero() || o.clock.Now().Before(p.until)) {
		return p
	}
	p := o.workOut(caller.User)
	if o.access == nil {
		o.access = map[sf.ID]*permits{}
	}
	o.access[caller.User] = p
	return p
}

// permissionTables are those whose rows permits rests on.
var permissionTables = map[string]bool{
	"user": true, "profile": true, "permissionset": true, "permissionsetassignment": true, "objectpermissions": true,
	"fieldpermissions": true, "setupentityaccess": true, "custompermission": true, "permissionsetgroupcomponent": true,
}

// forget makes permits be worked out again. The caller holds the org for writing.
func (o *Org) forget() {
	o.accessMu.Lock()
	defer o.accessMu.Unlock()
	clear(o.access)
}

func (o *Org) workOut(user sf.ID) *permits {
	p := &permits{system: map[string]bool{}, custom: map[string]bool{}, objects: map[string]objectAccess{}, fields: map[string]fieldAccess{}}
	u := o.record(user)
	if u.r == nil {
		return p
	}
	profile := o.record(sf.ID(u.t.text(u.r, "ProfileId")))
	if profile.r != nil {
		p.base = o.baseOf(profile.t.text(profile.r, "Name"))
		p.addSystem(profile)
		for _, set := range o.rowsOf("permissionset", "ProfileId", profile.r.id) {
			p.addSystem(found{o.tables["permissionset"], set})
			o.addRows(p, set.id, true)
		}
	}
	for _, a := range o.rowsOf("permissionsetassignment", "AssigneeId", user) {
		t := o.tables["permissionsetassignment"]
		if expires := t.text(a, "ExpirationDate"); expires != "" {
			at, err := time.Parse(time.RFC3339, expires)
			if err == nil && !o.clock.Now().Before(at) {
				continue
			}
			if err == nil && (p.until.IsZero() || at.Before(p.until)) {
				p.until = at
			}
		}
		sets := []sf.ID{sf.ID(t.text(a, "PermissionSetId"))}
		if group := sf.ID(t.text(a, "PermissionSetGroupId")); group != "" {
			for _, c := range o.rowsOf("permissionsetgroupcomponent", "PermissionSetGroupId", group) {
				sets = append(sets, sf.ID(o.tables["permissionsetgroupcomponent"].text(c, "PermissionSetId")))
			}
		}
		for _, id := range sets {
			if set := o.record(id); set.r != nil && set.r.fate == live {
				p.addSystem(set)
				o.addRows(p, id, false)
			}
		}
	}
	return p
}

// rowsOf returns the live records whose lookup holds the Id; none where there is no such object.
func (o *Org) rowsOf(object, lookup string, id sf.ID) []*row {
	t := o.tables[object]
	if t == nil || t.object.Field(lookup) == nil {
		return nil
	}
	_, rows := o.childrenOf(object, lookup, id, nil)
	return rows
}

// addSystem adds the user permissions of a profile or a permission set: its fields Permissions….
func (p *permits) addSystem(of found) {
	for _, f := range of.t.object.Fields {
		if name, ok := strings.CutPrefix(f.Name, "Permissions"); ok && of.r.text(f.column) == "true" {
			p.system[fold(name)] = true
		}
	}
}

// addRows adds what the rows below a permission set give.
func (o *Org) addRows(p *permits, set sf.ID, own bool) {
	yes := func(t *table, r *row, name string) bool { return t.text(r, "Permissions"+name) == "true" }
	for _, r := range o.rowsOf("objectpermissions", "ParentId", set) {
		t := o.tables["objectpermissions"]
		name := fold(t.text(r, "SobjectType"))
		have, ok := p.objects[name]
		if !ok && !own {
			have = p.baseObject(o, o.schema.object(name))
		}
		have.add(objectAccess{
			yes(t, r, "Create"), yes(t, r, "Read"), yes(t, r, "Edit"), yes(t, r, "Delete"), yes(t, r, "ViewAllRecords"), yes(t, r, "ModifyAllRecords"),
		})
		p.objects[name] = have
	}
	for _, r := range o.rowsOf("fieldpermissions", "ParentId", set) {
		t := o.tables["fieldpermissions"]
		name := fold(t.text(r, "Field")) // Object.Field
		have := p.fields[name]
		have.read, have.edit = have.read || yes(t, r, "Read"), have.edit || yes(t, r, "Edit")
		have.own = have.own || own
		p.fields[name] = have
	}
	for _, r := range o.rowsOf("setupentityaccess", "ParentId", set) {
		c := o.record(sf.ID(o.tables["setupentityaccess"].text(r, "SetupEntityId")))
		if c.r != nil && c.t.object.Name == "CustomPermission" {
			p.custom[fold(c.t.text(c.r, "DeveloperName"))] = true
		}
	}
}

// has reports a user permission.
func (p *permits) has(permission string) bool {
	name := fold(permission)
	return p.all || p.system[name] || p.base.every && !withheld[name]
}

// May reports whether the caller has a user permission by its name in metadata, such as
// BulkApiHardDelete, QueryAllFiles or ModifyAllData.
func (o *Org) May(caller Caller, permission string) bool {
	defer o.read()()
	return o.permits(caller).has(permission)
}

// governors are the objects whose permissions govern others that have none of their own.
// Source: Object Reference, "Special Access Rules" of these objects.
var governors = map[string]string{
	"opportunitylineitem": "Opportunity", "opportunitycontactrole": "Opportunity", "campaignmember": "Campaign",
	"campaignmemberstatus": "Campaign", "casecomment": "Case", "orderitem": "Order", "pricebookentry": "Pricebook2", "quotelineitem": "Quote",
	"accountcontactrole": "Account", "accountcontactrelation": "Account", "contractcontactrole": "Contract",
}

// governed are the standard objects with permissions of their own.
var governed = map[string]bool{
	"account": true, "contact": true, "lead": true, "opportunity": true, "case": true, "campaign": true, "contract": true, "order": true,
	"product2": true, "pricebook2": true, "asset": true, "quote": true, "solution": true, "idea": true, "individual": true,
}

// governor is the object whose permissions decide; nil for objects that everybody may use.
func (o *Org) governor(object *Object) *Object {
	switch {
	case object.AssociateParentEntity != "":
		if parent := o.schema.object(object.AssociateParentEntity); parent != nil && parent != object {
			return o.governor(parent)
		}
	case object.Kind == CustomObject || governed[fold(object.Name)]:
		return object
	case governors[fold(object.Name)] != "":
		return o.schema.object(governors[fold(object.Name)])
	}
	return nil
}

// baseObject is what the profile begins with for an object.
func (p *permits) baseObject(_ *Org, object *Object) objectAccess {
	if p.base.every || p.base.standard && object != nil && !object.Custom {
		return objectAccess{true, true, true, true, p.base.every, p.base.every}
	}
	return objectAccess{}
}

// object is what the caller may do with the records of an object.
func (p *permits) object(o *Org, object *Object) objectAccess {
	full := objectAccess{true, true, true, true, true, true}
	if p.all || p.has("ModifyAllData") {
		return full
	}
	governor := o.governor(object)
	if governor == nil {
		return objectAccess{true, true, true, true, p.has("ViewAllData"), false}
	}
	a, ok := p.objects[fold(governor.Name)]
	if !ok {
		a = p.baseObject(o, governor)
	}
	if p.has("ViewAllData") {
		a.read, a.viewAll = true, true
	}
	if a.modifyAll {
		return full
	}
	return a
}

// field reports whether the caller may read and edit a field.
func (p *permits) field(object *Object, f *Field) (read, edit bool) {
	if p.all || !f.Permissionable {
		return true, true
	}
	row, ok := p.fields[fold(object.Name+"."+f.Name)]
	if !row.own {
		base := p.base.standard
		if f.Custom {
			base = p.base.deployed
		}
		if base {
			return true, true
		}
	}
	return ok && (row.read || row.edit), row.edit
}

// free reports a user whom no field and no record is hidden from, so that nothing has to be asked.
func (p *permits) free() bool {
	return p.all || len(p.fields) == 0 && p.base.standard && p.base.deployed && p.base.every
}
