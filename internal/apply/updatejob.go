package apply

import (
	"iter"
	"unicode/utf8"

	"holdfast/internal/plan"
)

// opUpdateJob is the batch of records of a second pass that a job of Bulk API 2.0 updates.
const opUpdateJob = "updateJob"

// codeDuplicate is a record that a duplicate rule refuses or warns of. A call of Collections says that it may pass where the
// rule lets it; a job has no word for that. Source: REST API Developer Guide, "Duplicate Rule Header".
const codeDuplicate = "DUPLICATES_DETECTED"

// jobCalls is how many calls of Collections the rows of a second pass must need for a job to do it instead: 2,000 rows,
// from which on Bulk is advised. Source: Bulk API 2.0 Developer Guide, "Bulk API 2.0 or REST".
const jobCalls = 10

// jobValue is the longest text that a job carries in one field, in characters; of a row it is JobBytes at most.
// Source: Bulk API 2.0 Developer Guide, "Prepare CSV Files".
const jobValue = 32_000

// chooseUpdates picks the rows of the next job of a second pass, or none where calls of Collections are to do it: because few
// are left, because a job cannot carry them, or because the org does not take one. Other updates always go by call: between the
// look at a record and the last row of a job more time passes in which somebody may change it, and only the records of a second
// pass are such as the application itself has just made.
func (a *application) chooseUpdates(step int, pending iter.Seq[int], attempts int) []int {
	s := a.ledger.plan.Steps[step]
	level := birthplace{step, -1 - attempts}
	if s.Op != plan.Second || a.byCall[level] {
		return nil
	}
	limit := a.opts.jobRows() >> (2 * attempts)
	var rows []int
	size := 0
	for n := range pending {
		bytes, carried := carriedBytes(s.Rows[n])
		if !carried || a.byCall[birthplace{step, n}] {
			continue
		}
		if size += bytes; size > JobBytes || len(rows) >= limit {
			break
		}
		rows = append(rows, n)
	}
	if len(rows) < min(jobCalls*a.opts.callRows(), a.opts.jobRows()) || len(rows) <= a.opts.callRows() {
		a.byCall[level] = true // what is left only grows fewer
		return nil
	}
	return rows
}

// carriedBytes says whether a job can carry what the row sets, and how many bytes it has there, at most.
func carriedBytes(r plan.Row) (bytes int, carried bool) {
	bytes = idBytes + valueBytes
	if len(r.Images) > 0 {
		return 0, false
	}
	for _, f := range r.Fields {
		text := f.After.Text()
		if f.After.IsText() && (text == "" || text == nullCell || !utf8.ValidString(text) || utf8.RuneCountInString(text) > jobValue) {
			return 0, false
		}
		bytes += 2*len(text) + len(nullCell) + 4
	}
	return bytes, bytes <= jobRecord
}

// jobRecord is how many bytes a row has at most that goes in a job: no more than the 400,000 characters that a record may have.
const jobRecord = 400_000

// noJob takes it in when the org has refused to make a job for updates of the step, which calls then do.
func (a *application) noJob(step int, err error) bool {
	if a.ledger.last().job != "" || !answeredFor(err) {
		return false
	}
	for attempts := range Attempts {
		a.byCall[birthplace{step, -1 - attempts}] = true
	}
	return true
}
