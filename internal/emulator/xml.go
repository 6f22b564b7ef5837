package emulator

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// wantsXML reports a request of REST whose client asks for XML before JSON.
// Source: REST API Developer Guide, "REST Resources and Requests", Headers: Accept.
func wantsXML(r *http.Request, segments []string) bool {
	if len(segments) < 2 || segments[0] != "services" || segments[1] != "data" {
		return false
	}
	for kind := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		kind, _, _ = strings.Cut(kind, ";")
		switch strings.TrimSpace(kind) {
		case "application/xml":
			return true
		case "application/json", "*/*":
			return false
		}
	}
	return false
}

// rootOf names the element of a whole reply, and those within when the reply is a list.
//
// Source: a test of the official client (LimitsSnapshot), a recorded error (Errors, Error), and the types that Apache Camel
// reads: QueryResult, Versions, and the name of the object for records and describes. Result and
// what is not here are unverified.
func rootOf(method string, segments []string, status int) (root, item string) {
	const results, result = "Results", "Result"
	switch path := segments[min(3, len(segments)):]; {
	case status >= http.StatusBadRequest:
		return "Errors", "Error"
	case len(segments) == 2:
		return "Versions", "Version"
	case len(path) == 1 && path[0] == "limits":
		return "LimitsSnapshot", result
	case len(path) > 0 && (path[0] == "query" || path[0] == "queryAll"), len(path) == 2 && path[1] == "query":
		return "QueryResult", result
	case len(path) > 1 && path[0] == "sobjects" && method == http.MethodGet:
		return path[1], result
	case len(path) > 1 && path[0] == "sobjects":
		return result, result
	}
	return results, result
}

// inXML spells a JSON reply in XML: a member is an element of its name, a list repeats its element,
// attributes of a record are attributes, and null is nil.
// Source: the same, for records and lists; that null is xsi:nil is unverified.
func inXML(root, item string, body []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var b bytes.Buffer
	b.WriteString(xml.Header)
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("spell a reply in XML: %w", err)
	}
	if token == json.Delim('[') {
		b.WriteString("<" + root + instance + ">")
		if err := elements(&b, d, item); err != nil {
			return nil, fmt.Errorf("spell a reply in XML: %w", err)
		}
		b.WriteString("</" + root + ">")
		return b.Bytes(), nil
	}
	if err := xmlElement(&b, d, root, instance, token); err != nil {
		return nil, fmt.Errorf("spell a reply in XML: %w", err)
	}
	return b.Bytes(), nil
}

// instance declares the namespace of xsi:nil.
const instance = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`

// elements spells what is left of a list.
func elements(b *bytes.Buffer, d *json.Decoder, name string) error {
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		if err := xmlElement(b, d, name, "", token); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// xmlElement spells one value, whose first token has been read.
func xmlElement(b *bytes.Buffer, d *json.Decoder, name, attributes string, token json.Token) error {
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return elements(b, d, name)
		}
		return object(b, d, name, attributes)
	case nil:
		b.WriteString("<" + name + attributes + ` xsi:nil="true"/>`)
	default:
		b.WriteString("<" + name + attributes + ">")
		if err := xml.EscapeText(b, fmt.Append(nil, v)); err != nil {
			return err
		}
		b.WriteString("</" + name + ">")
	}
	return nil
}

// object spells what is left of an object.
func object(b *bytes.Buffer, d *json.Decoder, name, attributes string) error {
	b.WriteString("<" + name + attributes)
	open := true
	shut := func() {
		if open {
			b.WriteByte('>')
		}
		open = false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		member := elementName(fmt.Sprint(key))
		if member == "attributes" && open {
			var all map[string]any
			if err := d.Decode(&all); err != nil {
				return err
			}
			for _, a := range []string{"type", "url"} {
				if text, ok := all[a].(string); ok {
					b.WriteString(" " + a + `="`)
					if err := xml.EscapeText(b, []byte(text)); err != nil {
						return err
					}
					b.WriteByte('"')
				}
			}
			continue
		}
		shut()
		token, err := d.Token()
		if err != nil {
			return err
		}
		if err := xmlElement(b, d, member, "", token); err != nil {
			return err
		}
	}
	shut()
	b.WriteString("</" + name + ">")
	_, err := d.Token()
	return err
}

// elementName makes the name of a member one that an element can have.
func elementName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, name)
	if name == "" || !unicode.IsLetter([]rune(name)[0]) {
		name = "_" + name
	}
	return name
}
