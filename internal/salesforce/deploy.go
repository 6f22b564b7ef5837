package salesforce

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Limits of a deployment. maxDeployed is what the platform takes in one deployment.
// Source: Metadata API Developer Guide, "Deploying and Retrieving Metadata with the Zip File".
const (
	maxDeployed = 629_145_600 // bytes unpacked, which no packed archive may exceed either
	// maxDeployPolls bounds the waiting for a deployment to some days.
	maxDeployPolls = 15_000
)

// Deploy deploys an archive in Metadata API format (package.xml at its top, with destructiveChanges*.xml
// beside it for deletions) and waits for the end of it. A deployment that ended is returned without an
// error whether or not it succeeded: look at Success, and at Results for the reasons. When ctx ends
// first, the deployment goes on in the org; CancelDeploy stops it.
//
// Whoever must be able to find the deployment again after a crash calls StartDeploy, writes the Id down
// and then calls AwaitDeploy.
func (o *Org) Deploy(ctx context.Context, archive []byte, opts sf.DeployOptions) (sf.Deployment, error) {
	id, err := o.StartDeploy(ctx, archive, opts)
	if err != nil {
		return sf.Deployment{}, err
	}
	return o.AwaitDeploy(ctx, id)
}

// StartDeploy sends the archive and returns the Id of the deployment (0Af…), which the org carries out
// on its own from then on. When the answer is lost the error is ErrOutcomeUnknown, and it is not sent again.
// It uses the REST resource, which has no limit on the size of the archive as it is sent.
func (o *Org) StartDeploy(ctx context.Context, archive []byte, opts sf.DeployOptions) (string, error) {
	const what = "deploy"
	if len(archive) > maxDeployed {
		return "", problem.Newf(problem.Usage, "%s: the archive has %d bytes, at most %d are possible", what, len(archive), maxDeployed).
			Hint("deploy it in parts")
	}
	options, err := json.Marshal(map[string]any{"deployOptions": deployOptionsOf(opts)})
	if err != nil {
		return "", err
	}
	head, tail, boundary, err := deployForm(options)
	if err != nil {
		return "", err
	}
	return o.startDeploy(ctx, call{
		what: what, method: http.MethodPost, path: o.data("metadata/deployRequest"),
		header: map[string]string{"Content-Type": "multipart/form-data; boundary=" + boundary},
		body: func(string) (io.Reader, int64, error) {
			return io.MultiReader(bytes.NewReader(head), bytes.NewReader(archive), bytes.NewReader(tail)),
				int64(len(head) + len(archive) + len(tail)), nil
		},
	})
}

// QuickDeploy deploys what a validation (CheckOnly, with tests, at most ten days ago) has checked, without
// its tests, and returns the Id of the new deployment.
func (o *Org) QuickDeploy(ctx context.Context, validation string) (string, error) {
	const what = "deploy a validation"
	if !jobForm.MatchString(validation) {
		return "", notDeployment(validation)
	}
	body, err := json.Marshal(map[string]string{"validatedDeployRequestId": validation})
	if err != nil {
		return "", err
	}
	return o.startDeploy(ctx, call{
		what: what, method: http.MethodPost, path: o.data("metadata/deployRequest"),
		header: map[string]string{"Content-Type": mediaJSON}, body: fixedBody(body),
	})
}

func notDeployment(id string) error {
	return problem.Newf(problem.Usage, "%q is not the Id of a deployment", oneLine(id))
}

func (o *Org) startDeploy(ctx context.Context, c call) (string, error) {
	var reply struct {
		ID string `json:"id"`
	}
	if err := o.json(ctx, c, &reply); err != nil {
		return "", err
	}
	if !jobForm.MatchString(reply.ID) {
		return "", fmt.Errorf("%s: %w: deployment %q", c.what, errDamaged, oneLine(reply.ID))
	}
	return reply.ID, nil
}

// deployForm returns the bytes before and after the archive in the body of a deployment.
func deployForm(options []byte) (head, tail []byte, boundary string, err error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part := func(name, filename, kind string) (io.Writer, error) {
		h := textproto.MIMEHeader{}
		disposition := `form-data; name="` + name + `"`
		if filename != "" {
			disposition += `; filename="` + filename + `"`
		}
		h.Set("Content-Disposition", disposition)
		h.Set("Content-Type", kind)
		return form.CreatePart(h)
	}
	w, err := part("json", "", mediaJSON)
	if err != nil {
		return nil, nil, "", err
	}
	if _, err := w.Write(options); err != nil {
		return nil, nil, "", err
	}
	if _, err := part("file", "deploy.zip", "application/zip"); err != nil {
		return nil, nil, "", err
	}
	cut := b.Len()
	if err := form.Close(); err != nil {
		return nil, nil, "", err
	}
	return b.Bytes()[:cut], b.Bytes()[cut:], form.Boundary(), nil
}

// deployOptions is deployOptions of the REST resource.
type deployOptions struct {
	AllowMissingFiles bool         `json:"allowMissingFiles"`
	AutoUpdatePackage bool         `json:"autoUpdatePackage"`
	CheckOnly         bool         `json:"checkOnly"`
	IgnoreWarnings    bool         `json:"ignoreWarnings"`
	PerformRetrieve   bool         `json:"performRetrieve"`
	PurgeOnDelete     bool         `json:"purgeOnDelete"`
	RollbackOnError   bool         `json:"rollbackOnError"`
	RunTests          []string     `json:"runTests,omitempty"`
	SinglePackage     bool         `json:"singlePackage"`
	TestLevel         sf.TestLevel `json:"testLevel,omitempty"`
}

func deployOptionsOf(o sf.DeployOptions) deployOptions {
	return deployOptions{
		AllowMissingFiles: o.AllowMissingFiles, CheckOnly: o.CheckOnly, IgnoreWarnings: o.IgnoreWarnings,
		PurgeOnDelete: o.PurgeOnDelete, RollbackOnError: o.RollbackOnError, RunTests: o.RunTests,
		SinglePackage: true, TestLevel: o.TestLevel,
	}
}

// deployPath is the path of a deployment.
func (o *Org) deployPath(id string) string { return o.data("metadata/deployRequest/" + id) }

// AwaitDeploy waits for the end of a deployment. As with Deploy, one that failed is no error here.
func (o *Org) AwaitDeploy(ctx context.Context, id string) (sf.Deployment, error) {
	wait := firstPoll
	for range maxDeployPolls {
		d, err := o.DeployStatus(ctx, id)
		if err != nil || d.Done {
			return d, err
		}
		if err := o.pace.sleep(ctx, wait/2+time.Duration(o.pace.chance()*float64(wait/2))); err != nil {
			return d, fmt.Errorf("wait for deployment %s: %w", id, err)
		}
		wait = min(wait*2, maxPoll)
	}
	return sf.Deployment{}, problem.Newf(problem.Unreachable, "deployment %s does not end", id)
}

// DeployStatus asks how far a deployment is, with what is known of each component and test.
func (o *Org) DeployStatus(ctx context.Context, id string) (sf.Deployment, error) {
	if !jobForm.MatchString(id) {
		return sf.Deployment{}, notDeployment(id)
	}
	what := "ask for deployment " + id
	var reply struct {
		Result *deployReply `json:"deployResult"`
	}
	c := call{what: what, method: http.MethodGet, path: o.deployPath(id) + "?includeDetails=true", repeat: true}
	if err := o.json(ctx, c, &reply); err != nil {
		return sf.Deployment{}, err
	}
	if reply.Result == nil || reply.Result.Status == "" {
		return sf.Deployment{}, fmt.Errorf("%s: %w: no state", what, errDamaged)
	}
	return o.deployment(id, reply.Result), nil
}

// CancelDeploy asks the org to stop a deployment. It may end in any state all the same: AwaitDeploy tells.
// One that has ended already is a success.
func (o *Org) CancelDeploy(ctx context.Context, id string) error {
	if !jobForm.MatchString(id) {
		return notDeployment(id)
	}
	var ignored json.RawMessage
	err := o.json(ctx, call{
		what: "cancel deployment " + id, method: http.MethodPatch, path: o.deployPath(id), repeat: true,
		header: map[string]string{"Content-Type": mediaJSON},
		body:   fixedBody([]byte(`{"deployResult":{"status":"Canceling"}}`)),
	}, &ignored)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if d, askErr := o.DeployStatus(ctx, id); askErr == nil && (d.Done || d.Status == sf.DeployCanceling) {
		return nil
	}
	return err
}

// deployReply is deployResult of the REST resource.
type deployReply struct {
	Status         string      `json:"status"`
	Done           bool        `json:"done"`
	Success        bool        `json:"success"`
	CheckOnly      bool        `json:"checkOnly"`
	Error          string      `json:"errorMessage"`
	CreatedBy      string      `json:"createdByName"`
	Created        string      `json:"createdDate"`
	Completed      string      `json:"completedDate"`
	CanceledBy     string      `json:"canceledByName"`
	Total          int         `json:"numberComponentsTotal"`
	Errors         int         `json:"numberComponentErrors"`
	Deployed       int         `json:"numberComponentsDeployed"`
	TestsTotal     int         `json:"numberTestsTotal"`
	TestErrors     int         `json:"numberTestErrors"`
	TestsCompleted int         `json:"numberTestsCompleted"`
	Details        deployLists `json:"details"`
}

type deployLists struct {
	Failures  oneOrMore[deployMessage] `json:"componentFailures"`
	Successes oneOrMore[deployMessage] `json:"componentSuccesses"`
	Tests     struct {
		Failures oneOrMore[struct {
			Class     string `json:"name"`
			Namespace string `json:"namespace"`
			Method    string `json:"methodName"`
			Message   string `json:"message"`
		}] `json:"failures"`
		// Source: Metadata API WSDL, RunTestsResult, CodeCoverageWarning.
		Uncovered oneOrMore[struct {
			Name    string `json:"name"` // null: all code together
			Message string `json:"message"`
		}] `json:"codeCoverageWarnings"`
	} `json:"runTestResult"`
}

type deployMessage struct {
	Type        string `json:"componentType"`
	FullName    string `json:"fullName"`
	FileName    string `json:"fileName"`
	Success     bool   `json:"success"`
	Created     bool   `json:"created"`
	Changed     bool   `json:"changed"`
	Deleted     bool   `json:"deleted"`
	Problem     string `json:"problem"`
	ProblemType string `json:"problemType"`
	Line        int    `json:"lineNumber"`
	Column      int    `json:"columnNumber"`
}

// oneOrMore is a list that may be spelled as its only member, as XML turned into JSON is.
type oneOrMore[T any] []T

// UnmarshalJSON reads either spelling.
func (l *oneOrMore[T]) UnmarshalJSON(raw []byte) error {
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '{' {
		*l = make([]T, 1)
		return json.Unmarshal(raw, &(*l)[0])
	}
	return json.Unmarshal(raw, (*[]T)(l))
}

func (o *Org) deployment(id string, r *deployReply) sf.Deployment {
	d := sf.Deployment{
		ID: id, Status: sf.DeployStatus(o.line(r.Status)), Done: r.Done, Success: r.Success, CheckOnly: r.CheckOnly,
		Error: o.line(r.Error), CreatedBy: o.line(r.CreatedBy), CanceledBy: o.line(r.CanceledBy),
		Created: lenientTime(r.Created), Completed: lenientTime(r.Completed),
		Components: r.Total, ComponentErrors: r.Errors, ComponentsDone: r.Deployed,
		Tests: r.TestsTotal, TestErrors: r.TestErrors, TestsDone: r.TestsCompleted,
	}
	for _, m := range append(slices.Clone(r.Details.Failures), r.Details.Successes...) {
		d.Results = append(d.Results, sf.DeployResult{
			ComponentKey: sf.ComponentKey{Type: o.line(m.Type), Name: o.line(m.FullName)}, FileName: o.line(m.FileName),
			Success: m.Success, Created: m.Created, Changed: m.Changed, Deleted: m.Deleted, Problem: o.line(m.Problem),
			Warning: strings.EqualFold(m.ProblemType, "Warning"), Line: m.Line, Column: m.Column,
		})
	}
	slices.SortStableFunc(d.Results, func(a, b sf.DeployResult) int {
		return cmp.Compare(rank(a.Success), rank(b.Success))
	})
	for _, t := range r.Details.Tests.Failures {
		name := t.Class
		if t.Namespace != "" {
			name = t.Namespace + "." + name
		}
		d.TestFailures = append(d.TestFailures, sf.TestFailure{Class: o.line(name), Method: o.line(t.Method), Message: o.line(t.Message)})
	}
	for _, w := range r.Details.Tests.Uncovered {
		text := o.line(w.Message)
		if w.Name != "" {
			text = o.line(w.Name) + ": " + text
		}
		d.Uncovered = append(d.Uncovered, text)
	}
	return d
}

func rank(success bool) int {
	if success {
		return 1
	}
	return 0
}

// lenientTime reads a time that is told for information only: one that cannot be read is none.
func lenientTime(s string) time.Time {
	t, err := sf.ParseDatetime(s)
	if err != nil {
		return time.Time{}
	}
	return t
}
