package run

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// FilesRow is the files of one object in a snapshot: the bytes of its base64 fields.
type FilesRow struct {
	Object  string `json:"object"`           // API name
	State   string `json:"state"`            // whole or absent
	Stale   bool   `json:"stale"`            // taken over from an earlier snapshot because reading them failed
	Reason  string `json:"reason,omitempty"` // why they are absent or stale
	Held    int64  `json:"held"`             // files that are held
	Missing int64  `json:"missing"`          // files that the org has and that could not be read
	Bytes   int64  `json:"bytes"`            // of the files that are held, each counted as often as a record has it
}

func filesRows(sn *snapshot.Snapshot, object string) []FilesRow {
	var rows []FilesRow
	for _, p := range sn.PartsOf(snapshot.Files) {
		name := strings.TrimPrefix(p.Object, snapshot.Files.Name(""))
		if object == "" || strings.EqualFold(object, name) {
			rows = append(rows, FilesRow{
				Object: name, State: string(p.State), Stale: p.Stale, Reason: p.Reason,
				Held: p.Bodies.Held, Missing: p.Bodies.Missing, Bytes: p.Bodies.Bytes,
			})
		}
	}
	return rows
}

// BackupFilesRow says what became of the files of one object.
type BackupFilesRow struct {
	Object    string `json:"object"`         // API name
	Mode      string `json:"mode"`           // full, changes, carried, stale or absent
	Why       string `json:"why,omitempty"`  // of a failure
	Hint      string `json:"hint,omitempty"` // what to do about a failure
	Held      int64  `json:"held"`           // files in the snapshot
	Missing   int64  `json:"missing"`        // files that could not be read
	Bytes     int64  `json:"bytes"`          // of the files that are held
	Read      int64  `json:"read"`           // files that were read from the org
	ReadBytes int64  `json:"read_bytes"`     // bytes that the org sent of them
	Kept      int64  `json:"kept"`           // files that a backup which was cut short had read
}

func backupFilesRow(f capture.FilesResult) BackupFilesRow {
	return BackupFilesRow{
		Object: f.Object, Mode: string(f.Mode), Why: f.Why, Hint: f.Hint,
		Held: f.Bodies.Held, Missing: f.Bodies.Missing, Bytes: f.Bodies.Bytes, Read: f.Read, ReadBytes: f.Bytes, Kept: f.Kept,
	}
}

// FileRow is a file of a record.
type FileRow struct {
	Field   string `json:"field"`            // base64 field that holds it
	Missing bool   `json:"missing"`          // the org has it and it could not be read
	Bytes   int64  `json:"bytes"`            // size
	SHA256  string `json:"sha256,omitempty"` // of its bytes, hexadecimal
}

// heldFile is a file with where its bytes are.
type heldFile struct {
	FileRow
	body snapshot.Body
}

// filesOfRecord returns the files that the snapshot holds of a record, by field.
func filesOfRecord(ctx context.Context, sn *snapshot.Snapshot, object string, id sf.ID) ([]heldFile, error) {
	part, found := sn.Part(snapshot.Files.Name(object))
	if !found || part.State != snapshot.Whole {
		return nil, nil
	}
	r, found, err := sn.Record(ctx, part.Object, id)
	if err != nil || !found {
		return nil, err
	}
	return heldFiles(sn.Schema().Object(object), r)
}

// heldFiles returns the files to which a row of files refers.
func heldFiles(object *sf.Object, r sf.Record) ([]heldFile, error) {
	var rows []heldFile
	for i, name := range r.Shape.Fields() {
		v := r.Values[i]
		if !holdsFile(object, name) || v.IsAbsent() {
			continue
		}
		row := heldFile{FileRow: FileRow{Field: name, Missing: v.IsNull()}}
		if v.IsText() {
			var err error
			if row.body, err = snapshot.ParseBody(v.Text()); err != nil {
				return nil, fmt.Errorf("file of %s %s: %w", r.Shape.Object(), r.ID, err)
			}
			row.Bytes, row.SHA256 = row.body.Size, row.body.Hex()
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// holdsFile reports a field of a row of files that refers to one. Images in rich text are files of no object.
func holdsFile(object *sf.Object, field string) bool {
	if object == nil {
		return field == capture.ImageBody
	}
	f := object.Field(field)
	return f != nil && f.Type == sf.TypeBase64
}

// FileInput says which file is brought out of a snapshot.
type FileInput struct {
	Store    *snapshot.Store
	Snapshot string // beginning of an ID, or "latest"
	Record   string // Id of 15 or 18 characters
	Object   string // API name; empty: told by the Id
	Field    string // base64 field; empty: the one that there is

	// Create opens where the bytes go, once it is known that they are held.
	Create func() (io.WriteCloser, error)
}

// FileResult is a file that was brought out.
type FileResult struct {
	Snapshot SnapshotRow `json:"snapshot"` // where it came from
	Object   string      `json:"object"`   // API name
	ID       sf.ID       `json:"id"`       // Id of the record
	Name     string      `json:"name"`     // that the org gives it; empty when it gives none
	File     FileRow     `json:"file"`     // the file
}

// File writes a file out. Errors: NotFound for a file that is not held; Damaged when what is stored is not what
// was read from the org, and then something may have been written.
func File(ctx context.Context, in FileInput) (out FileResult, err error) {
	sn, err := held(ctx, in.Store, in.Snapshot)
	if err != nil {
		return out, err
	}
	out.Snapshot = snapshotRow(sn.Info())
	if out.ID, err = sf.ParseID(in.Record); err != nil {
		return out, problem.Newf(problem.Usage, "%q is no record Id", in.Record).Hint("give its 15 or 18 characters")
	}
	if out.Object, err = objectWithFiles(sn, out.ID, in.Object); err != nil {
		return out, err
	}
	files, err := filesOfRecord(ctx, sn, out.Object, out.ID)
	if err != nil {
		return out, err
	}
	if in.Field != "" {
		files = slices.DeleteFunc(files, func(f heldFile) bool { return !strings.EqualFold(f.Field, in.Field) })
	}
	switch {
	case len(files) == 0:
		return out, problem.Newf(problem.NotFound, "snapshot %s holds no file of %s %s", sn.Info().Short(), out.Object, out.ID).
			Hint("`holdfast show %s` lists what it holds", sn.Info().Short())
	case len(files) > 1:
		return out, problem.Newf(problem.Usage, "%s %s has %d files", out.Object, out.ID, len(files)).Hint("name the field of one")
	case files[0].Missing:
		return out, problem.Newf(problem.NotFound, "the file of %s %s could not be read when snapshot %s was made", out.Object, out.ID, sn.Info().Short()).
			Hint("another snapshot may hold it")
	}
	out.File = files[0].FileRow
	if r, found, err := sn.Record(ctx, out.Object, out.ID); err == nil && found {
		out.Name = fileName(r)
	}
	to, err := in.Create()
	if err != nil {
		return out, err
	}
	_, err = io.Copy(to, in.Store.OpenBody(ctx, files[0].body))
	if closed := to.Close(); err == nil {
		err = closed
	}
	return out, err
}

// objectWithFiles returns the object of a record; images in rich text stand in for one.
func objectWithFiles(sn *snapshot.Snapshot, id sf.ID, name string) (string, error) {
	if strings.EqualFold(name, capture.Images) {
		return capture.Images, nil
	}
	return objectOf(sn, id, name)
}

// fileName returns the name that the org gives to the file of a record, or "".
func fileName(r sf.Record) string {
	for _, field := range []string{"PathOnClient", "Name", "Title"} {
		if v := r.Get(field); v.IsText() && v.Text() != "" {
			return v.Text()
		}
	}
	return ""
}
