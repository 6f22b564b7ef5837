package soql

import (
	"strconv"
	"strings"
)

// filters reads USING SCOPE, WHERE, WITH, GROUP BY and HAVING.
func (p *parser) filters(q *Query) (err error) {
	if p.accept("USING") {
		if err := p.expect("SCOPE"); err != nil {
			return err
		}
		scope, err := p.name()
		if err != nil {
			return err
		}
		q.Scope = scope.text
	}
	if p.accept("WHERE") {
		if q.Where, err = p.condition(); err != nil {
			return err
		}
	}
	if p.accept("WITH") {
		t, err := p.name()
		if err != nil {
			return err
		}
		switch w := strings.ToUpper(t.text); w {
		case "SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE":
			q.With = w
		default:
			p.next--
			return p.unexpected()
		}
	}
	if p.accept("GROUP", "BY") {
		if q.GroupBy, err = p.groupBy(); err != nil {
			return err
		}
	}
	if p.accept("HAVING") {
		if q.Having, err = p.condition(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) groupBy() (*GroupBy, error) {
	g := &GroupBy{}
	if (p.is("ROLLUP") || p.is("CUBE")) && p.peekAt(1).text == "(" {
		g.Kind = strings.ToUpper(p.take().text)
		p.take()
	}
	for {
		item, err := p.operand()
		if err != nil {
			return nil, err
		}
		g.Items = append(g.Items, item)
		if !p.acceptSign(",") {
			break
		}
	}
	if g.Kind != "" {
		return g, p.expectSign(")")
	}
	return g, nil
}

// tail reads ORDER BY, LIMIT, OFFSET, FOR and ALL ROWS.
func (p *parser) tail(q *Query) (err error) {
	if p.accept("ORDER", "BY") {
		if q.OrderBy, err = p.orderBy(); err != nil {
			return err
		}
	}
	if p.accept("LIMIT") {
		n, err := p.integer()
		if err != nil {
			return err
		}
		q.Limit = &n
	}
	if p.accept("OFFSET") {
		n, err := p.integer()
		if err != nil {
			return err
		}
		q.Offset = &n
	}
	for p.accept("FOR") {
		t, err := p.name()
		if err != nil {
			return err
		}
		switch w := strings.ToUpper(t.text); w {
		case "VIEW", "REFERENCE", "UPDATE":
			q.For = append(q.For, w)
		default:
			p.next--
			return p.unexpected()
		}
	}
	if p.accept("ALL", "ROWS") {
		q.AllRows = true
	}
	return nil
}

func (p *parser) orderBy() ([]Order, error) {
	var orders []Order
	for {
		by, err := p.operand()
		if err != nil {
			return nil, err
		}
		o := Order{By: by}
		if p.accept("DESC") {
			o.Desc = true
		} else {
			p.accept("ASC")
		}
		if p.accept("NULLS") {
			switch {
			case p.accept("FIRST"):
				o.Nulls = "FIRST"
			case p.accept("LAST"):
				o.Nulls = "LAST"
			default:
				return nil, p.unexpected()
			}
		}
		orders = append(orders, o)
		if !p.acceptSign(",") {
			return orders, nil
		}
	}
}

// condition reads a logical expression. SOQL refuses a mixture of AND and OR without parentheses.
func (p *parser) condition() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	word := ""
	for _, w := range []string{"AND", "OR"} {
		if p.is(w) {
			word = w
		}
	}
	if word == "" {
		return first, nil
	}
	terms := []Expr{first}
	for p.accept(word) {
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
	}
	if p.is("AND") || p.is("OR") {
		return nil, p.unexpected()
	}
	if word == "AND" {
		return &And{Terms: terms}, nil
	}
	return &Or{Terms: terms}, nil
}

func (p *parser) term() (Expr, error) {
	if p.accept("NOT") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		return &Not{Term: t}, nil
	}
	if p.acceptSign("(") {
		c, err := p.condition()
		if err != nil {
			return nil, err
		}
		return c, p.expectSign(")")
	}
	return p.comparison()
}

func (p *parser) comparison() (Expr, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	pos := p.peek().pos
	switch {
	case p.accept("IN"):
		return p.membership(left, In, pos)
	case p.accept("NOT", "IN"):
		return p.membership(left, NotIn, pos)
	case p.accept("INCLUDES"):
		return p.membership(left, Includes, pos)
	case p.accept("EXCLUDES"):
		return p.membership(left, Excludes, pos)
	}
	var op Op
	switch t := p.peek(); {
	case p.is("LIKE"):
		op = Like
	case t.kind == signToken && t.text == "<>":
		op = NotEqual
	case t.kind == signToken:
		switch Op(t.text) {
		case Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual:
			op = Op(t.text)
		}
	}
	if op == "" {
		return nil, p.unexpected()
	}
	p.take()
	right, err := p.literal(op == Like)
	if err != nil {
		return nil, err
	}
	return &Comparison{Left: left, Op: op, Right: right, Pos: pos}, nil
}

func (p *parser) membership(left Expr, op SetOp, pos int) (Expr, error) {
	if err := p.expectSign("("); err != nil {
		return nil, err
	}
	m := &Membership{Left: left, Op: op, Pos: pos}
	if p.is("SELECT") && (op == In || op == NotIn) {
		sub, err := p.query(true)
		if err != nil {
			return nil, err
		}
		m.Sub = sub
		return m, p.expectSign(")")
	}
	for {
		l, err := p.literal(false)
		if err != nil {
			return nil, err
		}
		m.Set = append(m.Set, l)
		if !p.acceptSign(",") {
			return m, p.expectSign(")")
		}
	}
}

// literal reads a constant; pattern says that it stands after LIKE.
func (p *parser) literal(pattern bool) (Literal, error) {
	t := p.peek()
	l := Literal{Text: t.text, Pos: t.pos}
	switch t.kind {
	case stringToken:
		text, err := unescape(t.text, pattern)
		if err != nil {
			return Literal{}, err
		}
		l.Kind, l.Text = StringLiteral, text
	case numberToken:
		if strings.Count(t.text, ".") > 1 {
			return Literal{}, p.unexpected()
		}
		l.Kind = NumberLiteral
	case dateToken:
		l.Kind = DateLiteral
	case timeToken:
		l.Kind = DatetimeLiteral
	case nameToken:
		return p.wordLiteral(t)
	default:
		return Literal{}, p.unexpected()
	}
	p.take()
	return l, nil
}

func (p *parser) wordLiteral(t token) (Literal, error) {
	l := Literal{Text: t.text, Pos: t.pos}
	word := strings.ToUpper(t.text)
	switch {
	case word == "NULL":
		l.Kind, l.Text = NullLiteral, ""
	case word == "TRUE" || word == "FALSE":
		l.Kind, l.Text = BoolLiteral, strings.ToLower(word)
	case plainRanges[word].unit != 0:
		l.Kind, l.Text = RangeLiteral, word
	case countedRanges[word].unit != 0:
		p.take()
		if err := p.expectSign(":"); err != nil {
			return Literal{}, err
		}
		n, err := p.integer()
		if err != nil {
			return Literal{}, err
		}
		if n > maxRange {
			return Literal{}, malformed("%sinvalid date range: %d", pointAt(p.text, t.pos), n)
		}
		l.Kind, l.Text, l.N = RangeLiteral, word, int(n)
		return l, nil
	case isCurrency(t.text):
		l.Kind, l.Text = CurrencyLiteral, word
		p.take()
		if next := p.peek(); next.kind == numberToken && strings.HasPrefix(next.text, ".") && next.pos == t.pos+len(t.text) {
			l.Text += p.take().text
		}
		return l, nil
	default:
		return Literal{}, p.unexpected()
	}
	p.take()
	return l, nil
}

// isCurrency reports an amount with its currency, such as USD5000.
func isCurrency(s string) bool {
	if len(s) < 4 {
		return false
	}
	for i := range 3 {
		if !isNameStart(s[i]) || s[i] == '_' {
			return false
		}
	}
	_, err := strconv.ParseUint(s[3:], 10, 64)
	return err == nil
}
