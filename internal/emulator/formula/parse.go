package formula

import (
	"fmt"
	"math/big"
	"strings"
)

// MaxLength is the longest formula that can be saved, in characters; MaxCompiled bounds it once
// the formulas that it uses are put in its place, in bytes. Source: Salesforce Help, "Formula
// Field Limits and Restrictions". The platform counts the SQL that it makes of a formula; here the
// text of the formula itself is counted, which is less, so a formula just over the limit passes.
const (
	MaxLength   = 3900
	MaxCompiled = 15_000
)

// maxDepth bounds how deep a formula nests, so that no text can exhaust the stack.
const maxDepth = 200

// maxParsed bounds what is read at all, so that a caller who checks lengths later stays safe.
const maxParsed = 64 << 10

// Error is what is wrong with a formula, in the words of the platform where they are known.
type Error struct{ Message string }

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func wrong(format string, args ...any) *Error { return &Error{Message: fmt.Sprintf(format, args...)} }

// Formula is a formula that has been read. It does not change and can be shared.
type Formula struct {
	root node
	text string
}

// Text returns the formula as it was written.
func (f *Formula) Text() string { return f.text }

// node is one part of a formula: op names an operator, a function in capitals, or a kind of leaf.
type node struct {
	op   string
	args []node
	text string   // of a text literal, and of a field as it was written
	num  *big.Rat // of a number literal
	path []string // of a field
	fn   *function
}

// The kinds of leaves. They are in small letters, so that no function can be one.
const (
	leafText   = "text"
	leafNumber = "number"
	leafField  = "field"
	leafNull   = "null"
	leafTrue   = "true"
	leafFalse  = "false"
)

// Parse reads a formula. The messages are those of the formula engine's labels.
func Parse(text string) (*Formula, error) {
	if len(text) > maxParsed {
		return nil, wrong("Formula is too long (%d characters).  Maximum length is %d characters", len(text), MaxLength)
	}
	p := &parser{text: text}
	p.next()
	root, err := p.binary(0, 0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != endToken {
		return nil, p.unexpected()
	}
	return &Formula{root: root, text: text}, nil
}

// levels are the binary operators from the weakest binding to the strongest. That ^ binds weaker
// than * and / is so in the published grammar.
var levels = [][]string{
	{"||"}, {"&&"}, {"=", "<>"}, {"<", ">", "<=", ">="}, {"+", "-", "&"}, {"^"}, {"*", "/"},
}

type parser struct {
	text string
	pos  int
	tok  token
}

func (p *parser) unexpected() *Error {
	if p.tok.kind == endToken {
		return wrong("Syntax error.  Found 'end of formula'")
	}
	if p.tok.kind == badToken {
		return wrong("Syntax error.  Found '%s'", p.tok.text)
	}
	return wrong("Syntax error. Extra %s", p.tok.text)
}

func (p *parser) binary(level, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, wrong("Syntax error. The formula nests too deep")
	}
	if level == len(levels) {
		return p.unary(depth)
	}
	left, err := p.binary(level+1, depth)
	for err == nil {
		op, ok := p.operator(level)
		if !ok {
			return left, nil
		}
		var right node
		if right, err = p.binary(level+1, depth); err == nil {
			left = node{op: op, args: []node{left, right}}
		}
	}
	return node{}, err
}

func (p *parser) operator(level int) (string, bool) {
	if p.tok.kind != opToken {
		return "", false
	}
	for _, op := range levels[level] {
		if op == p.tok.text {
			p.next()
			return op, true
		}
	}
	return "", false
}

func (p *parser) unary(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, wrong("Syntax error. The formula nests too deep")
	}
	t := p.tok
	switch {
	case t.kind == opToken && (t.text == "-" || t.text == "+" || t.text == "!"):
		p.next()
		arg, err := p.unary(depth + 1)
		if err != nil {
			return node{}, err
		}
		switch t.text {
		case "-":
			return node{op: "NEGATE", args: []node{arg}}, nil
		case "+":
			return node{op: "PLUS", args: []node{arg}}, nil
		}
		return node{op: "NOT", args: []node{arg}, fn: functions["NOT"]}, nil
	case t.kind == opToken && t.text == "(":
		p.next()
		inner, err := p.binary(0, depth+1)
		if err != nil {
			return node{}, err
		}
		return inner, p.expect(")")
	case t.kind == textToken:
		p.next()
		return node{op: leafText, text: t.text}, nil
	case t.kind == numberToken:
		p.next()
		n, ok := new(big.Rat).SetString(t.text)
		if !ok {
			return node{}, wrong("Syntax error.  Found '%s'", t.text)
		}
		return node{op: leafNumber, num: n}, nil
	case t.kind == nameToken:
		p.next()
		return p.name(t.text, depth)
	}
	return node{}, p.unexpected()
}

func (p *parser) expect(op string) error {
	if p.tok.kind == opToken && p.tok.text == op {
		p.next()
		return nil
	}
	return wrong("Syntax error.  Missing '%s'", op)
}

// name reads a constant, a function call, or a field. NOT may stand without parentheses.
func (p *parser) name(word string, depth int) (node, error) {
	called := p.tok.kind == opToken && p.tok.text == "("
	switch upper := strings.ToUpper(word); {
	case upper == "NOT" && !called:
		arg, err := p.unary(depth + 1)
		return node{op: "NOT", args: []node{arg}, fn: functions["NOT"]}, err
	case called:
		p.next()
		return p.call(upper, depth)
	case upper == "TRUE":
		return node{op: leafTrue}, nil
	case upper == "FALSE":
		return node{op: leafFalse}, nil
	case upper == "NULL":
		return node{op: leafNull}, nil
	}
	return node{op: leafField, text: word, path: strings.Split(word, ".")}, nil
}

func (p *parser) call(name string, depth int) (node, error) {
	fn, ok := functions[name]
	if !ok {
		return node{}, wrong("Unknown function %s. Check spelling.", name)
	}
	n := node{op: name, fn: fn}
	for p.tok.kind != opToken || p.tok.text != ")" {
		if len(n.args) > 0 {
			if err := p.expect(","); err != nil {
				return node{}, err
			}
		}
		arg, err := p.binary(0, depth+1)
		if err != nil {
			return node{}, err
		}
		n.args = append(n.args, arg)
	}
	p.next()
	if len(n.args) < fn.least || fn.most >= 0 && len(n.args) > fn.most || name == "CASE" && len(n.args)%2 != 0 {
		return node{}, wrong("Incorrect number of parameters for function '%s()'. Expected %d, received %d",
			name, fn.least, len(n.args))
	}
	return n, nil
}

// Fields returns the paths of the fields that the formula names, once each, in the order of the
// text. Paths that begin with $ are globals.
func (f *Formula) Fields() [][]string {
	var out [][]string
	seen := map[string]bool{}
	f.root.walk(func(n node) {
		if key := strings.ToLower(n.text); n.op == leafField && !seen[key] {
			seen[key] = true
			out = append(out, n.path)
		}
	})
	return out
}

// Functions returns the names of the functions that the formula calls, once each.
func (f *Formula) Functions() []string {
	var out []string
	seen := map[string]bool{}
	f.root.walk(func(n node) {
		if n.fn != nil && !seen[n.op] {
			seen[n.op] = true
			out = append(out, n.op)
		}
	})
	return out
}

// Constant returns the value of a formula that is one literal; false when it is more than that.
func (f *Formula) Constant() (Value, bool) {
	switch n := f.root; n.op {
	case leafTrue, leafFalse:
		return Bool(n.op == leafTrue), true
	case leafText:
		return Text(n.text), true
	case leafNumber:
		return Number(n.num), true
	case leafNull:
		return Value{}, true
	}
	return Value{}, false
}

func (n node) walk(f func(node)) {
	f(n)
	for _, a := range n.args {
		a.walk(f)
	}
}
