package apply

import (
	"context"
	"fmt"
	"slices"

	"holdfast/internal/automation"
	"holdfast/internal/sf"
)

// Somebody else may switch automation on, or take a bypass away, while rows are written: a person, or another plan that
// ends and puts back what this one has found off. What was written since has met it, and nothing in the org tells that
// afterwards. So it is looked at when the last row has been written and before anything is put back. A run that died
// cannot tell: by then it may have been put back by this program.

// meanwhile is what acts at the end of a run and did not when its first row was written.
type meanwhile struct {
	told   bool     // it was looked for, and putting back has yet to write it down
	bypass []string // bypasses that are off
	woken  []string // components that the run found off
}

// throughout looks for what acts now. wrote tells that this run had rows to write, with what the plan says off.
func (a *application) throughout(ctx context.Context, wrote bool) error {
	if !wrote {
		return nil
	}
	a.since = meanwhile{told: true}
	err := a.metered(KindBypass, len(a.ledger.plan.Bypass) > 0, func() error { return a.unset(ctx) })
	if err != nil {
		return err
	}
	return a.metered(KindMetadata, a.ledger.off(), func() error {
		a.since.woken, err = a.woken(ctx)
		return err
	})
}

// unset looks for bypasses that are off.
func (a *application) unset(ctx context.Context) error {
	for _, b := range a.ledger.plan.Bypass {
		s := entrySet{Kind: b.Kind, Name: b.Name, With: string(b.ID)}
		_, on, err := a.standingOf(ctx, a.user, s)
		if err != nil {
			return fmt.Errorf("bypass %s: %w", b.Name, err)
		}
		if !on {
			a.since.bypass = append(a.since.bypass, s.key())
		}
	}
	if off := a.since.bypass; len(off) > 0 && !a.ledger.bypassed() { // all were on before: this run has nothing to put back
		return a.record(entry{T: entryUnset, Names: off})
	}
	return nil
}

// woken are components that were to be switched off, were off when this run began, and are on.
func (a *application) woken(ctx context.Context) ([]string, error) {
	if !a.ledger.off() {
		return nil, nil
	}
	wanted := slices.DeleteFunc(a.ledger.plan.SwitchedOff(), func(k sf.ComponentKey) bool {
		name := keyNames([]sf.ComponentKey{k})[0]
		return slices.Contains(a.ledger.prior.Names, name) || slices.Contains(a.ledger.left, name)
	})
	if len(wanted) == 0 {
		return nil, nil
	}
	files, err := a.retrieve(ctx, wanted)
	if err != nil {
		return nil, err
	}
	rules, err := automation.Read(files)
	if err != nil {
		return nil, fmt.Errorf("read automation: %w", err)
	}
	var on []sf.ComponentKey
	for _, r := range rules {
		if r.Active && slices.Contains(wanted, r.ComponentKey) {
			on = append(on, r.ComponentKey)
		}
	}
	return keyNames(on), nil
}
