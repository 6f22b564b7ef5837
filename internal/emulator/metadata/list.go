package metadata

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
)

// profileFiles are the names of the standard profiles in the Metadata API.
// Source: Metadata API Developer Guide, Profile; others keep the name that they have.
var profileFiles = map[string]string{
	"System Administrator": "Admin", "Standard User": "Standard", "Read Only": "ReadOnly", "Contract Manager": "ContractManager",
	"Marketing User": "MarketingProfile", "Solution Manager": "SolutionManager", "Standard Platform User": "StandardAul",
}

// List returns the components of a type by full name: those deployed, those of installed packages, and
// the standard ones. Types whose components lie in folders have none without a folder; folder "" of
// them lists nothing. Source: Metadata API Developer Guide, listMetadata.
func (s *Store) List(kind, folder string) []Component {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := kindNamed(kind)
	if k != nil && k.InFolder && folder == "" {
		return nil
	}
	if kind == "StandardValueSet" { // source: source-deploy-retrieve, whose authors found that it lists none
		return nil
	}
	if kind == "FlowDefinition" {
		return s.definitions()
	}
	seen := map[string]bool{}
	var out []Component
	for ck, c := range s.components {
		if ck.kind != kind || c.past || k != nil && k.InFolder && !inFolder(c.FullName, folder) {
			continue
		}
		out, seen[c.FullName] = append(out, s.shown(c)), true
	}
	for _, c := range s.standard(kind) {
		if !seen[c.FullName] {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, compareComponents)
	return out
}

// holders are types whose components only hold those of other types and are nothing by themselves.
// Source: listMetadata results, for CustomLabels; unverified for the others.
var holders = map[string]bool{
	"CustomLabels": true, "Workflow": true, "SharingRules": true, "MatchingRules": true, "AssignmentRules": true,
	"AutoResponseRules": true, "EscalationRules": true,
}

// emptied drops those that hold nothing any more once these are dropped. The caller holds mu.
func (s *Store) emptied(dropped map[key]bool) {
	empty := map[key]bool{}
	for k := range dropped {
		if parent, ok := parentOf(k.kind, k.name); ok && holders[parent.kind] && len(s.components[parent].parts) == 0 {
			empty[parent] = true
		}
	}
	if len(empty) == 0 {
		return
	}
	for k := range s.components {
		if parent, ok := parentOf(k.kind, k.name); ok {
			delete(empty, parent)
		}
	}
	for k := range empty {
		delete(s.components, k)
	}
}

// shown is a component as lists and retrieves show it: standard objects and what only holds others have no
// Id and the epoch for dates, whatever was deployed into them. That standard objects stay so is unverified.
func (s *Store) shown(c Component) Component {
	if holders[c.Type] || c.Type == "CustomObject" && !strings.Contains(c.FullName, "__") {
		c.ID, c.Created, c.Modified = "", time.Time{}, time.Time{}
		c.By, c.Editor = s.org.Admin().User, s.org.Admin().User
	}
	return c
}

// inFolder reports a component within a folder, or deeper.
func inFolder(name, folder string) bool {
	return strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

// standard returns the components of a type that every org has. They have no Id and the epoch for
// dates. Source: listMetadata results.
func (s *Store) standard(kind string) []Component {
	var out []Component
	add := func(name, file string) {
		out = append(out, Component{Type: kind, FullName: name, FileName: file, By: s.org.Admin().User, Editor: s.org.Admin().User})
	}
	switch kind {
	case "CustomObject":
		for _, o := range s.org.Objects() {
			if o.Kind == org.StandardObject && o.Layoutable {
				add(o.Name, "objects/"+o.Name+".object")
			}
		}
	case "CustomField":
		for _, o := range s.org.Objects() {
			if o.Kind != org.StandardObject || !o.Layoutable {
				continue
			}
			for _, f := range o.Fields {
				if customizable(f) {
					add(o.Name+"."+f.Name, "objects/"+o.Name+".object")
				}
			}
		}
	case "Profile":
		for _, name := range s.profiles() {
			add(name, "profiles/"+name+".profile")
		}
	}
	return out
}

// profiles returns the names of the org's profiles in the Metadata API.
func (s *Store) profiles() []string {
	q, err := soql.Parse("SELECT Name FROM Profile ORDER BY Name")
	if err != nil { // the text is part of the program
		panic(err)
	}
	answer, err := s.org.Query(s.org.Admin(), q, false)
	if err != nil {
		return nil // an org without the object has no profiles
	}
	var out []string
	for i := range answer.Total {
		name := answer.Text(i, 0)
		out = append(out, cmp.Or(profileFiles[name], name))
	}
	return out
}

// customizable reports a standard field that has a page in Setup, which is what the Metadata API shows
// of standard fields: those that field permissions or layouts can name. Parts of a compound field go
// with it. Source: retrieved standard objects; the exact list is unverified.
func customizable(f *org.Field) bool {
	if f.Custom || f.CompoundFieldName != "" && f.CompoundFieldName != f.Name {
		return false
	}
	switch f.Name {
	case "Id", "IsDeleted", "SystemModstamp", "CreatedById", "CreatedDate", "LastModifiedById", "LastModifiedDate", "MasterRecordId",
		"LastActivityDate", "LastViewedDate", "LastReferencedDate", "PhotoUrl", "RecordTypeId", "UserRecordAccessId":
		return false
	}
	return f.Permissionable || f.Name == "OwnerId" || f.NameField || f.Type == "picklist"
}

// ValueSet returns the values of a standard value set as they are now; nil when there is no such set.
func (s *Store) ValueSet(name string) []org.PicklistValue {
	return s.org.ValueSet(name)
}
