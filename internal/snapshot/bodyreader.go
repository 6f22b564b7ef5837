package snapshot

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sync"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// keptOpen is how many objects of small bodies stay open: bodies that are read one after the other share them.
const keptOpen = 8

// openBodies remembers objects that were opened lately. It is safe for concurrent use.
type openBodies struct {
	mu      sync.Mutex
	objects [keptOpen]*repo.Object
	next    int
}

func (o *openBodies) open(ctx context.Context, r *repo.Repository, id seal.ID) (*repo.Object, error) {
	o.mu.Lock()
	for _, object := range o.objects {
		if object != nil && object.Ref().ID == id {
			o.mu.Unlock()
			return object, nil
		}
	}
	o.mu.Unlock()
	object, err := r.Open(ctx, repo.Ref{Class: classBody, ID: id})
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.objects[o.next] = object
	o.next = (o.next + 1) % keptOpen
	return object, nil
}

// piece reads the contents of a piece.
func (s *Store) piece(ctx context.Context, p piece) ([]byte, error) {
	object, err := s.bodies.open(ctx, s.repository, p.id)
	if err != nil {
		return nil, err
	}
	if p.frame >= object.Frames() {
		return nil, damaged(p.ref(), fmt.Errorf("%w: frame %d of %d", errWire, p.frame, object.Frames()))
	}
	frame, err := object.Frame(ctx, p.frame)
	if err != nil {
		return nil, err
	}
	contents, err := unpackPiece(frame)
	if err == nil && len(contents) != p.size {
		err = fmt.Errorf("%w: a piece of %d bytes, want %d", errWire, len(contents), p.size)
	}
	if err != nil {
		return nil, damaged(p.ref(), err)
	}
	return contents, nil
}

// HasBody reports whether the objects of the body are there and can be opened. It does not read them to their end.
func (s *Store) HasBody(ctx context.Context, body Body) (bool, error) {
	for _, p := range body.pieces {
		_, err := s.bodies.open(ctx, s.repository, p.id)
		if problem.KindOf(err) == problem.Damaged {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// BodyReader reads a body. It holds one piece.
type BodyReader struct {
	ctx   context.Context // of OpenBody: the methods of io have no place for one
	store *Store
	body  Body

	next int // piece
	rest []byte
	hash hash.Hash
	err  error
}

// OpenBody returns a reader of the contents. What is read to io.EOF had the size and the SHA-256 of the
// reference; anything else ends in an error of kind Damaged. Nothing needs to be closed.
func (s *Store) OpenBody(ctx context.Context, body Body) *BodyReader {
	return &BodyReader{ctx: ctx, store: s, body: body, hash: sha256.New()}
}

// Read is that of io.Reader.
func (r *BodyReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 && r.err == nil {
		r.rest, r.err = r.more()
	}
	if len(r.rest) == 0 {
		return 0, r.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// more returns the next piece; after the last, io.EOF or what is wrong with the whole.
func (r *BodyReader) more() ([]byte, error) {
	if r.next == len(r.body.pieces) {
		return nil, r.ended()
	}
	p := r.body.pieces[r.next]
	r.next++
	contents, err := r.store.piece(r.ctx, p)
	if err != nil {
		return nil, err
	}
	r.hash.Write(contents)
	if r.next == len(r.body.pieces) {
		// Whoever counts bytes and stops at the last must not miss that they are wrong.
		if err := r.ended(); err != io.EOF { //nolint:errorlint // ended gives it as it is
			return nil, err
		}
	}
	return contents, nil
}

func (r *BodyReader) ended() error {
	if [sha256.Size]byte(r.hash.Sum(nil)) == r.body.Sum {
		return io.EOF
	}
	ref := repo.Ref{Class: classBody}
	if len(r.body.pieces) > 0 {
		ref = r.body.pieces[0].ref()
	}
	return damaged(ref, fmt.Errorf("%w: a body of %d bytes is not the one of SHA-256 %s", errWire, r.body.Size, r.body.Hex()))
}

// ReadBodyAt reads len(p) bytes of the body from offset, as io.ReaderAt does. It reads only the pieces that hold them; that
// they are what was stored is known, that the whole is, is for OpenBody.
func (s *Store) ReadBodyAt(ctx context.Context, body Body, p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read a body from %d", offset)
	}
	n := 0
	var start int64
	for _, piece := range body.pieces {
		end := start + int64(piece.size)
		if at := offset + int64(n); n < len(p) && at >= start && at < end {
			contents, err := s.piece(ctx, piece)
			if err != nil {
				return n, err
			}
			n += copy(p[n:], contents[at-start:])
		}
		start = end
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
