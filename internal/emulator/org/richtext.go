package org

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Images in rich text. The documents of the platform tell how an image is read (REST API Developer Guide, "sObject Rich Text
// Image Get") and what a field that shows one holds (the same, "Get an Image from a Rich Text Area Field"). That an image
// which is embedded in the HTML of a field becomes one when the record is saved is what another product says (CapStorm,
// CopyStorm/Restore, "Rich Text Fields"). Everything else here is unverified and is decided for what asks more of a client: an image
// belongs to the one field of the one record that was first saved with it, shows nowhere else, and is gone when the field no longer
// refers to it. With its record it comes back from the Recycle Bin.

const (
	imagePrefix = "0EM" // Source: the example of "sObject Rich Text Image Get"
	// imageHost is where images are in an org with enhanced domains. Source: as above.
	imageHost = "https://emulated.file.force.com"
	// maxImage is the largest image that the editor takes. Source: Salesforce Help, "Rich Text Area Field Considerations"; that
	// the APIs have the same limit is unverified.
	maxImage = 1 << 20
	// noRecord stands in an address until the record has its Id.
	noRecord = "000000000000000"
)

// imageTypes are what an image may be. Source: as of maxImage.
var imageTypes = []string{"image/png", "image/jpeg", "image/pjpeg", "image/gif"}

// imagePlace is where an image shows.
type imagePlace struct {
	record sf.ID
	field  string
}

// AddImage keeps an image of rich text, as an upload in its editor does, and returns the Id by which the HTML of a
// field refers to it. No field has to: an image is there before the record is saved.
func (o *Org) AddImage(raw []byte) (sf.ID, error) {
	b := bodyOf(bytes.Clone(raw))
	defer o.write()()
	return o.addImage(b)
}

func (o *Org) addImage(b *Body) (sf.ID, error) {
	o.imageSerial = max(o.imageSerial, len(o.images)) + 1 // an org that was saved before they were counted has lost none
	id, err := sf.ParseID(fmt.Sprintf("%s%012d", imagePrefix, o.imageSerial))
	if err != nil {
		return "", err
	}
	o.images[id] = o.keep(b)
	return id, nil
}

// OpenImage returns a reader of an image that shows in the field of the record, or nil when there is none. Who may see it is
// asked of the record.
func (o *Org) OpenImage(record sf.ID, field string, id sf.ID) io.Reader {
	defer o.read()()
	place, shown := o.shown[id]
	if b := o.images[id]; b != nil && (!shown || place == imagePlace{record, fold(field)}) {
		return b.open()
	}
	return nil
}

// ImageAddress is the address by which the HTML of a field refers to an image. The record is empty before it is saved.
func ImageAddress(record, field string, id sf.ID) string {
	if len(record) > len(noRecord) {
		record = record[:len(noRecord)]
	}
	return imageHost + "/servlet/rtaImage?eid=" + record + "&amp;feoid=" + field + "&amp;refid=" + string(id[:15])
}

var (
	// embeddedImage is an image whose bytes are in the HTML.
	embeddedImage = regexp.MustCompile(`(?i)(<img\b[^<>]*?\ssrc\s*=\s*)("data:[^"<>]*"|'data:[^'<>]*')`)
	// shownImage is the Id of an image to which HTML refers.
	shownImage = regexp.MustCompile(`rtaImage\?[^"'<>\s]*refid=(0EM[0-9A-Za-z]{12})`)
)

// pictured makes images of those that are embedded in the HTML, and returns the HTML that refers to them. One that cannot be made
// leaves an empty address.
func (d *draft) pictured(f *Field, html string) string {
	if !strings.Contains(html, "data:") {
		return html
	}
	return embeddedImage.ReplaceAllStringFunc(html, func(tag string) string {
		m := embeddedImage.FindStringSubmatch(tag)
		raw, ok := embedded(m[2][1 : len(m[2])-1])
		if !ok {
			return m[1] + `""`
		}
		id, err := d.w.o.addImage(bodyOf(raw))
		if err != nil {
			return m[1] + `""`
		}
		d.w.also(func() { delete(d.w.o.images, id) })
		record := noRecord
		if d.id != "" {
			record = string(d.id)
		}
		return m[1] + `"` + ImageAddress(record, f.Name, id) + `"`
	})
}

// embedded returns the bytes of an image that a data URI holds.
func embedded(uri string) ([]byte, bool) {
	head, text, _ := strings.Cut(uri, ",")
	kind, coding, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(head, "data:")), ";")
	raw, err := base64.StdEncoding.DecodeString(text)
	return raw, err == nil && coding == "base64" && slices.Contains(imageTypes, kind) && len(raw) > 0 && len(raw) <= maxImage
}

// place settles which images the fields of the record show, right before it is saved.
func (d *draft) place() {
	for _, i := range d.object.rich {
		f := d.object.Fields[i]
		here := imagePlace{d.id, fold(f.Name)}
		if text := d.vals[f.column]; strings.Contains(text, "eid="+noRecord) {
			d.vals[f.column] = strings.ReplaceAll(text, "eid="+noRecord, "eid="+string(d.id[:len(noRecord)]))
		}
		now := imagesIn(d.vals[f.column])
		for id := range now {
			if _, shown := d.w.o.shown[id]; !shown && d.w.o.images[id] != nil {
				d.w.show(id, here)
			}
		}
		if d.old == nil {
			continue
		}
		for id := range imagesIn(d.old.text(f.column)) {
			if b := d.w.o.images[id]; b != nil && !now[id] && d.w.o.shown[id] == here {
				delete(d.w.o.images, id)
				d.w.also(func() { d.w.o.images[id] = b })
			}
		}
	}
}

// show makes the image one that shows there.
func (w *work) show(id sf.ID, at imagePlace) {
	if w.o.shown == nil { // an org that was saved before there were places
		w.o.shown = map[sf.ID]imagePlace{}
	}
	w.o.shown[id] = at
	w.also(func() { delete(w.o.shown, id) })
}

func imagesIn(html string) map[sf.ID]bool {
	var out map[sf.ID]bool
	for _, m := range shownImage.FindAllStringSubmatch(html, -1) {
		if id, err := sf.ParseID(m[1]); err == nil {
			if out == nil {
				out = map[sf.ID]bool{}
			}
			out[id] = true
		}
	}
	return out
}
