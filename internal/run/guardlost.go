package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// arrived finds out whether the org has carried out a deployment of which it gave no Id, once it cannot be running any
// more. A deployment is done whole or not at all, so that one component tells of all of them: the org has what the
// package says where it had not before, or it is all as it was. Where it is neither, somebody has worked on it since, and
// nobody can tell: it is not sent again. No list of deployments is asked: which of them was this one no list says.
func (g *guard) arrived(ctx context.Context) (bool, error) {
	g.readIntents()
	before, err := g.in.Store.Load(ctx, g.journal.Before)
	if err != nil {
		return false, err
	}
	r := &reversal{in: RollbackInput{Org: g.in.Org, Store: g.in.Store, Capture: g.in.Capture}}
	if err := r.observe(ctx, g.kinds); err != nil {
		return false, err
	}
	rows := map[string]map[string]component.Row{}
	for _, kind := range g.kinds {
		if rows[kind], err = rowsOf(ctx, r.live, kind); err != nil {
			return false, err
		}
		if why := untold(r.live, kind); why != "" {
			return false, g.unknown("what the org has of " + kind + " is not known: " + why)
		}
	}
	then, err := g.missing(ctx, before)
	if err != nil {
		return false, err
	}
	now, err := g.missing(ctx, r.live)
	if err != nil {
		return false, err
	}
	if len(now) == 0 {
		return true, nil
	}
	for key := range then {
		if !now[key] {
			return false, g.unknown(fmt.Sprintf("%s %s is as the package has it, and others are not", key.Type, key.Name))
		}
	}
	for key := range now {
		for _, row := range rows[key.Type] {
			if row.Name != key.Name && strings.EqualFold(row.Name, key.Name) {
				return false, g.unknown(fmt.Sprintf("the package has %s %s, which the org spells %s", key.Type, key.Name, row.Name))
			}
		}
	}
	since, err := Compare(ctx, CompareInput{
		Store: g.in.Store, Before: Side{Snapshot: before.Info().ID}, After: Side{Snapshot: r.live.Info().ID}, Types: g.kinds,
	})
	if err != nil {
		return false, err
	}
	for _, d := range since.Components {
		if key := (sf.ComponentKey{Type: d.Type, Name: d.Name}); now[key] || now[sf.ComponentKey{Type: d.Type, Name: wholeName(key)}] {
			return false, g.unknown(fmt.Sprintf("%s %s is neither as it was nor as the package has it", d.Type, d.Name))
		}
	}
	return false, nil
}

// unknown is the error of a deployment of which nobody can tell what became of it.
func (g *guard) unknown(why string) error {
	return problem.Newf(problem.Conflict, "what became of the deployment that was sent is not known: %s", why).
		Hint("look for it under Deployment Status in Setup; `holdfast guard after` with the same package and folder goes on from what the org has")
}

// missing returns what of the package a state does not have: components that are not as the package has them, and
// those that it deletes and that are there.
func (g *guard) missing(ctx context.Context, sn *snapshot.Snapshot) (map[sf.ComponentKey]bool, error) {
	out := map[sf.ComponentKey]bool{}
	if len(g.in.Package.Files) > 0 {
		wanted, err := Compare(ctx, CompareInput{
			Store: g.in.Store, Before: Side{Label: g.in.Source, Files: g.in.Package.Files}, After: Side{Snapshot: sn.Info().ID}, Types: g.kinds,
			How: []string{string(component.Removed), string(component.Changed)},
		})
		if err != nil {
			return nil, err
		}
		for _, d := range wanted.Components {
			out[sf.ComponentKey{Type: d.Type, Name: d.Name}] = true
		}
	}
	r := &reversal{in: RollbackInput{Store: g.in.Store}}
	for _, in := range g.intents {
		if !in.Deleted && len(in.Parts) == 0 {
			continue
		}
		rows, err := rowsOf(ctx, sn, in.Key.Type)
		if err != nil {
			return nil, err
		}
		for name, row := range rows {
			if !strings.EqualFold(wholeName(row.ComponentKey), in.Key.Name) {
				continue
			}
			if in.Deleted && (name == in.Key.Name || slices.Contains(g.deletions(), row.ComponentKey)) {
				out[row.ComponentKey] = true
			}
			c, err := r.component(ctx, row)
			if err != nil {
				return nil, err
			}
			for _, part := range in.Parts {
				if holdsPart(in.Key, part, c.Files) {
					out[part] = true
				}
			}
		}
	}
	return out, nil
}

// deletions are all components that the package deletes.
func (g *guard) deletions() []sf.ComponentKey { return slices.Concat(g.in.First, g.in.Package.Deleted) }

// holdsPart reports that a part stands in the file of its component.
func holdsPart(owner, part sf.ComponentKey, files []component.Entry) bool {
	if len(files) != 1 {
		return false
	}
	root, err := component.Parse(files[0].Body)
	if err != nil {
		return false
	}
	kind := component.Known().Kind(owner.Type)
	for _, n := range root.Nodes {
		if child, ok := kind.Child(n.Name); ok && child.Name == part.Type && component.ChildName(owner, n.Value(child.Key)) == part.Name {
			return true
		}
	}
	return false
}
