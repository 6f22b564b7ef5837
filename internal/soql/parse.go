package soql

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of parentheses, so that no query can exhaust the stack. The platform's
// own bound is unverified.
const maxDepth = 200

// maxText is how many characters a query may have. Source: SOQL and SOSL Reference, "SOQL and SOSL Limits for
// Search Queries"; the wording of the refusal is unverified.
const maxText = 100_000

// Parse reads one query. Errors are *Error with the platform's code and message.
func Parse(text string) (*Query, error) {
	if len(text) > maxText && utf8.RuneCountInString(text) > maxText {
		return nil, malformed("SOQL statements cannot be longer than %d characters.", maxText)
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: tokens}
	q, err := p.query(false)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != endToken {
		return nil, p.unexpected()
	}
	return q, nil
}

type parser struct {
	text   string
	tokens []token
	next   int
	depth  int
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) peekAt(n int) token {
	return p.tokens[min(p.next+n, len(p.tokens)-1)]
}

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != endToken {
		p.next++
	}
	return t
}

// is reports whether the next tokens are these keywords.
func (p *parser) is(words ...string) bool {
	for i, w := range words {
		t := p.peekAt(i)
		if t.kind != nameToken || !strings.EqualFold(t.text, w) {
			return false
		}
	}
	return true
}

func (p *parser) accept(words ...string) bool {
	if !p.is(words...) {
		return false
	}
	p.next += len(words)
	return true
}

func (p *parser) isSign(s string) bool {
	t := p.peek()
	return t.kind == signToken && t.text == s
}

func (p *parser) acceptSign(s string) bool {
	if !p.isSign(s) {
		return false
	}
	p.next++
	return true
}

func (p *parser) expectSign(s string) error {
	if !p.acceptSign(s) {
		return p.unexpected()
	}
	return nil
}

func (p *parser) expect(word string) error {
	if !p.accept(word) {
		return p.unexpected()
	}
	return nil
}

// unexpected is the platform's word for a query that stops making sense at the next token.
func (p *parser) unexpected() error {
	t := p.peek()
	if t.kind == endToken {
		return malformed("unexpected token: '<EOF>'")
	}
	word := t.text
	if t.kind == stringToken {
		word = "'" + word + "'"
	}
	return malformed("%sunexpected token: '%s'", pointAt(p.text, t.pos), word)
}

func (p *parser) enter() error {
	p.depth++
	if p.depth > maxDepth {
		return &Error{Code: "QUERY_TOO_COMPLICATED", Message: "SOQL statement nests too deeply."}
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) name() (token, error) {
	t := p.peek()
	if t.kind != nameToken {
		return token{}, p.unexpected()
	}
	return p.take(), nil
}

// query reads a statement; joined says that it is the sub-select of a semi-join, which selects no children.
func (p *parser) query(joined bool) (*Query, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	q := &Query{Text: p.text}
	if err := p.expect("SELECT"); err != nil {
		return nil, err
	}
	if err := p.selectList(q, joined); err != nil {
		return nil, err
	}
	if err := p.expect("FROM"); err != nil {
		return nil, err
	}
	if err := p.from(q); err != nil {
		return nil, err
	}
	if err := p.filters(q); err != nil {
		return nil, err
	}
	return q, p.tail(q)
}

func (p *parser) selectList(q *Query, joined bool) error {
	for {
		item, err := p.selectItem(joined)
		if err != nil {
			return err
		}
		q.Select = append(q.Select, item)
		if !p.acceptSign(",") {
			return nil
		}
	}
}

func (p *parser) selectItem(joined bool) (Item, error) {
	switch {
	case p.isSign("("):
		if joined {
			return nil, p.unexpected()
		}
		p.take()
		child, err := p.query(false)
		if err != nil {
			return nil, err
		}
		return &Child{Query: child}, p.expectSign(")")
	case p.is("TYPEOF") && p.peekAt(1).kind == nameToken:
		return p.typeOf()
	case p.is("FIELDS") && p.peekAt(1).text == "(":
		return p.fields()
	}
	operand, err := p.operand()
	if err != nil {
		return nil, err
	}
	alias := ""
	if p.peek().kind == nameToken && !p.is("FROM") {
		alias = p.take().text
	}
	switch x := operand.(type) {
	case *Path:
		x.Alias = alias
		return x, nil
	default:
		call := operand.(*Call)
		call.Alias = alias
		return call, nil
	}
}

func (p *parser) fields() (Item, error) {
	t := p.take()
	p.take()
	group, err := p.name()
	if err != nil {
		return nil, err
	}
	switch g := strings.ToUpper(group.text); g {
	case "ALL", "STANDARD", "CUSTOM":
		return &Fields{Group: g, Pos: t.pos}, p.expectSign(")")
	}
	p.next--
	return nil, p.unexpected()
}

func (p *parser) typeOf() (Item, error) {
	t := p.take()
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	typeOf := &TypeOf{Path: path, Pos: t.pos}
	for p.accept("WHEN") {
		object, err := p.name()
		if err != nil {
			return nil, err
		}
		if err := p.expect("THEN"); err != nil {
			return nil, err
		}
		fields, err := p.paths()
		if err != nil {
			return nil, err
		}
		typeOf.Whens = append(typeOf.Whens, When{Object: object.text, Fields: fields})
	}
	if len(typeOf.Whens) == 0 {
		return nil, p.unexpected()
	}
	if p.accept("ELSE") {
		if typeOf.Else, err = p.paths(); err != nil {
			return nil, err
		}
	}
	return typeOf, p.expect("END")
}

func (p *parser) paths() ([]*Path, error) {
	var paths []*Path
	for {
		path, err := p.path()
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
		if !p.acceptSign(",") {
			return paths, nil
		}
	}
}

func (p *parser) path() (*Path, error) {
	if isReserved(p.peek().text) {
		return nil, p.unexpected()
	}
	t, err := p.name()
	if err != nil {
		return nil, err
	}
	path := &Path{Names: []string{t.text}, Pos: t.pos}
	for p.acceptSign(".") {
		t, err := p.name()
		if err != nil {
			return nil, err
		}
		path.Names = append(path.Names, t.text)
	}
	return path, nil
}

// reserved words cannot begin a path.
var reserved = []string{"SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "NULL", "LIKE"}

func isReserved(word string) bool {
	return slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, word) })
}

// operand reads a path or a call.
func (p *parser) operand() (Expr, error) {
	if p.peek().kind == nameToken && p.peekAt(1).kind == signToken && p.peekAt(1).text == "(" {
		return p.call()
	}
	return p.path()
}

func (p *parser) call() (*Call, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	t := p.take()
	p.take()
	c := &Call{Name: strings.ToUpper(t.text), Pos: t.pos}
	if p.acceptSign(")") {
		if c.Name != "COUNT" {
			p.next--
			return nil, p.unexpected()
		}
		return c, nil
	}
	for {
		arg, err := p.argument()
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, arg)
		if !p.acceptSign(",") {
			break
		}
	}
	if path, ok := c.Args[0].(*Path); ok && len(c.Args) == 1 {
		c.Arg, c.Args = path, nil
	}
	return c, p.expectSign(")")
}

func (p *parser) argument() (Expr, error) {
	if p.peek().kind == nameToken {
		return p.operand()
	}
	return p.literal(false)
}

// clauseWords begin what may follow a FROM, and so cannot be an alias there.
var clauseWords = []string{
	"USING", "WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "ALL", "UPDATE",
}

func (p *parser) from(q *Query) error {
	t, err := p.name()
	if err != nil {
		return err
	}
	name := t.text
	for p.acceptSign(".") { // FROM Account.Contacts, in a sub-select
		more, err := p.name()
		if err != nil {
			return err
		}
		name += "." + more.text
	}
	q.From = From{Name: name, Pos: t.pos}
	p.accept("AS")
	next := p.peek()
	isClause := func(w string) bool { return strings.EqualFold(w, next.text) }
	if next.kind == nameToken && !slices.ContainsFunc(clauseWords, isClause) {
		q.From.Alias = p.take().text
	}
	return nil
}

// integer reads the number of LIMIT, OFFSET or a date range.
func (p *parser) integer() (int64, error) {
	t := p.peek()
	if t.kind != numberToken {
		return 0, p.unexpected()
	}
	n, err := strconv.ParseInt(t.text, 10, 64)
	if err != nil || n < 0 {
		return 0, p.unexpected()
	}
	p.take()
	return n, nil
}
