package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// maxSubrequests is how many calls a composite or batch may hold, and maxQueries how many of a
// composite may be queries or collections. Source: REST API, "Composite".
const (
	maxSubrequests = 25
	maxQueries     = 5
)

// recorder is the reply of a subrequest, kept in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// json returns the body as it stands in the reply of the composite.
func (r *recorder) json() json.RawMessage {
	if body := bytes.TrimSpace(r.body.Bytes()); len(body) > 0 {
		return body
	}
	return json.RawMessage("null")
}

// subrequest runs one call within another and records its reply.
func (a *API) subrequest(c *wire.Call, method, target string, body []byte, header http.Header) *recorder {
	r := &recorder{header: http.Header{}}
	sub, err := c.Sub(method, target, body)
	if err == nil {
		for name, values := range header {
			sub.Header[name] = values
		}
		switch {
		case len(sub.Path) > 1 && sub.Path[0] == "composite" && sub.Path[1] != "sobjects":
			err = wire.BadRequest("INVALID_INPUT", "Nested composite requests are not allowed")
		default:
			err = a.Serve(r, sub)
		}
	}
	if err != nil {
		wire.ReplyError(r, err)
	}
	return r
}

type compositeRequest struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	Body        json.RawMessage   `json:"body"`
	HTTPHeaders map[string]string `json:"httpHeaders"`
}

type compositeResponse struct {
	Body        json.RawMessage   `json:"body"`
	HTTPHeaders map[string]string `json:"httpHeaders"`
	Status      int               `json:"httpStatusCode"`
	ReferenceID string            `json:"referenceId"`
}

// composite answers up to 25 calls, each of which may refer to the replies before it. With allOrNone
// they are one transaction.
func (a *API) composite(w http.ResponseWriter, c *wire.Call) error {
	var body struct {
		AllOrNone bool               `json:"allOrNone"`
		Requests  []compositeRequest `json:"compositeRequest"`
	}
	if err := c.ReadJSON(&body); err != nil {
		return err
	}
	if len(body.Requests) > maxSubrequests {
		return wire.BadRequest("INVALID_INPUT", "The composite request cannot have more than 25 operations")
	}
	if err := checkComposite(body.Requests); err != nil {
		return err
	}
	if queriesOf(body.Requests) > maxQueries {
		return wire.BadRequest("INVALID_INPUT", "A composite request cannot have more than 5 query or collection operations")
	}
	responses, _ := a.sequence(c, body.Requests, body.AllOrNone)
	return wire.Reply(w, http.StatusOK, struct {
		Responses []compositeResponse `json:"compositeResponse"`
	}{responses})
}

// errHalted makes a transaction take everything back.
var errHalted = errors.New("a subrequest failed")

// sequence runs calls one after the other, as one transaction when they are all or none, and reports
// whether all went well.
func (a *API) sequence(c *wire.Call, requests []compositeRequest, allOrNone bool) (responses []compositeResponse, good bool) {
	if !allOrNone {
		return a.steps(c, requests, false)
	}
	err := a.org.Transact(c.Caller, func(caller org.Caller) error {
		within := *c
		within.Caller = caller
		if responses, good = a.steps(&within, requests, true); !good {
			return errHalted
		}
		return nil
	})
	if err != nil {
		halt(responses)
	}
	return responses, good
}

func (a *API) steps(c *wire.Call, requests []compositeRequest, stop bool) (responses []compositeResponse, good bool) {
	replies, referred := map[string]any{}, referring(requests)
	responses, good = make([]compositeResponse, 0, len(requests)), true
	for _, r := range requests {
		response := compositeResponse{ReferenceID: r.ReferenceID, HTTPHeaders: map[string]string{}}
		if !good && stop {
			responses = append(responses, response)
			continue
		}
		rec := a.compositeCall(c, r, replies)
		response.Body, response.Status = rec.json(), rec.status
		if location := rec.header.Get("Location"); location != "" {
			response.HTTPHeaders["Location"] = location
		}
		if referred && rec.status < http.StatusMultipleChoices {
			var value any
			if err := wire.DecodeJSON(response.Body, &value); err == nil {
				replies[r.ReferenceID] = value
			}
		}
		good = good && rec.status < 400
		responses = append(responses, response)
	}
	return responses, good
}

// referring reports whether some call refers to the reply of another; describes are too long to be
// read for nothing.
func referring(requests []compositeRequest) bool {
	return slices.ContainsFunc(requests, func(r compositeRequest) bool {
		return strings.Contains(r.URL, "@{") || bytes.Contains(r.Body, []byte("@{"))
	})
}

// checkComposite demands a reference of its own from each call.
func checkComposite(requests []compositeRequest) error {
	seen := map[string]bool{}
	for _, r := range requests {
		if r.ReferenceID == "" || seen[r.ReferenceID] {
			return wire.BadRequest("INVALID_INPUT", "Each subrequest needs a reference ID of its own: "+r.ReferenceID)
		}
		seen[r.ReferenceID] = true
	}
	return nil
}

// queriesOf counts the calls that are queries or collections.
func queriesOf(requests []compositeRequest) int {
	n := 0
	for _, r := range requests {
		_, path, ok := wire.SplitDataPath(strings.SplitN(r.URL, "?", 2)[0])
		if ok && len(path) > 0 && (strings.HasPrefix(path[0], "query") || path[0] == "composite") {
			n++
		}
	}
	return n
}

// compositeCall fills in references and runs one call.
func (a *API) compositeCall(c *wire.Call, r compositeRequest, replies map[string]any) *recorder {
	target, err := fillIn(r.URL, replies, url.QueryEscape)
	if err == nil {
		var body string
		body, err = fillIn(string(r.Body), replies, func(s string) string {
			quoted := wire.AppendString(nil, s)
			return string(quoted[1 : len(quoted)-1])
		})
		if err == nil {
			header := http.Header{}
			for name, value := range r.HTTPHeaders {
				header.Set(name, value)
			}
			return a.subrequest(c, r.Method, escapeTarget(target), []byte(body), header)
		}
	}
	rec := &recorder{header: http.Header{}}
	wire.ReplyError(rec, err)
	return rec
}

// escapeTarget escapes what clients leave as it is in the url of a subrequest, such as the blanks of
// a query.
func escapeTarget(target string) string {
	return strings.NewReplacer(" ", "%20", "\n", "%0A", "\t", "%09", "\"", "%22", "<", "%3C", ">", "%3E").Replace(target)
}

// fillIn replaces references such as @{ref.id} or @{ref.records[0].Name} by the values of earlier
// replies.
func fillIn(text string, replies map[string]any, escape func(string) string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "@{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		reference, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", wire.BadRequest("PROCESSING_HALTED", "Invalid reference specified. No closing brace found")
		}
		value, err := lookUp(reference, replies)
		if err != nil {
			return "", err
		}
		b.WriteString(escape(value))
		text = after
	}
}

func lookUp(reference string, replies map[string]any) (string, error) {
	invalid := wire.BadRequest("PROCESSING_HALTED", "Invalid reference specified. No value for "+reference+" found.")
	name, path, _ := strings.Cut(reference, ".")
	value, ok := replies[name]
	if !ok {
		return "", invalid
	}
	for step := range strings.SplitSeq(path, ".") {
		if step == "" {
			continue
		}
		key, index, indexed := strings.Cut(strings.TrimSuffix(step, "]"), "[")
		if key != "" {
			fields, ok := value.(object)
			if !ok {
				return "", invalid
			}
			if value, ok = fields[key]; !ok {
				return "", invalid
			}
		}
		if indexed {
			list, ok := value.([]any)
			n, err := strconv.Atoi(index)
			if !ok || err != nil || n < 0 || n >= len(list) {
				return "", invalid
			}
			value = list[n]
		}
	}
	return scalar(value)
}

// halt replaces the replies of the calls that did not fail, as the platform words it.
func halt(responses []compositeResponse) {
	body := wire.BadRequest("PROCESSING_HALTED",
		"The transaction was rolled back since another operation in the same transaction failed.").Body()
	for i := range responses {
		if responses[i].Status < 400 {
			responses[i].Body, responses[i].Status = body, http.StatusBadRequest
			responses[i].HTTPHeaders = map[string]string{}
		}
	}
}

// batch answers up to 25 independent calls, whose urls begin with the version.
func (a *API) batch(w http.ResponseWriter, c *wire.Call) error {
	var body struct {
		HaltOnError bool `json:"haltOnError"`
		Requests    []struct {
			Method    string          `json:"method"`
			URL       string          `json:"url"`
			RichInput json.RawMessage `json:"richInput"`
		} `json:"batchRequests"`
	}
	if err := c.ReadJSON(&body); err != nil {
		return err
	}
	if len(body.Requests) > maxSubrequests {
		return wire.BadRequest("INVALID_INPUT", "The batch request cannot have more than 25 operations")
	}
	type result struct {
		StatusCode int             `json:"statusCode"`
		Result     json.RawMessage `json:"result"`
	}
	reply := struct {
		HasErrors bool     `json:"hasErrors"`
		Results   []result `json:"results"`
	}{Results: []result{}}
	for _, r := range body.Requests {
		if reply.HasErrors && body.HaltOnError {
			halted := wire.BadRequest("BATCH_PROCESSING_HALTED", "Batch processing halted per request")
			reply.Results = append(reply.Results, result{http.StatusPreconditionFailed, halted.Body()})
			continue
		}
		target := "/" + strings.TrimPrefix(r.URL, "/")
		if !strings.HasPrefix(target, "/services/data/") {
			target = "/services/data" + target
		}
		rec := a.subrequest(c, r.Method, escapeTarget(target), r.RichInput, nil)
		reply.HasErrors = reply.HasErrors || rec.status >= 400
		reply.Results = append(reply.Results, result{rec.status, rec.json()})
	}
	return wire.Reply(w, http.StatusOK, reply)
}
