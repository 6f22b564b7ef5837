package repo

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

func identity(t testing.TB) *seal.Identity {
	t.Helper()
	id, err := seal.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func opened(t testing.TB) (*Repository, *blob.Memory, *seal.Identity) {
	t.Helper()
	bucket, id := &blob.Memory{}, identity(t)
	if err := Init(t.Context(), bucket, id.Recipient(), identity(t).Recipient()); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), bucket, id)
	if err != nil {
		t.Fatal(err)
	}
	return r, bucket, id
}

func kind(t *testing.T, what string, err error, want problem.Kind) {
	t.Helper()
	if err == nil || problem.KindOf(err) != want {
		t.Errorf("%s: %v (%v), want %v", what, err, problem.KindOf(err), want)
	}
}

func TestInit(t *testing.T) {
	a, b := identity(t).Recipient(), identity(t).Recipient()
	bucket := &blob.Memory{}
	kind(t, "one recipient", Init(t.Context(), bucket, a), problem.Usage)
	if _, err := bucket.Stat(t.Context(), configKey); !errors.Is(err, blob.ErrNotFound) {
		t.Fatal("a refused init wrote something")
	}
	if err := Init(t.Context(), bucket, a, b); err != nil {
		t.Fatal(err)
	}
	kind(t, "second init", Init(t.Context(), bucket, a, b), problem.Conflict)
	other := &blob.Memory{}
	if err := other.Put(t.Context(), "photos/cat.jpg", nil); err != nil {
		t.Fatal(err)
	}
	kind(t, "init of a full place", Init(t.Context(), other, a, b), problem.Usage)
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	_, whole, id := opened(t)
	_, err := Open(t.Context(), &blob.Memory{}, id)
	kind(t, "no repository", err, problem.NoRepository)
	_, err = Open(t.Context(), whole, identity(t))
	kind(t, "another key", err, problem.WrongKey)

	config, _ := whole.Get(t.Context(), configKey, 0, -1)
	for name, text := range map[string]string{
		"empty": "", "cut": string(config[:len(config)-1]), "more": string(config) + "\n",
		"capitals": strings.ToUpper(string(config)), "other id": strings.Replace(string(config), "id ", "id 0", 1),
		"newer": strings.Replace(string(config), "/1", "/2", 1),
	} {
		b := whole.Clone()
		b.Corrupt(configKey, func([]byte) []byte { return []byte(text) })
		_, err := Open(t.Context(), b, id)
		kind(t, name, err, problem.Damaged)
		want := "copy"
		if name == "newer" {
			want = "upgrade"
		}
		if hint := problem.HintOf(err); !strings.Contains(hint, want) {
			t.Errorf("%s: the hint is %q", name, hint)
		}
	}
	for info, err := range whole.List(t.Context(), keysDir) {
		if !strings.Contains(info.Key, "/"+fileDir) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		b := whole.Clone()
		b.Corrupt(info.Key, func(k []byte) []byte { k[len(k)/2] ^= 1; return k })
		_, err := Open(t.Context(), b, id)
		kind(t, "altered key file", err, problem.Damaged)
		if hint := problem.HintOf(err); !strings.Contains(hint, "copy") || strings.Contains(hint, "verify") {
			t.Errorf("nothing can be verified without the key: %q", hint)
		}
		b.Corrupt(info.Key, func([]byte) []byte { return nil })
		_, err = Open(t.Context(), b, id)
		kind(t, "missing key file", err, problem.Damaged)
	}
}

func TestObjects(t *testing.T) {
	r, bucket, _ := opened(t)
	large := bytes.Repeat([]byte("0123456789"), 10000)
	many := slices.Repeat([][]byte{[]byte("x")}, 5000) // a header longer than what is read at first
	for _, frames := range [][][]byte{{nil}, {[]byte("a"), large, []byte("b")}, many} {
		first, err := r.Put(t.Context(), "thing", frames)
		if err != nil || !first.New {
			t.Fatal(first, err)
		}
		again, err := r.Put(t.Context(), "thing", frames)
		if err != nil || again.New || again.Ref != first.Ref || again.Size != first.Size {
			t.Fatalf("%+v %v, want %+v", again, err, first)
		}
		o, err := r.Open(t.Context(), first.Ref)
		if err != nil || o.Frames() != len(frames) || o.Size() != first.Size {
			t.Fatal(err)
		}
		for _, i := range []int{len(frames) - 1, 0} {
			for range 2 { // a frame can be read again
				got, err := o.Frame(t.Context(), i)
				if err != nil || !bytes.Equal(got, frames[i]) {
					t.Fatalf("frame %d: %v", i, err)
				}
			}
		}
		if _, err := o.Frame(t.Context(), len(frames)); err == nil {
			t.Error("a frame past the end is read")
		}
		if got, err := r.Verify(t.Context(), first.Ref, false); err != nil || len(got) != len(frames) {
			t.Fatal(err)
		}
	}
	named, err := r.PutNamed(t.Context(), "note", "n", [][]byte{large})
	if err != nil || named.Ref != r.Named("note", "n") {
		t.Fatal(err)
	}
	_, err = r.PutNamed(t.Context(), "note", "n", [][]byte{large, nil})
	kind(t, "the same name again", err, problem.Conflict)
	_, err = r.Verify(t.Context(), named.Ref, false)
	kind(t, "a named object as one by contents", err, problem.Damaged)
	for _, class := range []Class{"", "keys", "tmp", "config", "A", "1", "a/b", Class(strings.Repeat("a", 33))} {
		if _, err := r.Put(t.Context(), class, [][]byte{nil}); err == nil {
			t.Errorf("class %q is accepted", class)
		}
	}
	if err := r.Remove(t.Context(), named.Ref); err != nil {
		t.Fatal(err)
	}
	_, err = r.Open(t.Context(), named.Ref)
	kind(t, "a removed object", err, problem.Damaged)

	if err := bucket.Put(t.Context(), "thing/00/zz", nil); err != nil {
		t.Fatal(err)
	}
	c, err := r.Contents(t.Context())
	if err != nil || len(c.Objects) != 3 || !slices.Equal(c.Foreign, []string{"thing/00/zz"}) {
		t.Fatalf("%+v %v", c, err)
	}
	n := 0
	for entry, err := range r.List(t.Context(), "thing") {
		if err != nil || c.Objects[entry.Ref] != entry.Size {
			t.Fatal(entry, err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d objects are listed, want 3", n)
	}
}

// TestPutDoesNotRelyOnADamagedObject: storing what is there already, but damaged, is an error, not
// success.
func TestPutDoesNotRelyOnADamagedObject(t *testing.T) {
	r, bucket, _ := opened(t)
	stored, err := r.Put(t.Context(), "thing", [][]byte{[]byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	bucket.Corrupt(stored.Ref.Key(), func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	_, err = r.Put(t.Context(), "thing", [][]byte{[]byte("x")})
	kind(t, "put over damage", err, problem.Damaged)
}

func TestABrokenListingIsNeverAnEmptyOne(t *testing.T) {
	r, bucket, id := opened(t)
	if _, err := r.Put(t.Context(), "thing", [][]byte{[]byte("x")}); err != nil {
		t.Fatal(err)
	}
	for _, outcome := range []blob.Outcome{blob.Fail, blob.Lose} {
		fault := blob.NewFault(bucket, nil, func(op blob.Op) blob.Outcome {
			if op.Verb == "list" && op.Key != keysDir+r.ID()+"/" {
				return outcome
			}
			return blob.Pass
		})
		broken, err := Open(t.Context(), fault, id)
		if err != nil {
			t.Fatal(err)
		}
		var last error
		for _, err := range broken.List(t.Context(), "thing") {
			last = err
		}
		_, contentsErr := broken.Contents(t.Context())
		if !errors.Is(last, blob.ErrInjected) || !errors.Is(contentsErr, blob.ErrInjected) {
			t.Errorf("%v, %v", last, contentsErr)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("holdfast-repository/1\nid 000102030405060708090a0b0c0d0e0f\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		id, err := parseConfig(text)
		if err != nil {
			if problem.KindOf(err) != problem.Damaged {
				t.Fatal(err)
			}
			return
		}
		if want := configFormat + version + "\nid " + id.String() + "\n"; string(text) != want {
			t.Fatalf("%q is accepted", text)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add(Ref{Class: "thing", ID: seal.ID{1, 2, 3}}.Key())
	f.Fuzz(func(t *testing.T, key string) {
		if ref, ok := ParseKey(key); ok && ref.Key() != key {
			t.Fatalf("%q is read as %q", key, ref.Key())
		}
	})
}
