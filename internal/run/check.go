package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// CheckInput says which org and which repository should work together.
type CheckInput struct {
	Source capture.Source
	Store  *snapshot.Store
	Now    time.Time                                 // by the clock of this machine; zero is not to compare it
	Newest func(ctx context.Context) (string, error) // asks for the newest API version that the org serves; may be nil
	Share  float64                                   // of the daily calls that a backup may use up; 0 is all

	Restore bool // what only a restore needs is looked for, too, and is in the permission set
}

// CheckResult says whether a backup and a restore can work here.
type CheckResult struct {
	OrgID      sf.ID        `json:"org_id"`         // Id of the org
	Username   string       `json:"username"`       // who would read it
	Instance   string       `json:"instance_url"`   // where the org's APIs are
	ServerTime time.Time    `json:"server_time"`    // the org's own time
	Objects    int          `json:"objects"`        // that the user sees
	Readable   int          `json:"readable"`       // that a backup can hold
	Fields     int          `json:"fields"`         // of those
	DailyUsed  int64        `json:"daily_used"`     // API calls of the last 24 hours, of everyone, as the org counts them
	DailyLimit int64        `json:"daily_limit"`    // API calls that the org allows in 24 hours; 0 when it did not say
	APIVersion string       `json:"api_version"`    // that backups use
	Newest     string       `json:"newest_version"` // that the org serves; empty when it did not say
	ClockSkew  float64      `json:"clock_skew"`     // seconds that this machine's clock is ahead of the org's
	Ceiling    int64        `json:"ceiling"`        // calls of everyone beyond which a backup does not go on; 0 when the limit is not known
	Access     AccessRow    `json:"access"`         // what the user lacks
	Forecast   int64        `json:"forecast_calls"` // at least, for a backup of an unchanged org
	Snapshots  int          `json:"snapshots"`      // of this org, in the repository
	Stored     int64        `json:"stored_bytes"`   // size of the repository
	Findings   []FindingRow `json:"findings"`       // what to act on, the most urgent first
}

// FindingRow is something to act on before one relies on a backup.
type FindingRow struct {
	Rule   string `json:"rule"`             // name of the rule
	Object string `json:"object,omitempty"` // API name, where the finding is about one
	Text   string `json:"text"`             // what was found
	Hint   string `json:"hint"`             // what to do
}

// The rules of findings.
const (
	FindingMissing    = "missing-object" // an object that every org has is not visible
	FindingPermission = "permission"     // the user lacks a permission that a backup needs
	FindingHidden     = "hidden"         // objects or fields that others may read are hidden from the user
	FindingClock      = "clock"          // this machine's clock is wrong
	FindingReadOnly   = "read-only"      // an object can be backed up and not restored
	FindingLimits     = "limits"         // the calls that are left may not do
	FindingDamaged    = "damaged"        // the repository is not intact
	FindingUnwritten  = "unwritable"     // the repository takes no new objects
	FindingPartial    = "partial"        // the last backup lacks something
	FindingUnlocked   = "unlocked"       // locks of the storage end before what was promised
)

// What a backup asks the org at least, when nothing changed: identity, time and the list of objects, then
// their describes and counts, of which a composite call takes so many, queries among them fewer.
// Source: REST API Developer Guide, "Composite".
const (
	callsAtLeast     = 3
	describesPerCall = 25
	countsPerCall    = 5
)

// everyOrg are objects that every org has, whatever it has bought; a user who does not see them
// lacks permissions.
var everyOrg = []string{"Account", "Contact", "Group", "Organization", "Profile", "RecordType", "User"}

// Check asks the org and the repository whether a backup can work, and a restore after it. The error
// is of kind Findings when there is something to act on, which the result lists; otherwise it is what
// kept the check from being made.
func Check(ctx context.Context, in CheckInput) (CheckResult, error) {
	out := CheckResult{Findings: []FindingRow{}}
	identity, err := in.Source.Identity(ctx)
	if err != nil {
		return out, fmt.Errorf("identify the org: %w", err)
	}
	out.OrgID, out.Username, out.Instance = identity.OrgID, identity.Username, identity.InstanceURL
	if out.ServerTime, err = in.Source.ServerTime(ctx); err != nil {
		return out, fmt.Errorf("ask the org for its time: %w", err)
	}
	schema, err := in.Source.Schema(ctx)
	if err != nil {
		return out, fmt.Errorf("describe the org: %w", err)
	}
	out.countSchema(schema)
	out.Findings = append(out.Findings, schemaFindings(schema)...)
	out.APIVersion = schema.APIVersion
	if in.Newest != nil {
		if out.Newest, err = in.Newest(ctx); err != nil {
			return out, fmt.Errorf("ask the org for its API versions: %w", err)
		}
	}
	if !in.Now.IsZero() {
		out.ClockSkew = in.Now.Sub(out.ServerTime).Seconds()
		out.Findings = append(out.Findings, out.clockFindings()...)
	}
	if out.Access, err = accessOf(ctx, in.Source, schema, identity.UserID, in.Restore); err != nil {
		return out, err
	}
	out.Findings = append(out.Findings, out.Access.findings(in.Restore)...)
	usage := in.Source.Usage()
	out.DailyUsed, out.DailyLimit = usage.DailyUsed, usage.DailyLimit
	if out.Ceiling = out.DailyLimit; in.Share > 0 {
		out.Ceiling = int64(in.Share * float64(out.DailyLimit))
	}
	out.Findings = append(out.Findings, out.limitFindings()...)
	if err := out.checkStore(ctx, in.Store); err != nil {
		return out, err
	}
	slices.SortStableFunc(out.Findings, func(a, b FindingRow) int { return rank(a.Rule) - rank(b.Rule) })
	if n := len(out.Findings); n > 0 {
		return out, problem.Newf(problem.Findings, "%s; the first: %s", counted(n, "finding"), out.Findings[0].Text).
			Hint("%s", out.Findings[0].Hint)
	}
	return out, nil
}

func (r *CheckResult) countSchema(schema *sf.Schema) {
	r.Objects = len(schema.Objects)
	for _, o := range schema.Objects {
		if fields, held := capture.Covered(o); held {
			r.Readable++
			r.Fields += len(fields)
		}
	}
	calls := func(n, inOne int) int64 { return int64((n + inOne - 1) / inOne) }
	r.Forecast = callsAtLeast + calls(r.Readable, describesPerCall) + calls(r.Readable, countsPerCall)
}

// schemaFindings reads from describe what the user lacks.
func schemaFindings(schema *sf.Schema) []FindingRow {
	var out []FindingRow
	for _, name := range everyOrg {
		if o := schema.Object(name); o == nil || !o.Queryable {
			out = append(out, FindingRow{
				Rule: FindingMissing, Object: name, Text: fmt.Sprintf("the user cannot read %s, which every org has", name),
				Hint: "give the user read access to all objects, or a profile such as System Administrator",
			})
		}
	}
	for _, o := range schema.Objects {
		if _, held := capture.Covered(o); !held || !o.Custom || o.CustomSetting {
			continue
		}
		if !o.Createable || !o.Updateable || !o.Deletable {
			out = append(out, FindingRow{
				Rule: FindingReadOnly, Object: o.Name,
				Text: fmt.Sprintf("the user may not create, update and delete %s: it can be backed up, not restored", o.Name),
				Hint: "give the user \"Modify All Data\" before a restore",
			})
		}
	}
	return out
}

// maxSkew is how far a clock may be off: an assertion of a sign-in by certificate is valid for minutes, and
// time windows are by this clock. What a backup holds does not depend on it.
const maxSkew = 2 * time.Minute

func (r *CheckResult) clockFindings() []FindingRow {
	skew := time.Duration(r.ClockSkew * float64(time.Second)).Round(time.Second)
	if skew.Abs() <= maxSkew {
		return nil
	}
	return []FindingRow{{
		Rule: FindingClock, Text: fmt.Sprintf("this machine's clock is %v off the org's", skew),
		Hint: "set it by a time service: sign-in by certificate and time windows depend on it, what a backup holds does not",
	}}
}

func (r *CheckResult) limitFindings() []FindingRow {
	if r.DailyLimit == 0 || r.Ceiling-r.DailyUsed >= r.Forecast {
		return nil
	}
	return []FindingRow{{
		Rule: FindingLimits,
		Text: fmt.Sprintf("%d of the %d daily calls that may be used up are left, a backup needs at least %d", max(0, r.Ceiling-r.DailyUsed), r.Ceiling, r.Forecast),
		Hint: "back up when the org's 24-hour window has freed calls, or fewer objects",
	}}
}

// checkStore checks the repository's structure, that it takes a new object, and what its last
// snapshot of the org lacks.
func (r *CheckResult) checkStore(ctx context.Context, store *snapshot.Store) error {
	report, err := store.Check(ctx)
	if err != nil && problem.KindOf(err) != problem.Damaged {
		return err
	}
	r.Stored = report.Bytes
	for _, f := range report.Findings {
		r.Findings = append(r.Findings, FindingRow{
			Rule: FindingDamaged, Object: f.Object, Text: f.Text, Hint: "run `holdfast verify`",
		})
	}
	if n := len(report.Unlocked); n > 0 {
		r.Findings = append(r.Findings, FindingRow{
			Rule: FindingUnlocked,
			Text: fmt.Sprintf("locks end before what retain-days promised to a snapshot, on %s and others: %d in all", report.Unlocked[0], n),
			Hint: "find out who writes to the storage without retain-days; a backup locks again what it relies on",
		})
	}
	infos, err := store.List(ctx, snapshot.OfOrg(r.OrgID))
	if err != nil && problem.KindOf(err) != problem.Damaged { // a damaged manifest is among the findings
		return err
	}
	r.Snapshots = len(infos)
	if len(infos) > 0 && infos[0].Partial {
		r.Findings = append(r.Findings, FindingRow{
			Rule: FindingPartial,
			Text: fmt.Sprintf("the last snapshot %s is partial: %d objects are absent, %d are older than it", infos[0].Short(), infos[0].Absent, infos[0].Stale),
			Hint: fmt.Sprintf("`holdfast show %s` names them; run a backup", infos[0].Short()),
		})
	}
	// One small note a day stays behind: a note that is there already would prove nothing, and a note
	// for each check would be litter.
	name := string(r.OrgID) + " " + r.ServerTime.UTC().Format(time.DateOnly)
	if err := store.PutNote(ctx, "check", name, []byte("the repository can be written")); err != nil {
		r.Findings = append(r.Findings, FindingRow{
			Rule: FindingUnwritten, Text: fmt.Sprintf("the repository cannot be written: %v", err),
			Hint: "check its permissions and free space",
		})
	}
	return nil
}

// rank puts first what keeps a backup from working at all.
func rank(rule string) int {
	order := []string{FindingUnwritten, FindingDamaged, FindingMissing, FindingPermission, FindingHidden, FindingUnlocked, FindingLimits, FindingClock, FindingPartial, FindingReadOnly}
	return slices.Index(order, rule)
}
