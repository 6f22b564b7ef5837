package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// Org is an org that can be read and written.
type Org interface {
	capture.Source
	apply.Target
}

// ApplyInput says which plan to apply, and under which journal.
type ApplyInput struct {
	Org   Org
	Store *snapshot.Store

	File    []byte // the plan file as it was approved
	Digest  string // the approval: SHA-256 of File, hexadecimal
	Journal string // path; by convention that of the plan with ".journal" added

	HardDelete int // how many records the plan may delete for good, said beside the approval: no more and no fewer
	// GiveUp is the digest of a plan whose application has not ended and whose journal is lost: it is taken for ended.
	GiveUp string
	// Journals are paths of journals of earlier applications, which tell how fast the org is.
	Journals []string

	Share float64 // of the daily calls that may be used up; 0: nobody looks whether they will do

	Deployer apply.Deployer // switches automation; nil: a plan that switches any off is refused

	Options apply.Options
	Capture capture.Options // how the org is observed again; Kind is set by Apply
}

// ApplyResult says what was done, and what was found when the org was observed again.
type ApplyResult struct {
	OrgID    sf.ID          `json:"org_id"`             // Id of the org
	Digest   string         `json:"digest"`             // SHA-256 of the plan file, hexadecimal: what was approved
	Journal  string         `json:"journal"`            // path of the journal
	Resumed  bool           `json:"resumed"`            // an earlier run had begun
	Before   bool           `json:"before"`             // an earlier run had carried the plan out and observed the org: this is its report again
	Ended    bool           `json:"ended"`              // every row is settled
	Steps    []ApplyStepRow `json:"steps"`              // how far each step is
	Done     int            `json:"done"`               // rows that are as the plan wants them
	Failed   int            `json:"failed"`             // rows that were refused
	Errors   []RowErrorRow  `json:"errors"`             // the refused rows
	Dropped  []LinkRow      `json:"dropped,omitempty"`  // links left empty because their target did not come back
	NewIDs   []NewIDRow     `json:"new_ids"`            // records that came back under a new Id
	Mentions []MentionRow   `json:"mentions,omitempty"` // texts that name records by the Ids which they had before
	Switched *SwitchedRow   `json:"switched,omitempty"` // of a plan that switches automation off
	Moved    []MovedRow     `json:"moved,omitempty"`    // of a stale plan

	Forecast *PlanForecast `json:"forecast,omitempty"` // what it was expected to take; nothing where the state that the plan was made on is not held
	Spent    []SpentRow    `json:"spent"`              // what it took, by kind of calls, all runs that came to an end together

	Files       AppliedFiles     `json:"files"`                 // files that came back with records, read again
	Verified    bool             `json:"verified"`              // the org was observed again, all of what the plan writes
	Observed    *SnapshotRow     `json:"observed,omitempty"`    // the observation
	Unexplained int64            `json:"unexplained"`           // differences to the plan that nothing explains
	Differences []DifferenceRow  `json:"differences,omitempty"` // the first of the unexplained
	Notes       []string         `json:"notes,omitempty"`       // what the observation could not tell, and why
	Conflicts   int              `json:"conflicts"`             // left alone, as planned
	Fidelity    []FidelityRow    `json:"fidelity"`              // how values come back, by object and field
	Classes     map[string]int64 `json:"classes"`               // values: exact, remapped, recomputed, lost
	Took        time.Duration    `json:"-"`                     // server time from the plan to the observation
}

// ApplyStepRow counts the rows of one step.
type ApplyStepRow struct {
	Number  int    `json:"number"`  // from 1, as in the plan
	Op      string `json:"op"`      // release, undelete, insert, update, second, delete or hardDelete
	Object  string `json:"object"`  // API name
	Done    int    `json:"done"`    // rows that are as the plan wants them
	Failed  int    `json:"failed"`  // rows that were refused
	Pending int    `json:"pending"` // rows that are not settled
}

// RowErrorRow is a row that was not applied, and why.
type RowErrorRow struct {
	Step    int      `json:"step"`             // number of the step
	Op      string   `json:"op"`               // release, undelete, insert, update, second, delete or hardDelete
	Object  string   `json:"object"`           // API name
	ID      sf.ID    `json:"id"`               // as in the plan
	Code    string   `json:"code"`             // status code of the org, or one that begins with HOLDFAST_
	Message string   `json:"message"`          // words of the org
	Fields  []string `json:"fields,omitempty"` // fields that the org names
}

// LinkRow is a link that was left empty.
type LinkRow struct {
	Object string `json:"object"` // API name
	ID     sf.ID  `json:"id"`     // Id of the record that lacks the link, as in the plan
	Field  string `json:"field"`  // API name
}

// NewIDRow is a record that was inserted again.
type NewIDRow struct {
	Object string `json:"object"` // API name
	Old    sf.ID  `json:"old"`    // Id in the snapshot
	New    sf.ID  `json:"new"`    // Id now
}

// MovedRow is a record that is not as the plan found it.
type MovedRow struct {
	Object string `json:"object"`          // API name
	ID     sf.ID  `json:"id"`              // Id of the record
	Field  string `json:"field,omitempty"` // empty: the whole record
	Reason string `json:"reason"`          // how it differs from what the plan found
}

// DifferenceRow is a difference that nothing explains.
type DifferenceRow struct {
	Object string `json:"object"`          // API name
	ID     sf.ID  `json:"id"`              // Id of the record; empty with kind unseen
	Field  string `json:"field,omitempty"` // empty: the whole record
	Kind   string `json:"kind"`            // what would still have to be done: create, update or delete; unseen: it cannot be told
	Wanted Value  `json:"wanted,omitzero"` // value that the plan promised
	Live   Value  `json:"live,omitzero"`   // value that was found
}

// Unseen is the kind of a DifferenceRow that stands for an object which could not be observed again.
const Unseen = "unseen"

// shownDifferences bounds the list of differences in a result; the count is always whole.
const shownDifferences = 1000

// Apply applies an approved plan, or goes on where an earlier run of it stopped, keeps the new Ids
// of records, observes the org again and compares it with what was planned.
//
// Errors: Usage for a file that is no plan, Conflict for bytes that are not the approved ones, for a
// plan that is stale or of another org, Locked when another process applies it, Partial when the org
// refused rows (Errors names them), NotVerified when a difference has no explanation; and those of
// apply.Run. The result tells what was done even beside an error.
func Apply(ctx context.Context, in ApplyInput) (out ApplyResult, err error) {
	approved, err := approve(in.File, in.Digest)
	if err != nil {
		return out, err
	}
	in.File = nil // which may be large
	p := approved.Plan()
	if n := p.Count(plan.HardDelete); n != in.HardDelete {
		return out, problem.Newf(problem.Usage, "the plan deletes %s for good, and %d were agreed to", counted(n, "record"), in.HardDelete).
			Hint("review which they are; --hard-delete %d agrees to that, and nothing brings them back under their Ids", n)
	}
	in.counted()
	begun, before := in.Options.Now(), in.Options.Calls()
	if err := in.ready(ctx, p); err != nil {
		return out, err
	}
	forecast := ForecastPlan(ctx, in.Store, p, in.Journals)
	journal, err := apply.OpenJournal(in.Journal)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	if len(p.SwitchedOff()) > 0 && in.Deployer != nil {
		schema, err := in.Org.Schema(ctx)
		if err != nil {
			return out, err
		}
		if in.Options.Production, _, err = inProduction(ctx, in.Org, schema); err != nil {
			return out, err
		}
		in.Options.Deployer = in.Deployer
	}
	if live, err := in.Store.Load(ctx, p.Source.Live); err == nil {
		in.Options.Known = live.Schema()
	}
	if in.Options.Bodies == nil {
		in.Options.Bodies = in.Store
	}
	if calls := in.Options.Calls() - before; calls > 0 {
		in.Options.Prior = []apply.Spent{{Kind: apply.KindDescribe, Calls: calls, Time: in.Options.Now().Sub(begun)}}
	}
	if in.Options.Successor, err = madeAgain(ctx, in.Store, p.Org, p); err != nil {
		return out, err
	}
	in.Options.Began = in.noteBegun
	applied, err := apply.Run(ctx, in.Org, approved, journal, in.Options)
	out = applyRows(applied)
	out.Before = applied.Verified != nil
	out.of(p, approved.Digest())
	out.Journal, out.Forecast = in.Journal, forecast
	if keep := in.keep(context.WithoutCancel(ctx), approved, applied); keep != nil {
		return out, errors.Join(err, keep)
	}
	if err != nil {
		return out, err
	}
	if err := in.observing(journal, &out, func() error { return in.verify(ctx, p, applied, journal, &out) }); err != nil {
		return out, err
	}
	return out, verdict(out)
}

// ShownPlan returns the result of looking at a plan without applying it.
func ShownPlan(p *plan.Plan, digest string) ApplyResult {
	out := applyRows(apply.Result{})
	out.of(p, digest)
	return out
}

// of says what plan the result is of.
func (out *ApplyResult) of(p *plan.Plan, digest string) {
	out.OrgID, out.Digest = p.Org, digest
	out.Conflicts, out.Fidelity, out.Classes = len(p.Conflicts), fidelityRows(p.Fidelity), map[string]int64{}
	for _, class := range []state.Class{state.Exact, state.Remapped, state.Recomputed, state.Lost} {
		out.Classes[class.String()] = p.Fidelity.Total(class)
	}
}

// approve reads the plan file.
func approve(file []byte, digest string) (plan.Approved, error) {
	approved, err := plan.Approve(file, digest)
	if err == nil {
		return approved, nil
	}
	if wrong, ok := errors.AsType[*plan.DigestError](err); ok {
		return plan.Approved{}, problem.Wrap(problem.Conflict, wrong, "plan is not the approved one").
			Hint("review the plan again and approve it as it is")
	}
	return plan.Approved{}, problem.Wrap(problem.Usage, err, "plan file").
		Hint("a plan file must not be changed; make a new one with `holdfast restore`")
}

// verdict turns the result into the error with which the verb ends.
func verdict(out ApplyResult) error {
	if i := slices.IndexFunc(out.Differences, func(d DifferenceRow) bool { return d.Kind == Unseen }); i >= 0 {
		return problem.Newf(problem.NotVerified, "%s could not be observed again, so that nobody knows whether it is as planned", out.Differences[i].Object).
			Hint("`holdfast apply` of the same plan writes nothing more and observes again")
	}
	if out.Unexplained > 0 {
		text := fmt.Sprintf("%s to the plan without an explanation", counted(int(out.Unexplained), "difference"))
		if len(out.Differences) > 0 {
			d := out.Differences[0]
			text += fmt.Sprintf(", the first in %s %s %s", d.Object, d.ID, d.Field)
		}
		return problem.New(problem.NotVerified, text).
			Hint("`holdfast restore` of the same snapshots shows what is still different")
	}
	if out.Failed > 0 {
		e := out.Errors[0]
		return problem.Newf(problem.Partial, "%d of %d rows were refused, the first of them %s %s: %s %s",
			out.Failed, out.Failed+out.Done, e.Object, e.ID, e.Code, e.Message).
			Hint("remove the cause and make a new plan with `holdfast restore`: it holds what is left")
	}
	if out.Switched != nil {
		return apply.Switched(*out.Switched).Err()
	}
	return nil
}

func applyRows(applied apply.Result) ApplyResult {
	out := ApplyResult{
		Resumed: applied.Resumed, Ended: applied.Ended,
		Steps: []ApplyStepRow{}, Errors: []RowErrorRow{}, NewIDs: []NewIDRow{}, Spent: []SpentRow{},
	}
	out.spend(applied.Spent...)
	for _, p := range applied.Pairs {
		out.NewIDs = append(out.NewIDs, NewIDRow(p))
	}
	for _, s := range applied.Steps {
		out.Steps = append(out.Steps, ApplyStepRow(s))
		out.Done += s.Done
		out.Failed += s.Failed
	}
	for _, f := range applied.Failed {
		out.Errors = append(out.Errors, RowErrorRow(f))
	}
	if s := applied.Switched; len(s.Off) > 0 || len(s.Bypass) > 0 || len(s.Left) > 0 {
		out.Switched = new(SwitchedRow(applied.Switched))
	}
	for _, d := range applied.Dropped {
		out.Dropped = append(out.Dropped, LinkRow(d))
	}
	for _, m := range applied.Moved {
		out.Moved = append(out.Moved, MovedRow{Object: m.Object, ID: m.ID, Field: m.Field, Reason: m.Reason})
	}
	return out
}
