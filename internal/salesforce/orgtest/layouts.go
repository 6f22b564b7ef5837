package orgtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Layouts as describe tells them.
type (
	layouts struct {
		Layouts                    []page
		RecordTypeMappings         []pageMapping
		RecordTypeSelectorRequired []bool
	}
	pageMapping struct {
		DeveloperName, LayoutID, RecordTypeID string
		Master                                bool
		PicklistsForRecordType                []struct {
			PicklistName   string
			PicklistValues []struct{ Value string }
		}
	}
	page struct {
		ID                                       string
		DetailLayoutSections, EditLayoutSections []pageSection
		RelatedLists                             []struct {
			Name, SObject, Field string
			Columns              []struct{ Name string }
			Sort                 []struct {
				Column    string
				Ascending bool
			}
		}
	}
	pageSection struct {
		Heading, TabOrder string
		Columns, Rows     int
		LayoutRows        []struct {
			NumItems    int
			LayoutItems []pageItem
		}
	}
	pageItem struct {
		Label                                                    string
		EditableForNew, EditableForUpdate, Placeholder, Required bool
		LayoutComponents                                         []struct {
			Type, Value string
			Details     struct{ Name string }
			Components  []struct{ Value string }
		}
	}
	compactLayouts struct {
		CompactLayouts                  []compactLayout
		DefaultCompactLayoutID          *string
		RecordTypeCompactLayoutMappings []struct{ CompactLayoutName, RecordTypeID string }
	}
	compactLayout struct {
		ID          *string
		Label, Name string
		FieldItems  []pageItem
	}
)

// places are the names of what stands in the sections, row by row; "-" is a blank.
func places(sections []pageSection) string {
	var b strings.Builder
	for _, s := range sections {
		for _, row := range s.LayoutRows {
			for _, item := range row.LayoutItems {
				if item.Placeholder {
					b.WriteString("-")
				}
				for _, c := range item.LayoutComponents {
					b.WriteString(c.Value)
				}
				b.WriteString(" ")
			}
			b.WriteString("/ ")
		}
	}
	return b.String()
}

func (p page) item(t *testing.T, field string) pageItem {
	t.Helper()
	for _, s := range p.DetailLayoutSections {
		for _, row := range s.LayoutRows {
			for _, item := range row.LayoutItems {
				if len(item.LayoutComponents) > 0 && item.LayoutComponents[0].Value == field {
					return item
				}
			}
		}
	}
	t.Fatalf("%s is not on the layout", field)
	return pageItem{}
}

// layouts are those of the house.
func (o *Org) layouts() layouts {
	o.t.Helper()
	var l layouts
	o.Get("sobjects/" + houseObject + "/describe/layouts").OK(200).Into(&l)
	return l
}

// layoutOf tells the layout of a record type of the house.
func (o *Org) layoutOf(l layouts, recordType string) page {
	o.t.Helper()
	i := slices.IndexFunc(l.RecordTypeMappings, func(m pageMapping) bool { return m.DeveloperName == recordType })
	if i < 0 {
		o.t.Fatalf("no record type %s: %+v", recordType, l.RecordTypeMappings)
	}
	var p page
	o.Get("sobjects/" + houseObject + "/describe/layouts/" + l.RecordTypeMappings[i].RecordTypeID).OK(200).Into(&p)
	if p.ID != l.RecordTypeMappings[i].LayoutID {
		o.t.Errorf("%s has layout %s and is told %s", recordType, l.RecordTypeMappings[i].LayoutID, p.ID)
	}
	return p
}

func layoutItem(behavior, field string) string {
	return "<layoutItems><behavior>" + behavior + "</behavior><field>" + field + "</field></layoutItems>"
}

// layoutFile is a layout with one section of two columns.
func layoutFile(left, right, after string) string {
	return "<Layout" + metadataNamespace + "><layoutSections><customLabel>true</customLabel><detailHeading>true</detailHeading><editHeading>true</editHeading>" +
		"<label>Walls</label><layoutColumns>" + left + "</layoutColumns><layoutColumns>" + right + "</layoutColumns><style>TwoColumnsLeftToRight</style></layoutSections>" +
		after + "</Layout>"
}

const (
	firstLayout = houseObject + "-Orgtest House Layout"
	otherLayout = houseObject + "-Orgtest Other"
)

var nameItem = layoutItem("Required", "Name")

// furnish deploys the house with more files, and what they hold.
func (o *Org) furnish(fields string, files map[string]string, members map[string][]string) {
	o.t.Helper()
	all, named := house(fields), map[string][]string{"CustomObject": {houseObject}}
	for file, content := range files {
		all[file] = content
	}
	for kind, list := range members {
		named[kind] = list
	}
	o.must(o.Deploy(all, named, nil))
	o.t.Cleanup(func() { o.destroy(map[string][]string{"CustomObject": {houseObject}}) })
}

// typed deploys a house with two record types, and two layouts that a profile assigns: the other one to Alpha.
func (o *Org) typed(profile string) {
	o.t.Helper()
	assign := func(layout, recordType string) string {
		return "<layoutAssignments><layout>" + layout + "</layout>" + recordType + "</layoutAssignments>"
	}
	o.furnish(picklist("Kind__c", "Picklist", "<restricted>true</restricted>", "A", "B", "C")+recordTypeFile("Alpha", "A", "B")+recordTypeFile("Beta", "C"),
		map[string]string{
			"layouts/" + firstLayout + ".layout": layoutFile(nameItem, "", ""),
			"layouts/" + otherLayout + ".layout": layoutFile(nameItem, layoutItem("Edit", "Kind__c"), ""),
			"profiles/" + profile + ".profile": "<Profile" + metadataNamespace + ">" + assign(firstLayout, "") +
				assign(otherLayout, "<recordType>"+houseObject+".Alpha</recordType>") + "</Profile>",
		}, map[string][]string{"Layout": {firstLayout, otherLayout}, "Profile": {profile}})
}

var layoutRules = []law{
	{
		"layouts/items", "A deployed layout says which fields stand where, which are required and which are read-only",
		document("Metadata API Developer Guide, Layout: LayoutItem, UiBehavior; REST API Developer Guide, sObject Layouts"),
		func(t *testing.T, o *Org) {
			o.furnish(text("Color__c", "")+text("Fixed__c", ""), map[string]string{
				"layouts/" + firstLayout + ".layout": layoutFile(nameItem+layoutItem("Edit", "Color__c"), layoutItem("Readonly", "Fixed__c"), ""),
			}, map[string][]string{"Layout": {firstLayout}})
			l := o.layouts()
			if len(l.Layouts) != 1 || len(l.RecordTypeMappings) != 1 || !l.RecordTypeMappings[0].Master || l.RecordTypeMappings[0].LayoutID != l.Layouts[0].ID ||
				!strings.HasPrefix(l.Layouts[0].ID, "00h") || !slices.Equal(l.RecordTypeSelectorRequired, []bool{false}) {
				t.Fatalf("%+v", l)
			}
			p := l.Layouts[0]
			if got, want := places(p.DetailLayoutSections), "Name Fixed__c / Color__c - / "; got != want {
				t.Errorf("it shows %q, want %q", got, want)
			}
			if s := p.DetailLayoutSections[0]; s.Heading != "Walls" || s.Columns != 2 || s.Rows != 2 || s.TabOrder != "LeftToRight" {
				t.Errorf("%+v", s)
			}
			for field, want := range map[string]string{"Name": "true true true", "Color__c": "false true true", "Fixed__c": "false false false"} {
				i := p.item(t, field)
				if got := fmt.Sprint(i.Required, i.EditableForNew, i.EditableForUpdate); got != want {
					t.Errorf("%s: required, new, update: %s, want %s", field, got, want)
				}
				if c := i.LayoutComponents[0]; c.Type != "Field" || c.Details.Name != field {
					t.Errorf("%+v", c)
				}
			}
		},
	},
	{
		"layouts/none-deployed", "An object of which no layout was deployed has one all the same",
		document("SOAP API Developer Guide, describeLayout(): layouts has one element at least; partner WSDL, DescribeLayoutResult"),
		func(t *testing.T, o *Org) {
			o.build(text("Color__c", ""))
			if l := o.layouts(); len(l.Layouts) != 1 || !l.Layouts[0].item(t, "Name").Required {
				t.Errorf("%+v", l)
			}
		},
	},
	{
		"layouts/without-record-types", "An object that has no record types tells its layout by the master record type, too",
		client("Salesforce Inspector asks for the layout of 012000000000000AAA of a record without RecordTypeId"),
		func(t *testing.T, o *Org) {
			var p page
			o.Get("sobjects/OpportunityContactRole/describe/layouts/012000000000000AAA").OK(200).Into(&p)
			if len(p.DetailLayoutSections) == 0 || len(p.EditLayoutSections) == 0 {
				t.Errorf("%+v", p)
			}
		},
	},
	{
		"layouts/record-types", "An object with several record types tells its layouts by the record type alone",
		document("REST API Developer Guide, sObject Layouts for Objects with Multiple Record Types: null for the layouts section"),
		func(t *testing.T, o *Org) {
			o.typed("Admin")
			l := o.layouts()
			if l.Layouts != nil || len(l.RecordTypeMappings) != 3 || !slices.Equal(l.RecordTypeSelectorRequired, []bool{true}) {
				t.Fatalf("%+v", l)
			}
			o.Get("sobjects/" + houseObject + "/describe/layouts/012000000000001AAA").OK(404)
		},
	},
	{
		"layouts/assigned", "A profile assigns layouts to record types",
		document("Metadata API Developer Guide, Profile: ProfileLayoutAssignments"),
		func(t *testing.T, o *Org) {
			o.typed("Admin")
			l := o.layouts()
			for recordType, want := range map[string]string{"Alpha": "Name Kind__c / ", "Beta": "Name - / ", "Master": "Name - / "} {
				if got := places(o.layoutOf(l, recordType).DetailLayoutSections); got != want {
					t.Errorf("%s shows %q, want %q", recordType, got, want)
				}
			}
		},
	},
	{
		"layouts/picklists-of-the-record-type", "The mapping of a record type has the picklist values that it offers",
		wsdl("partner WSDL, RecordTypeMapping: picklistsForRecordType"),
		func(t *testing.T, o *Org) {
			o.typed("Admin")
			for _, m := range o.layouts().RecordTypeMappings {
				got := ""
				for _, p := range m.PicklistsForRecordType {
					for _, v := range p.PicklistValues {
						if p.PicklistName == "Kind__c" {
							got += v.Value
						}
					}
				}
				if want := map[string]string{"Alpha": "AB", "Beta": "C"}[m.DeveloperName]; !m.Master && got != want {
					t.Errorf("%s offers %q, want %q", m.DeveloperName, got, want)
				}
			}
		},
	},
	{
		"layouts/related-lists", "A related list has its columns and its order",
		document("Metadata API Developer Guide, Layout: RelatedListItem; SOAP API Developer Guide, RelatedList"),
		func(t *testing.T, o *Org) {
			o.furnish(lookup("Next__c", houseObject, "<deleteConstraint>SetNull</deleteConstraint>")+text("Color__c", ""), map[string]string{
				"layouts/" + firstLayout + ".layout": layoutFile(nameItem, "", "<relatedLists><fields>NAME</fields><fields>Color__c</fields><relatedList>"+houseObject+
					".Next__c</relatedList><sortField>Color__c</sortField><sortOrder>Desc</sortOrder></relatedLists>"),
			}, map[string][]string{"Layout": {firstLayout}})
			lists := o.layouts().Layouts[0].RelatedLists
			if len(lists) != 1 {
				t.Fatalf("%+v", lists)
			}
			if got := fmt.Sprint(lists[0]); got != "{Next_Orgtest__r "+houseObject+" Next__c [{Name} {Color__c}] [{Color__c false}]}" {
				t.Error(got)
			}
		},
	},
	{
		"layouts/soap", "describeLayout tells what REST tells",
		document("SOAP API Developer Guide, describeLayout()"),
		func(t *testing.T, o *Org) {
			o.typed("Admin")
			r := o.Partner("describeLayout", "<sObjectType>"+houseObject+"</sObjectType>").OK(200)
			r.has("<value>Kind__c</value>", "<fieldType>picklist</fieldType>", "<heading>Walls</heading>", "<developerName>Beta</developerName>")
			if n := strings.Count(string(r.Body), "<layouts>"); n != 2 {
				t.Errorf("%d layouts", n)
			}
			if r := o.Partner("describeLayout", "<sObjectType>Nonsense__c</sObjectType>"); r.Element("faultcode") != "sf:INVALID_TYPE" {
				t.Errorf("status %d %s", r.Status, r.Element("faultcode"))
			}
		},
	},
	{
		"layouts/not-every-object", "An object that is not layoutable has no layouts",
		unverified,
		func(_ *testing.T, o *Org) {
			o.Get("sobjects/AccountHistory/describe/layouts").OK(404)
			o.Get("sobjects/AccountHistory/describe/compactLayouts").OK(404)
		},
	},
	{
		"compact-layouts/system", "An object without a compact layout of its own has the System Default, without an Id",
		document("REST API Developer Guide, sObject CompactLayouts; Compact Layouts"),
		func(t *testing.T, o *Org) {
			o.build("")
			var c compactLayouts
			o.Get("sobjects/" + houseObject + "/describe/compactLayouts").OK(200).Into(&c)
			if len(c.CompactLayouts) != 1 || c.DefaultCompactLayoutID != nil || c.CompactLayouts[0].Name != "SYSTEM" || c.CompactLayouts[0].ID != nil {
				t.Errorf("%+v", c)
			}
			var many map[string]compactLayout
			o.Get("compactLayouts?q=Account," + houseObject).OK(200).Into(&many)
			if len(many) != 2 || many[houseObject].Label != "System Default" || many["Account"].Name == "" {
				t.Errorf("%+v", many)
			}
		},
	},
	{
		"compact-layouts/primary", "The primary compact layout is what the object assigns, and a record type may have another",
		document("Metadata API Developer Guide, CompactLayout; CustomObject and RecordType: compactLayoutAssignment"),
		func(t *testing.T, o *Org) {
			layout := func(name, field string) string {
				return "<compactLayouts><fullName>" + name + "</fullName><fields>Name</fields><fields>" + field + "</fields><label>" + name + "</label></compactLayouts>"
			}
			o.build(text("Color__c", "") + text("Fixed__c", "") + "<compactLayoutAssignment>Short</compactLayoutAssignment>" + layout("Short", "Color__c") +
				layout("Long", "Fixed__c") + "<recordTypes><fullName>Alpha</fullName><active>true</active><compactLayoutAssignment>Long</compactLayoutAssignment>" +
				"<label>Alpha</label></recordTypes>")
			path := "sobjects/" + houseObject + "/describe/compactLayouts"
			var all compactLayouts
			o.Get(path).OK(200).Into(&all)
			if all.DefaultCompactLayoutID == nil || !strings.HasPrefix(*all.DefaultCompactLayoutID, "0AH") {
				t.Fatalf("%+v", all)
			}
			shows := func(tail, name, want string) {
				t.Helper()
				var c compactLayout
				o.Get(path + "/" + tail).OK(200).Into(&c)
				got := ""
				for _, i := range c.FieldItems {
					got += i.LayoutComponents[0].Value + " "
				}
				if c.Name != name || got != want {
					t.Errorf("%s is %s with %q, want %s with %q", tail, c.Name, got, name, want)
				}
			}
			shows("primary", "Short", "Name Color__c ")
			for _, m := range all.RecordTypeCompactLayoutMappings {
				if m.CompactLayoutName == "Long" {
					shows(m.RecordTypeID, "Long", "Name Fixed__c ")
					return
				}
			}
			t.Errorf("%+v", all.RecordTypeCompactLayoutMappings)
		},
	},
	{
		"list-views/said-in-soql", "A list view is described with its query, and gives the rows of it",
		document("REST API Developer Guide, List Views; List View Describe; List View Results"),
		func(t *testing.T, o *Org) {
			o.build(text("Color__c", "") + "<listViews><fullName>Reds</fullName><columns>NAME</columns><columns>Color__c</columns><columns>CREATED_DATE</columns>" +
				"<filterScope>Everything</filterScope><filters><field>Color__c</field><operation>equals</operation><value>red,dark red</value></filters><label>The Reds</label></listViews>")
			o.Create(houseObject, Values{"Name": "one", "Color__c": "red"})
			o.Create(houseObject, Values{"Name": "two", "Color__c": "dark red"})
			o.Create(houseObject, Values{"Name": "three", "Color__c": "blue"})
			var list struct {
				ListViews []struct{ DescribeURL, DeveloperName, ID, Label, ResultsURL string }
			}
			path := "sobjects/" + houseObject + "/listviews"
			o.Get(path).OK(200).Into(&list)
			i := slices.IndexFunc(list.ListViews, func(v struct{ DescribeURL, DeveloperName, ID, Label, ResultsURL string }) bool {
				return v.DeveloperName == "Reds"
			})
			if i < 0 || list.ListViews[i].Label != "The Reds" {
				t.Fatalf("%+v", list)
			}
			v := list.ListViews[i]
			var d struct {
				Query, SObjectType string
				Columns            []struct {
					FieldNameOrPath string
					Hidden          bool
				}
			}
			o.Get(path + "/" + v.ID + "/describe").OK(200).Into(&d)
			if d.SObjectType != houseObject || len(d.Columns) != 7 || d.Columns[2].FieldNameOrPath != "CreatedDate" || d.Columns[2].Hidden || !d.Columns[3].Hidden {
				t.Errorf("%+v", d)
			}
			if n := o.Query(d.Query).TotalSize; n != 2 {
				t.Errorf("%d rows of %s", n, d.Query)
			}
			var results struct {
				Size    int
				Records []struct {
					Columns []struct{ FieldNameOrPath, Value string }
				}
			}
			o.Get(path + "/" + v.ID + "/results?limit=1&offset=1").OK(200).Into(&results)
			if results.Size != 1 || results.Records[0].Columns[0].Value != "two" || results.Records[0].Columns[1].Value != "dark red" {
				t.Errorf("%+v", results)
			}
		},
	},
}

var layoutUserRules = []law{
	{
		"layouts/of-the-profile", "A user meets the layouts of the own profile, and on them the fields that the user sees",
		document("SOAP API Developer Guide, describeLayout(): the layouts of the user's profile; Salesforce Help, Field-Level Security"),
		func(t *testing.T, o *Org) {
			o.typed("Standard")
			set := o.granted(nil)
			o.Create("ObjectPermissions", Values{"ParentId": set, "SobjectType": houseObject, "PermissionsRead": true})
			other := o.Second()
			if got := places(other.layoutOf(other.layouts(), "Alpha").DetailLayoutSections); got != "Name / " && got != "Name - / " {
				t.Errorf("a field that was not given is shown: %q", got)
			}
			o.Create("FieldPermissions", Values{"ParentId": set, "SobjectType": houseObject, "Field": houseObject + ".Kind__c", "PermissionsRead": true})
			p := other.layoutOf(other.layouts(), "Alpha")
			if i := p.item(t, "Kind__c"); i.EditableForNew || i.EditableForUpdate {
				t.Errorf("a field that may be read can be written: %+v", i)
			}
			if got := places(o.layoutOf(o.layouts(), "Alpha").DetailLayoutSections); got != "Name - / " {
				t.Errorf("the layout of another profile is shown: %q", got)
			}
		},
	},
}
