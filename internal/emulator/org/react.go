package org

import (
	"strings"

	"holdfast/internal/emulator/formula"
)

// react does what active components declare for an event. It may change the draft before it is saved.
func (d *draft) react(event string) *Error {
	c := d.object.conduct
	if c == nil || len(c.reactions) == 0 {
		return nil
	}
	var s *scene
	for _, r := range c.reactions {
		if !r.events[event] {
			continue
		}
		if s == nil {
			s = d.scene()
		}
		if r.when != nil {
			if v, err := s.eval(r.when); err != nil || !v.True() {
				continue
			}
		}
		changed, err := d.act(r, s, event)
		if err != nil {
			return err
		}
		if changed {
			s = nil // what comes next sees the change
		}
	}
	return nil
}

func (d *draft) act(r *reaction, s *scene, event string) (changed bool, err *Error) {
	switch r.action {
	case "reject": // Source: SObject.addError, of the record or of a field
		if r.target != "" {
			return false, fault("FIELD_CUSTOM_VALIDATION_EXCEPTION", r.text, d.object.Field(r.target).Name)
		}
		return false, fault("FIELD_CUSTOM_VALIDATION_EXCEPTION", r.text)
	case "fail":
		return false, r.failure(event)
	case "set":
		f := d.object.Field(r.target)
		v, fail := s.eval(r.value)
		if fail != nil || f.column < 0 {
			return false, r.failure(event)
		}
		text, err := f.read(spellAs(v, f), false)
		if err != nil {
			return false, err
		}
		d.vals[f.column], d.given[f.column] = text, true
		return true, nil
	case "create":
		return false, d.bring(r, s)
	case "mail":
		d.w.mail(r.owner, d.id)
	case "slow":
		d.w.o.slow += r.delay
	case "call": // a call-out of its own time, which the emulator counts and never makes
		d.w.o.callouts++
	}
	return false, nil
}

// failure is an exception that a trigger does not catch, or a flow without a fault path. Source: public
// replies; the stack trace that follows is left out.
func (r *reaction) failure(event string) *Error {
	kind, name, _ := strings.Cut(r.owner, " ")
	if kind == "Flow" {
		return fault("CANNOT_EXECUTE_FLOW_TRIGGER", "We can't save this record because the “"+name+
			"” process failed. Give your Salesforce admin these details. "+r.text)
	}
	moment := map[string]string{
		"before insert": "BeforeInsert", "before update": "BeforeUpdate", "before delete": "BeforeDelete", "after insert": "AfterInsert",
		"after update": "AfterUpdate", "after delete": "AfterDelete", "after undelete": "AfterUndelete",
	}[event]
	return fault("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", name+": execution of "+moment+"\n\ncaused by: System.DmlException: "+r.text)
}

// bring makes a record that a reaction creates. Its own rules apply to it.
func (d *draft) bring(r *reaction, s *scene) *Error {
	row := Row{Object: r.target}
	object := d.w.o.schema.object(r.target)
	if object == nil {
		return noObject(r.target)
	}
	for _, rf := range r.fields {
		f := object.Field(rf.name)
		if f == nil {
			return fault("INVALID_FIELD", "No such column '"+rf.name+"' on sobject of type "+object.Name)
		}
		v, err := s.eval(rf.value)
		if err != nil {
			v = formula.Value{}
		}
		row.Fields = append(row.Fields, Assignment{Field: f.Name, Text: spellAs(v, f)})
	}
	return d.w.within(func() (Result, *Error) { return d.w.insert(&row) })
}

// within runs a write that a write causes. Automation runs as the system: it does not ask what its
// user may do. Source: Apex Developer Guide, "Enforcing Object and Field Permissions".
func (w *work) within(f func() (Result, *Error)) *Error {
	if w.depth >= maxDepth {
		return fault("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "maximum trigger depth exceeded")
	}
	w.depth++
	system := w.system
	w.system = true
	defer func() { w.depth--; w.system = system }()
	_, err := f()
	return err
}
