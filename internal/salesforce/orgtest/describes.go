package orgtest

import (
	"slices"
	"testing"
)

type describe struct {
	Name, KeyPrefix                                   string
	Queryable, Createable, Replicateable, Undeletable bool
	Fields                                            []field
	ChildRelationships                                []child
	RecordTypeInfos                                   []struct{ Master bool }
	Searchable, Retrieveable, Updateable, Deletable   bool
}

type field struct {
	Name, Type, SoapType, CompoundFieldName, RelationshipName string
	Length, ByteLength, Precision, Scale                      int
	Nillable, Createable, Updateable, Calculated, Filterable  bool
	IDLookup, NameField, DefaultedOnCreate, Groupable         bool
	ReferenceTo                                               []string
	PicklistValues                                            []struct{ Value string }
}

type child struct {
	ChildSObject, Field, RelationshipName string
	CascadeDelete, RestrictedDelete       bool
}

func (o *Org) describe(object string) describe {
	o.t.Helper()
	var d describe
	o.Get("sobjects/" + object + "/describe").OK(200).Into(&d)
	return d
}

func (d describe) field(t *testing.T, name string) field {
	t.Helper()
	i := slices.IndexFunc(d.Fields, func(f field) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("%s has no field %s", d.Name, name)
	}
	return d.Fields[i]
}

var describeRules = []law{
	{
		"describe/key-prefixes", "Standard objects have the key prefixes that clients know",
		described("Global.json: Account 001, Contact 003, User 005"),
		func(t *testing.T, o *Org) {
			for object, want := range map[string]string{"Account": "001", "Contact": "003", "User": "005", "Opportunity": "006", "Lead": "00Q", "Case": "500"} {
				if got := o.describe(object).KeyPrefix; got != want {
					t.Errorf("%s has %s, want %s", object, got, want)
				}
			}
		},
	},
	{
		"describe/compound-parts", "The parts of a compound field name it",
		described("Account.json: BillingStreet is part of BillingAddress"),
		func(t *testing.T, o *Org) {
			d := o.describe("Account")
			if got := d.field(t, "BillingStreet").CompoundFieldName; got != "BillingAddress" {
				t.Errorf("BillingStreet is part of %q", got)
			}
			if f := d.field(t, "BillingAddress"); f.Type != "address" || f.Createable || f.Updateable {
				t.Errorf("BillingAddress: %+v", f)
			}
		},
	},
	{
		"describe/audit-fields-are-not-written", "Audit fields and the stamp are not createable and not updateable",
		described("Account.json, Contact.json"),
		func(t *testing.T, o *Org) {
			d := o.describe("Contact")
			for _, name := range []string{"CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "IsDeleted", "Id"} {
				if f := d.field(t, name); f.Createable || f.Updateable {
					t.Errorf("%s can be written", name)
				}
			}
		},
	},
	{
		"describe/byte-length", "The byte length of text is three times its length, that of an Id is 18",
		described("Account.json: byteLength"),
		func(t *testing.T, o *Org) {
			d := o.describe("Account")
			if f := d.field(t, "Name"); f.Length != 255 || f.ByteLength != 765 {
				t.Errorf("Name: %d characters, %d bytes", f.Length, f.ByteLength)
			}
			if f := d.field(t, "OwnerId"); f.Length != 18 || f.ByteLength != 18 {
				t.Errorf("OwnerId: %d characters, %d bytes", f.Length, f.ByteLength)
			}
		},
	},
	{
		"describe/children-tell-what-deleting-does", "A child relationship says whether children go with the parent",
		described("Account.json: childRelationships"),
		func(t *testing.T, o *Org) {
			for _, c := range o.describe("Account").ChildRelationships {
				if c.ChildSObject == "Contact" && c.Field == "AccountId" {
					if !c.CascadeDelete || c.RelationshipName != "Contacts" {
						t.Errorf("contacts: %+v", c)
					}
					return
				}
			}
			t.Error("Account has no child relationship to Contact")
		},
	},
	{
		"describe/global-and-own-agree", "The global list says the same flags as the describe of each object",
		described("Global.json and Account.json"),
		func(t *testing.T, o *Org) {
			var global struct{ SObjects []describe }
			o.Get("sobjects").OK(200).Into(&global)
			if len(global.SObjects) < 100 {
				t.Errorf("%d objects", len(global.SObjects))
			}
			for _, g := range global.SObjects {
				if !slices.Contains([]string{"Account", "Task", "RecordType", "AccountHistory"}, g.Name) {
					continue
				}
				d := o.describe(g.Name)
				if g.Queryable != d.Queryable || g.Createable != d.Createable || g.Replicateable != d.Replicateable || g.Undeletable != d.Undeletable {
					t.Errorf("%s: %+v and %+v", g.Name, g, d)
				}
			}
		},
	},
	{
		"describe/polymorphic-owner", "The owner of a case may be a user or a queue, that of an account only a user",
		described("Account.json: OwnerId refers to User; Object Reference, Case: OwnerId refers to Group, User"),
		func(t *testing.T, o *Org) {
			if got := o.describe("Account").field(t, "OwnerId").ReferenceTo; !slices.Equal(got, []string{"User"}) {
				t.Errorf("Account.OwnerId refers to %v", got)
			}
			got := o.describe("Case").field(t, "OwnerId").ReferenceTo
			slices.Sort(got)
			if !slices.Equal(got, []string{"Group", "User"}) {
				t.Errorf("Case.OwnerId refers to %v", got)
			}
		},
	},
	{
		"describe/not-modified", "A describe that has not changed since If-Modified-Since is 304",
		document("REST API Developer Guide, sObject Describe, Conditional Request Headers"),
		func(t *testing.T, o *Org) {
			first := o.Get("sobjects/Account/describe").OK(200)
			stamp := first.Header.Get("Last-Modified")
			if stamp == "" {
				t.Fatal("a describe without Last-Modified")
			}
			o.Do("GET", "sobjects/Account/describe", "", "", "If-Modified-Since", stamp).OK(304)
		},
	},
}
