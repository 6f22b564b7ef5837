package salesforce

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

const (
	userAgent = "holdfast"
	// stallTime ends a response that gives no byte for so long. A query may take 120 s before its
	// first byte (unverified), the platform's own bound of a call is 10 minutes.
	stallTime = 150 * time.Second
	// wholeTime ends a call whose answer is read whole: one that trickles in never stalls.
	wholeTime = 15 * time.Minute
)

// call is one intent sent to the org, in as many attempts as its kind allows.
type call struct {
	what     string // names the call in errors, such as "query Contact"
	method   string
	path     string // on the instance, with the query string
	header   map[string]string
	accept   string // media type that a good answer has; empty: not checked
	body     func(token string) (io.Reader, int64, error)
	repeat   bool // carrying it out twice does no harm
	attempts int  // 0 means maxAttempts
	whole    bool // the answer is read whole, and has wholeTime for it
}

// errDamaged marks an answer that arrived whole as far as HTTP can tell and yet is not what the org
// said it would be: asking again may bring the right one.
var errDamaged = errors.New("damaged answer")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errDamaged, fmt.Errorf(format, args...))
}

// do sends the call until it has an answer, and has read take the 2xx answer in. When the answer
// breaks off or is damaged, a repeatable call is sent again, so read must start afresh each time it
// is called. An error of read for any other reason is returned as it is.
func (o *Org) do(ctx context.Context, c call, read func(*http.Response) error) error {
	attempts := c.attempts
	if attempts == 0 {
		attempts = maxAttempts
	}
	renewals := 0
	for n := 1; ; n++ {
		token, instance := o.session.current()
		if token == "" {
			if err := o.renew(ctx, token); err != nil {
				return fmt.Errorf("%s: %w", c.what, err)
			}
			token, instance = o.session.current()
		}
		v, after, err := o.attempt(ctx, c, token, instance, read)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			if v == unknown && !c.repeat {
				return fmt.Errorf("%s: %w: %w", c.what, ErrOutcomeUnknown, context.Cause(ctx))
			}
			return fmt.Errorf("%s: %w", c.what, context.Cause(ctx))
		}
		f, refused := errors.AsType[*Fault](err)
		switch {
		case refused && f.expired() && renewals < maxRenewals:
			renewals++
			n--
			if err := o.renew(ctx, token); err != nil {
				return fmt.Errorf("%s: %w", c.what, err)
			}
			continue
		case v == unknown && !c.repeat:
			return problem.Wrap(problem.Unreachable, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err), c.what).
				Hint("look into the org before trying again")
		case v == final || n >= attempts:
			return o.giveUp(c.what, err)
		}
		o.notice(fmt.Sprintf("%s: attempt %d: %v", c.what, n, err))
		wait := func() error { return o.pace.wait(ctx, n, after) }
		if refused && f.crowded() {
			err = o.throttle.cool(wait)
		} else {
			err = wait()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
}

// giveUp is the error of a call after its last attempt.
func (o *Org) giveUp(what string, err error) error {
	if f, ok := errors.AsType[*Fault](err); ok {
		return asProblem(what, f)
	}
	if errors.Is(err, errDamaged) {
		return problem.Wrap(problem.Failed, err, what).
			Hint("try again; if it stays so, look for a proxy on the way that alters answers")
	}
	if _, ok := errors.AsType[*transportError](err); ok {
		return o.unreachable(what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// unreachable is the error for an org that does not answer.
func (o *Org) unreachable(what string, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	_, instance := o.session.current()
	hint := "check the address of the org and the network"
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		hint = "check the address of the org; SSL_CERT_FILE names a file of certificate authorities to trust"
	}
	return problem.New(problem.Unreachable, oneLine(o.session.scrub(
		fmt.Sprintf("%s: the org at %s does not answer: %v", what, instance, err)))).
		Hint("%s", hint)
}

// transportError is the failure to get an answer, or the whole of one.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// attempt sends the call once.
func (o *Org) attempt(ctx context.Context, c call, token, instance string, read func(*http.Response) error) (verdict, time.Duration, error) {
	if err := o.throttle.enter(ctx); err != nil {
		return rejected, 0, err
	}
	waiting, complained := true, false
	answered := func() {
		if waiting {
			waiting = false
			o.throttle.leave(complained)
		}
	}
	defer answered()
	number, err := o.ledger.take()
	if err != nil {
		return final, 0, err
	}
	info := ""
	defer func() { o.ledger.settle(number, info) }()

	if c.whole {
		bounded, stop := context.WithTimeoutCause(ctx, wholeTime, fmt.Errorf("no whole answer within %v", wholeTime))
		defer stop()
		ctx = bounded
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stallTime, func() { cancel(fmt.Errorf("no byte for %v", stallTime)) })
	defer watch.Stop()
	req, err := c.request(ctx, token, instance, watch)
	if err != nil {
		return final, 0, err
	}
	o.requests.Add(1)
	resp, err := o.http.Do(req) //nolint:bodyclose // closed through the watchedBody around it
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the URL's query string says nothing to an operator
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return judgeTransport(err), 0, &transportError{err}
	}
	watch.Stop()
	body := &watchedBody{ctx: ctx, src: resp.Body, watch: watch}
	resp.Body = body
	defer body.Close()
	info = resp.Header.Get("Sforce-Limit-Info")
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		f := o.scrubbed(readFault(resp))
		complained = f.crowded()
		return judgeFault(f), retryAfter(resp.Header), f
	}
	answered() // whoever reads the answer may ask for more meanwhile
	if text := c.wrongType(resp); text != "" {
		return unknown, 0, damaged("%s", oneLine(o.session.scrub(text)))
	}
	err = read(resp)
	switch {
	case err == nil:
		return final, 0, nil
	case body.failed() != nil:
		return unknown, 0, &transportError{body.failed()}
	case errors.Is(err, errDamaged):
		return unknown, 0, err
	}
	if f, ok := errors.AsType[*Fault](err); ok { // a refusal inside a 2xx answer (composite)
		return judgeFault(f), 0, o.scrubbed(f)
	}
	return final, 0, err
}

// line makes a text of the org fit for an error: without secrets, and one line.
func (o *Org) line(text string) string { return oneLine(o.session.scrub(text)) }

// clean makes the refusal of a row fit to be shown and kept.
func (o *Org) clean(out *sf.Outcome) {
	out.Code, out.Message = o.line(out.Code), o.line(out.Message)
	for i := range out.Fields {
		out.Fields[i] = o.line(out.Fields[i])
	}
}

// scrubbed makes a refusal fit for an error. Secrets go before the text is cut: half of one that
// stands at the cut would not be found.
func (o *Org) scrubbed(f *Fault) *Fault {
	f.Code, f.Message = o.line(f.Code), o.line(f.Message)
	return f
}

func (c call) request(ctx context.Context, token, instance string, watch *time.Timer) (*http.Request, error) {
	var body io.Reader
	var size int64
	if c.body != nil {
		var err error
		if body, size, err = c.body(token); err != nil {
			return nil, err
		}
		body = &fedBody{body, watch}
	}
	req, err := http.NewRequestWithContext(ctx, c.method, instance+c.path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = size
		// For net/http, which begins again only when it has written nothing yet.
		req.GetBody = func() (io.ReadCloser, error) {
			again, _, err := c.body(token)
			return io.NopCloser(&fedBody{again, watch}), err
		}
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Authorization", "Bearer "+token)
	if c.accept != "" {
		req.Header.Set("Accept", c.accept)
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	return req, nil
}

// wrongType describes an answer of another media type than the call wants, or is empty: an error
// page is never taken for data. The text is as the org sent it, of any length and with any secret.
func (c call) wrongType(resp *http.Response) string {
	if c.accept == "" || resp.StatusCode == http.StatusNoContent {
		return ""
	}
	got, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err == nil && (got == c.accept || c.accept == mediaXML && got == "application/xml") {
		return ""
	}
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxFaultBody))
	return fmt.Sprintf("answered %s with the content type %q, want %s: %s", resp.Status,
		resp.Header.Get("Content-Type"), c.accept, strings.ToValidUTF8(string(raw), "?"))
}

const (
	mediaJSON = "application/json"
	mediaCSV  = "text/csv"
	mediaXML  = "text/xml"
)

// fedBody is a request body that sets the watch back while it is being sent.
type fedBody struct {
	src   io.Reader
	watch *time.Timer
}

// Read passes on bytes.
func (b *fedBody) Read(p []byte) (int, error) {
	b.watch.Reset(stallTime)
	return b.src.Read(p)
}

// watchedBody is a response body that remembers why it broke off, and that is given up when it
// stalls.
type watchedBody struct {
	ctx   context.Context
	src   io.ReadCloser
	watch *time.Timer

	mu  sync.Mutex
	err error
}

// Read passes on bytes. The watch runs only while it waits for the org, not while the reader of the
// body is busy elsewhere.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.Reset(stallTime)
	n, err := b.src.Read(p)
	b.watch.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}
	return n, err
}

// Close closes the connection's body.
func (b *watchedBody) Close() error { return b.src.Close() }

func (b *watchedBody) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
