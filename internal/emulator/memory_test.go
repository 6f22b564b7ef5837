package emulator_test

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the checksum that the platform tells of a file
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/sf"
)

// lived fills an org with something of each kind that it remembers.
func (c *client) lived() (account, deleted string) {
	c.t.Helper()
	c.deploy("ZipFile", "id", packed(c.t, "package.xml", manifest, "objects/House__c.object", house)).has("<status>Succeeded</status>")
	c.create("House__c", `{"Name":"Red","Rooms__c":4}`)
	account = c.create("Account", `{"Name":"Kept"}`)
	c.create("Contact", `{"LastName":"Child","AccountId":"`+account+`"}`)
	deleted = c.create("Account", `{"Name":"Deleted"}`)
	c.do("DELETE", "sobjects/Account/"+deleted, "").ok(204)
	return account, deleted
}

// remembered demands what lived left.
func (c *client) remembered(account, deleted string) {
	c.t.Helper()
	if p := c.query("SELECT Name, (SELECT LastName FROM Contacts) FROM Account"); p.TotalSize != 1 || p.Records[0]["Name"] != "Kept" || p.Records[0]["Contacts"] == nil {
		c.t.Errorf("accounts %v", p.Records)
	}
	if p := c.query("SELECT Rooms__c FROM House__c"); p.TotalSize != 1 || p.Records[0]["Rooms__c"] != 4.0 {
		c.t.Errorf("houses %v", p.Records)
	}
	c.soap("m/66.0", "listMetadata", "<queries><type>CustomObject</type></queries>").ok(200).has("<fullName>House__c</fullName>")
	c.soap("u/66.0", "undelete", "<ids>"+deleted+"</ids>").ok(200).has("<success>true</success>")
	if p := c.query("SELECT Id FROM Account WHERE Name = 'Deleted'"); p.TotalSize != 1 {
		c.t.Error("what was in the Recycle Bin did not come back")
	}
	again := c.create("Account", `{"Name":"New"}`)
	if again <= account || again <= deleted {
		c.t.Errorf("a new record has the Id %s, after %s and %s", again, account, deleted)
	}
	c.do("DELETE", "sobjects/Account/"+again, "").ok(204)
}

func TestAnOrgIsKeptInAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, emulator.Options{Folder: dir, Seed: 3})
	account, deleted := c.lived()
	if _, err := emulator.Start(t.Context(), emulator.Options{Folder: dir}); !errors.Is(err, emulator.ErrInUse) {
		t.Errorf("a second process: %v", err)
	}
	c.s.Close()
	if err := c.s.SaveError(); err != nil {
		t.Fatal(err)
	}
	again := start(t, emulator.Options{Folder: dir, Seed: 3})
	if again.s.OrgID != c.s.OrgID || again.s.Username != c.s.Username || again.s.AccessToken != c.s.AccessToken {
		t.Errorf("another org: %+v", again.s)
	}
	again.remembered(account, deleted)
}

// TestImagesOfRichTextBelongToTheOrg: they are there after a restart, in a sandbox and after a reset, and new ones do
// not take their Ids.
func TestImagesOfRichTextBelongToTheOrg(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, emulator.Options{Folder: dir})
	id, src, err := c.s.AddImage([]byte("a picture"))
	if err != nil || !strings.HasSuffix(src, string(id[:15])) {
		t.Fatal(id, src, err)
	}
	c.s.Snapshot("one image")
	wants := func(s *emulator.Server, id sf.ID, want string) {
		t.Helper()
		got := ""
		if r := s.Org().OpenImage("", "", id); r != nil {
			raw, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			got = string(raw)
		}
		if got != want {
			t.Errorf("image %s is %q, want %q", id, got, want)
		}
	}
	sandbox, err := c.s.Sandbox(t.Context(), "qa", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	wants(sandbox, id, "a picture")
	second, _, err := c.s.AddImage([]byte("another"))
	if err != nil || second == id {
		t.Fatal(second, err)
	}
	wants(sandbox, second, "")
	if !c.s.Reset("one image") {
		t.Fatal("no snapshot")
	}
	wants(c.s, second, "")
	c.s.Close()
	if err := c.s.SaveError(); err != nil {
		t.Fatal(err)
	}
	again := start(t, emulator.Options{Folder: dir})
	wants(again.s, id, "a picture")
	if third, _, err := again.s.AddImage([]byte("third")); err != nil || third == id {
		t.Error(third, err)
	}
}

// A save that does not come to its end leaves the last one; damage is refused, not believed.
func TestTheLastSaveSurvives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, emulator.Options{Folder: dir})
	c.create("Account", `{"Name":"Kept"}`)
	if err := c.s.Save(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "org.state")
	saved, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	c.s.Close()
	killed := t.TempDir() // as a kill within a save leaves a folder
	for name, text := range map[string][]byte{"org.state": saved, "org.state.new": saved[:len(saved)/2]} {
		if err := os.WriteFile(filepath.Join(killed, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := start(t, emulator.Options{Folder: killed}).query("SELECT Id FROM Account").TotalSize; n != 1 {
		t.Errorf("%d accounts", n)
	}
	damaged := bytes.Clone(saved)
	damaged[len(damaged)/2] ^= 1
	if err := os.WriteFile(state, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := emulator.Start(t.Context(), emulator.Options{Folder: dir}); err == nil {
		s.Close()
		t.Error("a damaged org was served")
	}
}

func TestASandboxIsAClone(t *testing.T) {
	c := start(t, emulator.Options{Seed: 3})
	account, deleted := c.lived()
	s, err := c.s.Sandbox(t.Context(), "Dev", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	box := &client{t: t, s: s, version: c.version, header: http.Header{}}
	if s.OrgID == c.s.OrgID || s.Username != c.s.Username+".dev" || s.URL == c.s.URL || s.UserID != c.s.UserID {
		t.Errorf("sandbox %s of %s at %s", s.OrgID, s.Username, s.URL)
	}
	p := box.query("SELECT Id, IsSandbox FROM Organization")
	if p.TotalSize != 1 || p.Records[0]["IsSandbox"] != true || p.Records[0]["Id"] != s.OrgID {
		t.Errorf("organization %v, want %s", p.Records, s.OrgID)
	}
	for _, r := range box.query("SELECT Id, Username, Email FROM User").Records {
		email := r["Email"].(string)
		if !strings.HasSuffix(r["Username"].(string), ".dev") || strings.HasSuffix(email, ".invalid") == (r["Id"] == s.UserID) {
			t.Errorf("user %v", r)
		}
	}
	box.remembered(account, deleted)
	box.do("PATCH", "sobjects/Account/"+account, `{"Name":"Changed in the sandbox"}`).ok(204)
	if p := c.query("SELECT Name FROM Account WHERE Id = '" + account + "'"); p.Records[0]["Name"] != "Kept" {
		t.Errorf("the original is %v", p.Records)
	}
	if p := c.query("SELECT Username FROM User WHERE Id = '" + c.s.UserID + "'"); p.Records[0]["Username"] != c.s.Username {
		t.Errorf("the original's user is %v", p.Records)
	}
	if box.do("GET", "limits", "").status != 200 || c.do("GET", "limits", "").status != 200 {
		t.Error("one of the two does not answer")
	}
}

// A sandbox of an org that is kept in a folder, kept in another one.
func TestASandboxIsMadeOfAFolder(t *testing.T) {
	t.Parallel()
	prod, dev := t.TempDir(), t.TempDir()
	c := start(t, emulator.Options{Folder: prod})
	account, _ := c.lived()
	c.s.Close()
	for range 2 { // the second time it is there already
		box := start(t, emulator.Options{Folder: dev, Sandbox: "dev", SandboxOf: prod})
		if box.s.Username != c.s.Username+".dev" || !box.s.Kept {
			t.Errorf("sandbox of %s", box.s.Username)
		}
		box.do("GET", "sobjects/Account/"+account, "").ok(200)
		box.s.Close()
	}
	if _, err := emulator.Start(t.Context(), emulator.Options{Sandbox: "dev", SandboxOf: t.TempDir()}); err == nil {
		t.Error("a sandbox was made of nothing")
	}
}

// control sends a request to the control endpoint.
func (c *client) control(method, path, body string) answer {
	c.t.Helper()
	token := c.header.Get("Authorization")
	c.header.Set("Authorization", "Bearer steer")
	a := c.do(method, "/_holdfast/"+path, body)
	c.header.Set("Authorization", token)
	if token == "" {
		c.header.Del("Authorization")
	}
	return a
}

func TestTheControlEndpoint(t *testing.T) {
	closed := start(t, emulator.Options{})
	closed.control("GET", "calls", "").ok(404)
	c := start(t, emulator.Options{ControlToken: "steer"})
	c.do("GET", "/_holdfast/calls", "").refused(401, "INVALID_SESSION_ID", "")
	c.control("GET", "nonsense", "").ok(404)

	c.control("PUT", "hardness", `{"seed":5,"unavailable":1}`).ok(200).is(`{"seed":5,"unavailable":1}`)
	c.do("GET", "limits", "").refused(503, "SERVER_UNAVAILABLE", "")
	var faults []emulator.Injected
	c.control("GET", "faults", "").ok(200).into(&faults)
	if len(faults) != 1 || faults[0].Behaviour != "unavailable" || faults[0].Key != "GET limits" {
		t.Errorf("faults %v", faults)
	}
	c.control("PUT", "hardness", `{"unavailabel":1}`).refused(400, "INVALID_INPUT", "unavailabel")
	c.control("PUT", "hardness", `{"unavailable":2}`).refused(400, "INVALID_INPUT", "unavailable is 2")
	c.control("PUT", "hardness", `{}`).ok(200)
	c.do("GET", "limits", "").ok(200)

	c.control("PUT", "clock", `{"advance":"1h30m"}`).ok(200).is(`{"now":"2026-01-05T09:30:00Z"}`)
	c.control("PUT", "clock", `{"set":"2027-01-01T00:00:00Z"}`).ok(200)
	if got := c.do("GET", "limits", "").header.Get("Date"); got != "Fri, 01 Jan 2027 00:00:00 GMT" {
		t.Errorf("Date: %s", got)
	}
	var calls struct {
		Total int
		ByOp  map[string]int
	}
	c.control("GET", "calls", "").ok(200).into(&calls)
	if calls.Total != 3 || calls.ByOp["GET limits"] != 3 {
		t.Errorf("calls %+v, want the control endpoint's own not counted", calls)
	}
	c.control("POST", "sessions", "").ok(200)
	c.do("GET", "limits", "").refused(401, "INVALID_SESSION_ID", "")
}

// A Bulk job over a hundred million computed rows is served page by page, with edits in it.
func TestABulkJobOverComputedRows(t *testing.T) {
	c := start(t, emulator.Options{ControlToken: "steer", BulkChunkRows: 1 << 30})
	c.control("POST", "generate", `{"object":"Lead","rows":100000000,"seed":7,"from":"2020-01-01T00:00:00Z","step":"1s"}`).ok(200)
	c.control("POST", "generate", `{"object":"Lead","rows":1}`).refused(400, "INVALID_OPERATION", "Lead")
	first := c.query("SELECT Id FROM Lead LIMIT 1").Records[0]["Id"].(string)
	c.do("PATCH", "sobjects/Lead/"+first, `{"Title":"edited"}`).ok(204)
	j := c.export(`{"operation":"query","query":"SELECT Id, LastName, Title, SystemModstamp FROM Lead"}`)
	if j.State != "JobComplete" || j.NumberRecordsProcessed != 100_000_000 {
		t.Fatalf("job %+v", j)
	}
	a := c.do("GET", "jobs/query/"+j.ID+"/results?maxRecords=5000", "").ok(200)
	_, rows := a.table()
	if len(rows) != 5000 || rows[0][2] != "edited" || rows[1][2] == "edited" || a.header.Get("Sforce-Locator") == "null" {
		t.Errorf("%d rows, the first %v", len(rows), rows[0])
	}
	_, next := c.do("GET", "jobs/query/"+j.ID+"/results?maxRecords=5000&locator="+a.header.Get("Sforce-Locator"), "").ok(200).table()
	if len(next) != 5000 || next[0][0] <= rows[4999][0] || next[0][3] != "2020-01-01T01:23:20.000Z" {
		t.Errorf("the second page begins with %v", next[0])
	}
}

// A file that is made through the control endpoint is one like any other, and is kept with the org.
func TestAFileOfComputedBytes(t *testing.T) {
	folder := t.TempDir()
	c := start(t, emulator.Options{ControlToken: "steer", Folder: folder})
	for _, bad := range []string{`{"name":"a.bin","bytes":0}`, `{"name":"a.bin","bytes":2147483649}`, `{"name":"a.bin","size":5}`} {
		c.control("POST", "files", bad).ok(400)
	}
	var made struct{ ID string }
	c.control("POST", "files", `{"name":"film.bin","bytes":100003,"seed":7}`).ok(200).into(&made)
	path := "sobjects/ContentVersion/" + made.ID + "/VersionData"
	content := c.do("GET", path, "").ok(200).body
	sum := md5.Sum(content) //nolint:gosec // see the import
	version := c.query("SELECT Title, ContentSize, Checksum, IsLatest FROM ContentVersion WHERE Id = '" + made.ID + "'").Records[0]
	if len(content) != 100003 || version["ContentSize"] != 100003.0 || version["Checksum"] != hex.EncodeToString(sum[:]) || version["IsLatest"] != true {
		t.Errorf("%d bytes of %v", len(content), version)
	}
	c.s.Close()
	c = start(t, emulator.Options{Folder: folder})
	if again := c.do("GET", path, "").ok(200).body; !bytes.Equal(again, content) {
		t.Errorf("%d bytes when the org is there again, and others", len(again))
	}
}

func TestAnOrgIsResetToASnapshot(t *testing.T) {
	c := start(t, emulator.Options{ControlToken: "steer"})
	account, deleted := c.lived()
	c.control("POST", "snapshots/before", "").ok(200)
	for range 2 { // a snapshot is good for more than once
		c.s.Clock().Advance(time.Hour)
		c.create("House__c", `{"Name":"Blue"}`)
		c.do("DELETE", "sobjects/Account/"+account, "").ok(204)
		c.control("POST", "reset/before", "").ok(200)
		if now := c.s.Clock().Now(); !now.Equal(began) {
			t.Errorf("the clock shows %s", now)
		}
		c.remembered(account, deleted)
		c.control("POST", "reset/before", "").ok(200)
	}
	c.control("POST", "reset/never", "").refused(404, "NOT_FOUND", "never")
}

func TestASandboxIsMadeByControl(t *testing.T) {
	c := start(t, emulator.Options{ControlToken: "steer"})
	c.create("Account", `{"Name":"Kept"}`)
	var box struct{ InstanceURL, AccessToken, Username string }
	if err := json.Unmarshal(c.control("POST", "sandboxes/qa", "").ok(200).body, &box); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, box.InstanceURL+"/services/data/v66.0/query?q=SELECT+Name+FROM+Account", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+box.AccessToken)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var p page
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || fmt.Sprint(p.Records) == "[]" || !strings.HasSuffix(box.Username, ".qa") {
		t.Errorf("%v, %v, %s", err, p, box.Username)
	}
}
