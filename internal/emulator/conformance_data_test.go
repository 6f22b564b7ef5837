package emulator_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

// TestConformanceOfficialClientData runs the commands of sf for data and for the org that
// TestConformanceOfficialClient does not: files, search, limits, deletions for good, tooling, the
// older Bulk API, and signing in with an authorization URL over https.
func TestConformanceOfficialClientData(t *testing.T) {
	t.Parallel()
	sf := officialClient(t)
	c := keyed(t, emulator.Options{TLSAddr: "127.0.0.1:0", Permissions: []string{"BulkApiHardDelete"}})
	sf.env = append(sf.env, "SF_ACCESS_TOKEN="+c.s.AccessToken)
	sf.json(t, &struct{}{}, "org", "login", "access-token", "--instance-url", c.s.URL, "--no-prompt", "--alias", "emu")
	for name, f := range map[string]func(*testing.T, commandLine, *client){
		"file": sfFile, "search": sfSearch, "limits": sfLimits, "hard delete": sfHardDelete, "tooling": sfTooling,
		"bulk upsert by key": sfKeyedUpsert, "legacy bulk": sfLegacyBulk, "org": sfOrg, "request": sfRequest,
		"sign in by URL": sfURL, "sign in through a browser": sfWeb, "table of a query": sfTable, "resume": sfResume, "apex": sfApex, "many trees": sfManyTrees,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); f(t, sf, c) })
	}
}

func sfFile(t *testing.T, sf commandLine, c *client) {
	parent := c.create("Account", `{"Name":"Has a file"}`)
	content := strings.Repeat("binary \x00\xff\r\n", 1000)
	sf.file(t, "picture.bin", content)
	var made struct{ ContentDocumentID, Title string }
	sf.json(t, &made, "data", "create", "file", "-o", "emu", "-f", "picture.bin", "-t", "Picture", "-i", parent)
	if !strings.HasPrefix(made.ContentDocumentID, "069") || made.Title != "Picture" {
		t.Errorf("create file: %+v", made)
	}
	version := c.query("SELECT Id, ContentSize, IsLatest FROM ContentVersion WHERE ContentDocumentId = '" + made.ContentDocumentID + "'").Records[0]
	if got := fmt.Sprint(version["ContentSize"]); got != fmt.Sprint(len(content)) {
		t.Errorf("content size %s, want %d", got, len(content))
	}
	if got := c.do("GET", "sobjects/ContentVersion/"+version["Id"].(string)+"/VersionData", "").ok(200); string(got.body) != content {
		t.Errorf("%d other bytes came back", len(got.body))
	}
	links := c.query("SELECT LinkedEntityId FROM ContentDocumentLink WHERE ContentDocumentId = '" + made.ContentDocumentID + "'").Records
	if !slices.ContainsFunc(links, func(l map[string]any) bool { return l["LinkedEntityId"] == parent }) {
		t.Errorf("the file is not attached: %v", links)
	}
}

func sfSearch(t *testing.T, sf commandLine, c *client) {
	id := c.create("Account", `{"Name":"Quixotic Mills"}`)
	var found struct{ SearchRecords []struct{ ID string } }
	sf.json(t, &found, "data", "search", "-o", "emu", "-q", "FIND {Quixotic} IN Name Fields RETURNING Account(Id, Name)")
	if len(found.SearchRecords) != 1 || found.SearchRecords[0].ID != id {
		t.Errorf("search: %+v", found)
	}
}

func sfLimits(t *testing.T, sf commandLine, _ *client) {
	type limit struct {
		Name           string
		Max, Remaining int
	}
	var limits []limit
	sf.json(t, &limits, "org", "list", "limits", "-o", "emu")
	if !slices.ContainsFunc(limits, func(l limit) bool { return l.Name == "DailyApiRequests" && l.Max > l.Remaining }) {
		t.Errorf("limits: %+v", limits)
	}
}

func sfHardDelete(t *testing.T, sf commandLine, c *client) {
	id := c.create("Account", `{"Name":"For good"}`)
	file := sf.file(t, "hard.csv", "Id\n"+id+"\n")
	sf.json(t, &struct{}{}, "data", "delete", "bulk", "-o", "emu", "-s", "Account", "-f", file, "--hard-delete", "--wait", "5", "--line-ending", "LF")
	c.do("GET", "queryAll?q=SELECT+Id+FROM+Account+WHERE+Id='"+id+"'", "").is(`{"totalSize":0,"done":true,"records":[]}`)
}

func sfTooling(t *testing.T, sf commandLine, _ *client) {
	var found struct {
		Records []struct{ QualifiedAPIName string }
	}
	sf.json(t, &found, "data", "query", "-o", "emu", "--use-tooling-api", "-q",
		"SELECT QualifiedApiName FROM EntityDefinition WHERE QualifiedApiName = 'Contact'")
	if len(found.Records) != 1 || found.Records[0].QualifiedAPIName != "Contact" {
		t.Errorf("tooling query: %+v", found)
	}
	var objects []string
	sf.json(t, &objects, "sobject", "list", "-o", "emu", "-s", "all")
	if len(objects) < 120 || !slices.Contains(objects, "AccountHistory") {
		t.Errorf("%d objects", len(objects))
	}
}

func sfKeyedUpsert(t *testing.T, sf commandLine, c *client) {
	for _, text := range []string{"Key__c,Name\nx1,First\nx2,Second\n", "Key__c,Name\nx1,Once more\nx3,Third\n"} {
		file := sf.file(t, "keyed.csv", text)
		sf.json(t, &struct{}{}, "data", "upsert", "bulk", "-o", "emu", "-s", "Account", "-i", "Key__c", "-f", file, "--wait", "5", "--line-ending", "LF")
	}
	rows := c.query("SELECT Name, Key__c FROM Account WHERE Key__c LIKE 'x%' ORDER BY Key__c").Records
	if got := strings.Join(bare(rows), " "); got != "map[Key__c:x1 Name:Once more] map[Key__c:x2 Name:Second] map[Key__c:x3 Name:Third]" {
		t.Errorf("after two upserts: %s", got)
	}
}

func sfLegacyBulk(t *testing.T, sf commandLine, c *client) {
	file := sf.file(t, "legacy.csv", "Key__c,Name\nl1,Legacy\n")
	sf.json(t, &[]any{}, "force", "data", "bulk", "upsert", "-o", "emu", "-s", "Account", "-i", "Key__c", "-f", file, "--wait", "5")
	if rows := c.query("SELECT Name FROM Account WHERE Key__c = 'l1'").Records; len(rows) != 1 {
		t.Errorf("legacy upsert: %v", rows)
	}
}

func sfOrg(t *testing.T, sf commandLine, c *client) {
	var shown struct{ ID, Username, InstanceURL string }
	sf.json(t, &shown, "org", "display", "-o", "emu")
	if shown.ID != c.s.OrgID || shown.Username != c.s.Username {
		t.Errorf("org display: %+v", shown)
	}
	var users []struct{ Username, ProfileName string }
	sf.json(t, &users, "org", "list", "users", "-o", "emu")
	if !slices.ContainsFunc(users, func(u struct{ Username, ProfileName string }) bool {
		return u.Username == c.s.Username && u.ProfileName == "System Administrator"
	}) {
		t.Errorf("org list users: %+v", users)
	}
	var door struct{ URL string }
	sf.json(t, &door, "org", "open", "-o", "emu", "--url-only")
	if !strings.HasPrefix(door.URL, c.s.URL) {
		t.Errorf("org open: %+v", door)
	}
}

func sfRequest(t *testing.T, sf commandLine, _ *client) {
	out := sf.run(t, "api", "request", "rest", "-o", "emu", "/services/data/v65.0/limits", "--header", "Accept: application/xml", "--include")
	if !strings.Contains(out, "HTTP/1.1 200") || !strings.Contains(out, "<DailyApiRequests>") {
		t.Errorf("api request rest: %.300s", out)
	}
}

func sfURL(t *testing.T, sf commandLine, c *client) {
	sf.dir = t.TempDir()
	authority := sf.file(t, "ca.pem", string(c.s.AuthorityPEM()))
	sf.env = append(slices.Clone(sf.env), "HOME="+sf.dir, "SF_DATA_DIR="+sf.dir, "SF_CACHE_DIR="+sf.dir,
		"NODE_EXTRA_CA_CERTS="+filepath.Join(sf.dir, authority))
	url := "force://" + c.s.ClientID + ":" + c.s.ClientSecret + ":" + c.s.RefreshToken + "@" + strings.TrimPrefix(c.s.SecureURL, "https://")
	var user struct{ Username string }
	sf.json(t, &user, "org", "login", "sfdx-url", "--sfdx-url-file", sf.file(t, "url.txt", url), "--alias", "byurl")
	if user.Username != c.s.Username {
		t.Errorf("signed in as %q", user.Username)
	}
	var found struct{ TotalSize int }
	sf.json(t, &found, "data", "query", "-o", "byurl", "-q", "SELECT Id FROM Organization")
	if found.TotalSize != 1 {
		t.Errorf("query over https: %+v", found)
	}
}

// sfTable has the column metadata asked for, as people do who want a table or CSV.
func sfTable(t *testing.T, sf commandLine, c *client) {
	id := c.create("Account", `{"Name":"In a table"}`)
	c.create("Contact", `{"LastName":"Cell","AccountId":"`+id+`"}`)
	out := sf.run(t, "data", "query", "-o", "emu", "-q",
		"SELECT Id, Name, Owner.Name, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '"+id+"'", "--result-format", "csv")
	if !strings.Contains(out, "Id,Name,Owner.Name") || !strings.Contains(out, "Cell") {
		t.Errorf("csv: %s", out)
	}
	out = sf.run(t, "data", "query", "-o", "emu", "-q", "SELECT Name, COUNT(Id) n FROM Account WHERE Name = 'In a table' GROUP BY Name")
	if !strings.Contains(out, "In a table") || !strings.Contains(out, "Total number of records retrieved: 1") {
		t.Errorf("table: %s", out)
	}
}
