package soql

import (
	"fmt"
	"strconv"
	"strings"
)

// String prints the query in its canonical spelling: keywords and functions in capitals, one space
// between words. Parsing what it prints gives the same tree.
func (q *Query) String() string {
	var b strings.Builder
	q.print(&b)
	return b.String()
}

func (q *Query) print(b *strings.Builder) {
	b.WriteString("SELECT ")
	for i, item := range q.Select {
		if i > 0 {
			b.WriteString(", ")
		}
		printItem(b, item)
	}
	b.WriteString(" FROM " + q.From.Name)
	if q.From.Alias != "" {
		b.WriteString(" " + q.From.Alias)
	}
	if q.Scope != "" {
		b.WriteString(" USING SCOPE " + q.Scope)
	}
	if q.Where != nil {
		b.WriteString(" WHERE ")
		printExpr(b, q.Where, false)
	}
	if q.With != "" {
		b.WriteString(" WITH " + q.With)
	}
	if q.GroupBy != nil {
		b.WriteString(" GROUP BY ")
		q.GroupBy.print(b)
	}
	if q.Having != nil {
		b.WriteString(" HAVING ")
		printExpr(b, q.Having, false)
	}
	q.printTail(b)
}

func (q *Query) printTail(b *strings.Builder) {
	for i, o := range q.OrderBy {
		if i == 0 {
			b.WriteString(" ORDER BY ")
		} else {
			b.WriteString(", ")
		}
		printExpr(b, o.By, false)
		if o.Desc {
			b.WriteString(" DESC")
		}
		if o.Nulls != "" {
			b.WriteString(" NULLS " + o.Nulls)
		}
	}
	if q.Limit != nil {
		b.WriteString(" LIMIT " + strconv.FormatInt(*q.Limit, 10))
	}
	if q.Offset != nil {
		b.WriteString(" OFFSET " + strconv.FormatInt(*q.Offset, 10))
	}
	for _, f := range q.For {
		b.WriteString(" FOR " + f)
	}
	if q.AllRows {
		b.WriteString(" ALL ROWS")
	}
}

func (g *GroupBy) print(b *strings.Builder) {
	if g.Kind != "" {
		b.WriteString(g.Kind + "(")
	}
	for i, item := range g.Items {
		if i > 0 {
			b.WriteString(", ")
		}
		printExpr(b, item, false)
	}
	if g.Kind != "" {
		b.WriteString(")")
	}
}

func printItem(b *strings.Builder, item Item) {
	switch x := item.(type) {
	case *Path:
		b.WriteString(x.String())
		if x.Alias != "" {
			b.WriteString(" " + x.Alias)
		}
	case *Call:
		printCall(b, x)
		if x.Alias != "" {
			b.WriteString(" " + x.Alias)
		}
	case *Child:
		b.WriteString("(")
		x.Query.print(b)
		b.WriteString(")")
	case *Fields:
		b.WriteString("FIELDS(" + x.Group + ")")
	case *TypeOf:
		b.WriteString("TYPEOF " + x.Path.String())
		for _, w := range x.Whens {
			b.WriteString(" WHEN " + w.Object + " THEN ")
			printPaths(b, w.Fields)
		}
		if len(x.Else) > 0 {
			b.WriteString(" ELSE ")
			printPaths(b, x.Else)
		}
		b.WriteString(" END")
	}
}

func printPaths(b *strings.Builder, paths []*Path) {
	for i, p := range paths {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
}

func printCall(b *strings.Builder, c *Call) {
	b.WriteString(c.Name + "(")
	if c.Arg != nil {
		b.WriteString(c.Arg.String())
	}
	for i, a := range c.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		printExpr(b, a, false)
	}
	b.WriteString(")")
}

// printExpr prints a condition or operand; nested puts a conjunction or disjunction in parentheses.
func printExpr(b *strings.Builder, e Expr, nested bool) {
	switch x := e.(type) {
	case *And:
		printTerms(b, x.Terms, " AND ", nested)
	case *Or:
		printTerms(b, x.Terms, " OR ", nested)
	case *Not:
		if nested {
			b.WriteString("(")
		}
		b.WriteString("NOT ")
		printExpr(b, x.Term, true)
		if nested {
			b.WriteString(")")
		}
	case *Comparison:
		printExpr(b, x.Left, true)
		fmt.Fprintf(b, " %s ", x.Op)
		x.Right.print(b, x.Op == Like)
	case *Membership:
		printExpr(b, x.Left, true)
		fmt.Fprintf(b, " %s (", x.Op)
		if x.Sub != nil {
			x.Sub.print(b)
		}
		for i, l := range x.Set {
			if i > 0 {
				b.WriteString(", ")
			}
			l.print(b, false)
		}
		b.WriteString(")")
	case *Path:
		b.WriteString(x.String())
	case *Call:
		printCall(b, x)
	case Literal:
		x.print(b, false)
	}
}

func printTerms(b *strings.Builder, terms []Expr, word string, nested bool) {
	if nested {
		b.WriteString("(")
	}
	for i, t := range terms {
		if i > 0 {
			b.WriteString(word)
		}
		printExpr(b, t, true)
	}
	if nested {
		b.WriteString(")")
	}
}

func (l Literal) print(b *strings.Builder, pattern bool) {
	switch l.Kind {
	case NullLiteral:
		b.WriteString("NULL")
	case StringLiteral:
		b.WriteString(quote(l.Text, pattern))
	case RangeLiteral:
		b.WriteString(l.Text)
		if _, counted := countedRanges[l.Text]; counted {
			b.WriteString(":" + strconv.Itoa(l.N))
		}
	default:
		b.WriteString(l.Text)
	}
}

// Quote returns the text as a SOQL string literal, quotes included.
func Quote(text string) string { return quote(text, false) }

func quote(text string, pattern bool) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\'':
			b.WriteString(`\'`)
		case c == '\\' && !pattern:
			b.WriteString(`\\`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\f':
			b.WriteString(`\f`)
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
