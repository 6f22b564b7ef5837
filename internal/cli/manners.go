package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/capture"
	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
	"holdfast/internal/snapshot"
)

// mannersFlags gives a command the flags that say how an org is read.
func mannersFlags(cmd *cobra.Command, m *config.Manners) {
	flags := cmd.Flags()
	flags.StringArrayVar(&m.Only, "only", nil, "hold only objects of this `pattern`, such as 'Account' or 'npsp__*', or a type of metadata, such as components/ApexClass; may be repeated")
	flags.StringArrayVar(&m.Exclude, "exclude", nil, "do not hold objects of this `pattern`; may be repeated")
	flags.StringArrayVar(&m.ExcludeFields, "exclude-field", nil, "do not hold fields of this `pattern`, such as 'Contact.SSN__c' or '*.SSN__c'; may be repeated")
	flags.IntVar(&m.APIShare, "api-share", 0, "`percentage` of the org's daily API and Bulk limits that may be used up, by everyone (default 50)")
	flags.Int64Var(&m.Bandwidth, "bandwidth", 0, "receive no more than this `number` of KiB a second")
	flags.StringArrayVar(&m.Windows, "window", nil, "read only at this `time` of the day, such as 22:00-06:00; may be repeated")
	flags.StringVar(&m.RefreshFormulas, "refresh-formulas", "", "read an object again when its formulas are older than this `duration`, such as 168h")
}

// shareFlag gives a command that writes to an org the flag for the share of its limits. In an incident
// the org's calls may be spent by what went wrong, and the way back needs some.
func shareFlag(cmd *cobra.Command) {
	cmd.Flags().Int("api-share", 0, "`percentage` of the org's daily API and Bulk limits that may be used up, by everyone (default: that of the org, or 50)")
}

// openWithOrg opens the repository and signs in to an org, whose calls are bounded as its settings and --api-share say.
func (a *app) openWithOrg(cmd *cobra.Command, name string) (*snapshot.Store, config.Manners, *salesforce.Org, error) {
	store, err := a.openStore(cmd.Context())
	if err != nil {
		return nil, config.Manners{}, nil, err
	}
	manners, err := a.mannersWithShare(cmd, name)
	if err != nil {
		return nil, config.Manners{}, nil, err
	}
	org, err := a.connect(cmd.Context(), name, budgetOf(manners))
	return store, manners, org, err
}

// mannersWithShare returns what is remembered of the org, with the share that the command was given.
func (a *app) mannersWithShare(cmd *cobra.Command, name string) (config.Manners, error) {
	share, err := cmd.Flags().GetInt("api-share")
	if err != nil {
		return config.Manners{}, err
	}
	return a.manners(name, config.Manners{APIShare: share})
}

// scaled turns the flag in KiB into bytes.
func scaled(m config.Manners) config.Manners {
	m.Bandwidth <<= 10
	return m
}

// manners returns how the org is read: what is remembered of it, and what the flags say besides.
func (a *app) manners(name string, flags config.Manners) (config.Manners, error) {
	orgs, err := a.orgs()
	if err != nil {
		return config.Manners{}, err
	}
	o, err := orgs.Get(name)
	if err != nil {
		return config.Manners{}, err
	}
	m := o.Manners.With(scaled(flags))
	return m, m.Validate()
}

func rulesOf(m config.Manners) capture.Rules {
	return capture.Rules{Only: m.Only, Exclude: m.Exclude, ExcludeFields: m.ExcludeFields}
}

func budgetOf(m config.Manners) salesforce.Budget {
	return salesforce.Budget{Share: float64(m.APIShare) / 100, Bandwidth: m.Bandwidth}
}

// withinWindows returns what says whether the reading may go on, by the windows.
func (a *app) withinWindows(m config.Manners) func() error {
	if len(m.Windows) == 0 {
		return nil
	}
	return func() error {
		open, next := m.Open(a.now())
		if open {
			return nil
		}
		return problem.Newf(problem.Limits, "it is outside of the time windows %s", strings.Join(m.Windows, ", ")).
			Hint("run it again when the next one begins, at %s", next.Format("2006-01-02 15:04"))
	}
}

// mannersResult is what `org set --json` prints.
type mannersResult struct {
	Name            string   `json:"name" doc:"what the org is called here"`
	Only            []string `json:"only" doc:"patterns of objects; others are not held"`
	Exclude         []string `json:"exclude" doc:"patterns of objects that are not held"`
	ExcludeFields   []string `json:"exclude_fields" doc:"patterns of fields that are not held"`
	APIShare        int      `json:"api_share" doc:"per cent of the org's daily limits that may be used up; 0 is the default"`
	Bandwidth       int64    `json:"bandwidth" doc:"bytes a second; 0 is no bound"`
	Windows         []string `json:"windows" doc:"times of the day at which it is read"`
	RefreshFormulas string   `json:"refresh_formulas" doc:"how old formulas may become; empty is any age"`
	Bypass          []string `json:"bypass" doc:"what the org's own automation looks at to let the records of a user pass"`
}

func newMannersResult(name string, m config.Manners) mannersResult {
	list := func(s []string) []string { return append([]string{}, s...) }
	return mannersResult{
		Name: name, Only: list(m.Only), Exclude: list(m.Exclude), ExcludeFields: list(m.ExcludeFields),
		APIShare: m.APIShare, Bandwidth: m.Bandwidth, Windows: list(m.Windows), RefreshFormulas: m.RefreshFormulas, Bypass: list(m.Bypass),
	}
}

// rules lists what was set, for those who ask whether anything was.
func (r mannersResult) rules() []string {
	all := append(append(append([]string{}, r.Only...), r.Exclude...), append(r.ExcludeFields, r.Windows...)...)
	all = append(all, r.Bypass...)
	if r.APIShare != 0 || r.Bandwidth != 0 || r.RefreshFormulas != "" {
		all = append(all, "limits")
	}
	return all
}

func (a *app) orgSetCommand() *cobra.Command {
	var m config.Manners
	var cleared []string
	cmd := a.command(spec{
		use: "set NAME", short: "say how an org is read, and what bypass it has",
		long: `Remembers how an org is read: which objects and fields are held, and how much of its limits, of the network
and of the day that may take. Backups obey all of it; restores, which have to be made whatever the hour, obey what is
not to be held.

--bypass names what the org's own triggers, flows and rules look at to let the records of a user pass: a checkbox of a hierarchy
custom setting, as setting:OBJECT.FIELD, or a custom permission, as permission:NAME, which the one permission set that has it
gives, or the one named in permission:NAME@SET. Plans that are made with --bypass set it while they are applied.

Where the settings name a repository with a snapshot of the org, --exclude-field refuses fields that it does not have.

A flag that is given replaces what was remembered under its name, all values of it; what is not named stays. --clear
takes one away, as does an empty value. Without flags nothing changes, and what is remembered is shown.`,
		example: `holdfast org set prod --exclude-field 'Contact.SSN__c' --exclude '*__History' --api-share 30
holdfast org set prod --window 22:00-06:00 --bandwidth 4096 --refresh-formulas 168h
holdfast org set prod --bypass setting:Bypass__c.Triggers__c --bypass permission:Skip_Validation
holdfast org set prod --clear window`,
		kinds:  []problem.Kind{problem.NotFound, problem.NoRepository, problem.Damaged},
		result: mannersResult{}, min: 1, max: 1, org: true,
	}, func(cmd *cobra.Command, args []string) error {
		changes, err := mannersChanges(cmd, scaled(m), cleared)
		if err != nil {
			return err
		}
		orgs, err := a.orgs()
		if err != nil {
			return err
		}
		if err := a.checkFields(cmd.Context(), args[0], named(m.ExcludeFields)); err != nil {
			return err
		}
		set, err := orgs.ChangeManners(args[0], func(m *config.Manners) {
			for _, change := range changes {
				change(m)
			}
		})
		if err != nil {
			return err
		}
		return a.print(newMannersResult(args[0], set), func(w io.Writer) { writeManners(w, args[0], set) })
	})
	mannersFlags(cmd, &m)
	cmd.Flags().StringArrayVar(&m.Bypass, "bypass", nil, "the org's own `bypass`: setting:OBJECT.FIELD or permission:NAME; may be repeated")
	cmd.Flags().StringArrayVar(&cleared, "clear", nil, "take away what is remembered under this `name` of a flag, such as window; may be repeated")
	return cmd
}

// checkFields refuses fields that the newest snapshot of the org shows not to be there: a misspelt one would be held, which the
// operator wanted left out. Without a repository, or a snapshot in it, the next backup tells.
func (a *app) checkFields(ctx context.Context, org string, fields []string) error {
	if len(fields) == 0 || config.Repo.Value("", a.getenv) == "" || config.KeyFile.Value("", a.getenv) == "" {
		return nil
	}
	store, err := a.openStore(ctx)
	if err != nil {
		a.notice(fmt.Sprintf("whether %s has these fields is told by the next backup: %v", org, err))
		return nil
	}
	infos, err := store.List(ctx, func(i snapshot.Info) bool {
		return strings.EqualFold(i.OrgName, org) && i.Kind != snapshot.KindSeed && i.Damage == nil
	})
	if err != nil || len(infos) == 0 {
		return err
	}
	newest, err := store.Load(ctx, infos[0].ID)
	if err != nil {
		return err
	}
	if err := (capture.Rules{ExcludeFields: fields}).Check(newest.Schema()); err != nil {
		return problem.Wrap(problem.KindOf(err), err, "--exclude-field, by snapshot "+newest.Info().Short()).
			Hint("%s; a field that is newer than that is left out with --exclude-field of `holdfast backup`, and known here after it", problem.HintOf(err))
	}
	return nil
}

// mannersChanges are what the flags that were given do to what is remembered.
func mannersChanges(cmd *cobra.Command, given config.Manners, cleared []string) ([]func(*config.Manners), error) {
	var changes []func(*config.Manners)
	settings := map[string]func(to *config.Manners, from config.Manners){
		"only":             func(to *config.Manners, from config.Manners) { to.Only = named(from.Only) },
		"exclude":          func(to *config.Manners, from config.Manners) { to.Exclude = named(from.Exclude) },
		"exclude-field":    func(to *config.Manners, from config.Manners) { to.ExcludeFields = named(from.ExcludeFields) },
		"bypass":           func(to *config.Manners, from config.Manners) { to.Bypass = named(from.Bypass) },
		"api-share":        func(to *config.Manners, from config.Manners) { to.APIShare = from.APIShare },
		"bandwidth":        func(to *config.Manners, from config.Manners) { to.Bandwidth = from.Bandwidth },
		"window":           func(to *config.Manners, from config.Manners) { to.Windows = named(from.Windows) },
		"refresh-formulas": func(to *config.Manners, from config.Manners) { to.RefreshFormulas = from.RefreshFormulas },
	}
	for name, set := range settings {
		if cmd.Flags().Changed(name) {
			changes = append(changes, func(m *config.Manners) { set(m, given) })
		}
	}
	for _, name := range cleared {
		set, known := settings[strings.TrimLeft(name, "-")]
		switch {
		case !known:
			return nil, problem.Newf(problem.Usage, "--clear %s: nothing is remembered under that name", name).
				Hint("give one of %s", strings.Join(slices.Sorted(maps.Keys(settings)), ", "))
		case cmd.Flags().Changed(strings.TrimLeft(name, "-")):
			return nil, problem.Newf(problem.Usage, "--clear %s and a value for it cannot both be meant", name).
				Hint("a value replaces what was there; give it alone")
		}
		changes = append(changes, func(m *config.Manners) { set(m, config.Manners{}) })
	}
	return changes, nil
}

// named leaves out empty values: an empty value of a flag takes away what was there.
func named(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
}

func writeManners(w io.Writer, name string, m config.Manners) {
	fmt.Fprintf(w, "org %s\n", name)
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(w, "%-18s%s\n", label, plain(text))
		}
	}
	line("only", strings.Join(m.Only, ", "))
	line("without", strings.Join(m.Exclude, ", "))
	line("without fields", strings.Join(m.ExcludeFields, ", "))
	share := m.APIShare
	if share == 0 {
		share = int(salesforce.DefaultShare * 100)
	}
	line("API share", fmt.Sprintf("%d%%", share))
	if m.Bandwidth > 0 {
		line("bandwidth", size(m.Bandwidth)+" a second")
	}
	line("windows", strings.Join(m.Windows, ", "))
	line("formulas", m.RefreshFormulas)
	line("bypass", strings.Join(m.Bypass, ", "))
}

// options are those of a capture of the org, by its manners.
func (a *app) options(name string, m config.Manners, told func(capture.Event)) (capture.Options, error) {
	age, err := m.FormulaAge()
	return capture.Options{
		OrgName: name, Rules: rulesOf(m), RefreshFormulas: age, MayGoOn: a.withinWindows(m), Progress: told,
	}, err
}

// timeLeft writes how long the rest takes when it goes on as fast as so far.
func timeLeft(done, all int64, passed time.Duration) string {
	if done <= 0 || all <= done || passed <= 0 {
		return ""
	}
	left := time.Duration(float64(passed) / float64(done) * float64(all-done))
	return fmt.Sprintf(", about %s left", left.Round(time.Second))
}
