package snapshot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/repo"
)

// locks finds the objects whose lock ends before what was promised to a snapshot that relies on them. It asks the
// store once for each snapshot of the last retention, and once for each object that one of these relies on.
func (c *checker) locks(ctx context.Context) error {
	ends := make([]time.Time, len(c.snaps))
	for n, id := range c.snaps {
		var err error
		if ends[n], err = c.store.repository.Promised(ctx, snapshotRef(id)); err != nil {
			return fmt.Errorf("check: %w", err)
		}
	}
	if !slices.ContainsFunc(ends, func(end time.Time) bool { return !end.IsZero() }) {
		return nil
	}
	promised := make(map[repo.Ref]time.Time)
	want := func(ref repo.Ref) {
		for _, n := range c.places(ref) {
			if ends[n].After(promised[ref]) {
				promised[ref] = ends[n]
			}
		}
	}
	for ref := range c.users {
		want(ref)
	}
	for ref := range c.bodies {
		want(ref)
	}
	early, err := c.store.repository.Unlocked(ctx, promised)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	for _, ref := range early {
		c.report.Unlocked = append(c.report.Unlocked, ref.Key())
	}
	return nil
}
