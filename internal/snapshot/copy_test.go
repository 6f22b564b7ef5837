package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
)

func openBucket(t *testing.T, b blob.Bucket) *Store {
	t.Helper()
	r, err := repo.Open(t.Context(), b, sharedIdentity)
	if err != nil {
		t.Fatal(err)
	}
	return Open(r)
}

// TestCopyIsTheSameRepository copies a repository, goes on, and copies again: the copy holds the same, and
// only what is new is written.
func TestCopyIsTheSameRepository(t *testing.T) {
	memory, kept := rich(t)
	second := &blob.Memory{}
	s := openBucket(t, memory)
	got, err := s.Copy(t.Context(), repo.At(second), CopyOptions{}, nil)
	if err != nil || !got.New || got.Copied.Objects == 0 || got.Present.Objects != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := holds(t.Context(), second, kept); err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(t, second) {
		if strings.HasPrefix(key, "spill/") {
			t.Errorf("%s is copied, and nobody needs it", key)
		}
	}
	again, err := s.Copy(t.Context(), repo.At(second), CopyOptions{}, nil)
	if err != nil || again.New || again.Copied.Objects != 0 || again.Present.Objects != got.Copied.Objects {
		t.Fatalf("%+v, %v", again, err)
	}
	p := &process{bucket: memory, seed: 3, kept: kept}
	for step, name := range []string{"increment", "rotate", "note"} {
		if err := protocolNamed(name).do(t.Context(), p, 20+step); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := holds(t.Context(), second, p.kept); err != nil {
		t.Fatal(err)
	}
}

// TestCopyNeverGoesBack refuses to copy an older state, or another one, over what is there.
func TestCopyNeverGoesBack(t *testing.T) {
	memory, kept := rich(t)
	old := memory.Clone()
	p := &process{bucket: memory, seed: 3, kept: kept}
	if err := protocolNamed("increment").do(t.Context(), p, 20); err != nil {
		t.Fatal(err)
	}
	second := &blob.Memory{}
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]*blob.Memory{"older": old, "another way": old.Clone()} {
		if name == "another way" {
			q := &process{bucket: from, seed: 4, kept: kept}
			for step, name := range []string{"rotate", "increment"} {
				if err := protocolNamed(name).do(t.Context(), q, 30+step); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, err := openBucket(t, from).Copy(t.Context(), repo.At(second), CopyOptions{Delete: true}, nil)
		if problem.KindOf(err) != problem.Damaged {
			t.Fatalf("%s: %v", name, err)
		}
		if err := holds(t.Context(), second, p.kept); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	other := &blob.Memory{}
	initRepository(t, other)
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(other), CopyOptions{}, nil); problem.KindOf(err) != problem.Conflict {
		t.Fatalf("over another repository: %v", err)
	}
}

// repaired repairs the bucket from the copy, and returns what is wrong with that.
func repaired(ctx context.Context, b, second blob.Bucket, kept promises) error {
	if _, err := Repair(ctx, repo.At(b), repo.At(second), sharedIdentity, RepairOptions{}, nil); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	return holds(ctx, b, kept)
}

// TestRepairBringsBackWhatIsLost takes everything away, one thing after another and all that there is, and
// has it brought back from a copy.
func TestRepairBringsBackWhatIsLost(t *testing.T) {
	whole, kept := rich(t)
	second := &blob.Memory{}
	if _, err := openBucket(t, whole).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	for _, lost := range []string{"config", "keys/", "segment/", "schema/", "snapshot/", "note-identity/", "s", ""} {
		b := whole.Clone()
		for _, key := range keysOf(t, b) {
			if strings.HasPrefix(key, lost) && (lost != "" || class(key) != "keys" || strings.Contains(key, "/mirror/")) {
				b.Corrupt(key, func([]byte) []byte { return nil })
			}
		}
		before := keysOf(t, b)
		dry, err := Repair(t.Context(), repo.At(b), repo.At(second), sharedIdentity, RepairOptions{DryRun: true}, nil)
		if err != nil || len(dry.Keys)+len(dry.Mended) == 0 {
			t.Fatalf("%q, dry: %+v, %v", lost, dry, err)
		}
		if !slices.Equal(before, keysOf(t, b)) {
			t.Fatalf("%q: a dry run wrote", lost)
		}
		if err := repaired(t.Context(), b, second, kept); err != nil {
			t.Fatalf("%q: %v", lost, err)
		}
		if !bytes.Equal(must(b.Get(t.Context(), "config", 0, -1)), must(whole.Get(t.Context(), "config", 0, -1))) {
			t.Fatalf("%q: another config", lost)
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
