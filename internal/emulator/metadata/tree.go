package metadata

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of one XML file, against files made to exhaust the reader. The platform's own are not
// published; real components stay below a tenth of them.
const (
	maxDepth    = 128
	maxElements = 1 << 20
)

// element is one element of a metadata file. One with elements below it has no text of its own:
// metadata files have no mixed content.
type element struct {
	name   string
	attrs  []xml.Attr
	text   string
	kids   []*element
	line   int
	column int
}

// namespaces of attributes, and the prefixes under which the platform writes them.
const (
	metadataSpace = "http://soap.sforce.com/2006/04/metadata"
	instanceSpace = "http://www.w3.org/2001/XMLSchema-instance"
	schemaSpace   = "http://www.w3.org/2001/XMLSchema"
)

// parseXML reads a file. A document type is refused, and with it all entities.
func parseXML(raw []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))))
	var root *element
	var stack []*element
	var texts [maxDepth][]byte // of the stack: comments and CDATA cut a text into pieces
	count := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntax(d, err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, errors.New("a DOCTYPE is not allowed in content")
		case xml.StartElement:
			if count++; len(stack) >= maxDepth || count > maxElements {
				return nil, errors.New("the document is too deep or too large")
			}
			e := &element{name: t.Name.Local}
			e.line, e.column = d.InputPos()
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					e.attrs = append(e.attrs, a)
				}
			}
			if len(stack) > 0 {
				top := stack[len(stack)-1]
				top.kids = append(top.kids, e)
			} else if root == nil {
				root = e
			}
			texts[len(stack)] = texts[len(stack)][:0]
			stack = append(stack, e)
		case xml.EndElement:
			if top := stack[len(stack)-1]; len(top.kids) == 0 {
				top.text = string(texts[len(stack)-1])
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 && len(stack[len(stack)-1].kids) == 0 {
				texts[len(stack)-1] = append(texts[len(stack)-1], t...)
			}
		}
	}
	if root == nil {
		return nil, errors.New("premature end of file")
	}
	return root, nil
}

// kid returns the first element below with that name; nil when there is none.
func (e *element) kid(name string) *element {
	for _, k := range e.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// value returns the text of the first element below with that name.
func (e *element) value(name string) string {
	if k := e.kid(name); k != nil {
		return strings.TrimSpace(k.text)
	}
	return ""
}

// escapes are those that the platform writes.
var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;", "\r", "&#xD;")

// write prints the element as a retrieve does: four spaces a level, texts as they are.
func (e *element) write(b *strings.Builder, level int) {
	indent := strings.Repeat("    ", level)
	b.WriteString(indent + "<" + e.name)
	for _, a := range e.attrs {
		name := a.Name.Local
		switch a.Name.Space {
		case instanceSpace:
			name = "xsi:" + name
		case "":
		default:
			continue // of a schema that the platform does not know
		}
		b.WriteString(" " + name + `="` + escapes.Replace(a.Value) + `"`)
	}
	if len(e.kids) == 0 {
		b.WriteString(">" + escapes.Replace(e.text) + "</" + e.name + ">\n")
		return
	}
	b.WriteString(">\n")
	for _, k := range e.kids {
		k.write(b, level+1)
	}
	b.WriteString(indent + "</" + e.name + ">\n")
}

// print returns the element at one level of indentation, which is where it stands in its file.
func (e *element) print() string {
	var b strings.Builder
	e.write(&b, 1)
	return b.String()
}

// document puts printed elements into a file with that root element.
func document(root string, attrs []xml.Attr, inner string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s xmlns=\"%s\"", root, metadataSpace)
	if strings.Contains(inner, " xsi:") {
		fmt.Fprintf(&b, ` xmlns:xsi="%s"`, instanceSpace)
	}
	if strings.Contains(inner, `"xsd:`) {
		fmt.Fprintf(&b, ` xmlns:xsd="%s"`, schemaSpace)
	}
	for _, a := range attrs {
		if a.Name.Space == "" {
			fmt.Fprintf(&b, ` %s="%s"`, a.Name.Local, escapes.Replace(a.Value))
		}
	}
	b.WriteString(">\n" + inner + "</" + root + ">\n")
	return []byte(b.String())
}

// normal returns the file as the platform gives it back: the same elements and texts without
// comments, in its own layout.
func (e *element) normal() []byte {
	var b strings.Builder
	for _, k := range e.kids {
		k.write(&b, 1)
	}
	return document(e.name, e.attrs, b.String())
}

// syntax says where a document stops being XML, without the words of the reader. The platform's are unverified.
func syntax(d *xml.Decoder, err error) error {
	line, column := d.InputPos()
	if e, ok := errors.AsType[*xml.SyntaxError](err); ok {
		line = e.Line
	}
	return fmt.Errorf("the document is not well-formed at line %d, column %d", line, column)
}
