// Package parquet writes records of one object as an Apache Parquet file with typed columns, for
// those who load snapshots into a warehouse or read them with DuckDB.
//
// It promises a column for each field, of the type below, null where the record has none, rows in the
// order in which they were written, and memory that does not grow with them. It does not promise
// every digit: numbers are doubles, as the platform's own are, and Rounded counts what a double
// cannot hold. The exact text is in CSV.
//
//	boolean                           BOOLEAN
//	int, long                         INT64
//	double, currency, percent         DOUBLE
//	date                              DATE
//	datetime                          TIMESTAMP(MILLIS, UTC)
//	time                              TIME(MILLIS, UTC)
//	everything else, Ids among it     STRING
//
// The form is that of https://parquet.apache.org/docs/file-format/. The file is not encrypted: what
// encrypts Parquet does not interoperate between libraries.
package parquet

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"holdfast/internal/sf"
)

const (
	// groupRows is the size of a row group: large enough to compress, small enough that a writer holds
	// one of wide rows in memory.
	groupRows = 20_000
	// batchRows is how many rows are handed over at once.
	batchRows = 256
)

// idColumn is the column of the record's Id.
const idColumn = "Id"

// Writer writes one file. It is for one goroutine.
type Writer struct {
	out     *parquet.GenericWriter[any]
	columns []column // in the order of the file
	rows    []parquet.Row
	inGroup int
	rounded int64
}

// column is one field, and how its text becomes a value.
type column struct {
	field string
	value func(text string) (parquet.Value, bool, error) // false: not every digit
}

// NewWriter begins a file of records with those fields, in whatever order, besides their Id. A field
// that the object, which may be nil, does not describe is text.
func NewWriter(w io.Writer, o *sf.Object, fields []string) *Writer {
	group := parquet.Group{idColumn: parquet.Optional(parquet.String())}
	columns := []column{{field: idColumn, value: textValue}}
	for _, name := range fields {
		if name == idColumn {
			continue
		}
		node, value := columnOf(o, name)
		group[name] = parquet.Optional(node)
		columns = append(columns, column{name, value})
	}
	// A group of the library has its columns sorted by name.
	slices.SortFunc(columns, func(a, b column) int {
		switch {
		case a.field < b.field:
			return -1
		case a.field > b.field:
			return 1
		}
		return 0
	})
	name := "record"
	if o != nil {
		name = o.Name
	}
	return &Writer{
		out: parquet.NewGenericWriter[any](w, parquet.NewSchema(name, group), parquet.Compression(&parquet.Zstd),
			parquet.CreatedBy("holdfast", "1", "")),
		columns: columns,
	}
}

// columnOf chooses the type of a field's column.
func columnOf(o *sf.Object, name string) (parquet.Node, func(string) (parquet.Value, bool, error)) {
	var f *sf.Field
	if o != nil {
		f = o.Field(name)
	}
	if f == nil {
		return parquet.String(), textValue
	}
	switch f.Type {
	case sf.TypeBoolean:
		return parquet.Leaf(parquet.BooleanType), booleanValue
	case sf.TypeInt, sf.TypeLong:
		return parquet.Int(64), integerValue
	case sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		return parquet.Leaf(parquet.DoubleType), doubleValue
	case sf.TypeDate:
		return parquet.Date(), dateValue
	case sf.TypeDatetime:
		return parquet.Timestamp(parquet.Millisecond), datetimeValue
	case sf.TypeTime:
		return parquet.Time(parquet.Millisecond), timeValue
	default:
		return parquet.String(), textValue
	}
}

// Write adds a record. A value that is not one of its field's type is sf.ErrValue; the record is left
// out then, and the file goes on.
func (w *Writer) Write(r sf.Record) error {
	row := make(parquet.Row, len(w.columns))
	for i, c := range w.columns {
		v := r.Get(c.field)
		if c.field == idColumn {
			v = sf.Text(string(r.ID))
		}
		if !v.IsText() {
			row[i] = parquet.NullValue().Level(0, 0, i)
			continue
		}
		value, exact, err := c.value(v.Text())
		if err != nil {
			return fmt.Errorf("%s %s, field %s: %w: %w", r.Object(), r.ID, c.field, sf.ErrValue, err)
		}
		if !exact {
			w.rounded++
		}
		row[i] = value.Level(0, 1, i)
	}
	w.rows = append(w.rows, row)
	w.inGroup++
	if len(w.rows) >= batchRows {
		return w.flush()
	}
	return nil
}

// flush hands the rows over, and ends the row group when it is full.
func (w *Writer) flush() error {
	if len(w.rows) > 0 {
		if _, err := w.out.WriteRows(w.rows); err != nil {
			return err
		}
		w.rows = w.rows[:0]
	}
	if w.inGroup < groupRows {
		return nil
	}
	w.inGroup = 0
	return w.out.Flush()
}

// Rounded returns how many numbers were written that a double does not hold to the last digit.
func (w *Writer) Rounded() int64 { return w.rounded }

// Close ends the file; without it the file cannot be read. It does not close the io.Writer.
func (w *Writer) Close() error {
	w.inGroup = 0
	if err := w.flush(); err != nil {
		return err
	}
	return w.out.Close()
}

func textValue(text string) (parquet.Value, bool, error) {
	return parquet.ByteArrayValue([]byte(text)), true, nil
}

func booleanValue(text string) (parquet.Value, bool, error) {
	b, err := strconv.ParseBool(text)
	return parquet.BooleanValue(b), true, err
}

func integerValue(text string) (parquet.Value, bool, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return parquet.Int64Value(n), true, err
}

func doubleValue(text string) (parquet.Value, bool, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return parquet.Value{}, false, err
	}
	back, err := sf.CanonicalNumber(strconv.FormatFloat(f, 'f', -1, 64))
	return parquet.DoubleValue(f), back == text, err
}

func dateValue(text string) (parquet.Value, bool, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return parquet.Value{}, false, err
	}
	return parquet.Int32Value(int32(day.Unix() / (24 * 60 * 60))), true, nil
}

func datetimeValue(text string) (parquet.Value, bool, error) {
	at, err := sf.ParseDatetime(text)
	return parquet.Int64Value(at.UnixMilli()), true, err
}

func timeValue(text string) (parquet.Value, bool, error) {
	at, err := time.Parse("15:04:05.000Z", text)
	if err != nil {
		return parquet.Value{}, false, err
	}
	midnight := at.Truncate(24 * time.Hour)
	return parquet.Int32Value(int32(at.Sub(midnight).Milliseconds())), true, nil
}
