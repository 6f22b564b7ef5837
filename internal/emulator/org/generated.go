package org

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// Generation makes an object that has rows without storing them: each is computed from the seed when
// it is read, and stored only when somebody changes it. It can be found by Id, and by ranges of Ids and
// of the stamps of its creation, of any size; what has to look at more than a few million rows times
// out, as it does on the platform. Lookups of other objects to its rows work; its own rows are not
// found by an external id or as children, unless they have been changed.
type Generation struct {
	Object string
	Rows   int
	Seed   uint64
	From   time.Time     // when the first row was made
	Step   time.Duration // between one row and the next; at least a second makes each stamp one of its own
}

// secondsOfYear are the seconds of a year, as close as a bound needs them.
const secondsOfYear = 365.2425 * 24 * 60 * 60

// maxGenerated is how many rows one object can have: positions are 32 bits wide.
const maxGenerated = 1 << 30

// computer is a Generation as its table holds it.
type computer struct {
	spec  Generation
	head  string // what every Id begins with
	first uint64 // number in the Id of the first row
	admin sf.ID
	taken []int32 // rows that are stored, ascending

	mu  sync.Mutex
	lay *layout `image:"-"`
}

// Generate gives an object that has no rows yet as many as asked for. It takes no time.
func (o *Org) Generate(g Generation) *Error {
	defer o.write()()
	object := o.schema.object(g.Object)
	if object == nil {
		return noObject(g.Object)
	}
	t := o.tables[fold(object.Name)]
	if t.gen != nil || len(t.rows) > 0 || object.KeyPrefix == "" || g.Rows < 1 || g.Rows > maxGenerated {
		return fault("INVALID_OPERATION", "rows can be generated once, for an object without rows: "+object.Name)
	}
	last := float64(g.Rows-1) * g.Step.Seconds() / secondsOfYear // in years after the first
	if g.Step < 0 || outOfTime(g.From) || float64(g.From.Year())+last > lastYear || g.Step > 0 && int64(g.Rows) > math.MaxInt64/int64(g.Step) {
		return fault("INVALID_OPERATION", "the stamps of the rows do not ascend, or leave the years from "+itoa(firstYear)+" to "+itoa(lastYear)+": "+object.Name)
	}
	first := o.newID(t)
	number, ok := idNumber(first)
	if !ok {
		return fault("INVALID_OPERATION", "the Ids of "+object.Name+" have no numbers")
	}
	t.serial += uint64(g.Rows) - 1
	t.gen = &computer{spec: g, head: string(first[:5]), first: number, admin: o.admin}
	t.stored = map[sf.ID]int32{}
	return nil
}

// idNumber reads the number at the end of an Id.
func idNumber(id sf.ID) (uint64, bool) {
	if len(id) < 15 {
		return 0, false
	}
	var n uint64
	for _, c := range []byte(id[5:15]) {
		digit := strings.IndexByte(base62, c)
		if digit < 0 {
			return 0, false
		}
		n = n*62 + uint64(digit)
	}
	return n, true
}

// id returns the Id of a row.
func (g *computer) id(i int) sf.ID {
	b := []byte(g.head + "0000000000")
	for at, n := len(b)-1, g.first+uint64(i); n > 0; at-- {
		b[at] = base62[n%62]
		n /= 62
	}
	id, err := sf.ParseID(string(b))
	if err != nil { // letters and digits
		panic(err)
	}
	return id
}

// number returns which row an Id names.
func (g *computer) number(id sf.ID) (int, bool) {
	n, ok := idNumber(id)
	if !ok || string(id[:5]) != g.head || n < g.first || n-g.first >= uint64(g.spec.Rows) {
		return 0, false
	}
	return int(n - g.first), true
}

// unstored is the position of rows that are computed.
const unstored = -1

// generated computes a row.
func (t *table) generated(i int) *row {
	g := t.gen
	dense := make([]string, t.columns)
	at := stamp(g.spec.From.Add(time.Duration(i) * g.spec.Step))
	for _, f := range t.object.Fields {
		if f.column >= 0 {
			dense[f.column] = g.value(f, i, at)
		}
	}
	r := &row{lay: g.layout(t.columns), pos: unstored}
	t.fill(r, g.id(i), dense)
	return r
}

// layout returns the layout of all columns, whose values are never words: rows are computed by many
// readers at once.
func (g *computer) layout(width int) *layout {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lay == nil || len(g.lay.at) != width {
		g.lay = &layout{columns: make([]uint16, width), at: make([]int16, width)}
		for i := range width {
			g.lay.columns[i], g.lay.at[i] = uint16(i), int16(i)
		}
	}
	return g.lay
}

// value makes the value of a field from what its describe says.
func (g *computer) value(f *Field, i int, at string) string {
	switch f.Name {
	case "CreatedDate", "LastModifiedDate", "SystemModstamp":
		return at
	case "IsDeleted":
		return ""
	}
	h := fnv.New64a()
	_, _ = h.Write(strconv.AppendInt([]byte(f.Name), int64(i)^int64(g.spec.Seed)<<32, 10)) // a hash takes everything
	x := h.Sum64()
	switch f.Type {
	case sf.TypeReference:
		if slices.Contains(f.ReferenceTo, "User") {
			return string(g.admin)
		}
		return ""
	case sf.TypeBoolean:
		if f.Custom && x%2 == 0 { // the platform's own mean something, such as IsConverted
			return "true"
		}
		return ""
	case sf.TypeInt, sf.TypeLong:
		return itoa(int(x % 100_000))
	case sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		whole := x % 1_000
		if f.Scale < 1 {
			return strconv.FormatUint(whole, 10)
		}
		return fmt.Sprintf("%d.%d", whole, 1+x>>32%9)
	case sf.TypeDate:
		return at[:10]
	case sf.TypeDatetime:
		return at
	case sf.TypeEmail:
		return "row" + itoa(i) + "@example.com"
	case sf.TypePicklist:
		if len(f.Picklist) == 0 {
			return ""
		}
		return f.Picklist[x%uint64(len(f.Picklist))].Value
	case sf.TypeString, sf.TypeTextarea:
		text := f.Label + " " + itoa(i)
		if f.Length > 0 && len(text) > f.Length {
			text = text[len(text)-f.Length:]
		}
		return text
	}
	return ""
}

// findGenerated returns the newest version of a record of a table with computed rows.
func (t *table) findGenerated(id sf.ID) *row {
	if pos, ok := t.stored[id]; ok {
		if r := t.rows[pos]; r.fate != gone {
			return r
		}
		return nil
	}
	if i, ok := t.gen.number(id); ok {
		return t.generated(i)
	}
	return nil
}

// own stores a row that is computed, because it is about to change. The caller holds the lock for
// writing. Any other row is returned as it is.
func (t *table) own(r *row) *row {
	if r == nil || r.pos != unstored {
		return r
	}
	i, _ := t.gen.number(r.id)
	kept := t.pack(r.id, t.dense(r), live, int32(len(t.rows)))
	t.put(kept)
	at, _ := slices.BinarySearch(t.gen.taken, int32(i))
	t.gen.taken = slices.Insert(slices.Clone(t.gen.taken), at, int32(i)) // readers may hold the old one
	return kept
}

// The bounds of a query over computed rows.
const (
	// atOnce is how many rows are made for an answer at once; longer answers are made piece by piece
	// when they are read.
	atOnce = 20_000
	// mostScanned is how many rows a condition that no range answers may look at.
	mostScanned = 2_000_000
)

// timedOut is the error for a query that would look at too many rows.
func timedOut() *Error {
	return fault("QUERY_TIMEOUT", "Your query request was running for too long.")
}

// span returns which computed rows a condition can select, and whether it selects all of them.
func (s *selection) span() (lo, hi int, exact bool, err error) {
	n := s.t.gen.spec.Rows
	lo, hi, exact = 0, n, true
	if s.q.Where == nil {
		return lo, hi, fold(s.q.Scope) != "mine", nil
	}
	terms := []soql.Expr{s.q.Where}
	if and, ok := s.q.Where.(*soql.And); ok {
		terms = and.Terms
	}
	for _, term := range terms {
		c, ok := term.(*soql.Comparison)
		if !ok || !ranged(c) {
			exact = false
			continue
		}
		if c.Op != soql.Less && c.Op != soql.LessEqual { // a lower end: false, then true
			from := *c
			if c.Op == soql.Equal {
				from.Op = soql.GreaterEqual
			}
			test, err := s.rows.Condition(&from)
			if err != nil {
				return 0, 0, false, err
			}
			lo = max(lo, sort.Search(n, func(i int) bool { return test(s.t.generated(i)) }))
		}
		if c.Op != soql.Greater && c.Op != soql.GreaterEqual {
			to := *c
			if c.Op == soql.Equal {
				to.Op = soql.LessEqual
			}
			test, err := s.rows.Condition(&to)
			if err != nil {
				return 0, 0, false, err
			}
			hi = min(hi, sort.Search(n, func(i int) bool { return !test(s.t.generated(i)) }))
		}
	}
	return lo, max(lo, hi), exact && fold(s.q.Scope) != "mine", nil
}

// ranged reports a comparison with something that ascends from row to row.
func ranged(c *soql.Comparison) bool {
	p, ok := c.Left.(*soql.Path)
	if !ok || len(p.Names) != 1 || c.Op == soql.NotEqual || c.Right.Kind == soql.NullLiteral {
		return false
	}
	switch fold(p.Names[0]) {
	case "id", "createddate", "lastmodifieddate", "systemmodstamp":
		return true
	}
	return false
}

// sequence is what a query selects of a table with computed rows, by Id: computed ones from lo to
// before hi without those that are stored, and stored ones.
type sequence struct {
	t      *table
	lo, hi int
	taken  []int32 // stored rows within
	stored []*row
	ranks  []int // where each of stored comes in the whole
	down   bool  // the last Id comes first
}

func (s *selection) sequence(lo, hi int) *sequence {
	q := &sequence{t: s.t, lo: lo, hi: hi}
	taken := s.t.gen.taken
	from, _ := slices.BinarySearch(taken, int32(lo))
	to, _ := slices.BinarySearch(taken, int32(hi))
	q.taken = taken[from:to]
	for _, r := range s.t.rows {
		if s.visible(r) && (s.test == nil || s.test(r)) {
			q.stored = append(q.stored, r)
		}
	}
	slices.SortFunc(q.stored, func(a, b *row) int { return strings.Compare(string(a.id), string(b.id)) })
	for i, r := range q.stored {
		before := q.computed()
		if number, ok := s.t.gen.number(r.id); ok {
			at := min(max(number, lo), hi)
			k, _ := slices.BinarySearch(q.taken, int32(at))
			before = at - lo - k
		}
		q.ranks = append(q.ranks, before+i)
	}
	return q
}

// computed is the number of computed rows.
func (q *sequence) computed() int { return q.hi - q.lo - len(q.taken) }

func (q *sequence) len() int { return q.computed() + len(q.stored) }

// at returns one row.
func (q *sequence) at(k int) *row {
	if q.down {
		k = q.len() - 1 - k
	}
	j, ok := slices.BinarySearch(q.ranks, k)
	if ok {
		return q.stored[j]
	}
	k -= j // among the computed ones
	skip := sort.Search(len(q.taken), func(i int) bool { return int(q.taken[i])-q.lo-i > k })
	return q.t.generated(q.lo + k + skip)
}

// rows returns a range of rows.
func (q *sequence) rows(from, to int) []*row {
	rows := make([]*row, 0, to-from)
	for k := from; k < to; k++ {
		rows = append(rows, q.at(k))
	}
	return rows
}

// runGenerated runs a query over a table with computed rows.
func (s *selection) runGenerated() (*Answer, error) {
	lo, hi, exact, err := s.span()
	if err != nil {
		return nil, err
	}
	q := s.sequence(lo, hi)
	if len(s.q.OrderBy) > 0 && s.isID(s.q.OrderBy[0].By) { // the order that the rows have, or its reverse
		s.order, q.down = nil, s.q.OrderBy[0].Desc
	}
	plain := s.order == nil && s.groups == nil && !s.q.IsCount()
	switch {
	case exact && s.q.IsCount():
		n := q.len()
		if s.limit >= 0 {
			n = min(n, s.limit)
		}
		return &Answer{Object: s.object, CountOnly: true, Total: n}, nil
	case exact && plain && s.limit >= 0 && s.offset+s.limit <= atOnce:
		return s.run(q.rows(0, min(s.offset+s.limit, q.len())))
	case q.len() <= atOnce:
		return s.run(q.rows(0, q.len()))
	case exact && plain:
		return s.pieces(q)
	case q.len() > mostScanned:
		return nil, timedOut()
	}
	var rows []*row
	for k := range q.len() {
		if plain && s.limit >= 0 && len(rows) >= s.offset+s.limit {
			break
		}
		if r := q.at(k); s.test == nil || s.test(r) {
			rows = append(rows, r)
		}
	}
	if rows == nil {
		rows = []*row{}
	}
	return s.run(rows)
}

// isID reports an operand that is the Id of the record itself.
func (s *selection) isID(e soql.Expr) bool {
	p, ok := e.(*soql.Path)
	if !ok {
		return false
	}
	tr, err := s.locate(p)
	return err == nil && len(tr.hops) == 0 && tr.field.Type == sf.TypeID
}

// pieces is an answer whose rows are made when they are read.
func (s *selection) pieces(q *sequence) (*Answer, error) {
	unlimited := *s
	unlimited.limit, unlimited.offset = -1, 0
	a, err := unlimited.run([]*row{})
	if err != nil {
		return nil, err
	}
	from, to := min(s.offset, q.len()), q.len()
	if s.limit >= 0 {
		to = min(from+s.limit, to)
	}
	a.Total = to - from
	a.lazy = &lazyRows{s: &unlimited, q: q, from: from, to: to}
	return a, nil
}

// lazyRows are the rows of a long answer; one piece of them is held at a time.
type lazyRows struct {
	s        *selection
	q        *sequence
	from, to int

	mu    sync.Mutex
	base  int
	piece *Answer
}

// pieceRows is how many rows a piece has.
const pieceRows = 2_000

// answer returns the piece with the row at i, and where the row is in it.
func (l *lazyRows) answer(i int) (*Answer, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	base := i / pieceRows * pieceRows
	if l.piece == nil || l.base != base {
		defer l.s.o.read()()
		from := l.from + base
		piece, err := l.s.run(l.q.rows(from, min(from+pieceRows, l.to)))
		if err != nil { // it ran over no rows
			panic(err)
		}
		l.piece, l.base = piece, base
	}
	return l.piece, i - base
}
