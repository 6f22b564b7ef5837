package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// maxText bounds what is repeated of a store's own words.
const maxText = 300

// explain says of an error what failed, and gives it the kind and the hint that fit. Of an answer of
// the store it repeats the words without credentials, and keeps nothing else.
func (b *Bucket) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return problem.Wrap(problem.KindOf(p), err, what)
	}
	if retained, ok := errors.AsType[*RetainedError](err); ok {
		return retained
	}
	if refused, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return b.explainAnswer(what, refused)
	}
	_, settled := errors.AsType[settledError](err)
	switch {
	case settled, absent(err), errors.Is(err, blob.ErrExist), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", what, err)
	case errors.Is(err, errNotS3):
		return problem.Newf(problem.Unreachable, "%s: %w", what, err).
			Hint("check that the endpoint is that of an object store, and no proxy on the way answers for it")
	}
	return problem.Newf(problem.Unreachable, "%s: %s", what, b.words(err.Error())).
		Hint("check the endpoint, the network and the state of the store, and run the command again")
}

// explainAnswer explains an error that the store itself gave.
func (b *Bucket) explainAnswer(what string, refused minio.ErrorResponse) error {
	if absent(refused) {
		return fmt.Errorf("%s: %w", what, blob.ErrNotFound)
	}
	text := what + ": " + b.words(refused.Code)
	if refused.Message != "" && refused.Message != refused.Code {
		text += ": " + b.words(refused.Message)
	}
	if refused.StatusCode != 0 {
		text += fmt.Sprintf(" (HTTP %d", refused.StatusCode)
		if refused.RequestID != "" {
			text += ", request " + b.words(refused.RequestID)
		}
		text += ")"
	}
	switch {
	case refused.Code == minio.NoSuchBucket:
		return problem.Newf(problem.NoRepository, "%s: there is no bucket %s", what, b.bucket).
			Hint("check the name of the bucket and the endpoint; the bucket must exist before a repository is made in it")
	case misdirected(refused):
		return problem.New(problem.NoRepository, text).
			Hint("the bucket is in another region, or has another endpoint: set the region")
	case refused.Code == minio.RequestTimeTooSkewed:
		return problem.New(problem.Unauthorized, text).Hint("set the clock of this machine: requests are signed with the time")
	case denied(refused):
		return problem.New(problem.Unauthorized, text).
			Hint("check the credentials and the region, and that they may list the bucket and get and put its objects")
	case full(refused):
		return problem.New(problem.NoSpace, text).
			Hint("raise the quota of the bucket or free space, and run the command again; what is stored stays readable")
	case repeatableAnswer(refused):
		return problem.New(problem.Unreachable, text).Hint("the store is busy or broken; run the command again later")
	}
	return problem.New(problem.Failed, text)
}

// misdirected reports whether the bucket is elsewhere.
func misdirected(refused minio.ErrorResponse) bool {
	switch refused.Code {
	case "PermanentRedirect", "TemporaryRedirect", "Redirect", minio.AuthorizationHeaderMalformed, minio.InvalidRegion,
		"IllegalLocationConstraintException":
		return true
	}
	return refused.StatusCode >= 300 && refused.StatusCode < 400
}

// denied reports whether the store refused the credentials.
func denied(err error) bool {
	refused, ok := errors.AsType[minio.ErrorResponse](err)
	return ok && (refused.StatusCode == http.StatusForbidden || refused.StatusCode == http.StatusUnauthorized ||
		strings.HasPrefix(refused.Code, "ExpiredToken") || refused.Code == "InvalidToken" ||
		refused.Code == minio.InvalidAccessKeyID || refused.Code == "XAdminUserNotFound") // the same, by versitygw
}

// words makes one short line without credentials of a text.
func (b *Bucket) words(text string) string {
	line := strings.Join(strings.Fields(b.keys.redact(text)), " ")
	if len(line) > maxText {
		line = strings.ToValidUTF8(line[:maxText], "") + "…"
	}
	return strings.TrimSuffix(line, ".")
}
