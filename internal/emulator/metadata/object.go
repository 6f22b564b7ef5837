package metadata

import (
	"encoding/xml"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
)

// customObject is a .object file, as much of it as the engine knows. The rest is kept as text.
type customObject struct {
	Label              string        `xml:"label"`
	PluralLabel        string        `xml:"pluralLabel"`
	CustomSettingsType string        `xml:"customSettingsType"`
	SharingModel       string        `xml:"sharingModel"`
	EnableFeeds        bool          `xml:"enableFeeds"`
	EnableActivities   bool          `xml:"enableActivities"`
	EnableHistory      bool          `xml:"enableHistory"`
	Indexes            []index       `xml:"indexes"`
	NameField          *customField  `xml:"nameField"`
	Fields             []customField `xml:"fields"`
	RecordTypes        []recordType  `xml:"recordTypes"`

	ValidationRules []validationRule `xml:"validationRules"`
}

// index is the one of a big object.
type index struct {
	Fields []struct {
		Name string `xml:"name"`
	} `xml:"fields"`
}

type customField struct {
	FullName                 string       `xml:"fullName"`
	Label                    string       `xml:"label"`
	Type                     string       `xml:"type"`
	Length                   int          `xml:"length"`
	Precision                int          `xml:"precision"`
	Scale                    int          `xml:"scale"`
	Required                 bool         `xml:"required"`
	Unique                   bool         `xml:"unique"`
	CaseSensitive            bool         `xml:"caseSensitive"`
	ExternalID               bool         `xml:"externalId"`
	DefaultValue             string       `xml:"defaultValue"`
	InlineHelpText           string       `xml:"inlineHelpText"`
	DisplayFormat            string       `xml:"displayFormat"`
	StartingNumber           int          `xml:"startingNumber"`
	MaskChar                 string       `xml:"maskChar"`
	MaskType                 string       `xml:"maskType"`
	DisplayLocationInDecimal bool         `xml:"displayLocationInDecimal"`
	TrackHistory             bool         `xml:"trackHistory"`
	TrackFeedHistory         bool         `xml:"trackFeedHistory"`
	ReferenceTo              string       `xml:"referenceTo"`
	RelationshipName         string       `xml:"relationshipName"`
	RelationshipOrder        int          `xml:"relationshipOrder"`
	DeleteConstraint         string       `xml:"deleteConstraint"`
	Reparentable             bool         `xml:"reparentableMasterDetail"`
	WriteRequiresMasterRead  bool         `xml:"writeRequiresMasterRead"`
	Formula                  string       `xml:"formula"`
	FormulaTreatBlanksAs     string       `xml:"formulaTreatBlanksAs"`
	SummaryOperation         string       `xml:"summaryOperation"`
	SummaryForeignKey        string       `xml:"summaryForeignKey"`
	SummarizedField          string       `xml:"summarizedField"`
	SummaryFilterItems       []filterItem `xml:"summaryFilterItems"`
	ValueSet                 *valueSet    `xml:"valueSet"`
	Picklist                 *picklist    `xml:"picklist"` // until API 37

	LookupFilter *lookupFilter `xml:"lookupFilter"`
}

type filterItem struct {
	Field     string `xml:"field"`
	Operation string `xml:"operation"`
	Value     string `xml:"value"`
}

type valueSet struct {
	ControllingField string        `xml:"controllingField"`
	Restricted       bool          `xml:"restricted"`
	Name             string        `xml:"valueSetName"`
	Values           []customValue `xml:"valueSetDefinition>value"`
	Settings         []struct {
		Controlling []string `xml:"controllingFieldValue"`
		Value       string   `xml:"valueName"`
	} `xml:"valueSettings"`
}

type customValue struct {
	FullName         string   `xml:"fullName"`
	Label            string   `xml:"label"`
	Default          bool     `xml:"default"`
	IsActive         *bool    `xml:"isActive"`
	Closed           bool     `xml:"closed"`
	Won              bool     `xml:"won"`
	Probability      *int     `xml:"probability"`
	ForecastCategory string   `xml:"forecastCategory"`
	Controlling      []string `xml:"controllingFieldValues"` // until API 37
}

type picklist struct {
	ControllingField string        `xml:"controllingField"`
	Values           []customValue `xml:"picklistValues"`
}

type recordType struct {
	FullName    string `xml:"fullName"`
	Label       string `xml:"label"`
	Description string `xml:"description"`
	Active      bool   `xml:"active"`

	Offers []offers `xml:"picklistValues"`
}

func readObject(raw []byte) (*customObject, error) {
	o := &customObject{}
	return o, xml.Unmarshal(raw, o)
}

// kindOf derives what an object is from its name and definition.
func kindOf(name string, o *customObject) org.Kind {
	switch {
	case strings.HasSuffix(name, "__mdt"):
		return org.CustomMetadata
	case strings.HasSuffix(name, "__b"):
		return org.BigObject
	case strings.HasSuffix(name, "__e"):
		return org.PlatformEvent
	case o.CustomSettingsType == "Hierarchy":
		return org.HierarchySetting
	case o.CustomSettingsType == "List":
		return org.ListSetting
	case strings.HasSuffix(name, "__c"):
		return org.CustomObject
	}
	return org.StandardObject
}

func (o *customObject) spec(name string) org.ObjectSpec {
	s := org.ObjectSpec{
		Name: name, Label: o.Label, LabelPlural: o.PluralLabel, Kind: kindOf(name, o),
		Feeds: o.EnableFeeds, Activities: o.EnableActivities, ControlledByParent: o.SharingModel == "ControlledByParent",
		History: o.EnableHistory, Sharing: o.SharingModel,
	}
	for _, i := range o.Indexes {
		for _, f := range i.Fields {
			s.Index = append(s.Index, f.Name)
		}
	}
	if n := o.NameField; n != nil {
		s.NameField = org.NameSpec{
			Label: n.Label, AutoNumber: n.Type == "AutoNumber", DisplayFormat: n.DisplayFormat, StartingAt: n.StartingNumber,
		}
	}
	return s
}

// defined reports a file that defines a custom object, as against one that only adds to an object
// that is there, as files of standard objects and of other packages' objects do.
func (o *customObject) defined(name string) bool {
	if !strings.Contains(name, "__") {
		return false
	}
	return o.Label != "" || o.NameField != nil || o.CustomSettingsType != ""
}

func (f *customField) spec() org.FieldSpec {
	s := org.FieldSpec{
		Name: f.FullName, Label: f.Label, Type: f.Type, Length: f.Length, Precision: f.Precision, Scale: f.Scale,
		Required: f.Required, Unique: f.Unique, CaseSensitive: f.CaseSensitive, ExternalID: f.ExternalID,
		DefaultValue: f.DefaultValue, HelpText: f.InlineHelpText, DisplayFormat: f.DisplayFormat,
		StartingNumber: f.StartingNumber, MaskChar: f.MaskChar, MaskType: f.MaskType,
		TrackHistory: f.TrackHistory, TrackFeedHistory: f.TrackFeedHistory,
		DisplayLocationInDecimal: f.DisplayLocationInDecimal, ReferenceTo: f.ReferenceTo,
		RelationshipName: f.RelationshipName, RelationshipOrder: f.RelationshipOrder,
		DeleteConstraint: f.DeleteConstraint, Reparentable: f.Reparentable,
		WriteRequiresMasterRead: f.WriteRequiresMasterRead, Formula: f.Formula,
		BlankAsZero: f.FormulaTreatBlanksAs == "BlankAsZero", SummaryOperation: f.SummaryOperation,
		SummaryForeignKey: f.SummaryForeignKey, SummarizedField: f.SummarizedField,
		LookupFilter: f.LookupFilter.spec(),
	}
	for _, i := range f.SummaryFilterItems {
		s.SummaryFilters = append(s.SummaryFilters, org.SummaryFilter(i))
	}
	if v := f.ValueSet; v != nil {
		s.ControllingField, s.Restricted, s.ValueSetName = v.ControllingField, v.Restricted, v.Name
		s.Values = valueSpecs(v.Values)
		for _, setting := range v.Settings {
			for i := range s.Values {
				if s.Values[i].Value == setting.Value {
					s.Values[i].Controlling = setting.Controlling
				}
			}
		}
	}
	if p := f.Picklist; p != nil {
		s.ControllingField, s.Values = p.ControllingField, valueSpecs(p.Values)
	}
	return s
}

func valueSpecs(values []customValue) []org.ValueSpec {
	var out []org.ValueSpec
	for _, v := range values {
		s := org.ValueSpec{
			Value: v.FullName, Label: v.Label, Default: v.Default, Inactive: v.IsActive != nil && !*v.IsActive,
			Closed: v.Closed, Won: v.Won, Category: v.ForecastCategory, Controlling: v.Controlling,
		}
		if v.Probability != nil {
			s.Probability = strconv.Itoa(*v.Probability)
		}
		out = append(out, s)
	}
	return out
}

// stage orders the fields of a deploy: a roll-up takes its type from
// the field that it sums, which may be a formula; whether a formula can be computed is found out last.
func (f *customField) stage() int {
	switch {
	case f.Type == "Summary":
		return 3
	case f.Formula != "":
		return 2
	case f.Type == "Lookup" || f.Type == "MasterDetail" || f.Type == "Hierarchy" || f.Type == "MetadataRelationship":
		return 1
	}
	return 0
}
