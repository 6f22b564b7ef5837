package org_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

func TestDeleteMovesIntoTheBin(t *testing.T) {
	w := newWorld(t)
	id := w.add("Account", "Name=A")
	w.clock.Advance(time.Minute)
	w.do(org.Delete, id)
	w.wants("SELECT Id FROM Account")
	want := []string{string(id) + "|true|2026-03-02T09:31:15.000Z"}
	if have := w.lines("SELECT Id, IsDeleted, SystemModstamp FROM Account", true); !slices.Equal(have, want) {
		t.Errorf("queryAll: %q, want %q", have, want)
	}
	log, err := w.Deleted(w.Admin(), "Account", start, start.Add(time.Hour))
	if err != nil || len(log.Records) != 1 || log.Records[0].ID != id || !log.Records[0].At.Equal(start.Add(time.Minute)) {
		t.Errorf("%+v, %v", log, err)
	}
	w.clock.Advance(time.Minute)
	w.do(org.Undelete, id)
	w.wants("SELECT Id, IsDeleted, SystemModstamp FROM Account", string(id)+"|false|2026-03-02T09:32:15.000Z")
	if log, _ = w.Deleted(w.Admin(), "Account", start, start.Add(time.Hour)); len(log.Records) != 0 {
		t.Errorf("the log still holds %+v", log.Records)
	}
	w.refused("UNDELETE_FAILED", org.Undelete, org.Row{ID: string(id)})
}

func TestBinEndsAfterFifteenDays(t *testing.T) {
	w := newWorld(t)
	old, late := w.add("Account", "Name=A"), w.add("Account", "Name=B")
	w.do(org.Delete, old)
	w.clock.Advance(24 * time.Hour)
	w.do(org.Delete, late)
	w.clock.Advance(14 * 24 * time.Hour)
	if have := w.lines("SELECT Name FROM Account", true); !slices.Equal(have, []string{"B"}) {
		t.Errorf("after 15 days the bin shows %q", have)
	}
	w.refused("UNDELETE_FAILED", org.Undelete, org.Row{ID: string(old)})
	w.refused("ENTITY_IS_DELETED", org.Update, org.Row{ID: string(old)})
	w.do(org.Undelete, late)
}

func TestHardDeleteAndEmptyBin(t *testing.T) {
	w := newWorld(t)
	a, b := w.add("Account", "Name=A"), w.add("Account", "Name=B")
	w.do(org.HardDelete, a)
	w.do(org.Delete, b)
	w.do(org.EmptyBin, b)
	if have := w.lines("SELECT Name FROM Account", true); len(have) != 0 {
		t.Errorf("queryAll shows %q", have)
	}
	log, _ := w.Deleted(w.Admin(), "Account", start, start.Add(time.Hour))
	if len(log.Records) != 2 {
		t.Errorf("log %+v", log)
	}
	w.refused("UNDELETE_FAILED", org.Undelete, org.Row{ID: string(b)})
	w.refused("INVALID_CROSS_REFERENCE_KEY", org.EmptyBin, org.Row{ID: string(b)})
}

// TestObjectsWithoutBin: what cannot be undeleted is gone at once and never shows in queryAll.
func TestObjectsWithoutBin(t *testing.T) {
	w := newWorld(t)
	camp, con := w.add("Campaign", "Name=C"), w.add("Contact", "LastName=L")
	m := w.add("CampaignMember", "CampaignId="+string(camp), "ContactId="+string(con))
	w.do(org.Delete, m)
	if have := w.lines("SELECT Id FROM CampaignMember", true); len(have) != 0 {
		t.Errorf("queryAll shows %q", have)
	}
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Undelete, org.Row{ID: string(m)})
	m = w.add("CampaignMember", "CampaignId="+string(camp), "ContactId="+string(con))
	w.do(org.Delete, camp)
	w.wants("SELECT Id FROM CampaignMember")
	w.do(org.Undelete, camp)
	w.wants("SELECT Id FROM CampaignMember", string(m))
}

func family(w *world) (master, child, grand sf.ID) {
	w.object("Master__c")
	w.object("Child__c", detail("Master__c", "Master__c", "Children"))
	w.object("Grand__c", detail("Child__c", "Child__c", "Grands"), lookup("Friend__c", "Child__c", "Friends", "SetNull"))
	master = w.add("Master__c", "Name=M")
	child = w.add("Child__c", "Name=C", "Master__c="+string(master))
	grand = w.add("Grand__c", "Name=G", "Child__c="+string(child))
	return master, child, grand
}

func TestCascadeAndUndelete(t *testing.T) {
	w := newWorld(t)
	master, child, grand := family(w)
	w.do(org.Delete, master)
	w.wants("SELECT Id FROM Child__c")
	w.wants("SELECT Id FROM Grand__c")
	for _, id := range []sf.ID{child, grand} { // what went with its parent comes back with it only
		if m := w.refused("UNDELETE_FAILED", org.Undelete, org.Row{ID: string(id)}); m != "Entity is not in the recycle bin" {
			t.Error(m)
		}
	}
	w.do(org.Undelete, master)
	w.wants("SELECT Name, Child__r.Master__r.Name FROM Grand__c", "G|M")
}

// Source: Salesforce Help 000330862: a child whose parent is deleted later is hard-deleted.
func TestDetailDeletedBeforeItsMasterIsGone(t *testing.T) {
	w := newWorld(t)
	master, child, _ := family(w)
	w.do(org.Delete, child)
	w.do(org.Delete, master)
	w.refused("UNDELETE_FAILED", org.Undelete, org.Row{ID: string(child)})
	w.do(org.Undelete, master)
	w.wants("SELECT Id FROM Child__c")
	w.refused("UNDELETE_FAILED", org.Undelete, org.Row{ID: string(child)})
}

// Source: Salesforce Help, "Considerations for Object Relationships".
func TestJunctionWithoutBothMastersIsGone(t *testing.T) {
	w := newWorld(t)
	w.object("Left__c")
	w.object("Right__c")
	w.object("Link__c", detail("Left__c", "Left__c", "Links"), detail("Right__c", "Right__c", "Links"))
	left, right := w.add("Left__c", "Name=L"), w.add("Right__c", "Name=R")
	other := w.add("Right__c", "Name=O")
	w.object("Note__c", lookup("About__c", "Link__c", "Notes", "SetNull"))
	both := w.add("Link__c", "Name=both", "Left__c="+string(left), "Right__c="+string(right))
	w.add("Note__c", "Name=n", "About__c="+string(both))
	w.add("Link__c", "Name=one", "Left__c="+string(left), "Right__c="+string(other))
	w.do(org.Delete, left)
	w.do(org.Delete, right)
	w.do(org.Undelete, left)
	w.do(org.Undelete, right)
	w.wants("SELECT Name FROM Link__c", "one")
	w.wants("SELECT Name, About__c FROM Note__c", "n|") // to nothing leads no link
}

func TestLookupsAreClearedAndRestored(t *testing.T) {
	w := newWorld(t)
	w.object("Node__c", lookup("Up__c", "Node__c", "Nodes", "SetNull"))
	up, other := w.add("Node__c", "Name=up"), w.add("Node__c", "Name=other")
	w.add("Node__c", "Name=a", "Up__c="+string(up))
	b := w.add("Node__c", "Name=b", "Up__c="+string(up))
	w.clock.Advance(time.Minute)
	w.do(org.Delete, up)
	w.wants("SELECT Name, Up__c, SystemModstamp, LastModifiedDate FROM Node__c WHERE Name = 'a'",
		"a||2026-03-02T09:30:15.000Z|2026-03-02T09:30:15.000Z") // no stamp tells of it
	w.set(b, "Up__c="+string(other)) // replaced: undelete leaves it alone
	w.do(org.Undelete, up)
	w.wants("SELECT Name, Up__r.Name FROM Node__c WHERE Up__c != null ORDER BY Name", "a|up", "b|other")
	w.wants("SELECT SystemModstamp FROM Node__c WHERE Name = 'a'", "2026-03-02T09:30:15.000Z")
}

func TestRestrictedDelete(t *testing.T) {
	w := newWorld(t)
	con := w.add("Contact", "FirstName=Josh", "LastName=Davis")
	kase := w.add("Case", "ContactId="+string(con), "Subject=s")
	number := w.value(kase, "CaseNumber")
	m := w.refused("DELETE_FAILED", org.Delete, org.Row{ID: string(con)})
	if want := "Your attempt to delete Josh Davis could not be completed because it is associated with the following cases.: " + number + "\n"; m != want {
		t.Errorf("%q, want %q", m, want)
	}
	w.object("Guard__c", lookup("Account__c", "Account", "Guards", "Restrict"))
	acc := w.add("Account", "Name=A")
	w.add("Guard__c", "Name=g", "Account__c="+string(acc))
	if m = w.refused("DELETE_FAILED", org.Delete, org.Row{ID: string(acc)}); !strings.HasSuffix(m, "the following guard__cs.: g\n") {
		t.Error(m)
	}
	// A restriction of a record that would go in the cascade holds the whole deletion up.
	top := w.add("Account", "Name=T")
	w.set(con, "AccountId="+string(top))
	w.refused("DELETE_FAILED", org.Delete, org.Row{ID: string(top)})
	w.wants("SELECT Name FROM Contact", "Josh Davis")
	w.do(org.Delete, kase)
	w.do(org.Delete, top)
	w.wants("SELECT Name FROM Contact")
}

func TestAccountTakesItsPeopleAlong(t *testing.T) {
	w := newWorld(t)
	acc := w.add("Account", "Name=A")
	con := w.add("Contact", "LastName=L", "AccountId="+string(acc))
	opp := w.add("Opportunity", "Name=O", "AccountId="+string(acc), "StageName=Prospecting", "CloseDate=2026-04-01")
	w.add("OpportunityContactRole", "OpportunityId="+string(opp), "ContactId="+string(con))
	w.add("Task", "WhoId="+string(con), "WhatId="+string(opp), "Subject=Call")
	sub := w.add("Account", "Name=Sub", "ParentId="+string(acc))
	w.do(org.Delete, acc)
	for _, object := range []string{"Contact", "Opportunity", "OpportunityContactRole", "Task"} {
		w.wants("SELECT Id FROM " + object)
	}
	w.wants("SELECT Name, ParentId FROM Account", "Sub|")
	w.do(org.Undelete, acc)
	w.wants("SELECT ContactId, OpportunityId FROM OpportunityContactRole", string(con)+"|"+string(opp))
	w.wants("SELECT WhoId, WhatId, AccountId FROM Task", string(con)+"|"+string(opp)+"|"+string(acc))
	if w.value(sub, "ParentId") != string(acc) {
		t.Error("the parent of the subsidiary did not come back")
	}
}

func TestUpdatedAndDeletedLogs(t *testing.T) {
	w := newWorld(t)
	a := w.add("Account", "Name=A")
	w.clock.Advance(time.Hour)
	b := w.add("Account", "Name=B")
	ids, covered, err := w.Updated(w.Admin(), "Account", start, start.Add(time.Minute))
	if err != nil || !slices.Equal(ids, []sf.ID{a}) || !covered.Equal(start.Add(time.Minute)) {
		t.Errorf("%v %v %v", ids, covered, err)
	}
	ids, covered, _ = w.Updated(w.Admin(), "Account", start.Add(time.Minute), start.Add(9*time.Hour))
	if !slices.Equal(ids, []sf.ID{b}) || !covered.Equal(start.Add(time.Hour)) {
		t.Errorf("%v %v", ids, covered)
	}
	w.do(org.Delete, a)
	w.clock.Advance(20 * 24 * time.Hour)
	_, err = w.Deleted(w.Admin(), "Account", start, start.Add(time.Hour))
	if e, ok := errors.AsType[*org.Error](err); !ok || e.Code != "INVALID_REPLICATION_DATE" {
		t.Errorf("20 days back: %v", err)
	}
	now := w.clock.Now()
	log, err := w.Deleted(w.Admin(), "Account", now.Add(-10*24*time.Hour), now.Add(time.Hour))
	if err != nil || !log.Covered.Equal(now.Truncate(time.Second)) || !log.Earliest.Equal(now.Add(-15*24*time.Hour)) {
		t.Errorf("%+v %v", log, err)
	}
	w.PurgeDeletions(now.Add(-time.Hour))
	if log, _ = w.Deleted(w.Admin(), "Account", now.Add(-10*24*time.Hour), now); !log.Earliest.Equal(now.Add(-time.Hour)) {
		t.Errorf("after a purge the log claims to reach back to %v", log.Earliest)
	}
	if _, err = w.Deleted(w.Admin(), "Account", now, now); err == nil {
		t.Error("an empty range was accepted")
	}
}

func TestCallsAreARollingDay(t *testing.T) {
	w := newWorld(t)
	w.SetLimit("DailyApiRequests", 3, 3)
	for range 3 {
		if !w.Spend("DailyApiRequests", 1) {
			t.Fatal("refused too early")
		}
	}
	if w.Spend("DailyApiRequests", 1) {
		t.Error("the fourth of three calls was allowed")
	}
	w.clock.Advance(25 * time.Hour)
	if used, allowed := w.Calls(); used != 0 || allowed != 3 {
		t.Errorf("after a day %d of %d calls are used", used, allowed)
	}
}
