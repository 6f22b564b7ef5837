package snapshot

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
)

// story initializes a repository and writes a base and a delta on it. It returns the IDs of the
// snapshots that were acknowledged, and the error that ended it.
func story(ctx context.Context, bucket blob.Bucket) ([]string, error) {
	err := repo.Init(ctx, bucket, sharedIdentity.Recipient(), recoveryIdentity.Recipient())
	if err != nil && problem.KindOf(err) != problem.Conflict {
		return nil, err
	}
	r, err := repo.Open(ctx, bucket, sharedIdentity)
	if err != nil {
		return nil, err
	}
	s := Open(r)
	var ids []string
	var parent *Snapshot
	for v := range 2 {
		sn, err := writePart(ctx, s, parent, day.Add(time.Duration(v)*time.Hour), v == 0, func(p *PartWriter) error {
			for i := range 20 {
				if err := p.Add(account(i, v)); err != nil {
					return err
				}
			}
			return p.Remove(accountID(5), day, "recycle bin")
		})
		if err != nil {
			return ids, err
		}
		ids, parent = append(ids, sn.Info().ID), sn
		if err := s.PutNote(ctx, "identity", sn.Info().ID, []byte("a note")); err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// sound fails unless the repository opens, verifies, and has the snapshots.
func sound(t *testing.T, bucket blob.Bucket, ids []string) {
	t.Helper()
	r, err := repo.Open(t.Context(), bucket, recoveryIdentity)
	if problem.KindOf(err) == problem.NoRepository && len(ids) == 0 {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	s := Open(r)
	report, err := s.Verify(t.Context(), VerifyOptions{Parallel: 1}, nil)
	if err != nil {
		t.Fatalf("%v: %+v", err, report)
	}
	infos, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(infos, func(i Info) bool { return i.ID == id }) {
			t.Fatalf("the acknowledged snapshot %s is gone", id)
		}
	}
}

// TestEveryFailureOfTheBucketIsReported makes each operation of the bucket fail: with and without
// effect, once and for ever.
func TestEveryFailureOfTheBucketIsReported(t *testing.T) {
	count := blob.NewFault(&blob.Memory{}, nil, func(blob.Op) blob.Outcome { return blob.Pass })
	if _, err := story(t.Context(), count); err != nil {
		t.Fatal(err)
	}
	for _, outcome := range []blob.Outcome{blob.Fail, blob.Lose, blob.Halt, blob.HaltAfter} {
		for at := range count.Ops() {
			memory := &blob.Memory{}
			verb := ""
			acked, err := story(t.Context(), blob.NewFault(memory, nil, func(op blob.Op) blob.Outcome {
				if op.N == at {
					verb = op.Verb
					return outcome
				}
				return blob.Pass
			}))
			// A listing that breaks off after its first entry, which was the key looked for, is enough.
			harmless := outcome == blob.HaltAfter || outcome == blob.Lose && verb == "list"
			if err == nil && !harmless {
				t.Fatalf("outcome %d of operation %d (%s) is not reported", outcome, at, verb)
			}
			sound(t, memory, acked)
			if _, err := story(t.Context(), memory); err != nil {
				t.Fatalf("outcome %d of operation %d, again: %v", outcome, at, err)
			}
		}
	}
}

// TestManifestIsTheLastWrite holds every write of a snapshot to the order of
// docs/format/snapshot.md, "Order of writes".
func TestManifestIsTheLastWrite(t *testing.T) {
	var puts []string
	bucket := blob.NewFault(&blob.Memory{}, nil, func(op blob.Op) blob.Outcome {
		if op.Verb == "put" {
			c := class(op.Key)
			if c == "keys" { // what of them, and which copy
				c = strings.Split(op.Key, "/")[2]
			}
			puts = append(puts, c)
		}
		return blob.Pass
	})
	if _, err := story(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"file", "table", "mirror", "config",
		"mirror", "table", "segment", "schema", "snapshot", "mirror", "table", "note-identity",
		"mirror", "table", "segment", "snapshot", "mirror", "table", "note-identity",
	}
	if !slices.Equal(puts, want) {
		t.Errorf("the order of writes is %q, want %q", puts, want)
	}
}
