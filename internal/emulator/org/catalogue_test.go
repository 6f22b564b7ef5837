package org_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
	"holdfast/internal/testkit"
)

// everything is an org with all features on.
func everything(t *testing.T) *org.Org {
	t.Helper()
	var f org.Features
	for _, name := range org.FeatureNames() {
		if err := f.Enable(name); err != nil {
			t.Fatal(err)
		}
	}
	return org.New(org.Config{Features: f})
}

// TestCatalogueHoldsTogether demands what any schema of the platform has, of every object.
func TestCatalogueHoldsTogether(t *testing.T) {
	o := everything(t)
	prefixes := map[string]string{}
	for _, object := range o.Objects() {
		if p := object.KeyPrefix; p != "" {
			if len(p) != 3 || prefixes[p] != "" {
				t.Errorf("%s has the key prefix %q, as %q has", object.Name, p, prefixes[p])
			}
			prefixes[p] = object.Name
		}
		if object.Label == "" || object.LabelPlural == "" || object.Field("Id") == nil && object.Kind != org.PlatformEvent {
			t.Errorf("%s lacks a label or an Id", object.Name)
		}
		checkFields(t, o, object)
		children := map[string]string{}
		for _, c := range object.Children {
			if c.RelationshipName == "" {
				continue
			}
			if other, taken := children[c.RelationshipName]; taken {
				t.Errorf("%s has the child relationship %s by %s.%s and by %s", object.Name, c.RelationshipName, c.Child, c.Field, other)
			}
			children[c.RelationshipName] = c.Child + "." + c.Field
		}
	}
}

func checkFields(t *testing.T, o *org.Org, object *org.Object) {
	t.Helper()
	names, relationships := map[string]bool{}, map[string]bool{}
	for _, f := range object.Fields {
		where := object.Name + "." + f.Name
		if names[strings.ToLower(f.Name)] {
			t.Errorf("%s is there twice", where)
		}
		names[strings.ToLower(f.Name)] = true
		if f.RelationshipName != "" && relationships[f.RelationshipName] {
			t.Errorf("%s: the relationship %s is there twice", where, f.RelationshipName)
		}
		relationships[f.RelationshipName] = true
		if f.Label == "" || f.SoapType == "" {
			t.Errorf("%s lacks a label or a type", where)
		}
		for _, target := range f.ReferenceTo {
			if _, ok := o.Describe(target); !ok && !absent[target] {
				t.Errorf("%s refers to %s, which is not there", where, target)
			}
		}
		if f.CompoundFieldName != "" && object.Field(f.CompoundFieldName) == nil {
			t.Errorf("%s is part of %s, which is not there", where, f.CompoundFieldName)
		}
		if (f.Createable && !object.Createable || f.Updateable && !object.Updateable) && object.Kind == org.StandardObject {
			t.Errorf("%s can be written, its object cannot", where)
		}
		if f.Type == sf.TypeReference && f.Length != 18 {
			t.Errorf("%s is %d long", where, f.Length)
		}
	}
}

// absent are objects that the catalogue names and does not have: each is referred to by describes.
var absent = map[string]bool{"Calendar": true, "BusinessProcess": true, "DuplicateRule": true, "Organization": false}

// TestCatalogueCounts is the golden of how much there is, so that nothing goes unseen.
func TestCatalogueCounts(t *testing.T) {
	kinds := map[string]int{}
	fields := 0
	for _, object := range org.New(org.Config{}).Objects() {
		if object.AssociateEntityType == "" {
			kinds["object"]++
		} else {
			kinds[object.AssociateEntityType]++
		}
		fields += len(object.Fields)
	}
	want := map[string]int{"object": 355, "History": 78, "Share": 63, "Feed": 65, "ChangeEvent": 58, "Localization": 2}
	if !maps.Equal(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
	if fields < 9000 {
		t.Errorf("%d fields", fields)
	}
}

// TestObjectsThatRestoresMeetAreThere names the objects that backups and restores must meet.
func TestObjectsThatRestoresMeetAreThere(t *testing.T) {
	o := everything(t)
	for _, name := range strings.Fields(`Account Contact Lead Opportunity OpportunityLineItem Product2 Pricebook2 PricebookEntry Case CaseComment
		Task Event TaskRelation EventRelation Campaign CampaignMember Contract Order OrderItem Quote QuoteLineItem Asset ContentVersion
		ContentDocument ContentDocumentLink ContentWorkspace ContentFolder Attachment Note Document Folder EmailMessage
		EmailMessageRelation EmailTemplate User Group GroupMember QueueSobject Profile PermissionSet PermissionSetAssignment
		ObjectPermissions FieldPermissions UserRole RecordType BusinessHours Holiday Entitlement ServiceContract ContractLineItem
		WorkOrder WorkOrderLineItem Solution Idea Topic TopicAssignment AccountContactRelation AccountTeamMember
		OpportunityTeamMember CaseTeamMember Individual CurrencyType DatedConversionRate FeedItem FeedComment ApexClass ApexTrigger
		ApexComponent ApexPage StaticResource CustomPermission SetupAuditTrail LoginHistory AsyncApexJob CronTrigger
		EntityDefinition FieldDefinition EntityParticle Organization AccountHistory AccountShare AccountFeed AccountChangeEvent
		OpportunityFieldHistory CaseHistory LeadShare ContentVersionHistory UserShare WorkOrderHistory Territory2`) {
		if _, ok := o.Describe(name); !ok {
			t.Errorf("no object %s", name)
		}
	}
}

// TestFeaturesBringTheirFields: what is off is not described, what is on is.
func TestFeaturesBringTheirFields(t *testing.T) {
	plain, full := org.New(org.Config{}), everything(t)
	for _, path := range []string{"Account.IsPersonAccount", "Contact.IsPersonAccount", "Opportunity.CurrencyIsoCode", "Account.PersonMailingCity"} {
		object, field, _ := strings.Cut(path, ".")
		off, _ := plain.Describe(object)
		on, _ := full.Describe(object)
		if off.Field(field) != nil || on.Field(field) == nil {
			t.Errorf("%s: %t without its feature, %t with it", path, off.Field(field) != nil, on.Field(field) != nil)
		}
	}
	if _, ok := plain.Describe("CurrencyType"); ok {
		t.Error("CurrencyType without currencies")
	}
}

// ruled are the attributes of a field that follow from its type alone.
var ruled = []string{"soapType", "byteLength", "digits", "aggregatable", "filterable", "groupable", "sortable", "queryByDistance", "extraTypeInfo"}

// TestRulesGiveTheFlags holds the rules of the types, without the catalogue, against every field of
// five real describes, and counts what needs a word of the catalogue.
func TestRulesGiveTheFlags(t *testing.T) {
	right, all, labels := 0, 0, 0
	var wrong []string
	for _, name := range []string{"Account", "Contact", "Opportunity", "OpportunityContactRole", "Custom__c"} {
		want := readDescribe(t, name)
		for _, w := range want.Fields {
			var targets []string
			for _, r := range w["referenceTo"].([]any) {
				targets = append(targets, r.(string))
			}
			number := func(key string) int { return int(w[key].(float64)) }
			f := org.RuleField(w["name"].(string), w["type"].(string), number("length"), number("precision"), number("scale"), targets)
			have := map[string]any{
				"soapType": f.SoapType, "byteLength": float64(f.ByteLength), "digits": float64(f.Digits), "aggregatable": f.Aggregatable,
				"filterable": f.Filterable, "groupable": f.Groupable, "sortable": f.Sortable, "queryByDistance": f.QueryByDistance,
				"extraTypeInfo": any(f.ExtraTypeInfo),
			}
			if f.ExtraTypeInfo == "" {
				have["extraTypeInfo"] = nil
			}
			all++
			same := true
			for _, key := range ruled {
				if have[key] != w[key] {
					same = false
					wrong = append(wrong, name+"."+f.Name+" "+key)
				}
			}
			if same {
				right++
			}
			if org.RuleLabel(&org.Object{Label: want.Label}, f.Name) == w["label"] {
				labels++
			}
		}
	}
	t.Logf("by rule alone: %d of %d fields in %d attributes; %d labels; the others: %s", right, all, len(ruled), labels, strings.Join(wrong, ", "))
	if right*100 < all*90 {
		t.Errorf("the rules give %d of %d fields", right, all)
	}
}

// TestCustomSettingIsDescribedAsARealOne holds a list custom setting against a real describe.
func TestCustomSettingIsDescribedAsARealOne(t *testing.T) {
	raw, err := os.ReadFile(testkit.Shared(t, "describe", "Custom__c.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	o := org.New(org.Config{})
	err = o.Change(o.Admin(), func(tx *org.Tx) error {
		spec := org.ObjectSpec{Name: "Custom__c", Label: "My Custom Object", LabelPlural: "My Custom Object", Kind: org.ListSetting}
		if _, err := tx.PutObject(spec); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	have, _ := o.Describe("Custom__c")
	for key, flag := range map[string]bool{
		"compactLayoutable": have.CompactLayoutable, "createable": have.Createable, "customSetting": have.CustomSetting,
		"deletable": have.Deletable, "layoutable": have.Layoutable, "mruEnabled": have.MruEnabled, "queryable": have.Queryable,
		"replicateable": have.Replicateable, "retrieveable": have.Retrieveable, "searchLayoutable": have.SearchLayoutable,
		"searchable": have.Searchable, "triggerable": have.Triggerable, "undeletable": have.Undeletable, "updateable": have.Updateable,
	} {
		if want[key] != flag {
			t.Errorf("%s is %v, want %v", key, flag, want[key])
		}
	}
	if have.Field("Id").Label != "Record ID" || len(have.Scopes()) != 0 || len(have.RecordTypes) != 0 {
		t.Errorf("label %q, scopes %v, record types %v", have.Field("Id").Label, have.Scopes(), have.RecordTypes)
	}
}

// TestQueriesThatNeedAFilterAreRefused: links are read by what they belong to, unless the user may read
// all files.
func TestQueriesThatNeedAFilterAreRefused(t *testing.T) {
	w := newWorld(t)
	for query, code := range map[string]string{
		"SELECT Id FROM ContentDocumentLink":                                                                 "MALFORMED_QUERY",
		"SELECT Id FROM ContentDocumentLink WHERE ShareType = 'V'":                                           "MALFORMED_QUERY",
		"SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '001000000000001AAA' OR Id != null":       "MALFORMED_QUERY",
		"SELECT Id FROM ContentDocumentLink WHERE ShareType = 'V' AND LinkedEntityId = '001000000000001AAA'": "",
		"SELECT Id FROM ContentDocumentLink WHERE ContentDocumentId IN ('069000000000001AAA')":               "",
		"SELECT Id FROM Vote":    "MALFORMED_QUERY",
		"SELECT Id FROM Account": "",
	} {
		q, err := soql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		var refused *soql.Error
		if _, err := w.Query(w.Admin(), q, false); errors.As(err, &refused) {
			got = refused.Code
		} else if err != nil {
			t.Fatal(err)
		}
		if got != code {
			t.Errorf("%s: %q, want %q", query, got, code)
		}
	}
}

// TestEveryObjectCanBeWritten: a row of each object is taken or refused, and a query reads what was taken.
func TestEveryObjectCanBeWritten(t *testing.T) {
	w := &world{Org: everything(t), t: t}
	taken, prefixless := 0, 0
	for _, object := range w.Objects() {
		row := org.Row{Object: object.Name}
		for _, f := range object.Fields {
			if f.Createable && !f.Nillable && !f.DefaultedOnCreate && f.Type == sf.TypeString {
				row.Fields = append(row.Fields, org.Assignment{Field: f.Name, Text: "x"})
			}
		}
		r := w.Write(w.Admin(), org.Insert, []org.Row{row}, org.Options{})[0]
		if !r.Success {
			continue
		}
		if taken++; object.KeyPrefix == "" {
			prefixless++
		}
		if object.Queryable && len(object.NeedsFilter) == 0 && len(w.rows("SELECT Id FROM "+object.Name+" WHERE Id = '"+string(r.ID)+"'")) != 1 {
			t.Errorf("%s: %s is not read", object.Name, r.ID)
		}
	}
	if taken < 50 || prefixless == 0 {
		t.Errorf("%d objects took a row, %d of them without a prefix that is known", taken, prefixless)
	}
}
