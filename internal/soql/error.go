package soql

import (
	"fmt"
	"strings"
)

// Error is a query that the platform refuses.
type Error struct {
	Code    string // MALFORMED_QUERY, INVALID_FIELD, INVALID_TYPE …
	Message string // as the platform words it; may hold line breaks
}

// Error returns the code and the message, on one line.
func (e *Error) Error() string {
	return e.Code + ": " + strings.Join(strings.Fields(e.Message), " ")
}

func malformed(format string, args ...any) *Error {
	return &Error{Code: "MALFORMED_QUERY", Message: fmt.Sprintf(format, args...)}
}

// errorContext is how much of a long query an error message quotes around its position. The platform
// quotes a window too; its exact width is unverified.
const errorContext = 40

// ErrorAt returns an error that quotes the query and points at the offset, in the platform's format:
// an empty line, the text, a caret, "ERROR at Row:1:Column:n", and the message.
// Source: recorded reply to a count of an unknown object.
func (q *Query) ErrorAt(pos int, code, format string, args ...any) *Error {
	return &Error{Code: code, Message: pointAt(q.Text, pos) + fmt.Sprintf(format, args...)}
}

func pointAt(text string, pos int) string {
	pos = max(0, min(pos, len(text)))
	row := 1 + strings.Count(text[:pos], "\n")
	lineStart := strings.LastIndexByte(text[:pos], '\n') + 1
	lineEnd := len(text)
	if i := strings.IndexByte(text[pos:], '\n'); i >= 0 {
		lineEnd = pos + i
	}
	from := lineStart
	if pos-from > errorContext {
		from = runeStart(text, pos-errorContext)
	}
	to := lineEnd
	if to-pos > errorContext {
		to = runeStart(text, pos+errorContext)
	}
	caret := strings.Repeat(" ", len([]rune(text[from:pos]))) + "^"
	column := 1 + len([]rune(text[lineStart:pos]))
	return fmt.Sprintf("\n%s\n%s\nERROR at Row:%d:Column:%d\n", text[from:to], caret, row, column)
}

// runeStart moves an offset back to the beginning of the character it falls into.
func runeStart(text string, i int) int {
	for i > 0 && text[i]&0xC0 == 0x80 {
		i--
	}
	return i
}
