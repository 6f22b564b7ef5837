package image

import (
	"bufio"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"reflect"
	"time"
)

// ErrOther is the error for an image of another version, or of a program with other types.
var ErrOther = errors.New("the image was written by another version of this program")

// ErrDamaged is the error for an image whose bytes are not what was written.
var ErrDamaged = errors.New("the image is damaged")

// Read reads what Write wrote into what root points to, in the same order of concrete types. On an
// error what root points to is of no use.
func Read(r io.Reader, root any, concrete ...any) (err error) {
	in := &checked{r: bufio.NewReaderSize(r, 1<<16)}
	d := &decoder{in: in, types: typesOf(concrete)}
	defer func() {
		if p := recover(); p != nil { // damage can ask for any length or number
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != magic {
		return ErrOther
	}
	if types := d.text(); d.err != nil || types != fingerprint(reflect.TypeOf(root), concreteTypes(concrete)) {
		return ErrOther
	}
	d.value(reflect.ValueOf(root).Elem(), true)
	if d.err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, d.err)
	}
	sum := in.sum
	var want [4]byte
	if _, err := io.ReadFull(in.r, want[:]); err != nil || binary.BigEndian.Uint32(want[:]) != sum {
		return ErrDamaged
	}
	for i := len(d.thaw) - 1; i >= 0; i-- {
		d.thaw[i].Thaw()
	}
	return nil
}

// checked reads bytes and sums them up.
type checked struct {
	r   *bufio.Reader
	sum uint32
	one [1]byte
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sum = crc32.Update(c.sum, castagnoli, b[:n])
	return n, err
}

// ReadByte makes it fit for varints.
func (c *checked) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.one[0] = b
		c.sum = crc32.Update(c.sum, castagnoli, c.one[:])
	}
	return b, err
}

type decoder struct {
	in    *checked
	made  []reflect.Value
	words []string
	types map[string]reflect.Type
	thaw  []Thawer
	err   error
}

// maxText bounds one text or slice of bytes, so that damage cannot ask for all memory at once.
const maxText = 1 << 31

func (d *decoder) number() uint64 {
	n, err := binary.ReadUvarint(d.in)
	if d.err == nil {
		d.err = err
	}
	return n
}

func (d *decoder) text() string {
	n := d.number()
	if d.err != nil {
		return ""
	}
	if n&1 == 1 {
		return d.words[n>>1]
	}
	b := d.raw(n >> 1)
	s := string(b)
	if len(s) <= maxWord && len(d.words) < maxWords {
		d.words = append(d.words, s)
	}
	return s
}

func (d *decoder) raw(n uint64) []byte {
	if n > maxText {
		d.err = fmt.Errorf("a length of %d", n)
		return nil
	}
	b := make([]byte, n)
	_, err := io.ReadFull(d.in, b)
	if d.err == nil {
		d.err = err
	}
	return b
}

// value reads into v. isRoot: v is where the root's pointer leads.
func (d *decoder) value(v reflect.Value, isRoot bool) {
	if d.err != nil {
		return
	}
	if isRoot {
		if d.number() != 1 {
			d.err = errors.New("no root")
			return
		}
		d.made = append(d.made, v.Addr())
		d.fill(v)
		d.thawed(v.Addr())
		return
	}
	d.fill(v)
}

func (d *decoder) thawed(p reflect.Value) {
	if p.Type().Implements(thawerType) {
		d.thaw = append(d.thaw, p.Interface().(Thawer))
	}
}

func (d *decoder) fill(v reflect.Value) {
	if d.err != nil {
		return
	}
	t := v.Type()
	if t == timeType {
		var at time.Time
		if err := at.UnmarshalBinary([]byte(d.text())); err != nil {
			d.err = err
		}
		v.Set(reflect.ValueOf(at))
		return
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(d.number() == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := binary.ReadVarint(d.in)
		d.err = err
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(d.number())
	case reflect.Float32, reflect.Float64:
		v.SetFloat(math.Float64frombits(d.number()))
	case reflect.String:
		v.SetString(d.text())
	case reflect.Pointer:
		d.pointer(v)
	case reflect.Struct:
		for _, i := range fieldsOf(t) {
			d.fill(open(v.Field(i)))
		}
	default:
		d.many(v)
	}
}

func (d *decoder) pointer(v reflect.Value) {
	n := d.number()
	switch {
	case n == 0 || d.err != nil:
	case n <= uint64(len(d.made)):
		v.Set(d.made[n-1].Convert(v.Type()))
	case n == uint64(len(d.made))+1:
		p := reflect.New(v.Type().Elem())
		d.made = append(d.made, p)
		v.Set(p.Convert(v.Type()))
		if textual(v.Type()) {
			if err := p.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(d.text())); d.err == nil {
				d.err = err
			}
			return
		}
		d.fill(p.Elem())
		d.thawed(v)
	default:
		d.err = fmt.Errorf("a reference to %d of %d", n, len(d.made))
	}
}

// many reads what has a length, and interfaces.
func (d *decoder) many(v reflect.Value) {
	t := v.Type()
	switch t.Kind() {
	case reflect.Array:
		for i := range v.Len() {
			d.fill(v.Index(i))
		}
	case reflect.Slice:
		n := d.number()
		if n == 0 || d.err != nil {
			return
		}
		if t.Elem().Kind() == reflect.Uint8 {
			v.SetBytes(d.raw(n - 1))
			return
		}
		v.Set(reflect.MakeSlice(t, 0, int(min(n-1, 1<<16))))
		for range n - 1 {
			e := reflect.New(t.Elem()).Elem()
			d.fill(e)
			if d.err != nil {
				return
			}
			v.Set(reflect.Append(v, e))
		}
	case reflect.Map:
		n := d.number()
		if n == 0 || d.err != nil {
			return
		}
		v.Set(reflect.MakeMap(t))
		for range n - 1 {
			key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			d.fill(key)
			d.fill(value)
			if d.err != nil {
				return
			}
			v.SetMapIndex(key, value)
		}
	case reflect.Interface:
		name := d.text()
		if name == "" || d.err != nil {
			return
		}
		c := d.types[name]
		if c == nil {
			c = basics[name]
		}
		if c == nil {
			d.err = fmt.Errorf("a value of type %s", name)
			return
		}
		value := reflect.New(c).Elem()
		d.fill(value)
		if d.err == nil {
			v.Set(value)
		}
	default:
		d.err = fmt.Errorf("a %s", t)
	}
}
