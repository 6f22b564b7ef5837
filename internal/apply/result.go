package apply

import "holdfast/internal/sf"

// Result is what an application did.
type Result struct {
	Resumed bool // an earlier run had begun
	Ended   bool // every row is settled
	Steps   []StepResult
	Failed  []RowError // rows that the org refused, in the order of the plan
	Dropped []DroppedLink
	Begun   string  // server time at which the application began, as in its journal; empty: it did not
	Unknown bool    // of rows that were sent it is not known what became of them
	Pairs   []Pair  // new Ids of inserted records, sorted by the old
	Moved   []Moved // with a Conflict: what is not as the plan found it

	Switched Switched
	Spent    []Spent // by kind, by all runs that came to an end

	Verified *Verification // what an earlier run found when it observed the org again; nil: none did
}

// Verification is what was found when the org was observed again after an application.
type Verification struct {
	Snapshot    string // of the observation
	Unexplained int64  // differences to the plan without an explanation
}

// StepResult counts the rows of one step.
type StepResult struct {
	Number  int
	Op      string
	Object  string
	Done    int
	Failed  int
	Pending int // not settled; only where the run ended with an error
}

// RowError is a row that was not applied.
type RowError struct {
	Step    int // number in the plan
	Op      string
	Object  string
	ID      sf.ID  // as in the plan
	Code    string // status code of the org, or one of the Code constants
	Message string
	Fields  []string
}

// DroppedLink is a link that was left empty because the record it points at did not come back.
type DroppedLink struct {
	Object string
	ID     sf.ID // as in the plan
	Field  string
}

func (l *ledger) result() Result {
	r := Result{Begun: l.at, Unknown: len(l.open) > 0, Ended: l.ended, Pairs: l.pairs(), Switched: l.switchResult(), Verified: l.seen, Spent: l.spent}
	for i, s := range l.plan.Steps {
		count := StepResult{Number: s.Number, Op: s.Op.String(), Object: s.Object}
		for n, p := range l.rows[i] {
			row := s.Rows[n]
			switch p.state {
			case rowDone:
				count.Done++
				for _, f := range p.dropped {
					r.Dropped = append(r.Dropped, DroppedLink{Object: s.Object, ID: row.ID, Field: f})
				}
			case rowFailed:
				count.Failed++
				r.Failed = append(r.Failed, RowError{
					Step: s.Number, Op: s.Op.String(), Object: s.Object, ID: row.ID,
					Code: p.code, Message: p.message, Fields: p.fields,
				})
			default:
				count.Pending++
			}
		}
		r.Steps = append(r.Steps, count)
	}
	return r
}

// Verified writes into the journal what was found when the org was observed again.
func (j *Journal) Verified(v Verification) error {
	return j.append(entry{T: entryVerify, Snap: v.Snapshot, Diff: v.Unexplained})
}
