package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// foundRecords are the records of one object that the other org has already.
type foundRecords struct {
	key string          // the field by which they were found
	of  map[sf.ID]sf.ID // the other org's, by that of the first one
}

// find finds the records that the other org has already, before anything is kept.
func (s *seed) find(ctx context.Context) error {
	var err error
	if s.known, err = loadIdentity(ctx, s.in.Store, s.org); err != nil {
		return err
	}
	s.there, s.out.elsewhere = map[string]*foundRecords{}, map[sf.ID]sf.ID{}
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		object, there := s.from.Schema().Object(name), s.target.Object(name)
		own, err := s.matchedByOwn(ctx, object, there)
		if err != nil {
			return fmt.Errorf("seed %s: %w", name, err)
		}
		found := &foundRecords{}
		if found.of, err = s.matched(ctx, object, there, &found.key); err != nil {
			return fmt.Errorf("seed %s: %w", name, err)
		}
		found.of = joinMatches(own, found.of)
		if s.there[name] = found; len(found.of) == 0 && s.known.Len() == 0 {
			continue
		}
		if err := s.settle(ctx, object, there, found.of); err != nil {
			return fmt.Errorf("seed %s: %w", name, err)
		}
	}
	return nil
}

// settle sees to it that no two records would become one. A record that is found where an earlier seed did not make it stands under
// the Id that it has there: to call it the successor of the one that was made would be untrue, and every backup of the other
// org that holds the two would have one of them twice.
func (s *seed) settle(ctx context.Context, object, there *sf.Object, found map[sf.ID]sf.ID) error {
	of := map[sf.ID]sf.ID{}
	for r, err := range s.from.Records(ctx, object.Name) {
		if err != nil {
			return err
		}
		if _, named := s.names[r.ID]; named {
			continue
		}
		id := s.fresh(r.ID, there)
		now, made := found[r.ID], s.known.Map(id)
		switch {
		case now == "" && made == id:
			continue // it is new there
		case now == "":
			now = made
		case made != id && made != now:
			s.out.elsewhere[r.ID] = now
		}
		if other := of[now]; other != "" {
			return problem.Newf(problem.Conflict, "%s and %s of the first org would both be %s of the other one, by their key, their own Id or an earlier seed",
				other, r.ID, now).
				Hint("give each of the two a key or own Id that no other record has, in both orgs, and run the same command again")
		}
		of[now] = r.ID
	}
	return nil
}

// matched finds the records of the other org that are those of the first one: by the key that was named,
// or else by the first external Id that is unique in both orgs.
func (s *seed) matched(ctx context.Context, object, there *sf.Object, name *string) (map[sf.ID]sf.ID, error) {
	field, named, err := s.keyOf(object, there)
	if err != nil || field == "" {
		return nil, err
	}
	if s.masker != nil && s.masker.Masks(object.Name, field) {
		return nil, problem.Newf(problem.Usage, "%s.%s is masked and cannot be the key of its records", object.Name, field).
			Hint("leave it out of the rules, or match by another field")
	}
	*name = field
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

// keyed reads records of the other org by a key; what comes twice is no key, and has the Id "".
func (s *seed) keyed(ctx context.Context, object *sf.Object, fields []string, key func(sf.Record) string) (map[string]sf.ID, error) {
	fields = slices.DeleteFunc(fields, func(f string) bool { return object.Field(f) == nil })
	out := map[string]sf.ID{}
	for r, err := range s.in.Target.Records(ctx, sf.Extract{Object: object, Fields: fields}) {
		if err != nil {
			return nil, fmt.Errorf("read %s of the other org: %w", object.Name, err)
		}
		k := key(r)
		if _, twice := out[k]; twice {
			out[k] = ""
			continue
		}
		out[k] = r.ID
	}
	return out, nil
}
