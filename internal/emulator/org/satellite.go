package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// A satellite is an object that holds records about the records of another one: its field history,
// its shares, its feed. Source: associateEntityType and associateParentEntity of the global describe.
const (
	historySatellite = "History"
	shareSatellite   = "Share"
	feedSatellite    = "Feed"
)

// prefix is what the Ids of the object's records begin with, also where describe says null.
func (o *Object) prefix() string { return orElse(o.KeyPrefix, orElse(o.idPrefix, unknownPrefix)) }

// unknownPrefix is that of objects whose prefix no source tells: teams of cases and a few more.
const unknownPrefix = "0zz"

// objectOf is the object of a record that a reference names; nil where there is none.
func (o *Org) objectOf(id sf.ID) *Object {
	prefix := id.KeyPrefix()
	if prefix == unknownPrefix {
		return o.holder(nil, id)
	}
	return o.schema.prefixes[prefix]
}

// holder is the object that has a record of that Id. Where objects share a prefix, the one that the
// caller names is believed, and else the one that has the record.
func (o *Org) holder(named *Object, id sf.ID) *Object {
	prefix := id.KeyPrefix()
	if named != nil && named.KeyPrefix == "" && named.prefix() == prefix {
		return named
	}
	if own := o.schema.prefixes[prefix]; own != nil {
		return own
	}
	for _, t := range o.tables {
		if t.object.KeyPrefix == "" && t.object.prefix() == prefix && t.find(id) != nil {
			return t.object
		}
	}
	return nil
}

// satellites are the tables of the satellites that a table has work for; nil where there is none, so
// that a load of plain records pays nothing.
type satellites struct {
	history, share, feed          *table
	historyRef, shareRef, feedRef string   // name of the reference that leads back
	tracked                       []*Field // in the history
	posted                        []*Field // in the feed
}

// attach finds the satellites of each table. The caller holds the lock.
func (o *Org) attach() {
	for _, t := range o.tables {
		t.beside = nil
	}
	for _, t := range o.tables {
		parent := o.tables[fold(t.object.AssociateParentEntity)]
		if parent == nil || t.object.AssociateParentEntity == "" {
			continue
		}
		ref := backReference(t.object, parent.object)
		if ref == "" {
			continue
		}
		s := parent.beside
		if s == nil {
			s = &satellites{}
		}
		switch t.object.AssociateEntityType {
		case historySatellite:
			if parent.object.tracking {
				s.history, s.historyRef, s.tracked = t, ref, trackedFields(parent.object)
			}
		case shareSatellite:
			if parent.object.restricted() {
				s.share, s.shareRef = t, ref
			}
		case feedSatellite:
			s.feed, s.feedRef, s.posted = t, ref, postedFields(parent.object)
		}
		if s.history != nil || s.share != nil || s.feed != nil {
			parent.beside = s
		}
	}
}

func backReference(o, parent *Object) string {
	for _, f := range o.Fields {
		if f.Type == sf.TypeReference && len(f.ReferenceTo) == 1 && strings.EqualFold(f.ReferenceTo[0], parent.Name) &&
			(f.Name == "ParentId" || f.Name == parent.Name+"Id") {
			return f.Name
		}
	}
	return ""
}

// satellites makes or marks the satellites of an object as its definition asks.
func (t *Tx) satellites(o *Object, spec ObjectSpec) {
	o.tracking = spec.History
	if spec.Sharing != "" {
		o.sharing = spec.Sharing
	}
	if o.Kind != CustomObject {
		return
	}
	for kind, wanted := range map[string]bool{
		historySatellite: spec.History, feedSatellite: spec.Feeds, shareSatellite: o.restricted(),
	} {
		s := loadStandard().relative(o, familyKinds[kind])
		switch old := t.schema.object(s.Name); {
		case wanted && old == nil:
			s.Custom = true
			t.schema.objects[fold(s.Name)] = s
			if kind == feedSatellite {
				t.joinFeed(o.Name)
			}
		case !wanted && old != nil && kind == shareSatellite:
			delete(t.schema.objects, fold(s.Name)) // its rows go with it
		}
	}
}

// joinFeed lets posts and comments be about the records of an object.
func (t *Tx) joinFeed(object string) {
	for _, child := range []string{"FeedItem", "FeedComment"} {
		c := t.schema.object(child)
		i := t.field(c, "ParentId")
		if slices.Contains(c.Fields[i].ReferenceTo, object) {
			continue
		}
		c = t.schema.edit(c)
		f := *c.Fields[i]
		f.ReferenceTo = append(slices.Clone(f.ReferenceTo), object)
		slices.Sort(f.ReferenceTo)
		c.Fields[i] = &f
	}
}
