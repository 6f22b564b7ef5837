package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Drift observes the components of the org that is the side After, and compares them with the side Before: what it
// should be. Without one that is the newest backup of the org that holds metadata.
//
// The error is Findings beside a result when they differ, Partial beside one when nothing differs and something could not be
// read, and so was not compared; otherwise those of Compare, Usage for a type that there is not, and NotFound when no backup holds metadata or
// neither side has what was asked for.
func Drift(ctx context.Context, in CompareInput) (DiffResult, error) {
	who, err := in.After.Live.Identity(ctx)
	if err != nil {
		return DiffResult{}, err
	}
	if in.Before.Snapshot == "" && in.Before.Label == "" {
		if in.Before.Snapshot, err = newestWithMetadata(ctx, in.Store, who.OrgID); err != nil {
			return DiffResult{}, err
		}
	}
	out, err := Compare(ctx, in)
	if err != nil {
		return out, err
	}
	unread, err := in.unread(ctx, out)
	if err != nil {
		return out, err
	}
	beside := ""
	if len(unread) > 0 {
		beside = numbered(len(unread), "%d {type|types} of components could not be read in full, and {was|were} not compared in full: ") + some(unread)
	}
	if n := len(out.Components); n > 0 {
		text := numbered(n, "%d {component differs|components differ} from ") + fmt.Sprintf("%s %s", out.Sides[0].Kind, out.Sides[0].Name)
		if beside != "" {
			text += "; " + beside
		}
		return out, problem.New(problem.Findings, text).Hint("deploy what is missing, or take a backup when the org is right")
	}
	if beside != "" {
		return out, problem.New(problem.Partial, "nothing that was compared differs; "+beside).
			Hint("`holdfast show %s --coverage` says why, of the org as it was read now", out.After.Short)
	}
	return out, in.meansSomething(ctx, out)
}

// unread returns the types, of those that are compared, of which a state was not read whole.
func (in CompareInput) unread(ctx context.Context, out DiffResult) ([]string, error) {
	var kinds []string
	project := map[string]bool{} // types that it has: others are not compared with it anyway
	for key := range component.ByKey(in.Before.Files) {
		project[key.Type] = true
	}
	for _, side := range []SnapshotRow{out.Before, out.After} {
		if side.ID == "" {
			continue
		}
		sn, err := in.Store.Load(ctx, side.ID)
		if err != nil {
			return nil, err
		}
		for _, g := range sn.Coverage() {
			kind, is := snapshot.Components.Of(g.Object)
			if !is || !in.wantsKind(kind) || g.Field != "" && !in.wants(kind, g.Field) {
				continue
			}
			rule := capture.Of(g.Reason)
			compared := slices.ContainsFunc(out.Objects, func(row DiffRow) bool { return row.Object == g.Object })
			if rule == capture.RuleFailed || rule == capture.RuleRefused && compared {
				kinds = append(kinds, kind)
			}
		}
		for _, p := range sn.PartsOf(snapshot.Components) {
			if kind, _ := snapshot.Components.Of(p.Object); p.Stale && in.wantsKind(kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	if len(project) > 0 {
		kinds = slices.DeleteFunc(kinds, func(kind string) bool { return !project[kind] && !in.asked(kind) })
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
}

// meansSomething refuses a comparison of nothing, such as of a type whose name is misspelt: that nothing differs says nothing then.
func (in CompareInput) meansSomething(ctx context.Context, out DiffResult) error {
	known := component.Known().Names()
	for _, side := range []SnapshotRow{out.Before, out.After} {
		if side.ID == "" {
			continue
		}
		sn, err := in.Store.Load(ctx, side.ID)
		if err != nil {
			return err
		}
		known = append(known, componentKinds(sn)...)
	}
	patterns := slices.Clone(in.Types)
	for _, text := range in.Components {
		kind, _, _ := strings.Cut(text, ":")
		patterns = append(patterns, kind)
	}
	for _, p := range patterns {
		if !slices.ContainsFunc(known, func(kind string) bool { return matchesText(p, kind) }) {
			return problem.Newf(problem.Usage, "there is no type of components %q", p).Hint("write it as the org does, such as ApexClass or CustomObject")
		}
	}
	if len(in.Components) > 0 && out.Sides[0].Components+out.Sides[1].Components == 0 {
		return problem.Newf(problem.NotFound, "neither the org nor %s %s has a component that is meant", out.Sides[0].Kind, out.Sides[0].Name).
			Hint("`holdfast drift` without --component names all that differ")
	}
	return nil
}

// newestWithMetadata returns the ID of the newest backup of an org that holds components.
func newestWithMetadata(ctx context.Context, store *snapshot.Store, org sf.ID) (string, error) {
	all, err := store.List(ctx, snapshot.OfOrg(org), snapshot.OfKind(kindBackup))
	if err != nil {
		return "", err
	}
	slices.SortStableFunc(all, func(a, b snapshot.Info) int { return b.Started.Compare(a.Started) })
	for _, info := range all {
		if info.Damage != nil {
			continue
		}
		sn, err := store.Load(ctx, info.ID)
		if err != nil {
			return "", err
		}
		if len(componentKinds(sn)) > 0 {
			return info.ID, nil
		}
	}
	return "", problem.New(problem.NotFound, fmt.Sprintf("no backup of org %s holds metadata", org)).
		Hint("`holdfast backup` without --no-metadata captures it")
}
