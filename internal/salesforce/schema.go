package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// batchParallel bounds how many composite calls are under way at once.
const batchParallel = 4

var nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

// isName reports whether text can be an API name, so that it may go into a path or query as it is.
func isName(text string) bool { return nameForm.MatchString(text) }

func unknownObject(what, object string) error {
	return problem.New(problem.NotFound, fmt.Sprintf("%s: %q is not the name of an object", what, object)).
		Hint("check the name")
}

// describedObject is the part of describe that is kept; the global list has the same flags and no
// fields.
type describedObject struct {
	Name          string `json:"name"`
	Label         string `json:"label"`
	KeyPrefix     string `json:"keyPrefix"`
	Custom        bool   `json:"custom"`
	CustomSetting bool   `json:"customSetting"`
	Queryable     bool   `json:"queryable"`
	Retrieveable  bool   `json:"retrieveable"`
	Replicateable bool   `json:"replicateable"`
	Createable    bool   `json:"createable"`
	Updateable    bool   `json:"updateable"`
	Deletable     bool   `json:"deletable"`
	Undeletable   bool   `json:"undeletable"`

	Fields   []describedField `json:"fields"`
	Children []struct {
		Child            string `json:"childSObject"`
		Field            string `json:"field"`
		CascadeDelete    bool   `json:"cascadeDelete"`
		RestrictedDelete bool   `json:"restrictedDelete"`
	} `json:"childRelationships"`
}

type describedField struct {
	Name               string   `json:"name"`
	Label              string   `json:"label"`
	Type               string   `json:"type"`
	Length             int      `json:"length"`
	Digits             int      `json:"digits"` // of an int, which has no precision
	Precision          int      `json:"precision"`
	Scale              int      `json:"scale"`
	Custom             bool     `json:"custom"`
	Nillable           bool     `json:"nillable"`
	Createable         bool     `json:"createable"`
	Updateable         bool     `json:"updateable"`
	Calculated         bool     `json:"calculated"`
	AutoNumber         bool     `json:"autoNumber"`
	DefaultedOnCreate  bool     `json:"defaultedOnCreate"`
	DefaultFormula     *string  `json:"defaultValueFormula"`
	Unique             bool     `json:"unique"`
	CaseSensitive      bool     `json:"caseSensitive"`
	ExternalID         bool     `json:"externalId"`
	IDLookup           bool     `json:"idLookup"`
	NameField          bool     `json:"nameField"`
	ReferenceTo        []string `json:"referenceTo"`
	RelationshipName   string   `json:"relationshipName"`
	RelationshipOrder  *int     `json:"relationshipOrder"`
	CascadeDelete      bool     `json:"cascadeDelete"`
	RestrictedDelete   bool     `json:"restrictedDelete"`
	CompoundFieldName  string   `json:"compoundFieldName"`
	RestrictedPicklist bool     `json:"restrictedPicklist"`
	Picklist           []struct {
		Value   string `json:"value"`
		Label   string `json:"label"`
		Active  bool   `json:"active"`
		Default bool   `json:"defaultValue"`
	} `json:"picklistValues"`
}

// object translates a describe into the shared words.
func (d *describedObject) object() *sf.Object {
	o := &sf.Object{
		Name: d.Name, Label: d.Label, KeyPrefix: d.KeyPrefix, Custom: d.Custom, CustomSetting: d.CustomSetting,
		Queryable: d.Queryable, Retrieveable: d.Retrieveable, Replicateable: d.Replicateable,
		Createable: d.Createable, Updateable: d.Updateable, Deletable: d.Deletable, Undeletable: d.Undeletable,
	}
	for i := range d.Fields {
		o.Fields = append(o.Fields, d.Fields[i].field())
	}
	for _, c := range d.Children {
		o.Children = append(o.Children, sf.ChildRelationship{
			Child: c.Child, Field: c.Field,
			CascadeDelete: c.CascadeDelete, RestrictedDelete: c.RestrictedDelete,
		})
	}
	return o
}

func (d *describedField) field() *sf.Field {
	f := &sf.Field{
		Name: d.Name, Label: d.Label, Type: sf.FieldType(d.Type), Length: d.Length, Precision: d.Precision, Scale: d.Scale,
		Custom: d.Custom, Nillable: d.Nillable, Createable: d.Createable, Updateable: d.Updateable,
		Calculated: d.Calculated, AutoNumber: d.AutoNumber, DefaultedOnCreate: d.DefaultedOnCreate,
		Unique: d.Unique, CaseSensitive: d.CaseSensitive, ExternalID: d.ExternalID, IDLookup: d.IDLookup, NameField: d.NameField,
		ReferenceTo: d.ReferenceTo, RelationshipName: d.RelationshipName,
		CascadeDelete: d.CascadeDelete, RestrictedDelete: d.RestrictedDelete,
		CompoundFieldName: d.CompoundFieldName, RestrictedPicklist: d.RestrictedPicklist,
	}
	if f.Precision == 0 {
		f.Precision = d.Digits
	}
	f.DefaultedOnCreate = f.DefaultedOnCreate || d.DefaultFormula != nil && *d.DefaultFormula != ""
	// describe counts master-details from 0 and has null for every other field.
	if d.RelationshipOrder != nil {
		f.RelationshipOrder = *d.RelationshipOrder + 1
	}
	for _, p := range d.Picklist {
		f.Picklist = append(f.Picklist, sf.PicklistValue{Value: p.Value, Label: p.Label, Active: p.Active, Default: p.Default})
	}
	return f
}

// Schema returns every object that the user sees. Objects that cannot be queried come from the
// global list, with their flags and without fields; all others are described.
func (o *Org) Schema(ctx context.Context) (*sf.Schema, error) {
	return o.schemaOf(ctx, func(string) *sf.Object { return nil })
}

// SchemaOf is Schema, but of the objects that known describes only those named are described again. An
// object that is no longer there is in neither.
func (o *Org) SchemaOf(ctx context.Context, objects []string, known *sf.Schema) (*sf.Schema, error) {
	if known.APIVersion != o.version {
		return o.Schema(ctx) // another version describes otherwise
	}
	return o.schemaOf(ctx, func(name string) *sf.Object {
		if slices.ContainsFunc(objects, func(o string) bool { return strings.EqualFold(o, name) }) {
			return nil
		}
		return known.Object(name)
	})
}

// schemaOf describes every object for which before has nothing.
func (o *Org) schemaOf(ctx context.Context, before func(name string) *sf.Object) (*sf.Schema, error) {
	listed, err := o.globalDescribe(ctx)
	if err != nil {
		return nil, err
	}
	var objects []*sf.Object
	var names []string
	for i := range listed {
		old := before(listed[i].Name)
		switch {
		case !listed[i].Queryable:
			objects = append(objects, listed[i].object())
		case old != nil && old.Queryable:
			objects = append(objects, old)
		default:
			names = append(names, listed[i].Name)
		}
	}
	described, err := o.describeAll(ctx, names)
	if err != nil {
		return nil, err
	}
	objects = append(objects, described...)
	slices.SortFunc(objects, func(a, b *sf.Object) int { return strings.Compare(a.Name, b.Name) })
	return &sf.Schema{APIVersion: o.version, Objects: objects}, nil
}

// describeAll describes objects, 25 in a call. What a call does not answer for is asked for by itself.
func (o *Org) describeAll(ctx context.Context, names []string) ([]*sf.Object, error) {
	objects := make([]*sf.Object, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(batchParallel)
	for first := 0; first < len(names); first += maxComposite {
		group.Go(func() error {
			some := names[first:min(first+maxComposite, len(names))]
			answers, err := o.each(ctx, fmt.Sprintf("describe %d objects", len(some)), some, func(name string) string {
				return o.data("sobjects/" + name + "/describe")
			})
			if err != nil {
				return err
			}
			for i, name := range some {
				var err error
				if objects[first+i], err = o.describeFrom(ctx, name, answers[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(objects, func(x *sf.Object) bool { return x == nil }), nil
}

// describeFrom takes the describe out of the answer of a batch, or asks for it. It returns nil for an
// object that was deleted since it was listed: it is not there, so it is not in the schema.
func (o *Org) describeFrom(ctx context.Context, name string, answer json.RawMessage) (*sf.Object, error) {
	var reply describedObject
	if answer != nil && json.Unmarshal(answer, &reply) == nil && strings.EqualFold(reply.Name, name) {
		return o.remember(&reply), nil
	}
	object, err := o.describe(ctx, name, true)
	if f, ok := errors.AsType[*Fault](err); ok && f.Status == http.StatusNotFound {
		return nil, nil
	}
	return object, err
}

// remember keeps a describe for what is asked later.
func (o *Org) remember(d *describedObject) *sf.Object {
	object := d.object()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.objects[strings.ToLower(d.Name)] = object
	return object
}

func (o *Org) globalDescribe(ctx context.Context) ([]describedObject, error) {
	var reply struct {
		Objects []describedObject `json:"sobjects"`
	}
	c := call{what: "list the org's objects", method: http.MethodGet, path: o.data("sobjects"), repeat: true}
	if err := o.json(ctx, c, &reply); err != nil {
		return nil, err
	}
	if len(reply.Objects) == 0 {
		return nil, problem.New(problem.NotFound, "the org shows the user no objects").
			Hint("give the user the permission \"API Enabled\" and access to its objects")
	}
	prefixes, listed := map[string]string{}, map[string]bool{}
	for i := range reply.Objects {
		d := &reply.Objects[i]
		name := strings.ToLower(d.Name)
		if listed[name] {
			return nil, o.giveUp(c.what, damaged("it lists %q twice", oneLine(d.Name)))
		}
		listed[name] = true
		if d.KeyPrefix != "" {
			prefixes[d.KeyPrefix] = d.Name
		}
	}
	o.mu.Lock()
	o.prefixes = prefixes
	o.mu.Unlock()
	return reply.Objects, nil
}

// describe returns the object as described, from memory unless fresh is set.
func (o *Org) describe(ctx context.Context, name string, fresh bool) (*sf.Object, error) {
	if !isName(name) {
		return nil, unknownObject("describe", name)
	}
	key := strings.ToLower(name)
	if !fresh {
		o.mu.Lock()
		known := o.objects[key]
		o.mu.Unlock()
		if known != nil {
			return known, nil
		}
	}
	var reply describedObject
	c := call{what: "describe " + name, method: http.MethodGet, path: o.data("sobjects/" + name + "/describe"), repeat: true}
	if err := o.json(ctx, c, &reply); err != nil {
		return nil, err
	}
	if !strings.EqualFold(reply.Name, name) {
		return nil, fmt.Errorf("describe %s: %w: it describes %q", name, errDamaged, oneLine(reply.Name))
	}
	return o.remember(&reply), nil
}

// objectOf returns the name of the object whose Ids begin as this one does, or "".
func (o *Org) objectOf(ctx context.Context, id sf.ID) (string, error) {
	o.mu.Lock()
	known := o.prefixes
	o.mu.Unlock()
	if known == nil {
		if _, err := o.globalDescribe(ctx); err != nil {
			return "", err
		}
		o.mu.Lock()
		known = o.prefixes
		o.mu.Unlock()
	}
	return known[id.KeyPrefix()], nil
}
