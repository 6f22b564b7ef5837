package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/problem"
)

const (
	maxAttempts = 6 // of one request; with the waits between them, at most half a minute
	maxDamaged  = 2 // attempts that gave wrong bytes: one may be the way's fault, two are the store's
	firstWait   = 500 * time.Millisecond
	maxWait     = 10 * time.Second
)

// pace is time and chance, given from outside so that tests own them.
type pace struct {
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
	chance func() float64
}

func newPace(c Config) pace {
	p := pace{now: c.Now, sleep: c.Sleep, chance: c.Chance}
	if p.now == nil {
		p.now = time.Now
	}
	if p.sleep == nil {
		p.sleep = sleepFor
	}
	if p.chance == nil {
		p.chance = rand.Float64
	}
	return p
}

// wait sleeps before attempt n+1: exponential, half of it by chance, so that requests that failed
// together do not come back together.
func (p pace) wait(ctx context.Context, n int) error {
	d := min(firstWait<<min(n-1, 10), maxWait)
	return p.sleep(ctx, d/2+time.Duration(p.chance()*float64(d/2)))
}

// sleepFor is the sleep of real time.
func sleepFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try makes the request up to maxAttempts times while another attempt may succeed, and returns the
// last error.
func (b *Bucket) try(ctx context.Context, request func() error) error {
	for n := 1; ; n++ {
		err := request()
		if err == nil {
			return nil
		}
		if again, stop := b.again(ctx, n, err); !again {
			return stop
		}
	}
}

// again waits after the n-th attempt failed with err, and reports whether to make another; otherwise
// stop is the error to return.
func (b *Bucket) again(ctx context.Context, n int, err error) (again bool, stop error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if n >= maxAttempts || n >= maxDamaged && problem.KindOf(err) == problem.Damaged || !repeatable(err) {
		return false, err
	}
	if refused, ok := errors.AsType[minio.ErrorResponse](err); ok && strings.HasPrefix(refused.Code, "ExpiredToken") {
		b.creds.Expire() // read them again: whoever rotates them writes them to the same place
	}
	if err := b.pace.wait(ctx, n); err != nil {
		return false, err
	}
	return true, nil
}

// repeatable reports whether the same request may succeed when it is made again.
func repeatable(err error) bool {
	if _, ok := errors.AsType[settledError](err); ok {
		return false
	}
	if refused, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return repeatableAnswer(refused)
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return problem.KindOf(p) == problem.Damaged // perhaps only on its way
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return false
	}
	return !strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func repeatableAnswer(refused minio.ErrorResponse) bool {
	switch refused.Code {
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestThrottled",
		"RequestLimitExceeded", "RequestTimeout", "InternalError", "ServiceUnavailable", "ExpiredToken",
		"ExpiredTokenException",
		"ConditionalRequestConflict", "OperationAborted", // another request on the key was quicker
		"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch": // damaged on its way
		return true
	}
	switch refused.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return !full(refused)
	}
	return refused.StatusCode >= 520 && refused.StatusCode < 530 // the breakdowns of a content network
}

// full reports whether the store has no room.
func full(refused minio.ErrorResponse) bool {
	switch refused.Code {
	case "QuotaExceeded", "InsufficientStorage", "InsufficientCapacity", "StorageFull", "XMinioStorageFull",
		"XMinioAdminBucketQuotaExceeded":
		return true
	}
	return refused.StatusCode == http.StatusInsufficientStorage
}
