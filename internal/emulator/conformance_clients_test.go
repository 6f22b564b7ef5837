package emulator_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

// nodeEnv names a Node.js that finds npm @jsforce/jsforce-node, and sfdmuEnv the folder of npm sfdmu.
const (
	nodeEnv  = "HOLDFAST_NODE"
	sfdmuEnv = "HOLDFAST_SFDMU"
)

// peer is the path of a client that the environment names. Without it nothing is tested, which is an
// error in CI.
func peer(t *testing.T, env, what string) string {
	t.Helper()
	path := os.Getenv(env)
	if _, err := os.Stat(path); path == "" || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing (%s=%q)", what, env, path)
		}
		t.Skipf("NOT TESTED: the emulator against %s: set %s (.ci/tools clients installs it)", what, env)
	}
	return path
}

const keyObject = `<?xml version="1.0" encoding="UTF-8"?><CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
<fields><fullName>Key__c</fullName><label>Key</label><type>Text</type><length>80</length><externalId>true</externalId><unique>true</unique></fields>
</CustomObject>`

const keyAccess = `<?xml version="1.0" encoding="UTF-8"?><Profile xmlns="http://soap.sforce.com/2006/04/metadata">
<fieldPermissions><editable>true</editable><field>Account.Key__c</field><readable>true</readable></fieldPermissions></Profile>`

const keyManifest = `<?xml version="1.0" encoding="UTF-8"?><Package xmlns="http://soap.sforce.com/2006/04/metadata">
<types><members>Account.Key__c</members><name>CustomField</name></types>
<types><members>Admin</members><name>Profile</name></types><version>66.0</version></Package>`

// keyed starts an org whose Accounts have an external key that the first user may use.
func keyed(t *testing.T, o emulator.Options) *client {
	t.Helper()
	c := start(t, o)
	c.deploy("ZipFile", "asyncProcessId", packed(t, "package.xml", keyManifest, "objects/Account.object", keyObject,
		"profiles/Admin.profile", keyAccess)).has("<status>Succeeded</status>")
	return c
}

// credentials are those of the first user, for a client that reads its environment.
func credentials(s *emulator.Server) []string {
	return []string{
		"INSTANCE_URL=" + s.URL, "ACCESS_TOKEN=" + s.AccessToken, "REFRESH_TOKEN=" + s.RefreshToken,
		"CLIENT_ID=" + s.ClientID, "CLIENT_SECRET=" + s.ClientSecret,
		"LOGIN_USER=" + s.Username, "LOGIN_PASSWORD=" + s.Password, "PRIVATE_KEY=" + string(s.PrivateKeyPEM()),
	}
}

// steps runs a client that prints "ok NAME" or "not ok NAME: why" for each thing that it tries.
func steps(t *testing.T, cmd *exec.Cmd, least int) {
	t.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	held := 0
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ok ") {
			held++
		} else {
			t.Error(lines.Text())
		}
	}
	if err != nil || held < least {
		t.Errorf("%d steps held, want %d: %v", held, least, err)
	}
}

func TestConformanceJsforce(t *testing.T) {
	t.Parallel()
	node := peer(t, nodeEnv, "jsforce")
	c := start(t, emulator.Options{Permissions: []string{"BulkApiHardDelete"}})
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "clients", "jsforce.cjs"))
	cmd.Env = append(os.Environ(), credentials(c.s)...)
	steps(t, cmd, 16)
}

func TestConformanceGoSalesforce(t *testing.T) {
	t.Parallel()
	c := keyed(t, emulator.Options{TLSAddr: "127.0.0.1:0"})
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, c.s.AuthorityPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "gosalesforce")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = filepath.Join("testdata", "clients", "gosalesforce")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the client: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(append(os.Environ(), credentials(c.s)...), "SECURE_URL="+c.s.SecureURL, "SSL_CERT_FILE="+authority)
	steps(t, cmd, 11)
}

// migration is what SFDMU is told to move.
const migration = `{"orgs": [{"name": "emu", "instanceUrl": %q, "accessToken": %q}], "bulkThreshold": %d, "bulkApiVersion": "2.0",
"objects": [
 {"query": "SELECT Id, Name, Key__c, NumberOfEmployees, Description, ParentId FROM Account", "operation": "Upsert", "externalId": "Key__c"},
 {"query": "SELECT Id, LastName, Email, AccountId FROM Contact", "operation": "Upsert", "externalId": "Email"}]}`

// TestConformanceSFDMU moves accounts in a chain, and contacts, from one org to files and on to
// another, over the collections of REST and over Bulk 2.0.
func TestConformanceSFDMU(t *testing.T) {
	t.Parallel()
	sf, plugin := officialClient(t), peer(t, sfdmuEnv, "SFDMU")
	sf.run(t, "plugins", "link", plugin, "--no-install")
	from := keyed(t, emulator.Options{Seed: 1})
	const accounts = 60
	fillChain(from, accounts)
	for name, threshold := range map[string]int{"collections": 1000, "bulk": 1} {
		to := keyed(t, emulator.Options{Seed: 2})
		dir := filepath.Join(sf.dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		sf.migrate(t, dir, from, threshold, "emu", "csvfile")
		sf.migrate(t, dir, to, threshold, "csvfile", "emu")
		const tree = "SELECT Name, Key__c, NumberOfEmployees, Description, Parent.Key__c FROM Account WHERE Key__c != null ORDER BY Key__c"
		const people = "SELECT LastName, Email, Account.Key__c FROM Contact ORDER BY Email"
		for _, query := range []string{tree, people} {
			sameRows(t, name+", "+query, bare(to.query(query).Records), bare(from.query(query).Records), accounts)
		}
	}
}

// sameRows fails unless got is want, row by row, and n rows; it shows the first that differ.
func sameRows(t *testing.T, what string, got, want []string, n int) {
	t.Helper()
	if len(got) != n || len(want) != n {
		t.Errorf("%s: %d rows arrived of %d, want %d", what, len(got), len(want), n)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s:\ngot  %s\nwant %s", what, got[i], want[i])
			return
		}
	}
}

// fillChain makes n accounts, each but the first below the one before, with a contact each.
func fillChain(c *client, n int) {
	parent := ""
	for i := range n {
		values := map[string]any{
			"Name": fmt.Sprintf("Link %d", i), "Key__c": fmt.Sprintf("k%03d", i), "NumberOfEmployees": i,
			"Description": "first line\nsecond, \"quoted\" é",
		}
		if parent != "" {
			values["ParentId"] = parent
		}
		parent = c.create("Account", encoded(c.t, values))
		c.create("Contact", encoded(c.t, map[string]any{
			"LastName": fmt.Sprintf("Person %d", i), "Email": fmt.Sprintf("p%03d@example.com", i), "AccountId": parent,
		}))
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// bare is each row as text, without the addresses of records, which differ between orgs.
func bare(rows []map[string]any) []string {
	var all []string
	for _, row := range rows {
		delete(row, "attributes")
		for _, v := range row {
			if inner, ok := v.(map[string]any); ok {
				delete(inner, "attributes")
			}
		}
		all = append(all, fmt.Sprint(row))
	}
	return all
}

// migrate runs SFDMU in a folder from one side to the other; one of them is the org, the other the files.
func (l commandLine) migrate(t *testing.T, dir string, c *client, threshold int, source, target string) {
	t.Helper()
	script := fmt.Sprintf(migration, c.s.URL, c.s.AccessToken, threshold)
	if err := os.WriteFile(filepath.Join(dir, "export.json"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	out := l.run(t, "sfdmu", "run", "-s", source, "-u", target, "--noprompt", "--path", dir)
	if missing, err := missingParents(dir); err != nil || missing != 0 {
		t.Fatalf("sfdmu %s to %s: %d missing parents %v\n%s", source, target, missing, err, out)
	}
}

// run runs one command and returns all that it printed.
func (l commandLine) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), l.path, args...)
	cmd.Dir, cmd.Env = l.dir, l.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("sf %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// missingParents counts the parents that SFDMU says it did not find.
func missingParents(dir string) (int, error) {
	file, err := os.Open(filepath.Join(dir, "MissingParentRecordsReport.csv"))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	r := csv.NewReader(file)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	return max(len(rows)-1, 0), err
}
