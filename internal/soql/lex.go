package soql

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind uint8

const (
	endToken    tokenKind = iota
	nameToken             // identifier or keyword; dots are tokens of their own
	numberToken           // 12, -3.5, 1.2e5
	dateToken             // 2006-01-02
	timeToken             // 2006-01-02T15:04:05Z and its variants
	stringToken           // text between the quotes, as written
	signToken             // ( ) , . : and the operators
)

type token struct {
	kind tokenKind
	text string
	pos  int
}

// MaxLength is the number of characters that a query may have.
// Source: Salesforce App Limits Cheatsheet, "SOQL statement length".
const MaxLength = 100_000

func lex(text string) ([]token, error) {
	if utf8.RuneCountInString(text) > MaxLength {
		return nil, &Error{Code: "QUERY_TOO_COMPLICATED", Message: "SOQL statements cannot be longer than 100000 characters."}
	}
	var tokens []token
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			i++
		case isNameStart(c):
			j := i + 1
			for j < len(text) && isNamePart(text[j]) {
				j++
			}
			tokens = append(tokens, token{nameToken, text[i:j], i})
			i = j
		case c >= '0' && c <= '9', (c == '-' || c == '+' || c == '.') && i+1 < len(text) && isDigit(text[i+1]):
			t := lexNumber(text, i)
			tokens = append(tokens, t)
			i += len(t.text)
		case c == '\'':
			t, next, err := lexString(text, i)
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, t)
			i = next
		default:
			t, err := lexSign(text, i)
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, t)
			i += len(t.text)
		}
	}
	return append(tokens, token{kind: endToken, pos: len(text)}), nil
}

func isNameStart(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isNamePart(c byte) bool  { return isNameStart(c) || isDigit(c) }

// lexNumber reads a number, a date or a datetime: all begin with a digit or a sign.
func lexNumber(text string, i int) token {
	if n := matchShape(text[i:], "dddd-dd-dd"); n > 0 {
		if m := matchShape(text[i+n:], "Tdd:dd:dd"); m > 0 {
			n += m
			if i+n < len(text) && text[i+n] == '.' {
				for n++; i+n < len(text) && isDigit(text[i+n]); n++ {
				}
			}
			if i+n < len(text) && (text[i+n] == 'Z' || text[i+n] == 'z') {
				n++
			} else if m := matchShape(text[i+n:], "sdd:dd"); m > 0 {
				n += m
			} else if m := matchShape(text[i+n:], "sdddd"); m > 0 {
				n += m
			}
			return token{timeToken, text[i : i+n], i}
		}
		return token{dateToken, text[i : i+n], i}
	}
	j := i
	if text[j] == '-' || text[j] == '+' {
		j++
	}
	for j < len(text) && (isDigit(text[j]) || text[j] == '.') {
		j++
	}
	if j+1 < len(text) && text[j]|0x20 == 'e' {
		k := j + 1
		if text[k] == '-' || text[k] == '+' {
			k++
		}
		if k < len(text) && isDigit(text[k]) {
			for j = k; j < len(text) && isDigit(text[j]); j++ {
			}
		}
	}
	return token{numberToken, text[i:j], i}
}

// matchShape matches the beginning of s: d a digit, s a sign, anything else itself in either case.
// It returns the length of the match, or 0.
func matchShape(s, shape string) int {
	if len(s) < len(shape) {
		return 0
	}
	for i := range len(shape) {
		switch shape[i] {
		case 'd':
			if !isDigit(s[i]) {
				return 0
			}
		case 's':
			if s[i] != '+' && s[i] != '-' {
				return 0
			}
		default:
			if s[i]|0x20 != shape[i]|0x20 {
				return 0
			}
		}
	}
	return len(shape)
}

// lexString finds the end of a quoted string. The token keeps the text between the quotes as
// written: its escapes mean one thing to LIKE and another elsewhere.
func lexString(text string, i int) (token, int, error) {
	for j := i + 1; j < len(text); j++ {
		switch text[j] {
		case '\'':
			return token{stringToken, text[i+1 : j], i}, j + 1, nil
		case '\\':
			j++
		}
	}
	return token{}, 0, malformed("%sunexpected token: '%s'", pointAt(text, i), "'")
}

// unescape reads the escapes of a string as the SOQL Reference lists them under "Quoted String
// Escape Sequences". For a pattern of LIKE, \%, \_ and \\ stay as they are, because there a bare %
// and _ mean something else.
func unescape(raw string, pattern bool) (string, error) {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw, nil
	}
	var b strings.Builder
	for j := 0; j < len(raw); j++ {
		if raw[j] != '\\' {
			b.WriteByte(raw[j])
			continue
		}
		j++ // there is a next byte: the lexer has skipped it
		switch e := raw[j]; e {
		case 'n', 'N':
			b.WriteByte('\n')
		case 'r', 'R':
			b.WriteByte('\r')
		case 't', 'T':
			b.WriteByte('\t')
		case 'b', 'B':
			b.WriteByte('\b')
		case 'f', 'F':
			b.WriteByte('\f')
		case '"', '\'':
			b.WriteByte(e)
		case '\\', '%', '_':
			if pattern {
				b.WriteByte('\\')
			}
			b.WriteByte(e)
		case 'u', 'U':
			r, n := unescapeRune(raw[j+1:])
			if n == 0 {
				return "", malformed(`Invalid string literal '%s'. Illegal unicode escape in string literal.`, raw)
			}
			b.WriteRune(r)
			j += n
		default:
			return "", malformed(`Invalid string literal '%s'. Illegal character sequence '\%c' in string literal.`, raw, e)
		}
	}
	return b.String(), nil
}

// unescapeRune reads the four hexadecimal digits after \u, and the second half of a surrogate pair.
// It returns the number of bytes read, 0 when there are no four digits.
func unescapeRune(s string) (rune, int) {
	if len(s) < 4 || !isHex(s[:4]) {
		return 0, 0
	}
	r := hexRune(s[:4])
	if utf16.IsSurrogate(r) && len(s) >= 10 && s[4] == '\\' && s[5]|0x20 == 'u' && isHex(s[6:10]) {
		if pair := utf16.DecodeRune(r, hexRune(s[6:10])); pair != utf8.RuneError {
			return pair, 10
		}
	}
	return r, 4
}

func isHex(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && (s[i]|0x20 < 'a' || s[i]|0x20 > 'f') {
			return false
		}
	}
	return true
}

func hexRune(s string) rune {
	var r rune
	for i := range len(s) {
		d := s[i]
		switch {
		case isDigit(d):
			r = r<<4 | rune(d-'0')
		default:
			r = r<<4 | rune(d|0x20-'a'+10)
		}
	}
	return r
}

func lexSign(text string, i int) (token, error) {
	for _, op := range []string{"<=", ">=", "!=", "<>"} {
		if strings.HasPrefix(text[i:], op) {
			return token{signToken, op, i}, nil
		}
	}
	if strings.IndexByte("()=<>,.:", text[i]) >= 0 {
		return token{signToken, text[i : i+1], i}, nil
	}
	r, _ := utf8.DecodeRuneInString(text[i:])
	return token{}, malformed("%sunexpected char: '%c'", pointAt(text, i), r)
}
