package rollback

import (
	"fmt"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Restoring is the change that makes a component as a state held it: from there, to what it is now. Taken back
// it leaves alone what has been added since: fields and the like of an object, and what a profile grants beside.
// A component that is now not there is put back.
func Restoring(held, now *Component) Change {
	c := Change{Key: held.ComponentKey, Before: held, After: now, Now: now}
	if now == nil || len(held.Files) != 1 || len(now.Files) != 1 {
		return c
	}
	was, errWas := component.Parse(held.Files[0].Body)
	is, errIs := component.Parse(now.Files[0].Body)
	if errWas != nil || errIs != nil {
		return c // what is no document is taken as a whole
	}
	after := *now
	after.Files = []component.Entry{{Path: now.Files[0].Path, Body: component.Print(component.Without(held.Type, was, is))}}
	c.After = &after
	return c
}

// RestoringParts is the change that makes parts of a component as a state held them; the rest stays as it is now.
// Parts are components that stand in its file. The error names a part that the state does not hold.
func RestoringParts(held, now *Component, parts []sf.ComponentKey) (Change, error) {
	kind := component.Known().Kind(held.Type)
	if kind == nil || now == nil || len(held.Files) != 1 || len(now.Files) != 1 {
		return Change{}, fmt.Errorf("%s %s is not held in one file", held.Type, held.Name)
	}
	was, err := component.Parse(held.Files[0].Body)
	if err != nil {
		return Change{}, err
	}
	is, err := component.Parse(now.Files[0].Body)
	if err != nil {
		return Change{}, err
	}
	wanted := is
	for _, p := range parts {
		element, key := "", ""
		for _, child := range kind.Children {
			for _, n := range was.Nodes {
				if child.Name == p.Type && n.Name == child.Element && component.ChildName(held.ComponentKey, n.Value(child.Key)) == p.Name {
					element, key = child.Element, n.Value(child.Key)
				}
			}
		}
		if element == "" {
			return Change{}, fmt.Errorf("%s %s is not among what is held of %s %s", p.Type, p.Name, held.Type, held.Name)
		}
		wanted = component.With(held.Type, was, wanted, element, key)
	}
	before := *held
	before.Files = []component.Entry{{Path: now.Files[0].Path, Body: component.Print(wanted)}}
	return Change{Key: held.ComponentKey, Before: &before, After: now, Now: now}, nil
}
