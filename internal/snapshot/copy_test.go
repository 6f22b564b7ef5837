package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
)

func openBucket(t *testing.T, b blob.Bucket) *Store {
	t.Helper()
	r, err := repo.Open(t.Context(), b, sharedIdentity)
	if err != nil {
		t.Fatal(err)
	}
	return Open(r)
}

// TestCopyIsTheSameRepository copies a repository, goes on, and copies again: the copy holds the same, and
// only what is new is written.
func TestCopyIsTheSameRepository(t *testing.T) {
	memory, kept := rich(t)
	second := &blob.Memory{}
	s := openBucket(t, memory)
	got, err := s.Copy(t.Context(), repo.At(second), CopyOptions{}, nil)
	if err != nil || !got.New || got.Copied.Objects == 0 || got.Present.Objects != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := holds(t.Context(), second, kept); err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(t, second) {
		if strings.HasPrefix(key, "spill/") {
			t.Errorf("%s is copied, and nobody needs it", key)
		}
	}
	again, err := s.Copy(t.Context(), repo.At(second), CopyOptions{}, nil)
	if err != nil || again.New || again.Copied.Objects != 0 || again.Present.Objects != got.Copied.Objects {
		t.Fatalf("%+v, %v", again, err)
	}
	p := &process{bucket: memory, seed: 3, kept: kept}
	for step, name := range []string{"increment", "rotate", "note"} {
		if err := protocolNamed(name).do(t.Context(), p, 20+step); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := holds(t.Context(), second, p.kept); err != nil {
		t.Fatal(err)
	}
}

// TestCopyNeverGoesBack refuses to copy an older state, or another one, over what is there.
func TestCopyNeverGoesBack(t *testing.T) {
	memory, kept := rich(t)
	old := memory.Clone()
	p := &process{bucket: memory, seed: 3, kept: kept}
	if err := protocolNamed("increment").do(t.Context(), p, 20); err != nil {
		t.Fatal(err)
	}
	second := &blob.Memory{}
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]*blob.Memory{"older": old, "another way": old.Clone()} {
		if name == "another way" {
			q := &process{bucket: from, seed: 4, kept: kept}
			for step, name := range []string{"rotate", "increment"} {
				if err := protocolNamed(name).do(t.Context(), q, 30+step); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, err := openBucket(t, from).Copy(t.Context(), repo.At(second), CopyOptions{Delete: true}, nil)
		if problem.KindOf(err) != problem.Damaged {
			t.Fatalf("%s: %v", name, err)
		}
		if err := holds(t.Context(), second, p.kept); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	other := &blob.Memory{}
	initRepository(t, other)
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(other), CopyOptions{}, nil); problem.KindOf(err) != problem.Conflict {
		t.Fatalf("over another repository: %v", err)
	}
	foreign := &blob.Memory{}
	if err := foreign.Put(t.Context(), "photos/holiday", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(foreign), CopyOptions{}, nil); problem.KindOf(err) != problem.Usage {
		t.Fatalf("into a place that is not empty: %v", err)
	}
}

// repaired repairs the bucket from the copy, and returns what is wrong with that.
func repaired(ctx context.Context, b, second blob.Bucket, kept promises) error {
	if _, err := Repair(ctx, repo.At(b), repo.At(second), sharedIdentity, RepairOptions{}, nil); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	return holds(ctx, b, kept)
}

// TestRepairBringsBackWhatIsLost takes everything away, one thing after another and all that there is, and
// has it brought back from a copy.
func TestRepairBringsBackWhatIsLost(t *testing.T) {
	whole, kept := rich(t)
	second := &blob.Memory{}
	if _, err := openBucket(t, whole).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	for _, lost := range []string{"config", "keys/", "segment/", "schema/", "snapshot/", "note-identity/", "s", ""} {
		b := whole.Clone()
		for _, key := range keysOf(t, b) {
			if strings.HasPrefix(key, lost) && (lost != "" || class(key) != "keys" || strings.Contains(key, "/mirror/")) {
				b.Corrupt(key, func([]byte) []byte { return nil })
			}
		}
		before := keysOf(t, b)
		dry, err := Repair(t.Context(), repo.At(b), repo.At(second), sharedIdentity, RepairOptions{DryRun: true}, nil)
		if err != nil || len(dry.Keys)+len(dry.Mended) == 0 {
			t.Fatalf("%q, dry: %+v, %v", lost, dry, err)
		}
		if !slices.Equal(before, keysOf(t, b)) {
			t.Fatalf("%q: a dry run wrote", lost)
		}
		if err := repaired(t.Context(), b, second, kept); err != nil {
			t.Fatalf("%q: %v", lost, err)
		}
		if !bytes.Equal(must(b.Get(t.Context(), "config", 0, -1)), must(whole.Get(t.Context(), "config", 0, -1))) {
			t.Fatalf("%q: another config", lost)
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestDamageStopsACopy copies a repository with a damaged segment: the copy stays what it was, unless it is
// told otherwise, and what is damaged in both places is left as it is by a repair.
func TestDamageStopsACopy(t *testing.T) {
	memory, kept := rich(t)
	second := &blob.Memory{}
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	before := keysOf(t, memory)
	p := &process{bucket: memory, seed: 3, kept: kept}
	if err := protocolNamed("full").do(t.Context(), p, 20); err != nil {
		t.Fatal(err)
	}
	var fresh []string
	for _, key := range keysOf(t, memory) {
		if class(key) == "segment" && !slices.Contains(before, key) {
			fresh = append(fresh, key)
		}
	}
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{DryRun: true}, nil); err != nil {
		t.Fatal(err)
	}
	lost := fresh[len(fresh)-1]
	memory.Corrupt(lost, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	spoilt := must(memory.Get(t.Context(), lost, 0, -1))
	got, err := openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{}, nil)
	if problem.KindOf(err) != problem.Damaged || !slices.ContainsFunc(got.Missing, func(f repo.Flaw) bool { return f.Key == lost }) {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := holds(t.Context(), second, kept); err != nil {
		t.Fatal(err)
	}
	repaired, err := Repair(t.Context(), repo.At(memory), repo.At(second), sharedIdentity, RepairOptions{}, nil)
	if problem.KindOf(err) != problem.Damaged {
		t.Fatalf("%+v, %v", repaired, err)
	}
	if there := must(memory.Get(t.Context(), lost, 0, -1)); !bytes.Equal(there, spoilt) {
		t.Fatal("what cannot be repaired was touched")
	}
	if _, err = openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{Damage: true}, nil); problem.KindOf(err) != problem.Damaged {
		t.Fatal(err)
	}
	if infos, err := openBucket(t, second).List(t.Context()); err != nil || len(infos) != len(p.kept.snaps) {
		t.Fatalf("%d snapshots, %v", len(infos), err)
	}
}

// TestCopyKeepsWhatADamagedSnapshotMayNeed damages a snapshot and loses a segment, both of which the copy has:
// nothing says any more that the segment is needed, and yet no copy takes it away.
func TestCopyKeepsWhatADamagedSnapshotMayNeed(t *testing.T) {
	memory, kept := rich(t)
	second := &blob.Memory{}
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	whole := keysOf(t, second)
	for _, key := range whole {
		switch class(key) {
		case "snapshot":
			memory.Corrupt(key, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		case "segment":
			memory.Corrupt(key, func([]byte) []byte { return nil })
		}
	}
	for _, damage := range []bool{false, true} {
		got, err := openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{Delete: true, Damage: damage}, nil)
		if problem.KindOf(err) != problem.Damaged || len(got.Missing) == 0 || got.Deleted.Objects > 0 {
			t.Errorf("with damage %v: %+v, %v", damage, got, err)
		}
	}
	if now := keysOf(t, second); !slices.Equal(now, whole) {
		t.Errorf("the copy had %d objects and has %d", len(whole), len(now))
	}
	if err := repaired(t.Context(), memory, second, kept); err != nil {
		t.Error(err)
	}
}

// TestRepairTrustsNoCopy damages an object in both places: neither is touched. Then the copy's is sound: it
// takes the place of the damaged bytes, which are kept.
func TestRepairTrustsNoCopy(t *testing.T) {
	memory, kept := rich(t)
	second := &blob.Memory{}
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"segment", "snapshot", "schema", "note-identity"} {
		b, copied := memory.Clone(), second.Clone()
		key := keysOf(t, copied)[slices.IndexFunc(keysOf(t, copied), func(k string) bool { return class(k) == c })]
		b.Corrupt(key, func(body []byte) []byte { body[len(body)/2] ^= 4; return body })
		copied.Corrupt(key, func(body []byte) []byte { body[len(body)/3] ^= 4; return body })
		spoilt := must(b.Get(t.Context(), key, 0, -1))
		if err := repaired(t.Context(), b, copied, kept); problem.KindOf(err) != problem.Damaged {
			t.Fatalf("%s, damaged in both: %v", c, err)
		}
		if there, err := b.Get(t.Context(), key, 0, -1); err != nil || !bytes.Equal(there, spoilt) {
			t.Fatalf("%s is not as it was: %v", c, err)
		}
		if err := repaired(t.Context(), b, second, kept); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		if !slices.ContainsFunc(keysOf(t, b), func(k string) bool {
			return class(k) == "quarantine" && bytes.Equal(must(b.Get(t.Context(), k, 0, -1)), spoilt)
		}) {
			t.Fatalf("%s: the damaged bytes are not in quarantine", c)
		}
	}
}

// TestRepairTakesNothingAwayThatADamagedSnapshotMayNeed damages snapshots and segments in both places: what the
// snapshots rely on is not known, so that nothing is taken aside.
func TestRepairTakesNothingAwayThatADamagedSnapshotMayNeed(t *testing.T) {
	memory, _ := rich(t)
	second := &blob.Memory{}
	if _, err := openBucket(t, memory).Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*blob.Memory{memory, second} {
		for _, key := range keysOf(t, b) {
			if c := class(key); c == "snapshot" || c == "segment" {
				b.Corrupt(key, func(body []byte) []byte { body[len(body)-1] ^= 1; return body })
			}
		}
	}
	before := keysOf(t, memory)
	got, err := Repair(t.Context(), repo.At(memory), repo.At(second), sharedIdentity, RepairOptions{}, nil)
	if problem.KindOf(err) != problem.Damaged || len(got.Aside) > 0 || len(got.Mended) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if after := keysOf(t, memory); !slices.Equal(after, before) {
		t.Errorf("%q became %q", before, after)
	}
}

// TestRepairTakesNothingThatIsNotReadNow repairs from a copy on a disk that gives nothing back any more:
// nothing is taken away.
func TestRepairTakesNothingThatIsNotReadNow(t *testing.T) {
	disk := newDisk(t)
	b := file.New(disk, "disk")
	p := &process{bucket: b, second: secondOn(disk), seed: 5}
	for step, name := range []string{"init", "full", "increment", "copy", "gave up"} {
		if err := protocolNamed(name).do(t.Context(), p, step); err != nil {
			t.Fatal(err)
		}
	}
	before := keysOf(t, b)
	for _, class := range []string{"segment/", "snapshot/", "schema/"} {
		disk.Interfere(func(c blobtest.Call) blobtest.Fault {
			if c.Verb == "open" && (strings.HasPrefix(c.Name, class) || strings.HasPrefix(c.Name, secondDir+"/"+class)) {
				return blobtest.Fault{Err: syscall.EIO}
			}
			return blobtest.Fault{}
		})
		if err := repair(t.Context(), p, 0); problem.KindOf(err) != problem.Damaged {
			t.Fatalf("%s unreadable: %v", class, err)
		}
		disk.Interfere(nil)
		if after := keysOf(t, b); !slices.Equal(after, before) {
			t.Fatalf("%s unreadable: %q became %q", class, before, after)
		}
	}
}

// TestCopyAndRepairSettleWhatWasThere lets the sync of a directory fail once: what the first attempt has left
// can be seen, and survives a crash only after the second one.
func TestCopyAndRepairSettleWhatWasThere(t *testing.T) {
	once := func(disk *blobtest.Disk, dir string) {
		failed := false
		disk.Interfere(func(c blobtest.Call) blobtest.Fault {
			if !failed && c.Verb == "syncdir" && strings.HasPrefix(c.Name, dir) {
				failed = true
				return blobtest.Fault{Err: syscall.EIO}
			}
			return blobtest.Fault{}
		})
	}
	for _, name := range []string{"copy", "repair"} {
		disk := newDisk(t)
		b := file.New(disk, "disk")
		p := &process{bucket: b, second: secondOn(disk), seed: 5}
		for step, name := range []string{"init", "full", "increment"} {
			if err := protocolNamed(name).do(t.Context(), p, step); err != nil {
				t.Fatal(err)
			}
		}
		dir := secondDir + "/segment/"
		if name == "repair" {
			if err := copyOver(t.Context(), p, 3); err != nil {
				t.Fatal(err)
			}
			m := moment{disk: disk, kept: p.kept}.broken(t, 1)
			disk, dir = m.disk, "schema/"
			p.bucket, p.second, p.kept = file.New(disk, "disk"), secondOn(disk), m.kept
		}
		once(disk, dir)
		if err := protocolNamed(name).do(t.Context(), p, 4); !errors.Is(err, syscall.EIO) {
			t.Fatalf("%s: %v", name, err)
		}
		if err := protocolNamed(name).do(t.Context(), p, 4); err != nil {
			t.Fatal(err)
		}
		if err := diskHolds(t.Context(), disk.Crash(blobtest.DropUnsynced, 1), p.kept); err != nil {
			t.Fatalf("%s, and a crash: %v", name, err)
		}
	}
}

// TestSharesOfAVerificationAreEverything damages one object after another: one share of three finds it.
func TestSharesOfAVerificationAreEverything(t *testing.T) {
	whole, _ := rich(t)
	const parts = 3
	var read int64
	for part := range parts {
		report, err := openBucket(t, whole).Verify(t.Context(), VerifyOptions{Part: part + 1, Parts: parts}, nil)
		if err != nil {
			t.Fatal(err)
		}
		read += report.Read
	}
	all, err := openBucket(t, whole).Verify(t.Context(), VerifyOptions{}, nil)
	if err != nil || read < all.Read {
		t.Fatalf("%d bytes in shares, %d at once, %v", read, all.Read, err)
	}
	for _, key := range keysOf(t, whole) {
		if ref, ok := repo.ParseKey(key); !ok || ref.Class == classSpill {
			continue
		}
		b := whole.Clone()
		b.Corrupt(key, func(body []byte) []byte { body[len(body)-1] ^= 1; return body })
		found := false
		for part := range parts {
			_, err := openBucket(t, b).Verify(t.Context(), VerifyOptions{Part: part + 1, Parts: parts}, nil)
			found = found || problem.KindOf(err) == problem.Damaged
		}
		if !found {
			t.Errorf("no share finds %s", key)
		}
	}
	if _, err := openBucket(t, whole).Verify(t.Context(), VerifyOptions{Part: 4, Parts: parts}, nil); problem.KindOf(err) != problem.Usage {
		t.Errorf("share 4 of 3: %v", err)
	}
}

// TestACopyIsWholeWheneverItEnds lets a copy die before each operation in the second place: that holds what it
// was promised, or nothing yet, and every root that is in it is whole.
func TestACopyIsWholeWheneverItEnds(t *testing.T) {
	p := &process{bucket: &blob.Memory{}, second: &blob.Memory{}, seed: 6}
	grown := []string{"init", "full", "note", "copy", "increment", "late", "note"}
	for step, name := range grown {
		if err := protocolNamed(name).do(t.Context(), p, step); err != nil {
			t.Fatal(err)
		}
	}
	for name, start := range map[string]*blob.Memory{"a new copy": {}, "an earlier one": p.second.(*blob.Memory)} {
		kept := p.kept
		if name == "a new copy" {
			kept.copied = nil
		}
		for at, ended := 0, false; !ended; at++ {
			second := start.Clone()
			dying := blob.NewFault(second, nil, func(op blob.Op) blob.Outcome {
				if op.N == at {
					return blob.Halt
				}
				return blob.Pass
			})
			_, err := openBucket(t, p.bucket).Copy(t.Context(), repo.At(dying), CopyOptions{Parallel: 1}, nil)
			ended = err == nil
			if err := copyHolds(t.Context(), second, kept); err != nil {
				t.Fatalf("%s that dies before operation %d: %v", name, at, err)
			}
		}
	}
}

// forgetful is a bucket that does not give the first object back that begins with a prefix, once.
type forgetful struct {
	blob.Bucket
	prefix string
	done   bool
}

func (f *forgetful) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if !f.done && strings.HasPrefix(key, f.prefix) {
		f.done = true
		return nil, problem.New(problem.Damaged, "the disk does not give the bytes back")
	}
	return f.Bucket.Get(ctx, key, offset, length)
}

// TestACopyKnowsWhatItsRootsReach cannot read a manifest, a schema or a segment once: what the copy then does
// not know that it needs, it must not be without.
func TestACopyKnowsWhatItsRootsReach(t *testing.T) {
	memory, kept := rich(t)
	for _, prefix := range []string{"snapshot/", "schema/", "segment/", "body/", "note-"} {
		s := openBucket(t, &forgetful{Bucket: memory, prefix: prefix})
		second := &blob.Memory{}
		got, err := s.Copy(t.Context(), repo.At(second), CopyOptions{Parallel: 1}, nil)
		if problem.KindOf(err) != problem.Damaged || len(got.Missing) == 0 {
			t.Fatalf("%s: %+v, %v", prefix, got, err)
		}
		if _, err := repo.Open(t.Context(), second, sharedIdentity); problem.KindOf(err) != problem.NoRepository {
			t.Fatalf("%s: there is a copy: %v", prefix, err)
		}
		if _, err := s.Copy(t.Context(), repo.At(second), CopyOptions{}, nil); err != nil {
			t.Fatal(err)
		}
		if err := holds(t.Context(), second, kept); err != nil {
			t.Fatalf("%s: %v", prefix, err)
		}
	}
}
