package salesforce

import (
	"bytes"
	"encoding/json"
	"testing"

	"holdfast/internal/sf"
)

// FuzzPage: whatever an org answers to a query, it is read or refused.
func FuzzPage(f *testing.F) {
	x, err := check(sf.Extract{
		Object: &sf.Object{Name: "Account", Queryable: true, Fields: []*sf.Field{{Name: "Id", Type: sf.TypeID}, {Name: "Name", Type: sf.TypeString}}},
		Fields: []string{"Name"},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account"},"Id":"001000000000001AAA","Name":"x"}]}`))
	f.Add([]byte(`{"totalSize":9,"done":false,"nextRecordsUrl":"/x","records":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := readPage(json.NewDecoder(bytes.NewReader(body)), x)
		if err != nil {
			return
		}
		for _, r := range p.records {
			if _, err := sf.ParseID(string(r.ID)); err != nil || len(r.Values) != r.Shape.Len() {
				t.Fatalf("%q gives %+v", body, r)
			}
		}
	})
}

// FuzzLimitInfo: figures of the budget are never negative.
func FuzzLimitInfo(f *testing.F) {
	f.Add("api-usage=18/15000")
	f.Add("api-usage=25/5000; per-app-api-usage=17/250(appName=sample)")
	f.Fuzz(func(t *testing.T, info string) {
		if used, limit, ok := parseLimitInfo(info); ok && (used < 0 || limit <= 0) {
			t.Fatalf("%q is %d of %d", info, used, limit)
		}
	})
}
