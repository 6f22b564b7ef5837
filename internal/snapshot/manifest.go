package snapshot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

const manifestFormat = "holdfast-snapshot/1"

// The lines of a manifest; docs/format/snapshot.md, "Manifest".
type (
	headLine struct {
		Format   string `json:"format"`
		Kind     string `json:"kind"`
		Org      string `json:"org"`
		OrgName  string `json:"orgName"`
		Username string `json:"username"`
		Started  string `json:"started"`
		From     string `json:"from"`
		To       string `json:"to"`
		Parent   string `json:"parent"`
		Schema   string `json:"schema"`
		Parts    int    `json:"parts"`
		Absent   int    `json:"absent"`
		Stale    int    `json:"stale"`
		Gaps     int    `json:"gaps"`
		Records  int64  `json:"records"`
		NewBytes int64  `json:"newBytes"`
		Calls    int64  `json:"calls,omitempty"`
		Dangled  int64  `json:"dangled,omitempty"`
		Dangling int64  `json:"dangling,omitempty"`

		Bodies *tallyLine `json:"bodies,omitempty"`

		Components *tallyLine `json:"components,omitempty"`
	}
	tallyLine struct {
		Held    int64 `json:"held"`
		Missing int64 `json:"missing"`
		Bytes   int64 `json:"bytes"`
	}
	bodyLine struct {
		Part *partLine `json:"part,omitempty"`
		Gap  *gapLine  `json:"gap,omitempty"`
	}
	partLine struct {
		Object    string      `json:"object"`
		State     string      `json:"state"`
		Reason    string      `json:"reason"`
		Stale     bool        `json:"stale"`
		Fields    []string    `json:"fields"`
		From      string      `json:"from"`
		To        string      `json:"to"`
		Watermark string      `json:"watermark"`
		Expected  int64       `json:"expected"`
		Created   int64       `json:"created"`
		Updated   int64       `json:"updated"`
		Deleted   int64       `json:"deleted"`
		Unchanged int64       `json:"unchanged"`
		Layers    []layerLine `json:"layers"`
		Replaced  []layerLine `json:"replaced,omitempty"`

		BodyFields []string   `json:"bodyFields,omitempty"`
		Bodies     *tallyLine `json:"bodies,omitempty"`
	}
	layerLine struct {
		Before   string        `json:"before"`
		After    string        `json:"after"`
		Records  int64         `json:"records"`
		Segments []segmentLine `json:"segments"`
	}
	segmentLine struct {
		ID         string `json:"id"`
		Size       int64  `json:"size"`
		Rows       int64  `json:"rows"`
		Tombstones int64  `json:"tombstones"`
		First      string `json:"first"`
		Last       string `json:"last"`
	}
	gapLine struct {
		Object string `json:"object"`
		Field  string `json:"field"`
		Reason string `json:"reason"`
	}
)

// manifestPart is a part as the manifest states it.
type manifestPart struct {
	object    string
	state     PartState
	reason    string
	stale     bool
	fields    []string
	from, to  time.Time
	watermark time.Time
	expected  int64
	changes   Changes
	layers    []layer
	replaced  []layer    // written for this snapshot, and merged into layers at once: the way from its parent's state
	fresh     []layer    // those of layers that were written for this snapshot; known only while it is written
	holders   bodyFields // the fields, in any layer, whose texts are references
	tally     Tally      // of the state of the part
	full      bool       // written as a base; known only while the snapshot is written
}

func absent(object, reason string) manifestPart {
	return manifestPart{object: object, state: Absent, reason: reason, expected: -1}
}

func (m manifestPart) records() int64 {
	if len(m.layers) == 0 {
		return 0
	}
	return m.layers[len(m.layers)-1].records
}

func (m manifestPart) digest() state.Digest {
	if len(m.layers) == 0 {
		return state.Digest{}
	}
	return m.layers[len(m.layers)-1].after
}

// part is what the package shows of it.
func (m manifestPart) part() Part {
	p := Part{
		Object: m.object, State: m.state, Reason: m.reason, Stale: m.stale,
		Fields: slices.Clone(m.fields), From: m.from, To: m.to, Watermark: m.watermark,
		Records: m.records(), Expected: m.expected, Digest: m.digest(), Changes: m.changes,
		Layers: len(m.layers), Bodies: m.tally,
	}
	for _, l := range m.layers {
		p.Segments += len(l.segments)
		for _, s := range l.segments {
			p.Bytes += s.size
		}
	}
	return p
}

func (m manifestPart) line() bodyLine {
	p := &partLine{
		Object: m.object, State: string(m.state), Reason: m.reason, Stale: m.stale,
		Fields: append([]string{}, m.fields...),
		From:   writeTime(m.from), To: writeTime(m.to), Watermark: writeTime(m.watermark),
		Expected: m.expected,
		Created:  m.changes.Created, Updated: m.changes.Updated, Deleted: m.changes.Deleted,
		Unchanged: m.changes.Unchanged, Layers: []layerLine{},
		BodyFields: m.holders, Bodies: m.tally.line(),
	}
	for _, l := range m.layers {
		p.Layers = append(p.Layers, l.line())
	}
	for _, l := range m.replaced {
		p.Replaced = append(p.Replaced, l.line())
	}
	return bodyLine{Part: p}
}

func (l layer) line() layerLine {
	line := layerLine{Before: l.before.String(), After: l.after.String(), Records: l.records, Segments: []segmentLine{}}
	for _, s := range l.segments {
		line.Segments = append(line.Segments, segmentLine{
			ID: s.id.String(), Size: s.size, Rows: s.rows, Tombstones: s.tombstones,
			First: string(s.first.id()), Last: string(s.last.id()),
		})
	}
	return line
}

// parsePart reads a part and checks everything that can be checked without its segments.
func parsePart(p *partLine) (manifestPart, error) {
	m := manifestPart{
		object: p.Object, state: PartState(p.State), reason: p.Reason, stale: p.Stale, fields: p.Fields,
		expected: p.Expected,
		changes:  Changes{Created: p.Created, Updated: p.Updated, Deleted: p.Deleted, Unchanged: p.Unchanged},
	}
	if !validPart(m.object) {
		return m, fmt.Errorf("%w: object %.40q", errWire, m.object)
	}
	if err := m.parseBodies(p); err != nil {
		return m, err
	}
	for _, t := range []struct {
		to   *time.Time
		text string
	}{{&m.from, p.From}, {&m.to, p.To}, {&m.watermark, p.Watermark}} {
		var err error
		if *t.to, err = readTime(t.text); err != nil {
			return m, err
		}
	}
	if len(m.fields) > maxFields || !slices.Equal(sf.NewShape(m.object, m.fields).Fields(), m.fields) {
		return m, fmt.Errorf("%w: part %s: its fields are not sorted", errWire, m.object)
	}
	var err error
	if m.layers, err = parseLayers(p.Layers); err != nil {
		return m, fmt.Errorf("part %s: %w", m.object, err)
	}
	if m.replaced, err = parseLayers(p.Replaced); err != nil {
		return m, fmt.Errorf("part %s: %w", m.object, err)
	}
	whole := m.state == Whole && (m.reason != "") == m.stale
	gone := m.state == Absent && m.reason != "" && !m.stale && len(m.layers)+len(m.replaced) == 0
	if !whole && !gone {
		return m, fmt.Errorf("%w: part %s: its state makes no sense", errWire, m.object)
	}
	if err := chainError(m.layers); err != nil {
		return m, err
	}
	return m, m.replacedError()
}

// replacedError returns an error unless the layers that were replaced lead, each after the one before, to
// a state that the layers go on from.
func (m manifestPart) replacedError() error {
	for i, l := range m.replaced {
		if i > 0 && m.replaced[i-1].after != l.before {
			return fmt.Errorf("%w: part %s: layers that were replaced do not follow one another", errWire, m.object)
		}
		if i+1 == len(m.replaced) && !slices.ContainsFunc(m.layers, func(o layer) bool { return o.after == l.after }) {
			return fmt.Errorf("%w: part %s: layers that were replaced lead nowhere", errWire, m.object)
		}
	}
	return nil
}

func parseLayers(lines []layerLine) ([]layer, error) {
	var layers []layer
	for _, line := range lines {
		l, err := parseLayer(line)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

func parseLayer(line layerLine) (layer, error) {
	l := layer{records: line.Records}
	var err error
	if l.before, err = state.ParseDigest(line.Before); err != nil {
		return l, err
	}
	if l.after, err = state.ParseDigest(line.After); err != nil {
		return l, err
	}
	if len(line.Segments) == 0 || l.records < 0 {
		return l, fmt.Errorf("%w: a layer without segments", errWire)
	}
	for i, s := range line.Segments {
		ref := segmentRef{size: s.Size, rows: s.Rows, tombstones: s.Tombstones}
		if ref.id, err = seal.ParseID(s.ID); err != nil {
			return l, err
		}
		if ref.first, err = makeKey(sf.ID(s.First)); err != nil {
			return l, err
		}
		if ref.last, err = makeKey(sf.ID(s.Last)); err != nil {
			return l, err
		}
		if ref.rows < 1 || ref.rows > maxSegmentRow || ref.tombstones < 0 || ref.tombstones > ref.rows ||
			ref.last.compare(ref.first) < 0 || i > 0 && ref.first.compare(l.segments[i-1].last) <= 0 {
			return l, fmt.Errorf("%w: segment %s is out of order", errWire, s.ID)
		}
		l.segments = append(l.segments, ref)
	}
	return l, nil
}

// line is the form of a tally, nil of an empty one.
func (t Tally) line() *tallyLine {
	if t == (Tally{}) {
		return nil
	}
	return &tallyLine{Held: t.Held, Missing: t.Missing, Bytes: t.Bytes}
}

func (l *tallyLine) parse() (Tally, error) {
	if l == nil {
		return Tally{}, nil
	}
	t := Tally{Held: l.Held, Missing: l.Missing, Bytes: l.Bytes}
	if t == (Tally{}) || t.Held < 0 || t.Missing < 0 || t.Bytes < 0 {
		return t, fmt.Errorf("%w: a tally of bodies that makes no sense", errWire)
	}
	return t, nil
}

// parseBodies reads what a part says of bodies.
func (m *manifestPart) parseBodies(p *partLine) error {
	m.holders = p.BodyFields
	var err error
	if m.tally, err = p.Bodies.parse(); err != nil {
		return err
	}
	if len(m.holders) == 0 && m.tally != (Tally{}) || !slices.Equal(m.holders, bodyFields(nil).join(m.holders)) {
		return fmt.Errorf("%w: part %s: its fields of bodies make no sense", errWire, m.object)
	}
	return nil
}

// validName reports an API name: a letter, then letters, digits and underscores, at most 255 bytes.
func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// manifest is a decoded manifest.
type manifest struct {
	info   Info
	schema seal.ID
	parts  []manifestPart // sorted by object
	gaps   []Gap          // sorted by object and field
}

func (m *manifest) head() headLine {
	i := m.info
	return headLine{
		Format: manifestFormat, Kind: i.Kind, Org: string(i.OrgID), OrgName: i.OrgName, Username: i.Username,
		Started: writeTime(i.Started), From: writeTime(i.From), To: writeTime(i.To),
		Parent: i.Parent, Schema: m.schema.String(),
		Parts: i.Parts, Absent: i.Absent, Stale: i.Stale, Gaps: len(m.gaps),
		Records: i.Records, NewBytes: i.NewBytes, Calls: i.Calls, Dangled: i.Dangled, Dangling: i.Dangling,
		Bodies: i.Bodies.line(), Components: i.Components.line(),
	}
}

// parseHead reads the head; what it says of the parts is checked against them by check.
func parseHead(id string, h headLine) (Info, seal.ID, error) {
	if h.Format != manifestFormat {
		return Info{}, seal.ID{}, fmt.Errorf("%w: format %.40q, this program knows %s", errWire, h.Format, manifestFormat)
	}
	i := Info{
		ID: id, Kind: h.Kind, OrgID: sf.ID(h.Org), OrgName: h.OrgName, Username: h.Username, Parent: h.Parent,
		Parts: h.Parts, Absent: h.Absent, Stale: h.Stale,
		Records: h.Records, NewBytes: h.NewBytes, Calls: h.Calls, Dangled: h.Dangled, Dangling: h.Dangling,
	}
	if i.Calls < 0 || i.Dangled < 0 || i.Dangling < 0 {
		return Info{}, seal.ID{}, fmt.Errorf("%w: a number below zero", errWire)
	}
	var err error
	if i.Bodies, err = h.Bodies.parse(); err != nil {
		return Info{}, seal.ID{}, err
	}
	if i.Components, err = h.Components.parse(); err != nil {
		return Info{}, seal.ID{}, err
	}
	i.Partial = h.Absent+h.Stale > 0 || i.Bodies.Missing > 0
	for _, t := range []struct {
		to   *time.Time
		text string
	}{{&i.Started, h.Started}, {&i.From, h.From}, {&i.To, h.To}} {
		var err error
		if *t.to, err = readTime(t.text); err != nil {
			return Info{}, seal.ID{}, err
		}
	}
	if i.Parent != "" {
		if _, err := seal.ParseID(i.Parent); err != nil {
			return Info{}, seal.ID{}, err
		}
	}
	schema, err := seal.ParseID(h.Schema)
	return i, schema, err
}

// summarize computes what the head says of the parts.
func summarize(parts []manifestPart, started time.Time) Info {
	i := Info{From: started, To: started}
	first := true
	for _, p := range parts {
		if p.state == Absent {
			i.Absent++
			continue
		}
		i.Parts++
		if kindOf(p.object) == Records {
			i.Records += p.records()
		}
		i.Bodies.add(p.tally, 1)
		if kindOf(p.object) == Components {
			i.Components.add(p.tally, 1)
		}
		if p.stale {
			i.Stale++
		}
		if first || p.from.Before(i.From) {
			i.From = p.from
		}
		if first || p.to.After(i.To) {
			i.To = p.to
		}
		first = false
	}
	i.Partial = i.Absent+i.Stale > 0 || i.Bodies.Missing > 0
	return i
}

// check returns an error unless the head fits the parts, and both they and the gaps are in order.
func (m *manifest) check() error {
	s, i := summarize(m.parts, m.info.Started), m.info
	if s.Parts != i.Parts || s.Absent != i.Absent || s.Stale != i.Stale || s.Records != i.Records || s.Bodies != i.Bodies || s.Components != i.Components ||
		!s.From.Equal(i.From) || !s.To.Equal(i.To) {
		return fmt.Errorf("%w: the head does not fit the parts", errWire)
	}
	for n := 1; n < len(m.parts); n++ {
		if m.parts[n-1].object >= m.parts[n].object {
			return fmt.Errorf("%w: parts are out of order", errWire)
		}
	}
	for n := 1; n < len(m.gaps); n++ {
		if compareGaps(m.gaps[n-1], m.gaps[n]) >= 0 {
			return fmt.Errorf("%w: the coverage is out of order", errWire)
		}
	}
	return nil
}

func compareGaps(a, b Gap) int {
	if c := strings.Compare(a.Object, b.Object); c != 0 {
		return c
	}
	return strings.Compare(a.Field, b.Field)
}
