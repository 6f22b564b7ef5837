package capture_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// family is an org with parents, children that refer to them, and others that refer to nobody.
func family(t testing.TB) (b *bench, parents, children []sf.ID) {
	up := &sf.Field{Name: "Up__c", Type: sf.TypeReference, ReferenceTo: []string{"Parent__c"}, Nillable: true}
	b = newBench(t, object("Child__c", "a01", up), object("Other__c", "a02"), object("Parent__c", "a03"))
	b.opts.Parallel = 1 // objects in the order of their names
	parents, children = b.org.insert("Parent__c", 4), b.org.insert("Child__c", 6)
	b.org.insert("Other__c", 2)
	for i, child := range children {
		b.org.update("Child__c", child, "Up__c", string(parents[i%2]))
	}
	b.org.advance(time.Hour) // beyond the overlap: what changes without a stamp is not read by chance
	return b, parents, children
}

// bin deletes a record as the platform does: lookups of others are emptied, and no stamp tells.
func (o *fakeOrg) bin(id sf.ID) (emptied []sf.ID) {
	o.remove("Parent__c", id)
	o.mu.Lock()
	defer o.mu.Unlock()
	for child, r := range o.tables["Child__c"].rows {
		if r.values["Up__c"].Text() == string(id) {
			r.values["Up__c"] = sf.Null()
			emptied = append(emptied, child)
		}
	}
	return emptied
}

// unbin brings it back, with the lookups that nobody has filled since.
func (o *fakeOrg) unbin(id sf.ID, stamped bool, emptied []sf.ID) {
	o.undelete("Parent__c", stamped, id)
	for _, child := range emptied {
		o.mu.Lock()
		r := o.tables["Child__c"].rows[child]
		if r != nil && r.values["Up__c"].IsNull() {
			r.values["Up__c"] = sf.Text(string(id))
		}
		o.mu.Unlock()
	}
}

// wantUp demands that the newest snapshot holds the lookup of every child as the org has it.
func (b *bench) wantUp() {
	b.Helper()
	held := b.held("Child__c")
	for id, r := range b.org.tables["Child__c"].rows {
		if got, want := held[id].Get("Up__c").Text(), r.values["Up__c"].Text(); !r.deleted && got != want {
			b.Errorf("child %s is held to refer to %q, it refers to %q", id, got, want)
		}
	}
}

// wantAsFull demands that reading everything again finds the same.
func (b *bench) wantAsFull(r capture.Result) {
	b.Helper()
	b.opts.Full = true
	full := b.back()
	b.opts.Full = false
	for _, p := range full.Parts {
		if got := part(b, r, p.Object).Part; got.Digest != p.Part.Digest || got.Records != p.Part.Records {
			b.Errorf("%s: %d records with %s, read in full %d with %s",
				p.Object, got.Records, got.Digest, p.Part.Records, p.Part.Digest)
		}
	}
}

func TestLookupsThatTheOrgEmptiesAndFillsAgain(t *testing.T) {
	for _, stamped := range []bool{true, false} {
		b, parents, children := family(t)
		b.back()
		b.org.advance(time.Hour)

		emptied := b.org.bin(parents[0])
		r := b.back()
		b.wantUp()
		if p := part(t, r, "Child__c"); p.Again != 3 || p.Part.Changes.Updated != 3 || p.Mode != capture.ModeChanges {
			t.Errorf("%d read again, %+v", p.Again, p.Part.Changes)
		}
		if g := gapOf(r, "Child__c", "Up__c"); g != "" {
			t.Errorf("a gap by the rule %s", g)
		}
		b.wantAsFull(r)

		quiet := b.back() // the deletion is in the overlap, and known
		if quiet.Calls > 3+3*2+1 {
			t.Errorf("an unchanged org cost %d calls", quiet.Calls)
		}

		b.org.advance(time.Hour)
		b.org.update("Child__c", children[0], "Up__c", string(parents[3])) // replaced: stays
		b.org.unbin(parents[0], stamped, emptied)
		r = b.back()
		b.wantUp()
		if p := part(t, r, "Child__c"); p.Again != 2 || p.Part.Changes.Updated != 3 {
			t.Errorf("%d read again, %+v", p.Again, p.Part.Changes)
		}
		b.wantAsFull(r)
	}
}

// TestDeletionsBetweenTwoParts: the children are read, then their parent goes, then the parents are
// read.
func TestDeletionsBetweenTwoParts(t *testing.T) {
	b, parents, children := family(t)
	b.back()
	b.org.advance(time.Hour)
	b.org.update("Child__c", children[5], "Up__c", string(parents[2]))
	fresh := b.org.insert("Parent__c", 1)[0]
	b.org.update("Child__c", children[4], "Up__c", string(fresh))
	b.org.onRecords = func(x sf.Extract) error {
		if x.Object.Name == "Parent__c" {
			b.org.onRecords = nil
			b.org.bin(parents[2])
			b.org.bin(fresh) // came and went between two runs
		}
		return nil
	}
	r := b.back()
	b.wantUp()
	if p := part(t, r, "Child__c"); p.Again != 2 || p.Part.Changes.Updated != 2 {
		t.Errorf("%d read again, %+v", p.Again, p.Part.Changes)
	}
	b.wantAsFull(r)
}

// TestDanglingLookupsAreNamed: what the org itself keeps is no loss, and no reason to call the
// snapshot partial.
func TestDanglingLookupsAreNamed(t *testing.T) {
	b, parents, _ := family(t)
	b.back()
	b.org.advance(time.Hour)
	b.org.remove("Parent__c", parents[1])
	r := b.back()
	if r.Snapshot.Partial || gapOf(r, "Child__c", "Up__c") != capture.RuleDangling {
		t.Errorf("partial %v, coverage %v", r.Snapshot.Partial, r.Coverage)
	}
	for _, g := range r.Coverage {
		if g.Field == "Up__c" && !strings.Contains(g.Reason, "3 records") {
			t.Errorf("gap %q", g.Reason)
		}
	}
	b.wantAsFull(r)
}

// TestLookupsOfPartsThatWereNotRead: the deletion and the return are news to a part as long as it was
// not read beside them.
func TestLookupsOfPartsThatWereNotRead(t *testing.T) {
	b, parents, _ := family(t)
	b.back()
	b.org.advance(time.Hour)
	emptied := b.org.bin(parents[0])
	b.opts.Include = []string{"Parent__c"}
	b.back()
	b.org.advance(time.Hour)
	b.back()
	b.org.advance(time.Hour)
	b.opts.Include = nil
	b.wantAsFull(b.back())
	b.wantUp()

	b.org.advance(time.Hour)
	b.org.unbin(parents[0], true, emptied)
	b.org.onRecords = func(x sf.Extract) error {
		if x.Object.Name == "Child__c" {
			return problem.New(problem.Failed, "broken")
		}
		return nil
	}
	b.backPartial("Child__c")
	b.org.advance(time.Hour)
	b.org.onRecords = nil
	b.wantAsFull(b.back())
	b.wantUp()
}

// TestClosureThatFailsIsRepeated: a part whose lookups could not be read again keeps what it held and
// where it stood, so that the next run knows.
func TestClosureThatFailsIsRepeated(t *testing.T) {
	b, parents, children := family(t)
	b.back()
	b.org.advance(time.Hour)
	emptied := b.org.bin(parents[0])
	b.org.update("Child__c", children[1], "Name", "renamed")
	fail := func(x sf.Extract) error {
		if x.Object.Name == "Child__c" && x.IDs != nil {
			return errors.New("broken")
		}
		return nil
	}
	ended := map[string]int{}
	b.opts.Progress = func(e capture.Event) {
		if e.Ended > e.Parts {
			t.Errorf("%d of %d parts ended", e.Ended, e.Parts)
		}
		ended[e.Object] = e.Ended
	}
	for _, unbinned := range []bool{false, true} {
		b.org.onRecords = fail
		r := b.backPartial("Child__c")
		if p := part(t, r, "Child__c"); p.Mode != capture.ModeStale || len(r.Parts) != 3 {
			t.Errorf("%d parts, %+v", len(r.Parts), p)
		}
		b.org.onRecords = nil
		b.wantAsFull(b.back())
		b.wantUp()
		if b.org.advance(time.Hour); !unbinned {
			b.org.unbin(parents[0], true, emptied)
		}
	}
}

// TestReferencesThatTheOrgDoesNotSearch: a field by which the org does not find records is named.
func TestReferencesThatTheOrgDoesNotSearch(t *testing.T) {
	b, parents, _ := family(t)
	b.back()
	b.org.advance(time.Hour)
	emptied := b.org.bin(parents[0])
	b.back()
	b.org.advance(time.Hour)
	b.org.unbin(parents[0], true, emptied)
	b.org.onRecords = func(x sf.Extract) error {
		if x.Field != "" {
			return fmt.Errorf("query: %w", orgError("INVALID_FIELD: field 'Up__c' can not be filtered in a query call"))
		}
		return nil
	}
	if r := b.back(); r.Snapshot.Partial || gapOf(r, "Child__c", "Up__c") != capture.RuleUnfiltered {
		t.Errorf("partial %v, coverage %v", r.Snapshot.Partial, r.Coverage)
	}
}

// TestLookupsStayTrueWhateverHappens: after any sequence of deletions, returns and changes, read
// whole or in parts, a whole reading holds what the org has.
func TestLookupsStayTrueWhateverHappens(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		b, parents, children := family(t)
		b.back()
		gone := map[sf.ID][]sf.ID{}
		for range 80 { // enough for layers to be merged
			parent, child := parents[r.IntN(len(parents))], children[r.IntN(len(children))]
			emptied, isGone := gone[parent]
			switch n := r.IntN(6); {
			case n == 0:
				b.opts.Include = []string{"Parent__c"}
				b.back()
				b.opts.Include = nil
			case n == 1:
				b.back()
				b.wantUp()
			case n < 4 && isGone:
				b.org.unbin(parent, r.IntN(2) == 0, emptied)
				delete(gone, parent)
			case n < 4:
				gone[parent] = b.org.bin(parent)
			case !isGone:
				b.org.update("Child__c", child, "Up__c", string(parent))
				for p := range gone { // it is replaced: no return fills it
					gone[p] = slices.DeleteFunc(gone[p], func(id sf.ID) bool { return id == child })
				}
			}
			b.org.advance(time.Duration(r.IntN(30)) * time.Minute)
		}
		b.back()
		b.wantUp()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestEmulatedLookupsThatTheOrgEmptiesAndFillsAgain is the same against an emulated org, whose stamps
// tell nothing either, over HTTP.
func TestEmulatedLookupsThatTheOrgEmptiesAndFillsAgain(t *testing.T) {
	e := newEmulated(t, emulator.Options{Seed: 11})
	accounts, people := e.insert("Account", 300), e.insert("Contact", 30)
	for _, id := range accounts[1:] {
		e.update(id, "ParentId", string(accounts[0]))
	}
	for _, id := range people[1:] {
		e.update(id, "ReportsToId", string(people[0]))
	}
	e.server.Clock().Advance(time.Hour)
	quiet := e.back().Calls // most of them describe the org
	e.server.Clock().Advance(time.Hour)

	check := func(what string, again map[string]int64) {
		t.Helper()
		r := e.back()
		for _, object := range e.opts.Include {
			e.wantSame(object)
		}
		e.opts.Full = true
		full := e.back()
		e.opts.Full = false
		for _, p := range full.Parts {
			got := part(t, r, p.Object)
			if got.Part.Digest != p.Part.Digest || got.Again != again[p.Object] {
				t.Errorf("%s, %s: %d read again, digest %s, in full %s", what, p.Object, got.Again, got.Part.Digest, p.Part.Digest)
			}
		}
	}
	e.write(org.Delete, rowsOf([]sf.ID{accounts[0], people[0]}), org.Options{})
	check("deleted", map[string]int64{"Account": 299, "Contact": 29})
	e.server.Clock().Advance(time.Hour)
	e.update(people[1], "ReportsToId", string(people[2]))
	e.write(org.Undelete, rowsOf([]sf.ID{accounts[0], people[0]}), org.Options{})
	check("undeleted", map[string]int64{"Account": 299, "Contact": 28})

	for range 2 { // the changes are in the overlap first
		if r := e.back(); r.Calls > quiet {
			t.Errorf("an unchanged org cost %d calls, %d before", r.Calls, quiet)
		}
		e.server.Clock().Advance(time.Hour)
	}
}
