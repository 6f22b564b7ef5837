package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
)

// holderTypes are the types whose components lose what they say of one that is deleted.
var holderTypes = []string{"Layout", "PermissionSet", "Profile"}

// lossesUnread begins the note of a plan that does not know what goes with what it deletes.
const lossesUnread = "what profiles, permission sets and layouts say of what is deleted could not be read, and goes with it"

// maxAsked bounds what one request for losses names: profiles come with each.
const maxAsked = 1000

// losses returns what people have done since the change that goes with what the plan deletes: what profiles and permission
// sets give of it, and what layouts and list views show. Profiles are asked for what they say of it alone: all they say takes a
// whole observation. What the org does not tell is said in the second result.
func (r *reversal) losses(ctx context.Context, plan rollback.Plan, changes []rollback.Change) ([]rollback.Loss, []string, error) {
	var deleted []sf.ComponentKey
	for _, d := range plan.Deployments {
		deleted = append(deleted, d.Deleted...)
	}
	asked := asking(deleted)
	if r.after == nil || len(asked) == 0 {
		return nil, nil, nil
	}
	now, unread, err := r.holders(ctx, asked)
	if err != nil {
		return nil, nil, err
	}
	after := map[sf.ComponentKey][]component.Entry{}
	for _, kind := range holderTypes {
		rows, err := rowsOf(ctx, r.after, kind)
		if err != nil {
			return nil, nil, err
		}
		for name, row := range rows {
			key := sf.ComponentKey{Type: kind, Name: name}
			if _, there := now[key]; !there {
				continue
			}
			if after[key], err = componentFiles(ctx, r.in.Store, row); err != nil {
				return nil, nil, err
			}
		}
	}
	for _, c := range changes {
		if c.Key.Type == "CustomObject" && c.After != nil && c.Now != nil {
			after[c.Key], now[c.Key] = c.After.Files, c.Now.Files
		}
	}
	return rollback.Losses(deleted, after, now), unread, nil
}

// asking returns the components to retrieve so that holders say what they have of what is deleted: of fields, the objects,
// as permissions of fields come with their objects. Source: Metadata API Developer Guide, Profile.
func asking(deleted []sf.ComponentKey) []sf.ComponentKey {
	var out []sf.ComponentKey
	for _, k := range deleted {
		switch {
		case k.Type == "CustomField":
			object, _, _ := strings.Cut(k.Name, ".")
			out = append(out, sf.ComponentKey{Type: "CustomObject", Name: object}, k)
		case k.Type == "Flow":
			flow, _ := component.SplitFlow(k.Name)
			out = append(out, sf.ComponentKey{Type: "Flow", Name: flow})
		case component.InContext(k.Type):
			out = append(out, k)
		}
	}
	slices.SortFunc(out, sf.ComponentKey.Compare)
	return slices.Compact(out)
}

// holders retrieves the components that lose what they say of others with them, those of profiles cut to that.
func (r *reversal) holders(ctx context.Context, asked []sf.ComponentKey) (map[sf.ComponentKey][]component.Entry, []string, error) {
	objects := map[string]bool{}
	for _, k := range asked {
		objects[k.Name] = k.Type == "CustomObject"
	}
	queries := make([]sf.ComponentQuery, len(holderTypes))
	for i, kind := range holderTypes {
		queries[i] = sf.ComponentQuery{Type: kind}
	}
	list, err := r.in.Org.Components(ctx, queries)
	if err != nil {
		return nil, nil, fmt.Errorf("list who may speak of what is deleted: %w", err)
	}
	var profiles, rest []sf.ComponentKey
	for _, c := range list {
		object, _, _ := strings.Cut(c.Name, "-")
		switch {
		case component.Dependent(c.Type):
			profiles = append(profiles, c.ComponentKey)
		case c.Type != "Layout" || objects[object]:
			rest = append(rest, c.ComponentKey)
		}
	}
	out := map[sf.ComponentKey][]component.Entry{}
	var unread []string
	take := func(keys []sf.ComponentKey) error {
		why, err := r.retrieved(ctx, keys, out)
		if why != "" {
			unread = append(unread, why)
		}
		return err
	}
	for some := range slices.Chunk(asked, maxAsked) {
		if err := take(slices.Concat(some, profiles)); err != nil {
			return nil, nil, err
		}
	}
	for some := range slices.Chunk(rest, maxAsked) {
		if err := take(some); err != nil {
			return nil, nil, err
		}
	}
	return out, unread, nil
}

// retrieved adds the holders among the components that the org gives. Where it gives none, why is the reason.
func (r *reversal) retrieved(ctx context.Context, keys []sf.ComponentKey, into map[sf.ComponentKey][]component.Entry) (why string, err error) {
	got, err := r.in.Org.Retrieve(ctx, sf.ManifestOf(r.in.APIVersion, keys))
	if err != nil {
		if problem.KindOf(err) == problem.Interrupted || ctx.Err() != nil {
			return "", err
		}
		return lossesUnread + ": " + err.Error(), nil
	}
	archive, err := component.OpenArchive(got.Zip, component.DefaultLimits)
	if err != nil {
		return "", fmt.Errorf("read who speaks of what is deleted: %w", err)
	}
	for e, err := range archive.Entries() {
		if err != nil {
			return "", fmt.Errorf("read who speaks of what is deleted: %w", err)
		}
		e.Path = strings.TrimPrefix(e.Path, "unpackaged/")
		key, ok := component.Known().Resolve(e.Path)
		if !ok || !slices.Contains(holderTypes, key.Type) {
			continue
		}
		into[key] = joined(key.Type, into[key], e)
	}
	return "", nil
}

// joined adds what another answer says of the same profile.
func joined(kind string, have []component.Entry, e component.Entry) []component.Entry {
	if len(have) == 1 && component.Dependent(kind) {
		a, errA := component.Parse(have[0].Body)
		b, errB := component.Parse(e.Body)
		if errA == nil && errB == nil {
			return []component.Entry{{Path: e.Path, Body: component.Print(component.Merge(kind, a, b))}}
		}
	}
	return append(have, e)
}

// unlisted is the error of a plan that would take something with it that it does not name: somebody has done it since the plan
// was made.
func unlisted(planned []string, now []string) error {
	for _, n := range now {
		same := func(p string) bool {
			return p == n || strings.HasPrefix(n, lossesUnread) && strings.HasPrefix(p, lossesUnread)
		}
		if !slices.ContainsFunc(planned, same) {
			return problem.Newf(problem.Conflict, "the plan is stale, and does not say that %s", n).
				Hint("make a new plan with `holdfast rollback`, and look at its notes")
		}
	}
	return nil
}
