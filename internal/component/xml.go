package component

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The namespaces of metadata documents.
const (
	Namespace = "http://soap.sforce.com/2006/04/metadata"
	xsiSpace  = "http://www.w3.org/2001/XMLSchema-instance"
	xsdSpace  = "http://www.w3.org/2001/XMLSchema"
	xmlSpace  = "http://www.w3.org/XML/1998/namespace"
)

// Limits of a document. A profile of an org with 40,000 fields has some 200,000 elements in 6 MB; the
// deepest documents, flows and layouts, some 20 levels.
const (
	maxDocument = 16 << 20
	maxDepth    = 100
	maxNodes    = 400_000
	maxAttrs    = 64 // of one element
)

// ErrXML marks a document that is refused: it is no XML, or uses what no metadata needs (a DTD,
// entities, another encoding), or exceeds a limit.
var ErrXML = errors.New("not a metadata document")

// Node is one element. It has either text or elements inside.
type Node struct {
	// Name is the local name of an element in Namespace, and {namespace}name of another.
	Name  string
	Attrs []Attr // sorted by name; declarations of namespaces are left out
	Text  string
	Nodes []*Node
}

// Attr is an attribute; its name is {namespace}name when it has a prefix.
type Attr struct{ Name, Value string }

// Child returns the first element of that name inside, or nil.
func (n *Node) Child(name string) *Node {
	for _, c := range n.Nodes {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Value returns the text of the first element of that name inside, or "".
func (n *Node) Value(name string) string {
	if c := n.Child(name); c != nil {
		return c.Text
	}
	return ""
}

// parser reads one document.
type parser struct {
	in    string
	at    int
	nodes int
	names map[string]string // interned
	space []binding         // in scope, innermost last
}

type binding struct {
	prefix, uri string
	depth       int
}

// Parse reads a document and returns its root element. Text beside elements, which is white space or, in
// real projects, a slip of the keyboard that the platform reads over, is dropped.
func Parse(raw []byte) (*Node, error) {
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrXML, len(raw), maxDocument)
	}
	p := &parser{in: strings.TrimPrefix(string(raw), "\ufeff"), names: map[string]string{}}
	if !utf8.ValidString(p.in) || strings.ContainsFunc(p.in, control) {
		return nil, fmt.Errorf("%w: not text in UTF-8", ErrXML)
	}
	root, err := p.document()
	if err != nil {
		return nil, fmt.Errorf("%w: byte %d: %w", ErrXML, p.at, err)
	}
	return root, nil
}

// control reports a character that XML does not have.
func control(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

// open is an element whose end tag has not come.
type open struct {
	node *Node
	tag  string // as written
	text strings.Builder
}

func (p *parser) document() (*Node, error) {
	var root *Node
	var stack []*open
	for p.at < len(p.in) {
		if p.in[p.at] != '<' {
			if err := p.text(stack); err != nil {
				return nil, err
			}
			continue
		}
		var err error
		switch rest := p.in[p.at:]; {
		case strings.HasPrefix(rest, "<?"):
			err = p.instruction()
		case strings.HasPrefix(rest, "<!--"):
			err = p.skip("<!--", "-->")
		case strings.HasPrefix(rest, "<![CDATA["):
			err = p.cdata(stack)
		case strings.HasPrefix(rest, "<!"):
			err = errors.New("a DTD")
		case strings.HasPrefix(rest, "</"):
			stack, err = p.end(stack)
		default:
			if root != nil && len(stack) == 0 {
				return nil, errors.New("a second root element")
			}
			var node *Node
			if node, stack, err = p.start(stack); root == nil {
				root = node
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if root == nil || len(stack) > 0 {
		return nil, errors.New("the document is cut off")
	}
	return root, nil
}

// skip passes over something that says nothing.
func (p *parser) skip(head, tail string) error {
	end := strings.Index(p.in[p.at+len(head):], tail)
	if end < 0 {
		return fmt.Errorf("%s without %s", head, tail)
	}
	p.at += len(head) + end + len(tail)
	return nil
}

// instruction passes over the declaration, whose encoding must be UTF-8, or another instruction.
func (p *parser) instruction() error {
	from := p.at
	if err := p.skip("<?", "?>"); err != nil {
		return err
	}
	text := strings.ToLower(p.in[from:p.at])
	if !strings.HasPrefix(text, "<?xml ") {
		return nil
	}
	if _, encoding, found := strings.Cut(text, "encoding="); found && !strings.HasPrefix(strings.Trim(encoding, `"' `), "utf-8") {
		return errors.New("an encoding other than UTF-8")
	}
	return nil
}

func (p *parser) cdata(stack []*open) error {
	from := p.at + len("<![CDATA[")
	if err := p.skip("<![CDATA[", "]]>"); err != nil {
		return err
	}
	if len(stack) == 0 {
		return errors.New("text outside the root element")
	}
	stack[len(stack)-1].text.WriteString(unbreak(p.in[from : p.at-len("]]>")]))
	return nil
}

// text takes the characters up to the next tag.
func (p *parser) text(stack []*open) error {
	end := strings.IndexByte(p.in[p.at:], '<')
	if end < 0 {
		end = len(p.in) - p.at
	}
	raw := p.in[p.at : p.at+end]
	if len(stack) == 0 {
		if strings.TrimLeft(raw, " \t\r\n") != "" {
			return errors.New("text outside the root element")
		}
		p.at += end
		return nil
	}
	text, err := unescape(raw)
	if err != nil {
		return err
	}
	p.at += end
	if top := stack[len(stack)-1]; len(top.node.Nodes) == 0 {
		top.text.WriteString(text)
	}
	return nil
}

func (p *parser) end(stack []*open) ([]*open, error) {
	shut := strings.IndexByte(p.in[p.at:], '>')
	if shut < 0 || len(stack) == 0 {
		return nil, errors.New("an end tag out of place")
	}
	top := stack[len(stack)-1]
	if strings.TrimRight(p.in[p.at+2:p.at+shut], " \t\r\n") != top.tag {
		return nil, fmt.Errorf("the end tag of %.60q is missing", top.tag)
	}
	p.at += shut + 1
	if len(top.node.Nodes) == 0 {
		top.node.Text = top.text.String()
	}
	p.leave(len(stack))
	return stack[:len(stack)-1], nil
}

// leave drops the namespaces that an element at that depth has declared.
func (p *parser) leave(depth int) {
	for len(p.space) > 0 && p.space[len(p.space)-1].depth >= depth {
		p.space = p.space[:len(p.space)-1]
	}
}

// start reads a start tag.
func (p *parser) start(stack []*open) (*Node, []*open, error) {
	if p.nodes++; p.nodes > maxNodes {
		return nil, nil, fmt.Errorf("more than %d elements", maxNodes)
	}
	depth := len(stack) + 1
	if depth > maxDepth {
		return nil, nil, fmt.Errorf("more than %d levels", maxDepth)
	}
	p.at++
	tag := p.name()
	if tag == "" {
		return nil, nil, errors.New("a tag without a name")
	}
	attrs, empty, err := p.attributes(depth)
	if err != nil {
		return nil, nil, err
	}
	node := &Node{}
	if node.Name, err = p.qualify(tag, true); err != nil {
		return nil, nil, err
	}
	if node.Attrs, err = p.qualifyAttrs(attrs); err != nil {
		return nil, nil, err
	}
	if len(stack) > 0 {
		if bare := func(n *Node) bool { return strings.HasPrefix(n.Name, "{}") }; bare(node) != bare(stack[0].node) {
			return nil, nil, errors.New("elements with and without a namespace")
		}
		parent := stack[len(stack)-1]
		parent.text.Reset()
		parent.node.Nodes = append(parent.node.Nodes, node)
	}
	if empty {
		p.leave(depth)
		return node, stack, nil
	}
	return node, append(stack, &open{node: node, tag: tag}), nil
}

// name reads a name as it is written.
func (p *parser) name() string {
	from := p.at
	for p.at < len(p.in) && !strings.ContainsRune(" \t\r\n/>=<'\"&?!", rune(p.in[p.at])) {
		p.at++
	}
	return p.in[from:p.at]
}

func (p *parser) white() bool {
	from := p.at
	for p.at < len(p.in) && strings.IndexByte(" \t\r\n", p.in[p.at]) >= 0 {
		p.at++
	}
	return p.at > from
}

// attributes reads up to the end of a start tag. Declarations of namespaces come into force at once.
func (p *parser) attributes(depth int) (attrs []Attr, empty bool, err error) {
	for {
		spaced := p.white()
		rest := p.in[p.at:]
		switch {
		case strings.HasPrefix(rest, ">"):
			p.at++
			return attrs, false, nil
		case strings.HasPrefix(rest, "/>"):
			p.at += 2
			return attrs, true, nil
		case !spaced:
			return nil, false, errors.New("a broken tag")
		}
		name := p.name()
		p.white()
		if name == "" || p.at >= len(p.in) || p.in[p.at] != '=' {
			return nil, false, errors.New("a broken attribute")
		}
		p.at++
		p.white()
		value, err := p.quoted()
		if err != nil {
			return nil, false, err
		}
		if len(attrs)+len(p.space) >= maxAttrs {
			return nil, false, fmt.Errorf("more than %d attributes", maxAttrs)
		}
		if slices.ContainsFunc(attrs, func(a Attr) bool { return a.Name == name }) {
			return nil, false, errors.New("an attribute that occurs twice")
		}
		if prefix, isSpace := strings.CutPrefix(name, "xmlns:"); isSpace || name == "xmlns" {
			if !isSpace {
				prefix = ""
			}
			p.space = append(p.space, binding{prefix, value, depth})
			continue
		}
		attrs = append(attrs, Attr{name, value})
	}
}

func (p *parser) quoted() (string, error) {
	if p.at >= len(p.in) || p.in[p.at] != '"' && p.in[p.at] != '\'' {
		return "", errors.New("an attribute without quotes")
	}
	end := strings.IndexByte(p.in[p.at+1:], p.in[p.at])
	if end < 0 {
		return "", errors.New("an attribute without an end")
	}
	raw := p.in[p.at+1 : p.at+1+end]
	if strings.Contains(raw, "<") {
		return "", errors.New("a < in an attribute")
	}
	p.at += end + 2
	return unescape(raw)
}

// qualify resolves the prefix of a name. An element without one is in the default namespace.
func (p *parser) qualify(written string, element bool) (string, error) {
	prefix, local, found := strings.Cut(written, ":")
	if !found {
		prefix, local = "", written
	}
	if local == "" || found && prefix == "" || strings.Contains(local, ":") {
		return "", fmt.Errorf("the name %.60q", written)
	}
	if !found && !element {
		return p.intern(local), nil
	}
	uri, err := p.lookup(prefix)
	if err != nil {
		return "", err
	}
	if uri == Namespace && element {
		return p.intern(local), nil
	}
	return p.intern("{" + uri + "}" + local), nil
}

func (p *parser) lookup(prefix string) (string, error) {
	for i := len(p.space) - 1; i >= 0; i-- {
		if p.space[i].prefix == prefix {
			return p.space[i].uri, nil
		}
	}
	switch prefix {
	case "":
		return "", nil
	case "xml":
		return xmlSpace, nil
	}
	return "", fmt.Errorf("the prefix %.60q is not declared", prefix)
}

func (p *parser) intern(name string) string {
	if known, ok := p.names[name]; ok {
		return known
	}
	p.names[name] = name
	return name
}

// typeAttr is the one attribute whose value is a name with a prefix, too.
const typeAttr = "{" + xsiSpace + "}type"

func (p *parser) qualifyAttrs(attrs []Attr) ([]Attr, error) {
	for i, a := range attrs {
		name, err := p.qualify(a.Name, false)
		if err != nil {
			return nil, err
		}
		attrs[i].Name = name
		if prefix, local, found := strings.Cut(a.Value, ":"); name == typeAttr && found {
			if uri, err := p.lookup(prefix); err == nil && uri == xsdSpace {
				attrs[i].Value = "xsd:" + local
			}
		}
	}
	slices.SortFunc(attrs, func(a, b Attr) int { return strings.Compare(a.Name, b.Name) })
	return attrs, nil
}

// unbreak gives line ends the form in which XML hands them on.
func unbreak(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

var entities = map[string]string{"lt": "<", "gt": ">", "amp": "&", "quot": `"`, "apos": "'"}

// unescape resolves the references of XML itself and refuses all others.
func unescape(s string) (string, error) {
	if s = unbreak(s); strings.IndexByte(s, '&') < 0 {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		b.WriteString(s[:i])
		name, rest, found := strings.Cut(s[i+1:], ";")
		if !found || len(name) > 8 {
			return "", errors.New("a broken reference")
		}
		if text, ok := entities[name]; ok {
			b.WriteString(text)
		} else if r, ok := character(name); ok {
			b.WriteRune(r)
		} else {
			return "", fmt.Errorf("the entity %.20q", name)
		}
		s = rest
	}
}

// character reads the number of a character.
func character(name string) (rune, bool) {
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, false
	}
	base := 10
	if hex, isHex := strings.CutPrefix(digits, "x"); isHex {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	r := rune(n)
	ok = err == nil && utf8.ValidRune(r) && !control(r)
	return r, ok
}
