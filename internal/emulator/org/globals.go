package org

import (
	"maps"
	"strings"

	"holdfast/internal/emulator/formula"
	"holdfast/internal/sf"
)

// The globals of formulas. Source: Salesforce Help, "Global Merge Fields and Global Variables".

// personal are the objects that a global reads one record of.
var personal = map[string]string{
	"$user": "User", "$profile": "Profile", "$userrole": "UserRole", "$organization": "Organization", "$recordtype": "RecordType",
}

// globalType is the type of a global by its path; false when there is none.
func (s *schema) globalType(path []string) (formula.Type, bool) {
	kind := fold(path[0])
	switch {
	case personal[kind] != "" && len(path) == 2:
		o := s.object(personal[kind])
		if kind == "$profile" && strings.EqualFold(path[1], "Id") || strings.EqualFold(path[1], "Id") {
			return formula.TypeText, true
		}
		if kind == "$user" && strings.EqualFold(path[1], "UITheme") || strings.EqualFold(path[1], "UIThemeDisplayed") {
			return formula.TypeText, true
		}
		if f := s.formulaField(o, path[1]); f != nil {
			return plainType(f), true
		}
	case kind == "$label" && len(path) >= 2:
		return formula.TypeText, true // one that is not there reads as blank, and the deploy says so
	case kind == "$permission" && len(path) == 2:
		return formula.TypeBoolean, true
	case kind == "$api" && len(path) == 2:
		return formula.TypeText, true
	case kind == "$system" && len(path) == 2 && strings.EqualFold(path[1], "OriginDateTime"):
		return formula.TypeDatetime, true
	case kind == "$setup" && len(path) == 3, kind == "$custommetadata" && len(path) == 4, kind == "$objecttype" && len(path) == 4:
		if o := s.object(path[1]); o != nil {
			if f := s.formulaField(o, path[len(path)-1]); f != nil {
				return plainType(f), true
			}
		}
	}
	return 0, false
}

// plainType takes picklists of a global for text: they cannot be given to ISPICKVAL alone.
func plainType(f *Field) formula.Type {
	switch t := formulaType(f); t {
	case formula.TypePicklist, formula.TypeMultiPicklist:
		return formula.TypeText
	default:
		return t
	}
}

// labelKey is the name of a label: $Label.name, $Label.namespace.name or $Label.namespace__name.
func labelKey(path []string) string { return fold(strings.Join(path, "__")) }

func (s *scene) global(path []string) formula.Value {
	kind := fold(path[0])
	if object := personal[kind]; object != "" && len(path) == 2 {
		return s.ofRecord(s.o.record(s.personalID(kind)), path[1])
	}
	switch kind {
	case "$label":
		return formula.Text(s.o.schema.labels[labelKey(path[1:])])
	case "$permission":
		return formula.Bool(len(path) == 2 && s.o.permits(s.caller).custom[fold(path[1])])
	case "$api":
		return formula.Text(s.o.apiURL(path[1]))
	case "$system": // Source: Salesforce Help: 1900-01-01 00:00:00
		return formulaValue(&Field{Type: sf.TypeDatetime}, "1900-01-01T00:00:00.000Z")
	case "$setup":
		if len(path) == 3 {
			return s.setting(path[1], path[2])
		}
	case "$custommetadata":
		if t := s.o.tables[fold(path[1])]; t != nil && len(path) == 4 {
			for _, r := range t.holding(t.object.Field("DeveloperName").column, path[2]) {
				if r.fate == live {
					return s.ofRecord(found{t, r}, path[3])
				}
			}
		}
	}
	return formula.Value{}
}

// apiURL is $Api.Partner_Server_URL_260 and its like: the address of an API in its version.
// The host stands for the org; a client sees the one it signed in to.
func (o *Org) apiURL(name string) string {
	i := strings.LastIndexByte(name, '_')
	if i < 0 {
		return ""
	}
	service := map[string]string{"partner_server_url": "u", "enterprise_server_url": "c"}[fold(name[:i])]
	version := strings.TrimSuffix(name[i+1:], "0")
	if service == "" || version == "" {
		return ""
	}
	return "https://emulated.my.salesforce.com/services/Soap/" + service + "/" + version + ".0/" + o.id.Short()
}

func (s *scene) personalID(kind string) sf.ID {
	user := s.o.record(s.caller.User)
	switch kind {
	case "$user":
		return s.caller.User
	case "$organization":
		return s.o.id
	case "$recordtype":
		if s.r == nil {
			return ""
		}
		return sf.ID(s.t.text(s.r, "RecordTypeId"))
	}
	if user.r == nil {
		return ""
	}
	return sf.ID(user.t.text(user.r, map[string]string{"$profile": "ProfileId", "$userrole": "UserRoleId"}[kind]))
}

func (s *scene) ofRecord(p found, name string) formula.Value {
	if p.r == nil {
		return formula.Value{}
	}
	if strings.EqualFold(name, "Id") { // globals give Ids in their short form
		return formula.Text(p.r.id.Short())
	}
	f := p.t.object.Field(name)
	if f == nil {
		return formula.Value{}
	}
	v := formulaValue(f, s.o.valueFor(s.caller, p.t, p.r, f, s.depth+1))
	if t := plainType(f); v.Type != t && !v.Blank() {
		v.Type = t
	}
	return v
}

// setting reads a hierarchy custom setting: of the user, else of the profile, else of the org, the
// first that has a value. Source: Apex Reference, Custom Settings, getInstance.
func (s *scene) setting(object, name string) formula.Value {
	t := s.o.tables[fold(object)]
	if t == nil {
		return formula.Value{}
	}
	f, owner := t.object.Field(name), t.object.Field("SetupOwnerId")
	if f == nil {
		return formula.Value{}
	}
	missing := formula.Missing(formulaType(f))
	if owner == nil {
		return missing
	}
	for _, id := range []sf.ID{s.caller.User, s.personalID("$profile"), s.o.id} {
		if id == "" {
			continue
		}
		for _, r := range t.holding(owner.column, string(id)) {
			if r.fate != live {
				continue
			}
			if v := s.ofRecord(found{t, r}, name); !v.Blank() {
				return v
			}
		}
	}
	if f.Type == sf.TypeBoolean {
		return formula.Bool(false)
	}
	return missing
}

// find is VLOOKUP: both fields are $ObjectType.Object.Fields.Field of one custom object.
// Source: Salesforce Help, VLOOKUP.
func (s *scene) find(result, key []string, value formula.Value) formula.Value {
	if len(result) != 4 || len(key) != 4 {
		return formula.Value{}
	}
	t := s.o.tables[fold(key[1])]
	if t == nil {
		return formula.Value{}
	}
	f := t.object.Field(key[3])
	if f == nil || f.column < 0 {
		return formula.Value{}
	}
	for _, r := range t.holding(f.column, value.Spell()) {
		if r.fate == live {
			return s.ofRecord(found{t, r}, result[3])
		}
	}
	return formula.Value{}
}

// PutLabel defines or changes a custom label, by its full name.
func (t *Tx) PutLabel(name, value string) {
	labels := maps.Clone(t.schema.labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[fold(name)] = value
	t.schema.labels = labels
}
