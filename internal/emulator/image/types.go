package image

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"
)

// Shared marks types that never change once others can see them. A copy refers to the same ones.
type Shared interface{ ImageShared() }

// Thawer is told when it has been read or copied, with everything that it refers to.
type Thawer interface{ Thaw() }

var (
	sharedType = reflect.TypeFor[Shared]()
	thawerType = reflect.TypeFor[Thawer]()
	timeType   = reflect.TypeFor[time.Time]()
	writerType = reflect.TypeFor[encoding.TextMarshaler]()
	readerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// textual reports a type of pointers whose targets say themselves what they are in text, such as a
// parsed formula, and are made again from it.
func textual(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Implements(writerType) && t.Implements(readerType)
}

// tag is the key of struct tags; "-" leaves a field out.
const tag = "image"

// transient reports a field that is not part of an image: tagged so, or a lock.
func transient(f reflect.StructField) bool {
	return f.Tag.Get(tag) == "-" || f.Type.PkgPath() == "sync"
}

// plan is what is known of a struct type: the positions of its fields that are part of an image.
var plans sync.Map // reflect.Type to []int

func fieldsOf(t reflect.Type) []int {
	if p, ok := plans.Load(t); ok {
		return p.([]int)
	}
	var fields []int
	for i := range t.NumField() {
		if !transient(t.Field(i)) {
			fields = append(fields, i)
		}
	}
	plans.Store(t, fields)
	return fields
}

// walk visits every type that can be reached from t without going through an interface.
func walk(t reflect.Type, seen map[reflect.Type]bool, visit func(t reflect.Type, path string), path string) {
	if seen[t] {
		return
	}
	seen[t] = true
	visit(t, path)
	if t == timeType || textual(t) {
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		walk(t.Elem(), seen, visit, path)
	case reflect.Map:
		walk(t.Key(), seen, visit, path)
		walk(t.Elem(), seen, visit, path)
	case reflect.Struct:
		for _, i := range fieldsOf(t) {
			f := t.Field(i)
			walk(f.Type, seen, visit, t.String()+"."+f.Name)
		}
	}
}

// Check lists the fields, below the type of root and the concrete types, that can neither be written
// nor are left out by their tag.
func Check(root any, concrete ...any) []string {
	var bad []string
	seen := map[reflect.Type]bool{}
	for _, v := range append([]any{root}, concrete...) {
		walk(reflect.TypeOf(v), seen, func(t reflect.Type, path string) {
			switch t.Kind() {
			case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Uintptr, reflect.Complex64, reflect.Complex128:
				bad = append(bad, path+" is a "+t.Kind().String())
			}
		}, reflect.TypeOf(v).String())
	}
	sort.Strings(bad)
	return bad
}

// fingerprint is a digest of all types below the root and the concrete types.
func fingerprint(root reflect.Type, concrete []reflect.Type) string {
	var lines []string
	seen := map[reflect.Type]bool{}
	for _, t := range append([]reflect.Type{root}, concrete...) {
		walk(t, seen, func(t reflect.Type, _ string) {
			line := t.PkgPath() + " " + t.String() + " " + t.Kind().String()
			if t.Kind() == reflect.Struct && t != timeType {
				for _, i := range fieldsOf(t) {
					line += ";" + t.Field(i).Name + " " + t.Field(i).Type.String()
				}
			}
			lines = append(lines, line)
		}, "")
	}
	sort.Strings(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:8])
}

// typesOf returns the concrete types by name.
func typesOf(concrete []any) map[string]reflect.Type {
	byName := map[string]reflect.Type{}
	for _, v := range concrete {
		t := reflect.TypeOf(v)
		byName[t.String()] = t
	}
	return byName
}

func unknownType(t reflect.Type) error {
	return fmt.Errorf("image: %s is in an interface and not among the concrete types", t)
}
