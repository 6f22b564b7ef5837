package component_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/component"
)

// edited draws a document that differs from another in some elements: removed, added, or written anew.
func edited(t *rapid.T, kind string, from *component.Node, label string) *component.Node {
	out := mustParse(t, component.Print(from))
	out.Nodes = slices.DeleteFunc(out.Nodes, func(*component.Node) bool { return rapid.IntRange(0, 3).Draw(t, label+" drop") == 0 })
	return &component.Node{Name: out.Name, Nodes: append(out.Nodes, document(t, kind).Nodes...)}
}

func meansTheSame(kind string, a, b *component.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, _ := component.Canonical(kind, component.Print(a))
	y, _ := component.Canonical(kind, component.Print(b))
	return string(x) == string(y)
}

// TestLawUndoTakesBackAll: where nobody worked since, what was there before is there again.
func TestLawUndoTakesBackAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		before := document(t, kind)
		after := edited(t, kind, before, "after")
		u := component.Undo(kind, before, after, after)
		if !meansTheSame(kind, u.Document, before) || len(u.Conflicts) > 0 {
			t.Fatalf("%v\n%s\nwanted\n%s", u.Conflicts, component.Print(u.Document), component.Print(before))
		}
	})
}

// TestLawUndoKeepsLaterWork: undoing never changes a part that somebody has changed since (law 5), changes
// nothing that the change did not touch, and does nothing the second time (law 4).
func TestLawUndoKeepsLaterWork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		before := document(t, kind)
		after := edited(t, kind, before, "after")
		now := edited(t, kind, after, "now")
		printed := string(component.Print(now))
		u := component.Undo(kind, before, after, now)
		if string(component.Print(now)) != printed {
			t.Fatal("the document as it is now was written into")
		}
		changed := component.Parts(kind, before, after)
		later := component.Parts(kind, after, now)
		has := func(list []component.PartChange, p component.PartChange) bool {
			return slices.ContainsFunc(list, func(o component.PartChange) bool {
				return o.Element == p.Element && (o.Key == p.Key || o.Key == "" || p.Key == "")
			})
		}
		for _, p := range u.Parts {
			if !has(changed, p) {
				t.Fatalf("%v was not in the change %v", p, changed)
			}
			exact := slices.ContainsFunc(later, func(o component.PartChange) bool { return o.Element == p.Element && o.Key == p.Key })
			if exact && p.Key != "" {
				t.Fatalf("%v was changed since (%v), and is not a conflict", p, later)
			}
		}
		for _, p := range u.Conflicts {
			if p.Element != "" && !has(later, p) {
				t.Fatalf("%v is a conflict, and nobody changed it: %v", p, later)
			}
		}
		again := component.Undo(kind, before, after, u.Document)
		if !meansTheSame(kind, again.Document, u.Document) {
			t.Fatalf("undone twice: %v\n%s\n%s", again.Parts, component.Print(u.Document), component.Print(again.Document))
		}
	})
}

// TestUndoOfWholeDocuments: what a change made goes, what it removed comes back, and what somebody has
// changed since stays.
func TestUndoOfWholeDocuments(t *testing.T) {
	doc := func(s string) *component.Node {
		return mustParse(t, []byte(`<Layout xmlns="`+component.Namespace+`">`+s+`</Layout>`))
	}
	a, b := doc("<label>a</label>"), doc("<label>b</label>")
	for name, c := range map[string]struct {
		before, after, now, want *component.Node
		conflicts                int
	}{
		"made, and still so":           {nil, a, a, nil, 0},
		"made, and gone since":         {nil, a, nil, nil, 0},
		"made, and changed since":      {nil, a, b, b, 1},
		"removed":                      {a, nil, nil, a, 0},
		"removed, and made anew since": {a, nil, b, b, 1},
		"removed, and back already":    {a, nil, a, a, 0},
		"changed, and removed since":   {a, b, nil, nil, 1},
		"never touched":                {a, a, b, b, 0},
	} {
		u := component.Undo("Layout", c.before, c.after, c.now)
		if !meansTheSame("Layout", u.Document, c.want) || len(u.Conflicts) != c.conflicts {
			t.Errorf("%s: %v, %v", name, u.Document, u.Conflicts)
		}
	}
}

// TestUndoPutsOrderBack: picklist values that a change moved stand where they stood, with the one that
// somebody added since.
func TestUndoPutsOrderBack(t *testing.T) {
	doc := func(values string) *component.Node {
		var b strings.Builder
		for _, v := range strings.Fields(values) {
			b.WriteString("<customValue><fullName>" + v + "</fullName></customValue>")
		}
		return mustParse(t, []byte(`<GlobalValueSet xmlns="`+component.Namespace+`">`+b.String()+`</GlobalValueSet>`))
	}
	u := component.Undo("GlobalValueSet", doc("A B C"), doc("C B A"), doc("C B A D"))
	if !meansTheSame("GlobalValueSet", u.Document, doc("A B C D")) || len(u.Conflicts) > 0 {
		t.Errorf("%v\n%s", u.Conflicts, component.Print(u.Document))
	}
	u = component.Undo("GlobalValueSet", doc("A B C"), doc("C B A"), doc("B C A"))
	if !meansTheSame("GlobalValueSet", u.Document, doc("B C A")) || len(u.Conflicts) != 1 {
		t.Errorf("moved again: %v\n%s", u.Conflicts, component.Print(u.Document))
	}
}

// Undo of a profile that a release changed in many places takes time in proportion to its size.
func TestUndoOfLargeDocumentsIsNotQuadratic(t *testing.T) {
	t.Parallel()
	const elements, changed = 20_000, 10_000
	profile := func(from string) *component.Node {
		doc := &component.Node{Name: "Profile"}
		for i := range elements {
			edit := "true"
			if i < changed {
				edit = from
			}
			doc.Nodes = append(doc.Nodes, &component.Node{Name: "fieldPermissions", Nodes: []*component.Node{
				{Name: "editable", Text: edit}, {Name: "field", Text: fmt.Sprintf("A.F%d", i)}, {Name: "readable", Text: "true"},
			}})
		}
		return doc
	}
	now := profile("false")
	now.Nodes[elements-1].Nodes[0].Text = "false" // somebody's later work
	begin := time.Now()
	u := component.Undo("Profile", profile("true"), profile("false"), now)
	if len(u.Parts) != changed || len(u.Conflicts) != 0 || len(u.Document.Nodes) != elements {
		t.Errorf("%d parts, %d conflicts", len(u.Parts), len(u.Conflicts))
	}
	if took := time.Since(begin); took > 30*time.Second { // quadratic, it takes minutes
		t.Errorf("it took %s", took)
	}
}
