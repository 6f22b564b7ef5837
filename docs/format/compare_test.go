package format_test

import (
	"bytes"
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob/file"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// TestReaderIsSmall holds the reader to its word: 500 lines, and nothing of the program.
func TestReaderIsSmall(t *testing.T) {
	const name = "reader_test.go"
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(body, []byte("\n")); n > 500 {
		t.Errorf("%s has %d lines", name, n)
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, body, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Imports {
		if strings.Contains(i.Path.Value, "holdfast") {
			t.Errorf("%s imports %s", name, i.Path.Value)
		}
	}
}

// generated is a repository that the program made, with both readers of it.
type generated struct {
	*testing.T
	dir, key string
	store    *snapshot.Store
	rand     *rand.Rand
}

func generate(t *testing.T, seed uint64) *generated {
	t.Helper()
	g := &generated{T: t, dir: filepath.Join(t.TempDir(), "repository"), rand: rand.New(rand.NewPCG(seed, 7))}
	g.key = filepath.Join(filepath.Dir(g.dir), "daily.key")
	var recipients []seal.Recipient
	var identity *seal.Identity
	for range 2 {
		id, err := seal.NewIdentity()
		g.check(err)
		identity, recipients = id, append(recipients, id.Recipient())
	}
	g.check(os.WriteFile(g.key, []byte(identity.Secret()+"\n"), 0o600))
	bucket, err := file.Create(g.dir)
	g.check(err)
	g.check(repo.Init(t.Context(), bucket, recipients...))
	r, err := repo.Open(t.Context(), bucket, identity)
	g.check(err)
	g.store = snapshot.Open(r)
	return g
}

func (g *generated) check(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

var wideFields, narrowFields = []string{"A__c", "B__c", "C__c", "Name"}, []string{"A__c", "Name"}

func recordID(n int) sf.ID {
	id, err := sf.ParseID(fmt.Sprintf("001%012d", n))
	if err != nil {
		panic(err)
	}
	return id
}

// snapshot writes one more snapshot: a base, or changes of a few of 300 records, some of them deletions, in
// fields that come and go.
func (g *generated) snapshot(parent *snapshot.Snapshot, n int) *snapshot.Snapshot {
	g.Helper()
	started := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n)
	names := wideFields
	if n%3 == 1 {
		names = narrowFields
	}
	schema := &sf.Schema{APIVersion: "66.0", Objects: []*sf.Object{{Name: "Account", KeyPrefix: "001"}}}
	for _, name := range append([]string{"Id"}, wideFields...) {
		schema.Objects[0].Fields = append(schema.Objects[0].Fields, &sf.Field{Name: name, Type: sf.TypeString})
	}
	draft := snapshot.Draft{OrgID: "00D000000000001EAA", Parent: parent, Started: started, Schema: schema}
	sn, err := g.store.Write(g.Context(), draft, func(w *snapshot.Writer) error {
		p, err := w.Part(snapshot.PartInfo{
			Object: "Account", Fields: names, From: started, To: started.Add(time.Hour), Watermark: started, Full: parent == nil || n%25 == 24,
		})
		if err != nil {
			return err
		}
		if err := g.fill(p, sf.NewShape("Account", names), parent == nil); err != nil {
			return err
		}
		_, err = p.Close(g.Context(), -1)
		return err
	})
	g.check(err)
	return sn
}

func (g *generated) fill(p *snapshot.PartWriter, shape *sf.Shape, base bool) error {
	for i := range 300 {
		id := recordID(7 * i)
		switch n := g.rand.IntN(40); {
		case !base && n > 1:
		case !base && n == 0:
			if err := p.Remove(id, time.UnixMilli(g.rand.Int64N(2e12)), []string{"census", "recycle bin"}[g.rand.IntN(2)]); err != nil {
				return err
			}
		default:
			r := sf.Record{ID: id, Shape: shape, Values: make([]sf.Value, shape.Len())}
			for c := range r.Values {
				switch g.rand.IntN(6) {
				case 0:
				case 1:
					r.Values[c] = sf.Null()
				default:
					r.Values[c] = sf.Text(strings.Repeat([]string{"é", "\x00", "\"", "x\n"}[g.rand.IntN(4)], g.rand.IntN(200)))
				}
			}
			if err := p.Add(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare reads every snapshot in both ways, and returns how many rows it compared.
func (g *generated) compare() (rows int) {
	g.Helper()
	second, err := openRepository(g.dir, g.key)
	g.check(err)
	infos, err := g.store.List(g.Context())
	g.check(err)
	var ids []string
	for _, info := range infos {
		ids = append(ids, info.ID)
	}
	slices.Sort(ids)
	if theirs := slices.Sorted(slices.Values(second.roots["snapshot"])); !slices.Equal(ids, theirs) {
		g.Fatalf("snapshots %v, the second reader has %v", ids, theirs)
	}
	for _, id := range ids {
		s, err := second.checked(id)
		g.check(err)
		sn, err := g.store.Load(g.Context(), id)
		g.check(err)
		for _, part := range sn.Parts() {
			rows += g.part(sn, part.Object, s.states[part.Object])
		}
	}
	return rows
}

func (g *generated) part(sn *snapshot.Snapshot, object string, state map[string]row) int {
	g.Helper()
	left := maps.Clone(state)
	for r, err := range sn.Records(context.Background(), object) {
		g.check(err)
		values := map[string]*string{}
		for i, name := range r.Shape.Fields() {
			switch v := r.Values[i]; {
			case v.IsNull():
				values[name] = nil
			case v.IsText():
				text := v.Text()
				values[name] = &text
			}
		}
		theirs, ok := left[string(r.ID)]
		same := func(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
		if !ok || theirs.gone || !maps.EqualFunc(values, theirs.values, same) {
			g.Fatalf("snapshot %s: %s is %v, the second reader has %+v", sn.Info().Short(), r.ID, r, theirs)
		}
		delete(left, string(r.ID))
	}
	for tomb, err := range sn.Tombstones(context.Background(), object) {
		g.check(err)
		if theirs := left[string(tomb.ID)]; !theirs.gone || !theirs.at.Equal(tomb.At) || theirs.evidence != tomb.Evidence {
			g.Fatalf("snapshot %s: %+v, the second reader has %+v", sn.Info().Short(), tomb, theirs)
		}
		delete(left, string(tomb.ID))
	}
	if len(left) > 0 {
		g.Fatalf("snapshot %s: the second reader has %d rows more", sn.Info().Short(), len(left))
	}
	return len(state)
}

// TestBothReadersAgree generates repositories with many layers, merged ones among them, and two bases,
// lets snapshots expire and erases records, and compares all that both readers read of them.
func TestBothReadersAgree(t *testing.T) {
	for seed := range uint64(2) {
		g := generate(t, seed)
		var sn *snapshot.Snapshot
		var all []string
		replaced := 0
		for n := range 28 {
			sn = g.snapshot(sn, n)
			all = append(all, sn.Info().ID)
		}
		before := g.compare()
		second, err := openRepository(g.dir, g.key)
		g.check(err)
		for _, id := range all {
			for _, p := range second.manifest(id).parts {
				replaced += len(p.Replaced)
			}
		}
		pruned, err := g.store.Prune(t.Context(), snapshot.PruneOptions{Expire: all[3:9], Grace: snapshot.MinGrace, Undo: snapshot.MinUndo})
		g.check(err)
		erase := []sf.ID{recordID(7 * 11), recordID(7 * 120)}
		plan, err := g.store.PlanErase(t.Context(), erase)
		g.check(err)
		_, err = g.store.Erase(t.Context(), erase, plan.Approval)
		g.check(err)
		after := g.compare()
		if len(pruned.Expired) != 6 || replaced == 0 || after >= before {
			t.Errorf("%d snapshots expired, %d layers were merged at once, %d rows before and %d after", len(pruned.Expired), replaced, before, after)
		}
		second, err = openRepository(g.dir, g.key)
		g.check(err)
		for _, id := range second.roots["snapshot"] {
			states, err := second.snapshot(id)
			g.check(err)
			for _, record := range erase {
				if _, there := states["Account"][string(record)]; there {
					t.Errorf("snapshot %s still has %s", id, record)
				}
			}
		}
	}
}
