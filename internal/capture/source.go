package capture

import (
	"context"
	"iter"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Source is the org that a capture reads. Its methods may be called from several goroutines.
//
// An error that the org answered has in its chain an error whose text begins with the org's code and
// a colon, as a SOAP fault string does ("INVALID_FIELD: No such column …").
type Source interface {
	// Identity says which org this is and as whom it is read.
	Identity(ctx context.Context) (sf.Identity, error)
	// Schema describes every object.
	Schema(ctx context.Context) (*sf.Schema, error)
	// SchemaOf describes these objects, and takes from known what others it describes: they are in the
	// schema when the org still has them.
	SchemaOf(ctx context.Context, objects []string, known *sf.Schema) (*sf.Schema, error)
	// ServerTime returns the org's own time.
	ServerTime(ctx context.Context) (time.Time, error)
	// Count returns the number of records as SELECT COUNT() gives it; with deleted also those in the
	// Recycle Bin.
	Count(ctx context.Context, object string, deleted bool) (int64, error)
	// Counts counts many objects at once, without those in the Recycle Bin. An object that it does not
	// answer for is left out of the result; Count tells why.
	Counts(ctx context.Context, objects []string) (map[string]int64, error)
	// Records reads records in any order. It ends with an error rather than short.
	Records(ctx context.Context, x sf.Extract) iter.Seq2[sf.Record, error]
	// Ranges returns Ids, ascending, that cut the records of an Id after that one ("" is all) into ranges
	// of about that many. None means that they are read at once.
	Ranges(ctx context.Context, object string, after sf.ID, rows int64) ([]sf.ID, error)
	// Deleted reads the log of deletions in [from, to). Where the org cannot answer for that time the
	// error is of kind NotFound, or one that the org answered.
	Deleted(ctx context.Context, object string, from, to time.Time) (sf.DeletedLog, error)
	// Usage returns what has been spent so far.
	Usage() sf.Usage
}

// The codes of the partner WSDL with which an org refuses to answer any query on an object.
var refusals = map[string]bool{
	"INVALID_TYPE":                          true,
	"INVALID_TYPE_FOR_OPERATION":            true,
	"BIG_OBJECT_UNSUPPORTED_OPERATION":      true,
	"EXTERNAL_OBJECT_EXCEPTION":             true,
	"EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION": true,
	"FUNCTIONALITY_NOT_ENABLED":             true,
	"INSUFFICIENT_ACCESS":                   true,
	"NOT_SUPPORTED":                         true,
}

// answer returns the code and the words with which the org answered, or two empty texts when the
// error does not come from an answer of the org.
func answer(err error) (code, words string) {
	if err == nil {
		return "", ""
	}
	if head, _, found := strings.Cut(err.Error(), ":"); found && isCode(head) {
		return head, err.Error()
	}
	switch e := err.(type) { //nolint:errorlint // the tree of wrapped errors is walked here, node by node
	case interface{ Unwrap() error }:
		return answer(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			if code, words = answer(cause); code != "" {
				return code, words
			}
		}
	}
	return "", ""
}

func isCode(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '_' {
			return false
		}
	}
	return len(s) > 3
}

// refused reports that the org does not answer queries on the object, whatever one does, and its
// words. A malformed query counts when the object wants a filter; any other is a mistake of ours.
func refused(err error) (words string, ok bool) {
	code, words := answer(err)
	if code == "MALFORMED_QUERY" {
		lower := strings.ToLower(words)
		return words, strings.Contains(lower, "filter") || strings.Contains(lower, "implementation restriction")
	}
	return words, refusals[code]
}

// unfiltered reports that the org does not find records by what a field of theirs holds, and its words.
func unfiltered(err error) (words string, ok bool) {
	code, words := answer(err)
	switch code {
	case "INVALID_FIELD", "INVALID_QUERY_FILTER_OPERATOR", "MALFORMED_QUERY":
		return words, true
	}
	return words, refusals[code]
}

// fatal reports an error after which no other part can be read either.
func fatal(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return true
	}
	switch problem.KindOf(err) {
	case problem.Limits, problem.Unauthorized, problem.Interrupted:
		return true
	}
	return false
}
