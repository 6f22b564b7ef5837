package org

// newCustomObject returns a custom object with its system fields. Source of the flags: describe of
// Custom__c (a list custom setting), Object Reference "Custom Objects", and Salesforce Help on custom
// metadata types and platform events; those of __e and __mdt are unverified where no describe shows
// them.
func newCustomObject(spec ObjectSpec) *Object {
	o := &Object{
		Name: spec.Name, Label: spec.Label, LabelPlural: orElse(spec.LabelPlural, spec.Label), Kind: spec.Kind, spec: spec,
		Custom: true, Createable: true, Updateable: true, Deletable: true, Undeletable: true,
		Queryable: true, Retrieveable: true, Replicateable: true, Searchable: true, Layoutable: true,
		SearchLayoutable: true, CompactLayoutable: true, MruEnabled: true, Triggerable: true, BulkQueryable: true, QuickActions: true,
		FeedEnabled: spec.Feeds,
	}
	switch spec.Kind {
	case CustomMetadata:
		o.Createable, o.Updateable, o.Deletable, o.Undeletable, o.Replicateable = false, false, false, false, false
		o.Triggerable, o.MruEnabled, o.Searchable, o.CompactLayoutable = false, false, false, false
		o.Fields = fieldsOf(`Id id
			DeveloperName string(40) ! noperm
			MasterLabel string(40) ! noperm name
			Language string(40) ! noperm dflt
			NamespacePrefix string(15) ro
			Label string(40) ! noperm
			QualifiedApiName string(70) ro nonil`)
		return o
	case BigObject:
		return newBigObject(o)
	case PlatformEvent:
		o.Updateable, o.Deletable, o.Undeletable, o.Queryable, o.Replicateable = false, false, false, false, false
		o.Retrieveable, o.Searchable, o.MruEnabled, o.Layoutable = false, false, false, false
		o.Fields = fieldsOf(`ReplayId string(1000) ro
			CreatedDate datetime ro nonil dflt
			CreatedById ref(User) rel=CreatedBy ro nonil dflt noprefilter
			EventUuid string(36) ro`)
		return o
	}
	o.RecordTypes = []RecordType{{
		ID: masterRecordType, Name: "Master", DeveloperName: "Master",
		Active: true, Available: true, Default: true, Master: true,
	}}
	var fields []*Field
	if spec.Kind == CustomObject && !spec.ControlledByParent {
		fields = append(fields, fieldsOf(`Id id
			OwnerId ref(Group,User) rel=Owner ! dflt noprefilter
			IsDeleted boolean ro`)...)
	} else {
		fields = append(fields, fieldsOf(`Id id
			IsDeleted boolean ro`)...)
	}
	fields = append(fields, nameField(spec))
	if spec.Kind == HierarchySetting {
		fields = append(fields, fieldsOf(`SetupOwnerId ref(Organization,Profile,User) rel=SetupOwner ! dflt noupdate noprefilter`)...)
	}
	fields = append(fields, fieldsOf(macros["audit"])...)
	if spec.Kind == CustomObject {
		fields = append(fields, fieldsOf("LastActivityDate date ro\n"+macros["viewed"])...)
	} else {
		o.CustomSetting, o.FeedEnabled, o.MruEnabled, o.Triggerable, o.CompactLayoutable = true, false, false, false, false
		o.RecordTypes = nil
	}
	o.Fields = fields
	return o
}

// nameField is the Name of a custom object. A text name may be left out: the record is then named
// after its Id.
func nameField(spec ObjectSpec) *Field {
	f := fieldsOf("Name string(80) noperm dflt name idlookup")[0]
	f.Label = orElse(spec.NameField.Label, "Name")
	if spec.NameField.AutoNumber {
		f.AutoNumber, f.Createable, f.Updateable, f.Nillable = true, false, false, false
		f.auto = &autoNumber{format: orElse(spec.NameField.DisplayFormat, "{0}"), start: max(spec.NameField.StartingAt, 1)}
	}
	if spec.Kind == ListSetting { // its records are found by name
		f.Length, f.ByteLength = 38, 3*38
	}
	return f
}

// fieldsOf reads fields of a custom object in the language of the standard objects.
func fieldsOf(lines string) []*Field {
	fields := loadStandard().read(lines)
	o := &Object{Label: "Record"} // the Id of every custom object is its "Record ID"
	for _, f := range fields {
		f.Label = orElse(f.Label, labelOf(o, f))
	}
	return fields
}
