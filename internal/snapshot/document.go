package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"holdfast/internal/repo"
	"holdfast/internal/sf"
)

// A document is JSON, one line to a thing, cut into the frames of one object: the first line, which
// is the head, alone in the first frame as it is; the others, compressed, in the following frames.

// Limits of a document; docs/format/snapshot.md, "Limits".
const (
	maxLine      = 16 << 20
	linesPerRead = frameTarget // bytes of lines after which a frame ends
)

// documentWriter collects the lines of a document.
type documentWriter struct {
	frames  [][]byte
	lines   []byte
	scratch []byte
}

// add appends one line.
func (d *documentWriter) add(v any) error {
	line, err := encodeLine(v)
	if err != nil {
		return err
	}
	if len(line) > maxLine {
		return fmt.Errorf("a line of %d bytes, at most %d", len(line), maxLine)
	}
	if d.frames == nil {
		d.frames = append(d.frames, line)
		return nil
	}
	if len(d.lines) > 0 && len(d.lines)+len(line) > linesPerRead {
		if err := d.end(); err != nil {
			return err
		}
	}
	d.lines = append(d.lines, line...)
	return nil
}

func (d *documentWriter) end() error {
	if len(d.lines) == 0 {
		return nil
	}
	packed, scratch, err := compress(d.lines, d.scratch, true)
	if err != nil {
		return err
	}
	d.frames, d.scratch, d.lines = append(d.frames, packed), scratch, d.lines[:0]
	return nil
}

// encodeLine writes v in the only form that decodeLine accepts.
func encodeLine(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// decodeLine reads a line into v, and refuses every other spelling of the same.
func decodeLine(line []byte, v any) error {
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: %w", errWire, err)
	}
	again, err := encodeLine(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, line) {
		return fmt.Errorf("%w: not in canonical form", errWire)
	}
	return nil
}

// readHead reads the first line of a document.
func readHead(ctx context.Context, o *repo.Object, v any) error {
	line, err := o.Frame(ctx, 0)
	if err != nil {
		return err
	}
	if err := decodeLine(line, v); err != nil {
		return damaged(o.Ref(), err)
	}
	return nil
}

// readLines yields the lines after the head.
func readLines(ctx context.Context, o *repo.Object) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i := 1; i < o.Frames(); i++ {
			packed, err := o.Frame(ctx, i)
			if err != nil {
				yield(nil, err)
				return
			}
			for line, err := range unpackLines(packed) {
				if err != nil {
					err = damaged(o.Ref(), err)
				}
				if !yield(line, err) || err != nil {
					return
				}
			}
		}
	}
}

// unpackLines yields the lines of one frame, each with its line feed.
func unpackLines(packed []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		lines, err := decompress(nil, packed)
		if err == nil && (len(lines) == 0 || lines[len(lines)-1] != '\n') {
			err = fmt.Errorf("%w: the last line is cut off", errWire)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for line := range bytes.Lines(lines) {
			if !yield(line, nil) {
				return
			}
		}
	}
}

// writeTime is the form of a time in a document: UTC, milliseconds; "" for no time.
func writeTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(sf.DatetimeLayout)
}

func readTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(sf.DatetimeLayout, s)
	if err != nil || writeTime(t) != s {
		return time.Time{}, fmt.Errorf("%w: time %.40q", errWire, s)
	}
	return t, nil
}

// floor returns the time that a document keeps of t. Cutting off is safe for a watermark: it may
// only be too early.
func floor(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
