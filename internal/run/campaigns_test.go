package run_test

import (
	"fmt"
	"slices"
	"testing"

	"holdfast/internal/testkit"
)

// table returns the rows of a query as lines.
func (w *ward) table(soql string, fields ...string) []string {
	w.Helper()
	rows, err := w.loader.Query(w.Context(), soql)
	w.must(err)
	var out []string
	for _, r := range rows {
		line := ""
		for _, f := range fields {
			line += fmt.Sprint(r[f], "|")
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// A campaign begins with statuses that the org makes by itself: a campaign that is made anew gets those of the snapshot in
// their places, with the values that they had, and its members come after them.
func TestCampaignsComeBackWithTheirStatuses(t *testing.T) {
	w := newWard(t, 77)
	w.sees("Campaign", "CampaignMember", "CampaignMemberStatus")
	contact := w.added("Contact", testkit.Row{"LastName": "Guest"})[0]
	gala := w.added("Campaign", testkit.Row{"Name": "Gala"}, testkit.Row{"Name": "Plain"})[0]
	w.added("CampaignMemberStatus", testkit.Row{"CampaignId": gala, "Label": "Attended", "SortOrder": "7", "HasResponded": "true"})
	rows, err := w.loader.Query(t.Context(), "SELECT Id FROM CampaignMemberStatus WHERE Label = 'Responded' AND CampaignId = '"+gala+"'")
	w.must(err)
	w.update("CampaignMemberStatus", []testkit.Row{{"Id": rows[0]["Id"].(string), "SortOrder": "9", "HasResponded": "false"}})
	w.added("CampaignMember", testkit.Row{"CampaignId": gala, "ContactId": contact, "Status": "Attended"})
	statuses := func() []string {
		return w.table("SELECT Label, SortOrder, HasResponded, IsDefault FROM CampaignMemberStatus", "Label", "SortOrder", "HasResponded", "IsDefault")
	}
	members := func() []string {
		return w.table("SELECT Status, HasResponded, ContactId FROM CampaignMember", "Status", "HasResponded", "ContactId")
	}
	wantStatuses, wantMembers := statuses(), members()
	before := w.backup().Snapshot.ID
	w.purge(w.ids["Campaign"]...)
	if got := statuses(); len(got) != 0 {
		t.Fatalf("statuses stay without their campaigns: %v", got)
	}
	out := w.backTo(before)
	if out.Failed != 0 || out.Unexplained != 0 {
		t.Errorf("%d refused, %d unexplained: %+v %+v", out.Failed, out.Unexplained, out.Differences, out)
	}
	if got := statuses(); !slices.Equal(got, wantStatuses) {
		t.Errorf("statuses are\n%q\nand were\n%q", got, wantStatuses)
	}
	if got := members(); !slices.Equal(got, wantMembers) {
		t.Errorf("members are %q and were %q", got, wantMembers)
	}
}

// A status that the org makes with a campaign and that the snapshot does not have stays: the plan deletes nothing that it does not
// show, and the next one has it as any record that has come since.
func TestAStatusThatACampaignDidNotHaveStays(t *testing.T) {
	w := newWard(t, 78)
	w.sees("Campaign", "CampaignMember", "CampaignMemberStatus")
	w.added("Campaign", testkit.Row{"Name": "Gala"})
	rows, err := w.loader.Query(t.Context(), "SELECT Id FROM CampaignMemberStatus WHERE Label = 'Responded'")
	w.must(err)
	w.purge(rows[0]["Id"].(string))
	before := w.backup().Snapshot.ID
	w.purge(w.ids["Campaign"]...)
	out := w.backTo(before)
	if out.Failed != 0 || out.Unexplained != 0 {
		t.Errorf("%d refused, %d unexplained: %+v", out.Failed, out.Unexplained, out.Differences)
	}
	if got := w.table("SELECT Label FROM CampaignMemberStatus", "Label"); !slices.Equal(got, []string{"Responded|", "Sent|"}) {
		t.Errorf("the statuses are %q", got)
	}
}
