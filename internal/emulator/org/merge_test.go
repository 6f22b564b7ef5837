package org_test

import (
	"slices"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// merge merges records into the first one, which must succeed, and returns the result.
func (w *world) merge(object string, master sf.ID, losers []sf.ID, pairs ...string) org.MergeResult {
	w.t.Helper()
	r := w.tryMerge(object, master, losers, pairs...)
	if !r.Success || r.ID != master || !slices.Equal(r.Merged, losers) {
		w.t.Fatalf("merge into %s: %+v", master, r)
	}
	return r
}

func (w *world) tryMerge(object string, master sf.ID, losers []sf.ID, pairs ...string) org.MergeResult {
	request := org.MergeRequest{Master: org.Row{Object: object, ID: string(master), Fields: fields(pairs...)}}
	for _, id := range losers {
		request.IDs = append(request.IDs, string(id))
	}
	return w.Merge(w.Admin(), []org.MergeRequest{request}, org.Options{})[0]
}

// mergeRefused expects a refused merge that changes nothing.
func (w *world) mergeRefused(code string, object string, master sf.ID, losers ...sf.ID) {
	w.t.Helper()
	if r := w.tryMerge(object, master, losers); r.Success || len(r.Errors) != 1 || r.Errors[0].Code != code {
		w.t.Errorf("merge of %v into %s: %+v, want %s", losers, master, r, code)
	}
}

func TestMergeKeepsTheMasterAndItsNewFamily(t *testing.T) {
	w := newWorld(t)
	master := w.add("Account", "Name=Acme", "Site=HQ")
	one, two := w.add("Account", "Name=ACME Inc", "Site=Lab"), w.add("Account", "Name=acme")
	con := w.add("Contact", "LastName=L", "AccountId="+string(one))
	kase := w.add("Case", "AccountId="+string(two))
	sub := w.add("Account", "Name=Sub", "ParentId="+string(one))
	w.clock.Advance(time.Minute)
	r := w.merge("Account", master, []sf.ID{one, two}, "Site=Lab")
	for _, id := range []sf.ID{con, kase, sub} {
		if !slices.Contains(r.Related, id) {
			t.Errorf("updatedRelatedIds %v lack %s", r.Related, id)
		}
	}
	w.wants("SELECT Name, Site FROM Account WHERE ParentId = null", "Acme|Lab")
	w.wants("SELECT AccountId, LastModifiedDate, SystemModstamp FROM Contact",
		string(master)+"|2026-03-02T09:30:15.000Z|2026-03-02T09:31:15.000Z")
	w.wants("SELECT AccountId FROM Case", string(master))
	have := w.lines("SELECT Id FROM Account WHERE IsDeleted = true AND MasterRecordId = '"+string(master)+"' ORDER BY Id", true)
	if !slices.Equal(have, []string{string(one), string(two)}) {
		t.Errorf("queryAll shows %q as merged", have)
	}
	log, _ := w.Deleted(w.Admin(), "Account", start, start.Add(time.Hour))
	if len(log.Records) != 2 {
		t.Errorf("the log of deletions holds %+v", log.Records)
	}
	w.do(org.Undelete, one) // the record comes back, its children do not
	w.wants("SELECT Name, MasterRecordId FROM Account WHERE Id = '"+string(one)+"'", "ACME Inc|")
	w.wants("SELECT AccountId FROM Contact", string(master))
}

func TestMergeIsRefused(t *testing.T) {
	w := newWorld(t)
	a, b, c, d := w.add("Account", "Name=A"), w.add("Account", "Name=B"), w.add("Account", "Name=C"), w.add("Account", "Name=D")
	con := w.add("Contact", "LastName=L")
	gone := w.add("Account", "Name=G")
	w.do(org.Delete, gone)
	w.mergeRefused("MERGE_FAILED", "Account", a, b, c, d)
	w.mergeRefused("MISSING_ARGUMENT", "Account", a)
	w.mergeRefused("INVALID_MERGE_RECORD", "Account", a, a)
	w.mergeRefused("INVALID_MERGE_RECORD", "Account", a, b, b)
	w.mergeRefused("MALFORMED_ID", "Account", a, con)
	w.mergeRefused("ENTITY_IS_DELETED", "Account", a, gone)
	opp := w.add("Opportunity", "Name=O", "StageName=Prospecting", "CloseDate=2026-04-01")
	w.mergeRefused("INVALID_TYPE_FOR_OPERATION", "Opportunity", opp, opp)
	if r := w.tryMerge("Account", a, []sf.ID{b}, "Nope=1"); r.Success || r.Errors[0].Code != "INVALID_FIELD" {
		t.Errorf("an unknown field: %+v", r)
	}
	w.wants("SELECT Name FROM Account", "A", "B", "C", "D")
}

// TestMergeRefusesCircles: what was below the loser comes below the master, which must not be below it.
func TestMergeRefusesCircles(t *testing.T) {
	w := newWorld(t)
	top := w.add("Account", "Name=Top")
	mid := w.add("Account", "Name=Mid", "ParentId="+string(top))
	low := w.add("Account", "Name=Low", "ParentId="+string(mid))
	w.mergeRefused("CIRCULAR_DEPENDENCY", "Account", mid, top)
	w.mergeRefused("CIRCULAR_DEPENDENCY", "Account", low, top)
	w.wants("SELECT Name, Parent.Name FROM Account", "Top|", "Mid|Top", "Low|Mid")
	boss := w.add("Contact", "LastName=Boss")
	man := w.add("Contact", "LastName=Man", "ReportsToId="+string(boss))
	w.mergeRefused("CIRCULAR_DEPENDENCY", "Contact", boss, man)
	other := w.add("Contact", "LastName=Other")
	w.merge("Contact", other, []sf.ID{man})
	w.wants("SELECT LastName, ReportsTo.LastName FROM Contact WHERE ReportsToId != null", "Other|Boss")
}

// TestMergeLeavesDoublesBehind: the master is already a member of the campaign of the loser.
func TestMergeLeavesDoublesBehind(t *testing.T) {
	w := newWorld(t)
	a, b := w.add("Contact", "LastName=A"), w.add("Contact", "LastName=B")
	both, only := w.add("Campaign", "Name=both"), w.add("Campaign", "Name=only")
	for _, m := range [][2]sf.ID{{both, a}, {both, b}, {only, b}} {
		w.add("CampaignMember", "CampaignId="+string(m[0]), "ContactId="+string(m[1]))
	}
	w.merge("Contact", a, []sf.ID{b})
	w.wants("SELECT Campaign.Name, Contact.LastName FROM CampaignMember ORDER BY Campaign.Name", "both|A", "only|A")
}
