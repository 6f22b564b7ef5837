package run_test

import (
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// A class that a deployment renamed in upper and lower case alone is one component: its rollback deletes nothing, and comes
// to an end on an org that keeps the new letters as well as on one that takes the old.
func TestRollbackOfARenamingOfLettersDeletesNothing(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		r := newRelease(t, emulator.Options{})
		r.deploy(nil, classFiles("Pay", "public class Pay {}"), classFiles("Other", "public class Other {}"))
		before := r.take()
		r.deploy([]sf.ComponentKey{{Type: "ApexClass", Name: "Pay"}}, classFiles("Other", "public class Other { Integer a; }"))
		r.deploy(nil, classFiles("PAY", "public class PAY { Integer a; }"))
		after := r.take()
		for _, only := range [][]string{nil, {"ApexClass:PAY"}, {"ApexClass:Pay"}} {
			in := r.request(before, after)
			in.Only = only
			p, err := run.Rollback(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if text := shown(p); strings.Contains(text, "delete") || !strings.Contains(text, "1 deploy ApexClass Pay") {
				t.Errorf("only %q:\n%s", only, text)
			}
		}
		if !keeps {
			r.deploy([]sf.ComponentKey{{Type: "ApexClass", Name: "PAY"}}, classFiles("Pay", "public class Pay {}"))
		} else {
			r.deploy(nil, classFiles("PAY", "public class Pay {}"))
		}
		if p := r.plan(before, after); strings.Contains(shown(p), "ApexClass Pay\n1") && strings.Contains(shown(p), "deploy ApexClass Pay") {
			t.Errorf("keeps %v: it is back, and is still to be deployed:\n%s", keeps, shown(p))
		}
	}
}

// The guard knows the component by whatever letters the package spells it with, and refuses a package that has it twice.
func TestGuardKnowsAComponentInOtherLetters(t *testing.T) {
	r := newRelease(t, emulator.Options{})
	r.deploy(nil, classFiles("Pay", "public class Pay {}"))
	out, err := run.GuardBefore(t.Context(), r.guarding(packageOf(nil, classFiles("pay", "public class pay { Integer a; }"))))
	if err != nil || out.Grade != "A" || strings.Contains(strings.Join(out.Components[0].Reasons, " "), "new") {
		t.Errorf("%v %+v", err, out.Components)
	}
	for _, d := range out.Foreseen {
		if len(d.Delete) > 0 {
			t.Errorf("foreseen: %+v", d)
		}
	}
	for name, in := range map[string]run.GuardInput{
		"two files":            r.guarding(packageOf(nil, classFiles("Pay", "public class Pay {}"), classFiles("pay", "public class pay {}"))),
		"a file, and deletion": r.guarding(packageOf([]sf.ComponentKey{{Type: "ApexClass", Name: "PAY"}}, classFiles("Pay", "public class Pay {}"))),
	} {
		in.Journal = filepath.Join(t.TempDir(), "j")
		if _, err := run.GuardDeploy(t.Context(), in); err == nil || !strings.Contains(err.Error(), "upper and lower case") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
