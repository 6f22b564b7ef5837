package rest

import (
	"net/http"
	"strings"

	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// shared are objects of the data API that the Tooling API has, too.
// Source: Tooling API Developer Guide, "Tooling API Objects".
var shared = map[string]bool{
	"user": true, "organization": true, "profile": true, "recordtype": true, "permissionset": true, "group": true, "userrole": true,
	"businessprocess": true,
}

// toolingQuery answers queries of the objects that the Tooling API has.
func (a *API) toolingQuery(w http.ResponseWriter, c *wire.Call) error {
	q, err := soql.Parse(c.URL.Query().Get("q"))
	if err != nil {
		return err
	}
	if v := a.virtualNamed(q.From.Name, true); v != nil {
		return a.queryVirtual(w, c, q, v)
	}
	if shared[strings.ToLower(q.From.Name)] {
		return a.query(w, c)
	}
	return q.ErrorAt(q.From.Pos, "INVALID_TYPE", "sObject type '%s' is not supported.", q.From.Name)
}

// toolingObject is what the Tooling API tells of one of its objects.
type toolingObject struct {
	Createable bool              `json:"createable"`
	Custom     bool              `json:"custom"`
	Deletable  bool              `json:"deletable"`
	Fields     []toolingField    `json:"fields,omitempty"`
	KeyPrefix  *string           `json:"keyPrefix"`
	Label      string            `json:"label"`
	Name       string            `json:"name"`
	Queryable  bool              `json:"queryable"`
	Retrieve   bool              `json:"retrieveable"`
	Updateable bool              `json:"updateable"`
	URLs       map[string]string `json:"urls"`
}

type toolingField struct {
	Createable bool         `json:"createable"`
	Filterable bool         `json:"filterable"`
	Label      string       `json:"label"`
	Name       string       `json:"name"`
	Nillable   bool         `json:"nillable"`
	Type       sf.FieldType `json:"type"`
	Updateable bool         `json:"updateable"`
}

func toolingOf(v *virtual, root string) toolingObject {
	path := root + "/tooling/sobjects/" + v.name
	return toolingObject{
		KeyPrefix: text(v.prefix), Label: v.name, Name: v.name, Queryable: true, Retrieve: true,
		URLs: map[string]string{"rowTemplate": path + "/{ID}", "describe": path + "/describe", "sobject": path},
	}
}

// toolingGlobal answers tooling/sobjects.
func (a *API) toolingGlobal(w http.ResponseWriter, c *wire.Call) error {
	reply := struct {
		Encoding     string          `json:"encoding"`
		MaxBatchSize int             `json:"maxBatchSize"`
		SObjects     []toolingObject `json:"sobjects"`
	}{"UTF-8", globalBatchSize, []toolingObject{}}
	for _, v := range a.virtuals {
		reply.SObjects = append(reply.SObjects, toolingOf(v, c.Root()))
	}
	return wire.Reply(w, http.StatusOK, reply)
}

// toolingDescribe answers tooling/sobjects/X/describe. An org without source tracking has no
// SourceMember, which is how clients learn that.
func (a *API) toolingDescribe(w http.ResponseWriter, c *wire.Call) error {
	v := a.virtualNamed(c.Path[2], true)
	if v == nil {
		return wire.NotFound()
	}
	d := toolingOf(v, c.Root())
	for _, f := range v.fields {
		if !strings.Contains(f.name, ".") {
			d.Fields = append(d.Fields, toolingField{Filterable: f.kind != sf.TypeComplexValue, Label: f.name, Name: f.name, Nillable: f.name != "Id", Type: f.kind})
		}
	}
	return wire.Reply(w, http.StatusOK, d)
}

// toolingRecord answers tooling/sobjects/X/Id with every field.
func (a *API) toolingRecord(w http.ResponseWriter, c *wire.Call) error {
	v := a.virtualNamed(c.Path[2], true)
	if v == nil {
		return wire.NotFound()
	}
	id := c.Path[3]
	for _, r := range v.rows(map[string]string{"durableid": id}) {
		if strings.EqualFold(r.text("durableid"), id) || r.text("id") == id && id != noID {
			var columns []virtualField
			for _, f := range v.fields {
				if !strings.Contains(f.name, ".") {
					columns = append(columns, f)
				}
			}
			return wire.ReplyBytes(w, http.StatusOK, v.record(r, columns, c.Root()))
		}
	}
	return wire.NotFound()
}
