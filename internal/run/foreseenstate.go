package run

import (
	"context"
	"iter"
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// liveState is the state on which a plan of records is made: the org as it was observed, or as it will be once
// components are back.
type liveState interface {
	Info() snapshot.Info
	Schema() *sf.Schema
	Part(object string) (snapshot.Part, bool)
	Parts() []snapshot.Part
	Records(ctx context.Context, object string) state.Records
	Lookup(ctx context.Context, object string, ids iter.Seq[sf.ID]) state.Records
}

// foreseenState is the org as it was observed, with what deployments are about to change of its schema: objects that
// come, without a record; fields that come, without a value; objects and fields that go.
type foreseenState struct {
	*snapshot.Snapshot
	before *snapshot.Snapshot // that knows what comes
	schema *sf.Schema
	coming map[string]bool            // objects
	fields map[string][]*sf.Field     // that come, by object
	going  map[string]map[string]bool // fields that go, by object; "" is the object itself
}

// foreseen lays over the observed state what a rollback does to the schema. Objects and fields that come are those
// of the plan's values that the org does not have now, or has in another type.
func (r *reversal) foreseen(values []valuesBack, going []sf.ComponentKey) *foreseenState {
	f := &foreseenState{
		Snapshot: r.live, before: r.before, coming: map[string]bool{}, fields: map[string][]*sf.Field{}, going: map[string]map[string]bool{},
	}
	for _, key := range going {
		object, field := key.Name, ""
		if key.Type == "CustomField" {
			object, field, _ = strings.Cut(key.Name, ".")
		} else if key.Type != "CustomObject" {
			continue
		}
		if f.going[object] == nil {
			f.going[object] = map[string]bool{}
		}
		f.going[object][field] = true
	}
	for _, v := range values {
		was := r.before.Schema().Object(v.Object)
		is := r.live.Schema().Object(v.Object)
		switch {
		case was == nil:
		case is == nil:
			f.coming[v.Object] = true
		case v.Field != "":
			field := was.Field(v.Field)
			if there := is.Field(v.Field); field != nil && (there == nil || v.Retyped && there.Type != field.Type) {
				f.fields[v.Object] = append(f.fields[v.Object], field)
			}
		}
	}
	f.schema = f.schemaOf(r.live.Schema(), r.before.Schema())
	return f
}

// schemaOf returns the schema as it will be.
func (f *foreseenState) schemaOf(now, before *sf.Schema) *sf.Schema {
	out := &sf.Schema{APIVersion: now.APIVersion}
	for _, o := range now.Objects {
		if f.going[o.Name][""] {
			continue
		}
		next := *o
		next.Fields = slices.DeleteFunc(slices.Clone(o.Fields), func(field *sf.Field) bool {
			return f.going[o.Name][field.Name] || slices.ContainsFunc(f.fields[o.Name], func(c *sf.Field) bool { return c.Name == field.Name })
		})
		next.Fields = append(next.Fields, f.fields[o.Name]...)
		if was := before.Object(o.Name); was != nil {
			next.Children = slices.Clone(o.Children)
			for _, c := range was.Children {
				if f.coming[c.Child] || slices.ContainsFunc(f.fields[c.Child], func(field *sf.Field) bool { return field.Name == c.Field }) {
					next.Children = append(next.Children, c)
				}
			}
		}
		out.Objects = append(out.Objects, &next)
	}
	for name := range f.coming {
		next := *before.Object(name)
		next.Undeletable = false // what its records were is in no Recycle Bin
		out.Objects = append(out.Objects, &next)
	}
	slices.SortFunc(out.Objects, func(a, b *sf.Object) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Schema is as it will be.
func (f *foreseenState) Schema() *sf.Schema { return f.schema }

// Part says of an object that comes that it is known to have no record.
func (f *foreseenState) Part(object string) (snapshot.Part, bool) {
	if !f.coming[object] {
		return f.Snapshot.Part(object)
	}
	part, held := f.before.Part(object)
	if !held {
		return part, held
	}
	info := f.Info()
	return snapshot.Part{Object: object, State: snapshot.Whole, Fields: part.Fields, From: info.Started, To: info.To}, true
}

// Parts are those of the observation: no record of an object that comes refers to another.
func (f *foreseenState) Parts() []snapshot.Part { return f.Snapshot.Parts() }

// Records are those of the observation, with the fields that come.
func (f *foreseenState) Records(ctx context.Context, object string) state.Records {
	if f.coming[object] {
		return state.FromSlice(nil)
	}
	return f.with(object, f.Snapshot.Records(ctx, object))
}

// Lookup is Records of some.
func (f *foreseenState) Lookup(ctx context.Context, object string, ids iter.Seq[sf.ID]) state.Records {
	if f.coming[object] {
		return state.FromSlice(nil)
	}
	return f.with(object, f.Snapshot.Lookup(ctx, object, ids))
}

// with gives records the fields that come. They have no value: an org fills in none but that of a checkbox. What it does with
// a default is unverified, as is what becomes of values when a field gets another type: nothing is made to depend on it.
func (f *foreseenState) with(object string, records state.Records) state.Records {
	fields := f.fields[object]
	if len(fields) == 0 {
		return records
	}
	var from, to *sf.Shape
	return func(yield func(sf.Record, error) bool) {
		for r, err := range records {
			if err == nil {
				if r.Shape != from {
					names := slices.Clone(r.Shape.Fields())
					for _, c := range fields {
						names = append(names, c.Name)
					}
					from, to = r.Shape, sf.NewShape(object, names)
				}
				next := sf.Record{ID: r.ID, Shape: to, Values: make([]sf.Value, to.Len())}
				for i, name := range to.Fields() {
					next.Values[i] = r.Get(name)
				}
				for _, c := range fields {
					v := sf.Null()
					if c.Type == sf.TypeBoolean {
						v = sf.Bool(false)
					}
					next.Values[to.Index(c.Name)] = v
				}
				r = next
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// onlyVacant keeps of an update the values that take the place of none. Where there is one now, somebody has
// entered it: it stays.
func (w *wanted) onlyVacant(c state.Change) (state.Change, bool) {
	object := w.eq.Schema.Object(c.Object)
	var kept []state.FieldChange
	for _, f := range c.Fields {
		if !f.After.IsText() {
			continue
		}
		field := object.Field(f.Field)
		if f.Before.IsNull() || field != nil && field.Type == sf.TypeBoolean && f.Before == sf.Bool(false) {
			kept = append(kept, f)
			continue
		}
		if conflict := (state.Conflict{Object: c.Object, ID: c.ID, Field: f.Field, Wanted: f.After, Live: f.Before, Reason: state.ReasonEdited}); f.Before.IsText() && w.settles(conflict) {
			w.conflicts = append(w.conflicts, conflict)
		}
	}
	c.Fields = kept
	return c, len(kept) > 0
}
