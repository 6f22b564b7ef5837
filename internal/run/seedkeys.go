package run

import (
	"context"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// matched finds the records of the other org that are those of the first one: by the key that was named,
// or else by the first external Id that is unique in both orgs.
func (s *seed) matched(ctx context.Context, object, there *sf.Object, row *SeedRow) (map[sf.ID]sf.ID, error) {
	field, named, err := s.keyOf(object, there)
	if err != nil || field == "" {
		return nil, err
	}
	if s.masker != nil && s.masker.Masks(object.Name, field) {
		return nil, problem.Newf(problem.Usage, "%s.%s is masked and cannot be the key of its records", object.Name, field).
			Hint("leave it out of the rules, or match by another field")
	}
	row.Key = field
	key := func(r sf.Record) string { return strings.ToLower(r.Get(field).Text()) }
	of, err := s.keyed(ctx, there, []string{field}, key)
	if err != nil {
		return nil, err
	}
	seen, out := map[string]sf.ID{}, map[sf.ID]sf.ID{}
	for r, err := range s.from.Records(ctx, object.Name) {
		if err != nil {
			return nil, err
		}
		k := key(r)
		if k == "" {
			continue
		}
		id, found := of[k]
		if other, twice := seen[k]; named && (twice || found && id == "") {
			return nil, problem.Newf(problem.Conflict, "%s.%s is no key: %q stands in more than one record (%s)", object.Name, field, r.Get(field).Text(), firstOfIDs(other, r.ID)).
				Hint("match by a field whose values are unique in both orgs")
		}
		seen[k] = r.ID
		if id != "" {
			out[r.ID] = id
		}
	}
	return out, nil
}

func firstOfIDs(a, b sf.ID) sf.ID {
	if a != "" {
		return a
	}
	return b
}

// keyOf returns the field by which records of the object are the same in both orgs, and whether it was
// named.
func (s *seed) keyOf(object, there *sf.Object) (string, bool, error) {
	for _, text := range s.in.Match {
		name, field, _ := strings.Cut(text, ".")
		if !strings.EqualFold(name, object.Name) {
			continue
		}
		f, g := object.Field(field), there.Field(field)
		if f == nil || g == nil {
			return "", false, problem.Newf(problem.NotFound, "both orgs do not have a field %s", text).
				Hint("write it as Object.Field")
		}
		return f.Name, true, nil
	}
	for _, f := range object.Fields {
		if s.masker != nil && s.masker.Masks(object.Name, f.Name) {
			continue // what is there holds a pseudonym at most
		}
		if g := there.Field(f.Name); f.ExternalID && f.Unique && g != nil && g.ExternalID && g.Unique {
			return f.Name, false, nil
		}
	}
	return "", false, nil
}
