package plan

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// Encode writes the plan as docs/format/plan.md specifies. The same plan always gives the same
// bytes. It returns the errors of w, and one for a name or text that is not UTF-8.
func Encode(w io.Writer, p *Plan) error {
	out := bufio.NewWriter(w)
	sum := sha256.New()
	lines := 0
	for line, err := range linesOf(p) {
		if err != nil {
			return err
		}
		sum.Write(line)
		if _, err := out.Write(line); err != nil {
			return err
		}
		lines++
	}
	end := endLine{Lines: lines, Sum: hex.EncodeToString(sum.Sum(nil))}
	if _, err := out.Write(end.append(nil)); err != nil {
		return err
	}
	return out.Flush()
}

// Encoded returns the plan file as bytes that take no more memory than they are long.
func Encoded(p *Plan) ([]byte, error) {
	var length counter
	if err := Encode(&length, p); err != nil {
		return nil, err
	}
	raw := bytes.NewBuffer(make([]byte, 0, int(length)))
	err := Encode(raw, p)
	return raw.Bytes(), err
}

// counter counts what is written.
type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// linesOf yields every line but the last, each with its line feed. A line is valid until the next.
func linesOf(p *Plan) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		var buffer []byte
		emit := func(l line) bool {
			buffer = l.append(buffer[:0])
			switch {
			case !utf8.Valid(buffer):
				return yield(nil, fmt.Errorf("plan holds a name or text that is not UTF-8")) && false
			case len(buffer) > MaxLine:
				return yield(nil, fmt.Errorf("plan holds a line of %d bytes, and %d are allowed", len(buffer), MaxLine)) && false
			}
			return yield(buffer, nil)
		}
		if !emit(headerOf(p)) {
			return
		}
		for _, n := range p.Notes {
			if !emit(noteLine{Note: n}) {
				return
			}
		}
		for _, f := range p.Fidelity.Lines() {
			if !emit(fidelityLine(f)) {
				return
			}
		}
		for _, d := range p.Deferred {
			if !emit(deferredLine(d)) {
				return
			}
		}
		for _, c := range p.Conflicts {
			if !emit(conflictLine(c)) {
				return
			}
		}
		for _, a := range p.Automation {
			if !emit(automationLine(a)) {
				return
			}
		}
		for _, x := range p.Bypass {
			if !emit(bypassLine(x)) {
				return
			}
		}
		for _, s := range p.Steps {
			if !emit(stepLine{Step: s, rows: len(s.Rows)}) {
				return
			}
			for _, r := range s.Rows {
				if !emit(rowLine(r)) {
					return
				}
			}
		}
		for _, c := range p.Undo {
			if !emit(undoLine(c)) {
				return
			}
		}
	}
}

// line is one line of a plan file, which appends itself with its line feed.
type line interface{ append(b []byte) []byte }

type (
	headerLine struct {
		Org    sf.ID
		Made   string
		Source Source
		counts [headerCounts]int
	}
	noteLine     struct{ Note string }
	fidelityLine state.FieldFidelity
	deferredLine Deferred
	conflictLine state.Conflict
	stepLine     struct {
		Step
		rows int
	}
	rowLine  Row
	undoLine state.Change
	endLine  struct {
		Lines int
		Sum   string
	}
)

// The counts of the header, in their order.
const (
	countNotes = iota
	countFidelity
	countDeferred
	countConflicts
	countSteps
	countRows
	countUndo
	countAutomation
	countBypass
	headerCounts
)

var countNames = [headerCounts]string{"notes", "fidelity", "deferred", "conflicts", "steps", "rows", "undo", "automation", "bypass"}

func headerOf(p *Plan) headerLine {
	h := headerLine{Org: p.Org, Made: p.Made.UTC().Format(sf.DatetimeLayout), Source: p.Source}
	h.counts[countNotes] = len(p.Notes)
	h.counts[countFidelity] = len(p.Fidelity.Lines())
	h.counts[countDeferred] = len(p.Deferred)
	h.counts[countConflicts] = len(p.Conflicts)
	h.counts[countSteps] = len(p.Steps)
	for _, s := range p.Steps {
		h.counts[countRows] += len(s.Rows)
	}
	h.counts[countUndo] = len(p.Undo)
	h.counts[countAutomation] = len(p.Automation)
	h.counts[countBypass] = len(p.Bypass)
	return h
}

func (h headerLine) append(b []byte) []byte {
	o := open(b).text("format", Format).text("org", string(h.Org)).text("made", h.Made)
	o = o.text("wanted", h.Source.Wanted).text("base", h.Source.Base).text("live", h.Source.Live).names("only", h.Source.Only)
	for i, n := range h.counts {
		if i >= countAutomation && n == 0 {
			continue
		}
		o = o.number(countNames[i], int64(n))
	}
	return o.end()
}

func (l noteLine) append(b []byte) []byte { return open(b).text("note", l.Note).end() }

func (l fidelityLine) append(b []byte) []byte {
	return open(b).text("fidelity", l.Class.String()).text("object", l.Object).optional("field", l.Field).
		number("count", l.Count).optional("reason", l.Reason).end()
}

func (l deferredLine) append(b []byte) []byte {
	return open(b).text("deferred", l.Field).text("object", l.Object).number("rows", l.Rows).text("reason", l.Reason).end()
}

func (l conflictLine) append(b []byte) []byte {
	return open(b).text("conflict", string(l.ID)).text("object", l.Object).optional("field", l.Field).
		value("wanted", l.Wanted).value("base", l.Base).value("live", l.Live).text("reason", l.Reason).end()
}

func (l stepLine) append(b []byte) []byte {
	return open(b).number("step", int64(l.Number)).text("op", l.Op.String()).text("object", l.Object).
		names("fields", l.Fields).names("without", l.Without).number("rows", int64(l.rows)).end()
}

func (l rowLine) append(b []byte) []byte {
	return open(b).text("row", string(l.ID)).hash("before", l.Before).optional("with", string(l.With)).
		changes(l.Fields).images(l.Images).end()
}

func (l undoLine) append(b []byte) []byte {
	return open(b).text("undo", l.Kind.String()).text("object", l.Object).text("id", string(l.ID)).
		hash("before", l.Before).hash("after", l.After).changes(l.Fields).end()
}

func (l endLine) append(b []byte) []byte {
	return open(b).number("end", int64(l.Lines)).text("sha256", l.Sum).end()
}

// object appends a JSON object whose keys come in the order of the calls. Members that are left out
// when they are empty are those of optional, value, names, hash and changes.
type object []byte

func open(b []byte) object { return append(b, '{') }

func (o object) key(name string) object {
	if o[len(o)-1] != '{' {
		o = append(o, ',')
	}
	return append(appendString(o, name), ':')
}

func (o object) text(name, s string) object { return appendString(o.key(name), s) }

func (o object) optional(name, s string) object {
	if s == "" {
		return o
	}
	return o.text(name, s)
}

func (o object) number(name string, n int64) object { return strconv.AppendInt(o.key(name), n, 10) }

func (o object) names(name string, list []string) object {
	if len(list) == 0 {
		return o
	}
	o = append(o.key(name), '[')
	for i, s := range list {
		if i > 0 {
			o = append(o, ',')
		}
		o = appendString(o, s)
	}
	return append(o, ']')
}

func (o object) hash(name string, h state.Hash) object {
	if h.IsZero() {
		return o
	}
	return o.text(name, h.String())
}

// value leaves out an absent value; a text that is not UTF-8 is an object with its base64.
func (o object) value(name string, v sf.Value) object {
	switch {
	case v.IsAbsent():
		return o
	case v.IsNull():
		return append(o.key(name), "null"...)
	case utf8.ValidString(v.Text()):
		return o.text(name, v.Text())
	default:
		return open(o.key(name)).text("base64", base64.StdEncoding.EncodeToString([]byte(v.Text()))).close()
	}
}

func (o object) changes(fields []state.FieldChange) object {
	if len(fields) == 0 {
		return o
	}
	set := open(o.key("set"))
	for _, f := range fields {
		set = open(set.key(f.Field)).value("before", f.Before).value("after", f.After).close()
	}
	return set.close()
}

func (o object) images(images []Image) object {
	if len(images) == 0 {
		return o
	}
	all := open(o.key("images"))
	for _, i := range images {
		all = all.value(string(i.Ref), sf.Text(i.Body))
	}
	return all.close()
}

func (o object) close() object { return append(o, '}') }

func (o object) end() []byte { return append(o, '}', '\n') }

// appendString writes a JSON string as RFC 8785 does: only what must be escaped is.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\t':
			b = append(b, `\t`...)
		case '\n':
			b = append(b, `\n`...)
		case '\f':
			b = append(b, `\f`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
