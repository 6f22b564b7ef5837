package org

import (
	"cmp"
	"slices"
	"time"

	"holdfast/internal/sf"
)

// Deletion is one entry of the log behind getDeleted.
type Deletion struct {
	ID sf.ID
	At time.Time // whole seconds
}

// DeletionLog is the answer of getDeleted.
type DeletionLog struct {
	Records  []Deletion
	Earliest time.Time
	Covered  time.Time
}

// The bounds of getDeleted and getUpdated.
// Source: REST API Developer Guide, "Get Deleted" and "Get Updated".
const (
	deletedWindow = 15 * 24 * time.Hour
	updatedWindow = 30 * 24 * time.Hour
	maxLogIDs     = 600_000
)

// Deleted returns the deletions of the object in [from, to).
func (o *Org) Deleted(caller Caller, object string, from, to time.Time) (DeletionLog, error) {
	defer o.reading(caller)()
	now := o.clock.Now()
	target, err := o.replicable(object, from, to, now, deletedWindow)
	if err != nil {
		return DeletionLog{}, err
	}
	out := DeletionLog{Covered: earlier(to, now), Earliest: o.logFrom}
	if oldest := now.Add(-deletedWindow); out.Earliest.Before(oldest) {
		out.Earliest = oldest
	}
	out.Earliest = out.Earliest.Truncate(time.Second)
	for id, at := range o.log[fold(target.Name)] {
		if !at.Before(from) && at.Before(to) && !at.Before(out.Earliest) {
			out.Records = append(out.Records, Deletion{ID: id, At: at})
		}
	}
	slices.SortFunc(out.Records, func(a, b Deletion) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	if len(out.Records) > maxLogIDs {
		return DeletionLog{}, fault("EXCEEDED_ID_LIMIT", "too many ids: "+itoa(len(out.Records)))
	}
	return out, nil
}

// Updated returns the Ids of the records created or changed in [from, to), and until when the answer
// is complete.
func (o *Org) Updated(caller Caller, object string, from, to time.Time) ([]sf.ID, time.Time, error) {
	defer o.reading(caller)()
	now := o.clock.Now()
	target, err := o.replicable(object, from, to, now, updatedWindow)
	if err != nil {
		return nil, time.Time{}, err
	}
	t := o.tables[fold(target.Name)]
	f := target.Field("SystemModstamp")
	lower, upper := stamp(from), stamp(to)
	ids := []sf.ID{}
	for _, r := range t.rows {
		if s := r.text(f.column); r.fate == live && s >= lower && s < upper {
			ids = append(ids, r.id)
		}
	}
	if len(ids) > maxLogIDs {
		return nil, time.Time{}, fault("EXCEEDED_ID_LIMIT", "too many ids: "+itoa(len(ids)))
	}
	return ids, earlier(to, now), nil
}

// replicable checks the arguments of getUpdated and getDeleted. The wording of the messages is
// unverified; the codes are from the API guides.
func (o *Org) replicable(name string, from, to, now time.Time, window time.Duration) (*Object, error) {
	object := o.schema.object(name)
	switch {
	case object == nil:
		return nil, &Error{Code: "NOT_FOUND", Message: "The requested resource does not exist"}
	case !object.Replicateable || object.Field("SystemModstamp") == nil:
		return nil, fault("INVALID_TYPE_FOR_OPERATION", "entity type "+object.Name+" cannot be replicated")
	case !from.Before(to):
		return nil, fault("INVALID_REPLICATION_DATE", "endDate before startDate")
	case from.Before(now.Add(-window)):
		return nil, fault("INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
	}
	return object, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a.Truncate(time.Second)
	}
	return b.Truncate(time.Second)
}

// PurgeDeletions forgets the entries of the deletion log before t, as the platform does when the
// log is full.
func (o *Org) PurgeDeletions(t time.Time) {
	defer o.write()()
	o.forgetDeletions(t)
	if t.After(o.logFrom) {
		o.logFrom = t
	}
}
