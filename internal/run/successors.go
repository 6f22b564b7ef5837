package run

import (
	"context"
	"fmt"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// SuccessorsInput says of which org the successors are asked for: the name that its snapshots carry,
// or an Id of an org.
type SuccessorsInput struct {
	Store *snapshot.Store
	Org   string
}

// SuccessorsResult is the permanent identity map of an org: which record came back as which.
type SuccessorsResult struct {
	OrgID      sf.ID          `json:"org_id"`     // Id of the org
	Successors []SuccessorRow `json:"successors"` // by old Id
}

// SuccessorRow is one record that came back under a new Id.
type SuccessorRow struct {
	Object string `json:"object"` // API name
	Old    sf.ID  `json:"old"`    // Id under which a snapshot holds it
	New    sf.ID  `json:"new"`    // the newest, when it came back more than once
}

// Successors lists the records of an org that restores brought back under new Ids, so that whatever
// outside the org remembers the old ones can be told.
func Successors(ctx context.Context, in SuccessorsInput) (SuccessorsResult, error) {
	org, err := Moment{Store: in.Store, Org: in.Org}.org(ctx)
	if err != nil {
		return SuccessorsResult{}, err
	}
	out := SuccessorsResult{OrgID: org, Successors: []SuccessorRow{}}
	ids, err := loadIdentity(ctx, in.Store, org)
	if err != nil {
		return SuccessorsResult{}, err
	}
	for note, err := range in.Store.Notes(ctx, identityKind) {
		if err != nil {
			return SuccessorsResult{}, fmt.Errorf("identity map: %w", err)
		}
		if !strings.HasPrefix(note.Name, string(org)+"-") {
			continue
		}
		for line := range strings.Lines(string(note.Body)) {
			if word := strings.Fields(line); len(word) == 3 {
				old := sf.ID(word[1])
				out.Successors = append(out.Successors, SuccessorRow{Object: word[0], Old: old, New: ids.Map(old)})
			}
		}
	}
	return out, nil
}
