package org

import (
	"time"

	"holdfast/internal/sf"
)

// Op is one operation of DML.
type Op uint8

// The operations of Write. Delete moves records into the Recycle Bin and HardDelete removes them for
// good; EmptyBin removes records that are already in the bin.
const (
	Insert Op = iota
	Update
	Upsert
	Delete
	HardDelete
	Undelete
	EmptyBin
)

// Row is one record of a load. Delete, HardDelete, Undelete and EmptyBin use only ID.
type Row struct {
	Object string // API name; may be empty where ID names it
	ID     string // as sent: 15 or 18 characters, or wrong
	Fields []Assignment
}

// Assignment sets one field. Text is the value in any spelling of the platform's APIs; empty text
// is null. Field may name a relationship when Parent is set: the parent is then looked up by its
// external id ("Account" with Parent {Key__c, "A-1"}).
type Assignment struct {
	Field  string
	Text   string
	Parent *ParentKey
}

// ParentKey names a parent by an external id or another field with IDLookup.
type ParentKey struct {
	Object string // needed only where the relationship is polymorphic
	Field  string
	Text   string
}

// Options of a load.
type Options struct {
	AllOrNone  bool
	ExternalID string // the key of an Upsert; empty or "Id" means the Id
	Truncate   bool   // AllowFieldTruncationHeader: cut text that is too long instead of refusing it
	// SetAuditFields lets an Insert carry CreatedDate, CreatedById, LastModifiedDate and
	// LastModifiedById ("Set Audit Fields upon Record Creation").
	SetAuditFields bool
	// InactiveOwners lets records be given to inactive users ("Update Records with Inactive Owners").
	InactiveOwners bool
	// Quiet leaves SystemModstamp and LastModified* alone, as the platform's own maintenance does.
	Quiet bool
}

// Result is what the org says about one row.
type Result struct {
	ID      sf.ID
	Success bool
	Created bool // by Insert or Upsert
	Errors  []Error
}

// Write performs one load and returns one result for each row, in order. Rows that name different
// objects are allowed. A caller that must bound a load (200 rows of a Collections call, 10,000 of a
// batch) bounds it before calling.
func (o *Org) Write(caller Caller, op Op, rows []Row, opts Options) []Result { return nil }

// WriteLate performs a load whose commit nobody sees before delay has passed on the org's clock,
// though its records carry the stamps of now: how a long transaction looks to others. done, which
// may be nil, is called with the results when they become visible.
func (o *Org) WriteLate(caller Caller, delay time.Duration, op Op, rows []Row, opts Options, done func([]Result)) {
}

// Attempt is one row about to be written, as a rule sees it.
type Attempt struct {
	Op     Op
	Object string
	ID     sf.ID // empty for an insert
	// Value returns the canonical text that the field will have; empty for null.
	Value func(field string) string
}

// Reject installs a rule that may refuse rows, as validation rules, triggers and row locks do; nil
// removes it. It is called under the org's lock and must not call the org.
func (o *Org) Reject(rule func(Attempt) *Error) {}
