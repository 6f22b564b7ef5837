package cli_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/testkit"
)

// deployKillPoints is the number of seeded points at which the program is killed, half of them in a guarded deployment
// and half in its rollback; HOLDFAST_LONG takes more, and HOLDFAST_KILLS as many as it says.
const (
	deployKillPoints     = 6
	deployKillPointsLong = 200
)

const metadataNamespace = ` xmlns="http://soap.sforce.com/2006/04/metadata"`

func metaFile(kind, body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><` + kind + metadataNamespace + `>` + body + `</` + kind + `>`
}

// killedManifest names components as Type:Name.
func killedManifest(members ...string) string {
	var b strings.Builder
	for _, m := range members {
		kind, name, _ := strings.Cut(m, ":")
		b.WriteString("<types><members>" + name + "</members><name>" + kind + "</name></types>")
	}
	return metaFile("Package", b.String()+"<version>66.0</version>")
}

func killedFlow(label string) string {
	return metaFile("Flow", `<apiVersion>66.0</apiVersion><label>`+label+`</label><processType>AutoLaunchedFlow</processType>`+
		`<start><locationX>0</locationX><locationY>0</locationY></start><status>Active</status>`)
}

func killedTrigger(status, body string) map[string]string {
	return map[string]string{
		"triggers/Watch.trigger":          "trigger Watch on Thing__c (before insert) { " + body + " }",
		"triggers/Watch.trigger-meta.xml": metaFile("ApexTrigger", "<apiVersion>66.0</apiVersion><status>"+status+"</status>"),
	}
}

func killedObject(fields string, rule bool) string {
	return metaFile("CustomObject", `<deploymentStatus>Deployed</deploymentStatus>`+fields+
		`<label>Thing</label><nameField><label>Name</label><type>Text</type></nameField><pluralLabel>Things</pluralLabel><sharingModel>ReadWrite</sharingModel>`+
		fmt.Sprintf(`<validationRules><fullName>Named</fullName><active>%t</active><errorConditionFormula>Name = &quot;no&quot;</errorConditionFormula><errorMessage>no</errorMessage></validationRules>`, rule))
}

func killedField(name string) string {
	return `<fields><fullName>` + name + `</fullName><label>` + name + `</label><length>40</length><type>Text</type></fields>`
}

// prepareDeployment makes the org of which every point has a copy: code, a flow, a trigger and a rule that act, and
// records with values that the deployment destroys.
func prepareDeployment(t *testing.T) *emulator.Server {
	t.Helper()
	server, err := emulator.Start(t.Context(), emulator.Options{Seed: killSeed, Clock: org.NewClock(time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	l := loaderOf(server)
	files := killedTrigger("Active", "Integer one = 1;")
	files["package.xml"] = killedManifest("ApexClass:Pay", "ApexTrigger:Watch", "CustomObject:Thing__c", "Flow:Renew")
	files["classes/Pay.cls"] = "public class Pay { }"
	files["classes/Pay.cls-meta.xml"] = metaFile("ApexClass", "<apiVersion>66.0</apiVersion><status>Active</status>")
	files["flows/Renew.flow"] = killedFlow("one")
	files["objects/Thing__c.object"] = killedObject(killedField("Size__c")+killedField("Kept__c"), true)
	if err := l.DeployFiles(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	var rows []testkit.Row
	for i := range 5 {
		rows = append(rows, testkit.Row{"Name": fmt.Sprint("row ", i), "Size__c": fmt.Sprint("size ", i), "Kept__c": "k"})
	}
	if _, err := l.Insert(t.Context(), "Thing__c", rows); err != nil {
		t.Fatal(err)
	}
	return server
}

// killedPackage is what is deployed under guard: it edits, makes, switches off and destroys.
func killedPackage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := killedTrigger("Inactive", "Integer two = 2;")
	files["package.xml"] = killedManifest("ApexClass:Pay", "ApexClass:Made", "ApexTrigger:Watch", "CustomObject:Thing__c", "Flow:Renew")
	files["destructiveChangesPost.xml"] = killedManifest("CustomField:Thing__c.Size__c")
	files["classes/Pay.cls"] = "public class Pay { Integer two = 2; }"
	files["classes/Pay.cls-meta.xml"] = metaFile("ApexClass", "<apiVersion>66.0</apiVersion><status>Active</status>")
	files["classes/Made.cls"] = "public class Made { }"
	files["classes/Made.cls-meta.xml"] = files["classes/Pay.cls-meta.xml"]
	files["flows/Renew.flow"] = killedFlow("two")
	files["objects/Thing__c.object"] = killedObject(killedField("Kept__c")+killedField("New__c"), false)
	for name, body := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestKilledWhileDeployingItResumes kills the real program with SIGKILL during a guarded deployment or its rollback. Run
// again, the same command comes to the end of an undisturbed run: every deployment is made once, and after the rollback code, values,
// the version of the flow that is active, the trigger and the rule are as they were.
func TestKilledWhileDeployingItResumes(t *testing.T) {
	points := deployKillPoints
	if os.Getenv("HOLDFAST_LONG") != "" {
		points = deployKillPointsLong
	}
	points, seed := fromEnv(t, "HOLDFAST_KILLS", points), fromEnv(t, "HOLDFAST_SEED", killSeed)
	program := filepath.Join(t.TempDir(), "holdfast")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "holdfast/cmd/holdfast").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	prepared, dir := prepareDeployment(t), killedPackage(t)
	undisturbed := &deploying{t: t, kill: newKill(t, program, prepared, 0, 0), dir: dir}
	calls := undisturbed.run("")
	t.Logf("an undisturbed run makes %d requests to deploy and %d to roll back", calls[0], calls[1])
	var mu sync.Mutex
	killed := map[string]int{}
	t.Run("points", func(t *testing.T) {
		for i := range points {
			name := []string{"guard", "apply"}[i%2]
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				d := &deploying{t: t, kill: newKill(t, program, prepared, uint64(seed), uint64(i)), dir: dir, calls: calls}
				d.run(name)
				mu.Lock()
				defer mu.Unlock()
				killed[name+" "+d.outcome]++
				if t.Failed() {
					t.Fatalf("point %d of seed %d (HOLDFAST_SEED=%d), %s %s", i, seed, seed, name, d.outcome)
				}
			})
		}
	})
	t.Logf("%d points: %v", points, killed)
	if killed["guard killed"] < points/4 || killed["apply killed"] < points/4 {
		t.Errorf("too few of the points hit a running program: %v", killed)
	}
}

// deploying is one point of TestKilledWhileDeployingItResumes.
type deploying struct {
	*kill
	t       *testing.T
	dir     string   // of the package
	calls   [2]int64 // requests of an undisturbed guarded deployment, and of its rollback
	outcome string
}

// at runs a command, which dies if it is the one named, and returns how many requests were made.
func (d *deploying) at(command string, most int64, args ...string) int64 {
	d.t.Helper()
	start, _ := d.server.Calls()
	if command == args[0] {
		d.outcome = d.dieAndResume(d.t.Context(), most, args...)
	} else {
		d.must(args...)
	}
	end, _ := d.server.Calls()
	return end - start
}

// run deploys under guard and rolls back, and dies in the command that is named.
func (d *deploying) run(command string) (calls [2]int64) {
	d.t.Helper()
	defer d.server.Close()
	only := []string{"org", "set", "wrecked", "--only", "Thing__c"}
	for _, kind := range []string{"ApexClass", "ApexTrigger", "CustomObject", "Flow"} {
		only = append(only, "--only", "components/"+kind)
	}
	d.must(only...)
	before := d.backup()
	calls[0] = d.at(command, d.calls[0], "guard", "deploy", "wrecked", d.dir, "--to", d.path("guard"), "--quiet", "--rehearse", "0", "--automation-off")
	d.state("after the deployment", []string{"1 Obsolete", "2 Active"}, "Inactive", false)
	plan := d.path("guard/rollback.plan")
	raw, err := os.ReadFile(plan)
	if err != nil {
		d.t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	digest := hex.EncodeToString(sum[:])
	calls[1] = d.at(command, d.calls[1], "apply", plan, "--approve", digest, "--quiet")
	d.state("after the rollback", []string{"1 Active", "2 Obsolete"}, "Active", true)
	d.asBefore(before, plan, digest)
	return calls
}

// state demands versions of the flow with what they are, and whether the trigger and the rule act.
func (d *deploying) state(when string, flow []string, trigger string, rule bool) {
	d.t.Helper()
	if got := d.tooling("SELECT VersionNumber, Status FROM Flow ORDER BY VersionNumber"); !slices.Equal(got, flow) {
		d.t.Errorf("%s the flow has versions %q, want %q", when, got, flow)
	}
	if got := d.tooling("SELECT Status FROM ApexTrigger"); !slices.Equal(got, []string{trigger}) {
		d.t.Errorf("%s the trigger is %q", when, got)
	}
	_, err := d.loader.Insert(d.t.Context(), "Thing__c", []testkit.Row{{"Name": "no"}})
	if refused := err != nil; refused != rule {
		d.t.Errorf("%s the rule acts: %t", when, refused)
	}
	if err == nil {
		rows, err := d.loader.Query(d.t.Context(), "SELECT Id FROM Thing__c WHERE Name = 'no'")
		if err != nil || len(rows) != 1 {
			d.t.Fatal(err, len(rows))
		}
		if err := d.loader.Delete(d.t.Context(), []string{fmt.Sprint(rows[0]["Id"])}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// tooling asks the Tooling API for the version and the status of what a query finds.
func (d *deploying) tooling(soql string) []string {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.server.URL+"/services/data/v66.0/tooling/query?q="+url.QueryEscape(soql), http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.server.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	var found struct {
		Records []struct {
			VersionNumber int
			Status        string
		} `json:"records"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil || resp.StatusCode != http.StatusOK {
		d.t.Fatal(soql, resp.Status, err)
	}
	var out []string
	for _, r := range found.Records {
		text := r.Status
		if r.VersionNumber > 0 {
			text = fmt.Sprint(r.VersionNumber, " ", r.Status)
		}
		out = append(out, text)
	}
	return out
}

// asBefore demands that the org has what it had, but for the version of the flow, which stays.
func (d *deploying) asBefore(before, plan, digest string) {
	d.t.Helper()
	var applied struct {
		Rollback struct {
			DoneBefore bool `json:"done_before"`
			Left       int  `json:"left"`
		} `json:"rollback"`
	}
	d.json(&applied, "apply", plan, "--approve", digest)
	if !applied.Rollback.DoneBefore || applied.Rollback.Left != 0 {
		d.t.Errorf("applied again: %+v", applied)
	}
	d.must("verify", "--quiet")
	var diff struct {
		Components []struct{ Type, Name, How string }
	}
	d.json(&diff, "diff", before, d.backup())
	// The newest version of a flow has its name alone: the second one stays.
	if got := fmt.Sprint(diff.Components); got != "[{Flow Renew changed} {Flow Renew-1 added}]" {
		d.t.Errorf("what differs: %s", got)
	}
	rows, err := d.loader.Query(d.t.Context(), "SELECT Name, Size__c, Kept__c FROM Thing__c ORDER BY Name")
	if err != nil || len(rows) != 5 {
		d.t.Fatal(err, len(rows))
	}
	for i, r := range rows {
		if r["Size__c"] != fmt.Sprint("size ", i) || r["Kept__c"] != "k" {
			d.t.Errorf("%v", r)
		}
	}
}
