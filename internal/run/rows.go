package run

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// SnapshotRow is one snapshot in a result.
type SnapshotRow struct {
	ID       string    `json:"id"`               // 64 hexadecimal digits
	Short    string    `json:"short"`            // enough of the ID to name it
	Kind     string    `json:"kind"`             // backup, live (before a plan) or verify (after one was applied)
	OrgID    sf.ID     `json:"org_id"`           // Id of the org
	OrgName  string    `json:"org_name"`         // what the operator calls the org
	Username string    `json:"username"`         // who read it
	Started  time.Time `json:"started"`          // server time, as all times of a snapshot
	From     time.Time `json:"from"`             // widest window of observation over the parts: its beginning
	To       time.Time `json:"to"`               // widest window of observation over the parts: its end
	Parent   string    `json:"parent,omitempty"` // id of the snapshot that it was written on
	Partial  bool      `json:"partial"`          // an object or its files are absent or stale, or a file is missing
	Parts    int       `json:"parts"`            // objects, and files of objects, that are held, the stale ones too
	Absent   int       `json:"absent"`           // objects that could not be read and were not held before
	Stale    int       `json:"stale"`            // objects that could not be read and are held as they were
	Records  int64     `json:"records"`          // live records
	Files    int64     `json:"files"`            // files that are held
	Missing  int64     `json:"files_missing"`    // files that the org has and that could not be read
	Bytes    int64     `json:"files_bytes"`      // of the files that are held

	Components        int64 `json:"components"`         // of metadata that are held
	ComponentsMissing int64 `json:"components_missing"` // of metadata that the org has and could not give

	NewBytes int64  `json:"new_bytes"`        // added to the repository
	Damage   string `json:"damage,omitempty"` // why nothing but the id is known
}

func snapshotRow(i snapshot.Info) SnapshotRow {
	damage := ""
	if i.Damage != nil {
		damage = i.Damage.Error()
	}
	return SnapshotRow{
		Damage: damage,
		ID:     i.ID, Short: i.Short(), Kind: i.Kind, OrgID: i.OrgID, OrgName: i.OrgName, Username: i.Username,
		Started: i.Started, From: i.From, To: i.To, Parent: i.Parent, Partial: i.Partial,
		Parts: i.Parts, Absent: i.Absent, Stale: i.Stale, Records: i.Records, Files: i.Bodies.Held - i.Components.Held, Missing: i.Bodies.Missing - i.Components.Missing, Bytes: i.Bodies.Bytes - i.Components.Bytes,
		Components: i.Components.Held, ComponentsMissing: i.Components.Missing, NewBytes: i.NewBytes,
	}
}

// GapRow is one thing that a snapshot does not hold, and why: the reason begins with the name of a
// rule.
type GapRow struct {
	Object string `json:"object"`          // API name
	Field  string `json:"field,omitempty"` // empty: the whole object
	Rule   string `json:"rule"`            // name of the rule, such as excluded, failed or formula
	Reason string `json:"reason"`          // the rule, a colon and a sentence
}

// Value is a value in a result: absent (left out of JSON), null, or text.
type Value struct{ value sf.Value }

// IsZero reports an absent value; encoding/json asks it for omitzero.
func (v Value) IsZero() bool { return v.value.IsAbsent() }

// IsNull reports a value without text: null, or absent.
func (v Value) IsNull() bool { return !v.value.IsText() }

// Text returns the canonical text, empty for null and absent.
func (v Value) Text() string { return v.value.Text() }

// String shows the value to a person.
func (v Value) String() string { return v.value.String() }

// MarshalJSON writes null, or the canonical text as a string whatever the type of the field.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.value.IsText() {
		return []byte("null"), nil
	}
	return json.Marshal(v.value.Text())
}

// FieldRow is one field of a record.
type FieldRow struct {
	Field string `json:"field"` // API name
	Value Value  `json:"value"` // canonical text, or null
}

// oneOrMany are words of which a text has the first with one thing and the second with any other number.
var oneOrMany = regexp.MustCompile(`\{([A-Za-z, ]+)\|([A-Za-z, ]+)\}`)

// numbered writes a text that says how many there are: n in the place of its first %d, and the words that agree with it
// in the place of each {one|many}.
func numbered[N ~int | ~int64](n N, text string) string {
	words := "$2"
	if n == 1 {
		words = "$1"
	}
	return strings.Replace(oneOrMany.ReplaceAllString(text, words), "%d", strconv.FormatInt(int64(n), 10), 1)
}

// counted counts things whose plural is regular.
func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
