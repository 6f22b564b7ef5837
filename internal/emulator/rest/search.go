package rest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// search answers search?q=FIND….
func (a *API) search(w http.ResponseWriter, c *wire.Call) error {
	text := c.URL.Query().Get("q")
	if text == "" {
		return wire.BadRequest("MALFORMED_SEARCH", "A search string has to be specified")
	}
	s, err := org.ParseSearch(text)
	if err != nil {
		return err
	}
	return a.found(w, c, s)
}

// found runs a search and answers its records.
func (a *API) found(w http.ResponseWriter, c *wire.Call, s org.Search) error {
	records, err := a.org.Search(c.Caller, s)
	if err != nil {
		return err
	}
	body := []byte(`{"searchRecords":[`)
	for i, r := range records {
		if i > 0 {
			body = append(body, ',')
		}
		body = wire.AppendRecord(body, r, c.Root())
	}
	return wire.ReplyBytes(w, http.StatusOK, append(body, "]}"...))
}

// parameters are the body of a parameterized search; a GET says the same in its query.
// Source: REST API, "Parameterized Search".
type parameters struct {
	Q            string   `json:"q"`
	In           string   `json:"in"`
	Fields       []string `json:"fields"`
	OverallLimit int      `json:"overallLimit"`
	DefaultLimit int      `json:"defaultLimit"`
	SObjects     []struct {
		Name   string   `json:"name"`
		Fields []string `json:"fields"`
		Where  string   `json:"where"`
		Order  string   `json:"orderBy"`
		Limit  int      `json:"limit"`
	} `json:"sobjects"`
}

// parameterizedSearch answers a search without the language: the term is taken as plain words.
func (a *API) parameterizedSearch(w http.ResponseWriter, c *wire.Call) error {
	var p parameters
	if c.Method == http.MethodPost {
		if err := c.ReadJSON(&p); err != nil {
			return err
		}
	}
	s := org.Search{Term: p.Q, In: p.In, Limit: p.OverallLimit}
	for _, o := range p.SObjects {
		in := org.SearchObject{Name: o.Name, Fields: o.Fields}
		if len(in.Fields) == 0 {
			in.Fields = p.Fields
		}
		if o.Where != "" {
			in.Tail = " WHERE " + o.Where
		}
		if o.Order != "" {
			in.Tail += " ORDER BY " + o.Order
		}
		if n := max(o.Limit, p.DefaultLimit); n > 0 {
			in.Tail += fmt.Sprintf(" LIMIT %d", n)
		}
		s.Objects = append(s.Objects, in)
	}
	if c.Method != http.MethodPost {
		form := c.URL.Query()
		s.Term, s.In = form.Get("q"), form.Get("in")
		s.Limit, _ = strconv.Atoi(form.Get("overallLimit"))
		for _, name := range form["sobject"] {
			fields := strings.FieldsFunc(form.Get(name+".fields"), func(r rune) bool { return r == ',' })
			if len(fields) == 0 {
				fields = strings.FieldsFunc(form.Get("fields"), func(r rune) bool { return r == ',' })
			}
			in := org.SearchObject{Name: name, Fields: fields}
			if limit := form.Get(name + ".limit"); limit != "" {
				in.Tail = " LIMIT " + limit
			}
			s.Objects = append(s.Objects, in)
		}
	}
	if s.Term == "" {
		return wire.BadRequest("MALFORMED_SEARCH", "A search string has to be specified")
	}
	return a.found(w, c, s)
}
