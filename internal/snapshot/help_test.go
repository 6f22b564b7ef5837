package snapshot

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// sharedIdentity spares every test the making of keys.
var sharedIdentity, recoveryIdentity = mustIdentity(), mustIdentity()

func mustIdentity() *seal.Identity {
	id, err := seal.NewIdentity()
	if err != nil {
		panic(err)
	}
	return id
}

func initRepository(t testing.TB, bucket blob.Bucket) {
	t.Helper()
	err := repo.Init(t.Context(), bucket, sharedIdentity.Recipient(), recoveryIdentity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
}

func openStore(t testing.TB, bucket blob.Bucket) *Store {
	t.Helper()
	r, err := repo.Open(t.Context(), watched(bucket), sharedIdentity)
	if err != nil {
		t.Fatal(err)
	}
	return Open(r)
}

// watched returns the bucket with its invariants watched: what a manifest names was put before it, and nothing
// is deleted but keys, sorted runs, and what no snapshot reaches.
func watched(bucket blob.Bucket) blob.Bucket {
	return blob.NewInvariant(bucket, blob.Rules{
		// A process that stood still closes a generation that others have closed, gone on from and taken away.
		Fixed: func(key string) bool { return strings.HasSuffix(key, closedMark) },
		MayDelete: func(key string) bool {
			c, _, _ := strings.Cut(key, "/")
			if c == string(classSpill) || c == "keys" {
				return true
			}
			reached, err := reachedIn(context.Background(), bucket)
			return err != nil || !reached[key] || unsound(context.Background(), bucket, key) // it does not answer now: whoever reads later finds out
		},
		Refers: func(ctx context.Context, key string) ([]string, error) {
			if !strings.HasPrefix(key, string(classSnapshot)+"/") {
				return nil, nil
			}
			r, err := repo.Open(ctx, bucket, sharedIdentity)
			if err != nil {
				return nil, err
			}
			m, err := Open(r).loadManifest(ctx, key[strings.LastIndexByte(key, '/')+1:])
			if err != nil {
				return nil, err
			}
			var keys []string
			err = newReach(r).follow(ctx, m, func(ref repo.Ref) { keys = append(keys, ref.Key()) })
			return keys, err
		},
	})
}

// unsound reports whether the object under the key is damaged.
func unsound(ctx context.Context, bucket blob.Bucket, key string) bool {
	r, err := repo.Open(ctx, bucket, sharedIdentity)
	ref, ok := repo.ParseKey(key)
	if err != nil || !ok {
		return false
	}
	_, err = r.Verify(ctx, ref, isNote(ref.Class) || ref.Class == classSpill)
	return problem.KindOf(err) == problem.Damaged
}

// reachedIn returns the keys of all snapshots and of what they name.
func reachedIn(ctx context.Context, bucket blob.Bucket) (map[string]bool, error) {
	r, err := repo.Open(ctx, bucket, sharedIdentity)
	if err != nil {
		return nil, err
	}
	roots, err := r.Roots(ctx, classSnapshot)
	if err != nil {
		return nil, err
	}
	reached := make(map[string]bool)
	for _, root := range roots {
		reached[root.Key()] = true
	}
	err = Open(r).reach(ctx, roots, func(ref repo.Ref) { reached[ref.Key()] = true })
	return reached, err
}

func newStore(t testing.TB) (*Store, *blob.Memory) {
	t.Helper()
	bucket := &blob.Memory{}
	initRepository(t, bucket)
	return openStore(t, bucket), bucket
}

var day = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

const orgID = sf.ID("00D000000000001EAA")

var accountFields = []string{"Name", "Industry", "Description", "ParentId"}

func testSchema() *sf.Schema {
	return &sf.Schema{APIVersion: "66.0", Objects: []*sf.Object{
		{Name: "Account", Label: "Account & Co", KeyPrefix: "001", Queryable: true, Fields: []*sf.Field{
			{Name: "Id", Type: sf.TypeID},
			{Name: "Name", Type: sf.TypeString, Length: 255, NameField: true},
			{Name: "Industry", Type: sf.TypePicklist, Nillable: true, Picklist: []sf.PicklistValue{{Value: "<a>", Active: true}}},
			{Name: "ParentId", Type: sf.TypeReference, ReferenceTo: []string{"Account"}, Nillable: true},
		}, Children: []sf.ChildRelationship{{Child: "Contact", Field: "AccountId", CascadeDelete: true}}},
		{Name: "Contact", KeyPrefix: "003"},
	}}
}

func accountID(n int) sf.ID {
	id, err := sf.ParseID(fmt.Sprintf("001%012d", n))
	if err != nil {
		panic(err)
	}
	return id
}

var accountShape = sf.NewShape("Account", accountFields)

// account returns a record whose values depend on n and version.
func account(n, version int) sf.Record {
	r := rand.New(rand.NewPCG(uint64(n), uint64(version)))
	rec := sf.Record{ID: accountID(n), Shape: accountShape, Values: make([]sf.Value, accountShape.Len())}
	for i := range rec.Values {
		switch r.IntN(8) {
		case 0:
			rec.Values[i] = sf.Null()
		case 1: // absent
		default:
			rec.Values[i] = sf.Text(fmt.Sprintf("%s %d of %d", strings.Repeat("x", r.IntN(20)), version, n))
		}
	}
	return rec
}

// model is a state as a map, with its tombstones.
type model struct {
	live map[sf.ID]sf.Record
	gone map[sf.ID]bool

	files map[int][]byte // of the part of files, when there is one
}

func newModel() *model { return &model{live: map[sf.ID]sf.Record{}, gone: map[sf.ID]bool{}} }

func (m *model) clone() *model {
	return &model{live: maps.Clone(m.live), gone: maps.Clone(m.gone), files: m.files}
}

func (m *model) add(r sf.Record) { m.live[r.ID] = r; delete(m.gone, r.ID) }

func (m *model) remove(id sf.ID) { delete(m.live, id); m.gone[id] = true }

func (m *model) records() []sf.Record {
	out := slices.Collect(maps.Values(m.live))
	slices.SortFunc(out, sf.Compare)
	return out
}

func collect[T any](t testing.TB, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var out []T
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// expect fails unless the snapshot's part is the model.
func (m *model) expect(t testing.TB, sn *Snapshot) {
	t.Helper()
	want, got := m.records(), collect(t, sn.Records(t.Context(), "Account"))
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if !state.Equal(got[i], want[i]) {
			t.Fatalf("record %d: %v, want %v", i, got[i], want[i])
		}
	}
	digest, n, err := state.DigestOf(state.FromSlice(want))
	if err != nil {
		t.Fatal(err)
	}
	part, found := sn.Part("Account")
	if !found || part.Digest != digest || part.Records != n {
		t.Fatalf("part %+v, want %d records with digest %s", part, n, digest)
	}
	for _, tomb := range collect(t, sn.Tombstones(t.Context(), "Account")) {
		if !m.gone[tomb.ID] {
			t.Fatalf("tombstone of %s, which is not gone", tomb.ID)
		}
	}
}

func draft(parent *Snapshot, started time.Time) Draft {
	return Draft{OrgID: orgID, OrgName: "Acme", Username: "a@b", Schema: testSchema(), Parent: parent, Started: started}
}

// writePart writes a snapshot of one part.
func writePart(ctx context.Context, s *Store, parent *Snapshot, started time.Time, full bool, fn func(*PartWriter) error, fields ...string) (*Snapshot, error) {
	if fields == nil {
		fields = accountFields
	}
	return s.Write(ctx, draft(parent, started), func(w *Writer) error {
		p, err := w.Part(PartInfo{
			Object: "Account", Fields: fields, From: started, To: started.Add(time.Minute), Watermark: started, Full: full,
		})
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
		_, err = p.Close(ctx, -1)
		return err
	})
}
