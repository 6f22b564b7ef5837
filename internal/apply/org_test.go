package apply

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// smallOrg is an org in a map that obeys what the documents say of writes, loads and the Recycle
// Bin, and that can refuse rows, answer late and lose answers.
type smallOrg struct {
	schema *sf.Schema
	live   map[sf.ID]map[string]sf.Value
	bin    map[sf.ID]binned
	jobs   map[string]*smallJob
	seq    int

	// fault is asked before a call takes effect and again after it; an error is what the caller sees.
	fault func(call string, after bool) error
	// refuse gives the code with which a row is refused, or "".
	refuse func(op, object string, values map[string]sf.Value) string
	// tamper changes the results of a job before they are told.
	tamper func([]sf.JobResult) []sf.JobResult
	calls  map[string]int
}

type binned struct {
	values map[string]sf.Value
	with   sf.ID // the record with which it was deleted, and comes back
}

type smallJob struct {
	object  string
	deletes bool // for good
	updates bool
	fields  []string
	rows    []sf.Write
	state   sf.JobState
	results []sf.JobResult
}

const smallOrgID = sf.ID("00D000000000001EAA")

var smallKinds = map[string]string{"001": "Account", "003": "Contact", "a01": "Item__c"}

func smallSchema() *sf.Schema {
	text := func(name string) *sf.Field {
		return &sf.Field{Name: name, Type: sf.TypeString, Length: 255, Nillable: true, Createable: true, Updateable: true}
	}
	ref := func(name, to string) *sf.Field {
		f := text(name)
		f.Type, f.ReferenceTo = sf.TypeReference, []string{to}
		return f
	}
	deleted := func() *sf.Field { return &sf.Field{Name: "IsDeleted", Type: sf.TypeBoolean} }
	master := ref("Parent__c", "Account")
	master.Nillable, master.RelationshipOrder, master.CascadeDelete = false, 1, true
	number := &sf.Field{Name: "Size__c", Type: sf.TypeDouble, Nillable: true, Createable: true, Updateable: true}
	object := func(name, prefix string, fields ...*sf.Field) *sf.Object {
		return &sf.Object{
			Name: name, KeyPrefix: prefix, Queryable: true, Createable: true, Updateable: true,
			Deletable: true, Undeletable: true, Fields: append(fields, deleted()),
		}
	}
	return &sf.Schema{Objects: []*sf.Object{
		object("Account", "001", text("Name"), text("Phone"), ref("ParentId", "Account")),
		object("Contact", "003", text("LastName"), text("Email"), text("Phone"), ref("AccountId", "Account"), ref("ReportsToId", "Contact")),
		object("Item__c", "a01", text("Label__c"), number, master, ref("Second__c", "Account")),
	}}
}

func newSmallOrg() *smallOrg {
	return &smallOrg{
		schema: smallSchema(), live: map[sf.ID]map[string]sf.Value{}, bin: map[sf.ID]binned{},
		jobs: map[string]*smallJob{}, calls: map[string]int{},
	}
}

// testID returns the n-th Id of the object with that prefix.
func testID(prefix string, n int) sf.ID {
	id, err := sf.ParseID(fmt.Sprintf("%s0000000%05d", prefix, n))
	if err != nil {
		panic(err)
	}
	return id
}

func (o *smallOrg) enter(call string) error {
	o.calls[call]++
	if o.fault != nil {
		return o.fault(call, false)
	}
	return nil
}

func (o *smallOrg) leave(call string) error {
	if o.fault != nil {
		return o.fault(call, true)
	}
	return nil
}

func (o *smallOrg) Identity(context.Context) (sf.Identity, error) {
	return sf.Identity{OrgID: smallOrgID}, o.enter("identity")
}

func (o *smallOrg) Schema(context.Context) (*sf.Schema, error) { return o.schema, o.enter("schema") }

func (o *smallOrg) SchemaOf(context.Context, []string, *sf.Schema) (*sf.Schema, error) {
	return o.schema, o.enter("schema of some")
}

func (o *smallOrg) ServerTime(context.Context) (time.Time, error) {
	return time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), o.enter("time")
}

func (o *smallOrg) Records(_ context.Context, x sf.Extract) iter.Seq2[sf.Record, error] {
	return func(yield func(sf.Record, error) bool) {
		if err := o.enter("records"); err != nil {
			yield(sf.Record{}, err)
			return
		}
		shape := sf.NewShape(x.Object.Name, x.Fields)
		ids := x.IDs
		if x.Field != "" {
			ids = nil
			for id, values := range o.live {
				if smallKinds[id.KeyPrefix()] == x.Object.Name && slices.Contains(x.IDs, sf.ID(values[x.Field].Text())) {
					ids = append(ids, id)
				}
			}
		}
		for _, id := range ids {
			values, there := o.live[id]
			if b, inBin := o.bin[id]; !there && inBin && x.IncludeDeleted {
				values, there = maps.Clone(b.values), true
				values["IsDeleted"] = sf.Text("true")
			}
			if !there {
				continue
			}
			r := sf.Record{ID: id, Shape: shape, Values: make([]sf.Value, shape.Len())}
			for i, f := range shape.Fields() {
				if r.Values[i] = values[f]; r.Values[i].IsAbsent() {
					r.Values[i] = sf.Null()
				}
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := o.leave("records"); err != nil {
			yield(sf.Record{}, err)
		}
	}
}

// check says why the org refuses the values, or "".
func (o *smallOrg) check(op, object string, values map[string]sf.Value) string {
	if o.refuse != nil {
		if code := o.refuse(op, object, values); code != "" {
			return code
		}
	}
	for _, f := range o.schema.Object(object).Fields {
		v := values[f.Name]
		if f.Type == sf.TypeReference && v.IsText() && o.live[sf.ID(v.Text())] == nil {
			return "INVALID_CROSS_REFERENCE_KEY"
		}
		if !f.Nillable && f.Createable && !v.IsText() {
			return "REQUIRED_FIELD_MISSING"
		}
	}
	return ""
}

func refusal(id sf.ID, code string) sf.Outcome {
	return sf.Outcome{ID: id, Code: code, Message: "refused: " + code}
}

func (o *smallOrg) Update(_ context.Context, object string, fields []string, rows []sf.Write) ([]sf.Outcome, error) {
	if err := o.enter("update"); err != nil {
		return nil, err
	}
	var out []sf.Outcome
	for _, w := range rows {
		old, there := o.live[w.ID]
		if !there {
			out = append(out, refusal(w.ID, "ENTITY_IS_DELETED"))
			continue
		}
		values := maps.Clone(old)
		for i, f := range fields {
			if !w.Values[i].IsAbsent() {
				values[f] = w.Values[i]
			}
		}
		if code := o.check("update", object, values); code != "" {
			out = append(out, refusal(w.ID, code))
			continue
		}
		o.live[w.ID] = values
		out = append(out, sf.Outcome{ID: w.ID, Success: true})
	}
	return out, o.leave("update")
}

func (o *smallOrg) Delete(_ context.Context, ids []sf.ID) ([]sf.Outcome, error) {
	if err := o.enter("delete"); err != nil {
		return nil, err
	}
	var out []sf.Outcome
	for _, id := range ids {
		if o.live[id] == nil {
			out = append(out, refusal(id, "ENTITY_IS_DELETED"))
			continue
		}
		o.remove(id)
		out = append(out, sf.Outcome{ID: id, Success: true})
	}
	return out, o.leave("delete")
}

func (o *smallOrg) remove(id sf.ID) {
	o.bin[id] = binned{values: o.live[id]}
	delete(o.live, id)
	for child, values := range o.live {
		if values["Parent__c"].Text() == string(id) {
			o.bin[child] = binned{values: values, with: id}
			delete(o.live, child)
		}
	}
}

func (o *smallOrg) Undelete(_ context.Context, ids []sf.ID) ([]sf.Outcome, error) {
	if err := o.enter("undelete"); err != nil {
		return nil, err
	}
	var out []sf.Outcome
	for _, id := range ids {
		if _, inBin := o.bin[id]; !inBin {
			out = append(out, refusal(id, "UNDELETE_FAILED"))
			continue
		}
		if o.refuse != nil && o.refuse("undelete", smallKinds[id.KeyPrefix()], o.bin[id].values) != "" {
			out = append(out, refusal(id, o.refuse("undelete", "", o.bin[id].values)))
			continue
		}
		o.live[id] = o.bin[id].values
		delete(o.bin, id)
		for child, b := range o.bin {
			if b.with == id {
				o.live[child] = b.values
				delete(o.bin, child)
			}
		}
		out = append(out, sf.Outcome{ID: id, Success: true})
	}
	return out, o.leave("undelete")
}

func (o *smallOrg) StartInsert(_ context.Context, object string, fields []string) (string, error) {
	if err := o.enter("start"); err != nil {
		return "", err
	}
	o.seq++
	job := string(testID("750", o.seq))
	o.jobs[job] = &smallJob{object: object, fields: slices.Clone(fields), state: sf.JobOpen}
	return job, o.leave("start")
}

func (o *smallOrg) StartHardDelete(_ context.Context, object string) (string, error) {
	if err := o.enter("start"); err != nil {
		return "", err
	}
	o.seq++
	job := string(testID("750", o.seq))
	o.jobs[job] = &smallJob{object: object, deletes: true, fields: []string{"Id"}, state: sf.JobOpen}
	return job, o.leave("start")
}

func (o *smallOrg) StartUpdate(_ context.Context, object string, fields []string) (string, error) {
	if err := o.enter("start update"); err != nil {
		return "", err
	}
	o.seq++
	job := string(testID("750", o.seq))
	o.jobs[job] = &smallJob{object: object, updates: true, fields: slices.Clone(fields), state: sf.JobOpen}
	return job, o.leave("start update")
}

func (o *smallOrg) SendRows(_ context.Context, job string, fields []string, rows []sf.Write) error {
	if err := o.enter("upload"); err != nil {
		return err
	}
	j := o.jobs[job]
	switch {
	case j.state != sf.JobOpen || j.rows != nil:
		return errors.New("CLIENT_DUPLICATE: job has an upload already")
	case !slices.Equal(fields, j.fields):
		return errors.New("other fields than the job's")
	}
	j.rows = rows
	if err := o.leave("upload"); err != nil { // lost between the upload and its completion
		return err
	}
	if err := o.enter("complete"); err != nil {
		return err
	}
	j.state = sf.JobUploadComplete
	return o.leave("complete")
}

// JobState lets a job run: each look moves it on by one state.
func (o *smallOrg) JobState(_ context.Context, job string) (sf.JobState, error) {
	if err := o.enter("state"); err != nil {
		return "", err
	}
	j := o.jobs[job]
	switch {
	case j == nil:
		return "", problem.Newf(problem.NotFound, "no job %s", job)
	case j.state == sf.JobUploadComplete:
		j.state = sf.JobInProgress
	case j.state == sf.JobInProgress:
		o.work(j)
		j.state = sf.JobComplete
	}
	return j.state, o.leave("state")
}

func (o *smallOrg) work(j *smallJob) {
	var good, bad []sf.JobResult
	for _, w := range j.rows {
		if j.deletes {
			id := sf.ID(w.Values[0].Text())
			res := sf.JobResult{Echo: []string{string(id)}, Outcome: refusal("", "ENTITY_IS_DELETED")}
			if o.live[id] == nil {
				bad = append(bad, res)
				continue
			}
			o.remove(id)
			maps.DeleteFunc(o.bin, func(gone sf.ID, b binned) bool { return gone == id || b.with == id })
			res.Outcome = sf.Outcome{ID: id, Success: true}
			good = append(good, res)
			continue
		}
		if j.updates {
			res := o.updateOf(j, w)
			if res.Outcome.Success {
				good = append(good, res)
			} else {
				bad = append(bad, res)
			}
			continue
		}
		values := map[string]sf.Value{}
		res := sf.JobResult{}
		for i, f := range j.fields {
			cell := w.Values[i].Text()
			if w.Values[i].IsNull() {
				cell = "#N/A"
			}
			if cell != "" && cell != "#N/A" {
				values[f] = sf.Text(cell)
			}
			res.Echo = append(res.Echo, cell)
		}
		if code := o.check("insert", j.object, values); code != "" {
			res.Outcome = refusal("", code)
			bad = append(bad, res)
			continue
		}
		o.seq++
		id := testID(o.schema.Object(j.object).KeyPrefix, 50_000+o.seq)
		o.live[id] = values
		res.Outcome = sf.Outcome{ID: id, Success: true}
		good = append(good, res)
	}
	slices.Reverse(good) // the order of results says nothing
	j.results = append(good, bad...)
}

// updateOf carries out one row of a job that updates: the empty cell leaves a field alone, and a duplicate rule cannot be told
// to let it pass.
func (o *smallOrg) updateOf(j *smallJob, w sf.Write) sf.JobResult {
	id := sf.ID(w.Values[0].Text())
	res := sf.JobResult{Echo: []string{string(id)}}
	values := maps.Clone(o.live[id])
	for i, f := range j.fields[1:] {
		v := w.Values[i+1]
		cell := v.Text()
		if v.IsNull() {
			cell = "#N/A"
		}
		switch cell {
		case "":
		case "#N/A":
			values[f] = sf.Null()
		default:
			values[f] = v
		}
		res.Echo = append(res.Echo, cell)
	}
	if values == nil {
		res.Outcome = refusal("", "ENTITY_IS_DELETED")
	} else if code := o.check("update by job", j.object, values); code != "" {
		res.Outcome = refusal("", code)
	} else {
		o.live[id] = values
		res.Outcome = sf.Outcome{ID: id, Success: true}
	}
	return res
}

func (o *smallOrg) JobResults(_ context.Context, job string, _ []string, _ int) iter.Seq2[sf.JobResult, error] {
	return func(yield func(sf.JobResult, error) bool) {
		if err := o.enter("results"); err != nil {
			yield(sf.JobResult{}, err)
			return
		}
		if j := o.jobs[job]; j.state == sf.JobAborted && j.results == nil {
			yield(sf.JobResult{}, errors.New("INVALIDJOBSTATE: the job has no results"))
			return
		}
		results := o.jobs[job].results
		if o.tamper != nil {
			results = o.tamper(slices.Clone(results))
		}
		for _, r := range results {
			if !yield(r, nil) {
				return
			}
		}
		if err := o.leave("results"); err != nil {
			yield(sf.JobResult{}, err)
		}
	}
}

func (o *smallOrg) AbortJob(_ context.Context, job string) error {
	if err := o.enter("abort"); err != nil {
		return err
	}
	if j := o.jobs[job]; j.state == sf.JobOpen {
		j.state = sf.JobAborted
	}
	return o.leave("abort")
}

// state spells the live records with old Ids in the place of new ones, one line each, sorted.
func (o *smallOrg) state(pairs []Pair) string {
	old := map[sf.ID]sf.ID{}
	for _, p := range pairs {
		old[p.New] = p.Old
	}
	name := func(id sf.ID) string {
		if was, found := old[id]; found {
			return string(was) + "'"
		}
		return string(id)
	}
	var lines []string
	for id, values := range o.live {
		line := name(id)
		for _, f := range slices.Sorted(maps.Keys(values)) {
			v := values[f]
			if !v.IsText() {
				continue // null and never set are the same to an org
			}
			text := v.Text()
			if fld := o.schema.Object(smallKinds[id.KeyPrefix()]).Field(f); fld.Type == sf.TypeReference {
				text = name(sf.ID(text))
			}
			line += fmt.Sprintf(" %s=%q", f, text)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
