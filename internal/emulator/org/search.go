package org

import (
	"slices"
	"strings"
	"unicode"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// Search is one search over several objects.
type Search struct {
	Term    string // the text of FIND
	In      string // ALL, NAME, EMAIL, PHONE or SIDEBAR; empty is ALL
	Objects []SearchObject
	Limit   int // of records in all; 0 means maxFound
}

// SearchObject is one object of a RETURNING list.
type SearchObject struct {
	Name   string
	Fields []string // empty: the Id alone
	Tail   string   // WHERE …, ORDER BY …, LIMIT …, as SOQL has them
}

// maxFound is how many records a search returns at most. Source: SOSL Reference, LIMIT (2,000).
const maxFound = 2000

// minTerm is the least number of characters of a search term. Source: SOSL Reference, "FIND
// {SearchQuery}".
const minTerm = 2

// Search looks for a term in the text of records and returns those that hold it, object by object.
//
// The subset: words, which must all be there; AND, OR and AND NOT; phrases in quotes; the wildcards *
// and ?. Words are compared whole and without regard to case. There is no index: what was written is
// found at once, while on the platform it takes a while. Stemming, synonyms and ranking are left out:
// records come by Id, or in the order that the query of their object asks for.
//
// Source: SOSL Reference.
func (o *Org) Search(caller Caller, s Search) ([]Record, error) {
	term, err := parseTerm(s.Term)
	if err != nil {
		return nil, err
	}
	limit := s.Limit
	if limit <= 0 || limit > maxFound {
		limit = maxFound
	}
	objects := s.Objects
	if len(objects) == 0 {
		for _, object := range o.Objects() {
			if object.Searchable && object.Queryable {
				objects = append(objects, SearchObject{Name: object.Name})
			}
		}
	}
	var found []Record
	for _, in := range objects {
		records, err := o.searchOne(caller, in, s.In, term, limit-len(found))
		if err != nil {
			return nil, err
		}
		found = append(found, records...)
	}
	return found, nil
}

// searchOne searches one object. The limit of its RETURNING counts what matches, so it is applied
// after the search.
func (o *Org) searchOne(caller Caller, in SearchObject, group string, term matcher, limit int) ([]Record, error) {
	defer o.reading(caller)()
	object := o.schema.object(in.Name)
	if object == nil {
		return nil, noObject(in.Name)
	}
	if !object.Searchable {
		return nil, fault("INVALID_TYPE", "entity type "+object.Name+" does not support search")
	}
	fields := in.Fields
	if len(fields) == 0 {
		fields = []string{"Id"}
	}
	var texts []string
	for _, f := range object.Fields {
		if searchedIn(f, group) {
			texts = append(texts, f.Name)
		}
	}
	if len(texts) == 0 {
		return nil, nil
	}
	q, err := soql.Parse("SELECT " + strings.Join(fields, ", ") + " FROM " + object.Name + " " + in.Tail)
	if err != nil {
		return nil, err
	}
	if q.Limit != nil {
		limit = min(limit, int(*q.Limit))
		q.Limit = nil
	}
	probe := *q
	probe.Select = nil
	for _, name := range texts {
		probe.Select = append(probe.Select, &soql.Path{Names: []string{name}})
	}
	answer, err := o.answer(caller, q, object)
	if err != nil {
		return nil, err
	}
	content, err := o.answer(caller, &probe, object)
	if err != nil {
		return nil, err
	}
	var out []Record
	for i := 0; i < min(answer.Len(), content.Len()) && len(out) < limit; i++ {
		var words []string
		for column := range texts {
			words = append(words, searchWords(content.Text(i, column))...)
		}
		if term(words) {
			out = append(out, answer.Record(i))
		}
	}
	return out, nil
}

// answer runs a query within the lock that the caller holds.
func (o *Org) answer(caller Caller, q *soql.Query, object *Object) (*Answer, error) {
	s, err := o.compile(caller, q, object, false, nil)
	if err != nil {
		return nil, err
	}
	return s.run(nil)
}

// searchedIn reports a field of a search group. Source: SOSL Reference, IN SearchGroup.
func searchedIn(f *Field, group string) bool {
	if f.column < 0 {
		return false
	}
	switch strings.ToUpper(group) {
	case "NAME":
		return f.NameField || f.Name == "FirstName" || f.Name == "LastName"
	case "EMAIL":
		return f.Type == sf.TypeEmail
	case "PHONE":
		return f.Type == sf.TypePhone
	case "SIDEBAR":
		return f.NameField || f.Type == sf.TypeEmail || f.Type == sf.TypePhone
	}
	switch f.Type {
	case sf.TypeString, sf.TypeTextarea, sf.TypeEmail, sf.TypePhone, sf.TypeURL:
		return true
	}
	return false
}

// searchWords splits a text into words in small letters.
func searchWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// matcher tests the words of a record.
type matcher func(words []string) bool

// parseTerm reads a search query: alternatives of words that must, or must not, be there.
func parseTerm(text string) (matcher, error) {
	if len([]rune(strings.Trim(text, `*?" `))) < minTerm {
		return nil, fault("MALFORMED_SEARCH", "search term must be longer than one character: "+text)
	}
	var alternatives []matcher
	for _, part := range splitAtWord(text, "OR") {
		var all []matcher
		for _, factor := range splitAtWord(part, "AND") {
			m, err := parseWords(factor)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
		alternatives = append(alternatives, func(words []string) bool {
			return !slices.ContainsFunc(all, func(m matcher) bool { return !m(words) })
		})
	}
	return func(words []string) bool {
		return slices.ContainsFunc(alternatives, func(m matcher) bool { return m(words) })
	}, nil
}

// splitAtWord splits a text at an operator that stands alone outside quotes.
func splitAtWord(text, operator string) []string {
	var parts []string
	var current []string
	for _, token := range tokens(text) {
		if strings.EqualFold(token, operator) {
			parts, current = append(parts, strings.Join(current, " ")), nil
			continue
		}
		current = append(current, token)
	}
	return append(parts, strings.Join(current, " "))
}

// tokens splits at blanks outside quotes.
func tokens(text string) []string {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return unicode.IsSpace(r) && !quoted
	})
}

func parseWords(text string) (matcher, error) {
	list := tokens(text)
	negated := len(list) > 0 && strings.EqualFold(list[0], "NOT")
	if negated {
		list = list[1:]
	}
	if len(list) == 0 {
		return nil, fault("MALFORMED_SEARCH", "a word is missing beside an operator of the search term: "+text)
	}
	var all []matcher
	for _, token := range list {
		if phrase, ok := strings.CutPrefix(token, `"`); ok {
			all = append(all, phraseOf(searchWords(strings.TrimSuffix(phrase, `"`))))
			continue
		}
		for _, pattern := range strings.FieldsFunc(strings.ToLower(unescapeTerm(token)), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '*' && r != '?'
		}) {
			all = append(all, func(words []string) bool {
				return slices.ContainsFunc(words, func(w string) bool { return wildcard(pattern, w) })
			})
		}
	}
	return func(words []string) bool {
		return negated == slices.ContainsFunc(all, func(m matcher) bool { return !m(words) })
	}, nil
}

// unescapeTerm takes the backslashes of reserved characters away.
func unescapeTerm(text string) string { return strings.ReplaceAll(text, `\`, "") }

// phraseOf matches words that follow each other.
func phraseOf(phrase []string) matcher {
	return func(words []string) bool {
		for i := 0; i+len(phrase) <= len(words); i++ {
			if slices.Equal(words[i:i+len(phrase)], phrase) {
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
