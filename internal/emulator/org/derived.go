package org

import (
	"math/big"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// derivation computes the canonical text of a field from the record and its relatives.
type derivation func(o *Org, t *table, r *row) string

// derivations returns the fields of standard objects that the platform computes and that are not
// formulas, as Object.Field. Source of their meaning: Object Reference, the page of each object.
func derivations() map[string]derivation {
	derived := map[string]derivation{
		"Opportunity.ExpectedRevenue":        expectedRevenue,
		"Opportunity.FiscalQuarter":          func(o *Org, t *table, r *row) string { _, q := fiscal(t.text(r, "CloseDate")); return q },
		"Opportunity.FiscalYear":             func(o *Org, t *table, r *row) string { y, _ := fiscal(t.text(r, "CloseDate")); return y },
		"Opportunity.Fiscal":                 fiscalText,
		"Opportunity.HasOpportunityLineItem": hasAny("opportunitylineitem", "OpportunityId"),
		"FeedItem.CommentCount":              countOf("feedcomment", "FeedItemId", nil),
		"Task.IsHighPriority": func(o *Org, t *table, r *row) string {
			return strconv.FormatBool(strings.EqualFold(t.text(r, "Priority"), "High"))
		},
		"Task.IsClosed": func(o *Org, t *table, r *row) string {
			return o.statusFlag("taskstatus", t.text(r, "Status"), "IsClosed")
		},
		"Case.IsClosed": func(o *Org, t *table, r *row) string {
			return o.statusFlag("casestatus", t.text(r, "Status"), "IsClosed")
		},
		"Task.AccountId":                    activityAccount,
		"Event.AccountId":                   activityAccount,
		"TaskRelation.AccountId":            via("TaskId", "AccountId"),
		"EventRelation.AccountId":           via("EventId", "AccountId"),
		"DatedConversionRate.NextStartDate": nextRate,
		"Task.WhoCount":                     related("Task", false),
		"Task.WhatCount":                    related("Task", true),
		"Event.WhoCount":                    related("Event", false),
		"Event.WhatCount":                   related("Event", true),
		"Attachment.BodyLength":             bodySize("Body"),
		"Document.BodyLength":               bodySize("Body"),
		"StaticResource.BodyLength":         bodySize("Body"),
		"Contract.EndDate":                  contractEnd,
		"DuplicateRecordSet.RecordCount":    countOf("duplicaterecorditem", "DuplicateRecordSetId", nil),
		"Campaign.NumberOfContacts":         countOf("campaignmember", "CampaignId", func(t *table, r *row) bool { return t.text(r, "ContactId") != "" }),
		"Campaign.NumberOfLeads":            countOf("campaignmember", "CampaignId", func(t *table, r *row) bool { return t.text(r, "LeadId") != "" }),
		"Campaign.NumberOfResponses":        countOf("campaignmember", "CampaignId", func(t *table, r *row) bool { return t.text(r, "HasResponded") == "true" }),
		"Campaign.NumberOfOpportunities":    countOf("opportunity", "CampaignId", nil),
		"Campaign.NumberOfConvertedLeads":   convertedMembers,
		"Asset.RootAssetId":                 rootAsset,
		"Asset.AssetLevel":                  assetLevel,
		"Quote.IsSyncing":                   syncing,
		"Campaign.NumberOfWonOpportunities": countOf("opportunity", "CampaignId",
			func(t *table, r *row) bool { return t.text(r, "IsWon") == "true" }),
		"Campaign.AmountAllOpportunities": sumOf("opportunity", "CampaignId", "Amount", nil),
		"Campaign.AmountWonOpportunities": sumOf("opportunity", "CampaignId", "Amount",
			func(t *table, r *row) bool { return t.text(r, "IsWon") == "true" }),
		"Order.TotalAmount":               sumOf("orderitem", "OrderId", "TotalPrice", nil),
		"OrderItem.TotalPrice":            lineTotal,
		"CampaignMember.LeadOrContactId":  memberID,
		"PricebookEntry.Name":             via("Product2Id", "Name"),
		"PricebookEntry.ProductCode":      via("Product2Id", "ProductCode"),
		"OpportunityLineItem.ProductCode": via("Product2Id", "ProductCode"),
		"OpportunityLineItem.ListPrice":   via("PricebookEntryId", "UnitPrice"),
		"OpportunityLineItem.Name": func(o *Org, t *table, r *row) string {
			opportunity, product := via("OpportunityId", "Name")(o, t, r), via("Product2Id", "Name")(o, t, r)
			return strings.TrimSpace(opportunity + " " + product)
		},
		"Case.ContactPhone":  via("ContactId", "Phone"),
		"Case.ContactMobile": via("ContactId", "MobilePhone"),
		"Case.ContactEmail":  via("ContactId", "Email"),
		"Case.ContactFax":    via("ContactId", "Fax"),
	}
	derivedFamilies(derived)
	return derived
}

// derivedFamilies adds the fields that a campaign sums over its hierarchy, and those that a member shows
// of its contact or lead.
func derivedFamilies(derived map[string]derivation) {
	for _, name := range []string{
		"Salutation", "Name", "FirstName", "LastName", "Title", "Email", "Phone", "Fax", "MobilePhone", "Description",
		"DoNotCall", "HasOptedOutOfEmail", "HasOptedOutOfFax", "LeadSource",
	} {
		derived["CampaignMember."+name] = member(name, name)
	}
	for _, name := range []string{"Street", "City", "State", "PostalCode", "Country"} {
		derived["CampaignMember."+name] = member("Mailing"+name, name)
	}
	for _, name := range []string{
		"NumberOfLeads", "NumberOfConvertedLeads", "NumberOfContacts", "NumberOfResponses", "NumberOfOpportunities",
		"NumberOfWonOpportunities", "AmountAllOpportunities", "AmountWonOpportunities", "NumberSent", "ExpectedRevenue",
		"BudgetedCost", "ActualCost",
	} {
		derived["Campaign.Hierarchy"+name] = inCampaigns(name)
	}
	derived["CampaignMember.LeadOrContactOwnerId"] = member("OwnerId", "OwnerId")
	derived["CampaignMember.CompanyOrAccount"] = func(o *Org, t *table, r *row) string {
		if contact := o.record(sf.ID(t.text(r, "ContactId"))); contact.r != nil {
			return via("AccountId", "Name")(o, contact.t, contact.r)
		}
		return via("LeadId", "Company")(o, t, r)
	}
	derived["CampaignMember.Type"] = func(o *Org, t *table, r *row) string {
		if t.text(r, "ContactId") != "" {
			return "Contact"
		}
		return "Lead"
	}
}

// text returns the stored value of a field by its name; empty also where there is no such field.
func (t *table) text(r *row, name string) string {
	if f := t.object.Field(name); f != nil {
		return r.text(f.column)
	}
	return ""
}

// found is a record with its table; r is nil when there is none.
type found struct {
	t *table
	r *row
}

// record finds a record of any object by its Id.
func (o *Org) record(id sf.ID) found {
	object := o.objectOf(id)
	if object == nil {
		return found{}
	}
	t := o.tables[fold(object.Name)]
	return found{t, t.find(id)}
}

// via reads a field of the record that a lookup points to.
func via(lookup, name string) derivation {
	return func(o *Org, t *table, r *row) string {
		p := o.record(sf.ID(t.text(r, lookup)))
		if p.r == nil {
			return ""
		}
		f := p.t.object.Field(name)
		if f == nil {
			return ""
		}
		return o.value(p.t, p.r, f, 1)
	}
}

// member reads a field of the contact or the lead of a campaign member.
func member(ofContact, ofLead string) derivation {
	return func(o *Org, t *table, r *row) string {
		if t.text(r, "ContactId") != "" {
			return via("ContactId", ofContact)(o, t, r)
		}
		return via("LeadId", ofLead)(o, t, r)
	}
}

func memberID(o *Org, t *table, r *row) string {
	if id := t.text(r, "ContactId"); id != "" {
		return id
	}
	return t.text(r, "LeadId")
}

func (o *Org) childrenOf(child, lookup string, id sf.ID, keep func(*table, *row) bool) (*table, []*row) {
	t := o.tables[child]
	f := t.object.Field(lookup)
	var out []*row
	for _, r := range t.holding(f.column, string(id)) {
		if r.fate == live && (keep == nil || keep(t, r)) {
			out = append(out, r)
		}
	}
	return t, out
}

func countOf(child, lookup string, keep func(*table, *row) bool) derivation {
	return func(o *Org, _ *table, r *row) string {
		_, rows := o.childrenOf(child, lookup, r.id, keep)
		return itoa(len(rows))
	}
}

func hasAny(child, lookup string) derivation {
	return func(o *Org, _ *table, r *row) string {
		_, rows := o.childrenOf(child, lookup, r.id, nil)
		return strconv.FormatBool(len(rows) > 0)
	}
}

func sumOf(child, lookup, name string, keep func(*table, *row) bool) derivation {
	return func(o *Org, parents *table, r *row) string {
		t, rows := o.childrenOf(child, lookup, r.id, keep)
		f, currency := t.object.Field(name), o.currencyOf(parents, r)
		total := new(big.Rat)
		for _, c := range rows {
			if n, ok := parseNumber(o.amount(t, c, f, currency)); ok {
				total.Add(total, n)
			}
		}
		return decimal(total, 2)
	}
}

func expectedRevenue(_ *Org, t *table, r *row) string {
	amount, ok := parseNumber(t.text(r, "Amount"))
	if !ok {
		return ""
	}
	share, ok := parseNumber(t.text(r, "Probability"))
	if !ok {
		return "0"
	}
	amount.Mul(amount, share)
	return decimal(amount.Quo(amount, big.NewRat(100, 1)), 2)
}

func lineTotal(_ *Org, t *table, r *row) string {
	n, ok := parseNumber(t.text(r, "Quantity"))
	price, ok2 := parseNumber(t.text(r, "UnitPrice"))
	if !ok || !ok2 {
		return ""
	}
	return decimal(n.Mul(n, price), 2)
}

// fiscal returns the fiscal year and quarter of a date; the fiscal year begins in January.
func fiscal(date string) (year, quarter string) {
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return "", ""
	}
	return itoa(at.Year()), itoa(int(at.Month()-1)/3 + 1)
}

func fiscalText(_ *Org, t *table, r *row) string {
	year, quarter := fiscal(t.text(r, "CloseDate"))
	if year == "" {
		return ""
	}
	return year + " " + quarter
}

func contractEnd(_ *Org, t *table, r *row) string {
	at, err := time.Parse(time.DateOnly, t.text(r, "StartDate"))
	months, err2 := strconv.Atoi(t.text(r, "ContractTerm"))
	if err != nil || err2 != nil {
		return ""
	}
	return at.AddDate(0, months, -1).Format(time.DateOnly)
}

// activityAccount is the account of what an activity is about, or of its contact.
// Source: Object Reference, Task.AccountId.
func activityAccount(o *Org, t *table, r *row) string {
	for _, lookup := range []string{"WhatId", "WhoId"} {
		p := o.record(sf.ID(t.text(r, lookup)))
		switch {
		case p.r == nil:
		case p.t.object.Name == "Account":
			return string(p.r.id)
		default:
			if id := p.t.text(p.r, "AccountId"); id != "" {
				return id
			}
		}
	}
	return ""
}

// related counts the people that an activity is with, or what it is about. Source: Object Reference,
// Task.WhoCount and WhatCount.
func related(activity string, what bool) derivation {
	return func(o *Org, _ *table, r *row) string {
		_, rows := engagements[activity].of(o, r.id, what)
		return itoa(len(rows))
	}
}

// statusFlag reads a flag off the table of status values, such as CaseStatus.
func (o *Org) statusFlag(statuses, value, flag string) string {
	t := o.tables[statuses]
	for _, r := range t.holding(t.object.Field("ApiName").column, value) {
		if r.fate == live && t.text(r, flag) == "true" {
			return "true"
		}
	}
	return "false"
}
