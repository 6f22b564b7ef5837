package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Metadata is the metadata of the org that a capture reads. Its methods may be called from several goroutines;
// errors are as those of Source.
type Metadata interface {
	// MetadataTypes describes every type, and says what the namespace of the org is.
	MetadataTypes(ctx context.Context) ([]sf.MetadataType, string, error)
	// Components lists the components that up to three queries ask for. An error stands for all of them.
	Components(ctx context.Context, queries []sf.ComponentQuery) ([]sf.Component, error)
	// Retrieve returns the archive of the components that a manifest names.
	Retrieve(ctx context.Context, m sf.Manifest) (sf.Retrieved, error)
	// FlowVersions returns every version of every flow.
	FlowVersions(ctx context.Context) ([]sf.FlowVersion, error)
}

const (
	// rereadAfter is how long components are believed to be as they were because their date has not moved.
	rereadAfter = 7 * 24 * time.Hour
	// componentsPrefix begins the names of the parts that hold components, and of what operators say of them.
	componentsPrefix = string(snapshot.Components) + "/"
)

// partName returns the name of the part that holds the components of a type.
func partName(kind string) string { return snapshot.Components.Name(kind) }

// isComponents reports the name of such a part.
func isComponents(name string) bool { return strings.HasPrefix(name, componentsPrefix) }

// componentRun captures the components of one org.
type componentRun struct {
	*capture
	org      Metadata
	table    *component.Table
	bodies   *snapshot.BodyWriter
	chunk    int                      // weight of one retrieve
	from     time.Time                // server time before the first listing
	parts    map[string]*kindPart     // by type
	previous map[string]snapshot.Part // of the last snapshot, by type
	out      map[string]bool          // types that were left out

	mu      sync.Mutex // guards what follows
	splits  int        // how often a retrieve was divided because it failed
	strange int        // files that belong to no known component
}

// kindPart is the components of one type while they are captured.
type kindPart struct {
	kind   string
	held   map[string]component.Row // of the last snapshot, by full name
	listed map[string]sf.Component  // by full name
	rows   map[string]*component.Row
	whole  bool              // every component is retrieved, whatever its date
	broken map[string]string // components that could not be retrieved, with the org's words
	absent map[string]string // components that the org lists and does not give, with its words
	read   int64             // components retrieved
	bytes  int64             // of their files

	unlisted error // the org was found not to list what it has; nil: no such thing is known

	latest   map[string]string         // of flows with several versions: the flow by the name of its last version
	versions map[string]sf.FlowVersion // of these, by name
}

// wantsComponents reports that the operator asked for components of that type. What lies in folders is not
// found without them.
func (o Options) wantsComponents(kind string) bool {
	if content := folderTypes[kind]; content != "" && o.wantsComponents(content) {
		return true
	}
	if _, out := o.Rules.excludedComponents(kind); out {
		return false
	}
	return len(o.Include) == 0 || slices.ContainsFunc(o.Include, func(n string) bool { return n == "*" || matchesPart(n, kind) })
}

// matchesPart reports that the pattern, such as components/Apex*, means the part of that type.
func matchesPart(pattern, kind string) bool {
	return isComponents(pattern) && matches(pattern, partName(kind))
}

// captureComponents captures every type of component, or takes over what the last snapshot holds of those that were
// not asked for. Like write, it returns an error only when the whole capture must end.
func (c *capture) captureComponents(ctx context.Context) error {
	run := &componentRun{
		capture: c, org: c.opts.Metadata, chunk: c.opts.componentChunk(), from: c.clock.latest(),
		parts: map[string]*kindPart{}, previous: map[string]snapshot.Part{}, out: map[string]bool{},
	}
	if c.parent != nil {
		for _, p := range c.parent.PartsOf(snapshot.Components) {
			if p.State == snapshot.Whole {
				kind, _ := snapshot.Components.Of(p.Object)
				run.previous[kind] = p
			}
		}
	}
	if run.org == nil || len(c.opts.Include) > 0 && !slices.ContainsFunc(c.opts.Include, isComponents) {
		return run.carryAll(ctx)
	}
	run.bodies = c.snap.Bodies()
	types, err := run.survey(ctx)
	if err != nil {
		return run.failAll(ctx, types, err)
	}
	if err := run.retrieveAll(ctx); err != nil {
		return run.failAll(ctx, types, err)
	}
	if err := run.doubt(ctx); err != nil {
		return run.failAll(ctx, types, err)
	}
	if err := run.bodies.Flush(ctx); err != nil {
		return fmt.Errorf("store components: %w", err)
	}
	return run.publish(ctx)
}

// expect tells how many parts are still to end.
func (r *componentRun) expect(n int) {
	r.capture.mu.Lock()
	defer r.capture.mu.Unlock()
	r.components += n
}

// carryAll takes over what the last snapshot holds.
func (r *componentRun) carryAll(ctx context.Context) error {
	r.expect(len(r.previous))
	for kind := range r.previous {
		if err := r.carry(ctx, kind); err != nil {
			return err
		}
	}
	if len(r.previous) == 0 {
		r.gap(gap(string(snapshot.Components), "", RuleNotSelected, "metadata was not asked for"))
	}
	return nil
}

func (r *componentRun) carry(_ context.Context, kind string) error {
	name := partName(kind)
	if err := r.snap.Carry(name); err != nil {
		return fmt.Errorf("carry %s over: %w", name, err)
	}
	r.end(PartResult{Object: name, Mode: ModeCarried, Part: r.previous[kind]}, Event{Object: name, Stage: Carried})
	return nil
}

// failAll records that metadata could not be read: what was held stays, marked stale. When nothing was, one
// absent part for each type that is known stands for it.
func (r *componentRun) failAll(ctx context.Context, types []string, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.noteFailure(ctx, cause)
	for kind := range r.previous {
		if !slices.Contains(types, kind) {
			types = append(types, kind)
		}
	}
	if len(types) == 0 {
		types = []string{"CustomObject"} // every org has them, so that its absence tells
	}
	slices.Sort(types)
	for _, kind := range types {
		if !r.opts.wantsComponents(kind) {
			if err := r.leaveOut(ctx, kind); err != nil {
				return err
			}
			continue
		}
		if err := r.failPart(kind, cause); err != nil {
			return err
		}
	}
	return nil
}

// failPart keeps what was held of the type, or names it absent.
func (r *componentRun) failPart(kind string, cause error) error {
	name := partName(kind)
	result := PartResult{Object: name, Why: cause.Error(), Hint: problem.HintOf(cause)}
	var err error
	if was, ok := r.previous[kind]; ok {
		result.Mode, result.Part = ModeStale, was
		err = r.snap.CarryStale(name, cause.Error())
	} else {
		result.Mode = ModeAbsent
		err = r.snap.Absent(name, cause.Error())
	}
	if err != nil {
		return fmt.Errorf("record that %s failed (%w): %w", name, cause, err)
	}
	r.gap(gap(name, "", RuleFailed, "%s", cause))
	r.end(result, Event{Object: name, Stage: Failed, Text: cause.Error()})
	return nil
}

// load reads what the last snapshot holds of a type.
func (r *componentRun) load(ctx context.Context, kind string) (map[string]component.Row, error) {
	held := map[string]component.Row{}
	if _, ok := r.previous[kind]; !ok {
		return held, nil
	}
	for record, err := range r.parent.Records(ctx, partName(kind)) {
		if err != nil {
			return nil, fmt.Errorf("read %s of the last snapshot: %w", partName(kind), err)
		}
		row := component.RowOf(kind, record)
		held[row.Name] = row
	}
	return held, nil
}

// publish writes the part of each type, in the order of their names.
func (r *componentRun) publish(ctx context.Context) error {
	to := r.clock.now(ctx)
	kinds := make([]string, 0, len(r.parts))
	for kind := range r.parts {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		if err := r.publishPart(ctx, r.parts[kind], to); err != nil {
			return err
		}
	}
	if r.strange > 0 {
		r.gap(gap(string(snapshot.Components), "", RuleStrange, "%d files that the org sent belong to no component that is known", r.strange))
	}
	return nil
}

// publishPart writes what was found of one type: its components, and tombstones for those that are gone.
func (r *componentRun) publishPart(ctx context.Context, p *kindPart, to time.Time) error {
	name := partName(p.kind)
	r.keepUngiven(p)
	gone := p.gone()
	if p.unlisted != nil {
		return r.failPart(p.kind, p.unlisted)
	}
	if refusal := r.componentBrake(p, len(gone)); refusal != nil {
		return r.failPart(p.kind, refusal)
	}
	before, isHeld := r.previous[p.kind]
	if !isHeld && len(p.rows) == 0 && len(p.listed) == 0 && !slices.Contains(r.opts.Include, name) {
		return nil // most types of most orgs; of one that was asked for by name it is told that it is empty
	}
	out, err := r.snap.Part(snapshot.PartInfo{
		Object: name, Fields: component.RowFields(), Bodies: []string{component.FieldContent}, Full: !isHeld,
	})
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	shape := sf.NewShape(name, component.RowFields())
	var records []sf.Record
	for _, row := range p.rows {
		records = append(records, row.Record(shape))
	}
	slices.SortFunc(records, func(a, b sf.Record) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for _, record := range records {
		if err := out.Add(record); err != nil {
			return fmt.Errorf("store %s %s: %w", name, record.Get(component.FieldName).Text(), err)
		}
	}
	slices.Sort(gone)
	for _, full := range gone {
		if err := out.Remove(component.RowID(sf.ComponentKey{Type: p.kind, Name: full}), r.from, EvidenceListing); err != nil {
			return fmt.Errorf("store the deletion of %s %s: %w", p.kind, full, err)
		}
	}
	watermark := r.from
	if !p.whole && isHeld {
		watermark = before.Watermark // when all were read for the last time
	}
	out.Observed(r.from, to, watermark)
	done, err := out.Close(ctx, int64(len(p.listed)))
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	r.told(p, done, len(gone))
	return nil
}

// told records the result of a part.
func (r *componentRun) told(p *kindPart, done snapshot.Part, gone int) {
	result := PartResult{
		Object: done.Object, Mode: ModeChanges, Part: done, Read: p.read, Bytes: p.bytes, Buried: Evidence{Listing: int64(gone)},
	}
	if p.whole {
		result.Mode = ModeFull
	}
	for full, words := range p.broken {
		r.gap(gap(done.Object, full, RuleFailed, "%s", words))
		result.Broken = append(result.Broken, full)
	}
	if slices.Sort(result.Broken); len(result.Broken) > 0 {
		result.Why = fmt.Sprintf("%d components could not be retrieved, the first of them %s: %s",
			len(result.Broken), result.Broken[0], p.broken[result.Broken[0]])
		result.Hint = "`holdfast show " + "latest --coverage` names each; they are asked for again next time"
	}
	r.capture.mu.Lock()
	r.whole++
	r.unanswered = 0
	r.capture.mu.Unlock()
	r.end(result, Event{Object: done.Object, Stage: Done, Rows: p.read, Bytes: p.bytes})
}

// keepUngiven settles what becomes of components that are listed and did not come: what was held of them
// stays, and the coverage names them.
func (r *componentRun) keepUngiven(p *kindPart) {
	for full, words := range p.absent {
		if row := p.rows[full]; row != nil && row.Content != "" {
			continue // another retrieve brought it
		}
		delete(p.rows, full)
		if flow, isLatest := p.latest[full]; isLatest {
			p.asLatest(full, flow)
			continue
		}
		was, ok := p.held[full]
		if !ok && p.kind == standardValueSet {
			delete(p.listed, full) // the name is from a table of ours: this org does not have it
			continue
		}
		if ok {
			p.rows[full] = &was
			r.gap(gap(partName(p.kind), full, RuleNotGiven, "as the last snapshot holds it: %s", words))
			continue
		}
		r.gap(gap(partName(p.kind), full, RuleNotGiven, "%s", words))
	}
}

// asLatest settles a version of a flow that came under the name of the flow, as the latest may.
func (p *kindPart) asLatest(version, flow string) {
	delete(p.listed, version)
	if row := p.rows[flow]; row != nil {
		row.Version, row.Status = p.versions[version].Number, p.versions[version].Status
	}
}

// componentBrake refuses to bury components that vanish in numbers: a user who lost a permission, or a
// listing that was cut short, must not look like a mass deletion.
func (r *componentRun) componentBrake(p *kindPart, gone int) error {
	if gone <= p.brake() || r.accepted(p.kind) {
		return nil
	}
	return problem.Newf(problem.Failed, "%s: %d of %d components that the last snapshot holds are not listed any more", p.kind, gone, len(p.held)).
		Hint("if they were deleted, say so with --accept-deletions %s; else look at the permissions of the user", partName(p.kind))
}

// brake is how many components of the type may vanish at once.
func (p *kindPart) brake() int { return max(brakeFloor, len(p.held)/brakeShare) }

// gone returns what the last snapshot holds of the type and the org does not list, in no order.
func (p *kindPart) gone() []string {
	var gone []string
	for full := range p.held {
		if _, listed := p.listed[full]; !listed {
			gone = append(gone, full)
		}
	}
	return gone
}

// accepted reports the operator's word that components of the type were deleted.
func (r *componentRun) accepted(kind string) bool {
	return slices.ContainsFunc(r.opts.AcceptDeletions, func(n string) bool { return n == "*" || matchesPart(n, kind) })
}

// hopeless reports an error after which another retrieve is no use either.
func hopeless(ctx context.Context, err error) bool {
	if fatal(ctx, err) || errors.Is(err, errTooManySplits) {
		return true
	}
	switch problem.KindOf(err) {
	case problem.Unreachable, problem.NoSpace:
		return true
	}
	return false
}
