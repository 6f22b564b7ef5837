package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Loader writes test data into an org through its public data APIs. It is a client of its own, so
// that what tests put into an org does not pass through the code under test.
type Loader struct {
	InstanceURL string
	AccessToken string
	Version     string // such as "v66.0"

	types map[string]map[string]string // object → field → describe type
}

// collectionSize is the most records that one sObject Collections call takes.
// Source: REST API Developer Guide, "Create Multiple Records with Fewer Round-Trips".
const collectionSize = 200

// rolledBack is the code of rows that failed only because another one did.
const rolledBack = "ALL_OR_NONE_OPERATION_ROLLED_BACK"

// Row is one record to write: field names and the text of their values.
type Row map[string]string

// Insert creates the rows and returns their Ids in order. Every row must succeed.
func (l *Loader) Insert(ctx context.Context, object string, rows []Row) ([]string, error) {
	types, err := l.describe(ctx, object)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(rows))
	for start := 0; start < len(rows); start += collectionSize {
		batch := rows[start:min(start+collectionSize, len(rows))]
		records := make([]map[string]any, len(batch))
		for i, row := range batch {
			records[i], err = typed(row, types)
			if err != nil {
				return nil, fmt.Errorf("insert %s row %d: %w", object, start+i, err)
			}
			records[i]["attributes"] = map[string]string{"type": object}
		}
		var results []struct {
			ID      string `json:"id"`
			Success bool   `json:"success"`
			Errors  []any  `json:"errors"`
		}
		body := map[string]any{"allOrNone": true, "records": records}
		if err := l.call(ctx, http.MethodPost, "composite/sobjects", body, &results); err != nil {
			return nil, fmt.Errorf("insert %s from row %d: %w", object, start, err)
		}
		if len(results) != len(batch) {
			return nil, fmt.Errorf("insert %s from row %d: %d results for %d rows", object, start, len(results), len(batch))
		}
		for i, r := range results {
			if !r.Success && !strings.Contains(fmt.Sprint(r.Errors), rolledBack) {
				return nil, fmt.Errorf("insert %s row %d %v: %v", object, start+i, batch[i], r.Errors)
			}
			ids = append(ids, r.ID)
		}
	}
	return ids, nil
}

// Update writes the rows, each with its Id under "Id". Every row must succeed.
func (l *Loader) Update(ctx context.Context, object string, rows []Row) error {
	types, err := l.describe(ctx, object)
	if err != nil {
		return err
	}
	for start := 0; start < len(rows); start += collectionSize {
		batch := rows[start:min(start+collectionSize, len(rows))]
		records := make([]map[string]any, len(batch))
		for i, row := range batch {
			records[i], err = typed(row, types)
			if err != nil {
				return fmt.Errorf("update %s %s: %w", object, row["Id"], err)
			}
			records[i]["attributes"] = map[string]string{"type": object}
		}
		var results []struct {
			Success bool  `json:"success"`
			Errors  []any `json:"errors"`
		}
		body := map[string]any{"allOrNone": true, "records": records}
		if err := l.call(ctx, http.MethodPatch, "composite/sobjects", body, &results); err != nil {
			return fmt.Errorf("update %s: %w", object, err)
		}
		for i, r := range results {
			if !r.Success && !strings.Contains(fmt.Sprint(r.Errors), rolledBack) {
				return fmt.Errorf("update %s %v: %v", object, batch[i], r.Errors)
			}
		}
	}
	return nil
}

// Delete deletes the records. A record that is gone already, by a cascade, is not an error.
func (l *Loader) Delete(ctx context.Context, ids []string) error {
	for start := 0; start < len(ids); start += collectionSize {
		batch := ids[start:min(start+collectionSize, len(ids))]
		var results []struct {
			ID      string `json:"id"`
			Success bool   `json:"success"`
			Errors  []struct {
				StatusCode string `json:"statusCode"`
				Message    string `json:"message"`
			} `json:"errors"`
		}
		path := "composite/sobjects?allOrNone=false&ids=" + strings.Join(batch, ",")
		if err := l.call(ctx, http.MethodDelete, path, nil, &results); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		for i, r := range results {
			if r.Success || (len(r.Errors) > 0 && r.Errors[0].StatusCode == "ENTITY_IS_DELETED") {
				continue
			}
			return fmt.Errorf("delete %s: %v", batch[i], r.Errors)
		}
	}
	return nil
}

// Tree inserts one body of the composite tree API, the format of `sf data import tree`, and returns
// the Id of each reference.
func (l *Loader) Tree(ctx context.Context, object string, records []map[string]any) (map[string]string, error) {
	ids := map[string]string{}
	for start := 0; start < len(records); start += collectionSize {
		batch := records[start:min(start+collectionSize, len(records))]
		var reply struct {
			HasErrors bool `json:"hasErrors"`
			Results   []struct {
				Reference string `json:"referenceId"`
				ID        string `json:"id"`
				Errors    []any  `json:"errors"`
			} `json:"results"`
		}
		if err := l.call(ctx, http.MethodPost, "composite/tree/"+object, map[string]any{"records": batch}, &reply); err != nil {
			return nil, fmt.Errorf("tree %s: %w", object, err)
		}
		if reply.HasErrors || len(reply.Results) != len(batch) {
			return nil, fmt.Errorf("tree %s: %+v", object, reply)
		}
		for _, r := range reply.Results {
			ids[r.Reference] = r.ID
		}
	}
	return ids, nil
}

// Query returns all records of a query, as decoded JSON without their attributes.
func (l *Loader) Query(ctx context.Context, soql string) ([]map[string]any, error) {
	path := "query?q=" + url.QueryEscape(soql)
	var all []map[string]any
	for path != "" {
		var page struct {
			Records []map[string]any `json:"records"`
			Next    string           `json:"nextRecordsUrl"`
		}
		if err := l.call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, fmt.Errorf("%s: %w", soql, err)
		}
		for _, r := range page.Records {
			delete(r, "attributes")
			all = append(all, r)
		}
		path = page.Next
	}
	return all, nil
}

func (l *Loader) describe(ctx context.Context, object string) (map[string]string, error) {
	if types, ok := l.types[object]; ok {
		return types, nil
	}
	var reply struct {
		Fields []struct{ Name, Type string } `json:"fields"`
	}
	if err := l.call(ctx, http.MethodGet, "sobjects/"+object+"/describe", nil, &reply); err != nil {
		return nil, fmt.Errorf("describe %s: %w", object, err)
	}
	types := make(map[string]string, len(reply.Fields))
	for _, f := range reply.Fields {
		types[f.Name] = f.Type
	}
	if l.types == nil {
		l.types = map[string]map[string]string{}
	}
	l.types[object] = types
	return types, nil
}

func (l *Loader) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	target := l.InstanceURL + "/services/data/" + l.Version + "/" + path
	if strings.HasPrefix(path, "/") {
		target = l.InstanceURL + path
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+l.AccessToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("HTTP %d: %s", resp.StatusCode, raw)
	}
	if out == nil || len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// typed turns texts into JSON values of the described types, as a client that knows the describe
// would send them. An empty text is null.
func typed(row Row, types map[string]string) (map[string]any, error) {
	out := make(map[string]any, len(row)+1)
	for name, text := range row {
		kind, ok := types[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("field %s is not described", name)
		case text == "":
			out[name] = nil
		case kind == "boolean":
			b, err := strconv.ParseBool(strings.ToLower(text))
			if err != nil {
				return nil, fmt.Errorf("field %s: %w", name, err)
			}
			out[name] = b
		case kind == "int", kind == "double", kind == "currency", kind == "percent", kind == "long":
			out[name] = json.Number(text)
		default:
			out[name] = text
		}
	}
	return out, nil
}
