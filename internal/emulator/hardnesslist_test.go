package emulator_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
)

// behaviour is one name of a hardness, and what a client sees of it: shows is false below off and true below on.
type behaviour struct {
	name    string
	off, on emulator.Hardness
	shows   func(c *client, on bool) bool
}

// sees is a behaviour that one answer shows.
func sees(name string, on emulator.Hardness, path string, shows func(a answer) bool) behaviour {
	return behaviour{name: name, on: on, shows: func(c *client, _ bool) bool { return shows(c.do("GET", path, "")) }}
}

func status(want int, words string) func(a answer) bool {
	return func(a answer) bool { return a.status == want && strings.Contains(string(a.body), words) }
}

// accounts counts them past whatever befalls requests.
func (c *client) accounts() int {
	c.t.Helper()
	q, err := soql.Parse("SELECT Id FROM Account")
	if err != nil {
		c.t.Fatal(err)
	}
	a, err := c.s.Org().Query(c.s.Org().Admin(), q, false)
	if err != nil {
		c.t.Fatal(err)
	}
	return a.Len()
}

// cut is whether an insert got no answer, and whether it was done all the same.
func (c *client) cut() (cut, done bool) {
	before := c.accounts()
	_, err := c.try("POST", "sobjects/Account", strings.NewReader(`{"Name":"cut"}`))
	return err != nil, c.accounts() > before
}

// answered reports whether a query has an answer while the client waits for it.
func (c *client) answered(patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.s.URL+"/services/data/v66.0/"+someAccounts, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.s.AccessToken)
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err == nil
}

func requestBehaviours() []behaviour {
	const idsOnly = "query?q=SELECT+Id+FROM+Account"
	return []behaviour{
		sees("tooMany", emulator.Hardness{TooMany: 1}, "limits", status(429, "")),
		sees("limitExceeded", emulator.Hardness{LimitExceeded: 1}, "limits", status(403, "TotalRequests")),
		sees("concurrentLimit", emulator.Hardness{ConcurrentLimit: 1}, "limits", status(403, "ConcurrentPerOrgLongTxn")),
		sees("unknownException", emulator.Hardness{UnknownException: 1}, "limits", status(500, "UNKNOWN_EXCEPTION")),
		sees("unavailable", emulator.Hardness{Unavailable: 1}, "limits", status(503, "SERVER_UNAVAILABLE")),
		sees("gatewayPage", emulator.Hardness{GatewayPage: 1}, "limits", status(503, "<html>")),
		sees("queryTimeout", emulator.Hardness{QueryTimeout: 1}, idsOnly, status(400, "QUERY_TIMEOUT")),
		sees("retiredBelow", emulator.Hardness{RetiredBelow: 67}, "limits", status(410, "")),
		sees("maintenance", emulator.Hardness{Maintenance: []hard.Window{{From: began, To: began.Add(time.Hour)}}}, "limits", status(503, "maintenance")),
		sees("stripHeaders", emulator.Hardness{StripHeaders: 1}, "limits", func(a answer) bool { return a.header.Get("Sforce-Limit-Info") == "" }),
		sees("censusShort", emulator.Hardness{CensusShort: 1}, idsOnly, status(200, `"totalSize":180,"done":true`)),
		sees("pageShort", emulator.Hardness{PageShort: 1}, someAccounts, func(a answer) bool { return strings.Count(string(a.body), `"Name"`) == 299 }),
		sees("dateSkew", emulator.Hardness{DateSkew: hard.Duration(-time.Hour)}, "limits", func(a answer) bool {
			return a.header.Get("Date") == began.Add(-time.Hour).Format(http.TimeFormat)
		}),
		{"locatorLost", emulator.Hardness{}, emulator.Hardness{LocatorLost: 1}, func(c *client, _ bool) bool {
			c.header.Set("Sforce-Query-Options", "batchSize=200")
			defer c.header.Del("Sforce-Query-Options")
			return c.do("GET", c.query("SELECT Id FROM Account").NextRecordsURL, "").status == 400
		}},
		{"cutBefore", emulator.Hardness{}, emulator.Hardness{CutBefore: 1}, func(c *client, _ bool) bool {
			cut, done := c.cut()
			return cut && !done
		}},
		{"loseReply", emulator.Hardness{}, emulator.Hardness{LoseReply: 1}, func(c *client, _ bool) bool {
			cut, done := c.cut()
			return cut && done
		}},
		{"cutBody", emulator.Hardness{}, emulator.Hardness{CutBody: 1}, func(c *client, _ bool) bool {
			a, err := c.try("GET", someAccounts, nil)
			return err != nil && len(a.body) > 0
		}},
		{"slowPage", emulator.Hardness{SlowFor: hard.Duration(time.Hour)}, emulator.Hardness{SlowPage: 1, SlowFor: hard.Duration(time.Hour)}, slow},
		{"slowFor", emulator.Hardness{SlowPage: 1, SlowFor: hard.Duration(time.Millisecond)}, emulator.Hardness{SlowPage: 1, SlowFor: hard.Duration(time.Hour)}, slow},
		{"concurrent", emulator.Hardness{SlowPage: 1, SlowFor: hard.Duration(time.Hour)}, emulator.Hardness{Concurrent: 1, SlowPage: 1, SlowFor: hard.Duration(time.Hour)}, func(c *client, _ bool) bool {
			leave := c.waiting()
			defer leave()
			return c.do("GET", "limits", "").status == 403
		}},
		{"rowLocked", emulator.Hardness{}, emulator.Hardness{RowLocked: 1}, func(c *client, _ bool) bool {
			id := c.query("SELECT Id FROM Account").Records[0]["Id"].(string)
			return strings.Contains(string(c.do("PATCH", "sobjects/Account/"+id, `{"Site":"x"}`).body), "UNABLE_TO_LOCK_ROW")
		}},
	}
}

func slow(c *client, on bool) bool {
	if on {
		return !c.answered(200 * time.Millisecond)
	}
	return !c.answered(time.Minute)
}

// third is the status of the third of three calls.
func third(c *client, _ bool) int {
	c.do("GET", "limits", "")
	c.do("GET", "limits", "")
	return c.do("GET", "limits", "").status
}

func countedBehaviours() []behaviour {
	pattern := func(c *client) (out string) {
		for range 30 {
			out += fmt.Sprint(c.do("GET", "limits", "").status, " ")
		}
		return out
	}
	var ofSeven string
	return []behaviour{
		{"tokenCalls", emulator.Hardness{}, emulator.Hardness{TokenCalls: 3}, func(c *client, on bool) bool { return third(c, on) == 401 }},
		{"dailyCalls", emulator.Hardness{}, emulator.Hardness{DailyCalls: 2}, func(c *client, on bool) bool { return third(c, on) == 403 }},
		{"firstFreeCall", emulator.Hardness{Unavailable: 1}, emulator.Hardness{Unavailable: 1, FirstFreeCall: 1}, func(c *client, _ bool) bool {
			return c.do("GET", "limits", "").status == 200 && c.do("GET", "limits", "").status == 503
		}},
		{"tick", emulator.Hardness{}, emulator.Hardness{Tick: hard.Duration(time.Minute)}, func(c *client, _ bool) bool {
			first := c.do("GET", "limits", "").header.Get("Date")
			return c.do("GET", "limits", "").header.Get("Date") != first
		}},
		{"stampGrain", emulator.Hardness{}, emulator.Hardness{StampGrain: hard.Duration(time.Hour)}, func(c *client, _ bool) bool {
			c.s.Clock().Advance(10 * time.Minute)
			stamps := map[any]bool{}
			for range 2 {
				c.s.Clock().Advance(time.Minute)
				id := c.create("Account", `{"Name":"tied"}`)
				stamps[c.query("SELECT SystemModstamp FROM Account WHERE Id = '" + id + "'").Records[0]["SystemModstamp"]] = true
			}
			return len(stamps) == 1
		}},
		{"seed", emulator.Hardness{Seed: 7, Unavailable: 0.5}, emulator.Hardness{Seed: 8, Unavailable: 0.5}, func(c *client, on bool) bool {
			if !on {
				ofSeven = pattern(c)
				c.harden(emulator.Hardness{Seed: 7, Unavailable: 0.5})
			}
			return pattern(c) != ofSeven
		}},
		{"script", emulator.Hardness{}, emulator.Hardness{Script: []emulator.Injected{{Behaviour: hard.Unavailable, Key: "GET limits", Nth: 2}}}, func(c *client, _ bool) bool {
			return c.do("GET", "limits", "").status == 200 && c.do("GET", "limits", "").status == 503
		}},
	}
}

// by is another user who acts after every call.
func by(o hard.Others) emulator.Hardness {
	o.Every, o.Objects = 1, []string{"Account"}
	return emulator.Hardness{Others: o}
}

func otherBehaviours() []behaviour {
	gone := func(c *client, _ bool) bool {
		before := c.accounts()
		c.do("GET", "limits", "")
		c.harden(emulator.Hardness{})
		return c.accounts() < before
	}
	late := func(after time.Duration) func(c *client, on bool) bool {
		return func(c *client, _ bool) bool {
			c.s.Clock().Advance(time.Minute)
			since := c.s.Clock().Now().UTC().Format("2006-01-02T15:04:05Z")
			c.do("GET", "limits", "")
			c.harden(emulator.Hardness{})
			changed := func() int {
				return c.query("SELECT Id FROM Account WHERE SystemModstamp >= " + since).TotalSize
			}
			first := changed()
			c.s.Clock().Advance(after)
			second := changed()
			c.s.Clock().Advance(time.Hour)
			return first == 0 && second == 0 && changed() == 1
		}
	}
	deletes := by(hard.Others{HardDelete: 1})
	never, nothing := deletes, deletes
	never.Others.Every, nothing.Others.Objects = 0, nil
	return []behaviour{
		{"others.every", never, deletes, gone},
		{"others.objects", nothing, deletes, gone},
		{"others.hardDelete", by(hard.Others{}), deletes, gone},
		{"others.lateCommit", by(hard.Others{}), by(hard.Others{LateCommit: 1}), late(3 * time.Minute)},
		{"others.lateFor", by(hard.Others{LateCommit: 1, LateFor: hard.Duration(time.Minute)}), by(hard.Others{LateCommit: 1, LateFor: hard.Duration(9 * time.Minute)}), late(8 * time.Minute)},
		{"others.formulaDrift", by(hard.Others{}), by(hard.Others{FormulaDrift: 1}), func(c *client, on bool) bool {
			c.s.Clock().Advance(time.Minute)
			const look = "SELECT Shown__c, SystemModstamp FROM Account WHERE Parent.Name != null"
			h := by(hard.Others{})
			if on {
				h = by(hard.Others{FormulaDrift: 1})
			}
			c.harden(emulator.Hardness{})
			c.drifting()
			before := c.query(look).Records[0]
			c.harden(h)
			c.do("GET", "limits", "")
			c.harden(emulator.Hardness{})
			after := c.query(look).Records[0]
			return after["Shown__c"] != before["Shown__c"] && after["SystemModstamp"] == before["SystemModstamp"]
		}},
		{"others.emptyBin", by(hard.Others{}), by(hard.Others{EmptyBin: 1}), func(c *client, on bool) bool {
			c.harden(emulator.Hardness{})
			id := c.create("Account", `{"Name":"binned"}`)
			c.do("DELETE", "sobjects/Account/"+id, "").ok(204)
			if on {
				c.harden(by(hard.Others{EmptyBin: 1}))
			}
			c.do("GET", "limits", "")
			c.harden(emulator.Hardness{})
			var all page
			c.do("GET", "queryAll?q=SELECT+Id+FROM+Account+WHERE+Id+=+'"+id+"'", "").ok(200).into(&all)
			return all.TotalSize == 0
		}},
	}
}

// drifting makes the only accounts of the org a parent and a child that shows a field of it.
func (c *client) drifting() {
	for _, r := range c.query("SELECT Id FROM Account").Records {
		c.s.Org().Write(c.s.Org().Admin(), org.Delete, []org.Row{{ID: r["Id"].(string)}}, org.Options{})
	}
	if object, _ := c.s.Org().Describe("Account"); object.Field("Shown__c") == nil {
		c.field("Account", org.FieldSpec{Name: "Shown__c", Label: "Shown", Type: "Text", Formula: "Parent.Site"})
	}
	parent := c.create("Account", `{"Name":"P","Site":"before"}`)
	c.create("Account", `{"Name":"C","ParentId":"`+parent+`"}`)
}

func bulkBehaviours() []behaviour {
	insert := func(n int, shows func(c *client, j job) bool) func(c *client, on bool) bool {
		return func(c *client, _ bool) bool { return shows(c, c.load(insertAccounts, names(n))) }
	}
	contend := func(c *client, _ bool) bool {
		ids := c.query("SELECT Id FROM Account").Records
		rows := "LastName,AccountId\n"
		for i := range 400 {
			rows += fmt.Sprintf("C%03d,%s\n", i, ids[i%2]["Id"])
		}
		return c.load(`{"object":"Contact","operation":"insert"}`, rows).NumberRecordsFailed > 0
	}
	bulk := func(b hard.Bulk) emulator.Hardness { return emulator.Hardness{Bulk: b} }
	second := []emulator.Injected{{Behaviour: hard.JobFailure, Key: "insert Account batch 1", Nth: 1}}
	timeouts := func(want int) func(c *client, j job) bool {
		return func(c *client, j job) bool {
			n := 0
			for _, i := range c.s.Injected() {
				if i.Behaviour == hard.ChunkTimeout {
					n++
				}
			}
			return j.State == "Failed" && n == want
		}
	}
	return []behaviour{
		{"bulk.batchRows", emulator.Hardness{Script: second}, emulator.Hardness{Script: second, Bulk: hard.Bulk{BatchRows: 200}}, insert(300, func(_ *client, j job) bool {
			return j.State == "Failed" && j.NumberRecordsProcessed == 200
		})},
		{"bulk.parallel", bulk(hard.Bulk{BatchRows: 200, LockFailure: 1}), bulk(hard.Bulk{BatchRows: 200, Parallel: 2, LockFailure: 1}), contend},
		{"bulk.lockFailure", bulk(hard.Bulk{BatchRows: 200, Parallel: 2}), bulk(hard.Bulk{BatchRows: 200, Parallel: 2, LockFailure: 1}), contend},
		{"bulk.chunkTime", emulator.Hardness{}, bulk(hard.Bulk{ChunkTime: hard.Duration(time.Hour)}), func(c *client, on bool) bool {
			j := c.begin(insertAccounts, names(201))
			var since time.Time
			for ; j.State != "JobComplete"; time.Sleep(time.Millisecond) {
				c.do("GET", "jobs/ingest/"+j.ID, "").ok(200).into(&j)
				if j.NumberRecordsProcessed == 200 && since.IsZero() {
					since = time.Now()
				}
				if on && !since.IsZero() && time.Since(since) > 100*time.Millisecond && j.NumberRecordsProcessed == 200 {
					return true // the second chunk waits
				}
			}
			return false
		}},
		{"bulk.chunkTimeout", emulator.Hardness{}, bulk(hard.Bulk{ChunkTimeout: 1}), insert(10, timeouts(21))},
		{"bulk.retries", bulk(hard.Bulk{ChunkTimeout: 1}), bulk(hard.Bulk{ChunkTimeout: 1, Retries: 2}), insert(10, timeouts(3))},
		{"bulk.batchTimeout", bulk(hard.Bulk{BatchRows: 400}), bulk(hard.Bulk{BatchRows: 400, BatchTimeout: 1}), insert(401, func(c *client, j job) bool {
			p := c.query("SELECT Name FROM Account WHERE Name LIKE 'A0%' ORDER BY Id DESC LIMIT 401")
			return j.NumberRecordsProcessed == 401 && p.Records[0]["Name"] == "A00399"
		})},
		{"bulk.queryChunk", emulator.Hardness{}, bulk(hard.Bulk{QueryChunk: 100}), func(c *client, _ bool) bool {
			j := c.export(`{"operation":"query","query":"SELECT Name FROM Account"}`)
			pages, _ := c.paged(j.ID)
			return !slices.IsSorted(slices.Concat(pages...)) && len(pages) > 2
		}},
		{"bulk.jobFailure", emulator.Hardness{}, bulk(hard.Bulk{JobFailure: 1}), insert(10, func(_ *client, j job) bool { return j.State == "Failed" })},
	}
}

// namesOf are the names of a hardness in JSON, those within others and bulk after a dot.
func namesOf(t reflect.Type, prefix string) []string {
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if t.Field(i).Type.Kind() == reflect.Struct {
			names = append(names, namesOf(t.Field(i).Type, name+".")...)
			continue
		}
		names = append(names, prefix+name)
	}
	return names
}

// TestEachHardnessShows proves of every name of a hardness that a client sees it when it is on and not when it is
// off; a name without a proof fails.
func TestEachHardnessShows(t *testing.T) {
	all := slices.Concat(requestBehaviours(), countedBehaviours(), otherBehaviours(), bulkBehaviours())
	var proved []string
	for _, b := range all {
		proved = append(proved, b.name)
		t.Run(b.name, func(t *testing.T) {
			c := hardened(t, 300, b.off)
			if b.shows(c, false) {
				t.Error("it shows when it is off")
			}
			c = hardened(t, 300, b.on)
			if !b.shows(c, true) {
				t.Error("it does not show when it is on")
			}
		})
	}
	slices.Sort(proved)
	names := namesOf(reflect.TypeFor[emulator.Hardness](), "")
	if slices.Sort(names); !slices.Equal(names, proved) {
		t.Errorf("proved %v\nof %v", proved, names)
	}
}
