package rest

import (
	"net/http"
	"regexp"

	"holdfast/internal/emulator/wire"
)

// The limits of a composite graph. Source: REST API, "Composite Graph Limits".
const (
	maxGraphs        = 75
	maxGraphNodes    = 500 // in all graphs of a request
	maxGraphDepth    = 15
	maxFailedGraphs  = 14 // what comes after that is not tried
	graphNotTried    = "PROCESSING_HALTED"
	graphNotTriedWhy = "Processing was halted because too many graphs failed."
)

// graphRequest is one graph: calls that are one transaction.
type graphRequest struct {
	GraphID  string             `json:"graphId"`
	Requests []compositeRequest `json:"compositeRequest"`
}

type graphResponse struct {
	GraphID  string `json:"graphId"`
	Response struct {
		Responses []compositeResponse `json:"compositeResponse"`
	} `json:"graphResponse"`
	Good bool `json:"isSuccessful"`
}

// graphs answers composite/graph: graphs of calls, each all or none, each on its own.
// Source: REST API, "Composite Graph". The words of the refusals are unverified.
func (a *API) graphs(w http.ResponseWriter, c *wire.Call) error {
	var body struct {
		Graphs []graphRequest `json:"graphs"`
	}
	if err := c.ReadJSON(&body); err != nil {
		return err
	}
	if err := checkGraphs(body.Graphs); err != nil {
		return err
	}
	reply := struct {
		Graphs []graphResponse `json:"graphs"`
	}{Graphs: []graphResponse{}}
	failed := 0
	for _, g := range body.Graphs {
		response := graphResponse{GraphID: g.GraphID}
		if failed > maxFailedGraphs {
			body := wire.BadRequest(graphNotTried, graphNotTriedWhy).Body()
			for _, r := range g.Requests {
				response.Response.Responses = append(response.Response.Responses, compositeResponse{
					Body: body, HTTPHeaders: map[string]string{}, Status: http.StatusBadRequest, ReferenceID: r.ReferenceID,
				})
			}
		} else {
			response.Response.Responses, response.Good = a.sequence(c, g.Requests, true)
		}
		if !response.Good {
			failed++
		}
		reply.Graphs = append(reply.Graphs, response)
	}
	return wire.Reply(w, http.StatusOK, reply)
}

func checkGraphs(graphs []graphRequest) error {
	if len(graphs) == 0 || len(graphs) > maxGraphs {
		return wire.BadRequest("INVALID_INPUT", "A composite graph request has between 1 and 75 graphs.")
	}
	seen, nodes := map[string]bool{}, 0
	for _, g := range graphs {
		if g.GraphID == "" || seen[g.GraphID] {
			return wire.BadRequest("INVALID_INPUT", "Each graph needs an ID of its own: "+g.GraphID)
		}
		seen[g.GraphID] = true
		nodes += len(g.Requests)
		if err := checkComposite(g.Requests); err != nil {
			return err
		}
		if depthOf(g.Requests) > maxGraphDepth {
			return wire.BadRequest("INVALID_INPUT", "The depth of the graph "+g.GraphID+" is larger than 15.")
		}
	}
	if nodes > maxGraphNodes {
		return wire.BadRequest("INVALID_INPUT", "A composite graph request cannot have more than 500 nodes.")
	}
	return nil
}

// reference finds the names of the replies that a call refers to.
var reference = regexp.MustCompile(`@\{([^.}\[]+)`)

// depthOf is the length of the longest chain of references.
func depthOf(requests []compositeRequest) int {
	depth, deepest := map[string]int{}, 0
	for _, r := range requests {
		d := 1
		for _, m := range reference.FindAllStringSubmatch(r.URL+string(r.Body), -1) {
			d = max(d, depth[m[1]]+1)
		}
		depth[r.ReferenceID] = d
		deepest = max(deepest, d)
	}
	return deepest
}
