package demo

import (
	"context"
	"strings"
)

// Damage is what the incident did, counted by those who did it.
type Damage struct {
	Deleted     int // records that were deleted by name
	Cascaded    int // records that went with them
	Purged      int // of both, those that are not even in the Recycle Bin
	Overwritten int // fields with a wrong value
	Blanked     int // fields without their value
}

// Shares of the incident, in percent.
const (
	doomedAccounts   = 15
	purgedAccounts   = 40 // of the doomed
	wrongAmounts     = 25
	blankedContacts  = 30
	wrongProjects    = 20
	wrongMilestones  = 10
	honestTitles     = 5
	honestEmails     = 10 // of the contacts whose address was blanked
	honestAmounts    = 10 // of the opportunities whose amount was overwritten
	newContacts      = 12
	newOpportunities = 8
)

// incident wrecks the company and remembers which fields it touched.
type incident struct {
	*company
	damage  Damage
	emails  []string // contacts without address
	amounts []string // opportunities with a wrong amount
	gone    map[string]bool
}

// strike is an integration gone mad: it deletes accounts with all that hangs on them, empties part
// of the Recycle Bin, and writes nonsense over what is left.
func (x *incident) strike(ctx context.Context, before world) error {
	var doomed, purged []string
	isDoomed := map[string]bool{}
	for _, id := range x.ids["Account"] {
		if x.chance(doomedAccounts) {
			doomed, isDoomed[id] = append(doomed, id), true
			if x.chance(purgedAccounts) {
				purged = append(purged, id)
			}
		}
	}
	// The platform refuses to delete an account with cases, so the cases go first.
	var cases, lostCases []string
	for _, id := range x.ids["Case"] {
		if isDoomed[before["Case"][id]["AccountId"]] {
			cases = append(cases, id)
			if x.chance(purgedAccounts) {
				lostCases = append(lostCases, id)
			}
		}
	}
	if err := x.delete(ctx, append(cases, doomed...)); err != nil {
		return err
	}
	if err := x.purge(ctx, append(lostCases, purged...)); err != nil {
		return err
	}
	x.damage.Deleted = len(cases) + len(doomed)
	if err := x.count(ctx, before); err != nil {
		return err
	}
	return x.scribble(ctx)
}

// count looks what is left, so that cascades are counted as they happened.
func (x *incident) count(ctx context.Context, before world) error {
	x.gone = map[string]bool{}
	for _, object := range objects {
		records, err := x.query(ctx, "queryAll", "SELECT Id, IsDeleted FROM "+object)
		if err != nil {
			return err
		}
		deleted := map[string]bool{}
		for _, r := range records {
			deleted[r["Id"].(string)] = r["IsDeleted"].(bool)
		}
		for id := range before[object] {
			inBin, known := deleted[id]
			if !known {
				x.damage.Purged++
			}
			if inBin || !known {
				x.gone[id] = true
			}
		}
	}
	x.damage.Cascaded = len(x.gone) - x.damage.Deleted
	return nil
}

func (x *incident) scribble(ctx context.Context) error {
	for _, wrong := range []struct {
		object  string
		percent int
		row     func(id string) row
	}{
		{"Contact", blankedContacts, func(id string) row {
			x.emails = append(x.emails, id)
			x.damage.Blanked += 2
			return row{"Id": id, "Email": nil, "Phone": nil}
		}},
		{"Opportunity", wrongAmounts, func(id string) row {
			x.amounts = append(x.amounts, id)
			x.damage.Overwritten += 2
			return row{"Id": id, "Amount": 1, "StageName": "Closed Lost"}
		}},
		{"Project__c", wrongProjects, func(id string) row {
			x.damage.Overwritten += 2
			x.damage.Blanked++
			return row{"Id": id, "Name": "#N/A", "Notes__c": "import 7", "Budget__c": nil}
		}},
		{"Milestone__c", wrongMilestones, func(id string) row {
			x.damage.Overwritten++
			x.damage.Blanked++
			return row{"Id": id, "Cost__c": 0, "After__c": nil}
		}},
	} {
		var rows []row
		for _, id := range x.ids[wrong.object] {
			if !x.gone[id] && x.chance(wrong.percent) {
				rows = append(rows, wrong.row(id))
			}
		}
		if err := x.update(ctx, wrong.object, rows); err != nil {
			return err
		}
	}
	return nil
}

// Work is what people did after the incident, before anyone knew of it.
type Work struct {
	Edited  int // fields that the incident had left alone
	Mended  int // fields that the incident had spoiled and someone has set by hand
	Created int // new records
}

// edit is one field that a person has set, and that must stay.
type edit struct{ object, id, field, value string }

// work is a morning in the company: titles change, some see the damage and mend it by hand, new
// people and new business come in.
func (x *incident) work(ctx context.Context) (Work, []edit, error) {
	var done Work
	var edits []edit
	set := func(object, field string, ids []string, percent int, value func() any) error {
		var rows []row
		for _, id := range ids {
			if !x.gone[id] && x.chance(percent) {
				v := value()
				rows = append(rows, row{"Id": id, field: v})
				edits = append(edits, edit{object, id, field, text(v)})
			}
		}
		return x.update(ctx, object, rows)
	}
	if err := set("Contact", "Title", x.ids["Contact"], honestTitles, func() any { return x.fake.JobTitle() }); err != nil {
		return done, nil, err
	}
	done.Edited = len(edits)
	if err := set("Contact", "Email", x.emails, honestEmails, func() any { return strings.ToLower(x.fake.Email()) }); err != nil {
		return done, nil, err
	}
	if err := set("Opportunity", "Amount", x.amounts, honestAmounts, func() any { return x.money() }); err != nil {
		return done, nil, err
	}
	done.Mended = len(edits) - done.Edited

	var left []string
	for _, id := range x.ids["Account"] {
		if !x.gone[id] {
			left = append(left, id)
		}
	}
	var people, business []row
	for range newContacts {
		people = append(people, row{"FirstName": x.fake.FirstName(), "LastName": x.fake.LastName(), "AccountId": x.one(left)})
	}
	for range newOpportunities {
		business = append(business, row{
			"Name": x.fake.ProductName(), "AccountId": x.one(left), "StageName": stages[0], "CloseDate": x.day(), "Amount": x.money(),
		})
	}
	if _, err := x.insert(ctx, "Contact", people); err != nil {
		return done, nil, err
	}
	if _, err := x.insert(ctx, "Opportunity", business); err != nil {
		return done, nil, err
	}
	done.Created = len(people) + len(business)
	return done, edits, nil
}
