package salesforce

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxAttempts    = 6 // of one call; with the waits between them, about half a minute
	signInAttempts = 3 // of a call that only finds out whether the org is there
	firstWait      = 500 * time.Millisecond
	maxWait        = 30 * time.Second
	maxRenewals    = 2 // new sessions for one call: a fresh one may expire before it is used
)

// pace is time and chance, given from outside so that tests own them.
type pace struct {
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
	chance func() float64 // in [0, 1)
}

// wait sleeps before attempt n+1: exponential, half of it by chance, so that calls that failed
// together do not come back together. A Retry-After of the org is obeyed up to maxWait.
func (p pace) wait(ctx context.Context, n int, after time.Duration) error {
	d := min(firstWait<<min(n-1, 10), maxWait)
	d = d/2 + time.Duration(p.chance()*float64(d/2))
	return p.sleep(ctx, max(d, min(after, maxWait)))
}

// sleepFor is the sleep of real time.
func sleepFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// verdict is what an attempt's failure means for the call.
type verdict int

const (
	final    verdict = iota // sending it again gives the same answer
	rejected                // not carried out; another attempt may succeed
	unknown                 // may have been carried out
)

// judgeFault classifies a refusal.
func judgeFault(f *Fault) verdict {
	switch {
	case f.spent():
		return final
	case f.Code == "REQUEST_LIMIT_EXCEEDED", f.Code == "SERVER_UNAVAILABLE", f.Status == http.StatusTooManyRequests:
		return rejected
	case f.Code == "QUERY_TIMEOUT", f.Code == "REQUEST_RUNNING_TOO_LONG":
		return unknown
	}
	switch f.Status {
	case http.StatusInternalServerError:
		// A SOAP fault is HTTP 500 too; only one without a better code is a breakdown.
		if f.Code == "" || f.Code == "UNKNOWN_EXCEPTION" || f.Code == "Server" {
			return unknown
		}
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return unknown
	}
	return final
}

// judgeTransport classifies an attempt that got no answer.
func judgeTransport(err error) verdict {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return final
		}
		return rejected
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return rejected
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return final
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return final
	}
	return unknown
}

// retryAfter reads the header in its form of seconds.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}
