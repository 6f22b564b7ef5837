package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

// watchPoint is a moment at which the program is killed: at so many requests of an operation, before they are handled or after.
type watchPoint struct {
	op    string
	nth   int
	after bool
	idle  bool // the watchdog has nothing to do: what was switched was back, or nothing had been
}

// watchPoints are moments between the first deployment and the proof that automation is back. HOLDFAST_LONG takes
// each of them, and otherwise the first four are taken.
var watchPoints = []watchPoint{
	{op: "POST metadata/deployRequest", nth: 1, after: true}, // switched off, and the answer did not come
	{op: "PATCH jobs/ingest/*", nth: 1, after: true},         // a job is at work
	{op: "PATCH composite/sobjects", nth: 1},                 // rows are about to be changed
	{op: "POST metadata/deployRequest", nth: 2, after: true}, // put back, and the answer did not come
	{op: "POST metadata/deployRequest", nth: 1},              // nothing was switched, and the journal cannot know
	{op: "GET metadata/deployRequest/*", nth: 1, after: true},
	{op: "POST jobs/ingest", nth: 1, after: true},
	{op: "PUT jobs/ingest/*/batches", nth: 1, after: true},
	{op: "GET jobs/ingest/*/successfulResults", nth: 1},
	{op: "PATCH composite/sobjects", nth: 1, after: true},
	{op: "POST metadata/deployRequest", nth: 2},
	{op: "GET metadata/deployRequest/*", nth: 2, after: true},
	{op: "SOAP retrieve", nth: 1, idle: true},
	{op: "SOAP getServerTimestamp", nth: 3, idle: true},
}

func (p watchPoint) String() string { return fmt.Sprintf("%s %d, after %v", p.op, p.nth, p.after) }

// watchSees shows the program few objects, as killSees does.
func watchSees(r emulator.Request) emulator.Fault {
	if r.Op == "GET sobjects" {
		return emulator.Fault{Rewrite: fewThings}
	}
	return emulator.Fault{}
}

var fewThings = testkit.Narrow("User", "RecordType", "Organization", "Thing__c")

// watchedKill is an org with a trigger and a rule, of which things were deleted and changed, and the plan that brings them
// back with automation off.
type watchedKill struct {
	*deploying
	plan, digest string
}

func newWatchedKill(t *testing.T, program string, prepared *emulator.Server, point int) *watchedKill {
	t.Helper()
	return newSwitchedKill(t, program, prepared, point, "--automation-off")
}

// newSwitchedKill is newWatchedKill with another way past automation.
func newSwitchedKill(t *testing.T, program string, prepared *emulator.Server, point int, way string) *watchedKill {
	t.Helper()
	k := &watchedKill{deploying: &deploying{t: t, kill: newKill(t, program, prepared, killSeed, uint64(point))}}
	t.Cleanup(k.server.Close)
	k.server.Intercept(watchSees)
	k.must("org", "set", "wrecked", "--only", "Thing__c", "--bypass", "setting:Bypass__c.Triggers__c")
	before := k.backup()
	rows, err := k.loader.Query(t.Context(), "SELECT Id, Name FROM Thing__c ORDER BY Name")
	if err != nil || len(rows) != 5 {
		t.Fatal(err, rows)
	}
	purged := []string{fmt.Sprint(rows[0]["Id"]), fmt.Sprint(rows[1]["Id"])}
	for _, err := range []error{
		k.loader.Delete(t.Context(), purged), k.loader.EmptyRecycleBin(t.Context(), purged),
		k.loader.Update(t.Context(), "Thing__c", []testkit.Row{{"Id": fmt.Sprint(rows[2]["Id"]), "Size__c": "wrong"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var planned struct {
		Digest string `json:"digest"`
	}
	k.plan = k.path("quiet.plan")
	k.json(&planned, "restore", "wrecked", "--to", before, "--object", "Thing__c", way, "--plan", k.plan)
	k.digest = planned.Digest
	return k
}

// die runs the application until the point, and kills it there.
func (k *watchedKill) die(p watchPoint) {
	k.t.Helper()
	cmd := k.command(k.t.Context(), "apply", k.plan, "--approve", k.digest, "--quiet")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	var mu sync.Mutex
	n := 0
	dead := make(chan struct{})
	die := func() {
		close(dead) // first: whoever waits for the process may be awake before Kill returns
		_ = cmd.Process.Kill()
	}
	mu.Lock() // no request is answered before the process that is to be killed is known
	k.server.Intercept(func(r emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		if r.Op == p.op {
			n++
		}
		switch {
		case r.Op != p.op || n != p.nth: // later ones are of the watchdog
			return watchSees(r)
		case p.after:
			return emulator.Fault{After: die, DropReply: true}
		}
		return emulator.Fault{Before: die, Cut: true}
	})
	err := cmd.Start()
	mu.Unlock()
	if err != nil {
		k.t.Fatal(err)
	}
	err = cmd.Wait()
	select {
	case <-dead:
	default:
		k.t.Fatalf("it was not killed at %v: %v\n%s", p, err, said.String())
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != -1 {
		k.t.Fatalf("it was not killed at %v: %v\n%s", p, err, said.String())
	}
}

// remembered reports that this machine remembers an application with automation off.
func (k *watchedKill) remembered() bool {
	k.t.Helper()
	found, err := filepath.Glob(k.path("home/switched/*"))
	if err != nil {
		k.t.Fatal(err)
	}
	return len(found) > 0
}

// log is what the watchdog has done.
func (k *watchedKill) log() string {
	k.t.Helper()
	body, err := os.ReadFile(k.plan + ".journal.watchdog")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.t.Fatal(err)
	}
	return string(body)
}

// until waits for what a process of its own does.
func (k *watchedKill) until(what string, is func() bool) {
	k.t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	k.t.Fatalf("not %s within 30 seconds; the watchdog's log is:\n%s", what, k.log())
}

// acting reports whether the trigger is on.
func (k *watchedKill) acting() bool {
	return slices.Equal(k.tooling("SELECT Status FROM ApexTrigger"), []string{"Active"})
}

// asItWas goes on and demands that all rows are as they were.
func (k *watchedKill) asItWas(when string) {
	k.t.Helper()
	var applied struct {
		Unexplained int `json:"unexplained"`
		Failed      int `json:"failed"`
	}
	k.json(&applied, "apply", k.plan, "--approve", k.digest)
	rows, err := k.loader.Query(k.t.Context(), "SELECT Name, Size__c, Kept__c FROM Thing__c ORDER BY Name")
	if err != nil || len(rows) != 5 || applied.Unexplained != 0 || applied.Failed != 0 {
		k.t.Fatalf("%s: %v, %d rows, %+v", when, err, len(rows), applied)
	}
	for i, r := range rows {
		if r["Size__c"] != fmt.Sprint("size ", i) || r["Kept__c"] != "k" {
			k.t.Errorf("%s: %v", when, r)
		}
	}
	k.state(when, []string{"1 Active"}, "Active", true)
}

func buildProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "holdfast")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "holdfast/cmd/holdfast").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// The real program is killed while it has automation off, or is switching it: with no other command automation is back within
// seconds, and acts. What goes on afterwards ends as an undisturbed run does, which leaves nothing behind.
func TestKilledWithAutomationOffItComesBackByItself(t *testing.T) {
	program, prepared := buildProgram(t), prepareDeployment(t)
	u := newWatchedKill(t, program, prepared, 0)
	u.must("apply", u.plan, "--approve", u.digest)
	if u.log() != "" || u.remembered() {
		t.Errorf("an undisturbed run leaves something behind: %q, remembered %v", u.log(), u.remembered())
	}
	u.asItWas("undisturbed")
	points := watchPoints[:4]
	if os.Getenv("HOLDFAST_LONG") != "" {
		points = watchPoints
	}
	for i, p := range points {
		t.Run(p.String(), func(t *testing.T) {
			k := newWatchedKill(t, program, prepared, i)
			k.die(p)
			k.until("back", func() bool { return !k.remembered() })
			k.state("put back", []string{"1 Active"}, "Active", true)
			if acted := strings.Contains(k.log(), "2 components put back, which was proved by reading"); acted == p.idle {
				t.Errorf("the log of the watchdog is %q", k.log())
			}
			k.asItWas("gone on with")
		})
	}
}

// Without a watchdog automation stays off, as one has asked for, and each command says so until it is back. A watchdog
// leaves the journal to whoever has taken it up, and does its work when that one has ended.
func TestWithoutAWatchdogEveryCommandWarns(t *testing.T) {
	k := newWatchedKill(t, buildProgram(t), prepareDeployment(t), 0)
	quiet := func() string {
		_, _, said := k.house.run("snapshots", "--quiet")
		return said
	}
	var mu sync.Mutex
	cmd := k.command(t.Context(), "apply", k.plan, "--approve", k.digest, "--no-watchdog")
	mu.Lock() // no request is answered before the process that is to be killed is known
	k.server.Intercept(func(r emulator.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(r.Op, "jobs/ingest") {
			_ = cmd.Process.Kill()
			return emulator.Fault{Cut: true}
		}
		return watchSees(r)
	})
	err := cmd.Start()
	mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("it was not killed")
	}
	k.server.Intercept(watchSees)
	if k.acting() || !k.remembered() {
		t.Fatal("automation is not off, or nobody remembers it")
	}
	if said := quiet(); !strings.Contains(said, "WARNING: org wrecked has automation off") || !strings.Contains(said, "ApexTrigger Watch") ||
		!strings.Contains(said, "--put-back") {
		t.Errorf("the next command says %q", said)
	}
	journal, err := apply.OpenJournal(k.plan + ".journal")
	if err != nil {
		t.Fatal(err)
	}
	if said := quiet(); said != "" {
		t.Errorf("somebody is at work, and the next command says %q", said)
	}
	old := time.Now().Add(-time.Hour) // as when the application was stopped (SIGSTOP, a laptop that sleeps) and holds the journal
	if err := os.Chtimes(k.plan+".journal", old, old); err != nil {
		t.Fatal(err)
	}
	if said := quiet(); strings.Count(said, "WARNING") != 1 || !strings.Contains(said, "has written nothing there for 1h0m0s") ||
		!strings.Contains(said, "holdfast apply "+k.plan+" --put-back") {
		t.Errorf("nothing was heard of it for an hour, and the next command says %q", said)
	}
	dog := k.command(t.Context(), "watchdog", k.plan+".journal", "--org", "wrecked", "--plan", k.plan)
	before, _ := k.server.Calls()
	if err := dog.Start(); err != nil { // its input has ended
		t.Fatal(err)
	}
	k.until("waiting", func() bool { return strings.Contains(k.log(), "somebody else has the journal open") })
	if now, _ := k.server.Calls(); now != before {
		t.Errorf("%d requests while another has the journal: %s", now-before, k.log())
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	if err := dog.Wait(); err != nil {
		t.Errorf("%v\n%s", err, k.log())
	}
	if !k.acting() || k.remembered() || quiet() != "" {
		t.Errorf("automation is on: %v; remembered: %v\n%s", k.acting(), k.remembered(), k.log())
	}
	k.asItWas("put back")
}

// The org's own bypass is not left on, either: what the watchdog puts back is whatever the journal has as set.
func TestKilledWithTheBypassSetItIsTakenAwayByItself(t *testing.T) {
	prepared := prepareDeployment(t)
	err := loaderOf(prepared).DeployFiles(t.Context(), map[string]string{
		"package.xml": killedManifest("CustomObject:Bypass__c"),
		"objects/Bypass__c.object": metaFile("CustomObject", "<customSettingsType>Hierarchy</customSettingsType><label>Bypass</label><visibility>Public</visibility>"+
			"<fields><fullName>Triggers__c</fullName><label>Triggers</label><type>Checkbox</type><defaultValue>false</defaultValue></fields>"),
	})
	if err != nil {
		t.Fatal(err)
	}
	k := newSwitchedKill(t, buildProgram(t), prepared, 0, "--bypass")
	set := func() int {
		rows, err := k.loader.Query(t.Context(), "SELECT Id FROM Bypass__c WHERE Triggers__c = true")
		if err != nil {
			t.Fatal(err)
		}
		return len(rows)
	}
	k.die(watchPoint{op: "POST jobs/ingest", nth: 1, after: true})
	k.until("back", func() bool { return !k.remembered() })
	if n := set(); n != 0 || !strings.Contains(k.log(), "setting Bypass__c.Triggers__c") {
		t.Errorf("%d settings are still on: %s", n, k.log())
	}
	k.asItWas("gone on with")
	if n := set(); n != 0 {
		t.Errorf("%d settings are on at the end", n)
	}
}
