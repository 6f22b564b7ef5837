package state

import (
	"strings"
	"testing"
)

// FuzzDigestText: there is one spelling of a digest, and adding and taking away a record gives it back.
func FuzzDigestText(f *testing.F) {
	f.Add(strings.Repeat("0", 64), strings.Repeat("f", 64))
	f.Fuzz(func(t *testing.T, text, record string) {
		d, err := ParseDigest(text)
		if err != nil {
			return
		}
		if d.String() != text {
			t.Fatalf("%q is read as %s", text, d)
		}
		if h, err := ParseHash(record); err == nil && d.Add(h).Remove(h) != d {
			t.Fatalf("%s with and without %s is %s", d, h, d.Add(h).Remove(h))
		}
	})
}
