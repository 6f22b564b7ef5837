package org

// Limit is one allocation of the org and what is left of it, as the limits resource shows it.
type Limit struct {
	Name      string
	Max       int
	Remaining int
}

// Limits returns the allocations by name.
func (o *Org) Limits() []Limit { return nil }

// Spend takes n of an allocation and reports whether there was enough; nothing is taken otherwise.
func (o *Org) Spend(name string, n int) bool { return true }

// SetLimit changes an allocation, for tests that need a small one.
func (o *Org) SetLimit(name string, max, remaining int) {}

// Calls returns how many API requests were counted in the last 24 hours, and how many are allowed.
func (o *Org) Calls() (used, max int) { return 0, 0 }
