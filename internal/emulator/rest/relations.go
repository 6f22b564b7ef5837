package rest

import (
	"net/http"
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// related answers sobjects/X/Id/Relationship: the parent at the end of a lookup, or the children of a
// record as a query has them. It reports whether the path is one.
// Source: REST API, "sObject Relationships".
func (a *API) related(w http.ResponseWriter, c *wire.Call) (served bool, err error) {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return false, err
	}
	if object.Field(c.Path[2]) != nil {
		return false, nil // an external id
	}
	id, err := sf.ParseID(c.Path[2])
	if err != nil {
		return true, wire.BadRequest("NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+c.Path[2])
	}
	if f := object.Relationship(c.Path[3]); f != nil {
		return true, a.parent(w, c, object, f, string(id))
	}
	i := slices.IndexFunc(object.Children, func(r org.ChildRelationship) bool {
		return r.RelationshipName != "" && strings.EqualFold(r.RelationshipName, c.Path[3])
	})
	if i < 0 {
		return true, wire.NotFound()
	}
	if !a.exists(c, object, string(id)) {
		return true, a.absent(c, object, string(id))
	}
	child, err := a.object(c, object.Children[i].Child)
	if err != nil {
		return true, err
	}
	is := " = " + soql.Quote(string(id))
	if object.Children[i].OfPerson {
		is = " IN (SELECT PersonContactId FROM Account WHERE Id" + is + ")"
	}
	q, err := soql.Parse("SELECT " + strings.Join(fieldsAsked(c, child), ", ") + " FROM " + child.Name + " WHERE " +
		object.Children[i].Field + is)
	if err != nil {
		return true, err
	}
	answer, err := a.org.Query(c.Caller, q, false)
	if err != nil {
		return true, err
	}
	return true, a.page(w, c, &wire.Cursor{Answer: answer, Caller: c.Caller, Batch: defaultBatch}, "", 0)
}

// parent shows the record that a lookup of another one refers to.
func (a *API) parent(w http.ResponseWriter, c *wire.Call, object *org.Object, f *org.Field, id string) error {
	records, err := a.org.Retrieve(c.Caller, object.Name, []string{id}, []string{f.Name})
	if err != nil {
		return err
	}
	if len(records) == 0 || records[0] == nil {
		return a.absent(c, object, id)
	}
	for _, cell := range records[0].Cells {
		parent, err := sf.ParseID(cell.Text)
		if err != nil {
			continue
		}
		if target, ok := a.org.ObjectOf(parent); ok {
			return a.show(w, c, target, string(parent))
		}
	}
	return wire.NotFound()
}

// fieldsAsked are the fields that a request names, or all of the object.
func fieldsAsked(c *wire.Call, object *org.Object) []string {
	var fields []string
	for f := range strings.SplitSeq(c.URL.Query().Get("fields"), ",") {
		if f = strings.TrimSpace(f); f != "" {
			fields = append(fields, f)
		}
	}
	if len(fields) > 0 {
		return fields
	}
	return namesOf(object)
}

func namesOf(object *org.Object) []string {
	fields := make([]string, len(object.Fields))
	for i, f := range object.Fields {
		fields[i] = f.Name
	}
	return fields
}

// explain answers query?explain=SOQL with the one plan there is: the engine reads the whole table, or
// what an index of a field gives. The figures are its own; those of the platform's optimizer are not
// known. Source for the shape: REST API, "Get Feedback on Query Performance".
func (a *API) explain(w http.ResponseWriter, c *wire.Call, text string) error {
	q, err := soql.Parse(text)
	if err != nil {
		return err
	}
	answer, err := a.org.Query(c.Caller, q, false)
	if err != nil {
		return err
	}
	all, err := soql.Parse("SELECT COUNT() FROM " + q.From.Name)
	if err != nil {
		return err
	}
	table, err := a.org.Query(c.Caller, all, false)
	if err != nil {
		return err
	}
	type plan struct {
		Cardinality      int      `json:"cardinality"`
		Fields           []string `json:"fields"`
		LeadingOperation string   `json:"leadingOperationType"`
		Notes            []any    `json:"notes"`
		RelativeCost     float64  `json:"relativeCost"`
		SObjectCardinal  int      `json:"sobjectCardinality"`
		SObjectType      string   `json:"sobjectType"`
	}
	p := plan{
		Cardinality: answer.Total, Fields: []string{}, LeadingOperation: "TableScan", Notes: []any{}, RelativeCost: 1,
		SObjectCardinal: table.Total, SObjectType: q.From.Name,
	}
	if object, ok := a.org.Describe(q.From.Name); ok {
		p.SObjectType = object.Name
		for name := range equalTo(q.Where) {
			if f := object.Field(name); f != nil && (f.Type == sf.TypeID || f.Type == sf.TypeReference || f.IDLookup || f.ExternalID || f.Unique) {
				p.LeadingOperation, p.Fields = "Index", []string{f.Name}
				p.RelativeCost = float64(answer.Total) / float64(max(table.Total, 1))
			}
		}
	}
	return wire.Reply(w, http.StatusOK, struct {
		Plans  []plan `json:"plans"`
		Source string `json:"sourceQuery"`
	}{[]plan{p}, text})
}
