package rollback

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Decide works out how the changes are taken back from what is there now.
func Decide(in Input) (Plan, error) {
	d := &decision{production: in.Production, began: in.Before, first: newBuilder(), switched: newBuilder(), versions: newBuilder(), last: newBuilder()}
	var flows []Change
	for _, c := range in.sorted() {
		var err error
		switch c.Key.Type {
		case "FlowDefinition": // says of its flow which version is active, and the versions say so, too
		case "Flow":
			flows = append(flows, c)
		default:
			err = d.component(c)
		}
		if err != nil {
			return Plan{}, fmt.Errorf("%s %s: %w", c.Key.Type, c.Key.Name, err)
		}
	}
	d.flows(flows)
	slices.SortStableFunc(d.plan.Actions, func(a, b Action) int { return a.Key.Compare(b.Key) })
	for _, b := range []*builder{d.first, d.switched, d.versions, d.last} {
		if dep, ok := b.deployment(in.APIVersion); ok {
			d.plan.Deployments = append(d.plan.Deployments, dep)
		}
	}
	return d.plan, nil
}

// decision is the state of one Decide.
type decision struct {
	production bool
	began      time.Time // of the state before
	plan       Plan
	gone       []deletion // but for versions of flows

	// Deployments: what can go together; flows that are switched on once they are back; versions of flows that go, once
	// they are off; and what they mention.
	first, switched, versions, last *builder
}

func (d *decision) act(a Action) { d.plan.Actions = append(d.plan.Actions, a) }

// component decides about one component that is no flow.
func (d *decision) component(c Change) error {
	switch {
	case c.Before == nil && c.Now == nil:
		d.act(Action{Key: c.Key, Verb: Nothing})
	case c.installed():
		d.act(Action{Key: c.Key, Verb: Cannot, Why: "it belongs to an installed package, which the org does not let anybody deploy"})
	case !c.held():
		d.act(Action{Key: c.Key, Verb: Cannot, Why: "its files are not held in every state"})
	case c.Before == nil:
		d.remove(c)
	case c.After == nil:
		d.restore(c)
	case c.Now == nil:
		d.act(Action{Key: c.Key, Verb: Keep, Why: "somebody has removed it since"})
	default:
		return d.takeBack(c)
	}
	return nil
}

// remove takes away what the change made.
func (d *decision) remove(c Change) {
	if component.Sum(c.Key.Type, c.After.Files) != component.Sum(c.Key.Type, c.Now.Files) {
		d.act(Action{Key: c.Key, Verb: Keep, Why: "the change made it, and somebody has changed it since"})
		return
	}
	if why := undeletable(c.Key); why != "" {
		d.act(Action{Key: c.Key, Verb: Cannot, Why: why})
		return
	}
	if made, earlier := d.older(c); earlier {
		d.act(Action{Key: c.Key, Verb: Cannot, Why: "the org says that it was made on " + made.UTC().Format(time.RFC3339) +
			", before the snapshot that does not have it: that snapshot does not tell what there was"})
		return
	}
	d.act(Action{Key: c.Key, Verb: Remove})
	words := c.Now.words()
	for _, key := range component.Deletions(c.Key, c.Now.Files) {
		d.gone = append(d.gone, deletion{key, words})
	}
}

// noDate is the latest date that the org gives to what has none, such as standard components: the epoch, as public
// answers of listMetadata have it.
var noDate = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)

// older reports a component that was made before the state in which it is missing began to be observed: a listing that came
// back empty, or that the user was not shown whole, is no witness that it was not there.
func (d *decision) older(c Change) (made time.Time, earlier bool) {
	for _, x := range []*Component{c.After, c.Now} {
		if made := x.Created; made.After(noDate) && made.Before(d.began) {
			return made, true
		}
	}
	return time.Time{}, false
}

// undeletable says why no deployment deletes a component, or "".
// Source: Metadata API Developer Guide, Deleting Components from an Organization; Settings.
func undeletable(key sf.ComponentKey) string {
	switch key.Type {
	case "StandardValueSet", "Settings":
		return "the org has it always; what it said before the change is not held"
	case "CustomObject":
		if !strings.Contains(key.Name, "__") { // its custom fields would go
			return "the org has the standard object always; what it was before the change is not held"
		}
	case "RecordType": // public deploy results: forcedotcom/devops-center-feedback issue 203, SFDO-Tooling/CumulusCI pull 268
		return "no deployment deletes a record type"
	case "InstalledPackage": // a deletion uninstalls it
		return "uninstalling a package deletes its records: do it by hand in Setup"
	}
	return ""
}

// unsayable says why no deployment takes a part away from a document, or "". What a deployment merges into what is
// there stays when it is left out. Source: Metadata API Developer Guide, Profile, Settings; for translations and for
// what an object says of itself unverified, the harder reading.
func unsayable(key sf.ComponentKey, kind *component.Kind, now *component.Node, u component.Undoing, p component.PartChange) string {
	if p.How != component.Removed {
		return ""
	}
	stays := fmt.Sprintf("a deployment that leaves %s out leaves it as it is", strings.TrimSpace(p.Element+" "+p.Key))
	if kind != nil && !kind.Whole {
		if child, ok := kind.Child(p.Element); ok {
			why := undeletable(sf.ComponentKey{Type: child.Name})
			if why != "" {
				why = fmt.Sprintf("%s stays: %s", strings.TrimSpace(p.Element+" "+p.Key), why)
			}
			return why
		}
	}
	switch {
	case key.Type == "Profile":
		for _, n := range component.Part(key.Type, now, p.Element, p.Key) {
			if component.Revoked(key.Type, n) == nil {
				return stays
			}
		}
	case key.Type == "CustomObjectTranslation", key.Type == "Translations":
		return stays
	case (key.Type == "Settings" || kind != nil && len(kind.Children) > 0) && u.Document.Child(p.Element) == nil:
		return stays
	}
	return ""
}

// sayable leaves out of what is taken back the parts that no deployment takes away: they stay, and why is
// told, so that they do not stand in the way of everything else.
func sayable(key sf.ComponentKey, kind *component.Kind, now *component.Node, u component.Undoing) (component.Undoing, string) {
	var parts []component.PartChange
	var why []string
	for _, p := range u.Parts {
		text := unsayable(key, kind, now, u, p)
		if text == "" {
			parts = append(parts, p)
			continue
		}
		u.Conflicts = append(u.Conflicts, p)
		if len(why) < maxReasons {
			why = append(why, text)
		}
	}
	u.Parts = parts
	return u, strings.Join(why, "; ")
}

// maxReasons bounds the sentence that says why parts of a component stay: the parts themselves are all named.
const maxReasons = 5

// restore puts back what the change removed.
func (d *decision) restore(c Change) {
	if c.Now == nil {
		d.act(Action{Key: c.Key, Verb: PutBack})
		d.first.put(c.Key, c.Before.Files)
		return
	}
	if component.Sum(c.Key.Type, c.Before.Files) == component.Sum(c.Key.Type, c.Now.Files) {
		d.act(Action{Key: c.Key, Verb: Nothing})
		return
	}
	d.act(Action{Key: c.Key, Verb: Keep, Why: "the change removed it, and somebody has made it anew since"})
}

// takeBack takes the change back from a component that was there before, and is there now.
func (d *decision) takeBack(c Change) error {
	files := c.files()
	if doc, ok := single(files); ok {
		return d.document(c, doc)
	}
	var out []component.Entry
	changed := false
	for _, f := range files {
		body, kept := undoFile(c.Key.Type, f)
		if kept {
			d.act(Action{Key: c.Key, Verb: Keep, Why: fmt.Sprintf("somebody has changed %s since", path.Base(f.path))})
			return nil
		}
		if body != nil {
			out = append(out, component.Entry{Path: f.path, Body: body})
		}
		changed = changed || string(body) != string(f.now)
	}
	if !changed {
		d.act(Action{Key: c.Key, Verb: Nothing})
		return nil
	}
	d.act(Action{Key: c.Key, Verb: TakeBack})
	d.first.put(c.Key, out)
	return nil
}

// single returns the only file of a component, when it is a document of which parts can be taken back.
func single(files []file) (file, bool) {
	if len(files) != 1 {
		return file{}, false
	}
	for _, raw := range [][]byte{files[0].before, files[0].after, files[0].now} {
		if _, err := component.Parse(raw); err != nil {
			return file{}, false
		}
	}
	return files[0], true
}

// undoFile returns what a file of several should be, nil for none; kept when somebody has changed it since.
func undoFile(kind string, f file) (body []byte, kept bool) {
	switch {
	case sameFile(kind, f.before, f.after), sameFile(kind, f.before, f.now):
		return f.now, false
	case sameFile(kind, f.after, f.now):
		return f.before, false
	}
	return f.now, true
}

func sameFile(kind string, a, b []byte) bool {
	if a == nil || b == nil {
		return (a == nil) == (b == nil)
	}
	if string(a) == string(b) {
		return true
	}
	x, okA := component.Canonical(kind, a)
	y, okB := component.Canonical(kind, b)
	return okA && okB && string(x) == string(y)
}

// document takes back the parts of a component that is one document.
func (d *decision) document(c Change, f file) error {
	before, after, now, err := parse(f)
	if err != nil {
		return err
	}
	kind := component.Known().Kind(c.Key.Type)
	u, why := sayable(c.Key, kind, now, component.Undo(c.Key.Type, before, after, now))
	action := Action{Key: c.Key, Parts: u.Parts, Conflicts: u.Conflicts, Verb: TakeBack, Why: why}
	switch {
	case len(u.Parts) == 0 && len(u.Conflicts) == 0:
		action.Verb = Nothing
	case len(u.Parts) == 0 && why != "":
		action.Verb = Cannot
	case len(u.Parts) == 0:
		action.Verb, action.Why = Keep, "somebody has changed the same parts since"
	}
	d.act(action)
	if len(u.Parts) == 0 {
		return nil
	}
	switch {
	case c.Key.Type == "Profile":
		if doc := d.merging(now, u); len(doc.Nodes) > 0 {
			d.first.put(c.Key, []component.Entry{{Path: f.path, Body: component.Print(doc)}})
		}
	case kind != nil && len(kind.Children) > 0 && !kind.Whole:
		d.inside(c.Key, kind, f.path, now, u)
	default:
		d.first.put(c.Key, []component.Entry{{Path: f.path, Body: component.Print(u.Document)}})
	}
	return nil
}

func parse(f file) (before, after, now *component.Node, err error) {
	if before, err = component.Parse(f.before); err != nil {
		return nil, nil, nil, err
	}
	if after, err = component.Parse(f.after); err != nil {
		return nil, nil, nil, err
	}
	now, err = component.Parse(f.now)
	return before, after, now, err
}

// merging is the part of a document that is deployed where a deployment adds to what is there: what changes,
// and what is no longer granted as not given. Source: Metadata API Developer Guide, Profile. What is about a component that is
// deleted goes with it.
func (d *decision) merging(now *component.Node, u component.Undoing) *component.Node {
	doc := &component.Node{Name: u.Document.Name, Attrs: u.Document.Attrs}
	gone := goneSet{}
	for _, x := range d.gone { // types that profiles are about come before Profile
		gone[x.key] = true
	}
	for _, p := range u.Parts {
		from := u.Document
		if p.How == component.Removed {
			from = now
		}
		for _, n := range component.Part(doc.Name, from, p.Element, p.Key) {
			if p.How == component.Removed {
				if _, goes := gone.with(n); goes {
					continue
				}
				n = component.Revoked(doc.Name, n)
			}
			if n != nil {
				doc.Nodes = append(doc.Nodes, n)
			}
		}
	}
	return doc
}

// inside takes back parts of a component some of whose parts are components themselves: each is deployed, or
// deleted, by its own name, so that nothing else in the file is touched.
func (d *decision) inside(key sf.ComponentKey, kind *component.Kind, file string, now *component.Node, u component.Undoing) {
	doc := &component.Node{Name: u.Document.Name, Attrs: u.Document.Attrs}
	own := false
	for _, p := range u.Parts {
		child, isChild := kind.Child(p.Element)
		if !isChild {
			own = true
			continue
		}
		name := sf.ComponentKey{Type: child.Name, Name: component.ChildName(key, p.Key)}
		if p.How == component.Removed && component.Respelt(u.Parts, p) {
			continue // deployed with the letters that it had, it is the same; deleted, it would be gone
		}
		if p.How == component.Removed {
			part := &component.Node{Name: kind.Name, Nodes: component.Part(kind.Name, now, p.Element, p.Key)}
			d.gone = append(d.gone, deletion{name, component.Words([]component.Entry{{Body: component.Print(part)}})})
			continue
		}
		d.first.want(name)
		for _, n := range component.Part(kind.Name, u.Document, p.Element, p.Key) {
			if n.Value("type") == masterDetail && child.Name == "CustomField" {
				d.plan.Notes = append(d.plan.Notes, "the org takes "+name.Name+" as a master-detail only where there are no records, or where each has a master by it, "+
					"and deletes for good what of them is in the Recycle Bin")
			}
			doc.Nodes = append(doc.Nodes, n)
		}
	}
	if own {
		d.first.want(key)
		for _, n := range u.Document.Nodes {
			if _, isChild := kind.Child(n.Name); !isChild {
				doc.Nodes = append(doc.Nodes, n)
			}
		}
	}
	if len(doc.Nodes) > 0 {
		d.first.file(component.Entry{Path: file, Body: component.Print(component.Arrange(kind.Name, doc))})
	}
}
