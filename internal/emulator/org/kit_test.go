package org_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// world is an org with the few words that tests of it need.
type world struct {
	*org.Org
	t     testing.TB
	clock *org.Clock
}

var start = time.Date(2026, 3, 2, 9, 30, 15, 0, time.UTC)

// newWorld is an org whose first user has these permissions beyond an administrator's.
func newWorld(t testing.TB, permissions ...string) *world {
	clock := org.FixedClock(start)
	return &world{Org: org.New(org.Config{Seed: 7, Clock: clock, Permissions: permissions}), t: t, clock: clock}
}

// fields reads "Name=Acme" pairs.
func fields(pairs ...string) []org.Assignment {
	var out []org.Assignment
	for _, p := range pairs {
		name, text, _ := strings.Cut(p, "=")
		out = append(out, org.Assignment{Field: name, Text: text})
	}
	return out
}

func (w *world) one(op org.Op, row org.Row, opts org.Options) org.Result {
	w.t.Helper()
	return w.Write(w.Admin(), op, []org.Row{row}, opts)[0]
}

func (w *world) add(object string, pairs ...string) sf.ID {
	w.t.Helper()
	r := w.one(org.Insert, org.Row{Object: object, Fields: fields(pairs...)}, org.Options{})
	if !r.Success {
		w.t.Fatalf("insert %s %v: %v", object, pairs, r.Errors)
	}
	return r.ID
}

func (w *world) set(id sf.ID, pairs ...string) {
	w.t.Helper()
	if r := w.one(org.Update, org.Row{ID: string(id), Fields: fields(pairs...)}, org.Options{}); !r.Success {
		w.t.Fatalf("update %s %v: %v", id, pairs, r.Errors)
	}
}

func (w *world) do(op org.Op, ids ...sf.ID) {
	w.t.Helper()
	for _, id := range ids {
		if r := w.one(op, org.Row{ID: string(id)}, org.Options{}); !r.Success {
			w.t.Fatalf("op %d of %s: %v", op, id, r.Errors)
		}
	}
}

// refused does one row and expects the code; it returns the message.
func (w *world) refused(code string, op org.Op, row org.Row) string {
	w.t.Helper()
	return w.refusedWith(code, op, row, org.Options{})
}

func (w *world) refusedWith(code string, op org.Op, row org.Row, opts org.Options) string {
	w.t.Helper()
	r := w.one(op, row, opts)
	if r.Success || len(r.Errors) != 1 || r.Errors[0].Code != code {
		w.t.Fatalf("op %d of %+v: %+v, want %s", op, row, r, code)
	}
	return r.Errors[0].Message
}

func (w *world) answer(text string, all bool) *org.Answer {
	w.t.Helper()
	q, err := soql.Parse(text)
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	a, err := w.Query(w.Admin(), q, all)
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	return a
}

// rows runs a query and returns its rows, the columns joined by "|".
func (w *world) rows(text string) []string { return w.lines(text, false) }

func (w *world) lines(text string, all bool) []string {
	w.t.Helper()
	a := w.answer(text, all)
	out := []string{}
	for i := range a.Len() {
		var cells []string
		for c := range a.Columns {
			cells = append(cells, a.Text(i, c))
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return out
}

// wants runs a query and compares its rows.
func (w *world) wants(text string, want ...string) {
	w.t.Helper()
	if have := w.rows(text); !slices.Equal(have, append([]string{}, want...)) {
		w.t.Errorf("%s\n have %q\n want %q", text, have, want)
	}
}

func (w *world) queryError(text string) string {
	w.t.Helper()
	q, err := soql.Parse(text)
	if err == nil {
		_, err = w.Query(w.Admin(), q, false)
	}
	if err == nil {
		w.t.Fatalf("%s: no error", text)
	}
	return err.Error()
}

// value reads one field of one record.
func (w *world) value(id sf.ID, field string) string {
	w.t.Helper()
	object, _ := w.ObjectOf(id)
	have := w.rows("SELECT " + field + " FROM " + object.Name + " WHERE Id = '" + string(id) + "'")
	if len(have) != 1 {
		w.t.Fatalf("%s: %d rows", id, len(have))
	}
	return have[0]
}

// change runs a transaction on the schema that must succeed.
func (w *world) change(f func(tx *org.Tx) error) {
	w.t.Helper()
	if err := w.Change(w.Admin(), f); err != nil {
		w.t.Fatal(err)
	}
}

// object makes a custom object with fields.
func (w *world) object(name string, specs ...org.FieldSpec) {
	w.t.Helper()
	w.change(func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{Name: name, Label: name, LabelPlural: name + "s", Kind: org.CustomObject}); err != nil {
			return err
		}
		return putFields(tx, name, specs...)
	})
}

func (w *world) fields(object string, specs ...org.FieldSpec) {
	w.t.Helper()
	w.change(func(tx *org.Tx) error { return putFields(tx, object, specs...) })
}

func putFields(tx *org.Tx, object string, specs ...org.FieldSpec) error {
	for _, s := range specs {
		if s.Label == "" {
			s.Label = s.Name
		}
		if _, err := tx.PutField(object, s); err != nil {
			return err
		}
	}
	tx.Finish(object)
	return nil
}

func lookup(name, target, kids, constraint string) org.FieldSpec {
	return org.FieldSpec{Name: name, Type: "Lookup", ReferenceTo: target, RelationshipName: kids, DeleteConstraint: constraint}
}

func detail(name, target, kids string) org.FieldSpec {
	return org.FieldSpec{Name: name, Type: "MasterDetail", ReferenceTo: target, RelationshipName: kids}
}

func number(name string, scale int) org.FieldSpec {
	return org.FieldSpec{Name: name, Type: "Number", Precision: 18, Scale: scale}
}

func words(name string, length int) org.FieldSpec {
	return org.FieldSpec{Name: name, Type: "Text", Length: length}
}
