package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// Get returns a range of the object; see blob.Bucket. A whole object that does not match the
// checksum which the store kept is a problem of kind Damaged.
func (b *Bucket) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	body, err := b.get(ctx, key, offset, length)
	if err != nil {
		return nil, b.explain("get "+key, err)
	}
	return body, nil
}

func (b *Bucket) get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if !blob.ValidKey(key) {
		return nil, blob.ErrNotFound
	}
	if _, _, err := blob.Range(0, offset, length); err != nil {
		return nil, err
	}
	version, err := b.version(ctx, key)
	if err != nil {
		return nil, err
	}
	if length == 0 {
		return b.nothing(ctx, key, version, 0)
	}
	var body []byte
	err = b.try(ctx, func() (err error) {
		body, err = b.getOnce(ctx, key, version, offset, length)
		return err
	})
	if beyond(err) {
		return b.nothing(ctx, key, version, offset)
	}
	if err != nil {
		return nil, err
	}
	return body, nil
}

// beyond reports whether a range began at or after the end of the object.
func beyond(err error) bool {
	refused, ok := errors.AsType[minio.ErrorResponse](err)
	return ok && (refused.Code == minio.InvalidRange || refused.StatusCode == http.StatusRequestedRangeNotSatisfiable)
}

// nothing returns no bytes when the object ends at or before the offset, or none were asked for.
func (b *Bucket) nothing(ctx context.Context, key, version string, offset int64) ([]byte, error) {
	info, err := b.head(ctx, key, version)
	if err != nil {
		return nil, err
	}
	if offset > 0 && info.Size > offset {
		return nil, fmt.Errorf("%w: an object of %d bytes has none from %d", errNotS3, info.Size, offset)
	}
	return []byte{}, nil
}

// getOnce makes one request for a version, or for the latest. A negative length means up to the end; zero is
// not allowed.
func (b *Bucket) getOnce(ctx context.Context, key, version string, offset, length int64) ([]byte, error) {
	options := minio.GetObjectOptions{VersionID: version}
	whole := offset == 0 && length < 0
	switch {
	case whole:
		options.Set("X-Amz-Checksum-Mode", "ENABLED")
	case length < 0 || length > blob.MaxObject:
		options.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		length = -1
	default:
		options.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	}
	stream, info, header, err := b.core.GetObject(ctx, b.bucket, b.prefix+key, options)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stream.Close() }()
	body, err := readAll(stream, info.Size)
	if err != nil {
		return nil, err
	}
	part := header.Get("Content-Range")
	switch {
	case part != "" && whole:
		return nil, fmt.Errorf("%w: a range that nobody asked for", errNotS3)
	case part != "":
		return body, checkRange(part, int64(len(body)), offset, length)
	case whole:
		return body, checkSum(header.Get(checksumHeader), body)
	}
	from, to, err := blob.Range(int64(len(body)), offset, length) // it gave the whole object instead
	if err != nil {
		return nil, err
	}
	return bytes.Clone(body[from:to]), nil
}

// readAll reads a body of size bytes, or of unknown size when that is negative.
func readAll(stream io.Reader, size int64) ([]byte, error) {
	if size > blob.MaxObject {
		return nil, settledError{problem.Newf(problem.Damaged, "%d bytes, at most %d", size, blob.MaxObject)}
	}
	if size < 0 {
		body, err := io.ReadAll(io.LimitReader(stream, blob.MaxObject+1))
		if err == nil && len(body) > blob.MaxObject {
			err = settledError{problem.Newf(problem.Damaged, "more than %d bytes", blob.MaxObject)}
		}
		return body, err
	}
	body := make([]byte, size)
	n, err := io.ReadFull(stream, body)
	if err != nil {
		return nil, fmt.Errorf("the answer was cut after %d of %d bytes: %w", n, size, err)
	}
	return body, nil
}

// checkRange compares a Content-Range with the bytes that came and those that were asked for.
func checkRange(part string, got, offset, length int64) error {
	var first, last, total int64
	if _, err := fmt.Sscanf(part, "bytes %d-%d/%d", &first, &last, &total); err != nil {
		return fmt.Errorf("%w: Content-Range %q", errNotS3, part)
	}
	from, to, err := blob.Range(total, offset, length)
	if err != nil {
		return err
	}
	if first != from || last != to-1 || got != to-from {
		return fmt.Errorf("%w: asked for %d bytes from %d, got %d as %q", errNotS3, length, offset, got, part)
	}
	return nil
}

// checkSum compares bytes with a checksum in Base64. A store without checksums gives none, and one of
// an object in several parts, which we do not make, has "-" and their number at its end.
func checkSum(want string, body []byte) error {
	if want == "" || strings.Contains(want, "-") {
		return nil
	}
	sum := sha256.Sum256(body)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != want {
		return problem.Newf(problem.Damaged, "SHA-256 is %s, stored with %s", got, want).
			Hint("the bytes changed in the store or on the way; run `holdfast verify` to see what else is damaged")
	}
	return nil
}
