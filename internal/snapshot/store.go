package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
)

// Store reads and writes the snapshots of a repository. It is safe for concurrent use, also by
// several processes on one repository.
type Store struct {
	repository *repo.Repository
	schemas    *schemaMemo
	bodies     *openBodies
	sizes      bodySizes
}

// Open returns the snapshots of the repository.
func Open(r *repo.Repository) *Store {
	return &Store{repository: r, schemas: &schemaMemo{}, bodies: &openBodies{}, sizes: usualSizes}
}

// Filter restricts List and Load to some snapshots.
type Filter func(Info) bool

// KindSeed is the kind of a snapshot that was prepared for an org from that of another. It is no
// observation of the org: nothing is captured on it, and it is found by its ID alone.
const KindSeed = "seed"

// OfOrg selects the snapshots of one org, in which it was observed.
func OfOrg(id sf.ID) Filter {
	return func(i Info) bool { return i.OrgID == id && i.Kind != KindSeed }
}

// OfKind selects the snapshots of one kind.
func OfKind(kind string) Filter { return func(i Info) bool { return i.Kind == kind } }

// Latest names the newest snapshot in Load.
const Latest = "latest"

// List returns the snapshots that all filters select, newest first: by the time at which they were
// started, then by the end of their interval. It reads the head of each manifest. A snapshot whose
// manifest is missing or damaged comes last, with its Damage, unless a filter leaves it out: it stands in
// the way of no other.
func (s *Store) List(ctx context.Context, filters ...Filter) ([]Info, error) {
	return s.list(ctx, "", filters)
}

// list is List of the snapshots whose ID begins with prefix; it reads no other manifest, so that
// damage to one does not stand in the way of the others.
func (s *Store) list(ctx context.Context, prefix string, filters []Filter) ([]Info, error) {
	var infos []Info
	refs, err := s.repository.Roots(ctx, classSnapshot)
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	for _, ref := range refs {
		if !strings.HasPrefix(ref.ID.String(), prefix) {
			continue
		}
		info, err := s.readInfo(ctx, ref)
		if problem.KindOf(err) == problem.Damaged {
			info, err = Info{ID: ref.ID.String(), Damage: err}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		infos = append(infos, info)
	}
	depth := depths(infos)
	slices.SortFunc(infos, func(a, b Info) int {
		return cmp.Or(
			b.Started.Compare(a.Started),
			// Server time has whole seconds: of two snapshots of one second the later one stands on the earlier.
			cmp.Compare(depth[b.ID], depth[a.ID]),
			b.To.Compare(a.To),
			strings.Compare(a.ID, b.ID),
		)
	})
	return slices.DeleteFunc(infos, func(i Info) bool { return !selected(i, filters) }), nil
}

// depths counts how many snapshots each one stands on, its parent, the parent of that, and so on.
func depths(infos []Info) map[string]int {
	parent := make(map[string]string, len(infos))
	for _, i := range infos {
		parent[i.ID] = i.Parent
	}
	depth := make(map[string]int, len(infos))
	for id := range parent {
		var line []string // from id upwards, as far as nothing is known
		for at := id; at != "" && depth[at] == 0 && len(line) <= len(infos); at = parent[at] {
			line = append(line, at)
		}
		for i := len(line) - 1; i >= 0; i-- {
			depth[line[i]] = depth[parent[line[i]]] + 1
		}
	}
	return depth
}

func selected(info Info, filters []Filter) bool {
	for _, f := range filters {
		if !f(info) {
			return false
		}
	}
	return true
}

func (s *Store) readInfo(ctx context.Context, ref repo.Ref) (Info, error) {
	object, err := s.repository.Open(ctx, ref)
	if err != nil {
		return Info{}, err
	}
	var head headLine
	if err := readHead(ctx, object, &head); err != nil {
		return Info{}, err
	}
	info, _, err := parseHead(ref.ID.String(), head)
	if err != nil {
		return Info{}, damaged(ref, err)
	}
	return info, nil
}

// minPrefix is the shortest beginning of an ID that Load takes: shorter ones name something else
// tomorrow.
const minPrefix = 4

// Load returns the snapshot whose ID begins with id, or the newest for Latest, among those that all
// filters select. The error is of kind NotFound when there is none, and Usage when id is the
// beginning of several or too short.
func (s *Store) Load(ctx context.Context, id string, filters ...Filter) (*Snapshot, error) {
	info, err := s.find(ctx, id, filters)
	if err != nil {
		return nil, err
	}
	return s.load(ctx, info.ID)
}

func (s *Store) find(ctx context.Context, id string, filters []Filter) (Info, error) {
	if id != Latest && len(id) < minPrefix {
		return Info{}, problem.Newf(problem.Usage, "snapshot %q: give at least %d characters of its id, or %q", id, minPrefix, Latest)
	}
	prefix := id
	if id == Latest {
		prefix = ""
	}
	infos, err := s.list(ctx, prefix, filters)
	if err != nil {
		return Info{}, err
	}
	if id == Latest {
		infos = slices.DeleteFunc(infos, func(i Info) bool { return i.Damage != nil })
	}
	switch {
	case len(infos) == 0 && id == Latest:
		return Info{}, problem.New(problem.NotFound, "there is no snapshot yet").
			Hint("make one with `holdfast backup`")
	case len(infos) == 0:
		return Info{}, problem.Newf(problem.NotFound, "there is no snapshot %s", id).
			Hint("`holdfast snapshots` lists what there is")
	case len(infos) > 1 && id != Latest:
		return Info{}, problem.Newf(problem.Usage, "%d snapshots begin with %s", len(infos), id).
			Hint("give more characters of the id")
	}
	return infos[0], infos[0].Damage
}

// load reads the whole manifest with that ID, and its schema.
func (s *Store) load(ctx context.Context, id string) (*Snapshot, error) {
	m, err := s.loadManifest(ctx, id)
	if err != nil {
		return nil, err
	}
	schema, err := s.schemas.load(ctx, s.repository, m.schema)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", m.info.Short(), err)
	}
	return &Snapshot{store: s, manifest: m, schema: schema}, nil
}

func (s *Store) loadManifest(ctx context.Context, id string) (*manifest, error) {
	parsed, err := seal.ParseID(id)
	if err != nil {
		return nil, err
	}
	object, err := s.repository.Open(ctx, repo.Ref{Class: classSnapshot, ID: parsed})
	if err != nil {
		return nil, err
	}
	var head headLine
	if err := readHead(ctx, object, &head); err != nil {
		return nil, err
	}
	m := &manifest{}
	if m.info, m.schema, err = parseHead(id, head); err != nil {
		return nil, damaged(object.Ref(), err)
	}
	for line, err := range readLines(ctx, object) {
		if err != nil {
			return nil, err
		}
		if err := m.addLine(line); err != nil {
			return nil, damaged(object.Ref(), err)
		}
	}
	if len(m.gaps) != head.Gaps {
		return nil, damaged(object.Ref(), fmt.Errorf("%w: %d gaps, want %d", errWire, len(m.gaps), head.Gaps))
	}
	if err := m.check(); err != nil {
		return nil, damaged(object.Ref(), err)
	}
	return m, nil
}

func (m *manifest) addLine(line []byte) error {
	var l bodyLine
	if err := decodeLine(line, &l); err != nil {
		return err
	}
	switch {
	case l.Part != nil && l.Gap == nil && len(m.gaps) == 0:
		part, err := parsePart(l.Part)
		m.parts = append(m.parts, part)
		return err
	case l.Gap != nil && l.Part == nil:
		m.gaps = append(m.gaps, Gap(*l.Gap))
		return nil
	}
	return fmt.Errorf("%w: a line that is neither a part nor a gap, or parts after gaps", errWire)
}

// The name of a note is its head; the body follows in pieces.
const (
	noteFormat = "holdfast-note/1"
	notePiece  = 1 << 20
	maxNote    = 48 << 20
)

type noteHead struct {
	Format string `json:"format"`
	Name   string `json:"name"`
	Size   int    `json:"size"`
}

func noteClass(kind string) (repo.Class, error) {
	class := repo.Class(notePrefix + kind)
	if kind == "" || len(kind) > 16 || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz") != "" {
		return "", fmt.Errorf("note of kind %q", kind)
	}
	return class, nil
}

// PutNote stores a note durably. The same name with the same body is success, so that it can be
// repeated; with another body the error is of kind Conflict. A body has at most 48 MiB.
func (s *Store) PutNote(ctx context.Context, kind, name string, body []byte) error {
	class, err := noteClass(kind)
	if err != nil {
		return err
	}
	if len(body) > maxNote {
		return fmt.Errorf("note %s of %d bytes, at most %d", name, len(body), maxNote)
	}
	if name != strings.ToValidUTF8(name, "") {
		return fmt.Errorf("note %q: its name is not UTF-8", name)
	}
	head, err := encodeLine(noteHead{Format: noteFormat, Name: name, Size: len(body)})
	if err != nil {
		return err
	}
	frames := [][]byte{head}
	var scratch []byte
	for piece := range slices.Chunk(body, notePiece) {
		var packed []byte
		if packed, scratch, err = compress(piece, scratch, true); err != nil {
			return err
		}
		frames = append(frames, packed)
	}
	if _, err = s.repository.PutNamed(ctx, class, name, frames); err != nil {
		return fmt.Errorf("note %s %s: %w", kind, name, err)
	}
	return nil
}

// Notes yields the notes of a kind in the order of their names.
func (s *Store) Notes(ctx context.Context, kind string) iter.Seq2[Note, error] {
	return func(yield func(Note, error) bool) {
		heads, err := s.noteHeads(ctx, kind)
		if err != nil {
			yield(Note{}, err)
			return
		}
		for _, h := range heads {
			body, err := s.noteBody(ctx, h)
			if err != nil {
				yield(Note{}, err)
				return
			}
			if !yield(Note{Kind: kind, Name: h.head.Name, Body: body}, nil) {
				return
			}
		}
	}
}

type openNote struct {
	object *repo.Object
	head   noteHead
}

// noteHeads opens the notes of a kind, sorted by name.
func (s *Store) noteHeads(ctx context.Context, kind string) ([]openNote, error) {
	class, err := noteClass(kind)
	if err != nil {
		return nil, err
	}
	var notes []openNote
	for entry, err := range s.repository.List(ctx, class) {
		if err != nil {
			return nil, fmt.Errorf("list notes: %w", err)
		}
		n, err := s.openNote(ctx, entry.Ref)
		if err != nil {
			return nil, err
		}
		notes = append(notes, n)
	}
	slices.SortFunc(notes, func(a, b openNote) int { return strings.Compare(a.head.Name, b.head.Name) })
	return notes, nil
}

func (s *Store) openNote(ctx context.Context, ref repo.Ref) (openNote, error) {
	object, err := s.repository.Open(ctx, ref)
	if err != nil {
		return openNote{}, err
	}
	n := openNote{object: object}
	if err := readHead(ctx, object, &n.head); err != nil {
		return openNote{}, err
	}
	if n.head.Format != noteFormat || n.head.Size < 0 || n.head.Size > maxNote ||
		s.repository.Named(ref.Class, n.head.Name) != ref {
		return openNote{}, damaged(ref, fmt.Errorf("%w: its head makes no sense", errWire))
	}
	return n, nil
}

func (s *Store) noteBody(ctx context.Context, n openNote) ([]byte, error) {
	body := make([]byte, 0, n.head.Size)
	for i := 1; i < n.object.Frames(); i++ {
		packed, err := n.object.Frame(ctx, i)
		if err != nil {
			return nil, err
		}
		piece, err := decompress(nil, packed)
		if err != nil {
			return nil, damaged(n.object.Ref(), err)
		}
		if len(body)+len(piece) > n.head.Size {
			return nil, damaged(n.object.Ref(), fmt.Errorf("%w: more than %d bytes", errWire, n.head.Size))
		}
		body = append(body, piece...)
	}
	if len(body) != n.head.Size {
		return nil, damaged(n.object.Ref(), fmt.Errorf("%w: %d bytes, want %d", errWire, len(body), n.head.Size))
	}
	return body, nil
}
