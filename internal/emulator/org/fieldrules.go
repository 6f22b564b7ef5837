package org

import (
	"strings"

	"holdfast/internal/sf"
)

// newField returns a field with the flags that its type gives it, as a writable and optional field.
// The rules were read off the describes of Account, Contact and Opportunity.
func newField(name string, sh shape) *Field {
	f := &Field{
		Name: name, Type: sf.FieldType(sh.kind), Length: sh.length, Precision: sh.precision, Scale: sh.scale,
		SoapType: "xsd:string", RelationshipOrder: -1, column: -1,
		Aggregatable: true, Filterable: true, Groupable: true, Sortable: true,
		Createable: true, Updateable: true, Nillable: true, Permissionable: true,
	}
	switch sh.kind {
	case "id":
		f.Length, f.SoapType = 18, "tns:ID"
		f.Createable, f.Updateable, f.Nillable, f.Permissionable = false, false, false, false
		f.DefaultedOnCreate, f.IDLookup = true, true
	case "ref":
		f.Type, f.Length, f.SoapType, f.ReferenceTo = sf.TypeReference, 18, "tns:ID", sh.targets
		f.PolymorphicForeignKey = len(sh.targets) > 1 || strings.HasPrefix(sh.targets[0], "@")
		f.NamePointing = f.PolymorphicForeignKey
	case "boolean":
		f.SoapType, f.Aggregatable = "xsd:boolean", false
		f.Nillable, f.DefaultedOnCreate, f.DefaultValue = false, true, "false"
	case "currency", "double", "percent":
		f.SoapType, f.Groupable = "xsd:double", false
	case "int":
		f.SoapType, f.Digits = "xsd:int", 8
	case "date":
		f.SoapType = "xsd:date"
	case "datetime":
		f.SoapType, f.Groupable = "xsd:dateTime", false
	case "time":
		f.SoapType, f.Groupable = "xsd:time", false
	case "base64":
		f.SoapType = "xsd:base64Binary"
		f.Aggregatable, f.Filterable, f.Groupable, f.Sortable = false, false, false, false
	case "address", "location":
		f.SoapType = "urn:" + sh.kind
		f.Aggregatable, f.Groupable, f.Sortable, f.Createable, f.Updateable = false, false, false, false, false
		f.QueryByDistance = true
	case "textarea":
		if f.ExtraTypeInfo = "plaintextarea"; sh.length > 255 {
			f.Aggregatable, f.Filterable, f.Groupable, f.Sortable = false, false, false, false
		}
	case "multipicklist":
		f.Groupable, f.Sortable = false, false
	case "long":
		f.SoapType, f.Digits = "xsd:long", 18
	case "anyType", "complexvalue", "json":
		f.SoapType = map[string]string{"anyType": "xsd:anyType", "complexvalue": "urn:" + f.Name, "json": "xsd:string"}[sh.kind]
		f.Aggregatable, f.Filterable, f.Groupable, f.Sortable = false, false, false, false
	}
	f.ByteLength = byteLength(f)
	return f
}

// byteLength is 3 bytes for each character, except for Ids, which are ASCII.
func byteLength(f *Field) int {
	if f.Type == sf.TypeID || f.Type == sf.TypeReference {
		return f.Length
	}
	return 3 * f.Length
}
