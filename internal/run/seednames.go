package run

import (
	"context"
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// findNames finds the records of the other org that stand for those of the first one.
func (s *seed) findNames(ctx context.Context) error {
	for _, n := range stable {
		part, held := s.from.Part(n.object)
		object := s.target.Object(n.object)
		if !held || part.State != snapshot.Whole || object == nil {
			continue
		}
		key := func(r sf.Record) string {
			if n.only != "" && r.Get(n.only).Text() != "true" {
				return ""
			}
			words := []string{"="}
			for _, f := range n.name {
				words = append(words, strings.ToLower(r.Get(f).Text()))
			}
			return strings.Join(words, "\x00")
		}
		fields := slices.Clone(n.name)
		if n.only != "" {
			fields = append(fields, n.only)
		}
		there, err := s.keyed(ctx, object, fields, key)
		if err != nil {
			return err
		}
		sandbox := map[string]sf.ID{}
		if n.object == "User" {
			if sandbox, err = s.keyed(ctx, object, fields, sandboxKey); err != nil {
				return err
			}
		}
		row := NamesRow{Object: n.object}
		for r, err := range s.from.Records(ctx, n.object) {
			if err != nil {
				return err
			}
			k := key(r)
			if k == "" {
				continue
			}
			id := there[k]
			if id == "" {
				id = sandbox[k]
			}
			if id != "" {
				s.names[r.ID] = id
				row.Found++
			} else {
				row.Missing++
			}
		}
		s.out.Names = append(s.out.Names, row)
	}
	return nil
}

// sandboxKey is the key under which a user of a sandbox is that of its production org: a sandbox adds its
// own name to usernames. Source: Salesforce Help, "Create a Sandbox".
func sandboxKey(user sf.Record) string {
	name := strings.ToLower(user.Get("Username").Text())
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	return "=\x00" + name
}
