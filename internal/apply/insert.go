package apply

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// nullCell is how CSV spells null for Bulk API 2.0; the empty cell leaves a field alone.
// Source: Bulk API 2.0 Developer Guide, "Valid CSV Record Rows".
const nullCell = "#N/A"

// echoKey is a row as the org echoes it, under which its result is found again.
type echoKey [16]byte

// keyOf hashes the cells of a row, length by length. The empty cell and null count as equal, so that
// the key holds however a client spells null.
func keyOf(cells []string) echoKey {
	h := sha256.New()
	var length [8]byte
	for _, c := range cells {
		if c == nullCell {
			c = ""
		}
		binary.BigEndian.PutUint64(length[:], uint64(len(c)))
		h.Write(length[:])
		h.Write([]byte(c))
	}
	return echoKey(h.Sum(nil)[:16])
}

func cellsOf(w sf.Write) []string {
	cells := make([]string, len(w.Values))
	for i, v := range w.Values {
		cells[i] = v.Text()
	}
	return cells
}

// insertion is the content of one batch that is a job, of an insert most often: what goes into it, and what does not go.
type insertion struct {
	rows    []sending // sent, aligned with writes
	blocked []sending
	fields  []string
	writes  []sf.Write
	keys    map[echoKey][]int // indexes into rows, of rows that are sent equal
	sum     string
}

// lay makes the job of these rows. Rows that are echoed equal and are not sent equal are an error.
func (a *application) lay(step int, numbers []int) (*insertion, error) {
	in := &insertion{keys: map[echoKey][]int{}}
	for _, n := range numbers {
		r, err := a.resolve(step, n)
		if err != nil {
			return nil, err
		}
		if r.code != "" {
			in.blocked = append(in.blocked, r)
			continue
		}
		in.rows = append(in.rows, r)
	}
	in.fields, in.writes = table(in.rows)
	switch s := a.ledger.plan.Steps[step]; {
	case s.Op == plan.HardDelete:
		in.ofIDs()
	case s.Op.Updates():
		in.withIDs()
	case len(in.fields) == 0 && len(in.rows) > 0:
		if err := in.fillEmpty(a.schema.Object(s.Object)); err != nil {
			return nil, err
		}
	}
	h := sha256.New()
	for i, w := range in.writes {
		key := keyOf(cellsOf(w))
		if others := in.keys[key]; len(others) > 0 && !slices.Equal(in.writes[others[0]].Values, w.Values) {
			return nil, fmt.Errorf("rows %d and %d of one job cannot be told apart", in.rows[others[0]].row, in.rows[i].row)
		}
		in.keys[key] = append(in.keys[key], i)
		h.Write(key[:])
	}
	in.sum = hex.EncodeToString(h.Sum(nil)[:16])
	return in, nil
}

// ofIDs makes the rows such as a deletion has: Ids alone.
func (in *insertion) ofIDs() {
	in.fields = []string{"Id"}
	for i, r := range in.rows {
		in.writes[i].Values = []sf.Value{sf.Text(string(r.id))}
	}
}

// withIDs makes the rows such as an update has: with the Id before what is set.
func (in *insertion) withIDs() {
	in.fields = append([]string{"Id"}, in.fields...)
	for i, r := range in.rows {
		in.writes[i].Values = append([]sf.Value{sf.Text(string(r.id))}, in.writes[i].Values...)
	}
}

// fillEmpty gives rows without any value a column, which a CSV must have: one that is set to null.
func (in *insertion) fillEmpty(o *sf.Object) error {
	for _, f := range o.Fields {
		if f.Createable && f.Nillable && !f.DefaultedOnCreate && !f.Type.IsCompound() {
			in.fields = []string{f.Name}
			for i := range in.writes {
				in.writes[i].Values = []sf.Value{sf.Null()}
			}
			return nil
		}
	}
	return fmt.Errorf("records of %s have nothing that an insert could carry", o.Name)
}

// chooseInsert picks the rows of the next job: as many as fit, no two of which would be echoed equal without being
// sent equal. Of rows that are sent equal it makes no difference which becomes which record.
func (a *application) chooseInsert(step int) ([]int, int, error) {
	if f := a.bodyField(a.ledger.plan.Steps[step].Object); f != nil {
		return a.chooseFiles(step, f)
	}
	pending, attempts := a.ledger.pending(step)
	limit := max(1, a.ledger.flowOf(step).rows(a.opts.jobRows())>>(2*attempts))
	taken := map[echoKey]echoKey{}
	var rows []int
	size := 0
	family, since := sf.ID(""), 0 // the parent of the rows from here on
	for n := range pending {
		parent := a.parent(step, n)
		if len(rows) == limit {
			if parent == family && parent != "" && since*nearlyFull > limit*(nearlyFull-1) {
				rows = rows[:since] // its children go together, in the next one
			}
			break
		}
		if a.ledger.plan.Steps[step].Rows[n].With != "" || a.contends(step, n) {
			continue // the org has made it, or it waits for a job that is under way
		}
		r, err := a.resolve(step, n)
		if err != nil {
			return nil, 0, err
		}
		if r.code == "" {
			key, bytes := looseKey(r)
			other, twice := taken[key]
			if twice && other != sentKey(r) {
				continue
			}
			if len(rows) > 0 && size+bytes > JobBytes {
				break
			}
			taken[key], size = sentKey(r), size+bytes
		}
		if parent != family {
			family, since = parent, len(rows)
		}
		rows = append(rows, n)
	}
	return rows, attempts, nil
}

// looseKey is a key that is independent of the job's columns: the written fields that are not null.
// Rows that differ in it differ in any job. It also says how large the row is in CSV, at most.
func looseKey(r sending) (echoKey, int) {
	var cells []string
	size := 0
	for _, f := range r.fields {
		size += 2*len(f.After.Text()) + 8 // each character may be a quote that is doubled
		if f.After.IsText() && f.After.Text() != nullCell {
			cells = append(cells, f.Field, f.After.Text())
		}
	}
	return keyOf(cells), size
}

// sentKey is a key of all that the row writes, null and nothing told apart: rows with one key are sent equal in any
// job.
func sentKey(r sending) echoKey {
	var cells []string
	for _, f := range r.fields {
		cells = append(cells, f.Field, f.After.String())
	}
	return keyOf(cells)
}

// sendJob sends the rows of a batch that has some in a job. The batch stays open until settleJob has its results.
func (a *application) sendJob(ctx context.Context, b *batch, in *insertion) error {
	s := a.ledger.plan.Steps[b.step]
	job, err := a.start(ctx, s, in.fields)
	if err != nil {
		return fmt.Errorf("step %d, job to %s %d records of %s: %w", s.Number, s.Op, len(in.rows), s.Object, err)
	}
	if err := a.record(entry{T: entryJob, Batch: b.number, Job: job}); err != nil {
		return err
	}
	if err := a.target.SendRows(ctx, job, in.fields, in.writes); err != nil {
		return fmt.Errorf("step %d, upload %d records of %s to job %s: %w", s.Number, len(in.rows), s.Object, job, err)
	}
	return nil
}

func (a *application) start(ctx context.Context, s plan.Step, fields []string) (job string, err error) {
	switch {
	case s.Op == plan.HardDelete:
		return a.target.StartHardDelete(ctx, s.Object)
	case s.Op.Updates():
		return a.target.StartUpdate(ctx, s.Object, fields)
	}
	return a.target.StartInsert(ctx, s.Object, fields)
}

// settleJob asks what became of an open batch that is a job, and records it.
func (a *application) settleJob(ctx context.Context, b *batch) error {
	in, err := a.lay(b.step, b.rows)
	if err != nil {
		return err
	}
	if in.sum != b.sum {
		return problem.Newf(problem.Damaged, "batch %d would be sent differently from what the journal says", b.number)
	}
	var out []entryRow
	for _, r := range in.blocked {
		out = append(out, r.outcome(""))
	}
	aborted := false
	if b.job != "" {
		aborted, err = a.awaitJob(ctx, b)
		if problem.KindOf(err) == problem.NotVerified && b.op == opUpdateJob {
			return a.settleByLooking(ctx) // a job can be forgotten only when it has ended; records tell what was updated
		}
		if err != nil {
			return err
		}
		results, err := a.results(ctx, b, in, aborted)
		if err != nil {
			return err
		}
		out = append(out, results...)
	}
	if err := a.record(entry{T: entryOutcome, Batch: b.number, Out: out}); err != nil {
		return err
	}
	a.freeParents(b)
	if !aborted || b.stopped {
		return nil
	}
	return problem.Newf(problem.Interrupted, "job %s was aborted in the org, by somebody else", b.job).
		Hint("find out who aborted it, and why; run the same command again to go on with what is left")
}

// awaitJob waits for the end of the job and says whether it was aborted. A job that still waits for
// its upload is aborted: only a run that died, or whose upload was lost, finds it so.
func (a *application) awaitJob(ctx context.Context, b *batch) (aborted bool, err error) {
	defer a.meter.during(KindBulk)()
	delay := pollFirst
	for range polls {
		state, err := a.target.JobState(ctx, b.job)
		if problem.KindOf(err) == problem.NotFound {
			return false, problem.Newf(problem.NotVerified,
				"the org does not know job %s any more, so whether it did %s to its %d records cannot be told", b.job, b.op, len(b.rows)).
				Hint("look for the records of step %d in the org; then make a new plan with `holdfast restore`", a.ledger.plan.Steps[b.step].Number)
		}
		if err != nil {
			return false, fmt.Errorf("state of job %s: %w", b.job, err)
		}
		switch state {
		case sf.JobComplete, sf.JobFailed:
			return false, nil
		case sf.JobAborted:
			return true, nil
		case sf.JobOpen:
			if !b.unsent {
				if err := a.record(entry{T: entryAbort, Batch: b.number}); err != nil {
					return false, err
				}
			}
			// The next look says whether the upload has overtaken this.
			if err := a.target.AbortJob(ctx, b.job); err != nil {
				return false, fmt.Errorf("abort job %s: %w", b.job, err)
			}
		}
		if err := a.opts.wait(ctx, delay); err != nil {
			return false, err
		}
		delay = min(2*delay, pollMost)
	}
	return false, fmt.Errorf("job %s does not end", b.job)
}

// results matches what the org says to the rows. A result that fits no row, more that fit equal rows than
// there are, and a row without a result are errors; only an aborted job that processed no row at all may be silent.
// What an org answers for a job that was aborted before its upload is unverified; where that cannot
// be read, the job having waited for its upload is enough to know that no row was processed.
func (a *application) results(ctx context.Context, b *batch, in *insertion, aborted bool) ([]entryRow, error) {
	s := a.ledger.plan.Steps[b.step]
	old := func(i int) sf.ID { return s.Rows[in.rows[i].row].ID }
	var out []entryRow
	answered, processed := make([]bool, len(in.rows)), 0
	told := map[echoKey]int{}
	for res, err := range a.target.JobResults(ctx, b.job, in.fields, len(in.rows)) {
		if err != nil {
			if aborted && b.unsent && processed == 0 && answeredFor(err) {
				return nil, nil
			}
			return nil, fmt.Errorf("results of job %s: %w", b.job, err)
		}
		o := res.Outcome
		key := keyOf(res.Echo)
		equal, found := in.keys[key]
		if len(res.Echo) != len(in.fields) || !found {
			return nil, problem.Newf(problem.Damaged, "job %s: a result is of no row that was sent (%s %s)", b.job, s.Object, o.ID)
		}
		if told[key] == len(equal) {
			return nil, problem.Newf(problem.Damaged, "job %s: two results for %s %s", b.job, s.Object, old(equal[0]))
		}
		i := equal[told[key]]
		told[key]++
		switch {
		case o.Success && o.ID == "":
			return nil, problem.Newf(problem.Damaged, "job %s: %s of %s %s without an Id", b.job, s.Op, s.Object, old(i))
		case o.Success && s.Op != plan.Insert && string(o.ID) != res.Echo[0]:
			return nil, problem.Newf(problem.Damaged, "job %s: the result for %s is of %s", b.job, res.Echo[0], o.ID)
		}
		answered[i] = true
		switch {
		case o.Success:
			processed++
			out = append(out, in.rows[i].outcome(o.ID))
		case aborted && o.Code == codeUnprocessed:
		case s.Op.Updates() && o.Code == codeDuplicate:
			processed++
			a.byCall[birthplace{b.step, in.rows[i].row}] = true // which lets it pass; it stays pending
		default:
			processed++
			out = append(out, in.rows[i].refused(o))
		}
	}
	for i := range in.rows {
		if !answered[i] && (!aborted || processed > 0) {
			return nil, problem.Newf(problem.Damaged, "job %s has no result for %s %s", b.job, s.Object, old(i))
		}
	}
	if s.Op == plan.HardDelete {
		return out, a.goneAnyway(ctx, s, out)
	}
	return out, nil
}

// goneAnyway looks at records whose hard deletion was refused: one that is not in the org at all is where the plan
// wants it, such as one that went with another. One in the Recycle Bin is not.
func (a *application) goneAnyway(ctx context.Context, s plan.Step, out []entryRow) error {
	var refused []sf.ID
	for _, r := range out {
		if r.Code != "" && !passing(r.Code) {
			refused = append(refused, s.Rows[r.Row].ID)
		}
	}
	gone, err := a.arrivedAnyway(ctx, s, refused)
	if err != nil {
		return err
	}
	for i, r := range out {
		if id := s.Rows[r.Row].ID; r.Code != "" && gone[id] {
			out[i] = entryRow{Row: r.Row, ID: string(id)}
		}
	}
	return nil
}

// answeredFor reports an error that is the org's answer rather than the lack of one.
func answeredFor(err error) bool {
	switch problem.KindOf(err) {
	case problem.Damaged, problem.Failed, problem.NotFound:
		return true
	}
	return false
}
