package run_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/run"
	"holdfast/internal/seal"
	"holdfast/internal/snapshot"
	"holdfast/internal/testkit"
)

// Where the disk of the repository is full when it comes to what a seed knows of the other org, there is no seed: a restore of it
// would make the records twice that the other org has.
func TestASeedThatFillsTheDiskForgetsNobody(t *testing.T) {
	a, b := emptyWard(t, 55, emulator.Options{Seed: 3}), emptyWard(t, 56, emulator.Options{Seed: 97})
	a.added("Account", testkit.Row{"Name": "Both", "AccountNumber": "N-1", "Phone": "1"})
	b.added("Account", testkit.Row{"Name": "Before"}, testkit.Row{"Name": "Both", "AccountNumber": "N-1"}) // under another Id
	a.server.Clock().Advance(time.Hour)
	var who [2]*seal.Identity
	for i := range who {
		var err error
		if who[i], err = seal.NewIdentity(); err != nil {
			t.Fatal(err)
		}
	}
	memory := &blob.Memory{}
	if err := repo.Init(t.Context(), memory, who[0].Recipient(), who[1].Recipient()); err != nil {
		t.Fatal(err)
	}
	full := ""
	bucket := blob.NewFault(memory, problem.New(problem.NoSpace, "no space left on device"), func(op blob.Op) blob.Outcome {
		if op.Verb == "put" && full != "" && strings.Contains(op.Key, full) {
			return blob.Fail
		}
		return blob.Pass
	})
	r, err := repo.Open(t.Context(), bucket, who[0])
	if err != nil {
		t.Fatal(err)
	}
	a.store = snapshot.Open(r)
	b.store = a.store
	in := run.SeedInput{
		Snapshot: a.backup().Snapshot.ID, Objects: []string{"Account"}, Match: []string{"Account.AccountNumber"},
		Target: b.client, Store: b.store, OrgName: "other",
	}
	full = "identity"
	if _, err := run.Seed(t.Context(), in); problem.KindOf(err) != problem.NoSpace {
		t.Fatalf("a seed whose identity map finds no room: %v", err)
	}
	full = ""
	infos, err := b.store.List(t.Context(), snapshot.OfKind(snapshot.KindSeed))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		if p := b.restore(run.RestoreInput{Snapshot: i.ID}); p.Totals.Insert > 0 {
			t.Errorf("a record that the other org has would come twice: %+v", p.Totals)
		}
	}
	if p := b.restore(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID}); p.Totals.Insert > 0 || p.Totals.Update != 1 {
		t.Errorf("with room: %+v", p.Totals)
	}
}
