package salesforce_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/sf"
)

// TestRangesCutEvenly: however the Ids of an object lie (dense, sparse, in areas far apart as after a move
// between instances), the ranges hold about as many records as asked for, each record is in exactly one, there
// are no more than need be since each costs a job, and cutting costs few calls.
func TestRangesCutEvenly(t *testing.T) {
	dense := func(prefix string, n, step int) (ids []sf.ID) {
		for i := range n {
			ids = append(ids, idOf(prefix, i*step+1))
		}
		return ids
	}
	for name, ids := range map[string][]sf.ID{
		"dense":     dense("a00", 9000, 1),
		"sparse":    dense("a00", 9000, 7919),
		"far apart": append(instance("00", 4000), instance("z9", 5000)...),
		"few":       dense("a00", 10, 1),
		"none":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			slices.Sort(ids)
			f := newFake(t)
			f.on("GET "+v+"query", func(w http.ResponseWriter, r *http.Request) { answerIDs(w, r.URL.Query().Get("q"), ids) })
			bounds, err := f.connect().Ranges(t.Context(), "Big__c", "", 1000)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.IsSorted(bounds) {
				t.Errorf("bounds %v", bounds)
			}
			rest := ids
			for _, to := range bounds {
				n, _ := slices.BinarySearch(rest, to)
				if n < len(rest) && rest[n] == to {
					n++
				}
				if n == 0 || n > 1500 {
					t.Errorf("a range of %d records up to %s", n, to)
				}
				rest = rest[n:]
			}
			if len(rest) > 1500 {
				t.Errorf("a last range of %d records", len(rest))
			}
			if len(ids) > 0 && len(bounds) > len(ids)/700 {
				t.Errorf("%d ranges of %d records", len(bounds)+1, len(ids))
			}
			if n := f.calls("query"); n > 120 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// instance returns Ids with those two characters for the instance.
func instance(at string, n int) (ids []sf.ID) {
	for i := range n {
		id, err := sf.ParseID(fmt.Sprintf("a00%s0%09d", at, i))
		if err != nil {
			panic(err)
		}
		ids = append(ids, id)
	}
	return ids
}

var bound = regexp.MustCompile(`Id (>=|<=|>) '(\w+)'`)

// answerIDs answers the two queries that cut an object, over the Ids.
func answerIDs(w http.ResponseWriter, q string, ids []sf.ID) {
	var in []sf.ID
	bounds := bound.FindAllStringSubmatch(q, -1)
	for _, id := range ids {
		ok := true
		for _, m := range bounds {
			to := sf.ID(m[2])
			ok = ok && (m[1] == ">=" && id >= to || m[1] == "<=" && id <= to || m[1] == ">" && id > to)
		}
		if ok {
			in = append(in, id)
		}
	}
	if strings.Contains(q, "COUNT()") {
		writeJSON(w, 200, fmt.Sprintf(`{"totalSize":%d,"done":true,"records":[]}`, len(in)))
		return
	}
	records := ""
	if len(in) > 0 {
		id := in[0]
		if strings.Contains(q, "DESC") {
			id = in[len(in)-1]
		}
		records = fmt.Sprintf(`{"Id":%q}`, id)
	}
	writeJSON(w, 200, fmt.Sprintf(`{"totalSize":1,"done":true,"records":[%s]}`, records))
}
