package wire

import (
	"encoding/json"
	"errors"
	"net/http"

	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
)

// Fault is a request that the org refuses: the HTTP status and the errors of the body.
type Fault struct {
	Status int
	Errors []org.Error
}

// Error returns the first error of the fault.
func (f *Fault) Error() string {
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

// BadRequest is a fault with one error, whose status follows from its code.
func BadRequest(code, message string) *Fault {
	return &Fault{Status: StatusOf(code), Errors: []org.Error{{Code: code, Message: message}}}
}

// NotFound is the fault for a path that leads nowhere, in the words of a recorded reply.
func NotFound() *Fault { return BadRequest("NOT_FOUND", "The requested resource does not exist") }

// NotAllowed is the fault for a method that the resource does not have.
func NotAllowed(method string, allowed string) *Fault {
	return BadRequest("METHOD_NOT_ALLOWED", "HTTP Method '"+method+"' not allowed. Allowed are "+allowed)
}

// Refused is the fault for one row of a load that failed, as a resource for one record answers it.
func Refused(failures []org.Error) *Fault {
	status := http.StatusBadRequest
	if len(failures) > 0 {
		status = StatusOf(failures[0].Code)
	}
	return &Fault{Status: status, Errors: failures}
}

// FaultOf turns any error of the engine or of a query into a fault.
func FaultOf(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	if e, ok := errors.AsType[*org.Error](err); ok {
		return &Fault{Status: StatusOf(e.Code), Errors: []org.Error{*e}}
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

// Body returns the JSON body of the fault: an array of errors.
func (f *Fault) Body() []byte {
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

// ReplyFault answers an error as REST does.
func ReplyFault(w http.ResponseWriter, err error) {
	f := FaultOf(err)
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
