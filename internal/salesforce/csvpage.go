package salesforce

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strconv"

	"holdfast/internal/salesforce/csv"
)

// errStopped ends a page because the reader of the rows wants no more.
var errStopped = errors.New("stopped by the reader")

// csvPage is one CSV answer that is delivered row by row while it arrives. When it breaks off it is
// asked for again from its beginning; rows that were delivered are then skipped, after a check that
// they are the same, so no row is delivered twice and none is lost.
type csvPage struct {
	call   call
	counts bool                           // the answer carries Sforce-NumberOfRecords
	header func(names []string) error     // is given the first row, in every attempt
	row    func(fields [][]byte) error    // is given every row once
	answer func(header http.Header) error // checks the answer's headers before its rows; may be nil

	delivered int64
	keys      uint64 // running hash of the first field of the rows delivered
}

var pageSeed = maphash.MakeSeed()

// fetch reads the page and returns the number of its rows.
func (o *Org) fetch(ctx context.Context, p *csvPage) (int64, error) {
	p.call.method, p.call.accept, p.call.repeat = http.MethodGet, mediaCSV, true
	var rows int64
	err := o.do(ctx, p.call, func(resp *http.Response) (err error) {
		rows, err = p.read(resp)
		return err
	})
	return rows, err
}

func (p *csvPage) read(resp *http.Response) (int64, error) {
	want := int64(-1)
	if resp.StatusCode == http.StatusNoContent {
		return 0, damaged("answered without content")
	}
	if p.answer != nil {
		if err := p.answer(resp.Header); err != nil {
			return 0, err
		}
	}
	if p.counts {
		n, err := strconv.ParseInt(resp.Header.Get("Sforce-NumberOfRecords"), 10, 64)
		if err != nil || n < 0 {
			return 0, damaged("no header Sforce-NumberOfRecords, by which the page could be checked")
		}
		want = n
	}
	r := csv.NewReader(resp.Body, 0)
	names, err := r.Next()
	switch {
	case errors.Is(err, io.EOF) && !p.counts:
		return 0, nil // results of a job may be empty altogether
	case errors.Is(err, io.EOF):
		return 0, damaged("a page without its header row")
	case err != nil:
		return 0, cutCSV(err)
	}
	width := len(names)
	if err := p.header(toStrings(names)); err != nil {
		return 0, err
	}
	rows, err := p.rows(r, width, want, func(n int64) bool { return (want < 0 || n == want) && framed(resp) })
	if err == nil && want >= 0 && rows != want {
		err = damaged("the page holds %d rows, the org counts %d", rows, want)
	}
	return rows, err
}

// rows reads the rows behind the header row, at most that many unless most is negative. A row without
// an end may have been cut just where it
// looks whole, so it is delivered only if whole, which is given the number of rows so far, says so.
func (p *csvPage) rows(r *csv.Reader, width int, most int64, whole func(rows int64) bool) (int64, error) {
	var rows int64
	var keys uint64
	known, knownKeys := p.delivered, p.keys
	for {
		fields, err := r.Next()
		if errors.Is(err, io.EOF) {
			if rows < known {
				return rows, damaged("the page came again with %d rows, %d were read before", rows, known)
			}
			return rows, nil
		}
		if err != nil {
			return rows, cutCSV(err)
		}
		if len(fields) != width {
			return rows, damaged("row %d has %d columns, the header has %d", r.Rows(), len(fields), width)
		}
		if rows++; most >= 0 && rows > most {
			return rows, damaged("the page holds more rows than the %d that the org counts", most)
		}
		if !r.Ended() && !whole(rows) {
			return rows, damaged("row %d has no end, the page may be cut", r.Rows())
		}
		keys = keys*31 + maphash.Bytes(pageSeed, fields[0])
		if rows <= known {
			if rows == known && keys != knownKeys {
				return rows, fmt.Errorf("the page came again with other rows than before")
			}
			continue
		}
		if err := p.row(fields); err != nil {
			return rows, err
		}
		p.delivered, p.keys = rows, keys
	}
}

// framed reports whether HTTP or gzip itself would notice that the body was cut.
func framed(resp *http.Response) bool {
	chunked := len(resp.TransferEncoding) > 0
	return resp.ContentLength >= 0 || chunked || resp.Uncompressed || resp.ProtoMajor >= 2
}

// cutCSV marks text that is not CSV, or ends too early, as damage; other errors pass.
func cutCSV(err error) error {
	if errors.Is(err, csv.ErrSyntax) || errors.Is(err, csv.ErrTruncated) {
		return damaged("broken CSV: %w", err)
	}
	return err
}

func toStrings(fields [][]byte) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = string(f)
	}
	return out
}
