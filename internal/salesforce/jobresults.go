package salesforce

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// CodeUnprocessed is the code of a row that the org did not come to before its job ended.
const CodeUnprocessed = "UNPROCESSED"

// resultFile is one of the three files that hold a job's results.
type resultFile struct {
	resource string
	success  bool
	extra    []string // columns before those of the job
}

var resultFiles = []resultFile{
	{resource: "successfulResults", success: true, extra: []string{"sf__Id", "sf__Created"}},
	{resource: "failedResults", extra: []string{"sf__Id", "sf__Error"}},
	{resource: "unprocessedrecords"},
}

// JobResults returns the result of each row of a job that has ended, in the order of the org,
// which is not that of the rows. Echo is each row as it was sent, aligned with fields: a null comes
// back as "#N/A", an absent value as the empty text. Rows that the org did not come to have the code
// CodeUnprocessed. The counts are checked against those of the job, which was sent so many rows: a file is not asked for
// when the counts leave no row for it. A job that was aborted before its upload has no results.
func (o *Org) JobResults(ctx context.Context, id string, fields []string, sent int) iter.Seq2[sf.JobResult, error] {
	return func(yield func(sf.JobResult, error) bool) {
		stopped := false
		err := o.jobResults(ctx, id, fields, int64(sent), func(r sf.JobResult) bool {
			stopped = !yield(r, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(sf.JobResult{}, err)
		}
	}
}

func (o *Org) jobResults(ctx context.Context, id string, fields []string, sent int64, fn func(sf.JobResult) bool) error {
	what := "results of bulk job " + id
	path, err := jobPath(o, id)
	if err != nil {
		return err
	}
	j, err := o.endedJob(ctx, what, id, path)
	if err != nil {
		return err
	}
	switch sf.JobState(j.State) {
	case sf.JobComplete, sf.JobFailed, sf.JobAborted:
	default:
		return problem.New(problem.Usage, fmt.Sprintf("%s: the job is %s, it has no results yet", what, oneLine(j.State)))
	}
	var processed int64
	for _, file := range resultFiles {
		switch {
		case file.resource == "failedResults" && j.Failed != nil && *j.Failed == 0,
			file.resource == "unprocessedrecords" && j.Failed != nil && j.Processed != nil && processed == sent:
			continue
		}
		r := &resultReader{file: file, fields: fields, jobError: j.Error, clean: o.clean, aborted: sf.JobState(j.State) == sf.JobAborted, fn: fn}
		p := &csvPage{call: call{what: what + ": " + file.resource, path: path + "/" + file.resource}, header: r.header, row: r.row}
		rows, err := o.fetch(ctx, p)
		switch {
		case errors.Is(err, errStopped):
			return nil
		case err != nil:
			return err
		}
		if len(file.extra) > 0 {
			processed += rows
		}
		if file.resource == "failedResults" && j.Failed != nil && rows != *j.Failed {
			return fmt.Errorf("%s: %w: the org counts %d failed rows and sent %d", what, errDamaged, *j.Failed, rows)
		}
	}
	if j.Processed != nil && *j.Processed != processed {
		return fmt.Errorf("%s: %w: the org counts %d processed rows and sent %d", what, errDamaged, *j.Processed, processed)
	}
	return nil
}

// endedJob is a job that JobState has seen last, and to have ended.
type endedJob struct {
	id string
	job
}

// endedJob returns the job as JobState has seen it, or asks for it.
func (o *Org) endedJob(ctx context.Context, what, id, path string) (job, error) {
	o.mu.Lock()
	known := o.ended
	o.ended = endedJob{}
	o.mu.Unlock()
	if known.id == id {
		return known.job, nil
	}
	return o.job(ctx, what, path)
}

// resultReader turns the rows of one file into results. Columns are found by their names, in any
// order.
type resultReader struct {
	file     resultFile
	fields   []string
	jobError string
	clean    func(*sf.Outcome)
	aborted  bool
	fn       func(sf.JobResult) bool

	bare  bool  // the file has no columns of the job, as nothing was uploaded: it must have no rows
	echo  []int // column of each field
	extra []int // column of each of file.extra
}

func (r *resultReader) header(names []string) error {
	r.bare = r.aborted && !slices.ContainsFunc(r.fields, func(f string) bool { return slices.Contains(names, f) })
	if r.bare {
		return nil
	}
	at := make(map[string]int, len(names))
	for i, name := range names {
		at[name] = i
	}
	find := func(wanted []string) ([]int, error) {
		columns := make([]int, len(wanted))
		for i, name := range wanted {
			column, ok := at[name]
			if !ok {
				return nil, damaged("no column %s among %.200q", name, names)
			}
			columns[i] = column
		}
		return columns, nil
	}
	var err error
	if r.extra, err = find(r.file.extra); err != nil {
		return err
	}
	r.echo, err = find(r.fields)
	return err
}

func (r *resultReader) row(fields [][]byte) error {
	if r.bare {
		return damaged("a row of %d columns, none of them of the job", len(fields))
	}
	result := sf.JobResult{Echo: make([]string, len(r.echo))}
	for i, column := range r.echo {
		result.Echo[i] = string(fields[column])
	}
	out := &result.Outcome
	switch {
	case len(r.extra) == 0:
		out.Code = CodeUnprocessed
		out.Message = firstOf(r.jobError, "the job ended before this row")
	case r.file.success:
		id, err := sf.ParseID(string(fields[r.extra[0]]))
		if err != nil {
			return fmt.Errorf("sf__Id: %w", err)
		}
		out.ID, out.Success = id, true
	default:
		out.Code, out.Message, out.Fields = splitBulkError(string(fields[r.extra[1]]))
	}
	if !out.Success {
		r.clean(out)
	}
	if !r.fn(result) {
		return errStopped
	}
	return nil
}
