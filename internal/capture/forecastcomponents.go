package capture

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/component"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

const (
	// retrieveCalls is what one retrieve costs: to begin it, to fetch its archive, and to ask whether it is done, of
	// which how often is unverified.
	retrieveCalls = 5
	// componentSize is what the files of a component have, about (unverified).
	componentSize = 4 << 10
)

// ComponentForecast says what reading metadata will probably cost. Types that were not held before are listed
// to know; of others as many components are expected as are held, and all of them retrieved again.
type ComponentForecast struct {
	Types      int
	Components int64
	Retrieves  int64
	Bytes      int64
	Calls      int64 // listings included, as the capture makes them
}

// forecastComponents guesses what the components cost. The zero forecast stands for metadata that is not read.
func (c *capture) forecastComponents(ctx context.Context) (ComponentForecast, error) {
	org := c.opts.Metadata
	if org == nil || len(c.opts.Include) > 0 && !slices.ContainsFunc(c.opts.Include, isComponents) {
		return ComponentForecast{}, nil
	}
	types, _, err := org.MetadataTypes(ctx)
	if err != nil {
		return ComponentForecast{}, fmt.Errorf("describe the org's metadata: %w", err)
	}
	held := c.heldComponents(types)
	l := &listingForecast{org: org, table: component.Known().With(types), held: held, counts: map[string]int64{}}
	f := ComponentForecast{Calls: 1} // the describe
	var queries []sf.ComponentQuery
	for _, t := range types {
		if !c.opts.wantsComponents(t.Name) {
			continue
		}
		f.Types++
		kind := t.Name
		if folder := l.table.FolderType(t.Name); t.InFolder && folder != "" {
			kind = folder
		}
		queries = append(queries, sf.ComponentQuery{Type: kind})
	}
	inFolders, err := l.count(ctx, queries)
	if err != nil {
		return f, err
	}
	if _, err := l.count(ctx, inFolders); err != nil {
		return f, err
	}
	if c.opts.wantsComponents(standardValueSet) && l.counts[standardValueSet] == 0 {
		l.counts[standardValueSet] = int64(len(component.StandardValueSets()))
	}
	f.Calls += l.calls
	if l.counts["Flow"] > 0 {
		f.Calls++ // their versions
	}
	for _, n := range l.counts {
		f.Components += n
	}
	f.Retrieves = l.retrieves(int64(c.opts.componentChunk()))
	f.Calls += f.Retrieves * retrieveCalls
	f.Bytes = f.Components * componentSize
	return f, nil
}

// heldComponents returns how many components the last snapshot holds of each type of which it knows: one
// that it neither holds nor names in its coverage had none.
func (c *capture) heldComponents(types []sf.MetadataType) map[string]int64 {
	held := map[string]int64{}
	if c.parent == nil || len(c.parent.PartsOf(snapshot.Components)) == 0 {
		return held
	}
	for _, t := range types {
		held[t.Name] = 0
	}
	for folder := range folderTypes {
		held[folder] = 0
	}
	for _, g := range c.parent.Coverage() {
		if kind, is := snapshot.Components.Of(g.Object); is {
			delete(held, kind)
		}
	}
	for _, p := range c.parent.PartsOf(snapshot.Components) {
		if kind, _ := snapshot.Components.Of(p.Object); p.State == snapshot.Whole {
			held[kind] = p.Records
		}
	}
	return held
}

// listingForecast counts components, by type: those that are held, or those that the org lists.
type listingForecast struct {
	org    Metadata
	table  *component.Table
	held   map[string]int64
	counts map[string]int64
	calls  int64 // listings that a capture makes
}

// count counts what the queries ask for, and returns those that ask for what lies in the folders among it. What the
// org refuses to list counts as nothing: the capture names it.
func (l *listingForecast) count(ctx context.Context, queries []sf.ComponentQuery) ([]sf.ComponentQuery, error) {
	l.calls += int64((len(queries) + listQueries - 1) / listQueries)
	var ask, inFolders []sf.ComponentQuery
	for _, q := range queries {
		n, isHeld := l.held[q.Type]
		content := folderTypes[q.Type]
		switch _, counted := l.counts[q.Type]; {
		case !isHeld:
			ask = append(ask, q)
		case !counted:
			l.counts[q.Type] = n
			if content != "" { // their names are in the snapshot; a query for each is made
				l.calls += (n + listQueries - 1) / listQueries
				l.counts[content] = l.held[content]
			}
		}
	}
	found := make([][]sf.Component, (len(ask)+listQueries-1)/listQueries)
	var refused atomic.Int64
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(listParallel)
	for i := range found {
		some := ask[i*listQueries : min((i+1)*listQueries, len(ask))]
		group.Go(func() error {
			listed, err := l.org.Components(within, some)
			if err != nil && hopeless(within, err) {
				return err
			}
			if err != nil {
				refused.Add(int64(len(some)))
			}
			found[i] = listed
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("list components: %w", err)
	}
	l.calls += refused.Load() // each is asked for alone
	for _, q := range ask {
		if content := folderTypes[q.Type]; content == "Report" || content == "EmailTemplate" {
			inFolders = append(inFolders, sf.ComponentQuery{Type: content, Folder: unfiled})
		}
	}
	for _, listed := range found {
		for _, x := range listed {
			l.counts[x.Type]++
			if content := folderTypes[x.Type]; content != "" {
				inFolders = append(inFolders, sf.ComponentQuery{Type: content, Folder: x.Name})
			}
		}
	}
	return inFolders, nil
}

// retrieves is into how many retrieves the components are divided.
func (l *listingForecast) retrieves(chunk int64) int64 {
	var about, others, profiles int64
	for kind, n := range l.counts {
		switch weight := n * int64(weightOf(l.table, kind)); {
		case component.Dependent(kind):
			profiles += n
		case component.InContext(kind):
			about += weight
		default:
			others += weight
		}
	}
	all := (about+chunk-1)/chunk + (others+chunk-1)/chunk
	if profiles > 0 {
		all++ // they are tried alone first
	}
	return all
}
