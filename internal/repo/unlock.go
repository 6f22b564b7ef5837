package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// master returns the master key of that name. One that is not known yet was made by whoever changed
// the keys since; the key files tell it.
func (k *keyTable) master(ctx context.Context, l listing, id seal.MasterID) (*seal.Master, error) {
	k.mu.Lock()
	m := k.masters[id]
	k.mu.Unlock()
	if m != nil {
		return m, nil
	}
	if err := k.unlock(ctx, l); errors.Is(err, errNoKeyFile) {
		return nil, errMoved // a rotation has replaced them since the listing
	} else if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if m = k.masters[id]; m == nil {
		return nil, errMoved // its key file may have come after the listing
	}
	return m, nil
}

// unlocked lists the keys and opens the key files. While a rotation replaces them a listing may name
// files that are gone, and not yet those that came: as long as it changes, it is made again.
func (k *keyTable) unlocked(ctx context.Context) (listing, error) {
	l, err := k.list(ctx)
	for range maxAttempts {
		if err != nil {
			return l, fmt.Errorf("open the repository: %w", err)
		}
		failed := k.unlock(ctx, l)
		if failed == nil || problem.KindOf(failed) != problem.Damaged {
			return l, failed
		}
		before := l.files
		if l, err = k.list(ctx); err == nil && slices.Equal(l.files, before) {
			return l, failed
		}
	}
	return l, contended()
}

// unlock opens the key files. Any one that opens will do; without one, damage is reported before a
// wrong key, because it may be the reason.
func (k *keyTable) unlock(ctx context.Context, l listing) error {
	var wrong, bad error
	opened := false
	for i, key := range l.files {
		if i == maxKeyFiles {
			break
		}
		file, err := readKey(ctx, k.bucket, key)
		if errors.Is(err, blob.ErrNotFound) {
			continue // taken away since the listing
		}
		if err == nil {
			var m *seal.Master
			if m, err = seal.OpenKeyFile(k.id, file, k.identity); err == nil {
				k.mu.Lock()
				k.masters[m.ID()] = m
				k.mu.Unlock()
				opened = true
				continue
			}
		}
		switch problem.KindOf(err) {
		case problem.WrongKey:
			wrong = err
		case problem.Damaged:
			bad = shut(key, "%w", err)
		default:
			return err
		}
	}
	switch {
	case opened:
		return nil
	case bad != nil:
		return bad
	case wrong != nil:
		return wrong
	}
	return shut(k.dir()+fileDir, "%w", errNoKeyFile)
}

// errNoKeyFile says that a listing had none, or none any more.
var errNoKeyFile = errors.New("no key file")
