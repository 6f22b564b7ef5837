package org

import (
	"time"

	"holdfast/internal/sf"
)

// binDays is how long a deleted record can be brought back.
// Source: Salesforce Help, "Recycle Bin" (15 days).
const binDays = 15

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

// Deleted returns the deletions of the object in [from, to).
func (o *Org) Deleted(caller Caller, object string, from, to time.Time) (DeletionLog, error) {
	return DeletionLog{}, nil
}

// Updated returns the Ids of the records created or changed in [from, to), and until when the answer
// is complete.
func (o *Org) Updated(caller Caller, object string, from, to time.Time) ([]sf.ID, time.Time, error) {
	return nil, time.Time{}, nil
}

// PurgeDeletions forgets the entries of the deletion log before t, as the platform does when the
// log is full.
func (o *Org) PurgeDeletions(t time.Time) {}
