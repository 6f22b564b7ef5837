package snapshot

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// damages are the ways in which an object goes bad; each returns nil to remove it.
var damages = map[string]func(r *rand.Rand, b []byte) []byte{
	"bit flip":  func(r *rand.Rand, b []byte) []byte { b[r.IntN(len(b))] ^= 1 << r.IntN(8); return b },
	"truncated": func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] },
	"extended":  func(_ *rand.Rand, b []byte) []byte { return append(b, 0) },
	"zeroed sector": func(r *rand.Rand, b []byte) []byte {
		at := r.IntN(len(b))
		before := bytes.Clone(b)
		clear(b[at:min(at+512, len(b))])
		if bytes.Equal(before, b) {
			b[at] = 1
		}
		return b
	},
	"removed": func(*rand.Rand, []byte) []byte { return nil },
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
func examine(t *testing.T, b blob.Bucket) error {
	t.Helper()
	r, err := repo.Open(t.Context(), b, sharedIdentity)
	if err != nil {
		return err
	}
	_, err = Open(r).Verify(t.Context(), VerifyOptions{Parallel: 1}, nil)
	return err
}

func TestEveryDamageIsFoundInEveryClass(t *testing.T) {
	whole := &blob.Memory{}
	ids, err := story(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := examine(t, whole); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	seen := make(map[string]bool)
	for _, key := range keysOf(t, whole) {
		seen[class(key)] = true
		for name, damage := range damages {
			for range 12 {
				b := whole.Clone()
				b.Corrupt(key, func(body []byte) []byte { return damage(r, body) })
				err := examine(t, b)
				removedNote := name == "removed" && strings.HasPrefix(key, "note-")
				removedSnapshot := name == "removed" && class(key) == "snapshot"
				switch {
				case removedNote, removedSnapshot: // withheld as a whole: stated in the threat notes
				case key == "config" && name == "removed":
					if problem.KindOf(err) != problem.NoRepository {
						t.Fatalf("%s %s: %v", key, name, err)
					}
				case problem.KindOf(err) != problem.Damaged:
					t.Fatalf("%s %s: %v, want damage", key, name, err)
				case key != "config" && class(key) != "keys" && !strings.Contains(err.Error(), key[:len(key)/2]):
					t.Fatalf("%s %s: the error does not name it: %v", key, name, err)
				}
				neverWrong(t, b, ids)
			}
		}
	}
	for _, c := range []string{"config", "keys", "segment", "snapshot", "schema", "note-identity"} {
		if !seen[c] {
			t.Errorf("no object of class %s was damaged", c)
		}
	}
}

// neverWrong fails when a damaged repository delivers a record that was not put in.
func neverWrong(t *testing.T, b blob.Bucket, ids []string) {
	t.Helper()
	r, err := repo.Open(t.Context(), b, sharedIdentity)
	if err != nil {
		return
	}
	for v, id := range ids {
		sn, err := Open(r).Load(t.Context(), id)
		if err != nil {
			continue
		}
		n := 0
		for rec, err := range sn.Records(t.Context(), "Account") {
			if err != nil {
				n = -1
				break
			}
			n++
			if !state.Equal(rec, account(int(numberOf(rec.ID)), v)) {
				t.Fatalf("a wrong record was delivered: %v", rec)
			}
		}
		if n >= 0 && n != 19 {
			t.Fatalf("%d records were delivered without an error, want 19", n)
		}
	}
}

func numberOf(id sf.ID) int64 {
	var n int64
	for _, c := range id[3:15] {
		n = n*10 + int64(c-'0')
	}
	return n
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
			bucket.Corrupt(a, func([]byte) []byte { return bodyB })
			bucket.Corrupt(b, func([]byte) []byte { return bodyA })
			if err := examine(t, bucket); problem.KindOf(err) != problem.Damaged {
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
			if err := examine(t, bucket); problem.KindOf(err) != problem.Damaged {
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
