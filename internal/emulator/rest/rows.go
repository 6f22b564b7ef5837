package rest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// object is a JSON object of a request.
type object = map[string]any

// rowOf reads a record of a request. The object may come from its attributes, and the Id from a
// field of that name in any case: one client writes it in lower case. Keys with an "@" are hints of
// clients. Fields are taken in the order of their names, so that the same body always gives the same
// row.
func rowOf(body object, name string) (org.Row, error) {
	r := org.Row{Object: name}
	for _, key := range slices.Sorted(maps.Keys(body)) {
		value := body[key]
		switch {
		case key == "attributes":
			attributes, _ := value.(object)
			kind, named := attributes["type"].(string)
			switch {
			case name == "":
				r.Object = kind
			case named && !strings.EqualFold(kind, name): // code and words are unverified
				return r, wire.BadRequest("INVALID_TYPE", "The type "+kind+" of the attributes is not "+name)
			}
			continue
		case strings.EqualFold(key, "id"):
			r.ID, _ = value.(string)
			continue
		}
		a, err := assignment(key, value)
		if err != nil {
			return r, err
		}
		r.Fields = append(r.Fields, a)
	}
	return r, nil
}

// assignment reads one field of a record. An object names a parent by an external id:
// {"Key__c": "A-1"}, with attributes where the relationship is polymorphic.
func assignment(key string, value any) (org.Assignment, error) {
	a := org.Assignment{Field: key}
	parent, isParent := value.(object)
	if !isParent {
		text, err := scalar(value)
		a.Text = text
		return a, err
	}
	a.Parent = &org.ParentKey{}
	for _, k := range slices.Sorted(maps.Keys(parent)) {
		if k == "attributes" {
			if attributes, ok := parent[k].(object); ok {
				a.Parent.Object, _ = attributes["type"].(string)
			}
			continue
		}
		text, err := scalar(parent[k])
		if err != nil {
			return a, err
		}
		if a.Parent.Field != "" {
			return a, wire.BadRequest("INVALID_FIELD", "Multiple fields were given to find the parent of "+key)
		}
		a.Parent.Field, a.Parent.Text = k, text
	}
	if a.Parent.Field == "" {
		return a, wire.BadRequest("INVALID_FIELD", "No field was given to find the parent of "+key)
	}
	a.Text = a.Parent.Text
	return a, nil
}

// scalar spells a JSON value as text; null is the empty text.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		if strings.ContainsRune(v, 0) { // that it is refused is unverified
			return "", wire.BadRequest("JSON_PARSER_ERROR", "Illegal character NUL in a value")
		}
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return fmt.Sprint(v), nil
	default:
		return "", wire.BadRequest("JSON_PARSER_ERROR", "Cannot deserialize instance of a field from START_ARRAY")
	}
}

// saved is the answer for one written row.
type saved struct {
	ID      string            `json:"id,omitempty"`
	Success bool              `json:"success"`
	Errors  []wire.WriteError `json:"errors"`
	Created *bool             `json:"created,omitempty"`
}

// savedOf spells a result. Upserts tell whether they created.
func savedOf(r org.Result, upsert bool) saved {
	s := saved{Success: r.Success, Errors: wire.WriteErrors(r.Errors)}
	if r.Success {
		s.ID = string(r.ID)
		if upsert {
			s.Created = &r.Created
		}
	}
	return s
}

// one writes one row and returns its result, or the fault that a resource for one record answers.
func (a *API) one(c *wire.Call, op org.Op, row org.Row, opts org.Options) (org.Result, error) {
	result := a.org.Write(c.Caller, op, []org.Row{row}, saving(c, opts))[0]
	if !result.Success {
		return result, wire.Refused(withFields(result.Errors))
	}
	return result, nil
}

// saving adds what the headers say about rules: active assignment rules run unless Sforce-Auto-Assign
// says FALSE; a duplicate of which a rule only warns is saved with allowSave=true. Source: REST API Developer
// Guide, Assignment Rule Header and Duplicate Rule Header.
func saving(c *wire.Call, opts org.Options) org.Options {
	opts.Assign = !strings.EqualFold(c.Header.Get("Sforce-Auto-Assign"), "false")
	for _, part := range strings.Split(c.Header.Get("Sforce-Duplicate-Rule-Header"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if strings.EqualFold(name, "allowSave") {
			opts.AllowDuplicates = strings.EqualFold(value, "true")
		}
	}
	return opts
}

// withFields gives every error the fields list that a refused record has on the wire.
func withFields(list []org.Error) []org.Error {
	out := slices.Clone(list)
	for i := range out {
		if out[i].Fields == nil {
			out[i].Fields = []string{}
		}
	}
	return out
}

func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}
