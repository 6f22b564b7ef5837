package sf

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The pairs are Ids published in the platform's own documentation and recorded exchanges.
func TestParseIDCompletesTheCheckCharacters(t *testing.T) {
	for short, long := range map[string]string{
		"0122a000000PCxA": "0122a000000PCxAAAW",
		"0057e00000RmwSW": "0057e00000RmwSWAAZ",
		"001D000000IqhSL": "001D000000IqhSLIAZ",
	} {
		id, err := ParseID(short)
		if err != nil || string(id) != long {
			t.Errorf("ParseID(%q) = %q, %v; want %q", short, id, err, long)
		}
		again, err := ParseID(long)
		if err != nil || string(again) != long {
			t.Errorf("ParseID(%q) = %q, %v", long, again, err)
		}
		folded, err := ParseID(strings.ToLower(long))
		if err != nil || string(folded) != long {
			t.Errorf("ParseID(%q) = %q, %v; want the case restored", strings.ToLower(long), folded, err)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, s := range []string{
		"", "001", "001D000000IqhSLIA", "001D000000IqhS!", "001D000000IqhSLIA!",
		"0010000000000006AA"[:17], "001D000000Iqh LIAZ", strings.Repeat("x", 1000),
	} {
		if id, err := ParseID(s); !errors.Is(err, ErrID) {
			t.Errorf("ParseID(%q) = %q, %v; want ErrID", s, id, err)
		}
	}
	if _, err := ParseID("001D000000IqhSLIAZ"); err != nil {
		t.Error(err)
	}
	// A check that asks for a capital where a digit stands cannot be satisfied.
	if id, err := ParseID("001000000000000BAA"); !errors.Is(err, ErrID) {
		t.Errorf("got %q, %v; want ErrID", id, err)
	}
}

func TestIDParts(t *testing.T) {
	id := ID("001D000000IqhSLIAZ")
	if id.KeyPrefix() != "001" || id.Short() != "001D000000IqhSL" {
		t.Errorf("prefix %q, short %q", id.KeyPrefix(), id.Short())
	}
	if ID("0").KeyPrefix() != "" || ID("0").Short() != "0" {
		t.Error("a short text has no key prefix")
	}
}

func TestParseIDIsIdempotentForAnyCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		short := rapid.StringMatching(`[0-9A-Za-z]{15}`).Draw(t, "short")
		id, err := ParseID(short)
		if err != nil {
			t.Fatal(err)
		}
		if id.Short() != short {
			t.Fatalf("%q became %q", short, id)
		}
		// However the case was lost, the check characters bring it back.
		for _, lost := range []string{strings.ToLower(string(id)), strings.ToUpper(string(id)), string(id)} {
			again, err := ParseID(lost)
			if err != nil || again != id {
				t.Fatalf("ParseID(%q) = %q, %v; want %q", lost, again, err, id)
			}
		}
	})
}
