package plan

import (
	"cmp"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// maxLevels is how deep a hierarchy of one object, or of objects that refer to each other, is
// followed level by level. Each level is a load of its own that waits for the one before; beyond
// this depth a second pass is cheaper than more levels.
const maxLevels = 8

// node is one record to be put in order.
type node struct {
	object string
	id     sf.ID
	refs   []ref
}

// ref is a reference to another node, which comes first.
type ref struct {
	field   string
	to      *node
	hard    bool // must not be broken
	cascade bool // the parent owns the record: broken last
}

// layer is a set of records of one object, none of which needs another of them to be there first.
type layer struct {
	object string
	nodes  []*node // by Id
}

// breach is a reference that the order does not respect.
type breach struct {
	from   *node
	field  string
	reason string
}

const (
	reasonRing = "the records refer to each other in a ring"
	reasonDeep = "the hierarchy is deep"
)

// arrange puts the nodes into layers, targets of references before those who refer to them. Objects
// stay together as far as they can: only objects that refer to each other are taken apart into
// levels. Where records form a ring, references that are not hard are broken, as few fields as
// suffice. A ring of hard references is returned as links, and then there are no layers.
func arrange(nodes []*node) (layers []layer, broken []breach, ring []Link) {
	nodes = slices.SortedFunc(slices.Values(nodes), compareNodes)
	for _, group := range objectGroups(nodes) {
		if len(group.objects) == 1 && !group.inner {
			layers = append(layers, layer{object: group.objects[0], nodes: group.nodes})
			continue
		}
		l, b, ring := arrangeGroup(group.nodes)
		if ring != nil {
			return nil, nil, ring
		}
		layers, broken = append(layers, l...), append(broken, b...)
	}
	return layers, broken, nil
}

func compareNodes(a, b *node) int {
	return cmp.Or(strings.Compare(a.object, b.object), strings.Compare(string(a.id), string(b.id)))
}

// objectGroup are objects that refer to each other, directly or not.
type objectGroup struct {
	objects []string
	nodes   []*node
	inner   bool // there are references within the group
}

// objectGroups returns the strongly connected components of the objects, referred ones first. The
// nodes are sorted.
func objectGroups(nodes []*node) []objectGroup {
	var names []string
	index := make(map[string]int)
	for _, n := range nodes {
		if _, found := index[n.object]; !found {
			index[n.object] = len(names)
			names = append(names, n.object)
		}
	}
	targets := make([]map[int]bool, len(names))
	for i := range targets {
		targets[i] = make(map[int]bool)
	}
	for _, n := range nodes {
		for _, r := range n.refs {
			targets[index[n.object]][index[r.to.object]] = true
		}
	}
	edges := make([][]int, len(names))
	for i, set := range targets {
		for j := range names {
			if set[j] {
				edges[i] = append(edges[i], j)
			}
		}
	}
	component, count := components(edges)
	groups := make([]objectGroup, count)
	for i, name := range names {
		g := &groups[component[i]]
		g.objects = append(g.objects, name)
		for j := range targets[i] {
			g.inner = g.inner || component[j] == component[i]
		}
	}
	for _, n := range nodes {
		g := &groups[component[index[n.object]]]
		g.nodes = append(g.nodes, n)
	}
	return groups
}

// components returns the strongly connected component of each vertex (Tarjan). A component has a
// higher number than those that its edges lead to. It keeps its own stack: a hierarchy may be as
// deep as there are records.
func components(edges [][]int) (component []int, count int) {
	const unseen = 0
	order := make([]int, len(edges)) // 1-based time of discovery
	low := make([]int, len(edges))
	component = make([]int, len(edges))
	next := make([]int, len(edges)) // edge to look at next
	var path, open []int
	clock := 0
	onOpen := make([]bool, len(edges))
	for root := range edges {
		if order[root] != unseen {
			continue
		}
		path = append(path, root)
		for len(path) > 0 {
			v := path[len(path)-1]
			if order[v] == unseen {
				clock++
				order[v], low[v] = clock, clock
				open, onOpen[v] = append(open, v), true
			}
			if next[v] < len(edges[v]) {
				w := edges[v][next[v]]
				next[v]++
				if order[w] == unseen {
					path = append(path, w)
				} else if onOpen[w] {
					low[v] = min(low[v], order[w])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				u := path[len(path)-1]
				low[u] = min(low[u], low[v])
			}
			if low[v] != order[v] {
				continue
			}
			for {
				w := open[len(open)-1]
				open, onOpen[w] = open[:len(open)-1], false
				component[w] = count
				if w == v {
					break
				}
			}
			count++
		}
	}
	return component, count
}

// link is a reference within a group, by the positions of its ends.
type link struct {
	from, to int
	ref      *ref
	broken   string // reason; empty while it is respected
}

// arrangeGroup orders records of objects that refer to each other.
func arrangeGroup(nodes []*node) ([]layer, []breach, []Link) {
	index := make(map[*node]int, len(nodes))
	for i, n := range nodes {
		index[n] = i
	}
	var links []link
	for i, n := range nodes {
		for j := range n.refs {
			if to, inside := index[n.refs[j].to]; inside {
				links = append(links, link{from: i, to: to, ref: &n.refs[j]})
			}
		}
	}
	if ring := breakRings(nodes, links); ring != nil {
		return nil, nil, ring
	}
	levels := flatten(nodes, links)
	var broken []breach
	for _, l := range links {
		if l.broken != "" {
			broken = append(broken, breach{from: nodes[l.from], field: l.ref.field, reason: l.broken})
		}
	}
	return layersOf(nodes, levels), broken, nil
}

// flatten breaks the soft references of records beyond maxLevels and returns the levels that remain.
// References within an object make hierarchies deep, so that they are broken first, and those to an
// owner last.
func flatten(nodes []*node, links []link) []int {
	levels, _ := levelsOf(len(nodes), links)
	for _, breaks := range []func(l link) bool{
		func(l link) bool { return !l.ref.cascade && nodes[l.from].object == nodes[l.to].object },
		func(l link) bool { return !l.ref.cascade },
		func(link) bool { return true },
	} {
		deep := false
		for i := range links {
			l := &links[i]
			if l.broken == "" && !l.ref.hard && levels[l.from] >= maxLevels && breaks(*l) {
				l.broken, deep = reasonDeep, true
			}
		}
		if deep {
			levels, _ = levelsOf(len(nodes), links)
		}
	}
	return levels
}

func layersOf(nodes []*node, levels []int) []layer {
	byPlace := make([]int, len(nodes))
	for i := range byPlace {
		byPlace[i] = i
	}
	slices.SortStableFunc(byPlace, func(a, b int) int {
		return cmp.Or(cmp.Compare(levels[a], levels[b]), compareNodes(nodes[a], nodes[b]))
	})
	var layers []layer
	for k, i := range byPlace {
		if k == 0 || levels[i] != levels[byPlace[k-1]] || nodes[i].object != nodes[byPlace[k-1]].object {
			layers = append(layers, layer{object: nodes[i].object})
		}
		last := &layers[len(layers)-1]
		last.nodes = append(last.nodes, nodes[i])
	}
	return layers
}

// breakRings breaks soft references until no ring is left. It starts from the hard ones, which must
// be free of rings by themselves, and takes in one field after the other, the most valuable first,
// as long as that closes no ring; the fields that remain are broken in the rings, and only there.
func breakRings(nodes []*node, links []link) []Link {
	edges := make([][]int, len(nodes))
	for _, l := range links {
		edges[l.from] = append(edges[l.from], l.to)
	}
	component, _ := components(edges)
	type field struct{ object, name string }
	soft := make(map[field][]int)
	var ringed []link
	for i, l := range links {
		switch {
		case component[l.from] != component[l.to]:
		case l.ref.hard:
			ringed = append(ringed, l)
		default:
			f := field{nodes[l.from].object, l.ref.field}
			soft[f] = append(soft[f], i)
		}
	}
	if _, free := levelsOf(len(nodes), ringed); !free {
		return ringOf(nodes, ringed)
	}
	fields := make([]field, 0, len(soft))
	for f := range soft {
		fields = append(fields, f)
	}
	slices.SortFunc(fields, func(a, b field) int {
		return cmp.Or(
			-compareBool(links[soft[a][0]].ref.cascade, links[soft[b][0]].ref.cascade),
			-cmp.Compare(len(soft[a]), len(soft[b])),
			strings.Compare(a.object, b.object), strings.Compare(a.name, b.name))
	})
	for _, f := range fields {
		with := slices.Clip(ringed)
		for _, i := range soft[f] {
			with = append(with, links[i])
		}
		if _, free := levelsOf(len(nodes), with); free {
			ringed = with
			continue
		}
		for _, i := range soft[f] {
			links[i].broken = reasonRing
		}
	}
	return nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// levelsOf returns for each node the length of the longest chain of unbroken links that leads away
// from it, and whether there is such a number for every node, which is to say no ring.
func levelsOf(n int, links []link) (levels []int, free bool) {
	levels = make([]int, n)
	waiting := make([]int, n) // targets not yet placed
	into := make([][]int, n)
	for _, l := range links {
		if l.broken == "" {
			waiting[l.from]++
			into[l.to] = append(into[l.to], l.from)
		}
	}
	var ready []int
	for i := range n {
		if waiting[i] == 0 {
			ready = append(ready, i)
		}
	}
	placed := 0
	for ; placed < len(ready); placed++ {
		to := ready[placed]
		for _, from := range into[to] {
			levels[from] = max(levels[from], levels[to]+1)
			if waiting[from]--; waiting[from] == 0 {
				ready = append(ready, from)
			}
		}
	}
	return levels, placed == n
}

// ringOf returns one ring of the links, which have one, from its smallest record on.
func ringOf(nodes []*node, links []link) []Link {
	edges := make([][]int, len(nodes))
	for _, l := range links {
		edges[l.from] = append(edges[l.from], l.to)
	}
	component, _ := components(edges)
	out := make(map[int]link) // within a component every node of a ring has a way on
	start := -1
	for _, l := range links {
		if component[l.from] != component[l.to] {
			continue
		}
		if _, found := out[l.from]; !found {
			out[l.from] = l
		}
		if start < 0 || l.from < start {
			start = l.from
		}
	}
	// Following any way on leads into a ring, though start itself may stand before it.
	seen := make(map[int]bool)
	at := start
	for !seen[at] {
		seen[at] = true
		at = out[at].to
	}
	var ring []Link
	for first := at; len(ring) == 0 || at != first; at = out[at].to {
		l := out[at]
		ring = append(ring, Link{Object: nodes[l.from].object, ID: nodes[l.from].id, Field: l.ref.field, Target: nodes[l.to].id})
	}
	return ring
}
