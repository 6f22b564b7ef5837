package run_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/snapshot"
	"holdfast/internal/testkit"
)

// TestFindAnswersAsTheOrgDid asks an org and a snapshot of it the same.
func TestFindAnswersAsTheOrgDid(t *testing.T) {
	o := observeFew(t)
	var rows []org.Row
	for i := range 150 {
		row := account("", "Name", fmt.Sprintf("Site %c%03d", 'a'+i%7-32*(i%2), i))
		if i%3 > 0 {
			row.Fields = append(row.Fields, org.Assignment{Field: "NumberOfEmployees", Text: fmt.Sprint(i * 37 % 50)})
		}
		if i%4 > 0 {
			row.Fields = append(row.Fields, org.Assignment{Field: "Industry", Text: []string{"Energy", "Media"}[i%2]})
		}
		rows = append(rows, row)
	}
	ids := o.write(org.Insert, rows...)
	rows = nil
	for i := range 60 {
		fields := []org.Assignment{{Field: "LastName", Text: fmt.Sprintf("P%02d", i)}}
		if i%5 > 0 {
			fields = append(fields, org.Assignment{Field: "AccountId", Text: string(ids[i*7%150])})
		}
		rows = append(rows, org.Row{Object: "Contact", Fields: fields})
	}
	o.write(org.Insert, rows...)
	o.backup()
	loader := testkit.Loader{InstanceURL: o.server.URL, AccessToken: o.server.AccessToken, Version: "v66.0"}
	for _, query := range []string{
		"SELECT Id, Name FROM Account ORDER BY Name, Id",
		"SELECT Id, Industry FROM Account WHERE Industry = 'energy' AND NumberOfEmployees > 10 ORDER BY NumberOfEmployees DESC, Id",
		"SELECT Id, NumberOfEmployees FROM Account ORDER BY NumberOfEmployees NULLS LAST, Name DESC LIMIT 7 OFFSET 5",
		"SELECT Id, Name FROM Account WHERE NOT (Name LIKE 'site a%' OR Industry = null) ORDER BY Id",
		"SELECT Id FROM Account WHERE Id IN ('" + string(ids[3]) + "','" + string(ids[90]) + "') AND Name != 'Site' ORDER BY Id",
		"SELECT Id, CreatedDate FROM Account WHERE CreatedDate >= 2026-03-01T00:00:00Z AND SystemModstamp = LAST_N_DAYS:3 ORDER BY Id LIMIT 3",
		"SELECT Id FROM Account WHERE Industry NOT IN ('Media') ORDER BY Id",
		"SELECT Id, Account.Name FROM Contact WHERE Account.Industry = 'energy' ORDER BY Account.Name DESC, Id",
		"SELECT Id FROM Contact c WHERE c.Account.NumberOfEmployees = null ORDER BY Account.Name NULLS LAST, LastName",
		"SELECT Id, account.createdby.username FROM Contact WHERE Account.CreatedBy.Username != null ORDER BY Id",
		"SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE LastName LIKE 'P1%') ORDER BY Id",
		"SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact) AND Industry = 'Media' ORDER BY Id",
	} {
		want, err := loader.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		var asked, got []string
		for _, r := range want {
			related := ""
			if account, _ := r["Account"].(map[string]any); account != nil {
				if by, _ := account["CreatedBy"].(map[string]any); by != nil {
					account = by
				}
				related = fmt.Sprint(cmp.Or(account["Name"], account["Username"]))
			}
			asked = append(asked, fmt.Sprint(r["Id"])+related)
		}
		result, err := run.Find(t.Context(), run.FindInput{
			Moment: run.Moment{Store: o.store}, Query: query, Now: o.server.Clock().Now(),
			Begin: func([]string) error { return nil },
			Each: func(r run.FoundRow) error {
				related := ""
				for _, v := range r.Values {
					if strings.Contains(v.Field, ".") {
						related = v.Value.Text()
					}
				}
				got = append(got, string(r.ID)+related)
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(asked) == 0 || !slices.Equal(got, asked) || result.Found != int64(len(got)) {
			t.Errorf("%s:\n%d found %v\nthe org said %v", query, result.Found, got, asked)
		}
	}
}

// TestFindBoundsWhatItPutsInOrder refuses to hold more than it says, and holds what a LIMIT asks for.
func TestFindBoundsWhatItPutsInOrder(t *testing.T) {
	o := observeFew(t)
	var rows []org.Row
	for i := range 80 {
		row := account("", "Name", fmt.Sprint(i))
		row.Fields = append(row.Fields, org.Assignment{Field: "Description", Text: strings.Repeat("x", 30_000)})
		rows = append(rows, row)
	}
	o.write(org.Insert, rows...)
	o.backup()
	find := func(query string) (int64, error) {
		r, err := run.Find(t.Context(), run.FindInput{
			Moment: run.Moment{Store: o.store}, Query: query, Now: time.Now(), MaxSortedBytes: 1 << 20,
			Begin: func([]string) error { return nil }, Each: func(run.FoundRow) error { return nil },
		})
		return r.Found, err
	}
	if _, err := find("SELECT Id FROM Account ORDER BY Name"); problem.KindOf(err) != problem.Limits {
		t.Errorf("more than a MiB is put in order: %v", err)
	}
	if n, err := find("SELECT Id FROM Account ORDER BY Name LIMIT 5"); err != nil || n != 5 {
		t.Errorf("%d of a LIMIT of 5: %v", n, err)
	}
	if n, err := find("SELECT Id FROM Account"); err != nil || n != 80 {
		t.Errorf("%d of 80: %v", n, err)
	}
}

// TestMomentsOfTwoOrgs: where a repository holds two orgs, a moment is of one of them.
func TestMomentsOfTwoOrgs(t *testing.T) {
	o := observeFew(t)
	id := o.write(org.Insert, account("", "Name", "Acme"))[0]
	o.backup()
	sn, err := o.store.Load(t.Context(), snapshot.Latest)
	if err != nil {
		t.Fatal(err)
	}
	draft := snapshot.Draft{OrgID: "00D000000000002EAA", OrgName: "copy", Schema: sn.Schema(), Started: sn.Info().Started.Add(time.Minute)}
	if _, err := o.store.Write(t.Context(), draft, func(w *snapshot.Writer) error {
		return w.Absent("Account", "not read")
	}); err != nil {
		t.Fatal(err)
	}
	history := func(orgName string) (run.HistoryResult, error) {
		return run.History(t.Context(), run.HistoryInput{Moment: run.Moment{Store: o.store, Org: orgName}, Record: string(id)})
	}
	if _, err := history(""); problem.KindOf(err) != problem.Usage || !strings.Contains(err.Error(), "2 orgs") {
		t.Errorf("of one of two orgs: %v", err)
	}
	if r, err := history("prod"); err != nil || r.Snapshots != 1 || len(r.Versions) != 1 {
		t.Errorf("of prod: %+v, %v", r, err)
	}
	if _, err := history("copy"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("of an org that does not hold it: %v", err)
	}
}
