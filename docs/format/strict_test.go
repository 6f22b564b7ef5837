package format_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What follows is no part of the reader, who needs none of it to read: it refuses whatever the documents say
// must be refused, and holds what is stored twice to itself.

// The documents of snapshot.md, member by member. A member that is tagged may be left out.
type (
	manifestHead struct {
		Format, Kind, Org, OrgName, Username, Started, From, To, Parent, Schema string
		Parts, Absent, Stale, Gaps, Records, NewBytes                           int
		Calls, Dangled, Dangling                                                int   `may:""`
		Bodies                                                                  tally `may:""`
		Components                                                              tally `may:""`
	}
	tally      struct{ Held, Missing, Bytes int }
	partLine   struct{ Part statedPart }
	statedPart struct {
		Object, State, Reason                          string
		Stale                                          bool
		Fields                                         []string
		From, To, Watermark                            string
		Expected, Created, Updated, Deleted, Unchanged int
		Layers                                         []layer
		Replaced                                       []layer  `may:""`
		BodyFields                                     []string `may:""`
		Bodies                                         tally    `may:""`
	}
	gapLine    struct{ Gap gap }
	gap        struct{ Object, Field, Reason string }
	schemaHead struct {
		Format, ApiVersion string
		Objects            int
	}
	object struct {
		Name                                                          string
		Label, KeyPrefix                                              string  `may:""`
		Custom, CustomSetting, Queryable, Retrieveable, Replicateable bool    `may:""`
		Createable, Updateable, Deletable, Undeletable                bool    `may:""`
		Fields                                                        []field `may:""`
		Children                                                      []child `may:""`
	}
	field struct {
		Name                                                   string
		Label                                                  string `may:""`
		Type                                                   string
		Length, Precision, Scale                               int        `may:""`
		Custom, Nillable, Createable, Updateable               bool       `may:""`
		Calculated, AutoNumber, DefaultedOnCreate              bool       `may:""`
		Unique, CaseSensitive, ExternalId, IdLookup, NameField bool       `may:""`
		ReferenceTo                                            []string   `may:""`
		RelationshipName                                       string     `may:""`
		RelationshipOrder                                      int        `may:""`
		CascadeDelete, RestrictedDelete                        bool       `may:""`
		CompoundFieldName                                      string     `may:""`
		RestrictedPicklist                                     bool       `may:""`
		Picklist                                               []picklist `may:""`
	}
	picklist struct {
		Value           string
		Label           string `may:""`
		Active, Default bool   `may:""`
	}
	child struct {
		Child                           string
		Field                           string `may:""`
		CascadeDelete, RestrictedDelete bool   `may:""`
	}
	noteHead struct {
		Format, Name string
		Size         int
	}
)

// spelled reads a line that is spelled as T is, and in no other way.
func spelled[T any](line []byte) (v T, err error) {
	return try(func() (v T) {
		err := json.Unmarshal(line, &v)
		want(err == nil, "%v in %.200s", err, line)
		again := append(spell(nil, reflect.ValueOf(v)), '\n')
		want(bytes.Equal(again, line), "spelling: %.300s, not %.300s", line, again)
		return v
	})
}

// spell writes a value as snapshot.md says of documents.
func spell(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Int:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.String:
		return quote(b, v.String())
	case reflect.Slice:
		b = append(b, '[')
		for i := range v.Len() {
			b = append(spell(b, v.Index(i)), ',')
		}
		return append(bytes.TrimSuffix(b, []byte(",")), ']')
	default:
		b = append(b, '{')
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Tag == `may:""` && (v.Field(i).IsZero() || f.Type.Kind() == reflect.Slice && v.Field(i).Len() == 0) {
				continue
			}
			b = append(quote(b, strings.ToLower(f.Name[:1])+f.Name[1:]), ':')
			b = append(spell(b, v.Field(i)), ',')
		}
		return append(bytes.TrimSuffix(b, []byte(",")), '}')
	}
}

func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch i := strings.IndexRune("\"\\\b\t\n\f\r", c); {
		case i >= 0:
			b = append(b, '\\', `"\btnfr`[i])
		case c < ' ' || c == '\u2028' || c == '\u2029':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return append(b, '"')
}

// checked is all that a snapshot says, compared with all that it holds.
type checked struct {
	head   manifestHead
	parts  []statedPart
	gaps   []gap
	types  map[string]map[string]string // of the schema: object, field, type
	states map[string]map[string]row    // of the whole parts: object, Id; tombstones too
}

// strictly reads a line that is spelled as T is, and in no other way.
func strictly[T any](line []byte) T {
	v, err := spelled[T](line)
	check(err)
	return v
}

// manifest reads what a snapshot says of itself.
func (r *repository) manifest(id string) *checked {
	head, lines := r.document("snapshot", id, "holdfast-snapshot/1")
	s := &checked{head: strictly[manifestHead](head)}
	for i, line := range lines {
		if i < s.head.Parts+s.head.Absent {
			s.parts = append(s.parts, strictly[partLine](line).Part)
		} else {
			s.gaps = append(s.gaps, strictly[gapLine](line).Gap)
		}
	}
	return s
}

// checked reads a snapshot with all that it names, and checks all that snapshot.md says of it.
func (r *repository) checked(id string) (*checked, error) {
	return try(func() *checked {
		s := r.manifest(id)
		s.types = r.schema(s.head.Schema)
		var err error
		s.states, err = r.snapshot(id)
		check(err)
		r.fill(s)
		return s
	})
}

var timeForm = regexp.MustCompile(`\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?\z`)

// fill holds the parts to their states, and the head to them.
func (r *repository) fill(s *checked) {
	sum := s.head
	sum.From, sum.To, sum.Parts, sum.Absent, sum.Stale, sum.Gaps, sum.Records = "", "", 0, 0, 0, len(s.gaps), 0
	sum.Bodies, sum.Components = tally{}, tally{}
	for _, p := range s.parts {
		for _, at := range []string{s.head.Started, s.head.From, s.head.To, p.From, p.To, p.Watermark} {
			want(timeForm.MatchString(at), "%s: time %q", p.Object, at)
		}
		if p.State != "whole" {
			sum.Absent++
			want(!(p.State != "absent" || p.Stale || p.Expected != -1 || p.From+p.To+p.Watermark != "" || len(p.Layers)+len(p.Fields) > 0), "absent part %+v", p)
			continue
		}
		state := s.states[p.Object]
		for _, l := range p.Layers {
			r.filters(p.Object, l)
		}
		r.replaced(p, state)
		r.bodies(p, state)
		sums := []*tally{&sum.Bodies}
		if strings.HasPrefix(p.Object, "components/") {
			sums = append(sums, &sum.Components)
		}
		for _, t := range sums {
			t.Held += p.Bodies.Held
			t.Missing += p.Bodies.Missing
			t.Bytes += p.Bodies.Bytes
		}
		sum.Parts++
		ofRecords := !strings.Contains(p.Object, "/")
		if n := len(p.Layers); n > 0 && ofRecords {
			sum.Records += p.Layers[n-1].Records
		}
		if p.Stale {
			sum.Stale++
		}
		if sum.From == "" || p.From < sum.From {
			sum.From = p.From
		}
		sum.To = max(sum.To, p.To)
		for _, f := range p.Fields {
			want(!ofRecords || s.types[p.Object][f] != "", "the schema has no field %s.%s", p.Object, f)
		}
	}
	if sum.Parts == 0 {
		sum.From, sum.To = sum.Started, sum.Started
	}
	want(sum == s.head, "head %+v of parts %+v", s.head, sum)
	byObject := func(a, b statedPart) int { return strings.Compare(a.Object, b.Object) }
	byField := func(a, b gap) int {
		return strings.Compare(a.Object+"\x00"+a.Field, b.Object+"\x00"+b.Field)
	}
	want(slices.IsSortedFunc(s.parts, byObject) && slices.IsSortedFunc(s.gaps, byField), "parts or gaps out of order")
}

// replaced holds the layers that were merged at once to the states that they lead to.
func (r *repository) replaced(p statedPart, state map[string]row) {
	for i, l := range p.Replaced {
		want(i == 0 || p.Replaced[i-1].After == l.Before, "%s: replaced layers do not follow one another", p.Object)
		r.filters(p.Object, l)
	}
	if n := len(p.Replaced); n > 0 {
		last := p.Replaced[n-1].After
		at := slices.IndexFunc(p.Layers, func(l layer) bool { return l.After == last })
		want(at >= 0, "%s: replaced layers lead nowhere", p.Object)
		if at < len(p.Layers)-1 {
			return // the state that they lead to is not the one that was read
		}
		newest := map[string]row{}
		for _, l := range p.Replaced {
			for _, row := range r.rows(p.Object, l) {
				newest[row.id] = row
			}
		}
		for id, row := range newest {
			is, ok := state[id]
			want(ok && is.gone == row.gone && hashRecord(p.Object, id, is.values).Cmp(hashRecord(p.Object, id, row.values)) == 0, "%s %s: replaced otherwise", p.Object, id)
		}
	}
}

// filters compares the filters of a layer with its rows.
func (r *repository) filters(object string, l layer) {
	for _, entry := range l.Segments {
		frames, _ := r.read("segment", entry.Id)
		if _, _, _, filter := readIndex(frames[0]); len(filter) > 0 {
			want(bytes.Equal(filter, filterOf(r.segment(object, entry))), "the filter is of other rows")
		}
	}
}

// filterOf is the filter of rows.
func filterOf(rows []row) []byte {
	filter := make([]byte, (10*len(rows)+7)/8)
	for _, r := range rows {
		hash := fnv.New64a()
		hash.Write([]byte(r.id))
		at, step := hash.Sum64()&0xffffffff, hash.Sum64()>>32|1
		for range 7 {
			n := at % uint64(8*len(filter))
			filter[n/8] |= 1 << (n % 8)
			at += step
		}
	}
	return filter
}

// list finds the objects by class. What stands in tmp is none; a snapshot that the key table does not name is
// none.
func (r *repository) list() map[string][]string {
	objects := map[string][]string{}
	check(filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		check(err)
		key, err := filepath.Rel(r.dir, path)
		check(err)
		if d.IsDir() || key == "config" || strings.HasPrefix(key, "keys/") || strings.HasPrefix(key, "tmp/") {
			return nil
		}
		m := objectForm.FindStringSubmatch(filepath.ToSlash(key))
		want(m != nil && m[3][:2] == m[2], "%s is no key of an object", key)
		if m[1] != "snapshot" {
			objects[m[1]] = append(objects[m[1]], m[3])
		}
		return nil
	}))
	objects["snapshot"] = r.roots["snapshot"]
	return objects
}

var objectForm = regexp.MustCompile(`\A([a-z][a-z0-9-]{0,31})/([0-9a-f]{2})/([0-9a-f]{64})\z`)

// schema returns the types of the fields, by object.
func (r *repository) schema(id string) map[string]map[string]string {
	first, lines := r.document("schema", id, "holdfast-schema/1")
	types, last := map[string]map[string]string{}, ""
	for _, line := range lines {
		o := strictly[object](line)
		want(o.Name > last, "object %s after %s", o.Name, last)
		last, types[o.Name] = o.Name, map[string]string{}
		for _, f := range o.Fields {
			types[o.Name][f.Name] = f.Type
		}
	}
	want(len(types) == strictly[schemaHead](first).Objects, "%d objects", len(types))
	return types
}

// note returns the name and the body of a note.
func (r *repository) note(class, id string) (name string, body []byte, err error) {
	body, err = try(func() []byte {
		frames, _ := r.read(class, id)
		if decode[struct{ Format string }](frames[0]).Format != "holdfast-note/1" {
			panic(errVersion)
		}
		head := strictly[noteHead](frames[0])
		var body []byte
		for _, frame := range frames[1:] {
			piece := decompress(frame)
			want(len(piece) <= 1<<20, "a piece of %d bytes", len(piece))
			body = append(body, piece...)
		}
		name = head.Name
		want(len(body) == head.Size && hex.EncodeToString(r.idByName(class, name)) == id, "note %q", name)
		return body
	})
	return name, body, err
}

func (r *repository) idByName(class, name string) []byte {
	mac := hmac.New(sha256.New, r.derive(r.ids, "holdfast name id 1", 32))
	mac.Write(slices.Concat(u32(len(class)), []byte(class), []byte(name)))
	return mac.Sum(nil)
}
