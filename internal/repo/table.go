package repo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// Names of objects of the key table; docs/format/repository.md, "Key table".
const (
	tableDir   = "table/"
	mirrorDir  = "mirror/"
	closedName = "closed"
	addPrefix  = "add-"
	closedText = "closed\n"

	// maxAttempts bounds how often one operation begins anew because others were faster. Each time
	// somebody else has got further.
	maxAttempts = 64
	// maxReads bounds how often the table is read anew because it changed meanwhile.
	maxReads = 16
	// mergeAdds is after how many additions to a generation the next one is made: it bounds what a
	// reader reads to open the repository.
	mergeAdds = 8
	// keepEras is how long what is gone is remembered; docs/format/repository.md, "Invariants".
	keepEras = 8
)

// keyTable is the key table of one repository. It is shared by all views of a Repository and safe for
// concurrent use.
type keyTable struct {
	bucket   blob.Bucket
	id       seal.RepositoryID
	identity *seal.Identity

	mu      sync.Mutex
	masters map[seal.MasterID]*seal.Master
	parsed  map[string]parsedTable // what was read, by generation and name: objects never change
	now     *tableState
}

// parsedTable is an object of the table and the master key that it is sealed under.
type parsedTable struct {
	table  *seal.Table
	master *seal.Master
}

// tableState is what one generation says, as it was read. It never changes.
type tableState struct {
	table   *seal.Table // base and additions, merged
	master  *seal.Master
	closed  bool
	adds    int
	secrets map[seal.SecretName]seal.Secret
	keys    map[seal.KeyID]seal.Key
	roots   map[Ref]seal.Root
	doomed  map[Ref]time.Time // condemned
	gone    map[Ref]uint32
}

func newState(t *seal.Table, master *seal.Master, closed bool, adds int) *tableState {
	s := &tableState{
		table: t, master: master, closed: closed, adds: adds,
		secrets: make(map[seal.SecretName]seal.Secret), keys: make(map[seal.KeyID]seal.Key),
		roots: make(map[Ref]seal.Root), doomed: make(map[Ref]time.Time), gone: make(map[Ref]uint32),
	}
	for _, x := range t.Secrets {
		s.secrets[x.Name] = x
	}
	for _, k := range t.Keys {
		s.keys[k.ID] = k.Key
	}
	for _, r := range t.Roots {
		s.roots[Ref{Class(r.Class), r.ID}] = r
		s.keys[r.Data.ID] = r.Data.Key
	}
	for _, c := range t.Condemned {
		s.doomed[Ref{Class(c.Class), c.ID}] = c.At
	}
	for _, g := range t.Gone {
		s.gone[Ref{Class(g.Class), g.ID}] = g.Era
	}
	return s
}

// dataKey returns the key of the object at that place.
func (s *tableState) dataKey(p seal.Place, id seal.KeyID) (seal.Key, bool) {
	if key, found := s.keys[id]; found {
		return key, true
	}
	if secret, found := s.secrets[id.Secret()]; found {
		return secret.DataKey(p, id), true
	}
	return seal.Key{}, false
}

// holds reports whether everything that an addition says is in the state.
func (s *tableState) holds(t *seal.Table) bool {
	for _, x := range t.Secrets {
		if _, found := s.secrets[x.Name]; !found {
			return false
		}
	}
	for _, r := range t.Roots {
		if is, found := s.roots[Ref{Class(r.Class), r.ID}]; !found || !is.Expired.IsZero() {
			return false
		}
	}
	return true
}

// before reports whether the other state was read from the key table later than this one.
func (s *tableState) before(other *tableState) bool {
	if s.table.Generation != other.table.Generation {
		return s.table.Generation < other.table.Generation
	}
	return s.adds < other.adds
}

func (k *keyTable) dir() string { return keysDir + k.id.String() + "/" }

func tableKey(generation uint64, name string) string {
	return fmt.Sprintf("%016x/%s", generation, name)
}

// listing is what is found under keys/.
type listing struct {
	files      []string            // keys of key files
	identities []string            // keys of wrapped identities
	tables     map[string][]string // by generation/name: the keys of the copies that are there, primary first
}

func (k *keyTable) list(ctx context.Context) (listing, error) {
	l := listing{tables: make(map[string][]string)}
	n := 0
	for info, err := range k.bucket.List(ctx, k.dir()) {
		if err != nil {
			return l, fmt.Errorf("list the keys: %w", err)
		}
		if n++; n > maxKeyObjects {
			return l, shut(k.dir(), "more than %d objects", maxKeyObjects)
		}
		rest := strings.TrimPrefix(info.Key, k.dir())
		folder, name, _ := strings.Cut(rest, "/")
		switch folder + "/" {
		case fileDir:
			l.files = append(l.files, info.Key)
		case identityDir:
			l.identities = append(l.identities, info.Key)
		case tableDir:
			l.tables[name] = append([]string{info.Key}, l.tables[name]...)
		case mirrorDir:
			l.tables[name] = append(l.tables[name], info.Key)
		}
	}
	return l, nil
}

// newest returns the highest generation that has a base.
func (l listing) newest() (uint64, bool) {
	var last uint64
	for key := range l.tables {
		if g, name, ok := parseTableKey(key); ok && name == seal.TableBase {
			last = max(last, g)
		}
	}
	return last, last > 0
}

// open reports whether the generation is the newest and takes additions.
func (l listing) open(generation uint64) bool {
	newest, _ := l.newest()
	_, closed := l.tables[tableKey(generation, closedName)]
	return newest == generation && !closed
}

func parseTableKey(key string) (generation uint64, name string, ok bool) {
	digits, name, found := strings.Cut(key, "/")
	g, err := strconv.ParseUint(digits, 16, 64)
	return g, name, found && err == nil && tableKey(g, name) == key
}

// errMoved says that the table went on to another generation while it was read.
var errMoved = errors.New("the key table has changed")

// load reads the newest generation.
func (k *keyTable) load(ctx context.Context) (*tableState, error) {
	l, err := k.list(ctx)
	if err != nil {
		return nil, err
	}
	return k.loadFrom(ctx, l, false)
}

// mirrored reads the newest generation with the additions of which only the mirror is there. It is not
// taken for the state of the table.
func (k *keyTable) mirrored(ctx context.Context) (*tableState, error) {
	l, err := k.list(ctx)
	if err != nil {
		return nil, err
	}
	state, err := k.read(ctx, l, true)
	if errors.Is(err, errMoved) {
		return k.load(ctx) // it went on to another generation, in which no addition is lost
	}
	return state, err
}

// loadFrom reads the newest generation of a listing, or of a later one when it has changed since. With
// all, additions count of which only the mirror is there, too: they were not acknowledged, or the table
// has lost them.
func (k *keyTable) loadFrom(ctx context.Context, l listing, all bool) (*tableState, error) {
	for range maxReads {
		state, err := k.read(ctx, l, all)
		if errors.Is(err, errMoved) {
			if l, err = k.list(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		// Another goroutine may have read a later state while this one waited for the store.
		if k.now == nil || !state.before(k.now) {
			k.now = state
		}
		return state, nil
	}
	if _, found := l.newest(); !found {
		return nil, shut(k.dir()+tableDir, "there is no key table")
	}
	return nil, shut(k.dir()+tableDir, "its newest generation is not whole, or no key file has its master key")
}

// read reads the newest generation of a listing: of its additions those that are in the table, or all,
// also those of which only the mirror is there.
func (k *keyTable) read(ctx context.Context, l listing, all bool) (*tableState, error) {
	generation, found := l.newest()
	if !found {
		return nil, errMoved // every generation that was there may have gone while it was listed
	}
	base, master, err := k.object(ctx, l, generation, seal.TableBase)
	if err != nil {
		return nil, err
	}
	merged := *base
	merged.Secrets, merged.Roots = slices.Clone(base.Secrets), slices.Clone(base.Roots)
	known := make(map[Ref]bool, len(base.Roots))
	for _, r := range base.Roots {
		known[Ref{Class(r.Class), r.ID}] = true
	}
	adds, closed := 0, false
	for key := range l.tables {
		g, name, ok := parseTableKey(key)
		switch {
		case !ok || g != generation:
		case name == closedName:
			closed = true
		case strings.HasPrefix(name, addPrefix):
			adds++ // those too that do not count, so that they go with the generation
			if !all && !strings.HasPrefix(l.tables[key][0], k.dir()+tableDir) {
				continue
			}
			add, _, err := k.object(ctx, l, generation, name)
			if err != nil {
				return nil, err
			}
			merged.Secrets = append(merged.Secrets, add.Secrets...)
			for _, r := range add.Roots {
				if ref := (Ref{Class(r.Class), r.ID}); !known[ref] {
					known[ref] = true
					merged.Roots = append(merged.Roots, r)
				}
			}
		}
	}
	return newState(&merged, master, closed, adds), nil
}

// object reads one object of the table, from its second copy when the first does not open.
func (k *keyTable) object(ctx context.Context, l listing, generation uint64, name string) (*seal.Table, *seal.Master, error) {
	key := tableKey(generation, name)
	k.mu.Lock()
	known, found := k.parsed[key]
	k.mu.Unlock()
	if found {
		return known.table, known.master, nil
	}
	var first error
	for _, place := range l.tables[key] {
		t, m, err := k.copyOf(ctx, l, place, generation, name)
		if err == nil {
			return t, m, nil
		}
		if !errors.Is(err, errMoved) && problem.KindOf(err) != problem.Damaged {
			return nil, nil, err
		}
		switch {
		case first == nil || errors.Is(first, errMoved):
			first = err
		case !errors.Is(err, errMoved):
			first = problem.Newf(problem.Damaged, "%w; and its second copy: %w", first, err).Hint("%s", problem.HintOf(first))
		}
	}
	return nil, nil, first
}

// copyOf reads one copy of an object of the table.
func (k *keyTable) copyOf(ctx context.Context, l listing, place string, generation uint64, name string) (*seal.Table, *seal.Master, error) {
	body, err := k.bucket.Get(ctx, place, 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil, errMoved
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the key table: %w", err)
	}
	id, err := seal.MasterOf(body)
	if err != nil {
		return nil, nil, shut(place, "%w", err)
	}
	m, err := k.master(ctx, l, id)
	if err != nil {
		return nil, nil, err
	}
	t, err := m.OpenTable(generation, name, body)
	if err != nil {
		return nil, nil, shut(place, "%w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.parsed) > 16*mergeAdds { // of generations that are over
		clear(k.parsed)
	}
	k.parsed[tableKey(generation, name)] = parsedTable{t, m}
	return t, m, nil
}

// current returns the state that is known, or reads it.
func (k *keyTable) current(ctx context.Context) (*tableState, error) {
	k.mu.Lock()
	state := k.now
	k.mu.Unlock()
	if state != nil {
		return state, nil
	}
	return k.load(ctx)
}

// put puts an object of the table and its mirror. The error wraps blob.ErrExist when the name is taken.
// Of an addition the mirror comes first: it counts once it is in the table. Of a base the table comes
// first, because only one can be there.
func (k *keyTable) put(ctx context.Context, m *seal.Master, name string, t *seal.Table) error {
	body, err := m.SealTable(name, t)
	if err != nil {
		return err
	}
	dirs := []string{mirrorDir, tableDir}
	if t.Base {
		slices.Reverse(dirs)
	}
	for _, dir := range dirs {
		place := k.dir() + dir + tableKey(t.Generation, name)
		err := k.bucket.Put(ctx, place, body)
		if errors.Is(err, blob.ErrExist) {
			// It may be ours: the answer to a first request was lost, and it was made again.
			there, getErr := k.bucket.Get(ctx, place, 0, -1)
			// The name of an addition is nobody else's: when it is gone by now, so is its generation, and
			// whoever adds finds that out.
			if getErr == nil && bytes.Equal(there, body) || !t.Base && errors.Is(getErr, blob.ErrNotFound) {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("write the key table: %w", err)
		}
	}
	return nil
}

// add adds secrets and roots to the newest generation. allow is asked before, on each generation that
// is tried. When add returns nil the addition is part of the table for good.
func (k *keyTable) add(ctx context.Context, t seal.Table, allow func(*tableState) error) (*tableState, error) {
	state, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	for range maxAttempts {
		if state.closed || state.adds >= mergeAdds {
			if state, err = k.succeed(ctx, succession{}); err != nil {
				return nil, err
			}
		}
		if state.holds(&t) {
			// Is it still so? What was read long ago may have been given up since.
			if state, err = k.load(ctx); err != nil {
				return nil, err
			}
			if state.holds(&t) {
				return state, nil
			}
		}
		if err := allow(state); err != nil {
			return nil, err
		}
		t.Generation = state.table.Generation
		var random [16]byte
		_, _ = rand.Read(random[:])
		name := addPrefix + hex.EncodeToString(random[:])
		if err := k.put(ctx, state.master, name, &t); err != nil {
			return nil, err
		}
		// Whoever made a later generation before this looked has seen what was added, or it does not count.
		l, err := k.list(ctx)
		if err != nil {
			return nil, err
		}
		if state, err = k.loadFrom(ctx, l, false); err != nil {
			return nil, err
		}
		if l.open(t.Generation) {
			return state, nil
		}
		// A generation that is only closed may be read by others with what was added to it; of one that is over nothing
		// may stay: the next one may have destroyed what this holds a key of. Whoever may not delete leaves it to the next
		// prune or erasure.
		if newest, _ := l.newest(); newest > t.Generation {
			if err := k.withdraw(ctx, t.Generation, name); err != nil && problem.KindOf(err) != problem.Unauthorized {
				return nil, err
			}
		}
	}
	return nil, contended()
}

func contended() error {
	return problem.New(problem.Locked, "other processes change the keys of the repository without end").
		Hint("run the command again when fewer processes work on the repository")
}
