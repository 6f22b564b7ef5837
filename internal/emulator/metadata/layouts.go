package metadata

import (
	"hash/fnv"
	"net/url"
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// Layouts returns the page layouts of an object as a caller meets them; the object is the one that the caller
// sees. A record type has the layout that the profile of the caller assigns to it, otherwise the one that the profile
// assigns without a record type. Source: Metadata API Developer Guide, Profile: layoutAssignments. A profile that says
// nothing has the layout that is named after the object, as the platform names the one that it makes along with an
// object, and where that is not deployed one that the emulator makes; both are unverified.
func (s *Store) Layouts(caller org.Caller, object *org.Object) org.Pages {
	profile := s.profileOf(caller)
	s.mu.RLock()
	defer s.mu.RUnlock()
	assigned := s.assigned(profile, object.Name)
	var out org.Pages
	for _, rt := range object.RecordTypes {
		name, ok := assigned[object.Name+"."+rt.DeveloperName]
		if !ok {
			name = assigned[""]
		}
		l := s.layout(caller, object, name)
		if !slices.ContainsFunc(out.Layouts, func(has org.PageLayout) bool { return has.ID == l.ID }) {
			out.Layouts = append(out.Layouts, l)
		}
		out.Mappings = append(out.Mappings, org.PageMapping{RecordType: rt, Layout: l.ID, Picklists: object.PicklistsOf(rt.ID)})
	}
	if len(object.RecordTypes) == 0 {
		out.Layouts = append(out.Layouts, s.layout(caller, object, assigned[""]))
	}
	return out
}

// profileOf returns the name of the profile of a caller in the Metadata API.
func (s *Store) profileOf(caller org.Caller) string {
	q, err := soql.Parse("SELECT Profile.Name FROM User WHERE Id = '" + string(caller.User) + "'")
	if err != nil { // the text is part of the program
		panic(err)
	}
	answer, err := s.org.Query(s.org.Admin(), q, false)
	if err != nil || answer.Len() == 0 {
		return "" // nobody, who has no profile
	}
	name := answer.Text(0, 0)
	if file, ok := profileFiles[name]; ok {
		return file
	}
	return name
}

// assigned are the layouts that a profile assigns to the record types of an object, by the full name of the record
// type; "" is for records without one. The caller holds mu.
func (s *Store) assigned(profile, object string) map[string]string {
	out := map[string]string{}
	for k, c := range s.components {
		if name, err := url.PathUnescape(k.name); k.kind != "Profile" || err != nil || name != profile {
			continue
		}
		for _, p := range c.parts {
			if p.element != "layoutAssignments" {
				continue
			}
			e, err := parseXML([]byte(p.body))
			if err != nil {
				continue // a deploy has refused it
			}
			if layout := e.value("layout"); strings.HasPrefix(layout, object+"-") {
				out[e.value("recordType")] = layout
			}
		}
	}
	return out
}

// layout reads a deployed layout; without a name, or where it is gone, the default. The caller holds mu.
func (s *Store) layout(caller org.Caller, object *org.Object, name string) org.PageLayout {
	if name == "" {
		name = object.Name + "-" + object.Label + " Layout"
	}
	want, _ := url.PathUnescape(name) // what is no escape is a name that no layout has
	for k, c := range s.components {
		if k.kind != "Layout" || !strings.HasPrefix(k.name, object.Name+"-") {
			continue
		}
		if has, err := url.PathUnescape(k.name); err != nil || has != want {
			continue
		}
		for _, content := range c.files {
			if root, err := parseXML(content); err == nil { // otherwise a deploy has refused it
				return s.readLayout(caller, object, sf.ID(c.ID), root)
			}
		}
	}
	return s.plainLayout(object)
}

func (s *Store) readLayout(caller org.Caller, object *org.Object, id sf.ID, root *element) org.PageLayout {
	page := org.PageLayout{ID: id}
	for _, e := range root.kids {
		switch e.name {
		case "layoutSections":
			detail := readSection(object, e, false)
			detail.UseHeading = e.value("detailHeading") == "true"
			page.Detail = append(page.Detail, detail)
			if e.value("style") == "CustomLinks" {
				continue // links are for records that are there
			}
			edit := readSection(object, e, true)
			edit.UseHeading = e.value("editHeading") == "true"
			page.Edit = append(page.Edit, edit)
		case "relatedLists":
			if list, ok := s.relatedList(caller, object, e); ok {
				page.Lists = append(page.Lists, list)
			}
		}
	}
	page.Detail, page.Edit = numbered(page.Detail), numbered(page.Edit)
	return page
}

// readSection lays the columns of a section side by side; where one is shorter the place is blank. On a page that
// takes a record nothing stands that nobody can write. How the platform fills rows is unverified.
func readSection(object *org.Object, section *element, edit bool) org.PageSection {
	out := org.PageSection{Heading: section.value("label"), Across: section.value("style") == "TwoColumnsLeftToRight"}
	var columns [][]org.PageItem
	for _, column := range section.kids {
		if column.name != "layoutColumns" {
			continue
		}
		var items []org.PageItem
		for _, e := range column.kids {
			if e.name != "layoutItems" {
				continue
			}
			item, ok := readItem(object, e)
			if ok && (!edit || item.Field == nil || item.Field.Createable || item.Field.Updateable || len(item.Parts) > 0) {
				items = append(items, item)
			}
		}
		columns = append(columns, items)
	}
	out.Columns, out.Rows = len(columns), rowsOf(columns)
	return out
}

func rowsOf(columns [][]org.PageItem) [][]org.PageItem {
	var rows [][]org.PageItem
	for i := 0; slices.ContainsFunc(columns, func(c []org.PageItem) bool { return len(c) > i }); i++ {
		row := make([]org.PageItem, len(columns))
		for j, column := range columns {
			if i < len(column) {
				row[j] = column[i]
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// itemKinds are the things that stand on a layout beside fields, as describe calls them. Source: LayoutItem of the metadata
// WSDL and layoutComponentType of the partner WSDL.
var itemKinds = []struct{ element, kind string }{
	{"customLink", "CustomLink"},
	{"page", "VisualforcePage"},
	{"scontrol", "SControl"},
	{"canvas", "Canvas"},
	{"component", "AuraComponent"},
}

// readItem reads one item of a layout; false for a field that the caller does not see, and for what describe has
// no word for.
func readItem(object *org.Object, e *element) (org.PageItem, bool) {
	if e.value("emptySpace") == "true" {
		return org.PageItem{Kind: "EmptySpace"}, true
	}
	for _, k := range itemKinds {
		if name := e.value(k.element); name != "" {
			return org.PageItem{Kind: k.kind, Value: name, Label: name}, true
		}
	}
	f := object.Field(e.value("field"))
	if f == nil {
		return org.PageItem{}, false
	}
	item := fieldItem(object, f)
	behavior := e.value("behavior")
	item.Required = behavior == "Required"
	if behavior == "Readonly" {
		item.New, item.Update = false, false
	}
	return item, true
}

// fieldItem is a field on a page, with the parts of a compound one. The label of a standard reference is that of
// the thing and not of its Id; that it is so for each is unverified.
func fieldItem(object *org.Object, f *org.Field) org.PageItem {
	item := org.PageItem{Label: f.Label, Kind: "Field", Value: f.Name, Field: f, New: f.Createable, Update: f.Updateable}
	if f.Type == sf.TypeReference && !f.Custom {
		item.Label = strings.TrimSuffix(f.Label, " ID")
	}
	for _, part := range object.Fields {
		if part.CompoundFieldName == f.Name && part.Name != f.Name {
			item.Parts = append(item.Parts, part)
			item.New, item.Update = item.New || part.Createable, item.Update || part.Updateable
		}
	}
	return item
}

// numbered gives the things on a page their places in the order of the tab key, and drops sections without a row: the
// WSDL has none.
func numbered(sections []org.PageSection) []org.PageSection {
	sections = slices.DeleteFunc(sections, func(s org.PageSection) bool { return len(s.Rows) == 0 })
	tab := 0
	next := func(item *org.PageItem) {
		if item.Kind != "" {
			tab++
			item.Tab = tab
		}
	}
	for _, s := range sections {
		if s.Across {
			for _, row := range s.Rows {
				for i := range row {
					next(&row[i])
				}
			}
			continue
		}
		for column := range s.Columns {
			for _, row := range s.Rows {
				next(&row[column])
			}
		}
	}
	return sections
}

// plainLayout is what an object has of which no layout is deployed: all that can be written, and who wrote it. The
// platform's own layouts of standard objects are unverified.
func (s *Store) plainLayout(object *org.Object) org.PageLayout {
	var columns [2][]org.PageItem
	for _, f := range object.Fields {
		part := f.CompoundFieldName != "" && f.CompoundFieldName != f.Name && object.Field(f.CompoundFieldName) != nil
		item := fieldItem(object, f)
		if part || !item.New && !item.Update || f.Name == "RecordTypeId" {
			continue
		}
		item.Required = f.NameField || !f.Nillable && !f.DefaultedOnCreate && f.Type != sf.TypeBoolean
		side := 0
		if len(columns[0]) > len(columns[1]) {
			side = 1
		}
		columns[side] = append(columns[side], item)
	}
	information := org.PageSection{Heading: "Information", Columns: 2, UseHeading: true, Rows: rowsOf(columns[:])}
	edit := information
	edit.Rows = rowsOf(columns[:])
	page := org.PageLayout{ID: s.plainID(object.Name), Detail: []org.PageSection{information}, Edit: numbered([]org.PageSection{edit})}
	var row []org.PageItem
	for _, name := range []string{"CreatedById", "LastModifiedById"} {
		if f := object.Field(name); f != nil {
			row = append(row, fieldItem(object, f))
		}
	}
	if len(row) > 0 {
		page.Detail = append(page.Detail, org.PageSection{Heading: "System Information", Columns: len(row), UseHeading: true, Rows: [][]org.PageItem{row}})
	}
	page.Detail = numbered(page.Detail)
	return page
}

// plainID is the Id of the layout that is not deployed: made from the name of the object, beyond the numbers that
// components get.
func (s *Store) plainID(object string) sf.ID {
	h := fnv.New32a()
	h.Write([]byte(object))
	return sf.ID(s.id(idPrefixes["Layout"], 1<<40|int(h.Sum32())))
}
