package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/apply"
	"holdfast/internal/automation"
	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// MetadataSource reads the components of an org.
type MetadataSource interface {
	// Components lists what up to three queries ask for.
	Components(ctx context.Context, queries []sf.ComponentQuery) ([]sf.Component, error)
	// Retrieve returns the components of a manifest.
	Retrieve(ctx context.Context, m sf.Manifest) (sf.Retrieved, error)
}

// acting finds the automation of the org that acts on the rows of a plan.
type acting struct {
	source  MetadataSource
	off     bool // what can be is to be switched off
	bypass  bool // the org's own bypass is to be set
	schema  *sf.Schema
	then    func(files []component.Entry) []component.Entry // as they are once the rows are written; nil: as they are now
	unread  bool                                            // what acts is not known
	notes   []string
	managed int
}

// on returns what acts on these rows. Where it cannot be read that is a note, unless it is to be switched
// off.
func (a *acting) on(ctx context.Context, rows map[string]int64) ([]plan.Automation, error) {
	if a.source == nil {
		a.unread = true
		return nil, nil
	}
	found, err := a.read(ctx, rows)
	if err != nil && (a.off || ctx.Err() != nil) {
		return nil, fmt.Errorf("what acts on the rows: %w", err)
	}
	if err != nil {
		a.unread = true
		a.notes = append(a.notes, fmt.Sprintf("which triggers, flows and rules act on the rows could not be read: %v", err))
		return nil, nil
	}
	on := 0
	for _, f := range found {
		if !f.Off {
			on++
		}
	}
	if on > 0 && a.bypass {
		a.notes = append(a.notes, numbered(on, "%d {trigger, flow or rule is|triggers, flows and rules are} on, and those that honour the bypass let the rows pass; which do, nobody can tell from outside"))
	} else if on > 0 && !a.off {
		a.notes = append(a.notes, numbered(on, "%d {trigger, flow or rule acts|triggers, flows and rules act} on the rows; --automation-off switches {it|them} off for the time of the restore"))
	}
	if a.managed > 0 {
		a.notes = append(a.notes, numbered(a.managed, "%d {component|components} of managed packages may act on the rows, too, and cannot be switched off"))
	}
	return found, nil
}

func (a *acting) read(ctx context.Context, rows map[string]int64) ([]plan.Automation, error) {
	objects := map[string]bool{}
	for object := range rows {
		objects[object] = true
	}
	var listed []sf.Component
	for _, q := range automation.Queries() {
		some, err := a.source.Components(ctx, q)
		if err != nil {
			return nil, err
		}
		listed = append(listed, some...)
	}
	for _, c := range listed {
		object, _, _ := strings.Cut(c.Name, ".")
		if automation.Managed(c) && (objects[object] || c.Type == automation.Trigger || c.Type == automation.Flow) {
			a.managed++
		}
	}
	files, err := a.files(ctx, automation.Manifest(listed, objects))
	if err != nil {
		return nil, err
	}
	if a.then != nil {
		files = a.then(files)
	}
	rules, err := automation.Read(files)
	if err != nil {
		return nil, problem.Wrap(problem.Damaged, err, "the org's components")
	}
	return a.rules(rules, files, rows), nil
}

// files retrieves components.
func (a *acting) files(ctx context.Context, manifest sf.Manifest) ([]component.Entry, error) {
	if len(manifest.Types) == 0 {
		return nil, nil
	}
	got, err := a.source.Retrieve(ctx, manifest)
	if err != nil {
		return nil, err
	}
	archive, err := component.OpenArchive(got.Zip, component.DefaultLimits)
	if err != nil {
		return nil, problem.Wrap(problem.Damaged, err, "the org's components")
	}
	var files []component.Entry
	for e, err := range archive.Entries() {
		if err != nil {
			return nil, problem.Wrap(problem.Damaged, err, "the org's components")
		}
		files = append(files, e)
	}
	return files, nil
}

func (a *acting) rules(rules []automation.Rule, files []component.Entry, rows map[string]int64) []plan.Automation {
	var out []plan.Automation
	for _, r := range rules {
		object := a.schema.Object(r.Object)
		if object == nil || rows[object.Name] == 0 || !r.Active {
			continue
		}
		p := plan.Automation{ComponentKey: r.ComponentKey, Object: object.Name, Rows: rows[object.Name], Off: a.off}
		if _, err := automation.Off(files, []sf.ComponentKey{r.ComponentKey}); err != nil && a.off {
			p.Off, p.Reason = false, "cannot be switched off: "+err.Error()
		}
		out = append(out, p)
	}
	return out
}

// inProduction reports an org that is neither a sandbox nor a developer org, as its own record says. An org whose record or
// whose kind the user may not see is taken for one in production: there tests run, and flows come in as drafts. told is
// false then.
func inProduction(ctx context.Context, source capture.Source, schema *sf.Schema) (production, told bool, err error) {
	object := schema.Object("Organization")
	if object == nil || object.Field("IsSandbox") == nil || object.Field("OrganizationType") == nil {
		return true, false, nil
	}
	x := sf.Extract{Object: object, Fields: []string{"IsSandbox", "OrganizationType"}, ExpectRows: 1}
	for r, err := range source.Records(ctx, x) {
		switch {
		case err == nil:
			sandbox, kind := r.Get("IsSandbox").Text(), r.Get("OrganizationType").Text()
			return sandbox != "true" && kind != "Developer Edition", sandbox != "" && kind != "", nil
		case ctx.Err() != nil || unheard(err) && problem.KindOf(err) != problem.Unauthorized:
			return false, false, fmt.Errorf("read the kind of the org: %w", err)
		}
		break // the org does not give it: that is no reason to leave automation off
	}
	return true, false, nil
}

// notTold is what a plan says where it is not known whether the org is in production.
const notTold = "the user may not see whether this is a production org (Organization: IsSandbox, OrganizationType), so that it is taken for one: "

// warn adds to a plan what its reader should know of switching.
func (a *acting) warn(ctx context.Context, source capture.Source, p *plan.Plan) error {
	p.Notes = append(p.Notes, a.notes...)
	off := p.SwitchedOff()
	if len(off) == 0 {
		return nil
	}
	p.Notes = append(p.Notes, numbered(len(off), "%d {component is|components are} switched off by a deployment before the first row is written, and put back after the last"))
	if !slices.ContainsFunc(off, func(k sf.ComponentKey) bool { return k.Type == automation.Trigger }) {
		return nil
	}
	production, told, err := inProduction(ctx, source, a.schema)
	if production && err == nil {
		opening := "this is a production org: "
		if !told {
			opening = notTold
		}
		p.Notes = append(p.Notes, opening+"to switch an Apex trigger it runs all its tests, twice, and refuses where one fails or too little is covered")
	}
	return err
}

// AutomationRow is a component that acts on rows of a plan.
type AutomationRow struct {
	Type   string `json:"type"`             // metadata type
	Name   string `json:"name"`             // full name
	Object string `json:"object"`           // API name of the object on whose rows it acts
	Rows   int64  `json:"rows"`             // rows of the plan
	Off    bool   `json:"off"`              // it is switched off while the plan is applied
	Reason string `json:"reason,omitempty"` // such as why it cannot be switched off
}

func automationRows(list []plan.Automation) []AutomationRow {
	out := make([]AutomationRow, len(list))
	for i, a := range list {
		out[i] = AutomationRow{Type: a.Type, Name: a.Name, Object: a.Object, Rows: a.Rows, Off: a.Off, Reason: a.Reason}
	}
	return out
}

// SwitchedRow says what became of the automation that a plan switches off.
type SwitchedRow struct {
	Off    []string `json:"off"`              // components that were switched off: type and name
	Bypass []string `json:"bypass,omitempty"` // bypasses of the org that were set for the user: permission or setting, and name
	Back   bool     `json:"back"`             // all are as they were before, which was proved by reading them
	Left   []string `json:"left,omitempty"`   // of both, those that somebody changed or deleted meanwhile: they were left as they are
}

// PutBackInput names the journal of an application that was broken off.
type PutBackInput struct {
	Org      Org
	Deployer apply.Deployer
	Journal  string // path
}

// PutBack puts automation back that an application switched off, and does nothing else. Errors: Locked when
// the application is at work, Conflict beside a result of which components were left as they are, NotVerified
// when a job of the application may still be at work; those of the deployment.
func PutBack(ctx context.Context, in PutBackInput) (SwitchedRow, error) {
	if err := apply.HasJournal(in.Journal); err != nil {
		return SwitchedRow{}, err
	}
	journal, err := apply.OpenJournal(in.Journal)
	if err != nil {
		return SwitchedRow{}, err
	}
	defer journal.Close()
	schema, err := in.Org.Schema(ctx)
	if err != nil {
		return SwitchedRow{}, err
	}
	production, _, err := inProduction(ctx, in.Org, schema)
	if err != nil {
		return SwitchedRow{}, err
	}
	out, err := apply.PutBack(ctx, in.Org, journal, apply.Options{Deployer: in.Deployer, Production: production})
	if err == nil {
		err = out.Err()
	}
	return SwitchedRow(out), err
}
