package run_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// After a restore gave new Ids, the result lists the texts that name the old ones, in records that came back and in those that were
// there all the time, and leaves them as they are; once more it says the same.
func TestTextsThatNameOldIDsAreListed(t *testing.T) {
	w := newWard(t, 61)
	gone := w.added("Account", testkit.Row{"Name": "Gone"})[0]
	child := w.added("Contact", testkit.Row{"LastName": "Child", "AccountId": gone, "Description": "of " + gone[:15]})[0]
	stays := w.added("Account", testkit.Row{"Name": "Stays", "Website": "https://x.example/" + gone + "/view", "Description": "nothing"})[0]
	w.server.Clock().Advance(time.Hour)
	from := w.backup().Snapshot.ID
	w.must(w.loader.Delete(t.Context(), []string{gone}))
	w.must(w.loader.EmptyRecycleBin(t.Context(), []string{gone}))
	w.server.Clock().Advance(time.Hour)
	in := w.input(w.restore(run.RestoreInput{Snapshot: from}), filepath.Join(t.TempDir(), "journal"))
	for range 2 {
		out, err := run.Apply(t.Context(), in)
		w.must(err)
		news := map[sf.ID]sf.ID{}
		for _, p := range out.NewIDs {
			news[p.Old] = p.New
		}
		want := []run.MentionRow{
			{Object: "Account", Field: "Website", Count: 1, Records: []run.Mentioned{{ID: sf.ID(stays), Old: sf.ID(gone), New: news[sf.ID(gone)]}}},
			{Object: "Contact", Field: "Description", Count: 1, Records: []run.Mentioned{{ID: news[sf.ID(child)], Old: sf.ID(gone), New: news[sf.ID(gone)]}}},
		}
		if news[sf.ID(gone)] == "" || fmt.Sprint(out.Mentions) != fmt.Sprint(want) {
			t.Errorf("%v, not %v", out.Mentions, want)
		}
	}
	if got := w.field("Account", "Website")[stays]; got != "https://x.example/"+gone+"/view" {
		t.Errorf("the text is %q now", got)
	}
}
