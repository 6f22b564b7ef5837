package org

import (
	"math/big"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// activeOrder is the code of the status that makes an order or a contract binding.
const activeOrder = "Activated"

// binding refuses changes of an activated order or contract. Sources: Object Reference, Order and
// Contract: once activated the account, and of an order the price book, currency and start, are fixed,
// and an order is activated only with products; the wordings are unverified.
func (d *draft) binding() *Error {
	if d.old == nil {
		if d.get("Status") == activeOrder { // the message is that of public replies about contracts
			return fault("FAILED_ACTIVATION", "Choose a valid "+fold(d.object.Label)+" status and save your changes. Ask your admin for details.", "Status")
		}
		return nil
	}
	was, now := d.was("StatusCode") == activeOrder, d.get("Status") == activeOrder
	if d.object.Name == "Order" && now && !was {
		if _, rows := d.w.o.childrenOf("orderitem", "OrderId", d.id, nil); len(rows) == 0 {
			// Source: public replies to the activation of an order without products.
			return fault("FAILED_ACTIVATION", "An order must have at least one product.", "Status")
		}
	}
	if !was || !now && d.object.Name == "Order" {
		return nil
	}
	for _, name := range []string{"AccountId", "Pricebook2Id", "ContractId", "EffectiveDate"} {
		if d.named(name) && d.get(name) != d.was(name) {
			return fault("FIELD_INTEGRITY_EXCEPTION", "an activated "+fold(d.object.Label)+" cannot change: "+name, name)
		}
	}
	return nil
}

// boundLine refuses products of an activated order. Source: Object Reference, OrderItem; the wording
// is unverified.
func (d *draft) boundLine() *Error {
	if d.w.o.ordered(d.get("OrderId")) {
		return fault("FIELD_INTEGRITY_EXCEPTION", "the products of an activated order cannot change", "OrderId")
	}
	return nil
}

// ordered reports an activated order.
func (o *Org) ordered(id string) bool {
	p := o.record(sf.ID(id))
	return p.r != nil && p.t.text(p.r, "StatusCode") == activeOrder
}

// kept refuses the deletion of what an activated order holds, and of the order itself. Source: Object
// Reference, Order: activated orders cannot be deleted.
func (w *work) kept(t *table, r *row) *Error {
	order := string(r.id)
	if t.object.Name == "OrderItem" {
		order = t.text(r, "OrderId")
	}
	if w.o.ordered(order) { // the wording is unverified
		return fault("DELETE_FAILED", "an activated order and its products cannot be deleted")
	}
	return nil
}

// inHierarchy keeps hierarchies of assets and campaigns free of circles and campaigns from going too
// deep. Sources: Object Reference, Asset.ParentId and Campaign.ParentId.
func (d *draft) inHierarchy() *Error {
	parent := d.get("ParentId")
	if parent == "" || d.old != nil && parent == d.was("ParentId") {
		return nil
	}
	f := d.object.Field("ParentId")
	if d.old != nil && (parent == string(d.id) || d.w.above(d.t, sf.ID(parent), d.id, f)) {
		return circular("ParentId")
	}
	if d.object.Name == "Campaign" && d.w.levels(d.t, sf.ID(parent), f) >= maxCampaignLevels {
		return fault("MAXIMUM_HIERARCHY_LEVELS_REACHED", "a campaign hierarchy has at most five levels", "ParentId")
	}
	return nil
}

// maxCampaignLevels is the depth of a campaign hierarchy.
// Source: Salesforce Help, "Campaign Hierarchy" (five levels).
const maxCampaignLevels = 5

func (w *work) levels(t *table, id sf.ID, lookup *Field) int {
	for n := range maxHierarchy {
		r := t.find(id)
		if r == nil {
			return n
		}
		id = sf.ID(r.text(lookup.column))
	}
	return maxHierarchy
}

// rootAsset is the asset at the top, and assetLevel how deep an asset is below it, which is level 1.
// Source: Object Reference, Asset.RootAssetId and AssetLevel.
func rootAsset(o *Org, t *table, r *row) string {
	lookup := t.object.Field("ParentId").column
	for range maxHierarchy {
		p := t.find(sf.ID(r.text(lookup)))
		if p == nil {
			break
		}
		r = p
	}
	return string(r.id)
}

func assetLevel(o *Org, t *table, r *row) string {
	lookup := t.object.Field("ParentId").column
	for n := range maxHierarchy {
		p := t.find(sf.ID(r.text(lookup)))
		if p == nil {
			return itoa(n + 1)
		}
		r = p
	}
	return itoa(maxHierarchy)
}

// inCampaigns sums a field over a campaign and those below it. Source: Salesforce Help, "Campaign
// Hierarchy"; the fields are the Hierarchy… fields of Campaign in the Object Reference.
func inCampaigns(name string) derivation {
	return func(o *Org, t *table, r *row) string {
		return decimal(o.campaignSum(t, r, t.object.Field(name), o.currencyOf(t, r), 0), 2)
	}
}

func (o *Org) campaignSum(t *table, r *row, f *Field, currency string, level int) *big.Rat {
	total := new(big.Rat)
	if f == nil || level > maxCampaignLevels {
		return total
	}
	if n, ok := parseNumber(o.amount(t, r, f, currency)); ok {
		total.Set(n)
	}
	_, below := o.childrenOf("campaign", "ParentId", r.id, nil)
	for _, c := range below {
		total.Add(total, o.campaignSum(t, c, f, currency, level+1))
	}
	return total
}

// convertedMembers counts the members of a campaign that were leads when they joined.
// Source: Object Reference, Campaign.NumberOfConvertedLeads.
func convertedMembers(o *Org, _ *table, r *row) string {
	n := 0
	t, rows := o.childrenOf("campaignmember", "CampaignId", r.id, nil)
	for _, m := range rows {
		if lead := o.record(sf.ID(t.text(m, "LeadId"))); lead.r != nil && lead.t.text(lead.r, "IsConverted") == "true" {
			n++
		}
	}
	return itoa(n)
}

// lined keeps a line of an opportunity in the price book of the opportunity, which takes that of its
// first line. Source: Object Reference, OpportunityLineItem; the message is that of public replies.
func (d *draft) lined() *Error {
	entry, deal := d.w.o.record(sf.ID(d.get("PricebookEntryId"))), d.w.o.record(sf.ID(d.get("OpportunityId")))
	if d.old != nil || entry.r == nil || deal.r == nil {
		return nil
	}
	book := entry.t.text(entry.r, "Pricebook2Id")
	switch deal.t.text(deal.r, "Pricebook2Id") {
	case book:
	case "":
		d.w.amend(place{deal.t, deal.r.pos}, map[string]string{"Pricebook2Id": book})
	default:
		return fault("FIELD_INTEGRITY_EXCEPTION", "field integrity exception: PricebookEntryId "+
			"(pricebook entry is in a different pricebook than the one assigned to the opportunity)", "PricebookEntryId")
	}
	return nil
}

// dealt keeps what follows from the lines of an opportunity: its price book stands, and its amount is
// their sum whatever a caller writes. Source: Object Reference, Opportunity.Amount and Pricebook2Id;
// the wording is unverified.
func (d *draft) dealt() *Error {
	if d.old == nil || !d.named("Amount") && !d.named("Pricebook2Id") {
		return nil
	}
	if _, lines := d.w.o.childrenOf("opportunitylineitem", "OpportunityId", d.id, nil); len(lines) == 0 {
		return nil
	}
	d.put("Amount", d.was("Amount"))
	if d.get("Pricebook2Id") != d.was("Pricebook2Id") {
		return fault("FIELD_INTEGRITY_EXCEPTION", "field integrity exception: Pricebook2Id "+
			"(cannot change the price book of an opportunity with products)", "Pricebook2Id")
	}
	return nil
}

// total brings the amount and the quantity of an opportunity in line with its lines.
func (w *work) total(opportunity string) {
	p := w.o.record(sf.ID(opportunity))
	if p.r == nil || p.r.fate != live {
		return
	}
	values := map[string]string{
		"Amount":                   sumOf("opportunitylineitem", "OpportunityId", "TotalPrice", nil)(w.o, p.t, p.r),
		"TotalOpportunityQuantity": sumOf("opportunitylineitem", "OpportunityId", "Quantity", nil)(w.o, p.t, p.r),
	}
	if p.t.text(p.r, "Amount") == values["Amount"] && p.t.text(p.r, "TotalOpportunityQuantity") == values["TotalOpportunityQuantity"] {
		return
	}
	if !w.opts.Quiet {
		values["SystemModstamp"], values["LastModifiedDate"], values["LastModifiedById"] = w.stamp, w.stamp, string(w.caller.User)
	}
	w.amend(place{p.t, p.r.pos}, values)
	w.stagesPassed(p.t, p.r, p.r.id)
}

// synced keeps the quote that an opportunity follows: an opportunity syncs with at most one of its
// quotes. Source: Object Reference, Quote.IsSyncing and Opportunity.SyncedQuoteId.
func (d *draft) synced() *Error {
	id := d.get("SyncedQuoteId")
	if id == "" || id == d.was("SyncedQuoteId") {
		return nil
	}
	quote := d.w.o.record(sf.ID(id))
	if quote.r != nil && quote.t.text(quote.r, "OpportunityId") != string(d.id) { // the wording is unverified
		return fault("FIELD_INTEGRITY_EXCEPTION", "the quote belongs to another opportunity", "SyncedQuoteId")
	}
	return nil
}

// syncing tells whether an opportunity follows a quote.
func syncing(o *Org, t *table, r *row) string {
	p := o.record(sf.ID(t.text(r, "OpportunityId")))
	return boolText(p.r != nil && p.t.text(p.r, "SyncedQuoteId") == string(r.id))
}

// queued refuses a queue that does not take records of the object. Message from public replies.
func (d *draft) queued(t *table, group *row) *Error {
	_, rows := d.w.o.childrenOf("queuesobject", "QueueId", group.id, func(t *table, r *row) bool {
		return strings.EqualFold(t.text(r, "SobjectType"), d.object.Name)
	})
	if t.text(group, "Type") == "Queue" && len(rows) > 0 {
		return nil
	}
	return fault("FIELD_INTEGRITY_EXCEPTION", "Queue not associated with this SObject type", "OwnerId")
}

// grouped refuses groups that only the platform makes. Source: Object Reference, Group.Type: those of
// roles, territories and managers come with what they are made of; the wording is unverified.
func (d *draft) grouped() *Error {
	if kind := d.get("Type"); d.old == nil && kind != "Regular" && kind != "Queue" && kind != "" {
		return fault("FIELD_INTEGRITY_EXCEPTION", "a group of type "+kind+" cannot be created", "Type")
	}
	return nil
}

// queueFor checks what a queue is to hold. Source: Object Reference, QueueSobject: objects that a
// queue can own; the wordings are unverified.
func (d *draft) queueFor() *Error {
	group := d.w.o.record(sf.ID(d.get("QueueId")))
	if group.r != nil && group.t.text(group.r, "Type") != "Queue" {
		return fault("INVALID_CROSS_REFERENCE_KEY", "the group is not a queue", "QueueId")
	}
	object := d.w.o.schema.object(d.get("SobjectType"))
	if object == nil {
		return fault("INVALID_TYPE", "sObject type '"+d.get("SobjectType")+"' is not supported.", "SobjectType")
	}
	if f := object.Field("OwnerId"); f == nil || !slices.Contains(f.ReferenceTo, "Group") {
		return fault("FIELD_INTEGRITY_EXCEPTION", "queues cannot own records of "+object.Name, "SobjectType")
	}
	return nil
}
