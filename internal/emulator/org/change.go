package org

import "holdfast/internal/sf"

// Tx changes the schema, and the records that are metadata, as one transaction.
type Tx struct{ org *Org }

// Change runs f under the org's lock. When f returns an error nothing of it remains. f must use the
// transaction and never the org.
func (o *Org) Change(caller Caller, f func(*Tx) error) error { return nil }

// Savepoint runs f within the transaction; when f returns an error, what it did is taken back and
// the transaction goes on.
func (t *Tx) Savepoint(f func() error) error { return nil }

// Object returns the object as it is within the transaction.
func (t *Tx) Object(name string) (*Object, bool) { return nil, false }

// ObjectSpec is the definition of an object, as a CustomObject component gives it.
type ObjectSpec struct {
	Name        string // API name with namespace and suffix
	Label       string
	LabelPlural string
	Kind        Kind
	NameField   NameSpec
	// Sharing "ControlledByParent" takes OwnerId away, as a master-detail does.
	Sharing string
}

// NameSpec is the nameField of a custom object.
type NameSpec struct {
	Label         string
	AutoNumber    bool
	DisplayFormat string // such as "A-{0000}"
	StartingAt    int
}

// FieldSpec is the definition of a custom field; the words are those of CustomField in the metadata
// WSDL.
type FieldSpec struct {
	Name  string // API name with namespace and suffix
	Label string
	Type  string // AutoNumber, Checkbox, Currency …

	Length, Precision, Scale int
	VisibleLines             int
	Required                 bool
	Unique                   bool
	CaseSensitive            bool
	ExternalID               bool
	DefaultValue             string // a formula
	Description              string
	HelpText                 string
	DisplayFormat            string
	StartingNumber           int
	MaskChar, MaskType       string
	DisplayLocationInDecimal bool
	StripMarkup              bool

	ReferenceTo              string
	RelationshipName         string // of the children, without __r
	RelationshipOrder        int
	DeleteConstraint         string // Cascade, Restrict, SetNull
	Reparentable             bool
	WriteRequiresMasterRead  bool
	LookupFilter             string // errors only: the filter's message; filters are not evaluated
	MetadataControllingField string

	Formula                string
	TreatBlanksAsZero      bool
	SummaryOperation       string // count, min, max, sum
	SummaryForeignKey      string // Child__c.Parent__c
	SummarizedField        string // Child__c.Amount__c
	SummaryFilters         []SummaryFilter
	ValueSet               []PicklistValue
	ValueSetName           string // of a global or standard value set; ValueSet is then empty
	ControllingField       string
	RestrictedPicklist     bool
	PopulateExistingRows   bool
	ControllingValues      map[string][]string // value → controlling values
	TrackHistory           bool
	SecurityClassification string
}

// SummaryFilter is one filter item of a roll-up summary: Field is Child__c.Field__c.
type SummaryFilter struct {
	Field     string
	Operation string // equals, notEqual, lessThan, greaterThan, lessOrEqual, greaterOrEqual …
	Value     string
}

// RecordTypeSpec is the definition of a record type.
type RecordTypeSpec struct {
	Object        string
	DeveloperName string
	Namespace     string
	Label         string
	Description   string
	Active        bool
	// Default makes it the record type of records that name none, for all users.
	Default bool
}

// PutObject defines a custom object, or changes its labels when it exists.
func (t *Tx) PutObject(spec ObjectSpec) (created bool, err *Error) { return false, nil }

// PutField defines a custom field, or changes it where the platform allows that.
func (t *Tx) PutField(object string, spec FieldSpec) (created bool, err *Error) { return false, nil }

// PutRecordType defines or changes a record type.
func (t *Tx) PutRecordType(spec RecordTypeSpec) (sf.ID, bool, *Error) { return "", false, nil }

// PutValueSet defines or changes a global value set, or the standard value set of that name.
func (t *Tx) PutValueSet(name string, standard bool, values []PicklistValue) (created bool, err *Error) {
	return false, nil
}

// PutMetadataRecord defines or changes a record of a custom metadata type.
func (t *Tx) PutMetadataRecord(object, developerName, label string, values []Assignment) (sf.ID, bool, *Error) {
	return "", false, nil
}

// DropField deletes a custom field and its values.
func (t *Tx) DropField(object, field string) *Error { return nil }

// DropObject deletes a custom object and its records.
func (t *Tx) DropObject(object string) *Error { return nil }
