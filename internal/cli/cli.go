// Package cli is the command line: one file per command, and the only place that wires the packages
// together. Its manners:
//
//   - results go to standard output, everything else to standard error;
//   - with --json a result is one JSON object, whose fields docs/reference/cli.md lists;
//   - an error is one line: what failed, on what, and in brackets what to do; no capital, no full stop;
//   - every command says its exit codes in its help; all of them come from package problem;
//   - progress is drawn on a terminal, and written as lines elsewhere;
//   - a secret is never in a flag or in the environment: it comes from a file that its owner alone
//     may read.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"holdfast/internal/config"
	"holdfast/internal/problem"
)

// app is what every command shares: where it reads and writes, and the flags that all have.
type app struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	now      func() time.Time

	json          bool
	quiet         bool
	repo, keyFile string

	specs map[*cobra.Command]spec // what the commands say of themselves, for the reference

	alone   bool // this process is nothing but this program, and may start it again
	watches bool // it is a watchdog, and warns of nothing

	opened   []sighting // by this command, to be remembered at its end
	rescuing bool       // what is remembered is no condition
}

// Main runs one command line and returns its exit code. An interrupt cancels the command once; a
// second one ends the process as usual. It starts no watchdog: the process may be another program.
func Main(args []string, in io.Reader, out, err io.Writer) int {
	return newApp(in, out, err).main(args)
}

// Program is Main of a process that is this program and nothing else, so that it may start itself again.
func Program(args []string, in io.Reader, out, err io.Writer) int {
	a := newApp(in, out, err)
	a.alone = true
	return a.main(args)
}

func (a *app) main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return a.run(ctx, args)
}

func newApp(in io.Reader, out, err io.Writer) *app {
	return &app{
		in: in, out: out, err: err, getenv: os.Getenv, now: time.Now,
		specs: map[*cobra.Command]spec{},
	}
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	besides(root)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	a.remember()
	if !a.watches {
		a.remind()
	}
	if err == nil {
		return 0
	}
	a.json = a.json || asksForJSON(args)
	err = onFullDisk(err)
	if ctx.Err() != nil {
		// Whatever failed did so because it was told to stop.
		err = problem.Wrap(problem.Interrupted, err, "interrupted").
			Hint("run the same command again to go on; what was done is kept")
	}
	a.report(err)
	return problem.KindOf(err).ExitCode()
}

// asksForJSON reports whether --json is among the arguments: those behind one that cannot be
// understood were not read, and the error of that is to be an object, too.
func asksForJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

// root is the tree of commands, in the order of an operator's life.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "back up a Salesforce org, see what changed, bring it back right",
		Long: `Holdfast observes a Salesforce org into sealed snapshots, shows what changed between any two of them,
and brings records back as they were while keeping the honest work that was done since.

Start with ` + "`holdfast demo`" + `: it needs nothing and takes less than a minute.`,
		Version:       release().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.SetFlagErrorFunc(flagError)
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print the result as one JSON object")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress on standard error")
	root.AddGroup(
		&cobra.Group{ID: groupVerbs, Title: "What one does:"},
		&cobra.Group{ID: groupNouns, Title: "What one keeps:"},
		&cobra.Group{ID: groupOther, Title: "Besides:"},
	)
	for _, cmd := range a.commands() {
		root.AddCommand(cmd)
	}
	return root
}

// The groups of commands in the help.
const (
	groupVerbs = "verbs"
	groupNouns = "nouns"
	groupOther = "other"
)

// spec is what a command says of itself; help and docs/reference/cli.md are made from it.
type spec struct {
	use     string // name and arguments
	group   string
	short   string
	long    string
	example string
	kinds   []problem.Kind // besides anyCommand
	result  any            // a value of the type that --json prints
	min     int            // fewest arguments
	max     int            // most arguments
	org     bool           // the first argument is the name of a known org
}

// anyCommand are the kinds of error that every command may end with.
var anyCommand = []problem.Kind{problem.Failed, problem.Usage, problem.NoSpace, problem.Interrupted}

// kindsOf returns every kind that the command may end with, in the order of the table.
func (s spec) kindsOf() []problem.Line {
	var lines []problem.Line
	for _, l := range problem.Table() {
		if slices.Contains(anyCommand, l.Kind) || slices.Contains(s.kinds, l.Kind) {
			lines = append(lines, l)
		}
	}
	return lines
}

// command makes the command of a spec: arguments counted, exit codes in the help.
func (a *app) command(s spec, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	var codes strings.Builder
	fmt.Fprintf(&codes, "  %3d  done\n", 0)
	for _, l := range s.kindsOf() {
		fmt.Fprintf(&codes, "  %3d  %s\n", l.Code, l.Text)
	}
	cmd := &cobra.Command{
		Use:     s.use,
		GroupID: s.group,
		Short:   s.short,
		Long:    strings.TrimSpace(s.long) + "\n\nExit codes:\n" + strings.TrimRight(codes.String(), "\n"),
		Example: indent(s.example),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) >= s.min && len(args) <= s.max {
				return nil
			}
			return problem.Newf(problem.Usage, "%s: %s given", below(cmd), plural(len(args), "argument")).
				Hint("it is used as `%s`", cmd.UseLine())
		},
		RunE: run,
	}
	if s.org {
		cmd.ValidArgsFunction = a.completeOrg
	}
	a.specs[cmd] = s
	return cmd
}

// group makes a command that only holds others.
func (a *app) group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, GroupID: groupNouns, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			if a.json { // a program asked: help is no result
				return problem.Newf(problem.Usage, "%s: no command is given", use).Hint("see `holdfast %s --help`", use)
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

// repoFlags gives a command the flags that name the repository and its key.
func (a *app) repoFlags(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&a.repo, config.Repo.Flag, "", flagText(config.Repo))
	cmd.Flags().StringVar(&a.keyFile, config.KeyFile.Flag, "", flagText(config.KeyFile))
	return cmd
}

// flagText is the text of a flag for cobra, which takes the name of its value from the backquotes.
func flagText(s config.Setting) string {
	return strings.Replace(s.Text, s.Kind, "`"+s.Kind+"`", 1) + " [" + s.Env + "]"
}

// report writes an error to standard error, as one line; with --json as one JSON object.
func (a *app) report(err error) {
	kind, hint := problem.KindOf(err), plain(problem.HintOf(err))
	message := plain(err.Error())
	if a.json {
		var e failure
		e.Error.Kind, e.Error.ExitCode = kind.String(), kind.ExitCode()
		e.Error.Message, e.Error.Hint = message, hint
		_ = a.encode(a.err, e) // there is nobody left to tell
		return
	}
	if hint != "" {
		message += " (" + hint + ")"
	}
	fmt.Fprintln(a.err, "holdfast: "+message)
}

// failure is what --json prints on standard error for an error.
type failure struct {
	Error struct {
		Kind     string `json:"kind" doc:"name of the kind of error, see exit-codes.md"`
		ExitCode int    `json:"exit_code" doc:"the exit code"`
		Message  string `json:"message" doc:"what failed, on what"`
		Hint     string `json:"hint,omitempty" doc:"what to do"`
	} `json:"error" doc:"the error"`
}

// print writes a result to standard output: as JSON, or as the text that human writes. Control
// characters are taken out of every line: names and texts come from orgs, repositories and plans.
func (a *app) print(result any, human func(w io.Writer)) error {
	if a.json {
		return a.encode(a.out, result)
	}
	var b strings.Builder
	human(&b)
	for line := range strings.Lines(b.String()) {
		text, ended := strings.CutSuffix(line, "\n")
		if text = plain(text); ended {
			text += "\n"
		}
		if _, err := io.WriteString(a.out, text); err != nil {
			return err
		}
	}
	return nil
}

// encode writes one JSON object on one line.
func (a *app) encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// terminal reports whether w, or r, is a terminal.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
