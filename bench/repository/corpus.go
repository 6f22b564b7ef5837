package main

import (
	"math/rand/v2"
	"strconv"
	"time"

	"holdfast/internal/sf"
)

// seed makes the same records on every run.
const seed = 20_000

// day0 is when the first snapshot is taken; each further one a day later.
var day0 = time.Date(2025, 1, 1, 2, 0, 0, 0, time.UTC)

const (
	object = "Account"
	fields = 40
)

// corpus makes records of 40 fields, some 450 bytes each as CSV: names, picklists, numbers, dates,
// lookups, addresses and blanks, like those of a customer's Account. No value repeats by itself: what a
// store of files finds again was there before.
type corpus struct {
	shape *sf.Shape
	words []string
	text  []byte
	ends  []int
	nulls []bool
}

func newCorpus() *corpus {
	r := rand.New(rand.NewPCG(seed, 0))
	c := &corpus{}
	for range 2000 {
		b := make([]byte, 3+r.IntN(8))
		for i := range b {
			b[i] = byte('a' + r.IntN(26))
		}
		c.words = append(c.words, string(b))
	}
	names := make([]string, fields)
	for i := range names {
		names[i] = "Field" + strconv.Itoa(10+i) + "__c"
	}
	c.shape = sf.NewShape(object, names)
	return c
}

func (c *corpus) schema() *sf.Schema {
	o := &sf.Object{Name: object, Label: object, KeyPrefix: "001", Queryable: true, Fields: []*sf.Field{{Name: "Id", Type: sf.TypeID}}}
	for _, name := range c.shape.Fields() {
		o.Fields = append(o.Fields, &sf.Field{Name: name, Type: sf.TypeString, Length: 255, Nillable: true, Custom: true})
	}
	return &sf.Schema{APIVersion: "66.0", Objects: []*sf.Object{o}}
}

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// id returns the i-th Id, in ascending order.
func id(i int) sf.ID {
	b := []byte("001000000000000")
	for p := len(b) - 1; i > 0; p-- {
		b[p] = digits[i%len(digits)]
		i /= len(digits)
	}
	out, err := sf.ParseID(string(b))
	if err != nil {
		panic(err)
	}
	return out
}

// mix spreads the bits of two numbers.
func mix(a, b uint64) uint64 {
	x := a*0x9e3779b97f4a7c15 + b*0xbf58476d1ce4e5b9 + seed
	x ^= x >> 31
	x *= 0x94d049bb133111eb
	return x ^ x>>29
}

// changes reports whether the record changes on that day, when one in share does.
func changes(i, day, share int) bool {
	return day > 0 && mix(uint64(i), uint64(day))%uint64(share) == 0
}

// record returns the i-th record as of the day on which it changed last; day 0 is the first.
func (c *corpus) record(i, day int) sf.Record {
	c.text, c.ends, c.nulls = c.text[:0], c.ends[:0], c.nulls[:0]
	r := random(mix(uint64(i), 1<<40))
	for f := range fields {
		if f < 3 && day > 0 { // a change is of three fields
			r := random(mix(uint64(i), uint64(day)<<20+uint64(f)))
			c.value(f, &r)
		} else {
			c.value(f, &r)
		}
	}
	all := string(c.text)
	rec := sf.Record{ID: id(i), Shape: c.shape, Values: make([]sf.Value, fields)}
	start := 0
	for f, end := range c.ends {
		if c.nulls[f] {
			rec.Values[f] = sf.Null()
		} else {
			rec.Values[f] = sf.Text(all[start:end])
		}
		start = end
	}
	return rec
}

// random is a small generator: the corpus must not cost more than what is measured.
type random uint64

func (r *random) n(n int) int {
	*r += 0x9e3779b97f4a7c15
	x := uint64(*r)
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	return int(x >> 33 % uint64(n))
}

func (c *corpus) word(r *random) {
	c.text = append(c.text, c.words[min(r.n(2000), r.n(2000))]...)
}

// value appends the value of a field.
func (c *corpus) value(f int, r *random) {
	null := false
	switch f % 10 {
	case 0:
		c.wordsOf(3, r)
	case 1:
		c.text = strconv.AppendInt(c.text, int64(r.n(1_000_000)), 10)
	case 2:
		c.text = time.UnixMilli(1_700_000_000_000+int64(r.n(1<<30))*90).UTC().AppendFormat(c.text, sf.DatetimeLayout)
	case 3:
		c.text = append(c.text, []string{"Banking", "Education", "Energy", "Media", "Retail"}[r.n(5)]...)
	case 4:
		c.text = append(c.text, "0010000000"...)
		for range 8 {
			c.text = append(c.text, digits[r.n(len(digits))])
		}
	case 5:
		c.text = strconv.AppendBool(c.text, r.n(2) == 0)
	case 6:
		if null = r.n(4) != 0; !null {
			c.word(r)
			c.text = append(c.text, '@')
			c.word(r)
			c.text = append(c.text, ".example"...)
		}
	case 7:
		if null = r.n(8) != 0; !null {
			c.wordsOf(6, r)
		}
	default:
		null = true
	}
	c.ends, c.nulls = append(c.ends, len(c.text)), append(c.nulls, null)
}

func (c *corpus) wordsOf(n int, r *random) {
	for i := range n {
		if i > 0 {
			c.text = append(c.text, ' ')
		}
		c.word(r)
	}
}
