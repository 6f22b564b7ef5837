package component

import (
	"cmp"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Undoing is what it comes to when a change of one document is taken back from what the document is now.
type Undoing struct {
	Document  *Node        // what should be; nil when nothing should be there
	Parts     []PartChange // what changes in the document as it is now
	Conflicts []PartChange // what was changed, and again since: it stays as it is now
}

// Undo takes the change from before to after back from now, part by part: a part that is as the change
// left it becomes what it was before, one that somebody has changed since stays and is named as a
// conflict. A nil document is one that is not there. The documents are not changed.
//
// A part is an element at the top of a document, by what it is known by. Of elements whose order says
// something, the order is a part of its own.
func Undo(kind string, before, after, now *Node) Undoing {
	switch {
	case same(kind, before, after) || same(kind, before, now):
		return Undoing{Document: now}
	case same(kind, after, now):
		return Undoing{Document: before, Parts: Parts(kind, now.clone(), before.clone())}
	case before == nil, after == nil, now == nil:
		return Undoing{Document: now, Conflicts: []PartChange{{How: difference(before == nil, after == nil)}}}
	}
	u := undoing{kind: kind, rules: loadRules()[kind]}
	u.before, u.after = group(u.rules, kind, before.clone()), group(u.rules, kind, after.clone())
	u.now = group(u.rules, kind, now.clone())
	doc := &Node{Name: now.Name, Attrs: slices.Clone(now.Attrs), Text: now.Text, Nodes: slices.Clone(now.Nodes)}
	into := map[place][]*Node{} // what is to stand where
	var order []place
	for _, at := range u.places() {
		was, is := u.before[at], u.after[at]
		if equalAll(was, is) || equalAll(was, u.now[at]) || was == nil && hidden(u.now[at]) {
			continue
		}
		change := PartChange{at.element, at.key, difference(was == nil, is == nil)}
		if !equalAll(is, u.now[at]) {
			u.Conflicts = append(u.Conflicts, change)
			continue
		}
		into[at], order = nil, append(order, at)
	}
	// As they stand in the file: such as grant nothing are among them, because what was written down as not given is put back
	// as such.
	for _, n := range before.Nodes {
		at := u.place(n)
		if _, back := into[at]; back {
			into[at] = append(into[at], n)
		}
	}
	doc.Nodes = u.put(doc.Nodes, into, order)
	u.reorder(before, after, now, doc)
	u.Document, u.Parts = doc, Parts(kind, now.clone(), doc.clone())
	return u.Undoing
}

type undoing struct {
	Undoing
	kind               string
	rules              rulesOf
	before, after, now map[place][]*Node
}

func (u *undoing) place(n *Node) place {
	id := place{element: n.Name}
	if r, ok := u.rules[n.Name]; ok {
		id.key = r.key(n)
	}
	return id
}

// put puts parts where they stand already, or else behind the last element of their name, in one pass: profiles
// have hundreds of thousands of elements.
func (u *undoing) put(list []*Node, into map[place][]*Node, order []place) []*Node {
	out := make([]*Node, 0, len(list))
	stood := map[place]bool{}
	for _, n := range list {
		at := u.place(n)
		nodes, back := into[at]
		switch {
		case !back:
			out = append(out, n)
		case !stood[at]:
			stood[at] = true
			out = append(out, nodes...)
		}
	}
	fresh, names := map[string][]*Node{}, []string{}
	for _, at := range order {
		if stood[at] || len(into[at]) == 0 {
			continue
		}
		if fresh[at.element] == nil {
			names = append(names, at.element)
		}
		fresh[at.element] = append(fresh[at.element], into[at]...)
	}
	for _, name := range names {
		at := len(out)
		for i, n := range out {
			if n.Name == name {
				at = i + 1
			}
		}
		out = slices.Insert(out, at, fresh[name]...)
	}
	return out
}

// places returns where before and after have parts, in the order of element and key.
func (u *undoing) places() []place {
	var all []place
	for at := range u.before {
		all = append(all, at)
	}
	for at := range u.after {
		if u.before[at] == nil {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(strings.Compare(a.element, b.element), strings.Compare(a.key, b.key))
	})
	return all
}

// reorder puts ordered elements of doc into the order that they had before, where the change moved them
// and nobody has since.
func (u *undoing) reorder(before, after, now, doc *Node) {
	for _, element := range u.ordered() {
		r := u.rules[element]
		was, is := sequence(r, element, before), sequence(r, element, after)
		common := func(keys []string) []string {
			return slices.DeleteFunc(keys, func(k string) bool { return !slices.Contains(was, k) || !slices.Contains(is, k) })
		}
		moved := !slices.Equal(common(slices.Clone(was)), common(slices.Clone(is)))
		current := common(sequence(r, element, now))
		switch {
		case !moved || slices.Equal(current, common(slices.Clone(was))):
		case slices.Equal(current, common(slices.Clone(is))):
			rank := func(n *Node) int { return slices.Index(was, r.key(n)) }
			sortAmong(doc.Nodes, func(n *Node) bool { return n.Name == element && rank(n) >= 0 }, func(a, b *Node) int { return rank(a) - rank(b) })
		default:
			u.Conflicts = append(u.Conflicts, PartChange{element, "", Changed})
		}
	}
}

// ordered returns the elements at the top whose order says something, sorted.
func (u *undoing) ordered() []string {
	var out []string
	for element, r := range u.rules {
		if r.ordered && !strings.Contains(element, ".") {
			out = append(out, element)
		}
	}
	slices.Sort(out)
	return out
}

// replace puts nodes where those that match stood, or else behind the last element of that name.
func replace(list []*Node, element string, match func(*Node) bool, nodes []*Node) []*Node {
	at := slices.IndexFunc(list, match)
	rest := slices.DeleteFunc(list, match)
	if at < 0 {
		at = len(rest)
		for i, n := range rest {
			if n.Name == element {
				at = i + 1
			}
		}
	}
	return slices.Insert(rest, at, nodes...)
}

// sortAmong sorts the nodes that are chosen and leaves the others where they are.
func sortAmong(list []*Node, chosen func(*Node) bool, compare func(a, b *Node) int) {
	var at []int
	var nodes []*Node
	for i, n := range list {
		if chosen(n) {
			at, nodes = append(at, i), append(nodes, n)
		}
	}
	slices.SortStableFunc(nodes, compare)
	for i, n := range nodes {
		list[at[i]] = n
	}
}

func difference(wasMissing, isMissing bool) Difference {
	switch {
	case wasMissing:
		return Added
	case isMissing:
		return Removed
	}
	return Changed
}

func same(kind string, a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return equal(Order(kind, a.clone()), Order(kind, b.clone()))
}

func equalAll(a, b []*Node) bool { return slices.EqualFunc(a, b, equal) }

func (n *Node) clone() *Node {
	if n == nil {
		return nil
	}
	out := &Node{Name: n.Name, Attrs: slices.Clone(n.Attrs), Text: n.Text}
	for _, c := range n.Nodes {
		out.Nodes = append(out.Nodes, c.clone())
	}
	return out
}

// Part returns the elements of a document that are one part of it.
func Part(kind string, root *Node, element, key string) []*Node {
	r, keyed := loadRules()[kind][element]
	var out []*Node
	for _, n := range root.Nodes {
		if n.Name == element && (!keyed || r.key(n) == key) {
			out = append(out, n)
		}
	}
	return out
}

// tabHidden is the visibility of a tab that nobody sees: what a tab has that a profile does not mention.
// Source: Metadata API Developer Guide, Profile, ProfileTabVisibility; that not mentioned is hidden is unverified.
const tabHidden = "Hidden"

// hidden reports elements that say of tabs that nobody sees them.
func hidden(nodes []*Node) bool {
	for _, n := range nodes {
		if n.Name != "tabVisibilities" || n.Value("visibility") != tabHidden {
			return false
		}
	}
	return len(nodes) > 0
}

// Revoked returns an element that grants something as one that grants nothing, or nil where leaving an
// element out is all that can be done about it.
func Revoked(kind string, n *Node) *Node {
	r := loadRules()[kind][n.Name]
	if kind == "Profile" && n.Name == "tabVisibilities" {
		out := n.clone()
		for _, c := range out.Nodes {
			if c.Name == "visibility" {
				c.Text = tabHidden
			}
		}
		return out
	}
	if !r.grants {
		return nil
	}
	out := n.clone()
	for _, c := range out.Nodes {
		if c.Text == "true" && !slices.Contains(r.keys, c.Name) {
			c.Text = "false"
		}
	}
	return out
}

// ChildName returns the full name of a component that stands in the file of another: with the name of that
// before it, except for labels, which have one name in all the org.
// Source: Metadata API Developer Guide, CustomField, CustomLabels.
func ChildName(parent sf.ComponentKey, key string) string {
	if parent.Type == "CustomLabels" {
		return key
	}
	return parent.Name + "." + key
}
