package component_test

import (
	"fmt"
	"testing"

	"holdfast/internal/component"
)

// A name in other letters is the same component to an org: whoever renames it so deletes nothing.
func TestARenamingOfLettersDeletesNothing(t *testing.T) {
	xml := func(kind, body string) []byte {
		return []byte("<" + kind + ` xmlns="` + component.Namespace + `">` + body + "</" + kind + ">")
	}
	class := func(name, body string) []component.Entry {
		return []component.Entry{{Path: "classes/" + name + ".cls", Body: []byte(body)}, {Path: "classes/" + name + ".cls-meta.xml", Body: xml("ApexClass", "")}}
	}
	object := func(name string, fields ...string) []component.Entry {
		body := "<label>T</label>"
		for _, f := range fields {
			body += "<fields><fullName>" + f + "</fullName><type>Text</type></fields>"
		}
		return []component.Entry{{Path: "objects/" + name + ".object", Body: xml("CustomObject", body)}}
	}
	both := append(class("INK", "public class INK {}"), class("Ink", "public class Ink {}")...)
	for name, c := range map[string]struct {
		before, after    []component.Entry
		members, deleted string
	}{
		"a class":               {class("INK", "public class INK {}"), class("Ink", "public class Ink {}"), "[{ApexClass Ink}]", "[]"},
		"one of two goes":       {both, class("Ink", "public class Ink {}"), "[]", "[]"},
		"a class that goes":     {both, nil, "[]", "[{ApexClass INK} {ApexClass Ink}]"},
		"a field":               {object("T__c", "ABC__c"), object("T__c", "abc__c"), "[{CustomField T__c.abc__c}]", "[]"},
		"a field beside others": {object("T__c", "ABC__c", "D__c"), object("T__c", "abc__c"), "[{CustomField T__c.abc__c}]", "[{CustomField T__c.D__c}]"},
		"an object and a field": {object("T__c", "A__c", "B__c"), object("t__c", "a__c"), "[{CustomField t__c.a__c}]", "[{CustomField t__c.B__c}]"},
	} {
		p := component.Between(c.before, c.after)
		if got := fmt.Sprint(p.Members); got != c.members {
			t.Errorf("%s: deployed %s, not %s", name, got, c.members)
		}
		if got := fmt.Sprint(p.Deleted); got != c.deleted {
			t.Errorf("%s: deleted %s, not %s", name, got, c.deleted)
		}
	}
}
