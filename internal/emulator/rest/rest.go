package rest

import (
	"fmt"
	"net/http"
	"slices"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// API serves the REST resources of one org. It is safe for concurrent use.
type API struct {
	cfg       Config
	org       *org.Org
	cursors   *wire.Cursors
	resources []resource
	virtuals  []*virtual
}

// Config of the REST API of an org.
type Config struct {
	Org     *org.Org
	Cursors *wire.Cursors // shared with SOAP
	// Components returns the components of a type of metadata, for the Tooling API; nil: there are none.
	Components func(kind string) []Component
	// ValueSet returns the values of a standard value set, or nil; nil: there are none.
	ValueSet func(name string) []org.PicklistValue
	// Layouts tells of layouts and list views; nil: their resources are not there.
	Layouts Layouts
}

// New returns the REST API of an org.
func New(cfg Config) *API {
	a := &API{cfg: cfg, org: cfg.Org, cursors: cfg.Cursors, resources: resources()}
	if cfg.Components == nil {
		a.cfg.Components = func(string) []Component { return nil }
	}
	if cfg.ValueSet == nil {
		a.cfg.ValueSet = func(string) []org.PicklistValue { return nil }
	}
	a.virtuals = a.newVirtuals()
	return a
}

// resource is one row of the table of resources: which calls it takes, and who serves them.
type resource struct {
	method string
	path   []string
	serve  func(*API, http.ResponseWriter, *wire.Call) error
}

// resources returns the table of resources, tried in order; "*" stands for any segment.
func resources() []resource {
	return []resource{
		{"GET", nil, (*API).root},
		{"GET", []string{"query"}, (*API).query},
		{"GET", []string{"queryAll"}, (*API).queryAll},
		{"GET", []string{"query", "*"}, (*API).queryMore},
		{"GET", []string{"queryAll", "*"}, (*API).queryMore},
		{"GET", []string{"search"}, (*API).search},
		{"GET", []string{"parameterizedSearch"}, (*API).parameterizedSearch},
		{"POST", []string{"parameterizedSearch"}, (*API).parameterizedSearch},
		{"GET", []string{"limits"}, (*API).limits},
		{"GET", []string{"limits", "recordCount"}, (*API).recordCount},
		{"GET", []string{"sobjects"}, (*API).describeGlobalIfModified},
		{"GET", []string{"sobjects", "*", "describe"}, (*API).describeIfModified},
		{"GET", []string{"sobjects", "*", "describe", "layouts"}, (*API).layouts},
		{"GET", []string{"sobjects", "*", "describe", "layouts", "*"}, (*API).layoutOfType},
		{"GET", []string{"sobjects", "*", "describe", "compactLayouts"}, (*API).compactLayouts},
		{"GET", []string{"sobjects", "*", "describe", "compactLayouts", "*"}, (*API).compactLayoutOf},
		{"GET", []string{"compactLayouts"}, (*API).primaryCompactLayouts},
		{"GET", []string{"sobjects", "*", "listviews"}, (*API).listViews},
		{"GET", []string{"sobjects", "*", "listviews", "*"}, (*API).listView},
		{"GET", []string{"sobjects", "*", "listviews", "*", "describe"}, (*API).describeListView},
		{"GET", []string{"sobjects", "*", "listviews", "*", "results"}, (*API).listViewResults},
		{"GET", []string{"sobjects", "*", "updated"}, (*API).updated},
		{"GET", []string{"sobjects", "*", "deleted"}, (*API).deleted},
		{"GET", []string{"sobjects", "*"}, (*API).describeBasic},
		{"POST", []string{"sobjects", "*"}, (*API).create},
		{"GET", []string{"sobjects", "*", "*"}, (*API).read},
		{"PATCH", []string{"sobjects", "*", "*"}, (*API).update},
		{"DELETE", []string{"sobjects", "*", "*"}, (*API).remove},
		{"GET", []string{"sobjects", "*", "*", "*"}, (*API).readByKey},
		{"PATCH", []string{"sobjects", "*", "*", "*"}, (*API).upsertByKey},
		{"DELETE", []string{"sobjects", "*", "*", "*"}, (*API).removeByKey},
		{"GET", []string{"sobjects", "*", "*", "richTextImageFields", "*", "*"}, (*API).richTextImage},
		{"POST", []string{"composite"}, (*API).composite},
		{"POST", []string{"composite", "batch"}, (*API).batch},
		{"POST", []string{"composite", "graph"}, (*API).graphs},
		{"POST", []string{"composite", "tree", "*"}, (*API).tree},
		{"POST", []string{"composite", "sobjects"}, (*API).createMany},
		{"PATCH", []string{"composite", "sobjects"}, (*API).updateMany},
		{"DELETE", []string{"composite", "sobjects"}, (*API).removeMany},
		{"GET", []string{"composite", "sobjects", "*"}, (*API).readMany},
		{"POST", []string{"composite", "sobjects", "*"}, (*API).readMany},
		{"PATCH", []string{"composite", "sobjects", "*", "*"}, (*API).upsertMany},
		{"GET", []string{"tooling"}, (*API).root},
		{"GET", []string{"tooling", "query"}, (*API).toolingQuery},
		{"GET", []string{"tooling", "sobjects"}, (*API).toolingGlobal},
		{"GET", []string{"tooling", "sobjects", "*", "describe"}, (*API).toolingDescribe},
		{"GET", []string{"tooling", "sobjects", "*", "*"}, (*API).toolingRecord},
	}
}

// Serve answers a call below /services/data/vXX.X. An error is one for wire.ReplyError.
func (a *API) Serve(w http.ResponseWriter, c *wire.Call) error {
	known := ""
	var path []string // of the first, which is the closest: a less close one would have other methods
	for _, r := range a.resources {
		if !c.Is(r.path...) || path != nil && !slices.Equal(path, r.path) {
			continue
		}
		path = r.path
		if r.method == c.Method || r.method == http.MethodGet && c.Method == http.MethodHead {
			return r.serve(a, w, c)
		}
		if known != "" {
			known += ","
		}
		known += r.method
	}
	if known != "" {
		w.Header().Set("Allow", known)
		return wire.NotAllowed(c.Method, known)
	}
	return wire.NotFound()
}

// Versions answers /services/data, which needs no session.
func Versions(w http.ResponseWriter) error {
	type version struct {
		Label   string `json:"label"`
		URL     string `json:"url"`
		Version string `json:"version"`
	}
	var list []version
	for n := wire.FirstVersion; n <= wire.LastVersion; n++ {
		list = append(list, version{release(n), fmt.Sprintf("/services/data/v%d.0", n), fmt.Sprintf("%d.0", n)})
	}
	return wire.Reply(w, http.StatusOK, list)
}

// release names the release of a version: three a year, version 32 being Winter '15.
func release(n int) string {
	seasons := [3]string{"Winter", "Spring", "Summer"}
	return fmt.Sprintf("%s '%d", seasons[(n+1)%3], 15+(n-32+3)/3-1)
}

func (a *API) root(w http.ResponseWriter, c *wire.Call) error {
	root := c.Root()
	reply := map[string]string{
		"identity": fmt.Sprintf("%s/id/%s/%s", c.BaseURL, a.org.ID(), c.Caller.User),
	}
	for _, name := range []string{"composite", "jobs", "limits", "query", "parameterizedSearch", "queryAll", "search", "sobjects", "tooling"} {
		reply[name] = root + "/" + name
	}
	return wire.Reply(w, http.StatusOK, reply)
}

// object returns the object that a segment of the path names, as the caller may see it.
func (a *API) object(c *wire.Call, name string) (*org.Object, error) {
	o, ok := a.org.DescribeFor(c.Caller, name)
	if !ok {
		return nil, wire.NotFound()
	}
	return o, nil
}
