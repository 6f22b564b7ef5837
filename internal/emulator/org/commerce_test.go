package org_test

import (
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// shop has a product in the standard and another price book.
func shop(w *world) (standard, book, entry, other sf.ID) {
	w.t.Helper()
	standard = sf.ID(w.rows("SELECT Id FROM Pricebook2 WHERE IsStandard = true")[0])
	product := w.add("Product2", "Name=Widget", "IsActive=true")
	entry = w.add("PricebookEntry", "Product2Id="+string(product), "Pricebook2Id="+string(standard), "UnitPrice=10", "IsActive=true")
	book = w.add("Pricebook2", "Name=Special", "IsActive=true")
	other = w.add("PricebookEntry", "Product2Id="+string(product), "Pricebook2Id="+string(book), "UnitPrice=8", "IsActive=true")
	return standard, book, entry, other
}

func TestAmountFollowsTheLines(t *testing.T) {
	w := newWorld(t)
	standard, book, entry, other := shop(w)
	opp := w.add("Opportunity", "Name=O", "StageName=Prospecting", "CloseDate=2026-04-01", "Amount=7")
	line := w.add("OpportunityLineItem", "OpportunityId="+string(opp), "PricebookEntryId="+string(entry), "Quantity=3")
	w.wants("SELECT Amount, TotalOpportunityQuantity, Pricebook2Id FROM Opportunity", "30|3|"+string(standard))
	w.set(opp, "Amount=999")
	w.wants("SELECT Amount FROM Opportunity", "30")
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, org.Row{Object: "OpportunityLineItem", Fields: fields(
		"OpportunityId="+string(opp), "PricebookEntryId="+string(other), "Quantity=1")})
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Update, org.Row{ID: string(opp), Fields: fields("Pricebook2Id=" + string(book))})
	second := w.add("OpportunityLineItem", "OpportunityId="+string(opp), "PricebookEntryId="+string(entry), "Quantity=1", "UnitPrice=5")
	w.set(line, "Quantity=2")
	w.wants("SELECT Amount FROM Opportunity", "25")
	w.do(org.Delete, second)
	w.wants("SELECT Amount, TotalOpportunityQuantity FROM Opportunity", "20|2")
}

func TestActivatedOrderIsBinding(t *testing.T) {
	w := newWorld(t)
	standard, _, entry, _ := shop(w)
	acc, other := w.add("Account", "Name=A"), w.add("Account", "Name=B")
	base := []string{"AccountId=" + string(acc), "EffectiveDate=2026-03-01", "Pricebook2Id=" + string(standard)}
	w.refused("FAILED_ACTIVATION", org.Insert, org.Row{Object: "Order", Fields: fields(append(base, "Status=Activated")...)})
	order := w.add("Order", append(base, "Status=Draft")...)
	w.refused("FAILED_ACTIVATION", org.Update, org.Row{ID: string(order), Fields: fields("Status=Activated")})
	item := w.add("OrderItem", "OrderId="+string(order), "PricebookEntryId="+string(entry), "Quantity=1", "UnitPrice=10")
	w.set(order, "Status=Activated")
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Update, org.Row{ID: string(order), Fields: fields("AccountId=" + string(other))})
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Update, org.Row{ID: string(item), Fields: fields("Quantity=2")})
	w.refused("DELETE_FAILED", org.Delete, org.Row{ID: string(order)})
	w.refused("DELETE_FAILED", org.Delete, org.Row{ID: string(item)})
	w.set(order, "Description=still open to words")
	w.set(order, "Status=Draft")
	w.do(org.Delete, order)
}

func TestHierarchies(t *testing.T) {
	w := newWorld(t)
	acc := w.add("Account", "Name=A")
	top := w.add("Asset", "Name=top", "AccountId="+string(acc))
	mid := w.add("Asset", "Name=mid", "AccountId="+string(acc), "ParentId="+string(top))
	low := w.add("Asset", "Name=low", "AccountId="+string(acc), "ParentId="+string(mid))
	w.wants("SELECT Name, RootAssetId, AssetLevel FROM Asset", "top|"+string(top)+"|1", "mid|"+string(top)+"|2", "low|"+string(top)+"|3")
	w.refused("CIRCULAR_DEPENDENCY", org.Update, org.Row{ID: string(top), Fields: fields("ParentId=" + string(low))})
	parent := ""
	for range 5 {
		parent = string(w.add("Campaign", "Name=C", "ParentId="+parent))
	}
	w.refused("MAXIMUM_HIERARCHY_LEVELS_REACHED", org.Insert, org.Row{Object: "Campaign", Fields: fields("Name=C", "ParentId="+parent)})
}

func TestConvertedLeadsCountInTheirCampaign(t *testing.T) {
	w := newWorld(t)
	camp := w.add("Campaign", "Name=C")
	lead := w.add("Lead", "LastName=L", "Company=X")
	w.add("CampaignMember", "CampaignId="+string(camp), "LeadId="+string(lead))
	w.wants("SELECT NumberOfConvertedLeads, NumberOfLeads, NumberOfContacts FROM Campaign", "0|1|0")
	w.convert(org.LeadConversion{Lead: string(lead), NoOpportunity: true})
	w.wants("SELECT NumberOfConvertedLeads, NumberOfContacts FROM Campaign", "1|1")
}

func TestQueuesTakeWhatTheyAreFor(t *testing.T) {
	w := newWorld(t)
	queue, group := w.add("Group", "Name=Q", "Type=Queue"), w.add("Group", "Name=G", "Type=Regular")
	lead := w.add("Lead", "LastName=L", "Company=X")
	give := org.Row{ID: string(lead), Fields: fields("OwnerId=" + string(queue))}
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Update, give)
	w.add("QueueSobject", "QueueId="+string(queue), "SobjectType=Lead")
	w.set(lead, "OwnerId="+string(queue))
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Update, org.Row{ID: string(lead), Fields: fields("OwnerId=" + string(group))})
	w.refused("INVALID_CROSS_REFERENCE_KEY", org.Insert, org.Row{Object: "QueueSobject", Fields: fields("QueueId="+string(group), "SobjectType=Lead")})
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, org.Row{Object: "QueueSobject", Fields: fields("QueueId="+string(queue), "SobjectType=Account")})
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, org.Row{Object: "Group", Fields: fields("Name=R", "Type=Role")})
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Delete, org.Row{ID: string(w.Admin().User)})
}
