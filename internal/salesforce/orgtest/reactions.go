package orgtest

import "testing"

// guarded deploys a trigger on things that declares what it does, and deletes it at the end.
func (o *Org) guarded(declared string) {
	o.t.Helper()
	o.must(o.trigger(declared, "Active"))
	o.unguarded()
}

// unguarded deletes the trigger at the end.
func (o *Org) unguarded() {
	o.t.Cleanup(func() { o.must(o.destroy(map[string][]string{"ApexTrigger": {"Orgtest_Guard"}})) })
}

func (o *Org) trigger(declared, status string) Deployment {
	o.t.Helper()
	return o.Deploy(map[string]string{
		"triggers/Orgtest_Guard.trigger": "// holdfast-emulator: " + declared +
			"\ntrigger Orgtest_Guard on Orgtest_Thing__c (before insert, before update, before delete, after insert, after update, after delete, after undelete) {}",
		"triggers/Orgtest_Guard.trigger-meta.xml": "<ApexTrigger" + metadataNamespace + "><apiVersion>65.0</apiVersion><status>" + status + "</status></ApexTrigger>",
	}, map[string][]string{"ApexTrigger": {"Orgtest_Guard"}}, nil)
}

var reactionRules = []law{
	{
		"reactions/reject", "A trigger refuses a record with addError",
		document("Apex Developer Guide, SObject.addError(); StatusCode FIELD_CUSTOM_VALIDATION_EXCEPTION"),
		func(_ *testing.T, o *Org) {
			o.guarded(`before insert: reject "not this" when Name = "guarded"`)
			o.Post("sobjects/"+thing, Values{"Name": "guarded"}).Refused(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "not this")
			o.Thing(nil)
		},
	},
	{
		"reactions/inactive", "A trigger that is inactive does nothing",
		document("Metadata API Developer Guide, ApexTrigger: status"),
		func(_ *testing.T, o *Org) {
			o.must(o.trigger(`before insert: reject "not this"`, "Inactive"))
			o.unguarded()
			o.Thing(nil)
		},
	},
	{
		"reactions/set", "A trigger before the save sets a field",
		document("Apex Developer Guide, Triggers and Order of Execution"),
		func(_ *testing.T, o *Org) {
			o.guarded(`before insert: set Exact__c to "set " & Name when Name = "abc"`)
			id := o.Thing(Values{"Name": "abc"})
			o.Has(thing, id, "Exact__c", "set abc")
		},
	},
	{
		"reactions/exception", "An exception that a trigger does not catch refuses the record",
		document("SOAP API Developer Guide, StatusCode: CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
		func(_ *testing.T, o *Org) {
			o.guarded(`before insert: fail "boom" when Name = "boom"`)
			o.Post("sobjects/"+thing, Values{"Name": "boom"}).Refused(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "boom")
		},
	},
	{
		"reactions/create", "A trigger after the save makes other records, which go with a refusal",
		document("Apex Developer Guide, Triggers and Order of Execution: one transaction"),
		func(t *testing.T, o *Org) {
			o.guarded(`after insert: create Orgtest_Strict__c Must__c = "by trigger" when Name = "maker"`)
			o.Thing(Values{"Name": "maker"})
			if n := o.Query("SELECT Id FROM " + strict + " WHERE Must__c = 'by trigger'").TotalSize; n != 1 {
				t.Errorf("%d records", n)
			}
		},
	},
	{
		"reactions/before-delete", "A trigger refuses a deletion",
		document("Apex Developer Guide, Triggers: before delete"),
		func(_ *testing.T, o *Org) {
			id := o.Thing(Values{"Name": "kept"})
			o.guarded(`before delete: reject "stays" when Name = "kept"`)
			o.Delete("sobjects/"+thing+"/"+id).Refused(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "stays")
		},
	},
	{
		"reactions/unreadable", "A declaration that cannot be read fails its component",
		unverified,
		func(_ *testing.T, o *Org) { o.failed(o.trigger("before lunch: eat", "Active"), "") },
	},
}

// twinsFiles are a matching rule and a duplicate rule for things with the same address.
func twinsFiles(action, active string) map[string]string {
	return map[string]string{
		"matchingRules/Orgtest_Thing__c.matchingRule": "<MatchingRules" + metadataNamespace + "><matchingRules><fullName>Mail</fullName><label>Mail</label><matchingRuleItems>" +
			"<blankValueBehavior>NullNotAllowed</blankValueBehavior><fieldName>Mail__c</fieldName><matchingMethod>Exact</matchingMethod></matchingRuleItems>" +
			"<ruleStatus>Active</ruleStatus></matchingRules></MatchingRules>",
		"duplicateRules/Orgtest_Thing__c.Twins.duplicateRule": "<DuplicateRule" + metadataNamespace + "><actionOnInsert>" + action + "</actionOnInsert><actionOnUpdate>Allow</actionOnUpdate>" +
			"<alertText>twins</alertText><duplicateRuleMatchRules><matchRuleSObjectType>Orgtest_Thing__c</matchRuleSObjectType><matchingRule>Mail</matchingRule></duplicateRuleMatchRules>" +
			"<isActive>" + active + "</isActive><masterLabel>Twins</masterLabel><operationsOnInsert>Alert</operationsOnInsert><securityOption>EnforceSharingRules</securityOption><sortOrder>1</sortOrder></DuplicateRule>",
	}
}

// twinned deploys the rule and switches it off at the end.
func (o *Org) twinned(action string) {
	o.t.Helper()
	members := map[string][]string{"MatchingRules": {thing}, "DuplicateRule": {thing + ".Twins"}}
	o.must(o.Deploy(twinsFiles(action, "true"), members, nil))
	o.t.Cleanup(func() { o.must(o.Deploy(twinsFiles(action, "false"), members, nil)) })
	o.Thing(Values{"Mail__c": "twin@orgtest.example"})
}

var duplicateRules = []law{
	{
		"duplicates/block", "A duplicate rule that blocks refuses a record like another, whatever the header says",
		document("Salesforce Help, Duplicate Rules; REST API Developer Guide, Duplicate Rule Header"),
		func(t *testing.T, o *Org) {
			o.twinned("Block")
			o.Post("sobjects/"+thing, Values{"Name": "x", "Mail__c": "twin@orgtest.example"}).Refused(400, "DUPLICATES_DETECTED", "twins")
			if r := o.Do("POST", "sobjects/"+thing, "application/json", `{"Name":"x","Mail__c":"twin@orgtest.example"}`, "Sforce-Duplicate-Rule-Header", "allowSave=true"); r.Status != 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"duplicates/alert", "A duplicate rule that alerts refuses, too, unless the header allows the save",
		document("REST API Developer Guide, Duplicate Rule Header: allowSave; NPSP issue 2475"),
		func(_ *testing.T, o *Org) {
			o.twinned("Allow")
			o.Post("sobjects/"+thing, Values{"Name": "x", "Mail__c": "twin@orgtest.example"}).Refused(400, "DUPLICATES_DETECTED", "twins")
			var made struct{ ID string }
			o.Do("POST", "sobjects/"+thing, "application/json", `{"Name":"x","Mail__c":"twin@orgtest.example"}`, "Sforce-Duplicate-Rule-Header", "allowSave=true").OK(201).Into(&made)
			o.t.Cleanup(func() { o.discard(thing, made.ID) })
		},
	},
	{
		"duplicates/blank", "Records without the matching value are no duplicates",
		document("Metadata API Developer Guide, MatchingRuleItem: blankValueBehavior NullNotAllowed"),
		func(_ *testing.T, o *Org) {
			o.twinned("Block")
			o.Thing(nil)
			o.Thing(nil)
		},
	},
}
