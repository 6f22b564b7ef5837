package orgtest

import (
	"strings"
	"testing"
)

const houseObject = "Orgtest_House__c"

// house is an object of its own that a rule deploys and ends.
func house(fields string) map[string]string {
	return map[string]string{"objects/Orgtest_House__c.object": customObject("House", textName+"<sharingModel>ReadWrite</sharingModel>", fields)}
}

var houseMember = map[string][]string{"CustomObject": {houseObject}}

// build deploys the house and takes it away at the end of the test.
func (o *Org) build(fields string) {
	o.t.Helper()
	o.must(o.Deploy(house(fields), houseMember, nil))
	o.t.Cleanup(func() { o.destroy(map[string][]string{"CustomObject": {houseObject}}) })
}

// destroy deploys destructive changes.
func (o *Org) destroy(members map[string][]string) Deployment {
	o.t.Helper()
	return o.Deploy(map[string]string{"destructiveChanges.xml": manifest(members)}, nil, nil)
}

// described reports whether the org has the object.
func (o *Org) knows(object string) bool {
	o.t.Helper()
	return o.Get("sobjects/"+object+"/describe").Status == 200
}

// failed fails unless a deployment has failed with a text among its problems.
func (o *Org) failed(d Deployment, text string) {
	o.t.Helper()
	if d.DeployResult.Success || !strings.Contains(d.problems(), text) {
		o.t.Errorf("want a failure with %q: %s", text, d.problems())
	}
}

// meta calls an operation of the Metadata API by SOAP.
func (o *Org) meta(operation, inside string) Reply {
	o.t.Helper()
	return o.Do("POST", "/services/Soap/m/"+o.target.Version, "text/xml; charset=UTF-8",
		`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="http://soap.sforce.com/2006/04/metadata"><e:Header><SessionHeader><sessionId>`+
			o.target.Token+`</sessionId></SessionHeader></e:Header><e:Body><`+operation+`>`+inside+`</`+operation+`></e:Body></e:Envelope>`, "SOAPAction", `""`)
}

var deployRules = []law{
	{
		"deploys/acts-at-once", "A deployed object is described and takes records",
		document("Metadata API Developer Guide, deploy()"),
		func(_ *testing.T, o *Org) {
			o.build(text("Color__c", ""))
			o.Create(houseObject, Values{"Name": "red"})
		},
	},
	{
		"deploys/check-only", "A validation changes nothing",
		document("Metadata API Developer Guide, DeployOptions: checkOnly"),
		func(t *testing.T, o *Org) {
			o.must(o.Deploy(house(""), houseMember, Values{"checkOnly": true}))
			if o.knows(houseObject) {
				t.Error("the object is there")
			}
		},
	},
	{
		"deploys/rollback", "One bad component takes the good ones of the deployment back",
		document("Metadata API Developer Guide, DeployOptions: rollbackOnError"),
		func(t *testing.T, o *Org) {
			d := o.Deploy(house(text("Good__c", "")+element("Bad__c", "Nonsense", "")), houseMember, nil)
			o.failed(d, "")
			if o.knows(houseObject) {
				t.Error("the object is there")
			}
		},
	},
	{
		"deploys/not-in-the-archive", "A member that the archive does not hold fails",
		document("public deploy results: was named in package.xml, but was not found in zipped directory"),
		func(_ *testing.T, o *Org) {
			o.failed(o.Deploy(nil, map[string][]string{"Layout": {"Orgtest-Missing"}}, nil), "was named in package.xml, but was not found in zipped directory")
		},
	},
	{
		"deploys/unknown-type", "A type that does not exist fails",
		document("public deploy results: Unknown type name"),
		func(_ *testing.T, o *Org) {
			o.failed(o.Deploy(nil, map[string][]string{"Nonsense": {"X"}}, nil), "Unknown type name 'Nonsense' specified in package.xml")
		},
	},
	{
		"deploys/no-manifest", "An archive without package.xml fails",
		document("public deploy results: No package.xml found"),
		func(_ *testing.T, o *Org) {
			o.failed(o.deployed(o.startDeploy(map[string]string{"readme.txt": "x"}, nil).ID), "No package.xml found")
		},
	},
	{
		"deploys/no-zip", "What is no archive fails",
		document("Metadata API Developer Guide, deploy(): a base64-encoded zip"),
		func(t *testing.T, o *Org) {
			r := o.meta("deploy", "<ZipFile>bm8gemlw</ZipFile><DeployOptions><singlePackage>true</singlePackage></DeployOptions>")
			if r.Status == 200 {
				if d := o.deployed(r.Element("id")); d.DeployResult.Success {
					t.Error("it succeeded")
				}
			}
		},
	},
	{
		"deploys/quick", "A validation that ran tests can be deployed without them",
		document("Metadata API Developer Guide, deployRecentValidation()"),
		func(t *testing.T, o *Org) {
			o.t.Cleanup(func() { o.destroy(map[string][]string{"CustomObject": {houseObject}}) })
			v := o.Deploy(house(""), houseMember, Values{"checkOnly": true, "testLevel": "RunLocalTests"})
			o.must(v)
			var quick Deployment
			o.Post("metadata/deployRequest", Values{"validatedDeployRequestId": v.ID}).OK(201).Into(&quick)
			o.must(o.deployed(quick.ID))
			if quick.ID == v.ID || !o.knows(houseObject) {
				t.Errorf("%s of %s", quick.ID, v.ID)
			}
		},
	},
	{
		"deploys/quick-needs-tests", "A validation without tests cannot be deployed quickly",
		document("Metadata API Developer Guide, deployRecentValidation(): tests have passed"),
		func(t *testing.T, o *Org) {
			v := o.Deploy(house(""), houseMember, Values{"checkOnly": true})
			if r := o.Post("metadata/deployRequest", Values{"validatedDeployRequestId": v.ID}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"deploys/cancel-of-the-done", "A deployment that is done cannot be cancelled",
		document("Metadata API Developer Guide, cancelDeploy()"),
		func(t *testing.T, o *Org) {
			d := o.Deploy(house(""), houseMember, Values{"checkOnly": true})
			if r := o.Patch("metadata/deployRequest/"+d.ID, Values{"deployResult": Values{"status": "Canceling"}}); r.Status < 400 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"deploys/specified-tests", "RunSpecifiedTests needs the names of tests",
		document("Metadata API Developer Guide, DeployOptions: runTests"),
		func(t *testing.T, o *Org) {
			files := house("")
			files["package.xml"] = manifest(houseMember)
			if r := o.upload(files, Values{"checkOnly": true, "testLevel": "RunSpecifiedTests"}); r.Status < 400 {
				var d Deployment
				r.Into(&d)
				if o.deployed(d.ID).DeployResult.Success {
					t.Error("it succeeded")
				}
			}
		},
	},
	{
		"deploys/unknown-deployment", "A deployment that nobody started is 404",
		document("Metadata API Developer Guide, Deploy Metadata with REST"),
		func(_ *testing.T, o *Org) { o.Get("metadata/deployRequest/0Af000000000000AAA").OK(404) },
	},
	{
		"destructive/field", "Destructive changes delete a field with its values",
		document("Metadata API Developer Guide, Deleting Components from an Organization"),
		func(t *testing.T, o *Org) {
			o.build(text("Color__c", ""))
			o.must(o.destroy(map[string][]string{"CustomField": {houseObject + ".Color__c"}}))
			for _, f := range o.describe(houseObject).Fields {
				if f.Name == "Color__c" {
					t.Error("the field is there")
				}
			}
		},
	},
	{
		"destructive/absent", "Deleting what is not there is a warning and no failure",
		document("Metadata API Developer Guide, Deleting Components from an Organization"),
		func(_ *testing.T, o *Org) {
			o.must(o.destroy(map[string][]string{"CustomField": {"Account.Orgtest_Absent__c"}}))
		},
	},
	{
		"destructive/referenced", "A field that a formula reads is not deleted",
		document("public deploy results: This custom field is referenced elsewhere in salesforce.com"),
		func(_ *testing.T, o *Org) {
			o.build(number("Rooms__c", "") + element("Double__c", "Number", "<precision>9</precision><scale>2</scale><formula>Rooms__c * 2</formula>"))
			o.failed(o.destroy(map[string][]string{"CustomField": {houseObject + ".Rooms__c"}}), "referenced elsewhere")
		},
	},
	{
		"destructive/wildcard", "Destructive changes take no wildcard",
		document("Metadata API Developer Guide, Deleting Components from an Organization: wildcards are not supported"),
		func(_ *testing.T, o *Org) {
			o.failed(o.destroy(map[string][]string{"ValidationRule": {"*"}}), "")
		},
	},
	{
		"metadata/describe", "describeMetadata names types with their folders and suffixes",
		document("Metadata API Developer Guide, describeMetadata()"),
		func(t *testing.T, o *Org) {
			body := string(o.meta("describeMetadata", "<asOfVersion>65.0</asOfVersion>").OK(200).Body)
			for _, want := range []string{"<directoryName>objects</directoryName>", "<suffix>object</suffix>", "<xmlName>CustomObject</xmlName>", "<childXmlNames>CustomField</childXmlNames>", "<partialSaveAllowed>", "<testRequired>"} {
				if !strings.Contains(body, want) {
					t.Errorf("no %s", want)
				}
			}
		},
	},
	{
		"metadata/list", "listMetadata names components with their files",
		document("Metadata API Developer Guide, listMetadata()"),
		func(t *testing.T, o *Org) {
			o.build("")
			body := string(o.meta("listMetadata", "<queries><type>CustomObject</type></queries>").OK(200).Body)
			for _, want := range []string{"<fullName>Account</fullName>", "<fullName>" + houseObject + "</fullName>", "<fileName>objects/Orgtest_House__c.object</fileName>"} {
				if !strings.Contains(body, want) {
					t.Errorf("no %s", want)
				}
			}
		},
	},
	{
		"metadata/list-three", "listMetadata takes three queries",
		document("Metadata API Developer Guide, listMetadata(): up to three queries"),
		func(t *testing.T, o *Org) {
			if r := o.meta("listMetadata", strings.Repeat("<queries><type>Layout</type></queries>", 4)); r.Status != 500 {
				t.Errorf("status %d", r.Status)
			}
		},
	},
	{
		"metadata/list-unknown", "listMetadata of a type that does not exist is sf:INVALID_TYPE",
		client("source-deploy-retrieve of sf 2.150.6 passes over it"),
		func(t *testing.T, o *Org) {
			if r := o.meta("listMetadata", "<queries><type>Nonsense</type></queries>"); r.Status != 500 || r.Element("faultcode") != "sf:INVALID_TYPE" {
				t.Errorf("status %d: %.300s", r.Status, r.Body)
			}
		},
	},
	{
		"metadata/profile-slice", "A profile is retrieved with the permissions of what is retrieved with it, and of nothing else",
		document("Metadata API Developer Guide, Profile"),
		func(t *testing.T, o *Org) {
			o.build(text("Color__c", ""))
			o.must(o.Deploy(map[string]string{"profiles/Admin.profile": "<Profile" + metadataNamespace + "><fieldPermissions><editable>true</editable><field>" + houseObject +
				".Color__c</field><readable>true</readable></fieldPermissions></Profile>"}, map[string][]string{"Profile": {"Admin"}}, nil))
			alone := o.retrieve(t, map[string][]string{"Profile": {"Admin"}})
			with := o.retrieve(t, map[string][]string{"Profile": {"Admin"}, "CustomObject": {houseObject}})
			if strings.Contains(alone["unpackaged/profiles/Admin.profile"], houseObject) || !strings.Contains(with["unpackaged/profiles/Admin.profile"], houseObject) {
				t.Errorf("alone %.300s; with the object %.600s", alone["unpackaged/profiles/Admin.profile"], with["unpackaged/profiles/Admin.profile"])
			}
		},
	},
	{
		"metadata/wildcard", "A wildcard for CustomObject brings custom objects and no standard ones",
		document("Metadata API Developer Guide, CustomObject: the wildcard does not include standard objects"),
		func(t *testing.T, o *Org) {
			o.build("")
			files := o.retrieve(t, map[string][]string{"CustomObject": {"*"}})
			if _, ok := files["unpackaged/objects/Orgtest_House__c.object"]; !ok {
				t.Error("the custom object is missing")
			}
			if _, ok := files["unpackaged/objects/Account.object"]; ok {
				t.Error("Account is there")
			}
		},
	},
	{
		"metadata/round-trip", "What was deployed is retrieved",
		document("Metadata API Developer Guide, retrieve()"),
		func(t *testing.T, o *Org) {
			o.build(text("Color__c", "<externalId>true</externalId>"))
			file := o.retrieve(t, houseMember)["unpackaged/objects/Orgtest_House__c.object"]
			for _, want := range []string{"<fullName>Color__c</fullName>", "<externalId>true</externalId>", "<sharingModel>ReadWrite</sharingModel>"} {
				if !strings.Contains(file, want) {
					t.Errorf("no %s in %.500s", want, file)
				}
			}
		},
	},
	{
		"metadata/retrieve-absent", "What is not there is told as a message, and the retrieve succeeds",
		document("public retrieve results: Entity of type … named … cannot be found"),
		func(t *testing.T, o *Org) {
			if problem := o.retrieve(t, map[string][]string{"CustomObject": {"Orgtest_Absent__c"}})[""]; !strings.Contains(problem, "cannot be found") {
				t.Error(problem)
			}
		},
	},
}
