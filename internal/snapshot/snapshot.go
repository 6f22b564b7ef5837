package snapshot

import (
	"strings"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// Info is what a listing says of a snapshot, read from the head of its manifest alone.
type Info struct {
	ID       string // 64 hexadecimal digits; any unique beginning of it names the snapshot
	Kind     string // what it was made for, such as "backup"
	OrgID    sf.ID
	OrgName  string
	Username string
	Started  time.Time // server time at which the observation began
	From, To time.Time // widest interval over the parts; both Started when there is no part
	Parent   string    // ID of the snapshot that it was written on, or ""
	Partial  bool      // a part is absent or stale, or a body is missing
	Parts    int       // parts that are whole
	Absent   int       // parts that are absent by name
	Stale    int       // whole parts taken over from the parent because reading them failed
	Records  int64     // live records in all parts
	Bodies   Tally     // of all parts

	Components Tally // of the parts of components: those whose files are held, those whose are not
	NewBytes   int64 // bytes that this snapshot added to the repository, its manifest aside
	Calls      int64 // API calls that were spent on reading it; 0 when that was not said
	Dangled    int64 // lookups to records that went since the parent, as they were first read
	Dangling   int64 // of these, those that the org still shows when it is asked again
	Damage     error // why nothing but the ID is known of it, of kind Damaged; else nil
}

// Short returns the beginning of the ID that is shown to people.
func (i Info) Short() string { return i.ID[:min(len(i.ID), shortID)] }

// shortID is the length of a shown ID: 40 bits, so that two of a million snapshots rarely share it;
// a prefix that is shared is refused, never guessed.
const shortID = 10

// PartState says whether a part is held.
type PartState string

const (
	// Whole is a part that holds every record that the org showed in its interval.
	Whole PartState = "whole"
	// Absent is a part that is not held; its Reason says why.
	Absent PartState = "absent"
)

// PartKind says what the rows of a part are.
type PartKind string

const (
	// Records is the kind of parts whose rows are records of an object.
	Records PartKind = ""
	// Files is the kind of parts whose rows have the Ids of records, and hold their files.
	Files PartKind = "files"
	// Components is the kind of parts whose rows are metadata components.
	Components PartKind = "components"
)

// Name returns the name under which a snapshot holds the part of that kind of an object. Of records that is
// the name of the object.
func (k PartKind) Name(object string) string {
	if k == Records {
		return object
	}
	return string(k) + "/" + object
}

// Of returns the object of a part by its name, and whether the part is of this kind.
func (k PartKind) Of(name string) (string, bool) {
	if kindOf(name) != k {
		return "", false
	}
	return strings.TrimPrefix(name, string(k)+"/"), true
}

// kindOf returns the kind that the name of a part says.
func kindOf(name string) PartKind {
	kind, _, found := strings.Cut(name, "/")
	if !found {
		return Records
	}
	return PartKind(kind)
}

// validPart reports the name of a part: an API name, or a kind of 1 to 16 of a-z, a slash and an API name.
func validPart(name string) bool {
	kind, object, found := strings.Cut(name, "/")
	if !found {
		return validName(name)
	}
	return kind != "" && len(kind) <= maxKind && len(name) <= maxName && strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz") == "" && validName(object)
}

// maxKind bounds the name of a kind, in bytes.
const maxKind = 16

// Part describes one object in a snapshot.
type Part struct {
	Object string // the name of the part: PartKind.Name
	State  PartState
	Reason string // why it is absent or stale; else ""
	Stale  bool   // taken over from the parent because reading it failed

	Fields    []string  // sorted, without Id: the fields of the newest schema generation held
	From, To  time.Time // server time: interval in which it was read
	Watermark time.Time // server time: changes are complete up to here

	Records  int64 // live records
	Expected int64 // what the org counted, or -1 when it was not asked
	Digest   state.Digest
	Changes  Changes // relative to the parent's part
	Bodies   Tally   // what its rows refer to

	Layers   int   // base and deltas
	Segments int   // in all layers
	Bytes    int64 // size of the segments as stored
}

// Changes counts what a part that was written as a delta changed. A base counts every record as
// Created.
type Changes struct {
	Created, Updated, Deleted int64
	Unchanged                 int64 // versions that were added but equal the parent's, and not stored
}

// Gap is one entry of the coverage: something that the snapshot does not hold, and why.
type Gap struct {
	Object string
	Field  string // "" for the whole object
	Reason string
}

// Tombstone says that a record is gone.
type Tombstone struct {
	ID       sf.ID
	At       time.Time // server time of the deletion, or of the observation that found it
	Evidence string    // how it is known, such as "recycle bin", "deletion log" or "census"
}

// Draft says what a snapshot will be of.
type Draft struct {
	Kind     string // "" is "backup"
	OrgID    sf.ID
	OrgName  string
	Username string
	Schema   *sf.Schema // nil takes over the parent's
	Parent   *Snapshot  // nil for the first
	Started  time.Time  // server time at which the observation began

	// Unverified leaves out that what was compressed is decompressed again and compared before it is
	// stored. It is there to measure what that costs; no command asks for it.
	Unverified bool
}

// PartInfo says what a part will be. The interval and the watermark may also be given later, with
// PartWriter.Observed.
type PartInfo struct {
	Object    string   // the name of the part: PartKind.Name
	Fields    []string // API names; Id is implied
	Bodies    []string // those of the fields whose texts are references to bodies
	From, To  time.Time
	Watermark time.Time
	Full      bool // a new base; else a delta on the parent's part, which must be whole
}

// Note is a named, sealed document that another package keeps in the repository.
type Note struct {
	Kind string // one to sixteen of a-z
	Name string
	Body []byte
}
