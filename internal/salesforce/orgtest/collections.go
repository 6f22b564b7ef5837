package orgtest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// outcome is what a collection says of one of its records.
type outcome struct {
	ID      string
	Success bool
	Created bool
	Errors  []struct{ StatusCode, Message string }
}

// collection sends records of Accounts, not all or none.
func (o *Org) collection(method, path string, records []Values) []outcome {
	o.t.Helper()
	return o.collectionOf(method, path, false, records)
}

func (o *Org) collectionOf(method, path string, allOrNone bool, records []Values) []outcome {
	o.t.Helper()
	var got []outcome
	o.send(method, "composite/sobjects"+path, Values{"allOrNone": allOrNone, "records": records}).OK(http.StatusOK).Into(&got)
	return got
}

func account(v Values) Values {
	v["attributes"] = Values{"type": "Account"}
	return v
}

var collectionRules = []law{
	{
		"collections/in-order", "Each record has its outcome, in order; those that are refused do not hinder the others",
		document("REST API Developer Guide, Create Multiple Records with Fewer Round-Trips"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			got := o.collection("POST", "", []Values{account(Values{"Name": name}), account(Values{}), account(Values{"Name": name})})
			if len(got) != 3 || !got[0].Success || got[1].Success || !got[2].Success || got[1].Errors[0].StatusCode != "REQUIRED_FIELD_MISSING" {
				t.Fatalf("%+v", got)
			}
			o.discard("Account", got[0].ID)
			o.discard("Account", got[2].ID)
		},
	},
	{
		"collections/all-or-none", "With allOrNone one refusal undoes all, and the others say so",
		document("REST API Developer Guide, Collections: ALL_OR_NONE_OPERATION_ROLLED_BACK"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			got := o.collectionOf("POST", "", true, []Values{account(Values{"Name": name}), account(Values{})})
			if len(got) != 2 || got[0].Success || got[0].Errors[0].StatusCode != "ALL_OR_NONE_OPERATION_ROLLED_BACK" {
				t.Fatalf("%+v", got)
			}
			if n := o.QueryAll("SELECT Id FROM Account WHERE Name = '" + name + "'").TotalSize; n != 0 {
				t.Errorf("%d rows stayed", n)
			}
		},
	},
	{
		"collections/200", "More than 200 records are refused",
		document("REST API Developer Guide, Collections: up to 200 records"),
		func(t *testing.T, o *Org) {
			rows := make([]Values, 201)
			for i := range rows {
				rows[i] = account(Values{"Name": o.Name()})
			}
			r := o.Post("composite/sobjects", Values{"records": rows})
			if r.Status != 400 || !strings.Contains(string(r.Body), "200") {
				t.Errorf("status %d: %.300s", r.Status, r.Body)
			}
		},
	},
	{
		"collections/upsert-by-id", "An upsert by Id with null makes a record and says created",
		recorded("TestUpsert.test_upsert__rest.yaml"),
		func(t *testing.T, o *Org) {
			got := o.collection("PATCH", "/Account/Id", []Values{account(Values{"Id": nil, "Name": o.Name()})})
			if len(got) != 1 || !got[0].Success || !got[0].Created {
				t.Fatalf("%+v", got)
			}
			again := o.collection("PATCH", "/Account/Id", []Values{account(Values{"Id": got[0].ID, "Site": "x"})})
			if !again[0].Success || again[0].Created || again[0].ID != got[0].ID {
				t.Errorf("%+v", again)
			}
			o.discard("Account", got[0].ID)
		},
	},
	{
		"collections/twins", "A record that stands twice in an update is refused as a duplicate",
		document("help 000384876, Error 'Duplicate Id Specified'; the status code from Data Loader's error files"),
		func(t *testing.T, o *Org) {
			id := o.Account()
			got := o.collection("PATCH", "", []Values{account(Values{"id": id, "Site": "a"}), account(Values{"id": id, "Site": "b"})})
			if len(got) != 2 || got[1].Success || got[1].Errors[0].StatusCode != "DUPLICATE_VALUE" {
				t.Errorf("%+v", got)
			}
		},
	},
	{
		"composite/references", "A later request of a composite can use what an earlier one made",
		document("REST API Developer Guide, Composite"),
		func(t *testing.T, o *Org) {
			root := "/services/data/v" + o.target.Version
			var got struct {
				CompositeResponse []struct {
					HTTPStatusCode int
					Body           struct{ ID string }
				}
			}
			o.Post("composite", Values{"allOrNone": true, "compositeRequest": []Values{
				{"method": "POST", "url": root + "/sobjects/Account", "referenceId": "a", "body": Values{"Name": o.Name()}},
				{"method": "POST", "url": root + "/sobjects/Contact", "referenceId": "c", "body": Values{"LastName": "x", "AccountId": "@{a.id}"}},
			}}).OK(200).Into(&got)
			if len(got.CompositeResponse) != 2 || got.CompositeResponse[1].HTTPStatusCode != 201 {
				t.Fatalf("%+v", got)
			}
			a, c := got.CompositeResponse[0].Body.ID, got.CompositeResponse[1].Body.ID
			o.Has("Contact", c, "AccountId", a)
			o.discard("Account", a)
		},
	},
	{
		"composite/rollback", "With allOrNone the other requests are 400 PROCESSING_HALTED, and nothing is left",
		document("REST API Developer Guide, Composite: allOrNone; CumulusCI's composite task reads the message"),
		func(t *testing.T, o *Org) {
			root, name := "/services/data/v"+o.target.Version, o.Name()
			r := o.Post("composite", Values{"allOrNone": true, "compositeRequest": []Values{
				{"method": "POST", "url": root + "/sobjects/Account", "referenceId": "a", "body": Values{"Name": name}},
				{"method": "POST", "url": root + "/sobjects/Account", "referenceId": "b", "body": Values{}},
			}}).OK(200)
			for _, want := range []string{"PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "another operation in the same transaction failed"} {
				if !strings.Contains(string(r.Body), want) {
					t.Errorf("no %s in %s", want, r.Body)
				}
			}
			if n := o.QueryAll("SELECT Id FROM Account WHERE Name = '" + name + "'").TotalSize; n != 0 {
				t.Errorf("%d rows stayed", n)
			}
		},
	},
	{
		"composite/25", "More than 25 requests in a composite are refused",
		document("REST API Developer Guide, Composite: up to 25 subrequests"),
		func(t *testing.T, o *Org) {
			all := make([]Values, 26)
			for i := range all {
				all[i] = Values{"method": "GET", "url": "/services/data/v" + o.target.Version + "/limits", "referenceId": fmt.Sprintf("r%d", i)}
			}
			if r := o.Post("composite", Values{"compositeRequest": all}); r.Status != 400 {
				t.Errorf("status %d: %.300s", r.Status, r.Body)
			}
		},
	},
	{
		"tree/all-or-nothing", "A tree with one bad record makes none, and names the bad ones",
		document("REST API Developer Guide, sObject Tree"),
		func(t *testing.T, o *Org) {
			name := o.Name()
			r := o.Post("composite/tree/Account", Values{"records": []Values{
				{"attributes": Values{"type": "Account", "referenceId": "good"}, "Name": name},
				{"attributes": Values{"type": "Account", "referenceId": "bad"}},
			}})
			if r.Status != 400 || !strings.Contains(string(r.Body), `"hasErrors":true`) || !strings.Contains(string(r.Body), `"bad"`) {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
			if n := o.QueryAll("SELECT Id FROM Account WHERE Name = '" + name + "'").TotalSize; n != 0 {
				t.Errorf("%d rows stayed", n)
			}
		},
	},
}
