package run

import (
	"context"
	"strings"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// campaigns orders members of campaigns after the statuses which they have: a member names its status by its label, and no
// reference says so. Source: Object Reference, CampaignMember, "Status"; CampaignMemberStatus.
func (w *wanted) campaigns(context.Context) error {
	type status struct{ campaign, label string }
	statuses := map[status]sf.ID{}
	of := func(c state.Change, label string) status {
		get := valueAfter(c)
		return status{get("CampaignId").Text(), strings.ToLower(get(label).Text())}
	}
	for _, c := range w.delta {
		if c.Object == "CampaignMemberStatus" && c.Kind == state.Create {
			statuses[of(c, "Label")] = c.ID
		}
	}
	if len(statuses) == 0 {
		return nil
	}
	for _, c := range w.delta {
		if c.Object != "CampaignMember" || c.Kind != state.Create {
			continue
		}
		if id := statuses[of(c, "Status")]; id != "" {
			w.needs = append(w.needs, plan.Link{Object: c.Object, ID: c.ID, Field: "Status", Target: id})
		}
	}
	return nil
}
