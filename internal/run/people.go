package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// What people are to an org: owners who may have left, and persons who are an account and a contact
// at once. Each decision that is taken for them is a note of the plan, and is taken again, in the
// same way, when the org is observed afterwards.

const (
	userPrefix  = "005"
	groupPrefix = "00G"
)

// people says who restores and who takes over what nobody can own any more.
type people struct {
	restorer      sf.ID // the user of the connection
	keepsInactive bool  // who may give records to inactive users
	heir          sf.ID // owner in the place of one who cannot be; empty: whoever restores
}

// owners finds a new owner for records whose owner is inactive or gone. A new record gets the heir; one
// that is there keeps the owner that it has. Without this the org would refuse the whole record.
// Source: status code INACTIVE_OWNER_OR_USER; Salesforce help 000176484 on the permission to keep them.
func (w *wanted) owners(ctx context.Context) error {
	asked := map[sf.ID]bool{}
	for _, c := range w.delta {
		if f, owned := w.ownerOf(c); owned {
			asked[sf.ID(f.After.Text())] = true
		}
	}
	if err := w.queues(ctx); err != nil {
		return err
	}
	why, err := w.unfit(ctx, asked)
	if err != nil || len(why) == 0 {
		return err
	}
	counts := map[string]int{}
	kept := w.delta[:0]
	for _, c := range w.delta {
		f, owned := w.ownerOf(c)
		reason := why[sf.ID(f.After.Text())]
		if !owned || reason == "" {
			kept = append(kept, c)
			continue
		}
		c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool { return f.Field == "OwnerId" })
		switch {
		case c.Kind == state.Update:
			counts[fmt.Sprintf("%%d {record|records} of %s {keeps the owner that it has|keep the owner that they have}: %s", c.Object, reason)]++
		case w.people.heir != "":
			counts[fmt.Sprintf("%%d {record|records} of %s {comes|come} back owned by %s: %s", c.Object, w.people.heir, reason)]++
			c.Fields = withField(c.Fields, state.FieldChange{Field: "OwnerId", After: sf.Text(string(w.people.heir))})
		default:
			counts[fmt.Sprintf("%%d {record|records} of %s {comes|come} back owned by whoever restores: %s", c.Object, reason)]++
		}
		if c.Kind == state.Create || len(c.Fields) > 0 {
			kept = append(kept, c)
		}
	}
	w.delta = kept
	w.count(counts)
	return nil
}

// queues brings with a queue what it consists of: the objects that it may own, without which nothing
// can be given to it, and its members.
func (w *wanted) queues(ctx context.Context) error {
	queues := map[sf.ID]bool{}
	for _, c := range w.delta {
		if c.Object == "Group" && c.Kind == state.Create {
			queues[c.ID] = true
		}
	}
	if len(queues) == 0 {
		return nil
	}
	for _, part := range []struct{ object, field string }{{"QueueSobject", "QueueId"}, {"GroupMember", "GroupId"}} {
		object, field := part.object, part.field
		if _, held := w.want.Part(object); !held || !w.comparable(object) {
			continue
		}
		ids, coming := map[sf.ID]bool{}, w.coming()
		for r, err := range w.eq.Records(w.want.Records(ctx, object)) {
			if err != nil {
				return err
			}
			if queues[sf.ID(r.Get(field).Text())] && !coming[r.ID] {
				ids[r.ID] = true
			}
		}
		if err := w.object(ctx, object, func(id sf.ID) bool { return ids[id] }, true); err != nil {
			return err
		}
	}
	serves := map[string]sf.ID{} // queue and object
	for _, c := range w.delta {
		if get := valueAfter(c); c.Object == "QueueSobject" && c.Kind == state.Create {
			serves[get("QueueId").Text()+get("SobjectType").Text()] = c.ID
		}
	}
	for _, c := range w.delta {
		if f, owned := w.ownerOf(c); owned && c.Kind == state.Create {
			if id := serves[f.After.Text()+c.Object]; id != "" {
				w.needs = append(w.needs, plan.Link{Object: c.Object, ID: c.ID, Field: "OwnerId", Target: id})
			}
		}
	}
	return nil
}

// withField adds a field to sorted ones.
func withField(fields []state.FieldChange, f state.FieldChange) []state.FieldChange {
	i, _ := slices.BinarySearchFunc(fields, f.Field, func(a state.FieldChange, name string) int { return strings.Compare(a.Field, name) })
	return slices.Insert(fields, i, f)
}

// count writes notes that differ in a number only; the texts are those of numbered.
func (w *wanted) count(counts map[string]int) {
	for _, text := range slices.Sorted(maps.Keys(counts)) {
		w.notes = append(w.notes, numbered(counts[text], text))
	}
}

// ownerOf returns the change of the owner, where the change sets one.
func (w *wanted) ownerOf(c state.Change) (state.FieldChange, bool) {
	f, found := c.Field("OwnerId")
	return f, found && c.Kind != state.Delete && f.After.IsText()
}

// unfit returns why the users and queues among these cannot own a record; those who can are left out.
func (w *wanted) unfit(ctx context.Context, asked map[sf.ID]bool) (map[sf.ID]string, error) {
	why, coming := map[sf.ID]string{}, w.coming()
	for object, prefix := range map[string]string{"User": userPrefix, "Group": groupPrefix} {
		part, held := w.live.Part(object)
		if !held || !w.fresh(part) {
			continue
		}
		ids := slices.DeleteFunc(slices.Sorted(maps.Keys(asked)), func(id sf.ID) bool { return id.KeyPrefix() != prefix })
		there := map[sf.ID]bool{}
		for r, err := range w.live.Lookup(ctx, object, slices.Values(ids)) {
			if err != nil {
				return nil, err
			}
			there[r.ID] = true
			if object == "User" && r.Get("IsActive").Text() == "false" && !w.people.keepsInactive {
				why[r.ID] = fmt.Sprintf("user %s is inactive", nameOf(r))
			}
		}
		for _, id := range ids {
			if !there[id] && !coming[id] {
				why[id] = fmt.Sprintf("%s %s is not in the org any more", strings.ToLower(object), id)
			}
		}
	}
	return why, nil
}

// coming returns the records that the delta creates.
func (w *wanted) coming() map[sf.ID]bool {
	coming := map[sf.ID]bool{}
	for _, c := range w.delta {
		if c.Kind == state.Create {
			coming[c.ID] = true
		}
	}
	return coming
}

func nameOf(user sf.Record) string {
	if name := user.Get("Username").Text(); name != "" {
		return name
	}
	return string(user.ID)
}

// Permissions of whoever restores, as fields of PermissionSet: "Update Records with Inactive Owners" and
// "Set Audit Fields upon Record Creation".
const (
	inactiveOwners = "PermissionsUpdateWithInactiveOwner"
	auditFields    = "PermissionsCreateAuditFields"
)

// audited are the standard objects whose audit fields an insert may carry with the permission; custom
// objects all do. Source: Salesforce help 000176484.
var audited = []string{
	"Account", "Attachment", "CampaignMember", "Case", "CaseComment", "Contact", "ContentVersion", "Contract", "EmailMessage", "Event",
	"FeedComment", "FeedItem", "Idea", "IdeaComment", "Lead", "Opportunity", "Quote", "Task", "Vote", "WorkOrder",
}

// know takes in who restores and what that user may do, and with it which fields can be written.
func (w *wanted) know(ctx context.Context, who sf.Identity) error {
	w.people.restorer = who.UserID
	held, err := w.permissions(ctx, inactiveOwners, auditFields)
	if err != nil {
		return err
	}
	w.people.keepsInactive = held[inactiveOwners]
	if held[auditFields] {
		w.eq.Schema = withAuditFields(w.eq.Schema)
	}
	return nil
}

// withAuditFields returns the schema with the audit fields open to inserts. A describe that says so by
// itself is right, too; whether every one does is unverified.
func withAuditFields(schema *sf.Schema) *sf.Schema {
	out := *schema
	out.Objects = slices.Clone(schema.Objects)
	for i, o := range out.Objects {
		if !o.Createable || !strings.HasSuffix(o.Name, "__c") && !slices.Contains(audited, o.Name) {
			continue
		}
		open := *o
		open.Fields = slices.Clone(o.Fields)
		for j, f := range open.Fields {
			if f.Name == "CreatedById" || f.Name == "CreatedDate" || f.Name == "LastModifiedById" || f.Name == "LastModifiedDate" {
				field := *f
				field.Createable = true
				open.Fields[j] = &field
			}
		}
		out.Objects[i] = &open
	}
	return &out
}

// permissions returns which of these the restorer has, as far as the live state tells: profiles have a
// permission set of their own, so that the assignments say all.
func (w *wanted) permissions(ctx context.Context, names ...string) (map[string]bool, error) {
	held := map[string]bool{}
	for _, object := range []string{"PermissionSet", "PermissionSetAssignment"} {
		if part, there := w.live.Part(object); !there || !w.fresh(part) {
			return held, nil
		}
	}
	var sets []sf.ID
	for r, err := range w.live.Records(ctx, "PermissionSetAssignment") {
		if err != nil {
			return nil, err
		}
		if r.Get("AssigneeId").Text() == string(w.people.restorer) {
			sets = append(sets, sf.ID(r.Get("PermissionSetId").Text()))
		}
	}
	slices.Sort(sets)
	for r, err := range w.live.Lookup(ctx, "PermissionSet", slices.Values(slices.Compact(sets))) {
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			held[name] = held[name] || r.Get(name).Text() == "true"
		}
	}
	return held, nil
}

// heirOf reads the owner that the request names: an Id, or the name of a user of the live state.
func (w *wanted) heirOf(ctx context.Context, name string) (sf.ID, error) {
	if name == "" {
		return "", nil
	}
	id, parseErr := sf.ParseID(name)
	if part, held := w.live.Part("User"); held && part.State == snapshot.Whole {
		for r, err := range w.live.Records(ctx, "User") {
			switch {
			case err != nil:
				return "", err
			case r.ID != id && !strings.EqualFold(r.Get("Username").Text(), name):
			case r.Get("IsActive").Text() == "false":
				return "", problem.Newf(problem.Conflict, "user %s is inactive and cannot own records", name).
					Hint("name an active user with --owner")
			default:
				return r.ID, nil
			}
		}
	}
	if parseErr == nil && (id.KeyPrefix() == userPrefix || id.KeyPrefix() == groupPrefix) {
		return id, nil
	}
	return "", problem.Newf(problem.NotFound, "the org has no user %q to own what comes back", name).
		Hint("give a username, or the Id of a user or queue, with --owner")
}

// persons takes apart what a person account is: its contact is only written through the account, and
// comes into being with it. Source: Object Reference, "Person Account Record Types".
func (w *wanted) persons(ctx context.Context) error {
	account := w.eq.Schema.Object("Account")
	if account == nil || account.Field("IsPersonAccount") == nil {
		return nil
	}
	if err := w.withTheirContacts(ctx); err != nil {
		return err
	}
	person, err := w.livePersons(ctx)
	if err != nil {
		return err
	}
	w.companions = map[sf.ID]sf.ID{}
	through := 0
	kept := w.delta[:0]
	for _, c := range w.delta {
		flag, _ := c.Field("IsPersonAccount")
		is := person[c.ID] || flag.After.Text() == "true" || c.Kind == state.Delete && flag.Before.Text() == "true"
		switch {
		case !is:
		case c.Object == "Contact" && c.Kind == state.Create:
			of, _ := c.Field("AccountId")
			w.companions[c.ID] = sf.ID(of.After.Text())
		case c.Object == "Contact":
			through++
			continue // the account does it
		case c.Object == "Account" && c.Kind != state.Delete:
			c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool { return f.Field == "Name" })
			if c.Kind == state.Update && len(c.Fields) == 0 {
				continue
			}
		}
		kept = append(kept, c)
	}
	w.delta = kept
	if n := len(w.companions); n > 0 {
		w.notes = append(w.notes, numbered(n, "%d {contact belongs to a person account and comes back with it|contacts belong to person accounts and come back with them}"))
	}
	if through > 0 {
		w.notes = append(w.notes, fmt.Sprintf("%d contacts of person accounts are changed through their accounts", through))
	}
	return nil
}

// withTheirContacts adds the contacts of the person accounts that come back, so that what refers to
// them finds them again.
func (w *wanted) withTheirContacts(ctx context.Context) error {
	if !w.closure || !w.narrowed() || !w.comparable("Contact") {
		return nil
	}
	ids, coming := map[sf.ID]bool{}, w.coming()
	for _, c := range w.delta {
		if f, found := c.Field("PersonContactId"); found && c.Object == "Account" && c.Kind == state.Create && f.After.IsText() {
			if id := sf.ID(f.After.Text()); !coming[id] {
				ids[id] = true
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return w.object(ctx, "Contact", func(id sf.ID) bool { return ids[id] }, true)
}

// livePersons returns which of the changed accounts and contacts are persons now.
func (w *wanted) livePersons(ctx context.Context) (map[sf.ID]bool, error) {
	person := map[sf.ID]bool{}
	for _, object := range []string{"Account", "Contact"} {
		if part, held := w.live.Part(object); !held || part.State != snapshot.Whole {
			continue
		}
		var ids []sf.ID
		for _, c := range w.delta {
			if c.Object == object && c.Kind != state.Create {
				ids = append(ids, c.ID)
			}
		}
		slices.Sort(ids)
		for r, err := range w.live.Lookup(ctx, object, slices.Values(ids)) {
			if err != nil {
				return nil, err
			}
			if r.Get("IsPersonAccount").Text() == "true" {
				person[r.ID] = true
			}
		}
	}
	return person, nil
}
