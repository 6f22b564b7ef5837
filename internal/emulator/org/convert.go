package org

import (
	"slices"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// LeadConversion converts one lead. The names are those of LeadConvert in the partner WSDL; empty
// Ids mean that a record is made.
type LeadConversion struct {
	Lead              string
	Account           string
	Contact           string
	Opportunity       string
	Owner             string
	Status            string // convertedStatus
	OpportunityName   string
	NoOpportunity     bool         // doNotCreateOpportunity
	OverwriteSource   bool         // overwriteLeadSource
	AccountValues     []Assignment // of accountRecord
	ContactValues     []Assignment // of contactRecord
	OpportunityValues []Assignment // of opportunityRecord
}

// LeadConversionResult is what the org says about one conversion.
type LeadConversionResult struct {
	Lead, Account, Contact, Opportunity sf.ID
	Success                             bool
	Errors                              []Error
}

// ConvertLeads converts leads. Each is a transaction of its own unless the options say all or none.
// A caller that must bound a call (100 leads by SOAP) bounds it before calling.
func (o *Org) ConvertLeads(caller Caller, conversions []LeadConversion, opts Options) []LeadConversionResult {
	defer o.writing(caller)()
	w := o.begin(caller, o.clock.Now(), opts)
	results := make([]LeadConversionResult, len(conversions))
	failed := false
	for i := range conversions {
		mark := len(w.undo)
		result, err := w.convert(&conversions[i])
		if err != nil {
			w.rollback(mark)
			result, failed = LeadConversionResult{Lead: result.Lead, Errors: []Error{*err}}, true
		}
		results[i] = result
	}
	if failed && opts.AllOrNone {
		w.rollback(0)
		for i := range results {
			if results[i].Success {
				results[i] = LeadConversionResult{Lead: results[i].Lead, Errors: []Error{rolledBack()}}
			}
		}
	}
	w.commit()
	return results
}

// rolledBack is what the rows that were right get when a load is all or none. Source: public replies
// of Collections with allOrNone.
func rolledBack() Error {
	return Error{
		Code:    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
		Message: "Record rolled back because not all records were valid and the request was using AllOrNone header",
	}
}

// conversion is one lead while it is converted.
type conversion struct {
	w     *work
	in    *LeadConversion
	t     *table
	lead  *row
	owner string
	res   LeadConversionResult
}

// convertedLead is the answer to every write that touches a converted lead. Source: public replies,
// "CANNOT_UPDATE_CONVERTED_LEAD, cannot reference converted lead: []".
func convertedLead() *Error {
	return fault("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
}

func (w *work) convert(in *LeadConversion) (LeadConversionResult, *Error) {
	id, t, r, err := w.target(&Row{Object: "Lead", ID: in.Lead}, Update)
	c := &conversion{w: w, in: in, t: t, lead: r, res: LeadConversionResult{Lead: id}}
	if err != nil {
		return c.res, err
	}
	for _, step := range []func() *Error{c.check, c.account, c.contact, c.opportunity, c.follow, c.close} {
		if err := step(); err != nil {
			return c.res, err
		}
	}
	c.res.Success = true
	return c.res, nil
}

// check refuses what cannot be converted. Sources: public replies for the status and the owner; SOAP
// API Developer Guide, convertLead(), for contactId without accountId, whose wording is unverified.
func (c *conversion) check() *Error {
	switch {
	case c.t.text(c.lead, "IsConverted") == "true":
		return convertedLead()
	case c.w.o.statusFlag("leadstatus", c.in.Status, "IsConverted") != "true":
		return fault("INVALID_STATUS", "invalid convertedStatus: "+c.in.Status, "Status")
	case c.in.Contact != "" && c.in.Account == "":
		return fault("INVALID_ID_FIELD", "accountId must be specified when contactId is specified", "AccountId")
	}
	c.owner = orElse(c.in.Owner, c.t.text(c.lead, "OwnerId"))
	if o := c.w.o.schema.prefixes[sf.ID(c.owner).KeyPrefix()]; o == nil || o.Name != "User" {
		return fault("INVALID_OWNER", "Converted objects can only be owned by users.  If the lead is not owned by a user, "+
			"you must specify a user for the Owner field.", "OwnerId")
	}
	return nil
}

// mapping says which field of the lead becomes which field of what is made of it.
type mapping struct{ from, to string }

// The standard mappings. Source: Salesforce Help, "Lead Conversion Field Mapping".
var (
	toAccount = append(addressMapping("Billing"), mapping{"Company", "Name"}, mapping{"AnnualRevenue", "AnnualRevenue"},
		mapping{"NumberOfEmployees", "NumberOfEmployees"}, mapping{"Industry", "Industry"}, mapping{"Phone", "Phone"},
		mapping{"Fax", "Fax"}, mapping{"Website", "Website"}, mapping{"Rating", "Rating"}, mapping{"LeadSource", "AccountSource"})
	toContact = append(addressMapping("Mailing"), mapping{"FirstName", "FirstName"}, mapping{"LastName", "LastName"},
		mapping{"Salutation", "Salutation"}, mapping{"MiddleName", "MiddleName"}, mapping{"Suffix", "Suffix"},
		mapping{"Title", "Title"}, mapping{"Phone", "Phone"}, mapping{"MobilePhone", "MobilePhone"}, mapping{"Fax", "Fax"},
		mapping{"Email", "Email"}, mapping{"Description", "Description"}, mapping{"LeadSource", "LeadSource"},
		mapping{"IndividualId", "IndividualId"})
	// toNewContact is not brought to an existing contact.
	toNewContact = []mapping{
		{"DoNotCall", "DoNotCall"}, {"HasOptedOutOfEmail", "HasOptedOutOfEmail"}, {"HasOptedOutOfFax", "HasOptedOutOfFax"},
	}
	toOpportunity = []mapping{{"LeadSource", "LeadSource"}}
)

func addressMapping(kind string) []mapping {
	var out []mapping
	for _, part := range []string{
		"Street", "City", "State", "PostalCode", "Country", "StateCode", "CountryCode", "Latitude", "Longitude", "GeocodeAccuracy",
	} {
		out = append(out, mapping{part, kind + part})
	}
	return out
}

// MapLeadFields sets which custom fields of a lead go where when it is converted: object is Account,
// Contact or Opportunity, and fields are its fields by those of Lead. They take the place of those
// set before. Source: LeadConvertSettings of the metadata WSDL.
func (t *Tx) MapLeadFields(object string, fields map[string]string) *Error {
	switch object {
	case "Account", "Contact", "Opportunity":
	default:
		return fault("INVALID_CROSS_REFERENCE_KEY", "a lead is not converted to "+object)
	}
	var list []mapping
	for from, to := range fields {
		if t.field(t.schema.object("Lead"), from) < 0 || t.field(t.schema.object(object), to) < 0 {
			return missing("CustomField", "Lead."+from+" or "+object+"."+to)
		}
		list = append(list, mapping{from, to})
	}
	slices.SortFunc(list, func(a, b mapping) int { return strings.Compare(a.from+a.to, b.from+b.to) })
	lead := t.schema.edit(t.schema.object("Lead"))
	mapped := map[string][]mapping{}
	for name, earlier := range lead.conversion {
		mapped[name] = earlier
	}
	mapped[object] = list
	lead.conversion = mapped
	return nil
}

// values are what the lead gives to a new record, or to an existing one where that is empty.
func (c *conversion) values(object string, onto *found, mappings []mapping) []Assignment {
	var out []Assignment
	for _, m := range append(slices.Clone(mappings), c.t.object.conversion[object]...) {
		text := c.t.text(c.lead, m.from)
		target := c.w.o.schema.object(object).Field(m.to)
		if text == "" || target == nil || target.column < 0 {
			continue
		}
		if onto != nil && onto.r.text(target.column) != "" && !(m.to == "LeadSource" && object == "Contact" && c.in.OverwriteSource) {
			continue
		}
		out = append(out, Assignment{Field: m.to, Text: text})
	}
	return out
}

// existing finds a live record that the conversion names.
func (c *conversion) existing(object, id string) (*found, *Error) {
	_, t, r, err := c.w.target(&Row{Object: object, ID: id}, Update)
	if err != nil {
		return nil, err
	}
	return &found{t, r}, nil
}

// make brings the lead to an existing record, or makes one.
func (c *conversion) make(object, id string, extra []Assignment, fixed map[string]string, mappings ...mapping) (sf.ID, *Error) {
	if id != "" {
		p, err := c.existing(object, id)
		if err != nil {
			return "", err
		}
		row := Row{Object: object, ID: id, Fields: append(c.values(object, p, mappings), extra...)}
		res, err := c.w.update(&row)
		return res.ID, err
	}
	row := Row{Object: object, Fields: c.values(object, nil, mappings)}
	for name, text := range fixed {
		row.Fields = append(row.Fields, Assignment{Field: name, Text: text})
	}
	row.Fields = append(row.Fields, Assignment{Field: "OwnerId", Text: c.owner})
	row.Fields = append(row.Fields, extra...)
	res, err := c.w.insert(&row)
	return res.ID, err
}

func (c *conversion) account() (err *Error) {
	c.res.Account, err = c.make("Account", c.in.Account, c.in.AccountValues, nil, toAccount...)
	return err
}

func (c *conversion) contact() (err *Error) {
	mappings := toContact
	if c.in.Contact == "" {
		mappings = append(slices.Clone(toContact), toNewContact...)
	} else {
		p, err := c.existing("Contact", c.in.Contact)
		if err != nil {
			return err
		}
		if p.t.text(p.r, "AccountId") != string(c.res.Account) { // the wording is unverified
			return fault("INVALID_ID_FIELD", "contact is not associated with the account", "ContactId")
		}
	}
	c.res.Contact, err = c.make("Contact", c.in.Contact, c.in.ContactValues,
		map[string]string{"AccountId": string(c.res.Account)}, mappings...)
	return err
}

// opportunity makes the opportunity and its contact role. Sources: SOAP API Developer Guide,
// convertLead(): its name is that of the company unless given; Salesforce Help, "Lead Conversion
// Field Mapping": it closes on the last day of the fiscal quarter, and its campaign is the latest of
// the lead. That it begins in the first stage is unverified.
func (c *conversion) opportunity() (err *Error) {
	if c.in.NoOpportunity && c.in.Opportunity == "" {
		return nil
	}
	at := c.w.at
	quarterEnd := time.Date(at.Year(), (at.Month()-1)/3*3+4, 0, 0, 0, 0, 0, time.UTC)
	fixed := map[string]string{
		"AccountId": string(c.res.Account), "CloseDate": quarterEnd.Format(time.DateOnly), "StageName": c.firstStage(),
		"Name": orElse(c.in.OpportunityName, c.t.text(c.lead, "Company")),
	}
	members, rows := c.w.o.childrenOf("campaignmember", "LeadId", c.lead.id, nil)
	if len(rows) > 0 {
		fixed["CampaignId"] = members.text(rows[len(rows)-1], "CampaignId")
	}
	c.res.Opportunity, err = c.make("Opportunity", c.in.Opportunity, c.in.OpportunityValues, fixed, toOpportunity...)
	if err != nil {
		return err
	}
	roles, rows := c.w.o.childrenOf("opportunitycontactrole", "OpportunityId", c.res.Opportunity, nil)
	for _, r := range rows {
		if roles.text(r, "ContactId") == string(c.res.Contact) {
			return nil
		}
	}
	_, err = c.w.insert(&Row{Object: "OpportunityContactRole", Fields: []Assignment{
		{Field: "OpportunityId", Text: string(c.res.Opportunity)},
		{Field: "ContactId", Text: string(c.res.Contact)},
		{Field: "IsPrimary", Text: boolText(len(rows) == 0)},
	}})
	return err
}

func (c *conversion) firstStage() string {
	t := c.w.o.tables["opportunitystage"]
	for _, r := range t.rows {
		if r.fate == live && t.text(r, "IsActive") == "true" {
			return t.text(r, "ApiName")
		}
	}
	return ""
}

// follow moves what belonged to the lead. Sources: Salesforce Help, "Considerations for Converting
// Leads" (campaign members, activities) and article 000385227 (activities carry the contact and the
// opportunity, and their LastModifiedDate moves). Help has notes and attachments go to the account
// and the contact; that they hang on the contact is unverified. Files stay with the lead.
func (c *conversion) follow() *Error {
	about := orElse(string(c.res.Opportunity), string(c.res.Account))
	for _, object := range []string{"task", "event"} {
		t, rows := c.w.o.childrenOf(object, "WhoId", c.lead.id, nil)
		for _, r := range rows {
			c.w.amend(place{t, r.pos}, map[string]string{
				"WhoId": string(c.res.Contact), "WhatId": orElse(t.text(r, "WhatId"), about), "SystemModstamp": c.w.stamp,
				"LastModifiedDate": c.w.stamp, "LastModifiedById": string(c.w.caller.User),
			})
		}
	}
	for _, object := range []string{"note", "attachment"} {
		t, rows := c.w.o.childrenOf(object, "ParentId", c.lead.id, nil)
		for _, r := range rows {
			c.w.amend(place{t, r.pos}, map[string]string{"ParentId": string(c.res.Contact), "SystemModstamp": c.w.stamp})
		}
	}
	// A member stays one and names both the lead and the contact. Source: Object Reference,
	// CampaignMember.
	t, rows := c.w.o.childrenOf("campaignmember", "LeadId", c.lead.id, nil)
	for _, r := range rows {
		if c.w.memberOf(t, t.text(r, "CampaignId"), string(c.res.Contact)) {
			continue // the contact is in the campaign already
		}
		c.w.amend(place{t, r.pos}, map[string]string{"ContactId": string(c.res.Contact), "SystemModstamp": c.w.stamp})
	}
	return nil
}

func (w *work) memberOf(t *table, campaign, contact string) bool {
	for _, r := range t.holding(t.object.Field("ContactId").column, contact) {
		if r.fate == live && t.text(r, "CampaignId") == campaign {
			return true
		}
	}
	return false
}

// close makes the lead a converted one. Source: Object Reference, Lead.
func (c *conversion) close() *Error {
	r := c.t.find(c.lead.id)
	c.w.amend(place{c.t, r.pos}, map[string]string{
		"IsConverted": "true", "Status": c.in.Status, "OwnerId": c.owner, "IsUnreadByOwner": "false",
		"ConvertedDate": c.w.at.UTC().Format(time.DateOnly), "ConvertedAccountId": string(c.res.Account),
		"ConvertedContactId": string(c.res.Contact), "ConvertedOpportunityId": string(c.res.Opportunity),
		"SystemModstamp": c.w.stamp, "LastModifiedDate": c.w.stamp, "LastModifiedById": string(c.w.caller.User),
	})
	return nil
}
