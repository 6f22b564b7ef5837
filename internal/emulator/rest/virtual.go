package rest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// virtual is an object whose records are computed when they are asked for: what the Tooling API tells
// of the schema and of metadata.
type virtual struct {
	name   string
	prefix string
	fields []virtualField
	// reified are the fields of which a query must filter by one; none means that it need not.
	reified []string
	rows    func(filter map[string]string) []virtualRow
	inData  bool // the data API has it, too
}

// virtualField is one field. A name with a point goes through a relationship.
type virtualField struct {
	name string
	kind sf.FieldType
}

// virtualRow holds canonical texts by the name of the field in small letters; a complexvalue is JSON. What is large is read
// when it is asked for.
type virtualRow struct {
	texts map[string]string
	late  map[string]func() string
}

// text returns one field by its name in small letters.
func (r virtualRow) text(name string) string {
	if read, ok := r.late[name]; ok {
		return read()
	}
	return r.texts[name]
}

func (v *virtual) field(name string) (virtualField, bool) {
	for _, f := range v.fields {
		if strings.EqualFold(f.name, name) {
			return f, true
		}
	}
	return virtualField{}, false
}

// virtualNamed finds the object of that name that the API has.
func (a *API) virtualNamed(name string, tooling bool) *virtual {
	for _, v := range a.virtuals {
		if strings.EqualFold(v.name, name) && (tooling || v.inData) {
			return v
		}
	}
	return nil
}

// queryVirtual runs a query of one of them: a plain one, with conditions, an order and limits.
func (a *API) queryVirtual(w http.ResponseWriter, c *wire.Call, q *soql.Query, v *virtual) error {
	if err := org.WellFormed(q); err != nil {
		return err
	}
	rows := soql.Rows[virtualRow]{
		Query: q, Env: soql.Env{Now: a.org.Clock().Now()},
		Column: func(p *soql.Path, _ soql.Use) (soql.Column[virtualRow], error) {
			f, err := v.resolve(q, p)
			key := strings.ToLower(f.name)
			return soql.Column[virtualRow]{Type: f.kind, Get: func(r virtualRow) string { return r.text(key) }}, err
		},
	}
	filter := equalTo(q.Where)
	if len(v.reified) > 0 && !slices.ContainsFunc(v.reified, func(name string) bool { _, ok := filter[strings.ToLower(name)]; return ok }) {
		// Source: replies that public extractors list.
		return wire.BadRequest("MALFORMED_QUERY", v.name+": a filter on a reified column is required ["+strings.Join(v.reified, ",")+"]")
	}
	list, err := selectVirtual(q, rows, v.rows(filter))
	if err != nil {
		return err
	}
	if q.IsCount() {
		return wire.Reply(w, http.StatusOK, map[string]any{"totalSize": len(list), "done": true, "records": []any{}})
	}
	columns, err := v.columns(q)
	if err != nil {
		return err
	}
	if c.URL.Query().Get("columns") == "true" {
		return wire.Reply(w, http.StatusOK, virtualColumns(v, columns))
	}
	// The answer has one page: there are never more rows than an org has fields.
	records := make([]json.RawMessage, 0, len(list))
	for _, r := range list {
		records = append(records, v.record(r, columns, c.Root()))
	}
	return wire.Reply(w, http.StatusOK, struct {
		Size       int               `json:"size"`
		TotalSize  int               `json:"totalSize"`
		Done       bool              `json:"done"`
		Locator    *string           `json:"queryLocator"`
		EntityType string            `json:"entityTypeName"`
		Records    []json.RawMessage `json:"records"`
	}{len(list), len(list), true, nil, v.name, records})
}

// resolve finds the field of a path, by its name with and without the name of the object before it.
func (v *virtual) resolve(q *soql.Query, p *soql.Path) (virtualField, error) {
	name := strings.TrimPrefix(p.String(), q.From.Alias+".")
	f, ok := v.field(name)
	if !ok {
		return f, q.ErrorAt(p.Pos, "INVALID_FIELD", "No such column '%s' on entity '%s'. If you are attempting to use a custom field, "+
			"be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
			p.Field(), v.name)
	}
	return f, nil
}

// columns resolves the select list.
func (v *virtual) columns(q *soql.Query) ([]virtualField, error) {
	var out []virtualField
	for _, item := range q.Select {
		switch x := item.(type) {
		case *soql.Path:
			f, err := v.resolve(q, x)
			if err != nil {
				return nil, err
			}
			if slices.Contains(out, f) {
				return nil, q.ErrorAt(x.Pos, "INVALID_FIELD", "duplicate field selected: %s", x.Field())
			}
			out = append(out, f)
		case *soql.Fields:
			for _, f := range v.fields {
				if !strings.Contains(f.name, ".") && f.kind != sf.TypeComplexValue {
					out = append(out, f)
				}
			}
		default:
			return nil, wire.BadRequest("MALFORMED_QUERY", "The requested operation is not yet supported by this SObject storage type, contact salesforce.com support for more information.")
		}
	}
	return out, nil
}

func selectVirtual(q *soql.Query, rows soql.Rows[virtualRow], list []virtualRow) ([]virtualRow, error) {
	if q.Where != nil {
		test, err := rows.Condition(q.Where)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(r virtualRow) bool { return !test(r) })
	}
	if len(q.OrderBy) > 0 {
		order, err := rows.Order(q.OrderBy)
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(list, order)
	}
	if q.Offset != nil {
		list = list[min(int(*q.Offset), len(list)):]
	}
	if q.Limit != nil {
		list = list[:min(int(*q.Limit), len(list))]
	}
	return list, nil
}

// equalTo reads what a condition demands of fields by =, in small letters; the values of IN are joined
// by line breaks.
func equalTo(e soql.Expr) map[string]string {
	out := map[string]string{}
	terms := []soql.Expr{e}
	if and, ok := e.(*soql.And); ok {
		terms = and.Terms
	}
	for _, term := range terms {
		switch x := term.(type) {
		case *soql.Comparison:
			if p, ok := x.Left.(*soql.Path); ok && x.Op == soql.Equal {
				out[strings.ToLower(p.String())] = x.Right.Text
			}
		case *soql.Membership:
			if p, ok := x.Left.(*soql.Path); ok && x.Op == soql.In && x.Sub == nil {
				var values []string
				for _, l := range x.Set {
					values = append(values, l.Text)
				}
				out[strings.ToLower(p.String())] = strings.Join(values, "\n")
			}
		}
	}
	return out
}

// record spells one row; what goes through a relationship is nested.
func (v *virtual) record(r virtualRow, columns []virtualField, root string) json.RawMessage {
	id := cmp.Or(r.text("id"), r.text("durableid"))
	b := []byte(`{"attributes":{"type":`)
	b = wire.AppendString(b, v.name)
	b = append(b, `,"url":`...)
	b = wire.AppendString(b, root+"/tooling/sobjects/"+v.name+"/"+id)
	b = append(b, '}')
	done := map[string]bool{}
	for _, f := range columns {
		name, _, nested := strings.Cut(f.name, ".")
		if done[name] {
			continue
		}
		done[name] = true
		b = append(b, ',')
		b = wire.AppendString(b, name)
		b = append(b, ':')
		if !nested {
			b = appendVirtual(b, f, r)
			continue
		}
		inner := []byte(`{"attributes":{"type":`)
		inner = append(wire.AppendString(inner, name), '}')
		for _, g := range columns {
			if rest, ok := strings.CutPrefix(g.name, name+"."); ok {
				inner = append(inner, ',')
				inner = append(wire.AppendString(inner, rest), ':')
				inner = appendVirtual(inner, g, r)
			}
		}
		b = append(append(b, inner...), '}')
	}
	return append(b, '}')
}

func appendVirtual(b []byte, f virtualField, r virtualRow) []byte {
	text := r.text(strings.ToLower(f.name))
	if f.kind == sf.TypeComplexValue && text != "" {
		return append(b, text...)
	}
	return wire.AppendValue(b, f.kind, text)
}

// virtualColumns answers query?columns=true.
func virtualColumns(v *virtual, columns []virtualField) columnMetadata {
	m := columnMetadata{ColumnMetadata: []columnInfo{}, EntityName: v.name, KeyPrefix: text(v.prefix)}
	for _, f := range columns {
		m.IDSelected = m.IDSelected || f.name == "Id"
		info := columnInfo{ApexType: string(f.kind), ColumnName: f.name, DisplayName: f.name, JoinColumns: []columnInfo{}}
		switch f.kind {
		case sf.TypeBoolean:
			info.BooleanType = true
		case sf.TypeInt:
			info.NumberType = true
		default:
			info.TextType = true
		}
		m.ColumnMetadata = append(m.ColumnMetadata, info)
	}
	return m
}
