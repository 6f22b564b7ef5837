package rollback

import (
	"bytes"
	"errors"
	"fmt"

	"holdfast/internal/plan"
)

// writeRecords writes the plans of records, each whole as docs/format/plan.md has it, and returns how many lines
// that makes.
func writeRecords(b *bytes.Buffer, records []*plan.Plan) (int, error) {
	lines := 0
	for i, p := range records {
		raw, err := encodeRecords(p)
		if err != nil {
			return 0, fmt.Errorf("records %d: %w", i+1, err)
		}
		inside := bytes.Count(raw, []byte("\n"))
		head, err := spell(recordsLine{Records: i + 1, Lines: inside})
		if err != nil {
			return 0, err
		}
		b.Write(head)
		b.Write(raw)
		lines += 1 + inside
	}
	return lines, nil
}

func encodeRecords(p *plan.Plan) ([]byte, error) {
	return plan.Encoded(p)
}

// approveRecords approves a part of what was approved as a whole.
func approveRecords(p *plan.Plan) (plan.Approved, error) {
	raw, err := encodeRecords(p)
	if err != nil {
		return plan.Approved{}, err
	}
	return plan.Approve(raw, plan.Digest(raw))
}

// records reads one plan of records.
func (r *lineReader) records(number int) *plan.Plan {
	var l recordsLine
	if r.next(&l); r.err == nil && (l.Records != number || l.Lines < 1 || l.Lines > len(r.rest)) {
		r.err = fmt.Errorf("records %d of %d lines stand in the place of %d", l.Records, l.Lines, number)
	}
	if r.err != nil {
		return nil
	}
	end := 0
	for range l.Lines {
		n := bytes.IndexByte(r.rest[end:], '\n')
		if n < 0 {
			r.err = errors.New("cut off")
			return nil
		}
		end += n + 1
	}
	p, err := plan.Decode(bytes.NewReader(r.rest[:end]))
	if err != nil {
		r.err = fmt.Errorf("records %d: %w", number, err)
		return nil
	}
	if p.Count(plan.HardDelete) > 0 { // nobody is asked how many, as `holdfast apply` asks for a plan of records alone
		r.err = fmt.Errorf("records %d: a rollback deletes nothing for good", number)
		return nil
	}
	r.rest = r.rest[end:]
	return p
}
