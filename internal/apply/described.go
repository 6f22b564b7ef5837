package apply

import (
	"context"
	"slices"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
)

// describe describes the org, or as much of it as the application depends on.
func (a *application) describe(ctx context.Context) (*sf.Schema, error) {
	if a.opts.Known == nil || dependsOnAll(a.ledger.plan) {
		return a.target.Schema(ctx)
	}
	return a.target.SchemaOf(ctx, objectsOf(a.ledger.plan), a.opts.Known)
}

// dependsOnAll reports a plan whose application depends on objects that it does not write: on all that may refer to a record
// which it deletes, and on what tells of automation.
func dependsOnAll(p *plan.Plan) bool {
	return len(p.SwitchedOff()) > 0 || len(p.Bypass) > 0 || slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Op.Deletes() })
}

// objectsOf are the objects that the plan writes.
func objectsOf(p *plan.Plan) []string {
	objects := map[string]bool{}
	for _, s := range p.Steps {
		objects[s.Object] = true
	}
	return sortedKeys(objects)
}
