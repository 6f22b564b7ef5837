package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// grade grades every component, with the data that the snapshot holds of it.
func (g *guard) grade(ctx context.Context) error {
	g.out.Components, g.out.Data = []GuardRow{}, nil
	worst := rollback.GradeA
	for _, in := range g.intents {
		var failed error
		in.Data = func(object, field string) rollback.Data {
			d, err := g.data(ctx, object, field)
			if err != nil {
				failed = err
			}
			return d
		}
		grade, reasons := rollback.GradeOf(in)
		if failed != nil {
			return failed
		}
		row := GuardRow{Type: in.Key.Type, Name: in.Key.Name, Do: "deploy", Grade: string(grade), Reasons: []string{}}
		if in.Deleted {
			row.Do = "delete"
		}
		for _, r := range reasons {
			row.Reasons = append(row.Reasons, r.Text)
		}
		worst = max(worst, grade)
		g.out.Components = append(g.out.Components, row)
	}
	g.out.Grade = string(worst)
	return nil
}

// data counts what the snapshot holds of an object, or of a field.
func (g *guard) data(ctx context.Context, object, field string) (rollback.Data, error) {
	part, held := wholePart(g.before, object)
	held = held && !part.Stale && !part.From.Before(g.before.Info().Started)
	rows := []DataRow{{Object: object, Field: field, How: "at risk", Records: part.Records, Held: held && (field == "" || slices.Contains(part.Fields, field))}}
	if field == "" {
		rows[0].Values = part.Records
	} else if err := countValues(ctx, g.before, object, rows); err != nil {
		return rollback.Data{}, err
	}
	g.out.Data = append(g.out.Data, rows...)
	return rollback.Data{Held: rows[0].Held, Records: rows[0].Records, Values: rows[0].Values}, nil
}

// expect works out what the deployment changes and how that would be taken back.
func (g *guard) expect(ctx context.Context) error {
	input := rollback.Input{APIVersion: g.in.Version}
	g.out.Cannot, g.out.Foreseen = nil, nil
	for _, in := range g.intents {
		if in.Untold != "" {
			g.out.Cannot = append(g.out.Cannot, fmt.Sprintf("%s %s: %s", in.Key.Type, in.Key.Name, in.Untold))
			continue
		}
		if in.Key.Type == "Flow" {
			changes, err := g.foreseeFlow(ctx, in)
			if err != nil {
				return err
			}
			input.Changes = append(input.Changes, changes...)
			continue
		}
		after := in.After()
		input.Changes = append(input.Changes, rollback.Change{Key: in.Key, Before: in.Before, After: after, Now: after})
	}
	plan, err := rollback.Decide(input)
	if err != nil {
		return problem.Wrap(problem.Usage, err, "foresee the rollback")
	}
	for _, a := range plan.Actions {
		if a.Verb == rollback.Cannot {
			g.out.Cannot = append(g.out.Cannot, fmt.Sprintf("%s %s: %s", a.Key.Type, a.Key.Name, a.Why))
		}
	}
	g.out.Foreseen = ShownRollback(plan, nil).Deployments
	g.changes, g.way = input.Changes, &plan
	return nil
}

// foresee has the org validate the package, and how it would be taken back.
func (g *guard) foresee(ctx context.Context) error {
	if err := g.expect(ctx); err != nil {
		return err
	}
	plan := g.way
	g.out.Validated = []ValidationRow{}
	if g.journal.Done {
		return nil
	}
	if err := g.validate(ctx, "package", g.archive, g.in.Tests, ""); err != nil {
		return err
	}
	if len(plan.Deployments) == 0 {
		return nil
	}
	first := plan.Deployments[0]
	note := ""
	if len(first.Deleted) > 0 || len(plan.Deployments) > 1 {
		note = "what the deployment is going to make is not there yet, so that its deletion is validated afterwards"
	}
	first.Deleted = nil
	if len(first.Files) == 0 {
		g.out.Validated = append(g.out.Validated, ValidationRow{What: "rollback", Success: true, Note: note})
		return nil
	}
	archive, err := first.Archive()
	if err != nil {
		return err
	}
	return g.validate(ctx, "rollback", archive, "", note)
}

// foreseeFlow is what becomes of the versions of a flow.
func (g *guard) foreseeFlow(ctx context.Context, in rollback.Intent) ([]rollback.Change, error) {
	rows, err := rowsOf(ctx, g.before, "Flow")
	if err != nil {
		return nil, err
	}
	r := &reversal{in: RollbackInput{Store: g.in.Store}}
	active, newest := false, 0
	if len(in.Files) == 1 {
		if root, err := component.Parse(in.Files[0].Body); err == nil {
			active = root.Value("status") == "Active"
		}
	}
	var out []rollback.Change
	for _, row := range rows {
		if !strings.EqualFold(wholeName(row.ComponentKey), in.Key.Name) {
			continue
		}
		c, err := r.component(ctx, row)
		if err != nil {
			return nil, err
		}
		newest = max(newest, row.Version)
		change := rollback.Change{Key: row.ComponentKey, Before: c}
		if !in.Deleted {
			now := *c
			if active {
				now.Status = "Obsolete"
			}
			change.After, change.Now = &now, &now
		}
		out = append(out, change)
	}
	if len(in.Files) > 0 {
		made := &rollback.Component{
			Component: sf.Component{ComponentKey: sf.ComponentKey{Type: "Flow", Name: fmt.Sprintf("%s-%d", in.Key.Name, newest+1)}},
			Files:     in.Files, Version: newest + 1, Status: "Draft",
		}
		if active {
			made.Status = "Active"
		}
		out = append(out, rollback.Change{Key: made.ComponentKey, After: made, Now: made})
	}
	return out, nil
}

// validate has the org check an archive without doing anything.
func (g *guard) validate(ctx context.Context, what string, archive []byte, tests sf.TestLevel, note string) error {
	began := g.in.Now()
	id, err := g.in.Org.StartDeploy(ctx, archive, sf.DeployOptions{CheckOnly: true, RollbackOnError: true, TestLevel: tests})
	if err != nil {
		return fmt.Errorf("validate the %s: %w", what, err)
	}
	d, err := g.in.Org.AwaitDeploy(ctx, id)
	if err != nil {
		return fmt.Errorf("validate the %s: %w", what, err)
	}
	if what == "package" && d.Success {
		g.out.Took.Validate = g.in.Now().Sub(began).Seconds()
		g.validated = d
		g.validated.ID = id
	}
	g.out.Validated = append(g.out.Validated, ValidationRow{What: what, ID: id, Success: d.Success, Note: note, Problems: problemRows(d)})
	return nil
}

// finish takes the snapshot after the deployment, compares, and makes the plan that takes it back.
func (g *guard) finish(ctx context.Context) error {
	if err := g.meet(ctx); err != nil {
		return err
	}
	g.readIntents()
	var err error
	if g.before == nil {
		if g.before, err = g.in.Store.Load(ctx, g.journal.Before); err != nil {
			return err
		}
		g.out.Before, g.out.Made, g.out.OrgID = g.before.Info().ID, g.before.Info().To, g.before.Info().OrgID
		if err := g.know(ctx); err != nil {
			return err
		}
		if err := g.grade(ctx); err != nil {
			return err
		}
	}
	g.out.Sent, g.out.Deployed = sentRows(g.journal.Sent), g.journal.Done
	var live *snapshot.Snapshot // nil: people may have worked since, so that the org is looked at again
	if g.out.After = g.journal.After; g.out.After == "" {
		if live, err = g.observeAfter(ctx); err != nil {
			return err
		}
		g.out.After = live.Info().ID
		g.out.Unread = nil
		for _, kind := range g.kinds {
			if why := untold(live, kind); why != "" {
				g.out.Unread = append(g.out.Unread, kind+": "+why)
			}
		}
		// From here on, what people do is not the deployment's: a run that dies below does not look again. What could not be
		// read is looked at again.
		if len(g.out.Unread) == 0 {
			if err := g.journal.Finish(g.out.After); err != nil {
				return err
			}
		}
	}
	if err := g.whatChanged(ctx); err != nil {
		return err
	}
	except, err := g.notTaken(ctx)
	if err != nil {
		return err
	}
	plan, err := Rollback(ctx, RollbackInput{
		Org: g.in.Org, Store: g.in.Store, Before: g.out.Before, After: g.out.After, ConfigData: g.in.Config, APIVersion: g.in.Version, Capture: g.in.Capture,
		AutomationOff: g.in.AutomationOff, live: live, except: except,
	})
	if err != nil {
		return err
	}
	g.out.Rollback = &plan
	for i, d := range plan.Plan.Deployments {
		if i > 0 { // it presupposes what the first one does
			break
		}
		archive, err := d.Archive()
		if err != nil {
			return err
		}
		note := ""
		if n := len(plan.Plan.Deployments); n > 1 {
			note = fmt.Sprintf("the first of %d deployments: the others presuppose it", n)
		}
		if err := g.validate(ctx, "rollback", archive, "", note); err != nil {
			return err
		}
	}
	if len(g.out.Unread) > 0 {
		return problem.Newf(problem.Partial, "what the org has after the deployment could not be read in full: %s", strings.Join(g.out.Unread, "; ")).
			Hint("what of it can be taken back is not known by now; run the command again")
	}
	return nil
}

// whatChanged finds what changed beyond what was asked, and what is not as it was asked.
func (g *guard) whatChanged(ctx context.Context) error {
	all, err := Compare(ctx, CompareInput{
		Store: g.in.Store, Before: Side{Snapshot: g.out.Before}, After: Side{Snapshot: g.out.After}, Types: g.kinds,
	})
	if err != nil {
		return err
	}
	g.out.Beyond = nil
	for _, d := range all.Components {
		if left, beyond := g.beyond(d); beyond {
			g.out.Beyond = append(g.out.Beyond, left)
		}
	}
	if len(g.in.Package.Files) == 0 {
		return nil
	}
	wanted, err := Compare(ctx, CompareInput{
		Store: g.in.Store, Before: Side{Label: g.in.Source, Files: g.in.Package.Files}, After: Side{Snapshot: g.out.After}, Types: g.kinds,
		How: []string{string(component.Removed), string(component.Changed)},
	})
	g.out.Otherwise = wanted.Components
	return err
}

// beyond returns what of a difference the package did not ask for.
func (g *guard) beyond(d ComponentDiff) (ComponentDiff, bool) {
	name := d.Name
	if d.Type == "Flow" {
		name = wholeName(sf.ComponentKey{Type: "Flow", Name: name})
		if !slices.ContainsFunc(g.intents, func(in rollback.Intent) bool { return strings.EqualFold(in.Key.Name, name) && in.Key.Type == "Flow" }) {
			name = d.Name
		}
	}
	i := slices.IndexFunc(g.intents, func(in rollback.Intent) bool { return in.Key.Type == d.Type && strings.EqualFold(in.Key.Name, name) })
	if i < 0 {
		return d, true
	}
	in := g.intents[i]
	kind := component.Known().Kind(d.Type)
	if d.How != string(component.Changed) || kind == nil || len(kind.Children) == 0 && !component.Dependent(d.Type) || len(in.Files) > 1 {
		return d, false
	}
	var root *component.Node
	if len(in.Files) == 1 {
		root, _ = component.Parse(in.Files[0].Body) // what is no document asks for no part
	}
	d.Parts = slices.DeleteFunc(slices.Clone(d.Parts), func(p PartDiff) bool {
		if root != nil && len(component.Part(d.Type, root, p.Element, p.Key)) > 0 {
			return true
		}
		return slices.ContainsFunc(in.Parts, func(k sf.ComponentKey) bool {
			child, ok := kind.Child(p.Element)
			return ok && k.Type == child.Name && k.Name == component.ChildName(in.Key, p.Key)
		})
	})
	return d, len(d.Parts) > 0
}
