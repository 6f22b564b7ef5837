package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/sf"
)

// tinySizes let a few KiB be a body of many pieces.
var tinySizes = bodySizes{small: 100, bundle: 300, least: 128, usual: 256, most: 1024}

// noise returns n bytes that do not compress.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = r.Read(b)
	return b
}

// prose returns n bytes that do.
func prose(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 8))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "%d, word %d and more\n", r.IntN(1000), r.IntN(50))
	}
	return b.Bytes()[:n]
}

// filePart is a part of one field whose values are bodies.
const filePart = "files/Account"

// putFiles writes a snapshot whose only part holds the bodies; nil is one that is missing.
func putFiles(ctx context.Context, s *Store, parent *Snapshot, contents map[int][]byte, gone ...int) (*Snapshot, error) {
	return s.Write(ctx, draft(parent, day), func(w *Writer) error { return writeFiles(ctx, w, parent, contents, gone) })
}

var fileShape = sf.NewShape(filePart, []string{"Body", "Name"})

func fileRow(n int, v sf.Value) sf.Record {
	return sf.Record{ID: accountID(n), Shape: fileShape, Values: []sf.Value{v, sf.Text(fmt.Sprint("file ", n))}}
}

func writeFiles(ctx context.Context, w *Writer, parent *Snapshot, contents map[int][]byte, gone []int) error {
	full := parent == nil
	if !full {
		_, found := parent.Part(filePart)
		full = !found
	}
	p, err := w.Part(PartInfo{
		Object: filePart, Fields: fileShape.Fields(), Bodies: []string{"Body"}, From: day, To: day, Watermark: day, Full: full,
	})
	if err != nil {
		return err
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(3)
	for n, c := range contents {
		if c == nil {
			if err := w.Bodies().Alone(ctx, func() error { return p.Add(fileRow(n, sf.Null())) }); err != nil {
				return err
			}
			continue
		}
		g.Go(func() error {
			return w.Bodies().Put(within, bytes.NewReader(c), func(b Body) error { return p.Add(fileRow(n, sf.Text(b.Text()))) })
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := w.Bodies().Flush(ctx); err != nil {
		return err
	}
	for _, n := range gone {
		if err := p.Remove(accountID(n), day, "census"); err != nil {
			return err
		}
	}
	_, err = p.Close(ctx, -1)
	return err
}

// readFiles returns what the snapshot's part holds, read whole.
func readFiles(ctx context.Context, s *Store, sn *Snapshot) (map[int][]byte, error) {
	out := make(map[int][]byte)
	for r, err := range sn.Records(ctx, filePart) {
		if err != nil {
			return nil, err
		}
		var n int
		if _, err := fmt.Sscanf(string(r.ID), "001%012d", &n); err != nil {
			return nil, err
		}
		out[n] = nil
		v := r.Values[r.Shape.Index("Body")]
		if !v.IsText() {
			continue
		}
		b, err := ParseBody(v.Text())
		if err != nil {
			return nil, err
		}
		c, err := io.ReadAll(s.OpenBody(ctx, b))
		if err != nil {
			return nil, err
		}
		if int64(len(c)) != b.Size {
			return nil, fmt.Errorf("%d bytes, its size is %d", len(c), b.Size)
		}
		out[n] = c
	}
	return out, nil
}

func sameFiles(got, want map[int][]byte) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d files, want %d", len(got), len(want))
	}
	for n, c := range want {
		if g, found := got[n]; !found || !bytes.Equal(g, c) {
			return fmt.Errorf("file %d has %d bytes, want %d (or others)", n, len(g), len(c))
		}
	}
	return nil
}

// manyFiles are contents of every size at which something is done differently.
func manyFiles(sizes bodySizes) map[int][]byte {
	files := map[int][]byte{0: {}, 1: nil}
	for i, n := range []int{
		1, 2, 63, sizes.small - 1, sizes.small, sizes.small + 1, sizes.least, sizes.least + 1, sizes.most - 1, sizes.most,
		sizes.most + 1, 5*sizes.most + 17,
	} {
		files[2+2*i] = noise(uint64(i), n)
		files[3+2*i] = prose(uint64(i), n)
	}
	return files
}

// TestLaw07BodiesComeBackAsTheyWere: of every size, also where a body is cut and where it shares an object.
func TestLaw07BodiesComeBackAsTheyWere(t *testing.T) {
	for name, sizes := range map[string]bodySizes{"tiny": tinySizes, "usual": usualSizes} {
		s, _ := newStore(t)
		s.sizes = sizes
		want := manyFiles(sizes)
		sn, err := putFiles(t.Context(), s, nil, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readFiles(t.Context(), s, sn)
		if err != nil {
			t.Fatal(err)
		}
		if err := sameFiles(got, want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		part, _ := sn.Part(filePart)
		tally := Tally{Held: int64(len(want) - 1), Missing: 1}
		for _, c := range want {
			tally.Bytes += int64(len(c))
		}
		if part.Bodies != tally || sn.Info().Bodies != tally || !sn.Info().Partial || sn.Info().Records != 0 || len(sn.Parts()) != 0 {
			t.Errorf("%s: the part says %+v, the snapshot %+v, want %+v", name, part.Bodies, sn.Info(), tally)
		}
		if report, err := s.Verify(t.Context(), VerifyOptions{}, nil); err != nil {
			t.Errorf("%s: %v: %+v", name, err, report)
		}
		if _, err := ParseBody(Body{Sum: [32]byte{1}}.Text()); err == nil {
			t.Errorf("%s: a body of no pieces is read that is not empty", name)
		}
	}
}

// TestBodiesAreStoredOnce: the same contents twice in a snapshot, in the next one, and with a little more in
// front of them.
func TestBodiesAreStoredOnce(t *testing.T) {
	s, bucket := newStore(t)
	s.sizes = tinySizes
	files := manyFiles(tinySizes)
	delete(files, 1)
	first, err := putFiles(t.Context(), s, nil, files)
	if err != nil {
		t.Fatal(err)
	}
	bodies := bucketBytes(t, bucket, classBody)
	again := make(map[int][]byte)
	for n, c := range files {
		again[n], again[100+n], again[200+n] = c, c, c
	}
	second, err := putFiles(t.Context(), s, first, again)
	if err != nil {
		t.Fatal(err)
	}
	if grown := bucketBytes(t, bucket, classBody) - bodies; grown != 0 {
		t.Errorf("the same contents took %d bytes more", grown)
	}
	big := noise(99, 64<<10)
	if second, err = putFiles(t.Context(), s, second, map[int][]byte{500: big}); err != nil {
		t.Fatal(err)
	}
	bodies = bucketBytes(t, bucket, classBody)
	if _, err = putFiles(t.Context(), s, second, map[int][]byte{501: append([]byte("a new beginning"), big...)}); err != nil {
		t.Fatal(err)
	}
	if grown := bucketBytes(t, bucket, classBody) - bodies; grown > int64(len(big)/8) {
		t.Errorf("15 bytes in front of %d took %d bytes more", len(big), grown)
	}
}

func bucketBytes(t *testing.T, bucket blob.Bucket, class repo.Class) int64 {
	t.Helper()
	var n int64
	for info, err := range bucket.List(t.Context(), string(class)+"/") {
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size
	}
	return n
}

// TestSmallBodiesShareObjects: so that many of them do not cost as many writes.
func TestSmallBodiesShareObjects(t *testing.T) {
	puts := 0
	memory := &blob.Memory{}
	initRepository(t, memory)
	s := openStore(t, blob.NewFault(memory, nil, func(op blob.Op) blob.Outcome {
		if op.Verb == "put" && class(op.Key) == string(classBody) {
			puts++
		}
		return blob.Pass
	}))
	files := make(map[int][]byte)
	for n := range 5000 {
		files[n] = noise(uint64(n), 200)
	}
	sn, err := putFiles(t.Context(), s, nil, files)
	if err != nil {
		t.Fatal(err)
	}
	if puts != 2 {
		t.Errorf("5,000 small bodies took %d objects, want 2", puts)
	}
	got, err := readFiles(t.Context(), s, sn)
	if err != nil {
		t.Fatal(err)
	}
	if err := sameFiles(got, files); err != nil {
		t.Error(err)
	}
}

// TestABodyThatIsCutShortIsNotKept: a reader that fails, as a connection that breaks does, leaves nothing, and the
// writer goes on.
func TestABodyThatIsCutShortIsNotKept(t *testing.T) {
	s, _ := newStore(t)
	s.sizes = tinySizes
	for _, n := range []int{0, 10, tinySizes.small + 1, 5000} {
		for _, cause := range []error{io.ErrUnexpectedEOF, errors.New("reset"), fmt.Errorf("wrapped: %w", io.EOF)} {
			_, err := s.Write(t.Context(), draft(nil, day), func(w *Writer) error {
				broken := io.MultiReader(bytes.NewReader(noise(1, n)), iotest.ErrReader(cause))
				err := w.Bodies().Put(t.Context(), broken, func(Body) error { t.Error("it was kept"); return nil })
				if !errors.Is(err, cause) {
					t.Errorf("%d bytes and %v: %v", n, cause, err)
				}
				return writeFiles(t.Context(), w, nil, map[int][]byte{1: noise(1, n)}, nil)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestAFailedBucketIsToldByBodies: after it no body is said to be kept, and no snapshot made.
func TestAFailedBucketIsToldByBodies(t *testing.T) {
	memory := &blob.Memory{}
	initRepository(t, memory)
	s := openStore(t, blob.NewFault(memory, nil, func(op blob.Op) blob.Outcome {
		if op.Verb == "put" && class(op.Key) == string(classBody) {
			return blob.Halt
		}
		return blob.Pass
	}))
	s.sizes = tinySizes
	for _, n := range []int{10, 5000} {
		if _, err := putFiles(t.Context(), s, nil, map[int][]byte{1: noise(1, n)}); err == nil {
			t.Errorf("%d bytes: a snapshot was made", n)
		}
	}
}

func TestBodiesAreReadByRange(t *testing.T) {
	s, _ := newStore(t)
	s.sizes = tinySizes
	want := noise(3, 9000)
	var body Body
	_, err := s.Write(t.Context(), draft(nil, day), func(w *Writer) error {
		return w.Bodies().Put(t.Context(), bytes.NewReader(want), func(b Body) error { body = b; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		from := r.IntN(len(want) + 1)
		p := make([]byte, r.IntN(3000))
		n, err := s.ReadBodyAt(t.Context(), body, p, int64(from))
		left := want[from:]
		if short := len(p) > len(left); short != (err == io.EOF) || !short && err != nil { //nolint:errorlint // as io.ReaderAt has it
			t.Fatalf("%d bytes from %d: %v", len(p), from, err)
		}
		if n != min(len(p), len(left)) || !bytes.Equal(p[:n], left[:n]) {
			t.Fatalf("%d bytes from %d are others", len(p), from)
		}
	}
	if err := iotest.TestReader(s.OpenBody(t.Context(), body), want); err != nil {
		t.Error(err)
	}
}

// TestPruneKeepsBodiesThatASnapshotReaches, and gives up the others.
func TestPruneKeepsBodiesThatASnapshotReaches(t *testing.T) {
	memory := &blob.Memory{}
	initRepository(t, memory)
	s := openStore(t, memory)
	s.sizes = tinySizes
	one, err := putFiles(t.Context(), s, nil, map[int][]byte{1: noise(1, 10), 2: noise(2, 3000)})
	if err != nil {
		t.Fatal(err)
	}
	two, err := putFiles(t.Context(), s, one, map[int][]byte{3: noise(3, 3000)}, 2)
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Check(t.Context())
	if err != nil || report.Unpublished != 0 {
		t.Fatalf("%v: %+v", err, report)
	}
	r, err := s.Prune(t.Context(), PruneOptions{Expire: []string{one.Info().ID}, Grace: MinGrace, Undo: MinUndo})
	if err != nil {
		t.Fatal(err)
	}
	if r.Condemned.Objects != 0 || r.Deleted.Objects != 0 {
		t.Errorf("%+v was given up that a snapshot reaches", r)
	}
	got, err := readFiles(t.Context(), s, two)
	if err != nil {
		t.Fatal(err)
	}
	if err := sameFiles(got, map[int][]byte{1: noise(1, 10), 3: noise(3, 3000)}); err != nil {
		t.Error(err)
	}
}

// TestLiesAboutBodiesAreFound stores references that are not what their objects hold, and tallies that do not add up.
func TestLiesAboutBodiesAreFound(t *testing.T) {
	for name, lie := range map[string]func(b *Body){
		"sum":            func(b *Body) { b.Sum[3] ^= 1 },
		"frame":          func(b *Body) { b.pieces[0].frame++ },
		"size":           func(b *Body) { b.pieces[0].size++ },
		"order":          func(b *Body) { slices.Reverse(b.pieces); b.Sum[0] ^= byte(len(b.pieces) & 1) },
		"another object": func(b *Body) { b.pieces[len(b.pieces)-1].id[7] ^= 1 },
	} {
		for _, n := range []int{50, 6000} {
			memory := &blob.Memory{}
			initRepository(t, memory)
			r, err := repo.Open(t.Context(), memory, sharedIdentity) // unwatched: a lie may break the order of writes
			if err != nil {
				t.Fatal(err)
			}
			s := Open(r)
			s.sizes = tinySizes
			sn, err := s.Write(t.Context(), draft(nil, day), func(w *Writer) error {
				p, err := w.Part(PartInfo{Object: filePart, Fields: fileShape.Fields(), Bodies: []string{"Body"}, Full: true})
				if err != nil {
					return err
				}
				kept := func(b Body) error { lie(&b); return p.Add(fileRow(1, sf.Text(b.Text()))) }
				if err := w.Bodies().Put(t.Context(), bytes.NewReader(noise(1, n)), kept); err != nil {
					return err
				}
				if err := w.Bodies().Flush(t.Context()); err != nil {
					return err
				}
				_, err = p.Close(t.Context(), -1)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Verify(t.Context(), VerifyOptions{}, nil); problem.KindOf(err) != problem.Damaged {
				t.Errorf("%s of %d bytes: verify says %v", name, n, err)
			}
			if _, err := readFiles(t.Context(), s, sn); problem.KindOf(err) != problem.Damaged {
				t.Errorf("%s of %d bytes: reading says %v", name, n, err)
			}
		}
	}
	s, _ := newStore(t)
	sn, err := putFiles(t.Context(), s, nil, map[int][]byte{1: noise(1, 20), 2: nil})
	if err != nil {
		t.Fatal(err)
	}
	for name, lie := range map[string]func(t *Tally){
		"held": func(t *Tally) { t.Held++ }, "missing": func(t *Tally) { t.Missing-- }, "bytes": func(t *Tally) { t.Bytes++ },
	} {
		m := lied(t, sn, func(m *manifest) { lie(&m.parts[0].tally); m.info = restated(m) })
		if _, err := s.Verify(t.Context(), VerifyOptions{Snapshot: m.info.ID}, nil); problem.KindOf(err) != problem.Damaged || !strings.Contains(err.Error(), "add up") {
			t.Errorf("%s: verify says %v", name, err)
		}
	}
}

// restated returns the head that fits the parts.
func restated(m *manifest) Info {
	i, s := m.info, summarize(m.parts, m.info.Started)
	i.Bodies, i.Partial = s.Bodies, s.Partial
	return i
}

// FuzzBody: there is one spelling of a reference, and none is read in more memory than it takes.
func FuzzBody(f *testing.F) {
	f.Add(Body{Size: 3, Sum: [32]byte{1}, pieces: []piece{{frame: 2, size: 3}}}.Text())
	f.Add("\x01")
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := ParseBody(text); err == nil && b.Text() != text {
			t.Fatalf("%q is read, and written as %q", text, b.Text())
		}
	})
}

// FuzzPiece: whatever stands in a frame is read or refused, in bounded memory.
func FuzzPiece(f *testing.F) {
	packed, err := packPiece(prose(1, 1000))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add([]byte{0, 1})
	f.Fuzz(func(t *testing.T, frame []byte) {
		if c, err := unpackPiece(frame); err == nil && (len(c) == 0 || len(c) > maxPiece) {
			t.Fatalf("%d bytes of one frame", len(c))
		}
	})
}
