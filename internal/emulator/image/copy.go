package image

import (
	"encoding"
	"reflect"
	"unsafe"
)

// Copy returns a copy of everything below root, which must be a pointer. Shared values are the same
// in both; what is left out of images is zero. The caller sees to it that nothing changes meanwhile.
func Copy[T any](root *T) *T {
	c := copier{made: map[made]reflect.Value{}}
	to := c.pointer(reflect.ValueOf(root)).Interface().(*T)
	for i := len(c.thaw) - 1; i >= 0; i-- {
		c.thaw[i].Thaw()
	}
	return to
}

// Overwrite makes to, which others may refer to, a copy of from. Each of the pairs is a place of to
// and the one of from that corresponds to it: such places are overwritten, too, and stay where they
// are. What is left out of images is left alone in them.
func Overwrite[T any](to, from *T, pairs ...[2]any) {
	c := copier{made: map[made]reflect.Value{}}
	pairs = append(pairs, [2]any{to, from})
	for _, p := range pairs {
		source := reflect.ValueOf(p[1])
		c.made[made{source.UnsafePointer(), source.Type()}] = reflect.ValueOf(p[0])
	}
	for _, p := range pairs {
		c.into(reflect.ValueOf(p[0]).Elem(), reflect.ValueOf(p[1]).Elem())
		if t, ok := p[0].(Thawer); ok {
			c.thaw = append(c.thaw, t)
		}
	}
	for i := len(c.thaw) - 1; i >= 0; i-- {
		c.thaw[i].Thaw()
	}
}

type made struct {
	at unsafe.Pointer
	t  reflect.Type
}

type copier struct {
	made map[made]reflect.Value
	thaw []Thawer
}

func (c *copier) pointer(from reflect.Value) reflect.Value {
	if from.IsNil() || from.Type().Implements(sharedType) {
		return from
	}
	key := made{from.UnsafePointer(), from.Type()}
	if to, ok := c.made[key]; ok {
		return to
	}
	to := reflect.New(from.Type().Elem())
	if from.Type() != to.Type() {
		to = to.Convert(from.Type())
	}
	c.made[key] = to
	if textual(from.Type()) {
		if err := c.text(to, from); err != nil {
			panic(err) // what was a value is one again
		}
		return to
	}
	c.into(to.Elem(), from.Elem())
	if from.Type().Implements(thawerType) {
		c.thaw = append(c.thaw, to.Interface().(Thawer))
	}
	return to
}

// text copies what is written as text.
func (c *copier) text(to, from reflect.Value) error {
	text, err := from.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return err
	}
	return to.Interface().(encoding.TextUnmarshaler).UnmarshalText(text)
}

// into copies a value; to can be set.
func (c *copier) into(to, from reflect.Value) {
	t := from.Type()
	if t == timeType || plain(t) {
		to.Set(from)
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		to.Set(c.pointer(from))
	case reflect.Slice:
		to.SetZero() // what is overwritten may hold something
		if from.IsNil() {
			return
		}
		to.Set(reflect.MakeSlice(t, from.Len(), from.Len()))
		if plain(t.Elem()) {
			reflect.Copy(to, from)
			return
		}
		for i := range from.Len() {
			c.into(to.Index(i), from.Index(i))
		}
	case reflect.Array:
		for i := range from.Len() {
			c.into(to.Index(i), from.Index(i))
		}
	case reflect.Map:
		to.SetZero()
		if from.IsNil() {
			return
		}
		to.Set(reflect.MakeMapWithSize(t, from.Len()))
		for it := from.MapRange(); it.Next(); {
			to.SetMapIndex(c.value(it.Key()), c.value(it.Value()))
		}
	case reflect.Struct:
		for _, i := range fieldsOf(t) {
			c.into(open(to.Field(i)), open(from.Field(i)))
		}
	case reflect.Interface:
		to.SetZero()
		if !from.IsNil() {
			to.Set(c.value(from.Elem()))
		}
	default: // functions and the like, which Check finds
	}
}

// value returns a copy of a value that cannot be addressed.
func (c *copier) value(from reflect.Value) reflect.Value {
	if from.Kind() == reflect.Pointer {
		return c.pointer(from)
	}
	source := reflect.New(from.Type()).Elem()
	source.Set(from)
	to := reflect.New(from.Type()).Elem()
	c.into(to, source)
	return to
}

// plain reports a type whose values are copied by assignment: nothing in it is changed through it.
func plain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer:
		return t.Implements(sharedType)
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct, reflect.Interface,
		reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return false
	}
	return true
}

// open makes an unexported field one that can be read and set.
func open(f reflect.Value) reflect.Value {
	if !f.CanAddr() {
		return f
	}
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
}
