package repo

import (
	"context"

	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// Begin returns a view of the repository that writes a session of its own. What it puts before its
// Commit is reached by nobody, and may be pruned once it is old.
func (r *Repository) Begin(ctx context.Context) (*Repository, error) {
	view := &Repository{bucket: r.bucket, id: r.id, namer: r.namer, keys: r.keys, clock: r.clock}
	_, err := view.begun(ctx)
	return view, err
}

// begun returns the session of this view, which begins with the first Put. Its secret is in the key
// table before anything is sealed with it.
func (r *Repository) begun(ctx context.Context) (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.session != nil {
		return r.session, nil
	}
	secret := seal.NewSecret(false, r.clock())
	// The state that add returns was read after the secret was there: what is gone and who is a root.
	state, err := r.keys.add(ctx, seal.Table{Secrets: []seal.Secret{secret}}, func(*tableState) error { return nil })
	if err != nil {
		return nil, err
	}
	r.session = &session{secret: secret, era: state.table.Era}
	return r.session, nil
}

// Commit stores the object and makes it a root: from then on it is listed by Roots, and stays with
// everything that it refers to. refs is all that it refers to; each was put in this session or is
// reached by a root that was there when the session began. Commit returns when the root is durable; where the medium
// locks what is put, all of that is locked for as long as the root is by then. base may be the zero Base.
// The error is of kind Conflict when what the session wrote, or what refs names, was given up for good
// meanwhile; nothing is committed then, and the work must be done again.
func (r *Repository) Commit(ctx context.Context, class Class, frames [][]byte, refs []Ref, base Base) (Stored, error) {
	s, err := r.begun(ctx)
	if err != nil {
		return Stored{}, err
	}
	stored, key, err := r.putContent(ctx, class, frames)
	if err != nil {
		return Stored{}, err
	}
	root := seal.Root{Class: string(class), ID: stored.Ref.ID, Data: key}
	addition := seal.Table{Roots: []seal.Root{root}}
	refs = append(refs[:len(refs):len(refs)], stored.Ref)
	if err := r.lock(ctx, refs, base); err != nil {
		return Stored{}, err
	}
	revive := false
	state, err := r.keys.add(ctx, addition, func(state *tableState) error {
		_, known := state.roots[stored.Ref]
		for _, ref := range refs {
			_, doomed := state.doomed[ref]
			known = known || doomed
		}
		if revive = known; revive {
			return errRevive
		}
		return s.allows(state, refs)
	})
	if revive {
		state, err = r.revive(ctx, s, root, refs)
	}
	if err == nil && !state.holds(&addition) {
		err = stale()
	}
	if err == nil {
		r.reserve(ctx, 0)
	}
	return stored, err
}

// errRevive says that a root needs a new generation, because it takes something back.
var errRevive = problem.New(problem.Conflict, "something is condemned that is needed")

// allows returns an error unless a root of the session may be added to a table in that state.
func (s *session) allows(state *tableState, refs []Ref) error {
	if _, alive := state.secrets[s.secret.Name]; !alive || state.table.Era-s.era >= keepEras {
		return stale()
	}
	for _, ref := range refs {
		if _, gone := state.gone[ref]; gone {
			return stale()
		}
	}
	return nil
}

func stale() error {
	return problem.New(problem.Conflict, "what was written was given up for good meanwhile, by a prune or an erasure").
		Hint("run the same command again")
}

// revive makes a generation in which nothing of refs is condemned, and the root is one.
func (r *Repository) revive(ctx context.Context, s *session, root seal.Root, refs []Ref) (*tableState, error) {
	needed := make(map[Ref]bool, len(refs))
	for _, ref := range refs {
		needed[ref] = true
	}
	change := func(_ context.Context, state *tableState, next *seal.Table) error {
		if err := s.allows(state, refs); err != nil {
			return err
		}
		condemned := next.Condemned[:0]
		for _, c := range next.Condemned {
			if !needed[Ref{Class(c.Class), c.ID}] {
				condemned = append(condemned, c)
			}
		}
		next.Condemned = condemned
		roots := next.Roots[:0]
		for _, old := range next.Roots {
			if old.Class != root.Class || old.ID != root.ID {
				roots = append(roots, old)
			}
		}
		next.Roots = append(roots, root)
		return nil
	}
	return r.keys.succeed(ctx, succession{change: change})
}

// Roots returns the roots of a class, in no order, as the key table names them now. Those that
// expired are left out.
func (r *Repository) Roots(ctx context.Context, class Class) ([]Ref, error) {
	state, err := r.keys.load(ctx)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for ref, root := range state.roots {
		if ref.Class == class && root.Expired.IsZero() {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// Rooted reports whether the object was a root when the session began, or one that expired and can be
// taken back. What such a root reaches may be named in Commit.
func (r *Repository) Rooted(ctx context.Context, ref Ref) (bool, error) {
	if _, err := r.begun(ctx); err != nil {
		return false, err
	}
	state, err := r.keys.current(ctx)
	if err != nil {
		return false, err
	}
	_, found := state.roots[ref]
	return found, nil
}

// Settled returns err, or an error of kind Conflict when that is the reason for it: the keys of the
// session are gone because of an erasure, so that not even the writer can read what it wrote.
func (r *Repository) Settled(ctx context.Context, err error) error {
	r.mu.Lock()
	s := r.session
	r.mu.Unlock()
	if s == nil || problem.KindOf(err) != problem.Damaged {
		return err
	}
	state, loadErr := r.keys.load(ctx)
	if loadErr != nil {
		return err
	}
	if _, alive := state.secrets[s.secret.Name]; alive {
		return err
	}
	return stale()
}
