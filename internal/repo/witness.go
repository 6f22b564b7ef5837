package repo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// Witness is what somebody remembers of a repository, so that an older state of it is not taken for the
// newest. It holds no secret.
type Witness struct {
	Repository string
	Generation uint64
	Name       seal.TableName
	Roots      []Ref
}

// Witness returns what is to be remembered of the repository now.
func (r *Repository) Witness(ctx context.Context) (Witness, error) {
	state, err := r.keys.load(ctx)
	if err != nil {
		return Witness{}, err
	}
	w := Witness{Repository: r.ID(), Generation: state.table.Generation, Name: state.table.Name}
	for ref := range state.roots {
		w.Roots = append(w.Roots, ref)
	}
	slices.SortFunc(w.Roots, compareRefs)
	return w, nil
}

// Meet returns an error of kind Damaged when the repository is in a state that is not as late as what is
// remembered, or that does not follow from it: somebody has put back an older copy, or taken something
// away. Of a witness that is more than 256 generations old only the number is compared.
func (r *Repository) Meet(ctx context.Context, w Witness) error {
	if w.Repository != r.ID() {
		return problem.Newf(problem.Usage, "what is remembered is of another repository, %.40s", w.Repository)
	}
	state, err := r.keys.load(ctx)
	if err != nil {
		return err
	}
	t := state.table
	switch past := slices.IndexFunc(t.Past, func(p seal.Past) bool { return p.Generation == w.Generation }); {
	case t.Generation < w.Generation:
		return rolledBack("generation %d was seen before, this is generation %d", w.Generation, t.Generation)
	case t.Generation == w.Generation && t.Name != w.Name, past >= 0 && t.Past[past].Name != w.Name:
		return rolledBack("generation %d is another one than was seen before", w.Generation)
	case t.Generation > w.Generation && past < 0 && t.Generation-w.Generation <= seal.MaxPast:
		return rolledBack("generation %d, which was seen before, never was", w.Generation)
	case t.Generation > w.Generation:
		return nil // roots may have been given up since
	}
	for _, ref := range w.Roots {
		if _, found := state.roots[ref]; !found {
			return rolledBack("%s was there before", ref)
		}
	}
	return nil
}

func rolledBack(format string, args ...any) error {
	return problem.Newf(problem.Damaged, "the repository is not in its latest state: %w", fmt.Errorf(format, args...)).
		Hint("an older copy was put in its place, or part of it was taken away: find out who did, and put the latest copy back")
}

// String returns the witness in one line, for people.
func (w Witness) String() string {
	return strings.Join([]string{w.Repository, fmt.Sprint(w.Generation), w.Name.String(), fmt.Sprint(len(w.Roots))}, " ")
}
