package repo

import (
	"bytes"
	"slices"
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
	if mended, err := from.MendKeys(t.Context(), At(bucket), false); err != nil || len(mended) != 1 || mended[0].Key != key {
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
		mended, err := r.MendKeys(t.Context(), At(place), dry)
		kind(t, "a place of another repository", err, problem.Conflict)
		if len(mended) > 0 || !bytes.Equal(content(t, place, configKey), theirs) {
			t.Errorf("dry %v: its config was replaced: %v", dry, mended)
		}
	}
	spoilt := ours.Clone()
	spoilt.Corrupt(configKey, func([]byte) []byte { return theirs })
	mended, err := r.MendKeys(t.Context(), At(spoilt), false)
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
