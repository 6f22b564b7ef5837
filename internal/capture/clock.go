package capture

import (
	"context"
	"sync"
	"time"
)

// serverClock remembers what the org last said of its time: a lower bound for whatever is asked
// next, so that a part needs no reading of its own at its beginning.
type serverClock struct {
	src  Source
	mu   sync.Mutex
	last time.Time
	read time.Time // of this machine's monotonic clock, when last was read
}

func newServerClock(src Source, now time.Time) *serverClock {
	return &serverClock{src: src, last: now, read: time.Now()}
}

func (c *serverClock) latest() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// now asks the org for its time. When it does not say, which is no reason to lose what was read, it is
// what it last said and the time that has passed since, as this machine's monotonic clock measures
// it: neither a wrong clock nor a time zone matters to that.
func (c *serverClock) now(ctx context.Context) time.Time {
	now, err := c.src.ServerTime(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		return c.last.Add(time.Since(c.read))
	}
	c.last, c.read = now, time.Now()
	return now
}
