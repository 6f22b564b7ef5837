// Package config holds the one table of settings that several commands share, and the small files in
// which the operator's machine remembers orgs. It promises that a secret is never in a flag, in an
// environment variable or in these files: they hold the paths of the files that do.
// The form of the org files is docs/format/orgs.md.
package config

import (
	"os"
	"path/filepath"
)

// Setting is one row of the table: a value that a flag, an environment variable or a default gives,
// in that order.
type Setting struct {
	Flag string // name of the flag, without dashes
	Env  string // environment variable; empty when there is none
	Kind string // what its value is: a word of Text
	Hint string // what to do when it is needed and missing
	Text string // for help and reference
}

// The settings that several commands share.
var (
	Repo = Setting{
		Flag: "repo", Env: "HOLDFAST_REPO", Kind: "place",
		Hint: "say where the repository is with --repo PLACE or HOLDFAST_REPO",
		Text: "where the repository is: a folder, or s3://BUCKET/PREFIX?endpoint=URL",
	}
	KeyFile = Setting{
		Flag: "key-file", Env: "HOLDFAST_KEY_FILE", Kind: "file",
		Hint: "name the key file that `holdfast init` wrote with --key-file FILE or HOLDFAST_KEY_FILE",
		Text: "file with the key of the repository (an age identity, readable by its owner alone)",
	}
	Home = Setting{
		Env: "HOLDFAST_HOME", Kind: "folder",
		Text: "folder for what is remembered of orgs; default $XDG_CONFIG_HOME/holdfast or ~/.config/holdfast",
	}
)

// Settings returns the table in the order of the reference.
func Settings() []Setting { return []Setting{Repo, KeyFile, Home} }

// Value returns the value of the setting: the flag's when it is given, else the environment's.
// It is empty when neither is.
func (s Setting) Value(flag string, getenv func(string) string) string {
	if flag != "" || s.Env == "" {
		return flag
	}
	return getenv(s.Env)
}

// HomeDir returns the folder in which this machine remembers orgs. It need not exist.
func HomeDir(getenv func(string) string) (string, error) {
	if dir := getenv(Home.Env); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "holdfast"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".config", "holdfast"), nil
}
