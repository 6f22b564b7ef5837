package rollback

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// flowStates is one flow with its versions before, after and now, by number.
type flowStates struct {
	key                sf.ComponentKey
	before, after, now map[int]*Component
}

// flows decides about the flows: which version is active is switched, versions are not deployed over one
// another. Source: Metadata API Developer Guide, Flow, FlowDefinition.
func (d *decision) flows(changes []Change) {
	byName := map[string]*flowStates{}
	put := func(c *Component, into func(*flowStates) map[int]*Component) {
		if c == nil {
			return
		}
		spelt, _ := component.SplitFlow(c.Name)
		name := strings.ToLower(spelt) // in other letters it is the same flow
		if byName[name] == nil {
			byName[name] = &flowStates{sf.ComponentKey{Type: "Flow", Name: spelt}, map[int]*Component{}, map[int]*Component{}, map[int]*Component{}}
		}
		into(byName[name])[c.Version] = c
	}
	for _, c := range changes { // first, so that the flow goes by the name that it had
		put(c.Before, func(f *flowStates) map[int]*Component { return f.before })
	}
	for _, c := range changes {
		put(c.After, func(f *flowStates) map[int]*Component { return f.after })
		put(c.Now, func(f *flowStates) map[int]*Component { return f.now })
	}
	verdicts := map[string]flowVerdict{}
	var going []deletion // versions of flows
	removed := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		f := byName[name]
		v := f.decide()
		verdicts[name] = v
		d.switchTo(f, v)
		if v.verb == Remove {
			removed[f.key.Name] = true
			for _, n := range slices.Sorted(maps.Keys(f.now)) {
				going = append(going, f.version(n))
			}
		}
	}
	doomed := map[string]bool{}
	for _, x := range d.gone {
		doomed[word(x.key)] = true
	}
	maps.Copy(doomed, removed)
	delete(doomed, "")
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		f, v := byName[name], verdicts[name]
		gone := f.holding(v, doomed)
		for _, n := range gone {
			going = append(going, f.version(n))
		}
		d.act(v.action(f.key, gone))
	}
	d.deletions(going)
}

// version is one version of the flow that is deleted.
func (f *flowStates) version(n int) deletion {
	return deletion{sf.ComponentKey{Type: "Flow", Name: fmt.Sprintf("%s-%d", f.key.Name, n)}, f.now[n].words()}
}

// flowVerdict is what becomes of a flow.
type flowVerdict struct {
	verb   Verb
	why    string
	number int  // the version that is to be active, or that comes back
	draft  bool // what comes back is not to be active
}

// action is the verdict as it stands in a plan, with the versions that go for what they mention.
func (v flowVerdict) action(key sf.ComponentKey, gone []int) Action {
	for i, n := range gone {
		switch {
		case i > 0:
			v.why += ", " + versionText(n)
		case v.why == "":
			v.why = "what mentions that which is removed goes: " + versionText(n)
		default:
			v.why += "; what mentions that which is removed goes: " + versionText(n)
		}
	}
	if len(gone) > 0 && v.verb == Nothing {
		v.verb = TakeBack
	}
	return Action{Key: key, Verb: v.verb, Why: v.why}
}

// decide says what becomes of the flow. The order of the cases counts.
func (f *flowStates) decide() flowVerdict {
	was, is, current := active(f.before), active(f.after), active(f.now)
	made := f.made()
	same := f.like(f.before[was])
	switch {
	case f.installed():
		return flowVerdict{verb: Cannot, why: "it belongs to an installed package, which the org does not let anybody deploy"}
	case f.before[0] != nil || f.after[0] != nil || f.now[0] != nil:
		return flowVerdict{verb: Cannot, why: "its versions are not held in every state"}
	case current != 0 && was != 0 && sameVersion(f.now[current], f.before[was]) && current != is:
		why := fmt.Sprintf("%s is active, and does what %s did before", versionText(current), versionText(was))
		return flowVerdict{verb: Nothing, why: why, number: current}
	case current != is && current != was:
		return flowVerdict{verb: Keep, why: fmt.Sprintf("somebody has switched it to %s since", versionText(current))}
	case len(f.before) == 0 && len(f.now) > 0 && f.edited():
		return flowVerdict{verb: Keep, why: "the change made it, and somebody has changed it since"}
	case len(f.before) == 0 && len(f.now) > 0 && current != is: // off is how it was before: nothing of anybody's is lost
		return flowVerdict{verb: Remove, why: "it has been switched off since, and nobody has changed its versions"}
	case len(f.before) == 0 && len(f.now) > 0:
		return flowVerdict{verb: Remove}
	case current == was && len(made) == 0 && len(f.now) > 0:
		return flowVerdict{verb: Nothing, number: current}
	case was == 0 && len(f.after) == 0 && len(f.now) == 0:
		newest := slices.Max(slices.Collect(maps.Keys(f.before)))
		return f.putBack(newest, true)
	case was == 0 && current == 0: // no version ran, and none does: versions that are there harm nobody
		return flowVerdict{verb: Nothing}
	case was == 0:
		return flowVerdict{verb: Deactivate, why: "no version was active before"}
	case current == was:
		return flowVerdict{verb: Nothing, why: fmt.Sprintf("%s is active, as before", versionText(was)), number: was}
	case f.now[was] != nil:
		return flowVerdict{verb: Activate, why: versionText(was) + " is active again", number: was}
	case same != 0: // it has come back already, and is not active: in production that is how flows come
		why := fmt.Sprintf("%s, which does what %s did before, is active", versionText(same), versionText(was))
		return flowVerdict{verb: Activate, why: why, number: same}
	}
	return f.putBack(was, false)
}

func (f *flowStates) putBack(n int, draft bool) flowVerdict {
	switch {
	case len(f.before[n].Files) == 0 && draft:
		return flowVerdict{verb: Cannot, why: "the file of " + versionText(n) + " is not held"}
	case len(f.before[n].Files) == 0:
		return flowVerdict{verb: Cannot, why: "the org no longer has " + versionText(n) + ", and its file is not held"}
	case draft:
		return flowVerdict{verb: PutBack, why: versionText(n) + " comes back, and is not active, as before", number: n, draft: true}
	}
	return flowVerdict{verb: PutBack, why: "the org no longer has " + versionText(n) + ": it comes back as a new version, which is active", number: n}
}

// switchTo deploys what a verdict says, but for deletions. A version that is active cannot be deleted, so that
// a flow that goes is switched off first. In production flows come in as drafts, unless the org's settings say
// otherwise, so that what comes back is switched on when it is there; its number is the next one, which
// is unverified for flows whose newest version was deleted.
func (d *decision) switchTo(f *flowStates, v flowVerdict) {
	switch v.verb {
	case Activate:
		d.first.flowDefinition(f.key.Name, v.number)
	case Deactivate:
		d.first.flowDefinition(f.key.Name, 0)
	case Remove:
		if active(f.now) != 0 {
			d.first.flowDefinition(f.key.Name, 0)
		}
	case PutBack:
		d.first.put(f.key, rename(f.before[v.number].Files, f.key.Name))
		if d.production && !v.draft {
			next := 1
			if len(f.now) > 0 {
				next += slices.Max(slices.Collect(maps.Keys(f.now)))
			}
			d.switched.flowDefinition(f.key.Name, next)
		}
	case TakeBack, Keep, Nothing, Cannot:
	}
}

// holding returns the versions that the change made, that nobody has changed since and that keep what is
// deleted by mentioning it.
func (f *flowStates) holding(v flowVerdict, doomed map[string]bool) []int {
	if v.verb != Nothing && v.verb != Activate && v.verb != Deactivate && v.verb != PutBack {
		return nil
	}
	var out []int
	for _, n := range f.made() {
		if n == v.number && v.verb != PutBack || !sameVersion(f.after[n], f.now[n]) {
			continue
		}
		for w := range f.now[n].words() {
			if doomed[w] {
				out = append(out, n)
				break
			}
		}
	}
	return out
}

// edited reports that somebody has changed a version that the change made, or made another.
func (f *flowStates) edited() bool {
	for n, c := range f.now {
		if !sameVersion(f.after[n], c) {
			return true
		}
	}
	return false
}

// like returns the newest version that is there and does what that one does, or 0.
func (f *flowStates) like(c *Component) int {
	found := 0
	for n, now := range f.now {
		if n > found && sameVersion(now, c) {
			found = n
		}
	}
	return found
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

// made returns the numbers of versions that the change made and that are still there, sorted.
func (f *flowStates) made() []int {
	var out []int
	for n := range f.after {
		if f.before[n] == nil && f.now[n] != nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func (f *flowStates) installed() bool {
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
