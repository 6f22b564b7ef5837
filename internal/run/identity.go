package run

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"holdfast/internal/apply"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// Notes of this kind hold the identity map; docs/format/identity.md.
const (
	identityKind  = "identity"
	identityMagic = "holdfast-identity/1"
	identityPairs = 500_000 // in one note, which keeps it below the size of a note
)

// loadIdentity returns the identity map of the org: every pair of every note.
func loadIdentity(ctx context.Context, store *snapshot.Store, org sf.ID) (*state.IdentityMap, error) {
	m := state.NewIdentityMap()
	for note, err := range store.Notes(ctx, identityKind) {
		if err != nil {
			return nil, fmt.Errorf("identity map: %w", err)
		}
		if !strings.HasPrefix(note.Name, string(org)+"-") {
			continue
		}
		if err := readIdentity(m, note.Body, org); err != nil {
			return nil, problem.Wrap(problem.Damaged, err, "identity map "+note.Name)
		}
	}
	return m, nil
}

func readIdentity(m *state.IdentityMap, body []byte, org sf.ID) error {
	lines := strings.Split(string(body), "\n")
	if len(lines) < 2 || lines[0] != identityMagic+" "+string(org) || lines[len(lines)-1] != "" {
		return fmt.Errorf("not an identity map of org %s", org)
	}
	for _, line := range lines[1 : len(lines)-1] {
		word := strings.Split(line, " ")
		if len(word) != 3 {
			return fmt.Errorf("line %q", line)
		}
		old, errOld := sf.ParseID(word[1])
		now, errNow := sf.ParseID(word[2])
		if errOld != nil || errNow != nil {
			return fmt.Errorf("line %q", line)
		}
		if err := m.Add(old, now); err != nil {
			return err
		}
	}
	return nil
}

// storeIdentity keeps the pairs for every later restore. The name of a note follows from its
// content, so that storing the same again changes nothing.
func storeIdentity(ctx context.Context, store *snapshot.Store, org sf.ID, pairs []apply.Pair) error {
	for len(pairs) > 0 {
		n := min(len(pairs), identityPairs)
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s %s\n", identityMagic, org)
		for _, p := range pairs[:n] {
			fmt.Fprintf(&b, "%s %s %s\n", p.Object, p.Old, p.New)
		}
		sum := sha256.Sum256(b.Bytes())
		name := string(org) + "-" + hex.EncodeToString(sum[:16])
		if err := store.PutNote(ctx, identityKind, name, b.Bytes()); err != nil {
			return fmt.Errorf("keep the new Ids of %d records: %w", len(pairs), err)
		}
		pairs = pairs[n:]
	}
	return nil
}
