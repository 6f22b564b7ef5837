package org_test

import (
	"testing"
	"time"

	"holdfast/internal/emulator/org"
)

// TestStageHistory: Object Reference, OpportunityHistory.
func TestStageHistory(t *testing.T) {
	w := newWorld(t)
	_, _, entry, _ := shop(w)
	opp := w.add("Opportunity", "Name=O", "StageName=Prospecting", "CloseDate=2026-04-01", "Amount=7")
	w.clock.Advance(time.Minute)
	w.set(opp, "NextStep=call")
	w.set(opp, "StageName=Closed Won")
	w.add("OpportunityLineItem", "OpportunityId="+string(opp), "PricebookEntryId="+string(entry), "Quantity=3")
	w.set(opp, "CloseDate=2026-05-01", "Probability=90")
	const fields = "SELECT StageName, Amount, ExpectedRevenue, CloseDate, Probability, ForecastCategory FROM OpportunityHistory"
	w.wants(fields+" WHERE OpportunityId = '"+string(opp)+"'",
		"Prospecting|7|0.7|2026-04-01|10|Pipeline", "Closed Won|7|7|2026-04-01|100|Closed",
		"Closed Won|30|30|2026-04-01|100|Closed", "Closed Won|30|27|2026-05-01|90|Closed")
	w.wants("SELECT COUNT(Id) FROM OpportunityHistory WHERE SystemModstamp > 2026-03-02T09:31:00Z", "4")
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Insert, org.Row{Object: "OpportunityHistory"})
	w.do(org.Delete, opp)
	w.wants("SELECT Id FROM OpportunityHistory")
}

// TestFieldUpdatesLeaveAHistory: what a workflow changes after the save is a change of the record like any other.
func TestFieldUpdatesLeaveAHistory(t *testing.T) {
	w := newWorld(t)
	size := number("Size__c", 0)
	size.TrackHistory = true
	w.tracked("", size)
	deployed(w, func(tx *org.Tx) (bool, *org.Error) {
		return true, tx.PutWorkflow(org.WorkflowSpec{
			Object: "Thing__c", Updates: []org.FieldUpdate{{Name: "U", Field: "Size__c", Operation: "Formula", Formula: "Size__c * 2"}},
			Rules: []org.WorkflowRule{{Name: "R", Active: true, Trigger: "onAllChanges", Criteria: org.Criteria{Formula: "Size__c < 10"}, Actions: []org.WorkflowAction{{Name: "U", Type: "FieldUpdate"}}}},
		})
	})
	id := w.add("Thing__c", "Name=x", "Size__c=20")
	w.set(id, "Size__c=3")
	w.wants("SELECT OldValue, NewValue FROM Thing__History WHERE Field = 'Size__c'", "20|3", "3|6")
}
