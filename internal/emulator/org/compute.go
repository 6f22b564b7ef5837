package org

import (
	"math/big"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// datum is a value while a formula is computed.
type datum struct {
	kind datumKind
	text string // also of dates and datetimes, in canonical form
	num  *big.Rat
	yes  bool
}

type datumKind uint8

const (
	nullDatum datumKind = iota
	textDatum
	numberDatum
	boolDatum
	dateDatum
	datetimeDatum
)

func datumOf(t sf.FieldType, text string) datum {
	if text == "" {
		return datum{}
	}
	switch t {
	case sf.TypeBoolean:
		return datum{kind: boolDatum, yes: text == "true"}
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		r, ok := parseNumber(text)
		if !ok {
			return datum{}
		}
		if t == sf.TypePercent { // a percent counts as its fraction in formulas
			r.Quo(r, big.NewRat(100, 1))
		}
		return datum{kind: numberDatum, num: r}
	case sf.TypeDate:
		return datum{kind: dateDatum, text: text}
	case sf.TypeDatetime:
		return datum{kind: datetimeDatum, text: text}
	}
	return datum{kind: textDatum, text: text}
}

// as spells the datum as a value of the field; empty is null.
func (d datum) as(f *Field) string {
	if d.kind == nullDatum {
		if f.Type == sf.TypeBoolean {
			return "false"
		}
		return ""
	}
	switch f.Type {
	case sf.TypeBoolean:
		if d.kind == boolDatum && d.yes {
			return "true"
		}
		return "false"
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		if d.kind != numberDatum {
			return ""
		}
		if f.Type == sf.TypePercent {
			return decimal(new(big.Rat).Mul(d.num, big.NewRat(100, 1)), f.Scale)
		}
		return decimal(d.num, f.Scale)
	case sf.TypeDate, sf.TypeDatetime:
		if d.kind == dateDatum || d.kind == datetimeDatum {
			return d.text
		}
		return ""
	}
	return d.spell()
}

// spell is what TEXT and & make of a datum.
func (d datum) spell() string {
	switch d.kind {
	case numberDatum:
		return decimal(d.num, 18)
	case boolDatum:
		if d.yes {
			return "true"
		}
		return "false"
	case datetimeDatum:
		// Source: Salesforce Help, TEXT: "2015-03-17 17:00:00Z".
		return strings.Replace(strings.Replace(d.text, "T", " ", 1), ".000Z", "Z", 1)
	}
	return d.text
}

// computing is one computation of a formula over one record; now is the org's clock.
type computing struct {
	o     *Org
	t     *table
	r     *row // nil for a default value, which sees no record
	now   time.Time
	depth int
	zero  bool
}

// maxFormulaChain bounds formulas that use formulas. Source: Salesforce Help, "Tips for Working with
// Formula Fields", where ten levels are spanned at most.
const maxFormulaChain = 10

// constant computes a default value.
func (o *Org) constant(f *Field, now time.Time) string {
	c := computing{o: o, now: now}
	text := c.eval(f.initial.root).as(f)
	if f.Type == sf.TypeBoolean && text == "false" {
		return ""
	}
	return text
}

// compute computes a formula field of a record.
func (o *Org) compute(t *table, r *row, f *Field, depth int) string {
	if f.formula == nil || depth > maxFormulaChain {
		return datum{}.as(f)
	}
	c := computing{o: o, t: t, r: r, now: o.clock.Now(), depth: depth, zero: f.formula.blankAsZero}
	return c.eval(f.formula.root).as(f)
}

func truth(yes bool) datum { return datum{kind: boolDatum, yes: yes} }

func (c *computing) eval(n node) datum {
	switch n.op {
	case leafText:
		if n.text == "" {
			return datum{}
		}
		return datum{kind: textDatum, text: n.text}
	case leafNumber:
		return datum{kind: numberDatum, num: n.num}
	case leafTrue, leafFalse:
		return truth(n.op == leafTrue)
	case leafPath:
		return c.field(n.path)
	case leafNull:
		return datum{}
	case "TODAY":
		return datum{kind: dateDatum, text: c.now.Format(time.DateOnly)}
	case "NOW":
		return datum{kind: datetimeDatum, text: stamp(c.now)}
	case "IF", "AND", "OR", "&&", "||", "CASE", "BLANKVALUE", "NULLVALUE":
		return c.choose(n)
	case "=", "<>", "<", ">", "<=", ">=", "ISPICKVAL":
		return c.compare(n)
	case "+", "-", "*", "/":
		return c.arithmetic(n)
	}
	return c.unary(n)
}

func (c *computing) unary(n node) datum {
	a := c.eval(n.args[0])
	switch n.op {
	case "NOT":
		return truth(!a.yes)
	case "ISBLANK", "ISNULL":
		return truth(a.kind == nullDatum)
	case "TEXT":
		if a.kind == nullDatum {
			return datum{}
		}
		return datum{kind: textDatum, text: a.spell()}
	case "LEN":
		return datum{kind: numberDatum, num: big.NewRat(int64(len([]rune(a.spell()))), 1)}
	case "&":
		text := a.spell() + c.eval(n.args[1]).spell()
		if text == "" {
			return datum{}
		}
		return datum{kind: textDatum, text: text}
	}
	return datum{}
}

func (c *computing) choose(n node) datum {
	switch n.op {
	case "IF":
		if c.eval(n.args[0]).yes {
			return c.eval(n.args[1])
		}
		return c.eval(n.args[2])
	case "BLANKVALUE", "NULLVALUE":
		if a := c.eval(n.args[0]); a.kind != nullDatum {
			return a
		}
		return c.eval(n.args[1])
	case "CASE":
		a := c.eval(n.args[0])
		for i := 1; i+1 < len(n.args); i += 2 {
			if order, ok := compareData(a, c.eval(n.args[i])); ok && order == 0 {
				return c.eval(n.args[i+1])
			}
		}
		return c.eval(n.args[len(n.args)-1])
	}
	all := n.op == "AND" || n.op == "&&"
	for _, a := range n.args {
		if c.eval(a).yes != all {
			return truth(!all)
		}
	}
	return truth(all)
}

func (c *computing) compare(n node) datum {
	order, ok := compareData(c.eval(n.args[0]), c.eval(n.args[1]))
	switch n.op {
	case "=", "ISPICKVAL":
		return truth(ok && order == 0)
	case "<>":
		return truth(!ok || order != 0)
	case "<":
		return truth(ok && order < 0)
	case ">":
		return truth(ok && order > 0)
	case "<=":
		return truth(ok && order <= 0)
	default:
		return truth(ok && order >= 0)
	}
}

// compareData orders two data; false when they cannot be compared. Null equals null.
func compareData(a, b datum) (int, bool) {
	switch {
	case a.kind == nullDatum && b.kind == nullDatum:
		return 0, true
	case a.kind == numberDatum && b.kind == numberDatum:
		return a.num.Cmp(b.num), true
	case a.kind == boolDatum && b.kind == boolDatum:
		if a.yes == b.yes {
			return 0, true
		}
		return 1, true
	case a.kind == b.kind && a.kind != nullDatum:
		return strings.Compare(a.text, b.text), true
	}
	return 0, false
}

// maxPlaces bounds the digits of an intermediate result, so that a chain of divisions stays small.
const maxPlaces = 40

// arithmetic: + also joins texts, and adds days to a date. A blank number makes the result blank,
// or counts as zero when the formula says so.
func (c *computing) arithmetic(n node) datum {
	a, b := c.eval(n.args[0]), c.eval(n.args[1])
	if n.op == "+" && (a.kind == textDatum || b.kind == textDatum) {
		return datum{kind: textDatum, text: a.spell() + b.spell()}
	}
	if a.kind == dateDatum && b.kind == numberDatum && n.op != "*" && n.op != "/" {
		return addDays(a, b.num, n.op)
	}
	if a.kind == dateDatum && b.kind == dateDatum && n.op == "-" {
		x, _ := time.Parse(time.DateOnly, a.text)
		y, _ := time.Parse(time.DateOnly, b.text)
		return datum{kind: numberDatum, num: big.NewRat(int64(x.Sub(y)/(24*time.Hour)), 1)}
	}
	x, okA := c.numeric(a)
	y, okB := c.numeric(b)
	if !okA || !okB {
		return datum{}
	}
	z := new(big.Rat)
	switch n.op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	default:
		if y.Sign() == 0 {
			return datum{} // the platform shows #Error!, which its APIs give as null
		}
		z.Quo(x, y)
	}
	if len(z.Denom().Bits()) > 2 {
		z.SetString(z.FloatString(maxPlaces))
	}
	return datum{kind: numberDatum, num: z}
}

func (c *computing) numeric(d datum) (*big.Rat, bool) {
	switch {
	case d.kind == numberDatum:
		return d.num, true
	case d.kind == nullDatum && c.zero:
		return new(big.Rat), true
	}
	return nil, false
}

func addDays(d datum, n *big.Rat, op string) datum {
	at, err := time.Parse(time.DateOnly, d.text)
	if err != nil {
		return datum{}
	}
	days, _ := n.Float64()
	if op == "-" {
		days = -days
	}
	return datum{kind: dateDatum, text: at.AddDate(0, 0, int(days)).Format(time.DateOnly)}
}

// field reads a field of the record or of one of its parents.
func (c *computing) field(path []string) datum {
	if c.r == nil {
		return datum{}
	}
	t, r := c.t, c.r
	for _, name := range path[:len(path)-1] {
		if t, r = c.o.parent(t, r, name); r == nil {
			return datum{}
		}
	}
	f := t.object.Field(path[len(path)-1])
	if f == nil {
		return datum{}
	}
	return datumOf(f.Type, c.o.value(t, r, f, c.depth+1))
}

// parent follows a relationship from a record to its parent; nil when there is none.
func (o *Org) parent(t *table, r *row, relationship string) (*table, *row) {
	f := t.object.Relationship(relationship)
	if f == nil {
		return nil, nil
	}
	id := sf.ID(o.value(t, r, f, 0))
	target := o.schema.prefixes[id.KeyPrefix()]
	if target == nil {
		return nil, nil
	}
	pt := o.tables[fold(target.Name)]
	p := pt.find(id)
	if p == nil {
		return nil, nil
	}
	return pt, p
}

// value returns the canonical text of any field of a record, computing it when it is not stored.
func (o *Org) value(t *table, r *row, f *Field, depth int) string {
	switch {
	case f.column >= 0:
		text := r.text(f.column)
		if text == "" && f.Type == sf.TypeBoolean {
			return "false"
		}
		return text
	case f.Type == sf.TypeID:
		return string(r.id)
	case f.summary != nil:
		return o.summarise(r, f)
	case f.Calculated:
		return o.compute(t, r, f, depth)
	}
	if f.derive != nil {
		return f.derive(o, t, r)
	}
	return ""
}
