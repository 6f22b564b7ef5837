package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// Kinds of the snapshots that a restore makes of the live org, besides those of backups.
const (
	kindLive   = "live"   // before a plan
	kindVerify = "verify" // after it was applied
)

// RestoreInput says what to bring back. Exactly one of Snapshot and Before with After is given.
type RestoreInput struct {
	Source capture.Source
	Store  *snapshot.Store

	// Journals are paths of journals of earlier applications, which tell how fast the org is.
	Journals []string

	// Snapshot is the state to come back to: the beginning of an ID, or "latest" for the newest
	// backup.
	Snapshot string
	// Before and After are the states around an incident, which is undone: everything that changed
	// between them goes back, and everything that changed later stays.
	Before, After string

	// Selection restricts the restore; what selected records refer to and is missing comes along.
	Selection

	Metadata      MetadataSource // reads what acts on the rows; nil: nobody looks
	AutomationOff bool           // and what can be is switched off while the plan is applied
	// then makes of what acts now what acts once the rows are written, where a deployment comes between.
	then func(files []component.Entry) []component.Entry

	Bypass []Bypass // of the org's own, which is set while the plan is applied

	HardDelete  bool // what is deleted leaves nothing in the Recycle Bin
	DeleteExtra bool // with Snapshot: also delete records that it does not have
	KeepCreated bool // with Before and After: leave the records that were created between them

	// Purged are records that were deleted for good, so that undelete does not bring them back: the platform may show
	// them as if they were in the Recycle Bin, typically for a day. Source: SOAP API Developer Guide, emptyRecycleBin(),
	// "Rules and Guidelines"; that it is so after a hard deletion is unverified.
	Purged map[sf.ID]bool

	// Owner is a username, or the Id of a user or queue: who owns what comes back when its own owner is
	// inactive or gone. Empty: whoever restores.
	Owner string

	MaxRows int             // records that the plan may touch; 0 is DefaultRows, the most is what a plan holds
	Capture capture.Options // how the live org is read; Kind is set by Restore
}

// DefaultRows is how many records a plan touches unless somebody asks for more: a restore that is larger
// than it was meant to be is noticed before it is made.
const DefaultRows = 100_000

// RestoreResult is a plan: nothing was written to the org.
type RestoreResult struct {
	Plan   *plan.Plan    `json:"-"`
	File   []byte        `json:"-"`              // the bytes to review, approve and apply
	Digest string        `json:"digest"`         // SHA-256 of the plan file, hexadecimal: what an approval names
	OrgID  sf.ID         `json:"org_id"`         // Id of the org
	Wanted SnapshotRow   `json:"wanted"`         // the state to come back to, or the one before the incident
	Base   *SnapshotRow  `json:"base,omitempty"` // the state after the incident
	Live   SnapshotRow   `json:"live"`           // the org as it was found for the plan
	Steps  []StepRow     `json:"steps"`          // what the plan does, in order
	Totals RestoreTotals `json:"totals"`         // sums over the steps

	Files []RestoreFilesRow `json:"files,omitempty"` // files that are sent with records which are made anew

	Conflicts  []ConflictRow   `json:"conflicts"`          // what is left alone because someone worked on it since
	Fidelity   []FidelityRow   `json:"fidelity"`           // how values come back, by object and field
	Forecast   *PlanForecast   `json:"forecast,omitempty"` // what applying it will probably take; nothing of a plan without steps
	Foreseen   []ForeseenRow   `json:"foreseen"`           // what the org would refuse as its schema is now
	Restorable []RestorableRow `json:"restorable"`         // how many rows of each object it is expected to take
	Automation []AutomationRow `json:"automation"`         // what acts on the rows
	Bypass     []BypassRow     `json:"bypass,omitempty"`   // of the org's own, which is set while the plan is applied
	Unread     bool            `json:"automation_unread"`  // what acts on the rows could not be read and is not known; the notes say why
	Deferred   []DeferredRow   `json:"deferred,omitempty"` // what a second pass sets, and why
	Notes      []string        `json:"notes,omitempty"`    // what the reader of the plan should know
	Skipped    []string        `json:"skipped,omitempty"`  // objects that could not be compared
}

// StepRow is one step of a plan.
type StepRow struct {
	Number int      `json:"number"`           // from 1
	Op     string   `json:"op"`               // release, undelete, insert, update, second, delete or hardDelete
	Object string   `json:"object"`           // API name
	Rows   int      `json:"rows"`             // records
	Sent   int      `json:"sent"`             // rows that do not come back by themselves
	Fields []string `json:"fields,omitempty"` // fields that it writes
}

// RestoreTotals are sums over the steps of a plan.
type RestoreTotals struct {
	Undelete   int   `json:"undelete"`    // records that come back from the Recycle Bin
	Insert     int   `json:"insert"`      // records that are created again, under new Ids
	Update     int   `json:"update"`      // records that are updated, in either pass
	Delete     int   `json:"delete"`      // records that are deleted, into the Recycle Bin
	HardDelete int   `json:"hard_delete"` // records that are deleted for good
	Conflicts  int   `json:"conflicts"`   // values or records that are left alone
	Exact      int64 `json:"exact"`       // values that come back as they were
	Remapped   int64 `json:"remapped"`    // references that come back, to the new Ids where there are new ones
	Lost       int64 `json:"lost"`        // values that cannot come back
	Extra      int64 `json:"extra"`       // records that are not wanted and stay because nobody asked to delete them
}

// ConflictRow is a value, or a record, that is left as it is because someone worked on it since.
type ConflictRow struct {
	Object string `json:"object"`          // API name
	ID     sf.ID  `json:"id"`              // Id of the record
	Field  string `json:"field,omitempty"` // empty: the whole record
	Reason string `json:"reason"`          // why it is left alone
	Wanted Value  `json:"wanted,omitzero"` // value that the plan would have set
	Base   Value  `json:"base,omitzero"`   // value after the incident
	Live   Value  `json:"live,omitzero"`   // value now, which stays
}

// FidelityRow counts values of one field that come back in the same way.
type FidelityRow struct {
	Object string `json:"object"`           // API name
	Field  string `json:"field,omitempty"`  // empty: whole records
	Class  string `json:"class"`            // exact, remapped, recomputed or lost
	Reason string `json:"reason,omitempty"` // why it is recomputed or lost
	Count  int64  `json:"count"`            // values, or records
}

// DeferredRow says what a second pass sets, and why.
type DeferredRow struct {
	Object string `json:"object"` // API name
	Field  string `json:"field"`  // API name
	Reason string `json:"reason"` // why it has to wait
	Rows   int64  `json:"rows"`   // records
}

// Restore reads the live org and makes the plan that brings the wanted state back. It writes nothing
// to the org.
//
// Errors: Usage for a request that makes no sense, NotFound for a snapshot, object or record that is
// not held, Limits for a plan that would be too large, Conflict for records that require each other
// in a ring. Beside an error of kind Partial the plan is there and good, but some objects could not
// be compared; Skipped and Notes name them.
func Restore(ctx context.Context, in RestoreInput) (RestoreResult, error) {
	w, err := in.states(ctx)
	if err != nil {
		return RestoreResult{}, err
	}
	org := w.want.Info().OrgID
	who, err := in.Source.Identity(ctx)
	if err != nil {
		return RestoreResult{}, err
	}
	if who.OrgID != org {
		return RestoreResult{}, problem.Newf(problem.Usage, "snapshot %s is of org %s and this is org %s", w.want.Info().Short(), org, who.OrgID)
	}
	live, err := in.observe(ctx, kindLive, w.want)
	if err != nil {
		return RestoreResult{}, err
	}
	w.live = live
	identity, err := loadIdentity(ctx, in.Store, org)
	if err != nil {
		return RestoreResult{}, err
	}
	w.eq = &state.Equivalence{Schema: w.live.Schema(), Identity: identity}
	w.org, _ = in.Source.(capture.ImageSource)
	if err := w.know(ctx, who); err != nil {
		return RestoreResult{}, err
	}
	if w.people.heir, err = w.heirOf(ctx, in.Owner); err != nil {
		return RestoreResult{}, err
	}
	if err := in.choose(ctx, w); err != nil {
		return RestoreResult{}, err
	}
	if err := w.compute(ctx); err != nil {
		return RestoreResult{}, err
	}
	p, err := in.order(ctx, w)
	if err != nil {
		return RestoreResult{}, err
	}
	return restored(ctx, p, w)
}

// states loads the snapshots of the request.
func (in RestoreInput) states(ctx context.Context) (*wanted, error) {
	w := &wanted{closure: true, deleteExtra: in.DeleteExtra, keepCreated: in.KeepCreated, limit: in.MaxRows, journals: in.Journals}
	switch {
	case w.limit <= 0:
		w.limit = DefaultRows
	case w.limit > plan.MaxRows:
		w.limit = plan.MaxRows
	}
	undo := in.Before != "" || in.After != ""
	if undo == (in.Snapshot != "") || (undo && (in.Before == "" || in.After == "")) {
		return nil, problem.New(problem.Usage, "give either a snapshot to come back to or the two around a change to undo")
	}
	who, err := in.Source.Identity(ctx)
	if err != nil {
		return nil, err
	}
	if undo {
		w.want, w.base, err = around(ctx, in.Store, in.Before, in.After, snapshot.OfOrg(who.OrgID))
		return w, err
	}
	var filters []snapshot.Filter
	if in.Snapshot == snapshot.Latest {
		filters = append(filters, snapshot.OfOrg(who.OrgID))
	}
	w.want, err = held(ctx, in.Store, in.Snapshot, filters...)
	return w, err
}

// observe captures the org as it is now: the objects that the wanted snapshot holds, and no others
// where the operator had left some out of it.
func (in RestoreInput) observe(ctx context.Context, kind string, want *snapshot.Snapshot) (*snapshot.Snapshot, error) {
	opts := in.Capture
	opts.Kind = kind
	for _, g := range want.Coverage() { // what a rule kept out of the backup stays out
		if g.Field != "" && capture.Of(g.Reason) == capture.RuleExcluded {
			opts.Rules.ExcludeFields = append(slices.Clip(opts.Rules.ExcludeFields), g.Object+"."+g.Field)
		}
	}
	left := slices.ContainsFunc(want.Coverage(), func(g snapshot.Gap) bool {
		rule := capture.Of(g.Reason)
		return g.Field == "" && (rule == capture.RuleExcluded || rule == capture.RuleNotSelected)
	})
	if left && len(opts.Include) == 0 {
		schema, err := in.Source.SchemaOf(ctx, nil, want.Schema()) // which objects there are is all that is asked
		if err != nil {
			return nil, fmt.Errorf("describe the org: %w", err)
		}
		for _, p := range want.Parts() {
			if p.State == snapshot.Whole && schema.Object(p.Object) != nil {
				opts.Include = append(opts.Include, p.Object)
			}
		}
	}
	opts.FilesOf = replaceables(want)
	captured, err := capture.Run(ctx, in.Source, in.Store, opts)
	if err != nil && problem.KindOf(err) != problem.Partial {
		return nil, fmt.Errorf("read the live org: %w", err)
	}
	return in.Store.Load(ctx, captured.Snapshot.ID)
}

// order asks what undelete can bring back and what depends on records that would go, and makes the
// plan.
func (in RestoreInput) order(ctx context.Context, w *wanted) (*plan.Plan, error) {
	bin, err := in.recycled(ctx, w)
	if err != nil {
		return nil, err
	}
	if n, err := w.stuck(ctx, bin); err != nil {
		return nil, err
	} else if n > 0 {
		w.notes = append(w.notes, stuckNote(n))
	}
	gone, err := w.orphans(ctx, bin)
	if err != nil {
		return nil, err
	}
	dependants, err := w.dependants(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.withFiles(ctx, bin); err != nil {
		return nil, err
	}
	images, err := w.withImages(ctx)
	if err != nil {
		return nil, err
	}
	source := plan.Source{Wanted: w.want.Info().ID, Live: w.live.Info().ID, Only: w.only()}
	if w.base != nil {
		source.Base = w.base.Info().ID
	}
	acts := &acting{source: in.Metadata, off: in.AutomationOff, bypass: len(in.Bypass) > 0, schema: w.eq.Schema, then: in.then}
	p, err := plan.Order(plan.Input{
		Automation: func(rows map[string]int64) ([]plan.Automation, error) { return acts.on(ctx, rows) },
		Org:        w.want.Info().OrgID, Made: w.live.Info().To.UTC().Truncate(time.Millisecond), Source: source,
		Delta: w.delta, Conflicts: w.conflicts, Notes: w.notes, Schema: w.eq.Schema,
		InBin:      func(id sf.ID) bool { return bin[id].Shape != nil },
		Gone:       func(id sf.ID) bool { return gone[id] },
		BinRecord:  func(id sf.ID) (sf.Record, bool) { r, found := bin[id]; return r, found },
		Dependants: dependants, Needs: w.needs, Companions: w.companions, Images: images, MaxRows: w.limit, HardDelete: in.HardDelete,
	})
	if err == nil {
		if err := w.tellImages(p); err != nil {
			return nil, err
		}
		w.foreseen, w.restorable = plan.Foresee(p, w.eq.Schema)
		p.Notes = append(p.Notes, foreseenNotes(w.restorable, w.foreseen)...)
		if n := p.Count(plan.HardDelete); n > 0 {
			p.Notes = append(p.Notes, hardNote(n))
		}
		if err := in.along(ctx, w, p); err != nil {
			return nil, err
		}
		if err := warnOfBegun(ctx, in.Store, p); err != nil {
			return nil, err
		}
		w.unread = acts.unread
		if err := in.bypass(ctx, p); err != nil {
			return nil, err
		}
		return p, acts.warn(ctx, in.Source, p)
	}
	if limit, ok := errors.AsType[*plan.CapError](err); ok {
		return nil, problem.Wrap(problem.Limits, limit, "plan").
			Hint("--max-rows %d allows it; or choose objects or records, and restore in parts", limit.Rows)
	}
	if ring, ok := errors.AsType[*plan.CycleError](err); ok {
		return nil, problem.Wrap(problem.Conflict, ring, "plan").
			Hint("make one of these fields optional in the org for the time of the restore")
	}
	return nil, err
}

// hardNote says what it means that records are deleted for good.
func hardNote(records int) string {
	return numbered(records, "%d {record goes|records go} for good, past the Recycle Bin: nothing brings {it back under its Id|them back under their Ids}. "+
		"Taking this back inserts {it again with a new Id|them again with new Ids}, without what only the platform sets; "+
		"what was deleted along with {it, such as its|them, such as their} history, is lost")
}

// binRows is how many records are looked for in the Recycle Bin at a time: what one composite call of the client asks for.
const binRows = 5_000

// recycled returns those of the records to come that are in the Recycle Bin, with the values with
// which they would come back.
func (in RestoreInput) recycled(ctx context.Context, w *wanted) (map[sf.ID]sf.Record, error) {
	found := map[sf.ID]sf.Record{}
	for _, name := range w.delta.Objects() {
		part, _ := w.live.Part(name)
		var ids []sf.ID
		for _, c := range w.delta.Object(name) {
			if c.Kind == state.Create {
				ids = append(ids, c.ID)
			}
		}
		if err := in.inBin(ctx, w.eq.Schema.Object(name), part.Fields, ids, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// orphans returns the records to which records in the Recycle Bin belong and that are neither there nor to come.
func (w *wanted) orphans(ctx context.Context, bin map[sf.ID]sf.Record) (map[sf.ID]bool, error) {
	var changes []state.Change
	for id, r := range bin {
		c := state.Change{Object: r.Object(), ID: id, Kind: state.Create}
		for _, f := range plan.Owners(w.eq.Schema, r.Object()) {
			if v := r.Get(f.Name); v.IsText() {
				c.Fields = append(c.Fields, state.FieldChange{Field: f.Name, After: v})
			}
		}
		changes = append(changes, c)
	}
	missing, err := w.missing(ctx, changes)
	gone := map[sf.ID]bool{}
	for _, ids := range missing {
		maps.Copy(gone, ids)
	}
	return gone, err
}

// inBin adds to found those of the records that are in the Recycle Bin, with these fields.
func (in RestoreInput) inBin(ctx context.Context, object *sf.Object, fields []string, ids []sf.ID, found map[sf.ID]sf.Record) error {
	if object == nil || !object.Undeletable || object.Field("IsDeleted") == nil {
		return nil
	}
	fields = append(slices.Clone(fields), "IsDeleted")
	slices.Sort(fields)
	fields = slices.Compact(fields) // which empties what it takes out: once, not for every chunk
	for chunk := range slices.Chunk(ids, binRows) {
		x := sf.Extract{
			Object: object, Fields: fields, IDs: chunk, IncludeDeleted: true, ExpectRows: int64(len(chunk)),
		}
		for r, err := range in.Source.Records(ctx, x) {
			if err != nil {
				return fmt.Errorf("look for %s in the Recycle Bin: %w", object.Name, err)
			}
			if r.Get("IsDeleted") == sf.Bool(true) && !in.Purged[r.ID] {
				found[r.ID] = r
			}
		}
	}
	return nil
}

// dependants reads which live records hold on to those that the delta deletes.
func (w *wanted) dependants(ctx context.Context) ([]plan.Link, error) {
	if !slices.ContainsFunc(w.delta, func(c state.Change) bool { return c.Kind == state.Delete }) {
		return nil, nil
	}
	var links []plan.Link
	for _, p := range w.live.Parts() {
		if p.State != snapshot.Whole {
			continue
		}
		own, err := plan.Dependants(w.delta, w.eq.Schema, w.live.Records(ctx, p.Object))
		if err != nil {
			return nil, fmt.Errorf("what depends on deleted records, in %s: %w", p.Object, err)
		}
		links = append(links, own...)
	}
	return links, nil
}

// restored writes the plan down and lays its content out in rows.
func restored(ctx context.Context, p *plan.Plan, w *wanted) (RestoreResult, error) {
	w.delta = nil // the plan has what is left of it: of a million records each is a gigabyte
	file, err := plan.Encoded(p)
	if err != nil {
		return RestoreResult{}, err
	}
	out := RestoreResult{
		Plan: p, File: file, Digest: plan.Digest(file), OrgID: p.Org,
		Wanted: snapshotRow(w.want.Info()), Live: snapshotRow(w.live.Info()),
		Files: w.files, Conflicts: conflictRows(p.Conflicts), Fidelity: fidelityRows(p.Fidelity),
		Foreseen: foreseenRows(w.foreseen), Restorable: restorableRows(w.restorable), Automation: automationRows(p.Automation), Bypass: bypassRows(p.Bypass), Unread: w.unread, Notes: p.Notes, Skipped: w.skipped, Steps: stepRows(p.Steps),
	}
	out.Forecast = forecastOn(ctx, p, w.live, w.journals)
	if w.base != nil {
		base := snapshotRow(w.base.Info())
		out.Base = &base
	}
	updated := map[sf.ID]bool{}
	for _, s := range p.Steps {
		if s.Op.Updates() {
			for _, r := range s.Rows {
				updated[r.ID] = true
			}
		}
	}
	for _, d := range p.Deferred {
		out.Deferred = append(out.Deferred, DeferredRow{Object: d.Object, Field: d.Field, Reason: d.Reason, Rows: d.Rows})
	}
	out.Totals = RestoreTotals{
		Undelete: p.Count(plan.Undelete), Insert: p.Count(plan.Insert), Update: len(updated), Delete: p.Count(plan.Delete),
		HardDelete: p.Count(plan.HardDelete),
		Conflicts:  len(p.Conflicts), Exact: p.Fidelity.Total(state.Exact), Remapped: p.Fidelity.Total(state.Remapped),
		Lost: p.Fidelity.Total(state.Lost), Extra: w.extra + w.kept,
	}
	if len(w.skipped) > 0 {
		return out, problem.Newf(problem.Partial, "%s could not be compared, the first of them %s", counted(len(w.skipped), "object"), w.skipped[0]).
			Hint("the plan covers the rest; its notes say why")
	}
	return out, nil
}

func stepRows(steps []plan.Step) []StepRow {
	rows := make([]StepRow, len(steps))
	for i, s := range steps {
		rows[i] = StepRow{Number: s.Number, Op: s.Op.String(), Object: s.Object, Rows: len(s.Rows), Sent: s.Sent(), Fields: s.Fields}
	}
	return rows
}

func conflictRows(conflicts []state.Conflict) []ConflictRow {
	rows := make([]ConflictRow, len(conflicts))
	for i, c := range conflicts {
		rows[i] = ConflictRow{
			Object: c.Object, ID: c.ID, Field: c.Field, Reason: c.Reason,
			Wanted: Value{c.Wanted}, Base: Value{c.Base}, Live: Value{c.Live},
		}
	}
	return rows
}

func fidelityRows(f state.Fidelity) []FidelityRow {
	rows := []FidelityRow{}
	for _, l := range f.Lines() {
		rows = append(rows, FidelityRow{Object: l.Object, Field: l.Field, Class: l.Class.String(), Reason: l.Reason, Count: l.Count})
	}
	return rows
}
