package salesforce_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"holdfast/internal/salesforce"
	"holdfast/internal/salesforce/csv"
	"holdfast/internal/sf"
)

// BenchmarkBulkRecords reads 100,000 rows of 40 columns of mixed types from the local machine.
func BenchmarkBulkRecords(b *testing.B) {
	const rows, columns = 100_000, 40
	object := &sf.Object{Name: "Account"}
	names, row := []string{"Id"}, []string{""}
	for i := range columns {
		f := &sf.Field{Name: fmt.Sprintf("Field%02d__c", i), Type: sf.TypeString}
		value := strings.Repeat("text ", i%6)
		switch i % 5 {
		case 1:
			f.Type, value = sf.TypeDatetime, "2026-01-02T03:04:05.000Z"
		case 2:
			f.Type, value = sf.TypeDouble, strconv.Itoa(1000+i)+".25"
		case 3:
			f.Type, value = sf.TypeReference, accountID
		case 4:
			f.Type, value = sf.TypeBoolean, "true"
		}
		object.Fields = append(object.Fields, f)
		names, row = append(names, f.Name), append(row, value)
	}
	body := csv.AppendRow(nil, names)
	for i := range rows {
		row[0] = string(idOf("001", i))
		body = csv.AppendRow(body, row)
	}
	mux := http.NewServeMux()
	job := string(idOf("750", 1))
	mux.HandleFunc("GET /services/oauth2/userinfo", answer(200, fmt.Sprintf(`{"user_id":%q,"organization_id":%q}`, userID, orgID)))
	mux.HandleFunc("GET "+v+"limits", answer(200, `{}`))
	mux.HandleFunc("POST "+v+"jobs/query", answer(200, fmt.Sprintf(`{"id":%q}`, job)))
	mux.HandleFunc("GET "+v+"jobs/query/"+job, answer(200, fmt.Sprintf(`{"state":"JobComplete","numberRecordsProcessed":%d}`, rows)))
	mux.HandleFunc("GET "+v+"jobs/query/"+job+"/results", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Sforce-Locator", "null")
		w.Header().Set("Sforce-NumberOfRecords", strconv.Itoa(rows))
		_, _ = w.Write(body)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	org, err := salesforce.Connect(b.Context(), salesforce.Config{InstanceURL: server.URL, Credentials: salesforce.Credentials{AccessToken: "x"}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range org.Records(b.Context(), sf.Extract{Object: object, Fields: names[1:], ExpectRows: rows}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != rows {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
