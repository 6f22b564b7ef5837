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
	AssociateEntityType   *string           `json:"associateEntityType"`
	AssociateParentEntity *string           `json:"associateParentEntity"`
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

func summaryOf(o *org.Object, root string) summary {
	path := root + "/sobjects/" + o.Name
	return summary{
		Activateable: o.Activateable, AssociateEntityType: text(o.AssociateEntityType),
		AssociateParentEntity: text(o.AssociateParentEntity), Createable: o.Createable, Custom: o.Custom,
		CustomSetting: o.CustomSetting, DeepCloneable: o.DeepCloneable, Deletable: o.Deletable,
		DeprecatedAndHidden: o.DeprecatedAndHidden, FeedEnabled: o.FeedEnabled, HasSubtypes: o.HasSubtypes,
		IsInterface: o.IsInterface, IsSubtype: o.IsSubtype, KeyPrefix: text(o.KeyPrefix), Label: o.Label,
		LabelPlural: o.LabelPlural, Layoutable: o.Layoutable, Mergeable: o.Mergeable, MruEnabled: o.MruEnabled,
		Name: o.Name, Queryable: o.Queryable, Replicateable: o.Replicateable, Retrieveable: o.Retrieveable,
		Searchable: o.Searchable, Triggerable: o.Triggerable, Undeletable: o.Undeletable, Updateable: o.Updateable,
		URLs: map[string]string{"rowTemplate": path + "/{ID}", "describe": path + "/describe", "sobject": path},
	}
}

func (a *API) describeGlobal(w http.ResponseWriter, c *wire.Call) error {
	reply := struct {
		Encoding     string    `json:"encoding"`
		MaxBatchSize int       `json:"maxBatchSize"`
		SObjects     []summary `json:"sobjects"`
	}{"UTF-8", globalBatchSize, []summary{}}
	for _, o := range a.org.Objects() {
		reply.SObjects = append(reply.SObjects, summaryOf(o, c.Root()))
	}
	return wire.Reply(w, http.StatusOK, reply)
}

func (a *API) describeBasic(w http.ResponseWriter, c *wire.Call) error {
	o, err := a.object(c.Path[1])
	if err != nil {
		return err
	}
	return wire.Reply(w, http.StatusOK, struct {
		Describe summary `json:"objectDescribe"`
		Recent   []any   `json:"recentItems"`
	}{summaryOf(o, c.Root()), []any{}})
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
	SObjectDescribeOpt *string             `json:"sobjectDescribeOption"`
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
	o, err := a.object(c.Path[1])
	if err != nil {
		return err
	}
	d := description{
		ActionOverrides: []any{}, ChildRelationships: []childRelationship{}, CompactLayoutable: o.CompactLayoutable,
		Fields: make([]field, len(o.Fields)), NamedLayoutInfos: []any{}, RecordTypeInfos: []recordTypeInfo{},
		SearchLayoutable: o.SearchLayoutable, summary: summaryOf(o, c.Root()),
		SupportedScopes: []scope{{"All " + o.LabelPlural, "everything"}, {"My " + o.LabelPlural, "mine"}},
	}
	for _, r := range o.Children {
		d.ChildRelationships = append(d.ChildRelationships, childRelationship{
			CascadeDelete: r.CascadeDelete, ChildSObject: r.Child, Field: r.Field, JunctionIDListNames: []string{},
			JunctionReferenceTo: []string{}, RelationshipName: text(r.RelationshipName), RestrictedDelete: r.RestrictedDelete,
		})
	}
	for _, r := range o.RecordTypes {
		d.RecordTypeInfos = append(d.RecordTypeInfos, recordTypeInfo{
			Active: r.Active, Available: r.Available, Default: r.Default, DeveloperName: r.DeveloperName,
			Master: r.Master, Name: r.Name, RecordTypeID: r.ID,
			URLs: map[string]string{"layout": c.Root() + "/sobjects/" + o.Name + "/describe/layouts/" + string(r.ID)},
		})
	}
	for i, f := range o.Fields {
		d.Fields[i] = fieldOf(f)
	}
	return wire.Reply(w, http.StatusOK, d)
}
