package emulator

import (
	"maps"
	"net/http"
	"reflect"
	"sync"
	"time"

	"holdfast/internal/emulator/bulk"
)

// Request is a request that has arrived, as Intercept sees it.
type Request struct {
	N int64 // 1 for the first request to this server
	// Op says what is asked, with Ids and locators left out: "GET query", "GET query/*",
	// "GET sobjects/Account/describe", "PUT jobs/ingest/*/batches", "SOAP undelete",
	// "POST oauth2/token".
	Op     string
	Method string
	Path   string // double and trailing slashes removed
	Query  string // as sent
	Header http.Header
}

// Fault is what goes wrong with a request. The zero value is nothing. What comes before the request
// is handled: Delay, Before, ExpireToken, then Cut or Status. What comes after it has been handled
// and committed: After, DropReply, StripHeaders, Rewrite, CutAt, CutAfter.
type Fault struct {
	Delay       time.Duration // of the machine's time; ends early when the client goes away
	Before      func()
	ExpireToken bool // the session of the request ends first
	Cut         bool // the connection closes and nothing happens
	// Status, when not 0, is answered with Header and Body and nothing happens.
	Status int
	Header http.Header
	Body   string

	After     func() // called when the request is committed and before the client hears of it
	DropReply bool   // the connection closes without a byte of the reply
	// StripHeaders are headers that the client does not see; "Sforce-*" stands for all of that
	// beginning.
	StripHeaders []string
	// Rewrite changes the reply. It sees the body before compression.
	Rewrite func(status int, header http.Header, body []byte) (int, []byte)
	// CutAfter, when not 0, closes the connection after so many bytes of the body as sent.
	CutAfter int64
	// CutAt, when set, is told the size of the body, which is then not compressed, and says after how
	// many bytes the connection closes.
	CutAt func(size int64) int64

	end func() // called when the request has ended, however it did
}

// ended tells the fault that its request is over.
func (f *Fault) ended() {
	if f.end != nil {
		f.end()
	}
}

// whole reports a fault that needs the whole reply before any of it is sent.
func (f *Fault) whole() bool {
	return f.After != nil || f.DropReply || f.Rewrite != nil || f.CutAt != nil
}

// requests counts what arrives, and holds what tests want to go wrong.
type requests struct {
	mu        sync.Mutex
	total     int64
	byOp      map[string]int64
	intercept func(Request) Fault
	batch     func(bulk.Batch) error
	storm     *storm // what befalls requests that no test interferes with
}

func newRequests() *requests { return &requests{byOp: map[string]int64{}} }

// Intercept installs a function that is asked about every request and says what goes wrong with it;
// nil removes it. It may be called by several requests at the same time. What it, Before and After did for
// a request that the client has seen end, though it were by a cut, is visible after Intercept or Calls.
func (s *Server) Intercept(f func(Request) Fault) {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	s.requests.intercept = f
}

// InterceptBatch installs a function that is asked at each step of a Bulk job; an error makes the
// job fail with that message, and what is not yet processed stays so. It may wait. nil removes it.
func (s *Server) InterceptBatch(f func(bulk.Batch) error) {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	s.requests.batch = f
}

// Calls says how many requests arrived: in all, and by Request.Op.
func (s *Server) Calls() (total int64, byOp map[string]int64) {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	return s.requests.total, maps.Clone(s.requests.byOp)
}

// arrive counts a request and asks what goes wrong with it.
func (q *requests) arrive(r Request) Fault {
	q.mu.Lock()
	q.total++
	q.byOp[r.Op]++
	r.N = q.total
	intercept := q.intercept
	q.mu.Unlock()
	if intercept != nil {
		if f := intercept(r); !reflect.ValueOf(f).IsZero() {
			return f
		}
	}
	return q.storm.befall(r)
}

// settle ends a request. A cut connection carries nothing that orders memory, so that without it what hooks
// wrote would be read in a race by those who saw the cut.
func (q *requests) settle() {
	q.mu.Lock()
	defer q.mu.Unlock()
}

func (q *requests) batchRule(b bulk.Batch) error {
	q.mu.Lock()
	rule := q.batch
	q.mu.Unlock()
	if rule == nil {
		return nil
	}
	return rule(b)
}

// SetHardness changes what befalls requests, batches and records from now on. Counts begin anew, the
// log of faults goes on. An error says what is wrong with the value, and nothing has changed.
func (s *Server) SetHardness(h Hardness) error { return s.requests.storm.set(h) }

// Hardness returns what is set.
func (s *Server) Hardness() Hardness { return s.requests.storm.weather.Hardness() }

// Injected returns what the hardness did so far, oldest first. As the Script of another Hardness it
// happens again.
func (s *Server) Injected() []Injected {
	log, _ := s.requests.storm.weather.Log()
	return log
}
