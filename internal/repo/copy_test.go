package repo

import (
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// TestWhatWentAnotherWayIsNotCopied: a repository that lost its newest root with an older copy of its storage, and whose
// keys went on from there, tells nothing by its generations. Its copy still has that root, and keeps it.
func TestWhatWentAnotherWayIsNotCopied(t *testing.T) {
	r, bucket, id := opened(t)
	commitLeaves(t, r, "first", "leaf")
	old := bucket.Clone()
	root, _ := commitLeaves(t, r, "second", "another leaf")
	second := &blob.Memory{}
	copied := func(from *Repository) error {
		_, err := from.Copy(t.Context(), At(second), CopyInput{
			Reach: reachOf(from), Named: func(Class) bool { return false }, Collect: []Class{rootClass, leafClass}, Delete: true,
		})
		return err
	}
	if err := copied(r); err != nil {
		t.Fatal(err)
	}
	astray, err := Open(t.Context(), old, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := astray.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	kind(t, "a repository that went another way", copied(astray), problem.Damaged)
	kept, err := Open(t.Context(), second, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Verify(t.Context(), root, false); err != nil {
		t.Error(err)
	}
}
