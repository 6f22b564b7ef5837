package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/blob"
	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/run"
	"holdfast/internal/snapshot"
)

func (a *app) copyCommand() *cobra.Command {
	in := run.CopyInput{}
	cmd := a.repoFlags(a.command(spec{
		use: "copy PLACE", group: groupVerbs,
		short: "bring a second copy of the repository up to date",
		long: `Copies the repository to another folder or bucket: every snapshot, byte for byte, under the same keys. What is there
already is not copied again, and a copy that was cut short goes on where it ended. Every stored object is verified before it is
written, and what makes a snapshot exist is written last. A copy is a repository: every command works on it, and
either place can repair the other. Write backups to one of them only. A place that holds a later state, or another
repository, is left as it is. When something is damaged it is named, the copy stays in its earlier state, and the exit code
is 13; with --with-damage the copy goes on and lacks what is damaged.`,
		example: "holdfast copy /mnt/second/holdfast\nholdfast copy 's3://backups-two/acme?endpoint=https://s3.example.com' --delete",
		kinds:   append([]problem.Kind{problem.Locked, problem.Conflict, problem.Unreachable}, readKinds...),
		result:  run.CopyResult{}, min: 1, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		r, identity, err := a.openRepository(cmd.Context())
		if err != nil {
			return err
		}
		if in.To, err = a.second(cmd.Context(), args[0], in.DryRun); err != nil {
			return err
		}
		shown := a.newProgress("copy")
		in.Store = snapshot.Open(r)
		in.Progress = func(p snapshot.CopyProgress) {
			shown.step(p.Done, p.Total, size(p.Bytes), fmt.Sprintf("%s of %s stored objects, %s", count(int64(p.Done)), count(int64(p.Total)), size(p.Bytes)))
		}
		result, err := run.Copy(cmd.Context(), in)
		shown.end()
		if err != nil && len(result.Missing) == 0 {
			return err
		}
		if err == nil && !in.DryRun {
			if err = a.meetCopy(cmd.Context(), args[0], in.To, identity); err != nil {
				err = fmt.Errorf("the copy is up to date, but what was seen of it is not remembered: %w", err)
			}
		}
		return errors.Join(a.print(result, func(w io.Writer) { writeCopied(w, args[0], result) }), err)
	}))
	cmd.Flags().BoolVar(&in.Delete, "delete", false, "delete from the copy what the repository has given up and deleted")
	cmd.Flags().BoolVar(&in.Damage, "with-damage", false, "go on when something is damaged, and let the copy lack it")
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "verify what would be copied, and write nothing")
	return cmd
}

// second opens the place of a second copy; a folder is made unless nothing is to be written.
func (a *app) second(ctx context.Context, location string, dry bool) (repo.Place, error) {
	var bucket blob.Bucket
	var err error
	if dry {
		if bucket, err = openBucket(ctx, location); problem.KindOf(err) == problem.NoRepository {
			return repo.At(&blob.Memory{}), nil // as empty as the folder that would be made
		}
	} else {
		bucket, err = createBucket(ctx, location)
	}
	if err != nil {
		return repo.Place{}, fmt.Errorf("copy to %s: %w", location, err)
	}
	return repo.At(bucket), nil
}

func writeCopied(w io.Writer, place string, r run.CopyResult) {
	copied, verb := "copied to", "deleted there"
	if r.DryRun {
		copied, verb = "would be copied to", "would be deleted there"
	}
	fmt.Fprintf(w, "%s, %s, %s %s; %s were there\n", plural(r.Copied.Objects, "stored object"), size(r.Copied.Bytes), copied, plain(place), count(int64(r.Present.Objects)))
	if r.Deleted.Objects > 0 {
		fmt.Fprintf(w, "%s, %s, %s\n", plural(r.Deleted.Objects, "stored object"), size(r.Deleted.Bytes), verb)
	}
	if r.Retained.Objects > 0 {
		fmt.Fprintf(w, "%s, %s, are locked there and retained\n", plural(r.Retained.Objects, "stored object"), size(r.Retained.Bytes))
	}
	rows := make([][]string, 0, len(r.Missing))
	for _, f := range r.Missing {
		where := "repository"
		if f.InCopy {
			where = "copy"
		}
		rows = append(rows, []string{where, f.Text, f.Key})
	}
	if len(rows) > 0 {
		writeTable(w, []string{"WHERE", "NOT COPIED", "STORED AS"}, rows)
	}
}

func (a *app) repairCommand() *cobra.Command {
	var from string
	in := run.RepairInput{}
	cmd := a.repoFlags(a.command(spec{
		use: "repair", group: groupVerbs,
		short: "put back from a second copy what is damaged or missing",
		long: `Reads back every stored byte like verify, and puts what is damaged or missing back from a second copy that copy made:
first what keeps the repository from opening, then stored objects. What comes from the copy is verified before it takes
a place; damaged bytes are kept under quarantine/ in the repository. Nothing is brought back that the
repository has given up or erased since it was copied. No other command should write to the repository meanwhile. When
something is still wrong the exit code is 13.`,
		example: "holdfast repair --from /mnt/second/holdfast --dry-run\nholdfast repair --from /mnt/second/holdfast",
		kinds:   append([]problem.Kind{problem.Locked, problem.Conflict, problem.Unreachable, problem.Findings}, readKinds...),
		result:  run.RepairResult{},
	}, func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		if from == "" {
			return problem.New(problem.Usage, "no second copy is given").Hint("name its folder or bucket with --from")
		}
		dir, err := a.setting(config.Repo, a.repo)
		if err != nil {
			return err
		}
		keyFile, err := a.setting(config.KeyFile, a.keyFile)
		if err != nil {
			return err
		}
		if in.Identity, err = readIdentity(keyFile); err != nil {
			return err
		}
		bucket, err := openBucket(ctx, dir)
		if err != nil {
			return err
		}
		second, err := openBucket(ctx, from)
		if err != nil {
			return fmt.Errorf("second copy %s: %w", from, err)
		}
		shown := a.newProgress("repair")
		in.Place, in.From = repo.At(bucket), repo.At(second)
		in.Progress = func(p run.VerifyProgress) {
			shown.step(p.Done, p.Total, size(p.Bytes), fmt.Sprintf("%s of %s stored objects, %s", count(int64(p.Done)), count(int64(p.Total)), size(p.Bytes)))
		}
		remembered := ""
		in.Seen = func(id string) (w repo.Witness, err error) {
			remembered, w, err = a.seen(dir, id)
			return w, err
		}
		result, err := run.Repair(ctx, in)
		shown.end()
		if errors.Is(err, repo.ErrOlder) {
			err = problem.Wrap(problem.Damaged, err, "compare with what was seen before").
				Hint("look for a later copy; if there is none, and what was erased since may come back, remove %s and run the command again", remembered)
		}
		if err != nil && problem.KindOf(err) != problem.Findings && len(result.Keys)+len(result.Objects)+len(result.Damage) == 0 {
			return err
		}
		return errors.Join(a.print(result, func(w io.Writer) { writeRepaired(w, result) }), err)
	}))
	cmd.Flags().StringVar(&from, "from", "", "`place` of the second copy: a folder or a bucket")
	cmd.Flags().BoolVar(&in.Quick, "quick", false, "look only for what is missing or has another size")
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "say what would be put back, and write nothing")
	return cmd
}

func writeRepaired(w io.Writer, r run.RepairResult) {
	done := "put back"
	if r.DryRun {
		done = "would be put back"
	}
	var rows [][]string
	add := func(all []run.MendRow, done string) {
		for _, m := range all {
			what := done
			if m.Error != "" {
				what = m.Error
			}
			rows = append(rows, []string{m.Key, what, m.Quarantine})
		}
	}
	add(r.Keys, done)
	add(r.Objects, done)
	add(r.Aside, "nothing relies on it: taken away")
	if len(rows) > 0 {
		writeTable(w, []string{"STORED AS", "", "QUARANTINE"}, rows)
	}
	if r.Unknown {
		fmt.Fprintln(w, "the keys come first: what else is damaged is known when they are back")
	}
	for _, d := range r.Damage {
		writeDamage(w, d)
	}
	if len(r.Damage) > 0 {
		fmt.Fprintf(w, "%s still wrong\n", plural(len(r.Damage), "stored object"))
		return
	}
	switch {
	case !r.DryRun:
		fmt.Fprintln(w, "everything is as it was stored")
	case len(r.Keys)+len(r.Objects)+len(r.Aside) == 0:
		fmt.Fprintln(w, "nothing is to be put back: everything is as it was stored")
	default:
		fmt.Fprintln(w, "this was a dry run; nothing was put back")
	}
}
