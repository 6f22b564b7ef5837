package demo

import (
	"archive/zip"
	"bytes"
	"io"
)

// metadata is what the demo deploys before it fills the org: a project that hangs on an account, and
// milestones that hang on a project and point at the milestone before them.
var metadata = []struct{ name, body string }{
	{"package.xml", `<?xml version="1.0" encoding="UTF-8"?>
<Package xmlns="http://soap.sforce.com/2006/04/metadata">
  <types><members>Project__c</members><members>Milestone__c</members><name>CustomObject</name></types>
  <version>66.0</version>
</Package>
`},
	{"objects/Project__c.object", `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus>
  <label>Project</label>
  <pluralLabel>Projects</pluralLabel>
  <nameField><label>Project Name</label><type>Text</type></nameField>
  <sharingModel>ControlledByParent</sharingModel>
  <fields><fullName>Account__c</fullName><label>Account</label><type>MasterDetail</type>
    <referenceTo>Account</referenceTo><relationshipName>Projects</relationshipName><relationshipOrder>0</relationshipOrder></fields>
  <fields><fullName>Lead__c</fullName><label>Lead</label><type>Lookup</type>
    <referenceTo>Contact</referenceTo><relationshipName>Led_Projects</relationshipName></fields>
  <fields><fullName>Code__c</fullName><label>Code</label><type>Text</type><length>20</length>
    <externalId>true</externalId><unique>true</unique></fields>
  <fields><fullName>Budget__c</fullName><label>Budget</label><type>Currency</type><precision>16</precision><scale>2</scale></fields>
  <fields><fullName>Starts__c</fullName><label>Starts</label><type>Date</type></fields>
  <fields><fullName>Notes__c</fullName><label>Notes</label><type>LongTextArea</type><length>32000</length><visibleLines>5</visibleLines></fields>
  <fields><fullName>Cost__c</fullName><label>Cost</label><type>Summary</type>
    <summarizedField>Milestone__c.Cost__c</summarizedField><summaryForeignKey>Milestone__c.Project__c</summaryForeignKey>
    <summaryOperation>sum</summaryOperation></fields>
</CustomObject>
`},
	{"objects/Milestone__c.object", `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus>
  <label>Milestone</label>
  <pluralLabel>Milestones</pluralLabel>
  <nameField><label>Number</label><type>AutoNumber</type><displayFormat>M-{00000}</displayFormat></nameField>
  <sharingModel>ControlledByParent</sharingModel>
  <fields><fullName>Project__c</fullName><label>Project</label><type>MasterDetail</type>
    <referenceTo>Project__c</referenceTo><relationshipName>Milestones</relationshipName><relationshipOrder>0</relationshipOrder></fields>
  <fields><fullName>After__c</fullName><label>After</label><type>Lookup</type>
    <referenceTo>Milestone__c</referenceTo><relationshipName>Next</relationshipName></fields>
  <fields><fullName>Title__c</fullName><label>Title</label><type>Text</type><length>120</length></fields>
  <fields><fullName>Cost__c</fullName><label>Cost</label><type>Currency</type><precision>16</precision><scale>2</scale></fields>
  <fields><fullName>Due__c</fullName><label>Due</label><type>Date</type></fields>
  <fields><fullName>Done__c</fullName><label>Done</label><type>Checkbox</type><defaultValue>false</defaultValue></fields>
</CustomObject>
`},
}

// archive returns the metadata as the zip that a deployment takes.
func archive() ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, file := range metadata {
		f, err := w.Create(file.name)
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(f, file.body); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
