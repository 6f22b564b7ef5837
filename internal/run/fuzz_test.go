package run

import (
	"testing"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// FuzzIdentityNote: whatever a note of the identity map holds, it is read or refused.
func FuzzIdentityNote(f *testing.F) {
	const org = sf.ID("00D000000000001EAA")
	f.Add([]byte(identityMagic + " 00D000000000001EAA\nAccount 001000000000001AAA 001000000000002AAA\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m := state.NewIdentityMap()
		if err := readIdentity(m, body, org); err == nil && len(body) < len(identityMagic) {
			t.Fatalf("%q is an identity map", body)
		}
	})
}
