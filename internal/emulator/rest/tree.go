package rest

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// The limits of a tree. Source: REST API, "sObject Tree".
const (
	maxTreeRecords = 200
	maxTreeTypes   = 5
	maxTreeDepth   = 5
)

// treeRecord is one record of a tree: its row, its reference, and its parent in the list.
type treeRecord struct {
	row       org.Row
	reference string
	parent    int    // position of the parent; -1 at the top
	field     string // the field that refers to the parent
	depth     int
}

// tree creates records with their children in one request, all or none.
func (a *API) tree(w http.ResponseWriter, c *wire.Call) error {
	top, err := a.object(c, c.Path[2])
	if err != nil {
		return err
	}
	var body struct {
		Records []object `json:"records"`
	}
	if err := c.ReadJSON(&body); err != nil {
		return err
	}
	t := &treeReader{api: a, call: c, references: map[string]bool{}, types: map[string]bool{}}
	for _, record := range body.Records {
		if err := t.read(record, top, -1, "", 1); err != nil {
			return err
		}
	}
	type result struct {
		ReferenceID string            `json:"referenceId"`
		ID          string            `json:"id,omitempty"`
		Errors      []wire.WriteError `json:"errors,omitempty"`
	}
	reply := struct {
		HasErrors bool     `json:"hasErrors"`
		Results   []result `json:"results"`
	}{Results: []result{}}
	ids, failures := a.plant(c, t.records)
	if len(failures) > 0 {
		reply.HasErrors = true
		for _, i := range slices.Sorted(maps.Keys(failures)) {
			reply.Results = append(reply.Results, result{ReferenceID: t.records[i].reference, Errors: wire.WriteErrors(failures[i])})
		}
		return wire.Reply(w, http.StatusBadRequest, reply)
	}
	for i, r := range t.records {
		reply.Results = append(reply.Results, result{ReferenceID: r.reference, ID: ids[i]})
	}
	return wire.Reply(w, http.StatusCreated, reply)
}

// plant writes the records level by level, in one transaction.
func (a *API) plant(c *wire.Call, records []treeRecord) (ids []string, failures map[int][]org.Error) {
	ids = make([]string, len(records))
	err := a.org.Transact(c.Caller, func(caller org.Caller) error {
		for depth := 1; depth <= maxTreeDepth; depth++ {
			if failures = a.level(saving(c, org.Options{AllOrNone: true}), caller, records, depth, ids); len(failures) > 0 {
				return errHalted
			}
		}
		return nil
	})
	if err != nil {
		return nil, failures
	}
	return ids, nil
}

// level writes the records of one depth and fills in their Ids.
func (a *API) level(opts org.Options, caller org.Caller, records []treeRecord, depth int, ids []string) (failures map[int][]org.Error) {
	var rows []org.Row
	var places []int
	for i, r := range records {
		if r.depth != depth {
			continue
		}
		row := r.row
		if r.parent >= 0 {
			row.Fields = append(row.Fields, org.Assignment{Field: r.field, Text: ids[r.parent]})
		}
		rows, places = append(rows, row), append(places, i)
	}
	failures = map[int][]org.Error{}
	for k, result := range a.org.Write(caller, org.Insert, rows, opts) {
		switch {
		case result.Success:
			ids[places[k]] = string(result.ID)
		case result.Errors[0].Code != "ALL_OR_NONE_OPERATION_ROLLED_BACK":
			failures[places[k]] = result.Errors
		}
	}
	return failures
}

// treeReader flattens a tree into a list, parents before children.
type treeReader struct {
	call       *wire.Call
	api        *API
	records    []treeRecord
	references map[string]bool
	types      map[string]bool
}

func (t *treeReader) read(record object, o *org.Object, parent int, field string, depth int) error {
	attributes, _ := record["attributes"].(object)
	reference, _ := attributes["referenceId"].(string)
	switch {
	case reference == "":
		return wire.BadRequest("INVALID_INPUT", "Missing reference ID in a record of the tree.")
	case t.references[reference]:
		return wire.BadRequest("INVALID_INPUT", "Duplicate ReferenceId provided in the request: "+reference)
	case depth > maxTreeDepth:
		return wire.BadRequest("INVALID_INPUT", "A tree cannot be deeper than 5 levels.")
	}
	t.references[reference], t.types[o.Name] = true, true
	plain := object{}
	for key, value := range record {
		if child, ok := value.(object); !ok || child["records"] == nil {
			plain[key] = value
		}
	}
	row, err := rowOf(plain, o.Name)
	if err != nil {
		return err
	}
	at := len(t.records)
	t.records = append(t.records, treeRecord{row: row, reference: reference, parent: parent, field: field, depth: depth})
	if len(t.records) > maxTreeRecords || len(t.types) > maxTreeTypes {
		return wire.BadRequest("INVALID_INPUT", "A tree cannot have more than 200 records of 5 types.")
	}
	for _, key := range slices.Sorted(maps.Keys(record)) {
		if err := t.children(record[key], key, o, at, depth); err != nil {
			return err
		}
	}
	return nil
}

// children reads the records under a child relationship, if the value is one.
func (t *treeReader) children(value any, name string, o *org.Object, at, depth int) error {
	nested, _ := value.(object)
	list, ok := nested["records"].([]any)
	if !ok {
		return nil
	}
	i := slices.IndexFunc(o.Children, func(r org.ChildRelationship) bool { return !r.OfPerson && strings.EqualFold(r.RelationshipName, name) })
	if i < 0 {
		return wire.BadRequest("INVALID_FIELD", "No such relationship '"+name+"' on sobject of type "+o.Name)
	}
	child, err := t.api.object(t.call, o.Children[i].Child)
	if err != nil {
		return err
	}
	for _, item := range list {
		record, ok := item.(object)
		if !ok {
			return wire.BadRequest("JSON_PARSER_ERROR", "A record of a tree is not an object")
		}
		if err := t.read(record, child, at, o.Children[i].Field, depth+1); err != nil {
			return err
		}
	}
	return nil
}
