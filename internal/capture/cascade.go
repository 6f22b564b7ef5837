package capture

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Histories, shares and feeds go with the record that they belong to, and neither a Recycle Bin nor a log
// of deletions knows them: the deletion of that record is their witness.

// wentWithParents reports that every one of the records belonged to another by a reference that cascades
// deletions, and that the org's Recycle Bin or log of deletions knows the other as deleted.
func (p *part) wentWithParents(ctx context.Context, missing *roll) (bool, error) {
	if p.parent == nil {
		return false, nil
	}
	owners := p.owners()
	if len(owners) == 0 {
		return false, nil
	}
	parents := map[string]*roll{}
	var children, asked int64
	for r, err := range p.parent.Lookup(ctx, p.object.Name, missing.ids()) {
		if err != nil {
			return false, fmt.Errorf("look up %s in the last snapshot: %w", p.object.Name, err)
		}
		children++
		parent := ownerOf(r, owners)
		if parent == "" {
			return false, nil
		}
		object := p.objectOf(parent, owners)
		if parents[object] == nil {
			parents[object] = &roll{}
		}
		parents[object].put(parent, markLive)
	}
	for object, ids := range parents {
		if asked += ids.len(); object == "" || asked > askByID {
			return false, nil
		}
		if proved, err := p.provedGone(ctx, object, ids); err != nil || !proved {
			return false, err
		}
	}
	return children == missing.len(), nil
}

// owners returns the references of the object with which a deletion comes down, each with the objects
// from which it does.
func (p *part) owners() map[string][]string {
	owners := map[string][]string{}
	for _, f := range p.object.References() {
		for _, name := range f.ReferenceTo {
			of := p.schema.Object(name)
			if of != nil && p.has(f.Name) && slices.ContainsFunc(of.Children, func(c sf.ChildRelationship) bool {
				return c.CascadeDelete && c.Child == p.object.Name && c.Field == f.Name
			}) {
				owners[f.Name] = append(owners[f.Name], name)
			}
		}
	}
	return owners
}

// ownerOf returns the record to which r belongs, or "" when there is none or more than one.
func ownerOf(r sf.Record, owners map[string][]string) (owner sf.ID) {
	for field := range owners {
		switch id := sf.ID(r.Get(field).Text()); {
		case id == "":
		case owner != "" || len(id) != 18:
			return ""
		default:
			owner = id
		}
	}
	return owner
}

func (p *part) objectOf(id sf.ID, owners map[string][]string) string {
	for _, names := range owners {
		for _, name := range names {
			if of := p.schema.Object(name); of.KeyPrefix == id.KeyPrefix() {
				return name
			}
		}
	}
	return ""
}

// provedGone reports that the org's Recycle Bin or log of deletions names each of the records.
func (p *part) provedGone(ctx context.Context, object string, ids *roll) (bool, error) {
	of := &part{capture: p.capture, task: &task{object: p.schema.Object(object), previous: p.previous}}
	if of.object.Field("IsDeleted") != nil {
		of.fields = []string{"IsDeleted"}
	}
	found, err := of.lookFor(ctx, ids)
	if err != nil || found.alive() > 0 {
		return false, ignoreRefusal(err)
	}
	if err := of.askLog(ctx); err != nil {
		return false, err
	}
	for id := range ids.ids() {
		if _, logged := of.logged(id); !logged && found[id] == nil {
			return false, nil
		}
	}
	return true, nil
}

// ignoreRefusal drops the error of an org that does not answer for an object: it is no witness then.
func ignoreRefusal(err error) error {
	if _, ok := refused(err); ok && problem.KindOf(err) != problem.Limits {
		return nil
	}
	return err
}
