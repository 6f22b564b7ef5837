package metadata

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// The REST side of deployments: the resource metadata/deployRequest.
// Source: Metadata API Developer Guide, "Deploy Metadata with REST" and its samples; recorded requests
// of the official client.

// testLevels are those of the WSDL.
var testLevels = []string{"", "NoTestRun", "RunSpecifiedTests", "RunLocalTests", "RunAllTestsInOrg", "RunRelevantTests"}

// Check refuses options that no deploy can have, and those that none can have in production. Sources: Metadata API
// Developer Guide, DeployOptions; public replies (forcedotcom/cli issue 2105, IlluminatedCloud issue 583); the other
// wordings are unverified.
func (s *Store) Check(o Options) error {
	production := s.Kind() == Production
	switch {
	case production && o.TestLevel == "NoTestRun":
		return wire.BadRequest("INVALID_OPERATION", "testLevel of NoTestRun cannot be used in production organizations")
	case production && o.PurgeOnDelete:
		return wire.BadRequest("INVALID_OPERATION", "purgeOnDelete option can only be used on a non-active org")
	case production && !o.RollbackOnError:
		return wire.BadRequest("INVALID_OPERATION", "rollbackOnError must be true in production organizations")
	case production && o.AllowMissingFiles:
		return wire.BadRequest("INVALID_OPERATION", "allowMissingFiles cannot be used in production organizations")
	case !slices.Contains(testLevels, o.TestLevel):
		return wire.BadRequest("INVALID_OPERATION", "'"+o.TestLevel+"' is not a valid value for the type TestLevel")
	case o.TestLevel == "RunSpecifiedTests" && len(o.RunTests) == 0:
		return wire.BadRequest("INVALID_OPERATION", "RunSpecifiedTests needs at least one test in runTests")
	}
	return nil
}

// TestsEnabled reports that the deploy runs tests.
func (o Options) TestsEnabled() bool { return o.TestLevel != "" && o.TestLevel != "NoTestRun" }

// restOptions is a deployOptions.
type restOptions struct {
	AllowMissingFiles bool     `json:"allowMissingFiles"`
	AutoUpdatePackage bool     `json:"autoUpdatePackage"`
	CheckOnly         bool     `json:"checkOnly"`
	IgnoreWarnings    bool     `json:"ignoreWarnings"`
	PerformRetrieve   bool     `json:"performRetrieve"`
	PurgeOnDelete     bool     `json:"purgeOnDelete"`
	RollbackOnError   bool     `json:"rollbackOnError"`
	RunTests          []string `json:"runTests"`
	SinglePackage     bool     `json:"singlePackage"`
	TestLevel         string   `json:"testLevel"`
}

func (o restOptions) options() Options {
	return Options{
		CheckOnly: o.CheckOnly, RollbackOnError: o.RollbackOnError, SinglePackage: o.SinglePackage, AllowMissingFiles: o.AllowMissingFiles,
		AutoUpdatePackage: o.AutoUpdatePackage, IgnoreWarnings: o.IgnoreWarnings, PurgeOnDelete: o.PurgeOnDelete,
		TestLevel: o.TestLevel, RunTests: o.RunTests,
	}
}

func restOptionsOf(o Options) restOptions {
	level := o.TestLevel
	if level == "" {
		level = "NoTestRun"
	}
	return restOptions{
		CheckOnly: o.CheckOnly, RollbackOnError: o.RollbackOnError, SinglePackage: o.SinglePackage, AllowMissingFiles: o.AllowMissingFiles,
		AutoUpdatePackage: o.AutoUpdatePackage, IgnoreWarnings: o.IgnoreWarnings, PurgeOnDelete: o.PurgeOnDelete,
		TestLevel: level, RunTests: o.RunTests,
	}
}

// restDeploy is the answer of the resource.
type restDeploy struct {
	Validated string      `json:"validatedDeployRequestId,omitempty"`
	ID        string      `json:"id"`
	URL       string      `json:"url,omitempty"`
	Result    *restResult `json:"deployResult"`
	Options   restOptions `json:"deployOptions"`
}

// Serve answers calls below /services/data/vXX.X/metadata.
func (s *Store) Serve(w http.ResponseWriter, c *wire.Call) error {
	switch {
	case c.Is("metadata", "deployRequest"):
		if c.Method != http.MethodPost {
			return wire.NotAllowed(c.Method, "POST")
		}
		return s.postDeploy(w, c)
	case c.Is("metadata", "deployRequest", "*"):
		switch c.Method {
		case http.MethodGet, http.MethodHead:
			return s.replyDeploy(w, http.StatusOK, c.Path[2], c.URL.Query().Get("includeDetails") == "true")
		case http.MethodPatch:
			return s.patchDeploy(w, c)
		}
		return wire.NotAllowed(c.Method, "GET, HEAD, PATCH")
	}
	return wire.NotFound()
}

// postDeploy takes a zip with its options as parts of a form, or the Id of a validation.
func (s *Store) postDeploy(w http.ResponseWriter, c *wire.Call) error {
	kind, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err == nil && kind == "multipart/form-data" {
		raw, opts, err := readForm(multipart.NewReader(c.Body, params["boundary"]))
		if err != nil {
			return err
		}
		if err := s.Check(opts); err != nil {
			return err
		}
		return s.replyDeploy(w, http.StatusCreated, s.StartDeploy(c.Caller, raw, opts), false)
	}
	var body struct {
		Validated string `json:"validatedDeployRequestId"`
	}
	if err := c.ReadJSON(&body); err != nil {
		return err
	}
	id, fault := s.DeployValidated(c.Caller, body.Validated)
	if fault != nil {
		return fault
	}
	return wire.Reply(w, http.StatusCreated, restDeploy{ID: id, Validated: body.Validated})
}

// maxOptions bounds the part of a form with the options.
const maxOptions = 1 << 20

// readForm reads the parts file and entity_content, in any order.
func readForm(form *multipart.Reader) ([]byte, Options, error) {
	var raw []byte
	var content struct {
		Options restOptions `json:"deployOptions"`
	}
	for {
		p, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, Options{}, wire.BadRequest("INVALID_MULTIPART_REQUEST", "The parts of the request cannot be read.")
		}
		switch p.FormName() {
		case "file": // the limit of 39 MB is one of SOAP; source: "Deploy Metadata with REST"
			raw, err = io.ReadAll(io.LimitReader(p, maxUnpacked+1))
			if len(raw) > maxUnpacked {
				return nil, Options{}, tooLargeRequest()
			}
		case "entity_content", "json":
			var text []byte
			if text, err = io.ReadAll(io.LimitReader(p, maxOptions)); err == nil {
				err = json.Unmarshal(text, &content)
			}
		}
		if err != nil {
			return nil, Options{}, wire.BadRequest("INVALID_MULTIPART_REQUEST", "The parts of the request cannot be read.")
		}
	}
	if raw == nil {
		return nil, Options{}, wire.BadRequest("INVALID_MULTIPART_REQUEST", "the part file is missing")
	}
	return raw, content.Options.options(), nil
}

func tooLargeRequest() error {
	return &wire.Error{Status: http.StatusRequestEntityTooLarge, Errors: []org.Error{{
		Code: "REQUEST_ENTITY_TOO_LARGE", Message: tooLarge().Error(),
	}}}
}

// patchDeploy cancels a deployment: its state is set to Canceling.
func (s *Store) patchDeploy(w http.ResponseWriter, c *wire.Call) error {
	var body struct {
		Result struct {
			Status string `json:"status"`
		} `json:"deployResult"`
	}
	if err := c.ReadJSON(&body); err != nil {
		return err
	}
	if body.Result.Status != Canceling {
		return wire.BadRequest("INVALID_INPUT", "the status of a deployment can only be set to Canceling")
	}
	if _, fault := s.Cancel(c.Caller, c.Path[2]); fault != nil {
		return fault
	}
	return s.replyDeploy(w, http.StatusAccepted, c.Path[2], false)
}

func (s *Store) replyDeploy(w http.ResponseWriter, status int, id string, details bool) error {
	d, ok := s.Deployment(id)
	if !ok {
		return wire.NotFound()
	}
	reply := restDeploy{ID: d.ID, Options: restOptionsOf(d.Options)}
	if status != http.StatusCreated {
		reply.Result = s.restResult(d, details)
	}
	return wire.Reply(w, status, reply)
}

// stampLayout is how REST spells a datetime.
const stampLayout = "2006-01-02T15:04:05.000+0000"

func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.Format(stampLayout)
	return &text
}
