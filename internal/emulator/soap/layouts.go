package soap

import (
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// describeLayout spells a DescribeLayoutResult, its elements in the order of the WSDL: the layouts of all record types of
// an object, or of those that the call names. There are no named layouts, and what the emulator does not know of a
// layout is left out: buttons, actions, related content. The refusals are unverified.
func describeLayout(a *API, c *call) (string, error) {
	name := c.op.value("sObjectType")
	o, ok := a.cfg.Org.DescribeFor(c.caller, name)
	if !ok || o.Since > c.version || !o.Layoutable {
		return "", wire.BadRequest("INVALID_TYPE", "sObject type '"+name+"' is not supported.")
	}
	if named := c.op.value("layoutName"); named != "" {
		return "", wire.BadRequest("INVALID_TYPE", "There is no layout "+named+" of "+o.Name+".")
	}
	pages := a.cfg.Metadata.Layouts(c.caller, o)
	layouts, mappings := pages.Layouts, pages.Mappings
	if ids := c.op.values("recordTypeIds"); len(ids) > 0 {
		layouts, mappings = nil, nil
		for _, text := range ids {
			id, err := sf.ParseID(text)
			m, page, ok := pages.Of(id)
			if err != nil || !ok {
				return "", wire.BadRequest("INVALID_ID_FIELD", "invalid record type id: "+text)
			}
			if m.ID != "" {
				mappings = append(mappings, m)
			}
			if !slices.ContainsFunc(layouts, func(l org.PageLayout) bool { return l.ID == page.ID }) {
				layouts = append(layouts, page)
			}
		}
	}
	var b strings.Builder
	b.WriteString("<result>")
	for _, page := range layouts {
		writeLayout(&b, page)
	}
	for _, m := range mappings {
		b.WriteString("<recordTypeMappings>" + flags(flag{"active", m.Active}, flag{"available", m.Available},
			flag{"defaultRecordTypeMapping", m.Default}) + element("developerName", m.DeveloperName) + element("layoutId", m.Layout) +
			flags(flag{"master", m.Master}) + element("name", m.Name))
		for _, f := range m.Picklists {
			b.WriteString("<picklistsForRecordType>" + element("picklistName", f.Name) + picklistText(f) + "</picklistsForRecordType>")
		}
		b.WriteString(element("recordTypeId", m.ID) + "</recordTypeMappings>")
	}
	return b.String() + flags(flag{"recordTypeSelectorRequired", pages.Choice()}) + "</result>", nil
}

func writeLayout(b *strings.Builder, page org.PageLayout) {
	b.WriteString("<layouts>")
	for _, s := range page.Detail {
		writeSection(b, "detailLayoutSections", page, s)
	}
	for _, s := range page.Edit {
		writeSection(b, "editLayoutSections", page, s)
	}
	b.WriteString(element("id", page.ID))
	for _, l := range page.Lists {
		b.WriteString("<relatedLists>" + null("accessLevelRequiredForCreate"))
		for _, f := range l.Columns {
			b.WriteString("<columns>" + element("field", l.Child.Name+"."+f.Name) + element("fieldApiName", f.Name) + null("format") +
				element("label", f.Label))
			if f.NameField {
				b.WriteString(element("lookupId", "Id"))
			}
			b.WriteString(element("name", f.Name) + flags(flag{"sortable", f.Sortable}) + "</columns>")
		}
		b.WriteString(flags(flag{"custom", l.Field.Custom}) + element("field", l.Field.Name) + element("label", l.Child.LabelPlural) +
			element("limitRows", org.RelatedRows) + element("name", l.Name) + element("sobject", l.Child.Name))
		if l.SortBy != nil {
			b.WriteString("<sort>" + flags(flag{"ascending", !l.Descend}) + element("column", l.SortBy.Name) + "</sort>")
		}
		b.WriteString("</relatedLists>")
	}
	b.WriteString("</layouts>")
}

func writeSection(b *strings.Builder, name string, page org.PageLayout, s org.PageSection) {
	b.WriteString("<" + name + ">" + element("collapsed", false) + element("columns", s.Columns) + optional("heading", s.Heading))
	for _, row := range s.Rows {
		b.WriteString("<layoutRows>")
		for _, i := range row {
			writeItem(b, i)
		}
		b.WriteString(element("numItems", len(row)) + "</layoutRows>")
	}
	b.WriteString(null("layoutSectionId") + element("parentLayoutId", page.ID) + element("rows", len(s.Rows)) + element("tabOrder", s.TabOrder()) +
		flags(flag{"useCollapsibleSection", false}, flag{"useHeading", s.UseHeading}) + "</" + name + ">")
}

func writeItem(b *strings.Builder, i org.PageItem) {
	b.WriteString("<layoutItems>" + flags(flag{"editableForNew", i.New}, flag{"editableForUpdate", i.Update}) + element("label", i.Label))
	if i.Kind != "" {
		kind := ""
		if i.Field != nil {
			kind = ` xsi:type="FieldLayoutComponent"`
		}
		b.WriteString("<layoutComponents" + kind + ">" + componentText(i.Kind, i.Value, i.Tab))
		for _, part := range i.Parts {
			b.WriteString(`<components xsi:type="FieldLayoutComponent">` + componentText("Field", part.Name, i.Tab) + element("fieldType", part.Type) + "</components>")
		}
		if i.Field != nil {
			b.WriteString(element("fieldType", i.Field.Type))
		}
		b.WriteString("</layoutComponents>")
	}
	b.WriteString(flags(flag{"placeholder", i.Blank()}, flag{"required", i.Required}) + "</layoutItems>")
}

func componentText(kind, value string, tab int) string {
	return element("displayLines", 1) + element("tabOrder", tab) + element("type", kind) + optional("value", value)
}
