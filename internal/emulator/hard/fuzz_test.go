package hard

import (
	"encoding/json"
	"testing"
)

// FuzzParse: a hardness that is read is written and read as itself.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"queryChunk":100}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := Parse(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("%s is read, and written as %s: %v", text, again, err)
		}
	})
}
