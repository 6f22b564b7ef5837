package snapshot

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"holdfast/internal/repo"
)

const (
	bundleFrames = 4096 // small bodies in one object
	// bundleAsked bounds who waits for one object, about 2 MB: equal bodies wait as one frame, and each for itself.
	bundleAsked = 4 * bundleFrames
	// maxKnown bounds the memory of what is remembered of stored small bodies, about 40 MB: beyond it
	// they are stored again.
	maxKnown = 1 << 19
)

// BodyWriter stores bodies for one snapshot, within Store.Write. Its methods may be called from several
// goroutines; each Put holds a few MiB, whatever the size of the body.
type BodyWriter struct {
	w     *Writer
	cut   *cutter
	small sync.Pool // of *[]byte, for a small body and one byte more
	large sync.Pool // of *[]byte, for a piece

	mu      sync.Mutex
	idle    sync.Cond // a bundle was stored, or could not be
	storing int
	known   map[[sha256.Size]byte]piece  // where small bodies are that are stored
	waiting map[[sha256.Size]byte]placed // where they will be
	open    *bundle
	err     error // the first; nothing is stored after it

	loading turn // who finds out what the parent holds
	loaded  bool
	telling turn // who calls kept
}

// turn lets one goroutine at a time do what may take long.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) end() { <-t }

// bundle collects small bodies for one object.
type bundle struct {
	frames [][]byte
	size   int
	bodies []Body
	tell   []func(Body) error // in the order of asked
	asked  []int              // frames
}

type placed struct {
	in    *bundle
	frame int
}

// Bodies returns what stores bodies for this snapshot: one for all parts.
func (w *Writer) Bodies() *BodyWriter {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bodies == nil {
		b := &BodyWriter{
			w: w, cut: newCutter(w.store.repository, w.store.sizes), open: &bundle{},
			known: make(map[[sha256.Size]byte]piece), waiting: make(map[[sha256.Size]byte]placed),
			loading: make(turn, 1), telling: make(turn, 1),
		}
		b.idle.L = &b.mu
		b.small.New = func() any { buffer := make([]byte, b.cut.small+1); return &buffer }
		b.large.New = func() any { buffer := make([]byte, b.cut.most); return &buffer }
		w.bodies = b
	}
	return w.bodies
}

// Put stores what r gives to its end, and calls kept with the reference once the contents are durable: from then on
// a record may hold it. For a small body that is when enough of them have come together, or at
// Flush: perhaps within the Put of another goroutine. Calls of kept never overlap, and must not store bodies
// themselves. Equal contents are stored once.
//
// An error of r comes back as it is, with nothing kept; the writer can go on. After any other error it cannot.
func (b *BodyWriter) Put(ctx context.Context, r io.Reader, kept func(Body) error) error {
	if err := b.failure(); err != nil {
		return err
	}
	head := b.small.Get().(*[]byte)
	defer b.small.Put(head)
	n, ended, err := fill(r, *head)
	switch {
	case err != nil:
		return err
	case ended:
		return b.putSmall(ctx, (*head)[:n], kept)
	}
	return b.putLarge(ctx, (*head)[:n], r, kept)
}

// fill reads until the buffer is full or r has ended. Only io.EOF itself is the end: a body that was cut
// short on its way ends with io.ErrUnexpectedEOF.
func fill(r io.Reader, buffer []byte) (n int, ended bool, err error) {
	for n < len(buffer) {
		more, err := r.Read(buffer[n:])
		n += more
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

// Flush stores what waits; afterwards every kept was called of every Put that had returned before.
func (b *BodyWriter) Flush(ctx context.Context) error {
	b.mu.Lock()
	full := b.take()
	b.mu.Unlock()
	err := b.store(ctx, full)
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.storing > 0 {
		b.idle.Wait()
	}
	if err == nil {
		err = b.err
	}
	return err
}

// Alone calls fn while no kept is called, so that both may write to one part.
func (b *BodyWriter) Alone(ctx context.Context, fn func() error) error {
	if err := b.telling.take(ctx); err != nil {
		return err
	}
	defer b.telling.end()
	return fn()
}

func (b *BodyWriter) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// fail notes the first error.
func (b *BodyWriter) fail(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	return err
}

// told calls kept.
func (b *BodyWriter) told(ctx context.Context, body Body, kept func(Body) error) error {
	if err := b.Alone(ctx, func() error { return kept(body) }); err != nil {
		return b.fail(err)
	}
	return nil
}

// putLarge stores a body of more than a small body's bytes, which begins with head, in pieces of its own.
func (b *BodyWriter) putLarge(ctx context.Context, head []byte, r io.Reader, kept func(Body) error) error {
	lent := b.large.Get().(*[]byte)
	defer b.large.Put(lent)
	buffer := *lent
	var body Body
	hash := sha256.New()
	held, ended := copy(buffer, head), false
	for held > 0 || !ended {
		if !ended {
			n, end, err := fill(r, buffer[held:])
			if err != nil {
				return err
			}
			held, ended = held+n, end
		}
		if held == 0 {
			break
		}
		n := b.cut.cut(buffer[:held])
		hash.Write(buffer[:n])
		p, err := b.putPiece(ctx, buffer[:n])
		if err == nil && len(body.pieces) == maxPieces {
			err = fmt.Errorf("a body of more than %d bytes", body.Size)
		}
		if err != nil {
			return b.fail(err)
		}
		body.pieces = append(body.pieces, p)
		body.Size += int64(n)
		held = copy(buffer, buffer[n:held])
	}
	hash.Sum(body.Sum[:0])
	return b.told(ctx, body, kept)
}

// putPiece stores one piece as an object.
func (b *BodyWriter) putPiece(ctx context.Context, contents []byte) (piece, error) {
	frame, err := packPiece(contents)
	if err != nil {
		return piece{}, err
	}
	stored, err := b.put(ctx, [][]byte{frame})
	return piece{id: stored.Ref.ID, size: len(contents)}, err
}

func (b *BodyWriter) put(ctx context.Context, frames [][]byte) (repo.Stored, error) {
	stored, err := b.w.store.repository.Put(ctx, classBody, frames)
	if err == nil && stored.New {
		b.w.mu.Lock()
		b.w.newBytes += stored.Size
		b.w.mu.Unlock()
	}
	return stored, err
}

// putSmall puts a body into the bundle that is open, unless the same contents are stored, or will be.
func (b *BodyWriter) putSmall(ctx context.Context, contents []byte, kept func(Body) error) error {
	body := Body{Size: int64(len(contents)), Sum: sha256.Sum256(contents)}
	if len(contents) == 0 {
		return b.told(ctx, body, kept)
	}
	if err := b.load(ctx); err != nil {
		return b.fail(err)
	}
	if done, err := b.again(ctx, body, kept); done || err != nil {
		return err
	}
	frame, err := packPiece(contents)
	if err != nil {
		return b.fail(err)
	}
	return b.bundle(ctx, body, frame, kept)
}

// load remembers what the parent holds, once.
func (b *BodyWriter) load(ctx context.Context) error {
	if err := b.loading.take(ctx); err != nil {
		return err
	}
	defer b.loading.end()
	if b.loaded {
		return nil
	}
	b.loaded = true
	return b.w.eachBodyOfParent(ctx, b.remember)
}

// remember notes a small body that is stored.
func (b *BodyWriter) remember(body Body) {
	if len(body.pieces) != 1 || body.Size > int64(b.cut.small) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.known) < maxKnown {
		b.known[body.Sum] = body.pieces[0]
	}
}

// again reports whether the same contents are stored, which it tells, or waiting to be, which will be told.
func (b *BodyWriter) again(ctx context.Context, body Body, kept func(Body) error) (bool, error) {
	b.mu.Lock()
	waits, full := b.join(body, kept)
	at, stored := b.known[body.Sum]
	err := b.err
	b.mu.Unlock()
	switch {
	case err != nil:
		return false, err
	case waits:
		return true, b.store(ctx, full)
	case !stored:
		return false, nil
	}
	body.pieces = []piece{at}
	return true, b.told(ctx, body, kept)
}

// join has kept told with the same contents, when these wait to be stored. It returns the open bundle when that is
// full with it, for store. Once as many ask of a bundle that is being stored, others wait until it is. The caller holds
// the lock.
func (b *BodyWriter) join(body Body, kept func(Body) error) (waits bool, full *bundle) {
	for b.err == nil {
		with, waits := b.waiting[body.Sum]
		if _, stored := b.known[body.Sum]; stored || !waits {
			return false, nil
		}
		if len(with.in.asked) < bundleAsked {
			with.in.ask(with.frame, kept)
			return true, b.takeFull()
		}
		b.idle.Wait()
	}
	return false, nil
}

// bundle adds a small body to the bundle that is open, and stores the bundle when it is full.
func (b *BodyWriter) bundle(ctx context.Context, body Body, frame []byte, kept func(Body) error) error {
	b.mu.Lock()
	if waits, full := b.join(body, kept); waits { // since its frame was made
		b.mu.Unlock()
		return b.store(ctx, full)
	}
	in := b.open
	b.waiting[body.Sum] = placed{in, len(in.frames)}
	in.ask(len(in.frames), kept)
	in.frames, in.bodies, in.size = append(in.frames, frame), append(in.bodies, body), in.size+len(frame)
	full := b.takeFull()
	b.mu.Unlock()
	return b.store(ctx, full)
}

// ask notes whom to tell of a frame.
func (in *bundle) ask(frame int, kept func(Body) error) {
	in.tell, in.asked = append(in.tell, kept), append(in.asked, frame)
}

// takeFull closes the open bundle if it is full, for store. The caller holds the lock.
func (b *BodyWriter) takeFull() *bundle {
	in := b.open
	if in.size < b.cut.bundle && len(in.frames) < bundleFrames && len(in.asked) < bundleAsked {
		return nil
	}
	return b.take()
}

// take closes the open bundle, for store. The caller holds the lock.
func (b *BodyWriter) take() *bundle {
	full := b.open
	b.open = &bundle{}
	b.storing++
	return full
}

// store stores a bundle that was taken, and tells of its bodies. Who asks meanwhile is told, too.
func (b *BodyWriter) store(ctx context.Context, full *bundle) error {
	if full == nil {
		return nil
	}
	err := b.storeFrames(ctx, full)
	b.mu.Lock()
	tell, asked := full.tell, full.asked
	b.mu.Unlock()
	for i := 0; err == nil && i < len(tell); i++ {
		err = b.told(ctx, full.bodies[asked[i]], tell[i])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.storing--
	b.idle.Broadcast()
	return err
}

// storeFrames stores the object, from when on its bodies are known and nobody is added to those to tell.
func (b *BodyWriter) storeFrames(ctx context.Context, full *bundle) error {
	if len(full.frames) == 0 {
		return b.failure()
	}
	stored, err := b.put(ctx, full.frames)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range full.bodies {
		body := &full.bodies[i]
		body.pieces = []piece{{id: stored.Ref.ID, frame: i, size: int(body.Size)}}
		delete(b.waiting, body.Sum)
		if len(b.known) < maxKnown {
			b.known[body.Sum] = body.pieces[0]
		}
	}
	b.idle.Broadcast()
	return nil
}
