package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// The largest files. Source: REST API Developer Guide, "Insert or Update Blob Data".
const (
	maxVersionUpload = 2 << 30   // of a ContentVersion
	maxUpload        = 500 << 20 // of anything else
)

// InsertFile makes one record, with the bytes of a file where body is not nil. The bytes go as they are and are never
// held: a part of the request, beside one with the fields.
//
// The call is sent once: an error that wraps ErrOutcomeUnknown says that the org may have made the record. A record
// that the org refuses is an outcome, not an error.
// Source: REST API Developer Guide, "Insert or Update Blob Data".
func (o *Org) InsertFile(ctx context.Context, object string, fields []string, row sf.Write, body *sf.Upload) (sf.Outcome, error) {
	what := "insert " + object
	entity, err := o.entity(ctx, object, fields, row)
	if err != nil {
		return sf.Outcome{}, fmt.Errorf("%s: %w", what, err)
	}
	c := call{
		what: what, method: http.MethodPost, path: o.data("sobjects/" + url.PathEscape(object)), accept: mediaJSON,
		header: map[string]string{"Content-Type": mediaJSON}, body: fixedBody(entity),
	}
	if body != nil {
		limit := int64(maxUpload)
		if object == "ContentVersion" {
			limit = maxVersionUpload
		}
		if body.Size > limit {
			return tooLarge(object, *body, limit), nil
		}
		var kind string
		if kind, c.body, err = partsOf(object, entity, *body); err != nil {
			return sf.Outcome{}, fmt.Errorf("%s: %w", what, err)
		}
		c.header["Content-Type"] = kind
	}
	var answer saved
	err = o.do(ctx, c, func(resp *http.Response) error { // not within the time for a whole answer: a file takes long
		raw, err := io.ReadAll(io.LimitReader(resp.Body, maxFaultBody))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &answer); err != nil {
			return damaged("broken JSON: %w", err)
		}
		return nil
	})
	if out, refused, err := o.refusedFile(err); refused || err != nil {
		return out, err
	}
	id, err := sf.ParseID(answer.ID)
	if answer.Success && err != nil {
		return sf.Outcome{}, problem.Wrap(problem.Unreachable, fmt.Errorf("%w: it answered with the Id %q", ErrOutcomeUnknown, oneLine(answer.ID)), what)
	}
	out := answer.outcome(id)
	o.clean(&out)
	return out, nil
}

// UpdateFile gives the bytes of a file to a record that is there, and values to its fields. The call is sent once, as that of
// InsertFile; a record that the org refuses is an outcome. Source: as of InsertFile.
func (o *Org) UpdateFile(ctx context.Context, object string, fields []string, row sf.Write, body sf.Upload) (sf.Outcome, error) {
	what := fmt.Sprintf("update %s %s", object, row.ID)
	entity, err := o.entity(ctx, object, fields, row)
	if err != nil {
		return sf.Outcome{}, fmt.Errorf("%s: %w", what, err)
	}
	if body.Size > maxUpload {
		return tooLarge(object, body, maxUpload), nil
	}
	c := call{what: what, method: http.MethodPatch, path: o.data("sobjects/" + url.PathEscape(object) + "/" + url.PathEscape(string(row.ID)))}
	kind, parts, err := partsOf(object, entity, body)
	if err != nil {
		return sf.Outcome{}, fmt.Errorf("%s: %w", what, err)
	}
	c.body, c.header = parts, map[string]string{"Content-Type": kind}
	err = o.do(ctx, c, func(*http.Response) error { return nil }) // 204, without a body
	if out, refused, err := o.refusedFile(err); refused || err != nil {
		return out, err
	}
	return sf.Outcome{ID: row.ID, Success: true}, nil
}

// entity spells the fields of one record as the body of a request, by the types that the org describes.
func (o *Org) entity(ctx context.Context, object string, fields []string, row sf.Write) ([]byte, error) {
	described, err := o.describe(ctx, object, false)
	if err != nil {
		return nil, err
	}
	return entityOf(described, fields, row)
}

// UpdateOnce sets the fields of one record, as Update does, but the call is sent once, as that of InsertFile: the values may hold
// what makes something of its own each time. Source: REST API Developer Guide, "sObject Rows".
func (o *Org) UpdateOnce(ctx context.Context, object string, fields []string, row sf.Write) (sf.Outcome, error) {
	what := fmt.Sprintf("update %s %s", object, row.ID)
	entity, err := o.entity(ctx, object, fields, row)
	if err != nil {
		return sf.Outcome{}, fmt.Errorf("%s: %w", what, err)
	}
	err = o.do(ctx, call{
		what: what, method: http.MethodPatch, path: o.data("sobjects/" + url.PathEscape(object) + "/" + url.PathEscape(string(row.ID))),
		header: map[string]string{
			"Content-Type": mediaJSON, "Sforce-Auto-Assign": "FALSE", "Sforce-Duplicate-Rule-Header": "allowSave=true",
		},
		body: fixedBody(entity),
	}, func(*http.Response) error { return nil }) // 204, without a body
	if out, refused, err := o.refusedFile(err); refused || err != nil {
		return out, err
	}
	return sf.Outcome{ID: row.ID, Success: true}, nil
}

// refusedFile tells a record that the org refuses from a call that did not get through.
func (o *Org) refusedFile(err error) (sf.Outcome, bool, error) {
	f, refused := errors.AsType[*Fault](err)
	if !refused || !f.Refused() || f.Code == "" {
		return sf.Outcome{}, false, err
	}
	switch problem.KindOf(err) {
	case problem.Unauthorized, problem.Limits, problem.Unreachable:
		return sf.Outcome{}, false, err
	}
	out := sf.Outcome{Code: f.Code, Message: f.Message, Fields: f.Fields}
	o.clean(&out)
	return out, true, nil
}

func tooLarge(object string, body sf.Upload, limit int64) sf.Outcome {
	return sf.Outcome{
		Code: "FILE_SIZE_LIMIT_EXCEEDED", Fields: []string{body.Field},
		Message: fmt.Sprintf("the file has %d bytes, and the REST API takes %d for %s", body.Size, limit, object),
	}
}

// entityOf writes the fields of a record that is to be made.
func entityOf(object *sf.Object, fields []string, row sf.Write) ([]byte, error) {
	if len(row.Values) != len(fields) {
		return nil, fmt.Errorf("%d values for %d fields", len(row.Values), len(fields))
	}
	body := []byte{'{'}
	for i, v := range row.Values {
		if v.IsAbsent() {
			continue
		}
		f := object.Field(fields[i])
		if f == nil {
			return nil, problem.New(problem.NotFound, "no field "+fields[i]).
				Hint("check that the field exists in this org and that the user may see it")
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, "%q:", f.Name)
		var err error
		if body, err = appendValue(body, f.Type, v); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return append(body, '}'), nil
}

// partsOf lays a request out in parts, the fields first, and returns its media type. The names of the part with the
// fields are those of the guide's examples; that they are free is unverified.
func partsOf(object string, entity []byte, file sf.Upload) (string, func(string) (io.Reader, int64, error), error) {
	name := "entity_document"
	if object == "ContentVersion" {
		name = "entity_content"
	}
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + name + `"`}, "Content-Type": {mediaJSON},
	})
	if err != nil {
		return "", nil, err
	}
	if _, err := part.Write(entity); err != nil {
		return "", nil, err
	}
	// A name in a header is one line of ASCII; the name that counts is a field of the record.
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, file.Name)
	if plain == "" {
		plain = "file"
	}
	if _, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {mime.FormatMediaType("form-data", map[string]string{"name": file.Field, "filename": plain})},
		"Content-Type":        {"application/octet-stream"},
	}); err != nil {
		return "", nil, err
	}
	before := head.Len()
	if err := form.Close(); err != nil {
		return "", nil, err
	}
	all := head.Bytes()
	size := int64(len(all)) + file.Size
	return form.FormDataContentType(), func(string) (io.Reader, int64, error) {
		return io.MultiReader(bytes.NewReader(all[:before]), file.Open(), bytes.NewReader(all[before:])), size, nil
	}, nil
}
