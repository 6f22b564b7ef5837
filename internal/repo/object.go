package repo

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// Class says what an object is for: 1 to 32 of a-z, 0-9 and "-", beginning with a letter. It is part
// of the object's key and of what its seal binds, so that no object passes for one of another class.
type Class string

// Valid reports whether the class has the form that Class states and is not a reserved name.
func (c Class) Valid() bool {
	return seal.ValidClass(string(c)) && c != "tmp" && c != "keys" && c != configKey && c+"/" != quarantineDir
}

// Ref names an object.
type Ref struct {
	Class Class
	ID    seal.ID
}

// Key returns the key of the object in the bucket.
func (r Ref) Key() string {
	id := r.ID.String()
	return string(r.Class) + "/" + id[:2] + "/" + id
}

// String returns the key: an operator who reads it in a message finds the object by it.
func (r Ref) String() string { return r.Key() }

// ParseKey is the inverse of Ref.Key; it reports false for a key that is no object's.
func ParseKey(key string) (Ref, bool) {
	class, rest, found := strings.Cut(key, "/")
	if !found || len(rest) < 3 {
		return Ref{}, false
	}
	id, err := seal.ParseID(rest[3:])
	if err != nil {
		return Ref{}, false
	}
	ref := Ref{Class: Class(class), ID: id}
	return ref, ref.Class.Valid() && ref.Key() == key
}

// Stored says what Put did.
type Stored struct {
	Ref  Ref
	Size int64 // bytes in the bucket
	New  bool  // false: the same contents were there already
}

// Put stores the object with those frames, unless it is there. It returns when the object is
// durable. An object that is there is read back and compared first: one that is damaged is an error
// of kind Damaged, because a snapshot that relied on it would be lost.
func (r *Repository) Put(ctx context.Context, class Class, frames [][]byte) (Stored, error) {
	stored, _, err := r.putContent(ctx, class, frames)
	return stored, err
}

// maxTaken bounds how many names that are taken a Put passes over. Each has a random era, so that the
// second is free unless somebody takes names on purpose.
const maxTaken = 16

// putContent is Put; it returns the key of the object, too.
func (r *Repository) putContent(ctx context.Context, class Class, frames [][]byte) (Stored, seal.DataKey, error) {
	var none seal.DataKey
	s, err := r.begun(ctx)
	if err != nil {
		return Stored{}, none, err
	}
	era := s.era
	for range maxTaken {
		ref := Ref{Class: class, ID: r.namer.ContentID(string(class), era, frames)}
		stored, key, err := r.put(ctx, s.secret, ref, era, frames)
		if errors.Is(err, errTaken) || errors.Is(err, ErrMissing) {
			// By an object that nobody can open, or that goes away: left by a writer that was cut
			// short, or erased, or pruned, perhaps since the name was found taken.
			era = randomEra()
			continue
		}
		return stored, key, err
	}
	return Stored{}, none, problem.Newf(problem.Conflict, "%s: every name for the object is taken", class)
}

// randomEra returns an era that no generation of the key table comes to.
func randomEra() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:]) | 1<<31
}

// PutNamed stores an object that is found by its class and name. When there is one of that name with
// the same frames it is success; with other frames the error is of kind Conflict. Named objects are
// never pruned.
func (r *Repository) PutNamed(ctx context.Context, class Class, name string, frames [][]byte) (Stored, error) {
	state, err := r.keys.current(ctx)
	if err != nil {
		return Stored{}, err
	}
	for _, secret := range slices.Backward(state.table.Secrets) {
		if !secret.Lasting {
			continue
		}
		ref := r.Named(class, name)
		stored, _, err := r.put(ctx, secret, ref, 0, frames)
		if errors.Is(err, errTaken) {
			err = damaged(ref.Key(), "its key is not in the key table")
		}
		return stored, err
	}
	return Stored{}, shut(keysDir, "the key table has no lasting secret")
}

// PutLoose stores an object under a random name, for the writer's own use: nobody else can find it,
// and its key ends with the session.
func (r *Repository) PutLoose(ctx context.Context, class Class, frames [][]byte) (Stored, error) {
	s, err := r.begun(ctx)
	if err != nil {
		return Stored{}, err
	}
	stored, _, err := r.put(ctx, s.secret, Ref{Class: class, ID: seal.ID(seal.NewKey())}, s.era, frames)
	return stored, err
}

// errTaken says that a name is taken by an object that cannot be relied on.
var errTaken = errors.New("the name is taken")

func (r *Repository) put(ctx context.Context, secret seal.Secret, ref Ref, era uint32, frames [][]byte) (Stored, seal.DataKey, error) {
	var none seal.DataKey
	if !ref.Class.Valid() {
		return Stored{}, none, fmt.Errorf("put: %q is not a class", ref.Class)
	}
	state, err := r.keys.current(ctx)
	if err != nil {
		return Stored{}, none, err
	}
	if _, gone := state.gone[ref]; gone {
		return Stored{}, none, errTaken
	}
	body, id, key, err := seal.Seal(secret, r.place(ref, era), frames)
	if err != nil {
		return Stored{}, none, err
	}
	at := r.clock()
	err = r.bucket.Put(ctx, ref.Key(), body)
	if err == nil {
		r.fresh(ref, at)
	}
	if errors.Is(err, blob.ErrExist) {
		return r.present(ctx, ref, frames)
	}
	if err != nil {
		return Stored{}, none, err
	}
	return Stored{Ref: ref, Size: int64(len(body)), New: true}, seal.DataKey{ID: id, Key: key}, nil
}

func (r *Repository) place(ref Ref, era uint32) seal.Place {
	return seal.Place{Repository: r.id, Class: string(ref.Class), ID: ref.ID, Era: era}
}

// present compares what is stored under ref with the frames.
func (r *Repository) present(ctx context.Context, ref Ref, frames [][]byte) (Stored, seal.DataKey, error) {
	var none seal.DataKey
	object, err := r.Open(ctx, ref)
	if errors.Is(err, ErrNoKey) {
		return Stored{}, none, errTaken
	}
	if err != nil {
		return Stored{}, none, err
	}
	differs := problem.Newf(problem.Conflict, "%s: there is another object of that name", ref)
	if object.Frames() != len(frames) {
		return Stored{}, none, differs
	}
	for i := range frames {
		frame, err := object.Frame(ctx, i)
		if err != nil {
			return Stored{}, none, err
		}
		if string(frame) != string(frames[i]) {
			return Stored{}, none, differs
		}
	}
	return Stored{Ref: ref, Size: object.Size()}, object.key, nil
}

// Is reports whether the object of that name would have those frames, without reading it.
func (r *Repository) Is(ctx context.Context, ref Ref, frames [][]byte) (bool, error) {
	head, err := r.get(ctx, ref, 0, int64(seal.HeadSize))
	if err != nil {
		return false, err
	}
	h, err := seal.ParseHead(head)
	if err != nil {
		return false, naming(ref, err)
	}
	return r.namer.ContentID(string(ref.Class), h.Era, frames) == ref.ID, nil
}

// Named returns the Ref of the object of that class and name.
func (r *Repository) Named(class Class, name string) Ref {
	return Ref{Class: class, ID: r.namer.NameID(string(class), name)}
}

// Remove deletes objects that nothing can refer to, such as a writer's own intermediate ones.
func (r *Repository) Remove(ctx context.Context, ref Ref) error {
	return r.bucket.Delete(ctx, ref.Key())
}

// ErrMissing is what the error for an object that is not there wraps.
var ErrMissing = blob.ErrNotFound

// headRead is how much of an object is read to open it: the header and the first frames of most.
const headRead = 16 << 10

// Object is an open object, whose frames can be read one by one. It is safe for concurrent use.
type Object struct {
	repository *Repository
	ref        Ref
	key        seal.DataKey
	header     *seal.Header
	head       []byte // the first bytes of the object
}

// ErrNoKey is the error, of kind Damaged, for an object whose key is not in the key table: it was
// erased, or its writer was cut short, or it is not intact.
var ErrNoKey = errors.New("its key is not in the key table")

// dataKey returns the key of the object that begins with head. A key that is not known yet may have
// been added since the table was read.
func (r *Repository) dataKey(ctx context.Context, ref Ref, head []byte) (seal.Head, seal.DataKey, error) {
	h, err := seal.ParseHead(head)
	if err != nil {
		return h, seal.DataKey{}, naming(ref, err)
	}
	state, err := r.keys.current(ctx)
	if err != nil {
		return h, seal.DataKey{}, err
	}
	place := r.place(ref, h.Era)
	key, found := state.dataKey(place, h.Key)
	if !found {
		if state, err = r.keys.load(ctx); err != nil {
			return h, seal.DataKey{}, err
		}
		key, found = state.dataKey(place, h.Key)
	}
	if !found {
		// The table may have lost an addition of which the mirror is there: that makes no root, but it opens.
		if state, err = r.keys.mirrored(ctx); err != nil {
			return h, seal.DataKey{}, err
		}
		if key, found = state.dataKey(place, h.Key); !found {
			return h, seal.DataKey{}, damaged(ref.Key(), "%w", ErrNoKey)
		}
	}
	return h, seal.DataKey{ID: h.Key, Key: key}, nil
}

// Open opens an object. The error is of kind Damaged when it is missing or not intact.
func (r *Repository) Open(ctx context.Context, ref Ref) (*Object, error) {
	head, err := r.get(ctx, ref, 0, headRead)
	if err != nil {
		return nil, err
	}
	h, key, err := r.dataKey(ctx, ref, head)
	if err != nil {
		return nil, err
	}
	if length := h.Size(); length > len(head) && len(head) == headRead {
		if head, err = r.get(ctx, ref, 0, int64(length)); err != nil {
			return nil, err
		}
	}
	header, err := seal.OpenHeader(key.Key, r.place(ref, h.Era), head)
	if err != nil {
		return nil, naming(ref, err)
	}
	return &Object{repository: r, ref: ref, key: key, header: header, head: head}, nil
}

func (r *Repository) get(ctx context.Context, ref Ref, offset, length int64) ([]byte, error) {
	b, err := r.bucket.Get(ctx, ref.Key(), offset, length)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, damaged(ref.Key(), "it is missing: %w", err)
	}
	return b, err
}

// naming says which object an error of the seal is about.
func naming(ref Ref, err error) error {
	if problem.KindOf(err) != problem.Damaged {
		return err
	}
	if problem.HintOf(err) != "" { // of an unknown version, which is no damage to repair
		return problem.Wrap(problem.Damaged, err, ref.Key()).Hint("%s", problem.HintOf(err))
	}
	return damaged(ref.Key(), "%w", err)
}

// Ref returns the name of the object.
func (o *Object) Ref() Ref { return o.ref }

// Frames returns the number of frames.
func (o *Object) Frames() int { return o.header.Frames() }

// Size returns the size of the object in the bucket, in bytes, by its own account.
func (o *Object) Size() int64 { return o.header.Size() }

// Frame reads the i-th frame.
func (o *Object) Frame(ctx context.Context, i int) ([]byte, error) {
	if i < 0 || i >= o.header.Frames() {
		return nil, fmt.Errorf("%s: frame %d of %d", o.ref, i, o.header.Frames())
	}
	offset, length := o.header.Range(i, i+1)
	var sealed []byte
	if offset+length <= int64(len(o.head)) {
		sealed = append(sealed, o.head[offset:offset+length]...) // opening overwrites
	} else {
		var err error
		if sealed, err = o.repository.get(ctx, o.ref, offset, length); err != nil {
			return nil, err
		}
	}
	frame, err := o.header.OpenFrame(i, sealed)
	if err != nil {
		return nil, naming(o.ref, err)
	}
	return frame, nil
}

// Verify reads every byte of the object and recomputes its Id when the object is not a named or
// loose one. It returns the frames.
func (r *Repository) Verify(ctx context.Context, ref Ref, named bool) ([][]byte, error) {
	body, err := r.get(ctx, ref, 0, -1)
	if err != nil {
		return nil, err
	}
	return r.verify(ctx, ref, named, body)
}

func (r *Repository) verify(ctx context.Context, ref Ref, named bool, body []byte) ([][]byte, error) {
	h, key, err := r.dataKey(ctx, ref, body)
	if err != nil {
		return nil, err
	}
	header, err := seal.OpenHeader(key.Key, r.place(ref, h.Era), body)
	if err != nil {
		return nil, naming(ref, err)
	}
	if header.Size() != int64(len(body)) {
		return nil, damaged(ref.Key(), "%d bytes, want %d", len(body), header.Size())
	}
	frames := make([][]byte, header.Frames())
	for i := range frames {
		offset, length := header.Range(i, i+1)
		sealed := append([]byte(nil), body[offset:offset+length]...) // opening overwrites
		if frames[i], err = header.OpenFrame(i, sealed); err != nil {
			return nil, naming(ref, err)
		}
	}
	if !named && r.namer.ContentID(string(ref.Class), h.Era, frames) != ref.ID {
		return nil, damaged(ref.Key(), "its contents are not those of its id")
	}
	return frames, nil
}

// Entry is one object of a listing.
type Entry struct {
	Ref  Ref
	Size int64
}

// List yields the objects of a class in the order of their Ids. An error means that the listing may
// be incomplete. Names that are no object's are skipped; Check reports them.
func (r *Repository) List(ctx context.Context, class Class) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for info, err := range r.bucket.List(ctx, string(class)+"/") {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if ref, ok := ParseKey(info.Key); ok && !yield(Entry{Ref: ref, Size: info.Size}, nil) {
				return
			}
		}
	}
}

// Contents is everything that the bucket of a repository holds.
type Contents struct {
	Objects    map[Ref]int64 // size by object
	Foreign    []string      // keys that are none of a repository's
	Quarantine int           // damaged objects that were replaced by sound ones, and kept
}

// Contents lists the whole bucket.
func (r *Repository) Contents(ctx context.Context) (Contents, error) {
	c := Contents{Objects: make(map[Ref]int64)}
	for info, err := range r.bucket.List(ctx, "") {
		if err != nil {
			return Contents{}, fmt.Errorf("list the repository: %w", err)
		}
		ref, ok := ParseKey(info.Key)
		switch {
		case ok:
			c.Objects[ref] = info.Size
		case strings.HasPrefix(info.Key, quarantineDir):
			c.Quarantine++
		case info.Key != configKey && !strings.HasPrefix(info.Key, keysDir):
			c.Foreign = append(c.Foreign, info.Key)
		}
	}
	return c, nil
}
