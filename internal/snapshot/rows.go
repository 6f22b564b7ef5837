package snapshot

import (
	"slices"

	"holdfast/internal/state"
)

// runTarget bounds the memory of the rows that a PartWriter holds before it sorts and writes them.
const runTarget = 8 << 20

// rowOverhead is what a row costs beside its form.
const rowOverhead = 96

// growAtOnce is how much a part may hold before room for a full run is made.
const growAtOnce = 256 << 10

// row is one version that waits to be written.
type row struct {
	id       key
	gone     bool
	hash     state.Hash // of the record
	from, to int        // its row form in the bodies of its rows
}

// rows collects versions in any order.
type rows struct {
	list   []row
	bodies []byte
}

func (r *rows) add(id key, gone bool, hash state.Hash, body []byte) {
	from := len(r.bodies)
	if from > growAtOnce && from+len(body) > cap(r.bodies) {
		// A large part will fill the whole run: growing by halves would copy it several times.
		r.bodies = append(make([]byte, 0, max(runTarget, from)+len(body)+growAtOnce), r.bodies...)
	}
	r.bodies = append(r.bodies, body...)
	r.list = append(r.list, row{id: id, gone: gone, hash: hash, from: from, to: len(r.bodies)})
}

func (r *rows) full() bool { return len(r.bodies)+rowOverhead*len(r.list) >= runTarget }

func (r *rows) body(n int) []byte { return r.bodies[r.list[n].from:r.list[n].to] }

// sort puts the versions in the order of their Ids and keeps the last of each.
func (r *rows) sort() {
	byID := func(a, b row) int { return a.id.compare(b.id) }
	if !slices.IsSortedFunc(r.list, byID) {
		slices.SortStableFunc(r.list, byID)
	}
	kept := r.list[:0]
	for i := range r.list {
		if i+1 == len(r.list) || r.list[i].id != r.list[i+1].id {
			kept = append(kept, r.list[i])
		}
	}
	r.list = kept
}

func (r *rows) reset() { r.list, r.bodies = r.list[:0], r.bodies[:0] }
