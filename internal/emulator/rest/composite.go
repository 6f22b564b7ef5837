package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
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
// only reads and single creates are served: the records created are taken back when a call fails.
func (a *API) composite(w http.ResponseWriter, c *wire.Call) error {
	var body struct {
		AllOrNone bool               `json:"allOrNone"`
		Requests  []compositeRequest `json:"compositeRequest"`
	}
	if err := c.ReadJSON(&body); err != nil {
		return err
	}
	if err := checkComposite(body.Requests, body.AllOrNone); err != nil {
		return err
	}
	replies := map[string]any{}
	responses := make([]compositeResponse, 0, len(body.Requests))
	var created []string
	failed := false
	for _, r := range body.Requests {
		response := compositeResponse{ReferenceID: r.ReferenceID, HTTPHeaders: map[string]string{}}
		if failed && body.AllOrNone {
			responses = append(responses, response)
			continue
		}
		rec := a.compositeCall(c, r, replies)
		response.Body, response.Status = rec.json(), rec.status
		if location := rec.header.Get("Location"); location != "" {
			response.HTTPHeaders["Location"] = location
			created = append(created, location[strings.LastIndexByte(location, '/')+1:])
		}
		var value any
		if err := wire.DecodeJSON(response.Body, &value); err == nil && rec.status < 300 {
			replies[r.ReferenceID] = value
		}
		failed = failed || rec.status >= 400
		responses = append(responses, response)
	}
	if failed && body.AllOrNone {
		a.takeBack(c, created)
		halt(responses)
	}
	return wire.Reply(w, http.StatusOK, struct {
		Responses []compositeResponse `json:"compositeResponse"`
	}{responses})
}

func checkComposite(requests []compositeRequest, allOrNone bool) error {
	if len(requests) > maxSubrequests {
		return wire.BadRequest("INVALID_INPUT", "The composite request cannot have more than 25 operations")
	}
	seen := map[string]bool{}
	queries := 0
	for _, r := range requests {
		if r.ReferenceID == "" || seen[r.ReferenceID] {
			return wire.BadRequest("INVALID_INPUT", "Each subrequest needs a reference ID of its own: "+r.ReferenceID)
		}
		seen[r.ReferenceID] = true
		_, path, ok := wire.SplitDataPath(strings.SplitN(r.URL, "?", 2)[0])
		if !ok || len(path) == 0 {
			continue
		}
		if strings.HasPrefix(path[0], "query") || path[0] == "composite" {
			queries++
		}
		if allOrNone && r.Method != http.MethodGet && (r.Method != http.MethodPost || len(path) != 2 || path[0] != "sobjects") {
			return wire.BadRequest("INVALID_INPUT", "The emulated org takes allOrNone only with GET and with POST of single records")
		}
	}
	if queries > maxQueries {
		return wire.BadRequest("INVALID_INPUT", "A composite request cannot have more than 5 query or collection operations")
	}
	return nil
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

// takeBack removes records that a failed request created, the last first.
func (a *API) takeBack(c *wire.Call, ids []string) {
	for i := len(ids) - 1; i >= 0; i-- {
		a.org.Write(c.Caller, org.HardDelete, []org.Row{{ID: ids[i]}}, org.Options{})
	}
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
