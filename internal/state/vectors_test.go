package state

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/sf"
)

var update = flag.Bool("update", false, "rewrite the vectors")

var vectorRecords = []sf.Record{
	sf.NewRecord("Account", "001000000000001AAA", nil),
	sf.NewRecord("Account", "001000000000002AAA", map[string]sf.Value{"Name": sf.Text("Acme")}),
	sf.NewRecord("Account", "001000000000003AAA", map[string]sf.Value{
		"Name": sf.Text("quote \" and\r\nlines, é 😀"), "AnnualRevenue": sf.Text("1500.5"), "ParentId": sf.Null(),
		"Description": sf.Text("null"), "Absent": {},
	}),
	sf.NewRecord("Contact", "003000000000001AAA", map[string]sf.Value{
		"AccountId": sf.Text("001000000000002AAA"), "HasOptedOutOfEmail": sf.Text("false"), "Birthdate": sf.Text("1970-01-31"),
	}),
}

// TestVectors holds the hashes to docs/format/vectors/digest.txt: they are stored for ever, so that
// a change of any of them is a change of the format.
func TestVectors(t *testing.T) {
	var b strings.Builder
	var d Digest
	for _, r := range vectorRecords {
		parts := []string{r.Object(), string(r.ID)}
		for i, f := range r.Shape.Fields() {
			switch v := r.Values[i]; {
			case v.IsNull():
				parts = append(parts, f+"=null")
			case v.IsText():
				text, err := json.Marshal(v.Text())
				if err != nil {
					t.Fatal(err)
				}
				parts = append(parts, f+"="+string(text))
			}
		}
		h := HashRecord(r)
		d = d.Add(h)
		b.WriteString(strings.Join(append(parts, h.String()), "\t") + "\n")
	}
	b.WriteString("digest\t" + d.String() + "\n")
	file := filepath.Join("..", "..", "docs", "format", "vectors", "digest.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("vectors\n%s\nwant\n%s", &b, want)
	}
}
