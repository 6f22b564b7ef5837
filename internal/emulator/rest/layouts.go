package rest

import (
	"net/http"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// Layouts tells of layouts and list views.
type Layouts interface {
	Layouts(caller org.Caller, object *org.Object) org.Pages
	CompactLayouts(object *org.Object) org.CompactLayouts
	ListViews(object *org.Object) []org.ListView
}

// The replies have the keys of the REST API Developer Guide, sObject Layouts and Compact Layouts, and of the types of the
// partner WSDL. What the emulator does not know of a layout is empty: buttons, actions, related content.
type (
	layoutsReply struct {
		Layouts  []layout        `json:"layouts"`
		Mappings []layoutMapping `json:"recordTypeMappings"`
		Selector []bool          `json:"recordTypeSelectorRequired"`
	}
	layout struct {
		Buttons        *string         `json:"buttonLayoutSection"`
		Detail         []layoutSection `json:"detailLayoutSections"`
		Edit           []layoutSection `json:"editLayoutSections"`
		FeedView       *string         `json:"feedView"`
		Highlights     *string         `json:"highlightsPanelLayoutSection"`
		ID             sf.ID           `json:"id"`
		MultirowEdit   []any           `json:"multirowEditLayoutSections"`
		OfflineLinks   []any           `json:"offlineLinks"`
		QuickActions   quickActions    `json:"quickActionList"`
		RelatedContent *string         `json:"relatedContent"`
		RelatedLists   []relatedList   `json:"relatedLists"`
		SaveOptions    []any           `json:"saveOptions"`
	}
	quickActions struct {
		Items []any `json:"quickActionListItems"`
	}
	layoutMapping struct {
		Active        bool              `json:"active"`
		Available     bool              `json:"available"`
		Default       bool              `json:"defaultRecordTypeMapping"`
		DeveloperName string            `json:"developerName"`
		LayoutID      sf.ID             `json:"layoutId"`
		Master        bool              `json:"master"`
		Name          string            `json:"name"`
		Picklists     []recordPicklist  `json:"picklistsForRecordType"`
		RecordTypeID  sf.ID             `json:"recordTypeId"`
		URLs          map[string]string `json:"urls"`
	}
	recordPicklist struct {
		Name   string          `json:"picklistName"`
		Values []picklistValue `json:"picklistValues"`
	}
	layoutSection struct {
		Collapsed   bool        `json:"collapsed"`
		Columns     int         `json:"columns"`
		Heading     *string     `json:"heading"`
		Rows        []layoutRow `json:"layoutRows"`
		ID          *string     `json:"layoutSectionId"`
		Parent      sf.ID       `json:"parentLayoutId"`
		Count       int         `json:"rows"`
		TabOrder    string      `json:"tabOrder"`
		Collapsible bool        `json:"useCollapsibleSection"`
		UseHeading  bool        `json:"useHeading"`
	}
	layoutRow struct {
		Items []layoutItem `json:"layoutItems"`
		Count int          `json:"numItems"`
	}
	layoutItem struct {
		New         bool              `json:"editableForNew"`
		Update      bool              `json:"editableForUpdate"`
		Label       string            `json:"label"`
		Components  []layoutComponent `json:"layoutComponents"`
		Placeholder bool              `json:"placeholder"`
		Required    bool              `json:"required"`
	}
	layoutComponent struct {
		Components   []layoutComponent `json:"components,omitzero"`
		Details      *field            `json:"details,omitempty"`
		DisplayLines int               `json:"displayLines"`
		FieldType    sf.FieldType      `json:"fieldType,omitempty"`
		TabOrder     int               `json:"tabOrder"`
		Type         string            `json:"type"`
		Value        *string           `json:"value"`
	}
	relatedList struct {
		Access  *string         `json:"accessLevelRequiredForCreate"`
		Buttons []any           `json:"buttons"`
		Columns []relatedColumn `json:"columns"`
		Custom  bool            `json:"custom"`
		Field   string          `json:"field"`
		Label   string          `json:"label"`
		Limit   int             `json:"limitRows"`
		Name    string          `json:"name"`
		SObject string          `json:"sobject"`
		Sort    []relatedSort   `json:"sort"`
	}
	relatedColumn struct {
		Field        string  `json:"field"`
		FieldAPIName string  `json:"fieldApiName"`
		Format       *string `json:"format"`
		Label        string  `json:"label"`
		LookupID     *string `json:"lookupId"`
		Name         string  `json:"name"`
		Sortable     bool    `json:"sortable"`
	}
	relatedSort struct {
		Ascending bool   `json:"ascending"`
		Column    string `json:"column"`
	}
)

// laidOut returns the object of the path when the resource is there for it.
func (a *API) laidOut(c *wire.Call, has func(o *org.Object) bool) (*org.Object, error) {
	o, err := a.object(c, c.Path[1])
	if err == nil && (a.cfg.Layouts == nil || !has(o)) {
		err = wire.NotFound()
	}
	return o, err
}

func layoutable(o *org.Object) bool { return o.Layoutable }

// layouts tells the layouts of an object. One with more than one record type has none until the type is named. Source:
// REST API Developer Guide, sObject Layouts; that the master record type counts among them is unverified.
func (a *API) layouts(w http.ResponseWriter, c *wire.Call) error {
	o, err := a.laidOut(c, layoutable)
	if err != nil {
		return err
	}
	pages := a.cfg.Layouts.Layouts(c.Caller, o)
	reply := layoutsReply{Mappings: []layoutMapping{}, Selector: []bool{pages.Choice()}}
	if len(pages.Mappings) <= 1 {
		reply.Layouts = []layout{layoutOf(c, pages.Layouts[0])}
	}
	for _, m := range pages.Mappings {
		mapping := layoutMapping{
			Active: m.Active, Available: m.Available, Default: m.Default, DeveloperName: m.DeveloperName, LayoutID: m.Layout, Master: m.Master,
			Name: m.Name, Picklists: []recordPicklist{}, RecordTypeID: m.ID,
			URLs: map[string]string{"layout": c.Root() + "/sobjects/" + o.Name + "/describe/layouts/" + string(m.ID)},
		}
		for _, f := range m.Picklists {
			mapping.Picklists = append(mapping.Picklists, recordPicklist{f.Name, fieldOf(f.Described(c.Major())).PicklistValues})
		}
		reply.Mappings = append(reply.Mappings, mapping)
	}
	return wire.Reply(w, http.StatusOK, reply)
}

// layoutOfType tells the layout of a record type by itself.
func (a *API) layoutOfType(w http.ResponseWriter, c *wire.Call) error {
	o, err := a.laidOut(c, layoutable)
	if err != nil {
		return err
	}
	id, err := sf.ParseID(c.Path[4])
	if err != nil {
		return wire.NotFound()
	}
	_, page, ok := a.cfg.Layouts.Layouts(c.Caller, o).Of(id)
	if !ok {
		return wire.NotFound()
	}
	return wire.Reply(w, http.StatusOK, layoutOf(c, page))
}

func layoutOf(c *wire.Call, page org.PageLayout) layout {
	out := layout{
		ID: page.ID, Detail: sectionsOf(c, page.ID, page.Detail), Edit: sectionsOf(c, page.ID, page.Edit), MultirowEdit: []any{},
		OfflineLinks: []any{}, QuickActions: quickActions{[]any{}}, RelatedLists: []relatedList{}, SaveOptions: []any{},
	}
	for _, l := range page.Lists {
		list := relatedList{
			Buttons: []any{}, Custom: l.Field.Custom, Field: l.Field.Name, Label: l.Child.LabelPlural, Limit: org.RelatedRows, Name: l.Name,
			SObject: l.Child.Name, Sort: []relatedSort{},
		}
		for _, f := range l.Columns {
			column := relatedColumn{Field: l.Child.Name + "." + f.Name, FieldAPIName: f.Name, Label: f.Label, Name: f.Name, Sortable: f.Sortable}
			if f.NameField {
				column.LookupID = text("Id")
			}
			list.Columns = append(list.Columns, column)
		}
		if l.SortBy != nil {
			list.Sort = append(list.Sort, relatedSort{!l.Descend, l.SortBy.Name})
		}
		out.RelatedLists = append(out.RelatedLists, list)
	}
	return out
}

func sectionsOf(c *wire.Call, parent sf.ID, sections []org.PageSection) []layoutSection {
	out := []layoutSection{}
	for _, s := range sections {
		section := layoutSection{
			Columns: s.Columns, Heading: text(s.Heading), Parent: parent, Count: len(s.Rows), TabOrder: s.TabOrder(), UseHeading: s.UseHeading,
		}
		for _, row := range s.Rows {
			section.Rows = append(section.Rows, layoutRow{itemsOf(c, row), len(row)})
		}
		out = append(out, section)
	}
	return out
}

func itemsOf(c *wire.Call, items []org.PageItem) []layoutItem {
	out := []layoutItem{}
	for _, i := range items {
		item := layoutItem{
			New: i.New, Update: i.Update, Label: i.Label, Components: []layoutComponent{}, Placeholder: i.Blank(), Required: i.Required,
		}
		if i.Kind != "" {
			component := layoutComponent{DisplayLines: 1, TabOrder: i.Tab, Type: i.Kind, Value: text(i.Value)}
			if i.Field != nil {
				component = fieldComponent(c, i.Field, i.Tab)
			}
			for _, part := range i.Parts {
				component.Components = append(component.Components, fieldComponent(c, part, i.Tab))
			}
			item.Components = append(item.Components, component)
		}
		out = append(out, item)
	}
	return out
}

func fieldComponent(c *wire.Call, f *org.Field, tab int) layoutComponent {
	details := fieldOf(f.Described(c.Major()))
	return layoutComponent{
		Components: []layoutComponent{}, Details: &details, DisplayLines: 1, FieldType: details.Type, TabOrder: tab, Type: "Field", Value: &details.Name,
	}
}

type (
	compactReply struct {
		Layouts  []compactLayout   `json:"compactLayouts"`
		Default  *string           `json:"defaultCompactLayoutId"`
		Mappings []compactMapping  `json:"recordTypeCompactLayoutMappings"`
		URLs     map[string]string `json:"urls"`
	}
	compactLayout struct {
		Actions    []any        `json:"actions"`
		FieldItems []layoutItem `json:"fieldItems"`
		ID         *string      `json:"id"`
		ImageItems []layoutItem `json:"imageItems"`
		Label      string       `json:"label"`
		Name       string       `json:"name"`
		ObjectType string       `json:"objectType"`
	}
	compactMapping struct {
		Available      bool              `json:"available"`
		ID             *string           `json:"compactLayoutId"`
		Name           string            `json:"compactLayoutName"`
		RecordTypeID   sf.ID             `json:"recordTypeId"`
		RecordTypeName string            `json:"recordTypeName"`
		URLs           map[string]string `json:"urls"`
	}
)

func compactLayoutable(o *org.Object) bool { return o.CompactLayoutable }

func compactOf(c *wire.Call, o *org.Object, l org.CompactLayout) compactLayout {
	return compactLayout{
		Actions: []any{}, FieldItems: itemsOf(c, l.Items), ID: text(string(l.ID)), Label: l.Label, Name: l.Name, ObjectType: o.Name,
	}
}

func (a *API) compactLayouts(w http.ResponseWriter, c *wire.Call) error {
	o, err := a.laidOut(c, compactLayoutable)
	if err != nil {
		return err
	}
	all := a.cfg.Layouts.CompactLayouts(o)
	path := c.Root() + "/sobjects/" + o.Name + "/describe/compactLayouts/"
	reply := compactReply{
		Layouts: []compactLayout{}, Default: text(string(all.Primary.ID)), Mappings: []compactMapping{}, URLs: map[string]string{"primary": path + "primary"},
	}
	for _, l := range all.Layouts {
		reply.Layouts = append(reply.Layouts, compactOf(c, o, l))
	}
	for _, m := range all.Mappings {
		reply.Mappings = append(reply.Mappings, compactMapping{
			Available: m.Available, ID: text(string(m.Layout.ID)), Name: m.Layout.Name, RecordTypeID: m.ID, RecordTypeName: m.Name,
			URLs: map[string]string{"compactLayout": path + string(m.ID)},
		})
	}
	return wire.Reply(w, http.StatusOK, reply)
}

// compactLayoutOf tells one compact layout: the primary one, or that of a record type.
func (a *API) compactLayoutOf(w http.ResponseWriter, c *wire.Call) error {
	o, err := a.laidOut(c, compactLayoutable)
	if err != nil {
		return err
	}
	all := a.cfg.Layouts.CompactLayouts(o)
	if c.Path[4] == "primary" {
		return wire.Reply(w, http.StatusOK, compactOf(c, o, all.Primary))
	}
	id, err := sf.ParseID(c.Path[4])
	for _, m := range all.Mappings {
		if err == nil && m.ID == id {
			return wire.Reply(w, http.StatusOK, compactOf(c, o, m.Layout))
		}
	}
	return wire.NotFound()
}

// maxCompact bounds the objects of one call. Source: REST API Developer Guide, Compact Layouts.
const maxCompact = 100

// primaryCompactLayouts tells the primary compact layouts of several objects. The refusals are unverified.
func (a *API) primaryCompactLayouts(w http.ResponseWriter, c *wire.Call) error {
	names := strings.Split(c.URL.Query().Get("q"), ",")
	if len(names) > maxCompact {
		return wire.BadRequest("LIMIT_EXCEEDED", "Compact layouts of at most 100 objects can be queried at once.")
	}
	reply := map[string]compactLayout{}
	for _, name := range names {
		o, ok := a.org.DescribeFor(c.Caller, strings.TrimSpace(name))
		if !ok || !o.CompactLayoutable || a.cfg.Layouts == nil {
			return wire.BadRequest("INVALID_TYPE", "sObject type '"+strings.TrimSpace(name)+"' is not supported.")
		}
		reply[o.Name] = compactOf(c, o, a.cfg.Layouts.CompactLayouts(o).Primary)
	}
	return wire.Reply(w, http.StatusOK, reply)
}
