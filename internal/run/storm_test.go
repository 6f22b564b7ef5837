package run_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/salesforce"
	"holdfast/internal/testkit"
)

// stormy draws what an org does to a restore: lost replies, cut connections, refusals, locks, jobs that break
// off, sessions that end, calls that run out.
func stormy(rnd *rand.Rand, seed uint64) emulator.Hardness {
	h := emulator.Hardness{Seed: seed, Bulk: hard.Bulk{BatchRows: 1 + rnd.IntN(20), Parallel: 1 + rnd.IntN(4)}}
	shares := []*hard.Share{
		&h.TooMany, &h.LimitExceeded, &h.ConcurrentLimit, &h.UnknownException, &h.Unavailable, &h.GatewayPage, &h.QueryTimeout,
		&h.LocatorLost, &h.CutBefore, &h.CutBody, &h.LoseReply, &h.StripHeaders, &h.RowLocked,
		&h.Bulk.LockFailure, &h.Bulk.ChunkTimeout, &h.Bulk.BatchTimeout, &h.Bulk.JobFailure,
	}
	for range 1 + rnd.IntN(5) {
		*shares[rnd.IntN(len(shares))] = []hard.Share{0.02, 0.1, 0.3}[rnd.IntN(3)]
	}
	if rnd.IntN(2) == 0 {
		h.LoseReply = 0.1
	}
	if rnd.IntN(3) == 0 {
		h.TokenCalls = 3 + rnd.IntN(20)
	}
	return h
}

// Law 12 and trap 25 on random schemas: whatever befalls the calls of a restore, and wherever it dies, what goes
// on ends as one that nothing befell: no record twice, none missing, nothing written that was not planned, and
// automation as it was.
func TestLaw12FaultyRestores(t *testing.T) {
	t.Parallel()
	from, to := seeds(t, 6, 2000)
	for seed := from; seed < to; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			newMazeOrg(t, seed, 12).stormed(seed)
		})
	}
}

func (m *mazeOrg) stormed(seed uint64) {
	before := m.see()
	first := m.backup()
	m.wreck()
	after := m.see()
	second := m.backup()
	m.honest(before)
	m.guarded()
	now := m.see()
	want := m.witness(before, after, now)
	request := run.RestoreInput{Before: first.Snapshot.ID, After: second.Snapshot.ID, Metadata: m.client, AutomationOff: true}
	m.client = m.hasty()
	r := m.restore(request)
	if r.Plan.Empty() {
		return
	}
	m.must(m.server.SetHardness(emulator.Hardness{}))
	stamps := m.stamps(r)
	in := m.input(r, filepath.Join(m.TempDir(), "plan.journal"))
	in.Options.Wait = func(ctx context.Context, _ time.Duration) error { time.Sleep(time.Millisecond); return ctx.Err() }
	if seed%2 == 1 { // several jobs are under way at one time
		in.Options.JobRows = 1 + int(seed/2%3)
	}
	if in.Options.JobRows > 1 { // and second passes go by job
		in.Options.CallRows = 1
	}
	rnd := rand.New(rand.NewPCG(seed, 22))
	var log []string
	var out run.ApplyResult
	for life := 0; ; life++ {
		if life > 12 {
			m.Fatalf("no end after %d lives:\n%s", life, strings.Join(log, "\n"))
		}
		h := emulator.Hardness{}
		at := int64(0)
		if life < 6 {
			h = stormy(rnd, seed*100+uint64(life))
			at = int64(rnd.IntN(120))
		}
		var err error
		out, err = m.live(in, h, at, rnd.IntN(4) == 0)
		log = append(log, fmt.Sprintf("life %d, dies at %d, %s: %v", life, at, h, err))
		if len(out.Moved) > 0 {
			m.Fatalf("nobody moved anything: %+v\n%s", out.Moved, strings.Join(log, "\n"))
		}
		if err == nil || out.Ended && problem.KindOf(err) == problem.Partial {
			break
		}
		if life%3 == 1 {
			back, err := run.PutBack(m.Context(), run.PutBackInput{Org: m.client, Deployer: m.client, Journal: in.Journal})
			if err != nil || len(back.Off) > 0 && !back.Back {
				m.Fatalf("put back: %v %+v\n%s", err, back, strings.Join(log, "\n"))
			}
			m.guards(log)
		}
	}
	m.server.Clock().Advance(time.Hour)
	m.guards(log)
	outs := []run.ApplyResult{out}
	if out.Failed > 0 { // rows that stayed locked to the end are what is left to do
		request.Metadata = m.client
		again := m.restore(request)
		in := m.input(again, filepath.Join(m.TempDir(), "again.journal"))
		in.Deployer = m.client
		rest, err := run.Apply(m.Context(), in)
		if err != nil {
			m.Fatalf("what was left: %v\n%+v %+v\n%s", err, rest.Errors, rest.Differences, strings.Join(log, "\n"))
		}
		outs = append(outs, rest)
		stamps = nil
	}
	for id, stamp := range stamps {
		if now := m.stamp(id); now != stamp {
			m.Errorf("%s was written at %s and is not in the plan\n%s", id, now, strings.Join(log, "\n"))
		}
	}
	defer func() {
		if m.Failed() {
			m.Logf("%+v\n%s", out.Errors, strings.Join(log, "\n"))
		}
	}()
	m.like(want, outs...)
}

// live is one life of the application, as a process of its own: the org is hard to it, and from one request on,
// unless at is 0, it is dead: nothing that it sends arrives. Whether the org obeyed the last one is chance.
func (m *mazeOrg) live(in run.ApplyInput, h emulator.Hardness, at int64, ends bool) (run.ApplyResult, error) {
	ctx, die := context.WithCancel(m.Context())
	defer die()
	m.client = m.hasty()
	in.Org, in.Deployer = m.client, m.client
	m.must(m.server.SetHardness(h))
	if ends && at > 0 { // the day's calls end
		m.server.Org().SetLimit("DailyApiRequests", 100_000, int(at/4))
	}
	var calls atomic.Int64
	narrow := testkit.Narrow(mazeSees...)
	m.server.Intercept(func(q emulator.Request) emulator.Fault {
		switch n := calls.Add(1); {
		case at > 0 && n == at:
			return emulator.Fault{Cut: at%2 == 0, DropReply: at%2 == 1, After: die, Before: func() {
				if at%2 == 0 {
					die()
				}
			}}
		case at > 0 && n > at:
			return gone
		case q.Op == "GET sobjects":
			return emulator.Fault{Rewrite: narrow}
		}
		return emulator.Fault{}
	})
	out, err := run.Apply(ctx, in)
	m.must(m.server.SetHardness(emulator.Hardness{}))
	m.server.Org().SetLimit("DailyApiRequests", 100_000, 100_000)
	m.narrow(mazeSees...)
	m.client = m.hasty()
	return out, err
}

// hasty signs in anew, to a connection that renews its session and does not wait before it tries again.
func (m *mazeOrg) hasty() *salesforce.Org {
	m.Helper()
	client, err := salesforce.Connect(m.Context(), salesforce.Config{
		InstanceURL: m.server.URL, Credentials: salesforce.Credentials{
			ClientID: m.server.ClientID, ClientSecret: salesforce.Secret(m.server.ClientSecret), RefreshToken: salesforce.Secret(m.server.RefreshToken),
		},
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	m.must(err)
	return client
}

// guarded deploys automation on accounts, and on the first custom object whose records people name, that spoils
// or refuses what a restore writes.
func (m *mazeOrg) guarded() {
	m.Helper()
	files := map[string]string{
		"package.xml": `<?xml version="1.0"?><Package` + metadataSpace + `><types><members>Spoil</members><name>ApexTrigger</name></types>
<types><members>Account.Small</members><name>ValidationRule</name></types><version>66.0</version></Package>`,
		"triggers/Spoil.trigger":          "// holdfast-emulator: before insert, before update: set Site to \"by trigger\"\ntrigger Spoil on Account (before insert, before update) {}",
		"triggers/Spoil.trigger-meta.xml": `<ApexTrigger` + metadataSpace + `><apiVersion>66.0</apiVersion><status>Active</status></ApexTrigger>`,
		"objects/Account.object": `<CustomObject` + metadataSpace + `><validationRules><fullName>Small</fullName><active>true</active>
<errorConditionFormula>NumberOfEmployees &gt; 500</errorConditionFormula><errorMessage>too large</errorMessage></validationRules></CustomObject>`,
	}
	m.must(m.loader.DeployFiles(m.Context(), files))
}

// guards demands that the automation acts.
func (m *mazeOrg) guards(log []string) {
	m.Helper()
	id, ok := m.row(org.Insert, "Account", "", map[string]string{"Name": "Probe"})
	if _, large := m.row(org.Insert, "Account", "", map[string]string{"Name": "Probe", "NumberOfEmployees": "900"}); !ok || large {
		m.Fatalf("the validation rule is off\n%s", strings.Join(log, "\n"))
	}
	if site := m.field("Account", "Site")[id]; site != "by trigger" {
		m.Fatalf("the trigger is off\n%s", strings.Join(log, "\n"))
	}
	m.must(m.loader.Delete(m.Context(), []string{id}))
	m.must(m.loader.EmptyRecycleBin(m.Context(), []string{id}))
}

// stamps are when the records were last written that the plan says nothing of.
func (m *mazeOrg) stamps(r run.RestoreResult) map[string]string {
	planned := map[string]bool{}
	for _, s := range r.Plan.Steps {
		for _, row := range s.Rows {
			planned[string(row.ID)] = true
		}
	}
	stamps := map[string]string{}
	for _, object := range m.dumped {
		for id, at := range m.field(object, "LastModifiedDate") {
			if !planned[id] {
				stamps[id] = at
			}
		}
	}
	return stamps
}

func (m *mazeOrg) stamp(id string) string {
	m.Helper()
	object, _ := m.find(m.see(), id)
	return m.field(object, "LastModifiedDate")[id]
}
