package snapshot

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
)

const schemaFormat = "holdfast-schema/1"

// The lines of a schema; docs/format/snapshot.md, "Schema". Members that are false, zero or empty
// are left out.
type (
	schemaHead struct {
		Format     string `json:"format"`
		APIVersion string `json:"apiVersion"`
		Objects    int    `json:"objects"`
	}
	objectLine struct {
		Name          string      `json:"name"`
		Label         string      `json:"label,omitempty"`
		KeyPrefix     string      `json:"keyPrefix,omitempty"`
		Custom        bool        `json:"custom,omitempty"`
		CustomSetting bool        `json:"customSetting,omitempty"`
		Queryable     bool        `json:"queryable,omitempty"`
		Retrieveable  bool        `json:"retrieveable,omitempty"`
		Replicateable bool        `json:"replicateable,omitempty"`
		Createable    bool        `json:"createable,omitempty"`
		Updateable    bool        `json:"updateable,omitempty"`
		Deletable     bool        `json:"deletable,omitempty"`
		Undeletable   bool        `json:"undeletable,omitempty"`
		Fields        []fieldLine `json:"fields,omitempty"`
		Children      []childLine `json:"children,omitempty"`
	}
	fieldLine struct {
		Name               string         `json:"name"`
		Label              string         `json:"label,omitempty"`
		Type               string         `json:"type"`
		Length             int            `json:"length,omitempty"`
		Precision          int            `json:"precision,omitempty"`
		Scale              int            `json:"scale,omitempty"`
		Custom             bool           `json:"custom,omitempty"`
		Nillable           bool           `json:"nillable,omitempty"`
		Createable         bool           `json:"createable,omitempty"`
		Updateable         bool           `json:"updateable,omitempty"`
		Calculated         bool           `json:"calculated,omitempty"`
		AutoNumber         bool           `json:"autoNumber,omitempty"`
		DefaultedOnCreate  bool           `json:"defaultedOnCreate,omitempty"`
		Unique             bool           `json:"unique,omitempty"`
		CaseSensitive      bool           `json:"caseSensitive,omitempty"`
		ExternalID         bool           `json:"externalId,omitempty"`
		IDLookup           bool           `json:"idLookup,omitempty"`
		NameField          bool           `json:"nameField,omitempty"`
		ReferenceTo        []string       `json:"referenceTo,omitempty"`
		RelationshipName   string         `json:"relationshipName,omitempty"`
		RelationshipOrder  int            `json:"relationshipOrder,omitempty"`
		CascadeDelete      bool           `json:"cascadeDelete,omitempty"`
		RestrictedDelete   bool           `json:"restrictedDelete,omitempty"`
		CompoundFieldName  string         `json:"compoundFieldName,omitempty"`
		RestrictedPicklist bool           `json:"restrictedPicklist,omitempty"`
		Picklist           []picklistLine `json:"picklist,omitempty"`
	}
	picklistLine struct {
		Value   string `json:"value"`
		Label   string `json:"label,omitempty"`
		Active  bool   `json:"active,omitempty"`
		Default bool   `json:"default,omitempty"`
	}
	childLine struct {
		Child            string `json:"child"`
		Field            string `json:"field,omitempty"`
		CascadeDelete    bool   `json:"cascadeDelete,omitempty"`
		RestrictedDelete bool   `json:"restrictedDelete,omitempty"`
	}
)

func writeObject(o *sf.Object) objectLine {
	l := objectLine{
		Name: o.Name, Label: o.Label, KeyPrefix: o.KeyPrefix, Custom: o.Custom, CustomSetting: o.CustomSetting,
		Queryable: o.Queryable, Retrieveable: o.Retrieveable, Replicateable: o.Replicateable,
		Createable: o.Createable, Updateable: o.Updateable, Deletable: o.Deletable, Undeletable: o.Undeletable,
	}
	for _, f := range o.Fields {
		l.Fields = append(l.Fields, writeField(f))
	}
	for _, c := range o.Children {
		l.Children = append(l.Children, childLine(c))
	}
	return l
}

func writeField(f *sf.Field) fieldLine {
	l := fieldLine{
		Name: f.Name, Label: f.Label, Type: string(f.Type), Length: f.Length, Precision: f.Precision, Scale: f.Scale,
		Custom: f.Custom, Nillable: f.Nillable, Createable: f.Createable, Updateable: f.Updateable,
		Calculated: f.Calculated, AutoNumber: f.AutoNumber, DefaultedOnCreate: f.DefaultedOnCreate,
		Unique: f.Unique, CaseSensitive: f.CaseSensitive, ExternalID: f.ExternalID, IDLookup: f.IDLookup,
		NameField: f.NameField, ReferenceTo: f.ReferenceTo, RelationshipName: f.RelationshipName,
		RelationshipOrder: f.RelationshipOrder, CascadeDelete: f.CascadeDelete,
		RestrictedDelete: f.RestrictedDelete, CompoundFieldName: f.CompoundFieldName,
		RestrictedPicklist: f.RestrictedPicklist,
	}
	for _, p := range f.Picklist {
		l.Picklist = append(l.Picklist, picklistLine(p))
	}
	return l
}

func readObject(l objectLine) *sf.Object {
	o := &sf.Object{
		Name: l.Name, Label: l.Label, KeyPrefix: l.KeyPrefix, Custom: l.Custom, CustomSetting: l.CustomSetting,
		Queryable: l.Queryable, Retrieveable: l.Retrieveable, Replicateable: l.Replicateable,
		Createable: l.Createable, Updateable: l.Updateable, Deletable: l.Deletable, Undeletable: l.Undeletable,
	}
	for _, f := range l.Fields {
		o.Fields = append(o.Fields, readField(f))
	}
	for _, c := range l.Children {
		o.Children = append(o.Children, sf.ChildRelationship(c))
	}
	return o
}

func readField(l fieldLine) *sf.Field {
	f := &sf.Field{
		Name: l.Name, Label: l.Label, Type: sf.FieldType(l.Type), Length: l.Length, Precision: l.Precision, Scale: l.Scale,
		Custom: l.Custom, Nillable: l.Nillable, Createable: l.Createable, Updateable: l.Updateable,
		Calculated: l.Calculated, AutoNumber: l.AutoNumber, DefaultedOnCreate: l.DefaultedOnCreate,
		Unique: l.Unique, CaseSensitive: l.CaseSensitive, ExternalID: l.ExternalID, IDLookup: l.IDLookup,
		NameField: l.NameField, ReferenceTo: l.ReferenceTo, RelationshipName: l.RelationshipName,
		RelationshipOrder: l.RelationshipOrder, CascadeDelete: l.CascadeDelete,
		RestrictedDelete: l.RestrictedDelete, CompoundFieldName: l.CompoundFieldName,
		RestrictedPicklist: l.RestrictedPicklist,
	}
	for _, p := range l.Picklist {
		f.Picklist = append(f.Picklist, sf.PicklistValue(p))
	}
	return f
}

// putSchema stores the schema and returns its Id and the bytes that were new.
// That of the parent is taken over when it is the same.
func putSchema(ctx context.Context, r *repo.Repository, s *sf.Schema, parent *Snapshot) (seal.ID, int64, error) {
	var d documentWriter
	if err := d.add(schemaHead{Format: schemaFormat, APIVersion: s.APIVersion, Objects: len(s.Objects)}); err != nil {
		return seal.ID{}, 0, err
	}
	objects := slices.Clone(s.Objects)
	slices.SortFunc(objects, compareObjects)
	for i, o := range objects {
		if i > 0 && objects[i-1].Name == o.Name {
			return seal.ID{}, 0, fmt.Errorf("schema: two objects %s", o.Name)
		}
		if err := d.add(writeObject(o)); err != nil {
			return seal.ID{}, 0, fmt.Errorf("schema of %s: %w", o.Name, err)
		}
	}
	if err := d.end(); err != nil {
		return seal.ID{}, 0, err
	}
	if parent != nil {
		same, err := r.Is(ctx, repo.Ref{Class: classSchema, ID: parent.manifest.schema}, d.frames)
		if err != nil || same {
			return parent.manifest.schema, 0, err
		}
	}
	stored, err := r.Put(ctx, classSchema, d.frames)
	if err != nil {
		return seal.ID{}, 0, err
	}
	if stored.New {
		return stored.Ref.ID, stored.Size, nil
	}
	return stored.Ref.ID, 0, nil
}

func compareObjects(a, b *sf.Object) int {
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	}
	return 0
}

// schemaMemo keeps the schema that was parsed last: snapshots in a row mostly have the same, and an org
// describes hundreds of objects.
type schemaMemo struct {
	mu     sync.Mutex // guards what follows
	id     seal.ID
	schema *sf.Schema
}

// load reads a schema. One that is remembered is read and authenticated all the same, so that damage
// shows, and only not parsed.
func (m *schemaMemo) load(ctx context.Context, r *repo.Repository, id seal.ID) (*sf.Schema, error) {
	object, err := r.Open(ctx, repo.Ref{Class: classSchema, ID: id})
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	known := m.schema
	if m.id != id {
		known = nil
	}
	m.mu.Unlock()
	if known != nil {
		for i := range object.Frames() {
			if _, err := object.Frame(ctx, i); err != nil {
				return nil, err
			}
		}
		return known, nil
	}
	s, err := parseSchema(ctx, object)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id, m.schema = id, s
	return s, nil
}

// loadSchema reads a schema, whatever is remembered.
func loadSchema(ctx context.Context, r *repo.Repository, id seal.ID) (*sf.Schema, error) {
	return (&schemaMemo{}).load(ctx, r, id)
}

func parseSchema(ctx context.Context, object *repo.Object) (*sf.Schema, error) {
	var head schemaHead
	if err := readHead(ctx, object, &head); err != nil {
		return nil, err
	}
	if head.Format != schemaFormat {
		return nil, damaged(object.Ref(), fmt.Errorf("%w: format %.40q, this program knows %s", errWire, head.Format, schemaFormat))
	}
	s := &sf.Schema{APIVersion: head.APIVersion}
	for line, err := range readLines(ctx, object) {
		if err != nil {
			return nil, err
		}
		var l objectLine
		if err := decodeLine(line, &l); err != nil {
			return nil, damaged(object.Ref(), err)
		}
		s.Objects = append(s.Objects, readObject(l))
	}
	if len(s.Objects) != head.Objects || !slices.IsSortedFunc(s.Objects, compareObjects) {
		return nil, damaged(object.Ref(), fmt.Errorf("%w: %d objects, or out of order", errWire, len(s.Objects)))
	}
	return s, nil
}
