package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"holdfast/internal/blob/s3"
	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// seenDir is the folder, below that of the orgs, with a file for each repository that this machine has
// opened: docs/format/repository.md, "Witness".
const seenDir = "seen"

// maxSeen bounds what is read of such a file: 100 bytes for each snapshot.
const maxSeen = 64 << 20

// meet compares the repository with what this machine remembers of it. The error is of kind Damaged when
// it has seen a later state, or another one.
func (a *app) meet(ctx context.Context, location string, r *repo.Repository) error {
	path, w, err := a.seen(location, r.ID())
	if err != nil && a.rescuing {
		fmt.Fprintf(a.err, "holdfast: %v; the repository is read all the same\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	if w.Repository != "" {
		if err := r.Meet(ctx, w); err != nil {
			return problem.Wrap(problem.KindOf(err), err, "compare with what was seen before").
				Hint("%s; if you have put an older copy in place yourself, remove %s and run the command again", problem.HintOf(err), path)
		}
	}
	a.opened = append(a.opened, sighting{location, r})
	a.remember()
	return nil
}

// sighting is a repository that this command has opened, and where.
type sighting struct {
	location   string
	repository *repo.Repository
}

// seenPaths returns where it is written what was seen of a repository: at a place that is known to hold a
// second copy, and at any other.
func seenPaths(home, location, id string) (copied, other string) {
	if abs, err := filepath.Abs(location); err == nil && !strings.HasPrefix(location, s3.Scheme) {
		location = abs
	}
	digest := sha256.Sum256([]byte(location))
	other = filepath.Join(home, seenDir, id)
	return other + "-" + hex.EncodeToString(digest[:8]), other
}

// meetCopy begins to remember what a second copy holds, which may be earlier than what was seen elsewhere.
func (a *app) meetCopy(ctx context.Context, location string, place repo.Place, identity *seal.Identity) error {
	r, err := repo.OpenAt(ctx, place, identity)
	if err != nil {
		return err
	}
	home, err := config.HomeDir(a.getenv)
	if err != nil {
		return nil //nolint:nilerr // a machine without a place to remember remembers nothing
	}
	w, err := r.Witness(ctx)
	if err != nil {
		return err
	}
	path, _ := seenPaths(home, location, r.ID())
	if _, before, err := readSeen(path, r.ID()); err == nil && before.Repository != "" {
		w = w.Join(before)
	}
	return writeSeen(path, w)
}

// seen reads what is remembered of a repository: nothing, when it was never seen.
func (a *app) seen(location, id string) (path string, w repo.Witness, err error) {
	home, err := config.HomeDir(a.getenv)
	if err != nil {
		return "", w, nil //nolint:nilerr // a machine without a place to remember remembers nothing
	}
	path, other := seenPaths(home, location, id)
	if path, w, err = readSeen(path, id); err != nil || w.Repository != "" {
		return path, w, err
	}
	return readSeen(other, id)
}

// readSeen reads one file of what was seen; there may be none.
func readSeen(path, id string) (_ string, w repo.Witness, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, w, nil
	}
	var text []byte
	if err == nil && info.Size() <= maxSeen {
		text, err = os.ReadFile(path)
	}
	if err == nil {
		w, err = repo.ParseWitness(text)
	}
	if err == nil && w.Repository != id {
		err = errors.New("it is of another repository")
	}
	if err != nil {
		return path, w, problem.Newf(problem.Usage, "what is remembered of the repository cannot be read: %s: %w", path, err).
			Hint("remove the file, and what is remembered of the repository begins anew")
	}
	return path, w, nil
}

// remember writes what this command has seen of its repositories. Not to be able to is told, and no error:
// nothing depends on it but that a rollback is noticed.
func (a *app) remember() {
	for _, s := range a.opened {
		w, err := s.repository.Witness(context.Background())
		if err == nil {
			err = a.keepSeen(s.location, w)
		}
		if err != nil {
			fmt.Fprintf(a.err, "holdfast: what was seen of the repository is not remembered: %v\n", err)
		}
	}
}

// keepSeen writes the file of a repository whole, unless what it says is later.
func (a *app) keepSeen(location string, w repo.Witness) error {
	path, before, err := a.seen(location, w.Repository)
	if err != nil || path == "" {
		return err
	}
	if before.Repository != "" {
		w = w.Join(before)
	}
	if before.Repository != "" && string(w.Encode()) == string(before.Encode()) {
		return nil
	}
	return writeSeen(path, w)
}

// writeSeen writes such a file whole.
func writeSeen(path string, w repo.Witness) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replaceFile(path, func(to io.Writer) error { _, err := to.Write(w.Encode()); return err })
}
