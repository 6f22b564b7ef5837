package rest

import (
	"net/http"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// globalBatchSize is maxBatchSize of the global describe.
const globalBatchSize = 200

// text is a string that is null on the wire when it is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// summary is what the global describe tells of an object. The keys are those of recorded describes
// of version 52, in their order.
type summary struct {
	Activateable          bool              `json:"activateable"`
	AssociateEntityType   **string          `json:"associateEntityType,omitempty"`
	AssociateParentEntity **string          `json:"associateParentEntity,omitempty"`
	Createable            bool              `json:"createable"`
	Custom                bool              `json:"custom"`
	CustomSetting         bool              `json:"customSetting"`
	DeepCloneable         bool              `json:"deepCloneable"`
	Deletable             bool              `json:"deletable"`
	DeprecatedAndHidden   bool              `json:"deprecatedAndHidden"`
	FeedEnabled           bool              `json:"feedEnabled"`
	HasSubtypes           bool              `json:"hasSubtypes"`
	IsInterface           bool              `json:"isInterface"`
	IsSubtype             bool              `json:"isSubtype"`
	KeyPrefix             *string           `json:"keyPrefix"`
	Label                 string            `json:"label"`
	LabelPlural           string            `json:"labelPlural"`
	Layoutable            bool              `json:"layoutable"`
	Mergeable             bool              `json:"mergeable"`
	MruEnabled            bool              `json:"mruEnabled"`
	Name                  string            `json:"name"`
	Queryable             bool              `json:"queryable"`
	Replicateable         bool              `json:"replicateable"`
	Retrieveable          bool              `json:"retrieveable"`
	Searchable            bool              `json:"searchable"`
	Triggerable           bool              `json:"triggerable"`
	Undeletable           bool              `json:"undeletable"`
	Updateable            bool              `json:"updateable"`
	URLs                  map[string]string `json:"urls"`
}

// Versions from which a describe has a key. The describes of version 48 lack them and those of 52
// have them; the exact version is unverified.
const (
	associatesSince    = 50 // associateEntityType, associateParentEntity
	optionSince        = 52 // sobjectDescribeOption, and the scope scopingRule
	defaultValuesUntil = 51 // urls.defaultValues
)

// since returns a key's value from a version on, and leaves the key out before.
func since(c *wire.Call, version int, value *string) **string {
	if c.Major() < version {
		return nil
	}
	return &value
}

func summaryOf(o *org.Object, c *wire.Call) summary {
	return summary{
		Activateable: o.Activateable, AssociateEntityType: since(c, associatesSince, text(o.AssociateEntityType)),
		AssociateParentEntity: since(c, associatesSince, text(o.AssociateParentEntity)), Createable: o.Createable, Custom: o.Custom,
		CustomSetting: o.CustomSetting, DeepCloneable: o.DeepCloneable, Deletable: o.Deletable,
		DeprecatedAndHidden: o.DeprecatedAndHidden, FeedEnabled: o.FeedEnabled, HasSubtypes: o.HasSubtypes,
		IsInterface: o.IsInterface, IsSubtype: o.IsSubtype, KeyPrefix: text(o.KeyPrefix), Label: o.Label,
		LabelPlural: o.LabelPlural, Layoutable: o.Layoutable, Mergeable: o.Mergeable, MruEnabled: o.MruEnabled,
		Name: o.Name, Queryable: o.Queryable, Replicateable: o.Replicateable, Retrieveable: o.Retrieveable,
		Searchable: o.Searchable, Triggerable: o.Triggerable, Undeletable: o.Undeletable, Updateable: o.Updateable,
		URLs: urlsOf(o, c.Root()+"/sobjects/"+o.Name),
	}
}

// ownURLs are resources that a few objects alone have. Source: global describe, describe of Event.
var ownURLs = map[string]map[string]string{
	"Event": {"eventSeriesUpdates": "/{ID}/fromThisEventOnwards"},
	"Case":  {"caseArticleSuggestions": "/suggestedArticles", "caseRowArticleSuggestions": "/{ID}/suggestedArticles"},
	"User":  {"namedLayouts": "/describe/namedLayouts/{LayoutName}", "passwordUtilities": "/{ID}/password"},
	"WorkOrder": {
		"workOrderArticleSuggestions": "/suggestedArticles", "workOrderRowArticleSuggestions": "/{ID}/suggestedArticles",
	},
	"WorkOrderLineItem": {
		"workOrderLineItemArticleSuggestions": "/suggestedArticles", "workOrderLineItemRowArticleSuggestions": "/{ID}/suggestedArticles",
	},
}

// urlsOf are the resources of an object. Which there are follows from its flags: approvals need
// records that come back from the bin, quick actions a layout on which records are made. The rules
// hold for all 110 objects of the global describe.
func urlsOf(o *org.Object, path string) map[string]string {
	urls := map[string]string{"rowTemplate": path + "/{ID}", "describe": path + "/describe", "sobject": path}
	for _, u := range []struct {
		on        bool
		key, tail string
	}{
		{o.CompactLayoutable, "compactLayouts", "/describe/compactLayouts"},
		{o.Layoutable, "layouts", "/describe/layouts"},
		{o.Layoutable && o.CompactLayoutable && o.Undeletable && o.Approvable, "approvalLayouts", "/describe/approvalLayouts"},
		{o.Layoutable && o.CompactLayoutable && o.Createable && o.QuickActions, "quickActions", "/quickActions"},
		{o.ListViews, "listviews", "/listviews"},
		{o.AssociateEntityType == "ChangeEvent" || o.Kind == org.PlatformEvent, "eventSchema", "/eventSchema"},
	} {
		if u.on {
			urls[u.key] = path + u.tail
		}
	}
	for key, tail := range ownURLs[o.Name] {
		urls[key] = path + tail
	}
	return urls
}

func (a *API) describeGlobal(w http.ResponseWriter, c *wire.Call) error {
	reply := struct {
		Encoding     string    `json:"encoding"`
		MaxBatchSize int       `json:"maxBatchSize"`
		SObjects     []summary `json:"sobjects"`
	}{"UTF-8", globalBatchSize, []summary{}}
	for _, o := range a.org.ObjectsFor(c.Caller) {
		if o.Since <= c.Major() {
			reply.SObjects = append(reply.SObjects, summaryOf(o, c))
		}
	}
	return wire.Reply(w, http.StatusOK, reply)
}

func (a *API) describeBasic(w http.ResponseWriter, c *wire.Call) error {
	o, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	return wire.Reply(w, http.StatusOK, struct {
		Describe summary `json:"objectDescribe"`
		Recent   []any   `json:"recentItems"`
	}{summaryOf(o, c), []any{}})
}

// description is a full describe.
type description struct {
	ActionOverrides    []any               `json:"actionOverrides"`
	ChildRelationships []childRelationship `json:"childRelationships"`
	CompactLayoutable  bool                `json:"compactLayoutable"`
	DefaultImpl        *string             `json:"defaultImplementation"`
	ExtendedBy         *string             `json:"extendedBy"`
	ExtendsInterfaces  *string             `json:"extendsInterfaces"`
	Fields             []field             `json:"fields"`
	ImplementedBy      *string             `json:"implementedBy"`
	Implements         *string             `json:"implementsInterfaces"`
	Listviewable       *bool               `json:"listviewable"`
	LookupLayoutable   *bool               `json:"lookupLayoutable"`
	NamedLayoutInfos   []any               `json:"namedLayoutInfos"`
	NetworkScopeField  *string             `json:"networkScopeFieldName"`
	RecordTypeInfos    []recordTypeInfo    `json:"recordTypeInfos"`
	SearchLayoutable   bool                `json:"searchLayoutable"`
	SObjectDescribeOpt **string            `json:"sobjectDescribeOption,omitempty"`
	SupportedScopes    []scope             `json:"supportedScopes"`
	summary
}

type scope struct {
	Label string `json:"label"`
	Name  string `json:"name"`
}

type childRelationship struct {
	CascadeDelete       bool     `json:"cascadeDelete"`
	ChildSObject        string   `json:"childSObject"`
	DeprecatedAndHidden bool     `json:"deprecatedAndHidden"`
	Field               string   `json:"field"`
	JunctionIDListNames []string `json:"junctionIdListNames"`
	JunctionReferenceTo []string `json:"junctionReferenceTo"`
	RelationshipName    *string  `json:"relationshipName"`
	RestrictedDelete    bool     `json:"restrictedDelete"`
}

type recordTypeInfo struct {
	Active        bool              `json:"active"`
	Available     bool              `json:"available"`
	Default       bool              `json:"defaultRecordTypeMapping"`
	DeveloperName string            `json:"developerName"`
	Master        bool              `json:"master"`
	Name          string            `json:"name"`
	RecordTypeID  sf.ID             `json:"recordTypeId"`
	URLs          map[string]string `json:"urls"`
}

func (a *API) describe(w http.ResponseWriter, c *wire.Call) error {
	o, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	return wire.Reply(w, http.StatusOK, a.describeObject(o, c))
}

func (a *API) describeObject(o *org.Object, c *wire.Call) description {
	full := "FULL"
	d := description{
		ActionOverrides: []any{}, ChildRelationships: []childRelationship{}, CompactLayoutable: o.CompactLayoutable,
		Fields: []field{}, NamedLayoutInfos: []any{}, RecordTypeInfos: []recordTypeInfo{},
		SearchLayoutable: o.SearchLayoutable, SObjectDescribeOpt: since(c, optionSince, &full),
		summary: summaryOf(o, c), SupportedScopes: []scope{},
	}
	a.userURLs(o, c, d.URLs)
	for _, r := range o.Children {
		if child, ok := a.org.Describe(r.Child); !ok || child.Since > c.Major() {
			continue
		}
		lists, targets := r.Junction()
		d.ChildRelationships = append(d.ChildRelationships, childRelationship{
			CascadeDelete: r.CascadeDelete, ChildSObject: r.Child, Field: r.Field, JunctionIDListNames: append([]string{}, lists...),
			JunctionReferenceTo: append([]string{}, targets...), RelationshipName: text(r.RelationshipName), RestrictedDelete: r.RestrictedDelete,
		})
	}
	for _, r := range o.RecordTypes {
		d.RecordTypeInfos = append(d.RecordTypeInfos, recordTypeInfo{
			Active: r.Active, Available: r.Available, Default: r.Default, DeveloperName: r.DeveloperName,
			Master: r.Master, Name: r.Name, RecordTypeID: r.ID,
			URLs: map[string]string{"layout": c.Root() + "/sobjects/" + o.Name + "/describe/layouts/" + string(r.ID)},
		})
	}
	for _, s := range o.Scopes() {
		if s.Name != "scopingRule" || c.Major() >= optionSince {
			d.SupportedScopes = append(d.SupportedScopes, scope(s))
		}
	}
	for _, f := range o.Fields {
		if f.Since <= c.Major() {
			d.Fields = append(d.Fields, fieldOf(f.Described(c.Major())))
		}
	}
	return d
}

// userURLs adds the pages of the user interface, which only the full describe has, and of the default
// values. Source: describes of Account and OpportunityContactRole.
func (a *API) userURLs(o *org.Object, c *wire.Call, urls map[string]string) {
	if !o.Layoutable || o.KeyPrefix == "" || o.CustomSetting {
		return
	}
	urls["uiDetailTemplate"] = c.BaseURL + "/{ID}"
	urls["uiEditTemplate"] = c.BaseURL + "/{ID}/e"
	urls["uiNewRecord"] = c.BaseURL + "/" + o.KeyPrefix + "/e"
	if c.Major() <= defaultValuesUntil {
		urls["defaultValues"] = urls["sobject"] + "/defaultValues?recordTypeId&fields"
	}
}
