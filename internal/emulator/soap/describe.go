package soap

import (
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// flag is one boolean of a describe.
type flag struct {
	name string
	on   bool
}

func flags(list ...flag) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(element(f.name, f.on))
	}
	return b.String()
}

// some spells a text, or nothing when it is empty: an element that may be absent.
func some(name, text string) string {
	if text == "" {
		return ""
	}
	return element(name, text)
}

func describeGlobal(a *API, c *call) (string, error) {
	var b strings.Builder
	b.WriteString("<result>" + element("encoding", "UTF-8") + element("maxBatchSize", maxRows))
	for _, o := range a.cfg.Org.ObjectsFor(c.caller) {
		if o.Since > c.version {
			continue
		}
		b.WriteString("<sobjects>" + flags(flag{"activateable", o.Activateable}) + optional("associateEntityType", o.AssociateEntityType) +
			optional("associateParentEntity", o.AssociateParentEntity) +
			flags(flag{"createable", o.Createable}, flag{"custom", o.Custom}, flag{"customSetting", o.CustomSetting},
				flag{"deepCloneable", o.DeepCloneable}, flag{"deletable", o.Deletable}, flag{"deprecatedAndHidden", o.DeprecatedAndHidden},
				flag{"feedEnabled", o.FeedEnabled}, flag{"hasSubtypes", o.HasSubtypes}, flag{"idEnabled", o.KeyPrefix != ""},
				flag{"isInterface", o.IsInterface}, flag{"isSubtype", o.IsSubtype}) + names(o) +
			flags(flag{"queryable", o.Queryable}, flag{"replicateable", o.Replicateable}, flag{"retrieveable", o.Retrieveable},
				flag{"searchable", o.Searchable}, flag{"triggerable", o.Triggerable}, flag{"undeletable", o.Undeletable},
				flag{"updateable", o.Updateable}) + "</sobjects>")
	}
	return b.String() + "</result>", nil
}

// names spells what both describes have between isSubtype and the named layouts.
func names(o *org.Object) string {
	return optional("keyPrefix", o.KeyPrefix) + element("label", o.Label) + element("labelPlural", o.LabelPlural) +
		flags(flag{"layoutable", o.Layoutable}, flag{"mergeable", o.Mergeable}, flag{"mruEnabled", o.MruEnabled}) + element("name", o.Name)
}

func describeSObject(a *API, c *call) (string, error) {
	return a.describeOne(c, c.op.value("sObjectType"))
}

func describeSObjects(a *API, c *call) (string, error) {
	list := c.op.values("sObjectType")
	if len(list) > maxDescribe {
		return "", tooMany(maxDescribe)
	}
	var b strings.Builder
	for _, name := range list {
		text, err := a.describeOne(c, name)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// describeOne spells a DescribeSObjectResult, its elements in the order of the WSDL. The platform
// gives urls of its pages, of which the emulated org has none.
func (a *API) describeOne(c *call, name string) (string, error) {
	o, ok := a.cfg.Org.DescribeFor(c.caller, name)
	if !ok || o.Since > c.version {
		return "", wire.BadRequest("INVALID_TYPE", "sObject type '"+name+"' is not supported.")
	}
	var b strings.Builder
	b.WriteString("<result>" + flags(flag{"activateable", o.Activateable}) + optional("associateEntityType", o.AssociateEntityType) +
		optional("associateParentEntity", o.AssociateParentEntity))
	for _, r := range o.Children {
		b.WriteString("<childRelationships>" + flags(flag{"cascadeDelete", r.CascadeDelete}) + element("childSObject", r.Child) +
			element("deprecatedAndHidden", false) + element("field", r.Field) + some("relationshipName", r.RelationshipName) +
			flags(flag{"restrictedDelete", r.RestrictedDelete}) + "</childRelationships>")
	}
	b.WriteString(flags(flag{"compactLayoutable", o.CompactLayoutable}, flag{"createable", o.Createable}, flag{"custom", o.Custom},
		flag{"customSetting", o.CustomSetting}, flag{"deepCloneable", o.DeepCloneable}) + null("defaultImplementation") +
		flags(flag{"deletable", o.Deletable}, flag{"deprecatedAndHidden", o.DeprecatedAndHidden}, flag{"feedEnabled", o.FeedEnabled}))
	for _, f := range o.Fields {
		if f.Since <= c.version {
			b.WriteString("<fields>" + fieldText(f.Described(c.version)) + "</fields>")
		}
	}
	b.WriteString(flags(flag{"hasSubtypes", o.HasSubtypes}, flag{"idEnabled", o.KeyPrefix != ""}) + null("implementedBy") +
		null("implementsInterfaces") + flags(flag{"isInterface", o.IsInterface}, flag{"isSubtype", o.IsSubtype}) + names(o) +
		null("networkScopeFieldName") + flags(flag{"queryable", o.Queryable}))
	for _, r := range o.RecordTypes {
		b.WriteString("<recordTypeInfos>" + flags(flag{"active", r.Active}, flag{"available", r.Available},
			flag{"defaultRecordTypeMapping", r.Default}) + element("developerName", r.DeveloperName) + flags(flag{"master", r.Master}) +
			element("name", r.Name) + element("recordTypeId", r.ID) + "</recordTypeInfos>")
	}
	b.WriteString(flags(flag{"replicateable", o.Replicateable}, flag{"retrieveable", o.Retrieveable},
		flag{"searchLayoutable", o.SearchLayoutable}, flag{"searchable", o.Searchable}))
	for _, scope := range o.Scopes() {
		b.WriteString("<supportedScopes>" + element("label", scope.Label) + element("name", scope.Name) + "</supportedScopes>")
	}
	b.WriteString(flags(flag{"triggerable", o.Triggerable}, flag{"undeletable", o.Undeletable}, flag{"updateable", o.Updateable}) +
		null("urlDetail") + null("urlEdit") + null("urlNew") + "</result>")
	return b.String(), nil
}

// fieldText spells a Field, its elements in the order of the WSDL.
func fieldText(f *org.Field) string {
	var b strings.Builder
	b.WriteString(flags(flag{"aggregatable", f.Aggregatable}, flag{"aiPredictionField", f.AIPredictionField}, flag{"autoNumber", f.AutoNumber}) +
		element("byteLength", f.ByteLength) + flags(flag{"calculated", f.Calculated}) + some("calculatedFormula", f.CalculatedFormula) +
		flags(flag{"cascadeDelete", f.CascadeDelete}, flag{"caseSensitive", f.CaseSensitive}) + some("compoundFieldName", f.CompoundFieldName) +
		some("controllerName", f.ControllerName) + flags(flag{"createable", f.Createable}, flag{"custom", f.Custom}) +
		defaultText(f) + some("defaultValueFormula", f.DefaultValueFormula) +
		flags(flag{"defaultedOnCreate", f.DefaultedOnCreate}, flag{"dependentPicklist", f.DependentPicklist},
			flag{"deprecatedAndHidden", f.DeprecatedAndHidden}) + element("digits", f.Digits) +
		flags(flag{"displayLocationInDecimal", f.DisplayLocationInDecimal}, flag{"encrypted", f.Encrypted}, flag{"externalId", f.ExternalID}) +
		some("extraTypeInfo", f.ExtraTypeInfo) + flags(flag{"filterable", f.Filterable},
		flag{"formulaTreatNullNumberAsZero", f.FormulaTreatNullNumberAsZero}, flag{"groupable", f.Groupable},
		flag{"highScaleNumber", f.HighScaleNumber}, flag{"htmlFormatted", f.HTMLFormatted}, flag{"idLookup", f.IDLookup}) +
		some("inlineHelpText", f.InlineHelpText) + element("label", f.Label) + element("length", f.Length) + some("mask", f.Mask) +
		some("maskType", f.MaskType) + element("name", f.Name) +
		flags(flag{"nameField", f.NameField}, flag{"namePointing", f.NamePointing}, flag{"nillable", f.Nillable},
			flag{"permissionable", f.Permissionable}))
	b.WriteString(picklistText(f) + flags(flag{"polymorphicForeignKey", f.PolymorphicForeignKey}) + element("precision", f.Precision) +
		flags(flag{"queryByDistance", f.QueryByDistance}) + some("referenceTargetField", f.ReferenceTargetField))
	for _, object := range f.ReferenceTo {
		b.WriteString(element("referenceTo", object))
	}
	b.WriteString(some("relationshipName", f.RelationshipName))
	if f.RelationshipOrder >= 0 {
		b.WriteString(element("relationshipOrder", strconv.Itoa(f.RelationshipOrder)))
	}
	return b.String() + flags(flag{"restrictedDelete", f.RestrictedDelete}, flag{"restrictedPicklist", f.RestrictedPicklist}) +
		element("scale", f.Scale) + flags(flag{"searchPrefilterable", f.SearchPrefilterable}) + element("soapType", soapType(f.SoapType)) +
		flags(flag{"sortable", f.Sortable}) + element("type", f.Type) +
		flags(flag{"unique", f.Unique}, flag{"updateable", f.Updateable}, flag{"writeRequiresMasterRead", f.WriteRequiresMasterRead})
}

// picklistText spells the values of a picklist.
func picklistText(f *org.Field) string {
	var b strings.Builder
	for _, v := range f.Picklist {
		b.WriteString("<picklistValues>" + flags(flag{"active", v.Active}, flag{"defaultValue", v.Default}) + optional("label", v.Label) +
			some("validFor", v.ValidFor) + element("value", v.Value) + "</picklistValues>")
	}
	return b.String()
}

// defaultText spells a constant default with its type.
func defaultText(f *org.Field) string {
	if f.DefaultValue == "" {
		return ""
	}
	kind := "xsd:string"
	switch {
	case f.Type == sf.TypeBoolean:
		kind = "xsd:boolean"
	case f.SoapType == "xsd:double" || f.SoapType == "xsd:int":
		kind = f.SoapType
	}
	return `<defaultValue xsi:type="` + kind + `">` + escape(f.DefaultValue) + "</defaultValue>"
}

// soapType is the type of a field in the words of the WSDL, which differ for compounds from those that
// REST uses. Source: soapType of the partner WSDL, and describes by REST.
func soapType(name string) string {
	switch name {
	case "urn:address", "urn:location", "urn:json", "urn:ChangeEventHeader":
		return "tns:" + strings.TrimPrefix(name, "urn:")
	}
	return name
}
