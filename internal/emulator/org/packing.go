package org

import (
	"encoding/binary"
	"sync/atomic"

	"holdfast/internal/sf"
)

// The values of a row are one string: for each value the offset of its end, in two bytes or four,
// and then the values. A value that many records share is kept once in the words of its table; its
// place holds the number of the word and the offset carries a mark. The Id of the record lies in
// front, in the same piece of memory.

// Bounds of the packing: the highest bit of an offset is the mark of a word.
const (
	narrowMark = 1 << 15
	wideMark   = 1 << 31
	wordSize   = 2       // bytes of the number of a word
	maxWordsOf = 1 << 16 // words of one table
	maxRepeat  = 64      // bytes of a word: longer texts are rarely the same
)

// words are the texts that records of one table share. They are added under the org's lock and read
// without it: what has a number never changes.
type words struct {
	at   map[string]uint16
	list atomic.Pointer[[]string] `image:"-"`
}

func newWords() *words {
	w := &words{at: map[string]uint16{}}
	w.list.Store(&[]string{})
	return w
}

// number returns the number of a word, giving it one if there is room.
func (w *words) number(text string) (uint16, bool) {
	if n, ok := w.at[text]; ok {
		return n, true
	}
	list := *w.list.Load()
	if len(list) == maxWordsOf || len(text) > maxRepeat {
		return 0, false
	}
	n := uint16(len(list))
	text = string([]byte(text)) // not the memory of a request
	w.at[text] = n
	list = append(list, text)
	w.list.Store(&list)
	return n, true
}

// repeating reports the types whose values many records share.
func repeating(t sf.FieldType) bool {
	switch t {
	case sf.TypeReference, sf.TypeDatetime, sf.TypeDate, sf.TypePicklist, sf.TypeMultipicklist, sf.TypeBoolean:
		return true
	}
	return false
}

// fill packs the values of the columns of the row's layout.
func (t *table) fill(r *row, id sf.ID, dense []string) {
	n := len(r.lay.columns)
	numbers := make([]int32, n)
	size := 0
	for i, c := range r.lay.columns {
		numbers[i] = -1
		if int(c) < len(t.repeats) && t.repeats[c] && r.lay.words != nil && dense[c] != "" {
			if number, ok := r.lay.words.number(dense[c]); ok {
				numbers[i] = int32(number)
				size += wordSize
				continue
			}
		}
		size += len(dense[c])
	}
	width := 2
	if r.wide = size >= narrowMark; r.wide {
		width = 4
	}
	b := make([]byte, len(id)+n*width, len(id)+n*width+size)
	copy(b, id)
	values := b[len(id)+n*width:]
	for i, c := range r.lay.columns {
		mark := uint32(0)
		if numbers[i] >= 0 {
			values = binary.LittleEndian.AppendUint16(values, uint16(numbers[i]))
			mark = wideMark
		} else {
			values = append(values, dense[c]...)
		}
		at := b[len(id)+i*width:]
		if r.wide {
			binary.LittleEndian.PutUint32(at, uint32(len(values))|mark)
		} else {
			binary.LittleEndian.PutUint16(at, uint16(len(values))|uint16(mark>>16))
		}
	}
	whole := string(b[:len(b)+size])
	r.id, r.data = sf.ID(whole[:len(id)]), whole[len(id):]
}

// end returns the offset of the end of a value, and whether the value is the number of a word.
func (r *row) end(i int) (int, bool) {
	if r.wide {
		d := r.data[4*i : 4*i+4]
		n := uint32(d[0]) | uint32(d[1])<<8 | uint32(d[2])<<16 | uint32(d[3])<<24
		return int(n &^ wideMark), n&wideMark != 0
	}
	d := r.data[2*i : 2*i+2]
	n := uint16(d[0]) | uint16(d[1])<<8
	return int(n &^ narrowMark), n&narrowMark != 0
}

// value returns the value at a position among those that the row holds.
func (r *row) value(i int) string {
	from := 0
	if i > 0 {
		from, _ = r.end(i - 1)
	}
	to, isWord := r.end(i)
	base := 2 * len(r.lay.columns)
	if r.wide {
		base *= 2
	}
	text := r.data[base+from : base+to]
	if isWord {
		return (*r.lay.words.list.Load())[uint16(text[0])|uint16(text[1])<<8]
	}
	return text
}
