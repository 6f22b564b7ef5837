package wire

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// cursorLife is how long a cursor can be asked for more.
// Source: Salesforce App Limits Cheatsheet, "API query cursor limits" (2 days).
const cursorLife = 48 * time.Hour

// Cursor is an answer that has more pages.
type Cursor struct {
	Answer *org.Answer
	Caller org.Caller
	Batch  int // rows of a page

	made time.Time
}

// Cursors holds the cursors of an org, which REST and SOAP share. It is safe for concurrent use.
type Cursors struct {
	org *org.Org

	mu   sync.Mutex // guards what follows
	byID map[string]*Cursor
	next int
}

// NewCursors returns the cursors of an org: none yet.
func NewCursors(o *org.Org) *Cursors { return &Cursors{org: o, byID: map[string]*Cursor{}} }

// Locator remembers a cursor and names the rows from one on: an Id, a hyphen and a number.
func (s *Cursors) Locator(cur *Cursor, id string, from int) string {
	if id == "" {
		id = s.keep(cur)
	}
	return id + "-" + strconv.Itoa(from)
}

// keep remembers a cursor under a new Id and forgets those whose time is over.
func (s *Cursors) keep(cur *Cursor) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.org.Clock().Now()
	for id, old := range s.byID {
		if now.Sub(old.made) > cursorLife {
			delete(s.byID, id)
		}
	}
	s.next++
	cur.made = now
	id, err := sf.ParseID(fmt.Sprintf("0r8%s%09d", s.org.ID()[3:6], s.next))
	if err != nil { // the parts are letters and digits
		panic(err)
	}
	s.byID[string(id)] = cur
	return string(id)
}

// Find returns the cursor that a locator names, its Id, and the row from which to go on. A locator
// is good only for the user who ran the query.
func (s *Cursors) Find(caller org.Caller, locator string) (cur *Cursor, id string, from int, err error) {
	invalid := BadRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
	id, offset, ok := strings.Cut(locator, "-")
	from, bad := strconv.Atoi(offset)
	if !ok || bad != nil || from < 0 {
		return nil, "", 0, invalid
	}
	s.mu.Lock()
	cur, ok = s.byID[id]
	s.mu.Unlock()
	if !ok || cur.Caller.User != caller.User || from > cur.Answer.Len() || s.org.Clock().Now().Sub(cur.made) > cursorLife {
		return nil, "", 0, invalid
	}
	return cur, id, from, nil
}
