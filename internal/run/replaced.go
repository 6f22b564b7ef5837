package run

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// The bytes of an attachment or a document can be replaced where they are, which no field of the record shows but its length
// and stamps. A restore puts them back as it does a value: both states hold what the bytes are. Files of Salesforce Files
// get another version instead, and images in rich text another Id. Source: Object Reference, ContentVersion; REST API Developer
// Guide, "Insert or Update Blob Data".

// replaceable returns the field whose bytes can be replaced in a record that is there, or nil.
func replaceable(o *sf.Object) *sf.Field {
	f := apply.BodyField(o)
	if f == nil || !f.Updateable || !o.Updateable || o.Name == fileVersion {
		return nil
	}
	return f
}

// replaceables are the objects of the snapshot whose files can have been replaced since.
func replaceables(sn *snapshot.Snapshot) []string {
	var out []string
	for _, p := range sn.Parts() {
		if replaceable(sn.Schema().Object(p.Object)) != nil && holdsFiles(sn, p.Object) {
			out = append(out, p.Object)
		}
	}
	if picturesIn(sn) {
		out = append(out, capture.Images) // what a text shows now may be overwritten
	}
	return out
}

// holdsFiles reports that a state holds the files of an object as they were when it was taken.
func holdsFiles(sn liveState, object string) bool {
	name := snapshot.Files.Name(object)
	part, found := sn.Part(name)
	if !found || part.State != snapshot.Whole || part.Stale {
		return false
	}
	known, ok := sn.(interface{ Coverage() []snapshot.Gap })
	return ok && !slices.ContainsFunc(known.Coverage(), func(g snapshot.Gap) bool {
		return g.Object == name && capture.Of(g.Reason) == capture.RuleFilesEarlier
	})
}

// replaced adds to the delta which files that are there are to have other bytes again.
func (w *wanted) replaced(ctx context.Context) error {
	if w.vacant {
		return nil
	}
	for _, object := range w.objects() {
		field := replaceable(w.eq.Schema.Object(object))
		if field == nil || !holdsFiles(w.want, object) || slices.Contains(w.skipped, object) {
			continue
		}
		if !holdsFiles(w.live, object) || w.base != nil && !holdsFiles(w.base, object) {
			w.notes = append(w.notes, fmt.Sprintf("whether files of %s were replaced is not compared: not every state holds them as they were", object))
			continue
		}
		if err := w.replacedOf(ctx, object, field); err != nil {
			return fmt.Errorf("compare files of %s: %w", object, err)
		}
	}
	return nil
}

// replacedOf does so for one object.
func (w *wanted) replacedOf(ctx context.Context, object string, field *sf.Field) error {
	live, err := w.filesBy(ctx, w.live, object, field)
	if err != nil {
		return err
	}
	want, err := w.filesBy(ctx, w.want, object, field)
	if err != nil {
		return err
	}
	var base map[sf.ID]snapshot.Body
	if w.base != nil {
		if base, err = w.filesBy(ctx, w.base, object, field); err != nil {
			return err
		}
	}
	var ids []sf.ID
	for id, b := range want {
		if is, there := live[id]; there && is.Sum != b.Sum && w.in(id) && !w.excluded.records[id] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	mine, err := w.changedByParty(ctx, object)
	if err != nil {
		return err
	}
	hashes, err := w.hashes(ctx, object, ids)
	if err != nil {
		return err
	}
	row := RestoreFilesRow{Object: object}
	for _, id := range ids {
		c := state.Change{Object: object, ID: id, Kind: state.Update, Before: hashes[id][0], After: hashes[id][1], Fields: []state.FieldChange{{
			Field: field.Name, Before: sf.Text(live[id].Text()), After: sf.Text(want[id].Text()),
		}}}
		c, selected := w.fields.of(c)
		if !selected || c.Before.IsZero() || c.After.IsZero() || mine != nil && !mine[id] {
			continue
		}
		if w.base != nil {
			was, held := base[id]
			switch {
			case !held || was.Sum == want[id].Sum:
				continue // the incident did not replace it
			case was.Sum != live[id].Sum:
				w.conflicts = append(w.conflicts, state.Conflict{
					Object: object, ID: id, Field: field.Name, Reason: reasonReplaced,
					Wanted: shownBody(want[id]), Base: shownBody(was), Live: shownBody(live[id]),
				})
				continue
			}
		}
		w.put(c)
		row.Replaced++
		row.Bytes += want[id].Size
	}
	if row.Replaced > 0 {
		w.notes = append(w.notes, numbered(row.Replaced, fmt.Sprintf("%%d {file|files} of %s {is put back as it was|are put back as they were}, %d bytes", object, row.Bytes)))
		w.countFiles(row)
	}
	return nil
}

// reasonReplaced is the reason of a conflict over the bytes of a file.
const reasonReplaced = "the file was replaced since"

// shownBody is how bytes are told to people: by their SHA-256.
func shownBody(b snapshot.Body) sf.Value { return sf.Text("sha256:" + b.Hex()) }

// shownValue is the value of a field of a difference as it is told to people.
func shownValue(field *sf.Field, v sf.Value) Value {
	if field != nil && field.Type == sf.TypeBase64 && v.IsText() {
		if b, err := snapshot.ParseBody(v.Text()); err == nil {
			return Value{shownBody(b)}
		}
	}
	return Value{v}
}

// put adds a change of a record that is there to the delta, to what is changed of it anyway.
func (w *wanted) put(c state.Change) {
	for i, other := range w.delta {
		if other.ID == c.ID && other.Kind == state.Update {
			for _, f := range c.Fields {
				other.Fields = withField(slices.Clone(other.Fields), f)
			}
			w.delta[i] = other
			return
		}
	}
	w.delta = append(w.delta, c)
}

// filesBy returns what the files of an object are in a state, by the Ids that their records have now.
func (w *wanted) filesBy(ctx context.Context, sn liveState, object string, field *sf.Field) (map[sf.ID]snapshot.Body, error) {
	out := map[sf.ID]snapshot.Body{}
	for r, err := range sn.Records(ctx, snapshot.Files.Name(object)) {
		if err != nil {
			return nil, err
		}
		v := r.Get(field.Name)
		if !v.IsText() {
			continue
		}
		b, err := snapshot.ParseBody(v.Text())
		if err != nil {
			return nil, err
		}
		out[w.eq.Identity.Map(r.ID)] = b
	}
	return out, nil
}

// changedByParty returns the records that the chosen party changed, or nil where nobody is chosen.
func (w *wanted) changedByParty(ctx context.Context, object string) (map[sf.ID]bool, error) {
	if w.base == nil || w.party.none() {
		return nil, nil
	}
	out := map[sf.ID]bool{}
	for c, err := range w.incident(ctx, object) {
		if err != nil {
			return nil, err
		}
		out[c.ID] = true
	}
	return out, nil
}

// hashes returns the hashes of records as they are and as they are wanted.
func (w *wanted) hashes(ctx context.Context, object string, ids []sf.ID) (map[sf.ID][2]state.Hash, error) {
	out := make(map[sf.ID][2]state.Hash, len(ids))
	asked := make(map[sf.ID]bool, len(ids))
	for _, id := range ids {
		asked[id] = true
	}
	for i, records := range []state.Records{w.live.Lookup(ctx, object, slices.Values(ids)), w.eq.Records(w.want.Records(ctx, object))} {
		for r, err := range records {
			if err != nil {
				return nil, err
			}
			if asked[r.ID] {
				h := out[r.ID]
				h[i] = state.HashRecord(r)
				out[r.ID] = h
			}
		}
	}
	maps.DeleteFunc(out, func(_ sf.ID, h [2]state.Hash) bool { return h[0].IsZero() || h[1].IsZero() })
	return out, nil
}
