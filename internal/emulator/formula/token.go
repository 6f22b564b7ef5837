package formula

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	endToken tokenKind = iota
	opToken
	nameToken
	numberToken
	textToken
	badToken
)

type token struct {
	kind tokenKind
	text string
}

// operators by their spelling, the longer first; the second of a pair is another spelling of an
// operator.
var operators = [][2]string{
	{"&&", "&&"},
	{"||", "||"},
	{"==", "="},
	{"!=", "<>"},
	{"<>", "<>"},
	{"<=", "<="},
	{">=", ">="},
	{"=", "="},
	{"<", "<"},
	{">", ">"},
	{"&", "&"},
	{"+", "+"},
	{"-", "-"},
	{"*", "*"},
	{"/", "/"},
	{"^", "^"},
	{"!", "!"},
	{"(", "("},
	{")", ")"},
	{",", ","},
}

// skip passes over blanks and comments. A comment without end is a syntax error.
func (p *parser) skip() bool {
	for p.pos < len(p.text) {
		switch {
		case strings.IndexByte(" \t\r\n\f", p.text[p.pos]) >= 0:
			p.pos++
		case strings.HasPrefix(p.text[p.pos:], "\u00a0"): // pasted formulas have them
			p.pos += len("\u00a0")
		case strings.HasPrefix(p.text[p.pos:], "/*"):
			end := strings.Index(p.text[p.pos+2:], "*/")
			if end < 0 {
				return false
			}
			p.pos += end + 4
		default:
			return true
		}
	}
	return true
}

func (p *parser) next() {
	if !p.skip() {
		p.tok = token{badToken, "/*"}
		return
	}
	if p.pos == len(p.text) {
		p.tok = token{}
		return
	}
	rest := p.text[p.pos:]
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		p.literal(c)
		return
	case isDigit(c):
		p.number()
		return
	case isLetter(c) || c == '$':
		n := 1
		for n < len(rest) && (isLetter(rest[n]) || isDigit(rest[n]) || strings.IndexByte("$_:.#", rest[n]) >= 0) {
			n++
		}
		p.tok = token{nameToken, rest[:n]}
		p.pos += n
		return
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op[0]) {
			p.tok = token{opToken, op[1]}
			p.pos += len(op[0])
			return
		}
	}
	_, size := utf8.DecodeRuneInString(rest)
	p.tok = token{badToken, rest[:size]}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// number is digits, and a point only between digits: ".5" is no number.
func (p *parser) number() {
	start := p.pos
	digits := func() {
		for p.pos < len(p.text) && isDigit(p.text[p.pos]) {
			p.pos++
		}
	}
	digits()
	if p.pos+1 < len(p.text) && p.text[p.pos] == '.' && isDigit(p.text[p.pos+1]) {
		p.pos++
		digits()
	}
	p.tok = token{numberToken, p.text[start:p.pos]}
}

// escapes are the letters that may follow a backslash.
var escapes = map[byte]byte{
	'n': '\n', 'N': '\n', 'r': '\r', 'R': '\r', 't': '\t', 'T': '\t', '"': '"', '\'': '\'', '\\': '\\',
}

func (p *parser) literal(quote byte) {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == quote:
			p.tok = token{textToken, b.String()}
			p.pos = i + 1
			return
		case c == '\\' && i+1 < len(p.text):
			i++
			e, ok := escapes[p.text[i]]
			if !ok {
				p.tok = token{badToken, p.text[i-1 : i+1]}
				return
			}
			b.WriteByte(e)
		case c == '\n' || c == '\r': // a literal ends on its line
			p.tok = token{badToken, string(quote)}
			return
		default:
			b.WriteByte(c)
		}
	}
	p.tok = token{badToken, string(quote)}
}
