package rest

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

func (a *API) create(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	row, err := a.readRow(c, object)
	if err != nil {
		return err
	}
	result, err := a.one(c, org.Insert, row, org.Options{})
	if err != nil {
		return err
	}
	w.Header().Set("Location", c.Root()+"/sobjects/"+object.Name+"/"+string(result.ID))
	return wire.Reply(w, http.StatusCreated, savedOf(result, false))
}

// read answers GET sobjects/X/Id.
func (a *API) read(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	return a.show(w, c, object, c.Path[2])
}

// show writes one record with the fields asked for, or all of them.
func (a *API) show(w http.ResponseWriter, c *wire.Call, object *org.Object, id string) error {
	if done, err := a.conditional(w, c, object, id); done || err != nil {
		return err
	}
	records, err := a.org.Retrieve(c.Caller, object.Name, []string{id}, withID(fieldsAsked(c, object)))
	if err != nil {
		return err
	}
	if len(records) == 0 || records[0] == nil {
		return a.absent(c, object, id)
	}
	return wire.ReplyBytes(w, http.StatusOK, wire.AppendRecord(nil, *records[0], c.Root()))
}

// withID adds the Id, which a reply holds whether it was asked for or not.
// Source: REST API, "Get Field Values from a Standard Object Record"; for collections unverified.
func withID(fields []string) []string {
	if slices.ContainsFunc(fields, func(f string) bool { return strings.EqualFold(f, "Id") }) {
		return fields
	}
	return append(fields, "Id")
}

// absent tells a deleted record from one that never was.
func (a *API) absent(c *wire.Call, object *org.Object, id string) error {
	full, err := sf.ParseID(id)
	if err != nil {
		return wire.NotFound()
	}
	q, err := soql.Parse("SELECT Id FROM " + object.Name + " WHERE Id = " + soql.Quote(string(full)))
	if err != nil {
		return err
	}
	if answer, err := a.org.Query(c.Caller, q, true); err == nil && answer.Len() > 0 {
		return wire.BadRequest("ENTITY_IS_DELETED", "entity is deleted")
	}
	return wire.NotFound()
}

func (a *API) update(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	row, err := a.readRow(c, object)
	if err != nil {
		return err
	}
	if strings.EqualFold(c.Path[2], "Id") { // an upsert without a key creates
		return a.upsert(w, c, row, "Id")
	}
	row.ID = c.Path[2]
	return a.change(w, c, org.Update, row, object)
}

func (a *API) remove(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	return a.change(w, c, org.Delete, org.Row{Object: object.Name, ID: c.Path[2]}, object)
}

// change updates or deletes one record. Where a load says that the Id is an invalid cross reference,
// the resource of one record says that there is none.
func (a *API) change(w http.ResponseWriter, c *wire.Call, op org.Op, row org.Row, object *org.Object) error {
	if done, err := a.conditional(w, c, object, row.ID); done || err != nil {
		return err
	}
	_, err := a.one(c, op, row, org.Options{})
	if err == nil {
		return noContent(w)
	}
	if f := wire.ErrorOf(err); len(f.Errors) == 1 && f.Errors[0].Code == "INVALID_CROSS_REFERENCE_KEY" && !a.exists(c, object, row.ID) {
		return wire.NotFound()
	}
	return err
}

func (a *API) exists(c *wire.Call, object *org.Object, id string) bool {
	records, err := a.org.Retrieve(c.Caller, object.Name, []string{id}, []string{"Id"})
	return err == nil && len(records) == 1 && records[0] != nil
}

// byKey finds the record whose external id has that value: its Id, or "" when there is none.
func (a *API) byKey(w http.ResponseWriter, c *wire.Call) (object *org.Object, id string, answered bool, err error) {
	object, err = a.object(c, c.Path[1])
	if err != nil {
		return nil, "", false, err
	}
	f := object.Field(c.Path[2])
	if f == nil || !f.IDLookup {
		return nil, "", false, wire.BadRequest("NOT_FOUND",
			"Provided external ID field does not exist or is not accessible: "+c.Path[2])
	}
	literal := soql.Quote(c.Path[3])
	switch f.Type {
	case sf.TypeInt, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent, sf.TypeLong:
		literal = c.Path[3]
	}
	q, err := soql.Parse("SELECT Id FROM " + object.Name + " WHERE " + f.Name + " = " + literal)
	if err != nil {
		return nil, "", false, err
	}
	answer, err := a.org.Query(c.Caller, q, false)
	if err != nil {
		return nil, "", false, err
	}
	switch answer.Len() {
	case 0:
		return object, "", false, nil
	case 1:
		return object, answer.Text(0, 0), false, nil
	}
	urls := make([]string, answer.Len())
	for i := range urls {
		urls[i] = c.Root() + "/sobjects/" + object.Name + "/" + answer.Text(i, 0)
	}
	return object, "", true, wire.Reply(w, http.StatusMultipleChoices, urls)
}

func (a *API) readByKey(w http.ResponseWriter, c *wire.Call) error {
	if served, err := a.blob(w, c); served || err != nil {
		return err
	}
	if served, err := a.related(w, c); served || err != nil {
		return err
	}
	object, id, answered, err := a.byKey(w, c)
	switch {
	case err != nil || answered:
		return err
	case id == "":
		return wire.NotFound()
	}
	return a.show(w, c, object, id)
}

// blob serves the bytes of a base64 field: sobjects/Attachment/Id/Body.
func (a *API) blob(w http.ResponseWriter, c *wire.Call) (served bool, err error) {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return false, err
	}
	f := object.Field(c.Path[3])
	if f == nil || f.Type != sf.TypeBase64 {
		return false, nil
	}
	records, err := a.org.Retrieve(c.Caller, object.Name, []string{c.Path[2]}, []string{f.Name})
	if err != nil {
		return false, err
	}
	if len(records) == 0 || records[0] == nil {
		return false, a.absent(c, object, c.Path[2])
	}
	body, _, err := a.org.OpenBody(c.Caller, records[0].ID, f.Name)
	if err != nil || body == nil {
		return false, err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	_, err = io.Copy(w, body)
	return true, err
}

func (a *API) upsertByKey(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	row, err := a.readRow(c, object)
	if err != nil {
		return err
	}
	if strings.EqualFold(c.Path[2], "Id") {
		row.ID = c.Path[3]
		return a.upsert(w, c, row, "Id")
	}
	_, _, answered, err := a.byKey(w, c)
	if err != nil || answered {
		return err
	}
	f := object.Field(c.Path[2])
	row.Fields = append(row.Fields, org.Assignment{Field: f.Name, Text: c.Path[3]})
	return a.upsert(w, c, row, f.Name)
}

// upsert writes one row: 201 when it was created; 200 when it was changed, without a body before
// version 46.
func (a *API) upsert(w http.ResponseWriter, c *wire.Call, row org.Row, key string) error {
	result, err := a.one(c, org.Upsert, row, org.Options{ExternalID: key})
	if err != nil {
		return err
	}
	switch {
	case result.Created:
		return wire.Reply(w, http.StatusCreated, savedOf(result, true))
	case c.Major() < 46:
		return noContent(w)
	}
	return wire.Reply(w, http.StatusOK, savedOf(result, true))
}

func (a *API) removeByKey(w http.ResponseWriter, c *wire.Call) error {
	object, id, answered, err := a.byKey(w, c)
	switch {
	case err != nil || answered:
		return err
	case id == "":
		return wire.NotFound()
	}
	if _, err := a.one(c, org.Delete, org.Row{Object: object.Name, ID: id}, org.Options{}); err != nil {
		return err
	}
	return noContent(w)
}
