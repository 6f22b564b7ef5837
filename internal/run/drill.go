package run

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// DrillInput says what is rehearsed, and on which stage: an empty org that is nobody's, and a repository for
// what is observed of it.
type DrillInput struct {
	Store    *snapshot.Store // holds the snapshot; nothing is written to it
	Snapshot string          // whose records are restored: the beginning of an ID, or "latest"
	From     string          // with "latest": the name or Id of the org
	Against  string          // snapshot whose metadata the empty org gets; "": the newest backup of the same org
	Objects  []string        // API names; none: every object of people's records

	Org           DrillOrg
	Scratch       *snapshot.Store
	Dir           string // for the journal
	AutomationOff bool   // as in a restore
	MaxRows       int    // records at most; 0 is DefaultRows

	// Packages are the folders from which the empty org installs managed packages, by namespace: those of
	// DrillNamespaces. The drill fills them.
	Packages map[string]string

	// Look reads records of the empty org without this program's client: the witness.
	Look func(ctx context.Context, object string, fields []string, each func(id sf.ID, values map[string]any) error) error
	Now  func() time.Time // for the stopwatch
}

// DrillOrg is an org that is filled and whose components are deployed.
type DrillOrg interface {
	Org
	MetadataSource
	apply.Deployer
}

// DrillResult says how much of a snapshot an empty org took back, measured on one, and what would be refused.
type DrillResult struct {
	Snapshot    SnapshotRow     `json:"snapshot"`     // whose records were restored
	Against     SnapshotRow     `json:"against"`      // whose metadata the empty org has
	Score       float64         `json:"score"`        // share of the records that came back with every value and relation, from 0 to 1
	Objects     []DrillRow      `json:"objects"`      // by name
	Refusals    []DrillRefusal  `json:"refusals"`     // why records were refused, the most frequent first
	NotDeployed []ProblemRow    `json:"not_deployed"` // components that the empty org did not take
	NotTried    []string        `json:"not_tried"`    // what a drill leaves out, and why
	Packages    []string        `json:"packages"`     // namespaces of the managed packages that the empty org has as the snapshot describes them
	Differences []DifferenceRow `json:"differences"`  // the first values that the witness saw otherwise
	Records     int64           `json:"records"`      // that were to come back
	Values      int64           `json:"values"`       // that the witness compared
	Links       int64           `json:"links"`        // of these, relations
	Different   int64           `json:"different"`    // of the values, those that are not as they should be
	Took        DrillTimes      `json:"seconds"`      // by the clock of this machine
	Began       time.Time       `json:"began"`        // by the clock of this machine
}

// DrillTimes are how long the parts of a drill took, in seconds.
type DrillTimes struct {
	Deploy  float64 `json:"deploy"`  // metadata to the empty org
	Plan    float64 `json:"plan"`    // records prepared, and ordered
	Apply   float64 `json:"apply"`   // written, and observed again
	Witness float64 `json:"witness"` // looked at by somebody else
}

// DrillRow is one object of a drill.
type DrillRow struct {
	Object    string   `json:"object"`            // API name
	Records   int64    `json:"records"`           // in the snapshot
	Restored  int64    `json:"restored"`          // of these, those that the empty org took
	Whole     int64    `json:"whole"`             // of these, those with every value and relation
	Score     float64  `json:"score"`             // whole of all records, from 0 to 1
	Links     int64    `json:"links"`             // relations that the witness compared
	Different int64    `json:"different"`         // values that are not as they should be
	Without   []string `json:"without,omitempty"` // fields that the empty org does not have
}

// DrillRefusal is one reason for which records of an object were refused.
type DrillRefusal struct {
	Object  string   `json:"object"`           // API name
	Records int64    `json:"records"`          // that were refused
	Of      int64    `json:"of"`               // records of the object
	Rule    string   `json:"rule,omitempty"`   // validation rule whose message it is
	Code    string   `json:"code"`             // status code
	Message string   `json:"message"`          // words of the org
	Fields  []string `json:"fields,omitempty"` // that the org names
}

// Statement spells the result in lines, for DrillStatement of the snapshot: docs/format/statement.md, "Drills".
func (r DrillResult) Statement() string {
	var b strings.Builder
	fmt.Fprintf(&b, "began %s\nagainst %s\n", r.Began.UTC().Format(time.RFC3339), r.Against.ID)
	fmt.Fprintf(&b, "records %d\nvalues %d\nlinks %d\ndifferent %d\nnot-deployed %d\n", r.Records, r.Values, r.Links, r.Different, len(r.NotDeployed))
	fmt.Fprintf(&b, "milliseconds %d %d %d %d\n", int64(1000*r.Took.Deploy), int64(1000*r.Took.Plan), int64(1000*r.Took.Apply), int64(1000*r.Took.Witness))
	for _, o := range r.Objects {
		fmt.Fprintf(&b, "object %s %d %d %d\n", o.Object, o.Records, o.Restored, o.Whole)
	}
	return b.String()
}

// drill is one rehearsal.
type drill struct {
	in      DrillInput
	from    *snapshot.Snapshot
	against *snapshot.Snapshot
	schema  *sf.Schema
	seed    *seed
	applied ApplyResult
	rules   map[string]string // names of validation rules by object and message
	out     DrillResult
	at      time.Time

	deployed int                        // components that the empty org took
	later    map[string]*component.Node // fields of packages that need objects of the org itself, by object
}

// Drill restores the records of a snapshot into an empty org with the metadata of the newest one, compares by
// somebody else's eyes, and says of each object how many records came back whole and why others did not. No org
// of anybody is touched.
//
// Errors: Findings when a record was refused or differs, or a component could not be deployed; NotFound for what
// is not held; those of Seed, Restore and Apply. The result tells what was found even beside an error.
func Drill(ctx context.Context, in DrillInput) (DrillResult, error) {
	d := &drill{in: in, rules: map[string]string{}, out: DrillResult{
		Objects: []DrillRow{}, Refusals: []DrillRefusal{}, NotDeployed: []ProblemRow{}, NotTried: []string{}, Packages: []string{}, Differences: []DifferenceRow{}, Began: in.Now(),
	}}
	for _, part := range []struct {
		do   func(context.Context) error
		took *float64
	}{{d.load, nil}, {d.packages, &d.out.Took.Deploy}, {d.deploy, &d.out.Took.Deploy}, {d.prepare, &d.out.Took.Plan}, {d.restore, &d.out.Took.Apply}, {d.witness, &d.out.Took.Witness}} {
		d.at = in.Now()
		if err := part.do(ctx); err != nil {
			return d.out, err
		}
		if part.took != nil {
			*part.took += in.Now().Sub(d.at).Seconds()
		}
	}
	return d.out, d.verdict()
}

func (d *drill) load(ctx context.Context) error {
	var filters []snapshot.Filter
	if d.in.Snapshot == snapshot.Latest {
		org, err := Moment{Store: d.in.Store, Org: d.in.From}.org(ctx)
		if err != nil {
			return err
		}
		filters = []snapshot.Filter{snapshot.OfOrg(org)}
	}
	var err error
	if d.from, err = held(ctx, d.in.Store, d.in.Snapshot, filters...); err != nil {
		return err
	}
	against, org := cmp.Or(d.in.Against, snapshot.Latest), d.from.Info().OrgID
	if d.against, err = held(ctx, d.in.Store, against, snapshot.OfOrg(org)); err != nil {
		return err
	}
	d.out.Snapshot, d.out.Against = snapshotRow(d.from.Info()), snapshotRow(d.against.Info())
	return nil
}

// prepare makes the plan that fills the org.
func (d *drill) prepare(ctx context.Context) error {
	objects, err := d.objects(ctx)
	if err != nil {
		return err
	}
	d.seed, err = prepare(ctx, SeedInput{
		Target: d.in.Org, Store: d.in.Scratch, Origin: d.in.Store, OrgName: "drill", Snapshot: d.from.Info().ID, Objects: objects,
	})
	if err != nil {
		return fmt.Errorf("prepare the records: %w", err)
	}
	return nil
}

// restore plans and applies, as an operator would.
func (d *drill) restore(ctx context.Context) error {
	planned, err := Restore(ctx, RestoreInput{
		Source: d.in.Org, Store: d.in.Scratch, Snapshot: d.seed.out.Snapshot.ID, Metadata: d.in.Org, AutomationOff: d.in.AutomationOff,
		MaxRows: d.in.MaxRows, Capture: d.reading(),
	})
	if err != nil && planned.Plan == nil {
		return fmt.Errorf("plan: %w", err)
	}
	d.out.Took.Plan += d.in.Now().Sub(d.at).Seconds()
	d.at = d.in.Now()
	d.out.NotTried = append(d.out.NotTried, planned.Skipped...)
	in := ApplyInput{
		Org: d.in.Org, Store: d.in.Scratch, File: planned.File, Digest: planned.Digest,
		Journal: filepath.Join(d.in.Dir, "drill.journal"), Deployer: d.in.Org, Capture: d.reading(),
	}
	d.applied, err = Apply(ctx, in)
	switch problem.KindOf(err) {
	case problem.Partial, problem.NotVerified: // that is what a drill is for
		err = nil
	}
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

// verdict turns what was found into the error with which the drill ends.
func (d *drill) verdict() error {
	refused := int64(0)
	for _, r := range d.out.Refusals {
		refused += r.Records
	}
	text := fmt.Sprintf("%d of %d records would be refused, and %d values would differ", refused, d.out.Records, d.out.Different)
	switch {
	case refused > 0 && len(d.out.Refusals) > 0:
		r := d.out.Refusals[0]
		return problem.New(problem.Findings, text).Hint("the most frequent reason: %s %s of %s", r.Code, r.Message, r.Object)
	case d.out.Different > 0 || d.applied.Unexplained > 0:
		return problem.New(problem.Findings, text).Hint("--json lists the differences")
	case len(d.out.NotDeployed) > 0:
		return problem.Newf(problem.Findings, "%d components could not be deployed, and what they do was not rehearsed", len(d.out.NotDeployed)).
			Hint("--json lists them; what belongs to a managed package comes with it, as far as the snapshot describes it")
	}
	return nil
}

// stillOrg is an org whose schema nobody changes: it is described once.
type stillOrg struct {
	DrillOrg
	schema *sf.Schema
}

// Schema returns the schema as it was described.
func (o stillOrg) Schema(context.Context) (*sf.Schema, error) { return o.schema, nil }

// reading is how the empty org is observed: what is rehearsed, and what stands under a name.
func (d *drill) reading() capture.Options {
	opts := capture.Options{OrgName: "drill"}
	for _, o := range d.seed.out.Objects {
		opts.Include = append(opts.Include, o.Object)
	}
	for _, n := range stable {
		if d.schema.Object(n.object) != nil && !slices.Contains(opts.Include, n.object) {
			opts.Include = append(opts.Include, n.object)
		}
	}
	return opts
}

// objects returns what is rehearsed: what was asked for, or the objects with records that people own, the
// custom ones, and those whose records go with theirs.
func (d *drill) objects(ctx context.Context) ([]string, error) {
	var err error
	if d.schema, err = d.in.Org.Schema(ctx); err != nil {
		return nil, fmt.Errorf("describe the empty org: %w", err)
	}
	d.in.Org = stillOrg{d.in.Org, d.schema}
	if len(d.in.Objects) > 0 {
		return d.in.Objects, nil
	}
	ours := map[string]bool{}
	for again := true; again; {
		again = false
		for _, p := range d.from.Parts() {
			if !ours[p.Object] && d.peoples(p, ours) {
				ours[p.Object], again = true, true
			}
		}
	}
	var names []string
	for _, p := range d.from.Parts() {
		switch there := d.schema.Object(p.Object); {
		case !ours[p.Object]:
		case there == nil:
			d.out.NotTried = append(d.out.NotTried, p.Object+": the empty org does not have it")
		case !there.Createable:
			d.out.NotTried = append(d.out.NotTried, p.Object+": nobody can make records of it")
		default:
			names = append(names, p.Object)
		}
	}
	if len(names) == 0 {
		return nil, problem.Newf(problem.NotFound, "snapshot %s holds no records that a drill could bring into an empty org", d.from.Info().Short()).
			Hint("name objects with --object")
	}
	return names, nil
}

// derivedRecords ends the names of objects whose records the platform makes for others.
var derivedRecords = []string{"Share", "History", "Feed", "ChangeEvent"}

// peoples reports a part that is rehearsed unless somebody chooses.
func (d *drill) peoples(p snapshot.Part, ours map[string]bool) bool {
	o := d.from.Schema().Object(p.Object)
	if o == nil || p.State != snapshot.Whole || p.Records == 0 || isStable(p.Object) || o.CustomSetting ||
		slices.ContainsFunc(derivedRecords, func(end string) bool { return strings.HasSuffix(p.Object, end) }) {
		return false
	}
	if slices.ContainsFunc(o.Fields, func(f *sf.Field) bool { return f.Type == sf.TypeBase64 }) {
		if note := p.Object + ": the bytes of files are not restored"; !slices.Contains(d.out.NotTried, note) {
			d.out.NotTried = append(d.out.NotTried, note)
		}
		return false
	}
	if o.Custom || o.Field("OwnerId") != nil {
		return true
	}
	for name := range ours {
		for _, c := range d.from.Schema().Object(name).Children {
			if c.Child == p.Object && c.CascadeDelete {
				return true
			}
		}
	}
	return false
}
