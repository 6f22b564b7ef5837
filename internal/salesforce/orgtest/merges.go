package orgtest

import (
	"strings"
	"testing"
)

// merge merges accounts into the first and returns the status code of the refusal; empty when it is done.
func (o *Org) merge(master string, losers ...string) string {
	o.t.Helper()
	body := "<request><masterRecord><type>Account</type><Id>" + master + "</Id></masterRecord>"
	for _, id := range losers {
		body += "<recordToMergeIds>" + id + "</recordToMergeIds>"
	}
	return o.saved("merge", body+"</request>")
}

// saved calls an operation on one record and returns the status code of the refusal; empty when it is done.
func (o *Org) saved(operation, body string) string {
	o.t.Helper()
	r := o.Partner(operation, body).OK(200)
	if r.Element("success") == "true" {
		return ""
	}
	return r.Element("statusCode")
}

// lead makes a lead.
func (o *Org) lead(v Values) string { o.t.Helper(); return o.Create("Lead", o.filled("Lead", v)) }

// convertedStatus is a status of converted leads.
func (o *Org) convertedStatus() string {
	o.t.Helper()
	return o.Query("SELECT ApiName FROM LeadStatus WHERE IsConverted = true").Records[0]["ApiName"].(string)
}

// convert converts a lead; more stands in the request.
func (o *Org) convert(lead, status, more string) Reply {
	o.t.Helper()
	// The elements of a LeadConvert have an order; more is of those before leadId or of the flag.
	flag := "<doNotCreateOpportunity>false</doNotCreateOpportunity>"
	before := more
	if strings.HasPrefix(more, "<doNot") {
		flag, before = more, ""
	}
	r := o.Partner("convertLead", "<leadConverts>"+before+"<convertedStatus>"+status+"</convertedStatus>"+flag+
		"<leadId>"+lead+"</leadId><overwriteLeadSource>false</overwriteLeadSource><sendNotificationEmail>false</sendNotificationEmail></leadConverts>").OK(200)
	for object, element := range map[string]string{"Opportunity": "opportunityId", "Contact": "contactId", "Account": "accountId"} {
		if id := r.Element(element); id != "" {
			o.t.Cleanup(func() { o.discard(object, id) })
		}
	}
	return r
}

var mergeRules = []law{
	{
		"merge/children-move", "The children of the record that goes become those of the master",
		document("SOAP API Developer Guide, merge()"),
		func(t *testing.T, o *Org) {
			master, loser := o.Account(), o.Account()
			contact := o.Contact(loser)
			if got := o.merge(master, loser); got != "" {
				t.Fatal(got)
			}
			o.Has("Contact", contact, "AccountId", master)
		},
	},
	{
		"merge/loser-in-the-bin", "The record that goes is deleted and names its master",
		document("SOAP API Developer Guide, merge(): MasterRecordId"),
		func(t *testing.T, o *Org) {
			master, loser := o.Account(), o.Account()
			if got := o.merge(master, loser); got != "" {
				t.Fatal(got)
			}
			o.Has("Account", loser, "IsDeleted", "true")
			o.Has("Account", loser, "MasterRecordId", master)
		},
	},
	{
		"merge/undelete", "A merged record can be undeleted; its children stay with the master",
		document("SOAP API Developer Guide, merge(), Usage; Salesforce Help, Considerations for Merging Accounts"),
		func(t *testing.T, o *Org) {
			master, loser := o.Account(), o.Account()
			contact := o.Contact(loser)
			o.merge(master, loser)
			if got := o.Undelete(loser); got != "" {
				t.Fatal(got)
			}
			o.Has("Account", loser, "MasterRecordId", "<nil>")
			o.Has("Contact", contact, "AccountId", master)
		},
	},
	{
		"merge/three-at-most", "A merge takes three records, the master among them",
		document("SOAP API Developer Guide, merge(): up to three records"),
		func(t *testing.T, o *Org) {
			if got := o.merge(o.Account(), o.Account(), o.Account(), o.Account()); got == "" {
				t.Error("four records were merged")
			}
		},
	},
	{
		"merge/itself", "A record is not merged with itself",
		document("SOAP API Developer Guide, StatusCode: INVALID_MERGE_RECORD"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			if got := o.merge(id, id); got != "INVALID_MERGE_RECORD" {
				t.Error(got)
			}
		},
	},
	{
		"merge/which-objects", "Opportunities cannot be merged",
		document("SOAP API Developer Guide, merge(): Lead, Contact, Account, Individual; Apex Developer Guide: Case"),
		func(t *testing.T, o *Org) {
			a := o.Create("Opportunity", o.filled("Opportunity", nil))
			b := o.Create("Opportunity", o.filled("Opportunity", nil))
			if r := o.Partner("merge", "<request><masterRecord><type>Opportunity</type><Id>"+a+"</Id></masterRecord><recordToMergeIds>"+b+"</recordToMergeIds></request>"); r.Element("success") == "true" {
				t.Errorf("%s", r.Body)
			}
		},
	},
	{
		"merge/updated-related-ids", "The answer names the records that moved, with a new SystemModstamp",
		wsdl("partner WSDL: MergeResult, updatedRelatedIds, mergedRecordIds"),
		func(t *testing.T, o *Org) {
			master, loser := o.Account(), o.Account()
			contact := o.Contact(loser)
			r := o.Partner("merge", "<request><masterRecord><type>Account</type><Id>"+master+"</Id></masterRecord><recordToMergeIds>"+loser+"</recordToMergeIds></request>").OK(200)
			if r.Element("mergedRecordIds") != loser || !strings.Contains(string(r.Body), "<updatedRelatedIds>"+contact) {
				t.Errorf("%s", r.Body)
			}
		},
	},
	{
		"conversion/makes-three", "A lead becomes an account, a contact and an opportunity",
		document("SOAP API Developer Guide, convertLead(); Salesforce Help, Lead Conversion Field Mapping"),
		func(t *testing.T, o *Org) {
			company := o.Name()
			lead := o.lead(Values{"Company": company, "FirstName": "Ada", "City": "Oslo"})
			r := o.convert(lead, o.convertedStatus(), "")
			account, contact, opportunity := r.Element("accountId"), r.Element("contactId"), r.Element("opportunityId")
			if account == "" || contact == "" || opportunity == "" {
				t.Fatalf("%s", r.Body)
			}
			o.Has("Account", account, "Name", company)
			o.Has("Account", account, "BillingCity", "Oslo")
			o.Has("Contact", contact, "AccountId", account)
			o.Has("Contact", contact, "FirstName", "Ada")
			o.Has("Opportunity", opportunity, "Name", company)
			o.Has("Lead", lead, "IsConverted", "true")
			o.Has("Lead", lead, "ConvertedContactId", contact)
		},
	},
	{
		"conversion/without-opportunity", "A lead can be converted without an opportunity",
		wsdl("partner WSDL: LeadConvert, doNotCreateOpportunity"),
		func(t *testing.T, o *Org) {
			r := o.convert(o.lead(nil), o.convertedStatus(), "<doNotCreateOpportunity>true</doNotCreateOpportunity>")
			if r.Element("success") != "true" || r.Element("opportunityId") != "" {
				t.Errorf("%s", r.Body)
			}
		},
	},
	{
		"conversion/onto-an-account", "A lead converted onto an account keeps the account's name",
		document("SOAP API Developer Guide, convertLead(): accountId"),
		func(_ *testing.T, o *Org) {
			name := o.Name()
			account := o.Create("Account", Values{"Name": name})
			o.convert(o.lead(nil), o.convertedStatus(), "<accountId>"+account+"</accountId>")
			o.Has("Account", account, "Name", name)
		},
	},
	{
		"conversion/status", "A status that is none of converted leads is refused",
		document("SOAP API Developer Guide, convertLead(): convertedStatus; public replies: invalid convertedStatus"),
		func(t *testing.T, o *Org) {
			status := o.Query("SELECT ApiName FROM LeadStatus WHERE IsConverted = false").Records[0]["ApiName"].(string)
			if got := o.convert(o.lead(nil), status, "").Element("statusCode"); got != "INVALID_STATUS" {
				t.Error(got)
			}
		},
	},
	{
		"conversion/read-only", "A converted lead cannot be changed",
		document("SOAP API Developer Guide, StatusCode: CANNOT_UPDATE_CONVERTED_LEAD"),
		func(_ *testing.T, o *Org) {
			lead := o.lead(nil)
			o.convert(lead, o.convertedStatus(), "")
			o.Patch("sobjects/Lead/"+lead, Values{"Phone": "1"}).Refused(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
		},
	},
	{
		"conversion/twice", "A lead is converted once",
		document("SOAP API Developer Guide, StatusCode: CANNOT_UPDATE_CONVERTED_LEAD"),
		func(t *testing.T, o *Org) {
			lead := o.lead(nil)
			o.convert(lead, o.convertedStatus(), "")
			if got := o.convert(lead, o.convertedStatus(), "").Element("statusCode"); got != "CANNOT_UPDATE_CONVERTED_LEAD" {
				t.Error(got)
			}
		},
	},
}
