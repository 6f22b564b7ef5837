package run

import (
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

func element(name string, inside ...*component.Node) *component.Node {
	return &component.Node{Name: name, Nodes: inside}
}

func text(name, value string) *component.Node { return &component.Node{Name: name, Text: value} }

func yes(name string, is bool) []*component.Node {
	if !is {
		return nil
	}
	return []*component.Node{text(name, "true")}
}

func number(name string, n int) *component.Node { return text(name, strconv.Itoa(n)) }

// fileOf returns the definition of an object, begun when there is none.
func fileOf(files map[string]*component.Node, object string) *component.Node {
	if files[object] == nil {
		files[object] = element("CustomObject")
	}
	return files[object]
}

// object defines an object of a package without its fields. How an auto number is spelled no describe tells; the
// numbers are the org's own anyhow.
func (p *packages) object(o *sf.Object) *component.Node {
	label := o.Label
	if label == "" {
		label = plainName(o.Name)
	}
	root := element("CustomObject", text("label", label), text("pluralLabel", label))
	base := strings.TrimSuffix(o.Name, "__c")
	switch {
	case o.CustomSetting && o.Field("SetupOwnerId") != nil:
		root.Nodes = append(root.Nodes, text("customSettingsType", "Hierarchy"))
		return root
	case o.CustomSetting:
		root.Nodes = append(root.Nodes, text("customSettingsType", "List"))
		return root
	case !strings.HasSuffix(o.Name, "__c"):
		return root
	}
	name := element("nameField", text("label", "Name"), text("type", "Text"))
	if f := o.Field("Name"); f != nil {
		if name.Child("label").Text = f.Label; f.AutoNumber {
			name.Child("type").Text = "AutoNumber"
			name.Nodes = append(name.Nodes, text("displayFormat", "{0}"))
		}
	}
	root.Nodes = append(root.Nodes, name)
	sharing := "ReadWrite"
	if o.Field("OwnerId") == nil {
		sharing = "ControlledByParent"
	}
	root.Nodes = append(root.Nodes, text("sharingModel", sharing))
	root.Nodes = append(root.Nodes, yes("enableFeeds", p.whole.Object(base+"__Feed") != nil)...)
	root.Nodes = append(root.Nodes, yes("enableHistory", p.whole.Object(base+"__History") != nil)...)
	if task := p.whole.Object("Task"); task != nil {
		what := task.Field("WhatId")
		root.Nodes = append(root.Nodes, yes("enableActivities", what != nil && slices.Contains(what.ReferenceTo, o.Name))...)
	}
	return root
}

// metadataTypes are the field types of the Metadata API by those of a describe, where no more is to be known than that.
// Source: Metadata API Developer Guide, FieldType.
var metadataTypes = map[sf.FieldType]string{
	sf.TypeDate: "Date", sf.TypeDatetime: "DateTime", sf.TypeTime: "Time", sf.TypeEmail: "Email", sf.TypePhone: "Phone", sf.TypeURL: "Url",
}

// The longest text area that is not a long one, and the digits of a number of which a describe tells none.
// Source: Salesforce Help, "Custom Field Types".
const (
	plainArea = 255
	allDigits = 18
)

// definition defines a field of a package without its name; nil for what a describe does not tell enough of: formulas and
// roll-ups, whose values nobody writes.
func (p *packages) definition(o *sf.Object, f *sf.Field) *component.Node {
	if f.Calculated {
		return nil
	}
	label := f.Label
	if label == "" {
		label = plainName(f.Name)
	}
	def := element("fields", text("label", label))
	add := func(nodes ...*component.Node) { def.Nodes = append(def.Nodes, nodes...) }
	if kind := metadataTypes[f.Type]; kind != "" {
		add(text("type", kind))
	}
	switch f.Type {
	case sf.TypeString:
		if f.AutoNumber {
			add(text("type", "AutoNumber"), text("displayFormat", "{0}"))
			return def
		}
		add(text("type", "Text"), number("length", f.Length))
	case sf.TypeEncryptedString:
		add(text("type", "EncryptedText"), number("length", f.Length), text("maskChar", "asterisk"), text("maskType", "all"))
	case sf.TypeTextarea:
		if f.Length <= plainArea {
			add(text("type", "TextArea"))
		} else {
			add(text("type", "LongTextArea"), number("length", f.Length), number("visibleLines", 3))
		}
	case sf.TypeBoolean:
		add(text("type", "Checkbox"), text("defaultValue", "false"))
		return def
	case sf.TypeCurrency, sf.TypeDouble, sf.TypePercent, sf.TypeInt, sf.TypeLong:
		kind := map[sf.FieldType]string{sf.TypeCurrency: "Currency", sf.TypePercent: "Percent"}[f.Type]
		if kind == "" {
			kind = "Number"
		}
		digits := f.Precision
		if digits == 0 {
			digits = allDigits
		}
		add(text("type", kind), number("precision", digits), number("scale", f.Scale))
	case sf.TypeLocation:
		scale := 0
		if part := o.Field(strings.TrimSuffix(f.Name, "c") + "Latitude__s"); part != nil {
			scale = part.Scale
		}
		add(text("type", "Location"), number("scale", scale))
	case sf.TypePicklist, sf.TypeMultipicklist, sf.TypeCombobox:
		add(picklist(f)...)
	case sf.TypeReference:
		if len(f.ReferenceTo) != 1 {
			return nil
		}
		if add(reference(o, f)...); def.Value("type") == "MasterDetail" {
			return def
		}
	default:
		if metadataTypes[f.Type] == "" {
			return nil
		}
	}
	add(yes("required", f.Required())...)
	add(yes("unique", f.Unique)...)
	add(yes("caseSensitive", f.Unique && f.CaseSensitive)...)
	add(yes("externalId", f.ExternalID)...)
	return def
}

func picklist(f *sf.Field) []*component.Node {
	kind := "Picklist"
	out := []*component.Node{}
	if f.Type == sf.TypeMultipicklist {
		kind = "MultiselectPicklist"
		out = append(out, number("visibleLines", 4))
	}
	values := element("valueSetDefinition", text("sorted", "false"))
	for _, v := range f.Picklist {
		values.Nodes = append(values.Nodes, element("value", text("fullName", v.Value), text("default", strconv.FormatBool(v.Default)),
			text("isActive", strconv.FormatBool(v.Active)), text("label", v.Label)))
	}
	set := element("valueSet", text("restricted", strconv.FormatBool(f.RestrictedPicklist)), values)
	return append(out, text("type", kind), set)
}

// reference defines a relation. A describe does not say which is a master-detail: it is one that must be filled, whose
// children go with the parent and have no owner of their own.
func reference(o *sf.Object, f *sf.Field) []*component.Node {
	to := text("referenceTo", f.ReferenceTo[0])
	switch {
	case strings.HasSuffix(o.Name, "__mdt"):
		return []*component.Node{text("type", "MetadataRelationship"), to}
	case f.CascadeDelete && !f.Nillable && o.Custom && o.Field("OwnerId") == nil:
		return append([]*component.Node{text("type", "MasterDetail"), to, number("relationshipOrder", max(f.RelationshipOrder-1, 0))},
			yes("reparentableMasterDetail", f.Updateable)...)
	case f.CascadeDelete:
		return []*component.Node{text("type", "Lookup"), to, text("deleteConstraint", "Cascade")}
	case f.RestrictedDelete:
		return []*component.Node{text("type", "Lookup"), to, text("deleteConstraint", "Restrict")}
	}
	return []*component.Node{text("type", "Lookup"), to, text("deleteConstraint", "SetNull")}
}
