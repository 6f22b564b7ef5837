package salesforce

import (
	"context"
	"sync"
)

const (
	// maxRoom is how many calls may wait for the org at once. It keeps below the 25 long-running
	// requests that an org allows. Source: Salesforce Developer Limits, "API Request Limits".
	maxRoom = 16
	// calmAnswers is how many answers without a complaint make room for one call more.
	calmAnswers = 10
)

// throttle bounds the calls that wait for the org at once. When the org complains of too many, the
// bound is halved, and a call that waits before it tries again takes up room: with little of it the
// others wait, too. As answers come without complaint, room comes back, one call at a time.
type throttle struct {
	mu      sync.Mutex
	room    int
	busy    int // calls that wait for an answer
	cooling int // calls that wait to be sent again after a complaint
	calm    int
	changed chan struct{} // closed when there may be room
}

func newThrottle() *throttle { return &throttle{room: maxRoom, changed: make(chan struct{})} }

// enter waits for room.
func (t *throttle) enter(ctx context.Context) error {
	for {
		t.mu.Lock()
		if t.busy+t.cooling < t.room {
			t.busy++
			t.mu.Unlock()
			return nil
		}
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// leave ends what enter began; the org complained of too many calls, or it did not.
func (t *throttle) leave(complained bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy--
	if complained {
		t.room, t.calm = max(1, t.room/2), 0
	} else if t.calm++; t.calm >= calmAnswers && t.room < maxRoom {
		t.room, t.calm = t.room+1, 0
	}
	t.wake()
}

// cool takes up room while wait runs.
func (t *throttle) cool(wait func() error) error {
	t.mu.Lock()
	t.cooling++
	t.mu.Unlock()
	err := wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cooling--
	t.wake()
	return err
}

// wake tells those who wait to look again. The caller holds the lock.
func (t *throttle) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// crowded reports that the org refused the call because there are too many at once.
func (f *Fault) crowded() bool {
	return f.Status == 429 || f.Status == 503 || f.Code == "SERVER_UNAVAILABLE" ||
		f.Code == "REQUEST_LIMIT_EXCEEDED" && !f.spent()
}
