package orgtest

import (
	"encoding/base64"
	"regexp"
	"testing"
)

// dot is an image of one pixel.
const dot = "R0lGODlhAQABAAAAACw="

// imageID is where the HTML of a field has the Id of an image.
var imageID = regexp.MustCompile(`/servlet/rtaImage\?eid=(\w{15})&amp;feoid=\w+&amp;refid=(0EM\w{12})`)

// illustrated makes a thing whose text embeds an image, and returns the text as it was saved and the Id of the image.
func (o *Org) illustrated() (id, html, image string) {
	o.t.Helper()
	id = o.Thing(Values{"Rich__c": `<p><img alt="dot" src="data:image/gif;base64,` + dot + `"></img></p>`})
	html = o.Field(thing, id, "Rich__c")
	m := imageID.FindStringSubmatch(html)
	if m == nil || m[1] != id[:15] {
		o.t.Fatalf("no image of %s: %s", id, html)
	}
	return id, html, m[2]
}

var richTextRules = []law{
	{
		"richtext/embedded-image", "An image that is embedded in the HTML of a field becomes an image of the org when the record is saved",
		client("CapStorm, CopyStorm/Restore, Rich Text Fields: Patch RT Images"),
		func(t *testing.T, o *Org) {
			id, _, image := o.illustrated()
			got := o.Get("sobjects/" + thing + "/" + id + "/richTextImageFields/Rich__c/" + image).OK(200)
			if base64.StdEncoding.EncodeToString(got.Body) != dot {
				t.Errorf("%d bytes", len(got.Body))
			}
		},
	},
	{
		"richtext/image-of-another-record", "The address of an image shows nothing in another record",
		unverified,
		func(t *testing.T, o *Org) {
			_, html, image := o.illustrated()
			other := o.Thing(Values{"Rich__c": html})
			if r := o.Get("sobjects/" + thing + "/" + other + "/richTextImageFields/Rich__c/" + image); r.Status != 404 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"richtext/image-goes-with-its-text", "An image is gone when the field no longer refers to it, and does not come back with the text",
		unverified,
		func(t *testing.T, o *Org) {
			id, html, image := o.illustrated()
			o.Set(thing, id, Values{"Rich__c": "<p>other</p>"})
			o.Set(thing, id, Values{"Rich__c": html})
			if r := o.Get("sobjects/" + thing + "/" + id + "/richTextImageFields/Rich__c/" + image); r.Status != 404 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"richtext/broken-image", "An embedded image that is none leaves an empty address",
		unverified,
		func(_ *testing.T, o *Org) {
			id := o.Thing(Values{"Rich__c": `<img alt="x" src="data:image/gif;base64,!!"></img>`})
			o.Has(thing, id, "Rich__c", `<img alt="x" src=""></img>`)
		},
	},
}
