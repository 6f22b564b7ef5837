package s3

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/internal/repo"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// TestARecordIsErasedWhereNothingIsDeleted erases one record from snapshots in a real store that has locked
// them: every byte is there, nothing that opens is of the record, and all else is as it was.
func TestARecordIsErasedWhereNothingIsDeleted(t *testing.T) {
	g := startGateway(t)
	r, b, c, id := lockedRepository(t, g)
	ctx := t.Context()
	store := snapshot.Open(r)
	const secret = "a name that nobody else has"
	person := sf.ID("003000000000002AAA")
	shape := sf.NewShape("Contact", []string{"LastName"})
	var parent *snapshot.Snapshot
	for v := range 3 {
		at := time.Date(2026, 3, 1, v, 0, 0, 0, time.UTC)
		var err error
		parent, err = store.Write(ctx, snapshot.Draft{OrgID: "00D000000000001EAA", Schema: &sf.Schema{APIVersion: "66.0"}, Parent: parent, Started: at}, func(w *snapshot.Writer) error {
			p, err := w.Part(snapshot.PartInfo{Object: "Contact", Fields: shape.Fields(), From: at, To: at, Watermark: at, Full: v == 0})
			if err != nil {
				return err
			}
			for n := range 3 {
				id, err := sf.ParseID(fmt.Sprintf("003%012d", n+1))
				if err != nil {
					return err
				}
				name := fmt.Sprintf("contact %d of %d", n, v)
				if id[:15] == person[:15] {
					name = fmt.Sprint(secret, v)
				}
				if err := p.Add(sf.Record{ID: id, Shape: shape, Values: []sf.Value{sf.Text(name)}}); err != nil {
					return err
				}
			}
			_, err = p.Close(ctx, -1)
			return err
		})
		must(t, err)
	}
	ids := []sf.ID{mustID(t, string(person[:15]))}
	before := keysBelow(t, b, "")
	plan, err := store.PlanErase(ctx, ids)
	must(t, err)
	got, err := store.Erase(ctx, ids, plan.Approval)
	must(t, err)
	if got.Versions != 3 || got.Deleted.Objects != 0 || got.Retained.Objects != 6 || got.Unreadable != 6 {
		t.Errorf("%+v", got)
	}
	for _, key := range before {
		if _, versions := g.versionsOf(t, c, key); len(versions) == 0 && !strings.HasPrefix(key, repo.Deletable) {
			t.Errorf("%s is gone: the store was to keep it", key)
		}
	}
	// With all that is left in the store, as it is on its disk.
	again, err := repo.Open(ctx, b, id)
	must(t, err)
	unreadable, records := 0, 0
	for _, key := range keysBelow(t, b, "") {
		body, err := b.Get(ctx, key, 0, -1)
		must(t, err)
		if strings.Contains(string(body), secret) {
			t.Errorf("%s has it as plain text", key)
		}
		if ref, ok := repo.ParseKey(key); ok {
			named := strings.HasPrefix(string(ref.Class), "note-") // the note of the erasure is under a name
			if _, err := again.Verify(ctx, ref, named); errors.Is(err, repo.ErrNoKey) {
				unreadable++
			} else {
				must(t, err)
			}
		}
	}
	store = snapshot.Open(again)
	infos, err := store.List(ctx)
	must(t, err)
	for _, info := range infos {
		sn, err := store.Load(ctx, info.ID)
		must(t, err)
		for rec, err := range sn.Records(ctx, "Contact") {
			must(t, err)
			records++
			if strings.Contains(rec.Values[0].Text(), secret) {
				t.Errorf("snapshot %s has it", info.Short())
			}
		}
	}
	if unreadable != 6 || records != 6 {
		t.Errorf("%d objects that no key opens, %d records of others", unreadable, records)
	}
	if _, err := store.Verify(ctx, snapshot.VerifyOptions{}, nil); err != nil {
		t.Error(err)
	}
}

func mustID(t *testing.T, text string) sf.ID {
	t.Helper()
	id, err := sf.ParseID(text)
	must(t, err)
	return id
}
