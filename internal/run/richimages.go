package run

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// Images in rich text come back as images of their own, with other Ids: the text that a restore has written is not that of the
// snapshot, letter by letter. It counts as the same when each image, in its place, has the same bytes, by their SHA-256. An image
// never changes under its Id (unverified, as capture has it), so that what any state holds of an Id is what it was.

// samePictures is same of a value that the org has now. What its text shows is what the org gives: from the live state, where it
// was read, or asked for now.
func (w *wanted) samePictures(ctx context.Context, object string, id sf.ID, field string, live, want sf.Value) (bool, error) {
	if live == want || !alike(live, want) {
		return live == want, nil
	}
	others := plan.NewImages(state.FieldChange{Before: live, After: want})
	lost := len(others) > 0 && !sf.EmbedsImages(want.Text()) // all that the wanted text shows and the live one does not
	for _, image := range others {
		b, err := w.heldImages().of(ctx, image)
		if err != nil {
			return false, err
		}
		lost = lost && b == nil
	}
	if lost { // to write addresses that lead nowhere in the place of others makes nothing better
		return true, nil
	}
	is, err := w.liveImages().summed(ctx, live.Text(), func(image sf.ID) (string, error) {
		if w.org == nil {
			return "", nil
		}
		sum := sha256.New()
		err := w.org.Image(ctx, object, field, id, image, sum)
		switch problem.KindOf(err) {
		case problem.Unauthorized, problem.Limits, problem.Unreachable, problem.Interrupted:
			return "", fmt.Errorf("read an image of %s %s: %w", object, id, err)
		}
		if err != nil {
			return "", ctx.Err() // the org does not give it
		}
		return fmt.Sprintf("sha256:%x", sum.Sum(nil)), nil
	})
	if err != nil {
		return false, err
	}
	wants, err := w.heldImages().summed(ctx, want.Text(), nil)
	return is == wants, err
}

func (w *wanted) liveImages() *pictures {
	if w.imagesNow == nil {
		w.imagesNow = newPictures(w.live)
	}
	return w.imagesNow
}

func (w *wanted) heldImages() *pictures {
	if w.imagesHeld == nil {
		states := []liveState{w.want}
		if w.base != nil {
			states = append(states, w.base)
		}
		w.imagesHeld = newPictures(append(states, w.live)...)
	}
	return w.imagesHeld
}

// agreed takes out of conflicts over texts those about the Ids of images alone: where the live text is the wanted one nothing is to
// be done, and where it is that after the incident nobody has worked on it, and the text goes back.
func (w *wanted) agreed(ctx context.Context, conflicts []state.Conflict) ([]state.Conflict, error) {
	var left []state.Conflict
	for _, c := range conflicts {
		same, err := w.alreadyThere(ctx, c)
		if err != nil {
			return nil, err
		}
		if same {
			continue
		}
		own := false
		if c.Field != "" && alike(c.Live, c.Base) && c.Wanted.IsText() {
			if own, err = w.samePictures(ctx, c.Object, c.ID, c.Field, c.Live, c.Base); err != nil {
				return nil, err
			}
		}
		if !own {
			left = append(left, c)
			continue
		}
		hashes, err := w.hashes(ctx, c.Object, []sf.ID{c.ID})
		if err != nil {
			return nil, err
		}
		h := hashes[c.ID]
		if h[0].IsZero() || h[1].IsZero() {
			left = append(left, c)
			continue
		}
		w.put(state.Change{Object: c.Object, ID: c.ID, Kind: state.Update, Before: h[0], After: h[1], Fields: []state.FieldChange{
			{Field: c.Field, Before: c.Live, After: c.Wanted},
		}})
	}
	return left, nil
}

func (w *wanted) alreadyThere(ctx context.Context, c state.Conflict) (bool, error) {
	if c.Field == "" || !alike(c.Live, c.Wanted) {
		return false, nil
	}
	return w.samePictures(ctx, c.Object, c.ID, c.Field, c.Live, c.Wanted)
}

// richText is a field that may be rich text and that an update can set, or nil.
func richText(o *sf.Object, name string) *sf.Field {
	if o == nil {
		return nil
	}
	f := o.Field(name)
	if f == nil || f.Type != sf.TypeTextarea || !f.Updateable {
		return nil
	}
	return f
}

// withImages returns the images that texts of the delta show and that are held, by record and field: the plan takes from them
// what has to be made anew.
func (w *wanted) withImages(ctx context.Context) (map[sf.ID]map[string][]plan.Image, error) {
	out := map[sf.ID]map[string][]plan.Image{}
	for _, c := range w.delta {
		if c.Kind == state.Delete {
			continue
		}
		size := int64(0)
		for _, f := range c.Fields {
			if !f.After.IsText() || !sf.ShowsRichImages(f.After.Text()) || richText(w.eq.Schema.Object(c.Object), f.Field) == nil {
				continue
			}
			for _, id := range sf.RichImages(f.After.Text()) {
				b, err := w.heldImages().of(ctx, id)
				if err != nil {
					return nil, err
				}
				if b == nil {
					continue
				}
				if size += b.Size; size > apply.MaxImages { // each time that it shows
					size -= b.Size
					w.oversize = true
					continue
				}
				if out[c.ID] == nil {
					out[c.ID] = map[string][]plan.Image{}
				}
				out[c.ID][f.Field] = append(out[c.ID][f.Field], plan.Image{Ref: id, Body: b.Text()})
			}
		}
	}
	return out, nil
}

// tellImages says in the plan which images come back with it, and which do not.
func (w *wanted) tellImages(p *plan.Plan) error {
	row := RestoreFilesRow{Object: capture.Images}
	texts := int64(0)
	for _, s := range p.Steps {
		if s.Op != plan.Insert && !s.Op.Updates() {
			continue
		}
		rich := slices.DeleteFunc(slices.Clone(s.Fields), func(name string) bool {
			o := w.eq.Schema.Object(s.Object)
			f := o.Field(name)
			return f == nil || f.Type != sf.TypeTextarea
		})
		for _, r := range s.Rows {
			brought := map[sf.ID]bool{}
			for _, i := range r.Images {
				b, err := snapshot.ParseBody(i.Body)
				if err != nil {
					return fmt.Errorf("image %s: %w", i.Ref, err)
				}
				brought[i.Ref] = true
				row.Files, row.Bytes = row.Files+1, row.Bytes+b.Size
			}
			if len(brought) > 0 {
				texts++
			}
			for _, f := range r.Fields {
				if len(rich) == 0 || !f.After.IsText() || !sf.ShowsRichImages(f.After.Text()) || !slices.Contains(rich, f.Field) {
					continue
				}
				for _, id := range plan.NewImages(f) {
					if !brought[id] {
						row.Lost++
					}
				}
			}
		}
	}
	if row.Files > 0 {
		p.Notes = append(p.Notes, numbered(row.Files, fmt.Sprintf("%%d {image|images} in rich text {is|are} made anew with the texts of %s, %d bytes", counted(int(texts), "record"), row.Bytes)))
	}
	if row.Lost > 0 {
		why := "the snapshot does not hold {its|their} bytes"
		if w.oversize {
			why += fmt.Sprintf(", or a record shows more than the %d bytes that are sent with it", apply.MaxImages)
		}
		p.Notes = append(p.Notes, numbered(row.Lost, "%d {image|images} in rich text {does|do} not come back: "+why+"; the text refers to {it|them} in vain"))
	}
	w.countFiles(row)
	return nil
}

// proveImages counts the images that the plan made anew: when the texts are what they were, each was read from the org and has its
// SHA-256.
func (out *ApplyResult) proveImages(p *plan.Plan, w *wanted, applied apply.Result) error {
	refused := map[int]map[sf.ID]bool{}
	for _, f := range applied.Failed {
		if refused[f.Step] == nil {
			refused[f.Step] = map[sf.ID]bool{}
		}
		refused[f.Step][f.ID] = true
	}
	left := map[sf.ID]bool{}
	for _, c := range w.delta {
		left[c.ID] = true
	}
	for _, s := range p.Steps {
		if slices.Contains(w.skipped, s.Object) {
			continue
		}
		for _, r := range s.Rows {
			if len(r.Images) == 0 || refused[s.Number][r.ID] || left[w.eq.Identity.Map(r.ID)] {
				continue
			}
			for _, i := range r.Images {
				b, err := snapshot.ParseBody(i.Body)
				if err != nil {
					return fmt.Errorf("image %s: %w", i.Ref, err)
				}
				out.Files.Images++
				out.Files.Bytes += b.Size
			}
		}
	}
	return nil
}

// vanished adds to the delta the texts that are as they are wanted and of which images are gone: the live state was read and does
// not have them. They are written again, with these images.
func (w *wanted) vanished(ctx context.Context) error {
	if !picturesIn(w.want) || w.base != nil || w.vacant || !holdsFiles(w.live, capture.Images) {
		return nil
	}
	gone := map[string]map[sf.ID]map[sf.ID]string{} // by object and record: the field that shows the image
	for r, err := range w.want.Records(ctx, imagesPart) {
		if err != nil {
			return err
		}
		b, err := w.liveImages().of(ctx, r.ID)
		if err != nil {
			return err
		}
		object, id := r.Get(capture.ImageObject).Text(), w.eq.Identity.Map(sf.ID(r.Get(capture.ImageRecord).Text()))
		if b != nil || !r.Get(capture.ImageBody).IsText() || !w.choice(object) || !w.in(id) || w.excluded.records[id] || slices.Contains(w.skipped, object) {
			continue
		}
		if gone[object] == nil {
			gone[object] = map[sf.ID]map[sf.ID]string{}
		}
		if gone[object][id] == nil {
			gone[object][id] = map[sf.ID]string{}
		}
		gone[object][id][r.ID] = r.Get(capture.ImageField).Text()
	}
	for _, object := range slices.Sorted(maps.Keys(gone)) {
		if err := w.vanishedOf(ctx, object, gone[object]); err != nil {
			return fmt.Errorf("images in rich text of %s: %w", object, err)
		}
	}
	return nil
}

func (w *wanted) vanishedOf(ctx context.Context, object string, gone map[sf.ID]map[sf.ID]string) error {
	ids := slices.Sorted(maps.Keys(gone))
	hashes, err := w.hashes(ctx, object, ids)
	if err != nil {
		return err
	}
	at := map[sf.ID]int{}
	for i, c := range w.delta {
		if c.Object == object {
			at[c.ID] = i
		}
	}
	for r, err := range w.live.Lookup(ctx, object, slices.Values(ids)) {
		if err != nil {
			return err
		}
		h, there := hashes[r.ID]
		c := state.Change{Object: object, ID: r.ID, Kind: state.Update, Before: h[0], After: h[1]}
		for image, field := range gone[r.ID] {
			v := r.Get(field)
			shown := slices.Contains(sf.RichImages(v.Text()), image)
			_, named := c.Field(field)
			if i, planned := at[r.ID]; planned && !named {
				_, named = w.delta[i].Field(field)
			}
			if shown && !named && richText(w.eq.Schema.Object(object), field) != nil {
				c.Fields = withField(slices.Clone(c.Fields), state.FieldChange{Field: field, Before: v, After: v})
			}
		}
		if c, selected := w.fields.of(c); there && selected && len(c.Fields) > 0 {
			w.put(c)
		}
	}
	return nil
}
