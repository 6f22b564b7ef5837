package metadata_test

import (
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator/metadata"
)

func flowText(label, status string) string {
	return file("Flow", "<label>"+label+"</label><processType>AutoLaunchedFlow</processType><status>"+status+"</status>")
}

// flow deploys a version of the flow Route.
func (b *bench) flow(label, status string) *metadata.Result {
	b.t.Helper()
	return b.must(map[string]string{"package.xml": packageXML("Flow", "Route"), "flows/Route.flow": flowText(label, status)})
}

// switchTo makes a version of the flow Route the active one.
func (b *bench) switchTo(n string) *metadata.Result {
	b.t.Helper()
	return b.deploy(metadata.Options{RollbackOnError: true}, map[string]string{
		"package.xml":                          packageXML("FlowDefinition", "Route"),
		"flowDefinitions/Route.flowDefinition": file("FlowDefinition", n),
	})
}

// statuses are the labels and statuses of what the versions of the flow Route come back as.
func (b *bench) statuses(members ...string) string {
	b.t.Helper()
	var out []string
	for _, m := range members {
		files, r := b.ask("Flow", m)
		text := files["unpackaged/flows/"+m+".flow"]
		if text == "" && len(r.Files) > 1 {
			text = files[r.Files[0].FileName] // the newest goes by the name of the flow
		}
		_, label, _ := strings.Cut(text, "<label>")
		label, _, _ = strings.Cut(label, "<")
		_, status, _ := strings.Cut(text, "<status>")
		status, _, _ = strings.Cut(status, "<")
		out = append(out, label+" "+status)
	}
	return strings.Join(out, ", ")
}

// Sources: Metadata API Developer Guide, Flow and FlowDefinition; sfdx-git-delta issues 366 and 588.
func TestFlowsAreTheirVersions(t *testing.T) {
	b := newBench(t)
	b.flow("One", "Active")
	first := b.s.List("Flow", "")[0]
	b.flow("Two", "Active")
	b.flow("Three", "Draft")
	newest := b.s.List("Flow", "")[0]
	if newest.FullName != "Route" || newest.ID == first.ID || len(b.s.List("Flow", "")) != 1 {
		t.Errorf("the list shows %+v", b.s.List("Flow", ""))
	}
	want := "One Obsolete, Two Active, Three Draft, Three Draft"
	if got := b.statuses("Route-1", "Route-2", "Route-3", "Route"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r := b.flow("Three", "Active"); r.Components[0].Changed || b.statuses("Route-2", "Route") != "Two Active, Three Draft" {
		t.Errorf("the status alone was deployed: %+v, %s", r.Components, b.statuses("Route"))
	}
	definition := func() string {
		files, _ := b.ask("FlowDefinition", "*")
		_, n, _ := strings.Cut(files["unpackaged/flowDefinitions/Route.flowDefinition"], "<activeVersionNumber>")
		n, _, _ = strings.Cut(n, "<")
		return n
	}
	if n := definition(); n != "2" || !b.listed("FlowDefinition", "Route") {
		t.Errorf("the active version is %q", n)
	}
	b.switchTo("<activeVersionNumber>1</activeVersionNumber>")
	if got := b.statuses("Route-1", "Route-2"); got != "One Active, Two Obsolete" || definition() != "1" {
		t.Errorf("after the switch: %s, %s", got, definition())
	}
	r := b.switchTo("<activeVersionNumber>9</activeVersionNumber>")
	if got := failures(r); len(got) != 1 || got[0] != "Route: Invalid version number: 9" {
		t.Errorf("%q", got)
	}
	b.switchTo("")
	if got := b.statuses("Route-1"); got != "One Obsolete" || definition() != "" {
		t.Errorf("switched off: %s, %s", got, definition())
	}
}

func TestFlowsAreDeletedByVersion(t *testing.T) {
	b := newBench(t)
	for _, label := range []string{"One", "Two", "Three"} {
		b.flow(label, "Active")
	}
	const refused = "insufficient access rights on cross-reference id"
	for _, member := range []string{"Route", "Route-3"} { // never by the name; not while it is active
		if got := failures(b.destroy("destructiveChanges.xml", "Flow", member)); !slices.Equal(got, []string{member + ": " + refused}) {
			t.Errorf("%s: %q", member, got)
		}
	}
	b.switchTo("<activeVersionNumber>1</activeVersionNumber>")
	if r := b.destroy("destructiveChangesPost.xml", "Flow", "Route-3", "Flow", "Route-7"); !r.Success || !r.Components[0].Deleted || r.Components[1].ProblemType != "Warning" {
		t.Errorf("%+v", r.Components)
	}
	if got := b.statuses("Route", "Route-1"); got != "Two Obsolete, One Active" {
		t.Errorf("after a deletion: %s", got)
	}
	b.flow("Four", "Draft")
	if got := b.statuses("Route-3"); got != "Four Draft" {
		t.Errorf("the next version: %s", got)
	}
	b.switchTo("<activeVersionNumber>0</activeVersionNumber>")
	if r := b.destroy("destructiveChanges.xml", "Flow", "Route-1", "Flow", "Route-2", "Flow", "Route-3"); !r.Success {
		t.Error(failures(r))
	}
	if b.listed("Flow", "Route") || b.listed("FlowDefinition", "Route") {
		t.Error("the flow is still there")
	}
}

// An earlier version keeps what it mentions, too, even from a manifest that deletes both: the latter is unverified, the
// harder reading.
func TestEarlierVersionsKeepWhatTheyMention(t *testing.T) {
	b := yard(t)
	flow := func(field, status string) {
		b.must(map[string]string{"package.xml": packageXML("Flow", "Do"), "flows/Do.flow": file("Flow", "<label>Do "+field+"</label><start><object>Shed__c</object></start><status>"+status+"</status>")})
	}
	flow("Said__c", "Active")
	flow("", "Active")
	want := "Shed__c.Said__c: This custom field is referenced elsewhere in salesforce.com. : Flow Version - Do-2."
	if got := failures(b.destroy("destructiveChanges.xml", "CustomField", "Shed__c.Said__c")); !slices.Equal(got, []string{want}) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := failures(b.destroy("destructiveChanges.xml", "CustomField", "Shed__c.Said__c", "Flow", "Do-2")); !slices.Equal(got, []string{want}) {
		t.Errorf("with the version: %q", got)
	}
	for _, gone := range [][]string{{"Flow", "Do-2"}, {"CustomField", "Shed__c.Said__c"}} {
		if r := b.destroy("destructiveChanges.xml", gone...); !r.Success {
			t.Error(failures(r))
		}
	}
}
