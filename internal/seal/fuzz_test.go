package seal

import (
	"bytes"
	"strings"
	"testing"

	"holdfast/internal/problem"
)

// FuzzIdentity: what is read as an identity can be written and read again, and an error never repeats it.
func FuzzIdentity(f *testing.F) {
	id, err := NewIdentity()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(id.Secret()))
	f.Add([]byte("# comment\n\nAGE-SECRET-KEY-1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		id, err := ReadIdentity(bytes.NewReader(text))
		if err != nil {
			if problem.KindOf(err) != problem.Usage {
				t.Fatal(err)
			}
			for line := range bytes.Lines(text) {
				if line = bytes.TrimSpace(line); len(line) > 24 && strings.Contains(err.Error(), string(line)) {
					t.Fatalf("the error repeats what was read: %v", err)
				}
			}
			return
		}
		again, err := ReadIdentity(strings.NewReader(id.Secret()))
		if err != nil || again.Recipient().String() != id.Recipient().String() {
			t.Fatalf("it reads back as %v, %v", again, err)
		}
	})
}

// FuzzRecipient: what is read as a recipient is written as it was read.
func FuzzRecipient(f *testing.F) {
	id, err := NewIdentity()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id.Recipient().String())
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRecipient(text)
		if err == nil && !strings.EqualFold(r.String(), strings.TrimSpace(text)) {
			t.Fatalf("%q is read as %s", text, r)
		}
	})
}

// FuzzID: there is one spelling of an Id.
func FuzzID(f *testing.F) {
	f.Add(strings.Repeat("0a", 32))
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := ParseID(text); err == nil && id.String() != text {
			t.Fatalf("%q is read as %s", text, id)
		}
	})
}
