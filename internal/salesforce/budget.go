package salesforce

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/internal/problem"
)

// DefaultShare is the share of the org's daily API calls that may be used when Budget says nothing:
// the rest is for the people and integrations that live in the org.
const DefaultShare = 0.5

// Budget bounds what the org may have spent of its daily API calls, and of what it gives to Bulk
// queries, by all its clients together, for this connection to go on.
type Budget struct {
	Share     float64 // 0 < Share <= 1 of the daily limits; 0 means DefaultShare
	Bandwidth int64   // bytes a second that may be received, at least MinBandwidth; 0 is no bound
}

// ledger counts calls against the budget. The org tells after each call how many were used; calls
// whose answer is still to come are counted as used, so that parallel calls cannot overshoot.
type ledger struct {
	share float64

	mu      sync.Mutex
	sent    int64 // calls begun
	pending int64 // begun and not answered
	used    int64 // as the org last told
	limit   int64 // 0: not told yet
	learned int64 // value of sent when used was last set

	now  func() time.Time
	lost []time.Time // until when each call that had no answer may still be counted by the org
}

// lostFor is how long a call without an answer may take to be counted: the platform's own bound of a call is
// ten minutes. Until then it stands beside what the org tells, which may not know of it.
const lostFor = 10 * time.Minute

// take reserves one call. It returns the number of the call for settle.
func (l *ledger) take() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.lost = slices.DeleteFunc(l.lost, now.After)
	if ceiling := int64(l.share * float64(l.limit)); l.limit > 0 && l.used+l.pending+int64(len(l.lost))+1 > ceiling {
		return 0, problem.New(problem.Limits, fmt.Sprintf(
			"the API budget is used up: %d of %d daily calls, %d allowed", l.used, l.limit, ceiling)).
			Hint("wait until the org's 24-hour window frees calls, or allow a larger share of them with --api-share")
	}
	l.sent++
	l.pending++
	return l.sent, nil
}

// settle ends a reserved call; info is the Sforce-Limit-Info of its answer, if it had one.
func (l *ledger) settle(call int64, info string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending--
	used, limit, ok := parseLimitInfo(info)
	if !ok {
		// Not told: count the call ourselves, which can only be too much.
		l.lost = append(l.lost, l.now().Add(lostFor))
		return
	}
	l.limit = limit
	// Answers overtake each other. A lower figure is believed only from a call begun after the
	// present figure was learned: then the 24-hour window has freed calls.
	if used >= l.used || call > l.learned {
		l.used, l.learned = used, l.sent
	}
}

// learn sets the figures of the limits resource.
func (l *ledger) learn(used, limit int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit > 0 {
		l.used, l.limit, l.learned = max(l.used, used), limit, l.sent
	}
}

func (l *ledger) figures() (sent, used, limit int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent, l.used, l.limit
}

// parseLimitInfo reads "api-usage=18/15000", which other figures may follow, separated by commas or
// semicolons (per-app-api-usage).
func parseLimitInfo(info string) (used, limit int64, ok bool) {
	for part := range strings.FieldsFuncSeq(info, func(r rune) bool { return r == ',' || r == ';' }) {
		figures, found := strings.CutPrefix(strings.TrimSpace(part), "api-usage=")
		if !found {
			continue
		}
		a, b, _ := strings.Cut(figures, "/")
		u, errU := strconv.ParseInt(a, 10, 64)
		m, errM := strconv.ParseInt(b, 10, 64)
		return u, m, errU == nil && errM == nil && u >= 0 && m > 0
	}
	return 0, 0, false
}
