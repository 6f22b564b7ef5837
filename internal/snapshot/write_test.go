package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/file"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// TestRecordsInAnyOrder writes more than a run in random order, every Id twice: the runs are spilled,
// merged in levels, and gone at the end.
func TestRecordsInAnyOrder(t *testing.T) {
	const n = 3000
	s, bucket := newStore(t)
	m := newModel()
	r := rand.New(rand.NewPCG(1, 2))
	sn, err := writePart(t.Context(), s, nil, day, true, func(p *PartWriter) error {
		for version := range 2 {
			for count, i := range r.Perm(n) {
				rec := account(i, version)
				m.add(rec)
				if err := p.Add(rec); err != nil {
					return err
				}
				if count%60 == 0 { // 100 runs: two levels of merges
					if err := p.flush(); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m.expect(t, sn)
	if part, _ := sn.Part("Account"); part.Changes.Created != n {
		t.Errorf("%+v, want %d created", part.Changes, n)
	}
	for _, key := range keysOf(t, bucket) {
		if class(key) == string(classSpill) {
			t.Errorf("%s was left behind", key)
		}
	}
	if _, err := s.Verify(t.Context(), VerifyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestOverlapStoresNothing(t *testing.T) {
	s, _ := newStore(t)
	snaps, models := chain(t, s, 0)
	var got Part
	next, err := s.Write(t.Context(), draft(snaps[0], day.Add(time.Hour)), func(w *Writer) error {
		p, err := w.Part(PartInfo{Object: "Account", Fields: accountFields})
		if err != nil {
			return err
		}
		for i := range 3000 {
			if err := p.Add(account(i, 0)); err != nil {
				return err
			}
		}
		p.Observed(day, day.Add(time.Hour), day.Add(time.Hour))
		got, err = p.Close(t.Context(), 3000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	models[0].expect(t, next)
	if got.Layers != 1 || got.Changes.Unchanged != 3000 || next.Info().NewBytes != 0 {
		t.Fatalf("%+v, %d new bytes", got, next.Info().NewBytes)
	}
	if !got.Watermark.Equal(day.Add(time.Hour)) || got.Expected != 3000 {
		t.Fatalf("%+v", got)
	}
}

func TestKnownTombstonesAreNotStoredAgain(t *testing.T) {
	s, _ := newStore(t)
	remove := func(parent *Snapshot, hour int, full bool, evidence string) *Snapshot {
		sn, err := writePart(t.Context(), s, parent, day.Add(time.Duration(hour)*time.Hour), full, func(p *PartWriter) error {
			if full {
				return p.Add(account(1, 0))
			}
			if err := p.Remove(accountID(1), day, evidence); err != nil {
				return err
			}
			return p.Remove(accountID(2), day, evidence) // never seen alive
		})
		if err != nil {
			t.Fatal(err)
		}
		return sn
	}
	first := remove(nil, 0, true, "")
	second := remove(first, 1, false, "recycle bin")
	third := remove(second, 2, false, "census")
	tombs := collect(t, third.Tombstones(t.Context(), "Account"))
	part, _ := third.Part("Account")
	if part.Layers != 2 || part.Records != 0 || len(tombs) != 2 || tombs[0].Evidence != "recycle bin" || !tombs[0].At.Equal(day) {
		t.Fatalf("%+v %+v", part, tombs)
	}
}

func TestPartialSnapshots(t *testing.T) {
	s, _ := newStore(t)
	snaps, models := chain(t, s, 0)
	sn, err := s.Write(t.Context(), draft(snaps[0], day.Add(time.Hour)), func(w *Writer) error {
		p, err := w.Part(PartInfo{Object: "Account", Fields: accountFields})
		if err != nil {
			return err
		}
		if err := p.Add(account(1, 9)); err != nil {
			return err
		}
		if err := p.Abandon("the connection broke"); err != nil {
			return err
		}
		if err := p.Add(account(2, 9)); !errors.Is(err, errClosed) {
			t.Errorf("add after abandon: %v", err)
		}
		w.Gap("Contact", "Photo", "base64")
		w.Gap("Account", "", "not queryable")
		return errors.Join(w.CarryStale("Account", "the connection broke"), w.Absent("Contact", "no permission"))
	})
	if err != nil {
		t.Fatal(err)
	}
	models[0].expect(t, sn)
	info := sn.Info()
	if !info.Partial || info.Parts != 1 || info.Stale != 1 || info.Absent != 1 {
		t.Fatalf("%+v", info)
	}
	if part, _ := sn.Part("Account"); !part.Watermark.Equal(day) || part.Reason == "" {
		t.Fatalf("the stale part is %+v", part)
	}
	if gaps := sn.Coverage(); len(gaps) != 2 || gaps[0].Object != "Account" || gaps[1].Field != "Photo" {
		t.Fatalf("%+v", gaps)
	}
	for _, err := range sn.Records(t.Context(), "Contact") {
		if problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), "no permission") {
			t.Fatalf("records of an absent part: %v", err)
		}
	}
	// A stale part that is carried on properly is no longer stale.
	again, err := s.Write(t.Context(), draft(sn, day.Add(2*time.Hour)), func(w *Writer) error { return w.Carry("Account") })
	if err != nil {
		t.Fatal(err)
	}
	if part, _ := again.Part("Account"); !part.Stale || !again.Info().Partial {
		t.Fatalf("carrying hid that the part is stale: %+v", part)
	}
}

func TestWriteRefusesMistakes(t *testing.T) {
	s, _ := newStore(t)
	write := func(fn func(w *Writer) error) error {
		_, err := s.Write(t.Context(), draft(nil, day), fn)
		return err
	}
	part := PartInfo{Object: "Account", Fields: accountFields, Full: true}
	for name, fn := range map[string]func(w *Writer) error{
		"delta without parent": func(w *Writer) error { _, err := w.Part(PartInfo{Object: "Account"}); return err },
		"carry without parent": func(w *Writer) error { return w.Carry("Account") },
		"bad object":           func(w *Writer) error { _, err := w.Part(PartInfo{Object: "a b", Full: true}); return err },
		"part left open":       func(w *Writer) error { _, err := w.Part(part); return err },
		"part twice": func(w *Writer) error {
			_, _ = w.Part(part)
			_, err := w.Part(part)
			return err
		},
		"bad id": func(w *Writer) error {
			p, _ := w.Part(part)
			return p.Add(sf.Record{ID: "001", Shape: accountShape, Values: make([]sf.Value, 4)})
		},
		"unknown field": func(w *Writer) error {
			p, _ := w.Part(part)
			return p.Add(sf.NewRecord("Account", accountID(1), map[string]sf.Value{"Other": sf.Null()}))
		},
		"other object": func(w *Writer) error {
			p, _ := w.Part(part)
			return p.Add(sf.NewRecord("Contact", accountID(1), nil))
		},
		"values that do not fit": func(w *Writer) error {
			p, _ := w.Part(part)
			return p.Add(sf.Record{ID: accountID(1), Shape: accountShape})
		},
		"too large": func(w *Writer) error {
			p, _ := w.Part(part)
			return p.Add(sf.NewRecord("Account", accountID(1), map[string]sf.Value{"Name": sf.Text(strings.Repeat("x", maxRow))}))
		},
		"interval backwards": func(w *Writer) error {
			p, _ := w.Part(part)
			p.Observed(day, day.Add(-time.Hour), day)
			_, err := p.Close(t.Context(), -1)
			return err
		},
		"fn fails": func(w *Writer) error { return errors.New("no") },
	} {
		if err := write(fn); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if infos, err := s.List(t.Context()); err != nil || len(infos) != 0 {
		t.Fatalf("%d snapshots were published: %v", len(infos), err)
	}
}

func TestManyWritersOnOneRepository(t *testing.T) {
	bucket := &blob.Memory{}
	initRepository(t, bucket)
	const writers = 4
	var wg sync.WaitGroup
	ids := make([][]string, writers)
	for n := range writers {
		s := openStore(t, bucket) // as a process of its own
		wg.Go(func() {
			ctx := context.WithoutCancel(t.Context())
			for round := range 5 {
				sn, err := s.Write(ctx, draft(nil, day.Add(time.Duration(round)*time.Hour)), func(w *Writer) error {
					var parts sync.WaitGroup
					errs := make([]error, 3)
					for object := range 3 {
						parts.Go(func() { errs[object] = writeNamed(ctx, w, fmt.Sprintf("Object%d__c", object), round) })
					}
					parts.Wait()
					return errors.Join(errs...)
				})
				if err != nil {
					t.Errorf("writer %d: %v", n, err)
					return
				}
				ids[n] = append(ids[n], sn.Info().ID)
				err = s.PutNote(ctx, "run", fmt.Sprint(round), []byte("same"))
				if err != nil {
					t.Errorf("writer %d: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	s := openStore(t, bucket)
	report, err := s.Verify(t.Context(), VerifyOptions{}, nil)
	if err != nil || report.Unpublished != 0 {
		t.Fatalf("%v: %+v", err, report)
	}
	infos, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Concat(ids...) {
		if !slices.ContainsFunc(infos, func(i Info) bool { return i.ID == id }) {
			t.Errorf("snapshot %s is gone", id)
		}
	}
}

func writeNamed(ctx context.Context, w *Writer, object string, round int) error {
	p, err := w.Part(PartInfo{Object: object, Fields: []string{"Name"}, Full: true, From: day, To: day, Watermark: day})
	if err != nil {
		return err
	}
	for i := range 200 {
		rec := sf.NewRecord(object, accountID((i*37)%200), map[string]sf.Value{"Name": sf.Text(fmt.Sprint(round, i))})
		if err := p.Add(rec); err != nil {
			return err
		}
		if i%50 == 0 {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	_, err = p.Close(ctx, 200)
	return err
}

func TestSchemaChangesBetweenLayers(t *testing.T) {
	s, _ := newStore(t)
	var parent *Snapshot
	want := map[sf.ID]sf.Record{}
	for v := range 2*maxLayers + 3 {
		fields := []string{"Name", fmt.Sprintf("Field%d__c", v%5)}
		var err error
		parent, err = writePart(t.Context(), s, parent, day.Add(time.Duration(v)*time.Hour), v == 0, func(p *PartWriter) error {
			for i := range 10 {
				r := sf.NewRecord("Account", accountID((i*v)%40), map[string]sf.Value{"Name": sf.Text(fmt.Sprint(v)), fields[1]: sf.Null()})
				want[r.ID] = r
				if err := p.Add(r); err != nil {
					return err
				}
			}
			return nil
		}, fields...)
		if err != nil {
			t.Fatal(err)
		}
	}
	m := newModel()
	m.live = want
	m.expect(t, parent)
	if _, err := s.Verify(t.Context(), VerifyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
}

// TestAFailedWriteCannotEndWhole: whoever overlooks the error of Add meets it again.
func TestAFailedWriteCannotEndWhole(t *testing.T) {
	s, _ := newStore(t)
	sn, err := s.Write(t.Context(), draft(nil, day), func(w *Writer) error {
		p, err := w.Part(PartInfo{Object: "Account", Fields: accountFields, Full: true})
		if err != nil {
			return err
		}
		_ = p.Add(sf.Record{ID: "001", Shape: accountShape, Values: make([]sf.Value, 4)})
		if err := p.Add(account(1, 1)); !errors.Is(err, sf.ErrID) {
			t.Errorf("add after an error: %v", err)
		}
		if _, err := p.Close(t.Context(), 1); !errors.Is(err, sf.ErrID) {
			t.Errorf("close after an error: %v", err)
		}
		return p.Abandon("a record without an id")
	})
	if err != nil {
		t.Fatal(err)
	}
	if part, _ := sn.Part("Account"); part.State != Absent || !sn.Info().Partial {
		t.Fatalf("%+v", part)
	}
}

func TestNotes(t *testing.T) {
	s, _ := newStore(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), maxNote/16)
	for name, body := range map[string][]byte{"b": []byte("two"), "a": nil, "ü/\n": large} {
		for range 2 { // repeating is success
			if err := s.PutNote(t.Context(), "identity", name, body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.PutNote(t.Context(), "identity", "b", []byte("other")); problem.KindOf(err) != problem.Conflict {
		t.Errorf("another body under the same name: %v", err)
	}
	for _, kind := range []string{"", "A", "a-b", "abcdefghijklmnopq"} {
		if err := s.PutNote(t.Context(), kind, "x", nil); err == nil {
			t.Errorf("kind %q is accepted", kind)
		}
	}
	notes := collect(t, s.Notes(t.Context(), "identity"))
	if len(notes) != 3 || notes[0].Name != "a" || string(notes[1].Body) != "two" || !bytes.Equal(notes[2].Body, large) {
		t.Fatalf("%d notes", len(notes))
	}
	if notes := collect(t, s.Notes(t.Context(), "run")); len(notes) != 0 {
		t.Fatalf("%d notes of another kind", len(notes))
	}
}

// TestLiesAreFound publishes a manifest that is properly sealed, but wrong about its part.
func TestLiesAreFound(t *testing.T) {
	for name, lie := range map[string]func(l *layer){
		"digest":  func(l *layer) { l.after[5] ^= 1 },
		"records": func(l *layer) { l.records-- },
		"size":    func(l *layer) { l.segments[0].size++ },
		"rows":    func(l *layer) { l.segments[0].rows-- },
	} {
		s, _ := newStore(t)
		snaps, _ := chain(t, s, 0)
		m := *snaps[0].manifest
		m.parts = slices.Clone(m.parts)
		m.parts[0].layers = slices.Clone(m.parts[0].layers)
		m.parts[0].layers[0].segments = slices.Clone(m.parts[0].layers[0].segments)
		lie(&m.parts[0].layers[0])
		m.info.Records = m.parts[0].records()
		if err := s.publish(t.Context(), &m, nil); err != nil {
			t.Fatal(err)
		}
		_, err := s.Verify(t.Context(), VerifyOptions{Snapshot: m.info.ID}, nil)
		if problem.KindOf(err) != problem.Damaged {
			t.Errorf("%s: verify says %v", name, err)
		}
		sn, err := s.load(t.Context(), m.info.ID)
		if err != nil {
			t.Fatal(err)
		}
		var last error
		for _, err := range sn.Records(t.Context(), "Account") {
			last = err
		}
		if problem.KindOf(last) != problem.Damaged {
			t.Errorf("%s: reading says %v", name, last)
		}
	}
}

func TestCheckTellsWhatIsMissingAndForeign(t *testing.T) {
	s, bucket := newStore(t)
	chain(t, s, 1)
	if err := bucket.Put(t.Context(), "lost+found/readme.txt", nil); err == nil {
		t.Fatal("a key with + was accepted")
	}
	if err := bucket.Put(t.Context(), "lost/readme.txt", nil); err != nil {
		t.Fatal(err)
	}
	report, err := s.Check(t.Context())
	if err != nil || len(report.Foreign) != 1 || report.Snapshots != 2 || report.Unpublished != 0 {
		t.Fatalf("%v: %+v", err, report)
	}
	for _, key := range keysOf(t, bucket) {
		if class(key) == "segment" {
			bucket.Corrupt(key, func([]byte) []byte { return nil })
			break
		}
	}
	report, err = s.Check(t.Context())
	if problem.KindOf(err) != problem.Damaged || problem.HintOf(err) == "" || len(report.Findings) != 1 || len(report.Findings[0].Snapshots) == 0 {
		t.Fatalf("%v: %+v", err, report)
	}
}

// TestMemoryIsBounded writes and reads far more than a part may hold in memory.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: the memory bound needs some seconds")
	}
	bucket, err := file.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	initRepository(t, bucket)
	s := openStore(t, bucket)
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // so that garbage counts for little
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak uint64
	watch := func(i int) {
		if i%5000 == 0 {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
	}
	const n = 120_000
	long := strings.Repeat("0123456789 some text that fills the row ", 12)
	shape := sf.NewShape("Account", []string{"Name"})
	sn, err := writePart(t.Context(), s, nil, day, true, func(p *PartWriter) error {
		for i := range n {
			// Every third is far from its place.
			id := accountID(i)
			if i%3 == 0 {
				id = accountID((i*7919)%n + n)
			}
			watch(i)
			if err := p.Add(sf.Record{ID: id, Shape: shape, Values: []sf.Value{sf.Text(fmt.Sprint(i, long))}}); err != nil {
				return err
			}
		}
		return nil
	}, "Name")
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, err := range sn.Records(t.Context(), "Account") {
		if err != nil {
			t.Fatal(err)
		}
		watch(i)
		i++
	}
	const limit = 44 << 20
	t.Logf("peak of the heap: %d MiB for %d MiB of records", peak>>20, n*len(long)>>20)
	if peak > limit {
		t.Errorf("the heap grew to %d MiB, at most %d", peak>>20, limit>>20)
	}
}
