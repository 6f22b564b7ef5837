package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// observeBefore takes the snapshot before the deployment, once: of the types that are touched, and of the records at risk.
func (g *guard) observeBefore(ctx context.Context) (*snapshot.Snapshot, error) {
	objects, err := g.atRisk(ctx)
	if err != nil {
		return nil, err
	}
	// What the package brings is going to be taken away again where the snapshot does not have it: that it is not there needs
	// more than a listing.
	g.in.Capture.Ask = nil
	for _, in := range g.intents {
		g.in.Capture.Ask = append(g.in.Capture.Ask, in.Key)
	}
	defer func() { g.in.Capture.Ask = nil }()
	return g.take(ctx, slices.Concat(g.in.Objects, g.in.Config, objects))
}

// observeAfter takes the snapshot after the deployment, once: with the records that the plan which takes it back is
// going to be about, so that the plan is made from it as well. Where the deployment did otherwise than was expected, the
// plan looks at the org again.
func (g *guard) observeAfter(ctx context.Context) (*snapshot.Snapshot, error) {
	if g.way == nil {
		if err := g.expect(ctx); err != nil {
			return nil, err
		}
	}
	r := &reversal{
		in: RollbackInput{ConfigData: g.in.Config}, before: g.before, live: g.before, retyped: map[string]bool{}, lost: map[string]bool{},
	}
	for _, c := range g.changes {
		r.noteLost(c)
	}
	now, err := g.in.Org.SchemaOf(ctx, nil, g.before.Schema())
	if err != nil {
		return nil, fmt.Errorf("describe the org: %w", err)
	}
	return g.take(ctx, slices.Concat(g.in.Config, r.concerned(*g.way, now)))
}

// take takes a snapshot of the types that are touched and of some objects. What profiles say depends on what else is
// read with them, so that with them everything is.
func (g *guard) take(ctx context.Context, objects []string) (*snapshot.Snapshot, error) {
	slices.Sort(objects)
	opts := g.in.Capture
	opts.Kind, opts.Metadata, opts.Include = "", g.in.Org, slices.Compact(objects)
	if slices.ContainsFunc(g.kinds, component.Dependent) {
		opts.Include = append(opts.Include, snapshot.Components.Name("*"))
	} else {
		for _, kind := range g.kinds {
			opts.Include = append(opts.Include, snapshot.Components.Name(kind))
		}
	}
	began := g.in.Now()
	captured, err := capture.Run(ctx, g.in.Org, g.in.Store, opts)
	if err != nil && problem.KindOf(err) != problem.Partial {
		return nil, fmt.Errorf("read the org: %w", err)
	}
	g.out.Took.Observe = g.in.Now().Sub(began).Seconds()
	return g.in.Store.Load(ctx, captured.Snapshot.ID)
}

// atRisk returns the objects of whose records the deployment may destroy values. It asks for the objects that the
// package touches, and for nothing else, because what else the snapshot has to hold must be known before it is taken.
func (g *guard) atRisk(ctx context.Context) ([]string, error) {
	touched := map[string]rollback.Intent{}
	for _, in := range g.intents {
		if in.Key.Type == "CustomObject" {
			touched[in.Key.Name] = in
		}
	}
	if len(touched) == 0 {
		return nil, nil
	}
	names := slices.Sorted(maps.Keys(touched))
	there, err := g.objectsNow(ctx, names)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		in := touched[name]
		if in.Before = there[name]; in.Before == nil {
			continue
		}
		if fields, records := rollback.AtRisk(in); records || len(fields) > 0 {
			out = append(out, name)
		}
	}
	return out, nil
}

// objectsNow retrieves objects. One that the org does not give is left out: the snapshot says why.
func (g *guard) objectsNow(ctx context.Context, names []string) (map[string]*rollback.Component, error) {
	keys := make([]sf.ComponentKey, len(names))
	for i, name := range names {
		keys[i] = sf.ComponentKey{Type: "CustomObject", Name: name}
	}
	out := map[string]*rollback.Component{}
	got, err := g.in.Org.Retrieve(ctx, sf.ManifestOf(g.in.Version, keys))
	switch {
	case err == nil:
	case ctx.Err() != nil || unheard(err):
		return nil, fmt.Errorf("look at the objects of the package: %w", err)
	case len(names) == 1:
		return out, nil
	default: // one of them breaks the retrieve: half of them at a time, it stands in few others' way
		for _, half := range [][]string{names[:len(names)/2], names[len(names)/2:]} {
			found, err := g.objectsNow(ctx, half)
			if err != nil {
				return nil, err
			}
			maps.Copy(out, found)
		}
		return out, nil
	}
	archive, err := component.OpenArchive(got.Zip, component.DefaultLimits)
	if err != nil {
		return nil, fmt.Errorf("look at the objects of the package: %w", err)
	}
	for e, err := range archive.Entries() {
		if err != nil {
			return nil, fmt.Errorf("look at the objects of the package: %w", err)
		}
		e.Path = strings.TrimPrefix(e.Path, "unpackaged/")
		if key, ok := component.Known().Resolve(e.Path); ok && key.Type == "CustomObject" {
			out[key.Name] = &rollback.Component{Component: sf.Component{ComponentKey: key}, Files: []component.Entry{e}}
		}
	}
	return out, nil
}

// unheard reports an error that is about the asking, and not about what was asked for.
func unheard(err error) bool {
	switch problem.KindOf(err) {
	case problem.Interrupted, problem.Unreachable, problem.Unauthorized, problem.Limits:
		return true
	}
	return false
}
