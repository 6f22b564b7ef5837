package org

import (
	"strings"

	"holdfast/internal/sf"
)

// restricted reports an object whose records are not open to everybody, so that shares decide who
// sees them. Source: Salesforce Help, "Organization-Wide Defaults"; custom objects have a share
// object only then.
func (o *Object) restricted() bool { return o.sharing == "Private" || o.sharing == "Read" }

// own keeps the share of the owner: one row with cause Owner and level All. When the owner changes
// the manual shares go. Source: Apex Developer Guide, "Understanding Apex Managed Sharing".
func (d *draft) own(s *satellites) {
	owner := d.get("OwnerId")
	if owner == "" || d.old != nil && d.was("OwnerId") == owner {
		return
	}
	w := d.w
	if d.old != nil {
		for _, r := range s.share.holding(s.share.object.Field(s.shareRef).column, string(d.id)) {
			if cause := s.share.text(r, "RowCause"); r.fate == live && (cause == "Owner" || cause == "Manual") {
				w.bury(place{s.share, r.pos}, true)
			}
		}
	}
	values := map[string]string{s.shareRef: string(d.id), "UserOrGroupId": owner, "RowCause": "Owner"}
	for _, f := range s.share.object.Fields {
		if strings.HasSuffix(f.Name, "AccessLevel") {
			values[f.Name] = "Edit"
		}
	}
	values[accessLevel(s.share.object)] = "All"
	w.plantAt(s.share, w.o.newID(s.share), values)
}

// accessLevel is the field of a share object that says what it gives.
func accessLevel(share *Object) string {
	if f := share.Field(share.AssociateParentEntity + "AccessLevel"); f != nil {
		return f.Name
	}
	return "AccessLevel"
}

// shared checks a share that a caller writes: only manual ones, at a level above the default of the
// object, and for one who does not own the record. Sources: Object Reference, AccountShare and
// "Share objects"; the message of a trivial level is that of public replies, the others' wording is
// unverified.
func (d *draft) shared() *Error {
	parent := d.w.o.schema.object(d.object.AssociateParentEntity)
	if parent == nil {
		return nil
	}
	if d.old != nil && d.was("RowCause") != "Manual" {
		return fault("UNAUTHORIZED_SHARE_ACTION", "only manual shares can be changed", "Id")
	}
	d.preset("RowCause", "Manual")
	if d.get("RowCause") != "Manual" {
		return fault("FIELD_INTEGRITY_EXCEPTION", "field integrity exception: RowCause (only Manual can be given)", "RowCause")
	}
	level := accessLevel(d.object)
	given, least := d.get(level), "Edit"
	switch parent.sharing {
	case "Private":
		least = "None"
	case "Read":
		least = "Read"
	}
	rank := map[string]int{"": 0, "None": 0, "Read": 1, "Edit": 2, "All": 3}
	if given == "All" || rank[given] <= rank[least] && !d.sharesMore() {
		return fault("FIELD_INTEGRITY_EXCEPTION", "field integrity exception: "+level+" (trivial share level "+given+
			", for organization with default level "+least+")", level)
	}
	return d.sharedWith(parent)
}

// sharesMore reports a share of an account that gives something for what belongs to the account.
func (d *draft) sharesMore() bool {
	for _, f := range d.object.Fields {
		if strings.HasSuffix(f.Name, "AccessLevel") && f.Name != accessLevel(d.object) && d.get(f.Name) != "None" && d.get(f.Name) != "" {
			return true
		}
	}
	return false
}

// sharedWith refuses a share to the owner, and folds a second one to the same user or group into the
// first, as the platform does (unverified for the answer's Id).
func (d *draft) sharedWith(parent *Object) *Error {
	ref := backReference(d.object, parent)
	p := d.w.o.record(sf.ID(d.get(ref)))
	if p.r != nil && p.t.text(p.r, "OwnerId") == d.get("UserOrGroupId") {
		return fault("INVALID_CROSS_REFERENCE_KEY", "the owner has access already", "UserOrGroupId")
	}
	if d.old != nil {
		return nil
	}
	for _, r := range d.t.holding(d.object.Field(ref).column, d.get(ref)) {
		if r.fate == live && d.t.text(r, "UserOrGroupId") == d.get("UserOrGroupId") && d.t.text(r, "RowCause") == "Manual" {
			d.w.bury(place{d.t, r.pos}, true)
		}
	}
	return nil
}
