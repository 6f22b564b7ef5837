package parquet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	library "github.com/parquet-go/parquet-go"

	"holdfast/internal/parquet"
	"holdfast/internal/sf"
)

var object = &sf.Object{Name: "Invoice__c", Fields: []*sf.Field{
	{Name: "Id", Type: sf.TypeID},
	{Name: "Name", Type: sf.TypeString},
	{Name: "Paid__c", Type: sf.TypeBoolean},
	{Name: "Lines__c", Type: sf.TypeInt},
	{Name: "Total__c", Type: sf.TypeCurrency},
	{Name: "Due__c", Type: sf.TypeDate},
	{Name: "CreatedDate", Type: sf.TypeDatetime},
	{Name: "At__c", Type: sf.TypeTime},
	{Name: "Body__c", Type: sf.TypeTextarea},
}}

var fields = []string{"At__c", "Body__c", "CreatedDate", "Due__c", "Gone__c", "Lines__c", "Name", "Paid__c", "Total__c"}

// read returns the schema of a file and its rows, each a map of the columns that are not null.
func read(t *testing.T, raw []byte) (schema string, rows []map[string]library.Value) {
	t.Helper()
	file, err := library.OpenFile(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	names := file.Schema().Columns()
	for _, group := range file.RowGroups() {
		reader := group.Rows()
		buffer := make([]library.Row, 100)
		for {
			n, err := reader.ReadRows(buffer)
			for _, r := range buffer[:n] {
				row := map[string]library.Value{}
				for _, v := range r {
					if !v.IsNull() {
						row[names[v.Column()][0]] = v.Clone()
					}
				}
				rows = append(rows, row)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return file.Schema().String(), rows
}

func written(t *testing.T, records ...sf.Record) (*parquet.Writer, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewWriter(&b, object, fields)
	for _, r := range records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w, b.Bytes()
}

const wantSchema = `message Invoice__c {
	optional int32 At__c (TIME(isAdjustedToUTC=true,unit=MILLIS));
	optional binary Body__c (STRING);
	optional int64 CreatedDate (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS));
	optional int32 Due__c (DATE);
	optional binary Gone__c (STRING);
	optional binary Id (STRING);
	optional int64 Lines__c (INT(64,true));
	optional binary Name (STRING);
	optional boolean Paid__c;
	optional double Total__c;
}`

func TestColumnsHaveTheTypesOfTheirFields(t *testing.T) {
	const long = "line\r\n\"quoted\" é 漢 😀\x00end"
	full := sf.NewRecord("Invoice__c", "a00000000000001AAA", map[string]sf.Value{
		"Name": sf.Text("I-1"), "Paid__c": sf.Text("true"), "Lines__c": sf.Text("-12"), "Total__c": sf.Text("1234567.89"),
		"Due__c": sf.Text("1969-12-30"), "CreatedDate": sf.Text("2026-02-28T23:59:59.999Z"), "At__c": sf.Text("13:05:06.007Z"),
		"Body__c": sf.Text(long), "Gone__c": sf.Text("untyped"),
	})
	bare := sf.NewRecord("Invoice__c", "a00000000000002AAA", map[string]sf.Value{"Name": sf.Null()})
	w, file := written(t, full, bare)
	schema, rows := read(t, file)
	if schema != wantSchema {
		t.Errorf("schema\n%s", schema)
	}
	if len(rows) != 2 {
		t.Fatalf("%d rows", len(rows))
	}
	got := rows[0]
	day := time.Unix(int64(got["Due__c"].Int32())*86400, 0).UTC().Format(time.DateOnly)
	at := time.UnixMilli(got["CreatedDate"].Int64()).UTC().Format("2006-01-02T15:04:05.000Z")
	clock := time.UnixMilli(int64(got["At__c"].Int32())).UTC().Format("15:04:05.000Z")
	text := fmt.Sprintln(got["Id"], got["Name"], got["Paid__c"].Boolean(), got["Lines__c"].Int64(), got["Total__c"].Double(), day, at, clock, got["Gone__c"])
	if want := fmt.Sprintln("a00000000000001AAA", "I-1", true, -12, 1234567.89, "1969-12-30", "2026-02-28T23:59:59.999Z", "13:05:06.007Z", "untyped"); text != want {
		t.Errorf("read %s, wrote %s", text, want)
	}
	if got := string(got["Body__c"].ByteArray()); got != long {
		t.Errorf("text came back as %q", got)
	}
	if len(rows[1]) != 1 || rows[1]["Id"].String() != "a00000000000002AAA" {
		t.Errorf("a record without values has %v", rows[1])
	}
	if w.Rounded() != 0 {
		t.Errorf("%d numbers rounded", w.Rounded())
	}
}

func TestNumbersThatADoubleCannotHoldAreCounted(t *testing.T) {
	w, _ := written(
		t,
		sf.NewRecord("Invoice__c", "a00000000000001AAA", map[string]sf.Value{"Total__c": sf.Text("123456789012345678")}),
		sf.NewRecord("Invoice__c", "a00000000000002AAA", map[string]sf.Value{"Total__c": sf.Text("0.1")}),
	)
	if w.Rounded() != 1 {
		t.Errorf("%d numbers rounded, want 1", w.Rounded())
	}
}

func TestWhatIsNoValueOfItsFieldIsRefused(t *testing.T) {
	for field, text := range map[string]string{
		"Paid__c": "perhaps", "Lines__c": "1.5", "Total__c": "much", "Due__c": "2026-02-30", "CreatedDate": "soon", "At__c": "25:00:00.000Z",
	} {
		w := parquet.NewWriter(&bytes.Buffer{}, object, fields)
		err := w.Write(sf.NewRecord("Invoice__c", "a00000000000001AAA", map[string]sf.Value{field: sf.Text(text)}))
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s %q: %v", field, text, err)
		}
	}
}

// TestManyRowsInTheirOrder goes over several row groups.
func TestManyRowsInTheirOrder(t *testing.T) {
	const n = 45_000
	var b bytes.Buffer
	w := parquet.NewWriter(&b, object, fields)
	for i := range n {
		r := sf.NewRecord("Invoice__c", sf.ID(fmt.Sprintf("a00%012dAAA", i)), map[string]sf.Value{"Lines__c": sf.Text(fmt.Sprint(i))})
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := library.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || file.NumRows() != n || len(file.RowGroups()) != 3 {
		t.Fatalf("%d rows in %d groups, %v", file.NumRows(), len(file.RowGroups()), err)
	}
	_, rows := read(t, b.Bytes())
	for i := range rows {
		if rows[i]["Lines__c"].Int64() != int64(i) {
			t.Fatalf("row %d holds %v", i, rows[i])
		}
	}
}
