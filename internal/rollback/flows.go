package rollback

import (
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// flowStates is one flow with its versions before, after and now, by number.
type flowStates struct {
	before, after, now map[int]*Component
}

// flows decides about the flows: which version is active is switched, versions are not deployed over one
// another. Source: Metadata API Developer Guide, Flow, FlowDefinition.
func (d *decision) flows(changes []Change) {
	byName := map[string]*flowStates{}
	var names []string
	put := func(c *Component, into func(*flowStates) map[int]*Component) {
		if c == nil {
			return
		}
		name, number := c.flow()
		if byName[name] == nil {
			byName[name] = &flowStates{map[int]*Component{}, map[int]*Component{}, map[int]*Component{}}
			names = append(names, name)
		}
		into(byName[name])[number] = c
	}
	for _, c := range changes {
		put(c.Before, func(f *flowStates) map[int]*Component { return f.before })
		put(c.After, func(f *flowStates) map[int]*Component { return f.after })
		put(c.Now, func(f *flowStates) map[int]*Component { return f.now })
	}
	slices.Sort(names)
	for _, name := range names {
		d.flow(sf.ComponentKey{Type: "Flow", Name: name}, byName[name])
	}
}

func (d *decision) flow(key sf.ComponentKey, f *flowStates) {
	was, is, current := active(f.before), active(f.after), active(f.now)
	made := newVersions(f)
	switch {
	case installedFlow(f):
		d.act(Action{Key: key, Verb: Cannot, Why: "it belongs to an installed package, which the org does not let anybody deploy"})
	case f.before[0] != nil || f.after[0] != nil || f.now[0] != nil:
		d.act(Action{Key: key, Verb: Cannot, Why: "its versions are not held in every state"})
	case current != 0 && was != 0 && sameVersion(f.now[current], f.before[was]) && current != is:
		d.act(Action{Key: key, Verb: Nothing, Why: fmt.Sprintf("%s is active, and does what %s did before", versionText(current), versionText(was))})
	case current != is && current != was:
		d.act(Action{Key: key, Verb: Keep, Why: fmt.Sprintf("somebody has switched it to %s since", versionText(current))})
	case len(f.before) == 0 && len(f.now) > 0:
		d.removeFlow(key, f, current)
	case current == was && len(made) == 0 && len(f.now) > 0:
		d.act(Action{Key: key, Verb: Nothing})
	case was == 0 && len(f.after) == 0 && len(f.now) == 0:
		newest := slices.Max(slices.Collect(maps.Keys(f.before)))
		if len(f.before[newest].Files) == 0 {
			d.act(Action{Key: key, Verb: Cannot, Why: "the file of " + versionText(newest) + " is not held"})
			return
		}
		d.act(Action{Key: key, Verb: PutBack, Why: versionText(newest) + " comes back, and is not active, as before"})
		d.first.put(key, rename(f.before[newest].Files, key.Name))
	case was == 0 && current == 0: // no version ran, and none does: versions that are there harm nobody
		d.act(Action{Key: key, Verb: Nothing})
	case was == 0:
		d.act(Action{Key: key, Verb: Deactivate, Why: "no version was active before"})
		d.first.flowDefinition(key.Name, 0)
	case current == was:
		d.act(Action{Key: key, Verb: Nothing, Why: fmt.Sprintf("%s is active, as before", versionText(was))})
	case f.now[was] != nil:
		d.act(Action{Key: key, Verb: Activate, Why: versionText(was) + " is active again"})
		d.first.flowDefinition(key.Name, was)
	case len(f.before[was].Files) == 0:
		d.act(Action{Key: key, Verb: Cannot, Why: "the org no longer has " + versionText(was) + ", and its file is not held"})
	default:
		d.act(Action{Key: key, Verb: PutBack, Why: "the org no longer has " + versionText(was) + ": it comes back as a new version, which is active"})
		d.first.put(key, rename(f.before[was].Files, key.Name))
	}
}

// removeFlow takes away a flow that the change made: a version that is active cannot be deleted, so that
// it is switched off first.
func (d *decision) removeFlow(key sf.ComponentKey, f *flowStates, current int) {
	for n, c := range f.now {
		if !sameVersion(f.after[n], c) {
			d.act(Action{Key: key, Verb: Keep, Why: "the change made it, and somebody has changed it since"})
			return
		}
	}
	d.act(Action{Key: key, Verb: Remove})
	if current != 0 {
		d.first.flowDefinition(key.Name, 0)
	}
	for n := range f.now {
		d.second.remove(sf.ComponentKey{Type: "Flow", Name: fmt.Sprintf("%s-%d", key.Name, n)})
	}
}

// sameVersion reports that two versions do the same, whichever of them is active.
func sameVersion(a, b *Component) bool {
	if a == nil || b == nil || len(a.Files) != 1 || len(b.Files) != 1 {
		return false
	}
	x, okA := withoutStatus(a.Files[0].Body)
	y, okB := withoutStatus(b.Files[0].Body)
	return okA && okB && string(x) == string(y)
}

// withoutStatus returns the canonical form of the file of a version, but for whether it is active, which
// stands in it, too.
func withoutStatus(raw []byte) ([]byte, bool) {
	doc, err := component.Parse(raw)
	if err != nil {
		return nil, false
	}
	doc.Nodes = slices.DeleteFunc(doc.Nodes, func(n *component.Node) bool { return n.Name == "status" })
	return component.Canonical("Flow", component.Print(doc))
}

// active returns the number of the active version, or 0.
func active(versions map[int]*Component) int {
	for n, c := range versions {
		if c.Status == "Active" {
			return n
		}
	}
	return 0
}

// newVersions returns the numbers of versions that the change made and that are still there.
func newVersions(f *flowStates) []int {
	var out []int
	for n := range f.after {
		if f.before[n] == nil && f.now[n] != nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func installedFlow(f *flowStates) bool {
	for _, state := range []map[int]*Component{f.before, f.after, f.now} {
		for _, c := range state {
			if c.Installed() {
				return true
			}
		}
	}
	return false
}

func versionText(n int) string {
	if n == 0 {
		return "no version"
	}
	return fmt.Sprintf("version %d", n)
}

// rename gives the file of a version the name of the flow, so that it is deployed as its next version.
func rename(files []component.Entry, flow string) []component.Entry {
	return []component.Entry{{Path: "flows/" + flow + ".flow", Body: files[0].Body}}
}
