package emulator_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
)

// TestHardDeleteNeedsItsPermission: Bulk API 2.0 Developer Guide, "Create a Job". A System Administrator does not have it by default.
func TestHardDeleteNeedsItsPermission(t *testing.T) {
	t.Parallel()
	const job, text = `{"object":"Account","operation":"hardDelete"}`, "special user profile permission"
	c := start(t, emulator.Options{})
	c.do("POST", "jobs/ingest", job).refused(400, "FEATURENOTENABLED", text)
	c.classic("POST", "job", asXML, jobXML("hardDelete", "Account", "CSV")).ok(400).has("<exceptionCode>FeatureNotEnabled</exceptionCode>", text)
	c = start(t, emulator.Options{Permissions: []string{"BulkApiHardDelete"}})
	c.do("POST", "jobs/ingest", job).ok(200)
	c.classic("POST", "job", asXML, jobXML("hardDelete", "Account", "CSV")).ok(201)
}

func TestPermissionsOfTheFirstUserExist(t *testing.T) {
	if s, err := emulator.Start(t.Context(), emulator.Options{Permissions: []string{"NoSuch"}, Folder: t.TempDir()}); err == nil {
		s.Close()
		t.Error("started with a permission that there is not")
	} else if !strings.Contains(err.Error(), "NoSuch") {
		t.Error(err)
	}
}

// TestAPINeedsItsPermission: Salesforce Help, "API Enabled": who lacks it signs in, and no API answers.
func TestAPINeedsItsPermission(t *testing.T) {
	t.Parallel()
	c := start(t, emulator.Options{Username: "a@b.example"})
	user, _ := c.s.Org().UserByName("standard.a@b.example")
	token := c.soap("u/64.0", "login", "<username>"+user.Username+"</username><password>"+c.s.Password+"</password>").ok(200).first("<sessionId>([^<]*)<")
	profiles := c.query("SELECT Id FROM Profile WHERE Name = 'Minimum Access - Salesforce'").Records
	moved := org.Row{ID: string(user.ID), Fields: []org.Assignment{{Field: "ProfileId", Text: profiles[0]["Id"].(string)}}}
	if r := c.s.Org().Write(c.s.Org().Admin(), org.Update, []org.Row{moved}, org.Options{}); !r[0].Success {
		t.Fatal(r[0].Errors)
	}
	c.soap("u/64.0", "login", "<username>"+user.Username+"</username><password>"+c.s.Password+"</password>").ok(500).
		has("sf:API_CURRENTLY_DISABLED", "API is disabled for this User")
	c.s.AccessToken = token
	c.do("GET", "limits", "").refused(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")
	c.do("GET", "jobs/query", "").refused(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")
	c.classic("POST", "job", asXML, jobXML("query", "Account", "CSV")).ok(400).has("API is disabled for this User")
	c.soap("u/66.0", "getUserInfo", "").ok(500).has("sf:API_CURRENTLY_DISABLED")
	c.do("GET", "/services/oauth2/userinfo", "").ok(200)
}
