package mask

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// KeyBytes is the least length of a key.
const KeyBytes = 16

// Method is how a value is replaced.
type Method string

// The methods. Auto is the one that fits the type of the field.
const (
	Auto   Method = "auto"
	Shape  Method = "shape"  // letters by letters, digits by digits
	Email  Method = "email"  // an address below .example, which reaches nobody
	URL    Method = "url"    // a host below .example
	Number Method = "number" // digits by digits, sign and scale stay
	Date   Method = "date"   // another day of the same year, another time of day
	Pick   Method = "pick"   // another value of the picklist
	Empty  Method = "empty"  // null
)

var methods = []Method{Auto, Shape, Email, URL, Number, Date, Pick, Empty}

// Rule says which fields are masked, and how.
type Rule struct {
	Object string // API name; "*" for every object
	Field  string // API name, or "type:" and a field type
	Method Method
}

// Parse reads rules, one a line: OBJECT.FIELD and, where the type of the field does not tell, a method.
// OBJECT may be *, and FIELD may be type:TYPE. The first rule that fits a field counts. Empty lines and
// lines that begin with # are passed over.
func Parse(text string) ([]Rule, error) {
	var rules []Rule
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		object, field, found := strings.Cut(words[0], ".")
		r := Rule{Object: object, Field: field, Method: Auto}
		if len(words) > 1 {
			r.Method = Method(words[1])
		}
		switch {
		case !found || object == "" || field == "" || len(words) > 2:
			return nil, fmt.Errorf("line %d: write OBJECT.FIELD and, if need be, a method", i+1)
		case !slices.Contains(methods, r.Method):
			return nil, fmt.Errorf("line %d: method %q is not one of %v", i+1, words[1], methods)
		}
		rules = append(rules, r)
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("no rule")
	}
	return rules, nil
}

// Masker masks values by rules under a key.
type Masker struct {
	key    permuter
	fields map[string]map[string]field // by object and field, exact names
}

// field is a field that is masked.
type field struct {
	method Method
	field  *sf.Field
	values []string // of a picklist
}

// New returns a masker for records of this schema. A rule that names a field which cannot be masked, or
// which is not there, is an error: a slip of the pen must not let a value through.
func New(key []byte, rules []Rule, schema *sf.Schema) (*Masker, error) {
	if len(key) < KeyBytes {
		return nil, fmt.Errorf("the key has %d bytes, at least %d are needed", len(key), KeyBytes)
	}
	m := &Masker{key: permuter{slices.Clone(key)}, fields: map[string]map[string]field{}}
	used := make([]bool, len(rules))
	for _, o := range schema.Objects {
		for _, f := range o.Fields {
			i := slices.IndexFunc(rules, func(r Rule) bool { return r.fits(o, f) })
			if i < 0 {
				continue
			}
			used[i] = true
			how, why := choose(rules[i].Method, f)
			if why == "" {
				if m.fields[o.Name] == nil {
					m.fields[o.Name] = map[string]field{}
				}
				m.fields[o.Name][f.Name] = how
			} else if rules[i].named() {
				return nil, fmt.Errorf("%s.%s cannot be masked: %s", o.Name, f.Name, why)
			}
		}
	}
	for i, r := range rules {
		if !used[i] && r.named() {
			return nil, fmt.Errorf("rule %s.%s fits no field that another rule leaves to it", r.Object, r.Field)
		}
	}
	return m, nil
}

// named reports a rule that means one field.
func (r Rule) named() bool { return r.Object != "*" && !strings.HasPrefix(r.Field, "type:") }

func (r Rule) fits(o *sf.Object, f *sf.Field) bool {
	if r.Object != "*" && !strings.EqualFold(r.Object, o.Name) {
		return false
	}
	if kind, byType := strings.CutPrefix(r.Field, "type:"); byType {
		return strings.EqualFold(kind, string(f.Type))
	}
	return strings.EqualFold(r.Field, f.Name)
}

// choose returns how a field is masked, or why it cannot be.
func choose(method Method, f *sf.Field) (field, string) {
	out := field{method: method, field: f}
	switch {
	case f.Name == "Id" || f.Type == sf.TypeReference || f.Type == sf.TypeID:
		return out, "it refers to a record"
	case f.Calculated || f.AutoNumber || f.Type.IsCompound():
		return out, "the org makes it"
	case f.Type == sf.TypeBase64 || f.Type == sf.TypeBoolean:
		return out, "a " + string(f.Type) + " has no pseudonym"
	case method == Empty && !f.Nillable:
		return out, "it is required"
	}
	if method != Auto && method != Empty && method != fitting(f) && (method != Shape || fitting(f) == Number || fitting(f) == Date) {
		return out, fmt.Sprintf("%s does not fit a %s", method, f.Type)
	}
	if method == Auto {
		out.method = fitting(f)
	}
	if out.method == Pick {
		for _, v := range f.Picklist {
			if v.Active {
				out.values = append(out.values, v.Value)
			}
		}
		slices.Sort(out.values)
		if len(out.values) < 2 {
			return out, "its picklist has no other value"
		}
	}
	return out, ""
}

// fitting returns the method for the type of a field.
func fitting(f *sf.Field) Method {
	switch f.Type {
	case sf.TypeEmail:
		return Email
	case sf.TypeURL:
		return URL
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		return Number
	case sf.TypeDate, sf.TypeDatetime, sf.TypeTime:
		return Date
	case sf.TypePicklist, sf.TypeMultipicklist, sf.TypeCombobox:
		return Pick
	default:
		return Shape
	}
}

// Masks reports a field whose values are replaced.
func (m *Masker) Masks(object, name string) bool {
	_, found := m.fields[object][name]
	return found
}

// Record returns the record with its values masked.
func (m *Masker) Record(r sf.Record) sf.Record {
	fields := m.fields[r.Object()]
	if len(fields) == 0 {
		return r
	}
	values := slices.Clone(r.Values)
	for i, name := range r.Shape.Fields() {
		if f, masked := fields[name]; masked && values[i].IsText() {
			values[i] = m.value(f, values[i].Text())
		}
	}
	r.Values = values
	return r
}

// value returns the pseudonym of a value.
func (m *Masker) value(f field, text string) sf.Value {
	switch f.method {
	case Empty:
		return sf.Null()
	case Email:
		return sf.Text(m.address(text, f.field.Length))
	case URL:
		return sf.Text(m.url(text, f.field.Length))
	case Number:
		return sf.Text(m.key.number(text, "number"))
	case Date:
		return sf.Text(m.moment(text, f.field.Type))
	case Pick:
		return m.pick(f, text)
	default:
		return sf.Text(m.key.shape(text, "shape"))
	}
}

// nowhere is a domain that is reserved and reaches nobody. Source: RFC 2606.
const nowhere = ".example"

func (m *Masker) address(text string, length int) string {
	local, domain, found := strings.Cut(text, "@")
	if !found {
		return m.key.shape(text, "shape")
	}
	out := m.key.shape(local, "local\x00"+domain) + "@" + m.key.shape(strings.ToLower(domain), "domain") + nowhere
	return m.fit(out, "@m"+nowhere, text, length)
}

func (m *Masker) url(text string, length int) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	} else {
		scheme += "://"
	}
	host, path, deep := strings.Cut(rest, "/")
	out := scheme + m.key.shape(strings.ToLower(host), "domain") + nowhere
	if deep {
		out += "/" + m.key.shape(path, "path")
	}
	return m.fit(out, nowhere, text, length)
}

// fit shortens a pseudonym that a field could not take to one that follows from the whole value.
func (m *Masker) fit(out, tail, text string, length int) string {
	if length == 0 || len(out) <= length {
		return out
	}
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	var b strings.Builder
	for _, c := range m.key.stream(min(26, max(1, length-len(tail))), []byte("short"), []byte(text)) {
		b.WriteByte(letters[c%32])
	}
	return b.String() + tail
}

// moment replaces a date by another day of its year, and a time by another time of the day.
func (m *Masker) moment(text string, kind sf.FieldType) string {
	layout := sf.DatetimeLayout
	switch kind {
	case sf.TypeDate:
		layout = "2006-01-02"
	case sf.TypeTime:
		return m.clock(text)
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return m.key.shape(text, "shape")
	}
	begin := time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	unit := 24 * time.Hour
	if kind == sf.TypeDatetime {
		unit = time.Second
	}
	n := begin.AddDate(1, 0, 0).Sub(begin) / unit
	x := t.Sub(begin) / unit
	y := m.key.permute(big.NewInt(int64(x)), big.NewInt(int64(n)), []byte(layout+begin.Format("2006")))
	return begin.Add(time.Duration(y.Int64()) * unit).Add(t.Sub(begin) % unit).Format(layout)
}

// clock replaces a time of day, 15:04:05.000Z, by another one.
func (m *Masker) clock(text string) string {
	const layout = "15:04:05.000Z"
	t, err := time.Parse(layout, text)
	if err != nil {
		return m.key.shape(text, "shape")
	}
	begin := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	y := m.key.permute(big.NewInt(int64(t.Sub(begin)/time.Second)), big.NewInt(86_400), []byte("clock"))
	return begin.Add(time.Duration(y.Int64()) * time.Second).Add(t.Sub(begin) % time.Second).Format(layout)
}

// pick replaces each value of a picklist by another one. What is not in the list any more is emptied.
func (m *Masker) pick(f field, text string) sf.Value {
	var out []string
	for _, v := range strings.Split(text, ";") {
		i, found := slices.BinarySearch(f.values, v)
		if !found {
			continue
		}
		y := m.key.permute(big.NewInt(int64(i)), big.NewInt(int64(len(f.values))), []byte("pick\x00"+f.field.Name))
		out = append(out, f.values[y.Int64()])
	}
	if len(out) == 0 {
		return sf.Null()
	}
	slices.Sort(out)
	if masked := strings.Join(out, ";"); masked != text {
		return sf.Text(masked)
	}
	return sf.Null() // values that changed places among themselves say what they said
}
