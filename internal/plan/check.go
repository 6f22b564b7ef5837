package plan

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// check holds a plan from a file to what every plan from Order keeps, so that apply may rely on it
// whoever wrote the file. The rules are those of docs/format/plan.md, "Rules".
func check(p *Plan) error {
	if err := checkID(p.Org); err != nil {
		return err
	}
	if !ascending(p.Source.Only) {
		return fmt.Errorf("what the plan is about is not in order")
	}
	last := Op(0)
	seen := make(map[Op]map[sf.ID]bool)
	for i, s := range p.Steps {
		var err error
		switch {
		case s.Number != i+1:
			err = fmt.Errorf("number %d", s.Number)
		case s.Op < last:
			err = fmt.Errorf("%s after %s", s.Op, last)
		case s.Object == "":
			err = fmt.Errorf("no object")
		default:
			err = checkStep(s, seen)
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		last = s.Op
	}
	for id := range seen[Release] {
		if !seen[Update][id] && !seen[Delete][id] && !seen[HardDelete][id] {
			return fmt.Errorf("release of %s, which no later step changes", id)
		}
	}
	for i, c := range p.Conflicts {
		if err := checkID(c.ID); err != nil || c.Object == "" {
			return fmt.Errorf("conflict %d: not an object and a record Id", i+1)
		}
	}
	if _, err := sorted(p.Undo); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	if !slices.IsSortedFunc(p.Undo, state.Compare) {
		return fmt.Errorf("undo: changes out of order")
	}
	return nil
}

func checkID(id sf.ID) error {
	if parsed, err := sf.ParseID(string(id)); err != nil || parsed != id {
		return fmt.Errorf("%q is not a record Id of 18 characters", clip(string(id)))
	}
	return nil
}

func checkStep(s Step, seen map[Op]map[sf.ID]bool) error {
	if !ascending(s.Fields) || !ascending(s.Without) || (len(s.Without) > 0 && s.Op != Insert) {
		return fmt.Errorf("fields are not sorted names")
	}
	if seen[s.Op] == nil {
		seen[s.Op] = make(map[sf.ID]bool)
	}
	used := make(map[string]bool)
	for _, r := range s.Rows {
		if err := checkRow(s, r, seen); err != nil {
			return fmt.Errorf("row %q: %w", clip(string(r.ID)), err)
		}
		if !s.Op.Deletes() {
			for _, f := range r.Fields {
				used[f.Field] = true
			}
		}
	}
	// Only now, so that With names a record of an earlier step.
	for _, r := range s.Rows {
		if seen[s.Op][r.ID] {
			return fmt.Errorf("row %q comes twice", r.ID)
		}
		seen[s.Op][r.ID] = true
	}
	for _, f := range s.Fields {
		if !used[f] {
			return fmt.Errorf("no row sets the field %q", clip(f))
		}
	}
	return nil
}

func ascending(names []string) bool {
	for i, n := range names {
		if n == "" || n == "Id" || (i > 0 && n <= names[i-1]) {
			return false
		}
	}
	return true
}

// checkImages demands that the texts of the row show what it brings.
func checkImages(s Step, r Row) error {
	if len(r.Images) > 0 && s.Op != Update && s.Op != Second {
		return fmt.Errorf("%s with images", s.Op)
	}
	shown := map[sf.ID]bool{}
	for _, f := range r.Fields {
		if len(r.Images) > 0 {
			for _, id := range sf.RichImages(f.After.Text()) {
				shown[id] = true
			}
		}
	}
	for _, i := range r.Images {
		if err := checkID(i.Ref); err != nil || i.Body == "" || !shown[i.Ref] {
			return fmt.Errorf("image %q without bytes, or that no text of the row shows", clip(string(i.Ref)))
		}
	}
	return nil
}

func checkRow(s Step, r Row, seen map[Op]map[sf.ID]bool) error {
	if err := checkID(r.ID); err != nil {
		return err
	}
	switch {
	case r.With != "" && ((s.Op != Undelete && s.Op != Insert) || !seen[s.Op][r.With]):
		return fmt.Errorf("it cannot come back with %q", clip(string(r.With)))
	case (s.Op == Undelete || r.With != "") && len(r.Fields) > 0:
		return fmt.Errorf("it sets fields and is not sent")
	case s.Op == Release && r.Before.IsZero():
		return fmt.Errorf("release of a record that is not there")
	case (s.Op == Undelete || s.Op == Insert || s.Op == Second) && !r.Before.IsZero():
		return fmt.Errorf("%s of a record that is there", s.Op)
	case s.Op == Update && r.Before.IsZero() && !seen[Undelete][r.ID]:
		return fmt.Errorf("update of a record that is not there")
	case s.Op == Second && !seen[Insert][r.ID]:
		return fmt.Errorf("second pass of a record that no step inserts")
	case s.Op.Deletes() && r.Before.IsZero():
		return fmt.Errorf("deletion of a record that is not there")
	case s.Op == HardDelete && seen[Delete][r.ID]:
		return fmt.Errorf("it is deleted already")
	case s.Op.Updates() && len(r.Fields) == 0:
		return fmt.Errorf("it sets nothing")
	}
	if err := checkImages(s, r); err != nil {
		return err
	}
	for _, f := range r.Fields {
		_, listed := slices.BinarySearchFunc(s.Fields, f.Field, strings.Compare)
		switch {
		case s.Op.Deletes() && f.After.IsAbsent() && f.Field != "" && f.Field != "Id":
		case s.Op.Deletes():
			return fmt.Errorf("deletion sets the field %q", clip(f.Field))
		case !listed:
			return fmt.Errorf("the step does not list the field %q", clip(f.Field))
		case f.After.IsAbsent():
			return fmt.Errorf("the field %q is set to nothing", clip(f.Field))
		}
	}
	return nil
}
