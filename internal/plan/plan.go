package plan

import (
	"fmt"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// Op is what a step does to its rows.
type Op uint8

// The operations, in the order in which a plan has them. A release is an Update that takes unique values
// from records which are changed or deleted later, so that those can have them to whom they belong. A
// second pass is an Update that sets what the first pass had to leave out. A hard delete is a deletion that leaves
// nothing in the Recycle Bin.
const (
	Release Op = iota + 1
	Undelete
	Insert
	Update
	Second
	Delete
	HardDelete
)

// String returns the word for the operation.
func (o Op) String() string {
	switch o {
	case Release:
		return "release"
	case Undelete:
		return "undelete"
	case Insert:
		return "insert"
	case Update:
		return "update"
	case Second:
		return "second"
	case Delete:
		return "delete"
	case HardDelete:
		return "hardDelete"
	default:
		return fmt.Sprintf("op(%d)", uint8(o))
	}
}

// parseOp reads the word for an operation.
func parseOp(s string) (Op, error) {
	for op := Release; op <= HardDelete; op++ {
		if op.String() == s {
			return op, nil
		}
	}
	return 0, fmt.Errorf("operation %q", clip(s))
}

// Updates reports the operations that set fields of records which are there.
func (o Op) Updates() bool { return o == Release || o == Update || o == Second }

// Deletes reports the operations that delete records.
func (o Op) Deletes() bool { return o == Delete || o == HardDelete }

// Plan is what is to be done to an org, in order.
type Plan struct {
	Org    sf.ID     // the org that it is for
	Made   time.Time // server time, UTC, whole milliseconds
	Source Source

	Steps      []Step
	Conflicts  []state.Conflict // what is left alone because someone worked on it since
	Fidelity   state.Fidelity   // how the values come back
	Deferred   []Deferred       // what a second pass sets, and why
	Automation []Automation     // what acts on the rows, by type and name
	Bypass     []Bypass         // of the org's own, which is on while the plan is applied
	Notes      []string         // what else a reader should know
	Undo       state.Delta      // the changes that take the plan back, on the Ids of the plan
}

// Source says which states a plan was made from: ids of snapshots, empty where one has no part.
type Source struct {
	Wanted string // the state to come back to, or the state before an incident
	Base   string // the state after an incident; empty for a plan from two states
	Live   string // the live state that the plan was made on

	// Only narrows the difference of the states, in words that whoever made the plan reads again when it
	// is verified; sorted, and empty when nothing does.
	Only []string
}

// Step is one operation on rows of one object. Steps run in the order of the plan; the rows of a
// step do not depend on each other and may be sent in any number of calls.
type Step struct {
	Number  int // from 1
	Op      Op
	Object  string
	Fields  []string // sorted; the fields that any row sets; empty for Undelete and deletions
	Without []string // sorted; the fields that an Insert leaves, for some rows or all, to a second pass
	Rows    []Row
}

// Row is one record of a step.
//
// References keep the Ids that records had when they were captured. A record that an Insert of the
// same plan creates gets a new Id, and apply puts it in the place of the old one, in Ids and in
// references alike.
type Row struct {
	ID sf.ID // as captured; for an Insert the old Id

	// Fields are what the row sets, sorted. For a deletion they are what the record had.
	Fields []state.FieldChange

	// Before is the hash of the live record that the plan was made on. It is zero where an earlier
	// step of the plan brings the record: for Undelete and Insert, and for updates after them.
	Before state.Hash

	// With names the record of the same plan with which this one comes by itself. Such a row is not sent.
	// An undeleted record that did not come back so is sent after all; an inserted one is made by the org,
	// and apply asks for its Id.
	With sf.ID

	// Images are those that texts of an Update or Second show and that have to be made anew; sorted by Ref.
	Images []Image
}

// Image is an image in rich text that is to be made again. The texts of the row refer to it as the org did that had it; apply
// puts the bytes in the place of that address, and the org makes another image of them.
type Image struct {
	Ref  sf.ID  // the Id by which the texts refer to it
	Body string // reference to its bytes in the repository
}

// Deferred says what the first pass leaves out, and why.
type Deferred struct {
	Object, Field string
	Reason        string
	Rows          int64
}

// Sent returns the number of rows that are sent.
func (s Step) Sent() int {
	n := 0
	for _, r := range s.Rows {
		if r.With == "" {
			n++
		}
	}
	return n
}

// Empty reports a plan without steps: nothing remains to be done.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Count returns the number of rows of the operation.
func (p *Plan) Count(op Op) int {
	n := 0
	for _, s := range p.Steps {
		if s.Op == op {
			n += len(s.Rows)
		}
	}
	return n
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
