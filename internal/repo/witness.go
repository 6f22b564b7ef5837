package repo

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
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

// Witness returns what is to be remembered of the repository, as it was read last.
func (r *Repository) Witness(ctx context.Context) (Witness, error) {
	state, err := r.keys.current(ctx)
	if err != nil {
		return Witness{}, err
	}
	return state.witness(r.id), nil
}

// witness returns what is to be remembered of the state.
func (s *tableState) witness(id seal.RepositoryID) Witness {
	w := Witness{Repository: id.String(), Generation: s.table.Generation, Name: s.table.Name}
	for ref := range s.roots {
		w.Roots = append(w.Roots, ref)
	}
	slices.SortFunc(w.Roots, compareRefs)
	return w
}

// Meet returns an error of kind Damaged when the repository, as it was read last, is in a state that is not
// as late as what is remembered, or that does not follow from it: somebody has put back an older copy, or
// taken something away. Of a witness that is more than 256 generations old only the number is compared.
func (r *Repository) Meet(ctx context.Context, w Witness) error {
	if w.Repository != r.ID() {
		return problem.Newf(problem.Usage, "what is remembered is of another repository, %.40s", w.Repository)
	}
	state, err := r.keys.current(ctx)
	if err != nil {
		return err
	}
	return state.follows(w)
}

// follows returns an error of kind Damaged unless the state is the remembered one, or comes after it.
func (s *tableState) follows(w Witness) error {
	t := s.table
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
		if _, found := s.roots[ref]; !found {
			return rolledBack("%s was there before", ref)
		}
	}
	return nil
}

func rolledBack(format string, args ...any) error {
	return problem.Newf(problem.Damaged, "the repository is not in its latest state: %w", fmt.Errorf(format, args...)).
		Hint("an older copy was put in its place, or part of it was taken away: find out who did, and put the latest copy back")
}

// Join returns what is to be remembered when both were seen of one repository, at any times.
func (w Witness) Join(other Witness) Witness {
	if w.Generation < other.Generation {
		return other
	}
	if w.Generation == other.Generation && w.Name == other.Name {
		w.Roots = append(slices.Clone(w.Roots), other.Roots...)
		slices.SortFunc(w.Roots, compareRefs)
		w.Roots = slices.Compact(w.Roots)
	}
	return w
}

// witnessFormat begins the text of a witness; docs/format/repository.md, "Witness".
const witnessFormat = "holdfast-witness/1"

// Encode returns the witness as text, in its only form.
func (w Witness) Encode() []byte {
	out := fmt.Appendf(nil, "%s\nrepository %s\ngeneration %d\nbase %s\n", witnessFormat, w.Repository, w.Generation, w.Name)
	for _, ref := range w.Roots {
		out = fmt.Appendf(out, "root %s %s\n", ref.Class, ref.ID)
	}
	return out
}

// ParseWitness is the inverse of Encode. The error is of kind Damaged for any other text.
func ParseWitness(text []byte) (Witness, error) {
	var w Witness
	for line := range strings.Lines(string(text)) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case words[0] == "repository" && len(words) == 2:
			w.Repository = words[1]
		case words[0] == "generation" && len(words) == 2:
			w.Generation, _ = strconv.ParseUint(words[1], 10, 64)
		case words[0] == "base" && len(words) == 2 && len(words[1]) == hex.EncodedLen(len(w.Name)):
			_, _ = hex.Decode(w.Name[:], []byte(words[1]))
		case words[0] == "root" && len(words) == 3:
			id, _ := seal.ParseID(words[2])
			w.Roots = append(w.Roots, Ref{Class(words[1]), id})
		}
	}
	// What was not understood is found by writing it again.
	if !bytes.Equal(w.Encode(), text) {
		return Witness{}, problem.New(problem.Damaged, "what is remembered of a repository is not in its form")
	}
	return w, nil
}
