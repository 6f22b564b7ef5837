package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// quarantineDir holds damaged objects whose places were taken by sound ones: docs/format/repository.md,
// "Repair". Nothing reads them.
const quarantineDir = "quarantine/"

// Mending is one object that was put back from the second copy, or that could not be.
type Mending struct {
	Key        string
	Quarantine string // key of the damaged bytes, or "" when there were none that could be read
	Err        error  // why it was not put back; nil when it was, or would be
	Sound      bool   // there was nothing to put back
}

// errNoCopy says that the second copy does not have the object either.
var errNoCopy = errors.New("the second copy does not have it")

// Mend puts the object of the second copy in the place of one that is missing or damaged. The copy's is
// verified first; the damaged bytes are kept in quarantine, and only then taken away. What is sound is
// left alone. The error of what cannot be mended is in the result; any other one is of a bucket.
func (r *Repository) Mend(ctx context.Context, ref Ref, named bool, from *Repository, dry bool) (Mending, error) {
	m := Mending{Key: ref.Key()}
	_, err := r.Verify(ctx, ref, named)
	if err == nil || problem.KindOf(err) != problem.Damaged {
		m.Sound = true
		return m, err
	}
	body, err := from.bucket.Get(ctx, m.Key, 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		m.Err = damaged(m.Key, "%w", errNoCopy)
		return m, nil
	}
	if err == nil {
		_, err = r.verify(ctx, ref, named, body)
	}
	if problem.KindOf(err) == problem.Damaged {
		m.Err = problem.Wrap(problem.Damaged, err, "in the second copy, too").Hint("a third copy may have it")
		return m, nil
	}
	if err != nil || dry {
		return m, err
	}
	if sound, err := r.setAside(ctx, ref, named, &m); err != nil || sound || m.Err != nil {
		return m, err
	}
	if err := r.bucket.Put(ctx, m.Key, body); err != nil && !errors.Is(err, blob.ErrExist) {
		return m, err
	}
	_, err = r.Verify(ctx, ref, named)
	return m, err
}

// Settle returns when everything that can be seen of the repository survives a crash.
func (r *Repository) Settle(ctx context.Context) error { return blob.Settle(ctx, r.bucket) }

// SetAside takes a damaged object that no root reaches away, into quarantine. What is sound is left alone, and
// so is what the medium does not give back now.
func (r *Repository) SetAside(ctx context.Context, ref Ref, named, dry bool) (Mending, error) {
	m := Mending{Key: ref.Key()}
	if dry {
		return m, nil
	}
	_, err := r.setAside(ctx, ref, named, &m)
	return m, err
}

// setAside makes the place of a damaged object free, and says in m where its bytes are. It reports whether
// there is a sound object in that place.
func (r *Repository) setAside(ctx context.Context, ref Ref, named bool, m *Mending) (bool, error) {
	there, err := r.bucket.Get(ctx, m.Key, 0, -1)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return false, nil
	case problem.KindOf(err) == problem.Damaged:
		m.Err = problem.Wrap(problem.Damaged, err, "the damaged bytes cannot be kept").
			Hint("the storage does not give them back: when that lasts, move the file away yourself, and repair again")
		return false, nil
	case err != nil:
		return false, err
	default:
		if _, bad := r.verify(ctx, ref, named, there); bad == nil {
			return true, nil
		} else if problem.KindOf(bad) != problem.Damaged {
			return false, bad
		}
		m.Quarantine = quarantineDir + m.Key + "-" + sum(there)[:16]
		if err := putSame(ctx, r.bucket, m.Quarantine, there); err != nil {
			return false, fmt.Errorf("keep the damaged bytes: %w", err)
		}
		// Another repair may have been faster, and what is there now is not what was kept.
		switch now, err := r.bucket.Get(ctx, m.Key, 0, -1); {
		case errors.Is(err, blob.ErrNotFound):
			return false, nil
		case err != nil:
			return false, err
		case !bytes.Equal(now, there):
			_, err := r.verify(ctx, ref, named, now)
			return err == nil, err
		}
	}
	err = r.bucket.Delete(ctx, m.Key)
	if errors.Is(err, blob.ErrRetained) {
		m.Err = problem.Wrap(problem.Damaged, err, m.Key).
			Hint("the storage has locked the damaged object: repair again when the lock is over, or copy the repository to another place")
		return false, nil
	}
	return false, err
}

// MendKeys brings the config, the key files and the key table of the repository at the place back from
// this one, which is a copy of it. It is for a repository that does not open, or of which CheckKeys tells
// damage. A generation that the copy is behind is not brought back from it: that would be a rollback. seen is what
// is remembered of the place, or the zero Witness: where the copy is of before that, and the place has lost what came
// after, the error wraps ErrOlder and nothing is written.
func (r *Repository) MendKeys(ctx context.Context, place Place, seen Witness, dry bool) ([]Mending, error) {
	k := &keyMending{Repository: r, to: place.bucket, seen: seen, dry: dry, there: r.keys.at(place.bucket)}
	for _, step := range []func(context.Context) error{k.older, k.config, k.files, k.table, k.renew, k.identities} {
		if err := step(ctx); err != nil {
			return k.done, err
		}
	}
	return k.done, nil
}

// keyMending brings keys back: Repository is the copy, to the place that is mended.
type keyMending struct {
	*Repository
	to    blob.Bucket
	there *keyTable
	seen  Witness
	dry   bool
	done  []Mending
}

// ErrOlder says that a second copy is of before what was seen of the repository.
var ErrOlder = errors.New("keys of an older state, and what has been erased since with them, would come back")

// older returns an error when the copy is of before what was seen of the place, and the place has nothing as late.
func (k *keyMending) older(ctx context.Context) error {
	if k.seen.Repository == "" {
		return nil
	}
	state, err := k.keys.load(ctx)
	if err != nil {
		return err
	}
	l, err := k.there.list(ctx)
	if err != nil {
		return err
	}
	newest, _ := l.newest()
	switch {
	case newest > state.table.Generation && newest >= k.seen.Generation:
		return nil // table leaves it as it is
	case newest > state.table.Generation:
		return problem.Newf(problem.Damaged, "the repository itself is of before what was seen (generation %d was seen, this is %d), and the second copy is older still: %w",
			k.seen.Generation, newest, ErrOlder)
	}
	w := k.seen
	w.Roots = nil // the place may have roots of one generation that the copy does not have
	if err := state.follows(w); err != nil {
		return fmt.Errorf("the second copy: %w: %w", ErrOlder, err)
	}
	return nil
}

// replace puts good bytes in the place of what is there. Damaged keys are not kept: they could open what is
// erased one day.
func (k *keyMending) replace(ctx context.Context, key string, body []byte) error {
	k.done = append(k.done, Mending{Key: key})
	if k.dry {
		return nil
	}
	err := k.to.Put(ctx, key, body)
	if !errors.Is(err, blob.ErrExist) {
		return err
	}
	if err := k.to.Delete(ctx, key); err != nil {
		return fmt.Errorf("take the damaged %s away: %w", key, err)
	}
	return putSame(ctx, k.to, key, body)
}

// config brings the config back. One that names another repository is damaged only when that has no keys
// in the bucket, and this one has.
func (k *keyMending) config(ctx context.Context) error {
	ours, err := k.bucket.Get(ctx, configKey, 0, maxConfig)
	if err != nil {
		return err
	}
	config, err := k.to.Get(ctx, configKey, 0, maxConfig)
	if err != nil && !errors.Is(err, blob.ErrNotFound) || err == nil && bytes.Equal(config, ours) {
		return err
	}
	if err := k.othersAt(ctx, config); err != nil {
		return err
	}
	l, err := k.there.list(ctx)
	if err != nil {
		return err
	}
	if len(l.files)+len(l.tables) == 0 {
		return problem.New(problem.NoRepository, "the place to be repaired holds nothing of the repository that the copy is of").
			Hint("check the path; to make a new copy run `holdfast copy`")
	}
	return k.replace(ctx, configKey, ours)
}

// othersAt returns an error when the config names another repository whose keys are in the bucket.
func (k *keyMending) othersAt(ctx context.Context, config []byte) error {
	id, err := parseConfig(config)
	if err != nil || id == k.id {
		return nil //nolint:nilerr // it is damaged, and names none
	}
	l, err := (&keyTable{bucket: k.to, id: id}).list(ctx)
	if err != nil {
		return err
	}
	if len(l.files)+len(l.identities)+len(l.tables) == 0 {
		return nil
	}
	return problem.Newf(problem.Conflict, "the place to be repaired holds another repository, %s, with keys of its own", id).
		Hint("check both paths: nothing was changed; `holdfast repair` wants a copy of the same repository")
}

// files brings key files back: those of which the place has the name, and all when none of its own opens.
func (k *keyMending) files(ctx context.Context) error {
	ours, err := k.keys.list(ctx)
	if err != nil {
		return err
	}
	l, err := k.there.list(ctx)
	if err != nil {
		return err
	}
	for _, key := range l.files {
		_, err := readKey(ctx, k.to, key)
		if err == nil || errors.Is(err, blob.ErrNotFound) { // others have replaced it since it was listed
			continue
		}
		if problem.KindOf(err) != problem.Damaged {
			return err
		}
		if err := k.file(ctx, key); err != nil {
			return err
		}
	}
	own := &keyTable{bucket: k.to, id: k.id, identity: k.keys.identity, masters: make(map[seal.MasterID]*seal.Master)}
	err = own.unlock(ctx, l)
	if err == nil || problem.KindOf(err) != problem.Damaged {
		return err
	}
	for _, key := range ours.files {
		if !slices.Contains(l.files, key) {
			if err := k.file(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// file brings one key file or wrapped identity back.
func (k *keyMending) file(ctx context.Context, key string) error {
	body, err := readKey(ctx, k.bucket, key)
	if errors.Is(err, blob.ErrNotFound) || problem.KindOf(err) == problem.Damaged {
		k.done = append(k.done, Mending{Key: key, Err: shut(key, "%w: %w", errNoCopy, err)})
		return nil
	}
	if err != nil {
		return err
	}
	return k.replace(ctx, key, body)
}

// table brings objects of the key table back of which no copy opens there, or a whole generation when the
// place has lost its own.
func (k *keyMending) table(ctx context.Context) error {
	ours, state, err := k.keys.whole(ctx)
	if err != nil {
		return err
	}
	l, err := k.there.list(ctx)
	if err != nil {
		return err
	}
	generation := state.table.Generation
	newest, _ := l.newest()
	if newest > generation {
		return nil // renew mends what the place can by itself
	}
	if now, err := k.there.read(ctx, l, false); err == nil {
		// What the place has must precede what the copy has, or both be of one generation.
		if w := now.witness(k.id); newest < generation || w.Name != state.table.Name {
			if err := state.follows(w); err != nil {
				return fmt.Errorf("the second copy and the repository have nothing in common any more: %w", err)
			}
		}
	} else if problem.KindOf(err) != problem.Damaged && !errors.Is(err, errMoved) {
		return err
	}
	var names []string
	for key := range ours.tables {
		g, name, ok := parseTableKey(key)
		if ok && g == generation && strings.HasPrefix(name, addPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range append(names, seal.TableBase) { // the base makes the generation exist
		if err := k.entry(ctx, ours, l, generation, name); err != nil {
			return err
		}
	}
	return nil
}

// entry brings one object of the key table back, unless a copy of it opens there.
func (k *keyMending) entry(ctx context.Context, ours, l listing, generation uint64, name string) error {
	key := tableKey(generation, name)
	if _, _, err := k.there.object(ctx, l, generation, name); err == nil && len(l.tables[key]) > 0 {
		return nil
	} else if err != nil && problem.KindOf(err) != problem.Damaged && !errors.Is(err, errMoved) {
		return err
	}
	c := copying{Repository: k.Repository}
	body, err := c.tableBytes(ctx, ours, generation, name)
	if err != nil {
		return err
	}
	// The mirror first: the other name must never be free while writers may want it, so that what is
	// damaged there stays until the next generation.
	if err := k.replace(ctx, k.there.dir()+mirrorDir+key, body); err != nil || k.dry {
		return err
	}
	err = k.to.Put(ctx, k.there.dir()+tableDir+key, body)
	if errors.Is(err, blob.ErrExist) {
		err = nil
	}
	return err
}

// renew makes a new generation of what can be read, when something of the newest is there only once.
func (k *keyMending) renew(ctx context.Context) error {
	there := &Repository{bucket: k.to, id: k.id, keys: k.keys.at(k.to)}
	if _, err := there.keys.load(ctx); err != nil {
		if k.dry && problem.KindOf(err) == problem.Damaged {
			return nil // it is among what would be brought back
		}
		return err
	}
	troubles, err := there.CheckKeys(ctx)
	if err != nil {
		return err
	}
	renewed := false
	for _, t := range troubles {
		if strings.Contains(t.Key, "/"+tableDir) || strings.Contains(t.Key, "/"+mirrorDir) {
			renewed = true
			k.done = append(k.done, Mending{Key: t.Key})
		}
	}
	if !renewed || k.dry {
		return nil
	}
	_, err = there.keys.succeed(ctx, succession{change: func(context.Context, *tableState, *seal.Table) error { return nil }, destroy: true})
	return err
}

// identities brings wrapped identities of members back.
func (k *keyMending) identities(ctx context.Context) error {
	state, err := k.keys.at(k.to).load(ctx)
	if err != nil {
		if k.dry && problem.KindOf(err) == problem.Damaged {
			return nil
		}
		return err
	}
	for _, name := range state.wrapped() {
		key := k.there.dir() + identityDir + name
		_, err := readKey(ctx, k.to, key)
		if err == nil {
			continue
		}
		if !errors.Is(err, blob.ErrNotFound) && problem.KindOf(err) != problem.Damaged {
			return err
		}
		if err := k.file(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// at returns the key table of the same repository in another bucket, with the master keys that are known.
func (k *keyTable) at(bucket blob.Bucket) *keyTable {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &keyTable{bucket: bucket, id: k.id, identity: k.identity, masters: maps.Clone(k.masters), parsed: make(map[string]parsedTable)}
}

// whole returns a listing of the keys and the newest generation as that listing has it: each root with the
// secret that its objects were sealed with. One listing is no moment: it may have passed by the name of a secret before
// that was put, and come to a root that was put after it. So the keys are listed twice. What preceded anything in the
// first listing is in the second, and roots that only the second has do not count.
func (k *keyTable) whole(ctx context.Context) (listing, *tableState, error) {
	for range maxReads {
		first, err := k.list(ctx)
		if err != nil {
			return first, nil, err
		}
		l, err := k.list(ctx)
		if err != nil {
			return l, nil, err
		}
		err = k.dropRoots(ctx, l, first)
		var state *tableState
		if err == nil {
			state, err = k.read(ctx, l, false)
		}
		if errors.Is(err, errMoved) {
			continue
		}
		return l, state, err
	}
	return listing{}, nil, shut(k.dir()+tableDir, "its newest generation is not whole, or no key file has its master key")
}

// dropRoots takes the additions of roots to the newest generation out of the listing that an earlier one does not have.
func (k *keyTable) dropRoots(ctx context.Context, l, earlier listing) error {
	newest, _ := l.newest()
	for key := range l.tables {
		g, name, ok := parseTableKey(key)
		if _, both := earlier.tables[key]; both || !ok || g != newest || !strings.HasPrefix(name, addPrefix) {
			continue
		}
		add, _, err := k.object(ctx, l, g, name)
		if err != nil {
			return err
		}
		if len(add.Roots) > 0 {
			delete(l.tables, key)
		}
	}
	return nil
}
