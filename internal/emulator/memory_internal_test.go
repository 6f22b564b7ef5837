package emulator

import (
	"testing"

	"holdfast/internal/emulator/image"
)

// Whatever is below the memory of an org is in what is saved, or says by its tag that it is not.
func TestNothingOfAnOrgIsForgotten(t *testing.T) {
	for _, bad := range image.Check(&memory{}) {
		t.Errorf("%s: give it the tag image:\"-\", and make it again in Thaw or Adopt", bad)
	}
}
