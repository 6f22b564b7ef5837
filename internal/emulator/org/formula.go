package org

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// formula is a formula of the subset that the engine computes: fields, also of parents; numbers,
// texts, TRUE, FALSE, NULL; + - * / & and comparisons; && || !; and the functions in formulaArity.
// Everything else makes parseFormula fail, and the field reads as null with FormulaUnread set.
// Source of the language: Salesforce Help, "Formula Operators and Functions".
type formula struct {
	root        node
	blankAsZero bool
}

// node is one part of a formula: op names an operator or function, or is one of the leaf kinds.
type node struct {
	op   string
	args []node
	text string   // of a text literal
	num  *big.Rat // of a number literal
	path []string // of a field
}

// The leaf kinds of a node.
const (
	leafText   = "text"
	leafNumber = "number"
	leafPath   = "path"
	leafNull   = "null"
	leafTrue   = "true"
	leafFalse  = "false"
)

// formulaArity gives the least and most arguments of the functions; -1 is any number.
var formulaArity = map[string][2]int{
	"IF": {3, 3}, "ISBLANK": {1, 1}, "ISNULL": {1, 1}, "BLANKVALUE": {2, 2}, "NULLVALUE": {2, 2},
	"NOT": {1, 1}, "AND": {1, -1}, "OR": {1, -1}, "TEXT": {1, 1}, "ISPICKVAL": {2, 2},
	"CASE": {4, -1}, "TODAY": {0, 0}, "NOW": {0, 0}, "LEN": {1, 1},
}

var errFormula = errors.New("outside the subset of formulas")

// maxFormula and maxFormulaDepth bound a formula. Source of the first: Salesforce Help, "Formula
// field limits" (3,900 characters; the platform counts differently once compiled).
const (
	maxFormula      = 16_000
	maxFormulaDepth = 64
)

func parseFormula(text string, blankAsZero bool) (*formula, error) {
	if len(text) > maxFormula {
		return nil, fmt.Errorf("%w: %d characters", errFormula, len(text))
	}
	p := &formulaParser{text: text}
	root, err := p.expression(0, 0)
	if err != nil {
		return nil, err
	}
	if p.skip(); p.pos < len(p.text) {
		return nil, fmt.Errorf("%w: at %d", errFormula, p.pos)
	}
	return &formula{root: root, blankAsZero: blankAsZero}, nil
}

// paths calls f with every field that the formula names.
func (n node) paths(f func([]string)) {
	if n.op == leafPath {
		f(n.path)
	}
	for _, a := range n.args {
		a.paths(f)
	}
}

type formulaParser struct {
	text string
	pos  int
}

// formulaLevels are the binary operators from the weakest binding to the strongest.
var formulaLevels = [][]string{
	{"||"}, {"&&"}, {"==", "<>", "!=", "<=", ">=", "=", "<", ">"}, {"&"}, {"+", "-"}, {"*", "/"},
}

func (p *formulaParser) skip() {
	for p.pos < len(p.text) {
		switch {
		case strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0:
			p.pos++
		case strings.HasPrefix(p.text[p.pos:], "/*"):
			end := strings.Index(p.text[p.pos:], "*/")
			if end < 0 {
				p.pos = len(p.text)
				return
			}
			p.pos += end + 2
		default:
			return
		}
	}
}

func (p *formulaParser) operator(level int) string {
	p.skip()
	for _, op := range formulaLevels[level] {
		if !strings.HasPrefix(p.text[p.pos:], op) || op == "&" && strings.HasPrefix(p.text[p.pos:], "&&") {
			continue
		}
		p.pos += len(op)
		switch op {
		case "==":
			return "="
		case "!=":
			return "<>"
		}
		return op
	}
	return ""
}

func (p *formulaParser) expression(level, depth int) (node, error) {
	if depth > maxFormulaDepth {
		return node{}, fmt.Errorf("%w: too deep", errFormula)
	}
	if level == len(formulaLevels) {
		return p.unary(depth)
	}
	left, err := p.expression(level+1, depth+1)
	for err == nil {
		op := p.operator(level)
		if op == "" {
			return left, nil
		}
		var right node
		if right, err = p.expression(level+1, depth+1); err == nil {
			left = node{op: op, args: []node{left, right}}
		}
	}
	return node{}, err
}

func (p *formulaParser) unary(depth int) (node, error) {
	p.skip()
	if p.pos >= len(p.text) {
		return node{}, fmt.Errorf("%w: ends early", errFormula)
	}
	switch c := p.text[p.pos]; {
	case c == '-' || c == '!' || c == '+':
		p.pos++
		arg, err := p.unary(depth + 1)
		if err != nil || c == '+' {
			return arg, err
		}
		if c == '!' {
			return node{op: "NOT", args: []node{arg}}, nil
		}
		return node{op: "-", args: []node{{op: leafNumber, num: new(big.Rat)}, arg}}, nil
	case c == '(':
		p.pos++
		inner, err := p.expression(0, depth+1)
		if err != nil {
			return node{}, err
		}
		return inner, p.expect(')')
	case c == '"' || c == '\'':
		return p.literal(c)
	case c >= '0' && c <= '9' || c == '.':
		return p.number()
	default:
		return p.name(depth)
	}
}

func (p *formulaParser) expect(c byte) error {
	if p.skip(); p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return nil
	}
	return fmt.Errorf("%w: no %q at %d", errFormula, c, p.pos)
}

func (p *formulaParser) literal(quote byte) (node, error) {
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == quote:
			p.pos++
			return node{op: leafText, text: b.String()}, nil
		case c == '\\' && p.pos+1 < len(p.text):
			p.pos++
			switch e := p.text[p.pos]; e {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(e)
			}
		default:
			b.WriteByte(c)
		}
	}
	return node{}, fmt.Errorf("%w: text without end", errFormula)
}

func (p *formulaParser) number() (node, error) {
	start := p.pos
	for p.pos < len(p.text) && (p.text[p.pos] >= '0' && p.text[p.pos] <= '9' || p.text[p.pos] == '.') {
		p.pos++
	}
	r, ok := parseNumber(p.text[start:p.pos])
	if !ok {
		return node{}, fmt.Errorf("%w: number at %d", errFormula, start)
	}
	return node{op: leafNumber, num: r}, nil
}

func isWordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_'
}

// name reads a constant, a field with its path, or a function call.
func (p *formulaParser) name(depth int) (node, error) {
	start := p.pos
	for p.pos < len(p.text) && (isWordByte(p.text[p.pos]) || p.text[p.pos] == '.') {
		p.pos++
	}
	word := p.text[start:p.pos]
	if word == "" {
		return node{}, fmt.Errorf("%w: %q at %d", errFormula, p.text[start], start)
	}
	if p.skip(); p.pos < len(p.text) && p.text[p.pos] == '(' {
		p.pos++
		return p.call(strings.ToUpper(word), depth)
	}
	switch strings.ToUpper(word) {
	case "TRUE":
		return node{op: leafTrue}, nil
	case "FALSE":
		return node{op: leafFalse}, nil
	case "NULL":
		return node{op: leafNull}, nil
	}
	return node{op: leafPath, path: strings.Split(word, ".")}, nil
}

func (p *formulaParser) call(name string, depth int) (node, error) {
	arity, ok := formulaArity[name]
	if !ok {
		return node{}, fmt.Errorf("%w: %s", errFormula, name)
	}
	n := node{op: name}
	p.skip()
	for p.pos < len(p.text) && p.text[p.pos] != ')' {
		if len(n.args) > 0 {
			if err := p.expect(','); err != nil {
				return node{}, err
			}
		}
		arg, err := p.expression(0, depth+1)
		if err != nil {
			return node{}, err
		}
		n.args = append(n.args, arg)
		p.skip()
	}
	if len(n.args) < arity[0] || arity[1] >= 0 && len(n.args) > arity[1] || name == "CASE" && len(n.args)%2 != 0 {
		return node{}, fmt.Errorf("%w: %s with %d arguments", errFormula, name, len(n.args))
	}
	return n, p.expect(')')
}
