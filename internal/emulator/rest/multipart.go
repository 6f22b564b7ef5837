package rest

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// maxEntity bounds the part of a multipart request that holds the fields.
const maxEntity = 1 << 20

// readForm reads a record whose bytes come beside its fields: a part of JSON, and a part with a file
// that is named for the field. They come in either order: the official command line sends the bytes
// first. Source: REST API, "Insert or Update Blob Data", and recorded requests of sf.
func (a *API) readForm(c *wire.Call, object *org.Object, boundary string) (org.Row, error) {
	parts := multipart.NewReader(c.Body, boundary)
	row, entity, blob := org.Row{}, false, org.Assignment{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return row, wire.BadRequest("INVALID_MULTIPART_REQUEST", "The parts of the request cannot be read.")
		}
		if part.FileName() == "" {
			text, err := io.ReadAll(io.LimitReader(part, maxEntity+1))
			if err != nil || len(text) > maxEntity {
				return row, wire.BadRequest("INVALID_MULTIPART_REQUEST", "the part "+part.FormName()+" is too large or broken")
			}
			var body map[string]any
			if err := wire.DecodeJSON(text, &body); err != nil {
				return row, err
			}
			if row, err = rowOf(body, object.Name); err != nil {
				return row, err
			}
			entity = true
			continue
		}
		if blob, err = a.readBlob(part, object); err != nil {
			return row, err
		}
	}
	if !entity {
		return row, wire.BadRequest("INVALID_MULTIPART_REQUEST", "there is no part with the fields of the record")
	}
	if blob.Body != nil {
		row.Fields = append(row.Fields, blob)
	}
	return row, nil
}

// readBlob keeps the bytes of one part.
func (a *API) readBlob(part *multipart.Part, object *org.Object) (org.Assignment, error) {
	f := object.Field(part.FormName())
	if f == nil || f.Type != sf.TypeBase64 {
		return org.Assignment{}, wire.BadRequest("INVALID_MULTIPART_REQUEST",
			"Cannot include more than one binary part, and its name must be that of a binary field of "+object.Name+": "+part.FormName())
	}
	limit := int64(org.MaxBody)
	if object.Name == "ContentVersion" {
		limit = org.MaxContentVersion
	}
	body, err := a.org.StoreBody(part, limit)
	if err != nil {
		return org.Assignment{}, refusedBody(err, object.Name)
	}
	return org.Assignment{Field: f.Name, Body: body}, nil
}

// refusedBody is the answer to bytes that were not kept. The code of a file that is too large is a StatusCode of the partner
// WSDL; that it is the one for this, and its wording, are unverified.
func refusedBody(err error, object string) error {
	if errors.Is(err, org.ErrBodyTooLarge) {
		return wire.BadRequest("FILE_SIZE_LIMIT_EXCEEDED", "The file is larger than the largest that "+object+" can hold.")
	}
	return wire.BadRequest("INVALID_MULTIPART_REQUEST", "The parts of the request cannot be read.")
}

// readRow reads the record of a request, whichever form it has.
func (a *API) readRow(c *wire.Call, object *org.Object) (org.Row, error) {
	kind, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err == nil && strings.EqualFold(kind, "multipart/form-data") {
		return a.readForm(c, object, params["boundary"])
	}
	var body map[string]any
	if err := c.ReadJSON(&body); err != nil {
		return org.Row{}, err
	}
	return rowOf(body, object.Name)
}
