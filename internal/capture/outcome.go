package capture

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/problem"
	"holdfast/internal/snapshot"
)

func (c *capture) succeeded(p *part, done snapshot.Part) {
	r := PartResult{
		Object: p.object.Name, Mode: ModeChanges, Why: p.why, Part: done,
		Read: p.rows, Bytes: p.bytes, Kept: p.kept, Buried: p.buried, Settled: p.settled,
	}
	if p.reread {
		r.Mode = ModeFull
	}
	c.mu.Lock()
	c.whole++
	c.unanswered = 0
	c.closed = append(c.closed, closing{p.task, r})
	c.mu.Unlock()
	c.end(r, Event{Object: p.object.Name, Stage: Done, Rows: p.rows, Bytes: p.bytes, Text: p.settled})
}

// failed settles what becomes of a part that could not be captured.
func (c *capture) failed(ctx context.Context, p *part, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.by == nil && c.postpone(p, cause) {
		return nil
	}
	if words, ok := refused(cause); ok && p.previous == nil && p.rows == 0 {
		return c.refuse(p, words)
	}
	c.noteFailure(ctx, cause)
	return c.fail(p.task, p, cause)
}

// gap adds to the coverage of the snapshot.
func (c *capture) gap(g snapshot.Gap) { c.snap.Gap(g.Object, g.Field, g.Reason) }

func (c *capture) halted() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.halt
}

// noteFailure decides whether the parts that have not begun can still succeed.
func (c *capture) noteFailure(ctx context.Context, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch problem.KindOf(err) {
	case problem.Unreachable, problem.NoSpace:
		c.unanswered++
	default:
		c.unanswered = 0
	}
	if c.failure == nil {
		c.failure = err
	}
	if c.halt == nil && (fatal(ctx, err) || c.unanswered >= maxUnanswered) {
		c.halt = err
	}
}

// answered notes that the org answers.
func (c *capture) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unanswered = 0
}

// refuse leaves an object out that the org does not answer for and that was never held.
func (c *capture) refuse(p *part, words string) error {
	name := p.object.Name
	c.gap(gap(name, "", RuleRefused, "%s", words))
	if err := p.abandon(words); err != nil {
		return err
	}
	c.tell(Event{Object: name, Stage: Refused, Text: words})
	return nil
}

// fail keeps what was held of the object, with its watermark, or names it absent.
func (c *capture) fail(t *task, p *part, cause error) error {
	name := t.object.Name
	if p != nil {
		if err := p.abandon(cause.Error()); err != nil {
			return err
		}
	}
	r := PartResult{Object: name, Why: cause.Error(), Hint: problem.HintOf(cause)}
	var err error
	if t.previous != nil {
		r.Mode, r.Part = ModeStale, *t.previous
		err = c.snap.CarryStale(name, cause.Error())
	} else if r.Mode = ModeAbsent; p == nil || !p.abandoned {
		err = c.snap.Absent(name, cause.Error())
	}
	if err != nil {
		return fmt.Errorf("record that %s failed (%w): %w", name, cause, err)
	}
	c.gap(gap(name, "", RuleFailed, "%s", cause))
	c.end(r, Event{Object: name, Stage: Failed, Text: cause.Error()})
	return nil
}

// end records the result of a part and tells of it.
func (c *capture) end(r PartResult, e Event) {
	c.mu.Lock()
	c.results = append(c.results, r)
	c.mu.Unlock()
	c.tell(e)
}

// revise replaces the result of a part that has ended.
func (c *capture) revise(r PartResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.results {
		if c.results[i].Object == r.Object {
			c.results[i] = r
		}
	}
}

// retract takes back the result of a part that was done, and did not stay so.
func (c *capture) retract(object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results = slices.DeleteFunc(c.results, func(r PartResult) bool { return r.Object == object })
	c.whole--
	c.ended--
}

// tell passes an event on, with the counts of the whole capture.
func (c *capture) tell(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Stage {
	case Done, Carried, Failed, Refused:
		c.ended++
	}
	if c.opts.Progress == nil {
		return
	}
	e.Ended, e.Parts = c.ended, len(c.plan.tasks)+len(c.plan.carry)+c.components
	e.Calls = c.src.Usage().Calls - c.spentBefore
	e.AllRows, e.AllBytes, e.Expect = c.rows.Load(), c.bytes.Load(), c.expect
	c.opts.Progress(e)
}
