package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"holdfast/internal/problem"
)

// maxComposite is how many requests a composite call may hold, and maxCompositeQueries how many of
// them may be queries. The whole of it counts as one call toward the org's limits; of Composite Batch each request does.
// Source: REST API Developer Guide, "Composite" and "Composite Batch".
const (
	maxComposite        = 25
	maxCompositeQueries = 5
)

// subanswer is the answer to one request of a composite call.
type subanswer struct {
	Body   json.RawMessage `json:"body"`
	Status int             `json:"httpStatusCode"`
}

// composite sends GET requests as one composite call; read gets an answer for each, in order.
func (o *Org) composite(ctx context.Context, what string, paths []string, read func([]subanswer) error) error {
	requests := make([]map[string]string, len(paths))
	for i, path := range paths {
		requests[i] = map[string]string{"method": http.MethodGet, "url": path, "referenceId": "r" + strconv.Itoa(i)}
	}
	body, err := json.Marshal(map[string]any{"compositeRequest": requests})
	if err != nil {
		return err
	}
	c := call{
		what: what, method: http.MethodPost, path: o.data("composite"), accept: mediaJSON,
		repeat: true, header: map[string]string{"Content-Type": mediaJSON}, body: fixedBody(body), whole: true,
	}
	return o.do(ctx, c, func(resp *http.Response) error {
		var reply struct {
			Answers []subanswer `json:"compositeResponse"`
		}
		raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
		switch {
		case err != nil:
			return err
		case len(raw) > maxReply:
			return fmt.Errorf("the answer is longer than %d bytes", maxReply)
		}
		if err := json.Unmarshal(raw, &reply); err != nil {
			return damaged("a composite answer that is no JSON: %v", err)
		}
		if len(reply.Answers) != len(paths) {
			return damaged("a composite answer with %d parts to %d requests", len(reply.Answers), len(paths))
		}
		return read(reply.Answers)
	})
}

// each asks one thing of each of the names, in one call. The answer of a name is nil when the org
// did not give it: whoever needs it asks again, alone, and hears why. An error means that asking
// again is no use.
func (o *Org) each(ctx context.Context, what string, names []string, path func(name string) string) ([]json.RawMessage, error) {
	bodies := make([]json.RawMessage, len(names))
	paths := make([]string, len(names))
	for i, name := range names {
		if !isName(name) {
			return nil, unknownObject(what, name)
		}
		paths[i] = path(name)
	}
	err := o.composite(ctx, what, paths, func(answers []subanswer) error {
		for i, a := range answers {
			if bodies[i] = nil; a.Status == http.StatusOK {
				bodies[i] = a.Body
			}
		}
		return nil
	})
	if err == nil {
		return bodies, nil
	}
	if hopeless(ctx, err) {
		return nil, err
	}
	return make([]json.RawMessage, len(names)), nil
}

// hopeless reports the failure of a composite call after which asking for its parts one by one is no use.
func hopeless(ctx context.Context, err error) bool {
	switch problem.KindOf(err) {
	case problem.Limits, problem.Unauthorized, problem.Unreachable, problem.Interrupted:
		return true
	}
	return ctx.Err() != nil
}
