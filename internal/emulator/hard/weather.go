package hard

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// Injected is one thing that befell: a line of the log.
type Injected struct {
	Behaviour string `json:"behaviour"`
	// Key says to what: the operation and the query of a request, or the rows of a load.
	Key string `json:"key"`
	// Nth is how often the key had come up for this behaviour; the first time is 1.
	Nth int64 `json:"nth"`
	// Detail is what the draw chose, such as the Id of a record; for people.
	Detail string `json:"detail,omitempty"`
}

// maxLog bounds the log; what comes later is counted and not kept.
const maxLog = 1 << 20

// maxKeys bounds what is remembered of past requests. Beyond it counting begins anew.
const maxKeys = 1 << 20

// Weather draws from a Hardness, and remembers. It is safe for concurrent use.
type Weather struct {
	mu     sync.Mutex
	h      Hardness
	shares map[string]Share
	script map[scripted]bool
	seen   map[seen]int64
	log    []Injected
	lost   int64 // entries beyond maxLog
}

type scripted struct {
	behaviour, key string
	nth            int64
}

type seen struct{ behaviour, key string }

// NewWeather returns the weather of a hardness; an error says what is wrong with it.
func NewWeather(h Hardness) (*Weather, error) {
	w := &Weather{}
	return w, w.Set(h)
}

// Set changes the hardness. Counts begin anew and the log goes on.
func (w *Weather) Set(h Hardness) error {
	if err := h.check(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h, w.shares, w.script, w.seen = h, map[string]Share{}, nil, map[seen]int64{}
	for _, b := range h.behaviours() {
		w.shares[b.name] = b.share
	}
	if len(h.Script) > 0 {
		w.script = map[scripted]bool{}
		for _, i := range h.Script {
			w.script[scripted{i.Behaviour, i.Key, i.Nth}] = true
		}
	}
	return nil
}

// Hardness returns what is set.
func (w *Weather) Hardness() Hardness {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.h
}

// Draw decides whether a behaviour befalls the key this time, and notes it if so. The number is
// another one that follows from the same seed, for choices that the behaviour has to make.
func (w *Weather) Draw(behaviour, key string) (bool, uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	share := w.shares[behaviour]
	if share == 0 && w.script == nil {
		return false, 0
	}
	if len(w.seen) >= maxKeys {
		clear(w.seen)
	}
	w.seen[seen{behaviour, key}]++
	nth := w.seen[seen{behaviour, key}]
	x := roll(w.h.Seed, behaviour, key, nth)
	yes := happens(x, share)
	if w.script != nil {
		yes = w.script[scripted{behaviour, key, nth}]
	}
	if yes {
		w.note(Injected{Behaviour: behaviour, Key: key, Nth: nth})
	}
	return yes, mix(x + 1)
}

// Note adds to the log what was not drawn, or says more about the last draw of the same behaviour
// and key.
func (w *Weather) Note(behaviour, key, detail string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.log) - 1; i >= max(0, len(w.log)-8); i-- { // other requests may have come between
		if e := &w.log[i]; e.Behaviour == behaviour && e.Key == key && e.Detail == "" {
			e.Detail = detail
			return
		}
	}
	w.note(Injected{Behaviour: behaviour, Key: key, Detail: detail})
}

func (w *Weather) note(i Injected) {
	if len(w.log) >= maxLog {
		w.lost++
		return
	}
	w.log = append(w.log, i)
}

// Log returns what befell so far, oldest first, and how much more was not kept.
func (w *Weather) Log() (log []Injected, lost int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log), w.lost
}

// WriteLog spells a log as JSON, for ReadLog.
func WriteLog(log []Injected) []byte {
	text, err := json.MarshalIndent(log, "", " ")
	if err != nil { // texts and numbers always marshal
		panic(err)
	}
	return append(text, '\n')
}

// ReadLog reads what WriteLog wrote, for the script of a Hardness.
func ReadLog(text []byte) ([]Injected, error) {
	var log []Injected
	if err := json.Unmarshal(text, &log); err != nil {
		return nil, fmt.Errorf("log of faults: %w", err)
	}
	return log, nil
}
