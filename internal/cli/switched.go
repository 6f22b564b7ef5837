package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast/internal/apply"
	"holdfast/internal/config"
	"holdfast/internal/problem"
)

// switchedDir is the folder, below that of the orgs, with a file for each application that is about to switch
// automation off: docs/format/journal.md, "Reminders". It is what a machine that died in between knows afterwards.
const switchedDir = "switched"

const reminderVersion = "holdfast-switched/1"

// maxReminder bounds such a file, which has one line of four members.
const maxReminder = 64 << 10

// reminderRest is how old such a file is before another command takes it away: an application writes it before it starts its
// watchdog and writes into its journal.
const reminderRest = time.Minute

// quietFor is how long a journal that somebody has open has not grown before it is said that an org has automation off because of
// it: nobody tells from outside whether its application waits for a job, or was stopped and will not go on by itself.
const quietFor = 10 * time.Minute

// reminder is what such a file holds.
type reminder struct {
	Version string `json:"version"`
	Org     string `json:"org"`     // what it is called here
	Plan    string `json:"plan"`    // path
	Journal string `json:"journal"` // path
}

// command is what puts the automation back.
func (r reminder) command() string {
	line := "holdfast apply " + plain(r.Plan) + " --put-back"
	if r.Journal != r.Plan+".journal" {
		line += " --journal " + plain(r.Journal)
	}
	return line
}

func reminderPath(home, journal string) string {
	digest := sha256.Sum256([]byte(journal))
	return filepath.Join(home, switchedDir, hex.EncodeToString(digest[:16])+".json")
}

// write puts the file there whole, before anything is switched.
func (r reminder) write(home string) error {
	r.Version = reminderVersion
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := reminderPath(home, r.Journal)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replaceFile(path, func(w io.Writer) error { _, err := w.Write(append(body, '\n')); return err })
}

// forget removes the file of an application whose automation is back.
func (r reminder) forget(home string) {
	_ = os.Remove(reminderPath(home, r.Journal)) // one that stays is looked at again by the next command
}

// remind says at the end of a command which orgs have automation off, because of an application that has died. What is
// at work is left alone.
func (a *app) remind() {
	home, err := config.HomeDir(a.getenv)
	if err != nil {
		return
	}
	paths, err := filepath.Glob(filepath.Join(globbed(filepath.Join(home, switchedDir)), "*.json"))
	if err != nil {
		return
	}
	for _, path := range paths {
		if text := a.reminded(home, path); text != "" {
			fmt.Fprintln(a.err, "holdfast: WARNING: "+text)
		}
	}
}

// reminded reads one file, and says what is to be said because of it.
func (a *app) reminded(home, path string) string {
	r, written, err := readReminder(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "" // taken away meanwhile
	}
	if err != nil {
		return fmt.Sprintf("%s cannot be read, so that it is not known whether an org has automation off: %v; see to it, and remove the file", path, err)
	}
	off, err := apply.StillOff(r.Journal)
	switch {
	case problem.KindOf(err) == problem.Locked: // whoever has it sees to it, unless it was stopped
		return a.unheard(r)
	case err == nil && len(off) == 0 && time.Since(written) < reminderRest:
		return "" // nothing is off yet: it may be about to be. The journal is there before the reminder is.
	case err != nil:
		return fmt.Sprintf("org %s may have automation off, and the journal that tells what was there cannot be read: %s; see to it in the org, and remove %s",
			plain(r.Org), plain(err.Error()), path)
	case len(off) == 0:
		r.forget(home)
		return ""
	}
	return fmt.Sprintf("org %s has automation off since an application died: %s. Put it back with `%s`, or go on with `--resume` in place of `--put-back`",
		plain(r.Org), plain(some(off)), r.command())
}

// unheard says that an application at work, which has automation off, has not been heard of for long.
func (a *app) unheard(r reminder) string {
	off, written, err := apply.OffMeanwhile(r.Journal)
	silent := a.now().Sub(written)
	if err != nil || len(off) == 0 || silent < quietFor { // what is just being written can be read the next time
		return ""
	}
	return fmt.Sprintf("org %s has automation off: %s. The process that has %s open has written nothing there for %s: where it was stopped, let it go on, "+
		"or end it and run `%s`", plain(r.Org), plain(some(off)), plain(r.Journal), silent.Round(time.Minute), r.command())
}

// readReminder reads one file, and says when it was written.
func readReminder(path string) (r reminder, written time.Time, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return r, written, err
	}
	if written = info.ModTime(); info.Size() > maxReminder {
		return r, written, errors.New("it is too long")
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return r, written, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, written, err
	}
	if r.Version != reminderVersion {
		return r, written, fmt.Errorf("version %q is not %q", r.Version, reminderVersion)
	}
	return r, written, nil
}

// some names the first of many.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
