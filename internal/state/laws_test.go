package state

import (
	"testing"

	"holdfast/internal/sf"

	"pgregory.net/rapid"
)

func TestLaw01PatchOfDiffIsTheOtherState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genState().Draw(t, "a")
		b := genLater(a).Draw(t, "b")
		sameState(t, "patch(a, diff(a,b))", patchOf(t, a, diffOf(t, a, b)), b)
		if d := diffOf(t, a, a); len(d) != 0 {
			t.Fatalf("diff(a,a) = %+v", d)
		}
	})
}

func TestLaw02InverseOfDiffIsDiffOfInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genState().Draw(t, "a")
		b := genLater(a).Draw(t, "b")
		inverse := diffOf(t, a, b).Invert()
		sameDelta(t, "invert(diff(a,b))", inverse, diffOf(t, b, a))
		sameState(t, "patch(b, invert(diff(a,b)))", patchOf(t, b, inverse), a)
	})
}

func TestLaw03PatchComposes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genState().Draw(t, "a")
		b := genLater(a).Draw(t, "b")
		c := genLater(b).Draw(t, "c")
		through := patchOf(t, patchOf(t, a, diffOf(t, a, b)), diffOf(t, b, c))
		sameState(t, "a→b→c", through, patchOf(t, a, diffOf(t, a, c)))
	})
}

func TestLaw04RebaseOntoItsOwnBaseIsTheIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := genState().Draw(t, "base")
		wanted := diffOf(t, base, genLater(base).Draw(t, "want"))
		got, conflicts := rebaseOf(t, genRules(t), wanted, base)
		if len(conflicts) != 0 {
			t.Fatalf("conflicts on the own base: %+v", conflicts)
		}
		sameDelta(t, "rebase onto the base", got, wanted)
	})
}

func TestLaw04RebasedAndAppliedTwiceIsAppliedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := genState().Draw(t, "base")
		wanted := diffOf(t, base, genLater(base).Draw(t, "want"))
		live := genLater(base).Draw(t, "live")
		e := genRules(t)
		once, first := rebaseOf(t, e, wanted, live)
		after := patchOf(t, live, once)
		twice, second := rebaseOf(t, e, wanted, after)
		if len(twice) != 0 {
			t.Fatalf("something remains to be done: %+v\nafter %v", twice, show(after))
		}
		if len(first) != len(second) {
			t.Fatalf("conflicts changed from %+v to %+v", first, second)
		}
	})
}

// The model is stated on its own: whatever of the live state differs from the base was changed by
// someone since, and must be in the live state after the rebased changes as it was before them.
func TestLaw05RebaseNeverChangesWhatSomeoneChangedSince(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := genState().Draw(t, "base")
		wanted := diffOf(t, base, genLater(base).Draw(t, "want"))
		live := genLater(base).Draw(t, "live")
		rebased, _ := rebaseOf(t, genRules(t), wanted, live)
		after := patchOf(t, live, rebased)
		for n := range 10 {
			b, inBase := find(base, genID(n))
			l, inLive := find(live, genID(n))
			a, inAfter := find(after, genID(n))
			switch {
			case inBase && !inLive:
				if inAfter {
					t.Fatalf("%s was deleted since and is back", genID(n))
				}
			case inBase && inLive && !inAfter:
				for _, f := range differences(b, l) {
					if f.Before.IsText() || f.After.IsText() {
						dated := f.Field == "LastModifiedDate" && f.Before.IsText()
						if dated || !sf.IsSystemField(f.Field) {
							t.Fatalf("%s was edited since (%+v) and is deleted", l.ID, f)
						}
					}
				}
			case !inBase && inLive && !inAfter:
				t.Fatalf("%s was created since and is deleted", l.ID)
			case inLive && inAfter:
				keepsEdits(t, b, inBase, l, a)
			}
		}
	})
}

// keepsEdits fails if a field that differs between base and live differs between live and after.
func keepsEdits(t *rapid.T, base sf.Record, inBase bool, live, after sf.Record) {
	for i, field := range live.Shape.Fields() {
		l := live.Values[i]
		if l.IsAbsent() {
			continue
		}
		untouched := inBase && base.Get(field) == l
		if !untouched && after.Get(field) != l {
			t.Fatalf("%s.%s was changed since to %v and is now %v", live.ID, field, l, after.Get(field))
		}
	}
}

// Nothing is dropped in silence: what was wanted is done, or was done, or is a conflict, or only the
// platform sets it.
func TestLaw05EveryWantedFieldIsDoneOrAConflict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := genState().Draw(t, "base")
		wanted := diffOf(t, base, genLater(base).Draw(t, "want"))
		live := genLater(base).Draw(t, "live")
		rebased, conflicts := rebaseOf(t, genRules(t), wanted, live)
		after := patchOf(t, live, rebased)
		told := map[[2]string]bool{}
		for _, c := range conflicts {
			told[[2]string{string(c.ID), c.Field}] = true
			told[[2]string{string(c.ID), "*"}] = true
		}
		for _, c := range wanted {
			r, there := find(after, c.ID)
			if c.Kind == Delete {
				if there && !told[[2]string{string(c.ID), "*"}] {
					t.Fatalf("%s is not deleted and no conflict", c.ID)
				}
				continue
			}
			for _, f := range c.Fields {
				done := there && r.Get(f.Field) == f.After
				whole := told[[2]string{string(c.ID), ""}]
				if !done && !whole && !told[[2]string{string(c.ID), f.Field}] && !sf.IsSystemField(f.Field) {
					t.Fatalf("%s.%s is neither done nor a conflict", c.ID, f.Field)
				}
			}
		}
	})
}

func TestLaw08DigestAdvancesByTheDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genState().Draw(t, "a")
		b := genLater(a).Draw(t, "b")
		d, n := digestOf(t, a)
		want, m := digestOf(t, b)
		for _, c := range diffOf(t, a, b) {
			d = d.Advance(c)
			switch c.Kind {
			case Create:
				n++
			case Delete:
				n--
			}
		}
		if d != want || n != m {
			t.Fatalf("advance(digest(a), diff) = %s over %d, digest(b) = %s over %d", d, n, want, m)
		}
	})
}

func TestLaw08DigestDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genState().Draw(t, "a")
		want, _ := digestOf(t, a)
		var d Digest
		for _, r := range rapid.Permutation(a).Draw(t, "shuffled") {
			d = d.Add(HashRecord(r))
		}
		if d != want {
			t.Fatalf("digest %s, in order %s", d, want)
		}
		for _, r := range a {
			d = d.Remove(HashRecord(r))
		}
		if d != (Digest{}) {
			t.Fatalf("digest of nothing is %s", d)
		}
	})
}

func digestOf(t fataler, records []sf.Record) (Digest, int64) {
	d, n, err := DigestOf(FromSlice(records))
	if err != nil {
		t.Fatalf("digest: %v", err)
	}
	return d, n
}

// genRules draws an equivalence without and with a schema: the laws hold under both.
func genRules(t *rapid.T) *Equivalence {
	if rapid.Bool().Draw(t, "schema") {
		return &Equivalence{Schema: accountSchema()}
	}
	return &Equivalence{}
}

func accountSchema() *sf.Schema {
	o := &sf.Object{Name: "Account", Createable: true, Updateable: true, Deletable: true}
	for _, f := range append([]string{"Zip"}, genFields...) {
		system := sf.IsSystemField(f)
		o.Fields = append(o.Fields, &sf.Field{Name: f, Type: sf.TypeString, Nillable: true, Createable: !system, Updateable: !system})
	}
	return &sf.Schema{Objects: []*sf.Object{o}}
}
