package capture

import (
	"slices"
	"strings"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

const (
	// DefaultOverlap is how far behind the last watermark changes are read again: a transaction may
	// commit minutes after the stamp that its records carry.
	DefaultOverlap = 10 * time.Minute
	// DefaultParallel is the number of objects that are read at once.
	DefaultParallel = 4
	// maxParallel keeps below the 25 long-running requests that an org allows at once.
	// Source: Salesforce Developer Limits, "API Request Limits".
	maxParallel = 16
)

// Options say what is captured and how. The zero value captures everything that can be, by changes
// where an earlier snapshot allows it.
type Options struct {
	OrgName string // the operator's name for the org
	Kind    string // of the snapshot; "" is "backup"

	// Include restricts the reading to these objects; others that the last snapshot holds are taken
	// over from it. Empty includes all.
	Include []string
	// Rules say what is not held.
	Rules Rules

	// Metadata is where components are read; nil takes over what the last snapshot holds of them. Include and
	// AcceptDeletions name types of components as components/ApexClass, and all as components/*.
	Metadata Metadata
	// ComponentChunk is about how many files one retrieve brings; 0 is a half of what the platform allows.
	ComponentChunk int

	// Ask are components that must not be missed: those that the org does not list are asked for by name, and a type of
	// which it gives one is not known by its listing. Of flows they are whole flows.
	Ask []sf.ComponentKey

	Full   bool // read every record again, which also refreshes formulas
	Census bool // compare the Ids of every object, even where the counts agree

	// RefreshFormulas is how old the formulas and roll-ups of an object may become: when every record was
	// last read longer ago, every record is read again. 0 is never.
	RefreshFormulas time.Duration

	// AcceptDeletions names objects whose records may vanish in numbers without another witness: the
	// operator's word that they were deleted. "*" names all.
	AcceptDeletions []string

	// Files reads the bytes of files, too, where the Source is a FileSource. Without it those that the last
	// snapshot holds are taken over.
	Files bool
	// FilesOf names objects whose files are read even without Files.
	FilesOf []string

	Parallel int           // objects, and then files, at once; 0 is DefaultParallel
	Overlap  time.Duration // 0 is DefaultOverlap; negative is none

	SaveBytes int64 // bytes of files between two notes, see DefaultSaveBytes
	RangeRows int64 // records of a range of Ids, see DefaultRangeRows

	// MayGoOn is asked before each part and while rows arrive. An error ends the reading: what is whole
	// by then is published, and the other parts fail with it. nil is always. It is asked often.
	MayGoOn func() error

	// Progress is told what happens, one call at a time; nil is nobody. It should return soon.
	Progress func(Event)
}

func (o Options) overlap() time.Duration {
	if o.Overlap == 0 {
		return DefaultOverlap
	}
	return max(o.Overlap, 0)
}

func (o Options) parallel() int {
	if o.Parallel <= 0 {
		return DefaultParallel
	}
	return min(o.Parallel, maxParallel)
}

func (o Options) saveBytes() int64 {
	if o.SaveBytes <= 0 {
		return DefaultSaveBytes
	}
	return o.SaveBytes
}

// names reports whether the list holds the object, without regard to case, or "*".
func names(list []string, object string) bool {
	return slices.ContainsFunc(list, func(n string) bool { return n == "*" || strings.EqualFold(n, object) })
}

// Stage is what happens to a part.
type Stage string

// The stages of a part. Every part ends with exactly one of Done, Carried, Failed and Refused; one that
// is Done may still come to Closing, and then Failed.
const (
	Started      Stage = "started" // the first query is about to be sent
	Reading      Stage = "reading" // more rows have arrived
	Closing      Stage = "closing" // some records are read again for what they refer to
	ReadingFiles Stage = "files"   // more files of an object have arrived
	Census       Stage = "census"  // all Ids of the object are compared
	Done         Stage = "done"    // the part is whole
	Carried      Stage = "carried" // not selected: taken over from the last snapshot
	Failed       Stage = "failed"  // not captured; Text says why
	Refused      Stage = "refused" // the org does not answer queries on it; Text holds its words
)

// Event is one step of a capture, for whoever watches.
type Event struct {
	Object string
	Stage  Stage
	Text   string

	Rows  int64 // of this part so far
	Bytes int64 // of the values of these rows
	Calls int64 // of the whole capture so far
	Ended int   // parts that have ended
	Parts int   // parts in all

	AllRows  int64 // of all parts so far
	AllBytes int64 // of the values of these rows
	Expect   int64 // rows that are to be read in all, as far as that is known: of parts that are read in full
}

// Mode says how a part was read.
type Mode string

// The modes of reading a part.
const (
	ModeFull    Mode = "full"    // every record
	ModeChanges Mode = "changes" // what changed since the last watermark
	ModeCarried Mode = "carried" // not read: taken over from the last snapshot as not selected
	ModeStale   Mode = "stale"   // reading failed: the earlier content and watermark stand
	ModeAbsent  Mode = "absent"  // reading failed and nothing earlier is held
)

// PartResult says what became of one object.
type PartResult struct {
	Object string
	Mode   Mode
	Why    string // why it was read in full, or why it failed
	Hint   string // what to do about a failure

	Part    snapshot.Part // as published; zero when absent
	Read    int64         // rows that the org sent
	Bytes   int64         // of the values in these rows
	Kept    int64         // rows that a run which was cut short had read, and that were not read again
	Again   int64         // of these, read once more because what they refer to went or came back
	Buried  Evidence      // records found gone, by what proves it
	Broken  []string      // components that could not be retrieved, by full name
	Settled string        // how a difference of counts was explained; "" when there was none
}

// Evidence counts deletions by what proves them.
type Evidence struct {
	Bin    int64 // seen in the Recycle Bin
	Log    int64 // in the org's log of deletions
	Census int64 // missing from the Ids that the org lists, and not found by Id

	Listing int64 // components that the org does not list any more
}

// The evidence that a tombstone names.
const (
	EvidenceBin    = "recycle bin"
	EvidenceLog    = "deletion log"
	EvidenceCensus = "census"
	// EvidenceListing is that of components.
	EvidenceListing = "listing"
)

// Result says what a capture did.
type Result struct {
	Org      sf.Identity
	Snapshot snapshot.Info // zero when nothing was published
	Parts    []PartResult  // sorted by object
	Files    []FilesResult // by object
	Coverage []snapshot.Gap
	Calls    int64 // requests sent by the source
	Usage    sf.Usage
}

// Failed returns the parts that could not be captured.
func (r Result) Failed() []PartResult {
	var failed []PartResult
	for _, p := range r.Parts {
		if p.Mode == ModeStale || p.Mode == ModeAbsent || len(p.Broken) > 0 {
			failed = append(failed, p)
		}
	}
	return failed
}
