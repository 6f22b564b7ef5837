package salesforce

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"holdfast/internal/problem"
)

// ErrOutcomeUnknown marks a call that may or may not have been carried out: the connection broke, or
// the org answered that it broke down, after the call was sent. It was not sent again.
var ErrOutcomeUnknown = errors.New("it is not known whether the org carried it out")

// Fault is what the org said when it refused a call.
type Fault struct {
	Status  int    // HTTP status
	Code    string // such as INVALID_FIELD, without the sf: of SOAP; empty when the body had none
	Message string // one line
	Fields  []string
}

// Error returns the code and the message; the HTTP status stands in for one that is missing.
func (f *Fault) Error() string {
	status := fmt.Sprintf("HTTP %d", f.Status)
	if f.Code == "" && f.Message == "" {
		return status
	}
	return firstOf(f.Code, status) + ": " + firstOf(f.Message, status)
}

const (
	maxFaultBody = 256 << 10 // a refusal is short; an HTML page is cut here
	maxFaultText = 400       // of a message that goes into an error, which is one line
)

// Refused reports that the org answered that it did not do what was asked. An answer of 408, or one that says
// the org or a gateway broke down, tells nothing.
func (f *Fault) Refused() bool {
	return f.Status >= 400 && f.Status < 500 && f.Status != http.StatusRequestTimeout
}

// readFault reads the refusal from a response that is not 2xx, in the words of the org: they are to be
// scrubbed.
func readFault(resp *http.Response) *Fault {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxFaultBody)) // a cut body still has its status
	f := parseFault(raw)
	f.Status = resp.StatusCode
	if location := resp.Header.Get("Location"); f.Code == "" && location != "" {
		f.Message = "redirected to " + location
	}
	return f
}

// parseFault understands the bodies of refusals: the array of REST, the object of OAuth and of
// single subrequests, a SOAP fault; of anything else (HTML of a proxy or of a maintenance page) it
// keeps a title or the beginning.
func parseFault(raw []byte) *Fault {
	raw = bytes.TrimSpace(raw)
	type restError struct {
		Message          string   `json:"message"`
		ErrorCode        string   `json:"errorCode"`
		Fields           []string `json:"fields"`
		Error            string   `json:"error"`
		Description      string   `json:"error_description"`
		ExceptionCode    string   `json:"exceptionCode"`
		ExceptionMessage string   `json:"exceptionMessage"`
	}
	switch {
	case len(raw) == 0:
		return &Fault{}
	case raw[0] == '[':
		var list []restError
		if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
			return &Fault{Code: list[0].ErrorCode, Message: list[0].Message, Fields: list[0].Fields}
		}
	case raw[0] == '{':
		var e restError
		if json.Unmarshal(raw, &e) == nil {
			return &Fault{
				Code:    firstOf(e.ErrorCode, e.Error, e.ExceptionCode),
				Message: firstOf(e.Message, e.Description, e.ExceptionMessage),
				Fields:  e.Fields,
			}
		}
	case raw[0] == '<':
		if f := parseSOAPFault(raw); f != nil {
			return f
		}
		return &Fault{Message: firstOf(htmlTitle(raw), "an HTML page")}
	}
	return &Fault{Message: string(raw)}
}

// parseSOAPFault reads faultcode and faultstring by their local names, or returns nil.
func parseSOAPFault(raw []byte) *Fault {
	d := xml.NewDecoder(bytes.NewReader(raw))
	var f Fault
	for {
		tok, err := d.Token()
		if err != nil {
			break
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		var text string
		switch start.Name.Local {
		case "faultcode", "exceptionCode":
			if d.DecodeElement(&text, &start) == nil {
				_, code, found := strings.Cut(text, ":")
				if !found {
					code = text
				}
				f.Code = strings.TrimSpace(code)
			}
		case "faultstring", "exceptionMessage":
			if d.DecodeElement(&text, &start) == nil && f.Message == "" {
				f.Message = strings.TrimSpace(text)
			}
		}
	}
	if f.Code == "" {
		return nil
	}
	f.Message = strings.TrimSpace(strings.TrimPrefix(f.Message, f.Code+":"))
	return &f
}

func htmlTitle(raw []byte) string {
	lower := bytes.ToLower(raw)
	i := bytes.Index(lower, []byte("<title>"))
	if i < 0 {
		return ""
	}
	rest := raw[i+len("<title>"):]
	if j := bytes.IndexByte(rest, '<'); j >= 0 {
		rest = rest[:j]
	}
	return "an HTML page: " + strings.TrimSpace(string(rest))
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// oneLine makes text fit for an error: white space folded, control bytes gone, and not too long.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)), " ")
	if len(s) > maxFaultText {
		s = strings.ToValidUTF8(s[:maxFaultText], "") + "…"
	}
	return s
}

// sessionCodes are refusals of the session: with a new one the call may succeed.
var sessionCodes = map[string]bool{
	"INVALID_SESSION_ID": true, "INVALID_AUTH_HEADER": true, "Bad_OAuth_Token": true,
}

// expired reports that the org refused the session, so that the call was not carried out.
// The userinfo resource answers 403 with the bare text Bad_OAuth_Token (unverified).
func (f *Fault) expired() bool {
	return f.Status == http.StatusUnauthorized || sessionCodes[f.Code] || strings.HasPrefix(f.Message, "Bad_OAuth_Token")
}

// spent reports a limit that waiting a few seconds does not give back.
func (f *Fault) spent() bool {
	switch f.Code {
	case "REQUEST_LIMIT_EXCEEDED":
		// The same code is used for too many calls at once, which passes.
		return !strings.Contains(f.Message, "Concurrent")
	case "ExceededQuota", "API_LIMIT_EXCEEDED":
		return true
	}
	return false
}

// asProblem gives an error that the org answered the kind and hint that the operator needs.
func asProblem(what string, f *Fault) error {
	text := what
	switch {
	case f.expired():
		return problem.Wrap(problem.Unauthorized, f, text).Hint("sign in to the org again")
	case f.spent():
		return problem.Wrap(problem.Limits, f, text).Hint("wait until the org's 24-hour window frees calls, or raise its limit")
	}
	switch f.Code {
	case "REQUEST_LIMIT_EXCEEDED":
		return problem.Wrap(problem.Limits, f, text).Hint("other programs keep the org busy; try again later")
	case "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "LOGIN_MUST_USE_SECURITY_TOKEN", "inactive_user", "inactive_org":
		return problem.Wrap(problem.Unauthorized, f, text).Hint("give the user the permission \"API Enabled\" and check that it is active")
	case "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG":
		return problem.Wrap(problem.Failed, f, text).Hint("the org is too busy for the query; try again later")
	case "NOT_FOUND", "INVALID_TYPE", "ENTITY_IS_DELETED":
		return problem.Wrap(problem.NotFound, f, text).Hint("check the name and that the user may see it")
	case "UNSUPPORTED_API_VERSION", "InvalidVersion":
		return problem.Wrap(problem.Usage, f, text).Hint("choose an API version that the org still serves")
	}
	switch {
	case f.Status == http.StatusNotFound:
		return problem.Wrap(problem.NotFound, f, text).Hint("check that the address is that of the org (My Domain)")
	case f.Status == http.StatusTooManyRequests:
		return problem.Wrap(problem.Limits, f, text).Hint("try again later")
	case f.Status >= 300 && f.Status < 400 && f.Code == "":
		return problem.Wrap(problem.Unreachable, f, text).Hint("use the org's My Domain address")
	case f.Status >= 500:
		return problem.Wrap(problem.Unreachable, f, text).Hint("the org has trouble; see https://status.salesforce.com and try again")
	}
	return fmt.Errorf("%s: %w", text, f)
}
