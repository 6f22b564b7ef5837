package plan

import (
	"fmt"
	"strings"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// Input is what a plan is made from.
type Input struct {
	Org    sf.ID
	Made   time.Time // server time
	Source Source

	// Delta holds the changes wanted on the live org, in any order, at most one per record. Their
	// Before hashes are those of the live records. Order reduces them to what the org lets one write;
	// creates are best given whole, since a record that comes back by undelete keeps what an insert
	// would lose.
	Delta     state.Delta
	Conflicts []state.Conflict
	Notes     []string

	// Automation is called with the rows that the plan writes of each object and returns what acts on
	// them; nil: nobody has looked.
	Automation func(rows map[string]int64) ([]Automation, error)

	Schema *sf.Schema // of the live org

	// InBin reports a record that undelete can bring back; nil when there is none.
	InBin func(sf.ID) bool
	// BinRecord returns the values with which undelete would bring the record back; nil when they are
	// not known, and then every wanted value is written after the undelete.
	BinRecord func(sf.ID) (sf.Record, bool)

	// Gone reports a record that is neither live nor wanted back, among those to which records in the Recycle
	// Bin belong; nil when there is none.
	Gone func(sf.ID) bool

	// Dependants are the references of live records that stay to records that the delta deletes, as
	// the function Dependants finds them. A deletion that would harm one becomes a conflict.
	Dependants []Link

	// Needs are records that can only be inserted, or must not be deleted, after another one, although
	// no reference says so: the price of a product in any price book needs its standard price.
	Needs []Link
	// Companions are records that the org makes together with another, which is the value: the contact of
	// a person account. Where that one is inserted they are not, and get the Id that the org gave them.
	Companions map[sf.ID]sf.ID

	// Images are images in rich text that have to be made anew with the texts that show them, by the record and then by
	// the field. They are put into updates of these fields, and what is inserted gets such texts in the second pass, which no job does.
	Images map[sf.ID]map[string][]Image

	// HardDelete makes the deletions such that leave nothing in the Recycle Bin.
	HardDelete bool

	// MaxRows is how many records the plan may touch; 0 means MaxRows, the most that a plan file
	// holds.
	MaxRows int
}

// CapError is a plan that would touch more records than it may.
type CapError struct {
	Rows, Max int
}

// Error says how many records against how many.
func (e *CapError) Error() string {
	return fmt.Sprintf("the plan would touch %d records, and %d are allowed", e.Rows, e.Max)
}

// Link is one reference between two records.
type Link struct {
	Object string // of the record that refers
	ID     sf.ID
	Field  string
	Target sf.ID
}

// CycleError is a ring of required references: none of the records can be written first.
type CycleError struct {
	Op    Op     // Insert, or Delete where each record forbids the deletion of the next
	Links []Link // the ring, from one record back to it
}

// Error names the ring.
func (e *CycleError) Error() string {
	var b strings.Builder
	if e.Op == Delete {
		b.WriteString("these records can only be deleted after each other: ")
	} else {
		b.WriteString("these records require each other and none can be inserted first: ")
	}
	for i, l := range e.Links {
		if i == maxShownLinks {
			fmt.Fprintf(&b, "… %d more … ", len(e.Links)-i)
			break
		}
		fmt.Fprintf(&b, "%s %s -%s-> ", l.Object, l.ID, l.Field)
	}
	if len(e.Links) > 0 {
		b.WriteString(string(e.Links[0].ID))
	}
	return b.String()
}

// maxShownLinks bounds the message of a CycleError.
const maxShownLinks = 8

// InputError is a delta that cannot be ordered, such as one with two changes of a record or with a
// value that no state can have.
type InputError struct {
	Reason string
}

// Error returns the reason.
func (e *InputError) Error() string { return "delta cannot be ordered: " + e.Reason }
