package salesforce_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

func TestQueryGivesCanonicalValues(t *testing.T) {
	f := newFake(t)
	f.on("GET "+v+"query", func(w http.ResponseWriter, r *http.Request) {
		want := "SELECT Id, Active__c, Call, Founded, Name, ParentId, Revenue, SystemModstamp FROM Account"
		if q := r.URL.Query().Get("q"); q != want {
			t.Errorf("query %s", q)
		}
		writeJSON(w, 200, `{"totalSize":2,"done":true,"records":[
			{"attributes":{"type":"Account","url":"/x"},"Id":"001000000000001","Name":"a\r\n\u2028\"\u0000\ud83d\ude00\ud800|","Active__c":true,
			 "Revenue":1.50E3,"Founded":"2020-02-29","Call":"10:00:00.000Z","SystemModstamp":"2026-01-02T03:04:05.000+0000","ParentId":"001000000000002"},
			{"attributes":{},"Id":"001000000000002AAA","Name":null,"Active__c":false,"Revenue":null,"Founded":null,"Call":null,
			 "SystemModstamp":"2026-01-02T03:04:05.006+0000","ParentId":null}]}`)
	})
	got, err := collect(t, f.connect(), sf.Extract{
		Object: account(),
		Fields: []string{"Id", "Name", "Active__c", "Revenue", "Founded", "Call", "SystemModstamp", "ParentId"},
	})
	if err != nil || len(got) != 2 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	want := []map[string]sf.Value{
		{
			"Name": sf.Text("a\r\n\u2028\"\x00😀\xed\xa0\x80|"), "Active__c": sf.Text("true"), "Revenue": sf.Text("1500"),
			"Founded": sf.Text("2020-02-29"), "Call": sf.Text("10:00:00.000Z"),
			"SystemModstamp": sf.Text("2026-01-02T03:04:05.000Z"), "ParentId": sf.Text("001000000000002AAA"),
		},
		{
			"Name": sf.Null(), "Active__c": sf.Text("false"), "Revenue": sf.Null(), "Founded": sf.Null(), "Call": sf.Null(),
			"SystemModstamp": sf.Text("2026-01-02T03:04:05.006Z"), "ParentId": sf.Null(),
		},
	}
	for i, r := range got {
		if r.ID != idOf("001", i+1) {
			t.Errorf("record %d has the Id %s", i, r.ID)
		}
		for name, value := range want[i] {
			if r.Get(name) != value {
				t.Errorf("record %d: %s = %v, want %v", i, name, r.Get(name), value)
			}
		}
	}
}

func TestQueryRefusesWhatItCannotCarry(t *testing.T) {
	f := newFake(t)
	org := f.connect()
	for name, x := range map[string]sf.Extract{
		"compound":   {Object: account(), Fields: []string{"BillingAddress"}},
		"base64":     {Object: account(), Fields: []string{"Body"}},
		"unknown":    {Object: account(), Fields: []string{"Nope__c"}},
		"other case": {Object: account(), Fields: []string{"name"}},
		"no stamp":   {Object: account(), Fields: []string{"Name"}, From: time.Now()},
		"no object":  {},
		"no Ids":     {Object: account(), Field: "ParentId"},
		"no lookup":  {Object: account(), Field: "Name", IDs: []sf.ID{idOf("001", 1)}},
		"no field":   {Object: account(), Field: "Nope__c", IDs: []sf.ID{idOf("001", 1)}},
	} {
		if _, err := collect(t, org, x); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if len(f.seen) != 0 {
		t.Errorf("calls %v", f.seen)
	}
}

func TestQueryFiltersInUTC(t *testing.T) {
	f := newFake(t)
	var q string
	f.on("GET "+v+"queryAll", func(w http.ResponseWriter, r *http.Request) {
		q = r.URL.Query().Get("q")
		writeJSON(w, 200, `{"totalSize":0,"done":true,"records":[]}`)
	})
	east := time.FixedZone("east", 9*3600)
	_, err := collect(t, f.connect(), sf.Extract{
		Object: account(), Fields: []string{"Name"}, StampField: "SystemModstamp",
		From: time.Date(2026, 1, 2, 9, 0, 0, 0, east), To: time.Date(2026, 1, 2, 10, 0, 0, 5e6, east), IncludeDeleted: true,
	})
	want := "SELECT Id, Name FROM Account WHERE SystemModstamp >= 2026-01-02T00:00:00.000Z AND SystemModstamp < 2026-01-02T01:00:00.005Z"
	if err != nil || q != want {
		t.Errorf("%s, %v", q, err)
	}
}

// TestQueryByReference: many Ids go in several queries, in the URL or in a composite call, and a
// query may find more records than it names.
func TestQueryByReference(t *testing.T) {
	f := newFake(t)
	asked := map[string]int{}
	serve := func(q string) string {
		head, list, found := strings.Cut(strings.TrimSuffix(q, ")"), " WHERE ParentId IN (")
		if head != "SELECT Id, Name FROM Account" || !found {
			t.Errorf("query %s", q)
		}
		var rows []string
		for id := range strings.SplitSeq(list, ",") {
			parent := strings.Trim(id, "'")
			asked[parent]++
			for i := range 2 {
				rows = append(rows, fmt.Sprintf(`{"Id":"001%02d%s","Name":%q}`, i, parent[5:15], parent))
			}
		}
		return fmt.Sprintf(`{"totalSize":%d,"done":true,"records":[%s]}`, len(rows), strings.Join(rows, ","))
	}
	f.on("GET "+v+"query", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, 200, serve(r.URL.Query().Get("q"))) })
	f.on("POST "+v+"composite", compositeOf(t, serve))
	x := sf.Extract{Object: account(), Fields: []string{"Name"}, Field: "ParentId"}
	for i := range 1500 {
		x.IDs = append(x.IDs, idOf("001", i))
	}
	got, err := collect(t, f.connect(), x)
	if err != nil || len(got) != 3000 || len(asked) != 1500 {
		t.Errorf("%d records of %d parents in %d calls, %v", len(got), len(asked), len(f.seen), err)
	}
	for parent, n := range asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", parent, n)
		}
	}
	if got, err := collect(t, f.connect(), sf.Extract{Object: account(), Field: "ParentId", IDs: []sf.ID{}}); err != nil || len(got) != 0 {
		t.Errorf("no Ids: %d records, %v", len(got), err)
	}
}

// restRows serves n rows in pages; sabotage may change a page before it is sent.
func restRows(f *fakeOrg, object string, n, size int, sabotage func(page int, w http.ResponseWriter, body string) bool) {
	serve := func(w http.ResponseWriter, page int) {
		from, to := page*size, min((page+1)*size, n)
		var b strings.Builder
		fmt.Fprintf(&b, `{"totalSize":%d,"done":%v,`, n, to == n)
		if to < n {
			fmt.Fprintf(&b, `"nextRecordsUrl":"/%squery/0r8-%d",`, v, page+1)
		}
		b.WriteString(`"records":[`)
		for i := from; i < to; i++ {
			if i > from {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"Id":%q,"Name":"row \"%d\"\r\n"}`, idOf("001", i), i)
		}
		b.WriteString(`]}`)
		if sabotage == nil || !sabotage(page, w, b.String()) {
			writeJSON(w, 200, b.String())
		}
	}
	f.on("GET "+v+"query", func(w http.ResponseWriter, _ *http.Request) { serve(w, 0) })
	f.on("GET "+v+"query/{locator}", func(w http.ResponseWriter, r *http.Request) {
		var page int
		_, _ = fmt.Sscanf(r.PathValue("locator"), "0r8-%d", &page)
		serve(w, page)
	})
}

func checkRows(t *testing.T, got []sf.Record, n int) {
	t.Helper()
	if len(got) != n {
		t.Errorf("%d records, want %d", len(got), n)
	}
	for i, r := range got {
		if want := fmt.Sprintf("row \"%d\"\r\n", i); r.ID != idOf("001", i) || r.Get("Name").Text() != want {
			t.Fatalf("record %d is %s %v", i, r.ID, r.Get("Name"))
		}
	}
}

func TestTrap03AllRowsOfAllPages(t *testing.T) {
	f := newFake(t)
	restRows(f, "Account", 5000, 2000, nil)
	got, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}})
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, got, 5000)
	if n := f.calls("query"); n != 3 {
		t.Errorf("%d calls", n)
	}
}

func TestTrap09ShortPagesAreNotAccepted(t *testing.T) {
	short := func(w http.ResponseWriter, body string) {
		writeJSON(w, 200, strings.Replace(body, fmt.Sprintf(`{"Id":%q,"Name":"row \"4000\"\r\n"},`, idOf("001", 4000)), "", 1))
	}
	once := map[string]func(w http.ResponseWriter, body string){
		"500": func(w http.ResponseWriter, _ string) {
			writeJSON(w, 500, `[{"errorCode":"UNKNOWN_EXCEPTION","message":"x"}]`)
		},
		"cut":        func(w http.ResponseWriter, body string) { cutAfter("application/json", body[:len(body)/2])(w, nil) },
		"cut softly": func(w http.ResponseWriter, body string) { writeJSON(w, 200, body[:len(body)/2]) },
	}
	for name, fault := range once {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			done := false
			restRows(f, "Account", 5000, 2000, func(page int, w http.ResponseWriter, body string) bool {
				if page != 2 || done {
					return false
				}
				done = true
				fault(w, body)
				return true
			})
			got, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}})
			if err != nil {
				t.Fatal(err)
			}
			checkRows(t, got, 5000)
		})
	}
	for name, fault := range map[string]func(w http.ResponseWriter, body string){
		"row missing": short,
		"field missing": func(w http.ResponseWriter, body string) {
			writeJSON(w, 200, strings.Replace(body, `,"Name":"row \"4001\"\r\n"`, "", 1))
		},
		"Id missing": func(w http.ResponseWriter, body string) {
			writeJSON(w, 200, strings.Replace(body, `"Id":`, `"Idx":`, 1))
		},
		"done missing": func(w http.ResponseWriter, body string) {
			writeJSON(w, 200, strings.Replace(body, `"done":true,`, "", 1))
		},
		"elsewhere": func(w http.ResponseWriter, body string) {
			writeJSON(w, 200, `{"totalSize":5000,"done":false,"nextRecordsUrl":"https://evil.example/x","records":[{"Id":"001000000000001","Name":"x"}]}`)
		},
		"endless": func(w http.ResponseWriter, body string) {
			writeJSON(w, 200, `{"totalSize":5000,"done":false,"nextRecordsUrl":"`+v+`query/0r8-2","records":[]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			restRows(f, "Account", 5000, 2000, func(page int, w http.ResponseWriter, body string) bool {
				if page == 2 {
					fault(w, body)
				}
				return page == 2
			})
			got, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}})
			if err == nil {
				t.Errorf("%d of 5000 rows were accepted as all", len(got))
			}
		})
	}
}

func TestTrap14WideObjectGoesThroughComposite(t *testing.T) {
	f := newFake(t)
	wide := &sf.Object{Name: "Wide__c", Queryable: true}
	var names []string
	for i := range 900 {
		name := fmt.Sprintf("a_rather_long_field_name_number_%04d__c", i)
		names = append(names, name)
		wide.Fields = append(wide.Fields, &sf.Field{Name: name, Type: sf.TypeString})
	}
	var record strings.Builder
	record.WriteString(`{"Id":"001000000000000AAA"`)
	for _, name := range names {
		fmt.Fprintf(&record, `,%q:%q`, name, "of "+name)
	}
	record.WriteString(`}`)
	f.on("POST "+v+"composite", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			CompositeRequest []struct{ Method, URL string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		u, _ := url.Parse(body.CompositeRequest[0].URL)
		if q := u.Query().Get("q"); !strings.HasPrefix(q, "SELECT Id, a_rather") || !strings.HasSuffix(q, " FROM Wide__c") {
			t.Errorf("%s", q)
		}
		writeJSON(w, 200, `{"compositeResponse":[{"body":{"totalSize":1,"done":true,"records":[`+record.String()+`]},"httpStatusCode":200,"referenceId":"page"}]}`)
	})
	got, err := collect(t, f.connect(), sf.Extract{Object: wide, Fields: names})
	if err != nil || len(got) != 1 || got[0].Get(names[899]).Text() != "of "+names[899] {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for _, s := range f.seen {
		if len(s) > 16384 {
			t.Errorf("a request line of %d bytes", len(s))
		}
	}
}

func TestCompositeRefusalIsTheQuerys(t *testing.T) {
	f := newFake(t)
	f.on("GET "+v+"query", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(414) })
	f.on("POST "+v+"composite", answer(200, `{"compositeResponse":[{"body":[{"message":"no","errorCode":"INVALID_TYPE"}],"httpStatusCode":400,"referenceId":"page"}]}`))
	_, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}})
	if problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), "INVALID_TYPE") {
		t.Errorf("%v", err)
	}
}

func TestIDsAreAskedForInChunks(t *testing.T) {
	for _, width := range []int{1, 300} { // in the URL, and in a composite body
		f := newFake(t)
		object := &sf.Object{Name: "Account"}
		var names []string
		for i := range width {
			names = append(names, fmt.Sprintf("a_rather_long_field_name_number_%04d__c", i))
			object.Fields = append(object.Fields, &sf.Field{Name: names[i], Type: sf.TypeString})
		}
		nulls := `,"` + strings.Join(names, `":null,"`) + `":null`
		var ids []sf.ID
		for i := range 3000 {
			ids = append(ids, idOf("001", i))
		}
		seen := map[string]int{}
		page := func(q string) string {
			_, list, _ := strings.Cut(q, "Id IN (")
			var records []string
			for id := range strings.SplitSeq(strings.Trim(list, "')"), "','") {
				seen[id]++
				records = append(records, `{"Id":"`+id+`"`+nulls+"}")
			}
			return fmt.Sprintf(`{"totalSize":%d,"done":true,"records":[%s]}`, len(records), strings.Join(records, ","))
		}
		f.on("GET "+v+"query", func(w http.ResponseWriter, r *http.Request) {
			if n := len(r.URL.RequestURI()); n > 14_100 {
				t.Errorf("URI of %d bytes", n)
			}
			writeJSON(w, 200, page(r.URL.Query().Get("q")))
		})
		f.on("POST "+v+"composite", compositeOf(t, page))
		got, err := collect(t, f.connect(), sf.Extract{Object: object, Fields: names, IDs: append(slices.Clone(ids), ids[5])})
		if err != nil || len(got) != 3000 || len(seen) != 3000 {
			t.Fatalf("width %d: %d records of %d Ids, %v", width, len(got), len(seen), err)
		}
		if calls := f.calls(""); calls != 1 {
			t.Errorf("width %d: %d calls for 3000 Ids: %v", width, calls, f.seen)
		}
		if _, err := collect(t, f.connect(), sf.Extract{Object: object, Fields: names[:1], IDs: ids[:100]}); err != nil || f.calls("GET") != 1 {
			t.Errorf("width %d: few Ids went by %v, %v", width, f.seen, err)
		}
		if got, err := collect(t, f.connect(), sf.Extract{Object: object, Fields: names, IDs: []sf.ID{}}); err != nil || len(got) != 0 {
			t.Errorf("no Ids gave %d records, %v", len(got), err)
		}
	}
}

// compositeOf answers a composite call of queries, of which it must not have more than the platform takes.
func compositeOf(t *testing.T, page func(query string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct{ CompositeRequest []struct{ URL string } }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.CompositeRequest) > 5 {
			t.Errorf("%d queries in one call, %v", len(body.CompositeRequest), err)
		}
		var answers []string
		for _, q := range body.CompositeRequest {
			u, err := url.Parse(q.URL)
			if err != nil {
				t.Error(err)
			}
			answers = append(answers, `{"httpStatusCode":200,"body":`+page(u.Query().Get("q"))+`}`)
		}
		writeJSON(w, 200, `{"compositeResponse":[`+strings.Join(answers, ",")+`]}`)
	}
}

// A composite call that fails as a whole or in a part, and one whose answer lacks a part, lose no record and give none twice.
func TestIDsAreAskedForOneByOneWhereTogetherFails(t *testing.T) {
	var ids []sf.ID
	for i := range 6000 {
		ids = append(ids, idOf("001", i))
	}
	page := func(q string) string {
		_, list, _ := strings.Cut(q, "Id IN (")
		var records []string
		for id := range strings.SplitSeq(strings.Trim(list, "')"), "','") {
			records = append(records, `{"Id":"`+id+`","Name":null}`)
		}
		return fmt.Sprintf(`{"totalSize":%d,"done":true,"records":[%s]}`, len(records), strings.Join(records, ","))
	}
	for name, spoil := range map[string]func(w http.ResponseWriter){
		"as a whole": func(w http.ResponseWriter) { writeJSON(w, 400, `[{"errorCode":"INVALID_INPUT","message":"no"}]`) },
		"in a part": func(w http.ResponseWriter) {
			part := `{"httpStatusCode":400,"body":[{"errorCode":"INVALID_INPUT","message":"no"}]}`
			writeJSON(w, 200, `{"compositeResponse":[`+part+strings.Repeat(","+part, 4)+`]}`)
		},
		"a part is not there": func(w http.ResponseWriter) { writeJSON(w, 200, `{"compositeResponse":[]}`) },
	} {
		f := newFake(t)
		f.on("GET "+v+"query", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, 200, page(r.URL.Query().Get("q"))) })
		f.on("POST "+v+"composite", func(w http.ResponseWriter, _ *http.Request) { spoil(w) })
		seen := map[sf.ID]int{}
		got, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, IDs: ids})
		for _, r := range got {
			seen[r.ID]++
		}
		if err != nil || len(got) != 6000 || len(seen) != 6000 {
			t.Errorf("%s: %d records of %d Ids, %v", name, len(got), len(seen), err)
		}
	}
	f := newFake(t)
	f.on("POST "+v+"composite", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 403, `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`)
	})
	if _, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}, IDs: ids}); problem.KindOf(err) != problem.Limits {
		t.Errorf("where the limit is reached: %v", err) // and nothing else is asked for, which the fake would not know
	}
}

func TestLeavingEarlyStops(t *testing.T) {
	f := newFake(t)
	restRows(f, "Account", 5000, 2000, nil)
	n := 0
	for _, err := range f.connect().Records(t.Context(), sf.Extract{Object: account(), Fields: []string{"Name"}}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			break
		}
	}
	if f.calls("query") != 1 {
		t.Errorf("%d calls", f.calls("query"))
	}
}

func TestCount(t *testing.T) {
	f := newFake(t)
	f.on("GET "+v+"query", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("q") != "SELECT COUNT() FROM Account" {
			t.Error(r.URL)
		}
		writeJSON(w, 200, `{"totalSize":17,"done":true,"records":[]}`)
	})
	f.on("GET "+v+"queryAll", answer(200, `{"totalSize":19,"done":true,"records":[]}`))
	org := f.connect()
	live, err := org.Count(t.Context(), "Account", false)
	all, err2 := org.Count(t.Context(), "Account", true)
	if live != 17 || all != 19 || err != nil || err2 != nil {
		t.Errorf("%d %v, %d %v", live, err, all, err2)
	}
	if _, err := org.Count(t.Context(), "Account WHERE x", false); problem.KindOf(err) != problem.NotFound {
		t.Errorf("%v", err)
	}
}
