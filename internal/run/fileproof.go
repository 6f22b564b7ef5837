package run

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// AppliedFiles says what was found when the files that a plan brought back were read again.
type AppliedFiles struct {
	Files  int64 `json:"files"`            // files whose bytes were read back and are those of the snapshot, by their SHA-256
	Bytes  int64 `json:"bytes"`            // of these
	Images int64 `json:"images,omitempty"` // images in rich text that were read back and are those of the snapshot; Bytes are of these, too
	Other  int64 `json:"other"`            // files that have other bytes, or that the org does not give
}

// proveFiles reads the files of the records that the plan brought back or gave their bytes back, and compares their SHA-256. It
// returns the records whose files it has read, under the Ids that they have now.
func (in ApplyInput) proveFiles(ctx context.Context, p *plan.Plan, w *wanted, applied apply.Result, out *ApplyResult) (map[sf.ID]bool, error) {
	source, ok := in.Org.(capture.FileSource)
	if !ok {
		return nil, nil
	}
	read := map[sf.ID]bool{}
	refused := map[int]map[sf.ID]bool{}
	for _, f := range applied.Failed {
		if refused[f.Step] == nil {
			refused[f.Step] = map[sf.ID]bool{}
		}
		refused[f.Step][f.ID] = true
	}
	for _, s := range p.Steps {
		field := apply.BodyField(w.eq.Schema.Object(s.Object))
		if field == nil || s.Op != plan.Insert && s.Op != plan.Undelete && s.Op != plan.Update {
			continue
		}
		held, err := w.bodiesOf(ctx, s, field)
		if err != nil {
			return nil, err
		}
		for _, r := range s.Rows {
			b, has := held[r.ID]
			if !has || refused[s.Number][r.ID] {
				continue
			}
			id := w.eq.Identity.Map(r.ID)
			if err := in.proveFile(ctx, source, s.Object, field.Name, id, b, out); err != nil {
				return nil, err
			}
			read[id] = true
		}
	}
	return read, nil
}

// bodiesOf returns which bytes the records of the step are to have: what the plan says, or for those from the Recycle Bin
// what the snapshot holds.
func (w *wanted) bodiesOf(ctx context.Context, s plan.Step, field *sf.Field) (map[sf.ID]snapshot.Body, error) {
	held := map[sf.ID]snapshot.Body{}
	keep := func(id sf.ID, v sf.Value) error {
		if !v.IsText() {
			return nil
		}
		b, err := snapshot.ParseBody(v.Text())
		if err == nil {
			held[id] = b
		}
		return err
	}
	var ids []sf.ID
	for _, r := range s.Rows {
		if i := slices.IndexFunc(r.Fields, func(f state.FieldChange) bool { return f.Field == field.Name }); i >= 0 {
			if err := keep(r.ID, r.Fields[i].After); err != nil {
				return nil, err
			}
		}
		ids = append(ids, r.ID)
	}
	name := snapshot.Files.Name(s.Object)
	part, found := w.want.Part(name)
	if s.Op != plan.Undelete || !found || part.State != snapshot.Whole {
		return held, nil
	}
	slices.Sort(ids)
	for r, err := range w.want.Lookup(ctx, name, slices.Values(ids)) {
		if err != nil {
			return nil, err
		}
		if err := keep(r.ID, r.Get(field.Name)); err != nil {
			return nil, err
		}
	}
	return held, nil
}

func (in ApplyInput) proveFile(ctx context.Context, source capture.FileSource, object, field string, id sf.ID, b snapshot.Body, out *ApplyResult) error {
	sum := sha256.New()
	err := source.Body(ctx, object, field, id, sum)
	switch problem.KindOf(err) {
	case problem.Unauthorized, problem.Limits, problem.Unreachable, problem.Interrupted:
		return fmt.Errorf("read the file of %s %s again: %w", object, id, err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && [sha256.Size]byte(sum.Sum(nil)) == b.Sum {
		out.Files.Files++
		out.Files.Bytes += b.Size
		return nil
	}
	is := sf.Value{}
	if err == nil {
		is = sf.Text(fmt.Sprintf("sha256:%x", sum.Sum(nil)))
	}
	out.Files.Other++
	out.differ(DifferenceRow{
		Object: object, ID: id, Field: field, Kind: state.Update.String(), Wanted: Value{shownBody(b)}, Live: Value{is},
	})
	return nil
}
