package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
)

// damages are the ways in which an object goes bad; each returns nil to remove it.
var damages = []struct {
	name   string
	damage func(r *rand.Rand, b []byte) []byte
}{
	{"bit flip", func(r *rand.Rand, b []byte) []byte { b[r.IntN(len(b))] ^= 1 << r.IntN(8); return b }},
	{"truncated", func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] }},
	{"extended", func(r *rand.Rand, b []byte) []byte { return append(b, make([]byte, 1+r.IntN(600))...) }},
	{"zeroed sector", func(r *rand.Rand, b []byte) []byte { return overwrite(r, b, func() byte { return 0 }) }},
	{"garbage sector", func(r *rand.Rand, b []byte) []byte {
		return overwrite(r, b, func() byte { return byte(r.Uint32()) })
	}},
	{"shifted", func(r *rand.Rand, b []byte) []byte { return append([]byte{byte(r.Uint32())}, b[:len(b)-1]...) }},
	{"removed", func(*rand.Rand, []byte) []byte { return nil }},
}

// overwrite replaces one sector, or what there is of it, and changes at least one byte.
func overwrite(r *rand.Rand, b []byte, with func() byte) []byte {
	size := []int{16, 512, 4096}[r.IntN(3)]
	at := r.IntN((len(b)+size-1)/size) * size
	before := bytes.Clone(b)
	for i := at; i < min(at+size, len(b)); i++ {
		b[i] = with()
	}
	if bytes.Equal(before, b) {
		b[at] ^= 1
	}
	return b
}

func keysOf(t *testing.T, b blob.Bucket) []string {
	t.Helper()
	var keys []string
	for info, err := range b.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func class(key string) string { c, _, _ := strings.Cut(key, "/"); return c }

// examine returns the error that opening and verifying gives.
func examine(ctx context.Context, b blob.Bucket) error {
	_, err := examined(ctx, b)
	return err
}

// examined is examine with what Verify reports.
func examined(ctx context.Context, b blob.Bucket) (Report, error) {
	r, err := repo.Open(ctx, b, sharedIdentity)
	if err != nil {
		return Report{}, err
	}
	return Open(r).Verify(ctx, VerifyOptions{Parallel: 1}, nil)
}

// rich makes a repository that holds objects of every class, also such as nothing refers to.
func rich(t *testing.T) (*blob.Memory, promises) {
	t.Helper()
	memory := &blob.Memory{}
	p := &process{bucket: memory, seed: 9}
	for step, name := range []string{"init", "full", "increment", "late", "note", "amend", "carry", "files", "files", "note"} {
		if err := protocolNamed(name).do(t.Context(), p, step); err != nil {
			t.Fatal(err)
		}
	}
	removals := 0
	died := process{seed: 10, kept: p.kept, bucket: blob.NewFault(memory, nil, func(op blob.Op) blob.Outcome {
		if op.Verb == "delete" {
			removals++
			return blob.Halt
		}
		return blob.Pass
	})}
	if err := protocolNamed("late").do(t.Context(), &died, 10); err == nil || removals == 0 {
		t.Fatalf("it was to die before it removed its runs: %v", err)
	}
	return memory, p.kept
}

// TestEveryDamageIsFoundInEveryClass damages one object after another: verify finds and names it, no
// reader is ever given a record or note that was not put in, and all is repaired from a copy.
func TestEveryDamageIsFoundInEveryClass(t *testing.T) {
	whole, kept := rich(t)
	if err := holds(t.Context(), whole, kept); err != nil {
		t.Fatal(err)
	}
	second := &blob.Memory{}
	if _, err := openBucket(t, whole).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	keys := keysOf(t, whole)
	want := scheduleCount(700, 2_000, 100_000)
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(runtime.GOMAXPROCS(0))
	classes := make(map[string]int)
	for n := range want {
		key, d := keys[n%len(keys)], damages[n/len(keys)%len(damages)]
		classes[class(key)]++
		g.Go(func() error {
			r := rand.New(rand.NewPCG(uint64(n), 6))
			b := whole.Clone()
			b.Corrupt(key, func(body []byte) []byte { return d.damage(r, body) })
			if err := firstError(found(ctx, b, kept, key, d.name == "removed"), neverWrong(ctx, b, kept), repaired(ctx, b, second, kept)); err != nil {
				return fmt.Errorf("%s %s, number %d: %w", key, d.name, n, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"config", "keys", "segment", "spill", "snapshot", "schema", "body", "note-identity"} {
		if classes[c] == 0 {
			t.Errorf("no object of class %s was damaged", c)
		}
	}
	t.Logf("%d damages, by class: %v", want, classes)
}

// found returns what is wrong with how damage to the object under the key is told.
func found(ctx context.Context, b blob.Bucket, kept promises, key string, removed bool) error {
	report, err := examined(ctx, b)
	c := class(key)
	switch {
	case slices.Equal(report.Keyless, []string{key}): // told, and no snapshot is the worse for it
	case removed && strings.HasPrefix(c, "note-"): // withheld as a whole: stated in the threat notes
	case removed && c == "spill" && err == nil: // nobody needs it
	case removed && c == "segment" && err == nil, // nor one that no snapshot relies on
		removed && c == "keys" && err == nil: // one of two copies
		return holds(ctx, b, kept)
	case removed && c == "config":
		if problem.KindOf(err) != problem.NoRepository {
			return fmt.Errorf("found as %w", err)
		}
	case problem.KindOf(err) != problem.Damaged:
		return fmt.Errorf("not found: %w", err)
	case c != "config" && c != "keys" && !strings.Contains(err.Error(), key[:len(key)/2]):
		return fmt.Errorf("the error does not name it: %w", err)
	}
	return nil
}

// neverWrong returns an error when a damaged repository delivers what was not put in.
func neverWrong(ctx context.Context, b blob.Bucket, kept promises) error {
	r, err := repo.Open(ctx, b, sharedIdentity)
	if err != nil {
		return nil // nothing is delivered
	}
	s := Open(r)
	for _, p := range kept.snaps {
		err := reads(ctx, s, p)
		if err != nil && problem.KindOf(err) != problem.Damaged {
			return fmt.Errorf("snapshot of step %d: %w", p.step, err)
		}
	}
	for n, err := range s.Notes(ctx, "identity") {
		if err != nil {
			break
		}
		if !slices.ContainsFunc(kept.notes, func(k Note) bool { return k.Name == n.Name && bytes.Equal(k.Body, n.Body) }) {
			return fmt.Errorf("a note that nobody wrote: %q", n.Name)
		}
	}
	return nil
}

func TestSwappedObjectsAreFound(t *testing.T) {
	whole := &blob.Memory{}
	if _, err := story(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	keys := keysOf(t, whole)
	for i, a := range keys {
		for _, b := range keys[i+1:] {
			bucket := whole.Clone()
			bodyA, _ := whole.Get(t.Context(), a, 0, -1)
			bodyB, _ := whole.Get(t.Context(), b, 0, -1)
			if bytes.Equal(bodyA, bodyB) { // the two copies of an object of the key table
				continue
			}
			bucket.Corrupt(a, func([]byte) []byte { return bodyB })
			bucket.Corrupt(b, func([]byte) []byte { return bodyA })
			if err := examine(t.Context(), bucket); problem.KindOf(err) != problem.Damaged {
				t.Fatalf("%s and %s swapped: %v", a, b, err)
			}
		}
	}
}

// TestObjectsOfAnotherRepositoryAreFound puts in the object of the same key of another repository
// that has the same contents, and the whole other repository but for its keys.
func TestObjectsOfAnotherRepositoryAreFound(t *testing.T) {
	one, other := &blob.Memory{}, &blob.Memory{}
	for _, b := range []*blob.Memory{one, other} {
		if _, err := story(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := keysOf(t, one), keysOf(t, other)
	for _, a := range ours {
		for _, b := range theirs {
			if class(a) != class(b) || class(a) == "keys" || class(a) == "config" {
				continue
			}
			bucket := one.Clone()
			body, _ := other.Get(t.Context(), b, 0, -1)
			bucket.Corrupt(a, func([]byte) []byte { return body })
			if err := examine(t.Context(), bucket); problem.KindOf(err) != problem.Damaged {
				t.Fatalf("%s of another repository: %v", class(a), err)
			}
		}
	}
}

func TestWrongKeyFailsClosed(t *testing.T) {
	bucket := &blob.Memory{}
	initRepository(t, bucket)
	_, err := repo.Open(t.Context(), bucket, mustIdentity())
	if problem.KindOf(err) != problem.WrongKey || problem.HintOf(err) == "" {
		t.Fatalf("%v, want a wrong key with a hint", err)
	}
}
