package org

import (
	"bytes"
	"fmt"
	"io"

	"holdfast/internal/sf"
)

// AddImage keeps an image of rich text, as an upload in its editor does, and returns the Id by which the HTML of a
// field refers to it. No field has to: an image is there before the record is saved.
// Source: REST API Developer Guide, "sObject Rich Text Image Retrieve", whose example has the key prefix 0EM.
func (o *Org) AddImage(raw []byte) (sf.ID, error) {
	b := bodyOf(bytes.Clone(raw))
	defer o.write()()
	id, err := sf.ParseID(fmt.Sprintf("0EM%012d", len(o.images)+1))
	if err != nil {
		return "", err
	}
	o.images[id] = o.keep(b)
	return id, nil
}

// OpenImage returns a reader of an image of rich text, or nil when there is none. Who may see it is asked of the
// record that shows it.
func (o *Org) OpenImage(id sf.ID) io.Reader {
	defer o.read()()
	if b := o.images[id]; b != nil {
		return b.open()
	}
	return nil
}
