package metadata

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// The states of a deployment and of a retrieve. Source: metadata WSDL, DeployStatus, RetrieveStatus.
const (
	Pending    = "Pending"
	InProgress = "InProgress"
	Canceling  = "Canceling"
	Canceled   = "Canceled"
	Succeeded  = "Succeeded"
	Failed     = "Failed"
)

const (
	// keptJobs is how many deployments, and how many retrieves, can be asked about; the oldest are
	// forgotten first. It bounds memory; the platform goes by age alone.
	keptJobs = 500
	// keptFor is how long a deployment can be asked about. Source: Metadata API Developer Guide,
	// deploy (30 days).
	keptFor = 30 * 24 * time.Hour
	// zipKeptFor is how long the result of a retrieve is kept; unverified.
	zipKeptFor = 24 * time.Hour
	// validFor is how long a validation can be deployed without another. Source: Metadata API
	// Developer Guide, deployRecentValidation (10 days).
	validFor = 10 * 24 * time.Hour
)

// Deployment is one deploy as its status calls show it.
type Deployment struct {
	ID         string
	Caller     org.Caller
	Options    Options
	Status     string // one of DeployStatus
	Done       bool
	Result     *Result // nil until it is done
	ZipSize    int     // bytes
	Created    time.Time
	Started    time.Time // zero until it began
	Modified   time.Time
	Completed  time.Time // zero until it is done
	CanceledBy sf.ID

	raw       []byte // until it is done, and of a validation that can still be deployed
	cancelled *atomic.Bool
	spent     bool // a validation that a later deployment has overtaken
}

// jobs are the asynchronous calls of one org. Deployments run one after the other, in the order in
// which they came; retrieves beside them.
type jobs struct {
	mu        sync.Mutex
	changed   *sync.Cond // of held and closed
	serial    int
	deploys   []*Deployment // oldest first
	retrieves []*Retrieval  // oldest first
	queue     []*Deployment
	running   bool
	held      map[string]int
	closed    bool
	work      sync.WaitGroup
}

// lock enters the jobs. Those of a store that was copied begin here.
func (j *jobs) lock() {
	j.mu.Lock()
	if j.changed == nil {
		j.changed, j.held = sync.NewCond(&j.mu), map[string]int{}
	}
}

// Hold keeps deployments and retrieves in a state, Pending or InProgress, until the function that it
// returns is called: how a busy platform looks. Close ends all holds.
func (s *Store) Hold(status string) (release func()) { return s.jobs.hold(status) }

// HoldDeploys is Hold for deployments alone: retrieves go on beside them and see what was there before. That a
// retrieve does not wait for a deployment is documented of the queue (Metadata API Developer Guide, deploy: "deployments
// ... are queued"); how one that runs shows in a retrieve is unverified.
func (s *Store) HoldDeploys(status string) (release func()) { return s.jobs.hold(deploys + status) }

// deploys marks what is held of deployments alone.
const deploys = "deploys "

func (j *jobs) hold(what string) (release func()) {
	j.lock()
	defer j.mu.Unlock()
	j.held[what]++
	return sync.OnceFunc(func() {
		j.lock()
		defer j.mu.Unlock()
		j.held[what]--
		j.changed.Broadcast()
	})
}

// Close lets what runs come to its end and refuses what waits. It may be called twice.
func (s *Store) Close() {
	j := &s.jobs
	j.lock()
	j.closed, j.queue = true, nil
	j.changed.Broadcast()
	j.mu.Unlock()
	j.work.Wait()
}

// wait returns when none of these holds stands, or the job is cancelled. The caller holds mu.
func (j *jobs) wait(cancelled func() bool, holds ...string) {
	standing := func(what string) bool { return j.held[what] > 0 }
	for slices.ContainsFunc(holds, standing) && !j.closed && !cancelled() {
		j.changed.Wait()
	}
}

// StartDeploy puts a deployment into the queue and returns its Id.
func (s *Store) StartDeploy(caller org.Caller, raw []byte, opts Options) string {
	j := &s.jobs
	j.lock()
	defer j.mu.Unlock()
	return s.enqueue(caller, raw, opts)
}

// enqueue is StartDeploy for a caller that holds jobs.mu.
func (s *Store) enqueue(caller org.Caller, raw []byte, opts Options) string {
	j, now := &s.jobs, s.org.Clock().Now()
	j.serial++
	d := &Deployment{
		ID: s.id("0Af", j.serial), Caller: caller, Options: opts, Status: Pending, ZipSize: len(raw), Created: now, Modified: now,
		raw: raw, cancelled: new(atomic.Bool),
	}
	if j.deploys = append(j.deploys, d); len(j.deploys) > keptJobs {
		if i := slices.IndexFunc(j.deploys, func(d *Deployment) bool { return d.Done }); i >= 0 {
			j.deploys = slices.Delete(j.deploys, i, i+1)
		}
	}
	j.queue = append(j.queue, d)
	if !j.running && !j.closed {
		j.running = true
		j.work.Go(s.runQueue)
	}
	return d.ID
}

// runQueue runs deployments until none waits.
func (s *Store) runQueue() {
	j := &s.jobs
	j.lock()
	defer j.mu.Unlock()
	for {
		j.wait(func() bool { return len(j.queue) == 0 }, Pending, deploys+Pending)
		if len(j.queue) == 0 {
			j.running = false
			return
		}
		d := j.queue[0]
		j.queue = j.queue[1:]
		d.Status, d.Started = InProgress, s.org.Clock().Now()
		d.Modified = d.Started
		j.wait(d.cancelled.Load, InProgress, deploys+InProgress)
		raw := d.raw
		j.mu.Unlock()
		result := s.deploy(d.Caller, raw, d.Options, d.cancelled)
		j.lock()
		s.complete(d, result)
	}
}

// complete notes the outcome of a deployment. The caller holds jobs.mu.
func (s *Store) complete(d *Deployment, result *Result) {
	d.Result, d.Status, d.Done = result, result.Status, true
	d.Completed = s.org.Clock().Now()
	d.Modified = d.Completed
	if !d.Options.CheckOnly || !result.Success || !result.Tests.Enabled {
		d.raw = nil
	}
	if d.Options.CheckOnly || result.Status == Failed || result.Status == Canceled {
		return
	}
	// Source: Metadata API Developer Guide, deployRecentValidation: a deployment makes all earlier
	// validations useless.
	for _, other := range s.jobs.deploys {
		if other != d && other.Options.CheckOnly {
			other.spent, other.raw = true, nil
		}
	}
}

// deployment returns the deployment of an Id, 15 or 18 characters. The caller holds jobs.mu.
func (s *Store) deployment(id string) *Deployment {
	full, err := sf.ParseID(id)
	if err != nil {
		return nil
	}
	from := s.org.Clock().Now().Add(-keptFor)
	for _, d := range s.jobs.deploys {
		if d.ID == string(full) && !(d.Done && d.Completed.Before(from)) {
			return d
		}
	}
	return nil
}

// Deployment returns how a deployment stands.
func (s *Store) Deployment(id string) (Deployment, bool) {
	s.jobs.lock()
	defer s.jobs.mu.Unlock()
	d := s.deployment(id)
	if d == nil {
		return Deployment{}, false
	}
	return *d, true
}

// Cancel cancels a deployment that is not done: at once when it waits, else as soon as it can be, with
// the state Canceling until then. It reports whether it is cancelled already.
func (s *Store) Cancel(caller org.Caller, id string) (done bool, err *org.Error) {
	j := &s.jobs
	j.lock()
	defer j.mu.Unlock()
	d := s.deployment(id)
	switch {
	case d == nil:
		return false, noSuchJob()
	case d.Done: // wording unverified
		return false, &org.Error{Code: "INVALID_ID_FIELD", Message: "Deployment already completed: " + d.ID}
	}
	d.CanceledBy, d.Modified = caller.User, s.org.Clock().Now()
	d.cancelled.Store(true)
	if i := slices.Index(j.queue, d); i >= 0 {
		j.queue = slices.Delete(j.queue, i, i+1)
		s.complete(d, &Result{Status: Canceled, CheckOnly: d.Options.CheckOnly})
	} else {
		d.Status = Canceling
	}
	j.changed.Broadcast()
	return d.Done, nil
}

func noSuchJob() *org.Error {
	return &org.Error{Code: "INVALID_CROSS_REFERENCE_KEY", Message: "invalid cross reference id"}
}

// DeployValidated deploys what a recent validation has checked, without its tests, and returns the
// Id of the new deployment. Source: Metadata API Developer Guide, deployRecentValidation; the
// wordings are unverified.
func (s *Store) DeployValidated(caller org.Caller, id string) (string, *org.Error) {
	j := &s.jobs
	j.lock()
	defer j.mu.Unlock()
	d := s.deployment(id)
	now := s.org.Clock().Now()
	refuse := func(message string) (string, *org.Error) {
		return "", &org.Error{Code: "INVALID_ID_FIELD", Message: message}
	}
	switch {
	case d == nil:
		return "", noSuchJob()
	case !d.Options.CheckOnly || !d.Done || !d.Result.Success:
		return refuse("The Id is not of a successful validation: " + d.ID)
	case !d.Result.Tests.Enabled:
		return refuse("The validation ran no tests: " + d.ID)
	case d.spent || d.Completed.Add(validFor).Before(now):
		return refuse("The validation no longer qualifies for a quick deployment: " + d.ID)
	}
	opts := d.Options
	opts.CheckOnly, opts.TestLevel, opts.RunTests = false, "NoTestRun", nil
	return s.enqueue(caller, d.raw, opts), nil
}
