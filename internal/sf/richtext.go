package sf

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// richImageMark is in every text that refers to an image of an org.
const richImageMark = "rtaImage?"

// richImage finds the images that HTML shows. Source: REST API Developer Guide, "Get an Image from a Rich Text Area Field":
// <img alt="…" src="https://…/servlet/rtaImage?eid=…&amp;feoid=…&amp;refid=0EM…"></img>.
var richImage = regexp.MustCompile(`(?i)<img\b[^<>]*?\ssrc\s*=\s*["']([^"'<>]*\brtaImage\?[^"'<>\s]*?refid=([0-9A-Za-z]{18}|[0-9A-Za-z]{15})(?:[^0-9A-Za-z"'<>][^"'<>]*)?)["']`)

// embeddedImage finds the images whose bytes are in the HTML: what the platform makes images of when it is saved.
var embeddedImage = regexp.MustCompile(`(?i)<img\b[^<>]*?\ssrc\s*=\s*["'](data:image/[a-z]+;base64,([^"'<>]*))["']`)

// ShowsRichImages reports a text that may show images of an org.
func ShowsRichImages(html string) bool { return strings.Contains(html, richImageMark) }

// EmbedsImages reports a text that may have the bytes of images in it.
func EmbedsImages(html string) bool { return strings.Contains(html, "data:image/") }

// ReplaceEmbeddedImages returns the HTML with other addresses in the place of images whose bytes are in it; with gets the bytes.
func ReplaceEmbeddedImages(html string, with func(raw []byte) string) string {
	if !EmbedsImages(html) {
		return html
	}
	var out strings.Builder
	done := 0
	for _, m := range embeddedImage.FindAllStringSubmatchIndex(html, -1) {
		raw, err := base64.StdEncoding.DecodeString(html[m[4]:m[5]])
		if err != nil {
			continue // no image
		}
		out.WriteString(html[done:m[2]])
		out.WriteString(with(raw))
		done = m[3]
	}
	if done == 0 {
		return html
	}
	out.WriteString(html[done:])
	return out.String()
}

// RichImages returns the Ids of the images that the HTML of a field of rich text shows, in their order; one that shows twice comes
// twice.
func RichImages(html string) []ID {
	var out []ID
	ReplaceRichImages(html, func(id ID, _ string) string {
		out = append(out, id)
		return ""
	})
	return out
}

// ReplaceRichImages returns the HTML with other addresses of its images; with gets the Id of an image and its address.
func ReplaceRichImages(html string, with func(id ID, address string) string) string {
	if !ShowsRichImages(html) {
		return html
	}
	var out strings.Builder
	done := 0
	for _, m := range richImage.FindAllStringSubmatchIndex(html, -1) {
		id, err := ParseID(html[m[4]:m[5]])
		if err != nil {
			continue // no Id: somebody wrote it
		}
		out.WriteString(html[done:m[2]])
		out.WriteString(with(id, html[m[2]:m[3]]))
		done = m[3]
	}
	if done == 0 {
		return html
	}
	out.WriteString(html[done:])
	return out.String()
}
