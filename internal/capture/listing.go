package capture

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// listQueries is how many queries one listing may hold.
// Source: Metadata API Developer Guide, listMetadata.
const listQueries = 3

// listParallel is how many listings are asked for at once.
const listParallel = 4

// folderTypes are the types whose components lie in folders, by the type of the folders.
var folderTypes = map[string]string{
	"DashboardFolder": "Dashboard", "DocumentFolder": "Document", "EmailFolder": "EmailTemplate", "ReportFolder": "Report",
}

// standardValueSet is the type whose components no org lists.
const standardValueSet = "StandardValueSet"

// unfiled is a folder that no listing of folders shows (unverified).
const unfiled = "unfiled$public"

// survey describes the org's metadata and lists every component. It returns the types that were asked for.
func (r *componentRun) survey(ctx context.Context) ([]string, error) {
	types, _, err := r.org.MetadataTypes(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe the org's metadata: %w", err)
	}
	r.table = component.Known().With(types)
	var kinds []string
	var queries []sf.ComponentQuery
	for _, t := range types {
		kinds = append(kinds, t.Name)
		if folder := r.table.FolderType(t.Name); t.InFolder && folder != "" {
			kinds = append(kinds, folder)
			queries = append(queries, sf.ComponentQuery{Type: folder})
			continue
		}
		queries = append(queries, sf.ComponentQuery{Type: t.Name})
	}
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	if err := r.begin(ctx, kinds); err != nil {
		return nil, err
	}
	r.expect(len(r.parts))
	wanted := func(q sf.ComponentQuery) bool {
		return r.parts[q.Type] != nil || r.parts[folderTypes[q.Type]] != nil
	}
	if err := r.list(ctx, slices.DeleteFunc(queries, func(q sf.ComponentQuery) bool { return !wanted(q) })); err != nil {
		return kinds, err
	}
	if err := r.list(ctx, r.folderQueries()); err != nil {
		return kinds, err
	}
	if p := r.parts[standardValueSet]; p != nil {
		for _, name := range component.StandardValueSets() {
			p.listed[name] = sf.Component{ComponentKey: sf.ComponentKey{Type: p.kind, Name: name}}
		}
	}
	return kinds, r.versions(ctx)
}

// begin makes the parts of the types that were asked for, and carries the others over.
func (r *componentRun) begin(ctx context.Context, kinds []string) error {
	for _, kind := range kinds {
		if !r.opts.wantsComponents(kind) {
			if err := r.leaveOut(ctx, kind); err != nil {
				return err
			}
			continue
		}
		held, err := r.load(ctx, kind)
		if err != nil {
			return err
		}
		before, isHeld := r.previous[kind]
		r.parts[kind] = &kindPart{
			kind: kind, held: held, listed: map[string]sf.Component{}, rows: map[string]*component.Row{},
			whole:  r.opts.Full || !isHeld || !r.from.Before(before.Watermark.Add(rereadAfter)),
			broken: map[string]string{}, absent: map[string]string{}, latest: map[string]string{}, versions: map[string]sf.FlowVersion{},
		}
	}
	for kind := range r.previous {
		if !slices.Contains(kinds, kind) {
			r.gap(gap(partName(kind), "", RuleVanished, "the org does not describe the type any more; earlier snapshots hold it"))
		}
	}
	return nil
}

// leaveOut excludes a type, or takes it over because others were asked for, once.
func (r *componentRun) leaveOut(ctx context.Context, kind string) error {
	if r.out[kind] {
		return nil
	}
	r.out[kind] = true
	if g, out := r.opts.Rules.excludedComponents(kind); out {
		r.gap(g)
		return nil
	}
	if _, isHeld := r.previous[kind]; isHeld {
		return r.carry(ctx, kind)
	}
	r.gap(gap(partName(kind), "", RuleNotSelected, "the operator asked for other types only"))
	return nil
}

// folderQueries returns a query for each folder that was listed.
func (r *componentRun) folderQueries() []sf.ComponentQuery {
	var queries []sf.ComponentQuery
	for folder, content := range folderTypes {
		if r.parts[content] == nil {
			continue
		}
		if content == "Report" || content == "EmailTemplate" {
			queries = append(queries, sf.ComponentQuery{Type: content, Folder: unfiled})
		}
		if p := r.parts[folder]; p != nil {
			for name := range p.listed {
				queries = append(queries, sf.ComponentQuery{Type: content, Folder: name})
			}
		}
	}
	slices.SortFunc(queries, func(a, b sf.ComponentQuery) int {
		return strings.Compare(a.Type+"\x00"+a.Folder, b.Type+"\x00"+b.Folder)
	})
	return queries
}

// list asks for the components of the queries, a few queries a call. When a call is refused each of its
// queries is asked alone, so that one type stands in the way of no other.
func (r *componentRun) list(ctx context.Context, queries []sf.ComponentQuery) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(listParallel)
	for some := range slices.Chunk(queries, listQueries) {
		group.Go(func() error {
			found, err := r.org.Components(within, some)
			if err == nil {
				r.take(found)
				return nil
			}
			if hopeless(within, err) || len(some) == 1 {
				return r.unlisted(within, some, err)
			}
			for i := range some {
				found, err := r.org.Components(within, some[i:i+1])
				if err != nil {
					if err := r.unlisted(within, some[i:i+1], err); err != nil {
						return err
					}
					continue
				}
				r.take(found)
			}
			return nil
		})
	}
	return group.Wait()
}

// unlisted gives a type up whose components could not be listed.
func (r *componentRun) unlisted(ctx context.Context, queries []sf.ComponentQuery, cause error) error {
	if hopeless(ctx, cause) {
		return cause
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := make([]string, 0, len(queries))
	for _, q := range queries {
		if kinds = append(kinds, q.Type); folderTypes[q.Type] != "" {
			kinds = append(kinds, folderTypes[q.Type]) // without its folders nothing is found
		}
	}
	for _, kind := range kinds {
		if r.parts[kind] == nil {
			continue
		}
		delete(r.parts, kind)
		if _, isHeld := r.previous[kind]; isHeld {
			if err := r.failPart(kind, fmt.Errorf("list %s: %w", kind, cause)); err != nil {
				return err
			}
			continue
		}
		_, words := answer(cause)
		if words == "" {
			words = cause.Error()
		}
		r.gap(gap(partName(kind), "", RuleRefused, "%s", words))
	}
	return nil
}

// take notes components that were listed. The org tells of some under the name of another type.
func (r *componentRun) take(found []sf.Component) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range found {
		if p := r.parts[f.Type]; p != nil {
			p.listed[f.Name] = f
		}
	}
}

// versions adds the versions of flows to what is listed: the org lists each flow once.
func (r *componentRun) versions(ctx context.Context) error {
	p := r.parts["Flow"]
	if p == nil || len(p.listed) == 0 {
		return nil
	}
	all, err := r.org.FlowVersions(ctx)
	if err != nil {
		if hopeless(ctx, err) {
			return fmt.Errorf("list the versions of flows: %w", err)
		}
		r.gap(gap(partName(p.kind), "", RuleNotGiven, "the versions of flows, as the last snapshot holds them: %s", err))
		for full, was := range p.held {
			if was.Version > 0 && p.listed[full].Name == "" {
				p.listed[full], p.rows[full] = was.Component, &was
			}
		}
		return nil
	}
	count, last := map[string]int{}, map[string]int{}
	for _, v := range all {
		count[v.Flow]++
		last[v.Flow] = max(last[v.Flow], v.Number)
	}
	for _, v := range all {
		flow, listed := p.listed[v.Flow]
		if !listed {
			continue
		}
		name := fmt.Sprintf("%s-%d", v.Flow, v.Number)
		if count[v.Flow] == 1 || flow.Installed() {
			name = v.Flow
		}
		row := component.Row{Component: flow, Version: v.Number, Status: v.Status}
		row.Name = name
		if name != v.Flow { // what the org says of dates and files is said of the flow
			row.Component = sf.Component{ComponentKey: row.ComponentKey, Namespace: flow.Namespace, Manageable: flow.Manageable}
			p.listed[name], p.versions[name] = row.Component, v
			if v.Number == last[v.Flow] {
				p.latest[name] = v.Flow
			}
		}
		p.rows[name] = &row
	}
	return nil
}
