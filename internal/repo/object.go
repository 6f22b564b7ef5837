package repo

import (
	"context"
	"errors"
	"fmt"
	"iter"
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
	if len(c) == 0 || len(c) > 32 || c[0] < 'a' || c[0] > 'z' || c == "tmp" || c == "keys" || c == configKey {
		return false
	}
	for i := range len(c) {
		if b := c[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' {
			return false
		}
	}
	return true
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

// parseKey is the inverse of Ref.Key.
func parseKey(key string) (Ref, bool) {
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
	ref := Ref{Class: class, ID: r.sealer.ContentID(string(class), frames)}
	return r.put(ctx, ref, frames)
}

// PutNamed stores an object that is found by its class and name. When there is one of that name with
// the same frames it is success; with other frames the error is of kind Conflict.
func (r *Repository) PutNamed(ctx context.Context, class Class, name string, frames [][]byte) (Stored, error) {
	ref := Ref{Class: class, ID: r.sealer.NameID(string(class), name)}
	return r.put(ctx, ref, frames)
}

func (r *Repository) put(ctx context.Context, ref Ref, frames [][]byte) (Stored, error) {
	if !ref.Class.Valid() {
		return Stored{}, fmt.Errorf("put: %q is not a class", ref.Class)
	}
	body, err := r.sealer.Seal(string(ref.Class), ref.ID, frames)
	if err != nil {
		return Stored{}, err
	}
	err = r.bucket.Put(ctx, ref.Key(), body)
	if errors.Is(err, blob.ErrExist) {
		return r.present(ctx, ref, frames)
	}
	if err != nil {
		return Stored{}, err
	}
	return Stored{Ref: ref, Size: int64(len(body)), New: true}, nil
}

// present compares what is stored under ref with the frames.
func (r *Repository) present(ctx context.Context, ref Ref, frames [][]byte) (Stored, error) {
	object, err := r.Open(ctx, ref)
	if err != nil {
		return Stored{}, err
	}
	differs := problem.Newf(problem.Conflict, "%s: there is another object of that name", ref)
	if object.Frames() != len(frames) {
		return Stored{}, differs
	}
	for i := range frames {
		frame, err := object.Frame(ctx, i)
		if err != nil {
			return Stored{}, err
		}
		if string(frame) != string(frames[i]) {
			return Stored{}, differs
		}
	}
	return Stored{Ref: ref, Size: object.Size()}, nil
}

// Named returns the Ref of the object of that class and name.
func (r *Repository) Named(class Class, name string) Ref {
	return Ref{Class: class, ID: r.sealer.NameID(string(class), name)}
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
	header     *seal.Header
	head       []byte // the first bytes of the object
}

// Open opens an object. The error is of kind Damaged when it is missing or not intact.
func (r *Repository) Open(ctx context.Context, ref Ref) (*Object, error) {
	head, err := r.get(ctx, ref, 0, headRead)
	if err != nil {
		return nil, err
	}
	length, err := seal.HeaderLength(head)
	if err != nil {
		return nil, naming(ref, err)
	}
	if length > len(head) && len(head) == headRead {
		if head, err = r.get(ctx, ref, 0, int64(length)); err != nil {
			return nil, err
		}
	}
	header, err := r.sealer.OpenHeader(string(ref.Class), ref.ID, head)
	if err != nil {
		return nil, naming(ref, err)
	}
	return &Object{repository: r, ref: ref, header: header, head: head}, nil
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

// Verify reads every byte of the object and recomputes its Id when the object is not a named one.
// It returns the frames.
func (r *Repository) Verify(ctx context.Context, ref Ref, named bool) ([][]byte, error) {
	body, err := r.get(ctx, ref, 0, -1)
	if err != nil {
		return nil, err
	}
	header, err := r.sealer.OpenHeader(string(ref.Class), ref.ID, body)
	if err != nil {
		return nil, naming(ref, err)
	}
	if header.Size() != int64(len(body)) {
		return nil, damaged(ref.Key(), "%d bytes, want %d", len(body), header.Size())
	}
	frames := make([][]byte, header.Frames())
	for i := range frames {
		offset, length := header.Range(i, i+1)
		if frames[i], err = header.OpenFrame(i, body[offset:offset+length]); err != nil {
			return nil, naming(ref, err)
		}
	}
	if !named && r.sealer.ContentID(string(ref.Class), frames) != ref.ID {
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
			if ref, ok := parseKey(info.Key); ok && !yield(Entry{Ref: ref, Size: info.Size}, nil) {
				return
			}
		}
	}
}

// Contents is everything that the bucket of a repository holds.
type Contents struct {
	Objects map[Ref]int64 // size by object
	Foreign []string      // keys that are none of a repository's
}

// Contents lists the whole bucket.
func (r *Repository) Contents(ctx context.Context) (Contents, error) {
	c := Contents{Objects: make(map[Ref]int64)}
	for info, err := range r.bucket.List(ctx, "") {
		if err != nil {
			return Contents{}, fmt.Errorf("list the repository: %w", err)
		}
		ref, ok := parseKey(info.Key)
		switch {
		case ok:
			c.Objects[ref] = info.Size
		case info.Key != configKey && !strings.HasPrefix(info.Key, keysDir):
			c.Foreign = append(c.Foreign, info.Key)
		}
	}
	return c, nil
}
