package repo

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// TestCheckMissesAWrappedIdentity that the key table names: without it a passphrase opens nothing any more. Repair
// brings it back from a copy.
func TestCheckMissesAWrappedIdentity(t *testing.T) {
	r, bucket, _ := opened(t)
	wrapped := []byte("an identity, wrapped with a passphrase")
	if err := r.AddMember(t.Context(), member(t), wrapped); err != nil {
		t.Fatal(err)
	}
	if troubles, err := r.CheckKeys(t.Context()); err != nil || len(troubles) > 0 {
		t.Fatalf("%v %v", troubles, err)
	}
	key := r.keys.dir() + identityDir + sum(wrapped)
	second := bucket.Clone()
	if err := bucket.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	troubles, err := r.CheckKeys(t.Context())
	if err != nil || len(troubles) != 1 || troubles[0].Key != key || troubles[0].Lone || problem.KindOf(troubles[0].Err) != problem.Damaged {
		t.Fatalf("%v %v", troubles, err)
	}
	from := &Repository{bucket: second, id: r.id, namer: r.namer, keys: r.keys.at(second)}
	if mended, err := from.MendKeys(t.Context(), At(bucket), Witness{}, false); err != nil || len(mended) != 1 || mended[0].Key != key {
		t.Fatalf("%v %v", mended, err)
	}
	if troubles, err := r.CheckKeys(t.Context()); err != nil || len(troubles) > 0 {
		t.Fatalf("%v %v", troubles, err)
	}
}

// TestAnotherRepositoryKeepsItsConfig: a place that holds another repository with keys is not made one of ours,
// though it has keys of ours, too. A config whose repository has no keys there is damaged.
func TestAnotherRepositoryKeepsItsConfig(t *testing.T) {
	r, ours, _ := opened(t)
	_, place, _ := opened(t)
	theirs := content(t, place, configKey)
	l, err := r.keys.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := place.Put(t.Context(), l.files[0], content(t, ours, l.files[0])); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		mended, err := r.MendKeys(t.Context(), At(place), Witness{}, dry)
		kind(t, "a place of another repository", err, problem.Conflict)
		if len(mended) > 0 || !bytes.Equal(content(t, place, configKey), theirs) {
			t.Errorf("dry %v: its config was replaced: %v", dry, mended)
		}
	}
	spoilt := ours.Clone()
	spoilt.Corrupt(configKey, func([]byte) []byte { return theirs })
	mended, err := r.MendKeys(t.Context(), At(spoilt), Witness{}, false)
	if err != nil || !slices.ContainsFunc(mended, func(m Mending) bool { return m.Key == configKey }) {
		t.Fatalf("%v %v", mended, err)
	}
	if !bytes.Equal(content(t, spoilt, configKey), content(t, ours, configKey)) {
		t.Error("a config that names nobody's keys was left")
	}
}

func content(t *testing.T, b blob.Bucket, key string) []byte {
	t.Helper()
	body, err := b.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// passing is a bucket that is listed while another process works: the first listing has passed by the keys with one
// of these ends before they were put.
type passing struct {
	blob.Bucket
	by    []string
	lists int
}

func (p *passing) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	p.lists++
	first := p.lists == 1
	return func(yield func(blob.Info, error) bool) {
		for info, err := range p.Bucket.List(ctx, prefix) {
			late := slices.ContainsFunc(p.by, func(end string) bool { return strings.HasSuffix(info.Key, end) })
			if (!late || !first) && !yield(info, err) {
				return
			}
		}
	}
}

// TestNoRootIsCopiedWithoutItsSecret lists the keys while another process adds a secret, whose name the listing has
// passed, and then a root, whose name it has not.
func TestNoRootIsCopiedWithoutItsSecret(t *testing.T) {
	r, bucket, id := opened(t)
	root, refs := commitLeaves(t, r, "root", "leaf")
	l, err := r.keys.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	secrets, roots := []string{}, []string{}
	for key := range l.tables {
		g, name, ok := parseTableKey(key)
		if !ok || !strings.HasPrefix(name, addPrefix) {
			continue
		}
		add, _, err := r.keys.object(t.Context(), l, g, name)
		if err != nil {
			t.Fatal(err)
		}
		if len(add.Roots) == 0 {
			secrets = append(secrets, name)
		} else {
			roots = append(roots, name)
		}
	}
	if len(secrets) != 1 || len(roots) != 1 {
		t.Fatalf("additions of %d secrets and %d roots, want one of each", len(secrets), len(roots))
	}
	for what, by := range map[string][]string{"a secret": secrets, "a secret and its root": {secrets[0], roots[0]}} {
		keys := r.keys.at(&passing{Bucket: bucket, by: by})
		second := &blob.Memory{}
		from := &Repository{bucket: bucket, id: r.id, namer: r.namer, keys: keys, clock: r.clock}
		if _, err := from.Copy(t.Context(), At(second), CopyInput{
			Reach: reachOf(from), Named: func(Class) bool { return false }, Collect: []Class{rootClass, leafClass},
		}); err != nil {
			t.Fatalf("a listing that passed by %s: %v", what, err)
		}
		copied, err := Open(t.Context(), second, id)
		if err != nil {
			t.Fatal(err)
		}
		there, err := copied.Roots(t.Context(), rootClass)
		if err != nil {
			t.Fatal(err)
		}
		if missed := len(by) == 2; missed && len(there) != 0 || !missed && !slices.Equal(there, []Ref{root}) {
			t.Errorf("a listing that passed by %s: the roots of the copy are %v", what, there)
		}
		if len(there) == 0 {
			continue
		}
		for _, ref := range refs {
			if _, err := copied.Verify(t.Context(), ref, false); err != nil {
				t.Errorf("a listing that passed by %s: %v", what, err)
			}
		}
	}
}

// TestACopyIsNotBegunWithoutAKeyFile: when none can be read nothing is put into a new place, which would be refused
// ever after as that of somebody else.
func TestACopyIsNotBegunWithoutAKeyFile(t *testing.T) {
	r, bucket, id := opened(t)
	commitLeaves(t, r, "root", "leaf")
	l, err := r.keys.list(t.Context())
	if err != nil || len(l.files) != 1 {
		t.Fatalf("%d key files, %v", len(l.files), err)
	}
	spoilt := bucket.Clone()
	spoilt.Corrupt(l.files[0], func(b []byte) []byte { return b[:len(b)/2] })
	second := &blob.Memory{}
	copyFrom := func(from blob.Bucket) error {
		in := &Repository{bucket: from, id: r.id, namer: r.namer, keys: r.keys.at(from), clock: r.clock}
		_, err := in.Copy(t.Context(), At(second), CopyInput{
			Reach: reachOf(in), Named: func(Class) bool { return false }, Collect: []Class{rootClass, leafClass},
		})
		return err
	}
	kind(t, "a copy of a repository whose key file is damaged", copyFrom(spoilt), problem.Damaged)
	for info, err := range second.List(t.Context(), "") {
		t.Errorf("%s was put (%v)", info.Key, err)
	}
	if err := copyFrom(bucket); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), second, id); err != nil {
		t.Error(err)
	}
}

// TestAKeyFileThatTheCopyDoesNotGiveIsToldWhy: what kept it from being brought back is not lost.
func TestAKeyFileThatTheCopyDoesNotGiveIsToldWhy(t *testing.T) {
	r, bucket, _ := opened(t)
	l, err := r.keys.list(t.Context())
	if err != nil || len(l.files) != 1 {
		t.Fatalf("%d key files, %v", len(l.files), err)
	}
	place := bucket.Clone()
	if err := place.Delete(t.Context(), l.files[0]); err != nil {
		t.Fatal(err)
	}
	bucket.Corrupt(l.files[0], func(b []byte) []byte { return b[:len(b)/2] })
	mended, _ := r.MendKeys(t.Context(), At(place), Witness{}, false)
	if !slices.ContainsFunc(mended, func(m Mending) bool {
		return m.Key == l.files[0] && m.Err != nil && strings.Contains(m.Err.Error(), "the key file is altered")
	}) {
		t.Errorf("%+v, want the key file with the reason", mended)
	}
}

// unread is a bucket that does not give one object back now.
type unread struct {
	blob.Bucket
	key string
}

func (u unread) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if key == u.key {
		return nil, problem.Newf(problem.Damaged, "%s cannot be read", key)
	}
	return u.Bucket.Get(ctx, key, offset, length)
}

// TestWhatTheMediumDoesNotGiveBackIsLeft: an object that nothing reaches and that cannot be read now is not taken
// away, since nothing of it would be kept.
func TestWhatTheMediumDoesNotGiveBackIsLeft(t *testing.T) {
	r, bucket, _ := opened(t)
	_, refs := commitLeaves(t, r, "root", "leaf")
	key := refs[0].Key()
	in := &Repository{bucket: unread{bucket, key}, id: r.id, namer: r.namer, keys: r.keys, clock: r.clock}
	m, err := in.SetAside(t.Context(), refs[0], false, false)
	if err != nil || problem.KindOf(m.Err) != problem.Damaged || m.Quarantine != "" {
		t.Errorf("%+v %v", m, err)
	}
	if len(content(t, bucket, key)) == 0 {
		t.Error("it was taken away")
	}
}
