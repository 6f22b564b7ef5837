package run

import (
	"testing"

	"holdfast/internal/sf"
)

// An old Id is found in either length, whatever stands around it, and nothing else is one.
func TestOldIDsInTexts(t *testing.T) {
	old, err := sf.ParseID("001A00000012345")
	if err != nil {
		t.Fatal(err)
	}
	news := map[sf.ID]sf.ID{old: "001000000000002AAA"}
	long := string(old)
	for text, found := range map[string]bool{
		"":                       false,
		long:                     true,
		long[:15]:                true,
		"see " + long[:15] + ".": true,
		"https://x.my.salesforce.com/" + long + "/view?a=1": true,
		"retURL=%2F" + long[:15]:                            true,
		"retURL=%2f" + long + "%3Fx":                        true,
		"ids: 001A00000099999; " + long:                     true,
		"x" + long[:15]:                                     false,
		long + "0":                                          false,
		long[:14]:                                           false,
		"001a00000012345":                                   false, // the case counts in 15 characters
		"[" + long[:15] + "](ümläut) " + "→":                true,
	} {
		if got := oldIDIn(text, news); (got == old) != found {
			t.Errorf("%q: %q", text, got)
		}
	}
}
