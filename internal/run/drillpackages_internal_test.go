package run

import "testing"

// A namespace becomes the name of a folder of a drill: only what can be an API name has one, whatever an org says.
func TestNamespacesAreNames(t *testing.T) {
	for name, want := range map[string]string{
		"acme__Level__c": "acme", "Level__c": "", "Account": "", "acme__A__B__c": "",
		"../../out__Level__c": "", "/etc__Level__c": "", "a/b__Level__c": "", "__Level__c": "", "acme__../Level__c": "", "ac\nme__Level__c": "",
	} {
		if got := namespaceOf(name); got != want {
			t.Errorf("%q is of the namespace %q, and not of %q", name, got, want)
		}
	}
}
