package rest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"holdfast/internal/emulator/wire"
	"holdfast/internal/soql"
)

// The sizes of a page of a query. Source: REST API, "Query Options Header".
const (
	defaultBatch = 2000
	minBatch     = 200
	maxBatch     = 2000
)

// maxPageBytes ends a page early when its rows are wide, as the platform does; where it draws the
// line is unverified.
const maxPageBytes = 8 << 20

func (a *API) query(w http.ResponseWriter, c *wire.Call) error    { return a.run(w, c, false) }
func (a *API) queryAll(w http.ResponseWriter, c *wire.Call) error { return a.run(w, c, true) }

func (a *API) run(w http.ResponseWriter, c *wire.Call, all bool) error {
	form := c.URL.Query()
	text := form.Get("q")
	if explain := form.Get("explain"); explain != "" {
		return a.explain(w, c, explain)
	}
	if text == "" {
		return wire.BadRequest("MALFORMED_QUERY", "A query string has to be specified")
	}
	q, err := soql.Parse(text)
	if err != nil {
		return err
	}
	if v := a.virtualNamed(q.From.Name, false); v != nil {
		return a.queryVirtual(w, c, q, v)
	}
	answer, err := a.org.Query(c.Caller, q, all)
	if err != nil {
		return err
	}
	if form.Get("columns") == "true" {
		return wire.Reply(w, http.StatusOK, columnsOf(q, answer))
	}
	if answer.CountOnly {
		return wire.ReplyBytes(w, http.StatusOK, fmt.Appendf(nil, `{"totalSize":%d,"done":true,"records":[]}`, answer.Total))
	}
	batch, err := batchSize(c.Header.Get("Sforce-Query-Options"))
	if err != nil {
		return err
	}
	return a.page(w, c, &wire.Cursor{Answer: answer, Caller: c.Caller, Batch: batch}, "", 0)
}

// batchSize reads the header Sforce-Query-Options: batchSize=500.
func batchSize(header string) (int, error) {
	for option := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(option), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "batchSize") {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			return 0, wire.BadRequest("INVALID_QUERY_OPTIONS", "batchSize is not a number: "+value)
		}
		return min(max(n, minBatch), maxBatch), nil
	}
	return defaultBatch, nil
}

// page writes the rows from one on, and remembers the cursor when there are more.
func (a *API) page(w http.ResponseWriter, c *wire.Call, cur *wire.Cursor, id string, from int) error {
	total := cur.Answer.Len()
	var rows []byte
	to := from
	for to < total && to-from < cur.Batch && len(rows) < maxPageBytes {
		if to > from {
			rows = append(rows, ',')
		}
		rows = wire.AppendRecord(rows, cur.Answer.Record(to), c.Root())
		to++
	}
	next := ""
	if to < total {
		next = c.Root() + "/query/" + a.cursors.Locator(cur, id, to)
	}
	body := wire.AppendAnswer(nil, cur.Answer, 0, 0, c.Root(), next)
	body = append(body[:len(body)-2], rows...)
	return wire.ReplyBytes(w, http.StatusOK, append(body, "]}"...))
}

func (a *API) queryMore(w http.ResponseWriter, c *wire.Call) error {
	cur, id, from, err := a.cursors.Find(c.Caller, c.Path[1])
	if err != nil {
		return err
	}
	return a.page(w, c, cur, id, from)
}
