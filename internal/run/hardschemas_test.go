package run_test

import (
	"slices"
	"strings"
	"testing"

	"holdfast/internal/run"
)

// Schemas in which what undelete and deletion do by themselves matters.
func TestRestoreWhereTheBinMatters(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		seed uint64
		size int
		goes func(m *mazeOrg) run.RestoreResult
		says func(r run.RestoreResult) bool
	}{
		"a record that is needed comes before what brings back those that need it": {315, 20, (*mazeOrg).backAndForth, func(r run.RestoreResult) bool {
			return !r.Plan.Empty()
		}},
		"records that forbid each other's deletion are deleted": {419, 20, (*mazeOrg).backAndForth, func(r run.RestoreResult) bool {
			return slices.ContainsFunc(r.Steps, func(s run.StepRow) bool { return s.Op == "release" })
		}},
		"a link that people have emptied stays empty": {521, 20, (*mazeOrg).undone, func(r run.RestoreResult) bool {
			return slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "written empty again") })
		}},
		"a link that would close a circle stays empty": {43, 12, (*mazeOrg).undone, func(r run.RestoreResult) bool {
			return slices.ContainsFunc(r.Conflicts, func(c run.ConflictRow) bool { return c.Reason == run.ReasonCircle })
		}},
		"a record whose unique value another one keeps is inserted": {636, 20, (*mazeOrg).undone, func(r run.RestoreResult) bool {
			return slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "cannot come out of the Recycle Bin") })
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if r := c.goes(newMazeOrg(t, c.seed, c.size)); !c.says(r) {
				t.Errorf("the plan does not: %+v %q", r.Steps, r.Notes)
			}
		})
	}
}
