package org

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The lengths of a search, in characters. Source: Salesforce Developer Limits and Allocations Quick Reference, "SOQL and SOSL
// Limits for Search Queries": a longer term finds nothing, one of more than 4,000 loses its operators, so that any of its words
// will do, and a statement has as many characters as one of SOQL. The refusal of a longer statement is unverified.
const (
	maxSearch    = 100_000
	maxTerm      = 10_000
	maxOperators = 4_000
)

// maxTermDepth bounds the parentheses of a term; unverified.
const maxTermDepth = 100

// searched is the words of a record: in their order, and by themselves.
type searched struct {
	words []string
	set   map[string]bool
}

func newSearched(words []string) searched {
	s := searched{words, make(map[string]bool, len(words))}
	for _, w := range words {
		s.set[w] = true
	}
	return s
}

// searchWords splits a text into words in small letters.
func searchWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// matcher tests the words of a record.
type matcher func(searched) bool

func anyOf(list []matcher) matcher {
	return func(s searched) bool { return slices.ContainsFunc(list, func(m matcher) bool { return m(s) }) }
}

func allOf(list []matcher) matcher {
	return func(s searched) bool { return !slices.ContainsFunc(list, func(m matcher) bool { return !m(s) }) }
}

// parseTerm reads a search query: alternatives of words that must, or must not, be there, in parentheses or not.
func parseTerm(text string) (matcher, error) {
	n := utf8.RuneCountInString(text)
	switch {
	case utf8.RuneCountInString(strings.Trim(text, `*?" `)) < minTerm:
		return nil, fault("MALFORMED_SEARCH", "search term must be longer than one character: "+text)
	case n > maxTerm:
		return func(searched) bool { return false }, nil
	}
	p := &termParser{tokens: termTokens(text)}
	if n > maxOperators {
		return p.loose(), nil
	}
	m, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if len(p.tokens) > 0 {
		return nil, fault("MALFORMED_SEARCH", "a parenthesis of the search term is not opened")
	}
	return m, nil
}

// termParser takes tokens from the front.
type termParser struct {
	tokens []string
	depth  int
}

func (p *termParser) is(word string) bool {
	return len(p.tokens) > 0 && strings.EqualFold(p.tokens[0], word)
}

func (p *termParser) accept(word string) bool {
	if !p.is(word) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

// loose is a term without its operators: each word is an alternative.
func (p *termParser) loose() matcher {
	var list []matcher
	for _, token := range p.tokens {
		if !slices.ContainsFunc([]string{"AND", "OR", "NOT", "(", ")"}, func(w string) bool { return strings.EqualFold(w, token) }) {
			list = append(list, wordsOf(token)...)
		}
	}
	return anyOf(list)
}

func (p *termParser) alternatives() (matcher, error) {
	if p.depth++; p.depth > maxTermDepth {
		return nil, fault("MALFORMED_SEARCH", "the search term has too many parentheses")
	}
	defer func() { p.depth-- }()
	var list []matcher
	for {
		m, err := p.together()
		if err != nil {
			return nil, err
		}
		if list = append(list, m); !p.accept("OR") {
			return anyOf(list), nil
		}
	}
}

// together reads what must all hold: with AND between, or with nothing.
func (p *termParser) together() (matcher, error) {
	var list []matcher
	for {
		negated := p.accept("NOT")
		if len(p.tokens) == 0 || p.is("OR") || p.is("AND") || p.is(")") {
			return nil, fault("MALFORMED_SEARCH", "a word is missing beside an operator of the search term")
		}
		m, err := p.factor()
		if err != nil {
			return nil, err
		}
		if negated {
			list = append(list, func(s searched) bool { return !m(s) })
		} else {
			list = append(list, m)
		}
		if !p.accept("AND") && (len(p.tokens) == 0 || p.is("OR") || p.is(")")) {
			return allOf(list), nil
		}
	}
}

func (p *termParser) factor() (matcher, error) {
	if p.accept("(") {
		m, err := p.alternatives()
		if err == nil && !p.accept(")") {
			err = fault("MALFORMED_SEARCH", "a parenthesis of the search term is not closed")
		}
		return m, err
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	return allOf(wordsOf(token)), nil
}

// termTokens splits a term at blanks and parentheses outside quotes. A backslash makes the next character plain.
func termTokens(text string) []string {
	var list []string
	var token strings.Builder
	flush := func() {
		if token.Len() > 0 {
			list = append(list, token.String())
			token.Reset()
		}
	}
	quoted, plain := false, false
	for _, r := range text {
		switch {
		case plain:
			plain = false
			token.WriteRune(r)
		case r == '\\':
			plain = true
		case r == '"':
			if quoted = !quoted; quoted {
				flush()
			}
			token.WriteRune(r)
			if !quoted {
				flush()
			}
		case quoted:
			token.WriteRune(r)
		case r == '(' || r == ')':
			flush()
			list = append(list, string(r))
		case unicode.IsSpace(r):
			flush()
		default:
			token.WriteRune(r)
		}
	}
	flush()
	return list
}

// wordsOf reads a token: a phrase, or words that may hold wildcards.
func wordsOf(token string) []matcher {
	if phrase, ok := strings.CutPrefix(token, `"`); ok {
		return []matcher{phraseOf(searchWords(strings.TrimSuffix(phrase, `"`)))}
	}
	var list []matcher
	for _, pattern := range strings.FieldsFunc(strings.ToLower(token), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '*' && r != '?'
	}) {
		if !strings.ContainsAny(pattern, "*?") {
			list = append(list, func(s searched) bool { return s.set[pattern] })
			continue
		}
		list = append(list, func(s searched) bool {
			return slices.ContainsFunc(s.words, func(w string) bool { return wildcard(pattern, w) })
		})
	}
	return list
}

// phraseOf matches words that follow each other.
func phraseOf(phrase []string) matcher {
	return func(s searched) bool {
		for i := 0; i+len(phrase) <= len(s.words); i++ {
			if slices.Equal(s.words[i:i+len(phrase)], phrase) {
				return len(phrase) > 0
			}
		}
		return false
	}
}

// wildcard matches a word: * stands for any characters, ? for one.
func wildcard(pattern, word string) bool {
	p, w := []rune(pattern), []rune(word)
	star, mark, i, k := -1, 0, 0, 0
	for k < len(w) {
		switch {
		case i < len(p) && (p[i] == '?' || p[i] == w[k]):
			i, k = i+1, k+1
		case i < len(p) && p[i] == '*':
			star, mark = i, k
			i++
		case star >= 0:
			mark++
			i, k = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
