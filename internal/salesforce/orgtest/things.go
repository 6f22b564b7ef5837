package orgtest

import "strings"

// things is the fixture of most rules that need metadata: an object with a field of every kind, its
// details, what they look up, settings, custom metadata and a big object. A permission set opens all of
// it to the user of the session: on the platform deployed fields are granted to nobody.
var things = &fixture{
	files: map[string]string{
		"objects/Orgtest_Thing__c.object":             thingObject,
		"objects/Orgtest_Line__c.object":              detailObject("Line", false),
		"objects/Orgtest_Move__c.object":              detailObject("Move", true),
		"objects/Orgtest_Strict__c.object":            strictObject,
		"objects/Orgtest_Setting__c.object":           settingObject("Hierarchy"),
		"objects/Orgtest_Listed__c.object":            settingObject("List"),
		"objects/Orgtest_Rule__mdt.object":            customObject("Rule", `<visibility>Public</visibility>`, number("Limit__c", "")),
		"customMetadata/Orgtest_Rule.One.md":          metadataRecord,
		"objects/Orgtest_Visit__b.object":             visitObject,
		"permissionsets/Orgtest_Access.permissionset": accessFile,
		"workflows/Orgtest_Thing__c.workflow":         workflowFile,
	},
	members: map[string][]string{
		"CustomObject": {
			"Orgtest_Thing__c", "Orgtest_Line__c", "Orgtest_Move__c", "Orgtest_Strict__c", "Orgtest_Setting__c", "Orgtest_Listed__c",
			"Orgtest_Rule__mdt", "Orgtest_Visit__b",
		},
		"CustomMetadata": {"Orgtest_Rule.One"}, "PermissionSet": {"Orgtest_Access"}, "Workflow": {"Orgtest_Thing__c"},
	},
	keep: []string{"Workflow", "CustomMetadata"},
	ready: func(o *Org) {
		set := o.Query("SELECT Id FROM PermissionSet WHERE Name = 'Orgtest_Access'").Records[0]["Id"]
		o.Post("sobjects/PermissionSetAssignment", Values{"PermissionSetId": set, "AssigneeId": o.User()}).OK(201)
	},
}

// User is the Id of the user of the session.
func (o *Org) User() string {
	o.t.Helper()
	var user struct {
		UserID string `json:"user_id"`
	}
	o.Get("/services/oauth2/userinfo").OK(200).Into(&user)
	return user.UserID
}

// Thing makes a record of the fixture's object.
func (o *Org) Thing(v Values) string {
	o.t.Helper()
	all := Values{"Name": o.Name()}
	for name, value := range v {
		all[name] = value
	}
	return o.Create("Orgtest_Thing__c", all)
}

// Set changes a record.
func (o *Org) Set(object, id string, v Values) {
	o.t.Helper()
	o.Patch("sobjects/"+object+"/"+id, v).OK(204)
}

// element is a field of an object file.
func element(name, kind, inside string) string {
	label := strings.TrimSuffix(name, "__c")
	return "<fields><fullName>" + name + "</fullName><label>" + label + "</label><type>" + kind + "</type>" + inside + "</fields>"
}

func text(name, inside string) string { return element(name, "Text", "<length>20</length>"+inside) }

func number(name, inside string) string {
	return element(name, "Number", "<precision>7</precision><scale>2</scale>"+inside)
}

func lookup(name, to, inside string) string {
	kids := strings.TrimSuffix(name, "__c") + "_Orgtest"
	return element(name, "Lookup", "<referenceTo>"+to+"</referenceTo><relationshipName>"+kids+"</relationshipName>"+inside)
}

// picklist is a picklist; inside stands in its value set.
func picklist(name, kind, inside string, values ...string) string {
	set := "<valueSet>" + inside + "<valueSetDefinition><sorted>false</sorted>"
	for _, v := range values {
		set += "<value><fullName>" + v + "</fullName><default>false</default><label>" + v + "</label></value>"
	}
	set += "</valueSetDefinition>"
	return element(name, kind, set+"</valueSet>")
}

func customObject(name, inside, fields string) string {
	return "<CustomObject" + metadataNamespace + "><label>Orgtest " + name + "</label><pluralLabel>Orgtest " + name + "s</pluralLabel>" + inside + fields + "</CustomObject>"
}

const textName = "<nameField><label>Name</label><type>Text</type></nameField><deploymentStatus>Deployed</deploymentStatus>"

var thingObject = customObject("Thing", textName+
	`<sharingModel>Private</sharingModel><enableHistory>true</enableHistory><enableFeeds>true</enableFeeds><enableActivities>true</enableActivities>`,
	text("Code__c", "<unique>true</unique><externalId>true</externalId>")+
		text("Exact__c", "<unique>true</unique><caseSensitive>true</caseSensitive>")+
		number("Whole__c", "<trackHistory>true</trackHistory><trackFeedHistory>true</trackFeedHistory>")+
		element("Amount__c", "Currency", "<precision>16</precision><scale>2</scale>")+
		element("Rate__c", "Percent", "<precision>5</precision><scale>2</scale>")+
		element("Flag__c", "Checkbox", "<defaultValue>true</defaultValue>")+
		element("Day__c", "Date", "")+element("Moment__c", "DateTime", "")+element("Clock__c", "Time", "")+
		element("Mail__c", "Email", "")+element("Web__c", "Url", "")+
		element("Long__c", "LongTextArea", "<length>1000</length><visibleLines>3</visibleLines><trackHistory>true</trackHistory>")+
		element("Rich__c", "Html", "<length>1000</length><visibleLines>25</visibleLines>")+
		picklist("Kind__c", "Picklist", "<restricted>true</restricted>", "A", "B", "C")+
		dependentField+
		picklist("Free__c", "Picklist", "", "X", "Y")+
		picklist("Many__c", "MultiselectPicklist", "<restricted>true</restricted>", "P", "Q", "R")+
		element("Twice__c", "Number", "<precision>18</precision><scale>2</scale><formula>Whole__c * 2</formula><formulaTreatBlanksAs>BlankAsBlank</formulaTreatBlanksAs>")+
		element("Words__c", "Text", "<formula>UPPER(Name) &amp; &quot; &quot; &amp; Account__r.Name</formula>")+
		element("Serial__c", "AutoNumber", "<displayFormat>T-{0000}</displayFormat>")+
		element("Place__c", "Location", "<displayLocationInDecimal>true</displayLocationInDecimal><scale>4</scale>")+
		lookup("Account__c", "Account", "<deleteConstraint>SetNull</deleteConstraint>")+
		lookup("Hard__c", "Orgtest_Strict__c", "<deleteConstraint>Restrict</deleteConstraint>")+
		lookup("Boss__c", "Orgtest_Thing__c", "<deleteConstraint>SetNull</deleteConstraint>")+
		lookup("Filtered__c", "Account", "<deleteConstraint>SetNull</deleteConstraint>"+
			`<lookupFilter><active>true</active><filterItems><field>Account.Type</field><operation>equals</operation><value>Prospect</value></filterItems><isOptional>false</isOptional></lookupFilter>`)+
		element("Total__c", "Summary", "<summaryOperation>sum</summaryOperation><summarizedField>Orgtest_Line__c.Amount__c</summarizedField><summaryForeignKey>Orgtest_Line__c.Thing__c</summaryForeignKey>")+
		element("Lines__c", "Summary", "<summaryOperation>count</summaryOperation><summaryForeignKey>Orgtest_Line__c.Thing__c</summaryForeignKey>"+
			"<summaryFilterItems><field>Orgtest_Line__c.Amount__c</field><operation>greaterThan</operation><value>10</value></summaryFilterItems>")+
		recordTypeFile("Alpha", "A", "B")+recordTypeFile("Beta", "C")+
		`<validationRules><fullName>No_Invalid</fullName><active>true</active><errorConditionFormula>Name = &quot;invalid&quot;</errorConditionFormula>`+
		`<errorDisplayField>Name</errorDisplayField><errorMessage>No invalid names</errorMessage></validationRules>`+
		`<validationRules><fullName>No_Change</fullName><active>true</active><errorConditionFormula>ISCHANGED(Day__c) &amp;&amp; PRIORVALUE(Day__c) = DATE(2020, 2, 29)</errorConditionFormula>`+
		`<errorMessage>The day stays</errorMessage></validationRules>`)

const dependentField = `<fields><fullName>Sub__c</fullName><label>Sub</label><type>Picklist</type><valueSet><controllingField>Kind__c</controllingField>` +
	`<restricted>true</restricted><valueSetDefinition><sorted>false</sorted>` +
	`<value><fullName>a1</fullName><default>false</default><label>a1</label></value><value><fullName>b1</fullName><default>false</default><label>b1</label></value>` +
	`<value><fullName>ab</fullName><default>false</default><label>ab</label></value></valueSetDefinition>` +
	`<valueSettings><controllingFieldValue>A</controllingFieldValue><valueName>a1</valueName></valueSettings>` +
	`<valueSettings><controllingFieldValue>B</controllingFieldValue><valueName>b1</valueName></valueSettings>` +
	`<valueSettings><controllingFieldValue>A</controllingFieldValue><controllingFieldValue>B</controllingFieldValue><valueName>ab</valueName></valueSettings></valueSet></fields>`

func recordTypeFile(name string, kinds ...string) string {
	file := "<recordTypes><fullName>" + name + "</fullName><active>true</active><label>" + name + "</label><picklistValues><picklist>Kind__c</picklist>"
	for _, k := range kinds {
		file += "<values><fullName>" + k + "</fullName><default>false</default></values>"
	}
	return file + "</picklistValues></recordTypes>"
}

func detailObject(name string, moves bool) string {
	reparentable := "false"
	if moves {
		reparentable = "true"
	}
	return customObject(name, textName+"<sharingModel>ControlledByParent</sharingModel>",
		number("Amount__c", "")+element("Thing__c", "MasterDetail", "<referenceTo>Orgtest_Thing__c</referenceTo><relationshipLabel>"+name+"s</relationshipLabel>"+
			"<relationshipName>"+name+"s</relationshipName><relationshipOrder>0</relationshipOrder><reparentableMasterDetail>"+reparentable+
			"</reparentableMasterDetail><writeRequiresMasterRead>false</writeRequiresMasterRead>"))
}

var strictObject = customObject("Strict", "<nameField><label>Number</label><type>AutoNumber</type><displayFormat>S-{0000}</displayFormat></nameField>"+
	"<deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>",
	text("Must__c", "<required>true</required>")+text("Given__c", "<defaultValue>&quot;preset&quot;</defaultValue>"))

func settingObject(kind string) string {
	return "<CustomObject" + metadataNamespace + "><label>Orgtest " + kind + "</label><customSettingsType>" + kind + "</customSettingsType><visibility>Public</visibility>" +
		number("Limit__c", "") + "</CustomObject>"
}

const metadataRecord = `<CustomMetadata` + metadataNamespace + ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">` +
	`<label>One</label><protected>false</protected><values><field>Limit__c</field><value xsi:type="xsd:double">7.0</value></values></CustomMetadata>`

var visitObject = "<CustomObject" + metadataNamespace + "><label>Orgtest Visit</label><pluralLabel>Orgtest Visits</pluralLabel><deploymentStatus>Deployed</deploymentStatus>" +
	text("Who__c", "<required>true</required>") + number("Seq__c", "<required>true</required>") + text("Note__c", "") +
	"<indexes><fullName>Main</fullName><label>Main</label><fields><name>Who__c</name><sortDirection>ASC</sortDirection></fields>" +
	"<fields><name>Seq__c</name><sortDirection>ASC</sortDirection></fields></indexes></CustomObject>"

const workflowFile = `<Workflow` + metadataNamespace + `><fieldUpdates><fullName>Say</fullName><field>Long__c</field><literalValue>by workflow</literalValue><name>Say</name>` +
	`<notifyAssignee>false</notifyAssignee><operation>Literal</operation><protected>false</protected></fieldUpdates>` +
	`<rules><fullName>When</fullName><actions><name>Say</name><type>FieldUpdate</type></actions><active>true</active>` +
	`<criteriaItems><field>Orgtest_Thing__c.Name</field><operation>startsWith</operation><value>workflow</value></criteriaItems>` +
	`<triggerType>onCreateOrTriggeringUpdate</triggerType></rules></Workflow>`

// accessFile opens the fixture to whom it is assigned to.
var accessFile = func() string {
	var b strings.Builder
	b.WriteString("<PermissionSet" + metadataNamespace + "><label>Orgtest Access</label>")
	for object, fields := range map[string]string{
		"Thing": "Code Exact Whole Amount Rate Flag Day Moment Clock Mail Web Long Rich Kind Sub Free Many Place Account Hard Boss Filtered",
		"Line":  "Amount", "Move": "Amount", "Strict": "Given",
	} {
		for _, f := range strings.Fields(fields) {
			b.WriteString("<fieldPermissions><editable>true</editable><field>Orgtest_" + object + "__c." + f + "__c</field><readable>true</readable></fieldPermissions>")
		}
	}
	for _, f := range strings.Fields("Twice Words Serial Total Lines") {
		b.WriteString("<fieldPermissions><editable>false</editable><field>Orgtest_Thing__c." + f + "__c</field><readable>true</readable></fieldPermissions>")
	}
	for _, object := range strings.Fields("Thing Line Move Strict") {
		b.WriteString("<objectPermissions><allowCreate>true</allowCreate><allowDelete>true</allowDelete><allowEdit>true</allowEdit><allowRead>true</allowRead>" +
			"<modifyAllRecords>true</modifyAllRecords><object>Orgtest_" + object + "__c</object><viewAllRecords>true</viewAllRecords></objectPermissions>")
	}
	for _, rt := range strings.Fields("Alpha Beta") {
		b.WriteString("<recordTypeVisibilities><recordType>Orgtest_Thing__c." + rt + "</recordType><visible>true</visible></recordTypeVisibilities>")
	}
	b.WriteString("<userPermissions><enabled>true</enabled><name>BulkApiHardDelete</name></userPermissions></PermissionSet>")
	return b.String()
}()
