package rest

import (
	"strconv"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// field is one field of a describe, with the keys of recorded describes.
type field struct {
	Aggregatable                 bool            `json:"aggregatable"`
	AIPredictionField            bool            `json:"aiPredictionField"`
	AutoNumber                   bool            `json:"autoNumber"`
	ByteLength                   int             `json:"byteLength"`
	Calculated                   bool            `json:"calculated"`
	CalculatedFormula            *string         `json:"calculatedFormula"`
	CascadeDelete                bool            `json:"cascadeDelete"`
	CaseSensitive                bool            `json:"caseSensitive"`
	CompoundFieldName            *string         `json:"compoundFieldName"`
	ControllerName               *string         `json:"controllerName"`
	Createable                   bool            `json:"createable"`
	Custom                       bool            `json:"custom"`
	DefaultValue                 any             `json:"defaultValue"`
	DefaultValueFormula          *string         `json:"defaultValueFormula"`
	DefaultedOnCreate            bool            `json:"defaultedOnCreate"`
	DependentPicklist            bool            `json:"dependentPicklist"`
	DeprecatedAndHidden          bool            `json:"deprecatedAndHidden"`
	Digits                       int             `json:"digits"`
	DisplayLocationInDecimal     bool            `json:"displayLocationInDecimal"`
	Encrypted                    bool            `json:"encrypted"`
	ExternalID                   bool            `json:"externalId"`
	ExtraTypeInfo                *string         `json:"extraTypeInfo"`
	Filterable                   bool            `json:"filterable"`
	FilteredLookupInfo           *string         `json:"filteredLookupInfo"`
	FormulaTreatNullNumberAsZero bool            `json:"formulaTreatNullNumberAsZero"`
	Groupable                    bool            `json:"groupable"`
	HighScaleNumber              bool            `json:"highScaleNumber"`
	HTMLFormatted                bool            `json:"htmlFormatted"`
	IDLookup                     bool            `json:"idLookup"`
	InlineHelpText               *string         `json:"inlineHelpText"`
	Label                        string          `json:"label"`
	Length                       int             `json:"length"`
	Mask                         *string         `json:"mask"`
	MaskType                     *string         `json:"maskType"`
	Name                         string          `json:"name"`
	NameField                    bool            `json:"nameField"`
	NamePointing                 bool            `json:"namePointing"`
	Nillable                     bool            `json:"nillable"`
	Permissionable               bool            `json:"permissionable"`
	PicklistValues               []picklistValue `json:"picklistValues"`
	PolymorphicForeignKey        bool            `json:"polymorphicForeignKey"`
	Precision                    int             `json:"precision"`
	QueryByDistance              bool            `json:"queryByDistance"`
	ReferenceTargetField         *string         `json:"referenceTargetField"`
	ReferenceTo                  []string        `json:"referenceTo"`
	RelationshipName             *string         `json:"relationshipName"`
	RelationshipOrder            *int            `json:"relationshipOrder"`
	RestrictedDelete             bool            `json:"restrictedDelete"`
	RestrictedPicklist           bool            `json:"restrictedPicklist"`
	Scale                        int             `json:"scale"`
	SearchPrefilterable          bool            `json:"searchPrefilterable"`
	SoapType                     string          `json:"soapType"`
	Sortable                     bool            `json:"sortable"`
	Type                         sf.FieldType    `json:"type"`
	Unique                       bool            `json:"unique"`
	Updateable                   bool            `json:"updateable"`
	WriteRequiresMasterRead      bool            `json:"writeRequiresMasterRead"`
}

type picklistValue struct {
	Active       bool    `json:"active"`
	DefaultValue bool    `json:"defaultValue"`
	Label        string  `json:"label"`
	ValidFor     *string `json:"validFor"`
	Value        string  `json:"value"`
}

func fieldOf(f *org.Field) field {
	out := field{
		Aggregatable: f.Aggregatable, AIPredictionField: f.AIPredictionField, AutoNumber: f.AutoNumber,
		ByteLength: f.ByteLength, Calculated: f.Calculated, CalculatedFormula: text(f.CalculatedFormula),
		CascadeDelete: f.CascadeDelete, CaseSensitive: f.CaseSensitive, CompoundFieldName: text(f.CompoundFieldName),
		ControllerName: text(f.ControllerName), Createable: f.Createable, Custom: f.Custom,
		DefaultValue: defaultValue(f), DefaultValueFormula: text(f.DefaultValueFormula),
		DefaultedOnCreate: f.DefaultedOnCreate, DependentPicklist: f.DependentPicklist,
		DeprecatedAndHidden: f.DeprecatedAndHidden, Digits: f.Digits, DisplayLocationInDecimal: f.DisplayLocationInDecimal,
		Encrypted: f.Encrypted, ExternalID: f.ExternalID, ExtraTypeInfo: text(f.ExtraTypeInfo), Filterable: f.Filterable,
		FormulaTreatNullNumberAsZero: f.FormulaTreatNullNumberAsZero, Groupable: f.Groupable,
		HighScaleNumber: f.HighScaleNumber, HTMLFormatted: f.HTMLFormatted, IDLookup: f.IDLookup,
		InlineHelpText: text(f.InlineHelpText), Label: f.Label, Length: f.Length, Mask: text(f.Mask), MaskType: text(f.MaskType),
		Name: f.Name, NameField: f.NameField, NamePointing: f.NamePointing, Nillable: f.Nillable,
		Permissionable: f.Permissionable, PicklistValues: []picklistValue{}, PolymorphicForeignKey: f.PolymorphicForeignKey,
		Precision: f.Precision, QueryByDistance: f.QueryByDistance, ReferenceTargetField: text(f.ReferenceTargetField),
		ReferenceTo: f.ReferenceTo, RelationshipName: text(f.RelationshipName), RestrictedDelete: f.RestrictedDelete,
		RestrictedPicklist: f.RestrictedPicklist, Scale: f.Scale, SearchPrefilterable: f.SearchPrefilterable,
		SoapType: f.SoapType, Sortable: f.Sortable, Type: f.Type, Unique: f.Unique, Updateable: f.Updateable,
		WriteRequiresMasterRead: f.WriteRequiresMasterRead,
	}
	if out.ReferenceTo == nil {
		out.ReferenceTo = []string{}
	}
	if f.RelationshipOrder >= 0 {
		out.RelationshipOrder = &f.RelationshipOrder
	}
	for _, v := range f.Picklist {
		out.PicklistValues = append(out.PicklistValues, picklistValue{
			Active: v.Active, DefaultValue: v.Default, Label: v.Label, ValidFor: text(v.ValidFor), Value: v.Value,
		})
	}
	return out
}

// defaultValue is the constant default in the JSON type of the field; booleans have one always.
func defaultValue(f *org.Field) any {
	switch {
	case f.DefaultValue == "":
		return nil
	case f.Type == sf.TypeBoolean:
		return f.DefaultValue == "true"
	}
	if n, err := strconv.ParseFloat(f.DefaultValue, 64); err == nil && f.SoapType == "xsd:double" {
		return n
	}
	return f.DefaultValue
}
