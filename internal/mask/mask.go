package mask

import (
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
	Keep   Method = "keep"   // as it is, said on purpose, where a later rule means more than it should
)

var methods = []Method{Auto, Shape, Email, URL, Number, Date, Pick, Empty, Keep}

// Masker masks values by rules under a key.
type Masker struct {
	key     permuter
	fields  map[string]map[string]field // by object and field, exact names
	blanked []string
}

// field is a field that is masked.
type field struct {
	method Method
	field  *sf.Field
	values []string // of a picklist
}

// Blanked returns the fields, as Object.Field and sorted, that a rule means and no pseudonym fits: their
// values become null. They are among those that Masks reports.
func (m *Masker) Blanked() []string { return slices.Clone(m.blanked) }

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
		return sf.Text(m.number(f.field, text))
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

// schemes are the beginnings of an address that say nothing of whose it is.
var schemes = []string{"http", "https", "ftp", "ftps", "sftp"}

func (m *Masker) url(text string, length int) string {
	scheme, rest, found := strings.Cut(text, "://")
	if found && slices.Contains(schemes, strings.ToLower(scheme)) {
		scheme += "://"
	} else { // a field of this type takes any text, and what stands before such a sign may be a name
		scheme, rest = "", text
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
