package rollback_test

import (
	"strings"
	"testing"
)

// What was renamed in upper and lower case alone is deployed as it was, and never deleted: to an org it is the same, with all
// values of its records.
func TestARenamingOfLettersIsTakenBackWithoutADeletion(t *testing.T) {
	renamed := object("ABC=a", "New=n")
	got := decide(t, change(object("abc=a"), renamed, renamed))
	if got != "take back CustomObject Thing__c\n1 deploy CustomField Thing__c.abc__c\n1 delete CustomField Thing__c.New__c\n" {
		t.Errorf("a field:\n%s", got)
	}
	other := flow(2, "Active")
	other.Name = strings.ToUpper(other.Name)
	was, off := flow(1, "Active"), flow(1, "Obsolete")
	if got := decide(t, change(was, off, off), change(nil, other, other)); got != "activate Flow Renew\n1 deploy FlowDefinition Renew\n" {
		t.Errorf("a flow:\n%s", got)
	}
}
