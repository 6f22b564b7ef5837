package salesforce_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"holdfast/internal/sf"
)

// columnsOrg holds records of an object whose field list is longer than any query may be.
type columnsOrg struct {
	*fakeOrg
	object  *sf.Object
	names   []string
	version map[sf.ID]int // of each record; a version has its own stamp, and its own value in every field
	queries int
	longest int
	between func(query int) // called before a query is answered
}

func newColumns(t *testing.T, records int) *columnsOrg {
	o := &columnsOrg{fakeOrg: newFake(t), object: &sf.Object{Name: "Wide__c", Queryable: true}, version: map[sf.ID]int{}}
	for i := range 2500 {
		name := fmt.Sprintf("a_field_whose_name_is_rather_long_no_%04d__c", i)
		o.names = append(o.names, name)
		o.object.Fields = append(o.object.Fields, &sf.Field{Name: name, Type: sf.TypeString})
	}
	o.names = append(o.names, "SystemModstamp")
	o.object.Fields = append(o.object.Fields, &sf.Field{Name: "SystemModstamp", Type: sf.TypeDatetime})
	for i := range records {
		o.version[idOf("a00", i)] = 1
	}
	o.on("POST "+v+"composite", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			CompositeRequest []struct{ URL string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		u, _ := url.Parse(body.CompositeRequest[0].URL)
		writeJSON(w, 200, `{"compositeResponse":[{"httpStatusCode":200,"referenceId":"r0","body":`+o.answer(u.Query().Get("q"))+`}]}`)
	})
	return o
}

var selectForm = regexp.MustCompile(`^SELECT (.*) FROM Wide__c(?: WHERE Id IN \((.*)\))?$`)

func (o *columnsOrg) answer(q string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queries++
	if o.longest = max(o.longest, len(q)); o.between != nil {
		o.between(o.queries)
	}
	m := selectForm.FindStringSubmatch(q)
	if m == nil {
		o.t.Errorf("not understood: %.200s", q)
		return `{}`
	}
	var records []string
	for i := range 10 {
		id := idOf("a00", i)
		if o.version[id] == 0 || m[2] != "" && !strings.Contains(m[2], string(id)) {
			continue
		}
		cells := []string{fmt.Sprintf(`"Id":%q`, id)}
		for _, name := range strings.Split(m[1], ", ")[1:] {
			value := fmt.Sprintf("%d of %s", o.version[id], name[max(0, len(name)-7):])
			if name == "SystemModstamp" {
				value = fmt.Sprintf("2026-03-01T00:00:%02d.000+0000", o.version[id])
			}
			cells = append(cells, fmt.Sprintf("%q:%q", name, value))
		}
		records = append(records, "{"+strings.Join(cells, ",")+"}")
	}
	return fmt.Sprintf(`{"totalSize":%d,"done":true,"records":[%s]}`, len(records), strings.Join(records, ","))
}

// TestTrap14FieldListBeyondOneQuery: no query is longer than 100,000 characters, and every record is of one
// version in all its fields, although some change and one goes while their groups of columns are read.
func TestTrap14FieldListBeyondOneQuery(t *testing.T) {
	o := newColumns(t, 4)
	changing, going := idOf("a00", 1), idOf("a00", 2)
	o.between = func(query int) {
		switch query {
		case 3, 4:
			o.version[changing]++
		case 5:
			delete(o.version, going)
		}
	}
	got, err := collect(t, o.connect(), sf.Extract{Object: o.object, Fields: o.names})
	if err != nil || len(got) != 3 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for _, r := range got {
		if n := r.Shape.Len(); n != len(o.names) {
			t.Fatalf("%d fields, want %d", n, len(o.names))
		}
		want := fmt.Sprintf("%d of ", o.version[r.ID])
		for i, name := range r.Shape.Fields() {
			if name != "SystemModstamp" && !strings.HasPrefix(r.Values[i].Text(), want) {
				t.Fatalf("%s of %s is %q, want %s…: two versions in one record", name, r.ID, r.Values[i].Text(), want)
			}
		}
	}
	if o.longest > 100_000 {
		t.Errorf("a query of %d characters", o.longest)
	}
}

// TestTrap14RestlessWideRecord: a record that never stands still is no record made of halves.
func TestTrap14RestlessWideRecord(t *testing.T) {
	o := newColumns(t, 1)
	o.between = func(int) { o.version[idOf("a00", 0)]++ }
	got, err := collect(t, o.connect(), sf.Extract{Object: o.object, Fields: o.names})
	if err == nil || len(got) > 0 || !strings.Contains(err.Error(), "changes faster") {
		t.Errorf("%d records, %v", len(got), err)
	}
}

// TestTrap14WideObjectWithoutVersions: halves that nothing holds together are refused.
func TestTrap14WideObjectWithoutVersions(t *testing.T) {
	o := newColumns(t, 1)
	o.object.Fields = o.object.Fields[:len(o.names)-1]
	got, err := collect(t, o.connect(), sf.Extract{Object: o.object, Fields: o.names[:len(o.names)-1]})
	if err == nil || len(got) > 0 {
		t.Errorf("%d records, %v", len(got), err)
	}
}
