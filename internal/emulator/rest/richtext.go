package rest

import (
	"bytes"
	"io"
	"net/http"

	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// richTextImage answers GET sobjects/X/Id/richTextImageFields/Field/ImageId: the image, when the field of a record
// that the caller sees refers to it.
func (a *API) richTextImage(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	field := object.Field(c.Path[4])
	id, err := sf.ParseID(c.Path[5])
	if err != nil || field == nil || !field.HTMLFormatted {
		return wire.NotFound()
	}
	records, err := a.org.Retrieve(c.Caller, object.Name, []string{c.Path[2]}, withID([]string{field.Name}))
	if err != nil {
		return err
	}
	if len(records) == 0 || records[0] == nil ||
		!bytes.Contains(wire.AppendRecord(nil, *records[0], c.Root()), []byte(id[:15])) {
		return wire.NotFound()
	}
	stored := a.org.OpenImage(records[0].ID, field.Name, id)
	if stored == nil {
		return wire.NotFound()
	}
	image, err := io.ReadAll(stored)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", http.DetectContentType(image))
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(image)
	return err
}
