package run

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"holdfast/internal/capture"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// pictures knows images by their Ids.
type pictures struct {
	states []liveState // that hold images
	known  map[sf.ID]*snapshot.Body
	whole  bool // all that the states hold is known
}

// maxPictures is how many images are taken in at once, at some hundred bytes each; of more than that each is looked for by its Id.
const maxPictures = 200_000

func newPictures(states ...liveState) *pictures {
	return &pictures{states: states, known: map[sf.ID]*snapshot.Body{}}
}

// of returns what the states hold of the image, or nil.
func (p *pictures) of(ctx context.Context, id sf.ID) (*snapshot.Body, error) {
	if len(p.known) == 0 && !p.whole {
		if err := p.takeIn(ctx); err != nil {
			return nil, err
		}
	}
	b, found := p.known[id]
	if found || p.whole {
		return b, nil
	}
	for _, s := range p.states {
		if !picturesIn(s) {
			continue
		}
		if err := p.take(s.Lookup(ctx, imagesPart, slices.Values([]sf.ID{id}))); err != nil {
			return nil, err
		}
	}
	b = p.known[id]
	p.known[id] = b // what is nowhere is not looked for again
	return b, nil
}

var imagesPart = snapshot.Files.Name(capture.Images)

func picturesIn(s liveState) bool {
	part, found := s.Part(imagesPart)
	return found && part.State == snapshot.Whole
}

// takeIn reads all images of the states, unless there are many.
func (p *pictures) takeIn(ctx context.Context) error {
	n := int64(0)
	for _, s := range p.states {
		if picturesIn(s) {
			part, _ := s.Part(imagesPart)
			n += part.Records
		}
	}
	if n > maxPictures {
		return nil
	}
	for _, s := range p.states {
		if !picturesIn(s) {
			continue
		}
		if err := p.take(s.Records(ctx, imagesPart)); err != nil {
			return err
		}
	}
	p.whole = true
	return nil
}

func (p *pictures) take(rows state.Records) error {
	for r, err := range rows {
		if err != nil {
			return fmt.Errorf("read images of rich text: %w", err)
		}
		v := r.Get(capture.ImageBody)
		if p.known[r.ID] != nil || !v.IsText() {
			continue
		}
		b, err := snapshot.ParseBody(v.Text())
		if err != nil {
			return fmt.Errorf("image %s: %w", r.ID, err)
		}
		p.known[r.ID] = &b
	}
	return nil
}

// summed returns the HTML with the SHA-256 of each image in the place of its address. One that is not held keeps its address.
func (p *pictures) summed(ctx context.Context, html string, otherwise func(sf.ID) (string, error)) (string, error) {
	var failed error
	html = sf.ReplaceEmbeddedImages(html, func(raw []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(raw)) })
	out := sf.ReplaceRichImages(html, func(id sf.ID, address string) string {
		if failed != nil {
			return address
		}
		b, err := p.of(ctx, id)
		switch {
		case err != nil:
			failed = err
		case b != nil:
			return "sha256:" + b.Hex()
		case otherwise != nil:
			sum, err := otherwise(id)
			if failed = err; sum != "" {
				return sum
			}
		}
		return address
	})
	return out, failed
}

// alike reports texts that differ in the addresses of images alone, whatever these are of. A text that was loaded may have the bytes of
// an image in it, where what the org has made of it refers to one.
func alike(a, b sf.Value) bool {
	shows := func(v sf.Value) bool {
		return v.IsText() && (sf.ShowsRichImages(v.Text()) || sf.EmbedsImages(v.Text()))
	}
	if !shows(a) || !shows(b) {
		return false
	}
	bare := func(v sf.Value) string {
		html := sf.ReplaceEmbeddedImages(v.Text(), func([]byte) string { return "" })
		return sf.ReplaceRichImages(html, func(sf.ID, string) string { return "" })
	}
	return bare(a) == bare(b)
}

// same reports values of a field, as two snapshots hold them, that are the same but for the Ids of images.
func (p *pictures) same(ctx context.Context, a, b sf.Value) (bool, error) {
	if !alike(a, b) {
		return false, nil
	}
	x, err := p.summed(ctx, a.Text(), nil)
	if err != nil {
		return false, err
	}
	y, err := p.summed(ctx, b.Text(), nil)
	return x == y, err
}

// unlike returns the update without the texts that are the same but for the Ids of their images, and reports whether anything is
// left.
func (p *pictures) unlike(ctx context.Context, c state.Change) (state.Change, bool, error) {
	return unlike(c, func(f state.FieldChange) (bool, error) { return p.same(ctx, f.Before, f.After) })
}

// unlikeNow is unlike of a change of what the org has now.
func (w *wanted) unlikeNow(ctx context.Context, c state.Change) (state.Change, bool, error) {
	return unlike(c, func(f state.FieldChange) (bool, error) {
		return w.samePictures(ctx, c.Object, c.ID, f.Field, f.Before, f.After)
	})
}

func unlike(c state.Change, same func(state.FieldChange) (bool, error)) (state.Change, bool, error) {
	if c.Kind != state.Update {
		return c, true, nil
	}
	for i := len(c.Fields) - 1; i >= 0; i-- {
		if !alike(c.Fields[i].Before, c.Fields[i].After) {
			continue
		}
		same, err := same(c.Fields[i])
		if err != nil {
			return c, false, err
		}
		if same {
			c.Fields = slices.Delete(slices.Clone(c.Fields), i, i+1)
		}
	}
	return c, len(c.Fields) > 0, nil
}
