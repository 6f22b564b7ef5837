package bulk

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// column is what a header cell says about its cells.
type column struct {
	name   string
	isID   bool
	parent *org.ParentKey // of a parent named by its external id; Text is filled in per row
}

// runIngest processes an upload: it reads the whole file first, because a file that is not CSV, or
// names a field that is not there, is refused as a whole.
func (j *Jobs) runIngest(b *job) {
	if err := j.rule(b, 0); err != nil {
		j.settle(b, failed, err.Error())
		return
	}
	if !j.begin(b) {
		return
	}
	columns, rows, err := j.readUpload(b)
	j.mu.Lock()
	b.rows = rows
	j.mu.Unlock()
	if err != nil {
		j.settle(b, failed, err.Error())
		return
	}
	if err := j.runBatches(b, columns, rows); err != nil {
		j.settle(b, failed, err.Error())
		return
	}
	if j.stopped(b) {
		return
	}
	j.settle(b, jobComplete, "")
}

// readUpload finds the rows and checks what does not depend on the org's records.
func (j *Jobs) readUpload(b *job) ([]column, []row, error) {
	if !utf8.ValidString(b.upload) {
		return nil, nil, fmt.Errorf("InvalidBatch : The file is not encoded in UTF-8")
	}
	if found := endingOf(b.upload); found != "" && found != lineEndings[b.ending] {
		// Source: message seen by public clients.
		return nil, nil, fmt.Errorf("ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is %s", b.ending)
	}
	s := b.fileScanner(0)
	cells, err := s.next()
	if err != nil || cells == nil {
		return nil, nil, fmt.Errorf("InvalidBatch : Failed to parse CSV header")
	}
	header := append([]string(nil), cells...)
	j.mu.Lock()
	b.header = header
	j.mu.Unlock()
	columns, err := j.columns(b, header)
	if err != nil {
		return nil, nil, err
	}
	var rows []row
	for {
		offset := len(b.upload) - len(s.text)
		cells, err := s.next()
		if err != nil {
			return nil, rows, fmt.Errorf("InvalidBatch : Failed to parse CSV row %d", len(rows)+1)
		}
		if cells == nil {
			return columns, rows, nil
		}
		if len(cells) != len(header) {
			return nil, rows, fmt.Errorf("InvalidBatch : Row %d has %d columns, the header has %d", len(rows)+1, len(cells), len(header))
		}
		if err := checkSize(cells, len(rows)+1); err != nil {
			return nil, rows, err
		}
		rows = append(rows, row{offset: offset})
	}
}

// checkSize applies the limits of a row. That they refuse the whole file is unverified.
func checkSize(cells []string, number int) error {
	total := 0
	for _, cell := range cells {
		n := characters(cell)
		if n > maxField {
			return fmt.Errorf("InvalidBatch : Row %d has a field of %d characters, the maximum is %d", number, n, maxField)
		}
		total += n
	}
	if total > maxRecord {
		return fmt.Errorf("InvalidBatch : Row %d has %d characters, the maximum is %d", number, total, maxRecord)
	}
	return nil
}

// columns resolves the header against the object.
func (j *Jobs) columns(b *job, header []string) ([]column, error) {
	object, ok := j.cfg.Org.Describe(b.object)
	if !ok {
		return nil, fmt.Errorf("InvalidBatch : Unable to find object: %s", b.object)
	}
	if len(header) > maxFields {
		return nil, fmt.Errorf("InvalidBatch : The file has %d columns, the maximum is %d", len(header), maxFields)
	}
	columns := make([]column, len(header))
	for i, name := range header {
		if slices.ContainsFunc(header[:i], func(n string) bool { return strings.EqualFold(n, name) }) { // wording unverified
			return nil, fmt.Errorf("InvalidBatch : Duplicate field name : %s", name)
		}
		unknown := fmt.Errorf("InvalidBatch : Field name not found : %s", name)
		parentObject, path, polymorphic := strings.Cut(name, ":")
		if !polymorphic {
			parentObject, path = "", name
		}
		relationship, field, isParent := strings.Cut(path, ".")
		switch {
		case isParent:
			r := object.Relationship(relationship)
			if r == nil {
				return nil, unknown
			}
			columns[i] = column{name: relationship, parent: &org.ParentKey{Object: parentObject, Field: field}}
		case strings.EqualFold(name, "Id"):
			columns[i] = column{name: "Id", isID: true}
		default:
			f := object.Field(name)
			if f == nil {
				return nil, unknown
			}
			columns[i] = column{name: f.Name}
		}
	}
	return columns, nil
}

// writeChunk writes up to 200 rows in one transaction, each row on its own. Rows that contend for a
// lock with another batch fail.
func (j *Jobs) writeChunk(b *job, columns []column, rows []row, p *batch, held map[sf.ID]*batch) error {
	load, err := j.loadOf(b, columns, rows)
	if err != nil {
		return err
	}
	written := make([]*row, len(rows))
	for i := range rows {
		written[i] = &rows[i]
	}
	if held != nil {
		load, written = j.lock(b, load, written, p, held)
	}
	results := j.cfg.Org.Write(b.caller, operations[b.operation], load, org.Options{ExternalID: b.external})
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, result := range results {
		r := written[i]
		r.id = result.ID
		b.processed++
		if result.Success {
			r.outcome, r.created = succeeded, result.Created
			continue
		}
		r.outcome, r.err = refused, errorText(result.Errors)
		b.failures++
	}
	return nil
}

// loadOf turns rows of the file into rows of a load.
func (j *Jobs) loadOf(b *job, columns []column, rows []row) ([]org.Row, error) {
	load := make([]org.Row, len(rows))
	for i := range rows {
		cells, err := b.fileScanner(rows[i].offset).next()
		if err != nil {
			return nil, err
		}
		load[i] = rowOf(b, columns, cells)
	}
	return load, nil
}

// rowOf turns cells into a row of a load.
func rowOf(b *job, columns []column, cells []string) org.Row {
	r := org.Row{Object: b.object}
	for i, col := range columns {
		text := cells[i]
		if col.isID { // an insert that names one is refused
			r.ID = text
			continue
		}
		if text == "" {
			continue
		}
		if text == nullMark {
			text = ""
		}
		a := org.Assignment{Field: col.name, Text: text}
		if col.parent != nil && text != "" {
			key := *col.parent
			key.Text = text
			a.Parent = &key
		}
		r.Fields = append(r.Fields, a)
	}
	return r
}

// errorText spells the errors of a row as the failed results do: CODE:message:FIELDS --.
func errorText(list []org.Error) string {
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(e.Code + ":" + e.Message + ":")
		if len(e.Fields) > 0 {
			b.WriteString(strings.Join(e.Fields, ",") + " ")
		}
		b.WriteString("--")
	}
	return b.String()
}
