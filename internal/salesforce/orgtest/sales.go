package orgtest

import (
	"fmt"
	"testing"
)

// entry makes a product with a standard price, and returns the Id of the price book entry.
func (o *Org) entry(price float64) (entry, product string) {
	o.t.Helper()
	product = o.Create("Product2", Values{"Name": o.Name(), "IsActive": true})
	return o.Create("PricebookEntry", Values{"Product2Id": product, "Pricebook2Id": o.standardBook(), "UnitPrice": price, "IsActive": true}), product
}

func (o *Org) standardBook() string {
	o.t.Helper()
	return o.Query("SELECT Id FROM Pricebook2 WHERE IsStandard = true").Records[0]["Id"].(string)
}

// opportunity makes one with the standard price book.
func (o *Org) opportunity(v Values) string {
	o.t.Helper()
	return o.Create("Opportunity", o.filled("Opportunity", v))
}

var salesRules = []law{
	{
		"sales/stage", "The stage of an opportunity says its probability and whether it is closed and won",
		document("Object Reference, Opportunity: StageName, IsClosed, IsWon"),
		func(_ *testing.T, o *Org) {
			id := o.opportunity(Values{"StageName": "Closed Won"})
			for field, want := range map[string]string{"Probability": "100", "IsClosed": "true", "IsWon": "true", "ForecastCategory": "Closed"} {
				o.Has("Opportunity", id, field, want)
			}
		},
	},
	{
		"sales/stage-required", "An opportunity needs its stage and its close date",
		document("Object Reference, Opportunity: required fields"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Opportunity", Values{"Name": "x"}).Refused(400, "REQUIRED_FIELD_MISSING", "StageName")
		},
	},
	{
		"sales/amount-follows-the-products", "The amount of an opportunity with products is their total, and cannot be written",
		document("Object Reference, Opportunity: Amount"),
		func(_ *testing.T, o *Org) {
			entry, _ := o.entry(10)
			id := o.opportunity(Values{"Pricebook2Id": o.standardBook()})
			o.Create("OpportunityLineItem", Values{"OpportunityId": id, "PricebookEntryId": entry, "Quantity": 3, "UnitPrice": 10})
			o.Has("Opportunity", id, "Amount", "30")
			o.Has("Opportunity", id, "HasOpportunityLineItem", "true")
		},
	},
	{
		"sales/standard-price-first", "A product needs a standard price before another",
		document("SOAP API Developer Guide, StatusCode: STANDARD_PRICE_NOT_DEFINED"),
		func(_ *testing.T, o *Org) {
			product := o.Create("Product2", Values{"Name": o.Name(), "IsActive": true})
			book := o.Create("Pricebook2", Values{"Name": o.Name(), "IsActive": true})
			o.Post("sobjects/PricebookEntry", Values{"Product2Id": product, "Pricebook2Id": book, "UnitPrice": 1, "IsActive": true}).
				Refused(400, "STANDARD_PRICE_NOT_DEFINED", "Before creating a custom price, create a standard price.")
		},
	},
	{
		"sales/price-once", "A product has one price in a price book",
		document("Object Reference, PricebookEntry; public replies: This price definition already exists in this price book"),
		func(_ *testing.T, o *Org) {
			_, product := o.entry(1)
			o.Post("sobjects/PricebookEntry", Values{"Product2Id": product, "Pricebook2Id": o.standardBook(), "UnitPrice": 2, "IsActive": true}).
				Refused(400, "DUPLICATE_VALUE", "This price definition already exists in this price book")
		},
	},
	{
		"sales/price-of-another-book", "A product of another price book than the opportunity's is refused",
		document("Object Reference, OpportunityLineItem: PricebookEntryId; public replies: pricebook entry is in a different pricebook"),
		func(_ *testing.T, o *Org) {
			entry, _ := o.entry(1)
			book := o.Create("Pricebook2", Values{"Name": o.Name(), "IsActive": true})
			id := o.opportunity(Values{"Pricebook2Id": book})
			o.Post("sobjects/OpportunityLineItem", Values{"OpportunityId": id, "PricebookEntryId": entry, "Quantity": 1, "UnitPrice": 1}).
				Refused(400, "FIELD_INTEGRITY_EXCEPTION", "PricebookEntryId")
		},
	},
	{
		"sales/total-or-unit-price", "A product carries its unit price or its total, not both",
		document("Object Reference, OpportunityLineItem: TotalPrice, UnitPrice"),
		func(_ *testing.T, o *Org) {
			entry, _ := o.entry(1)
			id := o.opportunity(Values{"Pricebook2Id": o.standardBook()})
			o.Post("sobjects/OpportunityLineItem", Values{"OpportunityId": id, "PricebookEntryId": entry, "Quantity": 1, "UnitPrice": 1, "TotalPrice": 1}).
				Refused(400, "FIELD_INTEGRITY_EXCEPTION", "UnitPrice")
		},
	},
	{
		"sales/product-in-use", "A product on an opportunity cannot be deleted",
		document("Object Reference, Product2: Usage, deleting products"),
		func(t *testing.T, o *Org) {
			entry, product := o.entry(1)
			id := o.opportunity(Values{"Pricebook2Id": o.standardBook()})
			o.Create("OpportunityLineItem", Values{"OpportunityId": id, "PricebookEntryId": entry, "Quantity": 1, "UnitPrice": 1})
			if r := o.Delete("sobjects/Product2/" + product); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"campaigns/member-once", "A contact is a member of a campaign once",
		document("public replies: Already a campaign member."),
		func(_ *testing.T, o *Org) {
			v := Values{"CampaignId": o.Create("Campaign", Values{"Name": o.Name()}), "ContactId": o.Contact("")}
			o.Create("CampaignMember", v)
			o.Post("sobjects/CampaignMember", v).Refused(400, "DUPLICATE_VALUE", "Already a campaign member.")
		},
	},
	{
		"campaigns/member-of-whom", "A campaign member is a lead or a contact",
		document("Object Reference, CampaignMember: LeadId, ContactId"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/CampaignMember", Values{"CampaignId": o.Create("Campaign", Values{"Name": o.Name()})}).Refused(400, "REQUIRED_FIELD_MISSING", "")
		},
	},
	{
		"campaigns/counts", "A campaign counts its members",
		document("Object Reference, Campaign: NumberOfContacts"),
		func(_ *testing.T, o *Org) {
			id := o.Create("Campaign", Values{"Name": o.Name()})
			o.Create("CampaignMember", Values{"CampaignId": id, "ContactId": o.Contact("")})
			o.Has("Campaign", id, "NumberOfContacts", "1")
		},
	},
	{
		"campaigns/five-levels", "A hierarchy of campaigns has five levels",
		document("SOAP API Developer Guide, StatusCode: MAXIMUM_HIERARCHY_LEVELS_REACHED; Salesforce Help, Campaign Hierarchies"),
		func(_ *testing.T, o *Org) {
			v := Values{"Name": o.Name()}
			for range 5 {
				v = Values{"Name": o.Name(), "ParentId": o.Create("Campaign", v)}
			}
			o.Post("sobjects/Campaign", v).Refused(400, "MAXIMUM_HIERARCHY_LEVELS_REACHED", "")
		},
	},
	{
		"orders/activation-needs-products", "An order without products cannot be activated",
		document("Object Reference, Order: Status; StatusCode FAILED_ACTIVATION"),
		func(_ *testing.T, o *Org) {
			id := o.Create("Order", Values{"AccountId": o.Account(), "EffectiveDate": "2030-01-01", "Status": "Draft", "Pricebook2Id": o.standardBook()})
			o.Patch("sobjects/Order/"+id, Values{"Status": "Activated"}).Refused(400, "FAILED_ACTIVATION", "An order must have at least one product.")
		},
	},
	{
		"orders/begin-as-drafts", "An order is not inserted as an activated one",
		document("Object Reference, Order: Status; public replies: Choose a valid order status"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Order", Values{"AccountId": o.Account(), "EffectiveDate": "2030-01-01", "Status": "Activated"}).Refused(400, "FAILED_ACTIVATION", "Choose a valid order status")
		},
	},
	{
		"contracts/begin-as-drafts", "A contract is not inserted as an activated one",
		document("Object Reference, Contract: Status"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Contract", Values{"AccountId": o.Account(), "Status": "Activated"}).Refused(400, "FAILED_ACTIVATION", "")
		},
	},
	{
		"cases/number", "A case gets a number",
		document("Object Reference, Case: CaseNumber"),
		func(t *testing.T, o *Org) {
			if got := o.Field("Case", o.Create("Case", Values{"Subject": "x"}), "CaseNumber"); len(got) != 8 {
				t.Errorf("%q", got)
			}
		},
	},
	{
		"cases/closed", "The status of a case says whether it is closed",
		document("Object Reference, Case: IsClosed; CaseStatus"),
		keeps("Case", Values{"Subject": "x", "Status": "Closed"}, "IsClosed", "true"),
	},
	{
		"queues/object", "A queue owns only records of the objects that it takes",
		document("Object Reference, QueueSobject; public replies: Queue not associated with this SObject type"),
		func(_ *testing.T, o *Org) {
			queue := o.Create("Group", Values{"Name": fmt.Sprintf("orgtest %d", len(o.Name())), "Type": "Queue"})
			o.Post("sobjects/Case", Values{"Subject": "x", "OwnerId": queue}).Refused(400, "FIELD_INTEGRITY_EXCEPTION", "Queue not associated with this SObject type")
			o.Create("QueueSobject", Values{"QueueId": queue, "SobjectType": "Case"})
			id := o.Create("Case", Values{"Subject": "x", "OwnerId": queue})
			o.Has("Case", id, "OwnerId", queue)
		},
	},
	{
		"queues/not-for-accounts", "An account is never owned by a queue",
		described("Account.json: OwnerId refers to User"),
		func(_ *testing.T, o *Org) {
			queue := o.Create("Group", Values{"Name": "orgtest", "Type": "Queue"})
			o.Post("sobjects/Account", Values{"Name": "x", "OwnerId": queue}).Refused(400, "FIELD_INTEGRITY_EXCEPTION", "")
		},
	},
	{
		"conversion/not-from-a-queue", "A lead of a queue is not converted without another owner",
		document("SOAP API Developer Guide, convertLead(): ownerId; public replies: Converted objects can only be owned by users"),
		func(t *testing.T, o *Org) {
			queue := o.Create("Group", Values{"Name": "orgtest", "Type": "Queue"})
			o.Create("QueueSobject", Values{"QueueId": queue, "SobjectType": "Lead"})
			if got := o.convert(o.lead(Values{"OwnerId": queue}), o.convertedStatus(), "").Element("statusCode"); got != "INVALID_OWNER" {
				t.Error(got)
			}
		},
	},
}
