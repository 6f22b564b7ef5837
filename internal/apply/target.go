package apply

import (
	"context"
	"iter"
	"time"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Target is an org that a plan is applied to. Each method may be tried again by the implementation
// as long as that cannot do a thing twice; an error of Undelete, Update, Delete or SendRows says
// nothing about whether the org did it.
type Target interface {
	// Identity says which org this is.
	Identity(ctx context.Context) (sf.Identity, error)
	// Schema describes the org as it is now.
	Schema(ctx context.Context) (*sf.Schema, error)
	// SchemaOf is Schema, but of the objects that known describes only those named are described again.
	SchemaOf(ctx context.Context, objects []string, known *sf.Schema) (*sf.Schema, error)
	// ServerTime is the org's clock.
	ServerTime(ctx context.Context) (time.Time, error)
	// Records reads records, in no particular order.
	Records(ctx context.Context, x sf.Extract) iter.Seq2[sf.Record, error]

	// Undelete brings records back from the Recycle Bin. Outcomes are in the order of the ids. The
	// caller gives at most 200, as it does for Update and Delete.
	Undelete(ctx context.Context, ids []sf.ID) ([]sf.Outcome, error)
	// Update sets the fields on each row on its own: one that is refused does not hold up the others.
	Update(ctx context.Context, object string, fields []string, rows []sf.Write) ([]sf.Outcome, error)
	// Delete moves records to the Recycle Bin, each on its own.
	Delete(ctx context.Context, ids []sf.ID) ([]sf.Outcome, error)

	// StartInsert creates a Bulk API 2.0 job that will insert rows with these fields.
	StartInsert(ctx context.Context, object string, fields []string) (job string, err error)
	// StartHardDelete creates one that will delete records for good, by the field Id; Unauthorized when the user may not.
	StartHardDelete(ctx context.Context, object string) (job string, err error)
	// StartUpdate creates one that will set these fields on records; the first of them is Id, which says on which.
	StartUpdate(ctx context.Context, object string, fields []string) (job string, err error)
	// SendRows uploads the rows, once, and lets the job begin.
	SendRows(ctx context.Context, job string, fields []string, rows []sf.Write) error
	// JobState asks for the state of a job; NotFound when the org does not know it.
	JobState(ctx context.Context, job string) (sf.JobState, error)
	// JobResults yields what became of each row of a job that has ended, in no particular order. It has so many rows.
	JobResults(ctx context.Context, job string, fields []string, rows int) iter.Seq2[sf.JobResult, error]
	// AbortJob ends a job that has not been uploaded.
	AbortJob(ctx context.Context, job string) error
}

// Bounds of what is sent at once.
const (
	// CallRows is the most records in one call of Collections or SOAP.
	// Source: REST API Developer Guide, sObject Collections; SOAP API Developer Guide, undelete.
	CallRows = 200
	// JobRows is the most rows in one job: one internal batch of Bulk API 2.0, so that a job
	// is the unit in which the org works as well. Source: Bulk API 2.0 limits.
	JobRows = 10_000
	// JobBytes bounds the upload of one job; the org takes 100 MB before it encodes them.
	// Source: Bulk API 2.0 Developer Guide, "Prepare CSV Files".
	JobBytes = 50 << 20
)

// Attempts is how often a row is sent that the org refuses for a passing reason, such as a lock.
const Attempts = 5

// callTries is how often a call is made in one run whose outcome stays unknown, before the run ends
// with the error and leaves the rest to the next one.
const callTries = 3

// Waits between attempts and between two looks at a job; they double up to pollMost.
const (
	pollFirst = 50 * time.Millisecond
	pollMost  = 10 * time.Second
	polls     = 20_000 // more than two days at pollMost; jobs that run longer have failed
	lockWait  = 500 * time.Millisecond
)

// Options tune a run; the zero value is right for an org.
type Options struct {
	CallRows int // records in a call, 0 means CallRows, the most that is allowed
	JobRows  int // rows in a job, 0 means JobRows, the most that is allowed
	Jobs     int // insert jobs at one time at most, 0 means as many as the org takes well

	// Deployer switches automation; nil: a plan that switches any off is refused. Production says that
	// the org is no sandbox and no developer org, where a change of Apex has to run its tests.
	Deployer   Deployer
	Production bool

	// Known is the schema that the plan was made on; nil: the whole org is described again. With it only the objects of the plan
	// are, where that is all that the application depends on.
	Known *sf.Schema

	// Successor returns the Id under which a record was made again, or the Id itself: a row that would make it once more is stale.
	// Nil: nobody knows.
	Successor func(sf.ID) sf.ID

	// Began is told before the first row of a run is sent, when the plan has records to make; its error ends the run. Nil: nobody is.
	Began func(ctx context.Context, b Beginning) error

	// Bodies holds the bytes of the files that the plan brings; nil: a plan with files is refused.
	Bodies *snapshot.Store

	// Calls says how many HTTP requests the connection has made; nil: each question to the Target is one. Now is
	// the clock by which it is told how long they took; nil is that of the machine.
	Calls func() int64
	Now   func() time.Time
	// Prior is what was spent for this application before Run; it counts as of it.
	Prior []Spent

	// Wait waits between two looks at a job and before a locked row is sent again; nil waits by the
	// clock. It returns the context's error when that ends first.
	Wait func(ctx context.Context, d time.Duration) error
	// Progress, when not nil, is told after each batch.
	Progress func(Progress)
}

// Beginning says which run of which application begins.
type Beginning struct {
	Plan    plan.Approved
	At      string // server time at which the application began, as in its journal
	Batches int    // that earlier runs have begun
}

// Progress is how far a run is.
type Progress struct {
	Step, Steps int // the step at work, from 1, and how many there are
	Op          string
	Object      string
	Rows, Of    int // rows of the plan that are settled, and in all
	Failed      int // of Rows, those that the org refused
}

func (o Options) callRows() int { return bounded(o.CallRows, CallRows) }
func (o Options) jobRows() int  { return bounded(o.JobRows, JobRows) }
func (o Options) jobs() int     { return bounded(o.Jobs, jobsMost) }

func bounded(n, most int) int {
	if n <= 0 || n > most {
		return most
	}
	return n
}

func (o Options) wait(ctx context.Context, d time.Duration) error {
	if o.Wait != nil {
		return o.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
