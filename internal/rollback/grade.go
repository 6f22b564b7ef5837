package rollback

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Grade says how far a deployment can be taken back.
type Grade string

// The grades, from the best to the worst.
const (
	GradeA Grade = "A" // everything comes back as it was
	GradeB Grade = "B" // it comes back, and something of it is not as before: a new Id, a flow version that stays, what people enter meanwhile
	GradeC Grade = "C" // values of records go, and come back from the snapshot by a restore of records
	GradeD Grade = "D" // something is destroyed that no snapshot holds, or cannot be taken back
)

// Intent is what a deployment is about to do to one component.
type Intent struct {
	Key     sf.ComponentKey
	Before  *Component        // as the org has it, of a flow the active version or else the newest; nil when it is not there
	Files   []component.Entry // that are deployed
	Deleted bool
	Parts   []sf.ComponentKey // components inside of it that are deleted
	Untold  string            // why the snapshot does not tell what the org has of it; "" when it does
	Data    func(object, field string) Data
}

// Data is what a snapshot holds of an object or of one of its fields ("" is the object).
type Data struct {
	Held    bool
	Records int64 // of the object
	Values  int64 // records with a value in the field
}

// Reason is one reason for a grade.
type Reason struct {
	Grade Grade
	Text  string
}

// GradeOf says how far what is intended can be taken back, and why: the worst of the reasons. Reasons come in the order
// of the parts.
func GradeOf(in Intent) (Grade, []Reason) {
	g := &grading{in: in}
	switch {
	case in.Untold != "":
		g.because(GradeD, "what the org has is not known, so that nothing could be put back: %s", in.Untold)
	case in.Before != nil && in.Before.Installed():
		g.because(GradeD, "it belongs to an installed package: no deployment takes it back")
	case in.Before != nil && len(in.Before.Files) == 0:
		g.because(GradeD, "the org did not give its files, so that it could not be put back")
	case in.Key.Type == "Flow":
		g.flow()
	case in.Deleted && in.Before != nil:
		g.deleted()
	case in.Deleted:
		g.because(GradeA, "it is not there")
	case in.Before == nil:
		g.made()
	default:
		g.changed()
	}
	if len(g.reasons) == 0 {
		g.because(GradeA, "it comes back as it was")
	}
	worst := GradeA
	for _, r := range g.reasons {
		worst = max(worst, r.Grade)
	}
	return worst, g.reasons
}

type grading struct {
	in      Intent
	reasons []Reason
}

func (g *grading) because(grade Grade, format string, args ...any) {
	g.reasons = append(g.reasons, Reason{grade, fmt.Sprintf(format, args...)})
}

func (g *grading) flow() {
	switch {
	case g.in.Deleted:
		g.because(GradeB, "the version that was active comes back as a new version")
	case g.in.Before == nil:
		g.because(GradeB, "it is switched off and deleted; what it has done to records stays")
	case g.in.Before.Status != "Active":
		g.because(GradeB, "no version is active now, and none is then; the new version stays, and what it has done to records")
	default:
		g.because(GradeB, "the version that is active now is active again; the new version stays, and what it has done to records")
	}
}

func (g *grading) deleted() {
	if g.in.Key.Type != "CustomObject" {
		g.because(GradeB, "it comes back under a new Id")
		return
	}
	d := g.in.Data(g.in.Key.Name, "")
	switch {
	case !d.Held:
		g.because(GradeD, "its records are not held by the snapshot")
	case d.Records == 0:
		g.because(GradeB, "it has no records, and comes back under a new Id")
	default:
		g.because(GradeC, "its %s records go with it, and come back from the snapshot under new Ids", count(d.Records))
	}
}

func (g *grading) made() {
	switch {
	case undeletable(g.in.Key) != "":
		g.because(GradeD, "no deployment deletes it: %s", undeletable(g.in.Key))
	case g.in.Key.Type == "CustomObject":
		g.because(GradeB, "it is deleted, with the records that people create meanwhile")
	default:
		g.because(GradeA, "it is deleted")
	}
}

// changed compares what is there with what is deployed, part by part.
func (g *grading) changed() {
	before, after := only(g.in.Before.Files), only(g.in.Files)
	if g.in.Key.Type != "CustomObject" || before == nil {
		return
	}
	for _, p := range g.in.Parts {
		name := strings.TrimPrefix(p.Name, g.in.Key.Name+".")
		switch p.Type {
		case "CustomField":
			g.lost(name, component.Part("CustomObject", before, "fields", name))
		case "RecordType":
			g.because(GradeC, "record type %s comes back under a new Id, and records of it have lost it", name)
		default:
			g.because(GradeB, "%s %s comes back under a new Id", p.Type, name)
		}
	}
	if after == nil {
		return
	}
	for _, n := range after.Nodes {
		if n.Name != "fields" {
			continue
		}
		name := n.Value("fullName")
		was := component.Part("CustomObject", before, "fields", name)
		if n.Value("type") == masterDetail && (len(was) == 0 || was[0].Value("type") != masterDetail) {
			g.because(GradeD, "field %s makes details of its records: those that are in the Recycle Bin are deleted for good with the deployment", name)
		}
		if len(was) == 0 {
			g.because(GradeB, "field %s is new: what people enter into it meanwhile is deleted with it", name)
			continue
		}
		g.altered(name, was[0], n)
	}
}

// lost grades the deletion of a field.
func (g *grading) lost(field string, was []*component.Node) {
	if len(was) == 0 {
		g.because(GradeA, "field %s is not there", field)
		return
	}
	kind := was[0].Value("type")
	switch {
	case was[0].Value("formula") != "" || kind == "Summary":
		g.because(GradeA, "field %s is computed anew", field)
	case kind == masterDetail:
		g.master(field, "is deleted")
	case kind == "AutoNumber":
		g.because(GradeD, "field %s numbers its records anew", field)
	case kind == "EncryptedText":
		g.because(GradeD, "field %s is encrypted by the org, which gives its values to nobody in full", field)
	default:
		g.values(field, "is deleted")
	}
}

// altered grades the change of a field that keeps its name.
func (g *grading) altered(field string, was, is *component.Node) {
	if was.Value("type") == masterDetail && is.Value("type") != masterDetail {
		g.master(field, "becomes "+is.Value("type"))
		return
	}
	if was.Value("type") != is.Value("type") {
		g.values(field, fmt.Sprintf("becomes %s, and was %s", is.Value("type"), was.Value("type")))
		return
	}
	for _, size := range []string{"length", "precision", "scale"} {
		a, errA := strconv.Atoi(was.Value(size))
		b, errB := strconv.Atoi(is.Value(size))
		if errA == nil && errB == nil && b < a {
			g.values(field, fmt.Sprintf("has a smaller %s: %d, and had %d", size, b, a))
			return
		}
	}
}

// masterDetail is the type of a field that makes its records the details of another. An org takes such a field only where there
// are no records, or where all of them have a master by a lookup that becomes one; and details in the Recycle Bin are deleted
// for good then. Source: Salesforce Help, "Considerations for Relationships".
const masterDetail = "MasterDetail"

// master grades a field that stops making details of its records.
func (g *grading) master(field, what string) {
	if d := g.in.Data(g.in.Key.Name, field); d.Held && d.Records == 0 {
		g.because(GradeB, "field %s %s; its object has no records, and it comes back as long as there are none", field, what)
		return
	}
	g.because(GradeD, "field %s %s: an org makes no master-detail anew where there are records, and of a lookup only when each of them has a master, "+
		"with what is in the Recycle Bin deleted for good; by hand it comes back as a lookup that is filled and then changed", field, what)
}

// values grades what happens to the values of a field.
func (g *grading) values(field, what string) {
	d := g.in.Data(g.in.Key.Name, field)
	switch {
	case !d.Held:
		g.because(GradeD, "field %s %s, and the snapshot does not hold its values", field, what)
	case d.Values == 0:
		g.because(GradeB, "field %s %s; no record has a value in it", field, what)
	default:
		g.because(GradeC, "field %s %s: %s in %s, which come back from the snapshot", field, what, counted(d.Values, "value"), counted(d.Records, "record"))
	}
}

// AtRisk returns the fields of which values may be lost, and whether all records are.
func AtRisk(in Intent) (fields []string, records bool) {
	in.Data = func(_, field string) Data {
		if field == "" {
			records = true
		} else if !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
		return Data{}
	}
	GradeOf(in)
	return fields, records
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// counted counts things whose plural is regular.
func counted(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

// only is the document of a component that is one; nil otherwise.
func only(files []component.Entry) *component.Node {
	if len(files) != 1 {
		return nil
	}
	root, err := component.Parse(files[0].Body)
	if err != nil {
		return nil
	}
	return root
}

// After is what a component is expected to be once what is intended is done; nil when it is gone.
func (in Intent) After() *Component {
	switch {
	case in.Deleted:
		return nil
	case in.Before == nil:
		return &Component{Component: sf.Component{ComponentKey: in.Key}, Files: in.Files}
	}
	out := *in.Before
	before, after := only(in.Before.Files), only(in.Files)
	kind := component.Known().Kind(in.Key.Type)
	partly := component.Dependent(in.Key.Type) || kind != nil && len(kind.Children) > 0
	switch {
	case before == nil || len(in.Files) > 0 && (after == nil || !partly):
		out.Files = in.Files
		return &out
	case after != nil:
		before = component.Over(in.Key.Type, before, after)
	}
	for _, p := range in.Parts {
		before = component.Less(in.Key, before, p)
	}
	out.Files = []component.Entry{{Path: in.Before.Files[0].Path, Body: component.Print(before)}}
	return &out
}
