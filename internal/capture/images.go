package capture

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// ImageSource is a Source that gives the images to which rich text refers.
type ImageSource interface {
	// Image writes the bytes of an image that a field of the record refers to. It ends with an error rather than
	// short.
	Image(ctx context.Context, object, field string, id, image sf.ID, w io.Writer) error
}

// Images is what the images in rich text are held as: files of an object that the org does not have, since
// several belong to one field. A row has the Id of the image.
const Images = "RichTextImage"

// The fields of a row of images: the bytes, and the record that was seen to show it, with its object and field.
const (
	ImageBody   = "Body"
	ImageField  = "Field"
	ImageObject = "Object"
	ImageRecord = "Record"
)

var imageShape = sf.NewShape(snapshot.Files.Name(Images), []string{ImageBody, ImageField, ImageObject, ImageRecord})

const (
	// imageMark is in every text that refers to an image of the org.
	imageMark = "rtaImage?"
	// imageBatch is of how many images it is looked up at once whether they are held.
	imageBatch = 500
	// maxPlaces is of how many records it is asked for at most when the first do not give it.
	maxPlaces = 5
)

// imageForm finds the Ids of images in HTML. Source: the address of images as fields of rich text show it,
// /servlet/rtaImage?eid=…&amp;feoid=…&amp;refid=0EM…; REST API Developer Guide, "sObject Rich Text Image Retrieve".
var imageForm = regexp.MustCompile(`rtaImage\?[^"'<>\s]*?refid=([0-9A-Za-z]{18}|[0-9A-Za-z]{15})(?:[^0-9A-Za-z]|$)`)

// image is a reference to an image.
type image struct {
	id, record    sf.ID
	object, field string
	elsewhere     int // 1: its address names another record
}

// richFields are the fields of an object that may be rich text, with their places in a shape.
func richFields(o *sf.Object, shape *sf.Shape) []int {
	var at []int
	for i, name := range shape.Fields() {
		if f := o.Field(name); f != nil && f.Type == sf.TypeTextarea {
			at = append(at, i)
		}
	}
	return at
}

// lookForImages remembers that records of the part refer to images.
func (p *part) lookForImages(r sf.Record) {
	if p.images {
		return
	}
	if p.richShape != r.Shape {
		p.rich, p.richShape = richFields(p.object, r.Shape), r.Shape
	}
	for _, i := range p.rich {
		if strings.Contains(r.Values[i].Text(), imageMark) {
			p.images = true
			p.mu.Lock()
			p.pictured[p.object.Name] = true
			p.mu.Unlock()
			return
		}
	}
}

// imagesRun reads the images of all objects.
type imagesRun struct {
	*capture
	src   ImageSource
	soFar *snapshot.Snapshot

	held    snapshot.Part
	isHeld  bool
	holders map[string]bool // objects of whose records images are held
	scanned map[string]bool // objects whose records were looked through
	done    map[string]bool // objects of which nothing is left to be read
	owed    map[string]bool // objects of which an earlier run read no images
	behind  bool            // the last snapshot holds the images of an earlier one
	out     *snapshot.PartWriter
	from    time.Time
	seen    roll // images that scanned objects refer to

	// Guarded by Bodies().Alone.
	read, bytes int64
	lost        []string
	took        map[sf.ID]bool   // images that have a row by now: some sixty bytes each
	refused     map[sf.ID]string // why the org gives none, of the first; an image that another record gives is none of them
}

// captureImages reads the images to which rich text refers. Their bytes never change: another image has another Id
// (unverified), so what is held is not read again.
func (c *capture) captureImages(ctx context.Context, soFar *snapshot.Snapshot) error {
	r := &imagesRun{capture: c, soFar: soFar, scanned: map[string]bool{}, done: map[string]bool{}, holders: map[string]bool{}, took: map[sf.ID]bool{}, refused: map[sf.ID]string{}}
	if c.parent != nil {
		r.held, r.isHeld = c.parent.Part(imageShape.Object())
		r.isHeld = r.isHeld && r.held.State == snapshot.Whole
	}
	r.recall()
	if !r.isHeld && len(c.pictured) == 0 {
		return nil
	}
	defer r.owe()
	src, ok := c.src.(ImageSource)
	if !ok || !c.opts.Files && !names(c.opts.FilesOf, Images) {
		return r.leave()
	}
	r.src, r.from = src, c.clock.latest()
	for row, err := range r.heldRows(ctx) {
		if err != nil {
			return fmt.Errorf("read the images of the last snapshot: %w", err)
		}
		r.holders[row.Get(ImageObject).Text()] = true
	}
	objects := r.toScan()
	if len(objects) == 0 {
		return r.carry()
	}
	if halt := c.halted(); halt != nil {
		return r.giveUp(fmt.Errorf("not begun: %w", halt))
	}
	err := r.scanAll(ctx, objects)
	if err == nil || ctx.Err() != nil {
		return err
	}
	c.noteFailure(ctx, err)
	return r.giveUp(err)
}

// toScan returns the objects whose records are looked through: those that refer to images or did, unless nothing
// happened to them since.
func (r *imagesRun) toScan() []string {
	var out []string
	all := maps.Clone(r.holders)
	maps.Copy(all, r.pictured)
	for name := range all {
		now, found := r.soFar.Part(name)
		if !found || now.State != snapshot.Whole {
			continue
		}
		if r.isHeld && r.held.Bodies.Missing == 0 && !r.held.Stale && r.holders[name] && !r.owed[name] && !r.behind {
			if was, found := r.parent.Part(name); found && was.State == snapshot.Whole && was.Digest == now.Digest {
				r.done[name] = true
				continue
			}
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// leave takes over what is held, and says what is not.
func (r *imagesRun) leave() error {
	if r.isHeld {
		r.gap(gap(imageShape.Object(), "", RuleFilesEarlier, "images in rich text were not read: those are held that an earlier snapshot read"))
		return r.carry()
	}
	return nil
}

// imagesOwed ends what the coverage says of an object whose images are still to be read.
const imagesOwed = "images in its rich text were not asked for"

// recall finds in the last snapshot of which objects the images are still to be read: nothing else would tell, when none of their
// records changes again.
func (r *imagesRun) recall() {
	r.owed = map[string]bool{}
	if r.parent == nil {
		return
	}
	for _, g := range r.parent.Coverage() {
		switch {
		case g.Object == imageShape.Object() && Of(g.Reason) == RuleFilesEarlier:
			r.behind = true
		case g.Field == "" && Of(g.Reason) == RuleBase64 && strings.HasSuffix(g.Reason, imagesOwed):
			r.owed[g.Object], r.pictured[g.Object] = true, true
		}
	}
}

// owe names the objects of which this run has read no images, for the next one.
func (r *imagesRun) owe() {
	for _, name := range slices.Sorted(maps.Keys(r.pictured)) {
		if !r.done[name] {
			r.gap(gap(name, "", RuleBase64, imagesOwed))
		}
	}
}

func (r *imagesRun) carry() error {
	if err := r.snap.Carry(imageShape.Object()); err != nil {
		return fmt.Errorf("carry images over: %w", err)
	}
	r.endFiles(FilesResult{Object: Images, Mode: ModeCarried, Bodies: r.held.Bodies})
	return nil
}

// giveUp keeps what was held, or names the images absent.
func (r *imagesRun) giveUp(cause error) error {
	name := imageShape.Object()
	result := FilesResult{Object: Images, Why: cause.Error(), Hint: problem.HintOf(cause)}
	var err error
	if r.out != nil {
		err = r.out.Abandon(cause.Error())
	}
	switch {
	case err != nil:
	case r.isHeld:
		result.Mode, result.Bodies = ModeStale, r.held.Bodies
		err = r.snap.CarryStale(name, cause.Error())
	default:
		if result.Mode = ModeAbsent; r.out == nil {
			err = r.snap.Absent(name, cause.Error())
		}
	}
	if err != nil {
		return fmt.Errorf("record that the images failed (%w): %w", cause, err)
	}
	r.gap(gap(name, "", RuleFailed, "%s", cause))
	r.endFiles(result)
	return nil
}

// heldRows yields the rows of the last snapshot.
func (r *imagesRun) heldRows(ctx context.Context) iter.Seq2[sf.Record, error] {
	if !r.isHeld {
		return func(func(sf.Record, error) bool) {}
	}
	return r.parent.Records(ctx, imageShape.Object())
}

// scanAll reads the images that the records of the objects refer to, and writes the part.
func (r *imagesRun) scanAll(ctx context.Context, objects []string) error {
	var err error
	r.out, err = r.snap.Part(snapshot.PartInfo{
		Object: imageShape.Object(), Fields: imageShape.Fields(), Bodies: []string{ImageBody}, Full: !r.isHeld,
	})
	if err != nil {
		return fmt.Errorf("store images: %w", err)
	}
	for _, name := range objects {
		r.scanned[name] = true
		if err := r.scan(ctx, name); err != nil {
			return err
		}
	}
	if err := r.buryUnseen(ctx); err != nil {
		return err
	}
	if err := r.snap.Bodies().Flush(ctx); err != nil {
		return fmt.Errorf("store images: %w", err)
	}
	to := r.from
	if r.read > 0 {
		to = r.clock.now(ctx)
	}
	r.out.Observed(r.from, to, r.from)
	part, err := r.out.Close(ctx, -1)
	if err != nil {
		return fmt.Errorf("store images: %w", err)
	}
	maps.Copy(r.done, r.scanned)
	result := FilesResult{Object: Images, Mode: ModeChanges, Bodies: part.Bodies, Read: r.read, Bytes: r.bytes}
	if !r.isHeld {
		result.Mode = ModeFull
	}
	if len(r.lost) > 0 {
		result.Why = r.lost[0]
		r.gap(gap(imageShape.Object(), "", RuleFileMissing, "%d of %d images are not held: %s",
			part.Bodies.Missing, part.Bodies.Missing+part.Bodies.Held, strings.Join(r.lost, "; ")))
	}
	if n := len(r.refused); n > 0 {
		var why []string
		for _, id := range slices.Sorted(maps.Keys(r.refused)) {
			if r.refused[id] != "" {
				why = append(why, r.refused[id])
			}
		}
		r.gap(gap(imageShape.Object(), "", RuleDangling, "%d images that texts refer to are not given by the org: %s", n, strings.Join(why, "; ")))
	}
	r.endFiles(result)
	return nil
}

// scan looks through the records of one object.
func (r *imagesRun) scan(ctx context.Context, name string) error {
	object := r.schema.Object(name)
	if object == nil {
		return nil
	}
	var batch []image
	var rich []int
	var shape *sf.Shape
	for record, err := range r.soFar.Records(ctx, name) {
		if err != nil {
			return err
		}
		if record.Shape != shape {
			rich, shape = richFields(object, record.Shape), record.Shape
		}
		for _, i := range rich {
			text := record.Values[i].Text()
			if !strings.Contains(text, imageMark) {
				continue
			}
			for _, m := range imageForm.FindAllStringSubmatch(text, -1) {
				id, err := sf.ParseID(m[1])
				if err != nil {
					continue // no Id: somebody wrote it
				}
				r.seen.put(id, markLive)
				elsewhere := 1
				if strings.Contains(m[0], "eid="+string(record.ID[:15])) {
					elsewhere = 0
				}
				batch = append(batch, image{id, record.ID, name, record.Shape.Fields()[i], elsewhere})
			}
		}
		if len(batch) >= imageBatch {
			if err := r.take(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return r.take(ctx, batch)
}

// take reads those of the images that are not held.
func (r *imagesRun) take(ctx context.Context, batch []image) error {
	// HTML that was copied from another record refers to an image that may not be given for it: the record that the address
	// names is asked first, and then the others.
	slices.SortStableFunc(batch, func(a, b image) int {
		return cmp.Or(strings.Compare(string(a.id), string(b.id)), cmp.Compare(a.elsewhere, b.elsewhere))
	})
	var shown [][]image
	for i, one := range batch {
		if i == 0 || one.id != batch[i-1].id {
			shown = append(shown, nil)
		}
		shown[len(shown)-1] = append(shown[len(shown)-1], one)
	}
	whole := map[sf.ID]bool{}
	if r.isHeld {
		ids := func(yield func(sf.ID) bool) {
			for _, i := range shown {
				if !yield(i[0].id) {
					return
				}
			}
		}
		for row, err := range r.parent.Lookup(ctx, imageShape.Object(), ids) {
			if err != nil {
				return fmt.Errorf("read the images of the last snapshot: %w", err)
			}
			whole[row.ID] = row.Get(ImageBody).IsText()
		}
	}
	workers, reading := errgroup.WithContext(ctx)
	workers.SetLimit(r.opts.parallel())
	shown = slices.DeleteFunc(shown, func(i []image) bool { return whole[i[0].id] || r.took[i[0].id] })
	for _, i := range shown { // nothing that the workers write is looked at any more
		workers.Go(func() error { return r.fetch(reading, i) })
	}
	return workers.Wait()
}

// fetch reads one image, as which of its places gives it. An error is one after which the part cannot go on.
func (r *imagesRun) fetch(ctx context.Context, places []image) error {
	i, others := places[0], places[1:min(len(places), maxPlaces)]
	if err := r.mayGoOn(); err != nil {
		return fmt.Errorf("not asked for: %w", err)
	}
	row := sf.Record{ID: i.id, Shape: imageShape, Values: make([]sf.Value, imageShape.Len())}
	set := func(name string, v sf.Value) { row.Values[imageShape.Index(name)] = v }
	set(ImageField, sf.Text(i.field))
	set(ImageObject, sf.Text(i.object))
	set(ImageRecord, sf.Text(string(i.record)))
	pipe, in := io.Pipe()
	ended := make(chan struct{})
	var failed error
	go func() {
		defer close(ended)
		failed = r.src.Image(ctx, i.object, i.field, i.record, i.id, in)
		in.CloseWithError(failed)
	}()
	err := r.snap.Bodies().Put(ctx, pipe, func(b snapshot.Body) error {
		set(ImageBody, sf.Text(b.Text()))
		r.read++
		r.bytes += b.Size
		r.took[i.id] = true
		delete(r.refused, i.id)
		return r.out.Add(row)
	})
	_ = pipe.Close()
	<-ended
	switch code, _ := answer(failed); {
	case err == nil:
		r.answered()
		return nil
	case failed == nil || ctx.Err() != nil:
		return fmt.Errorf("store an image: %w", err)
	case fatal(ctx, failed):
		return failed
	case code != "" && len(others) > 0:
		return r.fetch(ctx, others)
	case code != "": // the org has no such image, or none for this record
		return r.snap.Bodies().Alone(ctx, func() error {
			why := ""
			if _, known := r.refused[i.id]; known || len(r.refused) < namedFiles {
				why = failed.Error()
			}
			r.refused[i.id] = why
			return nil
		})
	}
	return r.snap.Bodies().Alone(ctx, func() error {
		if len(r.lost) < namedFiles {
			r.lost = append(r.lost, failed.Error())
		}
		set(ImageBody, sf.Null())
		r.took[i.id] = true
		delete(r.refused, i.id)
		return r.out.Add(row)
	})
}

// buryUnseen removes the images to which no record refers any more, of the objects that were looked through and
// of those that are gone.
func (r *imagesRun) buryUnseen(ctx context.Context) error {
	next, stop := iter.Pull2(r.seen.all())
	defer stop()
	id, _, more := next()
	for row, err := range r.heldRows(ctx) {
		if err != nil {
			return fmt.Errorf("read the images of the last snapshot: %w", err)
		}
		for more && id < row.ID {
			id, _, more = next()
		}
		if more && id == row.ID || !r.scanned[row.Get(ImageObject).Text()] {
			continue
		}
		err := r.snap.Bodies().Alone(ctx, func() error { return r.out.Remove(row.ID, r.from, evidenceRecord) })
		if err != nil {
			return fmt.Errorf("store images: %w", err)
		}
	}
	return nil
}
