package plan

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// maxCount bounds each count of a header: a record may have a row in three steps.
const maxCount = 4 * MaxRows

// Decode reads a plan file. Anything but a whole file of this version in canonical form wraps
// ErrFile; errors of r are returned as they are.
//
// A line is canonical if writing what was read gives the same bytes. That is how it is checked, so
// that a plan has one spelling and its digest says what it does.
func Decode(r io.Reader) (*Plan, error) {
	d := &decoder{in: bufio.NewReader(r), sum: sha256.New(), plan: &Plan{}, names: map[string]string{}}
	for _, read := range []func() error{
		d.header, d.notes, d.fidelity, d.deferred, d.conflicts, d.automation, d.bypass, d.steps, d.undo, d.end,
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	if err := check(d.plan); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return d.plan, nil
}

// decoder reads one file, line by line.
type decoder struct {
	in     *bufio.Reader
	sum    hash.Hash // of the lines so far
	lines  int
	counts [headerCounts]int
	plan   *Plan
	names  map[string]string // of fields
}

func (d *decoder) bad(format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %w", ErrFile, d.lines, fmt.Errorf(format, args...))
}

// next reads one line, with its line feed.
func (d *decoder) next() ([]byte, error) {
	var long []byte
	d.lines++
	for {
		part, err := d.in.ReadSlice('\n')
		switch {
		case err == nil && long == nil:
			return part, nil
		case err == nil:
			return append(long, part...), nil
		case errors.Is(err, io.EOF):
			return nil, d.bad("the file ends early")
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
		if long = append(long, part...); len(long) > MaxLine {
			return nil, d.bad("longer than %d bytes", MaxLine)
		}
	}
}

// read reads the next line into wire, which to turns into the line that must have been written.
func read[W any](d *decoder, to func(W) (line, error)) error {
	raw, err := d.next()
	if err != nil {
		return err
	}
	var wire W
	if err := json.Unmarshal(raw, &wire); err != nil {
		return d.bad("%w", err)
	}
	l, err := to(wire)
	if err != nil {
		return d.bad("%w", err)
	}
	if !bytes.Equal(l.append(nil), raw) {
		return d.bad("not what belongs here, or not in canonical form")
	}
	if _, last := l.(endLine); !last {
		d.sum.Write(raw)
	}
	return nil
}

func (d *decoder) header() error {
	type wire struct {
		Format, Org, Made, Wanted, Base, Live                   string
		Only                                                    []string
		Notes, Fidelity, Deferred, Conflicts, Steps, Rows, Undo int
		Automation, Bypass                                      int
	}
	return read(d, func(w wire) (line, error) {
		if w.Format != Format {
			return nil, fmt.Errorf("format %q, and this program reads %q", clip(w.Format), Format)
		}
		made, err := time.Parse(sf.DatetimeLayout, w.Made)
		if err != nil {
			return nil, fmt.Errorf("made at %q, which is no time", clip(w.Made))
		}
		d.counts = [headerCounts]int{w.Notes, w.Fidelity, w.Deferred, w.Conflicts, w.Steps, w.Rows, w.Undo, w.Automation, w.Bypass}
		for i, n := range d.counts {
			if n < 0 || n > maxCount {
				return nil, fmt.Errorf("%d %s, and 0 to %d are allowed", n, countNames[i], maxCount)
			}
		}
		d.plan.Org, d.plan.Made = sf.ID(w.Org), made
		d.plan.Source = Source{Wanted: w.Wanted, Base: w.Base, Live: w.Live, Only: w.Only}
		return headerLine{Org: d.plan.Org, Made: w.Made, Source: d.plan.Source, counts: d.counts}, nil
	})
}

// each reads as many lines as the header announces.
func each[W any](d *decoder, count int, to func(W) (line, error)) error {
	for range d.counts[count] {
		if err := read(d, to); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) notes() error {
	return each(d, countNotes, func(w struct{ Note string }) (line, error) {
		d.plan.Notes = append(d.plan.Notes, w.Note)
		return noteLine(w), nil
	})
}

func (d *decoder) fidelity() error {
	type wire struct {
		Fidelity, Object, Field, Reason string
		Count                           int64
	}
	var last state.FieldFidelity
	return each(d, countFidelity, func(w wire) (line, error) {
		class, err := state.ParseClass(w.Fidelity)
		if err != nil {
			return nil, err
		}
		f := state.FieldFidelity{Object: w.Object, Field: w.Field, Class: class, Reason: w.Reason}
		if last != (state.FieldFidelity{}) && compareFidelity(last, f) >= 0 {
			return nil, errors.New("fidelity out of order")
		}
		last = f
		d.plan.Fidelity.Add(f.Object, f.Field, f.Class, f.Reason, w.Count)
		f.Count = w.Count
		return fidelityLine(f), nil
	})
}

func compareFidelity(a, b state.FieldFidelity) int {
	return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field),
		cmp.Compare(a.Class, b.Class), strings.Compare(a.Reason, b.Reason))
}

func (d *decoder) deferred() error {
	type wire struct {
		Deferred, Object, Reason string
		Rows                     int64
	}
	return each(d, countDeferred, func(w wire) (line, error) {
		x := Deferred{Object: w.Object, Field: w.Deferred, Reason: w.Reason, Rows: w.Rows}
		d.plan.Deferred = append(d.plan.Deferred, x)
		return deferredLine(x), nil
	})
}

func (d *decoder) conflicts() error {
	type wire struct {
		Conflict, Object, Field, Reason string
		Wanted, Base, Live              wireValue
	}
	return each(d, countConflicts, func(w wire) (line, error) {
		c := state.Conflict{
			Object: w.Object, ID: sf.ID(w.Conflict), Field: w.Field, Reason: w.Reason,
			Wanted: w.Wanted.Value, Base: w.Base.Value, Live: w.Live.Value,
		}
		d.plan.Conflicts = append(d.plan.Conflicts, c)
		return conflictLine(c), nil
	})
}

func (d *decoder) steps() error {
	type wire struct {
		Step, Rows      int
		Op, Object      string
		Fields, Without []string
	}
	left := d.counts[countRows]
	for range d.counts[countSteps] {
		rows := 0
		err := read(d, func(w wire) (line, error) {
			op, err := parseOp(w.Op)
			if err != nil {
				return nil, err
			}
			if rows = w.Rows; rows <= 0 || rows > left {
				return nil, fmt.Errorf("a step of %d rows, and %d are left", rows, left)
			}
			s := Step{Number: w.Step, Op: op, Object: w.Object, Fields: w.Fields, Without: w.Without}
			d.plan.Steps = append(d.plan.Steps, s)
			return stepLine{Step: s, rows: rows}, nil
		})
		if err != nil {
			return err
		}
		step := &d.plan.Steps[len(d.plan.Steps)-1]
		for range rows {
			if err := d.row(step); err != nil {
				return err
			}
		}
		left -= rows
	}
	if left > 0 {
		return d.bad("%d rows are missing", left)
	}
	return nil
}

func (d *decoder) row(step *Step) error {
	type wire struct {
		Row, Before, With string
		Set               map[string]wireChange
		Images            map[string]wireValue
	}
	return read(d, func(w wire) (line, error) {
		r := Row{ID: sf.ID(w.Row), With: sf.ID(w.With), Fields: d.fieldsOf(w.Set)}
		var err error
		if r.Before, err = hashOf(w.Before); err != nil {
			return nil, err
		}
		for _, ref := range slices.Sorted(maps.Keys(w.Images)) {
			r.Images = append(r.Images, Image{Ref: sf.ID(ref), Body: w.Images[ref].Text()})
		}
		step.Rows = append(step.Rows, r)
		return rowLine(r), nil
	})
}

func (d *decoder) undo() error {
	type wire struct {
		Undo, Object, ID, Before, After string
		Set                             map[string]wireChange
	}
	return each(d, countUndo, func(w wire) (line, error) {
		kind, err := state.ParseKind(w.Undo)
		c := state.Change{Object: w.Object, ID: sf.ID(w.ID), Kind: kind, Fields: d.fieldsOf(w.Set)}
		if err == nil {
			c.Before, err = hashOf(w.Before)
		}
		if err == nil {
			c.After, err = hashOf(w.After)
		}
		if err != nil {
			return nil, err
		}
		d.plan.Undo = append(d.plan.Undo, c)
		return undoLine(c), nil
	})
}

func (d *decoder) end() error {
	type wire struct {
		End    int
		Sha256 string
	}
	before, sum := d.lines, hex.EncodeToString(d.sum.Sum(nil))
	err := read(d, func(w wire) (line, error) {
		if w.End != before || w.Sha256 != sum {
			return nil, errors.New("the last line does not fit the lines before it")
		}
		return endLine{Lines: w.End, Sum: w.Sha256}, nil
	})
	if err != nil {
		return err
	}
	if _, err := d.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return err
		}
		return d.bad("something follows the last line")
	}
	return nil
}

func hashOf(s string) (state.Hash, error) {
	if s == "" {
		return state.Hash{}, nil
	}
	return state.ParseHash(s)
}

type wireChange struct{ Before, After wireValue }

// fieldsOf lays out a set. A plan of a million rows has few names of fields: each is held once.
func (d *decoder) fieldsOf(set map[string]wireChange) []state.FieldChange {
	fields := make([]state.FieldChange, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		known, found := d.names[name]
		if !found {
			known = name
			d.names[name] = known
		}
		fields = append(fields, state.FieldChange{Field: known, Before: set[name].Before.Value, After: set[name].After.Value})
	}
	return fields
}

// wireValue is a value in a plan file: null, a text, or {"base64": …}. A member that is not there is
// an absent value.
type wireValue struct{ sf.Value }

// UnmarshalJSON reads one of the three forms.
func (v *wireValue) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case 'n':
		v.Value = sf.Null()
		return nil
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		v.Value = sf.Text(s)
		return nil
	}
	var w struct{ Base64 string }
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	b, err := base64.StdEncoding.DecodeString(w.Base64)
	if err != nil {
		return err
	}
	if utf8.Valid(b) {
		return errors.New("base64 of a text that needs none")
	}
	v.Value = sf.Text(string(b))
	return nil
}
