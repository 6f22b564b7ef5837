package org

import (
	"slices"
	"strconv"
	"strings"
)

// Families are objects that come with another: its history, its shares, its feed and its change
// events. What they are follows from the object that they belong to.
//
// Source of the flags: the 42 histories, shares and feeds and the 6 change events of a real global
// describe, of which all follow these rules. Source of the fields: Object Reference, "Associated
// Objects"; jsforce 3.12, the declarations of the same objects.

// describedPrefixes are those few that describe does tell. Source: global describe.
var describedPrefixes = map[string]string{"UserShare": "0N2"}

// family says how one kind of associated object is made.
type family struct {
	suffix string // of the object's name, and of its label
	entity string // associateEntityType
	prefix string // of its Ids, which describe does not tell
	flags  func(o *Object)
	fields func(parent *Object) string
}

// The key prefixes of histories, feed items and shares. Source: public lists of key prefixes.
const (
	historyPrefix = "017"
	feedPrefix    = "0D5"
	sharePrefix   = "02c"
)

// sharePrefixes are those of the oldest shares, which have one each. Source: the same.
var sharePrefixes = map[string]string{
	"AccountShare": "00r", "ContactShare": "03s", "OpportunityShare": "00t", "CaseShare": "01n", "LeadShare": "01o",
	"CampaignShare": "08s",
}

var familyKinds = map[string]family{
	"History": {
		suffix: "History", entity: "History", prefix: historyPrefix, fields: historyFields,
		flags: func(o *Object) { o.Replicateable = true },
	},
	// Only of Opportunity, whose OpportunityHistory is another object.
	"FieldHistory": {
		suffix: "FieldHistory", entity: "History", prefix: historyPrefix, fields: historyFields,
		flags: func(o *Object) { o.Replicateable = true },
	},
	"Share": {
		suffix: "Share", entity: "Share", prefix: sharePrefix, fields: shareFields,
		flags: func(o *Object) { o.Createable, o.Updateable, o.Deletable = true, true, true },
	},
	"Feed": {
		suffix: "Feed", entity: "Feed", prefix: feedPrefix, fields: feedFields,
		flags: func(o *Object) { o.Deletable, o.Replicateable = true, true },
	},
	"ChangeEvent": {
		suffix: "ChangeEvent", entity: "ChangeEvent",
		flags: func(o *Object) { o.Queryable, o.Triggerable = false, true },
	},
}

// familyLabels are labels of associated objects that do not follow from their parent's.
// Source: global describe.
var familyLabels = map[string]string{"WorkOrderLineItemHistory": "Line Item History"}

// families makes the associated objects of all objects.
func (s *standardSchema) families(parents []*Object) []*Object {
	var out []*Object
	for _, parent := range parents {
		for _, word := range parent.families {
			suffix, since, late := strings.Cut(word, "@")
			o := s.relative(parent, familyKinds[suffix])
			if n, err := strconv.Atoi(since); late && err == nil {
				o.Since = n
			}
			out = append(out, o)
		}
	}
	return out
}

// relative makes one associated object.
func (s *standardSchema) relative(parent *Object, kind family) *Object {
	name, separator := parent.Name+kind.suffix, " "
	if base, custom := strings.CutSuffix(parent.Name, "__c"); custom {
		name = base + "__" + kind.suffix
	}
	label := orElse(familyLabels[name], parent.Label+separator+strings.Join(nameWords(kind.suffix), " "))
	o := &Object{
		Name: name, Label: label, LabelPlural: label, AssociateEntityType: kind.entity,
		AssociateParentEntity: parent.Name, Queryable: true, Retrieveable: true, BulkQueryable: true,
		Since: parent.Since, feature: parent.feature, idPrefix: orElse(sharePrefixes[name], kind.prefix), KeyPrefix: describedPrefixes[name],
	}
	kind.flags(o)
	if kind.suffix == "ChangeEvent" {
		o.Fields, o.BulkQueryable = s.changeEventFields(parent), false
	} else {
		o.Fields = s.read(kind.fields(parent))
	}
	for _, f := range o.Fields {
		o.settleField(f)
		if f.Name == "CommentCount" {
			f.derive = countOf("feedcomment", "FeedItemId", nil)
		}
	}
	return o
}

// ownKey is the field by which old associated objects refer to their parent: AccountId of AccountShare.
// Custom objects have ParentId.
func ownKey(parent *Object) (key, relationship string) {
	if strings.HasSuffix(parent.Name, "__c") {
		return "ParentId", "Parent"
	}
	return parent.Name + "Id", parent.Name
}

func historyFields(parent *Object) string {
	key, relationship := ownKey(parent)
	return strings.NewReplacer("$key", key, "$rel", relationship, "$parent", parent.Name).Replace(`Id id
		IsDeleted boolean ro
		$key ref($parent) rel=$rel kids=Histories cascade ro nonil
		CreatedById ref(User) rel=CreatedBy ro nonil dflt noprefilter
		CreatedDate datetime ro nonil dflt
		Field picklist(255) ro nonil restricted | Changed Field
		DataType picklist(40) ro restricted since=50 =HistoryDataType | Datatype
		OldValue anyType(255) ro nonil
		NewValue anyType(255) ro nonil`)
}

// shareNames are the key and the access level of a share: named after the object for the oldest
// objects, ParentId and AccessLevel for all others. Source: the declarations of jsforce 3.12.
func shareNames(parent *Object) (key, relationship, level string) {
	if slices.Contains(ownShares, parent.Name) {
		return parent.Name + "Id", parent.Name, parent.Name + "AccessLevel"
	}
	return "ParentId", "Parent", "AccessLevel"
}

var ownShares = []string{
	"Account", "Asset", "Campaign", "Case", "Contact", "Lead", "Opportunity", "Order", "User",
}

func shareFields(parent *Object) string {
	key, relationship, level := shareNames(parent)
	more := ""
	if parent.Name == "Account" {
		more = `
		OpportunityAccessLevel picklist(40) ! noperm restricted =ShareAccess | Opportunity Access
		CaseAccessLevel picklist(40) ! noperm restricted =ShareAccess | Case Access
		ContactAccessLevel picklist(40) noperm dflt restricted =ShareAccess | Contact Access`
	}
	return strings.NewReplacer("$key", key, "$rel", relationship, "$level", level, "$parent", parent.Name).Replace(`Id id
		$key ref($parent) rel=$rel kids=Shares cascade ! noupdate noprefilter
		UserOrGroupId ref(Group,User) rel=UserOrGroup ! noupdate noprefilter | User/Group ID
		$level picklist(40) ! noperm restricted =ShareAccess | ` + strings.Join(strings.Fields(parent.Label), " ") + ` Access` + more + `
		RowCause picklist(40) noupdate noperm restricted dflt =RowCause | Row Cause
		LastModifiedDate datetime ro nonil dflt
		LastModifiedById ref(User) rel=LastModifiedBy ro nonil dflt noprefilter
		IsDeleted boolean ro`)
}

func feedFields(parent *Object) string {
	return strings.ReplaceAll(`Id id
		ParentId ref($parent) rel=Parent kids=Feeds cascade ro nonil
		Type picklist(40) ro restricted =FeedItemType | Feed Item Type
		CreatedById ref(User) rel=CreatedBy ro nonil dflt noprefilter
		CreatedDate datetime ro nonil dflt
		IsDeleted boolean ro
		LastModifiedDate datetime ro nonil dflt
		SystemModstamp datetime ro nonil dflt
		CommentCount int ro nonil
		LikeCount int ro nonil
		Title string(255) ro
		Body textarea(10000) ro
		LinkUrl url(1000) ro
		IsRichText boolean ro
		RelatedRecordId ref(ContentVersion,WorkThanks) ro noprefilter
		InsertedById ref(User) rel=InsertedBy ro noprefilter
		BestCommentId ref(FeedComment) rel=BestComment ro noprefilter since=44`, "$parent", parent.Name)
}

// notInChanges are fields that no change event carries. Source: 20 change events of jsforce 3.12, held
// against their objects.
var notInChanges = []string{
	"IsDeleted", "SystemModstamp", "LastViewedDate", "LastReferencedDate", "LastActivityDate", "MasterRecordId",
	"IsCustomerPortal", "Fiscal", "FiscalQuarter", "FiscalYear", "HasOpenActivity", "HasOverdueTask", "IsHighPriority",
	"TaskSubtype", "EventSubtype", "ContactPhone", "ContactMobile", "ContactEmail", "ContactFax", "Comments",
	"IsEmailBounced", "FullPhotoUrl", "SmallPhotoUrl", "LeadOrContactId", "LeadOrContactOwnerId",
}

// changeEventFields are the header and the fields of the parent that a change carries. Source: Change Data Capture Developer Guide, "Change Event Fields"; that each
// is null unless it changed, the same.
func (s *standardSchema) changeEventFields(parent *Object) []*Field {
	fields := s.read(`Id id nonil
		ReplayId string(1000) ro | Replay ID
		ChangeEventHeader complexvalue ro`)
	for _, f := range parent.Fields {
		if f.Name == "Id" || f.feature != "" || f.ExtraTypeInfo == "imageurl" || slices.Contains(notInChanges, f.Name) {
			continue
		}
		c := *f
		c.Nillable, c.DefaultedOnCreate, c.Createable, c.Updateable, c.Permissionable = true, false, false, false, false
		c.IDLookup, c.NameField, c.AutoNumber, c.auto, c.derive = false, false, false, nil, nil
		c.column, c.link = -1, link{targets: f.link.targets}
		fields = append(fields, &c)
	}
	return fields
}
