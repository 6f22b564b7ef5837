package soap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// maxDepth bounds the nesting of a request, and maxElements its elements, each of which takes more memory
// than text does. The platform's own bounds are not published; 200 records of 800 fields are a third of it.
const (
	maxDepth    = 64
	maxElements = 500_000
)

// node is one element of a request, known by its local name.
type node struct {
	name     string
	text     string
	kind     string // local part of xsi:type
	null     bool   // xsi:nil
	children []*node
}

// child returns the first child with one of the names, without regard to case; nil when there is
// none. It may be called on nil.
func (n *node) child(names ...string) *node {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		for _, name := range names {
			if strings.EqualFold(c.name, name) {
				return c
			}
		}
	}
	return nil
}

// all returns the children of that name.
func (n *node) all(name string) []*node {
	if n == nil {
		return nil
	}
	var list []*node
	for _, c := range n.children {
		if strings.EqualFold(c.name, name) {
			list = append(list, c)
		}
	}
	return list
}

// value returns the text of the first child with one of the names, without surrounding blanks.
func (n *node) value(names ...string) string {
	c := n.child(names...)
	if c == nil {
		return ""
	}
	return strings.TrimSpace(c.text)
}

// values returns the texts of all children of that name.
func (n *node) values(name string) []string {
	var list []string
	for _, c := range n.all(name) {
		list = append(list, strings.TrimSpace(c.text))
	}
	return list
}

// flag reads a boolean child, which is false when it is absent.
func (n *node) flag(name string) bool {
	v := n.value(name)
	return v == "true" || v == "1"
}

var errXML = errors.New("the request is not an XML document")

// parse reads a document. Entities other than the five of XML are refused by the decoder, so that no
// document can grow in memory.
func parse(text []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	root := &node{}
	stack := []*node{root}
	var texts [maxDepth + 1][]byte // of the stack: comments and CDATA cut a text into pieces
	elements := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if elements++; len(stack) > maxDepth || elements > maxElements {
				return nil, errXML
			}
			n := &node{name: t.Name.Local}
			for _, a := range t.Attr {
				if a.Name.Local == "type" && strings.Contains(a.Name.Space, "XMLSchema-instance") {
					_, n.kind, _ = strings.Cut(a.Value, ":")
				}
				n.null = n.null || a.Name.Local == "nil" && (a.Value == "true" || a.Value == "1")
			}
			top.children = append(top.children, n)
			texts[len(stack)] = texts[len(stack)][:0]
			stack = append(stack, n)
		case xml.EndElement:
			top.text = string(texts[len(stack)-1])
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(top.children) == 0 && len(stack) > 1 {
				texts[len(stack)-1] = append(texts[len(stack)-1], t...)
			}
		}
	}
	if len(root.children) != 1 {
		return nil, errXML
	}
	return root.children[0], nil
}
