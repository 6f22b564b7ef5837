package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

func (a *app) drillCommand() *cobra.Command {
	var in run.DrillInput
	var statement string
	cmd := a.command(spec{
		use: "drill [SNAPSHOT]", group: groupVerbs,
		short: "rehearse a restore on an emulated org, and see what would be refused; no org is touched",
		long: `Starts an empty org on this machine, gives it the objects, fields, picklists, record types and validation rules of
the newest backup, restores the records of a snapshot into it, and lets a witness who does not use Holdfast's client
compare every value and relation. It says how many records of each object came back whole, why others were refused,
and how long each part took. No org of anybody is touched, and nothing but a statement is written to the repository.

Without SNAPSHOT it is the newest backup of the org that --from names. What is rehearsed: records of custom objects,
records that have an owner, and what goes with them, or the objects that are named. The emulated org runs no Apex, has
managed packages as far as their objects and fields are described, and no users but one: docs/guide/drill.md says what a
drill can tell and what it cannot.`,
		example: `holdfast drill --from prod
holdfast drill 4f1c --object Account --object Contact
holdfast drill --from prod --statement drill.txt --json`,
		kinds: []problem.Kind{
			problem.Findings, problem.NoRepository, problem.WrongKey, problem.Damaged, problem.NotFound, problem.Limits, problem.Conflict,
		},
		result: run.DrillResult{}, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		if in.Snapshot = snapshot.Latest; len(args) > 0 {
			in.Snapshot = args[0]
		}
		if in.Snapshot != snapshot.Latest && in.From != "" {
			return problem.New(problem.Usage, "drill: --from names the org of the newest backup, and a snapshot is named already").
				Hint("leave one of them out")
		}
		return a.drill(cmd, in, statement)
	})
	flags := cmd.Flags()
	flags.StringVar(&in.From, "from", "", "`org` of which the newest backup is rehearsed; not needed when the repository holds one org")
	flags.StringVar(&in.Against, "against", "", "`snapshot` of the same org whose metadata the empty org gets; default: its newest backup")
	flags.StringArrayVar(&in.Objects, "object", nil, "rehearse records of this `object` alone, and what they refer to; may be repeated")
	flags.BoolVar(&in.AutomationOff, "automation-off", false, "switch off the rules that act on the rows, as a restore with this flag would")
	flags.IntVar(&in.MaxRows, "max-rows", 0, "`number` of records at most; 0 is 100,000")
	flags.StringVar(&statement, "statement", "", "new `file` for a signed statement of the result, which 'holdfast verify --statement' checks")
	return a.repoFlags(cmd)
}

func (a *app) drill(cmd *cobra.Command, in run.DrillInput, statement string) (err error) {
	ctx := cmd.Context()
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	in.Store = store
	namespaces, err := run.DrillNamespaces(ctx, in)
	if err != nil {
		return fmt.Errorf("drill: %w", err)
	}
	on, err := a.stage(ctx, "drill", namespaces...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.close()) }()
	in.Dir, in.Scratch, in.Org, in.Packages = on.dir, on.store, on.org, on.packages
	in.Now, in.Look = a.now, plainClient{on.server.URL, on.server.AccessToken}.look
	shown := a.newProgress("drill")
	result, found := run.Drill(ctx, in)
	shown.end()
	if found != nil && problem.KindOf(found) != problem.Findings {
		return fmt.Errorf("drill: %w", found)
	}
	if statement != "" {
		if err := a.stateDrill(ctx, store, result, statement); err != nil {
			return err
		}
	}
	return errors.Join(a.print(result, func(w io.Writer) { writeDrill(w, result) }), found)
}

// plainClient reads an org with nothing of the client that restores.
type plainClient struct{ url, token string }

// look reads every record of an object, page by page.
func (c plainClient) look(ctx context.Context, object string, fields []string, each func(sf.ID, map[string]any) error) error {
	next := "/services/data/v66.0/query?q=" + url.QueryEscape("SELECT "+strings.Join(append([]string{"Id"}, fields...), ",")+" FROM "+object)
	for next != "" {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+next, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+c.token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		var page struct {
			Records []map[string]any `json:"records"`
			Next    string           `json:"nextRecordsUrl"`
		}
		decoder := json.NewDecoder(resp.Body)
		decoder.UseNumber()
		err = decoder.Decode(&page)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return fmt.Errorf("read %s: %w", object, err)
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("read %s: HTTP %d", object, resp.StatusCode)
		}
		for _, r := range page.Records {
			id, _ := r["Id"].(string)
			if err := each(sf.ID(id), r); err != nil {
				return err
			}
		}
		next = page.Next
	}
	return nil
}

func writeDrill(w io.Writer, r run.DrillResult) {
	fmt.Fprintf(w, "rehearsed %s of %s, with the metadata of %s\n", r.Snapshot.Short, r.Snapshot.OrgName, r.Against.Short)
	rows := make([][]string, 0, len(r.Objects))
	for _, o := range r.Objects {
		rows = append(rows, []string{
			o.Object, count(o.Records), count(o.Restored), count(o.Whole), percent(o.Score), count(o.Links), count(o.Different), fieldList(o.Without),
		})
	}
	writeTable(w, []string{"OBJECT", "RECORDS", "CAME BACK", "WHOLE", "SCORE", "LINKS", "DIFFER", "WITHOUT"}, rows)
	fmt.Fprintf(w, "restorability %s: %s, %s compared, %s of them relations, %s different\n",
		percent(r.Score), plural(r.Records, "record"), plural(r.Values, "value"), count(r.Links), count(r.Different))
	writeSome(w, "--json lists them", r.Refusals, func(f run.DrillRefusal) string {
		by := f.Code
		if f.Rule != "" {
			by = "rule " + f.Rule
		}
		return fmt.Sprintf("%s of %s %s would be refused by %s: %s", count(f.Records), count(f.Of), f.Object, by, f.Message)
	})
	writeSome(w, "--json lists them", r.NotDeployed, func(p run.ProblemRow) string {
		return fmt.Sprintf("not deployed: %s %s: %s", p.Type, p.Name, p.Problem)
	})
	writeSome(w, "--json lists them", r.NotTried, func(what string) string { return "not rehearsed: " + what })
	t := r.Took
	fmt.Fprintf(w, "%.1f s to deploy, %.1f s to plan, %.1f s to apply and observe, %.1f s for the witness\n", t.Deploy, t.Plan, t.Apply, t.Witness)
}

// percent spells a share; all but everything is never spelled as everything.
func percent(share float64) string {
	if share < 1 && share > 0.9999 {
		share = 0.9999
	}
	return fmt.Sprintf("%.2f %%", 100*share)
}

// stateDrill signs what the drill has found, to a new file.
func (a *app) stateDrill(ctx context.Context, store *snapshot.Store, r run.DrillResult, path string) (err error) {
	sn, err := store.Load(ctx, r.Snapshot.ID)
	if err != nil {
		return err
	}
	signed, err := sn.DrillStatement(ctx, r.Statement())
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it is made to be given away
	if err != nil {
		return problem.Wrap(problem.Usage, err, "statement").Hint("name a file that does not exist yet")
	}
	_, err = io.WriteString(f, signed.Text)
	if err = errors.Join(err, f.Close()); err == nil && !a.quiet {
		fmt.Fprintln(a.err, "holdfast: checked by the key "+plain(signed.Verifier))
	}
	return err
}
