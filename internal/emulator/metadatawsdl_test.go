package emulator_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/testkit"
	"holdfast/internal/testkit/wsdl"
)

// nilZip is what a retrieve has in place of a zip that is not there. The platform writes it although the
// WSDL demands a value. Source: the recorded reply in the tests of CumulusCI.
var nilZip = []byte(`<zipFile xsi:nil="true"/>`)

// Every kind of answer of the Metadata API is one that its WSDL allows.
func TestMetadataAnswersValidate(t *testing.T) {
	c := start(t, emulator.Options{Packages: map[string]string{}})
	replies := map[string][]byte{}
	org := c
	keep := func(name, op, inside string) answer {
		a := org.soap("m/66.0", op, inside)
		if strings.Contains(string(a.body), "Fault>") != strings.HasPrefix(name, "fault") {
			t.Errorf("%s answers %s", name, a.body)
		}
		replies[name] = bytes.ReplaceAll(a.body, nilZip, []byte("<zipFile></zipFile>"))
		return a
	}
	id := func(a answer) string { return a.first(idOf.String()) }
	send := func(name, options string, files ...string) string {
		return id(keep("deploy "+name, "deploy", "<ZipFile>"+packed(t, files...)+"</ZipFile><DeployOptions><singlePackage>true</singlePackage>"+
			options+"</DeployOptions>"))
	}
	status := func(name, id, details string) {
		org.deployed("asyncProcessId", id)
		keep("status "+name, "checkDeployStatus", "<asyncProcessId>"+id+"</asyncProcessId><includeDetails>"+details+"</includeDetails>")
	}
	const class = "@isTest private class ATest { @isTest static void a() {} @isTest static void b() {} }"
	const classMeta = `<ApexClass xmlns="http://soap.sforce.com/2006/04/metadata"><apiVersion>66.0</apiVersion><status>Active</status></ApexClass>`
	code := []string{"package.xml", testkit.PackageXML("ApexClass", "ATest"), "classes/ATest.cls", class, "classes/ATest.cls-meta.xml", classMeta}

	release := c.s.Metadata().Hold(metadata.Pending)
	waiting := send("pending", "", "package.xml", manifest, "objects/House__c.object", house)
	keep("status pending", "checkDeployStatus", "<asyncProcessId>"+waiting+"</asyncProcessId><includeDetails>true</includeDetails>")
	keep("cancel", "cancelDeploy", "<String>"+waiting+"</String>")
	release()
	status("canceled", waiting, "true")
	c.s.Metadata().FailTest("ATest.b", "System.AssertException: no")
	status("tests", send("tests", "<testLevel>RunLocalTests</testLevel>", code...), "true")
	c.s.Metadata().FailTest("ATest.b", "")
	valid := send("validation", "<checkOnly>true</checkOnly><testLevel>RunLocalTests</testLevel>", code...)
	status("validation", valid, "true")
	quick := keep("quick", "deployRecentValidation", "<validationId>"+valid+"</validationId>").first(`<result>(\w{18})</result>`)
	status("quick", quick, "true")
	status("object", send("object", "<rollbackOnError>true</rollbackOnError>", "package.xml", manifest, "objects/House__c.object", house), "true")
	broken := strings.Replace(house, "<type>Number</type>", "<type>Nonsense</type>", 1)
	status("broken", send("broken", "<rollbackOnError>true</rollbackOnError>", "package.xml", manifest, "objects/House__c.object", broken), "true")
	status("without details", send("again", "", "package.xml", manifest, "objects/House__c.object", house), "false")
	status("of no manifest", send("of no manifest", "", "objects/House__c.object", house), "true")

	release = c.s.Metadata().Hold(metadata.Pending)
	retrieval := id(keep("retrieve", "retrieve", "<retrieveRequest><apiVersion>66.0</apiVersion><singlePackage>true</singlePackage><unpackaged>"+
		"<types><members>House__c</members><members>Nothing__c</members><name>CustomObject</name></types><types><members>*</members><name>ApexClass</name></types>"+
		"<version>66.0</version></unpackaged></retrieveRequest>"))
	ask := "<asyncProcessId>" + retrieval + "</asyncProcessId>"
	keep("retrieve pending", "checkRetrieveStatus", ask+"<includeZip>true</includeZip>")
	release()
	for !strings.Contains(string(keep("retrieve without zip", "checkRetrieveStatus", ask+"<includeZip>false</includeZip>").body), "<done>true</done>") {
		if t.Context().Err() != nil {
			t.Fatal("the retrieve does not end")
		}
	}
	keep("retrieve done", "checkRetrieveStatus", ask+"<includeZip>true</includeZip>").has("<problem>", "<zipFile>U")

	keep("describeMetadata", "describeMetadata", "<asOfVersion>66.0</asOfVersion>")
	for _, kind := range []string{"CustomObject", "CustomField", "ApexClass", "Profile", "Flow"} {
		keep("list "+kind, "listMetadata", "<queries><type>"+kind+"</type></queries><asOfVersion>66.0</asOfVersion>")
	}
	keep("fault of type", "listMetadata", "<queries><type>Nonsense</type></queries>")
	keep("fault of job", "checkDeployStatus", "<asyncProcessId>0Af000000000000AAA</asyncProcessId>")
	keep("fault of retrieval", "checkRetrieveStatus", ask)
	keep("fault of operation", "eatCake", "")
	// An org of production tells of coverage, and of flows that no test launches.
	org = start(t, emulator.Options{Kind: metadata.Production, ControlToken: "steer"})
	keep("describeMetadata of production", "describeMetadata", "<asOfVersion>66.0</asOfVersion>").has("<testRequired>true</testRequired>")
	bare := []string{"package.xml", testkit.PackageXML("ApexClass", "Bare"), "classes/Bare.cls", "public class Bare {\n Integer a = 1;\n}", "classes/Bare.cls-meta.xml", classMeta}
	const whole = "<rollbackOnError>true</rollbackOnError>"
	status("coverage", send("coverage", whole, bare...), "true")
	status("coverage of each", send("coverage of each", whole+"<runTests>ATest</runTests><testLevel>RunSpecifiedTests</testLevel>",
		append([]string{"classes/ATest.cls", class, "classes/ATest.cls-meta.xml", classMeta, "package.xml", testkit.PackageXML("ApexClass", "ATest", "Bare")}, bare[2:]...)...), "true")
	status("settings", send("settings", whole, "package.xml", testkit.PackageXML("Settings", "Flow"), "settings/Flow.settings",
		`<FlowSettings xmlns="http://soap.sforce.com/2006/04/metadata"><enableFlowDeployAsActiveEnabled>true</enableFlowDeployAsActiveEnabled></FlowSettings>`), "true")
	status("flow", send("flow", whole, "package.xml", testkit.PackageXML("Flow", "Route"), "flows/Route.flow",
		`<Flow xmlns="http://soap.sforce.com/2006/04/metadata"><label>R</label><processType>AutoLaunchedFlow</processType><status>Active</status></Flow>`), "true")
	for name, want := range map[string]string{"coverage": "<codeCoverageWarnings>", "coverage of each": "<codeCoverage>", "flow": "<flowCoverageWarnings>"} {
		if !bytes.Contains(replies["status "+name], []byte(want)) {
			t.Errorf("%s lacks %s: %s", name, want, replies["status "+name])
		}
	}
	keep("fault of production", "deploy", "<ZipFile>"+packed(t, bare...)+"</ZipFile><DeployOptions><testLevel>NoTestRun</testLevel></DeployOptions>").
		has("sf:INVALID_OPERATION", "testLevel of NoTestRun cannot be used in production organizations")
	org.control("PUT", "retrieves", `{"fail":1}`).ok(200)
	replies["retrieve failed"] = bytes.ReplaceAll([]byte(org.retrieved("CustomTab")), nilZip, []byte("<zipFile></zipFile>"))
	w := wsdl.Open(t, wsdl.Metadata)
	w.Validate(t, replies)

	// The types that the answers name exist in the WSDL; their schema leaves that open. Settings is the name under which
	// describeMetadata and lists show the types of settings together. Source: describeMetadata results.
	types, known := regexp.MustCompile(`<(?:xmlName|childXmlNames)>(\w+)</|<type>(\w+)</type></(?:result|fileProperties)>`), w.Types()
	known["Settings"] = true
	named := 0
	for name, reply := range replies {
		for _, m := range types.FindAllSubmatch(reply, -1) {
			kind := string(m[1]) + string(m[2])
			if named++; !known[kind] {
				t.Errorf("%s: the WSDL has no type %s", name, kind)
			}
		}
	}
	if named < 300 {
		t.Errorf("only %d types are named", named)
	}
}
