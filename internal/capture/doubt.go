package capture

import (
	"context"
	"errors"
	"slices"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// doubts are components that a listing does not have and that may be there all the same: those that the last snapshot holds, and
// those that the operator named. A listing is one witness; another is what the org says when it is asked for them by name.
func (r *componentRun) doubts() []sf.ComponentKey {
	var out []sf.ComponentKey
	for kind, p := range r.parts {
		if component.Dependent(kind) || kind == standardValueSet {
			continue // the former come as what they are about says; of the latter the names are from a table of ours
		}
		gone := p.gone()
		if len(gone) > p.brake() || r.accepted(kind) {
			gone = nil // in numbers they are believed to be gone on the operator's word alone
		}
		listed := map[string]bool{} // whole flows: their versions change names when others come and go
		for name := range p.listed {
			listed[componentName(kind, name)] = true
		}
		for _, name := range gone {
			if name = componentName(kind, name); !listed[name] {
				out = append(out, sf.ComponentKey{Type: kind, Name: name})
			}
		}
		for _, key := range r.opts.Ask {
			if key.Type == kind && !listed[key.Name] {
				out = append(out, key)
			}
		}
	}
	slices.SortFunc(out, sf.ComponentKey.Compare)
	return slices.Compact(out)
}

// componentName is the name by which a component is asked for; of the version of a flow, that of the flow.
func componentName(kind, name string) string {
	if kind == "Flow" {
		name, _ = component.SplitFlow(name)
	}
	return name
}

// doubt asks the org by name for what its listings do not have. A type of which it gives any, or of which it cannot be
// asked, is not known by its listing.
func (r *componentRun) doubt(ctx context.Context) error {
	for _, chunk := range r.chunks(r.doubts()) {
		if err := r.ask(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

func (r *componentRun) ask(ctx context.Context, keys []sf.ComponentKey) error {
	came, err := r.given(ctx, keys)
	switch {
	case err == nil:
		for _, key := range keys {
			if p := r.parts[key.Type]; came[key] && p.unlisted == nil {
				p.unlisted = problem.Newf(problem.Failed, "%s: the org gives %s when it is asked for it by name, and does not list it", key.Type, key.Name).
					Hint("the listing is not whole: run the command again; if that does not help look at the permissions of the user")
			}
		}
		return nil
	case hopeless(ctx, err) || ctx.Err() != nil:
		return err
	case len(keys) > 1:
		r.splits++
		if r.splits > maxSplits {
			return errors.Join(errTooManySplits, err)
		}
		if err := r.ask(ctx, keys[:len(keys)/2]); err != nil {
			return err
		}
		return r.ask(ctx, keys[len(keys)/2:])
	}
	r.parts[keys[0].Type].unlisted = problem.Newf(problem.Failed, "%s: %s is not listed any more, and whether it is gone the org does not say: %w", keys[0].Type, keys[0].Name, err).
		Hint("if it was deleted, say so with --accept-deletions %s", partName(keys[0].Type))
	return nil
}

// given returns which components the org gives when it is asked for them by name.
func (r *componentRun) given(ctx context.Context, keys []sf.ComponentKey) (map[sf.ComponentKey]bool, error) {
	got, err := r.org.Retrieve(ctx, manifest(keys...))
	if err != nil {
		return nil, err
	}
	came := map[sf.ComponentKey]bool{}
	for _, f := range got.Files { // each by the name by which the org lists it
		came[sf.ComponentKey{Type: f.Type, Name: componentName(f.Type, f.Name)}] = true
	}
	return came, nil
}
