package rollback

import (
	"bytes"
	"slices"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/plan"
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

// Values are values of records that went with components that the change deleted or whose type it changed. No deployment
// brings them back: the records of the plan do, once the components are there.
type Values struct {
	Object  string
	Field   string // "" for the records of the object
	Records int64  // that the snapshot before the change holds of the object
}

// Source names the snapshots that a plan was decided from, and what of them it is about.
type Source struct {
	Before, After, Live string   // After is "" when components are made as Before holds them, whatever has changed them
	Only                []string // components as "Type Name", sorted; none is all
	Except              []string // components as "Type Name", sorted, that are somebody else's and stay as they are
}

// Plan is how a change is taken back. Decide fills Actions and Deployments.
type Plan struct {
	Org    sf.ID
	Made   time.Time // by the clock of the org
	Source Source
	Tests  sf.TestLevel // that the deployments ask for; "" leaves it to the org
	Notes  []string

	Actions     []Action // by key
	Values      []Values
	Deployments []Deployment
	Records     []*plan.Plan // of this org, in order, after the deployments; none is empty
}

// Empty reports a plan of which nothing remains to be done.
func (p Plan) Empty() bool { return len(p.Deployments) == 0 && len(p.Records) == 0 }

// Equal reports that the org would be sent the same.
func (d Deployment) Equal(other Deployment) bool {
	same := func(a, b component.Entry) bool { return a.Path == b.Path && bytes.Equal(a.Body, b.Body) }
	return d.Manifest.Version == other.Manifest.Version && slices.EqualFunc(d.Files, other.Files, same) &&
		slices.Equal(d.Deleted, other.Deleted) && slices.Equal(d.Members(), other.Members())
}

// Members are the components that its manifest names, sorted.
func (d Deployment) Members() []sf.ComponentKey {
	var out []sf.ComponentKey
	for _, t := range d.Manifest.Types {
		for _, name := range t.Members {
			out = append(out, sf.ComponentKey{Type: t.Name, Name: name})
		}
	}
	return out
}

// Count is how many components are deployed and deleted.
func (d Deployment) Count() int { return len(d.Members()) + len(d.Deleted) }

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
