package snapshot

import (
	"context"
	"errors"
	"iter"
	"time"

	"holdfast/internal/repo"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

var errPending = errors.New("not written yet")

// Store reads and writes the snapshots of a repository.
type Store struct{}

// Open returns the snapshots of the repository.
func Open(r *repo.Repository) *Store { return &Store{} }

// Filter restricts Load and List to some snapshots.
type Filter func(Info) bool

// OfOrg selects the snapshots of one org.
func OfOrg(id sf.ID) Filter { return func(i Info) bool { return i.OrgID == id } }

// OfKind selects the snapshots of one kind.
func OfKind(kind string) Filter { return func(i Info) bool { return i.Kind == kind } }

// List returns the snapshots, newest first.
func (s *Store) List(ctx context.Context, filters ...Filter) ([]Info, error) { return nil, errPending }

// Load returns a snapshot by the beginning of its ID, or the newest for "latest".
func (s *Store) Load(ctx context.Context, id string, filters ...Filter) (*Snapshot, error) {
	return nil, errPending
}

// Write makes a snapshot: fn writes its parts, and when fn returns nil the manifest is stored.
func (s *Store) Write(ctx context.Context, d Draft, fn func(*Writer) error) (*Snapshot, error) {
	return nil, errPending
}

// PutNote stores a note. The same name with the same body is success, with another body a Conflict.
func (s *Store) PutNote(ctx context.Context, kind, name string, body []byte) error { return errPending }

// Notes yields the notes of a kind in the order of their names.
func (s *Store) Notes(ctx context.Context, kind string) iter.Seq2[Note, error] { return nil }

// Snapshot is a stored snapshot.
type Snapshot struct{}

// Info returns what a listing says of the snapshot.
func (sn *Snapshot) Info() Info { return Info{} }

// Schema returns the schema that was observed.
func (sn *Snapshot) Schema() *sf.Schema { return nil }

// Parts returns the parts, sorted by object.
func (sn *Snapshot) Parts() []Part { return nil }

// Part returns the part of the object, and whether the snapshot names it.
func (sn *Snapshot) Part(object string) (Part, bool) { return Part{}, false }

// Coverage returns what the snapshot does not hold, sorted by object and field.
func (sn *Snapshot) Coverage() []Gap { return nil }

// Records yields the live records of the object by ascending Id.
func (sn *Snapshot) Records(ctx context.Context, object string) state.Records { return nil }

// Record reads one record.
func (sn *Snapshot) Record(ctx context.Context, object string, id sf.ID) (sf.Record, bool, error) {
	return sf.Record{}, false, errPending
}

// Lookup yields those of the records that are there, for ascending Ids.
func (sn *Snapshot) Lookup(ctx context.Context, object string, ids iter.Seq[sf.ID]) state.Records {
	return nil
}

// Tombstones yields the deletions that the layers of the part know, by ascending Id.
func (sn *Snapshot) Tombstones(ctx context.Context, object string) iter.Seq2[Tombstone, error] {
	return nil
}

// Diff yields the changes that lead from a to b, reading only what they do not share.
func Diff(ctx context.Context, a, b *Snapshot, object string) iter.Seq2[state.Change, error] {
	return nil
}

// Writer writes the parts of one snapshot. Its methods may be called from several goroutines.
type Writer struct{}

// Part begins a part.
func (w *Writer) Part(info PartInfo) (*PartWriter, error) { return nil, errPending }

// Carry takes over the parent's part, unchanged, with its interval and watermark.
func (w *Writer) Carry(object string) error { return errPending }

// CarryStale is Carry for a part whose reading failed: the snapshot is partial. It may follow
// PartWriter.Abandon of the same object.
func (w *Writer) CarryStale(object, reason string) error { return errPending }

// Absent names an object that is not held although it should be: the snapshot is partial.
func (w *Writer) Absent(object, reason string) error { return errPending }

// Gap adds to the coverage something that is not held; field "" is the whole object.
func (w *Writer) Gap(object, field, reason string) {}

// PartWriter writes one part. It is for one goroutine at a time.
type PartWriter struct{}

// Add adds a version of a record, in any order; a later one of the same Id wins. The fields of the
// record must be among those of the part. Nothing of r is kept.
func (p *PartWriter) Add(r sf.Record) error { return errPending }

// Remove adds a tombstone; like Add, the last word on an Id wins.
func (p *PartWriter) Remove(id sf.ID, at time.Time, evidence string) error { return errPending }

// Observed sets the interval and the watermark, which are often known only at the end.
func (p *PartWriter) Observed(from, to, watermark time.Time) {}

// Close ends the part as whole. expected is what the org counted, or -1.
func (p *PartWriter) Close(ctx context.Context, expected int64) (Part, error) {
	return Part{}, errPending
}

// Abandon ends the part as absent by name.
func (p *PartWriter) Abandon(reason string) error { return errPending }
