package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/sf"
)

const (
	// maxPageRows bounds what one page of a REST query may bring: the platform sends up to 2,000.
	maxPageRows = 10_000
	// maxPage bounds its bytes: 2,000 rows of 64 KiB. The platform cuts pages of long rows shorter.
	maxPage = 128 << 20
)

// page is one page of a REST query.
type page struct {
	total   int64
	done    bool
	next    string // path of the next page
	records []sf.Record
}

// queryPath is the path of a query; queryAll also sees the Recycle Bin and archived activities.
func (o *Org) queryPath(soql string, deleted bool) string {
	resource := "query"
	if deleted {
		resource = "queryAll"
	}
	return o.data(resource) + "?q=" + url.QueryEscape(soql)
}

// uriRoom is how long a query's path may be beside the access token.
func (o *Org) uriRoom() int {
	token, _ := o.session.current()
	return maxURI - len(token)
}

// restPages reads the pages of a query in turn until fn returns false.
func (o *Org) restPages(ctx context.Context, e *extraction, soql string, fn func(page) bool) error {
	p, err := o.firstPage(ctx, e, soql)
	if err != nil {
		return err
	}
	return o.restPagesFrom(ctx, e, p, fn)
}

// restPagesFrom is restPages when the first page is there.
func (o *Org) restPagesFrom(ctx context.Context, e *extraction, p page, fn func(page) bool) error {
	total, rows := p.total, int64(0)
	for {
		rows += int64(len(p.records))
		if rows > total || p.done && rows != total {
			return o.giveUp("query "+e.Object.Name, damaged("the org counts %d rows and sent %d", total, rows))
		}
		if !fn(p) || p.done {
			return nil
		}
		if len(p.records) == 0 {
			return o.giveUp("query "+e.Object.Name, damaged("an empty page that is not the last"))
		}
		next, err := o.nextPath(p.next)
		if err != nil {
			return o.giveUp("query "+e.Object.Name, err)
		}
		if p, err = o.getPage(ctx, e, next); err != nil {
			return err
		}
	}
}

// firstPage sends the query in the URL, or in the body of a composite call when it is too long.
func (o *Org) firstPage(ctx context.Context, e *extraction, soql string) (page, error) {
	path := o.queryPath(soql, e.IncludeDeleted)
	if len(path) > o.uriRoom() {
		return o.compositePage(ctx, e, path)
	}
	p, err := o.getPage(ctx, e, path)
	if f, ok := errors.AsType[*Fault](err); ok &&
		(f.Status == http.StatusRequestURITooLong || f.Status == http.StatusRequestHeaderFieldsTooLarge) {
		return o.compositePage(ctx, e, path) // a proxy on the way allows less
	}
	return p, err
}

// nextPath checks the address of the next page: it must be a path, so that the session goes nowhere
// else. Some orgs write two slashes at its beginning.
func (o *Org) nextPath(next string) (string, error) {
	next = "/" + strings.TrimLeft(next, "/")
	if !strings.HasPrefix(next, "/services/data/v") {
		return "", damaged("the next page is said to be at %q", oneLine(next))
	}
	return next, nil
}

func (o *Org) getPage(ctx context.Context, e *extraction, path string) (page, error) {
	var p page
	c := call{what: "query " + e.Object.Name, method: http.MethodGet, path: path, accept: mediaJSON, repeat: true}
	err := o.do(ctx, c, func(resp *http.Response) (err error) {
		p, err = readPage(json.NewDecoder(&boundedReader{resp.Body, maxPage, maxPage}), e)
		return err
	})
	return p, err
}

// boundedReader reads no more than it may, and ends in an error that says so: what is cut there must
// not pass for the end of the answer.
type boundedReader struct {
	src       io.Reader
	left, all int64
}

// Read passes on bytes while there may be more.
func (r *boundedReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", r.all)
	}
	return n, err
}

// compositePage sends the query as the only subrequest of a composite call, whose body has no
// limit that a query could reach.
func (o *Org) compositePage(ctx context.Context, e *extraction, path string) (page, error) {
	var p page
	err := o.composite(ctx, "query "+e.Object.Name, []string{path}, func(answers []subanswer) (err error) {
		p, err = e.subpage(answers[0])
		return err
	})
	return p, err
}

// compositePages asks for the first pages of the queries of these Ids, in one composite call.
func (o *Org) compositePages(ctx context.Context, e *extraction, chunks [][]sf.ID) ([]*page, error) {
	paths := make([]string, len(chunks))
	for i, ids := range chunks {
		paths[i] = o.queryPath(e.query(ids), e.IncludeDeleted)
	}
	pages := make([]*page, len(chunks))
	err := o.composite(ctx, "query "+e.Object.Name, paths, func(answers []subanswer) error {
		for i, a := range answers {
			p, err := e.subpage(a)
			if err != nil {
				return err
			}
			pages[i] = &p
		}
		return nil
	})
	return pages, err
}

// subpage is the page that answers one query of a composite call.
func (e *extraction) subpage(a subanswer) (page, error) {
	if a.Status != http.StatusOK {
		f := parseFault(a.Body)
		f.Status = a.Status
		return page{}, f
	}
	return readPage(json.NewDecoder(bytes.NewReader(a.Body)), e)
}

// fixedBody is a request body that is the same in every attempt.
func fixedBody(raw []byte) func(string) (io.Reader, int64, error) {
	return func(string) (io.Reader, int64, error) { return bytes.NewReader(raw), int64(len(raw)), nil }
}

// readPage reads a page from the stream, one record in memory at a time besides the result.
func readPage(d *json.Decoder, e *extraction) (page, error) {
	var p page
	var seen struct{ total, done bool }
	if err := expect(d, '{'); err != nil {
		return p, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return p, cut(err)
		}
		switch key {
		case "totalSize":
			err, seen.total = d.Decode(&p.total), true
		case "done":
			err, seen.done = d.Decode(&p.done), true
		case "nextRecordsUrl":
			err = d.Decode(&p.next)
		case "records":
			p.records, err = readRecords(d, e)
		default:
			var ignored json.RawMessage
			err = d.Decode(&ignored)
		}
		if err != nil {
			return p, cut(err)
		}
	}
	if err := expect(d, '}'); err != nil {
		return p, err
	}
	if !seen.total || !seen.done {
		return p, damaged("a page without totalSize or done")
	}
	return p, nil
}

func readRecords(d *json.Decoder, e *extraction) ([]sf.Record, error) {
	if err := expect(d, '['); err != nil {
		return nil, err
	}
	var records []sf.Record
	for d.More() {
		if len(records) == maxPageRows {
			return nil, fmt.Errorf("a page of more than %d rows", maxPageRows)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, cut(err)
		}
		r, err := e.record(raw)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, expect(d, ']')
}

func expect(d *json.Decoder, want json.Delim) error {
	tok, err := d.Token()
	if err != nil {
		return cut(err)
	}
	if tok != want {
		return damaged("broken JSON: want %q, got %.40q", want, fmt.Sprint(tok))
	}
	return nil
}

// cut marks JSON that ends too early, is broken or has a value of another type as damage; other errors
// pass.
func cut(err error) error {
	if errors.Is(err, errDamaged) {
		return err
	}
	_, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || mistyped || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("broken JSON: %w", err)
	}
	return err
}

// record reads one record; every field that was asked for must be there.
func (e *extraction) record(raw []byte) (sf.Record, error) {
	r := sf.Record{Shape: e.shape, Values: make([]sf.Value, e.shape.Len())}
	err := members(raw, func(key string, value []byte) error {
		if key == "Id" {
			text, err := unquote(value)
			if err == nil {
				r.ID, err = parseID(text)
			}
			return err
		}
		i := e.shape.Index(key)
		if i < 0 {
			return nil // attributes, and nothing else that was asked for
		}
		v, err := fieldValue(e.types[i], value)
		if err != nil {
			return fmt.Errorf("field %s: %w", key, err)
		}
		r.Values[i] = v
		return nil
	})
	if err != nil {
		return sf.Record{}, fmt.Errorf("record %s: %w", r.ID, err)
	}
	if r.ID == "" {
		return sf.Record{}, damaged("a record without Id")
	}
	for i, v := range r.Values {
		if v.IsAbsent() {
			return sf.Record{}, damaged("record %s without the field %s", r.ID, e.shape.Fields()[i])
		}
	}
	return r, nil
}

// Count returns how many records the object has, with those in the Recycle Bin when deleted is set.
func (o *Org) Count(ctx context.Context, object string, deleted bool) (int64, error) {
	if !isName(object) {
		return 0, unknownObject("count", object)
	}
	var reply countReply
	c := call{
		what: "count " + object, method: http.MethodGet, repeat: true,
		path: o.queryPath("SELECT COUNT() FROM "+object, deleted),
	}
	if err := o.json(ctx, c, &reply); err != nil {
		return 0, err
	}
	if reply.Total == nil || !reply.Done {
		return 0, fmt.Errorf("count %s: %w: no totalSize", object, errDamaged)
	}
	return *reply.Total, nil
}

// Counts counts the records of many objects, those in the Recycle Bin left out, five in a call. An
// object that the org did not count is not in the result: Count tells why.
func (o *Org) Counts(ctx context.Context, objects []string) (map[string]int64, error) {
	for _, name := range objects {
		if !isName(name) {
			return nil, unknownObject("count", name)
		}
	}
	var mu sync.Mutex
	counts := make(map[string]int64, len(objects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(batchParallel)
	for some := range slices.Chunk(objects, maxCompositeQueries) {
		group.Go(func() error {
			answers, err := o.each(ctx, fmt.Sprintf("count %d objects", len(some)), some, func(name string) string {
				return o.queryPath("SELECT COUNT() FROM "+name, false)
			})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for i, name := range some {
				var reply countReply
				if answers[i] != nil && json.Unmarshal(answers[i], &reply) == nil && reply.Total != nil && reply.Done {
					counts[name] = *reply.Total
				}
			}
			return nil
		})
	}
	return counts, group.Wait()
}

// countReply is the answer to SELECT COUNT().
type countReply struct {
	Total *int64 `json:"totalSize"`
	Done  bool   `json:"done"`
}
