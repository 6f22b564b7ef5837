package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Kind says what an object is beyond a table of records.
type Kind uint8

// The kinds of objects.
const (
	StandardObject Kind = iota
	CustomObject
	HierarchySetting // custom setting with records of the org, profiles and users
	ListSetting      // custom setting with named records
	CustomMetadata   // __mdt: records arrive by deploy only
	BigObject        // __b: found by an index
	PlatformEvent    // __e: published, never queried
)

// Object is one object as describe reports it. An Object is never changed once it has been handed
// out: a deploy replaces it, so a caller may keep it as a consistent view.
//
// The flags carry the names of DescribeSObjectResult in the partner WSDL.
type Object struct {
	Name        string
	Label       string
	LabelPlural string
	KeyPrefix   string // empty when describe says null
	Kind        Kind

	AssociateEntityType   string // "Share", "History" …; empty when null
	AssociateParentEntity string

	Activateable        bool
	CompactLayoutable   bool
	Createable          bool
	Custom              bool
	CustomSetting       bool
	DeepCloneable       bool
	Deletable           bool
	DeprecatedAndHidden bool
	FeedEnabled         bool
	HasSubtypes         bool
	IsInterface         bool
	IsSubtype           bool
	Layoutable          bool
	Mergeable           bool
	MruEnabled          bool
	Queryable           bool
	Replicateable       bool
	Retrieveable        bool
	SearchLayoutable    bool
	Searchable          bool
	Triggerable         bool
	Undeletable         bool
	Updateable          bool

	// BulkQueryable is false for objects that the Bulk API refuses to query.
	BulkQueryable bool
	// NeedsFilter are the fields on one of which a query must filter by = or IN; empty for most objects.
	NeedsFilter []string
	// Since is the first version of the API that has the object; 0 when all served versions do.
	Since        int
	ListViews    bool // has a tab, and so list views
	QuickActions bool // may have quick actions, where the layout allows any
	Approvable   bool // may go through approvals, where the layout allows any

	Fields      []*Field // in describe order
	Children    []ChildRelationship
	RecordTypes []RecordType // the master record type last, as describe has it

	byName map[string]int // lower-case API name to position in Fields
	width  int            // columns that records of the object have

	conduct      *conduct                       // nil: no rules
	availability map[string]map[string][]string // of picklist values: by record type, then folded field
	choosy       bool                           // some restricted picklist depends on other values
	filtered     []int                          // fields with a lookup filter, by position
	rich         []int                          // fields of rich text, by position
	defaulted    []int                          // positions of fields that a new record may get a value of
	spec         ObjectSpec

	families []string // kinds of the objects that come with it: "History", "Share" …
	feature  string   // of Features; empty when every org has it
	idPrefix string   // of its Ids where describe tells no key prefix

	tracking   bool                 // changes of tracked fields leave rows in the history
	sharing    string               // sharingModel of the metadata WSDL; empty is ReadWrite
	conversion map[string][]mapping // of Lead: what becomes of its custom fields, by object
}

// Field returns the field of that API name, without regard to case, or nil.
func (o *Object) Field(name string) *Field {
	if i, ok := o.byName[strings.ToLower(name)]; ok {
		return o.Fields[i]
	}
	return nil
}

// Relationship returns the reference field whose relationship to the parent has that name, without
// regard to case, or nil.
func (o *Object) Relationship(name string) *Field {
	for _, f := range o.Fields {
		if f.RelationshipName != "" && strings.EqualFold(f.RelationshipName, name) {
			return f
		}
	}
	return nil
}

// Field is one field as describe reports it; the names are those of the partner WSDL.
type Field struct {
	Name       string
	Label      string
	Type       sf.FieldType
	SoapType   string // such as "xsd:string" or "tns:ID"
	Length     int    // characters
	ByteLength int
	Digits     int
	Precision  int
	Scale      int

	Aggregatable                 bool
	AIPredictionField            bool
	AutoNumber                   bool
	Calculated                   bool
	CascadeDelete                bool
	CaseSensitive                bool
	Createable                   bool
	Custom                       bool
	DefaultedOnCreate            bool
	DependentPicklist            bool
	DeprecatedAndHidden          bool
	DisplayLocationInDecimal     bool
	Encrypted                    bool
	ExternalID                   bool
	Filterable                   bool
	FormulaTreatNullNumberAsZero bool
	Groupable                    bool
	HighScaleNumber              bool
	HTMLFormatted                bool
	IDLookup                     bool
	NameField                    bool
	NamePointing                 bool
	Nillable                     bool
	Permissionable               bool
	PolymorphicForeignKey        bool
	QueryByDistance              bool
	RestrictedDelete             bool
	RestrictedPicklist           bool
	SearchPrefilterable          bool
	Sortable                     bool
	Unique                       bool
	Updateable                   bool
	WriteRequiresMasterRead      bool

	CalculatedFormula    string
	CompoundFieldName    string
	ControllerName       string
	DefaultValue         string // canonical text of a constant default; empty when null
	DefaultValueFormula  string
	ExtraTypeInfo        string
	InlineHelpText       string
	Mask                 string
	MaskType             string
	ReferenceTargetField string
	ReferenceTo          []string
	RelationshipName     string // empty when null
	RelationshipOrder    int    // of a master-detail: 0 or 1; -1 means null
	Picklist             []PicklistValue

	needed bool // a record needs a value, though describe calls the field nillable

	// Since is the first version of the API that has the field; 0 when all served versions do.
	Since int

	// FormulaUnread is true for a formula outside the subset that the engine computes: the field
	// then reads as null. It is not part of describe.
	FormulaUnread bool

	column  int    // position of its stored value in a record; -1 when nothing is stored
	feature string // of Features; empty when every org has it
	link    link   // of a reference: what it means to the parent
	set     string // name of the value set that the picklist takes its values from
	formula *compiled
	summary *summary
	filter  *lookupFilter
	derive  derivation `image:"-"`
	auto    *autoNumber
	initial *compiled // default value
	spec    FieldSpec
}

// PicklistValue is one entry of a picklist.
type PicklistValue struct {
	Value   string
	Label   string
	Active  bool
	Default bool
	// ValidFor is the bitmap of controlling values in base64, as describe has it; empty when null.
	ValidFor string

	since int // the first version that describes it; 0 when all do
}

// ChildRelationship says that records of Child refer to this object by Field.
type ChildRelationship struct {
	Child            string
	Field            string
	RelationshipName string // empty when null: no sub-select can use it
	CascadeDelete    bool
	RestrictedDelete bool
	// OfPerson is true for what belongs to the contact of a person account: Field holds PersonContactId of
	// the account, not its Id.
	OfPerson bool
}

// Junction is a relationship through which a write can name many others at once: the lists of Ids that
// take them, and what they can refer to. Both are nil for all but a few. Source: describe of Event.
func (c ChildRelationship) Junction() (lists, targets []string) {
	kind, ok := strings.CutSuffix(c.Child, "EventRelation")
	if !ok || kind == "" || c.Field != "EventId" {
		return nil, nil
	}
	return []string{kind + "EventInviteeIds"}, invitees
}

// invitees are whom an event can invite.
var invitees = []string{"Calendar", "Contact", "Lead", "User"}

// RecordType is one entry of recordTypeInfos. The master record type has the Id
// 012000000000000AAA.
type RecordType struct {
	ID            sf.ID
	Name          string
	DeveloperName string
	Active        bool
	Available     bool
	Default       bool // defaultRecordTypeMapping
	Master        bool
	Person        bool // isPersonType
}

// Scope is one entry of supportedScopes: what USING SCOPE takes for the object.
type Scope struct {
	Label string
	Name  string
}

// teamScopes are the objects whose records can belong to a team of the user.
// Source: describes of Account, Contact, Lead, Opportunity and Event; Task, which has the rules of Event, is
// unverified.
var teamScopes = map[string]bool{"Account": true, "Contact": true, "Event": true, "Lead": true, "Opportunity": true, "Task": true}

// Scopes returns the scopes of the object in describe order, which is that of their names: all records,
// and where a user can own them those of the user, those within a scoping rule, those of queues where
// a queue can own them, and those of the user's teams. A custom setting has none. Source: describes of Account,
// Case, Contact, Event, Lead, Opportunity, OpportunityContactRole and Custom__c.
func (o *Object) Scopes() []Scope {
	if !o.Queryable || o.CustomSetting {
		return nil
	}
	plural := strings.ToLower(o.LabelPlural)
	all := Scope{"All " + plural, "everything"}
	owner := o.Field("OwnerId")
	if owner == nil || !slices.Contains(owner.ReferenceTo, "User") {
		return []Scope{all}
	}
	queues := slices.Contains(owner.ReferenceTo, "Group") && o.Name != "Task"
	var scopes []Scope
	for _, s := range []struct {
		on bool
		Scope
	}{
		{o.Name == "Event" || o.Name == "Task", Scope{"My delegated " + plural, "delegated"}},
		{true, all},
		{o.Name == "Case", Scope{"My case teams " + plural, "genericteam"}},
		{true, Scope{"My " + plural, "mine"}},
		{queues, Scope{"Queue owned " + plural, "queue_owned"}},
		{true, Scope{"Filter by scope", "scopingRule"}},
		{teamScopes[o.Name], Scope{"My team's " + plural, "team"}},
		{o.Name == "Case", Scope{"My role-based team's " + plural, "team_by_role"}},
		{queues, Scope{"User owned " + plural, "user_owned"}},
	} {
		if s.on {
			scopes = append(scopes, s.Scope)
		}
	}
	return scopes
}

// widePicklistsSince is the version from which describe gives picklists that an administrator can change
// 255 characters, where it gave 40 before. The describes of version 48 give all of them 40, those of 52 and
// later 255; which version between it was is unverified.
const (
	widePicklistsSince = 50
	widePicklist       = 255
	narrowPicklist     = 40
)

// Described returns the field as a describe of that version of the API shows it. A picklist's default
// value is the field's, too. Source: describes of Case, Event and Lead.
func (f *Field) Described(version int) *Field {
	if f.Type != sf.TypePicklist {
		return f
	}
	c := *f
	if version < widePicklistsSince && !f.Custom && f.Length == widePicklist {
		c.Length = narrowPicklist
		c.ByteLength = byteLength(&c)
	}
	late := func(v PicklistValue) bool { return v.since > version }
	if slices.ContainsFunc(f.Picklist, late) {
		c.Picklist = slices.DeleteFunc(slices.Clone(f.Picklist), late)
	}
	if i := slices.IndexFunc(f.Picklist, PicklistValue.chosen); i >= 0 && f.DefaultValue == "" {
		c.DefaultValue, c.DefaultedOnCreate = f.Picklist[i].Value, true
	}
	return &c
}
