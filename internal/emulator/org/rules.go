package org

import (
	"math/big"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// before applies the rules that single objects have beyond those of their fields.
func (d *draft) before() *Error {
	if err := d.guard(); err != nil {
		return err
	}
	switch d.object.Name {
	case "Contact", "Lead":
		d.personName()
	case "User":
		d.personName()
		return d.user()
	case "Opportunity":
		d.stage()
	case "Contract", "Order":
		d.statusCode()
	case "Case":
		d.closing()
	case "CampaignMember":
		return d.campaignMember()
	case "CampaignMemberStatus":
		return d.sibling("Label", "CampaignId")
	case "Task":
		d.preset("TaskSubtype", "Task")
	case "Event":
		return d.event()
	case "PricebookEntry":
		return d.price()
	case "OpportunityLineItem":
		return d.line()
	case "UserRole":
		for _, name := range []string{"OpportunityAccessForAccountOwner", "CaseAccessForAccountOwner", "ContactAccessForAccountOwner"} {
			d.preset(name, "Edit")
		}
	case "Group":
		d.preset("OwnerId", string(d.w.o.id))
	case "PermissionSetAssignment":
		return d.assignment()
	}
	switch d.object.Kind {
	case HierarchySetting:
		d.preset("SetupOwnerId", string(d.w.o.id))
		return d.sibling("SetupOwnerId", "")
	case ListSetting:
		return d.sibling("Name", "")
	}
	return nil
}

// assignment refuses a second assignment of a permission set to a user. That one may be made beside another that has expired
// is unverified: Salesforce Help calls what has expired soft-deleted.
func (d *draft) assignment() *Error {
	if d.old != nil {
		return nil
	}
	for _, r := range d.w.o.rowsOf("permissionsetassignment", "AssigneeId", sf.ID(d.get("AssigneeId"))) {
		at, err := time.Parse(time.RFC3339, d.t.text(r, "ExpirationDate"))
		expired := err == nil && !d.w.at.Before(at)
		if !expired && r.id != d.id && d.get("PermissionSetId") != "" && d.t.text(r, "PermissionSetId") == d.get("PermissionSetId") {
			return fault("DUPLICATE_VALUE", "Duplicate PermissionSetAssignment. Assignee: "+d.get("AssigneeId")+"; Permission Set: "+d.get("PermissionSetId"))
		}
	}
	return nil
}

// after makes the records that come with a new one.
func (d *draft) after() *Error {
	if err := d.consequences(); err != nil {
		return err
	}
	if d.object.Name != "Campaign" || d.old != nil {
		return nil
	}
	// Source: Object Reference, CampaignMemberStatus: a campaign begins with Sent and Responded.
	for i, label := range []string{"Sent", "Responded"} {
		row := Row{Object: "CampaignMemberStatus", Fields: []Assignment{
			{Field: "CampaignId", Text: string(d.id)},
			{Field: "Label", Text: label},
			{Field: "SortOrder", Text: itoa(3 + i)},
			{Field: "IsDefault", Text: boolText(i == 0)},
			{Field: "HasResponded", Text: boolText(i == 1)},
		}}
		if _, err := d.w.insert(&row); err != nil {
			return err
		}
	}
	return nil
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// personName joins the parts of a name. Source: Object Reference, Contact.Name: the concatenation of
// the name parts; the salutation is a field of its own.
func (d *draft) personName() {
	d.put("Name", strings.TrimSpace(d.get("FirstName")+" "+d.get("LastName")))
}

// user gives a new user what an API insert may leave out, and keeps usernames unique.
// Source: Object Reference, User; StatusCode DUPLICATE_USERNAME.
func (d *draft) user() *Error {
	d.preset("UserType", "Standard")
	d.preset("DigestFrequency", "D")
	d.preset("DefaultGroupNotificationFrequency", "N")
	d.preset("CommunityNickname", d.get("Alias"))
	f := d.object.Field("Username")
	for _, r := range d.t.holding(f.column, d.get("Username")) {
		if r.id != d.id {
			return fault("DUPLICATE_USERNAME", "Duplicate Username.<br>The username already exists in this or another Salesforce "+
				"organization. Usernames must be unique across all Salesforce organizations. To resolve, use a different username "+
				"(it doesn't need to match the user's email address). ", "Username")
		}
	}
	return nil
}

// stage derives what follows from the stage of an opportunity. Source: Object Reference,
// Opportunity: Probability and ForecastCategoryName follow StageName unless they are given.
func (d *draft) stage() {
	if d.old != nil && d.get("StageName") == d.was("StageName") {
		return
	}
	stages := d.w.o.tables["opportunitystage"]
	read := func(string) string { return "" }
	for _, r := range stages.holding(stages.object.Field("ApiName").column, d.get("StageName")) {
		read = func(name string) string { return stages.text(r, name) }
	}
	d.put("IsClosed", read("IsClosed"))
	d.put("IsWon", read("IsWon"))
	if d.get("ForecastCategoryName") == "" || !d.named("ForecastCategoryName") {
		d.put("ForecastCategoryName", orElse(read("ForecastCategoryName"), "Pipeline"))
	}
	d.put("ForecastCategory", orElse(read("ForecastCategory"), "Pipeline"))
	if !d.named("Probability") {
		d.put("Probability", orElse(read("DefaultProbability"), "0"))
	}
	d.put("LastStageChangeDate", d.w.stamp)
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// statusCode derives the category of the status of a contract or an order.
func (d *draft) statusCode() {
	code := "Draft"
	switch d.get("Status") {
	case "Activated":
		code = "Activated"
	case "In Approval Process":
		code = "InApproval"
	}
	d.put("StatusCode", code)
	if code == "Activated" && d.get("ActivatedDate") == "" {
		d.put("ActivatedDate", d.w.stamp)
		d.put("ActivatedById", string(d.w.caller.User))
	}
}

func (d *draft) closing() {
	closed := d.w.o.statusFlag("casestatus", d.get("Status"), "IsClosed") == "true"
	switch {
	case closed && d.get("ClosedDate") == "":
		d.put("ClosedDate", d.w.stamp)
	case !closed && !d.named("ClosedDate"):
		d.put("ClosedDate", "")
	}
}

// campaignMember gives a member the default status of its campaign and keeps it the only one of its
// person. Source: Object Reference, CampaignMember.
func (d *draft) campaignMember() *Error {
	if d.get("ContactId") == "" && d.get("LeadId") == "" {
		return fault("REQUIRED_FIELD_MISSING", "Required fields are missing: [LeadOrContactId]", "LeadOrContactId")
	}
	o := d.w.o
	statuses, rows := o.childrenOf("campaignmemberstatus", "CampaignId", sf.ID(d.get("CampaignId")), nil)
	if d.get("Status") == "" {
		for _, r := range rows {
			if statuses.text(r, "IsDefault") == "true" {
				d.put("Status", statuses.text(r, "Label"))
			}
		}
	}
	responded := ""
	for _, r := range rows {
		if strings.EqualFold(statuses.text(r, "Label"), d.get("Status")) {
			responded = statuses.text(r, "HasResponded")
		}
	}
	d.put("HasResponded", responded)
	if responded == "true" && d.get("FirstRespondedDate") == "" {
		d.put("FirstRespondedDate", d.w.at.Format(time.DateOnly))
	}
	if d.old != nil {
		return nil
	}
	for _, name := range []string{"ContactId", "LeadId"} {
		if d.get(name) == "" {
			continue
		}
		if err := d.sibling(name, "CampaignId"); err != nil {
			return fault("DUPLICATE_VALUE", "Already a campaign member.")
		}
	}
	return nil
}

// sibling keeps a value the only one of its kind under one parent, or of its object.
func (d *draft) sibling(name, parent string) *Error {
	f := d.object.Field(name)
	if d.get(name) == "" {
		return nil
	}
	for _, r := range d.t.holding(f.column, d.get(name)) {
		if r.fate == live && r.id != d.id && (parent == "" || d.t.text(r, parent) == d.get(parent)) {
			return fault("DUPLICATE_VALUE", "duplicate value found: "+f.Name+
				" duplicates value on record with id: "+r.id.Short())
		}
	}
	return nil
}

// event derives the end, the length and the day of an event. Source: Object Reference, Event:
// DurationInMinutes or EndDateTime is required for a timed event.
func (d *draft) event() *Error {
	d.preset("EventSubtype", "Event")
	start := orElse(d.get("StartDateTime"), d.get("ActivityDateTime"))
	if start == "" {
		if d.get("IsAllDayEvent") == "true" && d.get("ActivityDate") != "" {
			return nil
		}
		return fault("REQUIRED_FIELD_MISSING", "Required fields are missing: [ActivityDateTime]", "ActivityDateTime")
	}
	from, _ := time.Parse(stampLayout, start)
	minutes, hasLength := parseNumber(d.get("DurationInMinutes"))
	end, err := time.Parse(stampLayout, d.get("EndDateTime"))
	switch {
	case hasLength && (err != nil || d.named("DurationInMinutes") && !d.named("EndDateTime")):
		end = from.Add(time.Duration(minutes.Num().Int64()) * time.Minute)
	case err != nil:
		return fault("REQUIRED_FIELD_MISSING", "Required fields are missing: [DurationInMinutes]", "DurationInMinutes")
	}
	d.put("StartDateTime", start)
	d.put("ActivityDateTime", start)
	d.put("ActivityDate", start[:len(time.DateOnly)])
	d.put("EndDateTime", stamp(end))
	d.put("DurationInMinutes", itoa(int(end.Sub(from)/time.Minute)))
	return nil
}

// price keeps the order in which prices are made. Source: Object Reference, PricebookEntry; message
// from public replies.
func (d *draft) price() *Error {
	if d.old != nil {
		return nil
	}
	o := d.w.o
	book := o.record(sf.ID(d.get("Pricebook2Id")))
	t, rows := o.childrenOf("pricebookentry", "Product2Id", sf.ID(d.get("Product2Id")), nil)
	hasStandard := false
	for _, r := range rows {
		if t.text(r, "Pricebook2Id") == d.get("Pricebook2Id") {
			return fault("DUPLICATE_VALUE", "This price definition already exists in this price book")
		}
		b := o.record(sf.ID(t.text(r, "Pricebook2Id")))
		hasStandard = hasStandard || b.r != nil && b.t.text(b.r, "IsStandard") == "true"
	}
	if book.r != nil && book.t.text(book.r, "IsStandard") != "true" && !hasStandard {
		return fault("STANDARD_PRICE_NOT_DEFINED", "Before creating a custom price, create a standard price.")
	}
	return nil
}

// line computes a line of an opportunity: the product and price of its entry, and the total of
// quantity and price. Source: Object Reference, OpportunityLineItem.
func (d *draft) line() *Error {
	entry := d.w.o.record(sf.ID(d.get("PricebookEntryId")))
	if entry.r != nil {
		d.preset("Product2Id", entry.t.text(entry.r, "Product2Id"))
		if d.get("UnitPrice") == "" && d.get("TotalPrice") == "" {
			d.put("UnitPrice", entry.t.text(entry.r, "UnitPrice"))
		}
	}
	quantity, ok := parseNumber(d.get("Quantity"))
	if !ok || quantity.Sign() == 0 {
		return nil
	}
	if d.named("TotalPrice") && d.named("UnitPrice") && d.get("TotalPrice") != "" && d.get("UnitPrice") != "" {
		return fault("FIELD_INTEGRITY_EXCEPTION", "field integrity exception: TotalPrice, UnitPrice "+
			"(Unit price and total price cannot both be specified)", "TotalPrice", "UnitPrice")
	}
	if total, ok := parseNumber(d.get("TotalPrice")); ok && d.named("TotalPrice") {
		d.put("UnitPrice", decimal(new(big.Rat).Quo(total, quantity), 2))
		return nil
	}
	if price, ok := parseNumber(d.get("UnitPrice")); ok {
		d.put("TotalPrice", decimal(price.Mul(price, quantity), 2))
	}
	return nil
}
