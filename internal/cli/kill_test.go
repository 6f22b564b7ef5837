package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

// killPoints is the number of seeded points at which the program is killed, half of them in a
// backup and half in an apply. HOLDFAST_LONG takes more, and HOLDFAST_KILLS as many as it says.
const (
	killPoints     = 60
	killPointsLong = 400
)

// killSeed makes the points; HOLDFAST_SEED replaces it to replay or to look further.
const killSeed = 41

// TestKilledAtAnyPointItResumes kills the real program with SIGKILL while it talks to an org: before
// a request is handled, after it was committed and before the answer arrives, or a moment after an
// answer, between the writes to its own disk. Run again, the same command must reach the state that
// an undisturbed run reaches: nothing twice, nothing missing, nothing half published.
func TestKilledAtAnyPointItResumes(t *testing.T) {
	points := killPoints
	if os.Getenv("HOLDFAST_LONG") != "" {
		points = killPointsLong
	}
	points, seed := fromEnv(t, "HOLDFAST_KILLS", points), fromEnv(t, "HOLDFAST_SEED", killSeed)
	program := filepath.Join(t.TempDir(), "holdfast")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "holdfast/cmd/holdfast").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	prepared := prepareKills(t)
	var mu sync.Mutex
	killed := map[string]int{}
	t.Run("points", func(t *testing.T) {
		for i := range points {
			name := "backup"
			if i%2 == 1 {
				name = "apply"
			}
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				outcome := newKill(t, program, prepared, uint64(seed), uint64(i)).run(name)
				mu.Lock()
				defer mu.Unlock()
				killed[name+" "+outcome]++
				if t.Failed() {
					t.Fatalf("point %d of seed %d (HOLDFAST_SEED=%d), %s %s", i, seed, seed, name, outcome)
				}
			})
		}
	})
	t.Logf("%d points: %v", points, killed)
	if killed["backup killed"] < points/4 || killed["apply killed"] < points/4 {
		t.Errorf("too few of the points hit a running program: %v", killed)
	}
}

func fromEnv(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// kill is one point: an org, an operator's machine and the moment of death.
type kill struct {
	*house
	server *emulator.Server
	loader *testkit.Loader
	rng    *rand.Rand
	want   testkit.Dump
}

var killObjects = []string{"Account", "Contact", "Opportunity", "Case", "Shipment__c", "Parcel__c"}

var fewObjects = testkit.Narrow(append([]string{"Organization", "User", "RecordType"}, killObjects...)...)

// killSees shows the program few objects: of an org with hundreds most deaths would come while it is
// described.
func killSees(r emulator.Request) emulator.Fault {
	if r.Op == "GET sobjects" {
		return emulator.Fault{Rewrite: fewObjects}
	}
	return emulator.Fault{}
}

// prepareKills makes the org of which every point has a copy.
func prepareKills(t *testing.T) *emulator.Server {
	t.Helper()
	server, err := emulator.Start(t.Context(), emulator.Options{Seed: killSeed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	k := &kill{house: &house{t: t}, server: server, loader: loaderOf(server)}
	k.fill(t.Context())
	return server
}

func loaderOf(server *emulator.Server) *testkit.Loader {
	return &testkit.Loader{InstanceURL: server.URL, AccessToken: server.AccessToken, Version: "v66.0"}
}

func newKill(t *testing.T, program string, prepared *emulator.Server, seed, point uint64) *kill {
	t.Helper()
	server, err := prepared.Sandbox(t.Context(), fmt.Sprintf("kill%d", point), "")
	if err != nil {
		t.Fatal(err)
	}
	server.Intercept(killSees)
	k := &kill{house: newHouseOf(t, server, program), server: server, rng: rand.New(rand.NewPCG(seed, point)), loader: loaderOf(server)}
	k.must("init", "--recovery-key-file", k.path("recovery.key"))
	return k
}

// run prepares one point, kills the command there, runs it again and looks at the end state.
func (k *kill) run(command string) (outcome string) {
	k.t.Helper()
	defer k.server.Close()
	ctx := k.t.Context()
	if command == "backup" {
		if k.rng.IntN(2) == 0 {
			k.backup()
			k.wreck(ctx) // so that the backup under test is one of changes
		}
		outcome = k.dieAndResume(ctx, 36, "backup", "wrecked", "--quiet")
		k.published()
		return outcome
	}
	before := k.backup()
	k.want = k.dump(ctx)
	k.wreck(ctx)
	after := k.backup()
	var planned struct {
		Digest string `json:"digest"`
	}
	plan := k.path("undo.plan")
	k.json(&planned, "restore", "wrecked", "--undo", before+".."+after, "--plan", plan)
	outcome = k.dieAndResume(ctx, 60, "apply", plan, "--approve", planned.Digest, "--quiet")
	k.restored(ctx, plan, planned.Digest)
	return outcome
}

// exitLocked is the exit code of a command whose journal somebody else has open: docs/reference/exit-codes.md.
const exitLocked = 11

// dieAndResume runs the command until it is killed at a request that the seed chooses among the
// first most of them, then runs it to its end.
func (k *kill) dieAndResume(ctx context.Context, most int64, args ...string) (outcome string) {
	k.t.Helper()
	cmd := k.command(ctx, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	start, _ := k.server.Calls()
	at, how := start+1+k.rng.Int64N(most), k.rng.IntN(3)
	pause := time.Duration(k.rng.IntN(20_000)) * time.Microsecond
	var once sync.Once
	die := func() { once.Do(func() { _ = cmd.Process.Kill() }) }
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.server.Intercept(func(r emulator.Request) emulator.Fault {
		switch {
		case r.N < at:
			return killSees(r)
		case how == 0:
			return emulator.Fault{Before: die, Cut: true}
		case how == 1:
			return emulator.Fault{After: die, DropReply: true}
		case r.N == at:
			time.AfterFunc(pause, die)
		}
		return killSees(r)
	})
	err := cmd.Wait()
	k.server.Intercept(killSees)
	outcome = "killed"
	if exit, ok := errors.AsType[*exec.ExitError](err); err == nil {
		outcome = "ended first"
	} else if !ok || exit.ExitCode() != -1 {
		k.t.Fatalf("%v: %v\n%s", args, err, said.String())
	}
	again := k.command(ctx, args...)
	out, err := again.CombinedOutput()
	// The watchdog of the one that was killed may be at work, and has the journal: as it says, one waits and runs it again.
	for deadline := time.Now().Add(time.Minute); again.ProcessState != nil && again.ProcessState.ExitCode() == exitLocked && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
		again = k.command(ctx, args...)
		out, err = again.CombinedOutput()
	}
	if err != nil {
		k.t.Errorf("resume after %s at request %d of kind %d: %v: %v\n%s", outcome, at-start, how, args, err, out)
	}
	return outcome
}

// published demands that every snapshot is whole and verified, and that the newest equals one that
// an undisturbed backup of the same org makes in another repository.
func (k *kill) published() {
	k.t.Helper()
	k.must("verify", "--quiet")
	disturbed := k.digests()
	k.repo = k.path("reference")
	k.must("init", "--recovery-key-file", k.path("recovery-2.key"))
	k.backup()
	undisturbed := k.digests()
	for object, digest := range undisturbed {
		if disturbed[object] != digest {
			k.t.Errorf("%s: the resumed backup holds %s, an undisturbed one %s", object, disturbed[object], digest)
		}
	}
	if len(undisturbed) != len(disturbed) || len(undisturbed) < len(killObjects) {
		k.t.Errorf("%d parts, want %d", len(disturbed), len(undisturbed))
	}
}

// digests returns the digest of each part of the newest snapshot.
func (k *kill) digests() map[string]string {
	k.t.Helper()
	var shown struct {
		Parts []struct {
			Object string `json:"object"`
			Digest string `json:"digest"`
			State  string `json:"state"`
		} `json:"parts"`
	}
	k.json(&shown, "show", "latest")
	digests := map[string]string{}
	for _, p := range shown.Parts {
		digests[p.Object] = p.Digest
	}
	return digests
}

// restored demands that the org is as it was, under the identity map of the application.
func (k *kill) restored(ctx context.Context, plan, digest string) {
	k.t.Helper()
	var applied struct {
		Unexplained int `json:"unexplained"`
	}
	// A plan that was carried out answers with its report again and writes nothing.
	k.json(&applied, "apply", plan, "--approve", digest)
	if applied.Unexplained != 0 {
		k.t.Errorf("%d unexplained differences", applied.Unexplained)
	}
	successors := k.successors()
	lines, total := k.want.Differences(k.dump(ctx), successors, 10)
	if total > 0 {
		k.t.Errorf("%d differences:\n%s", total, strings.Join(lines, "\n"))
	}
}

func (k *kill) dump(ctx context.Context) testkit.Dump {
	k.t.Helper()
	d, err := testkit.TakeDump(ctx, k.loader, killObjects)
	if err != nil {
		k.t.Fatal(err)
	}
	return d
}

const killShipment = `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
<deploymentStatus>Deployed</deploymentStatus>
<fields><fullName>Carrier__c</fullName><label>Carrier</label><type>Text</type><length>40</length></fields>
<fields><fullName>Account__c</fullName><label>Account</label><type>Lookup</type><referenceTo>Account</referenceTo><relationshipName>Shipments</relationshipName></fields>
<label>Shipment</label><nameField><label>Name</label><type>Text</type></nameField><pluralLabel>Shipments</pluralLabel><sharingModel>ReadWrite</sharingModel>
</CustomObject>`

const killParcel = `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
<deploymentStatus>Deployed</deploymentStatus>
<fields><fullName>Shipment__c</fullName><label>Shipment</label><type>MasterDetail</type><referenceTo>Shipment__c</referenceTo><relationshipName>Parcels</relationshipName><relationshipOrder>0</relationshipOrder></fields>
<fields><fullName>Weight__c</fullName><label>Weight</label><type>Number</type><precision>8</precision><scale>2</scale></fields>
<label>Parcel</label><nameField><label>Name</label><type>Text</type></nameField><pluralLabel>Parcels</pluralLabel><sharingModel>ControlledByParent</sharingModel>
</CustomObject>`

// fill makes a small org with every kind of relation: a tree, cascades, a master-detail, plain
// lookups.
func (k *kill) fill(ctx context.Context) {
	k.t.Helper()
	check := func(err error) {
		k.t.Helper()
		if err != nil {
			k.t.Fatal(err)
		}
	}
	check(k.loader.DeployFiles(ctx, map[string]string{
		"package.xml":                testkit.PackageXML("CustomObject", "Shipment__c", "Parcel__c"),
		"objects/Shipment__c.object": killShipment, "objects/Parcel__c.object": killParcel,
	}))
	insert := func(object string, n int, row func(i int) testkit.Row) []string {
		rows := make([]testkit.Row, n)
		for i := range rows {
			rows[i] = row(i)
		}
		ids, err := k.loader.Insert(ctx, object, rows)
		check(err)
		return ids
	}
	accounts := insert("Account", 8, func(i int) testkit.Row {
		return testkit.Row{"Name": "Site", "Industry": "Energy", "Phone": strconv.Itoa(i / 2)}
	})
	var tree []testkit.Row
	for i := 1; i < len(accounts); i++ {
		tree = append(tree, testkit.Row{"Id": accounts[i], "ParentId": accounts[i/2]})
	}
	check(k.loader.Update(ctx, "Account", tree))
	contacts := insert("Contact", 12, func(i int) testkit.Row {
		return testkit.Row{"LastName": fmt.Sprintf("Contact %d", i%5), "AccountId": accounts[i%8]}
	})
	var ring []testkit.Row
	for i := range contacts {
		ring = append(ring, testkit.Row{"Id": contacts[i], "ReportsToId": contacts[(i+1)%len(contacts)]})
	}
	check(k.loader.Update(ctx, "Contact", ring[1:]))
	insert("Opportunity", 6, func(i int) testkit.Row {
		return testkit.Row{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-12-31", "AccountId": accounts[i%8], "Amount": "12.5"}
	})
	insert("Case", 4, func(i int) testkit.Row { return testkit.Row{"Subject": "It broke", "ContactId": contacts[8+i]} })
	shipments := insert("Shipment__c", 6, func(i int) testkit.Row {
		return testkit.Row{"Name": "Box", "Carrier__c": "Mule", "Account__c": accounts[i%8]}
	})
	insert("Parcel__c", 12, func(i int) testkit.Row {
		return testkit.Row{"Name": "Parcel", "Shipment__c": shipments[i%6], "Weight__c": "1.25"}
	})
}

// wreck deletes shipments with their parcels and contacts, some of them for good, overwrites and
// blanks.
func (k *kill) wreck(ctx context.Context) {
	k.t.Helper()
	check := func(err error) {
		k.t.Helper()
		if err != nil {
			k.t.Fatal(err)
		}
	}
	ids := func(object, where string) []string {
		rows, err := k.loader.Query(ctx, "SELECT Id FROM "+object+" "+where+" ORDER BY Id")
		check(err)
		var all []string
		for _, r := range rows {
			all = append(all, fmt.Sprint(r["Id"]))
		}
		return all
	}
	k.server.Clock().Advance(time.Hour)
	defer k.server.Clock().Advance(time.Hour)
	var overwrites []testkit.Row
	for i, id := range ids("Account", "") {
		overwrites = append(overwrites, testkit.Row{"Id": id, "Industry": "", "Phone": fmt.Sprint("wrecked ", i)})
	}
	check(k.loader.Update(ctx, "Account", overwrites))
	purged := append(ids("Contact", "")[:4:4], ids("Shipment__c", "")[:2]...)
	purged = append(purged, ids("Parcel__c", "WHERE Shipment__r.Carrier__c = 'Mule'")[:2]...)
	check(k.loader.Delete(ctx, purged))
	check(k.loader.EmptyRecycleBin(ctx, purged))
	check(k.loader.Delete(ctx, append(ids("Opportunity", "")[:2:2], ids("Shipment__c", "")[:1]...)))
}
