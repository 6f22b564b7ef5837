package capture

import (
	"regexp"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Rules say what of an org is held. A pattern is an API name in which * stands for any letters; for
// fields it is OBJECT.FIELD, for types of components components/TYPE. Case does not matter. The zero value holds everything.
type Rules struct {
	Only          []string // objects outside of these patterns are not held; empty: all are inside
	Exclude       []string // objects that are not held
	ExcludeFields []string // fields that are not held
}

// alwaysHeld are fields without which changes and deletions could not be found.
var alwaysHeld = map[string]bool{
	"Id": true, "SystemModstamp": true, "LastModifiedDate": true, "IsDeleted": true, "IsArchived": true,
}

// matches reports whether the name is what the pattern means.
func matches(pattern, name string) bool {
	if !strings.Contains(pattern, "*") {
		return strings.EqualFold(pattern, name)
	}
	pieces := strings.Split(pattern, "*")
	for i := range pieces {
		pieces[i] = regexp.QuoteMeta(pieces[i])
	}
	found, err := regexp.MatchString("(?i)^"+strings.Join(pieces, ".*")+"$", name)
	return err == nil && found
}

// first returns the first pattern that means the name, or "".
func first(patterns []string, name string) string {
	if i := slices.IndexFunc(patterns, func(p string) bool { return matches(p, name) }); i >= 0 {
		return patterns[i]
	}
	return ""
}

// excluded returns the gap of an object that the rules leave out.
func (r Rules) excluded(object string) (snapshot.Gap, bool) {
	if p := first(r.Exclude, object); p != "" {
		return gap(object, "", RuleExcluded, "left out by the rule %q", p), true
	}
	if len(r.Only) > 0 && first(r.Only, object) == "" {
		return gap(object, "", RuleExcluded, "outside of what the rules hold: %s", strings.Join(r.Only, ", ")), true
	}
	return snapshot.Gap{}, false
}

// excludedComponents returns the gap of a type of components that the rules leave out. Patterns for them begin
// with components/; where the rules hold some objects only, they hold those types that are named beside them.
func (r Rules) excludedComponents(kind string) (snapshot.Gap, bool) {
	named := func(list []string) string {
		if i := slices.IndexFunc(list, func(p string) bool { return matchesPart(p, kind) }); i >= 0 {
			return list[i]
		}
		return ""
	}
	if p := named(r.Exclude); p != "" {
		return gap(partName(kind), "", RuleExcluded, "left out by the rule %q", p), true
	}
	if len(r.Only) > 0 && named(r.Only) == "" {
		return gap(partName(kind), "", RuleExcluded, "outside of what the rules hold: %s", strings.Join(r.Only, ", ")), true
	}
	return snapshot.Gap{}, false
}

// field returns the rule that leaves the field out, or "".
func (r Rules) field(object, field string) string {
	if len(r.ExcludeFields) == 0 || alwaysHeld[field] {
		return ""
	}
	return first(r.ExcludeFields, object+"."+field)
}

// Check refuses rules that name something that an org of this schema does not have, with what is called alike. A pattern may
// match nothing. Errors: NotFound, and Usage for what cannot be left out or names no field.
func (r Rules) Check(schema *sf.Schema) error { return r.check(schema) }

// check refuses rules that name something that the org does not have, or that would leave out what
// changes are found by: a misspelt exclusion would hold what the operator wanted left out. A pattern may
// match nothing today.
func (r Rules) check(schema *sf.Schema) error {
	for _, list := range [][]string{r.Only, r.Exclude} {
		for _, name := range list {
			if !strings.Contains(name, "*") && !isComponents(name) && schema.Object(name) == nil && !foldObject(schema, name) {
				return NoObject(schema, name)
			}
		}
	}
	for _, name := range r.ExcludeFields {
		object, field, found := strings.Cut(name, ".")
		if !found || object == "" || field == "" {
			return problem.Newf(problem.Usage, "%q names no field", name).Hint("write it like Contact.SSN__c, or *.SSN__c")
		}
		if strings.Contains(name, "*") {
			continue
		}
		if err := checkField(schema, object, field); err != nil {
			return err
		}
	}
	return nil
}

func checkField(schema *sf.Schema, object, field string) error {
	i := slices.IndexFunc(schema.Objects, func(o *sf.Object) bool { return strings.EqualFold(o.Name, object) })
	if i < 0 {
		return NoObject(schema, object)
	}
	o := schema.Objects[i]
	at := slices.IndexFunc(o.Fields, func(f *sf.Field) bool { return strings.EqualFold(f.Name, field) })
	switch {
	case at < 0:
		names := make([]string, 0, len(o.Fields))
		for _, f := range o.Fields {
			names = append(names, f.Name)
		}
		hint := "give the API name, such as Contact.SSN__c"
		if near := sf.Near(field, names); near != "" {
			hint = near
		}
		return problem.Newf(problem.NotFound, "%s has no field %q", o.Name, field).Hint("%s", hint)
	case alwaysHeld[o.Fields[at].Name]:
		return problem.Newf(problem.Usage, "%s.%s cannot be left out: changes and deletions are found by it", o.Name, o.Fields[at].Name).
			Hint("leave out other fields, or the whole object")
	}
	return nil
}

func foldObject(schema *sf.Schema, name string) bool {
	return slices.ContainsFunc(schema.Objects, func(o *sf.Object) bool { return strings.EqualFold(o.Name, name) })
}

// NoObject is the error of a name that is no object of the org; it tells which objects are called alike.
func NoObject(schema *sf.Schema, name string) error {
	names := make([]string, 0, len(schema.Objects))
	for _, o := range schema.Objects {
		names = append(names, o.Name)
	}
	hint := "give API names, such as Contact or Invoice__c"
	if near := sf.Near(name, names); near != "" {
		hint = near
	}
	return problem.Newf(problem.NotFound, "the org has no object %q", name).Hint("%s", hint)
}
