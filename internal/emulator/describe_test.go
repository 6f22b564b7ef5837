package emulator_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

// keys returns the keys of a JSON object, sorted.
func keys(v any) []string {
	object, _ := v.(map[string]any)
	return slices.Sorted(maps.Keys(object))
}

// recordedJSON reads a describe of a real org.
func recordedJSON(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(testkit.Shared(t, "describe", name))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// first returns the first element of a list within an object.
func first(v map[string]any, list string) any {
	elements, _ := v[list].([]any)
	if len(elements) == 0 {
		return nil
	}
	return elements[0]
}

// Every key that a real describe has is there, in each of its parts that is not empty.
func TestDescribeHasTheKeysOfARealOne(t *testing.T) {
	c := start(t, emulator.Options{})
	for _, name := range []string{"Account", "Contact", "Opportunity", "OpportunityContactRole"} {
		recorded := recordedJSON(t, name+".json")
		var ours map[string]any
		c.do("GET", "sobjects/"+name+"/describe", "").ok(200).into(&ours)
		lacks(t, name, keys(recorded), keys(ours))
		for _, part := range []string{"fields", "childRelationships", "recordTypeInfos", "supportedScopes"} {
			if element := first(ours, part); element != nil {
				lacks(t, name+" "+part, keys(first(recorded, part)), keys(element))
			}
		}
	}
	recorded := recordedJSON(t, "Global.json")
	var ours map[string]any
	c.do("GET", "sobjects/", "").ok(200).into(&ours)
	lacks(t, "global", keys(recorded), keys(ours))
	lacks(t, "global sobjects", keys(first(recorded, "sobjects")), keys(first(ours, "sobjects")))
}

func lacks(t *testing.T, what string, want, got []string) {
	t.Helper()
	for _, key := range want {
		if !slices.Contains(got, key) {
			t.Errorf("%s lacks the key %s", what, key)
		}
	}
}
