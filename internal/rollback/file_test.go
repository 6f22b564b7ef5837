package rollback_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/internal/component"
	"holdfast/internal/plan"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// planned is a plan with a line of every kind.
func planned(t testing.TB) rollback.Plan {
	t.Helper()
	resource := xml("StaticResource", "Logo", "staticresources/Logo.resource-meta.xml", "<contentType>image/png</contentType>")
	resource.Files = append(resource.Files, component.Entry{Path: "staticresources/Logo.resource", Body: []byte{0xff, 0xd8, 0}})
	p, err := rollback.Decide(rollback.Input{APIVersion: "66.0", Changes: []rollback.Change{
		change(object("A=a", "B=b", "C=c"), object("A=x", "C=z"), object("A=x", "C=y", "D=d")),
		change(class("old"), class("new"), class("newer")),
		change(resource, nil, nil),
		change(nil, flow(1, "Active"), flow(1, "Active")),
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.Org, p.Made, p.Tests = "00D000000000001EAA", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), sf.RunLocalTests
	p.Source = rollback.Source{Before: "b1", After: "a1", Live: "c1", Only: []string{"Flow Renew"}}
	p.Notes = []string{"a note"}
	p.Values = []rollback.Values{{Object: "Thing__c", Field: "B__c", Records: 7}, {Object: "Lost__c", Records: 2}}
	p.Records = []*plan.Plan{refill(t, p.Org, p.Made)}
	return p
}

// refill is a plan that brings one value back.
func refill(t testing.TB, org sf.ID, made time.Time) *plan.Plan {
	t.Helper()
	thing := sf.Object{Name: "Thing__c", KeyPrefix: "a00", Updateable: true, Fields: []*sf.Field{{Name: "B__c", Type: sf.TypeString, Updateable: true, Nillable: true}}}
	p, err := plan.Order(plan.Input{
		Org: org, Made: made, Source: plan.Source{Wanted: "b1", Live: "c1", Only: []string{"field Thing__c.B__c", "vacant"}},
		Schema: &sf.Schema{Objects: []*sf.Object{&thing}},
		Delta: state.Delta{{Object: "Thing__c", ID: "a00000000000001AAA", Kind: state.Update, Before: state.Hash{1}, After: state.Hash{2}, Fields: []state.FieldChange{
			{Field: "B__c", Before: sf.Null(), After: sf.Text("back")},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func recordsFile(t testing.TB, p *plan.Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := plan.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encoded(t testing.TB, p rollback.Plan) []byte {
	t.Helper()
	raw, err := rollback.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A plan says what is no part of the change that it takes back, in order.
func TestRollbackPlanSaysWhatItLeavesAlone(t *testing.T) {
	want := planned(t)
	want.Source.Except = []string{"ApexClass Theirs", "CustomField Thing__c.C__c"}
	got, err := rollback.Decode(encoded(t, want))
	if err != nil || !slices.Equal(got.Source.Except, want.Source.Except) {
		t.Errorf("%v %q", err, got.Source.Except)
	}
	slices.Reverse(want.Source.Except)
	if _, err := rollback.Encode(want); err == nil {
		t.Error("a plan was written that nobody reads")
	}
}

// Law 7 for plans of rollbacks, and the vector of it.
func TestLaw07RollbackPlansComeBack(t *testing.T) {
	want := planned(t)
	raw := encoded(t, want)
	got, err := rollback.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	samePlan := cmp.Comparer(func(a, b *plan.Plan) bool { return bytes.Equal(recordsFile(t, a), recordsFile(t, b)) })
	if diff := cmp.Diff(want, got, samePlan); diff != "" {
		t.Error(diff)
	}
	vector, err := os.ReadFile(filepath.Join(vectors, "valid-every-line.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(vector), string(raw)); diff != "" {
		t.Errorf("the vector is another: %s", diff)
	}
}

var vectors = filepath.Join("..", "..", "docs", "format", "vectors", "rollback")

// Each vector begins with the outcome for which it stands.
func TestRollbackVectors(t *testing.T) {
	files, err := os.ReadDir(vectors)
	if err != nil || len(files) < 5 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(vectors, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		outcome, _, _ := strings.Cut(f.Name(), "-")
		switch _, err := rollback.Decode(raw); outcome {
		case "valid":
			if err != nil {
				t.Errorf("%s: %v", f.Name(), err)
			}
		case "version", "damaged", "rule":
			if !errors.Is(err, rollback.ErrFile) {
				t.Errorf("%s: %v", f.Name(), err)
			}
		default:
			t.Errorf("%s: no outcome", f.Name())
		}
	}
}

// A plan in which one byte is another, or is missing, or is there twice, is no plan.
func TestRollbackPlanOfOtherBytesIsNone(t *testing.T) {
	raw := encoded(t, planned(t))
	for i := range raw {
		flipped := bytes.Clone(raw)
		flipped[i] ^= 1
		for name, bad := range map[string][]byte{
			"flipped": flipped, "cut": raw[:i], "dropped": append(bytes.Clone(raw[:i]), raw[i+1:]...),
		} {
			if _, err := rollback.Decode(bad); !errors.Is(err, rollback.ErrFile) {
				t.Fatalf("byte %d %s: %v", i, name, err)
			}
		}
	}
	if _, err := rollback.Decode(append(bytes.Clone(raw), '\n')); !errors.Is(err, rollback.ErrFile) {
		t.Errorf("something behind it: %v", err)
	}
}

// What is written well and says what no plan may say is refused, whoever wrote it.
func TestRollbackPlanKeepsTheRules(t *testing.T) {
	for name, spoil := range map[string]func(p *rollback.Plan){
		"org":          func(p *rollback.Plan) { p.Org = "00D" },
		"snapshot":     func(p *rollback.Plan) { p.Source.Before = "" },
		"only":         func(p *rollback.Plan) { p.Source.Only = []string{"b", "a"} },
		"tests":        func(p *rollback.Plan) { p.Tests = "None" },
		"verb":         func(p *rollback.Plan) { p.Actions[0].Verb = "burn" },
		"order":        func(p *rollback.Plan) { p.Actions[0], p.Actions[1] = p.Actions[1], p.Actions[0] },
		"part":         func(p *rollback.Plan) { p.Actions[1].Parts[0].How = "gone" },
		"element":      func(p *rollback.Plan) { p.Actions[1].Parts[0].Element = "" },
		"values":       func(p *rollback.Plan) { p.Values[0].Object = "" },
		"path":         func(p *rollback.Plan) { p.Deployments[0].Files[0].Path = "../x" },
		"own manifest": func(p *rollback.Plan) { p.Deployments[0].Files[0].Path = "destructiveChanges.xml" },
		"nothing":      func(p *rollback.Plan) { p.Deployments[0] = rollback.Deployment{} },
		"name":         func(p *rollback.Plan) { p.Deployments[1].Deleted[0].Name = "" },
		"records":      func(p *rollback.Plan) { p.Records[0] = &plan.Plan{Org: p.Org, Made: p.Made} },
		"other org":    func(p *rollback.Plan) { p.Records[0].Org = "00D000000000002EAA" },
		"twice":        func(p *rollback.Plan) { p.Deployments[0].Files[1].Path = p.Deployments[0].Files[0].Path },
	} {
		p := planned(t)
		spoil(&p)
		if _, err := rollback.Encode(p); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// A file that announces more lines than it has costs no more memory than its bytes.
func TestRollbackPlanThatLiesAboutItsLines(t *testing.T) {
	const announced = 1_000_000
	raw := fmt.Appendf(nil, `{"format":"holdfast-rollback/2","org":"00D000000000001EAA","made":"2026-03-01T12:00:00.000Z","before":"b","after":"a","live":"c","notes":0,"actions":%d,"values":0,"deployments":0,"records":0}`+"\n", announced)
	raw = append(raw, bytes.Repeat([]byte("x"), announced)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := rollback.Decode(raw); !errors.Is(err, rollback.ErrFile) {
		t.Error(err)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 16<<20 {
		t.Errorf("%d bytes", after.TotalAlloc-before.TotalAlloc)
	}
}

func TestRollbackApprovalIsForTheseBytes(t *testing.T) {
	raw := encoded(t, planned(t))
	approved, err := rollback.Approve(raw, rollback.Digest(raw))
	if err != nil || approved.Plan() == nil || approved.Digest() != rollback.Digest(raw) || len(approved.Records()) != 1 {
		t.Error(err)
	}
	other := bytes.Replace(raw, []byte("a note"), []byte("a vote"), 1)
	var wrong *rollback.DigestError
	if _, err := rollback.Approve(other, rollback.Digest(raw)); !errors.As(err, &wrong) {
		t.Errorf("%v", err)
	}
	if _, err := rollback.Approve(other, rollback.Digest(other)); !errors.Is(err, rollback.ErrFile) {
		t.Errorf("%v", err)
	}
	if !rollback.IsFile(raw) || rollback.IsFile([]byte(strings.Replace(string(raw), "rollback", "plan", 1))) {
		t.Error("not told apart from other plans")
	}
}
