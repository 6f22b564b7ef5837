package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
)

// Finding is one thing that is wrong with the repository.
type Finding struct {
	Key       string   // of the object in the bucket
	Object    string   // the part that is affected, or ""
	Snapshots []string // IDs of the snapshots that rely on it; none for what no snapshot relies on
	Text      string
}

// Report says what Check or Verify looked at, and what is wrong.
type Report struct {
	Snapshots   int
	Parts       int   // whole parts, each counted in every snapshot that has it
	Objects     int   // in the bucket, of any class
	Bytes       int64 // stored
	Read        int64 // bytes that Verify read again
	Records     int64 // record versions that Verify decoded and hashed
	Unpublished int   // objects that no snapshot relies on: left by a run that was cut short, or in progress
	Notes       int
	Quarantined int      // damaged objects that were replaced by sound ones, and kept
	Lone        []string // objects of the key table that are there once instead of twice
	Keyless     []string // objects that no snapshot relies on and no key opens: left by a copy that was cut short, or damaged
	Foreign     []string // keys that no version of this program writes
	Unlocked    []string // objects whose lock ends before what a snapshot that relies on them was promised; of Check alone
	Findings    []Finding
}

// Err returns nil when nothing is wrong, else an error of kind Damaged that names the first finding.
func (r Report) Err() error {
	if len(r.Findings) == 0 {
		return nil
	}
	f := r.Findings[0]
	affected := "no snapshot relies on it"
	if n := len(f.Snapshots); n > 0 {
		affected = fmt.Sprintf("snapshots that rely on it: %d of %d", n, r.Snapshots)
	}
	findings := "1 finding"
	if n := len(r.Findings); n != 1 {
		findings = fmt.Sprintf("%d findings", n)
	}
	return problem.Newf(problem.Damaged, "%s in the repository; the first: %s (%s)", findings, f.Text, affected).
		Hint("`holdfast repair --from PLACE` puts back what a copy of the repository holds, such as %s; "+
			"without a copy, a full backup makes a new sound snapshot", f.Key)
}

// checker holds what a check learns. Of manifests it keeps what they rely on, and themselves only as far as there
// is room: there may be thousands, each of the size of the org's schema.
type checker struct {
	store    *Store
	report   Report
	contents repo.Contents
	snaps    []string             // IDs of all snapshots
	legible  []bool               // whose manifest could be read
	kept     map[string]*manifest // by the ID of the snapshot, those that there was room for
	room     int                  // how many more names of fields and segments may be kept
	users    map[repo.Ref][]int32 // snapshots, by their place in snaps, by the object that they rely on
	refs     map[repo.Ref]segmentUse
	reach    *reach
	bodies   map[repo.Ref]*bodyUse
}

// bodyUse is what is known of an object that holds bodies. Snapshots rely on it through segments, of which
// there are few: to keep the snapshots of each would be much.
type bodyUse struct {
	segments []repo.Ref // that refer to it
}

// usersOf returns the IDs of the snapshots that rely on the object.
func (c *checker) usersOf(ref repo.Ref) []string {
	var ids []string
	for _, n := range c.places(ref) {
		ids = append(ids, c.snaps[n])
	}
	return ids
}

// places returns the snapshots that rely on the object, by their place in snaps.
func (c *checker) places(ref repo.Ref) []int32 {
	use := c.bodies[ref]
	if use == nil {
		return c.users[ref]
	}
	var all []int32
	for _, s := range use.segments {
		all = append(all, c.users[s]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// reliedOn reports whether a snapshot relies on the object.
func (c *checker) reliedOn(ref repo.Ref) bool { return c.bodies[ref] != nil || len(c.users[ref]) > 0 }

// segmentUse is what manifests say of a segment.
type segmentUse struct {
	object string
	ref    segmentRef
}

// Check reads every manifest and schema, and the rows that refer to bodies, and compares what they rely on with what the
// bucket holds: keys, sizes, digest chains. It reads no other records and no body; Verify does. The error is that of Report.Err, or
// that of a bucket that does not answer.
func (s *Store) Check(ctx context.Context) (Report, error) {
	c, err := s.check(ctx)
	if err == nil {
		err = c.locks(ctx)
	}
	if err != nil {
		return Report{}, err
	}
	return c.report, c.report.Err()
}

// check reads the manifests before it lists the bucket: everything that a manifest relies on was
// durable before the manifest, so that what is missing then was lost, not late.
func (s *Store) check(ctx context.Context) (*checker, error) {
	c := &checker{
		store: s, users: make(map[repo.Ref][]int32), refs: make(map[repo.Ref]segmentUse),
		reach: newReach(s.repository), bodies: make(map[repo.Ref]*bodyUse),
		kept: make(map[string]*manifest), room: keptNames,
	}
	roots, err := s.repository.Roots(ctx, classSnapshot)
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	for _, ref := range roots {
		c.report.Snapshots++
		id := ref.ID.String()
		c.snaps = append(c.snaps, id)
		c.users[ref] = []int32{int32(len(c.snaps) - 1)}
		m, err := s.loadManifest(ctx, id)
		if err := c.note(err, ref, ""); err != nil {
			return nil, err
		}
		c.legible = append(c.legible, m != nil)
		if m != nil {
			c.keep(id, m)
			c.use(m)
			if err := c.useBodies(ctx, m); err != nil {
				return nil, err
			}
		}
	}
	if c.contents, err = s.repository.Contents(ctx); err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	c.report.Foreign, c.report.Quarantined = c.contents.Foreign, c.contents.Quarantine
	for ref, size := range c.contents.Objects {
		c.report.Objects++
		c.report.Bytes += size
		switch {
		case !known(ref.Class):
			c.report.Foreign = append(c.report.Foreign, ref.Key())
		case strings.HasPrefix(string(ref.Class), notePrefix):
			c.report.Notes++
		case !c.reliedOn(ref):
			c.report.Unpublished++
		}
	}
	slices.Sort(c.report.Foreign)
	troubles, err := s.repository.CheckKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	for _, t := range troubles {
		if t.Lone {
			c.report.Lone = append(c.report.Lone, t.Key)
			continue
		}
		c.report.Findings = append(c.report.Findings, Finding{Key: t.Key, Text: t.Err.Error()})
	}
	if err := c.compare(ctx); err != nil {
		return nil, err
	}
	c.sort()
	return c, nil
}

// keptNames bounds what is kept of manifests: some ten MiB.
const keptNames = 100_000

// keep keeps the manifest when there is room for it. Those that are not kept are read again where they are needed.
func (c *checker) keep(id string, m *manifest) {
	names := 0
	for _, p := range m.parts {
		names += 1 + len(p.fields)
		for _, l := range slices.Concat(p.layers, p.replaced) {
			names += 1 + len(l.segments)
		}
	}
	if names <= c.room {
		c.room -= names
		c.kept[id] = m
	}
}

func known(class repo.Class) bool {
	switch class {
	case classSegment, classSpill, classSnapshot, classSchema, classBody:
		return true
	}
	return strings.HasPrefix(string(class), notePrefix)
}

// note records damage, and passes on any other error.
func (c *checker) note(err error, ref repo.Ref, object string) error {
	if err == nil || problem.KindOf(err) != problem.Damaged {
		return err
	}
	c.report.Findings = append(c.report.Findings, Finding{
		Key: ref.Key(), Object: object, Snapshots: c.usersOf(ref), Text: err.Error(),
	})
	return nil
}

// use remembers what the manifest of the latest snapshot relies on.
func (c *checker) use(m *manifest) {
	id := int32(len(c.snaps) - 1)
	schema := repo.Ref{Class: classSchema, ID: m.schema}
	c.users[schema] = append(c.users[schema], id)
	for _, p := range m.parts {
		if p.state == Whole {
			c.report.Parts++
		}
		for _, l := range slices.Concat(p.layers, p.replaced) {
			for _, s := range l.segments {
				ref := s.ref(classSegment)
				c.users[ref] = append(c.users[ref], id)
				if old, twice := c.refs[ref]; twice && (old.object != p.object || old.ref != s) {
					c.report.Findings = append(c.report.Findings, Finding{
						Key: ref.Key(), Object: p.object, Snapshots: c.usersOf(ref),
						Text: fmt.Sprintf("%s: manifests contradict each other about it", ref),
					})
				}
				c.refs[ref] = segmentUse{object: p.object, ref: s}
			}
		}
	}
}

// useBodies remembers the objects to which the rows of the manifest's parts refer. A segment that cannot be
// read is a finding: what it refers to is not known then.
func (c *checker) useBodies(ctx context.Context, m *manifest) error {
	for _, p := range m.parts {
		for _, s := range p.bodySegments() {
			ref := s.ref(classSegment)
			err := c.reach.segment(ctx, p, s, func(b Body) {
				for _, piece := range b.pieces {
					c.useBody(piece.ref(), ref)
				}
			})
			if problem.KindOf(err) == problem.Damaged && c.broken(ref) {
				continue
			}
			if err := c.note(err, ref, p.object); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) useBody(ref, segment repo.Ref) {
	use := c.bodies[ref]
	if use == nil {
		use = &bodyUse{}
		c.bodies[ref] = use
	}
	if n := len(use.segments); n == 0 || use.segments[n-1] != segment { // one segment is followed at a time
		use.segments = append(use.segments, segment)
	}
}

// compare finds what is missing or of another size, and reads the schemas and the heads of notes.
func (c *checker) compare(ctx context.Context) error {
	for ref := range c.users {
		size, there := c.contents.Objects[ref]
		use := c.refs[ref]
		var err error
		switch {
		case !there && ref.Class == classSnapshot: // found when it was to be read
		case !there:
			err = damaged(ref, errors.New("it is missing"))
		case ref.Class == classSegment && size != use.ref.size:
			err = damaged(ref, fmt.Errorf("%d bytes, want %d", size, use.ref.size))
		case ref.Class == classSchema:
			_, err = loadSchema(ctx, c.store.repository, ref.ID)
		}
		if c.broken(ref) && problem.KindOf(err) == problem.Damaged {
			continue // found when its rows were read
		}
		if err := c.note(err, ref, use.object); err != nil {
			return err
		}
	}
	for ref := range c.bodies {
		if _, there := c.contents.Objects[ref]; !there {
			_ = c.note(damaged(ref, errors.New("it is missing")), ref, "") // of kind Damaged: nothing is passed on
		}
	}
	for ref := range c.contents.Objects {
		if strings.HasPrefix(string(ref.Class), notePrefix) {
			_, err := c.store.openNote(ctx, ref)
			if err := c.note(err, ref, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) sort() {
	slices.SortFunc(c.report.Findings, func(a, b Finding) int { return strings.Compare(a.Key+a.Text, b.Key+b.Text) })
}

// broken reports whether a finding names the object already.
func (c *checker) broken(ref repo.Ref) bool {
	return slices.ContainsFunc(c.report.Findings, func(f Finding) bool { return f.Key == ref.Key() })
}

// selected returns the objects that the snapshot relies on, or all when id is "".
func (c *checker) selected(id string) []repo.Ref {
	var refs []repo.Ref
	only := int32(slices.Index(c.snaps, id))
	for ref := range c.contents.Objects {
		if known(ref.Class) && (id == "" || slices.Contains(c.places(ref), only)) {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b repo.Ref) int { return strings.Compare(a.Key(), b.Key()) })
	return refs
}
