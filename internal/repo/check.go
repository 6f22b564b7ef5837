package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// Trouble is something that is wrong with one object of the bucket.
type Trouble struct {
	Key string
	Err error
	// Lone is set when it is only that one of two copies is missing. A writer that was cut short
	// leaves such, so that nothing need be lost or damaged.
	Lone bool
}

// CheckKeys reads both copies of every object of the key table, the key files and the wrapped
// identities, and returns what is missing or not intact. A repository of which one copy is lost can be
// read; the other copy can take its place.
func (r *Repository) CheckKeys(ctx context.Context) ([]Trouble, error) {
	for range maxReads {
		l, err := r.keys.list(ctx)
		if err != nil {
			return nil, err
		}
		generation, _ := l.newest()
		found, err := r.checkKeys(ctx, l, generation)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, nil
		}
		// What was taken away or not yet written twice while it was read is no damage.
		again, err := r.keys.list(ctx)
		if err != nil {
			return nil, err
		}
		if maps.EqualFunc(l.tables, again.tables, slices.Equal) && slices.Equal(l.files, again.files) &&
			slices.Equal(l.identities, again.identities) {
			return found, nil
		}
	}
	return nil, contended()
}

func (r *Repository) checkKeys(ctx context.Context, l listing, generation uint64) ([]Trouble, error) {
	var found []Trouble
	for _, key := range slices.Concat(l.files, l.identities) {
		_, err := readKey(ctx, r.bucket, key)
		if err != nil && problem.KindOf(err) != problem.Damaged && !errors.Is(err, blob.ErrNotFound) {
			return nil, err
		}
		if err != nil {
			found = append(found, Trouble{Key: key, Err: shut(key, "%w", err)})
		}
	}
	lost, err := r.lostIdentities(ctx, l)
	if err != nil {
		return nil, err
	}
	for _, key := range lost {
		found = append(found, Trouble{Key: key, Err: shut(key, "it is missing, and whoever opens the repository with it cannot any more")})
	}
	for _, key := range slices.Sorted(maps.Keys(l.tables)) {
		g, name, ok := parseTableKey(key)
		if !ok {
			place := l.tables[key][0]
			found = append(found, Trouble{Key: place, Err: shut(place, "it is no name of the key table")})
		}
		if !ok || g != generation || name == closedName {
			continue
		}
		var first []byte
		var missing []string
		for _, place := range []string{r.keys.dir() + tableDir + key, r.keys.dir() + mirrorDir + key} {
			body, err := r.checkCopy(ctx, l, place, g, name)
			if errors.Is(err, blob.ErrNotFound) {
				missing = append(missing, place)
				continue
			}
			if err != nil && problem.KindOf(err) != problem.Damaged {
				return nil, err
			}
			if err == nil && first != nil && !bytes.Equal(first, body) {
				err = shut(place, "its two copies differ")
			}
			if err != nil {
				found = append(found, Trouble{Key: place, Err: err})
				continue
			}
			first = body
		}
		for _, place := range missing {
			found = append(found, Trouble{Key: place, Err: half(place, "it is missing"), Lone: first != nil})
		}
	}
	return found, nil
}

// lostIdentities returns the wrapped identities that the newest generation of the listing names and that are not
// in it: none when that does not open, which is a trouble of its own.
func (r *Repository) lostIdentities(ctx context.Context, l listing) ([]string, error) {
	state, err := r.keys.read(ctx, l, false)
	if errors.Is(err, errMoved) || problem.KindOf(err) == problem.Damaged {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lost []string
	for _, name := range state.wrapped() {
		if key := r.keys.dir() + identityDir + name; !slices.Contains(l.identities, key) {
			lost = append(lost, key)
		}
	}
	return lost, nil
}

// wrapped returns the names of the wrapped identities of members, sorted.
func (s *tableState) wrapped() []string {
	var names []string
	for _, m := range s.table.Members {
		if m.Identity != "" && m.Identity != "-" {
			names = append(names, m.Identity)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checkCopy reads one copy of an object of the key table anew.
func (r *Repository) checkCopy(ctx context.Context, l listing, place string, generation uint64, name string) ([]byte, error) {
	body, err := r.bucket.Get(ctx, place, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("read the key table: %w", err)
	}
	id, err := seal.MasterOf(body)
	if err != nil {
		return nil, half(place, "%w", err)
	}
	m, err := r.keys.master(ctx, l, id)
	if errors.Is(err, errMoved) {
		return nil, half(place, "the master key that it needs is in no key file")
	}
	if err != nil {
		return nil, err
	}
	if _, err := m.OpenTable(generation, name, body); err != nil {
		return nil, half(place, "%w", err)
	}
	return body, nil
}

// half is the error for one of two copies.
func half(key, format string, args ...any) error {
	return problem.Newf(problem.Damaged, "%s is damaged: %w", key, fmt.Errorf(format, args...)).
		Hint("put the other of its two copies, below table/ and mirror/, in its place, byte for byte")
}

// GivenUp reports whether nothing can rely on the object: it is condemned or gone, or it was written before
// the last erasure by a writer whose keys that has destroyed.
func (r *Repository) GivenUp(ctx context.Context, ref Ref) (bool, error) {
	state, err := r.keys.current(ctx)
	if err != nil {
		return false, err
	}
	_, doomed := state.doomed[ref]
	_, gone := state.gone[ref]
	if doomed || gone {
		return true, nil
	}
	head, err := r.get(ctx, ref, 0, int64(seal.HeadSize))
	if errors.Is(err, blob.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	h, err := seal.ParseHead(head)
	_, known := state.dataKey(r.place(ref, h.Era), h.Key)
	return err == nil && !known && h.Era < state.table.Era, nil
}
