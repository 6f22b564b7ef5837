package org

import (
	"strings"

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
// The subset: words, which must all be there; AND, OR and AND NOT; parentheses; phrases in quotes; the wildcards *
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
		if term(newSearched(words)) {
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
