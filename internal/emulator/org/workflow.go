package org

import (
	"slices"
	"strings"

	"holdfast/internal/emulator/formula"
	"holdfast/internal/sf"
)

// AssignmentRuleSpec is one assignmentRule of an AssignmentRules component.
type AssignmentRuleSpec struct {
	Object  string // Lead or Case
	Name    string
	Active  bool
	Entries []AssignmentEntry
}

// AssignmentEntry gives the records that meet its criteria to a user or a queue.
type AssignmentEntry struct {
	Criteria   Criteria
	AssignedTo string // username, or developer name of a queue; empty leaves the owner
	Queue      bool
}

type assignment struct {
	name    string
	entries []AssignmentEntry
	when    []*condition
}

// DropAssignmentRule deletes the assignment rule of that name.
func (t *Tx) DropAssignmentRule(object, name string) *Error {
	c := t.conduct(object)
	if c == nil || c.assignment == nil || !strings.EqualFold(c.assignment.name, name) {
		return missing("AssignmentRule", object+"."+name)
	}
	c.assignment = nil
	return nil
}

// PutAssignmentRules defines assignment rules of an object; the others stay. Of all of them one may be active.
func (t *Tx) PutAssignmentRules(object string, rules []AssignmentRuleSpec) *Error {
	o := t.schema.object(object)
	if o == nil {
		return missing("CustomObject", object)
	}
	c := t.conduct(object)
	for _, rule := range rules {
		a := &assignment{name: rule.Name, entries: rule.Entries}
		for _, e := range rule.Entries {
			when, err := e.Criteria.compile(t.schema, o)
			if err != nil {
				return err
			}
			a.when = append(a.when, when)
		}
		switch {
		case rule.Active:
			c.assignment = a
		case c.assignment != nil && strings.EqualFold(c.assignment.name, rule.Name):
			c.assignment = nil
		}
	}
	return nil
}

// reassign gives a record to the owner that the active assignment rule names: the first entry whose
// criteria hold. Source: Salesforce Help, "Set Up Assignment Rules"; REST API Developer Guide, Assignment
// Rule Header. Without such a user or queue the owner stays (unverified: the platform refuses the rule).
func (d *draft) reassign() bool {
	c := d.object.conduct
	if c == nil || c.assignment == nil || !d.w.opts.Assign {
		return false
	}
	s := d.scene()
	for i, e := range c.assignment.entries {
		if !c.assignment.when[i].holds(s, nil) {
			continue
		}
		owner := d.w.o.assignee(e.AssignedTo, e.Queue)
		if owner == "" || string(owner) == d.get("OwnerId") {
			return false
		}
		d.put("OwnerId", string(owner))
		return true
	}
	return false
}

func (o *Org) assignee(name string, queue bool) sf.ID {
	object, field := "user", "Username"
	if queue {
		object, field = "group", "DeveloperName"
	}
	t := o.tables[object]
	for _, r := range t.holding(t.object.Field(field).column, name) {
		if r.fate == live && (!queue || t.text(r, "Type") == "Queue") {
			return r.id
		}
	}
	return ""
}

// WorkflowSpec is a Workflow component: the rules of one object and what they do.
type WorkflowSpec struct {
	Object  string
	Rules   []WorkflowRule
	Updates []FieldUpdate
	Alerts  []string // full names of the e-mail alerts
}

// WorkflowRule is one rule. Trigger is onCreateOnly, onCreateOrTriggeringUpdate or onAllChanges.
type WorkflowRule struct {
	Name     string
	Active   bool
	Trigger  string
	Criteria Criteria
	Actions  []WorkflowAction
}

// WorkflowAction names what a rule does. Type is FieldUpdate, Alert, Task or OutboundMessage; the first two act.
type WorkflowAction struct{ Name, Type string }

// FieldUpdate is one field update. Operation is Formula, Literal, LookupValue, Null, NextValue or PreviousValue.
type FieldUpdate struct {
	Name      string
	Field     string
	Operation string
	Formula   string
	Value     string // literalValue, or lookupValue as username, queue or record type
	Queue     bool   // lookupValueType Queue
	Target    string // targetObject: the lookup to the record that is updated; empty for the record itself
}

type workflow struct {
	spec    WorkflowSpec
	when    []*condition
	updates map[string]*fieldUpdate
}

type fieldUpdate struct {
	FieldUpdate
	formula *compiled
}

// DropWorkflowRule deletes a workflow rule.
func (t *Tx) DropWorkflowRule(object, name string) *Error {
	c := t.conduct(object)
	if c != nil && c.workflow != nil {
		spec := c.workflow.spec
		spec.Rules = slices.DeleteFunc(slices.Clone(spec.Rules), func(r WorkflowRule) bool { return strings.EqualFold(r.Name, name) })
		if len(spec.Rules) < len(c.workflow.spec.Rules) {
			c.workflow = nil
			return t.PutWorkflow(spec)
		}
	}
	return missing("WorkflowRule", object+"."+name)
}

// joined adds what a deploy brings to what is there, by name.
func (spec WorkflowSpec) joined(old *workflow) WorkflowSpec {
	if old == nil {
		return spec
	}
	for _, u := range old.spec.Updates {
		if !slices.ContainsFunc(spec.Updates, func(n FieldUpdate) bool { return strings.EqualFold(n.Name, u.Name) }) {
			spec.Updates = append(spec.Updates, u)
		}
	}
	for _, r := range old.spec.Rules {
		if !slices.ContainsFunc(spec.Rules, func(n WorkflowRule) bool { return strings.EqualFold(n.Name, r.Name) }) {
			spec.Rules = append(spec.Rules, r)
		}
	}
	return spec
}

// PutWorkflow defines or changes workflow rules and field updates of an object; the others stay.
func (t *Tx) PutWorkflow(spec WorkflowSpec) *Error {
	o := t.schema.object(spec.Object)
	if o == nil {
		return missing("CustomObject", spec.Object)
	}
	c := t.conduct(spec.Object)
	spec = spec.joined(c.workflow)
	wf := &workflow{spec: spec, updates: map[string]*fieldUpdate{}}
	for _, u := range spec.Updates {
		update := &fieldUpdate{FieldUpdate: u}
		if u.Target == "" && t.field(o, u.Field) < 0 {
			return fault("INVALID_FIELD", "Field "+u.Field+" does not exist. Check spelling.")
		}
		if u.Operation == "Formula" {
			f, err := t.schema.ruleFormula(o, u.Formula, formula.Workflow, formula.TypeUnknown)
			if err != nil {
				return err
			}
			update.formula = f
		}
		wf.updates[fold(u.Name)] = update
	}
	for _, r := range spec.Rules {
		when, err := r.Criteria.compile(t.schema, o)
		if err != nil {
			return err
		}
		for _, a := range r.Actions {
			if a.Type == "FieldUpdate" && wf.updates[fold(a.Name)] == nil {
				return missing("WorkflowFieldUpdate", spec.Object+"."+a.Name)
			}
		}
		wf.when = append(wf.when, when)
	}
	c.workflow = wf
	return nil
}

// flows runs the workflow rules on a record that has been saved, and returns whether they changed it.
// Validation rules are not asked again. Source: Apex Developer Guide, "Triggers and Order of Execution".
func (d *draft) flows() (bool, *Error) {
	c := d.object.conduct
	if c == nil || c.workflow == nil {
		return false, nil
	}
	changed := false
	s := d.scene()
	for i, rule := range c.workflow.spec.Rules {
		if !rule.Active || !rule.fires(c.workflow.when[i], s) {
			continue
		}
		for _, a := range rule.Actions {
			switch a.Type {
			case "FieldUpdate":
				hit, err := d.updateField(c.workflow.updates[fold(a.Name)], s)
				if err != nil {
					return false, err
				}
				changed = changed || hit
			case "Alert":
				d.w.mail("WorkflowAlert "+d.object.Name+"."+a.Name, d.id)
			}
		}
	}
	return changed, nil
}

func (r WorkflowRule) fires(when *condition, s *scene) bool {
	if r.Trigger == "onCreateOnly" && s.old != nil || !when.holds(s, nil) {
		return false
	}
	if r.Trigger == "onCreateOrTriggeringUpdate" && s.old != nil {
		before := *s
		before.r = s.old
		return !when.holds(&before, nil)
	}
	return true
}

func (d *draft) updateField(u *fieldUpdate, s *scene) (bool, *Error) {
	if u.Target != "" && !strings.EqualFold(u.Target, d.object.Name) {
		return false, d.updateParent(u, s)
	}
	f := d.object.Field(u.Field)
	if f == nil || f.column < 0 {
		return false, nil
	}
	text, err := u.result(s, f, d.vals[f.column])
	if err != nil {
		return false, err
	}
	if text == d.vals[f.column] {
		return false, nil
	}
	d.vals[f.column], d.given[f.column] = text, true
	return true, nil
}

func (d *draft) updateParent(u *fieldUpdate, s *scene) *Error {
	lookup := d.object.Field(u.Target)
	if lookup == nil || lookup.column < 0 || d.vals[lookup.column] == "" {
		return nil
	}
	p := d.w.o.record(sf.ID(d.vals[lookup.column]))
	if p.r == nil {
		return nil
	}
	f := p.t.object.Field(u.Field)
	if f == nil || f.column < 0 {
		return nil
	}
	text, err := u.result(s, f, p.r.text(f.column))
	if err != nil || text == p.r.text(f.column) {
		return err
	}
	return d.w.within(func() (Result, *Error) {
		return d.w.update(&Row{ID: string(p.r.id), Fields: []Assignment{{Field: f.Name, Text: text}}})
	})
}

// result is what a field update makes of a field.
func (u *fieldUpdate) result(s *scene, f *Field, have string) (string, *Error) {
	switch u.Operation {
	case "Null":
		return "", nil
	case "Literal":
		return f.read(u.Value, false)
	case "PreviousValue", "NextValue":
		i := slices.IndexFunc(f.Picklist, func(v PicklistValue) bool { return v.Value == have })
		if u.Operation == "NextValue" {
			i += 2
		}
		if i-1 < 0 || i-1 >= len(f.Picklist) {
			return have, nil
		}
		return f.Picklist[i-1].Value, nil
	case "LookupValue":
		if f.Name == "RecordTypeId" {
			for _, rt := range s.t.object.RecordTypes {
				if strings.EqualFold(rt.DeveloperName, u.Value) {
					return string(rt.ID), nil
				}
			}
			return have, nil
		}
		return orElse(string(s.o.assignee(u.Value, u.Queue)), have), nil
	}
	v, err := s.eval(u.formula)
	if err != nil {
		v = formula.Value{}
	}
	return f.read(spellAs(v, f), true)
}
