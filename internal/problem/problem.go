// Package problem holds the kinds of error that operators meet, with the exit code of each.
//
// An error says what failed, on what, and what to do about it. Code deep in the program wraps errors
// with fmt.Errorf and %w; where the cause is understood it makes a problem.Error, which adds a Kind
// (what sort of thing went wrong) and a hint (what to do). The surfaces translate a Kind once: the
// command line into an exit code.
package problem

import (
	"context"
	"errors"
	"fmt"
)

// Kind classifies an error for the operator. The set is closed: every Kind has one exit code, and
// docs/reference/exit-codes.md lists them all.
type Kind int

const (
	// Failed is any error without a better word.
	Failed Kind = iota
	// Usage is a command line, file or value that cannot be understood.
	Usage
	// Partial is work that ended with some of it done and some not; what is missing is named.
	Partial
	// NoRepository is a repository that is not there or cannot be reached.
	NoRepository
	// Locked is something that another process is working on.
	Locked
	// WrongKey is a key that does not open the repository.
	WrongKey
	// Damaged is stored data that does not match its digest, or cannot be decoded.
	Damaged
	// Conflict is a plan that no longer fits the org, or a write that another write forestalled.
	Conflict
	// NotVerified is a result that was observed again and is not what was planned.
	NotVerified
	// Findings is a check that worked and found something to act on.
	Findings
	// Limits is a platform limit or a budget that is used up.
	Limits
	// Unreachable is an org or store that does not answer.
	Unreachable
	// Unauthorized is an org that refuses the credentials.
	Unauthorized
	// NotFound is an org, snapshot, object or record that does not exist.
	NotFound
	// NoSpace is a disk or bucket without room.
	NoSpace
	// Interrupted is work that the operator stopped.
	Interrupted
)

// row is one line of the table of kinds: the stable name that --json prints, and the exit code.
type row struct {
	kind Kind
	name string
	code int
	text string
}

// table is the one table of kinds, names and exit codes; documentation is generated from it.
var table = []row{
	{Failed, "failed", 1, "the command failed; the message says why"},
	{Usage, "usage", 2, "the command line, a file or a value cannot be understood"},
	{Partial, "partial", 3, "part of the work is done; what is missing is named"},
	{NoRepository, "no-repository", 10, "there is no repository at that place, or it cannot be reached"},
	{Locked, "locked", 11, "another process is working on it"},
	{WrongKey, "wrong-key", 12, "the key does not open the repository"},
	{Damaged, "damaged", 13, "stored data is damaged or incomplete"},
	{NotFound, "not-found", 14, "the org, snapshot, object or record does not exist"},
	{NoSpace, "no-space", 15, "the disk or bucket has no room"},
	{Unreachable, "unreachable", 16, "the org or the store does not answer"},
	{Unauthorized, "unauthorized", 17, "the org refuses the credentials"},
	{Conflict, "conflict", 20, "the plan no longer fits the org, or there are conflicts to settle"},
	{NotVerified, "not-verified", 21, "the result was observed again and differs from the plan"},
	{Findings, "findings", 22, "the check worked and found something to act on"},
	{Limits, "limits", 30, "a platform limit or the budget is used up"},
	{Interrupted, "interrupted", 130, "the operator stopped the command"},
}

// Line is one row of the exit-code table as documentation and help print it.
type Line struct {
	Kind Kind
	Name string
	Code int
	Text string
}

// Table returns every kind in the order of its exit code.
func Table() []Line {
	lines := make([]Line, 0, len(table))
	for _, r := range table {
		lines = append(lines, Line{Kind: r.kind, Name: r.name, Code: r.code, Text: r.text})
	}
	return lines
}

// String returns the stable name of the kind, as --json prints it.
func (k Kind) String() string {
	for _, r := range table {
		if r.kind == k {
			return r.name
		}
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// ExitCode returns the exit code of the kind.
func (k Kind) ExitCode() int {
	for _, r := range table {
		if r.kind == k {
			return r.code
		}
	}
	return 1
}

// Error is an error with a kind and, where there is something to do, a hint.
type Error struct {
	kind Kind
	text string
	hint string
	err  error
}

// New returns an error of the kind with that text. The text is lower-case, without a full stop.
func New(kind Kind, text string) *Error {
	return &Error{kind: kind, text: text}
}

// Newf is New with a format. A %w verb keeps the wrapped error reachable for errors.Is.
func Newf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{kind: kind, text: err.Error(), err: errors.Unwrap(err)}
}

// Wrap classifies err and puts text before its message. Wrap of a nil error panics: that is a
// mistake of the caller which would otherwise turn success into failure.
func Wrap(kind Kind, err error, text string) *Error {
	if err == nil {
		panic("problem.Wrap of nil")
	}
	return &Error{kind: kind, text: text + ": " + err.Error(), err: err}
}

// Hint returns the error with a hint: one sentence that says what to do, usually with a command.
func (e *Error) Hint(format string, args ...any) *Error {
	c := *e
	c.hint = fmt.Sprintf(format, args...)
	return &c
}

// Error returns the text, without the hint.
func (e *Error) Error() string { return e.text }

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.err }

// KindOf returns the kind of the outermost problem in err's chain. A cancelled context is
// Interrupted; an error without a kind is Failed.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.kind
	}
	if errors.Is(err, context.Canceled) {
		return Interrupted
	}
	return Failed
}

// HintOf returns the hint of the outermost problem in err's chain that has one, or "".
func HintOf(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.hint != "" {
			return e.hint
		}
		err = e.err
	}
	return ""
}
