package apply

import (
	"context"
	"fmt"
	"iter"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// The object and fields of assignments of permission sets. Source: Object Reference, PermissionSetAssignment.
const (
	assignments  = "PermissionSetAssignment"
	assignee     = "AssigneeId"
	assignedSet  = "PermissionSetId"
	assignedTill = "ExpirationDate" // since API version 52.0
	takenAway    = "IsRevoked"      // since 57.0, where user access policies are enabled
)

// AssignmentReader is an org whose assignments of permission sets can be read.
type AssignmentReader interface {
	// ServerTime is the org's clock.
	ServerTime(ctx context.Context) (time.Time, error)
	// Records reads records, in no particular order.
	Records(ctx context.Context, x sf.Extract) iter.Seq2[sf.Record, error]
}

// AssignmentMaker is an org in which permission sets can be assigned.
type AssignmentMaker interface {
	// InsertFile makes one record; there is no file here.
	InsertFile(ctx context.Context, object string, fields []string, row sf.Write, body *sf.Upload) (sf.Outcome, error)
}

// Assignment is a permission set that a user has, or had.
type Assignment struct {
	ID, Set sf.ID
	Lapsed  string // why it gives nothing any more; empty: it gives what the set gives
}

// Assignments reads what permission sets a user has, and had: an org may keep an assignment that has expired. The clock is that of
// the org, which is asked only where an assignment expires at all. The error is Unauthorized where the user may not read them.
func Assignments(ctx context.Context, org AssignmentReader, schema *sf.Schema, user sf.ID) ([]Assignment, error) {
	object := schema.Object(assignments)
	if object == nil || object.Field(assignee) == nil || object.Field(assignedSet) == nil {
		return nil, problem.New(problem.Unauthorized, "the user may not read which permission sets are assigned").
			Hint("give the user View Setup and Configuration or Assign Permission Sets")
	}
	fields := []string{assignedSet}
	for _, name := range []string{assignedTill, takenAway} {
		if object.Field(name) != nil {
			fields = append(fields, name)
		}
	}
	var out []Assignment
	var until []sf.Value
	for r, err := range org.Records(ctx, sf.Extract{Object: object, Fields: fields, IDs: []sf.ID{user}, Field: assignee}) {
		if err != nil {
			return nil, err
		}
		a := Assignment{ID: r.ID, Set: sf.ID(r.Get(assignedSet).Text())}
		if r.Get(takenAway).Text() == "true" {
			a.Lapsed = "was revoked"
		}
		out, until = append(out, a), append(until, r.Get(assignedTill))
	}
	var now time.Time
	for i, v := range until {
		if v.Text() == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, v.Text())
		if err != nil {
			return nil, fmt.Errorf("assignment %s expires at %q: %w", out[i].ID, v.Text(), err)
		}
		if now.IsZero() {
			if now, err = org.ServerTime(ctx); err != nil {
				return nil, err
			}
		}
		if !now.Before(at) {
			out[i].Lapsed = "expired at " + v.Text()
		}
	}
	return out, nil
}

// Assign assigns a permission set to a user. The call is sent once; a refusal is an outcome.
func Assign(ctx context.Context, org AssignmentMaker, user, set sf.ID) (sf.Outcome, error) {
	row := sf.Write{Values: []sf.Value{sf.Text(string(user)), sf.Text(string(set))}}
	return org.InsertFile(ctx, assignments, []string{assignee, assignedSet}, row, nil)
}
