package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// maxRows is how many records one call of sObject Collections or of SOAP undelete takes.
const maxRows = 200

// saved is one element of the answer of sObject Collections.
type saved struct {
	ID      string `json:"id"`
	Success bool   `json:"success"`
	Errors  []struct {
		Code    string   `json:"statusCode"`
		Message string   `json:"message"`
		Fields  []string `json:"fields"`
	} `json:"errors"`
}

func (s *saved) outcome(id sf.ID) sf.Outcome {
	out := sf.Outcome{ID: id, Success: s.Success}
	if s.Success {
		return out
	}
	var messages []string
	for _, e := range s.Errors {
		out.Code = firstOf(out.Code, e.Code)
		messages = append(messages, e.Message)
		out.Fields = append(out.Fields, e.Fields...)
	}
	out.Code = firstOf(out.Code, "UNKNOWN_EXCEPTION")
	out.Message = strings.Join(messages, "; ")
	return out
}

// Update sets the named fields of up to 200 records of the object, each record for itself
// (allOrNone false), and returns one outcome for each row, in their order. Null clears a field, an
// absent value leaves it alone. Row errors such as UNABLE_TO_LOCK_ROW are outcomes, not errors.
//
// Assignment rules do not run, and records that a duplicate rule only warns of are saved: a restored
// record gets what it had. Setting the same values twice is harmless, so the call is repeated when
// its outcome is unknown.
func (o *Org) Update(ctx context.Context, object string, fields []string, rows []sf.Write) ([]sf.Outcome, error) {
	what := "update " + object
	if err := checkRows(what, len(rows)); err != nil || len(rows) == 0 {
		return nil, err
	}
	described, err := o.describe(ctx, object, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	body, err := updateBody(described, fields, rows)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var answer []saved
	err = o.json(ctx, call{
		what: what, method: http.MethodPatch, path: o.data("composite/sobjects"), repeat: true,
		header: map[string]string{
			"Content-Type": mediaJSON, "Sforce-Auto-Assign": "FALSE",
			"Sforce-Duplicate-Rule-Header": "allowSave=true",
		},
		body: fixedBody(body),
	}, &answer)
	if err != nil {
		return nil, err
	}
	return o.outcomes(what, answer, len(rows), func(i int) sf.ID { return rows[i].ID })
}

func checkRows(what string, n int) error {
	if n > maxRows {
		return problem.New(problem.Usage, fmt.Sprintf("%s: %d rows in one call, at most %d", what, n, maxRows))
	}
	return nil
}

// updateBody writes the request with each value in the JSON of its field's type.
func updateBody(object *sf.Object, fields []string, rows []sf.Write) ([]byte, error) {
	types := make([]sf.FieldType, len(fields))
	for i, name := range fields {
		f := object.Field(name)
		if f == nil {
			return nil, problem.New(problem.NotFound, fmt.Sprintf("no field %s", name)).
				Hint("check that the field exists in this org and that the user may see it")
		}
		types[i] = f.Type
	}
	body := []byte(`{"allOrNone":false,"records":[`)
	for i, row := range rows {
		if len(row.Values) != len(fields) {
			return nil, fmt.Errorf("record %s: %d values for %d fields", row.ID, len(row.Values), len(fields))
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"attributes":{"type":%q},"id":%q`, object.Name, row.ID)
		for j, v := range row.Values {
			if v.IsAbsent() {
				continue
			}
			var err error
			body = fmt.Appendf(body, `,%q:`, fields[j])
			if body, err = appendValue(body, types[j], v); err != nil {
				return nil, fmt.Errorf("record %s, field %s: %w", row.ID, fields[j], err)
			}
		}
		body = append(body, '}')
	}
	return append(body, `]}`...), nil
}

// outcomes matches the answer with the rows by position, as the API promises.
func (o *Org) outcomes(what string, answer []saved, n int, id func(int) sf.ID) ([]sf.Outcome, error) {
	if len(answer) != n {
		return nil, fmt.Errorf("%s: %w: %d results for %d rows", what, errDamaged, len(answer), n)
	}
	out := make([]sf.Outcome, n)
	for i := range answer {
		if got := answer[i].ID; got != "" {
			if parsed, err := sf.ParseID(got); err != nil || parsed != id(i) {
				return nil, fmt.Errorf("%s: %w: result %d is of record %q, row %d of %s", what, errDamaged, i+1, oneLine(got), i+1, id(i))
			}
		}
		out[i] = answer[i].outcome(id(i))
		o.clean(&out[i])
	}
	return out, nil
}

// goneCodes are refusals of a deletion that say the record is not there any more.
var goneCodes = map[string]bool{"ENTITY_IS_DELETED": true, "INVALID_CROSS_REFERENCE_KEY": true}

// Delete moves up to 200 records to the Recycle Bin, each for itself, and returns one outcome for
// each Id, in their order. A record that is gone already is a success.
func (o *Org) Delete(ctx context.Context, ids []sf.ID) ([]sf.Outcome, error) {
	const what = "delete records"
	if err := checkRows(what, len(ids)); err != nil || len(ids) == 0 {
		return nil, err
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	q := url.Values{"ids": {strings.Join(texts, ",")}, "allOrNone": {"false"}}
	var answer []saved
	err := o.json(ctx, call{
		what: what, method: http.MethodDelete, repeat: true,
		path: o.data("composite/sobjects?" + q.Encode()),
	}, &answer)
	if err != nil {
		return nil, err
	}
	out, err := o.outcomes(what, answer, len(ids), func(i int) sf.ID { return ids[i] })
	for i := range out {
		if goneCodes[out[i].Code] {
			out[i] = sf.Outcome{ID: out[i].ID, Success: true}
		}
	}
	return out, err
}
