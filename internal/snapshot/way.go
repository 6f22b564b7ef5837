package snapshot

import (
	"cmp"
	"context"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/state"
)

// A state of a part has a digest, and a layer leads from one state to another: the states that the
// manifests of a repository name are the nodes of a graph, their layers its edges. A record that differs
// between two states has a row in a layer of every way from one to the other, so that the rows of any way
// are enough to look for what differs, and those of the one with the fewest rows are the cheapest.

// manifestCost is what reading one more manifest is held to cost, in rows.
const manifestCost = 20_000

// maxManifests bounds how many manifests are read to find a way: three years of daily snapshots.
const maxManifests = 1000

// wayBetween returns the layers of a way from before to after that is cheaper than reading both, or
// nil. Reading a manifest that may name a shorter way is held to cost as much as that many rows.
func wayBetween(ctx context.Context, a, b *Snapshot, before, after manifestPart, cost int64) ([]layer, error) {
	var g graph
	g.add(before)
	g.add(after)
	all := rowsOf(before.layers) + rowsOf(after.layers)
	way, rows := g.way(before.digest(), after.digest())
	// What lies between the two snapshots may name a shorter way, if it is still there.
	budget := int(min(rows/cost, maxManifests))
	for _, ends := range [][2]*Snapshot{{b, a}, {a, b}} {
		read, err := g.addLine(ctx, ends[0], ends[1], before.object, budget)
		if err != nil {
			return nil, err
		}
		budget -= read
	}
	if g.grown {
		way, rows = g.way(before.digest(), after.digest())
	}
	if rows >= all {
		return nil, nil
	}
	return way, nil
}

func rowsOf(layers []layer) int64 {
	var n int64
	for _, l := range layers {
		n += l.rows()
	}
	return n
}

// graph is a set of layers by the digests of the states at their ends.
type graph struct {
	edges map[state.Digest][]layer
	grown bool // since way was asked last
}

func (g *graph) add(p manifestPart) {
	if g.edges == nil {
		g.edges = make(map[state.Digest][]layer)
	}
	for _, l := range slices.Concat(p.layers, p.replaced) {
		known := slices.ContainsFunc(g.edges[l.before], func(o layer) bool { return o.after == l.after && sameRun(o, l) })
		if l.before == l.after || known {
			continue
		}
		g.edges[l.before] = append(g.edges[l.before], l)
		g.edges[l.after] = append(g.edges[l.after], l)
		g.grown = true
	}
}

// addLine adds the part of the object in the snapshots that the first stands on, until the second or the
// budget, and returns how many were read. A snapshot that is not there any more, or damaged, ends the
// line: it is only a shorter way that is not found.
func (g *graph) addLine(ctx context.Context, from, to *Snapshot, object string, budget int) (int, error) {
	read := 0
	for id := from.Info().Parent; id != "" && id != to.Info().ID && read < budget; {
		m, err := from.store.loadManifest(ctx, id)
		if problem.KindOf(err) == problem.Damaged {
			return read, nil
		}
		if err != nil {
			return read, err
		}
		read++
		if p, found := (&Snapshot{manifest: m}).find(object); found && p.state == Whole {
			g.add(p)
		}
		id = m.info.Parent
	}
	return read, nil
}

// unreached is above the rows of any way.
const unreached = 1 << 62

// way returns the layers with the fewest rows between the states, and how many rows these are. Two layers
// on one state count without the segments that they share.
func (g *graph) way(from, to state.Digest) ([]layer, int64) {
	g.grown = false
	type reached struct {
		rows int64
		by   layer
		from state.Digest
		done bool
	}
	at := map[state.Digest]*reached{from: {}}
	for {
		here, best := state.Digest{}, (*reached)(nil)
		for d, r := range at {
			if !r.done && (best == nil || r.rows < best.rows) {
				here, best = d, r
			}
		}
		if best == nil {
			return nil, unreached
		}
		best.done = true
		if here == to {
			break
		}
		for _, l := range g.edges[here] {
			next := l.after
			if next == here {
				next = l.before
			}
			rows := best.rows + l.rows()
			if r := at[next]; r == nil || !r.done && rows < r.rows {
				at[next] = &reached{rows: rows, by: l, from: here}
			}
		}
	}
	var way []layer
	for d := to; d != from; d = at[d].from {
		way = append(way, at[d].by)
	}
	way = withoutShared(way)
	slices.SortFunc(way, func(a, b layer) int { return cmp.Compare(a.rows(), b.rows()) })
	return way, rowsOf(way)
}

// withoutShared leaves out the segments that two layers on one state share, one of which the way goes
// down and the other up: a record that only has a row in these is the same in both.
func withoutShared(way []layer) []layer {
	out := slices.Clone(way)
	for i := 1; i < len(out); i++ {
		a, b := out[i-1], out[i]
		if way[i-1].before != way[i].before {
			continue
		}
		out[i-1].segments = without(a.segments, b.segments)
		out[i].segments = without(b.segments, a.segments)
	}
	return slices.DeleteFunc(out, func(l layer) bool { return len(l.segments) == 0 })
}

func without(all, some []segmentRef) []segmentRef {
	return slices.DeleteFunc(slices.Clone(all), func(s segmentRef) bool { return slices.Contains(some, s) })
}
