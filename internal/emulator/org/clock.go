package org

import (
	"sync"
	"time"
)

// Clock is the org's own time: a source and an offset that tests and operators move. The zero value
// is not usable; see NewClock and FixedClock.
type Clock struct {
	mu     sync.Mutex
	source func() time.Time `image:"-"`
	offset time.Duration
}

// NewClock returns a clock that runs with the source, such as time.Now.
func NewClock(source func() time.Time) *Clock { return &Clock{source: source} }

// FixedClock returns a clock that stands at t until it is moved.
func FixedClock(t time.Time) *Clock { return NewClock(func() time.Time { return t }) }

// Now returns the org's time in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source().Add(c.offset).UTC()
}

// Advance moves the clock by d, which may be negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// Set moves the clock so that it now shows t.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = t.Sub(c.source())
}

// SetStampGrain cuts the stamps of records to multiples of d from now on, so that many records share
// one; less than a second is a second, which is what stamps are cut to anyway.
func (o *Org) SetStampGrain(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.grain = d
}
