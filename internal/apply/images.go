package apply

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// ImageTarget is a Target that takes images in rich text: they go embedded in the HTML of a field, and the platform makes images
// of them when the record is saved. Source: CapStorm, CopyStorm/Restore, "Rich Text Fields"; the documents of the platform are silent
// on how an image is written, so that up to which size and through which APIs it works is unverified.
type ImageTarget interface {
	Target
	// UpdateOnce sets the fields of one record. It is sent once: another time it would make other images.
	UpdateOnce(ctx context.Context, object string, fields []string, row sf.Write) (sf.Outcome, error)
	// Image writes the bytes of an image that a field of the record shows. It ends with an error rather than short.
	Image(ctx context.Context, object, field string, id, image sf.ID, w io.Writer) error
}

// MaxImages is how many bytes of images one record is given at most: what a request that is not in parts takes is 50 MB
// of text, and base64 takes four characters for three bytes. Source: REST API Developer Guide, "Insert or Update Blob Data".
const MaxImages = 24 << 20

// CodeImages is a row whose text was written without the images that it shows, because the org refused it with them.
const CodeImages = "HOLDFAST_IMAGES"

// pictured reports a row that is sent by a call of its own, with images.
func (a *application) pictured(step, row int) bool {
	s := a.ledger.plan.Steps[step]
	return s.Op.Updates() && len(s.Rows[row].Images) > 0
}

// images returns the bytes that the row brings, by the Ids by which its texts refer to them.
func (a *application) images(s plan.Step, row int) (map[sf.ID]snapshot.Body, error) {
	out := map[sf.ID]snapshot.Body{}
	for _, i := range s.Rows[row].Images {
		b, err := snapshot.ParseBody(i.Body)
		if err != nil {
			return nil, problem.Wrap(problem.Damaged, err, fmt.Sprintf("image %s in the plan", i.Ref))
		}
		out[i.Ref] = b
	}
	return out, nil
}

// putImages writes a record whose texts show images that have to be made anew. Where the org refuses it so, the texts
// are written as they are, with addresses that lead nowhere: a text without its pictures is better than none. The row counts as
// refused all the same.
func (a *application) putImages(ctx context.Context, s plan.Step, r sending) (entryRow, error) {
	to, ok := a.meter.Target.(ImageTarget)
	if !ok || a.opts.Bodies == nil {
		return entryRow{}, problem.Newf(problem.Usage, "step %d brings images in texts of %s, and nothing here sends them", s.Number, s.Object)
	}
	bodies, err := a.images(s, r.row)
	if err != nil {
		return entryRow{}, err
	}
	uris := map[sf.ID]string{}
	for id, b := range bodies {
		if uris[id], err = a.embedded(ctx, b); err != nil {
			return entryRow{}, fmt.Errorf("image %s of %s %s: %w", id, s.Object, r.id, err)
		}
	}
	with := r
	with.fields = slices.Clone(r.fields)
	for i, f := range with.fields {
		if f.After.IsText() {
			with.fields[i].After = sf.Text(sf.ReplaceRichImages(f.After.Text(), func(id sf.ID, address string) string {
				if uri := uris[id]; uri != "" {
					return uri
				}
				return address
			}))
		}
	}
	fields, writes := table([]sending{with})
	end := a.meter.during(KindFile)
	o, err := to.UpdateOnce(ctx, s.Object, fields, writes[0])
	end()
	a.meter.carry(KindFile, 1, writeBytes(writes))
	switch {
	case err != nil:
		return entryRow{}, fmt.Errorf("write images in %s %s: %w", s.Object, r.id, err)
	case o.Success || passing(o.Code):
		return r.concluded(o), nil
	}
	fields, writes = table([]sending{r})
	plain, err := a.target.Update(ctx, s.Object, fields, writes)
	if err == nil && len(plain) != 1 {
		err = fmt.Errorf("%d outcomes for one record", len(plain))
	}
	if err != nil {
		return entryRow{}, fmt.Errorf("write %s %s without its images: %w", s.Object, r.id, err)
	}
	if plain[0].Success {
		r.code = CodeImages
		r.message = clipMessage("its text was written without the images that it shows: " + o.Code + " " + o.Message)
		return r.outcome(""), nil
	}
	return r.refused(plain[0]), nil
}

// embedded returns the bytes of an image as HTML carries them.
func (a *application) embedded(ctx context.Context, b snapshot.Body) (string, error) {
	if b.Size > MaxImages {
		return "", problem.Newf(problem.Damaged, "it has %d bytes, and %d are sent with a record", b.Size, MaxImages)
	}
	raw, err := io.ReadAll(a.opts.Bodies.OpenBody(ctx, b))
	if err != nil {
		return "", err
	}
	kind := http.DetectContentType(raw)
	if !strings.HasPrefix(kind, "image/") {
		kind = "image/png" // the org had it for an image, whatever it is
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(raw), nil
}

// showsAll reports that a text of the record is what the row wants, with the images that it brings: each in the place of the one
// that the text of the plan names, by the SHA-256 of its bytes.
func (a *application) showsAll(ctx context.Context, s plan.Step, r sending, f state.FieldChange, is sf.Value) (bool, error) {
	to, ok := a.meter.Target.(ImageTarget)
	if !ok || !is.IsText() || !f.After.IsText() {
		return is == f.After, nil
	}
	bodies, err := a.images(s, r.row)
	if err != nil {
		return false, err
	}
	brought := sf.RichImages(f.After.Text())
	stays := slices.DeleteFunc(slices.Clone(brought), func(id sf.ID) bool { _, anew := bodies[id]; return anew })
	if len(stays) == len(brought) {
		return is == f.After, nil
	}
	want := sf.ReplaceRichImages(f.After.Text(), func(id sf.ID, address string) string {
		if b, anew := bodies[id]; anew {
			return "sha256:" + b.Hex()
		}
		return address
	})
	// Nothing is read where the texts differ by more than addresses.
	bare := func(html string) string { return sf.ReplaceRichImages(html, func(sf.ID, string) string { return "" }) }
	if bare(is.Text()) != bare(f.After.Text()) {
		return false, nil
	}
	var failed error
	have := sf.ReplaceRichImages(is.Text(), func(id sf.ID, address string) string {
		if failed != nil || slices.Contains(stays, id) {
			return address
		}
		sum := sha256.New()
		end := a.meter.during(KindFile)
		err := to.Image(ctx, s.Object, f.Field, r.id, id, sum)
		end()
		switch {
		case err == nil:
			return fmt.Sprintf("sha256:%x", sum.Sum(nil))
		case !answeredFor(err): // not known
			failed = err
		}
		return address
	})
	return have == want, failed
}

// arrivedPictured is arrived of a row that brings images.
func (a *application) arrivedPictured(ctx context.Context, s plan.Step, r sending, now seen) (bool, error) {
	if !now.live() {
		return false, nil
	}
	for _, f := range r.fields {
		if same, err := a.showsAll(ctx, s, r, f, now.record.Get(f.Field)); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}
