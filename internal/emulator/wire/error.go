package wire

import (
	"encoding/json"
	"errors"
	"net/http"

	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
)

// Error is a request that the org refuses: the HTTP status and the errors of the body.
type Error struct {
	Status int
	Errors []org.Error
}

// Error returns the first error of the answer.
func (f *Error) Error() string {
	if len(f.Errors) == 0 {
		return http.StatusText(f.Status)
	}
	return f.Errors[0].Error()
}

// statuses gives the codes that are not answered by 400.
// Source: REST API Developer Guide, "Status Codes and Error Responses".
var statuses = map[string]int{
	"INVALID_SESSION_ID":              http.StatusUnauthorized,
	"INVALID_AUTH_HEADER":             http.StatusUnauthorized,
	"REQUEST_LIMIT_EXCEEDED":          http.StatusForbidden,
	"API_CURRENTLY_DISABLED":          http.StatusForbidden,
	"API_DISABLED_FOR_ORG":            http.StatusForbidden,
	"INSUFFICIENT_ACCESS":             http.StatusForbidden,
	"INSUFFICIENT_ACCESS_OR_READONLY": http.StatusForbidden,
	"NOT_FOUND":                       http.StatusNotFound,
	"ENTITY_IS_DELETED":               http.StatusNotFound,
	"METHOD_NOT_ALLOWED":              http.StatusMethodNotAllowed,
	"UNSUPPORTED_API_VERSION":         http.StatusGone,
	"UNSUPPORTED_MEDIA_TYPE":          http.StatusUnsupportedMediaType,
	"UNKNOWN_EXCEPTION":               http.StatusInternalServerError,
	"SERVER_UNAVAILABLE":              http.StatusServiceUnavailable,
}

// StatusOf returns the HTTP status that goes with a code.
func StatusOf(code string) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	return http.StatusBadRequest
}

// BadRequest is an error with one error, whose status follows from its code.
func BadRequest(code, message string) *Error {
	return &Error{Status: StatusOf(code), Errors: []org.Error{{Code: code, Message: message}}}
}

// NotFound is the error for a path that leads nowhere, in the words of a recorded reply.
func NotFound() *Error { return BadRequest("NOT_FOUND", "The requested resource does not exist") }

// NotAllowed is the error for a method that the resource does not have.
func NotAllowed(method string, allowed string) *Error {
	return BadRequest("METHOD_NOT_ALLOWED", "HTTP Method '"+method+"' not allowed. Allowed are "+allowed)
}

// Refused is the error for one row of a load that failed, as a resource for one record answers it.
func Refused(failures []org.Error) *Error {
	status := http.StatusBadRequest
	if len(failures) > 0 {
		status = StatusOf(failures[0].Code)
	}
	return &Error{Status: status, Errors: failures}
}

// ErrorOf turns any error of the engine or of a query into an error that can be answered.
func ErrorOf(err error) *Error {
	if f, ok := errors.AsType[*Error](err); ok {
		return f
	}
	if e, ok := errors.AsType[*org.Error](err); ok {
		return &Error{Status: StatusOf(e.Code), Errors: []org.Error{*e}}
	}
	if e, ok := errors.AsType[*soql.Error](err); ok {
		return BadRequest(e.Code, e.Message)
	}
	return BadRequest("UNKNOWN_EXCEPTION", "An unexpected error occurred: "+err.Error())
}

// errorItem is one error in the body of a REST reply. Fields is there only where a record was
// refused.
type errorItem struct {
	Message   string    `json:"message"`
	ErrorCode string    `json:"errorCode"`
	Fields    *[]string `json:"fields,omitempty"`
}

// Body returns the JSON body of the answer: an array of errors.
func (f *Error) Body() []byte {
	items := make([]errorItem, 0, len(f.Errors))
	for _, e := range f.Errors {
		item := errorItem{Message: e.Message, ErrorCode: e.Code}
		if e.Fields != nil {
			item.Fields = &e.Fields
		}
		items = append(items, item)
	}
	body, err := json.Marshal(items)
	if err != nil { // strings always marshal
		panic(err)
	}
	return body
}

// ReplyError answers an error as REST does.
func ReplyError(w http.ResponseWriter, err error) {
	f := ErrorOf(err)
	if len(f.Errors) == 0 { // the server in front of the org says so: no API spells it; what its page says is unverified
		w.Header().Set("Content-Type", "text/html;charset=UTF-8")
		w.WriteHeader(f.Status)
		return
	}
	// A write error here means that the client is gone; there is nobody to tell.
	_ = ReplyBytes(w, f.Status, f.Body())
}

// WriteError is one error of a row of a load, as Collections and single writes return it.
type WriteError struct {
	StatusCode string   `json:"statusCode"`
	Message    string   `json:"message"`
	Fields     []string `json:"fields"`
}

// WriteErrors spells the errors of a row; the result is never nil, because the wire has [].
func WriteErrors(list []org.Error) []WriteError {
	out := make([]WriteError, 0, len(list))
	for _, e := range list {
		fields := e.Fields
		if fields == nil {
			fields = []string{}
		}
		out = append(out, WriteError{StatusCode: e.Code, Message: e.Message, Fields: fields})
	}
	return out
}
