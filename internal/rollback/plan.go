package rollback

import (
	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Verb is what becomes of a component.
type Verb string

// The verbs.
const (
	PutBack    Verb = "put back"   // as a whole: the change had removed it
	TakeBack   Verb = "take back"  // the parts that the change had changed
	Remove     Verb = "remove"     // the change had made it
	Activate   Verb = "activate"   // a flow: the version that was active before
	Deactivate Verb = "deactivate" // a flow of which no version was active before
	Keep       Verb = "keep"       // somebody has changed it since
	Nothing    Verb = "nothing"    // it is as it was before
	Cannot     Verb = "cannot"     // Why says why
)

// Action is what becomes of one component, or of one part that is a component itself.
type Action struct {
	Key       sf.ComponentKey
	Verb      Verb
	Parts     []component.PartChange // what changes inside, as the org is now
	Conflicts []component.PartChange // what stays inside, because somebody has changed it since
	Why       string
}

// Deployment is one request to the Metadata API: all of it, or nothing.
type Deployment struct {
	Files    []component.Entry // sorted by path, without the manifests
	Manifest sf.Manifest       // of Files
	Deleted  []sf.ComponentKey // after the files are in place, sorted
}

// Plan is how a change is taken back.
type Plan struct {
	Actions     []Action // by key
	Deployments []Deployment
}

// Conflicts counts the components and parts that stay as somebody has set them since.
func (p Plan) Conflicts() int {
	n := 0
	for _, a := range p.Actions {
		if n += len(a.Conflicts); a.Verb == Keep && len(a.Conflicts) == 0 {
			n++
		}
	}
	return n
}

// Archive is the deployment as the zip that the Metadata API takes.
func (d Deployment) Archive() ([]byte, error) {
	files := append([]component.Entry{{Path: "package.xml", Body: component.PrintManifest(d.Manifest)}}, d.Files...)
	if len(d.Deleted) > 0 {
		m := sf.ManifestOf("", d.Deleted)
		files = append(files, component.Entry{Path: "destructiveChangesPost.xml", Body: component.PrintManifest(m)})
	}
	return component.Pack(files)
}
