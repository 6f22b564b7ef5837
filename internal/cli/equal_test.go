package cli_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/blob/file"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/testkit"
)

// seer is a client that knows nothing of Holdfast and sees the org by itself.
type seer func(ctx context.Context, soql string) ([]map[string]any, error)

// generatedObjects is how many custom objects the generated org has, and generatedRows how many records each.
const (
	generatedObjects = 120
	generatedRows    = 10
)

// TestSnapshotOfAGeneratedOrgEqualsTheOrg: 120 objects with fields of every kind, each with links to the one before,
// value by value as an independent client sees them: over plain HTTP, and with HOLDFAST_LONG as the official
// command line does.
func TestSnapshotOfAGeneratedOrgEqualsTheOrg(t *testing.T) {
	server, err := emulator.Start(t.Context(), emulator.Options{Seed: 3, Clock: org.NewClock(time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	loader := &testkit.Loader{InstanceURL: server.URL, AccessToken: server.AccessToken, Version: "v66.0"}
	objects := generateOrg(t, loader)
	house := newHouse(t, server)
	house.must("init", "--recovery-key-file", house.path("recovery.key"))
	house.backup()
	see := seer(loader.Query)
	if os.Getenv("HOLDFAST_LONG") != "" {
		see = officialSeer(t, server)
	}
	values := house.wantEqual(t, see, loader, objects)
	t.Logf("%d objects, %d values: 0 differ", len(objects), values)
	if want := generatedObjects * generatedRows * 12; values < want {
		t.Errorf("%d values were compared, at least %d are there", values, want)
	}
}

// generateOrg deploys the objects and fills them.
func generateOrg(t *testing.T, loader *testkit.Loader) []string {
	t.Helper()
	var objects []string
	files := map[string]string{}
	for i := range generatedObjects {
		name := fmt.Sprintf("Gen%03d__c", i)
		link := "Account"
		if i > 0 {
			link = objects[i-1]
		}
		objects = append(objects, name)
		files["objects/"+name+".object"] = fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus><label>Gen %[1]d</label><pluralLabel>Gens %[1]d</pluralLabel>
  <nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
  <fields><fullName>Text__c</fullName><label>Text</label><type>Text</type><length>255</length></fields>
  <fields><fullName>Long__c</fullName><label>Long</label><type>LongTextArea</type><length>131072</length><visibleLines>5</visibleLines></fields>
  <fields><fullName>Number__c</fullName><label>Number</label><type>Number</type><precision>18</precision><scale>%[3]d</scale></fields>
  <fields><fullName>Money__c</fullName><label>Money</label><type>Currency</type><precision>16</precision><scale>2</scale></fields>
  <fields><fullName>Flag__c</fullName><label>Flag</label><type>Checkbox</type><defaultValue>false</defaultValue></fields>
  <fields><fullName>Day__c</fullName><label>Day</label><type>Date</type></fields>
  <fields><fullName>When__c</fullName><label>When</label><type>DateTime</type></fields>
  <fields><fullName>Link__c</fullName><label>Link</label><type>Lookup</type><referenceTo>%[2]s</referenceTo><relationshipName>Links%[1]d</relationshipName></fields>
</CustomObject>`, i, link, i%6)
	}
	files["package.xml"] = testkit.PackageXML("CustomObject", objects...)
	if err := loader.DeployFiles(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	texts := append(slices.Clone(oddTexts), "plain", "last")
	var before []string
	for i, object := range objects {
		rows := make([]testkit.Row, generatedRows)
		for n := range rows {
			odd := texts[(i+n)%len(texts)]
			rows[n] = testkit.Row{
				"Name": fmt.Sprintf("%s %d", object, n), "Text__c": odd, "Long__c": strings.Repeat(odd, 1+n), "Number__c": fmt.Sprint(i*1000 + n),
				"Money__c": fmt.Sprintf("%d.25", n), "Flag__c": strconv.FormatBool(n%2 == 0), "Day__c": fmt.Sprintf("20%02d-02-%02d", n, 1+n),
				"When__c": fmt.Sprintf("2026-03-01T%02d:%02d:07.000Z", n, i%60),
			}
			if n == 3 {
				rows[n] = testkit.Row{"Name": "only a name"}
			}
			if len(before) > 0 && n%3 != 0 {
				rows[n]["Link__c"] = before[(n*7)%len(before)]
			}
		}
		ids, err := loader.Insert(t.Context(), object, rows)
		if err != nil {
			t.Fatal(err)
		}
		before = ids
	}
	return objects
}

// oddTexts look like nothing, like null, or like the end of a cell.
var oddTexts = []string{"Null", "null", "#N/A", "a\r\nb", "a\nb", "a\rb", `"quoted", twice`, "Grüße 🎈", "0", "=1+1", "\u2028"}

// wantEqual compares every record and every field of the objects in the last snapshot with what the client
// sees, and returns how many values it compared.
func (h *house) wantEqual(t *testing.T, see seer, loader *testkit.Loader, objects []string) (values int) {
	t.Helper()
	sn := h.lastSnapshot(t)
	differ := 0
	for _, object := range objects {
		kinds, err := loader.Fields(t.Context(), object)
		if err != nil {
			t.Fatal(err)
		}
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = k.Name
		}
		rows, err := see(t.Context(), "SELECT "+strings.Join(names, ", ")+" FROM "+object)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]map[string]any{}
		for _, row := range rows {
			seen[row["Id"].(string)] = row
		}
		for r, err := range sn.Records(t.Context(), object) {
			if err != nil {
				t.Fatal(err)
			}
			row := seen[string(r.ID)]
			if row == nil {
				t.Errorf("%s %s is held, the client does not see it", object, r.ID)
				continue
			}
			delete(seen, string(r.ID))
			for _, k := range kinds {
				was, shown := row[k.Name]
				if k.Name == "Id" || !shown {
					continue
				}
				values++
				if got := r.Get(k.Name); !equalValue(k.Type, got, was) {
					if differ++; differ <= 10 {
						t.Errorf("%s %s.%s: held %q, the client sees %v", object, r.ID, k.Name, got.Text(), was)
					}
				}
			}
		}
		for id := range seen {
			t.Errorf("%s %s is not held", object, id)
		}
	}
	if differ > 0 {
		t.Errorf("%d values differ", differ)
	}
	return values
}

// equalValue compares a value as it is held with what JSON says of it.
func equalValue(kind string, held sf.Value, seen any) bool {
	switch v := seen.(type) {
	case nil:
		return held.IsNull() || held.Text() == "" && !held.IsAbsent()
	case bool:
		return held.Text() == strconv.FormatBool(v)
	case float64:
		n, err := strconv.ParseFloat(held.Text(), 64)
		return err == nil && n == v
	case string:
		if kind == "datetime" {
			a, errA := sf.ParseDatetime(held.Text())
			b, errB := sf.ParseDatetime(v)
			return errA == nil && errB == nil && a.Equal(b)
		}
		return held.Text() == v
	}
	return false
}

// lastSnapshot opens the repository of the house past the command line.
func (h *house) lastSnapshot(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	key, err := os.Open(h.path("operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	identity, err := seal.ReadIdentity(key)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := file.Open(h.path("repo"))
	if err != nil {
		t.Fatal(err)
	}
	repository, err := repo.Open(t.Context(), bucket, identity)
	if err != nil {
		t.Fatal(err)
	}
	sn, err := snapshot.Open(repository).Load(t.Context(), snapshot.Latest)
	if err != nil {
		t.Fatal(err)
	}
	return sn
}

// officialSeer is the official command line, which must be there.
func officialSeer(t *testing.T, server *emulator.Server) seer {
	t.Helper()
	client := officialClient(t, server)
	return func(ctx context.Context, soql string) ([]map[string]any, error) {
		var reply struct {
			Records []map[string]any `json:"records"`
		}
		err := client.ask(ctx, &reply, "data", "query", "-o", "emu", "-q", soql)
		return reply.Records, err
	}
}
