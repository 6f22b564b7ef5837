package automation

import (
	"fmt"
	"strings"
	"testing"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

const space = ` xmlns="http://soap.sforce.com/2006/04/metadata"`

func archive() []component.Entry {
	return []component.Entry{
		{Path: "package.xml", Body: []byte(`<Package` + space + `><version>66.0</version></Package>`)},
		{Path: "triggers/T.trigger", Body: []byte("// trigger Fake on Lead (before insert)\n/* and */ TRIGGER T\n on  Account(before insert) {}")},
		{Path: "triggers/T.trigger-meta.xml", Body: []byte(`<ApexTrigger` + space + `><apiVersion>66.0</apiVersion><status>Active</status></ApexTrigger>`)},
		{Path: "triggers/Hidden.trigger", Body: []byte("(hidden)")},
		{Path: "triggers/Hidden.trigger-meta.xml", Body: []byte(`<ApexTrigger` + space + `><status>Active</status></ApexTrigger>`)},
		{Path: "flows/Record.flow", Body: []byte(`<Flow` + space + `><processType>AutoLaunchedFlow</processType><start><object>Case</object><triggerType>RecordAfterSave</triggerType></start><status>Draft</status></Flow>`)},
		{Path: "flowDefinitions/Record.flowDefinition", Body: []byte(`<FlowDefinition` + space + `><activeVersionNumber>3</activeVersionNumber></FlowDefinition>`)},
		{Path: "flows/Process.flow", Body: []byte(`<Flow` + space + `><processMetadataValues><name>ObjectType</name><value><stringValue>Lead</stringValue></value></processMetadataValues><processType>Workflow</processType><status>Active</status></Flow>`)},
		{Path: "flows/Screen.flow", Body: []byte(`<Flow` + space + `><processType>Flow</processType><start/><status>Active</status></Flow>`)},
		{Path: "objects/Account.object", Body: []byte(`<CustomObject` + space + `><validationRules><fullName>A</fullName><active>true</active><errorConditionFormula>Name = &quot;x&quot; &amp;&amp; 1 &lt; 2</errorConditionFormula></validationRules><validationRules><fullName>B</fullName><active>false</active></validationRules></CustomObject>`)},
		{Path: "workflows/Account.workflow", Body: []byte(`<Workflow` + space + `><alerts><fullName>Mail</fullName></alerts><rules><fullName>W</fullName><active>true</active></rules></Workflow>`)},
		{Path: "duplicateRules/Account.D.duplicateRule", Body: []byte(`<DuplicateRule` + space + `><isActive>true</isActive></DuplicateRule>`)},
	}
}

func TestReadTellsObjectAndState(t *testing.T) {
	rules, err := Read(archive())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rules {
		got = append(got, fmt.Sprintf("%s %s on %s %v", r.Type, r.Name, r.Object, r.Active))
	}
	want := `ApexTrigger Hidden on  true
ApexTrigger T on Account true
DuplicateRule Account.D on Account true
Flow Process on Lead true
Flow Record on Case true
ValidationRule Account.A on Account true
ValidationRule Account.B on Account false
WorkflowRule Account.W on Account true`
	if strings.Join(got, "\n") != want {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// Off changes nothing but the status, of these rules and no others; Only changes nothing at all.
func TestOffChangesTheStatusAlone(t *testing.T) {
	keys := []sf.ComponentKey{
		{Type: Trigger, Name: "T"},
		{Type: Flow, Name: "Record"},
		{Type: Validation, Name: "Account.A"},
		{Type: Workflow, Name: "Account.W"},
		{Type: Duplicate, Name: "Account.D"},
	}
	on, err := Only(archive(), keys)
	if err != nil {
		t.Fatal(err)
	}
	off, err := Off(on, keys) // what the journal keeps is enough to switch off
	if err != nil {
		t.Fatal(err)
	}
	text := func(files []component.Entry) string {
		var b strings.Builder
		for _, f := range files {
			fmt.Fprintf(&b, "%s\n%s\n", f.Path, f.Body)
		}
		return b.String()
	}
	back := strings.NewReplacer(
		"<status>Inactive<", "<status>Active<", "<activeVersionNumber>0<", "<activeVersionNumber>3<",
		"<active>false<", "<active>true<", "<isActive>false<", "<isActive>true<").Replace(text(off))
	if back != text(on) || text(on) == text(off) {
		t.Errorf("on:\n%s\noff:\n%s", text(on), text(off))
	}
	for _, lost := range []string{"Account.B", "<alerts>", "Hidden"} {
		if strings.Contains(text(off), lost) {
			t.Errorf("what is not to be switched is deployed: %s", lost)
		}
	}
	was, is := States(archive(), keys), States(on, keys)
	for _, k := range keys {
		if was[k] == "" || was[k] != is[k] || is[k] == States(off, keys)[k] {
			t.Errorf("%v: %s, %s", k, was[k], is[k])
		}
	}
	if _, err := Off(archive(), []sf.ComponentKey{{Type: Flow, Name: "Process"}}); err == nil {
		t.Error("a flow without its definition is switched")
	}
}

func TestManifestLeavesOutWhatCannotBeRead(t *testing.T) {
	m := Manifest([]sf.Component{
		{ComponentKey: sf.ComponentKey{Type: Trigger, Name: "T"}},
		{ComponentKey: sf.ComponentKey{Type: Trigger, Name: "ns__T"}, Namespace: "ns", Manageable: "installed"},
		{ComponentKey: sf.ComponentKey{Type: Validation, Name: "Account.A"}},
		{ComponentKey: sf.ComponentKey{Type: Validation, Name: "Lead.A"}},
	}, map[string]bool{"Account": true})
	if got := fmt.Sprint(m.Types); got != "[{ApexTrigger [T]} {ValidationRule [Account.A]}]" {
		t.Error(got)
	}
}
