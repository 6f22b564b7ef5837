package org

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/internal/sf"
)

// schema is the objects of one org at one moment. Once published it is never changed: a transaction
// works on a copy, in which only the objects that it touches are copied too.
type schema struct {
	objects  map[string]*Object // by folded API name
	prefixes map[string]*Object
	sets     map[string][]PicklistValue // standard and global value sets, by name
	kids     map[string][]childRef      // by folded name of the parent
	sorted   []*Object
	labels   map[string]string // custom labels by folded name
	changed  time.Time         // zero: never since the org was made
	// published counts how often publish has derived what follows from the fields.
	published int
}

// childRef is a reference as the parent sees it.
type childRef struct {
	child string // folded name
	field *Field
}

func (s *schema) object(name string) *Object { return s.objects[fold(name)] }

func (s *schema) copy() *schema {
	return &schema{objects: maps.Clone(s.objects), sets: maps.Clone(s.sets), labels: s.labels}
}

// edit returns a private copy of the object that the caller may change until publish.
func (s *schema) edit(o *Object) *Object {
	c := *o
	c.Fields = slices.Clone(o.Fields)
	c.RecordTypes = slices.Clone(o.RecordTypes)
	c.byName = nil
	s.objects[fold(o.Name)] = &c
	return &c
}

// masterRecordType is the Id of the record type that every object has.
// Source: recordTypeInfos of the describes of Contact and Account.
const masterRecordType sf.ID = "012000000000000AAA"

// standardSchemas are the schemas of new orgs by their features. A schema is never changed once it is
// published, so all orgs share them.
var standardSchemas sync.Map // of Features to *schema

// standardOrgSchema is the schema of a new org with these features.
func standardOrgSchema(features Features) *schema {
	if s, ok := standardSchemas.Load(features); ok {
		return s.(*schema)
	}
	shared, _ := standardSchemas.LoadOrStore(features, newStandardSchema(loadStandard(), features))
	return shared.(*schema)
}

func newStandardSchema(std *standardSchema, features Features) *schema {
	s := &schema{objects: map[string]*Object{}, sets: maps.Clone(std.sets)}
	for _, o := range std.objects {
		if o.feature != "" && !features.on(o.feature) {
			continue
		}
		c := *o
		c.Fields = nil
		for _, f := range o.Fields {
			if f.feature == "" || features.on(f.feature) {
				c.Fields = append(c.Fields, narrowed(&c, f, features))
			}
		}
		if c.takesRecordTypes() {
			c.RecordTypes = []RecordType{{
				ID: masterRecordType, Name: "Master", DeveloperName: "Master",
				Active: true, Available: true, Default: true, Master: true,
			}}
		}
		s.objects[fold(c.Name)] = &c
	}
	s.publish()
	return s
}

// narrowed is a field as the features of the org make it. Without shared activities an event is related to
// people alone: describes of Account, Case and Opportunity are no parents of EventRelation, that of Lead is;
// what events change has all targets in any org. Where accounts can be persons, describe calls their name
// nillable, though a business still needs one: describe of Account.
func narrowed(o *Object, f *Field, features Features) *Field {
	c := *f
	switch {
	case o.Name == "EventRelation" && f.Name == "RelationId" && !features.SharedActivities:
		c.ReferenceTo = invitees
	case o.Name == "Account" && f.Name == "Name" && features.PersonAccounts:
		c.Nillable, c.needed = true, true
	default:
		return f
	}
	return &c
}

// takesRecordTypes reports an object that can have record types: one with layouts that people open.
// Source: recordTypeInfos of OpportunityContactRole, which has a layout and none; for objects other
// than those of the describes it is unverified.
func (o *Object) takesRecordTypes() bool {
	return o.Layoutable && (o.MruEnabled || o.Name == "CampaignMember")
}

// recordTypeAfter names the field after which RecordTypeId stands, for objects where that is not the name.
// Source: describe of Account with record types; the others are unverified.
var recordTypeAfter = map[string]string{"Account": "Type", "Case": "Type", "Opportunity": "AccountId", "Task": "Id", "Event": "Id"}

// recordTypeAt is the position of RecordTypeId in describe order.
func (o *Object) recordTypeAt() int {
	after := recordTypeAfter[o.Name]
	i := slices.IndexFunc(o.Fields, func(f *Field) bool {
		return f.Name == after || after == "" && f.NameField && f.CompoundFieldName == ""
	})
	if i < 0 {
		return len(o.Fields)
	}
	return i + 1
}

// publish derives what follows from the fields: positions, child relationships, prefixes.
func (s *schema) publish() {
	s.published++
	s.prefixes, s.kids, s.sorted = map[string]*Object{}, map[string][]childRef{}, nil
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		o := s.objects[key]
		s.sorted = append(s.sorted, o)
		if o.KeyPrefix != "" {
			s.prefixes[o.KeyPrefix] = o
		}
		if o.byName == nil {
			o.settle()
		}
		for _, f := range o.Fields {
			for _, target := range f.ReferenceTo {
				s.kids[fold(target)] = append(s.kids[fold(target)], childRef{child: key, field: f})
			}
		}
	}
	slices.SortFunc(s.sorted, func(a, b *Object) int { return strings.Compare(a.Name, b.Name) })
	s.shareObjects()
}

// settle gives the fields of a new version of an object their positions. An object that has been
// published once is never touched again, because others may hold it.
func (o *Object) settle() {
	o.byName = make(map[string]int, len(o.Fields))
	o.choosy, o.filtered, o.defaulted, o.rich = o.availability != nil, nil, nil, nil
	for i, f := range o.Fields {
		o.choosy = o.choosy || f.RestrictedPicklist && f.ControllerName != ""
		if f.filter != nil {
			o.filtered = append(o.filtered, i)
		}
		if f.HTMLFormatted && stored(f) {
			o.rich = append(o.rich, i)
		}
		if f.initial != nil || f.Type == sf.TypePicklist && f.Createable && slices.ContainsFunc(f.Picklist, PicklistValue.chosen) {
			o.defaulted = append(o.defaulted, i)
		}
		o.byName[fold(f.Name)] = i
		if f.column < 0 && stored(f) {
			c := *f
			c.column = o.width
			o.width++
			o.Fields[i] = &c
		}
	}
}

// shareObjects gives each object its list of children. An object whose list would change is copied,
// because others may hold it.
func (s *schema) shareObjects() {
	for i, o := range s.sorted {
		var list []ChildRelationship
		for _, ref := range s.kids[fold(o.Name)] {
			child := s.objects[ref.child]
			if child.Kind == CustomMetadata && o.Kind != CustomMetadata {
				continue // metadata relationships are no child relationships of what they name
			}
			if ref.field.Name == "MasterRecordId" {
				continue // no describe lists what was merged into a record
			}
			list = append(list, ChildRelationship{
				Child: child.Name, Field: ref.field.Name, RelationshipName: ref.field.link.kids,
				CascadeDelete: ref.field.link.cascade && !ref.field.link.tacit, RestrictedDelete: ref.field.link.restrict,
			})
		}
		list = append(list, s.personal(o)...)
		slices.SortStableFunc(list, func(a, b ChildRelationship) int {
			return cmp.Or(strings.Compare(a.Child, b.Child), strings.Compare(a.Field, b.Field))
		})
		if slices.Equal(list, o.Children) {
			continue
		}
		c := *o
		c.Children = list
		s.objects[fold(o.Name)], s.sorted[i] = &c, &c
		if c.KeyPrefix != "" {
			s.prefixes[c.KeyPrefix] = &c
		}
	}
}

// personal are the child relationships that an account has by the contact of a person: all of Contact's but
// its own associated objects and what contacts themselves refer to, under names that begin with Person and end in
// __pr where they would end in __r. Source: describe of an Account with person accounts, held against
// that of Contact; Object Reference, "Person Account Fields".
func (s *schema) personal(account *Object) []ChildRelationship {
	if account.Name != "Account" || account.Field("PersonContactId") == nil {
		return nil
	}
	taken := map[string]bool{}
	for _, ref := range s.kids["account"] {
		taken[ref.child+"."+ref.field.Name] = true
	}
	var list []ChildRelationship
	for _, ref := range s.kids["contact"] {
		child, f := s.objects[ref.child], ref.field
		switch {
		case taken[ref.child+"."+f.Name], child.Kind == CustomMetadata, notPersonal[child.Name],
			child.AssociateParentEntity == "Contact" && child.AssociateEntityType != "ChangeEvent":
			continue
		}
		name := f.link.kids
		if custom, ok := strings.CutSuffix(name, "__r"); ok {
			name = custom + "__pr"
		} else if name != "" {
			name = "Person" + name
		}
		list = append(list, ChildRelationship{
			Child: child.Name, Field: f.Name, RelationshipName: name, OfPerson: true,
			CascadeDelete: f.link.cascade && !f.link.tacit, RestrictedDelete: f.link.restrict,
		})
	}
	return list
}

// notPersonal are the objects that refer to contacts and are no children of a person. Source: the same.
var notPersonal = map[string]bool{
	"Account": true, "Contact": true, "CaseTeamMember": true, "CaseTeamTemplateMember": true, "EventRelation": true,
	"NetworkFeedResponseMetric": true,
}

// stored reports a field whose value is kept in the record, as against Id, compounds and what is
// computed on read.
func stored(f *Field) bool {
	return f.Type != sf.TypeID && !f.Type.IsCompound() && !f.Calculated && f.derive == nil
}
