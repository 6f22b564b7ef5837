package run

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"holdfast/internal/mask"
	"holdfast/internal/parquet"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/sqlite"
)

// RescueInput says what is brought out of the repository, and where to.
type RescueInput struct {
	Store    *snapshot.Store
	Snapshot string   // beginning of an ID, or "latest"
	Objects  []string // API names; none is all
	Parquet  bool     // typed columns, instead of CSV

	// Database makes a new, empty file of that name and returns its path. When it is given, the records come into
	// it as tables of an SQLite database.
	Database func(name string) (path string, err error)

	// MaskRules and MaskKey replace values by pseudonyms; empty rules mask nothing. What the org computes
	// of masked values is then left out, and so are the files of records, which nothing masks.
	MaskRules string
	MaskKey   []byte

	// Create makes a new file of that name, in folders where it has slashes. It fails when there is one.
	Create func(name string) (io.WriteCloser, error)

	masker *mask.Masker
	file   *sqlite.File
}

// databaseName is the file of an SQLite database with all records.
const databaseName = "records.sqlite"

// mask returns the masker for the objects that are written.
func (in RescueInput) mask(sn *snapshot.Snapshot, wanted map[string]bool) (*mask.Masker, error) {
	if in.MaskRules == "" {
		return nil, nil
	}
	rules, err := mask.Parse(in.MaskRules)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "mask")
	}
	held := &sf.Schema{}
	for _, o := range sn.Schema().Objects {
		if _, part := sn.Part(o.Name); part && (len(wanted) == 0 || wanted[o.Name]) {
			held.Objects = append(held.Objects, o)
		}
	}
	m, err := mask.New(in.MaskKey, rules, held)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "mask")
	}
	return m, nil
}

// shown returns the fields of a part that are written: with a mask, none that the org makes of others,
// which would tell what is masked.
func (in RescueInput) shown(o *sf.Object, fields []string) []string {
	if in.masker == nil || o == nil {
		return fields
	}
	return slices.DeleteFunc(slices.Clone(fields), func(name string) bool {
		f := o.Field(name)
		derived := f == nil || f.Calculated || f.Type.IsCompound() ||
			!f.Createable && !f.Updateable && f.Type != sf.TypeReference && !sf.IsSystemField(name)
		return derived && !in.masker.Masks(o.Name, name)
	})
}

// RescueResult says what was written.
type RescueResult struct {
	Snapshot SnapshotRow `json:"snapshot"` // where it came from
	Files    []RescueRow `json:"files"`    // one for each object, sorted by object

	Blanked []string `json:"blanked,omitempty"` // fields that a rule of the mask means and no pseudonym fits: they are empty

	FilesOfRecords []RescuedFilesRow `json:"files_of_records"`   // attachments, versions of documents and the like, by object
	Metadata       *ProjectResult    `json:"metadata,omitempty"` // the project in the folder metadata, where there is metadata and no object was named
}

// RescueRow is one object that was written.
type RescueRow struct {
	Object  string `json:"object"`            // API name
	File    string `json:"file,omitempty"`    // name of the file; empty when nothing was written
	Records int64  `json:"records"`           // that it holds
	Reason  string `json:"reason,omitempty"`  // why it is missing, stale or cut short
	Rounded int64  `json:"rounded,omitempty"` // numbers with more digits than the doubles of Parquet hold; CSV has them all
}

// Rescue writes every object of a snapshot as CSV, and the schema as JSON, with nothing but the
// repository and a key. An object that is damaged or absent stands in the way of no other: the
// error is of kind Partial then, and the result names it.
//
// A file has a line of field names, Id first, and a line for each record, ended by a line feed. Null is
// nothing between two commas; every other value is in quotes, which are doubled within it, so that
// nothing is told apart by its look. With Parquet it has a typed column for each field instead.
func Rescue(ctx context.Context, in RescueInput) (RescueResult, error) {
	sn, err := held(ctx, in.Store, in.Snapshot)
	if err != nil {
		return RescueResult{}, err
	}
	out := RescueResult{Snapshot: snapshotRow(sn.Info()), Files: []RescueRow{}, FilesOfRecords: []RescuedFilesRow{}}
	wanted := make(map[string]bool)
	for _, name := range in.Objects {
		if _, found := sn.Part(name); !found {
			return RescueResult{}, problem.Newf(problem.NotFound, "snapshot %s has no object %s", sn.Info().Short(), name)
		}
		wanted[name] = true
	}
	if in.masker, err = in.mask(sn, wanted); err != nil {
		return RescueResult{}, err
	}
	if in.masker != nil {
		out.Blanked = in.masker.Blanked()
	}
	if err := rescueSchema(sn.Schema(), in.Create); err != nil {
		return RescueResult{}, err
	}
	if in.Database != nil {
		if err := in.openDatabase(); err != nil {
			return RescueResult{}, err
		}
	}
	missing, err := out.rescueRecords(ctx, sn, in, wanted)
	if err != nil {
		return out, err
	}
	lost := int64(0)
	if in.masker == nil { // nothing masks the inside of a file
		if lost, err = out.rescueFiles(ctx, sn, in, wanted); err != nil {
			return out, err
		}
	}
	lacking, err := rescueMetadata(ctx, sn, in, &out)
	if err != nil {
		return out, err
	}
	return out, out.verdict(missing, lost, lacking)
}

func (in *RescueInput) openDatabase() error {
	path, err := in.Database(databaseName)
	if err != nil {
		return err
	}
	if in.file, err = sqlite.Create(path); err != nil {
		return fmt.Errorf("make %s: %w", databaseName, err)
	}
	return nil
}

// rescueRecords writes the records, and returns how many objects are not whole.
func (out *RescueResult) rescueRecords(ctx context.Context, sn *snapshot.Snapshot, in RescueInput, wanted map[string]bool) (missing int, err error) {
	if in.file != nil {
		defer func() { err = errors.Join(err, in.file.Close()) }()
	}
	for _, part := range sn.Parts() {
		if len(wanted) > 0 && !wanted[part.Object] {
			continue
		}
		row := RescueRow{Object: part.Object, Reason: part.Reason}
		if part.State == snapshot.Whole {
			err = row.write(ctx, sn, part, in)
			if err != nil && problem.KindOf(err) != problem.Damaged {
				return missing, err
			}
			if err != nil {
				row.Reason = err.Error()
			}
		}
		if row.Reason != "" {
			missing++
		}
		out.Files = append(out.Files, row)
	}
	return missing, nil
}

// verdict returns an error of kind Partial when anything is missing, or nil.
func (out *RescueResult) verdict(objects int, files int64, components int) error {
	switch {
	case objects > 0:
		return problem.Newf(problem.Partial, "%d of %d objects are absent, stale or damaged", objects, len(out.Files)).
			Hint("the result names them; another snapshot may hold them")
	case files > 0:
		return problem.Newf(problem.Partial, "%d files are missing or damaged", files).
			Hint("files/OBJECT/files.csv names them; another snapshot may hold them")
	case components > 0:
		return problem.Newf(problem.Partial, "%d metadata types or components are absent or damaged", components).
			Hint("the result names them; another snapshot may hold them")
	}
	return nil
}

// rescueFiles writes the files of records, and returns how many are not there; at least one for an object whose
// files are all absent.
func (out *RescueResult) rescueFiles(ctx context.Context, sn *snapshot.Snapshot, in RescueInput, wanted map[string]bool) (int64, error) {
	lost := int64(0)
	for _, part := range sn.PartsOf(snapshot.Files) {
		row := RescuedFilesRow{Object: strings.TrimPrefix(part.Object, snapshot.Files.Name("")), Reason: part.Reason}
		if len(wanted) > 0 && !wanted[row.Object] {
			continue
		}
		if part.State == snapshot.Whole {
			err := row.write(ctx, sn, part, in)
			if err != nil && problem.KindOf(err) != problem.Damaged {
				return lost, err
			}
			if err != nil {
				row.Reason = err.Error()
			}
		}
		if lost += row.Lost; row.Reason != "" && row.Lost == 0 {
			lost++
		}
		out.FilesOfRecords = append(out.FilesOfRecords, row)
	}
	return lost, nil
}

// rescueMetadata writes the components of the snapshot as a project, those of managed packages included, and
// returns how many are missing.
func rescueMetadata(ctx context.Context, sn *snapshot.Snapshot, in RescueInput, out *RescueResult) (int, error) {
	if len(in.Objects) > 0 || len(componentKinds(sn)) == 0 {
		return 0, nil
	}
	project, err := Project(ctx, ProjectInput{
		Store: in.Store, Snapshot: sn.Info().ID, Installed: true,
		Create: func(path string) (io.WriteCloser, error) { return in.Create("metadata/" + path) },
	})
	if err != nil && problem.KindOf(err) != problem.Partial {
		return 0, err
	}
	out.Metadata = &project
	return len(project.Missing), nil
}

// write brings one object out, into a file of its own.
func (row *RescueRow) write(ctx context.Context, sn *snapshot.Snapshot, part snapshot.Part, in RescueInput) (err error) {
	if in.file != nil {
		return row.writeTable(ctx, sn, part, in)
	}
	row.File = part.Object + ".csv"
	if in.Parquet {
		row.File = part.Object + ".parquet"
	}
	file, err := in.Create(row.File)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(file)
	defer func() { err = errors.Join(err, buffered.Flush(), file.Close()) }()
	fields := in.shown(sn.Schema().Object(part.Object), part.Fields)
	var out table = &csvTable{out: buffered, fields: fields}
	if in.Parquet {
		typed := parquet.NewWriter(buffered, sn.Schema().Object(part.Object), fields)
		defer func() { row.Rounded = typed.Rounded() }()
		out = typed
	}
	return row.fill(ctx, sn, part, in, out)
}

// fill writes the records into a table.
func (row *RescueRow) fill(ctx context.Context, sn *snapshot.Snapshot, part snapshot.Part, in RescueInput, out table) error {
	for r, err := range sn.Records(ctx, part.Object) {
		if err != nil {
			return errors.Join(err, out.Close()) // what was read so far can be read again
		}
		if in.masker != nil {
			r = in.masker.Record(r)
		}
		if err := out.Write(r); errors.Is(err, sf.ErrValue) {
			return errors.Join(problem.Wrap(problem.Damaged, err, "write "+row.File).Hint("CSV takes every text"), out.Close())
		} else if err != nil {
			return err
		}
		row.Records++
	}
	return out.Close()
}

// writeTable brings one object out, into a table of the database.
func (row *RescueRow) writeTable(ctx context.Context, sn *snapshot.Snapshot, part snapshot.Part, in RescueInput) error {
	row.File = databaseName
	object := sn.Schema().Object(part.Object)
	out, err := in.file.Table(ctx, part.Object, object, in.shown(object, part.Fields))
	if err != nil {
		return fmt.Errorf("table %s: %w", part.Object, err)
	}
	return row.fill(ctx, sn, part, in, sqlTable{func(r sf.Record) error { return out.Write(ctx, r) }, out.Close})
}

// sqlTable is a table of a database.
type sqlTable struct {
	write func(sf.Record) error
	end   func() error
}

// Write adds a record.
func (t sqlTable) Write(r sf.Record) error { return t.write(r) }

// Close ends the table.
func (t sqlTable) Close() error { return t.end() }

// table is a file of records of one object.
type table interface {
	Write(r sf.Record) error
	Close() error
}

// csvTable is a table in CSV, with a line of names even when there is no record.
type csvTable struct {
	out    *bufio.Writer
	fields []string
	begun  bool
	line   []byte
}

func (t *csvTable) begin() error {
	if t.begun {
		return nil
	}
	t.begun = true
	_, err := fmt.Fprintln(t.out, strings.Join(append([]string{"Id"}, t.fields...), ","))
	return err
}

// Write adds a record.
func (t *csvTable) Write(r sf.Record) error {
	if err := t.begin(); err != nil {
		return err
	}
	t.line = appendCell(t.line[:0], string(r.ID))
	for _, field := range t.fields {
		t.line = append(t.line, ',')
		if v := r.Get(field); v.IsText() {
			t.line = appendCell(t.line, v.Text())
		}
	}
	_, err := t.out.Write(append(t.line, '\n'))
	return err
}

// Close ends the table, and not the file.
func (t *csvTable) Close() error { return t.begin() }

func appendCell(line []byte, text string) []byte {
	line = append(line, '"')
	line = append(line, strings.ReplaceAll(text, `"`, `""`)...)
	return append(line, '"')
}

// schemaRow is an object in the schema file of a rescue.
type schemaRow struct {
	Name   string     `json:"name"`
	Label  string     `json:"label"`
	Fields []fieldRow `json:"fields"`
}

type fieldRow struct {
	Name        string   `json:"name"`
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	Length      int      `json:"length,omitempty"`
	ReferenceTo []string `json:"referenceTo,omitempty"`
}

func rescueSchema(s *sf.Schema, create func(string) (io.WriteCloser, error)) error {
	rows := []schemaRow{}
	for _, o := range s.Objects {
		row := schemaRow{Name: o.Name, Label: o.Label, Fields: []fieldRow{}}
		for _, f := range o.Fields {
			row.Fields = append(row.Fields, fieldRow{Name: f.Name, Label: f.Label, Type: string(f.Type), Length: f.Length, ReferenceTo: f.ReferenceTo})
		}
		rows = append(rows, row)
	}
	file, err := create("schema.json")
	if err != nil {
		return err
	}
	e := json.NewEncoder(file)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return errors.Join(e.Encode(rows), file.Close())
}
