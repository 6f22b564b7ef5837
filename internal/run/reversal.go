package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// reversal is one change of components, with what it takes to decide how it is taken back.
type reversal struct {
	in                  RollbackInput
	before, after, live *snapshot.Snapshot
	only                []string        // components, as "Type Name", sorted
	except              []string        // components, as "Type Name", sorted, that are not part of the change
	retyped             map[string]bool // fields of which the change changed the type, as Object.Field
	lost                map[string]bool // objects, and fields as Object.Field, that the change deleted or gave another type
	objects             []string        // whose records are observed with the components
	notes               []string
	decided             []rollback.Change // from which the plan was decided
	going               []string          // what goes with deletions of what people have done since, as the plan notes it
}

// decide observes the org and decides.
func (r *reversal) decide(ctx context.Context) (rollback.Plan, error) {
	if r.after == nil {
		return r.decideRestore(ctx)
	}
	kinds, err := r.touchedKinds(ctx)
	if err != nil {
		return rollback.Plan{}, err
	}
	if err := r.observe(ctx, kinds); err != nil {
		return rollback.Plan{}, err
	}
	r.notes, r.retyped, r.lost = nil, map[string]bool{}, map[string]bool{}
	input := rollback.Input{APIVersion: r.in.APIVersion, Before: r.before.Info().Started}
	var refused []rollback.Action
	for _, kind := range kinds {
		changes, err := r.changes(ctx, kind)
		if err != nil {
			return rollback.Plan{}, err
		}
		if why := r.unheld(kind); why != "" {
			refused = append(refused, refuse(changes, why)...)
			continue
		}
		input.Changes = append(input.Changes, changes...)
	}
	if missing := r.unknown(input.Changes, refused); missing != "" {
		return rollback.Plan{}, problem.Newf(problem.NotFound, "%s is not among what changed between the two snapshots", missing).
			Hint("`holdfast diff %s %s --changes` lists what did", r.before.Info().Short(), r.after.Info().Short())
	}
	return r.planned(ctx, input, refused)
}

// planned decides, and says what the plan was decided from.
func (r *reversal) planned(ctx context.Context, input rollback.Input, refused []rollback.Action) (rollback.Plan, error) {
	told := true
	if slices.ContainsFunc(input.Changes, func(c rollback.Change) bool { return c.Key.Type == "Flow" }) {
		var err error
		if input.Production, told, err = inProduction(ctx, r.in.Org, r.live.Schema()); err != nil {
			return rollback.Plan{}, err
		}
	}
	plan, err := rollback.Decide(input)
	if err != nil {
		return rollback.Plan{}, problem.Wrap(problem.Damaged, err, "decide")
	}
	if !told && slices.ContainsFunc(plan.Actions, func(a rollback.Action) bool { return a.Key.Type == "Flow" && a.Verb == rollback.PutBack }) {
		r.notes = append(r.notes, notTold+"a flow that comes back is switched on by a deployment of its own, where it is not active by then")
	}
	r.decided = input.Changes
	plan.Actions = append(plan.Actions, refused...)
	slices.SortFunc(plan.Actions, func(a, b rollback.Action) int { return a.Key.Compare(b.Key) })
	plan.Org, plan.Made = r.before.Info().OrgID, r.live.Info().To.UTC().Truncate(time.Millisecond)
	plan.Source = rollback.Source{Before: r.before.Info().ID, Live: r.live.Info().ID, Only: r.only, Except: r.except}
	if r.after != nil {
		plan.Source.After = r.after.Info().ID
	}
	losses, unread, err := r.losses(ctx, plan, input.Changes)
	if err != nil {
		return rollback.Plan{}, err
	}
	r.going = unread
	for _, l := range losses {
		r.going = append(r.going, l.String())
	}
	plan.Notes = slices.Concat(plan.Notes, r.notes, r.going)
	return plan, nil
}

// refuse makes of changes of a type that cannot be told what cannot be done.
func refuse(changes []rollback.Change, why string) []rollback.Action {
	var out []rollback.Action
	for _, c := range changes {
		if c.Key.Type == "FlowDefinition" {
			continue
		}
		out = append(out, rollback.Action{Key: c.Key, Verb: rollback.Cannot, Why: why})
	}
	return out
}

// touchedKinds returns the types of which a component changed, sorted.
func (r *reversal) touchedKinds(ctx context.Context) ([]string, error) {
	var kinds []string
	for _, sn := range []*snapshot.Snapshot{r.before, r.after} {
		kinds = append(kinds, componentKinds(sn)...)
	}
	if len(kinds) == 0 {
		return nil, problem.New(problem.Conflict, "neither snapshot holds metadata").
			Hint("take backups with metadata around a deployment; `holdfast show SNAPSHOT --coverage` says what one holds")
	}
	slices.Sort(kinds)
	var touched []string
	for _, kind := range slices.Compact(kinds) {
		keys, err := r.touchedOf(ctx, kind)
		if err != nil {
			return nil, err
		}
		if len(keys) > 0 {
			touched = append(touched, kind)
		}
	}
	return touched, nil
}

// touchedOf returns the names of the components of a type that the change changed and the plan is about, in lower case; of
// flows, those of the flows.
func (r *reversal) touchedOf(ctx context.Context, kind string) (map[string]bool, error) {
	before, err := rowsOf(ctx, r.before, kind)
	if err != nil {
		return nil, err
	}
	after, err := rowsOf(ctx, r.after, kind)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	note := func(row component.Row) {
		name := wholeName(row.ComponentKey)
		asked := func(text string) bool { return strings.EqualFold(text, kind+" "+name) }
		if (len(r.only) == 0 || slices.ContainsFunc(r.only, asked)) && !slices.ContainsFunc(r.except, asked) {
			out[strings.ToLower(name)] = true
		}
	}
	for name, a := range before {
		if b, ok := after[name]; !ok || a.Sum != b.Sum || a.Status != b.Status {
			note(a)
		}
	}
	for name, b := range after {
		if _, ok := before[name]; !ok {
			note(b)
		}
	}
	return out, nil
}

// wholeName is the name of a component; of a version of a flow, that of the flow.
func wholeName(key sf.ComponentKey) string {
	if key.Type != "Flow" {
		return key.Name
	}
	flow, _ := component.SplitFlow(key.Name)
	return flow
}

// rowsOf reads the components of a type, by name; none where the snapshot does not hold the type.
func rowsOf(ctx context.Context, sn *snapshot.Snapshot, kind string) (map[string]component.Row, error) {
	out := map[string]component.Row{}
	if _, held := wholePart(sn, snapshot.Components.Name(kind)); !held {
		return out, nil
	}
	for row, err := range componentRows(ctx, sn, kind) {
		if err != nil {
			return nil, err
		}
		out[row.Name] = row
	}
	return out, nil
}

// observe captures the components of these types as they are now. What profiles say depends on what else is
// read with them, so that with them everything is.
func (r *reversal) observe(ctx context.Context, kinds []string) error {
	if r.sees(r.in.live) {
		r.live = r.in.live
		return nil
	}
	opts := r.in.Capture
	opts.Metadata, opts.Include = r.in.Org, nil
	if opts.Kind == "" {
		opts.Kind = kindLive
	}
	for _, kind := range kinds {
		opts.Include = append(opts.Include, snapshot.Components.Name(kind))
	}
	if len(kinds) == 0 || slices.ContainsFunc(kinds, component.Dependent) {
		opts.Include = []string{snapshot.Components.Name("*")}
	}
	opts.Include = append(opts.Include, r.objects...)
	// What vanished in numbers since is no deletion that a plan would make, and it is looked at again anyway.
	captured, err := capture.Run(ctx, r.in.Org, r.in.Store, opts)
	if err != nil && problem.KindOf(err) != problem.Partial {
		return fmt.Errorf("read the live org: %w", err)
	}
	r.live, err = r.in.Store.Load(ctx, captured.Snapshot.ID)
	return err
}

// sees reports a snapshot that tells what the org has of the records that are to be observed.
func (r *reversal) sees(sn *snapshot.Snapshot) bool {
	if sn == nil {
		return false
	}
	for _, name := range r.objects {
		if p, held := wholePart(sn, name); !held || p.Stale || p.From.Before(sn.Info().Started) {
			return false
		}
	}
	return true
}

// changes returns the components of a type that the change touched, in three states.
func (r *reversal) changes(ctx context.Context, kind string) ([]rollback.Change, error) {
	touched, err := r.touchedOf(ctx, kind)
	if err != nil {
		return nil, err
	}
	byName := map[string]*rollback.Change{}
	for i, sn := range []*snapshot.Snapshot{r.before, r.after, r.live} {
		rows, err := rowsOf(ctx, sn, kind)
		if err != nil {
			return nil, err
		}
		for _, gone := range notGiven(sn, kind) { // it is there, and nobody knows what is in it
			rows[gone] = component.Row{Component: sf.Component{ComponentKey: sf.ComponentKey{Type: kind, Name: gone}}}
		}
		for name, row := range rows {
			if !touched[strings.ToLower(wholeName(row.ComponentKey))] {
				continue
			}
			c, err := r.component(ctx, row)
			if err != nil {
				return nil, err
			}
			change := byName[name]
			if change == nil {
				change = &rollback.Change{Key: row.ComponentKey}
				byName[name] = change
			}
			*[]**rollback.Component{&change.Before, &change.After, &change.Now}[i] = c
		}
	}
	joinRespelt(byName)
	out := make([]rollback.Change, 0, len(byName))
	for _, c := range byName {
		c.After = r.withoutExcepted(c.Before, c.After)
		out = append(out, *c)
		r.noteLost(*c)
	}
	slices.SortFunc(out, func(a, b rollback.Change) int { return a.Key.Compare(b.Key) })
	return out, nil
}

// keyOf reads a component written as "Type Name".
func keyOf(text string) sf.ComponentKey {
	kind, name, _ := strings.Cut(text, " ")
	return sf.ComponentKey{Type: kind, Name: name}
}

func (r *reversal) component(ctx context.Context, row component.Row) (*rollback.Component, error) {
	files, err := componentFiles(ctx, r.in.Store, row)
	if err != nil {
		return nil, err
	}
	return &rollback.Component{Component: row.Component, Files: files, Version: row.Version, Status: row.Status}, nil
}

// noteLost notes an object that the change deleted, and fields that it deleted or gave another type.
func (r *reversal) noteLost(c rollback.Change) {
	if c.Key.Type != "CustomObject" || c.Before == nil {
		return
	}
	if c.After == nil {
		r.lost[c.Key.Name] = true
		return
	}
	before, after := fieldTypes(c.Before.Files), map[string]string{}
	for name, is := range fieldTypes(c.After.Files) {
		after[strings.ToLower(name)] = is // in other letters it is the same field
	}
	for name, was := range before {
		is, ok := after[strings.ToLower(name)]
		if ok && is != was {
			r.retyped[c.Key.Name+"."+name] = true
		}
		if is != was {
			r.lost[c.Key.Name+"."+name] = true
		}
	}
}

// fieldTypes returns the types of the fields in the file of an object.
func fieldTypes(files []component.Entry) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		doc, err := component.Parse(f.Body)
		if err != nil {
			continue
		}
		for _, n := range doc.Nodes {
			if n.Name == "fields" {
				out[n.Value("fullName")] = n.Value("type")
			}
		}
	}
	return out
}

// unknown returns the first of the components asked for that did not change, or "".
func (r *reversal) unknown(changes []rollback.Change, refused []rollback.Action) string {
	found := map[string]bool{} // in lower case
	for _, c := range changes {
		found[strings.ToLower(c.Key.Type+" "+c.Key.Name)] = true
		for _, x := range []*rollback.Component{c.Before, c.After, c.Now} {
			if x != nil {
				found[strings.ToLower(c.Key.Type+" "+wholeName(x.ComponentKey))] = true
			}
		}
	}
	for _, a := range refused {
		found[strings.ToLower(a.Key.Type+" "+a.Key.Name)] = true
	}
	for _, name := range r.only {
		if !found[strings.ToLower(name)] {
			return name
		}
	}
	return ""
}

// unheld says why one of the three states does not tell what it had of a type, or "". A type that failed, was
// left out, or was taken over from earlier says nothing of what was there then: to take it for empty
// would delete what was there before.
func (r *reversal) unheld(kind string) string {
	for _, s := range []struct {
		sn   *snapshot.Snapshot
		when string
	}{{r.before, "before the change"}, {r.after, "after the change"}, {r.live, "now"}} {
		if s.sn == nil {
			continue
		}
		if why := untold(s.sn, kind); why != "" {
			return fmt.Sprintf("what the org had of %s %s is not known: %s", kind, s.when, why)
		}
		if !component.Dependent(kind) {
			continue
		}
		for _, other := range component.ContextTypes() {
			if why := untold(s.sn, other); why != "" {
				return fmt.Sprintf("what the org had of %s %s is not whole without %s: %s", kind, s.when, other, why)
			}
		}
	}
	return ""
}

// untold says why a snapshot does not tell what the org had of a type when it was taken, or "".
func untold(sn *snapshot.Snapshot, kind string) string {
	name := snapshot.Components.Name(kind)
	for _, g := range sn.Coverage() {
		switch {
		case g.Object == name && g.Field == "", g.Object == string(snapshot.Components) && capture.Of(g.Reason) == capture.RuleNotSelected:
			return g.Reason
		case g.Object == name && component.Dependent(kind) && capture.Of(g.Reason) == capture.RuleFailed && strings.Contains(g.Reason, "profiles lack"):
			return g.Field + ": " + g.Reason
		}
	}
	part, named := sn.Part(name)
	if !named { // a type without components has no part, when metadata was asked for
		if part, named = sn.Part(snapshot.Components.Name("CustomObject")); !named {
			return "the snapshot does not hold it"
		}
	}
	switch {
	case part.State != snapshot.Whole:
		return part.Reason
	case part.Stale:
		return "it could not be read, and is as an earlier snapshot held it: " + part.Reason
	case part.From.Before(sn.Info().Started):
		return "it was not read then, but taken over from an earlier snapshot"
	}
	return ""
}

// notGiven returns the names of components of a type that the org had and did not give.
func notGiven(sn *snapshot.Snapshot, kind string) []string {
	var out []string
	for _, g := range sn.Coverage() {
		if g.Object == snapshot.Components.Name(kind) && g.Field != "" {
			out = append(out, g.Field)
		}
	}
	return out
}
