package component

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// Print writes a document as the platform does: four spaces a level, and each element on a line.
func Print(root *Node) []byte {
	w := &printer{spaces: map[string]string{}}
	w.gather(root)
	w.b.WriteString(xmlHead)
	w.element(root, 0)
	return w.b.Bytes()
}

// printer writes one document, with its namespaces declared at the root.
type printer struct {
	b      bytes.Buffer
	spaces map[string]string // prefixes by namespace
	types  bool              // a value names a type of XML Schema
}

var prefixes = map[string]string{xsiSpace: "xsi", xsdSpace: "xsd", xmlSpace: "xml"}

func (w *printer) gather(n *Node) {
	w.need(n.Name)
	for _, a := range n.Attrs {
		w.need(a.Name)
		w.types = w.types || a.Name == typeAttr && strings.HasPrefix(a.Value, "xsd:")
	}
	for _, c := range n.Nodes {
		w.gather(c)
	}
}

func (w *printer) need(name string) {
	uri, _, found := strings.Cut(strings.TrimPrefix(name, "{"), "}")
	if !found || uri == "" || w.spaces[uri] != "" {
		return
	}
	prefix := prefixes[uri]
	if prefix == "" {
		prefix = fmt.Sprintf("ns%d", len(w.spaces)+1)
	}
	w.spaces[uri] = prefix
}

// written is a name with its prefix.
func (w *printer) written(name string) string {
	uri, local, found := strings.Cut(strings.TrimPrefix(name, "{"), "}")
	if !found {
		return name
	}
	if uri == "" {
		return local
	}
	return w.spaces[uri] + ":" + local
}

func (w *printer) element(n *Node, level int) {
	indent := strings.Repeat("    ", level)
	tag := w.written(n.Name)
	w.b.WriteString(indent + "<" + tag)
	if level == 0 {
		w.declare(n)
	}
	for _, a := range n.Attrs {
		w.b.WriteString(" " + w.written(a.Name) + `="`)
		escape(&w.b, a.Value, true)
		w.b.WriteByte('"')
	}
	if len(n.Nodes) == 0 {
		if n.Text == "" {
			w.b.WriteString("/>\n")
			return
		}
		w.b.WriteByte('>')
		escape(&w.b, n.Text, false)
		w.b.WriteString("</" + tag + ">\n")
		return
	}
	w.b.WriteString(">\n")
	for _, c := range n.Nodes {
		w.element(c, level+1)
	}
	w.b.WriteString(indent + "</" + tag + ">\n")
}

// declare writes the declarations of namespaces.
func (w *printer) declare(root *Node) {
	if !strings.HasPrefix(root.Name, "{}") {
		w.b.WriteString(` xmlns="` + Namespace + `"`)
	}
	if w.types && w.spaces[xsdSpace] == "" {
		w.spaces[xsdSpace] = "xsd"
	}
	uris := make([]string, 0, len(w.spaces))
	for uri := range w.spaces {
		if uri != xmlSpace {
			uris = append(uris, uri)
		}
	}
	slices.SortFunc(uris, func(a, b string) int { return strings.Compare(w.spaces[a], w.spaces[b]) })
	for _, uri := range uris {
		w.b.WriteString(" xmlns:" + w.spaces[uri] + `="`)
		escape(&w.b, uri, true)
		w.b.WriteByte('"')
	}
}

// escape writes text so that reading it gives the same text again, in the spelling of the platform.
func escape(b *bytes.Buffer, s string, attribute bool) {
	from := 0
	for i := range len(s) {
		var as string
		switch c := s[i]; {
		case c == '&':
			as = "&amp;"
		case c == '<':
			as = "&lt;"
		case c == '>':
			as = "&gt;"
		case c == '"':
			as = "&quot;"
		case c == '\'':
			as = "&apos;"
		case c == '\r':
			as = "&#xD;"
		case c == '\n' && attribute:
			as = "&#xA;"
		case c == '\t' && attribute:
			as = "&#x9;"
		default:
			continue
		}
		b.WriteString(s[from:i] + as)
		from = i + 1
	}
	b.WriteString(s[from:])
}
