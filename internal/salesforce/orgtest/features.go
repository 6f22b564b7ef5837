package orgtest

import (
	"fmt"
	"strings"
	"testing"
)

// personType is the record type of person accounts.
func (o *Org) personType() string {
	o.t.Helper()
	return o.Query("SELECT Id FROM RecordType WHERE SobjectType = 'Account' AND IsPersonType = true AND IsActive = true").Records[0]["Id"].(string)
}

// person makes a person account.
func (o *Org) person(v Values) string {
	o.t.Helper()
	all := Values{"RecordTypeId": o.personType(), "LastName": o.Name()}
	for name, value := range v {
		all[name] = value
	}
	return o.Create("Account", all)
}

var personRules = []law{
	{
		"person-accounts/contact", "A person account has a contact of its own",
		document("Object Reference, Person Account Record Types; PersonContactId"),
		func(t *testing.T, o *Org) {
			id := o.person(Values{"FirstName": "Ada", "PersonEmail": "ada@orgtest.example"})
			o.Has("Account", id, "IsPersonAccount", "true")
			contact := o.Field("Account", id, "PersonContactId")
			if !strings.HasPrefix(contact, "003") {
				t.Fatal(contact)
			}
			o.Has("Contact", contact, "AccountId", id)
			o.Has("Contact", contact, "Email", "ada@orgtest.example")
		},
	},
	{
		"person-accounts/name", "The name of a person account is that of its person, and is not written",
		document("Salesforce Help, Considerations for Using Person Accounts"),
		func(_ *testing.T, o *Org) {
			o.Has("Account", o.person(Values{"FirstName": "Ada", "LastName": "Byron"}), "Name", "Ada Byron")
			o.Post("sobjects/Account", Values{"RecordTypeId": o.personType(), "LastName": "x", "Name": "y"}).Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Name")
		},
	},
	{
		"person-accounts/last-name", "A person account needs a last name",
		document("Object Reference, Account: LastName"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Account", Values{"RecordTypeId": o.personType(), "FirstName": "x"}).Refused(400, "REQUIRED_FIELD_MISSING", "LastName")
		},
	},
	{
		"person-accounts/through-the-account", "The contact of a person is changed through its account",
		document("Salesforce Help, Considerations for Using Person Accounts; StatusCode INVALID_PERSON_ACCOUNT_OPERATION"),
		func(_ *testing.T, o *Org) {
			id := o.person(nil)
			contact := o.Field("Account", id, "PersonContactId")
			o.Patch("sobjects/Contact/"+contact, Values{"Phone": "1"}).Refused(400, "INVALID_PERSON_ACCOUNT_OPERATION", "")
			o.Set("Account", id, Values{"PersonEmail": "b@orgtest.example"})
			o.Has("Contact", contact, "Email", "b@orgtest.example")
		},
	},
	{
		"person-accounts/no-contacts", "A person account has no other contacts",
		document("Salesforce Help, Considerations for Using Person Accounts"),
		func(t *testing.T, o *Org) {
			if r := o.Post("sobjects/Contact", Values{"LastName": "x", "AccountId": o.person(nil)}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"person-accounts/no-hierarchy", "A person account is neither parent nor child",
		document("Salesforce Help, Considerations for Using Person Accounts"),
		func(t *testing.T, o *Org) {
			if r := o.Post("sobjects/Account", Values{"Name": "x", "ParentId": o.person(nil)}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"person-accounts/person-fields", "A business account has no fields of a person",
		document("public replies to writing the fields of the other kind"),
		func(_ *testing.T, o *Org) {
			o.Post("sobjects/Account", Values{"Name": "x", "PersonEmail": "a@orgtest.example"}).Refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "PersonEmail")
		},
	},
	{
		"person-accounts/go-together", "A person account and its contact are deleted and undeleted together",
		document("Salesforce Help, Considerations for Using Person Accounts"),
		func(_ *testing.T, o *Org) {
			id := o.person(nil)
			contact := o.Field("Account", id, "PersonContactId")
			o.Delete("sobjects/Account/" + id).OK(204)
			o.Has("Contact", contact, "IsDeleted", "true")
			o.Undelete(id)
			o.Has("Contact", contact, "IsDeleted", "false")
		},
	},
	{
		"person-accounts/merge", "A person is not merged with a business",
		document("SOAP API Developer Guide, merge(): person accounts with person accounts"),
		func(t *testing.T, o *Org) {
			if got := o.merge(o.Account(), o.person(nil)); got != "INVALID_PERSON_ACCOUNT_OPERATION" {
				t.Error(got)
			}
		},
	},
}

var currencyRules = []law{
	{
		"currencies/corporate", "One currency is the corporate one, of rate 1",
		document("Object Reference, CurrencyType: IsCorporate, ConversionRate"),
		func(t *testing.T, o *Org) {
			rows := o.Query("SELECT ConversionRate FROM CurrencyType WHERE IsCorporate = true").Records
			if len(rows) != 1 || fmt.Sprint(rows[0]["ConversionRate"]) != "1" {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"currencies/of-a-record", "A record is in the currency of its user unless it names one",
		document("Object Reference, CurrencyIsoCode"),
		func(_ *testing.T, o *Org) {
			want := o.Field("User", o.User(), "DefaultCurrencyIsoCode")
			if want == "<nil>" {
				want = o.Query("SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true").Records[0]["IsoCode"].(string)
			}
			o.Has("Account", o.Account(), "CurrencyIsoCode", want)
		},
	},
	{
		"currencies/unknown", "A currency that the org does not have is refused",
		document("Object Reference, CurrencyIsoCode: a restricted picklist"),
		refuses("Account", Values{"CurrencyIsoCode": "XTS"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ""),
	},
	{
		"currencies/corporate-stays-on", "The corporate currency cannot be switched off",
		document("SOAP API Developer Guide, StatusCode: CANT_DISABLE_CORP_CURRENCY"),
		func(_ *testing.T, o *Org) {
			id := o.Query("SELECT Id FROM CurrencyType WHERE IsCorporate = true").Records[0]["Id"].(string)
			o.Patch("sobjects/CurrencyType/"+id, Values{"IsActive": false}).Refused(400, "CANT_DISABLE_CORP_CURRENCY", "")
		},
	},
	{
		"currencies/convert", "convertCurrency gives an amount in the currency of the user",
		document("SOQL and SOSL Reference, convertCurrency()"),
		func(t *testing.T, o *Org) {
			id := o.Create("Opportunity", o.filled("Opportunity", Values{"Amount": 100}))
			row := o.Query("SELECT convertCurrency(Amount) c FROM Opportunity WHERE Id = '" + id + "'").Records[0]
			if fmt.Sprint(row["c"]) != "100" {
				t.Errorf("%v", row)
			}
		},
	},
	{
		"currencies/described", "Objects with amounts have CurrencyIsoCode",
		document("Object Reference, CurrencyIsoCode"),
		func(t *testing.T, o *Org) {
			if f := o.describe("Opportunity").field(t, "CurrencyIsoCode"); f.Type != "picklist" || !f.Createable {
				t.Errorf("%+v", f)
			}
		},
	},
}

var manyRules = []law{
	{
		"many-accounts/direct", "A contact with an account has a direct relation to it",
		document("Object Reference, AccountContactRelation: IsDirect"),
		func(t *testing.T, o *Org) {
			account := o.Account()
			contact := o.Contact(account)
			rows := o.Query("SELECT AccountId, IsDirect FROM AccountContactRelation WHERE ContactId = '" + contact + "'").Records
			if len(rows) != 1 || rows[0]["AccountId"] != account || rows[0]["IsDirect"] != true {
				t.Errorf("%v", rows)
			}
		},
	},
	{
		"many-accounts/indirect", "A contact can be related to a second account, once",
		document("Object Reference, AccountContactRelation"),
		func(t *testing.T, o *Org) {
			v := Values{"AccountId": o.Account(), "ContactId": o.Contact(o.Account())}
			o.Has("AccountContactRelation", o.Create("AccountContactRelation", v), "IsDirect", "false")
			if r := o.Post("sobjects/AccountContactRelation", v); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"many-accounts/direct-stays", "The direct relation is not deleted by itself",
		document("Salesforce Help, Contacts to Multiple Accounts"),
		func(t *testing.T, o *Org) {
			contact := o.Contact(o.Account())
			id := o.Query("SELECT Id FROM AccountContactRelation WHERE ContactId = '" + contact + "'").Records[0]["Id"].(string)
			if r := o.Delete("sobjects/AccountContactRelation/" + id); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
}

// plainRules hold for an org without features.
var plainRules = []law{
	{
		"person-accounts/absent", "Without the feature IsPersonAccount is no field",
		client("SFDMU 3.7.19 asks for it and expects INVALID_FIELD"),
		func(t *testing.T, o *Org) {
			for _, f := range o.describe("Account").Fields {
				if f.Name == "IsPersonAccount" {
					t.Skip("the org has person accounts")
				}
			}
			o.Get("query?q="+escape("SELECT IsPersonAccount FROM Account")).Refused(400, "INVALID_FIELD", "IsPersonAccount")
		},
	},
}
