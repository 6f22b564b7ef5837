package org_test

import (
	"testing"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

const converted = "Closed - Converted"

// convert converts a lead, which must succeed.
func (w *world) convert(in org.LeadConversion) org.LeadConversionResult {
	w.t.Helper()
	in.Status = converted
	r := w.ConvertLeads(w.Admin(), []org.LeadConversion{in}, org.Options{})[0]
	if !r.Success {
		w.t.Fatalf("convert %s: %v", in.Lead, r.Errors)
	}
	return r
}

func (w *world) convertRefused(code string, in org.LeadConversion) {
	w.t.Helper()
	r := w.ConvertLeads(w.Admin(), []org.LeadConversion{in}, org.Options{})[0]
	if r.Success || len(r.Errors) != 1 || r.Errors[0].Code != code {
		w.t.Errorf("convert %+v: %+v, want %s", in, r, code)
	}
}

func TestConversionMakesAnAccountAContactAndAnOpportunity(t *testing.T) {
	w := newWorld(t)
	lead := w.add("Lead", "FirstName=Ada", "LastName=Byron", "Company=Engines", "City=London", "LeadSource=Web",
		"Phone=1", "Rating=Hot", "Description=keen")
	camp := w.add("Campaign", "Name=C")
	member := w.add("CampaignMember", "CampaignId="+string(camp), "LeadId="+string(lead))
	task := w.add("Task", "WhoId="+string(lead), "Subject=Call")
	note := w.add("Note", "ParentId="+string(lead), "Title=N")
	w.clock.Advance(time.Minute)
	r := w.convert(org.LeadConversion{Lead: string(lead)})
	w.wants("SELECT Id, Name, BillingCity, Phone, Rating, AccountSource FROM Account", string(r.Account)+"|Engines|London|1|Hot|Web")
	w.wants("SELECT Id, Name, AccountId, MailingCity, LeadSource, Description FROM Contact",
		string(r.Contact)+"|Ada Byron|"+string(r.Account)+"|London|Web|keen")
	w.wants("SELECT Id, Name, AccountId, CloseDate, StageName, CampaignId, LeadSource FROM Opportunity",
		string(r.Opportunity)+"|Engines|"+string(r.Account)+"|2026-03-31|Prospecting|"+string(camp)+"|Web")
	w.wants("SELECT OpportunityId, ContactId, IsPrimary FROM OpportunityContactRole", string(r.Opportunity)+"|"+string(r.Contact)+"|true")
	w.wants("SELECT IsConverted, Status, ConvertedDate, ConvertedAccountId, ConvertedContactId, ConvertedOpportunityId, LastModifiedDate FROM Lead",
		"true|"+converted+"|2026-03-02|"+string(r.Account)+"|"+string(r.Contact)+"|"+string(r.Opportunity)+"|2026-03-02T09:31:15.000Z")
	w.wants("SELECT WhoId, WhatId, LastModifiedDate FROM Task", string(r.Contact)+"|"+string(r.Opportunity)+"|2026-03-02T09:31:15.000Z")
	if w.value(member, "ContactId") != string(r.Contact) || w.value(member, "LeadId") != string(lead) {
		t.Error("the campaign member does not name both the lead and the contact")
	}
	if w.value(note, "ParentId") != string(r.Contact) || w.value(task, "AccountId") != string(r.Account) {
		t.Error("notes or activities did not follow")
	}
}

func TestConvertedLeadIsReadOnly(t *testing.T) {
	w := newWorld(t)
	lead := w.add("Lead", "LastName=L", "Company=C")
	w.convert(org.LeadConversion{Lead: string(lead), NoOpportunity: true})
	w.wants("SELECT Id FROM Opportunity")
	if m := w.refused("CANNOT_UPDATE_CONVERTED_LEAD", org.Update, org.Row{ID: string(lead), Fields: fields("Phone=1")}); m != "cannot reference converted lead" {
		t.Error(m)
	}
	w.refused("CANNOT_UPDATE_CONVERTED_LEAD", org.Insert, org.Row{Object: "Task", Fields: fields("WhoId="+string(lead), "Subject=s")})
	w.convertRefused("CANNOT_UPDATE_CONVERTED_LEAD", org.LeadConversion{Lead: string(lead), Status: converted})
	other := w.add("Lead", "LastName=M", "Company=C")
	w.mergeRefused("CANNOT_UPDATE_CONVERTED_LEAD", "Lead", lead, other)
	w.merge("Lead", other, []sf.ID{lead}) // the other way round is allowed
}

func TestConversionOntoExistingRecordsFillsOnlyGaps(t *testing.T) {
	w := newWorld(t)
	w.Org = org.New(org.Config{Seed: 7, Clock: w.clock, Features: org.Features{OptOutFields: true}})
	w.fields("Lead", words("Hobby__c", 20))
	w.fields("Contact", words("Pastime__c", 20))
	w.change(func(tx *org.Tx) error {
		if err := tx.MapLeadFields("Contact", map[string]string{"Hobby__c": "Pastime__c"}); err != nil {
			return err
		}
		return putFields(tx, "Lead")
	})
	acc := w.add("Account", "Name=Engines", "Phone=7")
	con := w.add("Contact", "LastName=Byron", "AccountId="+string(acc), "LeadSource=Other")
	lead := w.add("Lead", "FirstName=Ada", "LastName=King", "Company=X", "Phone=1", "Website=www.x.example", "LeadSource=Web",
		"HasOptedOutOfEmail=true", "Hobby__c=chess")
	in := org.LeadConversion{Lead: string(lead), Account: string(acc), Contact: string(con), OpportunityName: "Deal", OverwriteSource: true}
	w.convert(in)
	w.wants("SELECT Name, Phone, Website FROM Account", "Engines|7|www.x.example")
	w.wants("SELECT Name, LeadSource, Pastime__c, HasOptedOutOfEmail FROM Contact", "Ada Byron|Web|chess|false")
	w.wants("SELECT Name FROM Opportunity", "Deal")
}

func TestConversionIsRefused(t *testing.T) {
	w := newWorld(t)
	lead := w.add("Lead", "LastName=L", "Company=C")
	acc, other := w.add("Account", "Name=A"), w.add("Account", "Name=B")
	con := w.add("Contact", "LastName=L", "AccountId="+string(other))
	w.convertRefused("INVALID_STATUS", org.LeadConversion{Lead: string(lead), Status: "Closed - Not Converted"})
	w.convertRefused("INVALID_ID_FIELD", org.LeadConversion{Lead: string(lead), Status: converted, Contact: string(con)})
	w.convertRefused("INVALID_ID_FIELD", org.LeadConversion{Lead: string(lead), Status: converted, Contact: string(con), Account: string(acc)})
	queue := w.add("Group", "Name=Q", "Type=Queue")
	w.add("QueueSobject", "QueueId="+string(queue), "SobjectType=Lead")
	w.set(lead, "OwnerId="+string(queue))
	w.convertRefused("INVALID_OWNER", org.LeadConversion{Lead: string(lead), Status: converted})
	w.wants("SELECT Name FROM Account", "A", "B")
	w.wants("SELECT IsConverted FROM Lead", "false")
	good := org.LeadConversion{Lead: string(lead), Status: converted, Owner: string(w.Admin().User)}
	results := w.ConvertLeads(w.Admin(), []org.LeadConversion{good, {Lead: string(lead), Status: "x"}}, org.Options{AllOrNone: true})
	if results[0].Success || results[0].Errors[0].Code != "ALL_OR_NONE_OPERATION_ROLLED_BACK" {
		t.Errorf("%+v", results)
	}
	w.wants("SELECT IsConverted FROM Lead", "false")
	w.convert(good)
}
