package apply

import (
	"strings"

	"holdfast/internal/plan"
)

// switchCalls is how many calls it takes to switch automation off by deployments, to put it back and to prove that, as counted
// on the emulator.
const switchCalls = 14

// switches counts what is done for the automation of the org: what the plan switches off, and the org's own bypass.
func (e *estimate) switches(describes int64) {
	if len(e.plan.SwitchedOff()) > 0 {
		e.of(KindMetadata).Calls = switchCalls
		e.of(KindDescribe).Calls += describes // whether the org is in production
	}
	settings := map[string]bool{}
	calls := int64(0)
	for _, b := range e.plan.Bypass {
		calls += 4 // how it is, that it is on, that it still is, and that it is as before
		if b.Kind == plan.BypassPermission {
			calls += 3 // it is assigned; looked at again, and taken away
			continue
		}
		object, _, _ := strings.Cut(b.Name, ".")
		settings[object] = true
	}
	// Where the user has no record of a setting: whose profile it is, and what the profile and the org have; it is made, looked at
	// again, and taken away. Checkboxes of one setting are written together.
	if calls += 6 * int64(len(settings)); calls > 0 {
		e.of(KindBypass).Calls = calls
	}
}
