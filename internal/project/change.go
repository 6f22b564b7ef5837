package project

import (
	"context"
	"slices"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Change is what a deployment is made of.
type Change struct {
	Source  string // where it was read, for people
	Range   string // of a revert, how the same is named as git:FROM..TO:FOLDER
	Version string // of the API; "" where nothing says it
	Package component.Package
	First   []sf.ComponentKey // deleted before anything is deployed, sorted
	Foreign []string          // paths of files that belong to no component that is known, sorted
}

// Change is the project as a deployment: all of its components, and its destructive changes.
func (p Project) Change() Change {
	c := Change{Source: p.Source, Version: p.Version, First: p.DeletedFirst, Foreign: p.Foreign, Package: component.Package{Files: p.Files, Deleted: p.Deleted, Members: p.members}}
	if len(c.Package.Members) == 0 {
		for key, files := range p.Components() {
			c.Package.Members = append(c.Package.Members, component.Members(key, files)...)
		}
	}
	slices.SortFunc(c.Package.Members, sf.ComponentKey.Compare)
	c.Package.Members = slices.Compact(c.Package.Members)
	return c
}

// Range is what makes a folder of a Git repository at one revision that at another.
func Range(ctx context.Context, folder, from, to string) (Change, error) {
	before, err := Revision(ctx, folder, from)
	if err != nil {
		return Change{}, err
	}
	after, err := Revision(ctx, folder, to)
	if err != nil {
		return Change{}, err
	}
	return Change{
		Source: folder + " from " + from + " to " + to, Version: after.Version, Foreign: after.Foreign,
		Package: component.Between(before.Files, after.Files),
	}, nil
}
