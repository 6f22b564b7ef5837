package orgtest

import (
	"fmt"
	"strings"
	"testing"
)

const (
	detail = "Orgtest_Line__c" // stays with its master
	mover  = "Orgtest_Move__c" // may get another master
	strict = "Orgtest_Strict__c"
)

// Detail makes a detail of a thing.
func (o *Org) Detail(object, master string, amount float64) string {
	o.t.Helper()
	return o.Create(object, Values{"Name": "d", "Thing__c": master, "Amount__c": amount})
}

var relationRules = []law{
	{
		"master-detail/required", "A detail needs its master",
		document("Salesforce Help, Object Relationships Overview: master-detail is required on the detail"),
		refuses(detail, Values{"Name": "d"}, "REQUIRED_FIELD_MISSING", "Thing__c"),
	},
	{
		"master-detail/cascade", "Details go to the bin with their master and come back with it",
		document("Salesforce Help, Object Relationships Overview; SOAP API Developer Guide, undelete()"),
		func(t *testing.T, o *Org) {
			master := o.Thing(nil)
			d := o.Detail(detail, master, 1)
			o.Delete("sobjects/" + thing + "/" + master).OK(204)
			o.Has(detail, d, "IsDeleted", "true")
			if got := o.Undelete(d); got != "UNDELETE_FAILED" {
				t.Errorf("the detail alone: %q", got)
			}
			if got := o.Undelete(master); got != "" {
				t.Errorf("the master: %q", got)
			}
			o.Has(detail, d, "IsDeleted", "false")
		},
	},
	{
		"master-detail/stays", "A detail whose field says so cannot get another master",
		document("Salesforce Help, Master-Detail: reparenting is off by default"),
		func(t *testing.T, o *Org) {
			d := o.Detail(detail, o.Thing(nil), 1)
			if f := o.describe(detail).field(t, "Thing__c"); f.Updateable {
				t.Error("the describe says that the master can change")
			}
			o.Patch("sobjects/"+detail+"/"+d, Values{"Thing__c": o.Thing(nil)}).Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Thing__c")
		},
	},
	{
		"master-detail/moves", "A detail that may be reparented moves to another master",
		document("Salesforce Help, Master-Detail: Allow reparenting"),
		func(_ *testing.T, o *Org) {
			d, other := o.Detail(mover, o.Thing(nil), 1), o.Thing(nil)
			o.Set(mover, d, Values{"Thing__c": other})
			o.Has(mover, d, "Thing__c", other)
		},
	},
	{
		"master-detail/no-owner", "A detail has no owner of its own",
		document("Salesforce Help, Object Relationships Overview: the Owner field is not available on the detail"),
		func(t *testing.T, o *Org) {
			for _, f := range o.describe(detail).Fields {
				if f.Name == "OwnerId" {
					t.Error("OwnerId is there")
				}
			}
		},
	},
	{
		"lookups/set-null", "Deleting the parent clears a lookup that says SetNull",
		document("Metadata API Developer Guide, DeleteConstraint: SetNull"),
		func(_ *testing.T, o *Org) {
			account := o.Account()
			id := o.Thing(Values{"Account__c": account})
			o.Delete("sobjects/Account/" + account).OK(204)
			o.Has(thing, id, "Account__c", "<nil>")
		},
	},
	{
		"lookups/restrict", "A parent that a restricting lookup names cannot be deleted",
		document("Metadata API Developer Guide, DeleteConstraint: Restrict; StatusCode DELETE_FAILED"),
		func(_ *testing.T, o *Org) {
			parent := o.Create(strict, Values{"Must__c": "x"})
			o.Thing(Values{"Hard__c": parent})
			o.Delete("sobjects/"+strict+"/"+parent).Refused(400, "DELETE_FAILED", "")
			o.Has(strict, parent, "IsDeleted", "false")
		},
	},
	{
		"lookups/filter", "A lookup takes only a parent that its filter lets through",
		document("Salesforce Help, Lookup Filters; Salesforce Help 000384756"),
		func(_ *testing.T, o *Org) {
			good, bad := o.Create("Account", Values{"Name": "g", "Type": "Prospect"}), o.Create("Account", Values{"Name": "b", "Type": "Other"})
			id := o.Thing(Values{"Filtered__c": good})
			o.Patch("sobjects/"+thing+"/"+id, Values{"Filtered__c": bad}).
				Refused(400, "FIELD_FILTER_VALIDATION_EXCEPTION", "Value does not exist or does not match filter criteria.")
		},
	},
	{
		"lookups/wrong-object", "An Id of another object is refused",
		document("SOAP API Developer Guide, StatusCode: FIELD_INTEGRITY_EXCEPTION; public replies: id value of incorrect type"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/"+thing, Values{"Name": "x", "Account__c": o.Contact("")}).Refused(400, "FIELD_INTEGRITY_EXCEPTION", "id value of incorrect type")
		},
	},
	{
		"lookups/nobody", "An Id of no record is refused",
		document("SOAP API Developer Guide, StatusCode: INVALID_CROSS_REFERENCE_KEY"),
		refuses("Contact", Values{"AccountId": "001000000000001AAA"}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
	},
	{
		"lookups/deleted-parent", "A lookup to a deleted record is refused",
		document("SOAP API Developer Guide, StatusCode: ENTITY_IS_DELETED"),
		func(_ *testing.T, o *Org) {
			account := o.Account()
			o.Delete("sobjects/Account/" + account).OK(204)
			o.Post("sobjects/"+thing, Values{"Name": "x", "Account__c": account}).Refused(404, "ENTITY_IS_DELETED", "entity is deleted")
		},
	},
	{
		"lookups/hierarchy", "A hierarchy of accounts takes no circle",
		document("SOAP API Developer Guide, StatusCode: CIRCULAR_DEPENDENCY; public accounts of a circle of two"),
		func(_ *testing.T, o *Org) {
			top := o.Account()
			low := o.Create("Account", Values{"Name": o.Name(), "ParentId": top})
			o.Patch("sobjects/Account/"+top, Values{"ParentId": low}).Refused(400, "CIRCULAR_DEPENDENCY", "")
		},
	},
	{
		"roll-ups/sum", "A roll-up sums its details as they come, change and go",
		document("Salesforce Help, Roll-Up Summary Field"),
		func(_ *testing.T, o *Org) {
			master := o.Thing(nil)
			a, b := o.Detail(detail, master, 2), o.Detail(detail, master, 20)
			o.Has(thing, master, "Total__c", "22")
			o.Set(detail, a, Values{"Amount__c": 5})
			o.Has(thing, master, "Total__c", "25")
			o.Delete("sobjects/" + detail + "/" + b).OK(204)
			o.Has(thing, master, "Total__c", "5")
		},
	},
	{
		"roll-ups/filter", "A roll-up counts the details that its filter lets through",
		document("Salesforce Help, Roll-Up Summary Field: filter criteria"),
		func(_ *testing.T, o *Org) {
			master := o.Thing(nil)
			o.Detail(detail, master, 2)
			o.Detail(detail, master, 20)
			o.Has(thing, master, "Lines__c", "1")
		},
	},
	{
		"roll-ups/empty", "The sum of no details is zero",
		document("Salesforce Help, Roll-Up Summary Field: the value is 0 without details"),
		keeps(thing, nil, "Total__c", "0"),
	},
	{
		"roll-ups/read-only", "A roll-up cannot be written",
		document("Salesforce Help, Roll-Up Summary Field; StatusCode INVALID_FIELD_FOR_INSERT_UPDATE"),
		refuses(thing, Values{"Total__c": 1}, "INVALID_FIELD_FOR_INSERT_UPDATE", "Total__c"),
	},
	{
		"formulas/computed", "A formula reads its fields, also of a parent",
		document("Salesforce Help, Build a Formula Field; Cross-Object Formulas"),
		func(_ *testing.T, o *Org) {
			name := o.Name()
			account := o.Create("Account", Values{"Name": name})
			id := o.Thing(Values{"Name": "abc", "Whole__c": 2.5, "Account__c": account})
			o.Has(thing, id, "Twice__c", "5")
			o.Has(thing, id, "Words__c", "ABC "+name)
		},
	},
	{
		"formulas/blank", "A formula that treats blanks as blanks is null without its number",
		document("Salesforce Help, Build a Formula Field: treat blank fields as blanks"),
		keeps(thing, nil, "Twice__c", "<nil>"),
	},
	{
		"formulas/drift", "A formula over a parent changes without a change of the record's stamp",
		document("Salesforce Help, Cross-Object Formulas: values are computed when they are read"),
		func(t *testing.T, o *Org) {
			account := o.Account()
			id := o.Thing(Values{"Name": "abc", "Account__c": account})
			before := o.Field(thing, id, "SystemModstamp")
			o.Set("Account", account, Values{"Name": "drifted"})
			o.Has(thing, id, "Words__c", "ABC drifted")
			if got := o.Field(thing, id, "SystemModstamp"); got != before {
				t.Errorf("the stamp went from %s to %s", before, got)
			}
		},
	},
	{
		"formulas/read-only", "A formula cannot be written",
		document("SOAP API Developer Guide, StatusCode: INVALID_FIELD_FOR_INSERT_UPDATE"),
		refuses(thing, Values{"Twice__c": 1}, "INVALID_FIELD_FOR_INSERT_UPDATE", "Twice__c"),
	},
	{
		"formulas/in-conditions", "A formula can be asked for in a condition",
		document("SOQL and SOSL Reference, formula fields in WHERE"),
		func(t *testing.T, o *Org) {
			id := o.Thing(Values{"Whole__c": 4})
			if n := o.Query(fmt.Sprintf("SELECT Id FROM %s WHERE Id = '%s' AND Twice__c = 8", thing, id)).TotalSize; n != 1 {
				t.Errorf("%d rows", n)
			}
		},
	},
	{
		"validation/refuses", "A validation rule whose formula is true refuses the record, at its field",
		document("Salesforce Help, Validation Rules; StatusCode FIELD_CUSTOM_VALIDATION_EXCEPTION"),
		func(t *testing.T, o *Org) {
			r := o.Post("sobjects/"+thing, Values{"Name": "invalid"})
			r.Refused(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "No invalid names")
			if !strings.Contains(string(r.Body), `"fields":["Name"]`) {
				t.Errorf("%s", r.Body)
			}
		},
	},
	{
		"validation/prior-value", "A validation rule sees what changes",
		document("Salesforce Help, ISCHANGED, PRIORVALUE"),
		func(_ *testing.T, o *Org) {
			id := o.Thing(Values{"Day__c": "2020-02-29"})
			o.Set(thing, id, Values{"Whole__c": 1})
			o.Patch("sobjects/"+thing+"/"+id, Values{"Day__c": "2020-03-01"}).Refused(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "The day stays")
		},
	},
	{
		"workflow/field-update", "A workflow rule that holds updates its field",
		document("Salesforce Help, Workflow Rules: Field Update; Apex Developer Guide, Triggers and Order of Execution"),
		func(_ *testing.T, o *Org) {
			o.Has(thing, o.Thing(Values{"Name": "workflow acts"}), "Long__c", "by workflow")
			o.Has(thing, o.Thing(nil), "Long__c", "<nil>")
		},
	},
	{
		"workflow/only-when-it-becomes-true", "A rule that acts when a record comes to meet its criteria does not act again",
		document("Metadata API Developer Guide, WorkflowRule: triggerType onCreateOrTriggeringUpdate"),
		func(_ *testing.T, o *Org) {
			id := o.Thing(Values{"Name": "workflow again"})
			o.Set(thing, id, Values{"Long__c": "by hand"})
			o.Has(thing, id, "Long__c", "by hand")
		},
	},
}
