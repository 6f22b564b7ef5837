package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"holdfast/internal/capture"
)

// logEvery is how often progress is written where there is no terminal: often enough to see that
// it lives, rarely enough to read.
const logEvery = 10 * time.Second

// progress shows how far a run is: a bar on a terminal, a line now and then elsewhere.
type progress struct {
	app  *app
	verb string

	began time.Time

	mu   sync.Mutex
	bar  *progressbar.ProgressBar
	last time.Time
}

func (a *app) newProgress(verb string) *progress {
	return &progress{app: a, verb: verb, began: a.now(), last: a.now()}
}

// notice writes a line about waits and retries.
func (a *app) notice(text string) {
	if !a.quiet {
		fmt.Fprintln(a.err, "holdfast: "+plain(text))
	}
}

// captured is told what happens in a capture.
func (p *progress) captured(e capture.Event) {
	switch e.Stage {
	case capture.Failed:
		p.line(fmt.Sprintf("%s: not captured: %s", e.Object, e.Text))
	case capture.Census:
		p.line(fmt.Sprintf("%s: comparing all Ids", e.Object))
	}
	rate := p.rate(e)
	p.step(e.Ended, e.Parts, fmt.Sprintf("%s (%s)%s", e.Object, plural(e.Rows, "row"), rate), fmt.Sprintf("%s of %s, %s%s",
		count(int64(e.Ended)), plural(e.Parts, "object"), plural(e.Calls, "call"), rate))
}

// rate says how fast rows arrive, over all that was read, and how long the rest takes.
func (p *progress) rate(e capture.Event) string {
	passed := p.app.now().Sub(p.began)
	if e.AllRows == 0 || passed < time.Second {
		return ""
	}
	second := func(n int64) int64 { return int64(float64(n) / passed.Seconds()) }
	return fmt.Sprintf(", %s a second, %s a second%s", plural(second(e.AllRows), "row"), size(second(e.AllBytes)),
		timeLeft(e.AllRows, e.Expect, passed))
}

// step moves the bar to done of all; detail stands beside the bar, sum in a log line.
func (p *progress) step(done, all int, detail, sum string) {
	if p.app.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if terminal(p.app.err) {
		if p.bar == nil {
			p.bar = progressbar.NewOptions(all,
				progressbar.OptionSetWriter(p.app.err), progressbar.OptionShowCount(),
				progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish())
		}
		p.bar.Describe(p.verb + " " + plain(detail))
		_ = p.bar.Set(done) // it only fails beyond its end
		return
	}
	if now := p.app.now(); now.Sub(p.last) >= logEvery {
		p.last = now
		fmt.Fprintf(p.app.err, "holdfast: %s: %s\n", p.verb, plain(sum))
	}
}

// line writes a line that stays, above the bar.
func (p *progress) line(text string) {
	if p.app.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // the terminal is gone or it is not; there is nobody to tell
	}
	fmt.Fprintln(p.app.err, "holdfast: "+plain(text))
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
