package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
)

// loadRestore checks a request to make components as a snapshot holds them.
func (in RollbackInput) loadRestore(org sf.ID, r *reversal) error {
	before := r.before.Info()
	switch {
	case before.OrgID != org:
		return problem.Newf(problem.Usage, "snapshot %s is of org %s and this is org %s", before.Short(), before.OrgID, org)
	case len(in.Only) == 0:
		return problem.New(problem.Usage, "no component is named").Hint("name what is to come back with --component TYPE:NAME")
	case len(componentKinds(r.before)) == 0:
		return problem.Newf(problem.Conflict, "snapshot %s holds no metadata", before.Short()).
			Hint("`holdfast show SNAPSHOT --coverage` says what one holds")
	}
	return in.readOnly(r)
}

// restoration is what is restored of the components of a snapshot.
type restoration struct {
	*reversal
	held     map[string]map[string]component.Row // of the snapshot, by type and name
	live     map[string]map[string]component.Row // of the org, of the types that were observed
	chosen   map[sf.ComponentKey][]sf.ComponentKey
	why      []string // why something is in it that was not asked for
	observed []string
}

// decideRestore decides what makes the chosen components, and what they cannot live without, as the snapshot holds them.
func (r *reversal) decideRestore(ctx context.Context) (rollback.Plan, error) {
	x := &restoration{
		reversal: r, held: map[string]map[string]component.Row{}, live: map[string]map[string]component.Row{},
		chosen: map[sf.ComponentKey][]sf.ComponentKey{},
	}
	for _, kind := range componentKinds(r.before) {
		rows, err := rowsOf(ctx, r.before, kind)
		if err != nil {
			return rollback.Plan{}, err
		}
		x.held[kind] = rows
	}
	for _, text := range r.only {
		if err := x.choose(text); err != nil {
			return rollback.Plan{}, err
		}
	}
	if err := x.see(ctx); err != nil {
		return rollback.Plan{}, err
	}
	if !r.in.exact {
		if err := x.needs(ctx); err != nil {
			return rollback.Plan{}, err
		}
		r.only = x.names()
	}
	r.notes, r.retyped, r.lost = x.why, map[string]bool{}, map[string]bool{}
	input := rollback.Input{APIVersion: r.in.APIVersion}
	var refused []rollback.Action
	for _, key := range slices.SortedFunc(maps.Keys(x.chosen), sf.ComponentKey.Compare) {
		changes, err := x.change(ctx, key)
		if err != nil {
			return rollback.Plan{}, err
		}
		if why := r.unheld(key.Type); why != "" {
			refused = append(refused, rollback.Action{Key: key, Verb: rollback.Cannot, Why: why})
			continue
		}
		input.Changes = append(input.Changes, changes...)
	}
	return r.planned(ctx, input, refused)
}

// choose takes in what one name, or a pattern of names, means.
func (x *restoration) choose(text string) error {
	kind, name, _ := strings.Cut(text, " ")
	missing := problem.Newf(problem.NotFound, "snapshot %s holds no %s %s", x.before.Info().Short(), kind, name).
		Hint("`holdfast show %s components/%s` lists what it holds", x.before.Info().Short(), kind)
	if x.held[kind] == nil {
		parent := component.Known().Parent(kind)
		if parent == nil || x.held[parent.Name] == nil {
			return missing
		}
		owner, _, ok := strings.Cut(name, ".")
		if !ok { // labels are named without that in which they stand
			owner = parent.Name
		}
		key := sf.ComponentKey{Type: parent.Name, Name: owner}
		if _, there := x.held[parent.Name][owner]; !there {
			return missing
		}
		if parts, whole := x.chosen[key]; !whole || parts != nil {
			x.chosen[key] = append(parts, sf.ComponentKey{Type: kind, Name: name})
		}
		return nil
	}
	found := false
	for _, row := range x.held[kind] {
		if n := wholeName(row.ComponentKey); n == name || !x.in.exact && strings.ContainsAny(name, "*?[") && matchesText(name, n) {
			found = true
			x.chosen[sf.ComponentKey{Type: kind, Name: n}] = nil // as a whole
		}
	}
	if !found {
		return missing
	}
	return nil
}

// names are what is chosen, as a plan names it.
func (x *restoration) names() []string {
	var out []string
	for key, parts := range x.chosen {
		if parts == nil {
			out = append(out, key.Type+" "+key.Name)
		}
		out = append(out, keyTexts(parts)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// see observes the types of what is chosen, besides those that are observed already.
func (x *restoration) see(ctx context.Context, more ...string) error {
	kinds := slices.Clone(x.observed)
	for key := range x.chosen {
		kinds = append(kinds, key.Type)
	}
	kinds = append(kinds, more...)
	slices.Sort(kinds)
	if kinds = slices.Compact(kinds); slices.Equal(kinds, x.observed) {
		return nil
	}
	if err := x.observe(ctx, kinds); err != nil {
		return err
	}
	x.observed = kinds
	for _, kind := range kinds {
		rows, err := rowsOf(ctx, x.reversal.live, kind)
		if err != nil {
			return err
		}
		x.live[kind] = rows
	}
	return nil
}

// rounds bounds how often what was found to be needed needs something itself: more would be a circle.
const rounds = 8

// needs takes in what the chosen components refer to, that the snapshot holds and the org no longer has.
func (x *restoration) needs(ctx context.Context) error {
	read := map[sf.ComponentKey]bool{}
	for range rounds {
		words := map[string]sf.ComponentKey{}
		for key := range x.chosen {
			if read[key] {
				continue
			}
			read[key] = true
			if err := x.words(ctx, key, words); err != nil {
				return err
			}
		}
		if len(words) == 0 {
			return nil
		}
		var kinds []string
		for kind := range x.held {
			if len(x.named(kind, words)) > 0 {
				kinds = append(kinds, kind)
			}
		}
		if err := x.see(ctx, kinds...); err != nil {
			return err
		}
		for _, kind := range kinds {
			if err := x.take(ctx, kind, words); err != nil {
				return err
			}
		}
	}
	return nil
}

// words notes the names that occur in the files of a component, and in which component.
func (x *restoration) words(ctx context.Context, key sf.ComponentKey, words map[string]sf.ComponentKey) error {
	for _, row := range x.held[key.Type] {
		if wholeName(row.ComponentKey) != key.Name {
			continue
		}
		files, err := componentFiles(ctx, x.in.Store, row)
		if err != nil {
			return err
		}
		for word := range component.Words(files) {
			if _, noted := words[word]; !noted {
				words[word] = key
			}
		}
	}
	return nil
}

// named returns the components of a type that the words name. Profiles and what is installed are needed by nobody.
func (x *restoration) named(kind string, words map[string]sf.ComponentKey) []component.Row {
	if component.Dependent(kind) || kind == "FlowDefinition" {
		return nil
	}
	var out []component.Row
	for _, row := range x.held[kind] {
		name := wholeName(row.ComponentKey)
		if at := strings.LastIndexByte(name, '/'); at >= 0 {
			name = name[at+1:]
		}
		if _, ok := words[name]; ok && !row.Installed() {
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b component.Row) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// take takes in the components of a type that are named and no longer there, and fields of those that are.
func (x *restoration) take(ctx context.Context, kind string, words map[string]sf.ComponentKey) error {
	there := map[string]bool{}
	for _, row := range x.live[kind] {
		there[wholeName(row.ComponentKey)] = true
	}
	for _, row := range x.named(kind, words) {
		key := sf.ComponentKey{Type: kind, Name: wholeName(row.ComponentKey)}
		parts, chosen := x.chosen[key]
		switch {
		case !there[key.Name] && (!chosen || parts != nil):
			x.chosen[key] = nil
			x.because(key, words[key.Name[strings.LastIndexByte(key.Name, '/')+1:]])
		case there[key.Name] && kind == "CustomObject" && (!chosen || parts != nil):
			if err := x.fields(ctx, key, row, words); err != nil {
				return err
			}
		}
	}
	return nil
}

// fields takes in the fields of an object that are named and no longer there.
func (x *restoration) fields(ctx context.Context, key sf.ComponentKey, row component.Row, words map[string]sf.ComponentKey) error {
	held, err := componentFiles(ctx, x.in.Store, row)
	if err != nil {
		return err
	}
	live, err := componentFiles(ctx, x.in.Store, x.live[key.Type][key.Name])
	if err != nil {
		return err
	}
	is := fieldTypes(live)
	for _, name := range slices.Sorted(maps.Keys(fieldTypes(held))) {
		field := sf.ComponentKey{Type: "CustomField", Name: key.Name + "." + name}
		by, needed := words[name]
		if _, there := is[name]; there || !needed || !strings.Contains(name, "__") || slices.Contains(x.chosen[key], field) {
			continue
		}
		x.chosen[key] = append(x.chosen[key], field)
		x.because(field, by)
	}
	return nil
}

func (x *restoration) because(key, by sf.ComponentKey) {
	if key != by {
		x.why = append(x.why, fmt.Sprintf("%s %s comes back, too: %s %s names it, and the org no longer has it", key.Type, key.Name, by.Type, by.Name))
	}
}

// change returns what makes one component as the snapshot holds it; of a flow, of all its versions.
func (x *restoration) change(ctx context.Context, key sf.ComponentKey) ([]rollback.Change, error) {
	if key.Type == "Flow" {
		return x.flow(ctx, key.Name)
	}
	held, err := x.component(ctx, x.held[key.Type][key.Name])
	if err != nil {
		return nil, err
	}
	var now *rollback.Component
	row, there := x.live[key.Type][key.Name]
	if there {
		if now, err = x.component(ctx, row); err != nil {
			return nil, err
		}
	}
	var c rollback.Change
	if parts := x.chosen[key]; len(parts) > 0 && now != nil {
		if c, err = rollback.RestoringParts(held, now, parts); err != nil {
			return nil, problem.Wrap(problem.NotFound, err, "restore "+key.Type+" "+key.Name)
		}
	} else {
		c = rollback.Restoring(held, now)
	}
	if c.After != nil {
		x.noteLost(c)
	}
	return []rollback.Change{c}, nil
}

func (x *restoration) flow(ctx context.Context, name string) ([]rollback.Change, error) {
	byName := map[string]*rollback.Change{}
	at := func(row component.Row) *rollback.Change {
		if byName[row.Name] == nil {
			byName[row.Name] = &rollback.Change{Key: row.ComponentKey}
		}
		return byName[row.Name]
	}
	for i, rows := range []map[string]component.Row{x.held["Flow"], x.live["Flow"]} {
		for _, row := range rows {
			if wholeName(row.ComponentKey) != name {
				continue
			}
			c, err := x.component(ctx, row)
			if err != nil {
				return nil, err
			}
			if change := at(row); i == 0 {
				change.Before = c
			} else {
				change.After, change.Now = c, c
			}
		}
	}
	var out []rollback.Change
	for _, n := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, *byName[n])
	}
	return out, nil
}
