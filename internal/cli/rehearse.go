package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"holdfast/internal/run"
)

// rehearsalTime is how long a pipeline waits for a rehearsal unless somebody says otherwise: what a deployment of that size
// takes anyway.
const rehearsalTime = time.Minute

const rehearsalText = `The way back is rehearsed: an emulated copy of what the snapshot holds gets the package, which is then taken back there. The
runbook has how long each step took, beside a forecast for the org. An emulated org answers faster than a real one. A
rehearsal has a minute, or the time of --rehearse; what it has not ended by then the runbook says, and nothing else changes.`

// rehearse rehearses the way back of a deployment. Nothing of the deployment hangs on it.
func (a *app) rehearse(ctx context.Context, in run.GuardInput, of run.GuardResult, most time.Duration, failed error) run.RehearsalResult {
	switch {
	case failed != nil:
		return run.NotRehearsed("the deployment was stopped before")
	case most <= 0:
		return run.NotRehearsed("nobody asked for it (--rehearse 0)")
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	on, err := a.stage(ctx, "rehearsal")
	if err != nil {
		return run.NotRehearsed(err.Error())
	}
	shown := a.newProgress("rehearse")
	out := run.Rehearse(ctx, run.RehearseInput{Guard: in, Of: of, Stage: on.org, Scratch: on.store, Dir: on.dir, Now: a.now})
	shown.end()
	if err := on.close(); err != nil {
		out.Notes = append(out.Notes, "its folder is still there: "+err.Error())
	}
	return out
}

// stepText says what a rehearsed step was.
func stepText(s run.RehearsedRow) string {
	text := s.What
	if s.Number > 0 {
		text = fmt.Sprintf("%s %d", text, s.Number)
	}
	if s.Rows > 0 {
		text += ", " + plural(s.Rows, "row")
	}
	return text
}

// tookText spells seconds as a time that people read.
func tookText(seconds float64) string { return fmt.Sprintf("%.1f s", seconds) }

// forecastText is what a step will probably take in the org.
func forecastText(s run.RehearsedRow) string {
	if s.Forecast == nil {
		return "not known"
	}
	return ranged(*s.Forecast, spell) + ": " + s.From
}

// writeRehearsed writes what a rehearsal came to, in a line.
func writeRehearsed(w io.Writer, r run.RehearsalResult) {
	if !r.Walked {
		fmt.Fprintf(w, "not rehearsed: %s\n", plain(r.Why))
		return
	}
	var steps []string
	for _, s := range r.Steps {
		steps = append(steps, stepText(s)+": "+tookText(s.Seconds))
	}
	if len(steps) == 0 {
		steps = []string{"there was nothing to take back"}
	}
	fmt.Fprintf(w, "rehearsed on an emulated copy of the org (%s, %s): %s\n", plural(r.Components, "component"), plural(r.Records, "record"), strings.Join(steps, "; "))
}
