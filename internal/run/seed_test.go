package run_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/testkit"
)

const seedKey = "0123456789abcdef0123456789abcdef"

// pair is an org with a company in it, and another one without, in one repository.
func pair(t *testing.T) (a, b *ward) {
	a = newWard(t, 51)
	b = emptyWard(t, 52, emulator.Options{Seed: 99})
	b.store = a.store
	return a, b
}

func (w *ward) seed(in run.SeedInput) run.SeedResult {
	w.Helper()
	in.Target, in.Store, in.OrgName = w.client, w.store, "other"
	r, err := run.Seed(w.Context(), in)
	w.must(err)
	return r
}

// links returns how often each pair of labels is linked by a field: what relations say, without Ids.
func (w *ward) links(object, field, label, target, targetLabel string) map[string]int {
	w.Helper()
	names, to := w.field(object, label), w.field(target, targetLabel)
	out := map[string]int{}
	for id, ref := range w.field(object, field) {
		out[names[id]+" → "+to[ref]]++
	}
	return out
}

// A seed fills another org with the same records: every relation is the same, masked values are pseudonyms
// and nowhere as they were, and once more there is nothing to do.
func TestSeedFillsAnotherOrg(t *testing.T) {
	a, b := pair(t)
	secret := a.added("Contact", testkit.Row{"LastName": "Verysecret", "FirstName": "Anna", "Email": "anna@verysecret.com", "Phone": "+49 170 1234567"})[0]
	a.update("Contact", []testkit.Row{{"Id": secret, "ReportsToId": a.ids["Contact"][0]}, {"Id": a.ids["Contact"][1], "ReportsToId": secret}})
	a.server.Clock().Advance(time.Hour)
	from := a.backup()
	rules := "Contact.FirstName\nContact.LastName\n*.type:email\n*.type:phone\n"
	in := run.SeedInput{
		Snapshot: from.Snapshot.ID, Objects: []string{"Account", "Contact", "Opportunity", "Slot__c"},
		MaskRules: rules, MaskKey: []byte(seedKey),
	}
	prepared := b.seed(in)
	r := b.restore(run.RestoreInput{Snapshot: prepared.Snapshot.ID})
	out := b.apply(r)
	if out.Failed > 0 || out.Unexplained > 0 {
		t.Fatalf("%+v %+v", out.Errors, out.Differences)
	}
	for _, l := range [][5]string{
		{"Account", "ParentId", "Name", "Account", "Name"},
		{"Opportunity", "AccountId", "Name", "Account", "Name"},
		{"Crate__c", "Account__c", "Weight__c", "Account", "Name"},
		{"Slot__c", "Crate__c", "Text__c", "Crate__c", "Weight__c"},
		{"Slot__c", "Next__c", "Text__c", "Slot__c", "Text__c"},
	} {
		want, got := a.links(l[0], l[1], l[2], l[3], l[4]), b.links(l[0], l[1], l[2], l[3], l[4])
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%s.%s: %v, not %v", l[0], l[1], got, want)
		}
	}
	// Names are masked on both ends of this one: only how the links are distributed can be compared.
	if want, got := shapeOfLinks(a), shapeOfLinks(b); !slices.Equal(want, got) {
		t.Errorf("ReportsToId: %v, not %v", got, want)
	}
	for _, field := range []string{"LastName", "FirstName", "Email", "Phone", "Name"} {
		known := map[string]bool{}
		for _, v := range a.field("Contact", field) {
			known[v] = v != ""
		}
		for id, v := range b.field("Contact", field) {
			if known[v] || strings.Contains(strings.ToLower(v), "verysecret") {
				t.Errorf("%s of %s is %q, as in the first org", field, id, v)
			}
		}
	}
	if again := b.restore(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID}); !again.Plan.Empty() {
		t.Errorf("once more there is something to do: %+v", again.Totals)
	}
}

// shapeOfLinks returns how many contacts report to each, sorted.
func shapeOfLinks(w *ward) []int {
	n := map[string]int{}
	for _, boss := range w.field("Contact", "ReportsToId") {
		n[boss]++
	}
	var out []int
	for _, c := range n {
		out = append(out, c)
	}
	slices.Sort(out)
	return out
}

// Trap 19, the last part: a key that is not unique is refused in either org; a unique one recognises what
// is there, which is not made again.
func TestTrap19SeedRefusesAKeyThatIsNone(t *testing.T) {
	a, b := pair(t)
	a.added("Account", testkit.Row{"Name": "Both", "AccountNumber": "N-1", "Phone": "1"})
	a.server.Clock().Advance(time.Hour)
	from := a.backup()
	in := run.SeedInput{Snapshot: from.Snapshot.ID, Objects: []string{"Account"}, Match: []string{"Account.Name"}}
	in.Target, in.Store, in.OrgName = b.client, b.store, "other"
	if _, err := run.Seed(t.Context(), in); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "is no key") {
		t.Errorf("names that stand twice: %v", err)
	}
	b.added("Account", testkit.Row{"Name": "1", "AccountNumber": "N-1"}, testkit.Row{"Name": "2", "AccountNumber": "N-1"})
	in.Match = []string{"Account.AccountNumber"}
	if _, err := run.Seed(t.Context(), in); problem.KindOf(err) != problem.Conflict {
		t.Errorf("a number that stands twice in the other org: %v", err)
	}
	b.purge(b.ids["Account"][1])
	prepared := b.seed(in)
	if len(prepared.Objects) == 0 || prepared.Objects[0].Matched != 1 || prepared.Objects[0].Key != "AccountNumber" {
		t.Errorf("%+v", prepared.Objects)
	}
	out := b.apply(b.restore(run.RestoreInput{Snapshot: prepared.Snapshot.ID}))
	names := b.field("Account", "Name")
	if names[b.ids["Account"][0]] != "Both" || len(names) != len(a.ids["Account"]) {
		t.Errorf("%d accounts, the one that was there is %q", len(names), names[b.ids["Account"][0]])
	}
	if out.Unexplained > 0 {
		t.Errorf("%+v", out.Differences)
	}
}

func TestSeedRefusals(t *testing.T) {
	a, b := pair(t)
	from := a.backup().Snapshot.ID
	for name, c := range map[string]struct {
		target *ward
		in     run.SeedInput
		kind   problem.Kind
	}{
		"its own org":         {a, run.SeedInput{Snapshot: from, Objects: []string{"Account"}}, problem.Usage},
		"nothing":             {b, run.SeedInput{Snapshot: from}, problem.Usage},
		"an unknown object":   {b, run.SeedInput{Snapshot: from, Objects: []string{"Nothing"}}, problem.NotFound},
		"users":               {b, run.SeedInput{Snapshot: from, Objects: []string{"User"}}, problem.Usage},
		"a rule of nothing":   {b, run.SeedInput{Snapshot: from, Objects: []string{"Account"}, MaskRules: "Account.No", MaskKey: []byte(seedKey)}, problem.Usage},
		"a short key":         {b, run.SeedInput{Snapshot: from, Objects: []string{"Account"}, MaskRules: "Account.Name", MaskKey: []byte("x")}, problem.Usage},
		"a key of no field":   {b, run.SeedInput{Snapshot: from, Objects: []string{"Account"}, Match: []string{"Account.No"}}, problem.NotFound},
		"a masked key":        {b, run.SeedInput{Snapshot: from, Objects: []string{"Account"}, Match: []string{"Account.Name"}, MaskRules: "Account.Name", MaskKey: []byte(seedKey)}, problem.Usage},
		"an unknown snapshot": {b, run.SeedInput{Snapshot: "0123456789", Objects: []string{"Account"}}, problem.NotFound},
	} {
		c.in.Target, c.in.Store = c.target.client, c.target.store
		if _, err := run.Seed(t.Context(), c.in); problem.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}
