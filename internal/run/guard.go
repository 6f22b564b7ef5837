package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// GuardInput says which deployment to guard, and how.
type GuardInput struct {
	Org   DeployOrg
	Store *snapshot.Store

	Source        string // where the package is from, for people
	Package       component.Package
	First         []sf.ComponentKey // deleted before anything is deployed
	Version       string            // of the API, such as 66.0
	Journal       string            // path of the journal of this deployment
	Objects       []string          // whose records the snapshot holds, besides those that are at risk
	Config        []string          // objects whose records are part of the deployment, and go back with it
	AutomationOff bool              // the plan that takes it back switches off what acts on its records

	MinGrade string           // A to D; "" is D: everything may be deployed
	Tests    sf.TestLevel     // that the deployment runs
	Capture  capture.Options  // how the org is read; Kind and Include are set by the guard
	Now      func() time.Time // for the stopwatch; nil is time.Now
}

// GuardResult says what a deployment touches, how far it can be taken back, and what became of it.
type GuardResult struct {
	OrgID  sf.ID     `json:"org_id"` // Id of the org
	Source string    `json:"source"` // where the package is from
	Digest string    `json:"digest"` // SHA-256 of the package, hexadecimal
	Made   time.Time `json:"made"`   // when the snapshot before was taken, server time

	Before     string          `json:"before"`              // id of the snapshot before the deployment
	Grade      string          `json:"grade"`               // A to D, the worst of the components
	Components []GuardRow      `json:"components"`          // that the package touches, by type and name
	Data       []DataRow       `json:"data,omitempty"`      // at risk, as the snapshot before holds it
	Foreseen   []DeploymentRow `json:"foreseen,omitempty"`  // that would take it back, as far as they can be told before
	Cannot     []string        `json:"cannot,omitempty"`    // components that cannot be taken back, and why
	Validated  []ValidationRow `json:"validated"`           // check-only deployments, in order
	Sent       []SentRow       `json:"sent,omitempty"`      // requests to deploy the package
	Deployed   bool            `json:"deployed"`            // by the guard
	After      string          `json:"after,omitempty"`     // id of the snapshot after the deployment
	Unread     []string        `json:"unread,omitempty"`    // types of the package that could not be read after the deployment, and why
	Beyond     []ComponentDiff `json:"beyond,omitempty"`    // that changed without being in the package
	Otherwise  []ComponentDiff `json:"otherwise,omitempty"` // that are not as the package has them
	Rollback   *RollbackResult `json:"rollback,omitempty"`  // the plan that takes the deployment back
	Took       GuardTimes      `json:"seconds"`             // what the org took, by the clock of this machine
}

// GuardTimes are how long an org took for parts of a guarded deployment, in seconds; 0 is not measured by this run.
type GuardTimes struct {
	Observe  float64 `json:"observe"`  // a snapshot of what is touched
	Validate float64 `json:"validate"` // the package, check-only
	Deploy   float64 `json:"deploy"`   // the package, its validation included
}

// GuardRow is one component that a package touches.
type GuardRow struct {
	Type    string   `json:"type"`    // metadata type
	Name    string   `json:"name"`    // full name
	Do      string   `json:"do"`      // deploy or delete
	Grade   string   `json:"grade"`   // A to D
	Reasons []string `json:"reasons"` // for the grade
}

// ValidationRow is one check-only deployment.
type ValidationRow struct {
	What     string       `json:"what"`               // package, or rollback
	ID       string       `json:"id,omitempty"`       // of the deployment; empty: there was nothing to validate
	Success  bool         `json:"success"`            // the org would take it
	Note     string       `json:"note,omitempty"`     // what could not be validated
	Problems []ProblemRow `json:"problems,omitempty"` // what the org refused
}

// guard is one guarded deployment.
type guard struct {
	in      GuardInput
	out     GuardResult
	journal *apply.Guarded
	before  *snapshot.Snapshot
	intents []rollback.Intent
	archive []byte
	kinds   []string // types that are looked at

	changes []rollback.Change // that are expected
	way     *rollback.Plan    // that takes them back, as far as it can be told before; nil until it is worked out

	validated sf.Deployment // of the package, by this run; the zero value when there was none, or it was refused
}

// GuardBefore takes the snapshot before a deployment, of everything that the package touches and of the data at risk,
// grades the deployment, foresees how it is taken back, and has the org validate both. An earlier run under the same
// journal is gone on with.
//
// The error is Findings beside a result when the grade is worse than the one that is asked for or when the org refuses
// the package; Conflict for a journal of another package; and those of a backup.
func GuardBefore(ctx context.Context, in GuardInput) (GuardResult, error) {
	g, done, err := openGuard(in)
	if err != nil {
		return GuardResult{}, err
	}
	return g.out, done(g.prepare(ctx, !g.journal.Begun()))
}

// GuardDeploy is GuardBefore, the deployment itself, and GuardAfter. What an earlier run under the same journal has
// done is not done again, but for the snapshot before: until something is sent, each run takes it anew.
func GuardDeploy(ctx context.Context, in GuardInput) (GuardResult, error) {
	g, done, err := openGuard(in)
	if err != nil {
		return GuardResult{}, err
	}
	return g.out, done(g.deploy(ctx))
}

// GuardAfter takes the snapshot after a deployment for which GuardBefore was run, says what really changed, and makes
// the plan that takes it back, which the org validates.
func GuardAfter(ctx context.Context, in GuardInput) (GuardResult, error) {
	g, done, err := openGuard(in)
	if err != nil {
		return GuardResult{}, err
	}
	if !g.journal.Begun() {
		return GuardResult{}, done(problem.New(problem.Conflict, "no deployment is guarded here").
			Hint("run `holdfast guard before` ahead of the deployment, with the same package and folder"))
	}
	return g.out, done(g.finish(ctx))
}

// openGuard opens the journal; done closes it, and passes an error on.
func openGuard(in GuardInput) (*guard, func(error) error, error) {
	if in.Now == nil {
		in.Now = time.Now
	}
	g := &guard{in: in, out: GuardResult{Source: in.Source, Components: []GuardRow{}, Validated: []ValidationRow{}}}
	var err error
	if g.archive, err = in.archive(); err != nil {
		return nil, nil, problem.Wrap(problem.Usage, err, "package")
	}
	sum := sha256.Sum256(g.archive)
	g.out.Digest = hex.EncodeToString(sum[:])
	journal, err := apply.OpenJournal(in.Journal)
	if err != nil {
		return nil, nil, err
	}
	done := func(err error) error {
		if closed := journal.Close(); err == nil {
			err = closed
		}
		return err
	}
	if g.journal, err = apply.OpenGuarded(journal); err != nil {
		return nil, nil, done(err)
	}
	if g.journal.Begun() && g.journal.Digest != g.out.Digest {
		return nil, nil, done(problem.New(problem.Conflict, "this folder guards another package").
			Hint("name a new folder with --to, or the package as it was"))
	}
	return g, done, nil
}

// archive is the package as the zip that the Metadata API takes.
func (in GuardInput) archive() ([]byte, error) {
	if err := in.oneSpelling(); err != nil {
		return nil, err
	}
	files := append([]component.Entry{{Path: "package.xml", Body: component.PrintManifest(sf.ManifestOf(in.Version, in.Package.Members))}}, in.Package.Files...)
	for name, keys := range map[string][]sf.ComponentKey{"destructiveChangesPre.xml": in.First, "destructiveChangesPost.xml": in.Package.Deleted} {
		if len(keys) > 0 {
			files = append(files, component.Entry{Path: name, Body: component.PrintManifest(sf.ManifestOf("", keys))})
		}
	}
	return component.Pack(files)
}

// oneSpelling refuses a package with two names that differ in the case of letters alone: to the org they are one component,
// of which one would replace the other, or be deleted with it. What is deleted first and deployed then is a component anew.
func (in GuardInput) oneSpelling() error {
	keys := slices.Clone(in.Package.Deleted)
	for key := range component.ByKey(in.Package.Files) {
		keys = append(keys, key)
	}
	keys = append(keys, in.Package.Members...)
	slices.SortFunc(keys, sf.ComponentKey.Compare)
	names := map[sf.ComponentKey]string{}
	for _, key := range keys {
		folded := component.Folded(key)
		if was := names[folded]; was != "" && was != key.Name {
			return fmt.Errorf("%s %s and %s: names that differ in upper and lower case alone are one component to an org; rename or remove one of them", key.Type, was, key.Name)
		}
		names[folded] = key.Name
	}
	return nil
}

// meet finds out that the org is the one that the journal is about.
func (g *guard) meet(ctx context.Context) error {
	who, err := g.in.Org.Identity(ctx)
	if err != nil {
		return err
	}
	g.out.OrgID = who.OrgID
	if g.journal.Begun() && g.journal.Org != who.OrgID {
		return problem.Newf(problem.Conflict, "this folder guards a deployment to org %s and this is org %s", g.journal.Org, who.OrgID).
			Hint("name a new folder with --to")
	}
	return nil
}

// prepare knows the state before the deployment: fresh, or the one that the journal names.
func (g *guard) prepare(ctx context.Context, fresh bool) error {
	if err := g.meet(ctx); err != nil {
		return err
	}
	g.readIntents()
	var err error
	if fresh {
		g.before, err = g.observeBefore(ctx)
	} else {
		g.before, err = g.in.Store.Load(ctx, g.journal.Before)
	}
	if err != nil {
		return err
	}
	g.out.Before, g.out.Made = g.before.Info().ID, g.before.Info().To
	if err := g.know(ctx); err != nil {
		return err
	}
	if err := g.grade(ctx); err != nil {
		return err
	}
	if err := g.foresee(ctx); err != nil {
		return err
	}
	if fresh {
		at, err := g.in.Org.ServerTime(ctx)
		if err != nil {
			return err
		}
		if err := g.journal.Begin(g.out.Digest, g.out.OrgID, g.out.Before, at); err != nil {
			return err
		}
	}
	return g.gate()
}

// gate is the error of a deployment that should not be made.
func (g *guard) gate() error {
	for _, v := range g.out.Validated {
		if v.What == "package" && !v.Success {
			return problem.New(problem.Findings, "the org refuses the package").Hint("mend what it says; nothing was deployed")
		}
	}
	if least := g.in.MinGrade; least != "" && g.out.Grade > least {
		return problem.Newf(problem.Findings, "the deployment has grade %s, and %s is asked for", g.out.Grade, least).
			Hint("the reasons are listed by component; nothing was deployed")
	}
	return nil
}

func (g *guard) deploy(ctx context.Context) error {
	if err := g.meet(ctx); err != nil {
		return err
	}
	if g.journal.Done { // an earlier run deployed it: what was before is told by its snapshot alone
		return g.finish(ctx)
	}
	if len(g.journal.Sent) == 0 || !sentForReal(g.journal.Sent) {
		// What people did since an earlier look is theirs: of an old one, it would be taken back with the deployment.
		if err := g.prepare(ctx, true); err != nil {
			return err
		}
	}
	began, whole := g.in.Now(), len(g.journal.Sent) == 0
	err := g.journal.Deploy(ctx, g.in.Org, g.archive, g.in.Tests, g.validated, g.arrived)
	g.out.Sent, g.out.Deployed = sentRows(g.journal.Sent), g.journal.Done
	if err != nil {
		return err
	}
	if whole {
		g.out.Took.Deploy = g.in.Now().Sub(began).Seconds()
	}
	return g.finish(ctx)
}

func sentForReal(sent []apply.Deploying) bool {
	return slices.ContainsFunc(sent, func(d apply.Deploying) bool { return d.How != apply.SendValidate && !(d.Ended && !d.Success) })
}

// readIntents groups what the package does by the components of which it does it.
func (g *guard) readIntents() {
	g.intents, g.kinds = nil, nil
	at := map[sf.ComponentKey]int{}
	intent := func(key sf.ComponentKey) *rollback.Intent {
		if _, ok := at[key]; !ok {
			at[key] = len(g.intents)
			g.intents = append(g.intents, rollback.Intent{Key: key})
			g.kinds = append(g.kinds, key.Type)
		}
		return &g.intents[at[key]]
	}
	for key, files := range component.ByKey(g.in.Package.Files) {
		if key.Type == "FlowDefinition" {
			key.Type = "Flow"
		}
		if in := intent(key); len(in.Files) == 0 || strings.HasSuffix(files[0].Path, ".flow") {
			in.Files = files
		}
	}
	for _, key := range slices.Concat(g.in.First, g.in.Package.Deleted) {
		owner, isPart := ownerOf(key)
		if in := intent(owner); isPart {
			in.Parts = append(in.Parts, key)
		} else {
			in.Deleted = len(in.Files) == 0 // what is deleted and deployed again is replaced
		}
	}
	slices.SortFunc(g.intents, func(a, b rollback.Intent) int { return a.Key.Compare(b.Key) })
	slices.Sort(g.kinds)
	g.kinds = slices.Compact(g.kinds)
}

// ownerOf returns the component in whose file another stands; of the version of a flow, the flow.
func ownerOf(key sf.ComponentKey) (owner sf.ComponentKey, part bool) {
	if key.Type == "Flow" || key.Type == "FlowDefinition" {
		return sf.ComponentKey{Type: "Flow", Name: wholeName(sf.ComponentKey{Type: "Flow", Name: key.Name})}, false
	}
	parent := component.Known().Parent(key.Type)
	if parent == nil {
		return key, false
	}
	name, _, ok := strings.Cut(key.Name, ".")
	if !ok {
		name = parent.Name
	}
	return sf.ComponentKey{Type: parent.Name, Name: name}, true
}

// know fills in what the snapshot holds of what is touched.
func (g *guard) know(ctx context.Context) error {
	r := &reversal{in: RollbackInput{Store: g.in.Store}}
	for i := range g.intents {
		in := &g.intents[i]
		in.Untold, in.Before = untold(g.before, in.Key.Type), nil
		rows, err := rowsOf(ctx, g.before, in.Key.Type)
		if err != nil {
			return err
		}
		row, there := rows[in.Key.Name]
		for name, other := range rows {
			if !there && strings.EqualFold(name, in.Key.Name) { // to the org it is the same
				row, there = other, true
			}
		}
		if in.Key.Type == "Flow" {
			row, there = versionNow(rows, in.Key.Name)
		}
		if there {
			if in.Before, err = r.component(ctx, row); err != nil {
				return err
			}
		}
		if slices.Contains(notGiven(g.before, in.Key.Type), in.Key.Name) {
			in.Untold = "the org did not give it"
		}
	}
	return nil
}

// versionNow returns the version of a flow that is active, or else its newest.
func versionNow(rows map[string]component.Row, flow string) (now component.Row, there bool) {
	for _, row := range rows {
		if !strings.EqualFold(wholeName(row.ComponentKey), flow) {
			continue
		}
		if is, was := row.Status == "Active", now.Status == "Active"; !there || is && !was || is == was && row.Version > now.Version {
			now, there = row, true
		}
	}
	return now, there
}

func sentRows(sent []apply.Deploying) []SentRow {
	var out []SentRow
	for i, s := range sent {
		row := SentRow{Deployment: i + 1, How: s.How, ID: s.ID, Ended: s.Ended, Success: s.Success, Tests: s.Outcome.Tests}
		row.Problems = problemRows(s.Outcome)
		out = append(out, row)
	}
	return out
}

func problemRows(d sf.Deployment) []ProblemRow {
	var out []ProblemRow
	for _, c := range d.Results {
		if !c.Success {
			out = append(out, ProblemRow{Type: c.Type, Name: c.Name, Problem: c.Problem, Line: c.Line})
		}
	}
	for _, f := range d.TestFailures {
		out = append(out, ProblemRow{Type: "ApexTest", Name: f.Class + "." + f.Method, Problem: f.Message})
	}
	if len(out) == 0 && !d.Success {
		for _, text := range d.Uncovered {
			out = append(out, ProblemRow{Type: "ApexTest", Problem: text})
		}
	}
	if len(out) == 0 && !d.Success && d.Error != "" {
		out = append(out, ProblemRow{Problem: d.Error})
	}
	return out
}
