package demo

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Stage is what the demo plays on: an empty org, a new repository, and the doors between them.
type Stage struct {
	URL, Token string  // the org, as people reach it
	Org        run.Org // the org, as Holdfast reaches it
	Store      *snapshot.Store
	Dir        string // for the plan and the journal
	Seed       uint64

	Later func(time.Duration) // lets time pass in the org
	Now   func() time.Time    // for the stopwatch
	Say   func(string)        // one line of the story
}

// Result is what the demo did, in numbers.
type Result struct {
	Seed     uint64  `json:"seed"`      // number from which the company and its misfortune follow
	Records  int     `json:"records"`   // of the generated company
	Deleted  int     `json:"deleted"`   // by the incident, by name
	Cascaded int     `json:"cascaded"`  // gone with them
	Purged   int     `json:"purged"`    // of both, those that left the Recycle Bin, too
	Wrong    int     `json:"wrong"`     // values that the incident overwrote
	Blanked  int     `json:"blanked"`   // values that the incident took away
	Edited   int     `json:"edited"`    // later honest edits of values that the incident had left alone
	Mended   int     `json:"mended"`    // later honest edits of values that it had spoiled
	Created  int     `json:"created"`   // later honest records
	Planned  Counts  `json:"planned"`   // rows of the plan
	Digest   string  `json:"digest"`    // that was approved
	NewIDs   int     `json:"new_ids"`   // records that came back under another Id
	Left     int64   `json:"left"`      // changes that the next delta still holds without an explanation
	Compared int     `json:"compared"`  // records that the witness compared
	Values   int     `json:"values"`    // values that the witness compared
	Links    int     `json:"links"`     // of these, references between records
	Differ   int     `json:"different"` // of these, those that are not as they should be
	Seconds  float64 `json:"seconds"`   // from the first line to the last
}

// Counts are the rows of a plan by what is done with them.
type Counts struct {
	Undelete  int `json:"undelete"`  // records that come back from the Recycle Bin
	Insert    int `json:"insert"`    // records that are created again, under new Ids
	Update    int `json:"update"`    // records that are updated, in either pass
	Delete    int `json:"delete"`    // records that are deleted
	Conflicts int `json:"conflicts"` // values that were left alone because of later work
}

// play is one performance.
type play struct {
	Stage
	people people
	x      *incident
	result Result
	before world
	edits  []edit

	first, second string          // snapshots around the incident
	newIDs        map[sf.ID]sf.ID // of records that came back under another Id
}

// Run plays the demo. Differences at the end are an error of kind NotVerified.
func Run(ctx context.Context, s Stage) (Result, error) {
	people := people{url: s.URL, token: s.Token, client: http.DefaultClient}
	p := &play{Stage: s, people: people, x: &incident{company: newCompany(people, s.Seed)}}
	p.result.Seed = s.Seed
	started := s.Now()
	for _, act := range []func(context.Context) error{p.found, p.strike, p.work, p.restore, p.judge} {
		if err := act(ctx); err != nil {
			return p.result, err
		}
	}
	p.result.Seconds = s.Now().Sub(started).Seconds()
	p.say("This took %.1f seconds.", p.result.Seconds)
	if p.result.Differ > 0 || p.result.Left > 0 {
		return p.result, problem.Newf(problem.NotVerified, "the org is not as it should be: %d values differ, %d changes are left",
			p.result.Differ, p.result.Left)
	}
	return p.result, nil
}

func (p *play) say(format string, args ...any) { p.Say(fmt.Sprintf(format, args...)) }

// found makes the company and backs it up.
func (p *play) found(ctx context.Context) error {
	p.say("1. A company at work")
	if err := p.x.deploy(ctx); err != nil {
		return fmt.Errorf("deploy the demo's objects: %w", err)
	}
	n, err := p.x.found(ctx)
	if err != nil {
		return fmt.Errorf("fill the org: %w", err)
	}
	p.result.Records = n
	if p.before, err = p.people.witness(ctx); err != nil {
		return err
	}
	p.say("   %d records in %d objects: a tree of accounts, contacts who report to one another, opportunities,", n, len(objects))
	p.say("   cases, and projects with chains of milestones. The org's own records, such as users, come on top.")
	p.Later(time.Hour)
	p.first, err = p.backup(ctx)
	return err
}

// backup observes the org and says what was found.
func (p *play) backup(ctx context.Context) (string, error) {
	r, err := run.Backup(ctx, run.BackupInput{Source: p.Org, Store: p.Store, Options: capture.Options{OrgName: "demo"}})
	if err != nil {
		return "", fmt.Errorf("back up: %w", err)
	}
	p.say("   Backup %s: %d records held; %d created, %d updated, %d deleted since the last; %d rows read, %d calls, %d bytes stored.",
		r.Snapshot.Short, r.Totals.Records, r.Totals.Created, r.Totals.Updated, r.Totals.Deleted, r.Totals.Read, r.Limits.Calls, r.Totals.Stored)
	return r.Snapshot.ID, nil
}

// strike wrecks the org and backs it up again, as a schedule would.
func (p *play) strike(ctx context.Context) error {
	p.Later(2 * time.Hour)
	p.say("2. An integration goes mad")
	if err := p.x.strike(ctx, p.before); err != nil {
		return fmt.Errorf("wreck the org: %w", err)
	}
	d := p.x.damage
	p.result.Deleted, p.result.Cascaded, p.result.Purged = d.Deleted, d.Cascaded, d.Purged
	p.result.Wrong, p.result.Blanked = d.Overwritten, d.Blanked
	p.say("   It deletes %d records, and %d more go with them; %d of all these are gone even from the Recycle Bin.", d.Deleted, d.Cascaded, d.Purged)
	p.say("   It overwrites %d values and blanks %d.", d.Overwritten, d.Blanked)
	p.Later(time.Hour)
	var err error
	p.second, err = p.backup(ctx)
	return err
}

// work lets people go on, not knowing.
func (p *play) work(ctx context.Context) error {
	p.Later(time.Hour)
	p.say("3. Nobody has noticed, and people work on")
	done, edits, err := p.x.work(ctx)
	if err != nil {
		return fmt.Errorf("work on: %w", err)
	}
	p.edits = edits
	p.result.Edited, p.result.Mended, p.result.Created = done.Edited, done.Mended, done.Created
	p.say("   They edit %d values that the incident had left alone, mend %d by hand, and create %d records.", done.Edited, done.Mended, done.Created)
	p.Later(time.Hour)
	return nil
}

// restore makes the plan, approves it, and applies it.
func (p *play) restore(ctx context.Context) error {
	p.say("4. Someone notices")
	r, err := run.Restore(ctx, run.RestoreInput{
		Source: p.Org, Store: p.Store, Before: p.first, After: p.second, Capture: capture.Options{OrgName: "demo"},
	})
	if err != nil {
		return fmt.Errorf("plan the restore: %w", err)
	}
	t := r.Totals
	p.result.Planned, p.result.Digest = Counts{
		Undelete: t.Undelete, Insert: t.Insert, Update: t.Update, Delete: t.Delete, Conflicts: t.Conflicts,
	}, r.Digest
	p.say("   The plan takes back what changed between the two backups, wherever nobody has worked since: in %d steps it", len(r.Steps))
	p.say("   undeletes %d records, inserts %d that only new Ids can bring back, and updates %d. %d values stay as", t.Undelete, t.Insert, t.Update, t.Conflicts)
	p.say("   people have set them since. Of the values to write, %d come back exactly and %d with mapped Ids.", t.Exact, t.Remapped)
	for _, d := range r.Deferred {
		p.say("   A second pass sets %s of %s in %d rows: %s.", d.Field, d.Object, d.Rows, d.Reason)
	}
	for _, n := range r.Notes {
		p.say("   Note: %s.", n)
	}
	file := filepath.Join(p.Dir, "incident.plan")
	if err := os.WriteFile(file, r.File, 0o600); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	p.say("   The plan has %d bytes and the digest %.16s…, which is approved.", len(r.File), r.Digest)

	p.say("5. The plan is applied, and the org observed again")
	done, err := run.Apply(ctx, run.ApplyInput{
		Org: p.Org, Store: p.Store, File: r.File, Digest: r.Digest, Journal: file + ".journal",
		Capture: capture.Options{OrgName: "demo"},
	})
	p.result.NewIDs, p.result.Left = len(done.NewIDs), done.Unexplained
	if err != nil {
		return fmt.Errorf("apply the plan: %w", err)
	}
	p.newIDs = make(map[sf.ID]sf.ID, len(done.NewIDs))
	for _, pair := range done.NewIDs {
		p.newIDs[pair.Old] = pair.New
	}
	p.say("   %d rows done, %d refused; %d records came back under new Ids, and links to them are mapped.", done.Done, done.Failed, len(done.NewIDs))
	p.say("   The next delta: %d changes without an explanation.", done.Unexplained)
	return nil
}

// judge lets the witness, who knows nothing of Holdfast, compare.
func (p *play) judge(ctx context.Context) error {
	now, err := p.people.witness(ctx)
	if err != nil {
		return err
	}
	t := compare(p.before, p.edits, now, p.renamed)
	p.result.Compared, p.result.Values, p.result.Links, p.result.Differ = t.records, t.fields, t.links, t.wrong
	p.say("6. A witness who reads the org without Holdfast")
	p.say("   compares %d records, %d values, %d of them links between records, with what was there before", t.records, t.fields, t.links)
	p.say("   the incident and with the %d honest edits after it: %d differ.", len(p.edits), t.wrong)
	for _, line := range t.differences {
		p.say("   %s", line)
	}
	return nil
}

// renamed returns the Id under which a record came back.
func (p *play) renamed(id sf.ID) sf.ID {
	if now, ok := p.newIDs[id]; ok {
		return now
	}
	return id
}
