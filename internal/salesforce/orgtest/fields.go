package orgtest

import (
	"maps"
	"strings"
	"testing"
)

// thing is the object of the fixture.
const thing = "Orgtest_Thing__c"

// filled are the values with what the object asks for, unless they say it.
func (o *Org) filled(object string, v Values) Values {
	all := Values{}
	switch object {
	case thing, "Account":
		all["Name"] = o.Name()
	case "Contact":
		all["LastName"] = o.Name()
	case "Lead":
		all["LastName"], all["Company"] = o.Name(), o.Name()
	case "Opportunity":
		all["Name"], all["StageName"], all["CloseDate"] = o.Name(), "Prospecting", "2030-01-31"
	}
	maps.Copy(all, v)
	return all
}

// refuses is a test that an insert is refused.
func refuses(object string, v Values, code, text string) func(*testing.T, *Org) {
	return func(_ *testing.T, o *Org) {
		o.Post("sobjects/"+object, o.filled(object, v)).Refused(400, code, text)
	}
}

// keeps is a test that a record is made and that a field of it then reads as wanted.
func keeps(object string, v Values, field, want string) func(*testing.T, *Org) {
	return func(_ *testing.T, o *Org) {
		o.Has(object, o.Create(object, o.filled(object, v)), field, want)
	}
}

var fieldRules = []law{
	{
		"fields/number-is-rounded", "A number with more places than its field is rounded half away from zero",
		document("Salesforce Help, Custom Field Types: Number"),
		keeps(thing, Values{"Whole__c": 1.235}, "Whole__c", "1.24"),
	},
	{
		"fields/number-out-of-range", "A number with more digits before the point than its field has is refused",
		document("SOAP API Developer Guide, StatusCode: NUMBER_OUTSIDE_VALID_RANGE"),
		refuses(thing, Values{"Whole__c": 123456}, "NUMBER_OUTSIDE_VALID_RANGE", ""),
	},
	{
		"fields/checkbox-default", "A checkbox takes its default on insert",
		document("Salesforce Help, Default Field Values"),
		keeps(thing, nil, "Flag__c", "true"),
	},
	{
		"fields/default-value", "A default value fills in what an insert does not name",
		document("Salesforce Help, Default Field Values"),
		func(_ *testing.T, o *Org) {
			o.Has("Orgtest_Strict__c", o.Create("Orgtest_Strict__c", Values{"Must__c": "x"}), "Given__c", "preset")
		},
	},
	{
		"fields/default-not-on-null", "A default value does not replace a null that the insert names",
		document("Salesforce Help, Default Field Values: applied when the record is created and the field is not sent"),
		func(_ *testing.T, o *Org) {
			o.Has("Orgtest_Strict__c", o.Create("Orgtest_Strict__c", Values{"Must__c": "x", "Given__c": nil}), "Given__c", "<nil>")
		},
	},
	{
		"fields/required", "A required custom field cannot be left out",
		document("SOAP API Developer Guide, StatusCode: REQUIRED_FIELD_MISSING"),
		refuses("Orgtest_Strict__c", Values{}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Must__c]"),
	},
	{
		"fields/required-is-kept", "A required field cannot be cleared",
		document("SOAP API Developer Guide, StatusCode: REQUIRED_FIELD_MISSING"),
		func(_ *testing.T, o *Org) {
			id := o.Create("Orgtest_Strict__c", Values{"Must__c": "x"})
			o.Patch("sobjects/Orgtest_Strict__c/"+id, Values{"Must__c": nil}).Refused(400, "REQUIRED_FIELD_MISSING", "Must__c")
		},
	},
	{
		"fields/name-by-number", "An auto-number name cannot be written",
		document("Object Reference, auto-number fields are read only"),
		refuses("Orgtest_Strict__c", Values{"Must__c": "x", "Name": "S-1"}, "INVALID_FIELD_FOR_INSERT_UPDATE", "Name"),
	},
	{
		"fields/auto-number-goes-on", "An auto-number counts on, and what was deleted leaves a gap",
		document("Salesforce Help, Custom Field Types: Auto Number"),
		func(t *testing.T, o *Org) {
			first, gone := o.Thing(nil), o.Thing(nil)
			o.Delete("sobjects/" + thing + "/" + gone).OK(204)
			last := o.Thing(nil)
			a, b, c := o.Field(thing, first, "Serial__c"), o.Field(thing, gone, "Serial__c"), o.Field(thing, last, "Serial__c")
			if !(a < b && b < c) || !strings.HasPrefix(a, "T-") || len(a) < 6 {
				t.Errorf("%s, %s, %s", a, b, c)
			}
		},
	},
	{
		"fields/unique", "A unique field takes a value once, whatever its case",
		document("SOAP API Developer Guide, StatusCode: DUPLICATE_VALUE; Salesforce Help, Unique"),
		func(_ *testing.T, o *Org) {
			code := o.Name()[8:]
			o.Thing(Values{"Code__c": "a" + code[len(code)-15:]})
			o.Post("sobjects/"+thing, Values{"Name": "x", "Code__c": "A" + code[len(code)-15:]}).
				Refused(400, "DUPLICATE_VALUE", "duplicate value found: Code__c duplicates value on record with id: ")
		},
	},
	{
		"fields/unique-case-sensitive", "A unique field that minds case takes a value in another case",
		document("Salesforce Help, Unique: treat ABC and abc as different values"),
		func(_ *testing.T, o *Org) {
			code := o.Name()
			code = code[len(code)-15:]
			o.Thing(Values{"Exact__c": "a" + code})
			o.Thing(Values{"Exact__c": "A" + code})
			o.Post("sobjects/"+thing, Values{"Name": "x", "Exact__c": "a" + code}).Refused(400, "DUPLICATE_VALUE", "Exact__c")
		},
	},
	{
		"fields/unique-allows-null", "Many records may have no value in a unique field",
		document("Salesforce Help, Unique: blank values are not compared"),
		func(_ *testing.T, o *Org) { o.Thing(nil); o.Thing(nil) },
	},
	{
		"fields/unique-in-the-bin", "The value of a record in the Recycle Bin is free, and the record then cannot come back",
		unverified,
		func(t *testing.T, o *Org) {
			code := o.Name()
			code = code[len(code)-15:]
			gone := o.Thing(Values{"Code__c": code})
			o.Delete("sobjects/" + thing + "/" + gone).OK(204)
			o.Thing(Values{"Code__c": code})
			if got := o.Undelete(gone); got != "DUPLICATE_VALUE" {
				t.Errorf("undelete: %q", got)
			}
		},
	},
	{
		"fields/upsert-by-external-id", "An upsert by an external id makes a record and then changes it",
		document("REST API Developer Guide, Upsert Using an External ID: 201, then 200 from version 46 on"),
		func(t *testing.T, o *Org) {
			code := o.Name()
			code = code[len(code)-15:]
			var first, again struct {
				ID      string
				Created bool
			}
			o.Patch("sobjects/"+thing+"/Code__c/"+strings.ReplaceAll(code, " ", "%20"), Values{"Name": "x"}).OK(201).Into(&first)
			o.t.Cleanup(func() { o.discard(thing, first.ID) })
			o.Patch("sobjects/"+thing+"/Code__c/"+strings.ReplaceAll(code, " ", "%20"), Values{"Name": "y"}).OK(200).Into(&again)
			if !first.Created || again.Created || first.ID != again.ID {
				t.Errorf("%+v %+v", first, again)
			}
		},
	},
	{
		"fields/parent-by-external-id", "A parent can be named by its external id",
		document("REST API Developer Guide, Insert or Update a Record Using an External ID: relationships"),
		func(_ *testing.T, o *Org) {
			code := o.Name()
			code = code[len(code)-15:]
			boss := o.Thing(Values{"Code__c": code})
			o.Has(thing, o.Thing(Values{"Boss__r": Values{"Code__c": code}}), "Boss__c", boss)
		},
	},
	{
		"fields/parent-by-unknown-external-id", "A parent whose external id nobody has is refused",
		document("SOAP API Developer Guide, StatusCode: INVALID_FIELD; public replies: Foreign key external ID … not found"),
		refuses(thing, Values{"Boss__r": Values{"Code__c": "nobody has it"}}, "INVALID_FIELD", "Foreign key external ID: nobody has it not found for field Code__c in entity Orgtest_Thing__c"),
	},
	{
		"fields/email", "An address that is none is refused",
		document("SOAP API Developer Guide, StatusCode: INVALID_EMAIL_ADDRESS"),
		refuses(thing, Values{"Mail__c": "no address"}, "INVALID_EMAIL_ADDRESS", "invalid email address: no address"),
	},
	{
		"fields/text-too-long", "Text longer than its field is refused with the length",
		document("SOAP API Developer Guide, StatusCode: STRING_TOO_LONG"),
		refuses(thing, Values{"Exact__c": strings.Repeat("x", 21)}, "STRING_TOO_LONG", "(max length=20)"),
	},
	{
		"fields/empty-is-null", "An empty text is null",
		document("SOQL and SOSL Reference, null in WHERE; SOAP API Developer Guide, create()"),
		keeps(thing, Values{"Exact__c": ""}, "Exact__c", "<nil>"),
	},
	{
		"fields/wrong-type", "A value of another type than the field's is refused before the record is looked at",
		client("jsforce 3.12 and simple-salesforce report JSON_PARSER_ERROR"),
		func(t *testing.T, o *Org) {
			if r := o.Post("sobjects/"+thing, Values{"Name": "x", "Day__c": "tomorrow"}); r.Status != 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"fields/datetime-is-utc", "A datetime with an offset is kept as the moment that it is",
		document("REST API Developer Guide, Valid Date and DateTime Formats"),
		keeps(thing, Values{"Moment__c": "2026-03-04T12:00:00+02:00"}, "Moment__c", "2026-03-04T10:00:00.000+0000"),
	},
	{
		"fields/time", "A time reads with milliseconds and Z",
		document("SOAP API Developer Guide, primitive data types: time"),
		keeps(thing, Values{"Clock__c": "08:30:00.000Z"}, "Clock__c", "08:30:00.000Z"),
	},
	{
		"fields/geolocation-range", "A latitude beyond 90 degrees is refused",
		document("SOAP API Developer Guide, Compound Field Considerations and Limitations"),
		refuses("Account", Values{"BillingLatitude": 90.5}, "NUMBER_OUTSIDE_VALID_RANGE", ""),
	},
	{
		"fields/geolocation", "A geolocation is two numbers that can be written, and one value that is read",
		document("SOAP API Developer Guide, Compound Fields: Geolocation"),
		func(t *testing.T, o *Org) {
			id := o.Thing(Values{"Place__Latitude__s": 52.5, "Place__Longitude__s": 13.25})
			if got := o.Field(thing, id, "Place__c"); !strings.Contains(got, "52.5") || !strings.Contains(got, "13.25") {
				t.Errorf("%s", got)
			}
		},
	},
	{
		"fields/audit-fields-without-the-permission", "Audit fields are refused from a user who may not set them",
		document("Salesforce Help, Set Audit Fields upon Record Creation"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Account", Values{"Name": "x", "SystemModstamp": "2019-01-01T00:00:00Z"}).
				Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "SystemModstamp")
		},
	},
}

var pickRules = []law{
	{
		"picklists/restricted", "A restricted picklist refuses a value that it does not have",
		document("SOAP API Developer Guide, StatusCode: INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
		refuses(thing, Values{"Kind__c": "Z"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist field: Z"),
	},
	{
		"picklists/unrestricted", "A picklist that is not restricted takes any value through the API",
		document("Salesforce Help 000381951, restricted picklists"),
		keeps(thing, Values{"Free__c": "anything"}, "Free__c", "anything"),
	},
	{
		"picklists/dependent", "A restricted dependent value needs its controlling value",
		document("SOAP API Developer Guide, validFor; Salesforce Help 000381951"),
		refuses(thing, Values{"Kind__c": "A", "Sub__c": "b1"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "b1"),
	},
	{
		"picklists/dependent-fits", "A dependent value is taken with a controlling value that allows it",
		document("SOAP API Developer Guide, validFor"),
		keeps(thing, Values{"Kind__c": "B", "Sub__c": "ab"}, "Sub__c", "ab"),
	},
	{
		"picklists/valid-for", "The describe tells in validFor which controlling values allow a dependent one",
		document("SOAP API Developer Guide, PicklistEntry: validFor, a bitmap in base64"),
		func(t *testing.T, o *Org) {
			var d struct {
				Fields []struct {
					Name, ControllerName string
					DependentPicklist    bool
					PicklistValues       []struct{ Value, ValidFor string }
				}
			}
			o.Get("sobjects/" + thing + "/describe").OK(200).Into(&d)
			for _, f := range d.Fields {
				if f.Name != "Sub__c" {
					continue
				}
				got := map[string]string{}
				for _, v := range f.PicklistValues {
					got[v.Value] = v.ValidFor
				}
				if f.ControllerName != "Kind__c" || !f.DependentPicklist || !strings.HasPrefix(got["a1"], "g") || !strings.HasPrefix(got["b1"], "Q") || !strings.HasPrefix(got["ab"], "w") {
					t.Errorf("%+v", f)
				}
			}
		},
	},
	{
		"picklists/multi-restricted", "A restricted multi-select picklist refuses a value that it does not have",
		document("SOAP API Developer Guide, StatusCode: INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
		refuses(thing, Values{"Many__c": "P;Z"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Z"),
	},
	{
		"picklists/includes", "INCLUDES finds a record by one of its values",
		document("SOQL and SOSL Reference, Querying Multi-Select Picklists"),
		func(t *testing.T, o *Org) {
			id := o.Thing(Values{"Many__c": "P;Q"})
			for condition, want := range map[string]int{"INCLUDES ('Q')": 1, "INCLUDES ('P;Q')": 1, "INCLUDES ('P;R')": 0, "EXCLUDES ('P')": 0} {
				if n := o.Query("SELECT Id FROM " + thing + " WHERE Id = '" + id + "' AND Many__c " + condition).TotalSize; n != want {
					t.Errorf("%s: %d rows", condition, n)
				}
			}
		},
	},
	{
		"picklists/by-record-type", "A value that the record type does not offer is refused",
		document("Salesforce Help, Picklists and Record Types; restricted picklists through the API"),
		func(_ *testing.T, o *Org) {
			beta := o.recordType("Beta")
			o.Post("sobjects/"+thing, Values{"Name": "x", "RecordTypeId": beta, "Kind__c": "A"}).
				Refused(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "A")
			o.Thing(Values{"RecordTypeId": beta, "Kind__c": "C"})
		},
	},
	{
		"record-types/unknown", "A record type that does not exist is refused",
		document("SOAP API Developer Guide, StatusCode: INVALID_CROSS_REFERENCE_KEY; public replies: Record Type ID"),
		refuses(thing, Values{"RecordTypeId": "012000000000001AAA"}, "INVALID_CROSS_REFERENCE_KEY", "Record Type ID"),
	},
	{
		"record-types/described", "The describe lists the record types with their developer names, the master last",
		described("Contact.json and Account.json: recordTypeInfos"),
		func(t *testing.T, o *Org) {
			var d struct {
				RecordTypeInfos []struct {
					DeveloperName string
					Master        bool
				}
			}
			o.Get("sobjects/" + thing + "/describe").OK(200).Into(&d)
			n := len(d.RecordTypeInfos)
			if n != 3 || !d.RecordTypeInfos[n-1].Master || d.RecordTypeInfos[n-1].DeveloperName != "Master" {
				t.Errorf("%+v", d.RecordTypeInfos)
			}
		},
	},
}

// recordType is the Id of a record type of the fixture's object.
func (o *Org) recordType(name string) string {
	o.t.Helper()
	p := o.Query("SELECT Id FROM RecordType WHERE SobjectType = '" + thing + "' AND DeveloperName = '" + name + "'")
	if len(p.Records) != 1 {
		o.t.Fatalf("%d record types %s", len(p.Records), name)
	}
	return p.Records[0]["Id"].(string)
}
