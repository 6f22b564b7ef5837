package apply

import (
	"context"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// Kinds of calls, as a forecast and a report count them.
const (
	KindDescribe = "describe" // the schema
	KindClock    = "clock"    // the org's time
	KindQuery    = "query"    // records that are looked at before they are written
	KindWrite    = "write"    // updates and deletions, through sObject Collections
	KindUndelete = "undelete" // through SOAP
	KindBulk     = "bulk"     // insert jobs of Bulk API 2.0, and the wait for them
	KindFile     = "file"     // records that are made one by one, with their files
	KindMetadata = "metadata" // automation, switched off and put back
	KindBypass   = "bypass"   // the org's own bypass, looked at, set and put back
	KindObserve  = "observe"  // the org observed again at the end
)

// kinds is the order in which they are listed.
var kinds = []string{KindDescribe, KindClock, KindQuery, KindWrite, KindUndelete, KindBulk, KindFile, KindMetadata, KindBypass, KindObserve}

// Spent is what calls of one kind took.
type Spent struct {
	Kind  string
	Calls int64         // HTTP requests
	Rows  int64         // that they carried
	Jobs  int64         // of Bulk API 2.0
	Bytes int64         // of the values of rows and records, as text
	Time  time.Duration // until they were answered; of jobs, until their results were read
}

// meter counts what a Target is asked for. It is for one goroutine, as an application is.
type meter struct {
	Target
	calls func() int64 // of the connection; nil: one for each question, or for those at one time
	now   func() time.Time
	spent map[string]*Spent
	depth int
	outer string // the kind of the outermost span
}

func newMeter(target Target, opts Options) *meter {
	m := &meter{Target: target, calls: opts.Calls, now: opts.Now, spent: map[string]*Spent{}}
	if m.now == nil {
		m.now = time.Now
	}
	for _, s := range opts.Prior {
		m.spent[s.Kind] = &s
	}
	return m
}

func (m *meter) of(kind string) *Spent {
	if m.spent[kind] == nil {
		m.spent[kind] = &Spent{Kind: kind}
	}
	return m.spent[kind]
}

// during counts what happens until the returned function is called under the kind. Within another
// such span that one counts.
func (m *meter) during(kind string) (end func()) {
	if m.depth++; m.depth > 1 {
		return func() { m.depth-- }
	}
	m.outer = kind
	begun, before := m.now(), int64(0)
	if m.calls != nil {
		before = m.calls()
	}
	return func() {
		m.depth--
		s := m.of(kind)
		s.Time += m.now().Sub(begun)
		if m.calls != nil {
			s.Calls += m.calls() - before
		} else {
			s.Calls++
		}
	}
}

// carry counts rows and bytes under the kind, or that of the span around it.
func (m *meter) carry(kind string, rows, bytes int64) {
	if m.depth > 1 {
		kind = m.outer
	}
	s := m.of(kind)
	s.Rows, s.Bytes = s.Rows+rows, s.Bytes+bytes
}

func (m *meter) total() []Spent {
	var out []Spent
	for _, k := range kinds {
		if s := m.spent[k]; s != nil && (s.Calls > 0 || s.Rows > 0) {
			out = append(out, *s)
		}
	}
	return out
}

// Sizes of what is counted in bytes: the text of a value and what parts it from the next, and an Id.
const (
	idBytes    = 18
	valueBytes = 1
)

func writeBytes(rows []sf.Write) int64 {
	n := int64(0)
	for _, r := range rows {
		n += idBytes
		for _, v := range r.Values {
			if !v.IsAbsent() {
				n += int64(len(v.Text())) + valueBytes
			}
		}
	}
	return n
}

func (m *meter) Schema(ctx context.Context) (*sf.Schema, error) {
	defer m.during(KindDescribe)()
	return m.Target.Schema(ctx)
}

func (m *meter) SchemaOf(ctx context.Context, objects []string, known *sf.Schema) (*sf.Schema, error) {
	defer m.during(KindDescribe)()
	return m.Target.SchemaOf(ctx, objects, known)
}

func (m *meter) ServerTime(ctx context.Context) (time.Time, error) {
	defer m.during(KindClock)()
	return m.Target.ServerTime(ctx)
}

func (m *meter) Records(ctx context.Context, x sf.Extract) iter.Seq2[sf.Record, error] {
	return func(yield func(sf.Record, error) bool) {
		defer m.during(KindQuery)()
		m.carry(KindQuery, int64(len(x.IDs)), 0)
		for r, err := range m.Target.Records(ctx, x) {
			if err == nil {
				size := int64(idBytes)
				for _, f := range x.Fields {
					size += int64(len(r.Get(f).Text())) + valueBytes
				}
				m.carry(KindQuery, 0, size)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (m *meter) Undelete(ctx context.Context, ids []sf.ID) ([]sf.Outcome, error) {
	defer m.during(KindUndelete)()
	m.carry(KindUndelete, int64(len(ids)), idBytes*int64(len(ids)))
	return m.Target.Undelete(ctx, ids)
}

func (m *meter) Update(ctx context.Context, object string, fields []string, rows []sf.Write) ([]sf.Outcome, error) {
	defer m.during(KindWrite)()
	m.carry(KindWrite, int64(len(rows)), writeBytes(rows))
	return m.Target.Update(ctx, object, fields, rows)
}

func (m *meter) Delete(ctx context.Context, ids []sf.ID) ([]sf.Outcome, error) {
	defer m.during(KindWrite)()
	m.carry(KindWrite, int64(len(ids)), idBytes*int64(len(ids)))
	return m.Target.Delete(ctx, ids)
}

func (m *meter) StartInsert(ctx context.Context, object string, fields []string) (string, error) {
	defer m.during(KindBulk)()
	m.of(KindBulk).Jobs++
	return m.Target.StartInsert(ctx, object, fields)
}

func (m *meter) StartHardDelete(ctx context.Context, object string) (string, error) {
	defer m.during(KindBulk)()
	m.of(KindBulk).Jobs++
	return m.Target.StartHardDelete(ctx, object)
}

func (m *meter) StartUpdate(ctx context.Context, object string, fields []string) (string, error) {
	defer m.during(KindBulk)()
	m.of(KindBulk).Jobs++
	return m.Target.StartUpdate(ctx, object, fields)
}

func (m *meter) SendRows(ctx context.Context, job string, fields []string, rows []sf.Write) error {
	defer m.during(KindBulk)()
	m.carry(KindBulk, int64(len(rows)), writeBytes(rows))
	return m.Target.SendRows(ctx, job, fields, rows)
}

func (m *meter) JobState(ctx context.Context, job string) (sf.JobState, error) {
	defer m.during(KindBulk)()
	return m.Target.JobState(ctx, job)
}

func (m *meter) JobResults(ctx context.Context, job string, fields []string, rows int) iter.Seq2[sf.JobResult, error] {
	return func(yield func(sf.JobResult, error) bool) {
		defer m.during(KindBulk)()
		for r, err := range m.Target.JobResults(ctx, job, fields, rows) {
			if err == nil {
				size := int64(idBytes)
				for _, cell := range r.Echo {
					size += int64(len(cell)) + valueBytes
				}
				m.carry(KindBulk, 0, size)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (m *meter) AbortJob(ctx context.Context, job string) error {
	defer m.during(KindBulk)()
	return m.Target.AbortJob(ctx, job)
}

// addSpent adds up by kind, in the order of the kinds.
func addSpent(a, b []Spent) []Spent {
	var out []Spent
	for _, k := range kinds {
		sum := Spent{Kind: k}
		found := false
		for _, s := range slices.Concat(a, b) {
			if s.Kind == k {
				found = true
				sum.Calls, sum.Rows, sum.Jobs = sum.Calls+s.Calls, sum.Rows+s.Rows, sum.Jobs+s.Jobs
				sum.Bytes, sum.Time = sum.Bytes+s.Bytes, sum.Time+s.Time
			}
		}
		if found {
			out = append(out, sum)
		}
	}
	return out
}

// Spent writes into the journal what was spent beside the application itself, such as on observing the org again.
func (j *Journal) Spent(spent ...Spent) error {
	if len(spent) == 0 {
		return nil
	}
	return j.append(entry{T: entrySpent, Spent: spentEntries(spent)})
}

// entrySpend is Spent as an entry has it.
type entrySpend struct {
	Kind  string `json:"kind"`
	Calls int64  `json:"calls,omitempty"`
	Rows  int64  `json:"rows,omitempty"`
	Jobs  int64  `json:"jobs,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
	MS    int64  `json:"ms,omitempty"`
}

func spentEntries(spent []Spent) []entrySpend {
	out := make([]entrySpend, len(spent))
	for i, s := range spent {
		out[i] = entrySpend{s.Kind, s.Calls, s.Rows, s.Jobs, s.Bytes, s.Time.Milliseconds()}
	}
	return out
}

func (e entry) spent() []Spent {
	out := make([]Spent, len(e.Spent))
	for i, s := range e.Spent {
		out[i] = Spent{s.Kind, s.Calls, s.Rows, s.Jobs, s.Bytes, time.Duration(s.MS) * time.Millisecond}
	}
	return out
}

// measuredBytes is how long a journal is that is read for what it measured; one of a larger application takes
// longer to read than its figures are worth.
const measuredBytes = 64 << 20

// Measured adds up what applications to the org took that are written down in the journals at these paths, and says
// how many of them tell. A file that is missing, too long, or no whole journal tells nothing: this serves forecasts.
func Measured(org sf.ID, paths []string) (sum []Spent, applications int) {
	for _, path := range paths {
		if spent := measuredIn(org, path); len(spent) > 0 {
			sum = addSpent(sum, spent)
			applications++
		}
	}
	return sum, applications
}

func measuredIn(org sf.ID, path string) []Spent {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > measuredBytes {
		return nil
	}
	fr, err := newFrameReader(io.LimitReader(f, measuredBytes))
	if err != nil {
		return nil
	}
	var out []Spent
	ours := false
	for {
		body, err := fr.next()
		if err != nil {
			return out
		}
		// The other entries are long, and of no use here.
		if ours && !strings.HasPrefix(string(body[:min(len(body), 16)]), `{"t":"spent"`) {
			continue
		}
		e, err := decodeEntry(body)
		if err != nil {
			return out
		}
		switch {
		case e.T == entryBegin && e.Org != string(org):
			return nil
		case e.T == entryBegin:
			ours = true
		case e.T == entrySpent:
			out = addSpent(out, e.spent())
		}
	}
}
