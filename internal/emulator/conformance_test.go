package emulator_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

// sfEnv names the executable of the official command line (npm @salesforce/cli).
const sfEnv = "HOLDFAST_SF"

// commandLine is the official command line, unmodified, with a home of its own.
type commandLine struct {
	path string
	dir  string
	env  []string
}

// officialClient finds the command line. Without it nothing is tested, which is an error in CI.
func officialClient(t *testing.T) commandLine {
	t.Helper()
	path := os.Getenv(sfEnv)
	if _, err := os.Stat(path); path == "" || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the sf command line is missing (%s=%q)", sfEnv, path)
		}
		t.Skipf("NOT TESTED: the emulator against the official client: set %s to the path of sf (npm @salesforce/cli)", sfEnv)
	}
	dir := t.TempDir()
	return commandLine{path: path, dir: dir, env: append(os.Environ(),
		"HOME="+dir, "SF_USE_GENERIC_UNIX_KEYCHAIN=true", "SF_DISABLE_TELEMETRY=true", "SF_AUTOUPDATE_DISABLE=true",
		"SF_SKIP_NEW_VERSION_CHECK=true", "SF_DATA_DIR="+dir, "SF_CACHE_DIR="+dir, "NO_COLOR=1")}
}

// json runs one command and decodes the result that it prints with --json.
func (l commandLine) json(t *testing.T, result any, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), l.path, append(args, "--json")...)
	cmd.Dir, cmd.Env = l.dir, l.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sf %s: %v\n%s\n%s", strings.Join(args, " "), err, out, stderr.String())
	}
	reply := struct {
		Status int
		Result any
	}{Result: result}
	if err := json.Unmarshal(out, &reply); err != nil || reply.Status != 0 {
		t.Fatalf("sf %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// file writes a file in the directory of the command line.
func (l commandLine) file(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// conformanceRows is enough for two pages of REST and three of Bulk results.
const conformanceRows = 2500

func TestConformanceOfficialClient(t *testing.T) {
	t.Parallel()
	sf := officialClient(t)
	c := start(t, emulator.Options{BulkPageRows: 1000})
	sf.env = append(sf.env, "SF_ACCESS_TOKEN="+c.s.AccessToken)
	var user struct{ Username, OrgID string }
	sf.json(t, &user, "org", "login", "access-token", "--instance-url", c.s.URL, "--no-prompt", "--alias", "emu")
	if user.Username != c.s.Username || user.OrgID != c.s.OrgID {
		t.Fatalf("signed in as %+v, want %s of %s", user, c.s.Username, c.s.OrgID)
	}
	rows := [][]string{{"Name", "Description", "NumberOfEmployees"}}
	for i := range conformanceRows {
		rows = append(rows, []string{fmt.Sprintf("Name %d, \"quoted\"", i), fmt.Sprintf("first\nsecond é 漢 %d", i), fmt.Sprint(i)})
	}
	bulkImport(t, sf, rows)
	t.Run("query", func(t *testing.T) { t.Parallel(); sfQuery(t, sf) })
	t.Run("export bulk", func(t *testing.T) { t.Parallel(); sfExportBulk(t, sf, rows) })
	t.Run("describe", func(t *testing.T) { t.Parallel(); sfDescribe(t, sf) })
	t.Run("records", func(t *testing.T) { t.Parallel(); sfRecords(t, sf) })
	t.Run("load", func(t *testing.T) { t.Parallel(); sfLoad(t, sf) })
	t.Run("tree", func(t *testing.T) { t.Parallel(); sfTree(t, sf) })
	t.Run("sign in by JWT", func(t *testing.T) { t.Parallel(); sfJWT(t, sf, c) })
}

func bulkImport(t *testing.T, sf commandLine, rows [][]string) {
	t.Helper()
	var text strings.Builder
	w := csv.NewWriter(&text)
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	var result struct{ ProcessedRecords, SuccessfulRecords, FailedRecords int }
	sf.json(t, &result, "data", "import", "bulk", "-o", "emu", "-s", "Account", "-f", sf.file(t, "in.csv", text.String()),
		"--wait", "5", "--line-ending", "LF")
	if result.SuccessfulRecords != conformanceRows || result.FailedRecords != 0 {
		t.Fatalf("import bulk: %+v", result)
	}
}

func sfQuery(t *testing.T, sf commandLine) {
	var result struct {
		TotalSize int
		Records   []struct {
			Name  string
			Owner struct{ Name string }
		}
	}
	sf.json(t, &result, "data", "query", "-o", "emu", "-q", "SELECT Id, Name, Owner.Name FROM Account WHERE NumberOfEmployees < 2500")
	if result.TotalSize != conformanceRows || len(result.Records) != conformanceRows || result.Records[0].Owner.Name == "" {
		t.Errorf("data query: %d of %d records", len(result.Records), result.TotalSize)
	}
}

func sfExportBulk(t *testing.T, sf commandLine, rows [][]string) {
	sf.json(t, &struct{}{}, "data", "export", "bulk", "-o", "emu", "-q",
		"SELECT Name, Description, NumberOfEmployees FROM Account WHERE NumberOfEmployees < 2500",
		"--output-file", "out.csv", "--result-format", "csv", "--wait", "5")
	file, err := os.Open(filepath.Join(sf.dir, "out.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, rows, slices.Equal) {
		t.Errorf("%d rows came back, and they differ from the %d sent", len(got), len(rows))
	}
}

func sfDescribe(t *testing.T, sf commandLine) {
	var result struct {
		Name      string
		KeyPrefix string
		Fields    []struct{ Name string }
	}
	sf.json(t, &result, "sobject", "describe", "-o", "emu", "-s", "Contact")
	if result.Name != "Contact" || result.KeyPrefix != "003" || len(result.Fields) < 50 {
		t.Errorf("describe: %s %s with %d fields", result.Name, result.KeyPrefix, len(result.Fields))
	}
}

func sfRecords(t *testing.T, sf commandLine) {
	var made struct{ ID string }
	sf.json(t, &made, "data", "create", "record", "-o", "emu", "-s", "Lead", "-v", "LastName=Doe Company=Acme")
	sf.json(t, &struct{}{}, "data", "update", "record", "-o", "emu", "-s", "Lead", "-i", made.ID, "-v", "Phone=123")
	var lead struct{ LastName, Phone string }
	sf.json(t, &lead, "data", "get", "record", "-o", "emu", "-s", "Lead", "-w", "LastName=Doe")
	if lead.Phone != "123" {
		t.Errorf("get record: %+v", lead)
	}
	sf.json(t, &struct{}{}, "data", "delete", "record", "-o", "emu", "-s", "Lead", "-i", made.ID)
}

func sfLoad(t *testing.T, sf commandLine) {
	sf.file(t, "cases.csv", "Subject\nOne\nTwo\n")
	var result struct{ SuccessfulRecords, FailedRecords int }
	sf.json(t, &result, "data", "import", "bulk", "-o", "emu", "-s", "Case", "-f", "cases.csv", "--wait", "5", "--line-ending", "LF")
	var found struct{ Records []struct{ ID string } }
	sf.json(t, &found, "data", "query", "-o", "emu", "-q", "SELECT Id FROM Case")
	if len(found.Records) != 2 {
		t.Fatalf("%d cases", len(found.Records))
	}
	a, b := found.Records[0].ID, found.Records[1].ID
	sf.file(t, "upsert.csv", "Id,Subject\n"+a+",Three\n")
	sf.json(t, &struct{}{}, "data", "upsert", "bulk", "-o", "emu", "-s", "Case", "-i", "Id", "-f", "upsert.csv", "--wait", "5", "--line-ending", "LF")
	sf.file(t, "update.csv", "Id,Subject\n"+b+",Four\n")
	sf.json(t, &struct{}{}, "data", "update", "bulk", "-o", "emu", "-s", "Case", "-f", "update.csv", "--wait", "5", "--line-ending", "LF")
	sf.file(t, "delete.csv", "Id\n"+a+"\n")
	sf.json(t, &struct{}{}, "data", "delete", "bulk", "-o", "emu", "-s", "Case", "-f", "delete.csv", "--wait", "5", "--line-ending", "LF")
	var all struct {
		Records []struct {
			Subject   string
			IsDeleted bool
		}
	}
	sf.json(t, &all, "data", "query", "-o", "emu", "--all-rows", "-q", "SELECT Subject, IsDeleted FROM Case ORDER BY Subject")
	if got := fmt.Sprint(all.Records); got != "[{Four false} {Three true}]" {
		t.Errorf("cases %s", got)
	}
}

func sfTree(t *testing.T, sf commandLine) {
	sf.file(t, "campaigns.json", `{"records":[{"attributes":{"type":"Campaign","referenceId":"c1"},"Name":"Spring",
		"ChildCampaigns":{"records":[{"attributes":{"type":"Campaign","referenceId":"c2"},"Name":"March"}]}}]}`)
	sf.json(t, &[]any{}, "data", "import", "tree", "-o", "emu", "-f", "campaigns.json")
	var tree struct {
		Records []struct {
			Name           string
			ChildCampaigns struct{ Records []struct{ Name string } }
		}
	}
	sf.json(t, &tree, "data", "export", "tree", "-o", "emu", "-q",
		"SELECT Name, (SELECT Name FROM ChildCampaigns) FROM Campaign WHERE ParentId = null", "-d", "tree")
	if got := fmt.Sprint(tree.Records); got != "[{Spring {[{March}]}}]" {
		t.Errorf("export tree: %s", got)
	}
}

func sfJWT(t *testing.T, sf commandLine, c *client) {
	sf.dir = t.TempDir()
	sf.env = append(slices.Clone(sf.env), "HOME="+sf.dir, "SF_DATA_DIR="+sf.dir, "SF_CACHE_DIR="+sf.dir)
	key := sf.file(t, "key.pem", string(c.s.PrivateKeyPEM()))
	var user struct{ Username string }
	sf.json(t, &user, "org", "login", "jwt", "--instance-url", c.s.URL, "--client-id", c.s.ClientID, "--jwt-key-file", key,
		"--username", c.s.Username, "--alias", "signed")
	if user.Username != c.s.Username {
		t.Errorf("signed in as %q", user.Username)
	}
}
