package apply

import (
	"math"
	"slices"
	"time"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// Range is a forecast: what is likely, and between what it will probably be.
type Range struct{ Low, Likely, High int64 }

func (r Range) plus(o Range) Range { return Range{r.Low + o.Low, r.Likely + o.Likely, r.High + o.High} }

// KindForecast says what calls of one kind will probably take.
type KindForecast struct {
	Kind     string
	Rows     int64
	Calls    Range
	Bytes    Range // of the values of rows and records, as text
	Millis   Range
	Measured bool // by earlier applications to the same org; otherwise the times rest on stated defaults
}

// Forecast says what applying a plan will probably take. The model is that of docs/design/forecast.md.
type Forecast struct {
	Kinds    []KindForecast
	Calls    Range
	Bytes    Range
	Millis   Range
	Measured int // earlier applications to the same org whose figures went in
}

// Basis is what a forecast rests on beside its plan.
type Basis struct {
	Schema       *sf.Schema // of the org as the plan was made on it
	ObserveCalls int64      // that observing the org took before the plan was made

	// Held says how many bytes of text these fields have in the org, by record, as far as the records were seen. The Ids ascend.
	Held func(object string, ids []sf.ID, fields []string) map[sf.ID]int64

	Spent        []Spent // by earlier applications to the same org
	Applications int     // how many they were
}

// pace is how fast an org answers calls of one kind.
type pace struct{ call, row, job time.Duration }

// paces are what is reckoned with before anything was measured. How fast an org answers is not documented, and depends
// on its automation: these are unverified.
var paces = map[string]pace{
	KindDescribe: {call: 400 * time.Millisecond},
	KindClock:    {call: 400 * time.Millisecond},
	KindQuery:    {call: 400 * time.Millisecond},
	KindWrite:    {call: 400 * time.Millisecond, row: 5 * time.Millisecond},
	KindUndelete: {call: 400 * time.Millisecond, row: 5 * time.Millisecond},
	KindBulk:     {call: 400 * time.Millisecond, row: 2 * time.Millisecond, job: 3 * time.Second},
	KindFile:     {call: 400 * time.Millisecond},
	KindMetadata: {call: 2 * time.Second},
	KindBypass:   {call: 400 * time.Millisecond},
	KindObserve:  {call: 400 * time.Millisecond},
}

// Shares of what is likely that a range reaches, down and up: of times by defaults and of times that were measured,
// and of calls and bytes.
const (
	lowDefault, highDefault   = 0.25, 4.0
	lowMeasured, highMeasured = 0.7, 1.5
	lowCount, highCount       = 0.8, 1.3
)

// What the platform and the client put into a call. Sources: REST API Developer Guide, "sObject Collections" and
// "Batch"; the rest is how the client asks, see docs/design/forecast.md.
const (
	describesPerCall = 25
	jobCallsFixed    = 4 // to create, upload and begin a job, and for its results
	// jobsReckoned is how many jobs an org is reckoned to work at together. It is not documented.
	jobsReckoned = 5
)

// Estimate forecasts what Run takes for the plan, and observing the org again. It is a function of its arguments
// alone.
func Estimate(p *plan.Plan, basis Basis) Forecast {
	e := &estimate{plan: p, basis: basis, spent: map[string]*Spent{}, comes: map[sf.ID]plan.Row{}}
	for _, s := range p.Steps {
		for _, r := range s.Rows {
			if s.Op == plan.Insert {
				e.comes[r.ID] = r
			}
		}
	}
	e.scale = map[string]float64{}
	for _, s := range basis.Spent {
		if took := e.time(s, 1); took > 0 && s.Time > 0 {
			e.scale[s.Kind] = float64(s.Time) / float64(took)
		}
	}
	e.count()
	f := Forecast{Measured: basis.Applications}
	for _, k := range kinds {
		s := e.spent[k]
		if s == nil || s.Calls == 0 {
			continue
		}
		factor, measured := e.factor(k)
		row := KindForecast{Kind: k, Rows: s.Rows, Measured: measured}
		row.Calls, row.Bytes = around(s.Calls, lowCount, highCount), around(s.Bytes, lowCount, highCount)
		low, high := lowDefault, highDefault
		if measured {
			low, high = lowMeasured, highMeasured
		}
		row.Millis = around(e.time(*s, factor).Milliseconds(), low, high)
		f.Kinds = append(f.Kinds, row)
		f.Calls, f.Bytes, f.Millis = f.Calls.plus(row.Calls), f.Bytes.plus(row.Bytes), f.Millis.plus(row.Millis)
	}
	return f
}

func around(n int64, low, high float64) Range {
	return Range{Low: int64(math.Floor(float64(n) * low)), Likely: n, High: int64(math.Ceil(float64(n) * high))}
}

// estimate is one forecast in the making.
type estimate struct {
	plan  *plan.Plan
	basis Basis
	scale map[string]float64 // measured time for what the defaults say, by kind
	spent map[string]*Spent
	comes map[sf.ID]plan.Row // rows that are inserted
}

func (e *estimate) of(kind string) *Spent {
	if e.spent[kind] == nil {
		e.spent[kind] = &Spent{Kind: kind}
	}
	return e.spent[kind]
}

// factor is by how much the org is slower than the defaults say. What was not measured of one kind is taken to be
// as slow as calls are in general.
func (e *estimate) factor(kind string) (factor float64, measured bool) {
	if f, found := e.scale[kind]; found {
		return f, true
	}
	if f, found := e.scale[KindQuery]; found && kind != KindMetadata {
		return f, false
	}
	return 1, false
}

// time is how long calls of a kind take, with the defaults times the factor.
func (e *estimate) time(s Spent, factor float64) time.Duration {
	p := paces[s.Kind]
	per := func(d time.Duration) time.Duration { return time.Duration(float64(d) * factor) }
	if s.Kind != KindBulk {
		return time.Duration(s.Calls)*per(p.call) + time.Duration(s.Rows)*per(p.row)
	}
	if s.Jobs == 0 {
		return time.Duration(s.Calls) * per(p.call)
	}
	_, waited := polled(per(p.job)+time.Duration(s.Rows/s.Jobs)*per(p.row), per(p.call))
	return time.Duration(waits(s.Rows, s.Jobs))*waited + time.Duration(s.Jobs*jobCallsFixed)*per(p.call)
}

// waits is how often the end of a job is waited for: jobs that are full are under way with others, and those that are not are
// the last of their step, which the next one waits for.
func waits(rows, jobs int64) int64 {
	full := min(rows/JobRows, jobs)
	return jobs - full + (full+jobsReckoned-1)/jobsReckoned
}

// polled says how often a job that takes so long is asked for, and when its end is seen.
func polled(takes, call time.Duration) (calls int64, waited time.Duration) {
	for delay := pollFirst; ; delay = min(2*delay, pollMost) {
		calls++
		if waited += call; waited >= takes || calls == polls {
			return calls, waited
		}
		waited += delay
	}
}

// count goes through what Run does.
func (e *estimate) count() {
	e.of(KindClock).Calls = 2
	describes := int64(1)
	if e.basis.Schema != nil {
		queryable := 0
		for _, o := range e.basis.Schema.Objects {
			if o.Queryable {
				queryable++
			}
		}
		describes += ceil(queryable, describesPerCall)
	}
	if e.of(KindDescribe).Calls = describes; e.basis.Schema != nil && !dependsOnAll(e.plan) {
		e.of(KindDescribe).Calls = 1 + ceil(len(objectsOf(e.plan)), describesPerCall)
	}
	if e.basis.ObserveCalls > 0 {
		e.of(KindObserve).Calls = e.basis.ObserveCalls
	}
	e.switches(describes)
	looks := e.first()
	undeletes := slices.ContainsFunc(e.plan.Steps, func(s plan.Step) bool { return s.Op == plan.Undelete })
	again := looks > 1 || len(e.plan.SwitchedOff()) > 0
	for _, s := range e.plan.Steps {
		switch s.Op {
		case plan.Insert:
			if body := BodyField(e.object(s.Object)); body != nil {
				e.files(s, body)
			} else {
				e.insert(s, undeletes)
			}
		case plan.Undelete:
			e.undelete(s)
		case plan.Second:
			e.second(s)
		default:
			if known := withBefore(s); (again || len(s.Rows) > freshRows) && len(known) > 0 {
				e.look(s, known, aheadRows, false)
			}
			if s.Op == plan.HardDelete {
				e.job(int64(len(s.Rows)), ceil(len(s.Rows), aheadRows))
				e.of(KindBulk).Bytes += int64(len(s.Rows)) * (3*idBytes + 2*valueBytes)
			} else {
				e.write(e.replace(e.pictures(s)))
			}
		}
	}
}

func ceil(n, per int) int64 { return int64((n + per - 1) / per) }

// withBefore are the rows that can be compared with what the plan found.
func withBefore(s plan.Step) []plan.Row {
	if s.Op.Deletes() {
		return s.Rows
	}
	var out []plan.Row
	for _, r := range s.Rows {
		if slices.ContainsFunc(r.Fields, func(f state.FieldChange) bool { return !f.Before.IsAbsent() }) {
			out = append(out, r)
		}
	}
	return out
}

func (e *estimate) object(name string) *sf.Object {
	if e.basis.Schema == nil {
		return nil
	}
	return e.basis.Schema.Object(name)
}

func (e *estimate) insert(s plan.Step, undeletes bool) {
	jobs, inJob, jobBytes, sent, echoed := int64(0), 0, 0, int64(0), int64(0)
	rows := 0
	var companions []plan.Row
	for _, r := range s.Rows {
		if r.With != "" {
			companions = append(companions, r)
			continue
		}
		size := 0
		for _, f := range r.Fields {
			if !f.After.IsAbsent() {
				size += 2*len(f.After.Text()) + 8
				sent += int64(len(f.After.Text())) + valueBytes
			}
			if echoed += int64(len(f.After.Text())); f.After.IsNull() {
				echoed += int64(len(nullCell))
			}
		}
		echoed += idBytes + int64(len(s.Fields))*valueBytes
		if inJob == 0 || inJob == JobRows || jobBytes+size > JobBytes {
			jobs, inJob, jobBytes = jobs+1, 0, 0
		}
		inJob, jobBytes, rows = inJob+1, jobBytes+size, rows+1
	}
	if rows > 0 {
		b := e.of(KindBulk)
		b.Bytes += sent + int64(rows)*idBytes + echoed
		e.job(int64(rows), jobs)
	}
	if undeletes && rows > 0 {
		for left := rows; left > 0; left -= freshRows {
			e.of(KindQuery).Calls += queries(min(left, freshRows), 40*len(s.Fields))
		}
		e.of(KindQuery).Rows += int64(rows)
	}
	if len(companions) > 0 {
		e.of(KindQuery).Calls += ceil(len(companions), queryIDs/2)
		e.of(KindQuery).Rows += int64(len(companions))
		e.of(KindQuery).Bytes += int64(len(companions)) * (2*idBytes + int64(len("false")) + 2*valueBytes)
	}
}

// files counts records that are made one by one, with their files.
func (e *estimate) files(s plan.Step, field *sf.Field) {
	f := e.of(KindFile)
	for _, r := range s.Rows {
		f.Calls, f.Rows, f.Bytes = f.Calls+1, f.Rows+1, f.Bytes+idBytes
		for _, c := range withoutField(r.Fields, field.Name) {
			if !c.After.IsAbsent() {
				f.Bytes += int64(len(c.After.Text())) + valueBytes
			}
		}
		if body, has, err := bodyOf(r.Fields, field); has && err == nil {
			f.Bytes += body.Size
		}
	}
}

// pictures counts the records that are written one by one, with the images that their texts show, and returns the step without
// their rows.
func (e *estimate) pictures(s plan.Step) plan.Step {
	f := e.of(KindFile)
	var rest, pictured []plan.Row
	for _, r := range s.Rows {
		if len(r.Images) == 0 {
			rest = append(rest, r)
			continue
		}
		pictured = append(pictured, r)
		for _, i := range r.Images {
			if b, err := snapshot.ParseBody(i.Body); err == nil {
				f.Bytes += 4 * ((b.Size + 2) / 3)
			}
		}
	}
	f.Calls, f.Rows, f.Bytes = f.Calls+int64(len(pictured)), f.Rows+int64(len(pictured)), f.Bytes+writtenBytes(pictured)
	s.Rows = rest
	return s
}

// replace counts the files that are read and then put in the place of others, and returns the step without their rows.
func (e *estimate) replace(s plan.Step) plan.Step {
	field := BodyField(e.object(s.Object))
	if field == nil || s.Op != plan.Update {
		return s
	}
	f := e.of(KindFile)
	var rest []plan.Row
	for _, r := range s.Rows {
		v := valueOf(r.Fields, field.Name)
		if !v.IsText() {
			rest = append(rest, r)
			continue
		}
		f.Calls, f.Rows, f.Bytes = f.Calls+2, f.Rows+1, f.Bytes+idBytes
		for _, c := range r.Fields {
			switch before, err := snapshot.ParseBody(c.Before.Text()); {
			case c.Field != field.Name:
				f.Bytes += int64(len(c.After.Text())) + valueBytes
			case err == nil:
				f.Bytes += before.Size
			}
		}
		if want, err := snapshot.ParseBody(v.Text()); err == nil {
			f.Bytes += want.Size
		}
	}
	s.Rows = rest
	return s
}

// job counts jobs of so many rows together.
func (e *estimate) job(rows, jobs int64) {
	p := paces[KindBulk]
	f, _ := e.factor(KindBulk)
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * f) }
	calls, _ := polled(scaled(p.job)+time.Duration(rows/jobs)*scaled(p.row), scaled(p.call))
	b := e.of(KindBulk)
	waited := waits(rows, jobs)
	b.Rows, b.Jobs, b.Calls = b.Rows+rows, b.Jobs+jobs, b.Calls+waited*calls+jobs-waited+jobs*jobCallsFixed
}

func (e *estimate) undelete(s plan.Step) {
	sent, carried := s.Sent(), len(s.Rows)-s.Sent()
	u := e.of(KindUndelete)
	u.Calls, u.Rows, u.Bytes = u.Calls+ceil(sent, CallRows), u.Rows+int64(sent), u.Bytes+idBytes*int64(sent)
	if carried > 0 {
		q := e.of(KindQuery)
		q.Calls, q.Rows = q.Calls+ceil(carried, CallRows), q.Rows+int64(carried)
		q.Bytes += int64(carried) * (idBytes + int64(len("false")) + valueBytes)
	}
}

func (e *estimate) write(s plan.Step) {
	w := e.of(KindWrite)
	w.Calls, w.Rows = w.Calls+ceil(len(s.Rows), CallRows), w.Rows+int64(len(s.Rows))
	if s.Op.Deletes() {
		w.Bytes += idBytes * int64(len(s.Rows))
	} else {
		w.Bytes += writtenBytes(s.Rows)
	}
}

// writtenBytes is how many bytes rows have that are updated.
func writtenBytes(rows []plan.Row) int64 {
	n := int64(0)
	for _, r := range rows {
		n += idBytes
		for _, f := range r.Fields {
			if !f.After.IsAbsent() {
				n += int64(len(f.After.Text())) + valueBytes
			}
		}
	}
	return n
}
