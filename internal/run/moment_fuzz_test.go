package run

import "testing"

// FuzzMoment: what is a time is no beginning of a snapshot's ID, which has digits alone.
func FuzzMoment(f *testing.F) {
	f.Add("2026-03-01")
	f.Add("2026-03-01T12:00")
	f.Add("20260301")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := readMoment(text); !ok {
			return
		}
		for _, c := range text {
			if c < '0' || c > '9' && c < 'a' || c > 'f' {
				return
			}
		}
		t.Fatalf("%q is a time and the beginning of an ID", text)
	})
}
