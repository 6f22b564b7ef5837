package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/component"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

const (
	// defaultChunk is the weight of one retrieve, in files: far enough below the 10,000 of the platform for what
	// is not known before.
	defaultChunk = 5_000
	bundleWeight = 8
	// retrieveParallel is how many retrieves are under way: one is read while the org works on another.
	retrieveParallel = 2
	// maxSplits bounds how often retrieves are divided because they fail: 40 poisonous components among
	// 25,000 take some 500.
	maxSplits = 1_000
)

var errTooManySplits = errors.New("too many components cannot be retrieved")

func (o Options) componentChunk() int {
	if o.ComponentChunk > 0 {
		return o.ComponentChunk
	}
	return defaultChunk
}

// retrieveAll retrieves what is listed and not known to be as it was: first the components that profiles are
// about, each group of them with all profiles, and then the others.
func (r *componentRun) retrieveAll(ctx context.Context) error {
	about, others, profiles := r.wanted()
	gather := newProfiles(r)
	if len(profiles) > 0 {
		good, err := r.soundProfiles(ctx, gather, profiles)
		if err != nil {
			return err
		}
		profiles = good
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(retrieveParallel)
	for _, chunk := range r.chunks(about) {
		group.Go(func() error { return r.fetch(within, gather, chunk, profiles) })
	}
	for _, chunk := range r.chunks(others) {
		group.Go(func() error { return r.fetch(within, gather, chunk, nil) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return gather.finish(ctx)
}

// wanted returns the components to retrieve, sorted: those that profiles are about, the others, and the
// profiles. What has not changed by a date that can be believed is taken over.
func (r *componentRun) wanted() (about, others, profiles []sf.ComponentKey) {
	for _, p := range r.parts {
		for name, c := range p.listed {
			if was, ok := p.held[name]; ok && !p.whole && was.Content != "" && component.Dated(c) && component.Same(was.Component, c) {
				p.rows[name] = &was
				continue
			}
			key := sf.ComponentKey{Type: p.kind, Name: name}
			switch {
			case component.Dependent(p.kind):
				profiles = append(profiles, key)
			case component.InContext(p.kind):
				about = append(about, key)
			default:
				others = append(others, key)
			}
		}
	}
	for _, list := range [][]sf.ComponentKey{about, others, profiles} {
		slices.SortFunc(list, sf.ComponentKey.Compare)
	}
	return about, others, profiles
}

// chunks divides components into groups of about the same weight.
func (r *componentRun) chunks(keys []sf.ComponentKey) [][]sf.ComponentKey {
	var out [][]sf.ComponentKey
	weight, from := 0, 0
	for i, key := range keys {
		w := weightOf(r.table, key.Type)
		if weight > 0 && weight+w > r.chunk {
			out = append(out, keys[from:i])
			weight, from = 0, i
		}
		weight += w
	}
	if from < len(keys) {
		out = append(out, keys[from:])
	}
	return out
}

// weightOf is about how many files a component of the type has.
func weightOf(table *component.Table, kind string) int {
	switch k := table.Kind(kind); {
	case k == nil:
		return 1
	case k.Bundle:
		return bundleWeight
	case k.Content || k.Mixed:
		return 2
	}
	return 1
}

// manifest names the components for a retrieve, where folders go by the type of what they hold.
func manifest(keys ...sf.ComponentKey) sf.Manifest {
	named := make([]sf.ComponentKey, len(keys))
	for i, k := range keys {
		named[i] = component.InManifest(k)
	}
	return sf.ManifestOf("", named)
}

// fetch retrieves components, with the profiles that are about them. When the org cannot give them all it
// asks for either half, until what breaks the retrieve stands alone and is named.
func (r *componentRun) fetch(ctx context.Context, gather *profiles, keys, with []sf.ComponentKey) error {
	err := r.retrieve(ctx, gather, keys, with)
	if err == nil || hopeless(ctx, err) || ctx.Err() != nil || errors.Is(err, errComponentStore) {
		return err
	}
	r.mu.Lock()
	r.splits++
	many := r.splits > maxSplits
	r.mu.Unlock()
	if many {
		return fmt.Errorf("%w: the last of %d divided retrieves: %w", errTooManySplits, maxSplits, err)
	}
	if half := len(keys) / 2; half > 0 {
		if err := r.fetch(ctx, gather, keys[:half], with); err != nil {
			return err
		}
		return r.fetch(ctx, gather, keys[half:], with)
	}
	if len(with) > 0 { // it may come without the profiles, which then lack what they say of it
		words := err.Error()
		if err := r.fetch(ctx, gather, keys, nil); err != nil {
			return err
		}
		r.mu.Lock()
		alone := r.parts[keys[0].Type].broken[keys[0].Name] == ""
		r.mu.Unlock()
		if alone {
			gather.incomplete(keys[0], words)
		}
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.parts[keys[0].Type]
	p.broken[keys[0].Name] = err.Error()
	row := p.row(keys[0].Name)
	row.Sum, row.Content = "", ""
	return nil
}

// row returns the row of a component, made of its listing. The caller holds mu.
func (p *kindPart) row(name string) *component.Row {
	row := p.rows[name]
	if row == nil {
		row = &component.Row{Component: p.listed[name]}
		row.ComponentKey = sf.ComponentKey{Type: p.kind, Name: name}
		p.rows[name] = row
	}
	return row
}

// retrieve asks for the components once and stores what comes.
func (r *componentRun) retrieve(ctx context.Context, gather *profiles, keys, with []sf.ComponentKey) error {
	first := keys
	if len(first) == 0 {
		first = with
	}
	r.tell(Event{Object: partName(first[0].Type), Stage: Started})
	got, err := r.org.Retrieve(ctx, manifest(slices.Concat(keys, with)...))
	if err != nil {
		return err
	}
	archive, err := component.OpenArchive(got.Zip, component.DefaultLimits)
	if err != nil {
		return err
	}
	came, err := r.unpack(ctx, gather, archive, got.Files)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		if !came[key] {
			r.parts[key.Type].absent[key.Name] = wordsAbout(key, got.Messages)
		}
	}
	return nil
}

// wordsAbout returns what the org says of a component that it did not give.
func wordsAbout(key sf.ComponentKey, messages []sf.RetrieveProblem) string {
	for _, m := range messages {
		if strings.Contains(m.Problem, "'"+key.Name+"'") || strings.Contains(m.Problem, "'"+key.Type+"'") {
			return m.Problem
		}
	}
	return "the org lists it and did not give it"
}

// unpack stores the components in an archive, each as soon as its last file has come, and returns which
// they are.
func (r *componentRun) unpack(ctx context.Context, gather *profiles, a *component.Archive, files []sf.Component) (map[sf.ComponentKey]bool, error) {
	owners := map[string]sf.ComponentKey{}
	for _, f := range files {
		owners[f.FileName] = f.ComponentKey
	}
	owner := func(path string) (sf.ComponentKey, bool) {
		if key, ok := r.table.Resolve(path); ok {
			return key, true
		}
		key, ok := owners[path]
		return key, ok && key.Type != "Package"
	}
	last := map[sf.ComponentKey]string{}
	strange := 0
	for _, path := range a.Paths() {
		if key, ok := owner(path); ok {
			last[key] = path
		} else if path != "package.xml" {
			strange++
		}
	}
	pending := map[sf.ComponentKey][]component.Entry{}
	came := map[sf.ComponentKey]bool{}
	for f, err := range a.Entries() {
		if err != nil {
			return nil, err
		}
		key, ok := owner(f.Path)
		if !ok {
			continue
		}
		pending[key] = append(pending[key], f)
		if last[key] != f.Path {
			continue
		}
		whole := pending[key]
		delete(pending, key)
		came[key] = true
		var err error
		if component.Dependent(key.Type) {
			err = gather.add(key, whole)
		} else {
			err = r.store(ctx, key, whole)
		}
		if err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.strange += strange
	return came, nil
}

// errComponentStore marks a failure of our own storage, which no division of a retrieve mends.
var errComponentStore = errors.New("store components")

// store keeps the files of one component, unless the last snapshot holds others that say the same.
func (r *componentRun) store(ctx context.Context, key sf.ComponentKey, files []component.Entry) error {
	r.mu.Lock()
	p := r.parts[key.Type]
	if p == nil || p.listed[key.Name].Name == "" {
		r.mu.Unlock()
		return nil // it came along with another, such as a folder that was left out
	}
	row := p.row(key.Name)
	was := p.held[key.Name]
	p.read++
	for _, f := range files {
		p.bytes += int64(len(f.Body))
	}
	r.mu.Unlock()
	sum := component.Sum(key.Type, files)
	if was.Sum == sum && was.Content != "" {
		r.mu.Lock()
		row.Sum, row.Content = sum, was.Content
		r.mu.Unlock()
		return nil
	}
	raw, err := component.Bundle(files)
	if err != nil {
		return err
	}
	err = r.bodies.Put(ctx, bytes.NewReader(raw), func(b snapshot.Body) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		row.Sum, row.Content = sum, b.Text()
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s %s: %w", errComponentStore, key.Type, key.Name, err)
	}
	return nil
}

// sortedKeys returns the keys of a map of components, sorted.
func sortedKeys[V any](m map[sf.ComponentKey]V) []sf.ComponentKey {
	return slices.SortedFunc(maps.Keys(m), sf.ComponentKey.Compare)
}
