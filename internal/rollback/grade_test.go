package rollback_test

import (
	"strings"
	"testing"

	"holdfast/internal/component"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
)

// A deployment has the grade of the worst that it does, with the reason.
func TestGradeOfWhatIsIntended(t *testing.T) {
	fields := func(inside ...string) []component.Entry {
		body := ""
		for _, f := range inside {
			name, rest, _ := strings.Cut(f, "|")
			body += "<fields><fullName>" + name + "</fullName>" + rest + "</fields>"
		}
		return xml("CustomObject", "T__c", "objects/T__c.object", body).Files
	}
	object := func(inside ...string) *rollback.Component {
		return &rollback.Component{Component: sf.Component{ComponentKey: sf.ComponentKey{Type: "CustomObject", Name: "T__c"}}, Files: fields(inside...)}
	}
	text, number := "<type>Text</type><length>40</length>", "<type>Number</type>"
	field := func(name string) []sf.ComponentKey {
		return []sf.ComponentKey{{Type: "CustomField", Name: "T__c." + name}}
	}
	held := func(values int64) func(string, string) rollback.Data {
		return func(string, string) rollback.Data { return rollback.Data{Held: true, Records: 9, Values: values} }
	}
	none := func(string, string) rollback.Data { return rollback.Data{} }
	key := func(kind, name string) sf.ComponentKey { return sf.ComponentKey{Type: kind, Name: name} }
	t1 := key("CustomObject", "T__c")
	installed := class("a")
	installed.Manageable = "installed"
	for name, c := range map[string]struct {
		in   rollback.Intent
		want rollback.Grade
		why  string
	}{
		"a class changes":              {rollback.Intent{Key: key("ApexClass", "Pay"), Before: class("a"), Files: class("b").Files}, "A", "as it was"},
		"a class is new":               {rollback.Intent{Key: key("ApexClass", "Pay"), Files: class("b").Files}, "A", "deleted"},
		"a class is deleted":           {rollback.Intent{Key: key("ApexClass", "Pay"), Before: class("a"), Deleted: true}, "B", "new Id"},
		"a flow gets a version":        {rollback.Intent{Key: key("Flow", "Renew"), Before: flow(1, "Active"), Files: flow(2, "Active").Files}, "B", "stays"},
		"a field is new":               {rollback.Intent{Key: t1, Before: object(), Files: fields("A__c|" + text)}, "B", "A__c is new"},
		"a field changes its label":    {rollback.Intent{Key: t1, Before: object("A__c|" + text), Files: fields("A__c|" + text + "<label>x</label>"), Data: none}, "A", "as it was"},
		"a field with values goes":     {rollback.Intent{Key: t1, Before: object("A__c|" + text), Parts: field("A__c"), Data: held(7)}, "C", "7 values in 9 records"},
		"a field with a value goes":    {rollback.Intent{Key: t1, Before: object("A__c|" + text), Parts: field("A__c"), Data: held(1)}, "C", "1 value in "},
		"a field without values goes":  {rollback.Intent{Key: t1, Before: object("A__c|" + text), Parts: field("A__c"), Data: held(0)}, "B", "no record has a value"},
		"a field goes, nothing held":   {rollback.Intent{Key: t1, Before: object("A__c|" + text), Parts: field("A__c"), Data: none}, "D", "does not hold its values"},
		"an auto number goes":          {rollback.Intent{Key: t1, Before: object("A__c|<type>AutoNumber</type>"), Parts: field("A__c"), Data: held(9)}, "D", "numbers"},
		"a formula goes":               {rollback.Intent{Key: t1, Before: object("A__c|<formula>1</formula><type>Number</type>"), Parts: field("A__c"), Data: held(9)}, "A", "computed"},
		"a field is retyped":           {rollback.Intent{Key: t1, Before: object("A__c|" + text), Files: fields("A__c|" + number), Data: held(7)}, "C", "becomes Number"},
		"a field is cut":               {rollback.Intent{Key: t1, Before: object("A__c|" + text), Files: fields("A__c|<type>Text</type><length>20</length>"), Data: none}, "D", "smaller length"},
		"a master-detail goes":         {rollback.Intent{Key: t1, Before: object("A__c|<type>MasterDetail</type>"), Parts: field("A__c"), Data: held(9)}, "D", "by hand"},
		"one of no records goes":       {rollback.Intent{Key: t1, Before: object("A__c|<type>MasterDetail</type>"), Parts: field("A__c"), Data: func(string, string) rollback.Data { return rollback.Data{Held: true} }}, "B", "no records"},
		"a master-detail is a lookup":  {rollback.Intent{Key: t1, Before: object("A__c|<type>MasterDetail</type>"), Files: fields("A__c|<type>Lookup</type>"), Data: held(9)}, "D", "becomes Lookup"},
		"a lookup is a master-detail":  {rollback.Intent{Key: t1, Before: object("A__c|<type>Lookup</type>"), Files: fields("A__c|<type>MasterDetail</type>"), Data: held(9)}, "D", "Recycle Bin"},
		"a master-detail is new":       {rollback.Intent{Key: t1, Before: object(), Files: fields("A__c|<type>MasterDetail</type>")}, "D", "Recycle Bin"},
		"a master-detail stays":        {rollback.Intent{Key: t1, Before: object("A__c|<type>MasterDetail</type>"), Files: fields("A__c|<type>MasterDetail</type><label>x</label>"), Data: none}, "A", "as it was"},
		"an object with records goes":  {rollback.Intent{Key: t1, Before: object(), Deleted: true, Data: held(9)}, "C", "9 records"},
		"an object goes, nothing held": {rollback.Intent{Key: t1, Before: object(), Deleted: true, Data: none}, "D", "not held"},
		"it is installed":              {rollback.Intent{Key: key("ApexClass", "Pay"), Before: installed, Files: class("b").Files}, "D", "installed"},
		"it is not known":              {rollback.Intent{Key: key("ApexClass", "Pay"), Files: class("b").Files, Untold: "failed"}, "D", "put back: failed"},
		"a setting is new":             {rollback.Intent{Key: key("Settings", "Account"), Files: class("b").Files}, "D", "no deployment deletes it"},
	} {
		grade, reasons := rollback.GradeOf(c.in)
		texts := ""
		for _, r := range reasons {
			texts += r.Text + "; "
		}
		if grade != c.want || !strings.Contains(texts, c.why) {
			t.Errorf("%s: %s %s", name, grade, texts)
		}
	}
	if fields, records := rollback.AtRisk(rollback.Intent{Key: t1, Before: object("A__c|"+text, "B__c|"+text), Parts: field("A__c"), Files: fields("B__c|" + number)}); strings.Join(fields, " ") != "A__c B__c" || records {
		t.Errorf("at risk: %v %v", fields, records)
	}
}
