package run

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"holdfast/internal/apply"
	"holdfast/internal/plan"
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

// madeAgain tells of records that plans would make whether they were made already. It keeps no more of the identity map than that.
func madeAgain(ctx context.Context, store *snapshot.Store, org sf.ID, plans ...*plan.Plan) (func(sf.ID) sf.ID, error) {
	known, err := loadIdentity(ctx, store, org)
	if err != nil {
		return nil, err
	}
	again := map[sf.ID]sf.ID{}
	for _, p := range plans {
		for _, s := range p.Steps {
			for _, r := range s.Rows {
				if now := known.Map(r.ID); s.Op == plan.Insert && now != r.ID {
					again[r.ID] = now
				}
			}
		}
	}
	return func(id sf.ID) sf.ID { return cmp.Or(again[id], id) }, nil
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
// content, so that storing the same again changes nothing. A pair that contradicts what is known is not kept, since with it nobody
// could read the map any more: its record was made twice, which is the error.
func storeIdentity(ctx context.Context, store *snapshot.Store, org sf.ID, all []apply.Pair) error {
	if len(all) == 0 {
		return nil
	}
	known, err := loadIdentity(ctx, store, org)
	if err != nil {
		return err
	}
	var twice error
	pairs, others := make([]apply.Pair, 0, len(all)), 0
	for _, p := range all {
		if err := known.Add(p.Old, p.New); err != nil {
			twice, others = cmp.Or(twice, err), others+1
			continue
		}
		pairs = append(pairs, p)
	}
	if twice != nil {
		twice = problem.Newf(problem.NotVerified, "%s made that another application had made already: %w", numbered(others, "%d {record was|records were}"), twice).
			Hint("see which of the two records is to stay, and delete the other one")
	}
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
			return errors.Join(fmt.Errorf("keep the new Ids of %d records: %w", len(pairs), err), twice)
		}
		pairs = pairs[n:]
	}
	return twice
}
