package org

import (
	"maps"
	"slices"
	"time"
)

// Limit is one allocation of the org and what is left of it, as the limits resource shows it.
type Limit struct {
	Name      string
	Max       int
	Remaining int
}

// limits are the allocations and the calls of the last 24 hours. Guarded by the org's lock.
type limits struct {
	all   map[string]*Limit
	calls []callHour // oldest first
}

// callHour counts the calls of one hour: the allocation is a rolling 24 hours.
// Source: Salesforce App Limits Cheatsheet, "API Request Limits".
type callHour struct {
	hour  int64
	count int
}

// apiRequests is the allocation that every call spends.
const apiRequests = "DailyApiRequests"

// newLimits returns the allocations of an org. Names and sizes from public samples of the limits
// resource; storage is that of an Enterprise Edition, since an org of 5 MB would hold 2,500 records and
// a bin of 125. Source: Help, "Data and File Storage Allocations": 10 GB each.
func newLimits(calls int) limits {
	l := limits{all: map[string]*Limit{}}
	for name, n := range map[string]int{
		apiRequests: calls, "DailyBulkApiBatches": 15_000, "DailyBulkV2QueryJobs": 10_000,
		"DailyBulkV2QueryFileStorageMB": 976_562, "DailyAsyncApexExecutions": 250_000,
		"DataStorageMB": 10_240, "FileStorageMB": 10_240, "DailyWorkflowEmails": 1_000,
		"HourlyPublishedPlatformEvents": 50_000,
	} {
		l.all[name] = &Limit{Name: name, Max: n, Remaining: n}
	}
	return l
}

// Limits returns the allocations by name.
func (o *Org) Limits() []Limit {
	defer o.write()()
	o.refreshCalls()
	var out []Limit
	for _, name := range slices.Sorted(maps.Keys(o.limits.all)) {
		out = append(out, *o.limits.all[name])
	}
	return out
}

// Spend takes n of an allocation and reports whether there was enough; nothing is taken otherwise.
// An allocation that the org does not know is not limited.
func (o *Org) Spend(name string, n int) bool {
	defer o.write()()
	l := o.limits.all[name]
	if l == nil {
		return true
	}
	if name == apiRequests {
		o.refreshCalls()
	}
	if l.Remaining < n {
		return false
	}
	l.Remaining -= n
	if name == apiRequests {
		hour := o.clock.Now().Unix() / int64(time.Hour/time.Second)
		if k := len(o.limits.calls); k == 0 || o.limits.calls[k-1].hour != hour {
			o.limits.calls = append(o.limits.calls, callHour{hour: hour})
		}
		o.limits.calls[len(o.limits.calls)-1].count += n
	}
	return true
}

// refreshCalls gives back the calls that are older than 24 hours.
func (o *Org) refreshCalls() {
	hour := o.clock.Now().Unix() / int64(time.Hour/time.Second)
	l := o.limits.all[apiRequests]
	for len(o.limits.calls) > 0 && o.limits.calls[0].hour <= hour-24 {
		l.Remaining = min(l.Max, l.Remaining+o.limits.calls[0].count)
		o.limits.calls = o.limits.calls[1:]
	}
}

// SetLimit changes an allocation, for tests that need a small one.
func (o *Org) SetLimit(name string, most, remaining int) {
	defer o.write()()
	o.limits.all[name] = &Limit{Name: name, Max: most, Remaining: remaining}
	if name == apiRequests {
		o.limits.calls = nil
	}
}

// Calls returns how many API requests were counted in the last 24 hours, and how many are allowed.
func (o *Org) Calls() (used, allowed int) {
	defer o.write()()
	o.refreshCalls()
	l := o.limits.all[apiRequests]
	return l.Max - l.Remaining, l.Max
}
