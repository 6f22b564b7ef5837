package org

import (
	"slices"

	"holdfast/internal/sf"
)

// PageLayout is the page of a record as one user meets it: fields that the user does not see are not on it.
type PageLayout struct {
	ID     sf.ID
	Detail []PageSection // of the page that shows a record
	Edit   []PageSection // of the page that takes one
	Lists  []RelatedList
}

// PageSection is one section of a page, its items row by row.
type PageSection struct {
	Heading    string
	UseHeading bool
	Columns    int
	Across     bool // the tab key goes from left to right, not down the columns
	Rows       [][]PageItem
}

// PageItem is one place of a section. One without a kind is blank.
type PageItem struct {
	Label    string
	Kind     string // of layoutComponentType: Field, CustomLink …
	Value    string // the name of what stands there
	Field    *Field // of the kind Field
	Parts    []*Field
	Required bool
	New      bool // takes a value for a new record
	Update   bool // takes another value
	Tab      int
}

// RelatedList is a list of children on the page of a record.
type RelatedList struct {
	Child   *Object
	Field   *Field // by which the children refer to the record
	Name    string // of the relationship
	Columns []*Field
	SortBy  *Field // nil: the layout does not say
	Descend bool
}

// PageMapping says which layout the records of a record type have.
type PageMapping struct {
	RecordType
	Layout    sf.ID
	Picklists []*Field // with the values that the record type offers
}

// Pages are the layouts of an object that a user meets, and which record type has which.
type Pages struct {
	Layouts  []PageLayout // each once, in the order of the mappings
	Mappings []PageMapping
}

// Of returns the mapping and the layout of a record type. An object without record types has a layout and no mapping,
// and the master record type stands for it. Source: Salesforce Inspector, which asks so of any object with layouts.
func (p Pages) Of(recordType sf.ID) (PageMapping, PageLayout, bool) {
	if len(p.Mappings) == 0 && recordType == masterRecordType {
		return PageMapping{}, p.Layouts[0], true
	}
	for _, m := range p.Mappings {
		if m.ID != recordType {
			continue
		}
		i := slices.IndexFunc(p.Layouts, func(l PageLayout) bool { return l.ID == m.Layout })
		return m, p.Layouts[i], true
	}
	return PageMapping{}, PageLayout{}, false
}

// Choice reports that a new record begins with the question which record type it has: the user may choose among
// several. The master record type is no choice where there are others.
func (p Pages) Choice() bool {
	n := 0
	for _, m := range p.Mappings {
		if m.Available && !m.Master {
			n++
		}
	}
	return n > 1
}

// CompactLayout is what stands at the head of a record. The platform's own has no Id.
type CompactLayout struct {
	ID    sf.ID
	Name  string
	Label string
	Items []PageItem
}

// CompactMapping says which compact layout the records of a record type have.
type CompactMapping struct {
	RecordType
	Layout CompactLayout
}

// CompactLayouts are the compact layouts of an object.
type CompactLayouts struct {
	Layouts  []CompactLayout
	Primary  CompactLayout
	Mappings []CompactMapping
}

// ListView is a view of the records of an object.
type ListView struct {
	ID         sf.ID
	Name       string
	Label      string
	Compatible bool // it can be said in SOQL, as far as the emulator can say it
	Mine       bool // the records of the user alone
	Columns    []ListColumn
	Conditions []ListCondition // all of which hold
}

// ListColumn is a column of a list view.
type ListColumn struct {
	Path  string // from the object: Name, Owner.Alias
	Field *Field
	Label string
}

// ListCondition is one filter of a list view; several values are alternatives, or of what is denied all.
type ListCondition struct {
	Field    *Field
	Operator string // of FilterItem in the metadata WSDL
	Values   []string
}

// PicklistsOf returns the picklists of the object with the values that a record type offers.
func (o *Object) PicklistsOf(recordType sf.ID) []*Field {
	var out []*Field
	lists := o.availability[string(recordType)]
	for _, f := range o.Fields {
		if f.Type != sf.TypePicklist && f.Type != sf.TypeMultipicklist {
			continue
		}
		c := *f
		if values, ok := lists[fold(f.Name)]; ok {
			c.Picklist = slices.DeleteFunc(slices.Clone(f.Picklist), func(v PicklistValue) bool { return !slices.Contains(values, fold(v.Value)) })
		}
		out = append(out, &c)
	}
	return out
}

// RelatedRows is how many rows of a related list a page shows; unverified.
const RelatedRows = 5

// TabOrder says in the words of the WSDL which way the tab key goes.
func (s PageSection) TabOrder() string {
	if s.Across {
		return "LeftToRight"
	}
	return "TopToBottom"
}

// Blank reports a place where nothing stands.
func (i PageItem) Blank() bool { return i.Kind == "" || i.Kind == "EmptySpace" }
