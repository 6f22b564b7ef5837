package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"holdfast/internal/testkit"
)

// The org that is lost and brought back: accounts in a tree, and contacts that belong to them and report to each other
// in a ring, so that no order brings all references at once.
const (
	treeAccounts = 10_000
	treeBranches = 10
	ringContacts = 20_000
)

// migration is what SFDMU is told to move: the same fields that Holdfast brings back, matched by unique keys.
const migration = `{"orgs": [{"name": "emu", "instanceUrl": %q, "accessToken": %q}],
"objects": [
 {"query": "SELECT Id, Name, Description, ParentId FROM Account", "operation": "Upsert", "externalId": "Name"},
 {"query": "SELECT Id, LastName, Email, AccountId, ReportsToId FROM Contact", "operation": "Upsert", "externalId": "Email"}]}`

// restore measures what it takes to bring back the tree and the ring when every record is gone for good: a plan and its
// application by Holdfast, which ends with the org observed again, and an import by SFDMU of what it has exported. Each meets the
// same empty org, and every reference is looked at afterwards.
func (b *bench) restore(ctx context.Context) error {
	if err := b.step(ctx, "plant", 0); err != nil {
		return err
	}
	if err := b.init(ctx); err != nil {
		return err
	}
	backup := []string{b.holdfast, "backup", "bench", "--quiet", "--api-share", "100", "--object", "Account", "--object", "Contact"}
	columnsOf(fmt.Sprintf("%d accounts in a tree of %d branches, %d contacts in a ring: %d references", treeAccounts, treeBranches, ringContacts, planted().edges()))
	if _, err := b.shown(ctx, figure{name: "holdfast backup", commands: [][]string{backup}}); err != nil {
		return err
	}
	sfdmu, err := b.sfdmuRuns(ctx)
	if err != nil {
		return err
	}
	if sfdmu != nil {
		if err := b.tried(ctx, figure{name: "sfdmu run, org to files", commands: [][]string{sfdmu("emu", "csvfile")}}); err != nil {
			return err
		}
	}
	if err := b.step(ctx, "clear", 0); err != nil {
		return err
	}
	if err := b.steer(ctx, http.MethodPost, "snapshots/empty", nil, nil); err != nil {
		return err
	}
	path := filepath.Join(b.dir, "back.plan")
	restore := []string{b.holdfast, "restore", "bench", "--to", "latest", "--quiet", "--api-share", "100", "--plan", path}
	if _, err := b.shown(ctx, figure{name: "holdfast restore --plan", commands: [][]string{restore}}); err != nil {
		return err
	}
	sum, err := digestOf(path)
	if err != nil {
		return err
	}
	if err := planSize(path, treeAccounts+ringContacts); err != nil {
		return err
	}
	apply := []string{b.holdfast, "apply", path, "--approve", sum, "--quiet", "--api-share", "100"}
	if _, err := b.shown(ctx, figure{name: "holdfast apply, verified", commands: [][]string{apply}}); err != nil {
		return err
	}
	if err := b.judged(ctx); err != nil || sfdmu == nil {
		return err
	}
	if err := b.steer(ctx, http.MethodPost, "reset/empty", nil, nil); err != nil {
		return err
	}
	if err := b.tried(ctx, figure{name: "sfdmu run, files to org", commands: [][]string{sfdmu("csvfile", "emu")}}); err != nil {
		return err
	}
	return b.judged(ctx)
}

// judged judges in a process of its own, and prints what that found.
func (b *bench) judged(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	u, err := b.measure(ctx, self, "-do", "judge", "-instance", b.loader.InstanceURL)
	fmt.Printf("    %s", u.Said)
	return err
}

// sfdmuRuns links SFDMU into a home of its own and returns how it is run from one side to the other; nil without it.
func (b *bench) sfdmuRuns(ctx context.Context) (func(source, target string) []string, error) {
	if b.sf == "" || !there(b.sfdmu) {
		fmt.Println("sfdmu run: NOT MEASURED: set HOLDFAST_SF and HOLDFAST_SFDMU")
		return nil, nil
	}
	var about struct{ Version string }
	raw, err := os.ReadFile(filepath.Join(b.sfdmu, "package.json"))
	if err == nil {
		err = json.Unmarshal(raw, &about)
	}
	if err != nil {
		return nil, fmt.Errorf("sfdmu: %w", err)
	}
	fmt.Printf("SFDMU %s, unmodified, with its own defaults\n", about.Version)
	if err := b.signInSF(ctx); err != nil {
		return nil, err
	}
	home := filepath.Join(b.dir, "sf")
	files := filepath.Join(home, "files")
	if err := os.MkdirAll(files, 0o700); err != nil {
		return nil, err
	}
	b.in = home
	script := fmt.Sprintf(migration, b.loader.InstanceURL, b.loader.AccessToken)
	if err := os.WriteFile(filepath.Join(files, "export.json"), []byte(script), 0o600); err != nil {
		return nil, err
	}
	if _, err := b.measure(ctx, b.sf, "plugins", "link", b.sfdmu, "--no-install"); err != nil {
		return nil, err
	}
	return func(source, target string) []string {
		return []string{b.sf, "sfdmu", "run", "-s", source, "-u", target, "--noprompt", "--path", files}
	}, nil
}

func there(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

// references are what the planted records refer to, by key: a parent for each account, an account and a superior for each contact.
type references struct {
	parents map[string]string
	people  map[string][2]string
}

func (r references) edges() int {
	n := 2 * len(r.people)
	for _, p := range r.parents {
		if p != "" {
			n++
		}
	}
	return n
}

func accountKey(i int) string { return fmt.Sprintf("Site %05d", i) }
func contactKey(i int) string { return fmt.Sprintf("person%05d@example.com", i) }

// The references by number.
func parentOf(i int) int   { return (i - 1) / treeBranches } // of every account but the first
func accountOf(i int) int  { return i * 7919 % treeAccounts }
func superiorOf(i int) int { return (i + 1) % ringContacts }

// planted is what refers to what.
func planted() references {
	want := references{map[string]string{accountKey(0): ""}, map[string][2]string{}}
	for i := 1; i < treeAccounts; i++ {
		want.parents[accountKey(i)] = accountKey(parentOf(i))
	}
	for i := range ringContacts {
		want.people[contactKey(i)] = [2]string{accountKey(accountOf(i)), contactKey(superiorOf(i))}
	}
	return want
}

// plant fills the org.
func (b *bench) plant(ctx context.Context) error {
	rows := make([]testkit.Row, treeAccounts)
	for i := range rows {
		rows[i] = testkit.Row{"Name": accountKey(i), "Description": fmt.Sprintf("first line of %d\nsecond, \"quoted\" é", i)}
	}
	accounts, err := b.loader.Insert(ctx, "Account", rows)
	if err != nil {
		return err
	}
	rows = rows[:0]
	for i := 1; i < treeAccounts; i++ {
		rows = append(rows, testkit.Row{"Id": accounts[i], "ParentId": accounts[parentOf(i)]})
	}
	if err := b.loader.Update(ctx, "Account", rows); err != nil {
		return err
	}
	rows = rows[:0]
	for i := range ringContacts {
		rows = append(rows, testkit.Row{"LastName": fmt.Sprintf("Person %d", i), "Email": contactKey(i), "AccountId": accounts[accountOf(i)]})
	}
	contacts, err := b.loader.Insert(ctx, "Contact", rows)
	if err != nil {
		return err
	}
	rows = rows[:0]
	for i := range contacts {
		rows = append(rows, testkit.Row{"Id": contacts[i], "ReportsToId": contacts[superiorOf(i)]})
	}
	return b.loader.Update(ctx, "Contact", rows)
}

// clear deletes every planted record for good.
func (b *bench) clear(ctx context.Context) error {
	for _, object := range []string{"Contact", "Account"} {
		records, err := b.loader.Query(ctx, "SELECT Id FROM "+object)
		if err != nil {
			return err
		}
		ids := make([]string, len(records))
		for i, r := range records {
			ids[i] = fmt.Sprint(r["Id"])
		}
		if err := b.loader.Delete(ctx, ids); err != nil {
			return err
		}
		if err := b.loader.EmptyRecycleBin(ctx, ids); err != nil {
			return err
		}
	}
	return nil
}

// judge compares every reference in the org with what was planted, and prints how many are wrong, missing or too many.
func (b *bench) judge(ctx context.Context) error {
	want := planted()
	name := func(r map[string]any, path ...string) string {
		var v any = r
		for _, p := range path {
			inner, ok := v.(map[string]any)
			if !ok {
				return ""
			}
			v = inner[p]
		}
		if v == nil {
			return ""
		}
		return fmt.Sprint(v)
	}
	wrong, missing, extra := 0, 0, 0
	see := func(found, wanted string) {
		switch found {
		case wanted:
		case "":
			missing++
		default:
			wrong++
		}
	}
	accounts, err := b.loader.Query(ctx, "SELECT Name, Parent.Name FROM Account")
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, r := range accounts {
		key := name(r, "Name")
		up, known := want.parents[key]
		if !known || seen[key] {
			extra++
			continue
		}
		seen[key] = true
		see(name(r, "Parent", "Name"), up)
	}
	contacts, err := b.loader.Query(ctx, "SELECT Email, Account.Name, ReportsTo.Email FROM Contact")
	if err != nil {
		return err
	}
	for _, r := range contacts {
		key := name(r, "Email")
		of, known := want.people[key]
		if !known || seen[key] {
			extra++
			continue
		}
		seen[key] = true
		see(name(r, "Account", "Name"), of[0])
		see(name(r, "ReportsTo", "Email"), of[1])
	}
	lost := len(want.parents) + len(want.people) - len(seen)
	fmt.Printf("of %d references %d wrong, %d missing; of %d records %d missing, %d too many\n",
		want.edges(), wrong, missing, len(want.parents)+len(want.people), lost, extra)
	return nil
}
