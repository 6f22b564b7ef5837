package cli

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/internal/problem"
)

// below returns the words of a command after the name of the program; of the program itself, none.
func below(cmd *cobra.Command) string {
	_, words, _ := strings.Cut(cmd.CommandPath(), " ")
	return words
}

// about begins a message with the words of the command that it is about.
func about(cmd *cobra.Command, message string) string {
	return strings.TrimPrefix(below(cmd)+": "+message, ": ")
}

// noCommand is the error of a word that should be a command below cmd.
func noCommand(cmd *cobra.Command, word string) error {
	cmd.SuggestionsMinimumDistance = 2 // as many letters may be wrong
	hint := "list the commands with `holdfast help`"
	if cmd.HasParent() {
		hint = "see `" + cmd.CommandPath() + " --help`"
	}
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		hint = "is it `" + cmd.CommandPath() + " " + near[0] + "`? " + hint
	}
	return problem.New(problem.Usage, about(cmd, "there is no command "+strconv.Quote(word))).Hint("%s", hint)
}

// flagError says what is wrong with a flag, in the words of the command line and not of the parser.
func flagError(cmd *cobra.Command, err error) error {
	message := err.Error()
	var value *pflag.InvalidValueError
	var number *strconv.NumError
	if errors.As(err, &value) && errors.As(err, &number) {
		kind := "a number that fits"
		if value.GetFlag().Value.Type() == "bool" {
			kind = "true or false"
		}
		message = "--" + value.GetFlag().Name + " " + strconv.Quote(value.GetValue()) + " is not " + kind
	}
	return problem.New(problem.Usage, about(cmd, message)).Hint("see `%s --help`", cmd.CommandPath())
}

// besides adds the two commands that cobra makes, with texts and errors like those of the others.
func besides(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Short = "tell about a command"
			cmd.RunE = func(_ *cobra.Command, words []string) error {
				found, rest, err := root.Find(words)
				if err != nil || found == nil {
					found, rest = root, words
				}
				if len(rest) > 0 {
					return noCommand(found, rest[0])
				}
				found.InitDefaultHelpFlag()
				return found.Help()
			}
		case "completion":
			cmd.Short = "print the script that lets a shell complete commands and names"
			cmd.Args = cobra.ArbitraryArgs
			cmd.RunE = func(cmd *cobra.Command, words []string) error {
				if len(words) > 0 {
					return noCommand(cmd, words[0])
				}
				return cmd.Help()
			}
			for _, shell := range cmd.Commands() {
				shell.Short = "print it for " + shell.Name()
			}
		}
	}
}
