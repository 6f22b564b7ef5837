package capture_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

// How many random orgs are backed up: in every run of the tests, and with HOLDFAST_LONG.
const (
	hardSeeds     = 20
	hardSeedsLong = 300
)

// weather makes a hardness of a seed: a few behaviours at a time, each seldom or often.
func weather(seed uint64) emulator.Hardness {
	r := rand.New(rand.NewPCG(seed, 1))
	h := emulator.Hardness{Seed: seed}
	shares := []*hard.Share{
		&h.TooMany, &h.LimitExceeded, &h.ConcurrentLimit, &h.UnknownException, &h.Unavailable, &h.GatewayPage,
		&h.QueryTimeout, &h.LocatorLost, &h.CutBefore, &h.CutBody, &h.LoseReply, &h.StripHeaders, &h.CensusShort,
		&h.PageShort, &h.Bulk.JobFailure, &h.Bulk.ChunkTimeout, &h.SlowPage,
	}
	for range 1 + r.IntN(5) {
		*shares[r.IntN(len(shares))] = []hard.Share{0.02, 0.1, 0.3, 0.8}[r.IntN(4)]
	}
	if seed%3 == 1 { // others work in the org meanwhile
		h.Others = hard.Others{Objects: []string{"Account", "Contact"}, Every: 1 + r.IntN(3)}
		for _, share := range []*hard.Share{&h.Others.LateCommit, &h.Others.HardDelete, &h.Others.FormulaDrift, &h.Others.EmptyBin} {
			*share = []hard.Share{0, 0.05, 0.3}[r.IntN(3)]
		}
	}
	switch r.IntN(4) {
	case 0:
		h.TokenCalls = 3 + r.IntN(20)
	case 1:
		h.DateSkew = hard.Duration(time.Duration(r.IntN(19)-9) * time.Hour)
	case 2:
		h.StampGrain = hard.Duration(time.Minute)
	}
	return h
}

// However hard the org is, a backup is whole, or it fails, or it names the parts that it lacks; and when
// the weather is fine again, the next one is whole.
func TestBackupsOfHardOrgsAreWholeOrSayWhatTheyLack(t *testing.T) {
	seeds := hardSeeds
	if os.Getenv("HOLDFAST_LONG") != "" {
		seeds = hardSeedsLong
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { weathered(t, seed) })
	}
}

func weathered(t *testing.T, seed uint64) {
	e := newEmulated(t, emulator.Options{Seed: seed, BulkPageRows: 1000})
	e.client = e.connect(salesforce.Credentials{
		ClientID: e.server.ClientID, ClientSecret: salesforce.Secret(e.server.ClientSecret), RefreshToken: salesforce.Secret(e.server.RefreshToken),
	})
	accounts := 230
	if seed%5 == 0 { // enough for a Bulk job and its pages
		accounts = 2300
	}
	ids := e.insert("Account", accounts)
	e.insert("Contact", 40)
	e.server.Clock().Advance(time.Hour)
	h := weather(seed)
	t.Logf("hardness %s", h)
	r := rand.New(rand.NewPCG(seed, 2))
	for round := range 3 {
		e.opts.Census = round == 1
		e.storm(h)
		e.server.Clock().Advance(time.Hour)
		for range 5 {
			at := r.IntN(len(ids))
			op := []org.Op{org.Update, org.Delete, org.HardDelete}[r.IntN(3)]
			row := org.Row{ID: string(ids[at])}
			if op == org.Update {
				row.Fields = []org.Assignment{{Field: "Name", Text: fmt.Sprintf("round %d", round)}}
			}
			if w := e.server.Org().Write(e.server.Org().Admin(), op, []org.Row{row}, org.Options{}); !w[0].Success && len(h.Others.Objects) == 0 {
				t.Fatal(w[0].Errors) // else somebody else was faster
			}
			if op != org.Update {
				ids = append(ids[:at], ids[at+1:]...)
			}
		}
		h.Seed++
	}
	e.fine()
	e.server.Clock().Advance(time.Hour)
	// A record that others deleted for good while one came late, and a formula, move neither counts nor stamps.
	e.opts.Census = len(h.Others.Objects) > 0
	e.opts.Full = h.Others.FormulaDrift > 0
	e.back()
	e.wantSame("Account")
	e.wantSame("Contact")
}

// fine ends all hardness.
func (e *emulated) fine() {
	e.Helper()
	if err := e.server.SetHardness(emulator.Hardness{}); err != nil {
		e.Fatal(err)
	}
}

// storm backs up once under a hardness and demands that the result is whole or says what it lacks.
func (e *emulated) storm(h emulator.Hardness) {
	e.Helper()
	if err := e.server.SetHardness(h); err != nil {
		e.Fatal(err)
	}
	published := snapshots(e, e.store)
	r, err := capture.Run(e.Context(), e.client, e.store, e.opts)
	e.fine()
	kind := problem.KindOf(err)
	absent := map[string]bool{}
	for _, p := range r.Failed() {
		absent[p.Object] = true
		if p.Why == "" {
			e.Errorf("%s failed and nobody knows why", p.Object)
		}
	}
	switch {
	case err == nil && len(absent) > 0:
		e.Fatalf("success without %v", absent)
	case err == nil || kind == problem.Partial:
		for _, object := range []string{"Account", "Contact"} {
			if !absent[object] && len(h.Others.Objects) == 0 { // else it has moved on
				e.wantSame(object)
			}
		}
	case problem.HintOf(err) == "":
		e.Fatalf("nobody says what to do about %v", err)
	case snapshots(e, e.store) != published:
		e.Fatalf("a failed backup was published: %v", err)
	}
}
