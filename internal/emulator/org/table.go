package org

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"holdfast/internal/sf"
)

// row is one version of one record. It is never changed once it is in a table: a write puts another
// version in its place, so an answer that holds rows stays as it was. Its values lie packed in one
// string, see packing.go.
type row struct {
	id   sf.ID
	lay  *layout
	data string
	pos  int32 // position in its table, which never changes
	fate fate
	wide bool // offsets of four bytes instead of two
}

// fate is what has become of a record.
type fate uint8

const (
	live   fate = iota
	binned      // in the Recycle Bin
	hidden      // deleted with its parent, of an object that has no Recycle Bin of its own
	gone        // nothing of it is left
)

// layout says which columns a row holds. Rows that were written alike share one, so that a record
// costs its values and little more.
type layout struct {
	columns []uint16
	at      []int16 // column to position among the values; -1 for null; columns beyond its end are null
	words   *words  // where the values are that are kept once
}

// text returns the value of a column; empty is null.
func (r *row) text(column int) string {
	if column < 0 || column >= len(r.lay.at) {
		return ""
	}
	if i := r.lay.at[column]; i >= 0 {
		return r.value(int(i))
	}
	return ""
}

// table holds the records of one object, ascending by Id because Ids are given out in that order.
type table struct {
	object  *Object // as last published
	columns int
	rows    []*row
	live    int // rows that are not deleted
	serial  uint64
	autos   map[int]int        // next number of the auto-number in that column
	layouts map[string]*layout `image:"-"`
	words   *words             `image:"-"`
	beside  *satellites        `image:"-"` // nil where a record leaves no trace in others
	repeats []bool             `image:"-"` // by column: values that many records share
	rights  bool               // what users may do rests on its rows

	gen    *computer       // of a table whose rows are computed; nil: all are stored
	stored map[sf.ID]int32 `image:"-"` // of such a table, where its stored rows are

	mu      sync.Mutex    // guards indexes while readers build them
	indexes map[int]index `image:"-"` // by column
}

func newTable() *table {
	return &table{layouts: map[string]*layout{}, words: newWords(), indexes: map[int]index{}, autos: map[int]int{}}
}

// adopt makes the table one of this version of its object.
func (t *table) adopt(object *Object) {
	t.object, t.columns = object, object.width
	t.repeats = make([]bool, object.width)
	for _, f := range object.Fields {
		if f.column >= 0 {
			t.repeats[f.column] = repeating(f.Type)
		}
	}
	clear(t.indexes)
}

// maxLayouts bounds the memory of layouts where nulls fall at random; rows beyond it hold every
// column.
const maxLayouts = 4096

// pack makes a row of dense values.
func (t *table) pack(id sf.ID, dense []string, f fate, pos int32) *row {
	columns := make([]uint16, 0, len(dense))
	for c, v := range dense {
		if v != "" {
			columns = append(columns, uint16(c))
		}
	}
	lay := t.layoutOf(columns, len(dense))
	r := &row{lay: lay, fate: f, pos: pos}
	t.fill(r, id, dense)
	return r
}

func (t *table) layoutOf(columns []uint16, width int) *layout {
	key := layoutKey(columns)
	if lay, ok := t.layouts[key]; ok {
		return lay
	}
	if len(t.layouts) >= maxLayouts {
		columns = make([]uint16, width)
		for i := range columns {
			columns[i] = uint16(i)
		}
		key = layoutKey(columns)
		if lay, ok := t.layouts[key]; ok {
			return lay
		}
	}
	lay := &layout{columns: slices.Clone(columns), at: make([]int16, width), words: t.words}
	for i := range lay.at {
		lay.at[i] = -1
	}
	for i, c := range columns {
		lay.at[c] = int16(i)
	}
	t.layouts[key] = lay
	return lay
}

func layoutKey(columns []uint16) string {
	b := make([]byte, 0, 2*len(columns))
	for _, c := range columns {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return string(b)
}

// dense returns the values of a row by column, wide enough for every column of the table.
func (t *table) dense(r *row) []string {
	out := make([]string, t.columns)
	for i, c := range r.lay.columns {
		out[c] = r.value(i)
	}
	return out
}

// find returns the newest version of the record, or nil when it was never there or is gone.
func (t *table) find(id sf.ID) *row {
	if t.gen != nil {
		return t.findGenerated(id)
	}
	i, ok := t.search(id)
	if !ok || t.rows[i].fate == gone {
		return nil
	}
	return t.rows[i]
}

// search returns the position of the record, also of one that is gone.
func (t *table) search(id sf.ID) (int, bool) {
	if t.gen != nil {
		pos, ok := t.stored[id]
		return int(pos), ok
	}
	return slices.BinarySearchFunc(t.rows, id, func(r *row, id sf.ID) int {
		return strings.Compare(string(r.id), string(id))
	})
}

// put makes r the newest version at its position, which is either an existing one or the end, and
// keeps the indexes true. It returns the version before, nil for a new record.
func (t *table) put(r *row) (before *row) {
	if int(r.pos) == len(t.rows) {
		t.rows = append(t.rows, r)
		if t.gen != nil {
			t.stored[r.id] = r.pos
		}
	} else {
		before = t.rows[r.pos]
		t.rows[r.pos] = r
		if before.fate == live {
			t.live--
		}
	}
	if r.fate == live {
		t.live++
	}
	for c, ix := range t.indexes {
		now, was := r.text(c), ""
		if r.fate == gone {
			now = ""
		}
		if before != nil && before.fate != gone {
			was = before.text(c)
		}
		if now == was {
			continue
		}
		if was != "" {
			ix.remove(was, r.pos)
		}
		if now != "" {
			ix.add(now, r.pos)
		}
	}
	return before
}

// unput takes back a put: before is what put returned.
func (t *table) unput(r, before *row) {
	if before != nil {
		t.put(before)
		return
	}
	dead := *r
	dead.fate = gone
	t.put(&dead)
	if int(r.pos) == len(t.rows)-1 {
		t.rows = t.rows[:r.pos]
		if t.gen != nil {
			delete(t.stored, r.id)
		}
	}
}

// index finds the rows of any fate but gone by the text of one column.
type index struct {
	exact bool // keys keep their case: Ids, and text that is case-sensitive
	keys  map[string]postings
}

func (ix index) key(text string) string {
	if ix.exact {
		return text
	}
	return fold(text)
}

// postings are positions of rows; most keys have one.
type postings struct {
	one  int32 // valid when more is nil
	more []int32
}

func (p postings) each(yield func(int32) bool) {
	if p.more == nil {
		yield(p.one)
		return
	}
	for _, pos := range p.more {
		if !yield(pos) {
			return
		}
	}
}

func (ix index) add(text string, pos int32) {
	key := ix.key(text)
	p, ok := ix.keys[key]
	switch {
	case !ok:
		ix.keys[key] = postings{one: pos}
	case p.more == nil:
		ix.keys[key] = postings{more: []int32{p.one, pos}}
	default:
		p.more = append(p.more, pos)
		ix.keys[key] = p
	}
}

func (ix index) remove(text string, pos int32) {
	key := ix.key(text)
	p, ok := ix.keys[key]
	if !ok {
		return
	}
	if p.more == nil {
		if p.one == pos {
			delete(ix.keys, key)
		}
		return
	}
	if i := slices.Index(p.more, pos); i >= 0 {
		p.more = slices.Delete(p.more, i, i+1)
	}
	if len(p.more) == 0 {
		delete(ix.keys, key)
		return
	}
	ix.keys[key] = p
}

// by returns the index of a column, building it when it is first asked for.
func (t *table) by(column int) index {
	t.mu.Lock()
	defer t.mu.Unlock()
	ix, ok := t.indexes[column]
	if !ok {
		ix = index{exact: t.exactColumn(column), keys: map[string]postings{}}
		for _, r := range t.rows {
			if v := r.text(column); v != "" && r.fate != gone {
				ix.add(v, r.pos)
			}
		}
		t.indexes[column] = ix
	}
	return ix
}

// exactColumn reports a column whose text compares with regard to case.
func (t *table) exactColumn(column int) bool {
	for _, f := range t.object.Fields {
		if f.column == column {
			return f.CaseSensitive || f.Type == sf.TypeReference
		}
	}
	return true
}

// holding returns the rows of any fate but gone whose column holds the text, in the order of their
// Ids.
func (t *table) holding(column int, text string) []*row {
	ix := t.by(column)
	p, ok := ix.keys[ix.key(text)]
	if !ok {
		return nil
	}
	var out []*row
	for pos := range p.each {
		out = append(out, t.rows[pos])
	}
	if len(out) > 1 {
		slices.SortFunc(out, func(a, b *row) int { return int(a.pos - b.pos) })
	}
	return out
}
