package metadata

import (
	"maps"
	"strings"

	"holdfast/internal/emulator/org"
)

// destroy deletes what a destructive manifest names. A component that is not there is a warning and
// no failure. Source: Metadata API Developer Guide, "Deleting Components from an Organization".
func (d *deploy) destroy(file string) {
	raw, ok := d.archive.files[file]
	if !ok {
		return
	}
	m, err := readManifest(raw)
	if err != nil {
		d.fail("", file, file, err.Error())
		return
	}
	gone := map[key]bool{}
	for _, t := range m.Types {
		for _, member := range t.Members {
			gone[actual(d.store.components, t.Name, member)] = true
		}
	}
	view := d.view(file == "destructiveChangesPost.xml")
	among := usersOf(view)
	for _, t := range m.Types {
		for _, member := range t.Members {
			d.drop(key{t.Name, member}, file, among, view, gone)
		}
	}
}

// actual is the component that a member names: a folder is named among what it holds, and the newest
// version of a flow by its number.
func actual(components map[key]Component, kind, member string) key {
	if base, n := flowVersion(member); kind == "Flow" && n > 0 && components[key{kind, base}].number == n {
		return key{kind, base}
	}
	if kinds := folderTypes[kind]; len(kinds) > 0 && !strings.Contains(member, "/") {
		if k, ok := folder(kind, member, func(k key) bool { _, ok := components[k]; return ok }); ok {
			return k
		}
		return key{kinds[0], member}
	}
	return key{kind, member}
}

// view is the components as deletions see them: those of the org, and after the additions those that
// the deploy brought.
func (d *deploy) view(added bool) map[key]Component {
	out := map[key]Component{}
	for k, c := range d.store.components {
		if !d.dropped[k] {
			out[k] = c
		}
	}
	if !added {
		return out
	}
	for _, p := range d.pieces {
		old := out[p.key]
		out[p.key] = Component{
			Type: p.kind, FullName: p.name, FileName: p.file, files: p.files, body: p.body, parts: mergeParts(old.parts, p.parts),
		}
	}
	return out
}

// drop deletes one component, or says why it cannot be.
func (d *deploy) drop(member key, file string, among []user, view map[key]Component, gone map[key]bool) {
	k := actual(d.store.components, member.kind, member.name)
	if k.name == "*" { // wording unverified
		d.fail(k.kind, k.name, file, "Wildcards are not allowed in "+file)
		return
	}
	c, stored := view[k]
	if problem := d.undeletable(k, member.name, c, stored); problem != "" {
		d.fail(member.kind, member.name, file, problem)
		return
	}
	if problem := usage(k, among, gone); problem != "" {
		d.fail(member.kind, member.name, file, problem)
		return
	}
	m := Message{ComponentType: k.kind, FullName: member.name, FileName: file, ID: c.ID, Success: true, Deleted: true}
	if missing := d.dropFromEngine(k, stored); missing != nil {
		m.Deleted, m.Problem, m.ProblemType = false, missing.Message, "Warning"
		d.messages = append(d.messages, m)
		return
	}
	d.messages = append(d.messages, m)
	d.forget(k, view)
	if file == "destructiveChangesPost.xml" {
		maps.Copy(d.gone, d.dropped)
	}
}

// undeletable says why a component cannot be deleted whatever else there is.
func (d *deploy) undeletable(k key, member string, c Component, stored bool) string {
	o, found := d.tx.Object(k.name)
	switch {
	case k.kind == "CustomObject" && found && o.Kind == org.StandardObject:
		// Source: public deploy results (IlluminatedCloud issue 1822).
		return "The CustomObject called '" + k.name + "' is standard and cannot be deleted"
	case holders[k.kind] && stored: // unverified: what it holds can be deleted, and that is all it is
		return "Cannot delete " + k.kind + " " + k.name + ": delete the components in it"
	case k.kind == "RecordType" && stored:
		return "Cannot delete record type through API" // source: public deploy results; the exact text is unverified
	case stored && c.Namespace != "" && c.Type != "InstalledPackage":
		return "Cannot delete managed component: " + k.name // wording unverified
	case k.kind == "Flow" && stored:
		return undeletableFlow(member, c)
	}
	return ""
}

// dropFromEngine takes a component out of what the engine knows. It returns why it is not there.
func (d *deploy) dropFromEngine(k key, stored bool) *org.Error {
	switch k.kind {
	case "CustomField":
		object, field, _ := strings.Cut(k.name, ".")
		for _, target := range targetsOf(object) {
			if err := d.tx.DropField(target, field); err != nil {
				return err
			}
		}
		return nil
	case "CustomObject":
		return d.tx.DropObject(k.name)
	}
	if d.dropRule(k) || stored {
		return nil
	}
	// Source: public deploy results (forcedotcom/cli issue 1534).
	return &org.Error{Message: "No " + k.kind + " named: " + k.name + " found"}
}

// forget drops a component with what lives in its file, and takes the mentions out of those that the
// platform mends itself.
func (d *deploy) forget(k key, view map[key]Component) {
	d.dropped[k] = true
	for other := range view {
		parent, ok := parentOf(other.kind, other.name)
		if ok && parent == k || k.kind == "CustomObject" && other.kind == "Layout" && strings.HasPrefix(other.name, k.name+"-") {
			d.dropped[other] = true
		}
	}
	if k.kind != "CustomField" && k.kind != "CustomObject" {
		return
	}
	for other := range d.store.components {
		c, ok := d.stripped[other]
		if !ok {
			c = d.store.components[other]
		}
		if !d.dropped[other] && mends[other.kind] && c.strip(k) {
			d.stripped[other] = c
		}
	}
}
