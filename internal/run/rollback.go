package run

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// MetadataOrg is an org whose components can be read.
type MetadataOrg interface {
	capture.Source
	capture.Metadata
}

// RollbackInput says which change of components to take back.
type RollbackInput struct {
	Org   MetadataOrg
	Store *snapshot.Store

	// Before and After are the snapshots around the change: the beginning of an ID, or "latest" for the newest backup.
	// After is "" when the components of Only are made as Before holds them, whatever has changed them since.
	Before, After string
	// Only are the components that it is about, as Type:Name; none is all that changed.
	Only []string

	// ConfigData are objects whose records are part of the change: what it did to them goes back with it.
	ConfigData []string

	AutomationOff bool     // what acts on the records is switched off while they are written
	Bypass        []Bypass // of the org's own, which is set meanwhile

	Tests      sf.TestLevel    // that the deployments run; "" is what the org does by itself: local tests of Apex in production
	APIVersion string          // of the deployments
	Capture    capture.Options // how the live org is read; Kind and Include are set by Rollback

	except []string // components as "Type Name", sorted, that came or changed beside the change and are not part of it

	exact bool // Only is what a plan says: nothing is looked for that it needs
	// live is the org as it was observed a moment ago, with every type that changed; nil: it is observed.
	live *snapshot.Snapshot
}

// RollbackResult is a plan: nothing was deployed.
type RollbackResult struct {
	Plan *rollback.Plan `json:"-"`
	File []byte         `json:"-"` // the bytes to review, approve and apply
	// Outcomes are the components of the change as the org has them once the plan is carried out.
	Outcomes []rollback.Outcome `json:"-"`

	Digest string `json:"digest"` // SHA-256 of the plan file, hexadecimal: what an approval names

	OrgID       sf.ID           `json:"org_id"`              // Id of the org
	Before      string          `json:"before"`              // id of the snapshot before the change
	After       string          `json:"after"`               // id of the snapshot after it; empty: components are made as the one before holds them
	Live        string          `json:"live"`                // id of the org as it was found
	Made        time.Time       `json:"made"`                // when the org was found so, server time
	Only        []string        `json:"only,omitempty"`      // components that the plan is about; none: all
	Except      []string        `json:"except,omitempty"`    // components that changed beside the deployment, and stay as they are
	Tests       string          `json:"tests,omitempty"`     // test level of the deployments
	Actions     []ActionRow     `json:"actions"`             // what becomes of each component
	Deployments []DeploymentRow `json:"deployments"`         // what is deployed, in order
	Conflicts   int             `json:"conflicts"`           // components and parts that stay as somebody has set them since
	Impossible  int             `json:"impossible"`          // components that cannot go back
	Values      []ValuesRow     `json:"values,omitempty"`    // what went with components, and comes back with the records
	Records     []RecordsRow    `json:"records,omitempty"`   // plans of records, carried out after the deployments, in order
	Destroyed   []string        `json:"destroyed,omitempty"` // objects and fields that are deleted, with what people have entered since
	Notes       []string        `json:"notes,omitempty"`     // what the reader of the plan should know
}

// ActionRow says what becomes of one component.
type ActionRow struct {
	Type      string     `json:"type"`                // metadata type
	Name      string     `json:"name"`                // full name
	Action    string     `json:"action"`              // put back, take back, remove, activate, deactivate, keep, nothing or cannot
	Why       string     `json:"why,omitempty"`       // of keep and cannot, and where it helps
	Parts     []PartDiff `json:"parts,omitempty"`     // what changes inside, as the org is now
	Conflicts []PartDiff `json:"conflicts,omitempty"` // what stays inside, because somebody has changed it since
}

// DeploymentRow is one deployment.
type DeploymentRow struct {
	Number int      `json:"number"` // from 1
	Deploy []string `json:"deploy"` // components, as "Type Name"
	Delete []string `json:"delete"` // components, as "Type Name"
	Files  []string `json:"files"`  // paths in the archive
}

// RecordsRow is one plan of records within the plan.
type RecordsRow struct {
	Steps      []StepRow       `json:"steps"`                // what is done, in order
	Conflicts  []ConflictRow   `json:"conflicts,omitempty"`  // what is left alone because someone worked on it since
	Fidelity   []FidelityRow   `json:"fidelity"`             // how values come back, by object and field
	Automation []AutomationRow `json:"automation,omitempty"` // what acts on the rows once the deployments are done
	Bypass     []BypassRow     `json:"bypass,omitempty"`     // of the org's own, which is set meanwhile
	Notes      []string        `json:"notes,omitempty"`      // what the reader of the plan should know
}

// ValuesRow are values that no deployment brings back.
type ValuesRow struct {
	Object  string `json:"object"`          // API name
	Field   string `json:"field,omitempty"` // API name; empty: the records of the object
	Records int64  `json:"records"`         // of the object in the snapshot before the change
}

// Rollback observes the components of the live org and makes the plan that takes a change of components
// back. It deploys nothing.
//
// Errors: Usage for a request that makes no sense, NotFound for a snapshot or component that is not held,
// Conflict for snapshots that cannot tell what the change was, Limits for a plan that no org takes.
func Rollback(ctx context.Context, in RollbackInput) (RollbackResult, error) {
	r, err := in.load(ctx)
	if err != nil {
		return RollbackResult{}, err
	}
	plan, err := r.decide(ctx)
	if err != nil {
		return RollbackResult{}, err
	}
	if plan, err = r.withRecords(ctx, plan); err != nil {
		return RollbackResult{}, err
	}
	plan.Tests = in.Tests
	out, err := rolled(plan)
	if in.After != "" {
		out.Outcomes = rollback.Outcomes(plan, r.decided)
	}
	return out, err
}

// rolled writes the plan down and lays its content out in rows.
func rolled(plan rollback.Plan) (RollbackResult, error) {
	file, err := rollback.Encode(plan)
	if errors.Is(err, rollback.ErrTooLarge) {
		return RollbackResult{}, problem.Wrap(problem.Limits, err, "plan").Hint("roll back in parts, with --component")
	}
	if err != nil {
		return RollbackResult{}, err
	}
	return ShownRollback(plan, file), nil
}

// ShownRollback lays out a plan that was read from a file.
func ShownRollback(plan rollback.Plan, file []byte) RollbackResult {
	out := RollbackResult{
		Plan: &plan, File: file, Digest: rollback.Digest(file), OrgID: plan.Org, Made: plan.Made,
		Before: plan.Source.Before, After: plan.Source.After, Live: plan.Source.Live, Only: plan.Source.Only, Except: plan.Source.Except, Tests: string(plan.Tests),
		Actions: []ActionRow{}, Deployments: []DeploymentRow{}, Conflicts: plan.Conflicts(), Notes: plan.Notes, Destroyed: destroyed(plan),
	}
	for _, a := range plan.Actions {
		if a.Verb == rollback.Cannot {
			out.Impossible++
		}
		out.Actions = append(out.Actions, ActionRow{
			Type: a.Key.Type, Name: a.Key.Name, Action: string(a.Verb), Why: a.Why, Parts: partRows(a.Parts), Conflicts: partRows(a.Conflicts),
		})
	}
	for i, d := range plan.Deployments {
		row := DeploymentRow{Number: i + 1, Deploy: keyTexts(d.Members()), Delete: keyTexts(d.Deleted), Files: []string{}}
		for _, f := range d.Files {
			row.Files = append(row.Files, f.Path)
		}
		out.Deployments = append(out.Deployments, row)
	}
	for _, v := range plan.Values {
		out.Values = append(out.Values, ValuesRow(v))
	}
	for _, p := range plan.Records {
		out.Records = append(out.Records, RecordsRow{
			Steps: stepRows(p.Steps), Conflicts: conflictRows(p.Conflicts), Fidelity: fidelityRows(p.Fidelity),
			Automation: automationRows(p.Automation), Bypass: bypassRows(p.Bypass), Notes: p.Notes,
		})
		out.Conflicts += len(p.Conflicts)
	}
	return out
}

// SwitchesOff reports a plan that switches automation off.
func (r RollbackResult) SwitchesOff() bool {
	return slices.ContainsFunc(r.Records, func(records RecordsRow) bool {
		return slices.ContainsFunc(records.Automation, func(a AutomationRow) bool { return a.Off })
	})
}

// Switches reports a plan that switches automation off, or sets the org's own bypass.
func (r RollbackResult) Switches() bool {
	return r.SwitchesOff() || slices.ContainsFunc(r.Records, func(records RecordsRow) bool { return len(records.Bypass) > 0 })
}

// Empty reports a plan of which nothing remains to be done.
func (r RollbackResult) Empty() bool { return len(r.Deployments)+len(r.Records) == 0 }

func partRows(parts []component.PartChange) []PartDiff {
	var rows []PartDiff
	for _, p := range parts {
		rows = append(rows, PartDiff{Element: p.Element, Key: p.Key, How: string(p.How)})
	}
	return rows
}

func keyTexts(keys []sf.ComponentKey) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.Type + " " + k.Name
	}
	return out
}

// destroyed names what is deleted together with values of records.
func destroyed(plan rollback.Plan) []string {
	var out []string
	for _, d := range plan.Deployments {
		for _, k := range d.Deleted {
			if k.Type == "CustomField" || k.Type == "CustomObject" {
				out = append(out, k.Name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// load loads the snapshots of the request and checks that they are of this org, in this order.
func (in RollbackInput) load(ctx context.Context) (*reversal, error) {
	who, err := in.Org.Identity(ctx)
	if err != nil {
		return nil, err
	}
	r := &reversal{in: in, except: in.except}
	ofThis := snapshot.OfOrg(who.OrgID)
	if in.After == "" {
		if r.before, err = held(ctx, in.Store, in.Before, ofThis); err != nil {
			return nil, err
		}
		return r, in.loadRestore(who.OrgID, r)
	}
	if r.before, r.after, err = around(ctx, in.Store, in.Before, in.After, ofThis); err != nil {
		return nil, err
	}
	if of := r.before.Info().OrgID; of != who.OrgID {
		return nil, problem.Newf(problem.Usage, "the snapshots are of org %s and this is org %s", of, who.OrgID)
	}
	return r, in.readOnly(r)
}

// readOnly takes in which components the plan is about.
func (in RollbackInput) readOnly(r *reversal) error {
	for _, text := range in.Only {
		kind, name, ok := strings.Cut(text, ":")
		if !ok || kind == "" || name == "" {
			return problem.Newf(problem.Usage, "%q names no component", text).Hint("write it as ApexClass:Pay or CustomObject:Invoice__c")
		}
		r.only = append(r.only, kind+" "+name)
	}
	slices.Sort(r.only)
	r.only = slices.Compact(r.only)
	return nil
}
