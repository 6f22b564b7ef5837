package capture_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/testkit"
)

// emulated is an emulated org, a client that reads it over HTTP, and a repository.
type emulated struct {
	testing.TB
	server *emulator.Server
	client *salesforce.Org
	memory *blob.Memory
	store  *snapshot.Store
	opts   capture.Options
	whole  bool // all objects are seen, not a few
}

func newEmulated(t testing.TB, o emulator.Options) *emulated {
	t.Helper()
	if o.Clock == nil {
		o.Clock = org.FixedClock(stamp0)
	}
	o.DailyCalls = 1_000_000
	server, err := emulator.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	e := &emulated{TB: t, server: server, memory: &blob.Memory{}}
	e.store = newStore(t, e.memory)
	e.client = e.connect(salesforce.Credentials{AccessToken: salesforce.Secret(server.AccessToken)})
	// The objects of these tests; the whole org is the matter of two of them.
	e.opts.Include = []string{"Account", "Contact"}
	e.intercept(nil)
	return e
}

// wholeOrg lets the test see and capture every object.
func (e *emulated) wholeOrg() {
	e.opts.Include, e.whole = nil, true
	e.server.Intercept(nil)
}

var fewObjects = testkit.Narrow("Account", "Contact", "Opportunity", "User")

// oneAtATime lets what a test counts be a plain variable: requests arrive side by side.
func oneAtATime(f func(emulator.Request) emulator.Fault) func(emulator.Request) emulator.Fault {
	if f == nil {
		return nil
	}
	var mu sync.Mutex
	return func(r emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		return f(r)
	}
}

// intercept interferes with requests. Unless the test wants the whole org, it sees few objects:
// describing hundreds of them is what most of the time would go to.
func (e *emulated) intercept(f func(emulator.Request) emulator.Fault) {
	f = oneAtATime(f)
	e.server.Intercept(func(r emulator.Request) emulator.Fault {
		if !e.whole && r.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: fewObjects}
		}
		if f == nil {
			return emulator.Fault{}
		}
		return f(r)
	})
}

func (e *emulated) connect(c salesforce.Credentials) *salesforce.Org {
	e.Helper()
	transport := &http.Transport{}
	e.Cleanup(transport.CloseIdleConnections) // the server waits for them
	client, err := salesforce.Connect(e.Context(), salesforce.Config{
		InstanceURL: e.server.URL, Credentials: c, Budget: salesforce.Budget{Share: 1},
		HTTPClient: &http.Client{Transport: transport},
		Sleep:      quickSleep,
	})
	if err != nil {
		e.Fatal(err)
	}
	return client
}

// quickSleep waits a moment, however long it is told to.
func quickSleep(ctx context.Context, _ time.Duration) error {
	time.Sleep(time.Millisecond)
	return ctx.Err()
}

func (e *emulated) back() capture.Result {
	e.Helper()
	defer e.server.Clock().Advance(time.Second)
	r, err := capture.Run(e.Context(), e.client, e.store, e.opts)
	if err != nil {
		e.Fatalf("capture: %v (hint: %s)", err, problem.HintOf(err))
	}
	return r
}

func (e *emulated) backPartial(failed ...string) capture.Result {
	e.Helper()
	defer e.server.Clock().Advance(time.Second)
	r, err := capture.Run(e.Context(), e.client, e.store, e.opts)
	var got []string
	for _, p := range r.Failed() {
		got = append(got, p.Object)
	}
	if problem.KindOf(err) != problem.Partial || !slices.Equal(got, failed) {
		e.Fatalf("capture: %v, failed %q, want partial with %q", err, got, failed)
	}
	return r
}

func (e *emulated) write(op org.Op, rows []org.Row, o org.Options) []sf.ID {
	e.Helper()
	var ids []sf.ID
	for i, r := range e.server.Org().Write(e.server.Org().Admin(), op, rows, o) {
		if !r.Success {
			e.Fatalf("row %d: %v", i, r.Errors)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

func (e *emulated) insert(object string, n int) []sf.ID {
	e.Helper()
	rows := make([]org.Row, n)
	for i := range rows {
		rows[i] = org.Row{Object: object, Fields: []org.Assignment{{Field: "Name", Text: fmt.Sprintf("%s %d", object, i)}}}
		if object == "Contact" {
			rows[i].Fields[0].Field = "LastName"
		}
	}
	return e.write(org.Insert, rows, org.Options{})
}

func rowsOf(ids []sf.ID) []org.Row {
	rows := make([]org.Row, len(ids))
	for i, id := range ids {
		rows[i] = org.Row{ID: string(id)}
	}
	return rows
}

func (e *emulated) update(id sf.ID, field, text string) {
	e.Helper()
	e.write(org.Update, []org.Row{{ID: string(id), Fields: []org.Assignment{{Field: field, Text: text}}}}, org.Options{})
}

// wantSame compares every field of the newest snapshot with what the engine says, past the client.
func (e *emulated) wantSame(object string) {
	e.Helper()
	sn, err := e.store.Load(e.Context(), "latest")
	if err != nil {
		e.Fatal(err)
	}
	part, _ := sn.Part(object)
	held := map[sf.ID]sf.Record{}
	for r, err := range sn.Records(e.Context(), object) {
		if err != nil {
			e.Fatal(err)
		}
		held[r.ID] = r
	}
	engine := e.server.Org()
	total := 0
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(held)), 500) {
		ids := make([]string, len(chunk))
		for i, id := range chunk {
			ids[i] = string(id)
		}
		records, err := engine.Retrieve(engine.Admin(), object, ids, part.Fields)
		if err != nil {
			e.Fatal(err)
		}
		for i, r := range records {
			if r == nil {
				e.Errorf("%s %s is held, the org does not have it", object, chunk[i])
				continue
			}
			total++
			for _, cell := range r.Cells {
				if got := held[chunk[i]].Get(cell.Name).Text(); got != cell.Text && cell.Name != "Id" {
					e.Errorf("%s %s.%s: held %.80q, the org has %.80q", object, chunk[i], cell.Name, got, cell.Text)
				}
			}
		}
	}
	if n, err := e.client.Count(e.Context(), object, false); err != nil || n != int64(total) {
		e.Errorf("%s: %d held, the org counts %d (%v)", object, total, n, err)
	}
}

func (e *emulated) evidence(object string) map[sf.ID]string {
	e.Helper()
	sn, err := e.store.Load(e.Context(), "latest")
	if err != nil {
		e.Fatal(err)
	}
	out := map[sf.ID]string{}
	for ts, err := range sn.Tombstones(e.Context(), object) {
		if err != nil {
			e.Fatal(err)
		}
		out[ts.ID] = ts.Evidence
	}
	return out
}

// asks reports a request that queries the object, by REST or as a Bulk job.
func asks(r emulator.Request, object string) bool {
	return (strings.HasPrefix(r.Op, "GET query") || strings.HasPrefix(r.Op, "GET queryAll")) &&
		strings.Contains(r.Query, "+FROM+"+object) || strings.Contains(r.Query, "%20FROM%20"+object)
}
