package rest

import (
	"net/http"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// The limits of a Collections call. Source: REST API, "sObject Collections"; the number of chunks of
// mixed objects is from practice and unverified.
const (
	maxCollection = 200
	maxRetrieve   = 2000
	maxChunks     = 10
)

type collection struct {
	AllOrNone bool     `json:"allOrNone"`
	Records   []object `json:"records"`
}

// rows reads the records of a Collections call.
func (a *API) rows(c *wire.Call, name string) ([]org.Row, org.Options, error) {
	var body collection
	if err := c.ReadJSON(&body); err != nil {
		return nil, org.Options{}, err
	}
	if err := checkCount(len(body.Records), maxCollection); err != nil {
		return nil, org.Options{}, err
	}
	rows := make([]org.Row, len(body.Records))
	chunks := 0
	for i, record := range body.Records {
		row, err := rowOf(record, "")
		if err != nil {
			return nil, org.Options{}, err
		}
		if row.Object == "" && name == "" {
			return nil, org.Options{}, wire.BadRequest("INVALID_INPUT", "The attributes of a record must name its type")
		}
		if name != "" {
			row.Object = name
		}
		rows[i] = row
		if i == 0 || !strings.EqualFold(row.Object, rows[i-1].Object) {
			chunks++
		}
	}
	if chunks > maxChunks {
		return nil, org.Options{}, wire.BadRequest("INVALID_INPUT", "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking.")
	}
	return rows, org.Options{AllOrNone: body.AllOrNone}, nil
}

func checkCount(n, limit int) error {
	if n > limit {
		return wire.BadRequest("EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than "+
			strconv.Itoa(limit)+" records in this call")
	}
	if n == 0 {
		return wire.BadRequest("INVALID_INPUT", "At least one record is needed")
	}
	return nil
}

func replyResults(w http.ResponseWriter, results []org.Result, upsert bool) error {
	list := make([]saved, len(results))
	for i, r := range results {
		list[i] = savedOf(r, upsert)
	}
	return wire.Reply(w, http.StatusOK, list)
}

func (a *API) createMany(w http.ResponseWriter, c *wire.Call) error {
	rows, opts, err := a.rows(c, "")
	if err != nil {
		return err
	}
	return replyResults(w, a.org.Write(c.Caller, org.Insert, rows, saving(c, opts)), false)
}

func (a *API) updateMany(w http.ResponseWriter, c *wire.Call) error {
	rows, opts, err := a.rows(c, "")
	if err != nil {
		return err
	}
	return replyResults(w, a.org.Write(c.Caller, org.Update, rows, saving(c, opts)), false)
}

func (a *API) upsertMany(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[2])
	if err != nil {
		return err
	}
	f := object.Field(c.Path[3])
	if f == nil || !f.IDLookup {
		return wire.BadRequest("NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+c.Path[3])
	}
	rows, opts, err := a.rows(c, object.Name)
	if err != nil {
		return err
	}
	opts.ExternalID = f.Name
	return replyResults(w, a.org.Write(c.Caller, org.Upsert, rows, saving(c, opts)), true)
}

func (a *API) removeMany(w http.ResponseWriter, c *wire.Call) error {
	form := c.URL.Query()
	ids := strings.FieldsFunc(form.Get("ids"), func(r rune) bool { return r == ',' })
	if err := checkCount(len(ids), maxCollection); err != nil {
		return err
	}
	rows := make([]org.Row, len(ids))
	for i, id := range ids {
		rows[i] = org.Row{ID: strings.TrimSpace(id)}
	}
	opts := org.Options{AllOrNone: form.Get("allOrNone") == "true"}
	return replyResults(w, a.org.Write(c.Caller, org.Delete, rows, saving(c, opts)), false)
}

// readMany retrieves records: by POST with a body, or by GET with parameters. Records that are not
// there are null.
func (a *API) readMany(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[2])
	if err != nil {
		return err
	}
	var body struct {
		IDs    []string `json:"ids"`
		Fields []string `json:"fields"`
	}
	if c.Method == http.MethodPost {
		if err := c.ReadJSON(&body); err != nil {
			return err
		}
	} else {
		form := c.URL.Query()
		body.IDs = strings.FieldsFunc(form.Get("ids"), func(r rune) bool { return r == ',' })
		body.Fields = strings.FieldsFunc(form.Get("fields"), func(r rune) bool { return r == ',' })
	}
	if err := checkCount(len(body.IDs), maxRetrieve); err != nil {
		return err
	}
	records, err := a.org.Retrieve(c.Caller, object.Name, body.IDs, withID(body.Fields))
	if err != nil {
		return err
	}
	reply := []byte{'['}
	for i, r := range records {
		if i > 0 {
			reply = append(reply, ',')
		}
		if r == nil {
			reply = append(reply, "null"...)
			continue
		}
		reply = wire.AppendRecord(reply, *r, c.Root())
	}
	return wire.ReplyBytes(w, http.StatusOK, append(reply, ']'))
}
