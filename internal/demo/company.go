package demo

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/brianvoe/gofakeit/v7"
)

// Sizes of the generated org: large enough that every kind of damage happens many times, small
// enough that the demo ends within seconds.
const (
	accountCount     = 240
	contactCount     = 900
	opportunityCount = 600
	caseCount        = 300
	projectCount     = 200
	milestoneCount   = 1400
)

// objects are the objects of the demo, parents before children.
var objects = []string{"Account", "Contact", "Opportunity", "Case", "Project__c", "Milestone__c"}

// watched are the fields that the witness reads of each object, references and roll-ups among them.
var watched = map[string][]string{
	"Account":      {"Name", "ParentId", "Phone", "Website", "BillingStreet", "BillingCity", "Description"},
	"Contact":      {"FirstName", "LastName", "AccountId", "ReportsToId", "Email", "Phone", "Title"},
	"Opportunity":  {"Name", "AccountId", "StageName", "CloseDate", "Amount", "NextStep", "Description"},
	"Case":         {"Subject", "AccountId", "ContactId", "Status", "Origin", "Description"},
	"Project__c":   {"Name", "Account__c", "Lead__c", "Code__c", "Budget__c", "Starts__c", "Notes__c", "Cost__c"},
	"Milestone__c": {"Project__c", "After__c", "Title__c", "Cost__c", "Due__c", "Done__c"},
}

// company makes the records of the generated org. The same seed makes the same company.
type company struct {
	people
	fake *gofakeit.Faker
	ids  map[string][]string // object → Ids in the order of creation

	accountOf map[string]string   // contact → account
	staff     map[string][]string // account → contacts
}

func newCompany(p people, seed uint64) *company {
	return &company{
		people: p, fake: gofakeit.New(seed), ids: map[string][]string{},
		accountOf: map[string]string{}, staff: map[string][]string{},
	}
}

// found fills the empty org and returns the number of records.
func (c *company) found(ctx context.Context) (int, error) {
	for _, create := range []func(context.Context) error{
		c.accounts, c.contacts, c.opportunities, c.cases, c.projects, c.milestones,
	} {
		if err := create(ctx); err != nil {
			return 0, err
		}
	}
	total := 0
	for _, object := range objects {
		total += len(c.ids[object])
	}
	return total, nil
}

// one returns one of the Ids, by chance.
func (c *company) one(ids []string) string { return ids[c.fake.IntN(len(ids))] }

// chance is true in that many of a hundred cases.
func (c *company) chance(percent int) bool { return c.fake.IntN(100) < percent }

// day returns a date around the start of the company's year.
func (c *company) day() string {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return start.AddDate(0, 0, c.fake.IntN(700)).Format(time.DateOnly)
}

func (c *company) create(ctx context.Context, object string, rows []row) error {
	ids, err := c.insert(ctx, object, rows)
	c.ids[object] = append(c.ids[object], ids...)
	return err
}

// accounts come in three generations, so that each may have a parent that is there already.
func (c *company) accounts(ctx context.Context) error {
	for _, n := range []int{accountCount / 6, accountCount / 3, accountCount / 2} {
		parents := c.ids["Account"]
		rows := make([]row, n)
		for i := range rows {
			name := c.fake.Company()
			rows[i] = row{
				"Name": name, "Phone": c.fake.PhoneFormatted(), "Website": "https://" + c.fake.DomainName(),
				"BillingStreet": c.fake.Street() + "\r\n" + strconv.Itoa(c.fake.Number(1, 40)) + "th floor",
				"BillingCity":   c.fake.City(), "Description": c.fake.HackerPhrase(),
			}
			if len(parents) > 0 {
				rows[i]["ParentId"] = c.one(parents)
			}
		}
		if err := c.create(ctx, "Account", rows); err != nil {
			return err
		}
	}
	return nil
}

// contacts report to one another: first come the chiefs, then those who report to them.
func (c *company) contacts(ctx context.Context) error {
	for _, n := range []int{contactCount / 3, contactCount * 2 / 3} {
		chiefs := c.ids["Contact"]
		rows := make([]row, n)
		for i := range rows {
			first, last := c.fake.FirstName(), c.fake.LastName()
			rows[i] = row{
				"FirstName": first, "LastName": last, "Phone": c.fake.PhoneFormatted(), "Title": c.fake.JobTitle(),
				"Email":     strings.ToLower(first+"."+last) + "@example.com",
				"AccountId": c.one(c.ids["Account"]),
			}
			if len(chiefs) > 0 {
				rows[i]["ReportsToId"] = c.one(chiefs)
				if c.chance(70) {
					rows[i]["AccountId"] = c.accountOf[rows[i]["ReportsToId"].(string)]
				}
			}
		}
		if err := c.create(ctx, "Contact", rows); err != nil {
			return err
		}
		for i, id := range c.ids["Contact"][len(chiefs):] {
			account := rows[i]["AccountId"].(string)
			c.accountOf[id] = account
			c.staff[account] = append(c.staff[account], id)
		}
	}
	return nil
}

var stages = []string{"Prospecting", "Qualification", "Needs Analysis", "Proposal/Price Quote", "Negotiation/Review"}

func (c *company) opportunities(ctx context.Context) error {
	rows := make([]row, opportunityCount)
	for i := range rows {
		rows[i] = row{
			"Name": c.fake.ProductName(), "AccountId": c.one(c.ids["Account"]), "StageName": stages[c.fake.IntN(len(stages))],
			"CloseDate": c.day(), "Amount": c.money(), "NextStep": c.fake.BuzzWord(), "Description": c.fake.HackerPhrase(),
		}
	}
	return c.create(ctx, "Opportunity", rows)
}

func (c *company) money() float64 { return float64(c.fake.Number(100, 9_999_999)) / 100 }

func (c *company) cases(ctx context.Context) error {
	rows := make([]row, caseCount)
	for i := range rows {
		contact := c.one(c.ids["Contact"])
		rows[i] = row{
			"Subject": c.fake.HackerPhrase(), "AccountId": c.accountOf[contact], "ContactId": contact,
			"Status": "New", "Origin": "Phone", "Description": c.fake.HackerPhrase() + "\n" + c.fake.HackerPhrase(),
		}
	}
	return c.create(ctx, "Case", rows)
}

func (c *company) projects(ctx context.Context) error {
	rows := make([]row, projectCount)
	for i := range rows {
		account := c.one(c.ids["Account"])
		rows[i] = row{
			"Name": c.fake.ProductName(), "Account__c": account, "Code__c": fmt.Sprintf("P-%04d", i),
			"Budget__c": c.money(), "Starts__c": c.day(), "Notes__c": c.fake.HackerPhrase() + "\n\n" + c.fake.HackerPhrase(),
		}
		if staff := c.staff[account]; len(staff) > 0 {
			rows[i]["Lead__c"] = c.one(staff)
		}
	}
	return c.create(ctx, "Project__c", rows)
}

// milestones hang on projects in chains: most follow the one before them in the same project.
func (c *company) milestones(ctx context.Context) error {
	last := map[string]string{}
	const waves = 7
	for range waves {
		rows := make([]row, 0, milestoneCount/waves)
		for _, project := range c.ids["Project__c"][:milestoneCount/waves] {
			rows = append(rows, row{
				"Project__c": project, "Title__c": c.fake.ProductFeature(), "Cost__c": c.money(),
				"Due__c": c.day(), "Done__c": c.fake.Bool(),
			})
			if before, ok := last[project]; ok {
				rows[len(rows)-1]["After__c"] = before
			}
		}
		if err := c.create(ctx, "Milestone__c", rows); err != nil {
			return err
		}
		made := c.ids["Milestone__c"]
		for i, id := range made[len(made)-len(rows):] {
			last[rows[i]["Project__c"].(string)] = id
		}
	}
	return nil
}
