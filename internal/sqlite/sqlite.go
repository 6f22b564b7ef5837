// Package sqlite writes records as tables of an SQLite database, for those who ask questions of a snapshot with
// SQL, or hand it on as one file.
//
// It promises a table for each object with a column for each field, null where a record has none, and every digit:
// a number is an INTEGER or a REAL where that holds it, and its text where it does not. Booleans are 0 and 1; dates,
// times and all else are TEXT as the platform's API spells them. Memory does not grow with the records.
//
// The form is that of https://www.sqlite.org/fileformat.html. The file is not encrypted.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	_ "modernc.org/sqlite" // the driver

	"holdfast/internal/sf"
)

// rowsPerCommit bounds what a transaction holds.
const rowsPerCommit = 50_000

// File is a database that is written. It is for one goroutine.
type File struct{ db *sql.DB }

// Create opens the empty file of that path as a database.
func Create(path string) (*File, error) {
	// Nobody needs half of the file: it is written again when the machine dies.
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=journal_mode(off)&_pragma=synchronous(off)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &File{db}, nil
}

// Close ends the database.
func (f *File) Close() error { return f.db.Close() }

// Table is a table of the records of one object.
type Table struct {
	db      *sql.DB
	tx      *sql.Tx
	insert  *sql.Stmt
	text    string
	columns []column
	values  []any
	rows    int
}

// column is one field, and how its text is bound.
type column struct {
	field string
	kind  sf.FieldType
}

// Table begins the table of an object, which may be nil: then every field is text. Fields come in the order
// given, after the Id.
func (f *File) Table(ctx context.Context, name string, object *sf.Object, fields []string) (*Table, error) {
	t := &Table{db: f.db, values: make([]any, len(fields)+1)}
	defined := []string{`"Id" TEXT PRIMARY KEY`}
	for _, field := range fields {
		c := column{field: field}
		if object != nil {
			if d := object.Field(field); d != nil {
				c.kind = d.Type
			}
		}
		t.columns = append(t.columns, c)
		defined = append(defined, quote(field)+declared(c.kind))
	}
	if _, err := f.db.ExecContext(ctx, "CREATE TABLE "+quote(name)+" ("+strings.Join(defined, ", ")+") WITHOUT ROWID"); err != nil {
		return nil, err
	}
	t.text = "INSERT INTO " + quote(name) + " VALUES (?" + strings.Repeat(", ?", len(fields)) + ")"
	return t, t.begin(ctx)
}

// quote quotes a name. Source: https://www.sqlite.org/lang_keywords.html.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// declared is the type of a column. Numbers have none, so that a text among them stays one.
// Source: https://www.sqlite.org/datatype3.html, "Column Affinity".
func declared(t sf.FieldType) string {
	switch t {
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		return ""
	case sf.TypeBoolean:
		return " INTEGER"
	}
	return " TEXT"
}

func (t *Table) begin(ctx context.Context) (err error) {
	if t.tx, err = t.db.BeginTx(ctx, nil); err != nil {
		return err
	}
	t.insert, err = t.tx.PrepareContext(ctx, t.text)
	return err
}

// Write adds a record.
func (t *Table) Write(ctx context.Context, r sf.Record) error {
	t.values[0] = string(r.ID)
	for i, c := range t.columns {
		t.values[i+1] = nil
		if v := r.Get(c.field); v.IsText() {
			t.values[i+1] = bound(c.kind, v.Text())
		}
	}
	if _, err := t.insert.ExecContext(ctx, t.values...); err != nil {
		return err
	}
	if t.rows++; t.rows%rowsPerCommit != 0 {
		return nil
	}
	if err := t.Close(); err != nil {
		return err
	}
	return t.begin(ctx)
}

// Close ends the table.
func (t *Table) Close() error { return errors.Join(t.insert.Close(), t.tx.Commit()) }

// bound is the value that holds every digit of the text.
func bound(kind sf.FieldType, text string) any {
	switch kind {
	case sf.TypeBoolean:
		if text == "true" {
			return int64(1)
		}
		if text == "false" {
			return int64(0)
		}
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
			return n
		}
		if f, err := strconv.ParseFloat(text, 64); err == nil && exact(f, text) {
			return f
		}
	}
	return text
}

// exact reports that the double, written with as few digits as tell it from others, is the number of the text.
func exact(f float64, text string) bool {
	again, err := sf.CanonicalNumber(fmt.Sprint(f))
	same, failed := sf.CanonicalNumber(text)
	return err == nil && failed == nil && again == same
}
