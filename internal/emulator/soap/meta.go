package soap

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// meta lists the calls of the Metadata API by name. There is no retrieve: the emulated org keeps
// what was deployed, which is not what a retrieve would give back.
var meta = map[string]operation{
	"deploy": deploy, "checkDeployStatus": checkDeployStatus,
	"describeMetadata": describeMetadata, "listMetadata": listMetadata,
}

// maxQueries is how many queries a listMetadata may hold.
// Source: Metadata API Developer Guide, listMetadata.
const maxQueries = 3

// keptDeployments is how many deployments can be asked about; the oldest are forgotten first. The
// platform keeps them for 30 days.
const keptDeployments = 100

// deployment is one deploy and what became of it.
type deployment struct {
	id     string
	by     org.User
	at     time.Time
	opts   metadata.Options
	result *metadata.Result
}

// deploy runs a deployment to its end before it answers; the client learns the outcome when it asks,
// as on the platform.
func deploy(a *API, c *call) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c.op.value("ZipFile")), ""))
	if err != nil {
		return "", wire.BadRequest("INVALID_ZIP", "the ZipFile is not base64: "+err.Error())
	}
	options := c.op.child("DeployOptions")
	d := &deployment{at: a.cfg.Org.Clock().Now(), opts: metadata.Options{
		CheckOnly: options.flag("checkOnly"), RollbackOnError: options.flag("rollbackOnError"),
		SinglePackage: options.flag("singlePackage"), AllowMissingFiles: options.flag("allowMissingFiles"),
		IgnoreWarnings: options.flag("ignoreWarnings"),
	}}
	d.by, _ = a.cfg.Org.UserByID(c.caller.User)
	d.result = a.cfg.Metadata.Deploy(c.caller, raw, d.opts)
	a.keep(d)
	return "<result>" + element("done", false) + element("id", d.id) + element("state", "Queued") + "</result>", nil
}

// keep remembers a deployment under a new Id.
func (a *API) keep(d *deployment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deployed++
	id, err := sf.ParseID(fmt.Sprintf("0Af%s%09d", string(a.cfg.Org.ID())[3:6], a.deployed))
	if err != nil { // the parts are letters and digits
		panic(err)
	}
	d.id = string(id)
	a.deployments = append(a.deployments, d)
	if len(a.deployments) > keptDeployments {
		a.deployments = a.deployments[1:]
	}
}

func checkDeployStatus(a *API, c *call) (string, error) {
	asked := c.op.value("asyncProcessId", "id")
	id, err := sf.ParseID(asked)
	if err != nil {
		return "", wire.BadRequest("INVALID_ID_FIELD", "invalid id: "+asked)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.deployments {
		if d.id == string(id) {
			return d.status(c.op.flag("includeDetails")), nil
		}
	}
	return "", wire.BadRequest("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
}

// status spells a DeployResult, its elements in the order of the WSDL.
func (d *deployment) status(details bool) string {
	r, at := d.result, d.at.Format(stampLayout)
	var b strings.Builder
	b.WriteString("<result>" + element("checkOnly", d.opts.CheckOnly) + element("completedDate", at) +
		element("createdBy", d.by.ID) + element("createdByName", d.by.Name) + element("createdDate", at))
	if details {
		b.WriteString("<details>")
		d.messages(&b, "componentFailures", false)
		d.messages(&b, "componentSuccesses", true)
		b.WriteString("<runTestResult><numFailures>0</numFailures><numTestsRun>0</numTestsRun><totalTime>0.0</totalTime></runTestResult></details>")
	}
	b.WriteString(element("done", true))
	if r.ErrorMessage != "" {
		b.WriteString(element("errorMessage", r.ErrorMessage) + element("errorStatusCode", r.ErrorCode))
	}
	b.WriteString(element("id", d.id) + element("ignoreWarnings", d.opts.IgnoreWarnings) + element("lastModifiedDate", at) +
		element("numberComponentErrors", r.Errors) + element("numberComponentsDeployed", r.Deployed) +
		element("numberComponentsTotal", r.Total) + element("numberTestErrors", 0) + element("numberTestsCompleted", 0) +
		element("numberTestsTotal", 0) + element("rollbackOnError", d.opts.RollbackOnError) + element("runTestsEnabled", false) +
		element("startDate", at) + element("status", r.Status) + element("success", r.Success) + "</result>")
	return b.String()
}

// messages spells the DeployMessages of those components that succeeded, or of those that did not.
func (d *deployment) messages(b *strings.Builder, name string, success bool) {
	for _, m := range d.result.Components {
		if m.Success != success {
			continue
		}
		b.WriteString("<" + name + ">" + element("changed", m.Changed))
		if m.Line > 0 {
			b.WriteString(element("columnNumber", m.Column))
		}
		b.WriteString(element("componentType", m.ComponentType) + element("created", m.Created) +
			element("createdDate", d.at.Format(stampLayout)) + element("deleted", m.Deleted) +
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
		b.WriteString(element("success", m.Success) + element("warning", m.ProblemType == "Warning") + "</" + name + ">")
	}
}

func describeMetadata(_ *API, _ *call) (string, error) {
	var b strings.Builder
	b.WriteString("<result>")
	for _, k := range metadata.Kinds() {
		b.WriteString("<metadataObjects>")
		for _, child := range k.Children {
			b.WriteString(element("childXmlNames", child))
		}
		b.WriteString(element("directoryName", k.Folder) + element("inFolder", false) + element("metaFile", hasMetaFile(k.Name)) +
			element("suffix", k.Suffix) + element("xmlName", k.Name) + "</metadataObjects>")
	}
	b.WriteString("<organizationNamespace/>" + element("partialSaveAllowed", true) + element("testRequired", false) + "</result>")
	return b.String(), nil
}

// hasMetaFile reports types whose content stands apart from their -meta.xml.
func hasMetaFile(kind string) bool {
	switch kind {
	case "ApexClass", "ApexTrigger", "ApexPage", "ApexComponent", "StaticResource", "EmailTemplate":
		return true
	}
	return false
}

func listMetadata(a *API, c *call) (string, error) {
	queries := c.op.all("queries")
	if len(queries) > maxQueries {
		return "", wire.BadRequest("LIMIT_EXCEEDED", "a listMetadata call cannot have more than 3 queries")
	}
	var b strings.Builder
	for _, q := range queries {
		kind := q.value("type")
		known := false
		for _, k := range metadata.Kinds() {
			known = known || k.Name == kind
			for _, child := range k.Children {
				known = known || child == kind
			}
		}
		if !known {
			return "", wire.BadRequest("INVALID_TYPE", "Unknown type:"+kind)
		}
		for _, component := range a.components(kind) {
			a.fileProperties(&b, component)
		}
	}
	return b.String(), nil
}

// components are those deployed, and for CustomObject the standard objects before them.
func (a *API) components(kind string) []metadata.Component {
	list := a.cfg.Metadata.List(kind)
	if kind != "CustomObject" {
		return list
	}
	deployed := map[string]bool{}
	for _, c := range list {
		deployed[c.FullName] = true
	}
	var all []metadata.Component
	for _, o := range a.cfg.Org.Objects() {
		if o.Kind == org.StandardObject && o.Layoutable && !deployed[o.Name] {
			all = append(all, metadata.Component{Type: kind, FullName: o.Name, FileName: "objects/" + o.Name + ".object", By: a.cfg.Org.Admin().User})
		}
	}
	return append(all, list...)
}

// fileProperties spells a component as listMetadata does; a standard one has the epoch for a date.
func (a *API) fileProperties(b *strings.Builder, c metadata.Component) {
	stamp := func(t time.Time) string {
		if t.IsZero() {
			t = time.Unix(0, 0).UTC()
		}
		return t.Format(stampLayout)
	}
	by, _ := a.cfg.Org.UserByID(c.By)
	b.WriteString("<result>" + element("createdById", c.By) + element("createdByName", by.Name) + element("createdDate", stamp(c.Created)) +
		element("fileName", c.FileName) + element("fullName", c.FullName) + element("id", c.ID) + element("lastModifiedById", c.By) +
		element("lastModifiedByName", by.Name) + element("lastModifiedDate", stamp(c.Modified)))
	if c.Namespace != "" {
		b.WriteString(element("manageableState", "installed") + element("namespacePrefix", c.Namespace))
	} else {
		b.WriteString(element("manageableState", "unmanaged"))
	}
	b.WriteString(element("type", c.Type) + "</result>")
}
