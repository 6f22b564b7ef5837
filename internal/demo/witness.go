package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"holdfast/internal/sf"
)

// world is what the witness has seen: object → Id → field → text. A null has no entry.
type world map[string]map[string]map[string]string

// witness reads the watched fields of every record of the demo's objects, through the plain REST
// API.
func (p people) witness(ctx context.Context) (world, error) {
	seen := world{}
	for _, object := range objects {
		records, err := p.query(ctx, "query", "SELECT Id, "+strings.Join(watched[object], ", ")+" FROM "+object)
		if err != nil {
			return nil, err
		}
		seen[object] = make(map[string]map[string]string, len(records))
		for _, r := range records {
			values := make(map[string]string, len(watched[object]))
			for _, field := range watched[object] {
				if r[field] != nil {
					values[field] = text(r[field])
				}
			}
			seen[object][text(r["Id"])] = values
		}
	}
	return seen, nil
}

// text writes a value of JSON in one form: numbers by their digits alone.
func text(v any) string {
	switch v := v.(type) {
	case json.Number:
		if n, err := sf.CanonicalNumber(v.String()); err == nil {
			return n
		}
		return v.String()
	case float64:
		n, err := sf.CanonicalNumber(fmt.Sprint(v))
		if err != nil {
			return fmt.Sprint(v)
		}
		return n
	}
	return fmt.Sprint(v)
}

// testimony is what the witness says at the end.
type testimony struct {
	records, fields int      // compared
	links           int      // of the fields, references to other records
	differences     []string // the first of them, in words
	wrong           int      // fields that are not as they should be, records that are missing counted once
}

// maxDifferences bounds what the testimony spells out.
const maxDifferences = 20

// compare holds what is there now against what was there before the incident, with the later edits
// on top. renamed maps the Ids of records that came back under another one.
func compare(before world, edits []edit, now world, renamed func(sf.ID) sf.ID) testimony {
	honest := map[edit]string{}
	for _, e := range edits {
		honest[edit{object: e.object, id: e.id, field: e.field}] = e.value
	}
	var t testimony
	for _, object := range objects {
		for id, fields := range before[object] {
			t.records++
			is, there := now[object][string(renamed(sf.ID(id)))]
			if !there {
				t.differ("%s %s is missing", object, id)
				continue
			}
			for _, field := range watched[object] {
				t.fields++
				want := fields[field]
				if later, ok := honest[edit{object: object, id: id, field: field}]; ok {
					want = later
				}
				if other, err := sf.ParseID(want); err == nil && isReference(field) {
					t.links++
					want = string(renamed(other))
				}
				if is[field] != want {
					t.differ("%s %s %s is %q, not %q", object, id, field, is[field], want)
				}
			}
		}
	}
	return t
}

func (t *testimony) differ(format string, args ...any) {
	t.wrong++
	if len(t.differences) < maxDifferences {
		t.differences = append(t.differences, fmt.Sprintf(format, args...))
	}
}

// isReference reports the watched fields that point at other records.
func isReference(field string) bool {
	switch field {
	case "ParentId", "AccountId", "ContactId", "ReportsToId", "Account__c", "Lead__c", "Project__c", "After__c":
		return true
	}
	return false
}
