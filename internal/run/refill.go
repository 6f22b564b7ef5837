package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// valuesBack are values of records that a change took away with what held them.
type valuesBack struct {
	rollback.Values
	Retyped bool // the field was there all the time, in another type
}

// withRecords adds to a plan what goes back of records: values of fields and records of objects that the change took
// away, and records that were part of the change. The org is observed once more, with these records, so that the plan is
// decided from one observation and what it destroys is held.
func (r *reversal) withRecords(ctx context.Context, p rollback.Plan) (rollback.Plan, error) {
	if err := r.readConfig(); err != nil {
		return p, err
	}
	r.objects = r.concerned(p, r.live.Schema())
	if len(r.objects) == 0 {
		p.Notes = append(p.Notes, r.emptied(p)...)
		return p, nil
	}
	if !r.sees(r.in.live) { // else it was decided from just that
		var err error
		if p, err = r.decide(ctx); err != nil {
			return p, err
		}
	}
	p.Notes = append(p.Notes, r.emptied(p)...)
	values := r.values(p)
	var going []sf.ComponentKey
	for _, d := range p.Deployments {
		going = append(going, d.Deleted...)
	}
	live := r.foreseen(values, going)
	for _, v := range values {
		p.Values = append(p.Values, v.Values)
	}
	if len(values) > 0 {
		retyped := map[string]bool{}
		for _, v := range values {
			if v.Retyped {
				retyped[v.Object+"."+v.Field] = true
			}
		}
		if err := r.phase(ctx, &p, r.refill(values, live), retyped); err != nil {
			return p, err
		}
		unsure(&p, retyped)
	}
	if len(r.in.ConfigData) > 0 {
		chosen := map[string]bool{}
		for _, name := range r.in.ConfigData {
			chosen[name] = true
		}
		return p, r.phase(ctx, &p, &wanted{want: r.before, base: r.after, live: live, chosen: chosen, closure: true, limit: plan.MaxRows}, nil)
	}
	return p, nil
}

// readConfig checks the objects whose records are part of the change.
func (r *reversal) readConfig() error {
	for _, name := range r.in.ConfigData {
		if r.after == nil {
			return problem.New(problem.Usage, "records are part of a change between two snapshots, and one is named")
		}
		for _, sn := range []*snapshot.Snapshot{r.before, r.after} {
			if p, held := wholePart(sn, name); !held || p.Stale || p.From.Before(sn.Info().Started) {
				return problem.Newf(problem.Conflict, "snapshot %s does not tell which records of %s the org had then", sn.Info().Short(), name).
					Hint("take snapshots with the records around a deployment of config data: `holdfast backup`, or `holdfast guard` with --config-data")
			}
		}
	}
	return nil
}

// comingBack names the objects, and the fields as Object.Field, that the change deleted, or whose type it changed, and that the org
// has now or gets by the plan.
func (r *reversal) comingBack(p rollback.Plan) map[string]bool {
	comes := map[string]bool{}
	for _, a := range p.Actions {
		if a.Key.Type != "CustomObject" {
			continue
		}
		comes[a.Key.Name] = a.Verb == rollback.PutBack
		for _, part := range a.Parts {
			if name := a.Key.Name + "." + part.Key; part.Element == "fields" && (part.How == component.Added || r.retyped[name]) {
				comes[name] = true
			}
		}
	}
	for name := range r.lost {
		object, field, _ := strings.Cut(name, ".")
		if comes[name] || r.live.Schema().Object(object) == nil || r.before.Schema().Object(object) == nil {
			continue
		}
		comes[name] = field == "" || r.sameType(object, field)
	}
	return comes
}

// emptied says which objects and fields come back without what was in them, because the snapshot before the change does not hold it.
func (r *reversal) emptied(p rollback.Plan) []string {
	comes := r.comingBack(p)
	computed := map[string]bool{}
	for _, c := range r.decided {
		if c.Key.Type == "CustomObject" && c.Before != nil {
			for _, f := range c.Before.Files {
				computedIn(c.Key.Name, f.Body, computed)
			}
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(comes)) {
		object, field, _ := strings.Cut(name, ".")
		part, held := wholePart(r.before, object)
		switch {
		case !comes[name] || field != "" && (comes[object] || computed[name]):
		case field == "" && !held:
			out = append(out, fmt.Sprintf("CustomObject %s comes back without records: snapshot %s does not hold them", name, r.before.Info().Short()))
		case field != "" && (!held || part.Records > 0 && !slices.Contains(part.Fields, field)):
			out = append(out, fmt.Sprintf("CustomField %s comes back empty: snapshot %s does not hold its values", name, r.before.Info().Short()))
		}
	}
	return out
}

// computedIn adds the fields of the file of an object that have no values of their own, as Object.Field.
func computedIn(object string, file []byte, to map[string]bool) {
	doc, err := component.Parse(file)
	if err != nil {
		return // no change of it is decided either
	}
	for _, n := range doc.Nodes {
		if n.Name == "fields" && (n.Value("formula") != "" || n.Value("type") == "Summary") {
			to[object+"."+n.Value("fullName")] = true
		}
	}
}

// values names what the snapshot before the change brings back once the components are there.
func (r *reversal) values(p rollback.Plan) []valuesBack {
	comes := r.comingBack(p)
	var out []valuesBack
	for _, name := range slices.Sorted(maps.Keys(comes)) {
		object, field, _ := strings.Cut(name, ".")
		part, held := wholePart(r.before, object)
		if !comes[name] || !held || part.Records == 0 || field != "" && (comes[object] || !slices.Contains(part.Fields, field)) {
			continue
		}
		if field != "" && !writable(r.before.Schema(), object, field) {
			continue
		}
		out = append(out, valuesBack{
			rollback.Values{Object: object, Field: field, Records: part.Records}, r.retyped[name] && !r.sameType(object, field),
		})
	}
	return out
}

// sameType reports a field that the org has now, in the type that it had before the change.
func (r *reversal) sameType(object, field string) bool {
	is, was := r.live.Schema().Object(object), r.before.Schema().Object(object)
	if is == nil || was == nil || is.Field(field) == nil || was.Field(field) == nil {
		return false
	}
	return is.Field(field).Type == was.Field(field).Type
}

// writable reports a field whose values somebody can set: what the org computes it computes anew.
func writable(schema *sf.Schema, object, field string) bool {
	o := schema.Object(object)
	if o == nil || o.Field(field) == nil {
		return false
	}
	return o.Field(field).Updateable
}

// concerned returns the objects whose records have to be observed: those that get values back, those that lose some for
// good, so that they are held, and what these refer to, as far as the snapshot before holds it, and as far as the org has
// it now. Sorted; none when no records are concerned.
func (r *reversal) concerned(p rollback.Plan, now *sf.Schema) []string {
	own := map[string]bool{}
	for _, name := range r.in.ConfigData {
		own[name] = true
	}
	for _, v := range r.values(p) {
		own[v.Object] = true
	}
	for name := range r.lost { // what the org has of it now is known once the object is observed
		object, _, _ := strings.Cut(name, ".")
		if part, held := wholePart(r.before, object); held && part.Records > 0 {
			own[object] = true
		}
	}
	for _, d := range p.Deployments {
		for _, k := range d.Deleted {
			if object, _, _ := strings.Cut(k.Name, "."); k.Type == "CustomField" || k.Type == "CustomObject" {
				own[object] = true
			}
		}
	}
	if len(own) == 0 {
		return nil
	}
	all := maps.Clone(own)
	add := func(name string) {
		if _, held := wholePart(r.before, name); held {
			all[name] = true
		}
	}
	for _, o := range r.before.Schema().Objects {
		for _, f := range o.References() {
			for _, target := range f.ReferenceTo {
				switch {
				case own[o.Name]:
					add(target)
				case slices.Contains(r.in.ConfigData, target) && !sf.IsSystemField(f.Name):
					add(o.Name)
				}
			}
		}
	}
	maps.DeleteFunc(all, func(name string, _ bool) bool { o := now.Object(name); return o == nil || !o.Queryable })
	return slices.Sorted(maps.Keys(all))
}

// refill brings values back where there are none now.
func (r *reversal) refill(values []valuesBack, live liveState) *wanted {
	w := &wanted{want: r.before, live: live, chosen: map[string]bool{}, vacant: true, closure: true, limit: plan.MaxRows}
	for _, v := range values {
		w.chosen[v.Object] = true
		if v.Field == "" {
			w.fields.add(v.Object, everyField)
		} else {
			w.fields.add(v.Object, v.Field)
		}
	}
	return w
}

// phase computes one plan of records, and adds it where it does something.
func (r *reversal) phase(ctx context.Context, p *rollback.Plan, w *wanted, retyped map[string]bool) error {
	identity, err := loadIdentity(ctx, r.in.Store, p.Org)
	if err != nil {
		return err
	}
	who, err := r.in.Org.Identity(ctx)
	if err != nil {
		return err
	}
	w.eq = &state.Equivalence{Schema: w.live.Schema(), Identity: identity}
	if err := w.know(ctx, who); err != nil {
		return err
	}
	in := RestoreInput{Source: r.in.Org, Store: r.in.Store, Capture: r.in.Capture, Metadata: r.in.Org, AutomationOff: r.in.AutomationOff, Bypass: r.in.Bypass, then: r.then(*p)}
	if w.people.heir, err = w.heirOf(ctx, ""); err != nil {
		return err
	}
	if err := w.compute(ctx); err != nil {
		return err
	}
	if err := r.edited(ctx, w, retyped); err != nil {
		return err
	}
	records, err := in.order(ctx, w)
	if err != nil {
		return err
	}
	if records.Empty() {
		p.Notes = append(p.Notes, records.Notes...)
		return nil
	}
	p.Records = append(p.Records, records)
	return nil
}

// then makes of the automation that the org has what it has once the deployments of the plan are done: records are written
// after them.
func (r *reversal) then(p rollback.Plan) func([]component.Entry) []component.Entry {
	outcomes := rollback.Outcomes(p, r.decided)
	return func(files []component.Entry) []component.Entry {
		if len(files) == 0 { // nothing acts now, and what comes back may
			files = append(files, component.Entry{Path: "package.xml", Body: component.PrintManifest(sf.ManifestOf(r.in.APIVersion, nil))})
		}
		for _, o := range outcomes {
			own := map[string]bool{}
			for _, f := range o.Files {
				own[f.Path] = true
			}
			files = slices.DeleteFunc(files, func(f component.Entry) bool {
				key, ok := component.Known().Resolve(f.Path)
				return own[f.Path] || ok && (key == o.Key || o.Key.Type == "Flow" && key == sf.ComponentKey{Type: "FlowDefinition", Name: o.Key.Name})
			})
			files = append(files, o.Files...)
		}
		return files
	}
}

// edited leaves alone what somebody has entered into a field since it got another type.
func (r *reversal) edited(ctx context.Context, w *wanted, retyped map[string]bool) error {
	if len(retyped) == 0 || r.after == nil {
		return nil
	}
	for object := range w.chosen {
		if part, held := wholePart(r.after, object); !held || part.Stale {
			continue
		}
		var ids []sf.ID
		for _, c := range w.delta.Object(object) {
			ids = append(ids, c.ID)
		}
		was, err := recordsOf(r.after.Lookup(ctx, object, slices.Values(ids)))
		if err != nil {
			return err
		}
		is, err := recordsOf(r.live.Lookup(ctx, object, slices.Values(ids)))
		if err != nil {
			return err
		}
		for i, c := range w.delta {
			if c.Object != object {
				continue
			}
			w.delta[i].Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool {
				if _, known := was[c.ID]; !known || !retyped[object+"."+f.Field] {
					return false
				}
				then, now := was[c.ID].Get(f.Field), is[c.ID].Get(f.Field)
				if then.IsAbsent() || then == now {
					return false
				}
				w.conflicts = append(w.conflicts, state.Conflict{
					Object: object, ID: c.ID, Field: f.Field, Wanted: f.After, Base: then, Live: now, Reason: state.ReasonEdited,
				})
				return true
			})
		}
	}
	w.delta = slices.DeleteFunc(w.delta, func(c state.Change) bool { return c.Kind == state.Update && len(c.Fields) == 0 })
	return nil
}

func recordsOf(records state.Records) (map[sf.ID]sf.Record, error) {
	out := map[sf.ID]sf.Record{}
	for rec, err := range records {
		if err != nil {
			return nil, err
		}
		out[rec.ID] = rec
	}
	return out, nil
}

// unsure takes out of a refill what nobody can know: what a field has that gets its type back.
func unsure(p *rollback.Plan, retyped map[string]bool) {
	for _, records := range p.Records {
		for _, s := range records.Steps {
			for _, row := range s.Rows {
				for i, f := range row.Fields {
					if s.Op == plan.Update && retyped[s.Object+"."+f.Field] {
						row.Fields[i].Before = sf.Value{}
					}
				}
			}
		}
	}
}
