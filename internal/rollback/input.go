package rollback

import (
	"cmp"
	"slices"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Component is one component as a state has it.
type Component struct {
	sf.Component
	Files   []component.Entry // in the format of the Metadata API; none when the state does not hold them
	Version int               // of a flow
	Status  string            // of a flow, such as Active
}

// Change is one component before a change, after it, and now; nil where it was not there.
type Change struct {
	Key                sf.ComponentKey
	Before, After, Now *Component
}

// Input is what Decide decides about.
type Input struct {
	Changes    []Change
	APIVersion string // of the deployments, such as 66.0
	Production bool   // flows come into the org as drafts, whatever their files say, until they are switched on
	// Before is the server time at which the state before the change began to be observed; zero: not known. What the org
	// says to have been made earlier was there, though that state lacks it.
	Before time.Time
}

// sorted returns the changes by key, so that their order says nothing.
func (in Input) sorted() []Change {
	return slices.SortedFunc(slices.Values(in.Changes), func(a, b Change) int { return a.Key.Compare(b.Key) })
}

// file is one file in three states; nil where it was not there.
type file struct {
	path               string
	before, after, now []byte
}

// files joins the files of a component by path, sorted.
func (c Change) files() []file {
	byPath := map[string]*file{}
	at := func(path string) *file {
		if byPath[path] == nil {
			byPath[path] = &file{path: path}
		}
		return byPath[path]
	}
	each := func(x *Component, put func(f *file, body []byte)) {
		if x == nil {
			return
		}
		for _, e := range x.Files {
			put(at(e.Path), append([]byte{}, e.Body...))
		}
	}
	each(c.Before, func(f *file, body []byte) { f.before = body })
	each(c.After, func(f *file, body []byte) { f.after = body })
	each(c.Now, func(f *file, body []byte) { f.now = body })
	out := make([]file, 0, len(byPath))
	for _, f := range byPath {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	return out
}

// held reports that every state that has the component has its files, too.
func (c Change) held() bool {
	for _, x := range []*Component{c.Before, c.After, c.Now} {
		if x != nil && len(x.Files) == 0 {
			return false
		}
	}
	return true
}

func (c Change) installed() bool {
	for _, x := range []*Component{c.Before, c.After, c.Now} {
		if x != nil && x.Installed() {
			return true
		}
	}
	return false
}
