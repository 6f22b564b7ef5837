package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	dialTime  = 10 * time.Second
	stallTime = time.Minute // without one byte moving in either direction

	maxPage  = 16 << 20 // of a page of a listing: 1000 names of 1 KiB, escaped, take 4 MiB
	maxError = 1 << 20  // of the body of an error
)

var (
	// errStalled is a connection on which nothing moved for stallTime.
	errStalled = fmt.Errorf("the store did not move a byte for %v", stallTime)

	// errNotS3 is an answer that no S3 store gives.
	errNotS3 = errors.New("the answer is not that of an S3 store")
)

// wire carries requests of the client to the store. It ends those that stall, however long they last
// otherwise, and refuses answers that the client would take for an empty listing or a missing object.
type wire struct {
	base  http.RoundTripper
	stall time.Duration
}

func newWire() *wire {
	dialer := &net.Dialer{Timeout: dialTime}
	return &wire{
		stall: stallTime,
		base: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialer.DialContext,
			TLSHandshakeTimeout: dialTime,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     stallTime,
			DisableCompression:  true, // bytes are to arrive as they were stored
		},
	}
}

// RoundTrip makes one request.
func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(request.Context())
	timer := time.AfterFunc(w.stall, func() { cancel(errStalled) })
	moved := func() { timer.Reset(w.stall) }
	done := func() {
		timer.Stop()
		cancel(nil)
	}
	stalled := func() bool { return errors.Is(context.Cause(ctx), errStalled) }
	watched := request.Clone(ctx)
	if request.Body != nil && request.Body != http.NoBody {
		watched.Body = &watchedBody{ReadCloser: request.Body, stalled: stalled, moved: moved}
	}
	response, err := w.base.RoundTrip(watched)
	if err != nil {
		if stalled() {
			err = errStalled
		}
		done()
		return nil, err
	}
	response.Body = &watchedBody{ReadCloser: response.Body, stalled: stalled, moved: moved, closed: done}
	if err := judge(request, response); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

// watchedBody tells of each byte that moves, and of its end.
type watchedBody struct {
	io.ReadCloser
	stalled func() bool
	moved   func()
	closed  func() // or nil
}

// Read reads, and explains a read that was ended because nothing moved.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.moved()
	}
	if err != nil && !errors.Is(err, io.EOF) && b.stalled() {
		err = errStalled
	}
	return n, err
}

// Close closes the body.
func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	if b.closed != nil {
		b.closed()
	}
	return err
}

// judge returns an error for an answer that does not mean what the client would take it for.
func judge(request *http.Request, response *http.Response) error {
	query := request.URL.Query()
	listing := request.Method == http.MethodGet && query.Has("prefix") // no other request has one
	switch {
	case response.StatusCode == http.StatusOK && listing:
		body, err := replay(response, maxPage)
		if err != nil {
			return err
		}
		return checkPage(body, query)
	case response.StatusCode == http.StatusPartialContent && response.Header.Get("Content-Range") == "":
		return fmt.Errorf("%w: a part of an object that does not say which", errNotS3)
	case response.StatusCode == http.StatusNotFound && request.Method != http.MethodHead:
		body, err := replay(response, maxError)
		if err != nil {
			return err
		}
		var missing struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
		}
		if err := xml.Unmarshal(body, &missing); err != nil || missing.Code == "" {
			return fmt.Errorf("%w: HTTP 404 without its reason", errNotS3)
		}
	}
	return nil
}

// replay reads the body of the response and puts a copy in its place.
func replay(response *http.Response, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	_ = response.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("the answer was cut: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", errNotS3, limit)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

// page is what must be right in a page of a listing, so that an incomplete one is never taken for the
// end. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html and
// API_ListObjectVersions.html; a few stores leave out KeyCount or the echo of Prefix.
type page struct {
	XMLName               xml.Name
	EncodingType          string
	Prefix                *string
	KeyCount              *int
	IsTruncated           *bool
	NextContinuationToken string
	NextKeyMarker         string
	NextVersionIDMarker   string `xml:"NextVersionIdMarker"`
	Contents              []struct {
		Key  string
		Size *int64
	}
	CommonPrefixes []struct{ Prefix string }
}

// checkPage returns an error unless the body is a whole page of the listing that was asked for.
func checkPage(body []byte, query url.Values) error {
	var p page
	if err := xml.Unmarshal(body, &p); err != nil {
		return fmt.Errorf("%w: a page of a listing that cannot be read: %s", errNotS3, strings.ReplaceAll(err.Error(), "EOF", "end"))
	}
	root := "ListBucketResult"
	if query.Has("versions") {
		root = "ListVersionsResult"
	}
	switch {
	case p.XMLName.Local != root:
		return fmt.Errorf("%w: <%s> instead of <%s>", errNotS3, p.XMLName.Local, root)
	case p.IsTruncated == nil:
		return fmt.Errorf("%w: a page that does not say whether it is the last", errNotS3)
	case p.KeyCount != nil && *p.KeyCount != len(p.Contents)+len(p.CommonPrefixes):
		return fmt.Errorf("%w: a page of %d keys that says %d", errNotS3, len(p.Contents), *p.KeyCount)
	case p.Prefix != nil && !p.echoes(query.Get("prefix")):
		return fmt.Errorf("%w: a listing of %q instead of %q", errNotS3, *p.Prefix, query.Get("prefix"))
	}
	for _, object := range p.Contents {
		if object.Key == "" || object.Size == nil || *object.Size < 0 {
			return fmt.Errorf("%w: a page with an object without a key or size", errNotS3)
		}
	}
	if !*p.IsTruncated {
		return nil
	}
	if root == "ListBucketResult" {
		if p.NextContinuationToken == "" || p.NextContinuationToken == query.Get("continuation-token") {
			return fmt.Errorf("%w: a page that is not the last and does not say where to go on", errNotS3)
		}
		return nil
	}
	if p.NextKeyMarker == "" || p.NextKeyMarker == query.Get("key-marker") && p.NextVersionIDMarker == query.Get("version-id-marker") {
		return fmt.Errorf("%w: a page that is not the last and does not say where to go on", errNotS3)
	}
	return nil
}

// echoes reports whether the page is one of the prefix that was asked for.
func (p *page) echoes(prefix string) bool {
	got := *p.Prefix
	if p.EncodingType == "url" {
		if plain, err := url.QueryUnescape(got); err == nil {
			got = plain
		}
	}
	return got == prefix || *p.Prefix == prefix
}
