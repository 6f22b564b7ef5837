package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Bypass names what the org's own automation looks at to let the records of a user pass: a custom permission, or a
// checkbox of a hierarchy custom setting.
type Bypass struct {
	Kind string // plan.BypassPermission or plan.BypassSetting
	Name string // of the permission; of the checkbox as OBJECT.FIELD
	Set  string // of a permission: name of the permission set that is to give it; "": the only one that does
}

// BypassRow is a bypass that a plan sets.
type BypassRow struct {
	Kind string `json:"kind"`          // permission or setting
	Name string `json:"name"`          // of the custom permission; of the checkbox as OBJECT.FIELD
	Set  string `json:"set,omitempty"` // permission set that is assigned to the user
}

func bypassRows(list []plan.Bypass) []BypassRow {
	var out []BypassRow
	for _, b := range list {
		out = append(out, BypassRow{Kind: b.Kind, Name: b.Name, Set: b.Set})
	}
	return out
}

// bypass puts the bypass into the plan, once the org is seen to have it.
func (in RestoreInput) bypass(ctx context.Context, p *plan.Plan) error {
	if len(in.Bypass) == 0 || len(p.Steps) == 0 {
		return nil
	}
	schema, err := in.Source.Schema(ctx) // the whole org: the state that is restored may leave out what tells of permissions
	if err != nil {
		return fmt.Errorf("describe the org: %w", err)
	}
	var list []plan.Bypass
	for _, b := range in.Bypass {
		found := plan.Bypass{Kind: b.Kind, Name: b.Name}
		if b.Kind == plan.BypassSetting {
			found.Name, err = checkbox(schema, b.Name)
		} else {
			found.Set, found.ID, err = givingSet(ctx, in.Source, schema, b)
		}
		if err != nil {
			return fmt.Errorf("the org's bypass: %w", err)
		}
		list = append(list, found)
	}
	p.SetBypass(list)
	for _, b := range p.Bypass {
		text := fmt.Sprintf("%s is set to true for the user as whom the plan is applied", b.Name)
		if b.Kind == plan.BypassPermission {
			text = fmt.Sprintf("the user as whom the plan is applied gets the permission %s, by an assignment of the permission set %s", b.Name, b.Set)
		}
		p.Notes = append(p.Notes, text+", before the first row is written; what was there is put back after the last")
	}
	return nil
}

// checkbox returns the name of a checkbox of a hierarchy custom setting, as the org spells it.
func checkbox(schema *sf.Schema, name string) (string, error) {
	object, field, _ := strings.Cut(name, ".")
	o := schema.Object(object)
	switch {
	case o == nil:
		return "", noBypass("there is no object %s, or the user may not see it", object)
	case o.Field("SetupOwnerId") == nil:
		return "", noBypass("%s is no hierarchy custom setting", o.Name)
	}
	f := o.Field(field)
	switch {
	case f == nil:
		return "", noBypass("%s has no field %s, or the user may not see it", o.Name, field)
	case f.Type != sf.TypeBoolean || !f.Updateable || !f.Createable:
		return "", noBypass("%s.%s is no checkbox that the user may set", o.Name, f.Name)
	}
	return o.Name + "." + f.Name, nil
}

func noBypass(format string, args ...any) error {
	return problem.Newf(problem.NotFound, format, args...).
		Hint("mend it with `holdfast org set ORG --bypass`, or make the plan without --bypass")
}

// givingSet finds the permission set that gives a custom permission. Sources: Object Reference, SetupEntityAccess,
// CustomPermission, PermissionSet.
func givingSet(ctx context.Context, src capture.Source, schema *sf.Schema, b Bypass) (name string, id sf.ID, err error) {
	permissions, access, sets := schema.Object("CustomPermission"), schema.Object("SetupEntityAccess"), schema.Object("PermissionSet")
	if permissions == nil || access == nil || sets == nil {
		return "", "", noBypass("the user may not read which permission sets give %s", b.Name)
	}
	var of []sf.ID
	for r, err := range src.Records(ctx, sf.Extract{Object: permissions, Fields: []string{"DeveloperName", "NamespacePrefix"}}) {
		if err != nil {
			return "", "", err
		}
		full := r.Get("DeveloperName").Text()
		if ns := r.Get("NamespacePrefix"); ns.IsText() && ns.Text() != "" {
			full = ns.Text() + "__" + full
		}
		if strings.EqualFold(full, b.Name) {
			of = append(of, r.ID)
		}
	}
	if len(of) == 0 {
		return "", "", noBypass("there is no custom permission %s", b.Name)
	}
	parents := []sf.ID{}
	for r, err := range src.Records(ctx, sf.Extract{Object: access, Fields: []string{"ParentId"}, IDs: of, Field: "SetupEntityId"}) {
		if err != nil {
			return "", "", err
		}
		parents = append(parents, sf.ID(r.Get("ParentId").Text()))
	}
	giving := map[string]sf.ID{}
	var names []string
	fields := []string{"Name", "IsOwnedByProfile"}
	if sets.Field("Type") != nil { // that of a group is assigned with its group, and one of a session has to be activated
		fields = append(fields, "Type")
	}
	for r, err := range src.Records(ctx, sf.Extract{Object: sets, Fields: fields, IDs: parents}) {
		if err != nil {
			return "", "", err
		}
		other := r.Get("IsOwnedByProfile").Text() == "true" || slices.Contains([]string{"Group", "Session"}, r.Get("Type").Text())
		if n := r.Get("Name").Text(); !other && (b.Set == "" || strings.EqualFold(n, b.Set)) {
			giving[n] = r.ID
			names = append(names, n)
		}
	}
	slices.Sort(names)
	switch {
	case len(names) == 1:
		return names[0], giving[names[0]], nil
	case b.Set != "":
		return "", "", noBypass("the permission set %s does not give %s", b.Set, b.Name)
	case len(names) == 0:
		return "", "", noBypass("no permission set gives %s", b.Name)
	}
	return "", "", noBypass("%d permission sets give %s: %s; name one, as permission:%s@%s", len(names), b.Name, some(names), b.Name, names[0])
}
