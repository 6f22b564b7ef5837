package org

import (
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// MergeRequest merges one or two records into a third of the same object. Master names the record
// that stays, with the fields that it takes over; IDs are the records that go.
//
// Source: MergeRequest of the partner WSDL; SOAP API Developer Guide, merge().
type MergeRequest struct {
	Master Row
	IDs    []string
}

// MergeResult is what the org says about one request.
type MergeResult struct {
	ID      sf.ID // of the master
	Success bool
	Merged  []sf.ID // the records that went
	Related []sf.ID // updatedRelatedIds: records that now belong to the master
	Errors  []Error
}

// maxMerged is how many records one request can merge into the master.
// Source: SOAP API Developer Guide, merge(): three records with the master.
const maxMerged = 2

// Merge performs each request in a transaction of its own, in order. A caller that must bound the
// requests of a call (200 by SOAP) bounds them before calling.
func (o *Org) Merge(caller Caller, requests []MergeRequest, opts Options) []MergeResult {
	defer o.writing(caller)()
	results := make([]MergeResult, len(requests))
	for i := range requests {
		w := o.begin(caller, o.clock.Now(), opts)
		result, err := w.merge(&requests[i])
		if err != nil {
			w.rollback(0)
			result = MergeResult{ID: result.ID, Errors: []Error{*err}}
		}
		w.commit()
		results[i] = result
	}
	return results
}

// merges reports the objects that merge takes. Sources: SOAP API Developer Guide, merge() (Lead,
// Contact, Account, Individual); Apex Developer Guide, "Merging Records" (Case).
func merges(object *Object) bool {
	switch object.Name {
	case "Account", "Contact", "Lead", "Case", "Individual":
		return true
	}
	return false
}

// merge checks a request and performs it. The codes are StatusCodes of the partner WSDL; the wording
// of the messages is unverified.
func (w *work) merge(in *MergeRequest) (MergeResult, *Error) {
	id, t, _, err := w.target(&in.Master, Update)
	res := MergeResult{ID: id}
	if err != nil {
		return res, err
	}
	switch {
	case !merges(t.object):
		return res, fault("INVALID_TYPE_FOR_OPERATION", "entity type cannot be merged: "+t.object.Label)
	case len(in.IDs) == 0:
		return res, fault("MISSING_ARGUMENT", "recordToMergeIds not specified")
	case len(in.IDs) > maxMerged:
		return res, fault("MERGE_FAILED", "a maximum of "+itoa(maxMerged)+" records can be merged into the master record")
	}
	for _, text := range in.IDs {
		loser, _, r, err := w.target(&Row{Object: t.object.Name, ID: text}, Delete)
		switch {
		case err != nil:
			return res, err
		case loser == id || slices.Contains(res.Merged, loser):
			return res, fault("INVALID_MERGE_RECORD", "a record cannot be merged with itself: "+loser.Short())
		case t.text(r, "IsPersonAccount") != t.text(t.find(id), "IsPersonAccount"):
			return res, fault("INVALID_PERSON_ACCOUNT_OPERATION", "a person account cannot be merged with a business account")
		}
		res.Merged = append(res.Merged, loser)
	}
	// The fields of the master first: a rule that refuses them refuses the merge.
	in.Master.ID = string(id)
	if _, err := w.update(&in.Master); err != nil {
		return res, err
	}
	for _, loser := range res.Merged {
		moved, err := w.absorb(t, id, loser, res.Merged)
		if err != nil {
			return res, err
		}
		res.Related = append(res.Related, moved...)
	}
	res.Success = true
	return res, nil
}

// absorb moves what belongs to a loser to the master and puts the loser into the Recycle Bin.
func (w *work) absorb(t *table, master, loser sf.ID, losers []sf.ID) ([]sf.ID, *Error) {
	if err := w.inheritManager(t, master, loser); err != nil {
		return nil, err
	}
	moved, err := w.adopt(t, master, loser, losers)
	if err != nil {
		return nil, err
	}
	if t.object.Name == "Account" {
		more, err := w.absorbPerson(t, master, loser)
		if err != nil {
			return nil, err
		}
		moved = append(moved, more...)
	}
	r := t.find(loser)
	vals := t.dense(r)
	vals[t.object.Field("MasterRecordId").column] = string(master)
	r = t.pack(loser, vals, live, r.pos)
	w.set(t, r)
	return moved, w.delete(t, r, Delete)
}

// inheritManager gives a master contact the manager of the loser. Source: SOAP API Developer Guide,
// merge(), "Contacts Reports To Relationships".
func (w *work) inheritManager(t *table, master, loser sf.ID) *Error {
	if t.object.Name != "Contact" {
		return nil
	}
	m := t.find(master)
	manager := t.text(t.find(loser), "ReportsToId")
	switch {
	case manager == "" || t.text(m, "ReportsToId") != "":
		return nil
	case manager == string(master):
		return circular("ReportsToId")
	}
	w.point(place{t, m.pos}, t.object.Field("ReportsToId").column, manager)
	return nil
}

func circular(field string) *Error {
	return fault("CIRCULAR_DEPENDENCY", "attempt to violate hierarchy constraints", field)
}

// adopt makes the children of the loser children of the master. A child that the master has already
// stays behind and goes with the loser.
func (w *work) adopt(t *table, master, loser sf.ID, losers []sf.ID) ([]sf.ID, *Error) {
	var moved []sf.ID
	for _, ref := range w.o.schema.kids[fold(t.object.Name)] {
		child := w.o.tables[ref.child]
		if ref.field.column < 0 || staysBehind(child.object, ref.field) {
			continue
		}
		for _, r := range child.holding(ref.field.column, string(loser)) {
			switch {
			case r.fate != live || child == t && slices.Contains(losers, r.id):
				continue
			case child.object.Name == "Contact" && child.text(r, "IsPersonAccount") == "true":
				continue // the person goes with the account
			case r.id == master: // it was a child of what goes
				return nil, circular(ref.field.Name)
			case w.twin(child, r, ref.field, string(master)):
				continue
			case child == t && w.above(t, master, r.id, ref.field):
				return nil, circular(ref.field.Name)
			}
			w.amend(place{child, r.pos}, map[string]string{ref.field.Name: string(master), "SystemModstamp": w.stamp})
			if !slices.Contains(moved, r.id) {
				moved = append(moved, r.id)
			}
		}
	}
	return moved, nil
}

// staysBehind reports children that a merge does not move: what was merged earlier, and the history,
// shares and feed that describe the loser itself. That feed and history stay is from Salesforce Help,
// "Considerations for Merging Accounts"; for shares it is unverified.
func staysBehind(child *Object, lookup *Field) bool {
	return lookup.Name == "MasterRecordId" || lookup.Name == "FeedItemId" || child.AssociateEntityType != "" || !child.Queryable ||
		strings.HasPrefix(lookup.Name, "Converted")
}

// above reports whether record up is an ancestor of record from by a lookup to its own object.
func (w *work) above(t *table, from, up sf.ID, lookup *Field) bool {
	for range maxHierarchy {
		r := t.find(from)
		if r == nil {
			return false
		}
		if from = sf.ID(r.text(lookup.column)); from == up {
			return true
		}
	}
	return false
}

// maxHierarchy bounds the walk up a hierarchy, which the platform keeps free of circles. Source:
// StatusCode MAXIMUM_HIERARCHY_LEVELS_REACHED; its number for assets, 10,000, is from the Object
// Reference, Asset.
const maxHierarchy = 10_000

// junctions are the objects of which two records can stand between one pair of records, and the
// fields that make the pair. Source: Object Reference, the page of each object.
var junctions = map[string][]string{
	"CampaignMember":         {"CampaignId", "ContactId", "LeadId"},
	"AccountContactRelation": {"AccountId", "ContactId"},
	"OpportunityContactRole": {"OpportunityId", "ContactId", "Role"},
	"AccountContactRole":     {"AccountId", "ContactId", "Role"},
	"CaseContactRole":        {"CasesId", "ContactId", "Role"},
	"ContractContactRole":    {"ContractId", "ContactId", "Role"},
	"AccountTeamMember":      {"AccountId", "UserId"},
	"CaseTeamMember":         {"ParentId", "MemberId"},
	"ContentDocumentLink":    {"ContentDocumentId", "LinkedEntityId"},
	"TaskRelation":           {"TaskId", "RelationId", "IsWhat"},
	"EventRelation":          {"EventId", "RelationId", "IsWhat"},
	"TaskWhoRelation":        {"TaskId", "RelationId"},
	"EventWhoRelation":       {"EventId", "RelationId"},
}

// twin reports whether a junction record would have a double once its lookup named id.
func (w *work) twin(t *table, r *row, lookup *Field, id string) bool {
	pair := junctions[t.object.Name]
	if !slices.Contains(pair, lookup.Name) {
		return false
	}
	for _, other := range t.holding(lookup.column, id) {
		if other.fate != live || other.id == r.id {
			continue
		}
		same := true
		for _, name := range pair {
			same = same && (name == lookup.Name || t.text(other, name) == t.text(r, name))
		}
		if same {
			return true
		}
	}
	return false
}

// amend sets fields of a live record as the platform itself does, past the rules of its object.
func (w *work) amend(p place, values map[string]string) {
	r := p.t.rows[p.pos]
	vals := p.t.dense(r)
	for name, text := range values {
		if f := p.t.object.Field(name); f != nil && f.column >= 0 {
			if f.Type == sf.TypeBoolean && text == "false" {
				text = ""
			}
			vals[f.column] = text
		}
	}
	w.set(p.t, p.t.pack(r.id, vals, r.fate, r.pos))
}
