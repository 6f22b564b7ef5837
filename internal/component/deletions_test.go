package component_test

import (
	"fmt"
	"testing"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// What is nothing by itself, and what no deployment deletes, is deleted by what is in it.
func TestDeletionsNameWhatCanBeDeleted(t *testing.T) {
	document := func(kind, body string) []byte {
		return []byte("<" + kind + ` xmlns="` + component.Namespace + `">` + body + "</" + kind + ">")
	}
	field := "<fields><fullName>A__c</fullName><type>Text</type></fields>"
	for _, c := range []struct{ kind, name, path, body, want string }{
		{"CustomLabels", "CustomLabels", "labels/CustomLabels.labels", "<labels><fullName>One</fullName></labels><labels><fullName>Two</fullName></labels>", "[{CustomLabel One} {CustomLabel Two}]"},
		{"Workflow", "Account", "workflows/Account.workflow", "<alerts><fullName>Mail</fullName></alerts><rules><fullName>Old</fullName></rules>", "[{WorkflowAlert Account.Mail} {WorkflowRule Account.Old}]"},
		{"Workflow", "Account", "workflows/Account.workflow", "", "[]"},
		{"CustomObject", "Contact", "objects/Contact.object", "<enableHistory>true</enableHistory>" + field, "[{CustomField Contact.A__c}]"},
		{"CustomObject", "Thing__c", "objects/Thing__c.object", "<label>Thing</label>" + field, "[{CustomObject Thing__c}]"},
		{"CustomObject", "pkg__Thing__c", "objects/pkg__Thing__c.object", field, "[{CustomField pkg__Thing__c.A__c}]"},
		{"CustomObject", "Bare__c", "objects/Bare__c.object", "", "[{CustomObject Bare__c}]"},
		{"ReportFolder", "Sales", "reports/Sales-meta.xml", "<name>Sales</name>", "[{Report Sales}]"},
		{"ApexClass", "Pay", "classes/Pay.cls", "", "[{ApexClass Pay}]"},
	} {
		key := sf.ComponentKey{Type: c.kind, Name: c.name}
		files := []component.Entry{{Path: c.path, Body: document(c.kind, c.body)}}
		if got := fmt.Sprint(component.Deletions(key, files)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.kind, c.name, got, c.want)
		}
	}
	gone := component.Between([]component.Entry{{Path: "objects/Contact.object", Body: document("CustomObject", field)}}, nil)
	if fmt.Sprint(gone.Deleted) != "[{CustomField Contact.A__c}]" {
		t.Errorf("%v", gone.Deleted)
	}
}
