package metadata

import (
	"cmp"
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// columnNames are the names that columns of list views and related lists have beside those of fields. Source: list views
// and layouts of public projects.
var columnNames = map[string]string{
	"CREATED_DATE": "CreatedDate", "CREATEDBY_USER": "CreatedById", "LAST_UPDATE": "LastModifiedDate", "UPDATEDBY_USER": "LastModifiedById",
	"LAST_ACTIVITY": "LastActivityDate", "RECORDTYPE": "RecordTypeId",
}

// column finds the field that a column means: by the name of a field, by one of the names above, or by a name in
// capitals whose words are those of a field: STAGE_NAME, ACCOUNT.NAME. Others, which the platform knows by heart, are
// not found.
func column(object *org.Object, name string) *org.Field {
	if name == "NAME" || name == "FULL_NAME" {
		i := slices.IndexFunc(object.Fields, func(f *org.Field) bool { return f.NameField })
		if i < 0 {
			return nil
		}
		return object.Fields[i]
	}
	if f := object.Field(cmp.Or(columnNames[name], name)); f != nil {
		return f
	}
	head, tail, ok := strings.Cut(name, ".")
	if plain := strings.ReplaceAll(head, "_", ""); ok && strings.EqualFold(plain, object.Name) {
		return column(object, tail)
	}
	if ok || name != strings.ToUpper(name) || strings.HasSuffix(name, "__C") {
		return nil
	}
	return object.Field(strings.ReplaceAll(name, "_", ""))
}

// relatedList reads a list of children of a custom relationship, which a layout names Child__c.Parent__c. Standard ones
// have names that no document tells of, and are left out; so is a list of children that the caller does not see.
func (s *Store) relatedList(caller org.Caller, object *org.Object, e *element) (org.RelatedList, bool) {
	kind, lookup, _ := strings.Cut(e.value("relatedList"), ".")
	i := slices.IndexFunc(object.Children, func(r org.ChildRelationship) bool { return r.Child == kind && r.Field == lookup })
	if i < 0 || object.Children[i].RelationshipName == "" {
		return org.RelatedList{}, false
	}
	child, ok := s.org.DescribeFor(caller, kind)
	if !ok || child.Field(lookup) == nil {
		return org.RelatedList{}, false
	}
	out := org.RelatedList{
		Child: child, Field: child.Field(lookup), Name: object.Children[i].RelationshipName, Descend: e.value("sortOrder") == "Desc",
	}
	for _, k := range e.kids {
		if f := column(child, strings.TrimSpace(k.text)); k.name == "fields" && f != nil {
			out.Columns = append(out.Columns, f)
		}
	}
	if sort := e.value("sortField"); sort != "" {
		out.SortBy = column(child, sort)
	}
	return out, len(out.Columns) > 0 // the WSDL has no list without a column
}

// systemCompact is the compact layout that an object has without one of its own: it shows the name. Source: REST API
// Developer Guide, Compact Layouts: "System Default", without an Id. Which fields those of standard objects show is
// unverified.
func systemCompact(object *org.Object) org.CompactLayout {
	out := org.CompactLayout{Name: "SYSTEM", Label: "System Default"}
	if f := column(object, "NAME"); f != nil {
		out.Items = []org.PageItem{compactItem(object, f, 1)}
	}
	return out
}

// compactItem is a field of a compact layout, where nothing is written.
func compactItem(object *org.Object, f *org.Field, tab int) org.PageItem {
	item := fieldItem(object, f)
	item.New, item.Update, item.Tab = false, false, tab
	return item
}

// CompactLayouts returns the compact layouts of an object as a caller meets them. Source: Metadata API Developer Guide,
// CompactLayout; CustomObject and RecordType: compactLayoutAssignment.
func (s *Store) CompactLayouts(object *org.Object) org.CompactLayouts {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out org.CompactLayouts
	byName := map[string]org.CompactLayout{"": systemCompact(object), "SYSTEM": systemCompact(object)}
	for _, c := range s.within("CompactLayout", object.Name) {
		root, err := parseXML([]byte(c.body))
		if err != nil {
			continue // a deploy has refused it
		}
		name := strings.TrimPrefix(c.FullName, object.Name+".")
		l := org.CompactLayout{ID: sf.ID(c.ID), Name: name, Label: root.value("label")}
		for _, k := range root.kids {
			if f := column(object, strings.TrimSpace(k.text)); k.name == "fields" && f != nil {
				l.Items = append(l.Items, compactItem(object, f, len(l.Items)+1))
			}
		}
		byName[name] = l
		out.Layouts = append(out.Layouts, l)
	}
	find := func(name string, otherwise org.CompactLayout) org.CompactLayout {
		if l, ok := byName[name]; ok && name != "" {
			return l
		}
		return otherwise
	}
	out.Primary = find(s.partOf(object.Name, "compactLayoutAssignment"), byName[""])
	if out.Primary.ID == "" {
		out.Layouts = append(out.Layouts, out.Primary)
	}
	for _, rt := range object.RecordTypes {
		assigned := ""
		if root, err := parseXML([]byte(s.components[key{"RecordType", object.Name + "." + rt.DeveloperName}].body)); err == nil {
			assigned = root.value("compactLayoutAssignment")
		}
		out.Mappings = append(out.Mappings, org.CompactMapping{RecordType: rt, Layout: find(assigned, out.Primary)})
	}
	return out
}

// within returns the components of a type inside an object, by name. The caller holds mu.
func (s *Store) within(kind, object string) []Component {
	var out []Component
	for k, c := range s.components {
		if k.kind == kind && strings.HasPrefix(k.name, object+".") {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, compareComponents)
	return out
}

// partOf returns the text of an element that stands alone in the file of an object. The caller holds mu.
func (s *Store) partOf(object, name string) string {
	for _, p := range s.components[key{"CustomObject", object}].parts {
		if p.element != name {
			continue
		}
		if e, err := parseXML([]byte(p.body)); err == nil {
			return strings.TrimSpace(e.text)
		}
	}
	return ""
}

// ListViews returns the list views of an object as a caller meets them, by name. Those that the platform makes along with
// an object are not there.
func (s *Store) ListViews(object *org.Object) []org.ListView {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []org.ListView
	for _, c := range s.within("ListView", object.Name) {
		if root, err := parseXML([]byte(c.body)); err == nil {
			out = append(out, listView(object, c, root))
		}
	}
	return out
}

// people are the columns that go through a reference to a user. Source: list views of public projects.
var people = map[string]string{"OWNER": "OwnerId", "CREATEDBY_USER": "CreatedById", "UPDATEDBY_USER": "LastModifiedById"}

func listView(object *org.Object, c Component, root *element) org.ListView {
	v := org.ListView{
		ID: sf.ID(c.ID), Name: strings.TrimPrefix(c.FullName, object.Name+"."), Label: root.value("label"), Compatible: root.value("booleanFilter") == "",
	}
	switch root.value("filterScope") {
	case "Everything":
	case "Mine":
		v.Mine = true
	default:
		v.Compatible = false
	}
	for _, k := range root.kids {
		switch k.name {
		case "columns":
			if c, ok := listColumn(object, strings.TrimSpace(k.text)); ok {
				v.Columns = append(v.Columns, c)
			}
		case "filters":
			f := column(object, k.value("field"))
			if f == nil || !f.Filterable || k.value("operation") == "within" {
				v.Compatible = false
				continue
			}
			cond := org.ListCondition{Field: f, Operator: k.value("operation")}
			for value := range strings.SplitSeq(k.value("value"), ",") {
				cond.Values = append(cond.Values, strings.TrimSpace(value))
			}
			v.Conditions = append(v.Conditions, cond)
		}
	}
	return v
}

func listColumn(object *org.Object, name string) (org.ListColumn, bool) {
	head, tail, _ := strings.Cut(name, ".")
	if f := object.Field(people[head]); f != nil && f.RelationshipName != "" && tail == "ALIAS" {
		return org.ListColumn{Path: f.RelationshipName + ".Alias", Field: f, Label: fieldItem(object, f).Label + " Alias"}, true
	}
	f := column(object, name)
	if f == nil {
		return org.ListColumn{}, false
	}
	return org.ListColumn{Path: f.Name, Field: f, Label: fieldItem(object, f).Label}, true
}
