package rollback

import (
	"bytes"
	"slices"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Outcome is a component that a change touched, as the org has it once the change is taken back.
type Outcome struct {
	Key   sf.ComponentKey        // of a flow, without a version
	Files []component.Entry      // in the format of the Metadata API; none: it is gone
	Parts []component.PartChange // that the change touched; none: all of it
	Back  bool                   // the change had deleted it
}

// Outcomes returns what becomes of the components of a change by the deployments of the plan that was decided from it, also
// where these are done already. Of a flow it is the version that is active then. What the change had made and what stays,
// and what somebody has deleted since, is left out. They are in the order of their keys.
func Outcomes(p Plan, changes []Change) []Outcome {
	var out []Outcome
	flows := map[string][]Change{}
	for _, c := range changes {
		switch c.Key.Type {
		case "FlowDefinition":
		case "Flow":
			name, _ := component.SplitFlow(c.Key.Name)
			flows[name] = append(flows[name], c)
		default:
			if o, ok := outcome(c, p.Deployments); ok {
				out = append(out, o)
			}
		}
	}
	for name, versions := range flows {
		if o, ok := flowOutcome(name, versions, p); ok {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b Outcome) int { return a.Key.Compare(b.Key) })
	return out
}

func outcome(c Change, deployments []Deployment) (Outcome, bool) {
	then := c.Now
	for _, d := range deployments {
		in := Intent{Key: c.Key, Before: then, Files: component.ByKey(d.Files)[c.Key], Deleted: slices.Contains(d.Deleted, c.Key)}
		for _, k := range d.Deleted {
			if parent := component.Known().Parent(k.Type); parent != nil && parent.Name == c.Key.Type && ownerName(parent, k) == c.Key.Name {
				in.Parts = append(in.Parts, k)
			}
		}
		if in.Deleted || len(in.Files)+len(in.Parts) > 0 {
			then = in.After()
		}
	}
	o := Outcome{Key: c.Key, Back: c.After == nil}
	switch {
	case c.Before == nil:
		return o, then == nil
	case then == nil || len(then.Files) == 0:
		return o, false
	}
	o.Files = then.Files
	before, now := only(c.Before.Files), only(then.Files)
	if c.After == nil || before == nil || now == nil || only(c.After.Files) == nil {
		return o, true
	}
	o.Parts = component.Parts(c.Key.Type, before, only(c.After.Files))
	o.Files = []component.Entry{{Path: then.Files[0].Path, Body: component.Print(ungranted(c.Key.Type, now, o.Parts))}}
	return o, true
}

// ownerName is the name of the component in whose file one stands.
func ownerName(parent *component.Kind, k sf.ComponentKey) string {
	for i := range len(k.Name) {
		if k.Name[i] == '.' {
			return k.Name[:i]
		}
	}
	return parent.Name // labels are named without that in which they stand
}

// ungranted leaves out what the change had granted and what is taken back by granting nothing: before, nobody had said so.
func ungranted(kind string, now *component.Node, parts []component.PartChange) *component.Node {
	out := *now
	for _, p := range parts {
		if p.How != component.Added {
			continue
		}
		for _, n := range component.Part(kind, now, p.Element, p.Key) {
			if none := component.Revoked(kind, n); none != nil && bytes.Equal(component.Print(none), component.Print(n)) {
				out.Nodes = slices.DeleteFunc(slices.Clone(out.Nodes), func(x *component.Node) bool { return x == n })
			}
		}
	}
	return &out
}

// flowOutcome is what becomes of a flow, unless somebody has worked on it since or nothing can be done about it.
func flowOutcome(name string, versions []Change, p Plan) (Outcome, bool) {
	o := Outcome{Key: sf.ComponentKey{Type: "Flow", Name: name}, Back: true}
	for _, a := range p.Actions {
		if flow, _ := component.SplitFlow(a.Key.Name); a.Key.Type == "Flow" && flow == name && (a.Verb == Keep || a.Verb == Cannot) {
			return o, false
		}
	}
	var was *Component
	left := false
	for _, c := range versions {
		if x := c.Before; x != nil && len(x.Files) == 1 &&
			(was == nil || x.Status == "Active" || was.Status != "Active" && x.Version > was.Version) {
			was = x
		}
		o.Back = o.Back && c.After == nil
		deleted := slices.ContainsFunc(p.Deployments, func(d Deployment) bool { return slices.Contains(d.Deleted, c.Key) })
		left = left || c.Now != nil && !deleted
	}
	if was == nil {
		return o, !left
	}
	o.Files = []component.Entry{{Path: "flows/" + name + ".flow", Body: was.Files[0].Body}}
	return o, true
}
