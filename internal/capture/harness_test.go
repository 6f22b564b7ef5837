package capture_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// TestMain runs the tests in a time zone that is nobody's: nothing may depend on it.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("far", 9*3600+1800)
	m.Run()
}

// Keys are slow to make and the same for every test.
var operator, recovery = mustIdentity(), mustIdentity()

func mustIdentity() *seal.Identity {
	id, err := seal.NewIdentity()
	if err != nil {
		panic(err)
	}
	return id
}

func newStore(t testing.TB, bucket blob.Bucket) *snapshot.Store {
	t.Helper()
	if err := repo.Init(t.Context(), bucket, operator.Recipient(), recovery.Recipient()); err != nil {
		t.Fatal(err)
	}
	return openStore(t, bucket)
}

func openStore(t testing.TB, bucket blob.Bucket) *snapshot.Store {
	t.Helper()
	r, err := repo.Open(t.Context(), bucket, operator)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot.Open(r)
}

// bench is an org, a repository, and what was captured last.
type bench struct {
	testing.TB
	org   *fakeOrg
	store *snapshot.Store
	opts  capture.Options
}

func newBench(t testing.TB, objects ...*sf.Object) *bench {
	return &bench{TB: t, org: newOrg(objects...), store: newStore(t, &blob.Memory{})}
}

// back captures and demands success.
func (b *bench) back() capture.Result {
	b.Helper()
	defer b.org.advance(time.Second)
	r, err := capture.Run(b.Context(), b.org, b.store, b.opts)
	if err != nil {
		b.Fatalf("capture: %v (hint: %s)", err, problem.HintOf(err))
	}
	return r
}

// backPartial captures and demands that exactly these objects failed.
func (b *bench) backPartial(failed ...string) capture.Result {
	b.Helper()
	defer b.org.advance(time.Second)
	r, err := capture.Run(b.Context(), b.org, b.store, b.opts)
	if problem.KindOf(err) != problem.Partial {
		b.Fatalf("capture: got %v, want an error of kind partial", err)
	}
	var got []string
	for _, p := range r.Failed() {
		got = append(got, p.Object)
	}
	if !slices.Equal(got, failed) {
		b.Fatalf("failed parts: got %q, want %q (%v)", got, failed, err)
	}
	if !r.Snapshot.Partial {
		b.Error("the snapshot does not say that it is partial")
	}
	return r
}

func (b *bench) load(id string) *snapshot.Snapshot {
	b.Helper()
	sn, err := b.store.Load(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return sn
}

func (b *bench) latest() *snapshot.Snapshot { b.Helper(); return b.load("latest") }

// held returns the records of the object in the newest snapshot.
func (b *bench) held(object string) map[sf.ID]sf.Record {
	b.Helper()
	out := map[sf.ID]sf.Record{}
	for r, err := range b.latest().Records(b.Context(), object) {
		if err != nil {
			b.Fatal(err)
		}
		out[r.ID] = r
	}
	return out
}

// tombstones returns the evidence of each deletion of the object in the newest snapshot.
func (b *bench) tombstones(object string) map[sf.ID]string {
	b.Helper()
	out := map[sf.ID]string{}
	for ts, err := range b.latest().Tombstones(b.Context(), object) {
		if err != nil {
			b.Fatal(err)
		}
		out[ts.ID] = ts.Evidence
	}
	return out
}

// wantSame demands that the newest snapshot holds exactly what the org shows.
func (b *bench) wantSame(object string) {
	b.Helper()
	held := b.held(object)
	for r, err := range b.org.Records(b.Context(), sf.Extract{Object: b.org.tables[object].object, Fields: []string{"Name"}}) {
		if err != nil {
			b.Fatal(err)
		}
		got, ok := held[r.ID]
		if !ok {
			b.Errorf("%s %s is not held", object, r.ID)
			continue
		}
		if got.Get("Name") != r.Get("Name") {
			b.Errorf("%s %s: held %v, org has %v", object, r.ID, got.Get("Name"), r.Get("Name"))
		}
		delete(held, r.ID)
	}
	for id := range held {
		b.Errorf("%s %s is held, the org does not have it", object, id)
	}
}

func part(t testing.TB, r capture.Result, object string) capture.PartResult {
	t.Helper()
	for _, p := range r.Parts {
		if p.Object == object {
			return p
		}
	}
	t.Fatalf("no part %s in the result", object)
	return capture.PartResult{}
}

// gapOf returns the rule under which the object or field is not held, or "".
func gapOf(r capture.Result, object, field string) capture.Rule {
	for _, g := range r.Coverage {
		if g.Object == object && g.Field == field {
			return capture.Of(g.Reason)
		}
	}
	return ""
}

func snapshots(t testing.TB, store *snapshot.Store) int {
	t.Helper()
	infos, err := store.List(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return len(infos)
}
