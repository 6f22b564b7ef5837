package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// StageOrg is an empty org that is nobody's: it becomes a copy of one, to which a package is deployed and taken back.
type StageOrg interface {
	DrillOrg
	DeployOrg
}

// RehearseInput says which guarded deployment is rehearsed, and on which stage.
type RehearseInput struct {
	Guard GuardInput  // of the deployment; its org and its journal are left alone
	Of    GuardResult // what is known of it

	Stage   StageOrg
	Scratch *snapshot.Store  // for what is observed of the stage
	Dir     string           // for its journals
	Now     func() time.Time // for the stopwatch
}

// RehearsalResult says how the way back of a deployment went on an emulated copy of the org, and what it took there.
type RehearsalResult struct {
	Walked     bool           `json:"walked"`          // the way back was walked on the copy, and nothing was left to be done
	Why        string         `json:"why,omitempty"`   // it was not
	Components int            `json:"components"`      // that the copy has of the org
	Records    int64          `json:"records"`         // that the copy has of the org
	Steps      []RehearsedRow `json:"steps"`           // of the way back, in order
	Took       float64        `json:"seconds"`         // by the clock of this machine: the copy, the deployment and the way back
	Lacks      []ProblemRow   `json:"lacks,omitempty"` // components of the org that the copy did not take
	Notes      []string       `json:"notes,omitempty"` // what was not rehearsed
}

// RehearsedRow is one step of a rehearsed way back, beside what it will probably take in the org.
type RehearsedRow struct {
	What     string    `json:"what"`                   // validation, observation, deployment, records or verification
	Number   int       `json:"number,omitempty"`       // of a validation and a deployment, from 1
	Seconds  float64   `json:"seconds"`                // on the emulated copy, by the clock of this machine
	Rows     int64     `json:"rows,omitempty"`         // of records
	Forecast *RangeRow `json:"milliseconds,omitempty"` // that it will probably take in the org; none: nothing is known of it
	From     string    `json:"from,omitempty"`         // what the forecast rests on
}

// The steps of a way back.
const (
	stepValidation, stepObservation, stepDeployment = "validation", "observation", "deployment"
	stepRecords, stepVerification                   = "records", "verification"
)

// Rehearse makes an emulated copy of what the snapshot before a deployment holds of the org, deploys the package to it, and
// takes it back. That it cannot be done, or that it fails, is a result as well.
func Rehearse(ctx context.Context, in RehearseInput) RehearsalResult {
	began := in.Now()
	out := RehearsalResult{Steps: []RehearsedRow{}, Notes: []string{"Apex tests, managed packages, users and what people do meanwhile"}}
	for _, object := range in.Guard.Config {
		out.Notes = append(out.Notes, "records of "+object+", which something else than the package changes")
	}
	if err := in.rehearse(ctx, &out); err != nil {
		out.Why = err.Error()
		if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			out.Why = "there was no time to end it"
		}
	}
	out.Took = in.Now().Sub(began).Seconds()
	return out
}

func (in RehearseInput) rehearse(ctx context.Context, out *RehearsalResult) error {
	if err := in.copyOrg(ctx, out); err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	staged := in.Guard
	staged.Org, staged.Store, staged.Journal, staged.MinGrade = in.Stage, in.Scratch, filepath.Join(in.Dir, "guard.journal"), ""
	staged.Config, staged.Objects, staged.Capture = nil, nil, capture.Options{OrgName: "rehearsal"}
	deployed, err := GuardDeploy(ctx, staged)
	if err != nil {
		text := fmt.Errorf("the copy does not take the package: %w", err)
		if len(deployed.Validated) > 0 && len(deployed.Validated[0].Problems) > 0 {
			p := deployed.Validated[0].Problems[0]
			text = fmt.Errorf("the copy does not take the package: %s %s: %s", p.Type, p.Name, p.Problem)
		}
		return text
	}
	back := *deployed.Rollback
	if back.Empty() {
		out.Walked = true
		return nil
	}
	watch := &stopwatch{now: in.Now, plan: back}
	done, err := ApplyRollback(ctx, ApplyRollbackInput{
		Org: in.Stage, Store: in.Scratch, File: back.File, Digest: back.Digest, Journal: filepath.Join(in.Dir, "rollback.journal"),
		Capture: capture.Options{OrgName: "rehearsal"}, watch: watch,
	})
	watch.end()
	out.Steps = watch.steps
	in.forecast(ctx, out, back)
	if err != nil {
		return fmt.Errorf("on the copy the way back does not come to its end: %w", err)
	}
	out.Walked = done.Verified
	return nil
}

// copyOrg gives the stage the components and the records that the snapshot before the deployment holds.
func (in RehearseInput) copyOrg(ctx context.Context, out *RehearsalResult) error {
	before, err := in.Guard.Store.Load(ctx, in.Of.Before)
	if err != nil {
		return err
	}
	g := &guard{in: in.Guard}
	g.readIntents()
	d := &drill{
		in:   DrillInput{Store: in.Guard.Store, Org: in.Stage, Scratch: in.Scratch, Dir: in.Dir, Objects: rehearsable(before, g.intents), Now: in.Now},
		from: before, against: before, rules: map[string]string{}, at: in.Now(),
	}
	if err := d.deploy(ctx); err != nil {
		return err
	}
	for _, kind := range g.kinds {
		switch {
		case slices.Contains(drilled, kind):
			continue
		case kind == "Flow":
			err = d.deployFlows(ctx)
		default:
			err = d.deployKind(ctx, kind)
		}
		if err != nil {
			return err
		}
	}
	out.Components, out.Lacks = d.deployed, d.out.NotDeployed
	if len(d.in.Objects) == 0 {
		return nil
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	if err := d.restore(ctx); err != nil {
		return err
	}
	for _, s := range d.applied.Steps {
		if s.Op == "insert" {
			out.Records += int64(s.Done)
		}
	}
	return nil
}

// rehearsable returns the objects whose records may get values back, as far as an empty org can have them.
func rehearsable(sn *snapshot.Snapshot, intents []rollback.Intent) []string {
	var out []string
	for _, p := range sn.Parts() {
		o := sn.Schema().Object(p.Object)
		touched := func(in rollback.Intent) bool { return in.Key == sf.ComponentKey{Type: "CustomObject", Name: p.Object} }
		if o == nil || !slices.ContainsFunc(intents, touched) || p.State != snapshot.Whole || p.Stale || p.Records == 0 || p.From.Before(sn.Info().Started) || !o.Createable || isStable(p.Object) ||
			slices.ContainsFunc(o.Fields, func(f *sf.Field) bool { return f.Type == sf.TypeBase64 }) {
			continue
		}
		out = append(out, p.Object)
	}
	return out
}

// deployFlows gives the empty org the versions of flows, the oldest first: each is deployed as the next version of its flow.
func (d *drill) deployFlows(ctx context.Context) error {
	versions, most := map[string][]component.Row{}, 0
	for row, err := range componentRows(ctx, d.against, "Flow") {
		if err != nil {
			return err
		}
		flow := wholeName(row.ComponentKey)
		versions[flow] = append(versions[flow], row)
		most = max(most, len(versions[flow]))
	}
	for _, rows := range versions {
		slices.SortFunc(rows, func(a, b component.Row) int { return a.Version - b.Version })
	}
	for round := range most {
		var keys []sf.ComponentKey
		var files []component.Entry
		for flow, rows := range versions {
			if round >= len(rows) {
				continue
			}
			own, err := componentFiles(ctx, d.in.Store, rows[round])
			if err != nil {
				return err
			}
			if len(own) != 1 || rows[round].Installed() {
				d.out.NotDeployed = append(d.out.NotDeployed, ProblemRow{Type: "Flow", Name: rows[round].Name, Problem: "it has no file, or belongs to a managed package"})
				continue
			}
			keys = append(keys, sf.ComponentKey{Type: "Flow", Name: flow})
			files = append(files, component.Entry{Path: "flows/" + flow + ".flow", Body: own[0].Body})
		}
		if err := d.send(ctx, "Flow", keys, files); err != nil {
			return err
		}
	}
	return nil
}

// forecast puts beside each step what it will probably take in the org: what the org has taken for the like around this
// deployment, and for records what the forecast of their plan says.
func (in RehearseInput) forecast(ctx context.Context, out *RehearsalResult, back RollbackResult) {
	took := in.Of.Took
	like := func(seconds float64, from string) (*RangeRow, string) {
		if seconds <= 0 {
			return nil, ""
		}
		ms := int64(1000 * seconds)
		return &RangeRow{Low: ms * 7 / 10, Likely: ms, High: ms * 3 / 2}, from // as far as docs/design/forecast.md has it of what was measured
	}
	for i := range out.Steps {
		s := &out.Steps[i]
		switch s.What {
		case stepValidation:
			s.Forecast, s.From = like(took.Validate, "what the org took to validate the package")
		case stepDeployment:
			if s.Forecast, s.From = like(took.Deploy, "what the org took to deploy the package"); s.Forecast == nil {
				s.Forecast, s.From = like(took.Validate, "what the org took to validate the package")
			}
		case stepObservation, stepVerification:
			s.Forecast, s.From = like(took.Observe, "what the snapshot of the org took")
		case stepRecords:
			s.Forecast, s.From = in.forecastRecords(ctx, back)
		}
	}
}

func (in RehearseInput) forecastRecords(ctx context.Context, back RollbackResult) (*RangeRow, string) {
	store, planned := in.Scratch, back
	if in.Of.Rollback != nil && in.Of.Rollback.Plan != nil && len(in.Of.Rollback.Plan.Records) > 0 {
		store, planned = in.Guard.Store, *in.Of.Rollback
	}
	var sum *RangeRow
	for _, p := range planned.Plan.Records {
		f := ForecastPlan(ctx, store, p, nil)
		if f == nil {
			return nil, ""
		}
		if sum == nil {
			sum = &RangeRow{}
		}
		for _, k := range f.Kinds {
			if k.Kind != apply.KindObserve { // it is a step of its own
				sum.Low, sum.Likely, sum.High = sum.Low+k.Millis.Low, sum.Likely+k.Millis.Likely, sum.High+k.Millis.High
			}
		}
	}
	return sum, "the forecast of their plan, by stated defaults"
}

// stopwatch measures the steps of a way back.
type stopwatch struct {
	now   func() time.Time
	plan  RollbackResult
	steps []RehearsedRow
	open  bool
	since time.Time
}

// step ends what was under way, and begins another step, or goes on with the same.
func (w *stopwatch) step(what string, number int) {
	if w == nil {
		return
	}
	w.end()
	w.open, w.since = true, w.now()
	if n := len(w.steps); n > 0 && w.steps[n-1].What == what && w.steps[n-1].Number == number {
		return
	}
	row := RehearsedRow{What: what, Number: number}
	if what == stepRecords {
		for _, part := range w.plan.Records {
			for _, s := range part.Steps {
				row.Rows += int64(s.Rows)
			}
		}
	}
	w.steps = append(w.steps, row)
}

func (w *stopwatch) end() {
	if w.open {
		w.steps[len(w.steps)-1].Seconds += w.now().Sub(w.since).Seconds()
		w.open = false
	}
}

// deploying is told what is sent and how it ended.
func (w *stopwatch) deploying(d apply.Deploying) {
	switch {
	case w == nil:
	case !d.Ended && d.How == apply.SendValidate:
		w.step(stepValidation, d.Step+1)
	case !d.Ended:
		w.step(stepDeployment, d.Step+1)
	case d.How != apply.SendValidate && d.Success && d.Step+1 == len(w.plan.Deployments) && len(w.plan.Records) > 0:
		w.step(stepRecords, 0)
	default:
		w.end()
	}
}

// observing is told that the org is looked at, at the end to verify.
func (w *stopwatch) observing(end bool) {
	if end {
		w.step(stepVerification, 0)
	} else {
		w.step(stepObservation, 0)
	}
}

// NotRehearsed is the result of a rehearsal that was not made.
func NotRehearsed(why string) RehearsalResult {
	return RehearsalResult{Why: why, Steps: []RehearsedRow{}}
}
