package capture

import (
	"testing"

	"holdfast/internal/sf"
)

func TestIDSetHasWhatItWasGiven(t *testing.T) {
	rolls := map[string]*roll{"A": {}, "B": {}}
	odd := func(n int) bool { return n%2 == 1 }
	for n := range 3000 {
		if odd(n) {
			rolls["A"].put(rollID(t, "001", n*n), markLive)
			rolls["B"].put(rollID(t, "a0Z", n*7), markGone)
		}
	}
	s := newIDSet(rolls)
	for n := range 3000 {
		if s.has(string(rollID(t, "001", n*n))) != odd(n) || s.has(string(rollID(t, "a0Z", n*7))) != odd(n) {
			t.Fatalf("%d", n)
		}
	}
	for _, text := range []string{"", "001", "000000000000000AAA", "zzzzzzzzzzzzzzzQQQ"} {
		if s.has(text) || newIDSet(nil).has(text) {
			t.Errorf("has %q", text)
		}
	}
	if n := len(s.packed); n > 4*3000 {
		t.Errorf("%d bytes for 3000 Ids", n)
	}
}

func rollID(t *testing.T, prefix string, n int) sf.ID {
	t.Helper()
	var digits [12]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62[n%62]
		n /= 62
	}
	id, err := sf.ParseID(prefix + string(digits[:]))
	if err != nil {
		t.Fatal(err)
	}
	return id
}
