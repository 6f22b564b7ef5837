package testkit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Dump is what an independent client sees of an org: object → Id → field → value as JSON text.
// Only fields that a client may write are in it; an org computes the others itself.
type Dump map[string]map[string]map[string]string

// FieldKind says what a test may do with a field.
type FieldKind struct {
	Name       string
	Type       string
	Refers     []string
	Createable bool
	Updateable bool
	Nillable   bool
	Length     int
	Restricted bool
	Unique     bool
}

// Fields returns the describe of the object's fields, without compounds and blobs.
func (l *Loader) Fields(ctx context.Context, object string) ([]FieldKind, error) {
	var reply struct {
		Fields []struct {
			Name               string   `json:"name"`
			Type               string   `json:"type"`
			ReferenceTo        []string `json:"referenceTo"`
			Createable         bool     `json:"createable"`
			Updateable         bool     `json:"updateable"`
			Nillable           bool     `json:"nillable"`
			Length             int      `json:"length"`
			RestrictedPicklist bool     `json:"restrictedPicklist"`
			Unique             bool     `json:"unique"`
			ExternalID         bool     `json:"externalId"`
		} `json:"fields"`
	}
	if err := l.call(ctx, http.MethodGet, "sobjects/"+object+"/describe", nil, &reply); err != nil {
		return nil, fmt.Errorf("describe %s: %w", object, err)
	}
	var out []FieldKind
	for _, f := range reply.Fields {
		if slices.Contains([]string{"address", "location", "base64", "complexvalue"}, f.Type) {
			continue
		}
		out = append(out, FieldKind{
			Name: f.Name, Type: f.Type, Refers: f.ReferenceTo, Createable: f.Createable, Updateable: f.Updateable,
			Nillable: f.Nillable, Length: f.Length, Restricted: f.RestrictedPicklist, Unique: f.Unique || f.ExternalID,
		})
	}
	return out, nil
}

// TakeDump reads every live record of the objects, with the fields that a client may write.
func TakeDump(ctx context.Context, l *Loader, objects []string) (Dump, error) {
	dump := Dump{}
	for _, object := range objects {
		fields, err := l.Fields(ctx, object)
		if err != nil {
			return nil, err
		}
		names := []string{"Id"}
		for _, f := range fields {
			if f.Createable || f.Updateable {
				names = append(names, f.Name)
			}
		}
		rows, err := l.Query(ctx, "SELECT "+strings.Join(names, ",")+" FROM "+object)
		if err != nil {
			return nil, err
		}
		dump[object] = map[string]map[string]string{}
		for _, row := range rows {
			values := map[string]string{}
			for _, name := range names[1:] {
				raw, err := json.Marshal(row[name])
				if err != nil {
					return nil, err
				}
				values[name] = string(raw)
			}
			dump[object][row["Id"].(string)] = values
		}
	}
	return dump, nil
}

// See answers a query for all records of an object as a client would: with what is in the dump of the fields
// that are asked for.
func (d Dump) See(_ context.Context, soql string) ([]map[string]any, error) {
	object := soql[strings.LastIndexByte(soql, ' ')+1:]
	var rows []map[string]any
	for id, values := range d[object] {
		row := map[string]any{"Id": id}
		for field, text := range values {
			var v any
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				return nil, fmt.Errorf("%s %s.%s: %w", object, id, field, err)
			}
			row[field] = v
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Clone returns a copy that can be changed apart from the original.
func (d Dump) Clone() Dump {
	out := Dump{}
	for object, rows := range d {
		out[object] = map[string]map[string]string{}
		for id, row := range rows {
			out[object][id] = maps.Clone(row)
		}
	}
	return out
}

// Differences lists how got differs from want, at most limit lines, after mapping the Ids of want
// (of records and in their lookups) through identity: old Id → new Id.
func (d Dump) Differences(got Dump, identity map[string]string, limit int) (lines []string, total int) {
	say := func(format string, args ...any) {
		if total++; len(lines) < limit {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	quoted := map[string]string{}
	for from, to := range identity {
		quoted[`"`+from+`"`] = `"` + to + `"`
	}
	for _, object := range slices.Sorted(maps.Keys(d)) {
		seen := map[string]bool{}
		for _, id := range slices.Sorted(maps.Keys(d[object])) {
			now := id
			if to, ok := identity[id]; ok {
				now = to
			}
			seen[now] = true
			row, ok := got[object][now]
			if !ok {
				say("%s %s is missing", object, id)
				continue
			}
			for field, want := range d[object][id] {
				if to, ok := quoted[want]; ok {
					want = to
				}
				if have, ok := row[field]; !ok || have != want {
					say("%s %s %s: %s, want %s", object, id, field, have, want)
				}
			}
		}
		for _, id := range slices.Sorted(maps.Keys(got[object])) {
			if !seen[id] {
				say("%s %s is one too many", object, id)
			}
		}
	}
	return lines, total
}
