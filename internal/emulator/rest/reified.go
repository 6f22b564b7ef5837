package rest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// Component is a piece of metadata, as the Tooling API tells of it.
type Component struct {
	ID        string
	FullName  string
	Namespace string
	Created   time.Time
	Modified  time.Time
	By        sf.ID
	Editor    sf.ID
	// Facts are further fields by their names in the Tooling API, as canonical text: Status, Active …
	Facts map[string]string
	// Late are fields that are large, or worked out of what is: they are read when a query asks for them.
	Late map[string]func() string
}

// noID is the Id of a record that has none of its own.
const noID = "000000000000000AAA"

// fieldsOf makes fields from "Name:type" texts; the type is string when it is left out.
func fieldsOf(list ...string) []virtualField {
	out := make([]virtualField, len(list))
	for i, text := range list {
		name, kind, _ := strings.Cut(text, ":")
		if kind == "" {
			kind = "string"
		}
		out[i] = virtualField{name, sf.FieldType(kind)}
	}
	return out
}

// newVirtuals returns the objects of the Tooling API that clients ask for. Their fields are those of
// the Tooling API reference that the schema of an org can answer.
func (a *API) newVirtuals() []*virtual {
	audit := []string{"NamespacePrefix", "ManageableState", "CreatedDate:datetime", "CreatedById:reference", "LastModifiedDate:datetime", "LastModifiedById:reference"}
	list := []*virtual{
		{
			name: "EntityDefinition", prefix: "4ie", inData: true, rows: a.entityRows,
			fields: fieldsOf("Id:id", "DurableId", "QualifiedApiName", "DeveloperName", "MasterLabel", "Label", "PluralLabel", "KeyPrefix",
				"NamespacePrefix", "IsCustomizable:boolean", "IsCustomSetting:boolean", "IsDeprecatedAndHidden:boolean", "IsQueryable:boolean",
				"IsRetrieveable:boolean", "IsReplicateable:boolean", "IsSearchable:boolean", "IsTriggerable:boolean", "IsApexTriggerable:boolean",
				"IsLayoutable:boolean", "IsCompactLayoutable:boolean", "IsFeedEnabled:boolean", "IsEverCreatable:boolean",
				"IsEverUpdatable:boolean", "IsEverDeletable:boolean", "IsInterface:boolean", "IsSubtype:boolean"),
		},
		{
			name: "FieldDefinition", prefix: "4ff", inData: true, rows: a.fieldRows,
			reified: []string{"EntityDefinitionId", "DurableId", "EntityDefinition.QualifiedApiName", "EntityDefinition.DurableId"},
			fields: fieldsOf("Id:id", "DurableId", "QualifiedApiName", "DeveloperName", "EntityDefinitionId", "EntityDefinition.QualifiedApiName",
				"EntityDefinition.DurableId", "MasterLabel", "Label", "DataType", "Length:int", "Precision:int", "Scale:int", "NamespacePrefix",
				"IsCalculated:boolean", "IsNillable:boolean", "IsIndexed:boolean", "IsCompound:boolean", "IsNameField:boolean",
				"IsApiFilterable:boolean", "IsApiSortable:boolean", "IsApiGroupable:boolean", "RelationshipName", "ReferenceTo:complexvalue"),
		},
		{
			name: "StandardValueSet", prefix: "0Zs", rows: a.valueSetRows,
			fields: fieldsOf("Id:id", "DurableId", "MasterLabel", "FullName", "Metadata:complexvalue"),
		},
	}
	for _, kind := range []struct {
		name, prefix string
		more         []string
	}{
		{"ApexClass", "01p", []string{"Name", "Status", "ApiVersion:double", "Body", "IsValid:boolean", "LengthWithoutComments:int"}},
		{"ApexTrigger", "01q", []string{"Name", "Status", "ApiVersion:double", "Body", "TableEnumOrId", "EntityDefinitionId"}},
		{"Flow", "301", []string{
			"Status", "ProcessType", "VersionNumber:int", "DefinitionId:reference", "MasterLabel", "Definition.DeveloperName",
			"Definition.NamespacePrefix", "ApiVersion:double",
		}},
		{"FlowDefinition", "300", []string{
			"MasterLabel", "ActiveVersionId:reference", "LatestVersionId:reference", "ActiveVersion.VersionNumber:int", "LatestVersion.VersionNumber:int",
		}},
		{"ValidationRule", "03d", []string{"ValidationName", "Active:boolean", "EntityDefinitionId", "EntityDefinition.QualifiedApiName", "ErrorMessage", "Description"}},
		{"CustomObject", "01I", []string{"Description"}},
		{"CustomField", "00N", []string{"TableEnumOrId", "EntityDefinitionId"}},
		{"TraceFlag", "7tf", []string{"TracedEntityId:reference", "LogType", "ExpirationDate:datetime", "DebugLevelId:reference"}},
		{"DebugLevel", "7dl", []string{"MasterLabel", "Language", "ApexCode"}},
		{"ApexLog", "07L", []string{"LogUserId:reference", "LogLength:int", "Operation", "Status", "StartTime:datetime"}},
	} {
		list = append(list, &virtual{
			name: kind.name, prefix: kind.prefix, rows: func(map[string]string) []virtualRow { return a.componentRows(kind.name) },
			fields: fieldsOf(append(append([]string{"Id:id", "FullName", "DeveloperName"}, kind.more...), audit...)...),
		})
	}
	return list
}

// entityRows are the objects of the org. Custom objects have a durable Id of their own on the
// platform; here it is the name, as with standard ones.
func (a *API) entityRows(map[string]string) []virtualRow {
	var out []virtualRow
	for _, o := range a.org.Objects() {
		namespace, developer := apart(o.Name)
		out = append(out, virtualRow{texts: map[string]string{
			"id": noID, "durableid": o.Name, "qualifiedapiname": o.Name, "developername": developer, "masterlabel": o.Label, "label": o.Label,
			"plurallabel": o.LabelPlural, "keyprefix": o.KeyPrefix, "namespaceprefix": namespace,
			"iscustomizable": flagText(o.Custom || o.Layoutable), "iscustomsetting": flagText(o.CustomSetting),
			"isdeprecatedandhidden": flagText(o.DeprecatedAndHidden), "isqueryable": flagText(o.Queryable),
			"isretrieveable": flagText(o.Retrieveable), "isreplicateable": flagText(o.Replicateable), "issearchable": flagText(o.Searchable),
			"istriggerable": flagText(o.Triggerable), "isapextriggerable": flagText(o.Triggerable), "islayoutable": flagText(o.Layoutable),
			"iscompactlayoutable": flagText(o.CompactLayoutable), "isfeedenabled": flagText(o.FeedEnabled), "isevercreatable": flagText(o.Createable),
			"iseverupdatable": flagText(o.Updateable), "iseverdeletable": flagText(o.Deletable), "isinterface": flagText(o.IsInterface),
			"issubtype": flagText(o.IsSubtype),
		}})
	}
	return out
}

// fieldRows are the fields of the objects that the query names.
func (a *API) fieldRows(filter map[string]string) []virtualRow {
	var out []virtualRow
	for _, key := range []string{"entitydefinitionid", "entitydefinition.qualifiedapiname", "entitydefinition.durableid", "durableid"} {
		for name := range strings.SplitSeq(filter[key], "\n") {
			name, _, _ = strings.Cut(name, ".") // of a durable Id: object, point, field
			o, ok := a.org.Describe(name)
			if !ok {
				continue
			}
			for _, f := range o.Fields {
				out = append(out, a.fieldRow(o, f))
			}
		}
		if len(out) > 0 {
			break
		}
	}
	return out
}

func (a *API) fieldRow(o *org.Object, f *org.Field) virtualRow {
	namespace, developer := apart(f.Name)
	refers := ""
	if len(f.ReferenceTo) > 0 {
		if text, err := json.Marshal(map[string][]string{"referenceTo": f.ReferenceTo}); err == nil {
			refers = string(text)
		}
	}
	return virtualRow{texts: map[string]string{
		"id": noID, "durableid": o.Name + "." + f.Name, "qualifiedapiname": f.Name, "developername": developer, "entitydefinitionid": o.Name,
		"entitydefinition.qualifiedapiname": o.Name, "entitydefinition.durableid": o.Name, "masterlabel": f.Label, "label": f.Label,
		"datatype": dataType(f), "length": fmt.Sprint(f.Length), "precision": fmt.Sprint(f.Precision), "scale": fmt.Sprint(f.Scale),
		"namespaceprefix": namespace, "iscalculated": flagText(f.Calculated), "isnillable": flagText(f.Nillable),
		"isindexed":  flagText(f.IDLookup || f.ExternalID || f.Unique || f.Type == sf.TypeReference || f.Type == sf.TypeID),
		"iscompound": flagText(f.Type.IsCompound()), "isnamefield": flagText(f.NameField), "isapifilterable": flagText(f.Filterable),
		"isapisortable": flagText(f.Sortable), "isapigroupable": flagText(f.Groupable), "relationshipname": f.RelationshipName, "referenceto": refers,
	}}
}

// dataType spells the type of a field as the setup pages do. Source: FieldDefinition.DataType in
// public replies; the words for the rarer types are unverified.
func dataType(f *org.Field) string {
	switch f.Type {
	case sf.TypeString:
		if f.AutoNumber {
			return "Auto Number"
		}
		return fmt.Sprintf("Text(%d)", f.Length)
	case sf.TypeTextarea:
		if f.Length > 255 {
			return fmt.Sprintf("Long Text Area(%d)", f.Length)
		}
		return fmt.Sprintf("Text Area(%d)", f.Length)
	case sf.TypeReference:
		kind := "Lookup("
		if f.RelationshipOrder >= 0 && f.CascadeDelete {
			kind = "Master-Detail("
		}
		return kind + strings.Join(f.ReferenceTo, ",") + ")"
	case sf.TypeDouble, sf.TypeInt:
		return fmt.Sprintf("Number(%d, %d)", f.Precision+f.Digits-f.Scale, f.Scale)
	case sf.TypeCurrency:
		return fmt.Sprintf("Currency(%d, %d)", f.Precision-f.Scale, f.Scale)
	case sf.TypePercent:
		return fmt.Sprintf("Percent(%d, %d)", f.Precision-f.Scale, f.Scale)
	}
	names := map[sf.FieldType]string{
		sf.TypeID: "Lookup()", sf.TypeBoolean: "Checkbox", sf.TypeDate: "Date", sf.TypeDatetime: "Date/Time", sf.TypeTime: "Time",
		sf.TypeEmail: "Email", sf.TypePhone: "Phone", sf.TypeURL: "URL(255)", sf.TypePicklist: "Picklist",
		sf.TypeMultipicklist: "Picklist (Multi-Select)", sf.TypeAddress: "Address", sf.TypeLocation: "Geolocation",
	}
	return names[f.Type]
}

// valueSetRows is the standard value set that the query names: there is one for each value of
// MasterLabel, which is how clients ask.
func (a *API) valueSetRows(filter map[string]string) []virtualRow {
	var out []virtualRow
	for _, key := range []string{"masterlabel", "fullname", "durableid"} {
		for name := range strings.SplitSeq(filter[key], "\n") {
			values := a.cfg.ValueSet(name)
			if values == nil {
				continue
			}
			type value struct {
				Label     string `json:"label"`
				ValueName string `json:"valueName"`
				Default   bool   `json:"default"`
				Active    *bool  `json:"isActive"`
			}
			metadata := struct {
				Sorted bool    `json:"sorted"`
				Values []value `json:"standardValue"`
			}{Values: []value{}}
			for _, v := range values {
				item := value{Label: v.Label, ValueName: v.Value, Default: v.Default}
				if !v.Active {
					item.Active = &v.Active
				}
				metadata.Values = append(metadata.Values, item)
			}
			text, err := json.Marshal(metadata)
			if err != nil { // strings and booleans always marshal
				panic(err)
			}
			out = append(out, virtualRow{texts: map[string]string{
				"id": noID, "durableid": name, "masterlabel": name, "fullname": name, "metadata": string(text),
			}})
		}
	}
	return out
}

// componentRows are the components of one type.
func (a *API) componentRows(kind string) []virtualRow {
	var out []virtualRow
	for _, c := range a.cfg.Components(kind) {
		object, local, _ := strings.Cut(c.FullName, ".")
		if local == "" {
			object, local = "", c.FullName
		}
		_, developer := apart(local)
		texts := map[string]string{
			"id": c.ID, "fullname": c.FullName, "developername": developer, "name": developer, "masterlabel": developer,
			"validationname": developer, "namespaceprefix": c.Namespace, "manageablestate": "unmanaged",
			"tableenumorid": object, "entitydefinitionid": object, "entitydefinition.qualifiedapiname": object,
			"createddate": canonicalStamp(c.Created), "lastmodifieddate": canonicalStamp(c.Modified),
			"createdbyid": string(c.By), "lastmodifiedbyid": string(c.Editor),
		}
		if c.Namespace != "" {
			texts["manageablestate"] = "installed"
		}
		for name, text := range c.Facts {
			texts[strings.ToLower(name)] = text
		}
		late := map[string]func() string{}
		for name, read := range c.Late {
			late[strings.ToLower(name)] = read
		}
		out = append(out, virtualRow{texts: texts, late: late})
	}
	slices.SortStableFunc(out, func(x, y virtualRow) int { return strings.Compare(x.text("id"), y.text("id")) })
	return out
}

func canonicalStamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// apart takes an API name apart into namespace and developer name.
func apart(name string) (namespace, developer string) {
	parts := strings.Split(name, "__")
	switch {
	case len(parts) == 3:
		return parts[0], parts[1]
	case len(parts) == 2:
		return "", parts[0]
	}
	return "", name
}

func flagText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
