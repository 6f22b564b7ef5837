package apply

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// FileTarget is a Target that takes files. A record with a file is made by a call of its own, which no job numbers: when
// its answer is lost, the org is looked through for the record.
type FileTarget interface {
	Target
	// InsertFile makes one record, with the bytes of a file when body is not nil. It is sent once.
	InsertFile(ctx context.Context, object string, fields []string, row sf.Write, body *sf.Upload) (sf.Outcome, error)
	// UpdateFile gives the bytes of a file to a record that is there, and values to its fields. It is sent once.
	UpdateFile(ctx context.Context, object string, fields []string, row sf.Write, body sf.Upload) (sf.Outcome, error)
	// Body writes the bytes of a base64 field of a record to w. It ends with an error rather than short.
	Body(ctx context.Context, object, field string, id sf.ID, w io.Writer) error
}

// opFile is the batch of records that are made one by one, with their files.
const opFile = "file"

// Bounds of a batch of files: what may have to be looked for when its answers are lost.
const (
	fileRows  = 16
	fileBytes = 64 << 20 // a larger file goes alone
	fileCalls = 4        // at once; each holds one piece of a file
)

// lateFiles are the waits before the looks for records whose answer was lost: an org may still be at a request whose
// connection broke. What it finishes later than that it makes twice; no call that takes a file has a key to prevent it.
var lateFiles = []time.Duration{time.Second, 4 * time.Second, 25 * time.Second}

func (a *application) bodyField(object string) *sf.Field { return BodyField(a.schema.Object(object)) }

// BodyField returns the field of the object that takes the bytes of a file when a record is made, or nil. No Bulk job carries it.
// Source: Bulk API 2.0 Developer Guide: base64 fields are not supported.
func BodyField(o *sf.Object) *sf.Field {
	if o == nil {
		return nil
	}
	for _, f := range o.Fields {
		if f.Type == sf.TypeBase64 && f.Createable {
			return f
		}
	}
	return nil
}

// bodyOf returns the reference to the bytes that the row writes; without a second value it writes none.
func bodyOf(r []state.FieldChange, field *sf.Field) (snapshot.Body, bool, error) {
	for _, f := range r {
		if f.Field != field.Name || !f.After.IsText() {
			continue
		}
		b, err := snapshot.ParseBody(f.After.Text())
		return b, err == nil, err
	}
	return snapshot.Body{}, false, nil
}

// chooseFiles picks the rows of the next batch of files.
func (a *application) chooseFiles(step int, field *sf.Field) ([]int, int, error) {
	pending, attempts := a.ledger.pending(step)
	var rows []int
	size := int64(0)
	for n := range pending {
		r := a.ledger.plan.Steps[step].Rows[n]
		if r.With != "" {
			continue
		}
		b, _, err := bodyOf(r.Fields, field)
		if err != nil {
			return nil, 0, problem.Wrap(problem.Damaged, err, fmt.Sprintf("file of %s in the plan", r.ID))
		}
		if size += b.Size; len(rows) > 0 && size > fileBytes {
			break
		}
		if rows = append(rows, n); len(rows) == fileRows {
			break
		}
	}
	return rows, attempts, nil
}

// insertFiles makes the records of the open batch, and records the outcome. A record whose fate is not known leaves the
// batch open.
func (a *application) insertFiles(ctx context.Context) error {
	b := a.ledger.last()
	s := a.ledger.plan.Steps[b.step]
	field := a.bodyField(s.Object)
	to, ok := a.meter.Target.(FileTarget)
	if !ok || a.opts.Bodies == nil {
		return problem.Newf(problem.Usage, "step %d brings files of %s, and nothing here sends files", s.Number, s.Object)
	}
	sent := make([]*entryRow, len(b.rows))
	calls, sending := errgroup.WithContext(ctx)
	calls.SetLimit(fileCalls)
	var carried fileCarriage
	end := a.meter.during(KindFile) // the meter is for this goroutine alone
	for i, n := range b.rows {
		r, err := a.resolve(b.step, n)
		if err != nil {
			calls.Go(func() error { return err })
			break
		}
		if r.code != "" {
			sent[i] = new(r.outcome(""))
			continue
		}
		calls.Go(func() error {
			row, err := a.insertFile(sending, to, s.Object, field, r, &carried)
			sent[i] = row
			return err
		})
	}
	err := calls.Wait()
	end()
	a.meter.carry(KindFile, carried.rows.Load(), carried.bytes.Load())
	var out []entryRow
	for i, row := range sent {
		if row != nil {
			out = append(out, *row)
			a.sentFiles[birthplace{b.step, b.rows[i]}] = *row
		}
	}
	if err != nil {
		return fmt.Errorf("step %d, files of %s: %w", s.Number, s.Object, err)
	}
	clear(a.sentFiles)
	return a.record(entry{T: entryOutcome, Batch: b.number, Out: out})
}

// fileCarriage counts what calls at one time carry.
type fileCarriage struct{ rows, bytes atomic.Int64 }

// insertFile makes one record. The outcome is nil where it is not known.
func (a *application) insertFile(ctx context.Context, to FileTarget, object string, field *sf.Field, r sending, carried *fileCarriage) (*entryRow, error) {
	body, has, err := bodyOf(r.fields, field)
	if err != nil {
		return nil, problem.Wrap(problem.Damaged, err, "file in the plan")
	}
	r.fields = withoutField(r.fields, field.Name)
	fields, writes := table([]sending{r})
	var up *sf.Upload
	src := &sourceError{}
	if has {
		up = a.upload(ctx, field, body, nameOfFile(r.fields), src)
	}
	o, err := to.InsertFile(ctx, object, fields, writes[0], up)
	carried.rows.Add(1)
	carried.bytes.Add(writeBytes(writes) + body.Size)
	switch {
	case src.err != nil: // the org has got no whole file
		return nil, src.err
	case err != nil:
		return nil, err
	case o.Success:
		return new(r.outcome(o.ID)), nil
	}
	return new(r.refused(o)), nil
}

// upload is the file that the bytes of a body make; src keeps what goes wrong while they are read.
func (a *application) upload(ctx context.Context, field *sf.Field, body snapshot.Body, name string, src *sourceError) *sf.Upload {
	return &sf.Upload{Field: field.Name, Name: name, Size: body.Size, Open: func() io.Reader {
		src.r = a.opts.Bodies.OpenBody(ctx, body)
		return src
	}}
}

func withoutField(fields []state.FieldChange, name string) []state.FieldChange {
	return slices.DeleteFunc(slices.Clone(fields), func(f state.FieldChange) bool { return f.Field == name })
}

// sourceError keeps the error of a reader: what was not read from the repository is not the org's fault.
type sourceError struct {
	r   io.Reader
	err error
}

// Read passes on bytes.
func (s *sourceError) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// nameFields are the fields in which the platform keeps the name of a file.
var nameFields = []string{"PathOnClient", "Name", "Title"}

func nameOfFile(fields []state.FieldChange) string {
	for _, name := range nameFields {
		for _, f := range fields {
			if f.Field == name && f.After.IsText() {
				return f.After.Text()
			}
		}
	}
	return ""
}

// sizeFields are the fields in which the platform keeps the size of a file.
// Source: Object Reference, ContentVersion, Attachment and Document.
var sizeFields = []string{"ContentSize", "BodyLength"}

// settleFiles finds out which records of the open batch the org has made. Of those that it has not, the rows are pending again.
func (a *application) settleFiles(ctx context.Context) error {
	b := a.ledger.last()
	s := a.ledger.plan.Steps[b.step]
	var out []entryRow
	var rows []sending
	for _, n := range b.rows {
		if known, found := a.sentFiles[birthplace{b.step, n}]; found {
			out = append(out, known)
			continue
		}
		r, err := a.resolve(b.step, n)
		if err != nil {
			return err
		}
		if r.code != "" {
			out = append(out, r.outcome(""))
			continue
		}
		rows = append(rows, r)
	}
	for _, late := range lateFiles {
		if len(rows) == 0 {
			break
		}
		if err := a.opts.wait(ctx, late); err != nil {
			return err
		}
		found, err := a.findFiles(ctx, s, rows, out)
		if err != nil {
			return fmt.Errorf("step %d, look for files of %s whose answer was lost: %w", s.Number, s.Object, err)
		}
		out = append(out, found...)
		rows = slices.DeleteFunc(rows, func(r sending) bool { return r.row < 0 })
	}
	clear(a.sentFiles)
	slices.SortFunc(out, func(x, y entryRow) int { return x.Row - y.Row })
	return a.record(entry{T: entryOutcome, Batch: b.number, Out: out})
}

// findFiles looks among the records that this user made since the application began for those of the rows. One is
// taken for a row when it has the row's name, parents and size, and then its bytes, read back, have the row's SHA-256. Rows
// between which this cannot tell are the same file twice.
func (a *application) findFiles(ctx context.Context, s plan.Step, rows []sending, known []entryRow) ([]entryRow, error) {
	taken := map[sf.ID]bool{}
	for _, step := range a.ledger.rows {
		for _, p := range step {
			taken[p.newID] = true
		}
	}
	for _, k := range known {
		taken[sf.ID(k.ID)] = true
	}
	made, err := a.madeSince(ctx, s, rows, taken)
	if err != nil {
		return nil, err
	}
	var out []entryRow
	for _, strict := range []bool{true, false} { // a trigger may have changed what is not the key
		for i, r := range rows {
			if r.row < 0 {
				continue
			}
			id, err := a.matchFile(ctx, s.Object, r, made, taken, strict)
			if err != nil {
				return nil, err
			}
			if id != "" {
				taken[id], rows[i].row = true, -1
				out = append(out, r.outcome(id))
			}
		}
	}
	return out, nil
}

// madeSince reads the records of the object that this user made since the application began.
func (a *application) madeSince(ctx context.Context, s plan.Step, rows []sending, taken map[sf.ID]bool) ([]sf.Record, error) {
	o := a.schema.Object(s.Object)
	x := sf.Extract{Object: o, StampField: "SystemModstamp"}
	var err error
	if x.From, err = sf.ParseDatetime(a.ledger.at); err != nil {
		return nil, err
	}
	want := map[string]bool{"CreatedById": true}
	for _, name := range sizeFields {
		want[name] = true
	}
	for _, r := range rows {
		for _, f := range r.fields {
			want[f.Field] = true
		}
	}
	for _, name := range sortedKeys(want) {
		if f := a.field(o, name); f != nil && !f.Type.IsCompound() && f.Type != sf.TypeBase64 {
			x.Fields = append(x.Fields, name)
		}
	}
	var made []sf.Record
	for r, err := range a.target.Records(ctx, x) {
		if err != nil {
			return nil, err
		}
		if by := r.Get("CreatedById"); !taken[r.ID] && (by.Text() == string(a.user) || writes(rows, "CreatedById")) {
			made = append(made, r)
		}
	}
	slices.SortFunc(made, sf.Compare)
	return made, nil
}

func writes(rows []sending, field string) bool {
	return slices.ContainsFunc(rows, func(r sending) bool {
		return slices.ContainsFunc(r.fields, func(f state.FieldChange) bool { return f.Field == field })
	})
}

// matchFile returns the record that is the row's, or "".
func (a *application) matchFile(ctx context.Context, object string, r sending, made []sf.Record, taken map[sf.ID]bool, strict bool) (sf.ID, error) {
	o, field := a.schema.Object(object), a.bodyField(object)
	body, has, err := bodyOf(r.fields, field)
	if err != nil {
		return "", problem.Wrap(problem.Damaged, err, "file in the plan")
	}
	for _, m := range made {
		if taken[m.ID] || !a.sameFile(o, r, m, body, has, strict) {
			continue
		}
		if !has {
			return m.ID, nil
		}
		sum := sha256.New()
		end := a.meter.during(KindFile)
		err := a.meter.Target.(FileTarget).Body(ctx, object, field.Name, m.ID, sum)
		end()
		if err != nil {
			return "", err
		}
		if [sha256.Size]byte(sum.Sum(nil)) == body.Sum {
			return m.ID, nil
		}
	}
	return "", nil
}

// sameFile compares what tells files apart without reading them: the size, and of the fields that the row writes the
// name and those that nothing changes later; when it is strict all of them.
func (a *application) sameFile(o *sf.Object, r sending, m sf.Record, body snapshot.Body, has, strict bool) bool {
	for _, name := range sizeFields {
		if v := m.Get(name); has && v.IsText() {
			if n, err := strconv.ParseFloat(v.Text(), 64); err != nil || int64(n) != body.Size {
				return false
			}
		}
	}
	for _, f := range r.fields {
		field := a.field(o, f.Field)
		if field == nil || field.Type == sf.TypeBase64 || m.Get(f.Field).IsAbsent() {
			continue
		}
		key := !field.Updateable && !sf.IsSystemField(f.Field) || slices.Contains(nameFields, f.Field)
		if (key || strict) && f.After.IsText() && m.Get(f.Field) != f.After {
			return false
		}
	}
	return true
}
