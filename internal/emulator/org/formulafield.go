package org

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"holdfast/internal/emulator/formula"
)

// compile reads the formula of a field. What it names is checked by Finish, when all fields are there.
// A text that is no formula is refused, in the words of public deploy results.
func (f *Field) compile(spec FieldSpec) *Error {
	if n := utf8.RuneCountInString(spec.Formula); n > formula.MaxLength {
		return fault("STRING_TOO_LONG", fmt.Sprintf("Error: Formula is too long (%d characters).  Maximum length is %d characters", n, formula.MaxLength))
	}
	parsed, err := formula.Parse(spec.Formula)
	if err != nil {
		return fault("FIELD_INTEGRITY_EXCEPTION", "Error: "+err.Error())
	}
	f.formula = &compiled{parsed, spec.BlankAsZero}
	f.FormulaUnread = len(parsed.Unread()) > 0
	return nil
}

// FormulaProblem is what Finish finds wrong with a formula field. Fatal is what the platform refuses;
// otherwise the formula is right and cannot be computed here.
type FormulaProblem struct {
	Field    string
	Message  string
	Fatal    bool
	Computed bool // all the same, with a blank in the place of what is not there
}

// ReadAgain looks again at formulas that could not be computed, because something that they name was not
// there: it may have come since.
func (t *Tx) ReadAgain() {
	for _, key := range slices.Collect(maps.Keys(t.schema.objects)) {
		o := t.schema.objects[key]
		for i, f := range o.Fields {
			if f.formula == nil || !f.FormulaUnread {
				continue
			}
			if p := t.checkFormula(o, f); p != nil && !p.Computed {
				continue
			}
			o = t.schema.edit(o)
			c := *f
			c.FormulaUnread = false
			o.Fields[i] = &c
		}
	}
}

// checkFormula checks what a formula field names and of what type it is.
func (t *Tx) checkFormula(o *Object, f *Field) *FormulaProblem {
	if unread := f.formula.of.Unread(); len(unread) > 0 {
		return &FormulaProblem{Field: f.Name, Message: "Function " + unread[0] + " is not computed by this org: the field reads as null"}
	}
	if t.reaches(o, f, f.Name, map[string]bool{}) { // the words are unverified
		return &FormulaProblem{Field: f.Name, Fatal: true, Message: "Error: The formula references itself, directly or through other formulas"}
	}
	if n := t.compiledSize(o, f, 0); n > formula.MaxCompiled {
		return &FormulaProblem{Field: f.Name, Fatal: true, Message: fmt.Sprintf(
			"Error: Compiled formula is too big to execute (%d characters). Maximum size is %d characters", n, formula.MaxCompiled)}
	}
	_, err := f.formula.of.Check(t.schema.lookUp(o), formula.Field, formulaType(f))
	var missing *formula.MissingFieldError
	switch {
	case err == nil:
		for _, path := range f.formula.of.Fields() {
			if _, ok := t.schema.labels[labelKey(path[1:])]; fold(path[0]) == "$label" && !ok {
				return &FormulaProblem{Field: f.Name, Message: "Label " + strings.Join(path[1:], ".") + " is not in this org: it reads as blank", Computed: true}
			}
		}
		return nil
	case errors.As(err, &missing) && !customPath(missing.Path):
		// A standard field or label that this org lacks and a real one may have.
		return &FormulaProblem{Field: f.Name, Message: err.Error() + " The field reads as null in this org"}
	}
	return &FormulaProblem{Field: f.Name, Message: "Error: " + err.Error(), Fatal: true}
}

// customPath reports a path that ends at a custom field, which a deploy would have brought.
func customPath(path []string) bool {
	return !strings.HasPrefix(path[0], "$") && strings.HasSuffix(fold(path[len(path)-1]), "__c")
}

// lookUp tells formulas the types of the fields of an object.
func (s *schema) lookUp(o *Object) formula.Schema {
	return func(path []string) (formula.Type, bool) {
		if strings.HasPrefix(path[0], "$") {
			return s.globalType(path)
		}
		t := s.pathType(o, path)
		return t, t != formula.TypeNull
	}
}

// reaches reports whether a formula uses the field of that name, itself or through other formulas of the object.
func (t *Tx) reaches(o *Object, f *Field, name string, seen map[string]bool) bool {
	seen[f.Name] = true
	for _, path := range f.formula.of.Fields() {
		if len(path) != 1 {
			continue
		}
		used := t.schema.formulaField(o, path[0])
		if used == nil || used.formula == nil {
			continue
		}
		if used.Name == name || !seen[used.Name] && t.reaches(o, used, name, seen) {
			return true
		}
	}
	return false
}

// compiledSize is the length of a formula with the formulas that it uses in their places.
func (t *Tx) compiledSize(o *Object, f *Field, depth int) int {
	n := len(f.formula.of.Text())
	if depth > maxFormulaChain || n > formula.MaxCompiled {
		return n
	}
	for _, path := range f.formula.of.Fields() {
		if len(path) != 1 {
			continue
		}
		if used := t.schema.formulaField(o, path[0]); used != nil && used.formula != nil && used.Name != f.Name {
			if n += t.compiledSize(o, used, depth+1); n > formula.MaxCompiled {
				return n
			}
		}
	}
	return n
}
