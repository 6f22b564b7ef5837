package repo

import (
	"bytes"
	"testing"
)

// FuzzWitness: there is one spelling of what a machine remembers.
func FuzzWitness(f *testing.F) {
	f.Add([]byte("holdfast-witness/1\nrepository 000102030405060708090a0b0c0d0e0f\ngeneration 3\nbase 0102030405060708\n" +
		"root snapshot 0000000000000000000000000000000000000000000000000000000000000001\n"))
	f.Add([]byte("holdfast-witness/2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := ParseWitness(text)
		if err == nil && !bytes.Equal(w.Encode(), text) {
			t.Fatalf("%q is read, and written as %q", text, w.Encode())
		}
	})
}
