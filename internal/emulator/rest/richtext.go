package rest

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"

	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// images are the images in rich text, by the Id that the HTML refers to. They are in memory only: a saved org
// has its HTML and not its images.
type images struct {
	mu    sync.Mutex
	bytes map[sf.ID][]byte
}

// AddImage keeps an image, as an upload in the editor of rich text does, and returns its Id and the address
// that the HTML of the field refers to it by.
// Source: REST API Developer Guide, "sObject Rich Text Image Retrieve"; the address is that of rendered fields.
func (a *API) AddImage(image []byte) (sf.ID, string, error) {
	a.images.mu.Lock()
	defer a.images.mu.Unlock()
	number := strconv.Itoa(len(a.images.bytes) + 1)
	id, err := sf.ParseID("0EM000000000000"[:15-len(number)] + number)
	if err != nil {
		return "", "", err
	}
	if a.images.bytes == nil {
		a.images.bytes = map[sf.ID][]byte{}
	}
	a.images.bytes[id] = bytes.Clone(image)
	return id, "/servlet/rtaImage?eid=&amp;feoid=&amp;refid=" + string(id[:15]), nil
}

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
	a.images.mu.Lock()
	image, found := a.images.bytes[id]
	a.images.mu.Unlock()
	if !found {
		return wire.NotFound()
	}
	w.Header().Set("Content-Type", http.DetectContentType(image))
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(image)
	return err
}
