package org_test

import (
	"encoding/json"
	"os"
	"testing"

	"holdfast/internal/testkit"
)

// realObject is a describe of a real org, as much of it as is read here. That the whole of it is true
// is held over HTTP, by TestDescribesEqualRealOnes of the emulator.
type realObject struct {
	Label  string
	Fields []map[string]any
}

func readDescribe(t *testing.T, name string) realObject {
	t.Helper()
	raw, err := os.ReadFile(testkit.Shared(t, "describe", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var o realObject
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return o
}
