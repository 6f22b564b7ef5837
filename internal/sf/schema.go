package sf

import (
	"slices"
	"strings"
)

// FieldType is the type of a field as describe names it (fieldType of the partner WSDL).
type FieldType string

// The field types of the partner WSDL, API 66.
const (
	TypeString                     FieldType = "string"
	TypePicklist                   FieldType = "picklist"
	TypeMultipicklist              FieldType = "multipicklist"
	TypeCombobox                   FieldType = "combobox"
	TypeReference                  FieldType = "reference"
	TypeBase64                     FieldType = "base64"
	TypeBoolean                    FieldType = "boolean"
	TypeCurrency                   FieldType = "currency"
	TypeTextarea                   FieldType = "textarea"
	TypeInt                        FieldType = "int"
	TypeLong                       FieldType = "long"
	TypeDouble                     FieldType = "double"
	TypePercent                    FieldType = "percent"
	TypePhone                      FieldType = "phone"
	TypeID                         FieldType = "id"
	TypeDate                       FieldType = "date"
	TypeDatetime                   FieldType = "datetime"
	TypeTime                       FieldType = "time"
	TypeURL                        FieldType = "url"
	TypeEmail                      FieldType = "email"
	TypeEncryptedString            FieldType = "encryptedstring"
	TypeDataCategoryGroupReference FieldType = "datacategorygroupreference"
	TypeLocation                   FieldType = "location"
	TypeAddress                    FieldType = "address"
	TypeAnyType                    FieldType = "anyType"
	TypeJSON                       FieldType = "json"
	TypeComplexValue               FieldType = "complexvalue"
)

// IsCompound reports a type whose value is made of other fields of the same object, which carry the
// data: the compound itself is neither stored nor written.
func (t FieldType) IsCompound() bool {
	return t == TypeLocation || t == TypeAddress || t == TypeComplexValue
}

// Schema is the shape of an org's data as one user sees it: every object that describe lists.
type Schema struct {
	APIVersion string    // such as "66.0"
	Objects    []*Object // sorted by Name
}

// Object returns the object of that API name, without regard to case as the platform does, or nil.
func (s *Schema) Object(name string) *Object {
	for _, o := range s.Objects {
		if strings.EqualFold(o.Name, name) {
			return o
		}
	}
	return nil
}

// Object is one sObject as describe reports it to the calling user.
type Object struct {
	Name          string // API name
	Label         string
	KeyPrefix     string // first three characters of its Ids; empty for some
	Custom        bool
	CustomSetting bool

	Queryable     bool
	Retrieveable  bool
	Replicateable bool // getUpdated and getDeleted work
	Createable    bool
	Updateable    bool
	Deletable     bool
	Undeletable   bool

	Fields   []*Field // in describe order
	Children []ChildRelationship
}

// Field returns the field of that API name, without regard to case, or nil.
func (o *Object) Field(name string) *Field {
	for _, f := range o.Fields {
		if strings.EqualFold(f.Name, name) {
			return f
		}
	}
	return nil
}

// References returns the fields that hold Ids of other records, in describe order.
func (o *Object) References() []*Field {
	var refs []*Field
	for _, f := range o.Fields {
		if f.Type == TypeReference {
			refs = append(refs, f)
		}
	}
	return refs
}

// Field is one field of an object as describe reports it to the calling user.
type Field struct {
	Name      string
	Label     string
	Type      FieldType
	Length    int // characters, for text
	Precision int // digits in all, for numbers
	Scale     int // digits after the point, for numbers

	Custom            bool
	Nillable          bool // false: required, unless DefaultedOnCreate
	Createable        bool
	Updateable        bool
	Calculated        bool // formula or roll-up: recomputed by the org, never written
	AutoNumber        bool
	DefaultedOnCreate bool
	Unique            bool
	CaseSensitive     bool
	ExternalID        bool
	IDLookup          bool // usable as the key of an upsert
	NameField         bool

	ReferenceTo       []string // objects that a reference may point to; more than one is polymorphic
	RelationshipName  string   // for queries from the child to the parent
	RelationshipOrder int      // 1 first master-detail, 2 second, 0 not a master-detail
	CascadeDelete     bool     // deleting the parent deletes the record
	RestrictedDelete  bool     // a parent with children cannot be deleted

	CompoundFieldName  string // the compound that this field is a part of
	RestrictedPicklist bool
	Picklist           []PicklistValue
}

// Required reports a field that an insert must carry.
func (f *Field) Required() bool {
	return !f.Nillable && !f.DefaultedOnCreate && f.Createable && f.Type != TypeBoolean
}

// PicklistValue is one entry of a picklist.
type PicklistValue struct {
	Value   string
	Label   string
	Active  bool
	Default bool
}

// ChildRelationship says that records of Child refer to this object by Field.
type ChildRelationship struct {
	Child            string
	Field            string
	CascadeDelete    bool
	RestrictedDelete bool
}

// systemFields are the audit and bookkeeping fields that the platform sets itself. They change
// whenever a record is written, so they are recomputed rather than restored.
// Source: Object Reference, "System Fields".
var systemFields = []string{
	"ConnectionReceivedId", "ConnectionSentId", "CreatedById", "CreatedDate", "IsDeleted",
	"LastActivityDate", "LastModifiedById", "LastModifiedDate", "LastReferencedDate", "LastViewedDate",
	"MasterRecordId", "SystemModstamp",
}

// IsSystemField reports an audit or bookkeeping field that the platform sets itself.
func IsSystemField(name string) bool {
	_, found := slices.BinarySearch(systemFields, name)
	return found
}

// TypicalSize is a guess at how many bytes of text a value of the type has. It serves forecasts;
// nothing that is kept relies on it.
func (t FieldType) TypicalSize() int64 {
	switch t {
	case TypeBoolean:
		return 5
	case TypeReference, TypeID:
		return 12 // about half of them are empty
	case TypeDatetime:
		return 22
	case TypeTextarea:
		return 60
	}
	return 9
}
