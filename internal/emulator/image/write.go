package image

import (
	"bufio"
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"reflect"
	"time"
)

// magic begins every image; its last character is the version of the form.
const magic = "emulated org 1\n"

// Short texts that come again are written once.
const (
	maxWord  = 64
	maxWords = 1 << 18
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Write writes everything below root, which must be a pointer, and a checksum. Values in interfaces
// must be of the concrete types.
func Write(w io.Writer, root any, concrete ...any) error {
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	e := encoder{w: out, ids: map[made]uint64{}, words: map[string]uint64{}, types: typesOf(concrete)}
	e.bytes([]byte(magic))
	e.text(fingerprint(reflect.TypeOf(root), concreteTypes(concrete)))
	e.value(reflect.ValueOf(root))
	if e.err != nil {
		return e.err
	}
	return finish(w, out, sum)
}

func finish(w io.Writer, out *bufio.Writer, sum hash.Hash32) error {
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

func concreteTypes(concrete []any) []reflect.Type {
	var types []reflect.Type
	for _, v := range concrete {
		types = append(types, reflect.TypeOf(v))
	}
	return types
}

type encoder struct {
	w     *bufio.Writer
	ids   map[made]uint64
	words map[string]uint64
	types map[string]reflect.Type
	err   error
	buf   [binary.MaxVarintLen64]byte
}

func (e *encoder) bytes(b []byte) {
	if e.err == nil {
		_, e.err = e.w.Write(b)
	}
}

func (e *encoder) number(n uint64) { e.bytes(e.buf[:binary.PutUvarint(e.buf[:], n)]) }

// text writes a length and the text, or the number of a text that was there before. The lowest bit
// tells which.
func (e *encoder) text(s string) {
	if len(s) <= maxWord {
		if n, ok := e.words[s]; ok {
			e.number(n<<1 | 1)
			return
		}
		if len(e.words) < maxWords {
			e.words[s] = uint64(len(e.words))
		}
	}
	e.number(uint64(len(s)) << 1)
	if e.err == nil {
		_, e.err = e.w.WriteString(s)
	}
}

func (e *encoder) value(v reflect.Value) {
	if e.err != nil {
		return
	}
	t := v.Type()
	if t == timeType {
		at := v.Interface().(time.Time)
		b, err := at.MarshalBinary()
		if e.err == nil {
			e.err = err
		}
		e.text(string(b))
		return
	}
	switch t.Kind() {
	case reflect.Bool:
		n := uint64(0)
		if v.Bool() {
			n = 1
		}
		e.number(n)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.bytes(e.buf[:binary.PutVarint(e.buf[:], v.Int())])
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		e.number(math.Float64bits(v.Float()))
	case reflect.String:
		e.text(v.String())
	case reflect.Pointer:
		e.pointer(v)
	case reflect.Struct:
		for _, i := range fieldsOf(t) {
			e.value(open(v.Field(i)))
		}
	default:
		e.many(v)
	}
}

// many writes what has a length, and interfaces.
func (e *encoder) many(v reflect.Value) {
	t := v.Type()
	switch t.Kind() {
	case reflect.Array:
		for i := range v.Len() {
			e.value(v.Index(i))
		}
	case reflect.Slice:
		if v.IsNil() {
			e.number(0)
			return
		}
		e.number(uint64(v.Len()) + 1)
		if t.Elem().Kind() == reflect.Uint8 {
			e.bytes(v.Bytes())
			return
		}
		for i := range v.Len() {
			e.value(v.Index(i))
		}
	case reflect.Map:
		if v.IsNil() {
			e.number(0)
			return
		}
		e.number(uint64(v.Len()) + 1)
		for it := v.MapRange(); it.Next(); {
			e.value(addressable(it.Key()))
			e.value(addressable(it.Value()))
		}
	case reflect.Interface:
		if v.IsNil() {
			e.text("")
			return
		}
		c := v.Elem()
		if e.types[c.Type().String()] == nil && !basic(c.Type()) {
			e.err = unknownType(c.Type())
			return
		}
		e.text(c.Type().String())
		e.value(addressable(c))
	default:
		e.err = fmt.Errorf("image: a %s cannot be written; tag its field", t)
	}
}

// basic reports a predeclared type, which interfaces may hold without being among the concrete types.
func basic(t reflect.Type) bool { return basics[t.String()] == t }

var basics = map[string]reflect.Type{
	"string": reflect.TypeFor[string](), "bool": reflect.TypeFor[bool](), "int": reflect.TypeFor[int](),
	"int64": reflect.TypeFor[int64](), "float64": reflect.TypeFor[float64](),
	"map[string]interface {}": reflect.TypeFor[map[string]any](), "[]interface {}": reflect.TypeFor[[]any](),
}

// addressable returns the value in a place of its own, so that its unexported fields can be read.
func addressable(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Struct && v.Kind() != reflect.Array {
		return v
	}
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

// pointer writes 0 for nil, the number of a target that was there before, or the next number and the
// target.
func (e *encoder) pointer(v reflect.Value) {
	if v.IsNil() {
		e.number(0)
		return
	}
	key := made{v.UnsafePointer(), v.Type()}
	if n, ok := e.ids[key]; ok {
		e.number(n)
		return
	}
	n := uint64(len(e.ids)) + 1
	e.ids[key] = n
	e.number(n)
	if textual(v.Type()) {
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if e.err == nil {
			e.err = err
		}
		e.text(string(text))
		return
	}
	e.value(v.Elem())
}
