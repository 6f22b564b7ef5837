package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// FileSource is a Source whose files can be read, too.
type FileSource interface {
	Source
	// Body writes the bytes of a base64 field of a record to w. It ends with an error rather than short.
	Body(ctx context.Context, object, field string, id sf.ID, w io.Writer) error
}

const (
	// fileTries is how often a file is read whose bytes are not what the org says of them.
	fileTries = 3
	// DefaultSaveBytes is after how many bytes of files what is held of them is noted: as many are read again
	// at most when a run is cut short, or an eighth of what was read when that is more, so that notes stay few.
	DefaultSaveBytes = 256 << 20
	// refusedAtMost is how many files of an object the org may refuse in a row, before any came, until it is not
	// asked for more.
	refusedAtMost = 20
	// namedFiles is how many files that are not held are named in the coverage; the part names all.
	namedFiles = 20
)

// stampOfFile is the field of a row of files by which the next run knows that the file is the same.
const stampOfFile = "Stamp"

// evidenceRecord is the evidence of a tombstone of files: the record went.
const evidenceRecord = "its record"

// fileShape says of which fields of an object the bytes are held, and what the org says of them.
type fileShape struct {
	object *sf.Object
	fields []string // base64
	size   string   // field with the number of bytes, or ""
	sum    string   // field with their MD5, or ""
	link   string   // field that is set where there are no bytes, or ""
	stamp  string   // field that moves when the bytes may have changed, or ""
}

// Fields in which the platform keeps the size of a file. Source: Object Reference, ContentVersion, Attachment,
// Document, StaticResource, EventLogFile.
var sizeFields = []string{"ContentSize", "BodyLength", "LogFileLength"}

// filesOf returns the files of an object, or false when it has none that are held.
func (r Rules) filesOf(o *sf.Object) (fileShape, bool) {
	s := fileShape{object: o, stamp: stampField(o)}
	held, _ := r.coveredFields(o)
	has := func(name string) bool { _, found := slices.BinarySearch(held, name); return found }
	for _, f := range o.Fields {
		if f.Type == sf.TypeBase64 && r.field(o.Name, f.Name) == "" {
			s.fields = append(s.fields, f.Name)
		}
	}
	slices.Sort(s.fields)
	if len(s.fields) != 1 { // which of several fields they are about is not known
		return s, len(s.fields) > 0
	}
	for _, name := range sizeFields {
		if s.size == "" && has(name) {
			s.size = name
		}
	}
	if o.Name == "ContentVersion" {
		// Its bytes never change: a new state is a new version. Source: Object Reference, ContentVersion.
		s.stamp = ""
		if has("Checksum") {
			s.sum = "Checksum"
		}
		if has("ContentUrl") {
			s.link = "ContentUrl"
		}
	}
	return s, true
}

// name is that of the part.
func (s fileShape) name() string { return snapshot.Files.Name(s.object.Name) }

// mark is the value of stampOfFile for a record.
func (s fileShape) mark(r sf.Record) string {
	var words []string
	for _, name := range []string{s.size, s.sum, s.stamp} {
		if name != "" {
			words = append(words, r.Get(name).Text())
		}
	}
	return strings.Join(words, " ")
}

// bytesOf returns the number of bytes that the org says the file of the record has, or -1.
func (s fileShape) bytesOf(r sf.Record) int64 {
	var n int64
	if s.size == "" || !r.Get(s.size).IsText() {
		return -1
	}
	if _, err := fmt.Sscan(r.Get(s.size).Text(), &n); err != nil {
		return -1
	}
	return n
}

// FilesResult says what became of the files of one object.
type FilesResult struct {
	Object string
	Mode   Mode
	Why    string // why they were not read, or the first that was not
	Hint   string

	Bodies snapshot.Tally // as the snapshot holds them
	Read   int64          // files that were read
	Bytes  int64          // of these
	Kept   int64          // files that a run which was cut short had read
}

// wantsFiles reports whether the files of an object are read by this run.
func (c *capture) wantsFiles(object string) (FileSource, bool) {
	src, ok := c.src.(FileSource)
	return src, ok && (c.opts.Files || names(c.opts.FilesOf, object))
}

// captureFiles reads the files of every object whose records this snapshot holds anew, and takes over those of
// the others.
func (c *capture) captureFiles(ctx context.Context) error {
	soFar, err := c.snap.SoFar()
	if err != nil {
		return fmt.Errorf("read what was captured: %w", err)
	}
	for _, p := range soFar.Parts() {
		object := c.schema.Object(p.Object)
		if object == nil {
			continue
		}
		shape, has := c.opts.Rules.filesOf(object)
		if !has {
			continue
		}
		if p.State != snapshot.Whole {
			c.noFiles(shape, "its records are not held")
			continue
		}
		src, wanted := c.wantsFiles(object.Name)
		if !wanted || len(c.opts.Include) > 0 && !names(c.opts.Include, object.Name) {
			if err := c.carryFiles(shape); err != nil {
				return err
			}
			continue
		}
		f := &files{capture: c, fileShape: shape, src: src, soFar: soFar, records: p}
		if err := f.run(ctx); err != nil {
			return err
		}
	}
	return c.captureImages(ctx, soFar)
}

// carryFiles takes over what the last snapshot holds of the files of an object.
func (c *capture) carryFiles(s fileShape) error {
	if part, found := c.heldFiles(s); found {
		if err := c.snap.Carry(s.name()); err != nil {
			return fmt.Errorf("carry the files of %s over: %w", s.object.Name, err)
		}
		if _, wanted := c.wantsFiles(s.object.Name); !wanted {
			c.gap(gap(s.name(), "", RuleFilesEarlier, "the bytes of files were not read: those are held that an earlier snapshot read by %s",
				part.To.UTC().Format(sf.DatetimeLayout)))
		}
		c.endFiles(FilesResult{Object: s.object.Name, Mode: ModeCarried, Bodies: part.Bodies})
		return nil
	}
	c.noFiles(s, "the bytes of files were not asked for")
	return nil
}

// noFiles names the fields whose bytes are not held.
func (c *capture) noFiles(s fileShape, why string) {
	for _, field := range s.fields {
		c.gap(gap(s.object.Name, field, RuleBase64, "%s", why))
	}
}

// heldFiles returns the part of the last snapshot.
func (c *capture) heldFiles(s fileShape) (snapshot.Part, bool) {
	if c.parent == nil {
		return snapshot.Part{}, false
	}
	part, found := c.parent.Part(s.name())
	return part, found && part.State == snapshot.Whole
}

func (c *capture) endFiles(r FilesResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, r)
}

// files is the files of one object while they are read.
type files struct {
	*capture
	fileShape
	src     FileSource
	soFar   *snapshot.Snapshot
	records snapshot.Part

	held   snapshot.Part // of the last snapshot
	isHeld bool
	out    *snapshot.PartWriter
	begun  map[sf.ID]begunFile // what a run that was cut short had read
	from   time.Time

	// Written by workers.
	read, bytes, missed, refusals atomic.Int64

	lost   []string // what is not held, by name; guarded by Bodies().Alone
	saveAt int64
	kept   int64
}

// run reads the files and settles what becomes of the part.
func (f *files) run(ctx context.Context) error {
	if f.held, f.isHeld = f.heldFiles(f.fileShape); f.isHeld && f.unchanged() {
		return f.carryFiles(f.fileShape)
	}
	if halt := f.halted(); halt != nil {
		return f.giveUp(fmt.Errorf("not begun: %w", halt))
	}
	f.from = f.clock.latest()
	err := f.readAll(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.noteFailure(ctx, err)
	return f.giveUp(err)
}

// unchanged reports that no record changed since the files were read, and that all are held.
func (f *files) unchanged() bool {
	if f.held.Stale || f.held.Bodies.Missing > 0 || f.opts.Full || !readIn(f.held, f.parent.Info()) {
		return false
	}
	earlier := func(g snapshot.Gap) bool { return g.Object == f.name() && Of(g.Reason) == RuleFilesEarlier }
	if slices.ContainsFunc(f.parent.Coverage(), earlier) {
		return false // the last snapshot holds them beside records that it read later
	}
	was, found := f.parent.Part(f.object.Name)
	return found && was.State == snapshot.Whole && was.Digest == f.records.Digest
}

// giveUp keeps what was held of the files, or names them absent.
func (f *files) giveUp(cause error) error {
	r := FilesResult{Object: f.object.Name, Why: cause.Error(), Hint: problem.HintOf(cause)}
	if f.out != nil {
		if err := f.out.Abandon(cause.Error()); err != nil {
			return fmt.Errorf("give up the files of %s: %w", f.object.Name, err)
		}
	}
	var err error
	if f.isHeld {
		r.Mode, r.Bodies = ModeStale, f.held.Bodies
		err = f.snap.CarryStale(f.name(), cause.Error())
	} else if r.Mode = ModeAbsent; f.out == nil {
		err = f.snap.Absent(f.name(), cause.Error())
	}
	if err != nil {
		return fmt.Errorf("record that the files of %s failed (%w): %w", f.object.Name, cause, err)
	}
	f.gap(gap(f.name(), "", RuleFailed, "%s", cause))
	f.endFiles(r)
	return nil
}

// open begins the part, where a run that was cut short left it if there was one.
func (f *files) open(ctx context.Context) error {
	b, found := f.capture.begun[f.name()]
	fields := f.rowFields()
	if found && slices.Equal(b.Part.Fields, fields) && f.from.Sub(b.Part.From) <= begunAge && !b.Part.From.After(f.from) {
		if resumed, err := f.resume(ctx, b); resumed || err != nil {
			return err
		}
	}
	out, err := f.snap.Part(snapshot.PartInfo{Object: f.name(), Fields: fields, Bodies: f.fields, Full: !f.isHeld})
	if err != nil {
		return fmt.Errorf("store the files of %s: %w", f.object.Name, err)
	}
	f.out = out
	return nil
}

// resume begins the part where a run that was cut short left it, and reports whether that can be.
func (f *files) resume(ctx context.Context, b snapshot.Begun) (bool, error) {
	begun, err := f.begunRows(ctx, b)
	if problem.KindOf(err) == problem.Damaged {
		return false, nil // it is read from the org again
	}
	if err != nil {
		return false, fmt.Errorf("read what was begun of the files of %s: %w", f.object.Name, err)
	}
	out, err := f.snap.Resume(b)
	if problem.KindOf(err) == problem.NotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("go on with the files of %s: %w", f.object.Name, err)
	}
	f.out, f.begun = out, begun
	return true, nil
}

// rowFields are the fields of a row of the part, sorted.
func (f *files) rowFields() []string {
	fields := append([]string{stampOfFile}, f.fields...)
	slices.Sort(fields)
	return fields
}

// readAll reads what is not held.
func (f *files) readAll(ctx context.Context) error {
	if err := f.open(ctx); err != nil {
		return err
	}
	f.saveAt = f.opts.saveBytes()
	workers, reading := errgroup.WithContext(ctx)
	workers.SetLimit(f.opts.parallel())
	err := f.each(reading, func(r sf.Record) error {
		workers.Go(func() error { return f.fetch(reading, r) })
		return f.save(reading)
	})
	if failed := workers.Wait(); failed != nil {
		err = failed
	}
	if err != nil {
		return err
	}
	bodies := f.snap.Bodies()
	if err := bodies.Flush(ctx); err != nil {
		return fmt.Errorf("store the files of %s: %w", f.object.Name, err)
	}
	if f.read.Load() == 0 && f.refusals.Load() >= refusedAtMost {
		return problem.Newf(problem.Failed, "the org gives no file of %s: %s", f.object.Name, f.lost[0])
	}
	to := f.from
	if f.read.Load() > 0 {
		to = f.clock.now(ctx)
	}
	f.out.Observed(f.from, to, f.from)
	part, err := f.out.Close(ctx, -1)
	if err != nil {
		return fmt.Errorf("store the files of %s: %w", f.object.Name, err)
	}
	r := FilesResult{
		Object: f.object.Name, Mode: ModeChanges, Bodies: part.Bodies, Read: f.read.Load(), Bytes: f.bytes.Load(), Kept: f.kept,
	}
	if !f.isHeld {
		r.Mode = ModeFull
	}
	if len(f.lost) > 0 {
		r.Why = f.lost[0]
		named := strings.Join(f.lost, "; ")
		f.gap(gap(f.name(), "", RuleFileMissing, "%d of %d files are not held: %s", part.Bodies.Missing, part.Bodies.Missing+part.Bodies.Held, named))
	}
	f.endFiles(r)
	return nil
}

// each calls want with every record whose files are not held as they are now, and buries the rows of those
// that went.
func (f *files) each(ctx context.Context, want func(sf.Record) error) error {
	next, stop := iter.Pull2(f.heldRows(ctx))
	defer stop()
	row, err, more := next()
	gone := func(limit sf.ID) error {
		for ; more && err == nil && (limit == "" || row.ID < limit); row, err, more = next() {
			if buried := f.bury(ctx, row.ID); buried != nil {
				return buried
			}
		}
		return err
	}
	for r, failed := range f.soFar.Records(ctx, f.object.Name) {
		if failed != nil {
			return failed
		}
		if err := gone(r.ID); err != nil {
			return err
		}
		begun, isBegun := f.begun[r.ID]
		delete(f.begun, r.ID)
		same := begun.whole && begun.mark == f.mark(r)
		if same {
			f.kept++
		}
		if more && row.ID == r.ID {
			if !isBegun && row.Get(stampOfFile).Text() == f.mark(r) {
				if same, err = f.whole(ctx, row, false); err != nil {
					return err
				}
			}
			row, err, more = next()
		}
		if same {
			continue
		}
		if err := want(r); err != nil {
			return err
		}
	}
	if err := gone(""); err != nil {
		return err
	}
	for id := range f.begun { // of records that went since
		if err := f.bury(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// heldRows yields the rows of the last snapshot.
func (f *files) heldRows(ctx context.Context) iter.Seq2[sf.Record, error] {
	if !f.isHeld {
		return func(func(sf.Record, error) bool) {}
	}
	return f.parent.Records(ctx, f.name())
}

func (f *files) bury(ctx context.Context, id sf.ID) error {
	return f.snap.Bodies().Alone(ctx, func() error { return f.out.Remove(id, f.from, evidenceRecord) })
}

// save notes how far the part is, now and then.
func (f *files) save(ctx context.Context) error {
	read := f.bytes.Load()
	if read < f.saveAt {
		return nil
	}
	f.saveAt = read + max(f.opts.saveBytes(), read/8)
	bodies := f.snap.Bodies()
	if err := bodies.Flush(ctx); err != nil {
		return fmt.Errorf("store the files of %s: %w", f.object.Name, err)
	}
	return bodies.Alone(ctx, func() error {
		if err := f.out.Settle(ctx); err != nil {
			return err
		}
		f.out.Observed(f.from, time.Time{}, time.Time{})
		return f.out.Save(ctx, snapshot.Extent{Types: make([]sf.FieldType, len(f.fields)+1)})
	})
}

// errStore marks an error of the repository: it is no fault of the file.
var errStore = errors.New("the repository")
