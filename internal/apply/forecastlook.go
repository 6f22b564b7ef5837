package apply

import (
	"net/url"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
)

// How the client asks for records by their Ids. Source: REST API Developer Guide, "Composite", of the queries in one call.
const (
	queryRoom     = 14_000 // bytes of the URL of a query
	queryIDs      = 1_000  // Ids of a query
	queryShortest = 100    // fewer Ids than that, and the query goes into a body
	queryBody     = 50_000
	queriesAtOnce = 5  // in the body of one call
	escapedID     = 27 // bytes of an Id in a URL, its quotes and comma included
	plainID       = 21
	typicalToken  = 112 // length of an access token, about
)

// queries is how many calls it takes to ask for so many Ids, beside so many bytes of other text: one where they have room in a
// URL, and otherwise as many as there are bodies of several queries.
func queries(ids, length int) int64 {
	room := queryRoom - len(url.PathEscape("/services/data/v66.0/queryAll?q=")) - typicalToken
	if per := (room - length) / escapedID; per >= queryShortest && ids <= min(per, queryIDs) {
		return ceil(ids, queryIDs)
	}
	return ceil(ids, min(max((queryBody-length)/plainID, 1), queryIDs)*queriesAtOnce)
}

// first counts the first look at all rows, and returns how many looks it takes. Rows of records that the plan has yet to insert are
// not looked at.
func (e *estimate) first() (looks int) {
	steps := e.plan.Steps
	for i := 0; i < len(steps); {
		s := steps[i]
		rows := e.rowsThere(s)
		for i++; i < len(steps) && together(s, steps[i]); i++ {
			rows = append(rows, steps[i].Rows...)
		}
		e.look(s, rows, lookRows, true)
		looks += int(ceil(len(rows), lookRows))
	}
	return looks
}

// rowsThere are the rows of a step that are looked at first.
func (e *estimate) rowsThere(s plan.Step) []plan.Row {
	var rows []plan.Row
	for _, r := range s.Rows {
		if _, comes := e.comes[r.ID]; s.Op == plan.Insert || !comes {
			rows = append(rows, r)
		}
	}
	return rows
}

// look counts the queries that read these rows, so many at a time, with the fields of the step where it writes any.
func (e *estimate) look(s plan.Step, rows []plan.Row, atOnce int, first bool) {
	bare := s.Op == plan.Insert || s.Op == plan.Undelete
	object := e.object(s.Object)
	fields := map[string]int64{}
	if object == nil || object.Field("IsDeleted") != nil {
		fields["IsDeleted"] = int64(len("false")) + valueBytes
	}
	size := int64(0)
	if !bare {
		size = e.fieldsOf(s, rows, object, fields, first)
	}
	length := len("SELECT Id  FROM  WHERE Id IN ()") + len(s.Object)
	for f := range fields {
		length += len(f) + len("%2C+")
	}
	for left := len(rows); left > 0; left -= atOnce {
		e.of(KindQuery).Calls += queries(min(left, atOnce), length)
	}
	e.of(KindQuery).Rows += int64(len(rows))
	there := int64(0)
	for _, r := range rows {
		if _, comes := e.comes[r.ID]; !comes || !first { // what is to be inserted is not there at the first look
			there++
		}
	}
	e.of(KindQuery).Bytes += there*(idBytes+fields["IsDeleted"]) + size
	if s.Op.Deletes() {
		e.holders(s, rows, atOnce)
	}
}

// fieldsOf adds the fields in which rows are compared, and returns how many bytes their values have: as the state has
// them that the plan was made on, or the plan for what it inserts. Other records are taken to be as the plan's rows are.
func (e *estimate) fieldsOf(s plan.Step, rows []plan.Row, object *sf.Object, fields map[string]int64, first bool) int64 {
	seen, texts := map[string]int64{}, map[string]int64{}
	for _, r := range rows {
		for _, f := range r.Fields {
			if s.Op.Deletes() && !weighsIn(object, f.Field) {
				continue
			}
			fields[f.Field] = max(fields[f.Field], 0)
			seen[f.Field]++
			texts[f.Field] += int64(len(f.Before.Text()))
		}
	}
	if _, stamped := fields["LastModifiedDate"]; s.Op.Deletes() && stamped {
		fields["LastModifiedById"] = 0
		seen["LastModifiedById"], texts["LastModifiedById"] = 1, idBytes
	}
	delete(fields, "Id")
	var names []string
	for _, name := range sortedKeys(fields) {
		if name != "IsDeleted" {
			names = append(names, name)
		}
	}
	mean := 0.0
	for _, name := range names {
		mean += float64(texts[name]) / float64(max(seen[name], 1))
	}
	held := map[sf.ID]int64{}
	if e.basis.Held != nil && len(names) > 0 {
		ids := make([]sf.ID, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		slices.Sort(ids)
		held = e.basis.Held(s.Object, slices.Compact(ids), names)
	}
	size, guessed := int64(0), 0
	for _, r := range rows {
		came, comes := e.comes[r.ID]
		bytes, known := held[r.ID]
		switch {
		case comes && first:
			continue
		case comes:
			for _, f := range came.Fields {
				if slices.Contains(names, f.Field) {
					size += int64(len(f.After.Text()))
				}
			}
		case known:
			size += bytes
		default:
			guessed++
		}
		size += int64(len(names)) * valueBytes
	}
	return size + int64(mean*float64(guessed))
}

// holders counts the queries for what depends on records that are to be deleted.
func (e *estimate) holders(s plan.Step, rows []plan.Row, atOnce int) {
	if e.basis.Schema == nil {
		return
	}
	for _, h := range plan.Holders(e.basis.Schema, s.Object) {
		if !h.Object.Queryable || kept(h.Object.Name) {
			continue
		}
		length := len("SELECT Id, , SystemModstamp FROM  WHERE SystemModstamp >= 2006-01-02T15:04:05.000Z AND  IN ()") + 2*len(h.Field.Name) + len(h.Object.Name)
		for left := len(rows); left > 0; left -= atOnce {
			e.of(KindQuery).Calls += queries(min(left, atOnce), length)
		}
		e.of(KindQuery).Rows += int64(len(rows))
	}
}

// second counts the update of records that the plan inserts: by job while there are many rows that a job carries, and the rest
// by call.
func (e *estimate) second(s plan.Step) {
	var byJob, byCall []plan.Row
	for _, r := range s.Rows {
		if _, carried := carriedBytes(r); carried {
			byJob = append(byJob, r)
		} else {
			byCall = append(byCall, r)
		}
	}
	for len(byJob) >= jobCalls*CallRows {
		size, n := 0, 0
		for ; n < len(byJob) && n < JobRows; n++ {
			bytes, _ := carriedBytes(byJob[n])
			if size += bytes; size > JobBytes {
				break
			}
		}
		some := byJob[:n]
		byJob = byJob[n:]
		e.look(s, withBefore(plan.Step{Op: s.Op, Rows: some}), n, false)
		e.job(int64(n), 1)
		e.of(KindBulk).Bytes += 2 * (writtenBytes(some) + int64(n)*(idBytes+valueBytes))
	}
	s.Rows = append(byCall, byJob...)
	e.look(s, withBefore(s), aheadRows, false)
	e.write(e.pictures(s))
}
