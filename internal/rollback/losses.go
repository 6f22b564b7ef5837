package rollback

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Loss is a part of a component that stays, or one that is not in the plan, which the platform takes away together with what
// is deleted: a permission, an item of a layout, a column of a list view. Source: Salesforce Help, "Delete Custom Fields";
// for compact layouts unverified.
type Loss struct {
	Holder  sf.ComponentKey
	Element string // "" is all of it
	Key     string
	With    sf.ComponentKey // what is deleted
}

// String is the loss as a sentence of a plan.
func (l Loss) String() string {
	what := strings.TrimSpace(l.Element + " " + l.Key)
	if slices.Contains(showing, l.Element) {
		return fmt.Sprintf("%s of %s %s no longer shows %s %s", what, l.Holder.Type, l.Holder.Name, l.With.Type, l.With.Name)
	}
	if what == "" {
		return fmt.Sprintf("%s %s goes with %s %s", l.Holder.Type, l.Holder.Name, l.With.Type, l.With.Name)
	}
	return fmt.Sprintf("%s of %s %s goes with %s %s", what, l.Holder.Type, l.Holder.Name, l.With.Type, l.With.Name)
}

// Losses returns what goes with deletions of what now has and after, the state right after the change, had not: what people
// have done since. What the change itself did is taken back anyway. Holders of now may be cut to what they say of the deleted
// components, as profiles are. They are in the order of holder, element and key.
func Losses(deleted []sf.ComponentKey, after, now map[sf.ComponentKey][]component.Entry) []Loss {
	gone := goneWith(deleted)
	var out []Loss
	for key, files := range now {
		was, had := after[key]
		if with, ok := gone.holder(key); ok {
			if !had {
				out = append(out, Loss{Holder: key, With: with})
			}
			continue
		}
		is := only(files)
		if is == nil {
			continue
		}
		out = append(out, gone.parts(key, only(was), is)...)
	}
	slices.SortFunc(out, func(a, b Loss) int {
		return cmp.Or(a.Holder.Compare(b.Holder), strings.Compare(a.Element, b.Element), strings.Compare(a.Key, b.Key), a.With.Compare(b.With))
	})
	return slices.Compact(out)
}

// goneSet finds what is deleted by its name.
type goneSet map[sf.ComponentKey]bool

func goneWith(deleted []sf.ComponentKey) goneSet {
	g := goneSet{}
	for _, k := range deleted {
		g[k] = true
	}
	return g
}

// by returns the deletion with which a component goes: its own, or that of the object to which it belongs.
func (g goneSet) by(key sf.ComponentKey) (sf.ComponentKey, bool) {
	if g[key] {
		return key, true
	}
	owner := ""
	switch key.Type {
	case "CustomField", "RecordType":
		owner, _, _ = strings.Cut(key.Name, ".")
	case "Layout":
		owner, _, _ = strings.Cut(key.Name, "-")
	case "CustomTab":
		owner = key.Name
	}
	object := sf.ComponentKey{Type: "CustomObject", Name: owner}
	return object, owner != "" && g[object]
}

// holder returns the deletion with which all of a component goes, without being named itself.
func (g goneSet) holder(key sf.ComponentKey) (sf.ComponentKey, bool) {
	with, ok := g.by(key)
	return with, ok && with != key
}

// with returns the deletion with which a part of a profile or a permission set goes.
func (g goneSet) with(part *component.Node) (sf.ComponentKey, bool) {
	about, ok := named[part.Name]
	if !ok {
		return sf.ComponentKey{}, false
	}
	return g.by(sf.ComponentKey{Type: about.kind, Name: part.Value(about.by)})
}

// named says which type the parts of profiles and permission sets are about, by element, and which of their elements names it.
// Source: Metadata API Developer Guide, Profile, PermissionSet.
var named = map[string]struct{ by, kind string }{
	"agentAccesses": {"agentName", "Bot"}, "applicationVisibilities": {"application", "CustomApplication"},
	"classAccesses": {"apexClass", "ApexClass"}, "customMetadataTypeAccesses": {"name", "CustomObject"},
	"customPermissions": {"name", "CustomPermission"}, "customSettingAccesses": {"name", "CustomObject"},
	"externalDataSourceAccesses": {"externalDataSource", "ExternalDataSource"}, "fieldPermissions": {"field", "CustomField"},
	"flowAccesses": {"flow", "Flow"}, "layoutAssignments": {"layout", "Layout"}, "objectPermissions": {"object", "CustomObject"},
	"pageAccesses": {"apexPage", "ApexPage"}, "recordTypeVisibilities": {"recordType", "RecordType"},
	"tabSettings": {"tab", "CustomTab"}, "tabVisibilities": {"tab", "CustomTab"},
}

// showing are the elements of an object that show fields, and lose those that are deleted.
var showing = []string{"compactLayouts", "fieldSets", "listViews", "searchLayouts"}

// parts returns what goes of one component that stays.
func (g goneSet) parts(key sf.ComponentKey, was, is *component.Node) []Loss {
	var out []Loss
	switch key.Type {
	case "Layout":
		object, _, _ := strings.Cut(key.Name, "-")
		had := fieldsShown(was)
		for field := range fieldsShown(is) {
			with := sf.ComponentKey{Type: "CustomField", Name: object + "." + field}
			if g[with] && !had[field] {
				out = append(out, Loss{key, "layoutItems", field, with})
			}
		}
		return out
	case "CustomObject":
		for _, p := range component.Parts(key.Type, was, is) {
			if p.How == component.Removed || !slices.Contains(showing, p.Element) {
				continue
			}
			had := texts(component.Part(key.Type, orEmpty(was), p.Element, p.Key))
			for text := range texts(component.Part(key.Type, is, p.Element, p.Key)) {
				with := sf.ComponentKey{Type: "CustomField", Name: key.Name + "." + text}
				if g[with] && !had[text] {
					out = append(out, Loss{key, p.Element, p.Key, with})
				}
			}
		}
		return out
	}
	for _, p := range component.Parts(key.Type, was, is) {
		if p.How == component.Removed {
			continue
		}
		for _, n := range component.Part(key.Type, is, p.Element, p.Key) {
			if with, ok := g.with(n); ok {
				out = append(out, Loss{key, p.Element, p.Key, with})
			}
		}
	}
	return out
}

func orEmpty(n *component.Node) *component.Node {
	if n == nil {
		return &component.Node{}
	}
	return n
}

// fieldsShown are the fields that stand on a layout.
func fieldsShown(n *component.Node) map[string]bool {
	out := map[string]bool{}
	if n == nil {
		return out
	}
	if n.Name == "layoutItems" {
		out[n.Value("field")] = true
	}
	for _, c := range n.Nodes {
		for field := range fieldsShown(c) {
			out[field] = true
		}
	}
	return out
}

// texts are all texts below nodes.
func texts(nodes []*component.Node) map[string]bool {
	out := map[string]bool{}
	for _, n := range nodes {
		if len(n.Nodes) == 0 {
			out[n.Text] = true
		}
		for text := range texts(n.Nodes) {
			out[text] = true
		}
	}
	return out
}
