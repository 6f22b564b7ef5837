package format_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// The documents of snapshot.md, member by member. A member that is tagged may be left out.
type (
	manifestHead struct {
		Format, Kind, Org, OrgName, Username, Started, From, To, Parent, Schema string
		Parts, Absent, Stale, Gaps, Records, NewBytes                           int
		Calls, Dangled, Dangling                                                int   `may:""`
		Bodies                                                                  tally `may:""`
	}
	tally    struct{ Held, Missing, Bytes int }
	partLine struct{ Part part }
	part     struct {
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
	layer struct {
		Before, After string
		Records       int
		Segments      []segmentEntry
	}
	segmentEntry struct {
		Id                     string
		Size, Rows, Tombstones int
		First, Last            string
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

// decode reads a line that is spelled as T is, and in no other way.
func decode[T any](line []byte) (v T, err error) {
	if err := json.Unmarshal(line, &v); err != nil {
		return v, damaged("%v in %.200s", err, line)
	}
	if again := append(spell(nil, reflect.ValueOf(v)), '\n'); !bytes.Equal(again, line) {
		return v, damaged("spelling: %.300s, not %.300s", line, again)
	}
	return v, nil
}

// decodeHead reads a line of one version alone, whatever members another has.
func decodeHead[T any](line []byte, format string) (v T, err error) {
	var head struct{ Format string }
	if err := json.Unmarshal(line, &head); err != nil {
		return v, damaged("%v in %.200s", err, line)
	}
	if head.Format != format {
		return v, errVersion
	}
	return decode[T](line)
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

type snapshot struct {
	head   manifestHead
	parts  []part
	gaps   []gap
	types  map[string]map[string]string // of the schema: object, field, type
	states map[string]map[string]row    // of the whole parts: object, Id; tombstones too
}

// maxFrame is the most bytes of a frame before compression: snapshot.md, "Limits".
const maxFrame = 16<<20 + 320<<10

var unzstd, _ = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxFrame))

func decompress(frame []byte) ([]byte, error) {
	out, err := unzstd.DecodeAll(frame, nil)
	if err != nil {
		return nil, damaged("%v", err)
	}
	return out, nil
}

// document returns the head and the lines of a schema or manifest: snapshot.md, "Documents".
func (r *repository) document(class, id string) (head []byte, lines [][]byte, err error) {
	frames, _, err := r.read(class, id)
	if err != nil {
		return nil, nil, err
	}
	for _, frame := range frames[1:] {
		body, err := decompress(frame)
		if err != nil {
			return nil, nil, err
		}
		if len(body) == 0 || body[len(body)-1] != '\n' {
			return nil, nil, damaged("%s %s: a frame of no whole lines", class, id)
		}
		lines = slices.AppendSeq(lines, bytes.Lines(body))
	}
	return frames[0], lines, nil
}

// manifest reads what a snapshot says of itself.
func (r *repository) manifest(id string) (*snapshot, error) {
	head, lines, err := r.document("snapshot", id)
	if err != nil {
		return nil, err
	}
	s := &snapshot{states: map[string]map[string]row{}}
	if s.head, err = decodeHead[manifestHead](head, "holdfast-snapshot/1"); err != nil {
		return nil, err
	}
	for i, line := range lines {
		if i < s.head.Parts+s.head.Absent {
			p, err := decode[partLine](line)
			if err != nil {
				return nil, err
			}
			s.parts = append(s.parts, p.Part)
			continue
		}
		g, err := decode[gapLine](line)
		if err != nil {
			return nil, err
		}
		s.gaps = append(s.gaps, g.Gap)
	}
	return s, nil
}

// snapshot reads a snapshot with all that it names, and checks all that snapshot.md says of it.
func (r *repository) snapshot(id string) (*snapshot, error) {
	s, err := r.manifest(id)
	if err != nil {
		return nil, err
	}
	if s.types, err = r.schema(s.head.Schema); err != nil {
		return nil, err
	}
	return s, r.fill(s)
}

var timeForm = regexp.MustCompile(`\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?\z`)

// fill reads the parts and holds the head to them.
func (r *repository) fill(s *snapshot) error {
	sum := s.head
	sum.From, sum.To, sum.Parts, sum.Absent, sum.Stale, sum.Gaps, sum.Records = "", "", 0, 0, 0, len(s.gaps), 0
	sum.Bodies = tally{}
	for _, p := range s.parts {
		for _, at := range []string{s.head.Started, s.head.From, s.head.To, p.From, p.To, p.Watermark} {
			if !timeForm.MatchString(at) {
				return damaged("%s: time %q", p.Object, at)
			}
		}
		if p.State != "whole" {
			sum.Absent++
			if p.State != "absent" || p.Stale || p.Expected != -1 || p.From+p.To+p.Watermark != "" || len(p.Layers)+len(p.Fields) > 0 {
				return damaged("absent part %+v", p)
			}
			continue
		}
		state, err := r.part(p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Object, err)
		}
		s.states[p.Object] = state
		if err := r.bodies(p, state); err != nil {
			return fmt.Errorf("%s: %w", p.Object, err)
		}
		sum.Bodies.Held += p.Bodies.Held
		sum.Bodies.Missing += p.Bodies.Missing
		sum.Bodies.Bytes += p.Bodies.Bytes
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
			if ofRecords && s.types[p.Object][f] == "" {
				return damaged("the schema has no field %s.%s", p.Object, f)
			}
		}
	}
	if sum.Parts == 0 {
		sum.From, sum.To = sum.Started, sum.Started
	}
	if sum != s.head {
		return damaged("head %+v of parts %+v", s.head, sum)
	}
	byObject := func(a, b part) int { return strings.Compare(a.Object, b.Object) }
	byField := func(a, b gap) int {
		return strings.Compare(a.Object+"\x00"+a.Field, b.Object+"\x00"+b.Field)
	}
	if !slices.IsSortedFunc(s.parts, byObject) || !slices.IsSortedFunc(s.gaps, byField) {
		return damaged("parts or gaps out of order")
	}
	return nil
}

// part merges the layers of a part and computes its digest before and after each.
func (r *repository) part(p part) (map[string]row, error) {
	state, digest, records := map[string]row{}, new(big.Int), 0
	for _, l := range p.Layers {
		if digestText(digest) != l.Before {
			return nil, damaged("digest before a layer: %s, not %s", l.Before, digestText(digest))
		}
		last := ""
		for _, entry := range l.Segments {
			rows, err := r.segment(p.Object, entry)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				if row.id <= last {
					return nil, damaged("%s after %s", row.id, last)
				}
				last = row.id
				if old, ok := state[row.id]; ok && !old.gone {
					digest.Sub(digest, hashRecord(p.Object, old.id, old.values))
					records--
				}
				if !row.gone {
					digest.Add(digest, hashRecord(p.Object, row.id, row.values))
					records++
				}
				state[row.id] = row
			}
		}
		if digestText(digest) != l.After || records != l.Records {
			return nil, damaged("digest after a layer: %s, not %s; %d records, not %d", l.After, digestText(digest), l.Records, records)
		}
	}
	return state, nil
}

// segment reads the rows of a segment and holds its index, and what the manifest says of it, to them.
func (r *repository) segment(object string, want segmentEntry) ([]row, error) {
	frames, size, err := r.read("segment", want.Id)
	if err != nil {
		return nil, err
	}
	name, fields, entries, filter, err := readIndex(frames[0])
	if err != nil {
		return nil, err
	}
	if name != object || len(entries) != len(frames)-1 {
		return nil, damaged("segment of %s with %d frames", name, len(frames))
	}
	var all []row
	got := segmentEntry{Id: want.Id, Size: size}
	for i, entry := range entries {
		body, err := decompress(frames[i+1])
		if err != nil {
			return nil, err
		}
		rows, tombstones, err := readRows(body, fields)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 || entry != (frameEntry{rows[0].id, rows[len(rows)-1].id, len(rows), tombstones, len(body)}) {
			return nil, damaged("frame %d is not as the index %+v says", i, entry)
		}
		all = append(all, rows...)
		got.Rows, got.Tombstones = got.Rows+len(rows), got.Tombstones+tombstones
	}
	if len(filter) > 0 && !bytes.Equal(filter, filterOf(all)) {
		return nil, damaged("the filter is of other rows")
	}
	if len(all) > 0 {
		got.First, got.Last = all[0].id, all[len(all)-1].id
	}
	if got != want {
		return nil, damaged("segment %+v, not %+v", got, want)
	}
	return all, nil
}

// schema returns the types of the fields, by object.
func (r *repository) schema(id string) (map[string]map[string]string, error) {
	first, lines, err := r.document("schema", id)
	if err != nil {
		return nil, err
	}
	head, err := decodeHead[schemaHead](first, "holdfast-schema/1")
	if err != nil {
		return nil, err
	}
	types, last := map[string]map[string]string{}, ""
	for _, line := range lines {
		o, err := decode[object](line)
		if err != nil {
			return nil, err
		}
		if o.Name <= last {
			return nil, damaged("object %s after %s", o.Name, last)
		}
		last, types[o.Name] = o.Name, map[string]string{}
		for _, f := range o.Fields {
			types[o.Name][f.Name] = f.Type
		}
	}
	if len(types) != head.Objects {
		return nil, damaged("%d objects, not %d", len(types), head.Objects)
	}
	return types, nil
}

// note returns the name and the body of a note.
func (r *repository) note(class, id string) (name string, body []byte, err error) {
	frames, _, err := r.read(class, id)
	if err != nil {
		return "", nil, err
	}
	head, err := decodeHead[noteHead](frames[0], "holdfast-note/1")
	if err != nil {
		return "", nil, err
	}
	for _, frame := range frames[1:] {
		piece, err := decompress(frame)
		if err != nil {
			return "", nil, err
		}
		if len(piece) > 1<<20 {
			return "", nil, damaged("a piece of %d bytes", len(piece))
		}
		body = append(body, piece...)
	}
	if len(body) != head.Size || fmt.Sprintf("%x", r.idByName(class, head.Name)) != id {
		return "", nil, damaged("note %q with %d bytes", head.Name, len(body))
	}
	return head.Name, body, nil
}
