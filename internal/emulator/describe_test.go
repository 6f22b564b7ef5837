package emulator_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

// recordedJSON reads a describe of a real org.
func recordedJSON(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(testkit.Shared(t, "describe", name))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// describedVersions are the versions of the API that the describes were recorded with; "vxx" of two of
// them has the keys of 52.
var describedVersions = map[string]string{"Account": "v48.0", "OpportunityContactRole": "v48.0", "Contact": "v52.0", "Opportunity": "v52.0"}

// Reasons why a describe of the emulated org is not the recorded one.
const (
	ownField = "a custom field of the recorded org, or what its record types bring"
	feature  = "of a feature that the recorded org had off: teams, splits, quotes, entitlements, service contracts, customizable campaign influence, shared activities"
	later    = "of objects and fields that came to accounts after version 48, by a version that no source tells"
	copied   = "its line in the recorded list is a copy of Account's: the describe of Event in later recordings has no feed, is not merged, and has no such urls"
)

// knownDifferences are the differences from the recorded describes, each with its reason.
var knownDifferences = map[string]string{
	"Account lacks field RecordTypeId":                                            ownField,
	"Account lacks field Primary_Contact__c":                                      ownField,
	"Account lacks field ns__Description__c":                                      ownField,
	"Account lacks field History__c":                                              ownField,
	"Account lacks field ns__LinkedAccount__c":                                    ownField,
	"Account recordTypeInfos":                                                     ownField,
	"Account has child AccountTeamMember.AccountId":                               feature,
	"Account has child Entitlement.AccountId":                                     feature,
	"Account has child EntitlementChangeEvent.AccountId":                          feature,
	"Account has child ServiceContract.AccountId":                                 feature,
	"Account has child ServiceContractChangeEvent.AccountId":                      feature,
	"Account has child Quote.AccountId":                                           feature,
	"Account has child QuoteChangeEvent.AccountId":                                feature,
	"Account has child CommSubscriptionConsentChangeEvent.ConsentGiverId":         later,
	"Account has child AuthorizationFormConsent.RelatedRecordId":                  later,
	"Account has child AuthorizationFormConsentChangeEvent.RelatedRecordId":       later,
	"Account has child ContactPointAddress.ParentId":                              later,
	"Account has child ContactPointAddressChangeEvent.ParentId":                   later,
	"Account has child CreditMemo.BillingAccountId":                               later,
	"Account has child Invoice.BillingAccountId":                                  later,
	"Contact has child CampaignInfluence.ContactId":                               feature,
	"Contact has child Quote.ContactId":                                           feature,
	"Contact has child QuoteChangeEvent.ContactId":                                feature,
	"Opportunity has child CampaignInfluence.OpportunityId":                       feature,
	"Opportunity has child OpportunitySplit.OpportunityId":                        feature,
	"Opportunity has child OpportunitySplitChangeEvent.OpportunityId":             feature,
	"Opportunity has child OpportunityTeamMember.OpportunityId":                   feature,
	"Opportunity has child Quote.OpportunityId":                                   feature,
	"Opportunity has child QuoteChangeEvent.OpportunityId":                        feature,
	"OpportunityContactRole has child CampaignInfluence.OpportunityContactRoleId": feature,
	"global Event feedEnabled":                                                    copied,
	"global Event mergeable":                                                      copied,
	"global Event urls":                                                           copied,
	"global Event keyPrefix":                                                      "the recording lost it",
	"global Lead keyPrefix":                                                       "the recording lost it",
	"global UriEventStream label":                                                 "the platform has a space at its end",
}

// report notes what differs: an error, unless it is known.
type report struct {
	t    *testing.T
	used map[string]bool
}

func (r report) differ(what string, want, have any) {
	r.t.Helper()
	if knownDifferences[what] != "" {
		r.used[what] = true
		return
	}
	r.t.Errorf("%s: want %v, have %v", what, brief(want), brief(have))
}

func brief(v any) string {
	text := fmt.Sprint(v)
	return text[:min(len(text), 300)]
}

// equal compares two JSON objects key by key.
func (r report) equal(what string, want, have map[string]any) {
	r.t.Helper()
	for key := range have {
		if _, ok := want[key]; !ok {
			r.differ(what+" "+key, nil, have[key])
		}
	}
	for key, value := range want {
		if !reflect.DeepEqual(value, have[key]) {
			r.differ(what+" "+key, value, have[key])
		}
	}
}

// elementsOf indexes the elements of a list, and returns what names them in their order.
func elementsOf(list any, name func(map[string]any) string) (map[string]map[string]any, []string) {
	all, order := map[string]map[string]any{}, []string{}
	elements, _ := list.([]any)
	for _, e := range elements {
		element := e.(map[string]any)
		all[name(element)] = element
		order = append(order, name(element))
	}
	return all, order
}

// elements compares two lists of objects by the names of their elements, and their order.
func (r report) elements(what, kind string, want, have any, name func(map[string]any) string) {
	r.t.Helper()
	wanted, order := elementsOf(want, name)
	had, hadOrder := elementsOf(have, name)
	var common, hadCommon []string
	for _, n := range order {
		if had[n] == nil {
			r.differ(what+" lacks "+kind+" "+n, "it", "nothing")
			continue
		}
		common = append(common, n)
		r.equal(what+"."+n, wanted[n], had[n])
	}
	for _, n := range hadOrder {
		if wanted[n] == nil {
			r.differ(what+" has "+kind+" "+n, "nothing", "it")
			continue
		}
		hadCommon = append(hadCommon, n)
	}
	if !reflect.DeepEqual(common, hadCommon) {
		r.differ(what+" order of "+kind, common, hadCommon)
	}
}

func fieldName(e map[string]any) string { return e["name"].(string) }

func childName(e map[string]any) string {
	return e["childSObject"].(string) + "." + e["field"].(string)
}

// normal takes away what names the recorded org and the version.
func normal(text, version string) string {
	for _, host := range []string{"https://data-platform-9432-dev-ed.cs40.my.salesforce.com", "https://orgname.my.salesforce.com"} {
		text = strings.ReplaceAll(text, host, "HOST")
	}
	return strings.ReplaceAll(text, "/vxx.0/", "/"+version+"/")
}

// TestDescribesEqualRealOnes holds every key of every field, child relationship, record type, scope
// and url of the describes of four objects and of the global list against those of real orgs.
func TestDescribesEqualRealOnes(t *testing.T) {
	c := start(t, emulator.Options{})
	r := report{t, map[string]bool{}}
	for name, version := range describedVersions {
		recorded, err := json.Marshal(recordedJSON(t, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var want, have map[string]any
		if err := json.Unmarshal([]byte(normal(string(recorded), version)), &want); err != nil {
			t.Fatal(err)
		}
		body := c.do("GET", "/services/data/"+version+"/sobjects/"+name+"/describe", "").ok(200).body
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(body), c.s.URL, "HOST")), &have); err != nil {
			t.Fatal(err)
		}
		r.elements(name, "field", want["fields"], have["fields"], fieldName)
		r.elements(name, "child", want["childRelationships"], have["childRelationships"], childName)
		for _, part := range []string{"fields", "childRelationships"} {
			delete(want, part)
			delete(have, part)
		}
		r.equal(name, want, have)
	}
	var global map[string]any
	c.do("GET", "/services/data/v52.0/sobjects/", "").ok(200).into(&global)
	wanted, _ := elementsOf(recordedJSON(t, "Global.json")["sobjects"], fieldName)
	had, _ := elementsOf(global["sobjects"], fieldName)
	for name, want := range wanted {
		if had[name] == nil {
			t.Errorf("the global list lacks %s", name)
			continue
		}
		r.equal("global "+name, want, had[name])
	}
	for what, reason := range knownDifferences {
		if !r.used[what] {
			t.Errorf("%s: there is no such difference any more (%s)", what, reason)
		}
	}
}
