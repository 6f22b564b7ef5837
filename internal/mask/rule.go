package mask

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// Rule says which fields are masked, and how.
type Rule struct {
	Object string // API name; "*" for every object
	Field  string // API name, or "type:" and a field type
	Method Method
}

// Parse reads rules, one a line: OBJECT.FIELD and, where the type of the field does not tell, a method.
// OBJECT may be *, and FIELD may be type:TYPE. The first rule that fits a field and can mask it counts.
// Empty lines and lines that begin with # are passed over.
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
		kind, byType := strings.CutPrefix(field, "type:")
		switch {
		case !found || object == "" || field == "" || len(words) > 2:
			return nil, fmt.Errorf("line %d: write OBJECT.FIELD and, if need be, a method", i+1)
		case !slices.Contains(methods, r.Method):
			return nil, fmt.Errorf("line %d: method %q is not one of %v%s", i+1, words[1], methods, like(words[1], texts(methods)))
		case byType && !slices.ContainsFunc(types, func(t sf.FieldType) bool { return strings.EqualFold(kind, string(t)) }):
			return nil, fmt.Errorf("line %d: values of type %q are never masked; types are %v%s", i+1, kind, types, like(kind, texts(types)))
		}
		rules = append(rules, r)
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("no rule")
	}
	return rules, nil
}

// types are those of fields whose values have pseudonyms.
var types = []sf.FieldType{
	sf.TypeAnyType, sf.TypeCombobox, sf.TypeCurrency, sf.TypeDate, sf.TypeDatetime, sf.TypeDouble, sf.TypeEmail, sf.TypeEncryptedString, sf.TypeInt,
	sf.TypeJSON, sf.TypeLong, sf.TypeMultipicklist, sf.TypePercent, sf.TypePhone, sf.TypePicklist, sf.TypeString, sf.TypeTextarea, sf.TypeTime,
	sf.TypeURL,
}

// texts are words of any kind as texts.
func texts[T ~string](words []T) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}

// New returns a masker for records of this schema. A slip of the pen must not let a value through, so that
// these are errors: a rule that masks no field, but for one of a type that every object has none of; a field
// that a rule means and that has neither a pseudonym nor may be null. References, Ids and what the org
// makes are passed over by a rule that names no field of its own.
func New(key []byte, rules []Rule, schema *sf.Schema) (*Masker, error) {
	if len(key) < KeyBytes {
		return nil, fmt.Errorf("the key has %d bytes, at least %d are needed", len(key), KeyBytes)
	}
	m := &Masker{key: permuter{slices.Clone(key)}, fields: map[string]map[string]field{}}
	used := make([]bool, len(rules))
	for _, o := range schema.Objects {
		for _, f := range o.Fields {
			if err := m.take(rules, used, o, f); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(m.blanked)
	for i, r := range rules {
		if !used[i] && !r.ofType() {
			return nil, fmt.Errorf("rule %s.%s masks no field that another rule leaves to it%s", r.Object, r.Field, r.near(schema))
		}
	}
	return m, nil
}

// take decides about one field, and notes the rules that decide it.
func (m *Masker) take(rules []Rule, used []bool, o *sf.Object, f *sf.Field) error {
	why, blank, meant := "", false, -1
	for i, r := range rules {
		if !r.fits(o, f) {
			continue
		}
		how, verdict := choose(r.Method, f)
		if r.Method == Keep || verdict.why == "" {
			used[i] = true
			if r.Method != Keep {
				m.put(o, f, how)
			}
			return nil
		}
		if !r.named() && (verdict.never || !written(f)) {
			continue
		}
		if meant < 0 {
			why, blank, meant = verdict.why, verdict.blank && f.Nillable, i
		}
	}
	switch {
	case meant < 0:
		return nil
	case blank:
		used[meant] = true
		m.put(o, f, field{method: Empty, field: f})
		m.blanked = append(m.blanked, o.Name+"."+f.Name)
		return nil
	}
	name := o.Name + "." + f.Name
	if rules[meant].named() {
		return fmt.Errorf("%s cannot be masked: %s", name, why)
	}
	return fmt.Errorf("%s cannot be masked as rule %s.%s asks: %s; write a rule for it before that one, if need be %s keep",
		name, rules[meant].Object, rules[meant].Field, why, name)
}

// written reports a field whose values come out: one that people write, or that every record has.
func written(f *sf.Field) bool { return f.Createable || f.Updateable || sf.IsSystemField(f.Name) }

func (m *Masker) put(o *sf.Object, f *sf.Field, how field) {
	if m.fields[o.Name] == nil {
		m.fields[o.Name] = map[string]field{}
	}
	m.fields[o.Name][f.Name] = how
}

// named reports a rule that means one field.
func (r Rule) named() bool { return r.Object != "*" && !strings.HasPrefix(r.Field, "type:") }

// ofType reports a rule that means all fields of a type: where there are none, none is let through.
func (r Rule) ofType() bool { return r.Object == "*" && strings.HasPrefix(r.Field, "type:") }

func (r Rule) fits(o *sf.Object, f *sf.Field) bool {
	if r.Object != "*" && !strings.EqualFold(r.Object, o.Name) {
		return false
	}
	if kind, byType := strings.CutPrefix(r.Field, "type:"); byType {
		return strings.EqualFold(kind, string(f.Type))
	}
	return strings.EqualFold(r.Field, f.Name)
}

// near says which names of the schema are like those of the rule.
func (r Rule) near(schema *sf.Schema) string {
	var objects, fields []string
	for _, o := range schema.Objects {
		objects = append(objects, o.Name)
		if r.Object != "*" && !strings.EqualFold(r.Object, o.Name) {
			continue
		}
		for _, f := range o.Fields {
			fields = append(fields, f.Name)
		}
	}
	if r.Object != "*" && len(fields) == 0 {
		return like(r.Object, objects)
	}
	return like(r.Field, fields)
}

// like says which names look like a word, as the end of a sentence.
func like(word string, names []string) string {
	if near := sf.Near(word, names); near != "" {
		return "; " + near
	}
	return ""
}

// verdict is why a field cannot be masked by a method; the zero verdict says that it can.
type verdict struct {
	why   string
	never bool // by no method
	blank bool // there is no pseudonym for it, and null is as good
}

// choose returns how a field is masked, or why it cannot be.
func choose(method Method, f *sf.Field) (field, verdict) {
	out := field{method: method, field: f}
	switch {
	case f.Name == "Id" || f.Type == sf.TypeReference || f.Type == sf.TypeID:
		return out, verdict{why: "it refers to a record", never: true}
	case f.Calculated || f.AutoNumber || f.Type.IsCompound():
		return out, verdict{why: "the org makes it", never: true}
	case f.Type == sf.TypeBase64 || f.Type == sf.TypeBoolean:
		return out, verdict{why: "a " + string(f.Type) + " has no pseudonym", never: true}
	case method == Empty && !f.Nillable:
		return out, verdict{why: "it is required"}
	}
	if method != Auto && method != Empty && method != fitting(f) && (method != Shape || fitting(f) == Number || fitting(f) == Date) {
		return out, verdict{why: fmt.Sprintf("%s does not fit a %s", method, f.Type)}
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
			return out, verdict{why: "its picklist has no other value", blank: true}
		}
	}
	return out, verdict{}
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
