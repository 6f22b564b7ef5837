package emulator_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

// retrieved asks for all components of types until the retrieve is done.
func (c *client) retrieved(kinds ...string) string {
	c.t.Helper()
	request := "<retrieveRequest><apiVersion>66.0</apiVersion><unpackaged>"
	for _, kind := range kinds {
		request += "<types><members>*</members><name>" + kind + "</name></types>"
	}
	id := c.soap("m/66.0", "retrieve", request+"<version>66.0</version></unpackaged></retrieveRequest>").ok(200).first(idOf.String())
	for {
		a := c.soap("m/66.0", "checkRetrieveStatus", "<asyncProcessId>"+id+"</asyncProcessId><includeZip>false</includeZip>").ok(200)
		if text := string(a.body); strings.Contains(text, "<done>true</done>") {
			return text
		}
		if c.t.Context().Err() != nil {
			c.t.Fatal("the retrieve does not end")
		}
	}
}

// Retrieves fail and components are poison when the control endpoint says so.
func TestRetrievesCanAil(t *testing.T) {
	c := start(t, emulator.Options{ControlToken: "steer"})
	c.deploy("ZipFile", "id", packed(t, webTabs(0, 3)...)).has("<status>Succeeded</status>")
	demand := func(text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if plain := strings.TrimPrefix(w, "!"); strings.Contains(text, plain) == (plain != w) {
				t.Errorf("want %s in %.1500s", w, text)
			}
		}
	}
	const broken = "<errorStatusCode>UNKNOWN_EXCEPTION</errorStatusCode>"
	c.control("PUT", "retrieves", `{"fail":2}`).is(`{"fail":2,"poison":[],"lists":[]}`)
	for range 2 {
		demand(c.retrieved("CustomTab"), broken, "<status>Failed</status>", "UNKNOWN_EXCEPTION: An unexpected error occurred.")
	}
	demand(c.retrieved("CustomTab"), "<status>Succeeded</status>", "Tab00001")
	c.control("PUT", "retrieves", `{"poison":[{"type":"CustomTab","member":"Tab00001","problem":"not now"}]}`).ok(200)
	demand(c.retrieved("CustomTab"), "<problem>not now</problem>", "<fullName>Tab00000</fullName>", "!<fullName>Tab00001</fullName>", "<fullName>Tab00002</fullName>")
	c.control("PUT", "retrieves", `{"poison":[{"type":"CustomTab","member":"Tab00001","fails":true}]}`).ok(200)
	demand(c.retrieved("CustomTab"), broken, "!Tab00001")
	demand(c.retrieved("CustomLabels"), "<status>Succeeded</status>")
	c.control("PUT", "retrieves", `{"poison":[{"type":"Nonsense","member":"X"}]}`).refused(400, "INVALID_INPUT", "Nonsense X")
	c.control("PUT", "retrieves", `{"lists":["Nonsense"]}`).refused(400, "INVALID_INPUT", "Nonsense")
	c.control("PUT", "retrieves", `{"lists":["CustomTab"]}`).ok(200)
	c.soap("m/66.0", "listMetadata", "<queries><type>CustomTab</type></queries>").ok(500).has("sf:UNKNOWN_EXCEPTION")
	c.soap("m/66.0", "listMetadata", "<queries><type>ApexClass</type></queries>").ok(200)
	c.control("PUT", "retrieves", `{}`).ok(200)
	c.soap("m/66.0", "listMetadata", "<queries><type>CustomTab</type></queries>").ok(200).has("Tab00001")
	demand(c.retrieved("CustomTab"), "<status>Succeeded</status>", "Tab00001")

	c.control("PUT", "jobs", `{"hold":"Done"}`).refused(400, "INVALID_INPUT", "Done")
	c.control("PUT", "jobs", `{"hold":"InProgress"}`).is(`{"hold":"InProgress"}`)
	waiting := c.soap("m/66.0", "deploy", "<ZipFile>"+packed(t, webTabs(0, 1)...)+"</ZipFile>").ok(200).first(idOf.String())
	for range 20 {
		c.soap("m/66.0", "checkDeployStatus", "<id>"+waiting+"</id>").ok(200).has("<done>false</done>")
	}
	c.control("PUT", "jobs", `{"hold":""}`).ok(200)
	c.deployed("id", waiting)
	c.control("PUT", "jobs", `{"hold":"Pending","only":"retrieves"}`).refused(400, "INVALID_INPUT", "retrieves")
	c.control("PUT", "jobs", `{"hold":"Pending","only":"deployments"}`).ok(200)
	waiting = c.soap("m/66.0", "deploy", "<ZipFile>"+packed(t, webTabs(0, 1)...)+"</ZipFile>").ok(200).first(idOf.String())
	demand(c.retrieved("CustomTab"), "<status>Succeeded</status>")
	c.soap("m/66.0", "checkDeployStatus", "<id>"+waiting+"</id>").ok(200).has("<status>Pending</status>")
	c.control("PUT", "jobs", `{"hold":""}`).ok(200)
	c.deployed("id", waiting)

	c.control("PUT", "coverage/Sums", `{"percent":101}`).refused(400, "INVALID_INPUT", "101")
	c.control("PUT", "coverage/Sums", `{"percent":10}`).ok(200)
}
