package blobtest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Model says what a crash of the machine does to what was not synced. In each, what was synced
// survives.
type Model int

// The models of a crash.
const (
	DropUnsynced Model = iota // unsynced bytes and directory entries are gone
	Prefix                    // unsynced changes reached the disk in their order, up to one of them
	Torn                      // unsynced bytes reached the disk in sectors of 512 B or 4 KiB, some of them; entries at random
	Reordered                 // each unsynced change reached the disk or did not, whatever came before it
	Garbage                   // unsynced sectors hold anything; entries at random
	LostEntries               // bytes are on disk, unsynced directory entries are gone
	Zeroed                    // unsynced bytes read as zeros in their full length; entries at random
	Killed                    // only the process died: everything is there, and still not synced
	Models                    // number of models
)

// String returns the name of the model.
func (m Model) String() string {
	return [Models]string{
		"drop unsynced", "prefix", "torn", "reordered", "garbage", "lost entries", "zeroed", "killed",
	}[m]
}

// Crash returns the disk as the crash leaves it. The same model and seed leave the same.
func (d *Disk) Crash(m Model, seed uint64) *Disk {
	if m == Killed {
		return d.Fork()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := crash{model: m, rand: rand.New(rand.NewPCG(seed, uint64(m))), done: make(map[*node]*node)}
	c.cut = c.rand.IntN(d.seq + 1)
	if c.rand.IntN(4) > 0 { // most changes are old and synced: look at the newest more often
		c.cut = max(0, d.seq-c.rand.IntN(8))
	}
	c.sector = []int{512, 4096}[c.rand.IntN(2)]
	after := NewDisk()
	after.root = c.node(d.root)
	return after
}

type crash struct {
	model  Model
	rand   *rand.Rand
	cut    int // the last change that a Prefix keeps
	sector int
	done   map[*node]*node // hard links stay one file
}

func (c *crash) node(n *node) *node {
	if after, found := c.done[n]; found {
		return after
	}
	after := &node{}
	c.done[n] = after
	if !n.dir {
		after.data = c.bytes(n)
		after.synced = len(after.data)
		return after
	}
	*after = *newDir()
	kept := n.durable
	if len(n.pending) > 0 {
		kept = maps.Clone(kept)
		for _, change := range n.pending {
			if c.keeps(change.seq) {
				change.apply(kept)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		after.children[name] = c.node(kept[name])
	}
	after.durable = maps.Clone(after.children)
	return after
}

// keeps decides about a change of a directory that was not synced.
func (c *crash) keeps(seq int) bool {
	switch c.model {
	case DropUnsynced, LostEntries:
		return false
	case Prefix:
		return seq <= c.cut
	default:
		return c.rand.IntN(2) == 0
	}
}

// bytes returns what is left of a file, whose bytes were only ever appended.
func (c *crash) bytes(n *node) []byte {
	from := n.synced
	if from == len(n.data) || c.model == DropUnsynced || n.lost {
		return slices.Clone(n.data[:from])
	}
	after := slices.Clone(n.data)
	switch c.model {
	case Prefix:
		return after[:c.reached(n)]
	case Torn:
		return c.tear(after, from, func(sector []byte) { clear(sector) })
	case Garbage:
		return c.tear(after, from, func(sector []byte) {
			for i := range sector {
				sector[i] = byte(c.rand.Uint32())
			}
		})
	case Reordered:
		if c.rand.IntN(2) == 0 {
			return after[:from]
		}
	case Zeroed:
		clear(after[from:])
	}
	return after
}

// reached returns how many bytes of a file were written up to the cut; the first write after it is cut
// somewhere.
func (c *crash) reached(n *node) int {
	at := n.synced
	for _, w := range n.writes {
		if w.seq > c.cut {
			if w.seq == c.cut+1 && w.end > at {
				at += c.rand.IntN(w.end - at)
			}
			break
		}
		at = max(at, w.end)
	}
	return at
}

// tear spoils some sectors from an offset on, and may end the file at one of them.
func (c *crash) tear(b []byte, from int, spoil func(sector []byte)) []byte {
	start := from - from%c.sector
	if c.rand.IntN(2) == 0 {
		b = b[:max(from, start+c.sector*c.rand.IntN((len(b)-start)/c.sector+1))]
	}
	for at := start; at < len(b); at += c.sector {
		if c.rand.IntN(2) == 0 {
			spoil(b[max(at, from):min(at+c.sector, len(b))])
		}
	}
	return b
}
