package rollback_test

import (
	"strings"
	"testing"

	"holdfast/internal/rollback"
)

// A plan that makes a master-detail says what an org asks for that, and what goes with it.
func TestAPlanWithAMasterDetailSaysWhatItTakes(t *testing.T) {
	was, is := object("A=a"), object()
	was.Files[0].Body = []byte(strings.Replace(string(was.Files[0].Body), "<type>Text<", "<type>MasterDetail<", 1))
	plan, err := rollback.Decide(rollback.Input{APIVersion: "66.0", Changes: []rollback.Change{change(was, is, is)}})
	if err != nil || len(plan.Notes) != 1 || !strings.Contains(plan.Notes[0], "Thing__c.A__c") || !strings.Contains(plan.Notes[0], "Recycle Bin") {
		t.Errorf("%q %v", plan.Notes, err)
	}
}
