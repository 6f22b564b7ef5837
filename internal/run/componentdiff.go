package run

import (
	"context"
	"slices"
	"strings"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/snapshot"
)

// ComponentDiff is one component that differs between two snapshots.
type ComponentDiff struct {
	Type       string     `json:"type"`                // metadata type
	Name       string     `json:"name"`                // full name
	How        string     `json:"how"`                 // added, removed or changed
	ModifiedBy string     `json:"modified_by"`         // full name of who changed it last, as the org says; empty when it was removed
	Modified   time.Time  `json:"modified,omitzero"`   // when, as the org says, server time
	Installed  bool       `json:"installed,omitempty"` // it is of a managed package
	Parts      []PartDiff `json:"parts"`               // what differs inside, of one that changed
	Status     string     `json:"status,omitempty"`    // of a flow whose status changed: the new one
}

// PartDiff is one difference inside a component, such as one field of an object.
type PartDiff struct {
	File    string `json:"file,omitempty"` // path of the file, when it is not a document whose elements are compared
	Element string `json:"element"`        // such as fieldPermissions; empty for a file
	Key     string `json:"key,omitempty"`  // what the element is known by, such as Account.Region__c
	How     string `json:"how"`            // added, removed or changed

	Values []ValueDiff `json:"values,omitempty"` // that differ inside it, of one that changed
}

// ValueDiff is one value inside a part that differs.
type ValueDiff struct {
	Path   string `json:"path,omitempty"`   // names of elements with dots between, such as connector.targetReference
	Before string `json:"before,omitempty"` // empty: none
	After  string `json:"after,omitempty"`  // empty: none
}

// maxValueText bounds a value that is shown in a difference, in characters: a formula has thousands.
const maxValueText = 500

func valueDiffs(kind string, before, after *component.Node, p component.PartChange) []ValueDiff {
	if p.How != component.Changed {
		return nil
	}
	short := func(s string) string {
		if r := []rune(s); len(r) > maxValueText {
			return string(r[:maxValueText]) + "…"
		}
		return s
	}
	var out []ValueDiff
	for _, v := range component.Inside(kind, before, after, p.Element, p.Key) {
		out = append(out, ValueDiff{v.Path, short(v.Before), short(v.After)})
	}
	return out
}

// diffKind compares the components of one type. Those of which only the date or the author differs are the same.
func diffKind(ctx context.Context, in DiffInput, before, after *snapshot.Snapshot, kind string, out *DiffResult) error {
	name := snapshot.Components.Name(kind)
	_, heldA := wholePart(before, name)
	_, heldB := wholePart(after, name)
	switch {
	case !heldA && !heldB:
		out.Objects = append(out.Objects, DiffRow{Object: name, Note: "neither snapshot holds it"})
		return nil
	case !heldA:
		out.Objects = append(out.Objects, DiffRow{Object: name, Note: "only the later snapshot holds it"})
		return nil
	case !heldB:
		out.Objects = append(out.Objects, DiffRow{Object: name, Note: "only the earlier snapshot holds it"})
		return nil
	}
	var touched []touch
	err := diffComponents(ctx, before, after, kind, func(t touch) error {
		touched = append(touched, t)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(touched, func(a, b touch) int { return a.key().Compare(b.key()) })
	found := 0
	for _, t := range touched {
		row, differs, err := componentDiff(ctx, in.Store, t)
		if err != nil {
			return err
		}
		if differs {
			out.Components = append(out.Components, row)
			found++
		}
	}
	if found == 0 {
		out.Same++
	}
	return nil
}

// componentDiff says how one component differs, and whether it does.
func componentDiff(ctx context.Context, store *snapshot.Store, t touch) (ComponentDiff, bool, error) {
	row := ComponentDiff{Type: t.key().Type, Name: t.key().Name, How: string(t.how()), Parts: []PartDiff{}}
	if t.after != nil {
		row.ModifiedBy, row.Modified, row.Installed = t.after.ModifiedBy, t.after.Modified, t.after.Installed()
	} else {
		row.Installed = t.before.Installed()
	}
	if t.how() != component.Changed {
		return row, true, nil
	}
	if t.before.Status != t.after.Status {
		row.Status = t.after.Status
	}
	if t.before.Sum == t.after.Sum || t.before.Content == "" {
		return row, row.Status != "", nil
	}
	a, err := componentFiles(ctx, store, *t.before)
	if err != nil {
		return row, false, err
	}
	b, err := componentFiles(ctx, store, *t.after)
	if err != nil {
		return row, false, err
	}
	row.Parts = fileDiffs(row.Type, a, b)
	return row, true, nil
}

// fileDiffs compares the files of a component.
func fileDiffs(kind string, before, after []component.Entry) []PartDiff {
	out := []PartDiff{}
	bodies := map[string][2][]byte{}
	for i, files := range [][]component.Entry{before, after} {
		for _, f := range files {
			both := bodies[f.Path]
			both[i] = append([]byte{}, f.Body...)
			bodies[f.Path] = both
		}
	}
	for path, both := range bodies {
		switch {
		case both[0] == nil:
			out = append(out, PartDiff{File: path, How: string(component.Added)})
			continue
		case both[1] == nil:
			out = append(out, PartDiff{File: path, How: string(component.Removed)})
			continue
		}
		a, errA := component.Parse(both[0])
		b, errB := component.Parse(both[1])
		if errA != nil || errB != nil {
			if string(both[0]) != string(both[1]) {
				out = append(out, PartDiff{File: path, How: string(component.Changed)})
			}
			continue
		}
		for _, p := range component.Parts(kind, a, b) {
			d := PartDiff{Element: p.Element, Key: p.Key, How: string(p.How), Values: valueDiffs(kind, a, b, p)}
			if len(bodies) > 1 {
				d.File = path
			}
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b PartDiff) int {
		return strings.Compare(a.File+"\x00"+a.Element+"\x00"+a.Key, b.File+"\x00"+b.Element+"\x00"+b.Key)
	})
	return out
}
