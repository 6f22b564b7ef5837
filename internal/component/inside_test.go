package component_test

import (
	"slices"
	"testing"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

const space = ` xmlns="http://soap.sforce.com/2006/04/metadata"`

func parsed(t *testing.T, text string) *component.Node {
	t.Helper()
	n, err := component.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What differs inside a part is told value by value.
func TestInsideTellsTheValuesOfOnePart(t *testing.T) {
	a := parsed(t, `<Flow`+space+`><decisions><name>D</name><rules><name>R</name><label>one</label></rules><rules><name>S</name></rules></decisions></Flow>`)
	b := parsed(t, `<Flow`+space+`><decisions><name>D</name><rules><name>R</name><label>two</label></rules><rules><name>S</name></rules><label>x</label></decisions></Flow>`)
	got := component.Inside("Flow", a, b, "decisions", "D")
	want := []component.ValueChange{{"label", "", "x"}, {"rules.label", "one", "two"}}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := component.Inside("Flow", nil, b, "decisions", "D"); len(got) != 5 {
		t.Errorf("of a part that is new: %v", got)
	}
}

// A document that writes a default down says the same as one that leaves it out; another value does not.
func TestDefaultsDoNotMatter(t *testing.T) {
	file := func(inside string) []component.Entry {
		return []component.Entry{{Path: "objects/T__c.object", Body: []byte(`<CustomObject` + space + `><fields><fullName>A__c</fullName>` + inside + `</fields></CustomObject>`)}}
	}
	if !component.SameFiles("CustomObject", file("<type>Text</type>"), file("<type>Text</type><externalId>false</externalId><unique>false</unique>")) {
		t.Error("a default differs")
	}
	if component.SameFiles("CustomObject", file("<type>Text</type>"), file("<type>Text</type><externalId>true</externalId>")) {
		t.Error("a value is taken for a default")
	}
}

func TestReadManifestIsPrintManifest(t *testing.T) {
	m := sf.ManifestOf("66.0", []sf.ComponentKey{{Type: "ApexClass", Name: "A"}, {Type: "ApexClass", Name: "B"}, {Type: "Flow", Name: "F"}})
	got, err := component.ReadManifest(component.PrintManifest(m))
	if err != nil || got.Version != "66.0" || len(got.Types) != 2 || !slices.Equal(got.Types[0].Members, []string{"A", "B"}) {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := component.ReadManifest([]byte("<Profile/>")); err == nil {
		t.Error("a profile is a manifest")
	}
}
