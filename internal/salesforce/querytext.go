package salesforce

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

const (
	// maxURI bounds a query that is sent in the URL. The platform refuses more than 16,384 bytes of
	// URI and headers together; the access token, which may be long, is counted apart.
	maxURI = 14_000
	// maxQuery is the longest query text (unverified).
	maxQuery = 100_000
	// maxIDs of one query keeps its answer within one page.
	maxIDs = 1_000
	idSize = len("'001000000000001AAA',")
)

// extraction is an Extract that was checked: what to ask for and how to understand it.
type extraction struct {
	sf.Extract
	shape *sf.Shape
	types []sf.FieldType // aligned with shape.Fields
}

// tooLong reports a field list that no single query can carry.
func (e *extraction) tooLong() bool { return len(e.query([]sf.ID{}))+idSize > maxQuery }

// check refuses what no query can carry and prepares the rest.
func check(x sf.Extract) (*extraction, error) {
	if x.Object == nil {
		return nil, problem.New(problem.Usage, "extract without an object")
	}
	if !isName(x.Object.Name) {
		return nil, unknownObject("extract", x.Object.Name)
	}
	e := &extraction{Extract: x, shape: sf.NewShape(x.Object.Name, x.Fields)}
	for _, name := range e.shape.Fields() {
		f := x.Object.Field(name)
		switch {
		case f == nil || f.Name != name:
			return nil, problem.New(problem.NotFound, fmt.Sprintf("extract %s: no field %s", x.Object.Name, name)).
				Hint("check the field's name and that the user may see it")
		case f.Type.IsCompound() || f.Type == sf.TypeBase64:
			return nil, problem.New(problem.Usage, fmt.Sprintf("extract %s: field %s is of type %s", x.Object.Name, name, f.Type)).
				Hint("ask for the parts of a compound field; the bytes of base64 fields are read one by one")
		}
		e.types = append(e.types, f.Type)
	}
	if (!x.From.IsZero() || !x.To.IsZero()) && x.Object.Field(x.StampField) == nil {
		return nil, problem.New(problem.Usage, fmt.Sprintf("extract %s: no field %q to compare times with", x.Object.Name, x.StampField))
	}
	if x.Field != "" {
		f := x.Object.Field(x.Field)
		if x.IDs == nil || f == nil || f.Name != x.Field || f.Type != sf.TypeReference {
			return nil, problem.New(problem.Usage, fmt.Sprintf("extract %s: field %q is no reference that holds given Ids", x.Object.Name, x.Field))
		}
	}
	for _, id := range []sf.ID{x.After, x.Through} {
		if id == "" {
			continue
		}
		if _, err := sf.ParseID(string(id)); err != nil {
			return nil, problem.Wrap(problem.Usage, err, "extract "+x.Object.Name)
		}
	}
	if x.IDs != nil {
		e.IDs = slices.Clone(x.IDs)
		slices.Sort(e.IDs)
		e.IDs = slices.Compact(e.IDs)
	}
	return e, nil
}

// query writes the SOQL for all records of the extraction, or for these Ids. It has neither ORDER BY
// nor LIMIT, which would keep Bulk from reading in parallel.
func (e *extraction) query(ids []sf.ID) string {
	var b strings.Builder
	b.WriteString("SELECT Id")
	for _, f := range e.shape.Fields() {
		b.WriteString(", ")
		b.WriteString(f)
	}
	b.WriteString(" FROM ")
	b.WriteString(e.Object.Name)
	sep := " WHERE "
	where := func(parts ...string) {
		b.WriteString(sep)
		sep = " AND "
		for _, p := range parts {
			b.WriteString(p)
		}
	}
	if !e.From.IsZero() {
		where(e.StampField, " >= ", stampLiteral(e.From))
	}
	if !e.To.IsZero() {
		where(e.StampField, " < ", stampLiteral(e.To))
	}
	if e.After != "" {
		where("Id > '", string(e.After), "'")
	}
	if e.Through != "" {
		where("Id <= '", string(e.Through), "'")
	}
	if ids != nil {
		where(e.keyField(), " IN (")
		for i, id := range ids {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('\'')
			b.WriteString(string(id)) // an sf.ID holds letters and digits only
			b.WriteByte('\'')
		}
		b.WriteByte(')')
	}
	return b.String()
}

// keyField is the field that the Ids are compared with.
func (e *extraction) keyField() string {
	if e.Field == "" {
		return "Id"
	}
	return e.Field
}

// stampLiteral writes a time as SOQL does: UTC, milliseconds.
func stampLiteral(t time.Time) string { return t.UTC().Format(sf.DatetimeLayout) }

// chunks cuts the Ids for queries, and says how many of these go in one call: all Ids in one URL where that has room for them,
// and otherwise several queries in the body of a composite call, so that a call asks for some thousands.
func (e *extraction) chunks(room int) (chunks [][]sf.ID, together int) {
	if chunks = e.inURLs(e.IDs, room); len(chunks) <= 1 {
		return chunks, 1
	}
	return slices.Collect(slices.Chunk(e.IDs, e.inBody())), maxCompositeQueries
}

// inURLs cuts the Ids so that a query of each chunk fits into a URL where that lets a fair number
// through, and into the body of a composite call otherwise.
func (e *extraction) inURLs(ids []sf.ID, room int) [][]sf.ID {
	base := len(url.QueryEscape(e.query(nil))) + len(url.QueryEscape(" WHERE "+e.keyField()+" IN ()"))
	per := (room - base) / len(url.QueryEscape("'001000000000001AAA',"))
	if per < 100 {
		per = e.inBody()
	}
	return slices.Collect(slices.Chunk(ids, min(per, maxIDs)))
}

// inBody is how many Ids a query in the body of a composite call has.
func (e *extraction) inBody() int {
	per := (maxQuery/2 - len(e.query([]sf.ID{}))) / idSize
	return min(max(per, 1), maxIDs)
}
