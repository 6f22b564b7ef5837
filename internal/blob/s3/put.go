package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

const (
	// putMark is the metadata that tells one put from another: 32 hexadecimal digits of chance.
	putMark = "holdfast-put"

	// probeKey is where the store shows that it obeys If-None-Match. It begins with a dot, so it is no
	// key and no listing shows it.
	probeKey = ".holdfast-probe"

	checksumHeader = "X-Amz-Checksum-Sha256"
)

// settledError is an error that another attempt cannot change.
type settledError struct{ error }

// Unwrap returns what cannot be changed.
func (e settledError) Unwrap() error { return e.error }

// Put stores the object; see blob.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := blob.CheckPut(key, body); err != nil {
		return err
	}
	if b.first {
		return readOnly("put " + key)
	}
	if err := b.guard(ctx); err != nil {
		return err
	}
	retention := b.retention
	if slices.ContainsFunc(b.unlocked, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
		if err := b.bareBucket(ctx); err != nil {
			return err
		}
		retention = 0
	}
	mark := nonce()
	unsure := false // an attempt may have stored the object although it failed
	for n := 1; ; n++ {
		err := b.putOnce(ctx, key, body, mark, retention)
		if err == nil {
			return nil
		}
		if taken(err) {
			// Perhaps by an earlier attempt of ours whose answer was lost, here or at a proxy.
			err = b.settle(ctx, key, mark)
			if err == nil {
				return nil
			}
			if errors.Is(err, blob.ErrExist) || denied(err) { // denied: a writer that may not read
				return fmt.Errorf("put %s: %w", key, blob.ErrExist)
			}
		}
		unsure = unsure || repeatable(err)
		again, stop := b.again(ctx, n, err)
		if again {
			continue
		}
		if unsure && ctx.Err() == nil {
			if err := b.settle(ctx, key, mark); err == nil || errors.Is(err, blob.ErrExist) {
				return b.explain("put "+key, err)
			}
		}
		return b.explain("put "+key, stop)
	}
}

// putOnce makes one conditional request.
func (b *Bucket) putOnce(ctx context.Context, key string, body []byte, mark string, retention time.Duration) error {
	sum := sha256.Sum256(body)
	sumText := base64.StdEncoding.EncodeToString(sum[:])
	options := minio.PutObjectOptions{
		UserMetadata:         map[string]string{putMark: mark, checksumHeader: sumText},
		DisableContentSha256: true, // no chunked signature: the one checksum of the whole is in the header
	}
	options.SetMatchETagExcept("*")
	var md5Text string
	if retention > 0 {
		options.Mode = minio.Compliance
		options.RetainUntilDate = wholeSecond(blob.LockEnd(b.pace.now(), retention))
		sum := md5.Sum(body) // what stores older than x-amz-checksum ask for with a lock
		md5Text = base64.StdEncoding.EncodeToString(sum[:])
	}
	info, err := b.core.PutObject(ctx, b.bucket, b.prefix+key, bytes.NewReader(body), int64(len(body)),
		md5Text, hex.EncodeToString(sum[:]), options)
	if err != nil {
		return err
	}
	if info.ChecksumSHA256 != "" && info.ChecksumSHA256 != sumText {
		return settledError{problem.Newf(problem.Damaged, "the store took the object with the SHA-256 %s instead of %s",
			info.ChecksumSHA256, sumText).Hint("ask who runs the store: it changes what it is given")}
	}
	return nil
}

// taken reports whether a put was refused because there is an object under the key.
func taken(err error) bool {
	refused, ok := errors.AsType[minio.ErrorResponse](err)
	return ok && (refused.StatusCode == http.StatusPreconditionFailed || refused.Code == minio.PreconditionFailed)
}

// settle finds out whose object is under the key: nil if the put with that mark stored it,
// blob.ErrExist if another did, an error that another put may resolve if there is none.
func (b *Bucket) settle(ctx context.Context, key, mark string) error {
	info, err := b.head(ctx, key, "")
	switch {
	case err == nil && info.Headers.Get("X-Amz-Meta-"+putMark) == mark:
		return nil
	case err == nil:
		return blob.ErrExist
	case absent(err):
		return errors.New("the key was taken and is free now")
	}
	return err
}

// guard returns nil when the store is known to refuse a second put under one key. A store that
// ignores the condition would overwrite objects in silence, so it is tried on one without a value.
func (b *Bucket) guard(ctx context.Context) error {
	b.mu.Lock()
	known := b.guarded
	b.mu.Unlock()
	if known {
		return nil
	}
	what := "look whether " + b.name + " obeys If-None-Match"
	for range 2 { // the first may make the object, the second must be refused
		err := b.try(ctx, func() error { return b.putOnce(ctx, probeKey, nil, nonce(), 0) })
		refused, ok := errors.AsType[minio.ErrorResponse](err)
		switch {
		case taken(err):
			b.mu.Lock()
			b.guarded = true
			b.mu.Unlock()
			return nil
		case ok && (refused.StatusCode == http.StatusNotImplemented || refused.Code == minio.NotImplemented):
			return conditionless(what)
		case err != nil:
			return b.explain(what, err)
		}
	}
	return conditionless(what)
}

func conditionless(what string) error {
	return problem.Newf(problem.Failed, "%s: it does not, so an object could be overwritten unseen", what).
		Hint("use a store with conditional writes (If-None-Match), or bring this one up to date")
}

// nonce returns 32 hexadecimal digits that no other put has.
func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program rather than return bad randomness
	return hex.EncodeToString(b[:])
}

// wholeSecond rounds up: the protocol has no fractions, and rounding down would shorten a lock.
func wholeSecond(t time.Time) time.Time {
	return t.UTC().Add(time.Second - 1).Truncate(time.Second)
}
