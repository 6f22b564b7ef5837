package rest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
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

// cursorLife is how long a cursor can be asked for more.
// Source: Salesforce App Limits Cheatsheet, "API query cursor limits" (2 days).
const cursorLife = 48 * time.Hour

// cursor is an answer that has more pages.
type cursor struct {
	answer *org.Answer
	caller org.Caller
	batch  int
	made   time.Time
}

func (a *API) query(w http.ResponseWriter, c *wire.Call) error    { return a.run(w, c, false) }
func (a *API) queryAll(w http.ResponseWriter, c *wire.Call) error { return a.run(w, c, true) }

func (a *API) run(w http.ResponseWriter, c *wire.Call, all bool) error {
	form := c.URL.Query()
	text := form.Get("q")
	if text == "" {
		return wire.BadRequest("MALFORMED_QUERY", "A query string has to be specified")
	}
	q, err := soql.Parse(text)
	if err != nil {
		return err
	}
	answer, err := a.org.Query(c.Caller, q, all || q.AllRows)
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
	return a.page(w, c, &cursor{answer: answer, caller: c.Caller, batch: batch}, "", 0)
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
func (a *API) page(w http.ResponseWriter, c *wire.Call, cur *cursor, id string, from int) error {
	total := cur.answer.Len()
	var rows []byte
	to := from
	for to < total && to-from < cur.batch && len(rows) < maxPageBytes {
		if to > from {
			rows = append(rows, ',')
		}
		rows = wire.AppendRecord(rows, cur.answer.Record(to), c.Root())
		to++
	}
	next := ""
	if to < total {
		if id == "" {
			id = a.keep(cur)
		}
		next = fmt.Sprintf("%s/query/%s-%d", c.Root(), id, to)
	}
	body := wire.AppendAnswer(nil, cur.answer, 0, 0, c.Root(), next)
	body = append(body[:len(body)-2], rows...)
	return wire.ReplyBytes(w, http.StatusOK, append(body, "]}"...))
}

// keep remembers a cursor under a new Id and forgets those whose time is over.
func (a *API) keep(cur *cursor) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.org.Clock().Now()
	for id, old := range a.cursors {
		if now.Sub(old.made) > cursorLife {
			delete(a.cursors, id)
		}
	}
	a.next++
	cur.made = now
	id, err := sf.ParseID(fmt.Sprintf("0r8%s%09d", a.org.ID()[3:6], a.next))
	if err != nil { // the parts are letters and digits
		panic(err)
	}
	a.cursors[string(id)] = cur
	return string(id)
}

func (a *API) queryMore(w http.ResponseWriter, c *wire.Call) error {
	invalid := wire.BadRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
	id, offset, ok := strings.Cut(c.Path[1], "-")
	from, err := strconv.Atoi(offset)
	if !ok || err != nil || from < 0 {
		return invalid
	}
	a.mu.Lock()
	cur, ok := a.cursors[id]
	a.mu.Unlock()
	if !ok || cur.caller.User != c.Caller.User || from > cur.answer.Len() || a.org.Clock().Now().Sub(cur.made) > cursorLife {
		return invalid
	}
	return a.page(w, c, cur, id, from)
}

// toolingQuery answers the few objects that the Tooling API shares with the data API; an org without
// source tracking has nothing else to tell the clients recorded so far.
func (a *API) toolingQuery(w http.ResponseWriter, c *wire.Call) error {
	q, err := soql.Parse(c.URL.Query().Get("q"))
	if err != nil {
		return err
	}
	switch strings.ToLower(q.From.Name) {
	case "user", "organization", "profile", "recordtype":
		return a.query(w, c)
	}
	return q.ErrorAt(q.From.Pos, "INVALID_TYPE", "sObject type '%s' is not supported.", q.From.Name)
}
