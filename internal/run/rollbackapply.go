package run

import (
	"context"
	"errors"
	"strings"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// DeployOrg is an org whose components can be read and deployed.
type DeployOrg interface {
	MetadataOrg
	apply.Deployments
	apply.Deployer
	apply.Target
}

// ApplyRollbackInput says which rollback plan to carry out, and under which journal.
type ApplyRollbackInput struct {
	Org   DeployOrg
	Store *snapshot.Store

	File    []byte // the plan file as it was approved
	Digest  string // the approval: SHA-256 of File, hexadecimal
	Journal string // path; by convention that of the plan with ".journal" added

	Capture  capture.Options // how the org is observed; Kind and Include are set by ApplyRollback
	Progress func(apply.Deploying)
	Options  apply.Options // of its records
	GiveUp   string        // as of ApplyInput

	watch *stopwatch // nil: nobody measures
}

// RolledBackResult says what was deployed, and what was found when the org was observed again.
type RolledBackResult struct {
	RollbackResult           // what was planned
	Journal        string    `json:"journal"`            // path of the journal
	Resumed        bool      `json:"resumed"`            // an earlier run had begun
	DoneBefore     bool      `json:"done_before"`        // an earlier run had carried the plan out
	Sent           []SentRow `json:"sent"`               // requests to deploy, in order, those of earlier runs, too
	Done           int       `json:"deployments_done"`   // deployments of the plan that are carried out
	Verified       bool      `json:"verified"`           // the org was observed again, and nothing is left to be deployed
	Observed       string    `json:"observed,omitempty"` // id of the snapshot by which that was found
	Left           int       `json:"left"`               // components that would still be deployed or deleted, and unexplained differences of records

	Applied []ApplyResult `json:"applied,omitempty"` // what was done of each plan of records that was begun
}

// SentRow is one request to deploy.
type SentRow struct {
	Deployment int          `json:"deployment"`         // number in the plan, from 1
	How        string       `json:"how"`                // validate, deploy or quick
	ID         string       `json:"id,omitempty"`       // of the deployment in the org
	Ended      bool         `json:"ended"`              // the org has said how it ended
	Success    bool         `json:"success"`            // all of it was done
	Tests      int          `json:"tests,omitempty"`    // that ran, when this run asked
	Problems   []ProblemRow `json:"problems,omitempty"` // what the org refused, when this run asked
}

// ProblemRow is what the org says of a component or a test.
type ProblemRow struct {
	Type    string `json:"type"`           // metadata type, or ApexTest
	Name    string `json:"name"`           // full name
	Problem string `json:"problem"`        // words of the org
	Line    int    `json:"line,omitempty"` // where it is
}

// ApplyRollback carries an approved rollback plan out, or goes on where an earlier run of it stopped,
// and observes the org again: what would be deployed then must be nothing.
//
// Errors: Usage for a file that is no plan, Conflict for bytes that are not the approved ones and for a plan
// that is stale or that the org refuses, Locked when another process applies it, NotVerified when something is
// left; and those of apply.Rollback. The result tells what was done even beside an error.
func ApplyRollback(ctx context.Context, in ApplyRollbackInput) (out RolledBackResult, err error) {
	approved, err := approveRollback(in.File, in.Digest)
	if err != nil {
		return out, err
	}
	plan := approved.Plan()
	r, err := in.reversal(ctx, plan)
	if err != nil {
		return out, err
	}
	journal, err := apply.OpenJournal(in.Journal)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	if in.Options.Bodies == nil {
		in.Options.Bodies = in.Store
	}
	if in.Options.Successor, err = madeAgain(ctx, in.Store, plan.Org, plan.Records...); err != nil {
		return out, err
	}
	if ShownRollback(*plan, nil).SwitchesOff() {
		schema, err := in.Org.Schema(ctx)
		if err != nil {
			return out, err
		}
		if in.Options.Production, _, err = inProduction(ctx, in.Org, schema); err != nil {
			return out, err
		}
		in.Options.Deployer = in.Org
	}
	records := recordsBack{in: ApplyInput{Org: in.Org, Store: in.Store, Journal: in.Journal, GiveUp: in.GiveUp, Options: in.Options}, plan: plan, reversal: r}
	in.Options.Began = records.in.noteBegun
	done, err := apply.Rollback(ctx, in.Org, approved, journal, apply.RollbackOptions{
		Progress: func(d apply.Deploying) {
			in.watch.deploying(d)
			if in.Progress != nil {
				in.Progress(d)
			}
		},
		Target: in.Org, Options: in.Options,
		Observe: func(ctx context.Context, end bool) (apply.Observation, error) {
			in.watch.observing(end)
			if end {
				r.withRecordsOf(plan)
			}
			now, err := r.decide(ctx)
			if err == nil && !end {
				err = unlisted(plan.Notes, r.going)
			}
			return apply.Observation{Snapshot: now.Source.Live, Rest: now.Deployments}, err
		},
		Keep: records.in.keep,
		Left: records.left,
	})
	out = rolledBack(ShownRollback(*plan, in.File), in.Journal, done)
	out.Applied = records.rows(done)
	for _, a := range out.Applied {
		if err == nil {
			err = verdict(a)
		}
	}
	return out, err
}

// reversal is what the plan was decided from, to be decided anew.
func (in ApplyRollbackInput) reversal(ctx context.Context, plan *rollback.Plan) (*reversal, error) {
	again := RollbackInput{Org: in.Org, Store: in.Store, Before: plan.Source.Before, After: plan.Source.After, Capture: in.Capture, exact: true, except: plan.Source.Except}
	again.Capture.Kind = kindVerify
	for _, name := range plan.Source.Only {
		again.Only = append(again.Only, strings.Replace(name, " ", ":", 1))
	}
	for _, d := range plan.Deployments {
		again.APIVersion = d.Manifest.Version
	}
	return again.load(ctx)
}

// IsRollback reports a file that is a rollback plan, of any version.
func IsRollback(file []byte) bool { return rollback.IsFile(file) }

// ReadRollback lays out the rollback plan in a file. The error is Usage for a file that is none.
func ReadRollback(file []byte) (RollbackResult, error) {
	plan, err := rollback.Decode(file)
	if err != nil {
		return RollbackResult{}, problem.Wrap(problem.Usage, err, "plan").
			Hint("a plan file must not be changed; make a new one with `holdfast rollback`")
	}
	return ShownRollback(plan, file), nil
}

// NoRecords is the result of a plan that is about no record.
func NoRecords(org sf.ID, digest, journal string) ApplyResult {
	return ApplyResult{
		OrgID: org, Digest: digest, Journal: journal, Steps: []ApplyStepRow{}, Errors: []RowErrorRow{}, NewIDs: []NewIDRow{},
		Fidelity: []FidelityRow{}, Classes: map[string]int64{},
	}
}

// NoRestore is the result of a plan that is about components alone.
func NoRestore(r RollbackResult) RestoreResult {
	return RestoreResult{
		Digest: r.Digest, OrgID: r.OrgID, Steps: []StepRow{}, Conflicts: []ConflictRow{}, Fidelity: []FidelityRow{},
		Foreseen: []ForeseenRow{}, Restorable: []RestorableRow{}, Automation: []AutomationRow{},
	}
}

func approveRollback(file []byte, digest string) (rollback.Approved, error) {
	approved, err := rollback.Approve(file, digest)
	if err == nil {
		return approved, nil
	}
	if wrong, ok := errors.AsType[*rollback.DigestError](err); ok {
		return rollback.Approved{}, problem.Wrap(problem.Conflict, wrong, "plan is not the approved one").
			Hint("review the plan again and approve it as it is")
	}
	return rollback.Approved{}, problem.Wrap(problem.Usage, err, "plan file").
		Hint("a plan file must not be changed; make a new one with `holdfast rollback`")
}

func rolledBack(plan RollbackResult, journal string, done apply.RolledBack) RolledBackResult {
	out := RolledBackResult{
		RollbackResult: plan, Journal: journal, Resumed: done.Resumed, DoneBefore: done.Before, Done: done.Done, Sent: []SentRow{}, Left: done.Left,
	}
	for _, s := range done.Sent {
		row := SentRow{Deployment: s.Step + 1, How: s.How, ID: s.ID, Ended: s.Ended, Success: s.Success, Tests: s.Outcome.Tests}
		for _, c := range s.Outcome.Results {
			if !c.Success {
				row.Problems = append(row.Problems, ProblemRow{Type: c.Type, Name: c.Name, Problem: c.Problem, Line: c.Line})
			}
		}
		for _, f := range s.Outcome.TestFailures {
			row.Problems = append(row.Problems, ProblemRow{Type: "ApexTest", Name: f.Class + "." + f.Method, Problem: f.Message})
		}
		out.Sent = append(out.Sent, row)
	}
	if done.Verified != nil {
		out.Observed, out.Verified = done.Verified.Snapshot, done.Left == 0
	}
	return out
}
