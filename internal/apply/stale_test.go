package apply

import (
	"strings"
	"testing"

	"holdfast/internal/problem"
)

// TestStaleErrorTellsTheWayOut: a new plan does not help where something that nobody observed depends on the record.
func TestStaleErrorTellsTheWayOut(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{true, false} {
		hint := problem.HintOf(staleError([]Moved{{Object: "Account", ID: "001000000000001AAA", Reason: "differs", held: held}}, 3))
		if got := strings.Contains(hint, "--exclude ID"); got != held {
			t.Errorf("held %v: the hint is %q", held, hint)
		}
	}
}
