package sqlite_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"holdfast/internal/sf"
	"holdfast/internal/sqlite"
)

// TestEveryValueComesBack reads the database as SQL does: types, nulls, and every digit.
func TestEveryValueComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?#.sqlite")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := sqlite.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	object := &sf.Object{Name: "Order", Fields: []*sf.Field{
		{Name: "Select", Type: sf.TypeString}, {Name: "Flag", Type: sf.TypeBoolean}, {Name: "Sum", Type: sf.TypeCurrency}, {Name: "N", Type: sf.TypeInt},
	}}
	fields := []string{"Flag", "N", "Select", "Sum"}
	table, err := f.Table(t.Context(), "Order", object, fields)
	if err != nil {
		t.Fatal(err)
	}
	shape := sf.NewShape("Order", fields)
	for i, sum := range []string{"0.1", "1234567890123456.78", "12", ""} {
		v := sf.Text(sum)
		if sum == "" {
			v = sf.Null()
		}
		id, _ := sf.ParseID(fmt.Sprintf("80100000000000%d", i))
		r := sf.Record{ID: id, Shape: shape, Values: []sf.Value{sf.Bool(i == 0), sf.Text("7"), sf.Text("a\"'\r\n\x00ü"), v}}
		if err := table.Write(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), `SELECT Id, typeof(Flag)||Flag, typeof(N), "Select", typeof("Sum")||' '||"Sum" FROM "Order" ORDER BY Id`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var got []string
	for rows.Next() {
		var id, flag, n, text string
		var sum sql.NullString
		if err := rows.Scan(&id, &flag, &n, &text, &sum); err != nil {
			t.Fatal(err)
		}
		if n != "integer" || text != "a\"'\r\n\x00ü" {
			t.Errorf("%s: N is %s, text %q", id, n, text)
		}
		got = append(got, fmt.Sprint(flag, " ", sum.String))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	want := "[integer1 real 0.1 integer0 text 1234567890123456.78 integer0 integer 12 integer0 ]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v\nwant %v", got, want)
	}
}
