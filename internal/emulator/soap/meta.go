package soap

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// meta lists the calls of the Metadata API by name. checkStatus is of versions up to 30 and clients
// of today still send it.
var meta = map[string]operation{
	"deploy": deploy, "checkDeployStatus": checkDeployStatus, "cancelDeploy": cancelDeploy,
	"deployRecentValidation": deployRecentValidation, "checkStatus": checkStatus,
	"retrieve": retrieveMetadata, "checkRetrieveStatus": checkRetrieveStatus,
	"describeMetadata": describeMetadata, "listMetadata": listMetadata,
}

// unbase64 decodes a zip, which clients wrap into lines or not.
func unbase64(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, wire.BadRequest("INVALID_OPERATION", "the ZipFile is not base64")
	}
	return raw, nil
}

func deploy(a *API, c *call) (string, error) {
	raw, err := unbase64(c.op.value("ZipFile"))
	if err != nil {
		return "", err
	}
	o := c.op.child("DeployOptions")
	opts := metadata.Options{
		CheckOnly: o.flag("checkOnly"), RollbackOnError: o.flag("rollbackOnError"), SinglePackage: o.flag("singlePackage"),
		AllowMissingFiles: o.flag("allowMissingFiles"), AutoUpdatePackage: o.flag("autoUpdatePackage"),
		IgnoreWarnings: o.flag("ignoreWarnings"), PurgeOnDelete: o.flag("purgeOnDelete"),
		TestLevel: o.value("testLevel"), RunTests: o.values("runTests"),
	}
	if err := a.cfg.Metadata.Check(opts); err != nil {
		return "", err
	}
	return queued(a.cfg.Metadata.StartDeploy(c.caller, raw, opts)), nil
}

// queued spells the AsyncResult of a call that has just been taken.
func queued(id string) string {
	return "<result>" + element("done", false) + element("id", id) + element("state", "Queued") + "</result>"
}

// asyncID reads the Id of a job in one of the spellings of clients.
func asyncID(c *call, names ...string) (string, error) {
	asked := c.op.value(append(names, "asyncProcessId", "id")...)
	if _, err := sf.ParseID(asked); err != nil {
		return "", wire.BadRequest("INVALID_ID_FIELD", "invalid id: "+asked)
	}
	return asked, nil
}

func noSuchJob() error {
	return wire.BadRequest("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
}

func checkDeployStatus(a *API, c *call) (string, error) {
	id, err := asyncID(c)
	if err != nil {
		return "", err
	}
	d, ok := a.cfg.Metadata.Deployment(id)
	if !ok {
		return "", noSuchJob()
	}
	return a.deployResult(d, c.op.flag("includeDetails")), nil
}

func cancelDeploy(a *API, c *call) (string, error) {
	id, err := asyncID(c, "String")
	if err != nil {
		return "", err
	}
	done, fault := a.cfg.Metadata.Cancel(c.caller, id)
	if fault != nil {
		return "", fault
	}
	full, err := sf.ParseID(id)
	return "<result>" + element("done", done) + element("id", full) + "</result>", err
}

func deployRecentValidation(a *API, c *call) (string, error) {
	id, err := asyncID(c, "validationId")
	if err != nil {
		return "", err
	}
	deployed, fault := a.cfg.Metadata.DeployValidated(c.caller, id)
	if fault != nil {
		return "", fault
	}
	return element("result", deployed), nil
}

// checkStatus answers for deployments and retrieves alike, in the states of AsyncRequestState.
func checkStatus(a *API, c *call) (string, error) {
	id, err := asyncID(c)
	if err != nil {
		return "", err
	}
	status, done, ok := "", false, false
	var code, message string
	if d, found := a.cfg.Metadata.Deployment(id); found {
		status, done, ok = d.Status, d.Done, true
		if d.Result != nil {
			code, message = d.Result.ErrorCode, d.Result.ErrorMessage
		}
	} else if r, fault := a.cfg.Metadata.Retrieval(id, false); fault == nil {
		status, done, ok = r.Status, r.Done, true
		if r.Result != nil {
			code, message = r.Result.ErrorCode, r.Result.ErrorMessage
		}
	}
	if !ok {
		return "", noSuchJob()
	}
	state := map[string]string{metadata.Pending: "Queued", metadata.InProgress: "InProgress", metadata.Canceling: "InProgress"}[status]
	full, err := sf.ParseID(id)
	reply := element("done", done) + element("id", full)
	switch {
	case code != "":
		reply += element("message", message) + element("state", "Error") + element("statusCode", code)
	case done:
		reply += element("state", "Completed")
	default:
		reply += element("state", state)
	}
	return "<result>" + reply + "</result>", err
}

// moment spells an element with a time, or nothing when it has not come.
func moment(name string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return element(name, t.Format(stampLayout))
}

// deployResult spells a DeployResult, its elements in the order of the WSDL.
func (a *API) deployResult(d metadata.Deployment, details bool) string {
	r := d.Result
	if r == nil {
		r = &metadata.Result{}
	}
	by, _ := a.cfg.Org.UserByID(d.Caller.User)
	var b strings.Builder
	b.WriteString("<result>")
	if d.CanceledBy != "" {
		canceller, _ := a.cfg.Org.UserByID(d.CanceledBy)
		b.WriteString(element("canceledBy", canceller.ID) + element("canceledByName", canceller.Name))
	}
	b.WriteString(element("checkOnly", d.Options.CheckOnly) + moment("completedDate", d.Completed) +
		element("createdBy", by.ID) + element("createdByName", by.Name) + moment("createdDate", d.Created) + "<details>")
	if details {
		deployMessages(&b, d, "componentFailures", false)
		deployMessages(&b, d, "componentSuccesses", true)
	}
	b.WriteString(testResult(r.Tests, details) + "</details>" + element("done", d.Done))
	if r.ErrorCode != "" {
		b.WriteString(element("errorMessage", r.ErrorCode+": "+r.ErrorMessage) + element("errorStatusCode", r.ErrorCode))
	}
	tests := len(r.Tests.Successes) + len(r.Tests.Failures)
	b.WriteString(element("id", d.ID) + element("ignoreWarnings", d.Options.IgnoreWarnings) + moment("lastModifiedDate", d.Modified) +
		element("numberComponentErrors", r.Errors) + element("numberComponentsDeployed", r.Deployed) +
		element("numberComponentsTotal", r.Total) + element("numberFiles", r.Files) + element("numberTestErrors", len(r.Tests.Failures)) +
		element("numberTestsCompleted", tests) + element("numberTestsTotal", tests) +
		element("rollbackOnError", d.Options.RollbackOnError) + element("runTestsEnabled", d.Options.TestsEnabled() || r.Tests.Enabled) +
		moment("startDate", d.Started) + element("status", d.Status) + element("success", r.Success) +
		element("zipSize", d.ZipSize) + "</result>")
	return b.String()
}

// deployMessages spells the DeployMessages of those components that succeeded, or of those that did
// not.
func deployMessages(b *strings.Builder, d metadata.Deployment, name string, success bool) {
	if d.Result == nil {
		return
	}
	for _, m := range d.Result.Components {
		if m.Success != success {
			continue
		}
		b.WriteString("<" + name + ">" + element("changed", m.Changed))
		if m.Line > 0 {
			b.WriteString(element("columnNumber", m.Column))
		}
		b.WriteString(element("componentType", m.ComponentType) + element("created", m.Created) +
			moment("createdDate", d.Completed) + element("deleted", m.Deleted) +
			element("fileName", m.FileName) + element("fullName", m.FullName))
		if m.ID != "" {
			b.WriteString(element("id", m.ID))
		}
		if m.Line > 0 {
			b.WriteString(element("lineNumber", m.Line))
		}
		if m.Problem != "" {
			b.WriteString(element("problem", m.Problem) + element("problemType", m.ProblemType))
		}
		b.WriteString(element("success", m.Success) + "</" + name + ">")
	}
}

// versionOf reads a version such as 66.0, or takes that of the call. That one that is not served is refused, and how, is
// unverified.
func versionOf(c *call, text string) (int, error) {
	if text == "" {
		return c.version, nil
	}
	n, ok := Major(text)
	if !ok || !metadata.Served(text) {
		return 0, wire.BadRequest("UNSUPPORTED_API_VERSION", "Invalid Api version specified: "+text)
	}
	return n, nil
}

func describeMetadata(a *API, c *call) (string, error) {
	version, err := versionOf(c, c.op.value("asOfVersion", "apiVersion"))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("<result>")
	for _, k := range metadata.Kinds(version) {
		b.WriteString("<metadataObjects>")
		for _, child := range k.Children {
			b.WriteString(element("childXmlNames", child.Name))
		}
		b.WriteString(element("directoryName", k.Folder) + element("inFolder", k.InFolder) + element("metaFile", k.MetaFile))
		if k.Suffix != "" {
			b.WriteString(element("suffix", k.Suffix))
		}
		b.WriteString(element("xmlName", k.Name) + "</metadataObjects>")
	}
	// Source: Metadata API Developer Guide, DescribeMetadataResult: a production org demands tests and saves nothing in part.
	production := a.cfg.Metadata.Kind() == metadata.Production
	b.WriteString("<organizationNamespace/>" + element("partialSaveAllowed", !production) + element("testRequired", production) + "</result>")
	return b.String(), nil
}

// maxQueries is how many queries a listMetadata may hold.
// Source: Metadata API Developer Guide, listMetadata.
const maxQueries = 3

func listMetadata(a *API, c *call) (string, error) {
	queries := c.op.all("queries")
	if len(queries) > maxQueries {
		return "", wire.BadRequest("LIMIT_EXCEEDED", "a listMetadata call cannot have more than 3 queries")
	}
	var b strings.Builder
	for _, q := range queries {
		kind := q.value("type")
		if !metadata.Known(kind) { // source: public answers (forcedotcom/cli issue 2858)
			return "", wire.BadRequest("INVALID_TYPE", "Unknown type:"+kind)
		}
		if err := a.cfg.Metadata.ListFault(kind); err != nil {
			return "", err
		}
		for _, component := range a.cfg.Metadata.List(kind, q.value("folder")) {
			a.fileProperties(&b, "result", component)
		}
	}
	return b.String(), nil
}

// fileProperties spells a component as listMetadata and retrieve do; a standard one has the epoch for
// a date.
func (a *API) fileProperties(b *strings.Builder, name string, c metadata.Component) {
	stamp := func(t time.Time) string {
		if t.IsZero() {
			t = time.Unix(0, 0).UTC()
		}
		return t.Format(stampLayout)
	}
	by, _ := a.cfg.Org.UserByID(c.By)
	editor, _ := a.cfg.Org.UserByID(c.Editor)
	b.WriteString("<" + name + ">" + element("createdById", c.By) + element("createdByName", by.Name) + element("createdDate", stamp(c.Created)) +
		element("fileName", c.FileName) + element("fullName", c.FullName) + element("id", c.ID) + element("lastModifiedById", c.Editor) +
		element("lastModifiedByName", editor.Name) + element("lastModifiedDate", stamp(c.Modified)))
	switch { // source: listMetadata results: what has no Id has no state, and a prefix that is empty
	case c.Namespace != "":
		b.WriteString(element("manageableState", "installed") + element("namespacePrefix", c.Namespace))
	case c.ID == "":
		b.WriteString(element("namespacePrefix", ""))
	default:
		b.WriteString(element("manageableState", "unmanaged"))
	}
	b.WriteString(element("type", c.Type) + "</" + name + ">")
}

func retrieveMetadata(a *API, c *call) (string, error) {
	q := c.op.child("retrieveRequest", "request")
	if q == nil {
		return "", wire.BadRequest("INVALID_OPERATION", "a retrieve needs a request")
	}
	version, err := versionOf(c, q.value("apiVersion"))
	if err != nil {
		return "", err
	}
	req := metadata.RetrieveRequest{
		Version: version, SinglePackage: q.flag("singlePackage"),
		PackageNames: slices.DeleteFunc(q.values("packageNames"), func(s string) bool { return s == "" }), SpecificFiles: q.values("specificFiles"),
	}
	if u := q.child("unpackaged"); u != nil {
		req.Unpackaged = true
		if v := u.value("version"); v != "" {
			if req.Version, err = versionOf(c, v); err != nil {
				return "", err
			}
		}
		for _, t := range u.all("types") {
			req.Types = append(req.Types, metadata.Wanted{Type: t.value("name"), Members: t.values("members")})
		}
	}
	return queued(a.cfg.Metadata.StartRetrieve(c.caller, req)), nil
}

// checkRetrieveStatus spells a RetrieveResult, its elements in the order of the WSDL. The zip comes
// along unless the client does not want it. Source: Metadata API Developer Guide, checkRetrieveStatus.
func checkRetrieveStatus(a *API, c *call) (string, error) {
	id, err := asyncID(c)
	if err != nil {
		return "", err
	}
	take := c.op.child("includeZip") == nil || c.op.flag("includeZip")
	r, fault := a.cfg.Metadata.Retrieval(id, take)
	if fault != nil {
		return "", fault
	}
	var b strings.Builder
	b.WriteString("<result>" + element("done", r.Done))
	result := r.Result
	if result == nil {
		result = &metadata.RetrieveResult{}
	}
	if result.ErrorCode != "" {
		b.WriteString(element("errorMessage", result.ErrorMessage) + element("errorStatusCode", result.ErrorCode))
	}
	for _, f := range result.Files {
		a.fileProperties(&b, "fileProperties", f)
	}
	b.WriteString(element("id", r.ID))
	for _, m := range result.Messages {
		b.WriteString("<messages>" + element("fileName", m.FileName) + element("problem", m.Problem) + "</messages>")
	}
	b.WriteString(element("status", r.Status) + element("success", r.Status == metadata.Succeeded))
	if take && result.Zip != nil {
		b.WriteString("<zipFile>" + base64.StdEncoding.EncodeToString(result.Zip) + "</zipFile>")
	} else {
		b.WriteString(`<zipFile xsi:nil="true"/>`)
	}
	b.WriteString("</result>")
	return b.String(), nil
}
