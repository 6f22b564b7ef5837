package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/snapshot"
)

func (a *app) verifyCommand() *cobra.Command {
	var part, statement, verifier string
	var days int
	cmd := a.repoFlags(a.command(spec{
		use: "verify [SNAPSHOT]", group: groupVerbs,
		short: "read back every stored byte and check it",
		long: `Reads back every byte of the repository, or of one snapshot: decrypts it, decodes it, and computes every digest
anew. What is damaged is listed with the snapshots that rely on it, and the exit code is 13. A large repository can be
read in turns: with --in-days 30, run each day, every stored object is read once in 30 days, and its structure each day.

With --statement it checks a page that ` + "`holdfast show --statement`" + ` signed: the signature, and that the snapshot still is what
the page says. The records themselves it reads without that flag.`,
		example: "holdfast verify\nholdfast verify latest\nholdfast verify --in-days 30\nholdfast verify --statement statement.txt",
		kinds:   readKinds,
		result:  run.VerifyResult{}, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		store, err := a.openStore(cmd.Context())
		if err != nil {
			return err
		}
		if statement != "" {
			return a.verifyStatement(cmd.Context(), store, statement, verifier)
		}
		n, of, err := a.share(part, days)
		if err != nil {
			return err
		}
		shown := a.newProgress("verify")
		in := run.VerifyInput{Store: store, Part: n, Parts: of, Progress: func(p run.VerifyProgress) {
			shown.step(p.Done, p.Total, size(p.Bytes), fmt.Sprintf("%s of %s stored objects, %s", count(int64(p.Done)), count(int64(p.Total)), size(p.Bytes)))
		}}
		if len(args) > 0 {
			in.Snapshot = args[0]
		}
		result, err := run.Verify(cmd.Context(), in)
		shown.end()
		if err != nil && problem.KindOf(err) != problem.Damaged {
			return err
		}
		return errors.Join(a.print(result, func(w io.Writer) { writeVerified(w, in.Snapshot, result) }), err)
	}))
	cmd.Flags().StringVar(&part, "part", "", "read only this `share`, such as 3/10: all shares together are everything")
	cmd.Flags().StringVar(&statement, "statement", "", "check the signed statement in this `file`, and nothing else")
	cmd.Flags().StringVar(&verifier, "verifier", "", "with --statement: the `key` that checks it, instead of that of the repository")
	cmd.Flags().IntVar(&days, "in-days", 0, "read the share of today, of `n`: a run on each of n days reads everything")
	return cmd
}

// maxStatement bounds a statement: a line for each object.
const maxStatement = 4 << 20

func (a *app) verifyStatement(ctx context.Context, store *snapshot.Store, path, verifier string) error {
	f, err := os.Open(path)
	if err != nil {
		return problem.Wrap(problem.Usage, err, "statement").Hint("make one with `holdfast show SNAPSHOT --statement`")
	}
	defer f.Close()
	signed, err := io.ReadAll(io.LimitReader(f, maxStatement+1))
	if err != nil {
		return fmt.Errorf("statement: %w", err)
	}
	row, err := run.VerifyStatement(ctx, store, signed, verifier)
	if err != nil {
		return err
	}
	return a.print(run.VerifyResult{Statement: &row}, func(w io.Writer) {
		fmt.Fprintf(w, "snapshot %s is what the statement says, signed by %s\n", row.Snapshot, plain(row.Verifier))
		if row.Drill != "" {
			fmt.Fprintf(w, "a drill of it has found:\n%s", row.Drill)
		}
	})
}

// share returns which share of how many is to be verified: 0 of 0 is everything.
func (a *app) share(part string, days int) (n, of int, err error) {
	switch {
	case part != "" && days != 0:
		return 0, 0, problem.New(problem.Usage, "both --part and --in-days are given").Hint("give one of them")
	case days < 0:
		return 0, 0, problem.New(problem.Usage, "a number of days is negative")
	case days > 0:
		day := a.now().UTC().Unix() / int64(24*time.Hour/time.Second)
		return int(day%int64(days)) + 1, days, nil
	case part == "":
		return 0, 0, nil
	}
	left, right, _ := strings.Cut(part, "/")
	n, err = strconv.Atoi(left)
	of, second := strconv.Atoi(right)
	if err != nil || second != nil || n < 1 || n > of {
		return 0, 0, problem.Newf(problem.Usage, "share %.40q cannot be understood", part).Hint("give a number, a slash, and how many there are, such as 3/10")
	}
	return n, of, nil
}

// writeVerified writes what was verified: one snapshot, or everything when none is named.
func writeVerified(w io.Writer, snapshot string, r run.VerifyResult) {
	what := plural(r.Snapshots, "snapshot") + ", " + plural(r.Parts, "part")
	if snapshot != "" {
		what = "what snapshot " + plain(snapshot) + " relies on"
	}
	fmt.Fprintf(w, "%s, %s: %s read back and checked\n", what, plural(r.Records, "record version"), size(r.Read))
	if r.Unpublished > 0 {
		fmt.Fprintf(w, "%s belong to no snapshot (left by runs that were cut short; harmless)\n", plural(r.Unpublished, "stored object"))
	}
	if r.Quarantined > 0 {
		fmt.Fprintf(w, "%s in quarantine (damaged, and replaced by a sound one; can be removed)\n", plural(r.Quarantined, "stored object"))
	}
	for _, key := range r.Keyless {
		fmt.Fprintf(w, "no key opens it, and no snapshot relies on it: %s (a copy that was cut short leaves such)\n", plain(key))
	}
	for _, key := range r.Foreign {
		fmt.Fprintf(w, "not ours: %s\n", plain(key))
	}
	for _, key := range r.Lone {
		fmt.Fprintf(w, "one of two copies is missing: %s (a run that was cut short leaves it so; the other is as it was stored)\n", plain(key))
	}
	for _, d := range r.Damage {
		writeDamage(w, d)
	}
	if len(r.Damage) == 0 {
		fmt.Fprintln(w, "everything is as it was stored")
	}
}

// writeDamage writes one thing that is damaged, on lines of its own: the name under which it is stored takes
// most of one.
func writeDamage(w io.Writer, d run.DamageRow) {
	text := strings.TrimPrefix(d.Text, d.Key+" is damaged: ")
	fmt.Fprintf(w, "damaged: %s\n", strings.TrimPrefix(plain(d.Object)+": "+plain(text), ": "))
	fmt.Fprintf(w, "  stored as %s\n", plain(d.Key))
	const shown, short = 6, 10
	var names []string
	for _, id := range d.Snapshots[:min(len(d.Snapshots), shown)] {
		names = append(names, plain(id[:min(len(id), short)]))
	}
	if more := len(d.Snapshots) - shown; more > 0 {
		names = append(names, "and "+count(int64(more))+" more")
	}
	if len(names) > 0 {
		fmt.Fprintf(w, "  relied on by %s\n", strings.Join(names, " "))
	}
}
