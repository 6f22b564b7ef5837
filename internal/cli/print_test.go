package cli

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// What a record, a plan or a repository holds must not steer the operator's terminal.
func TestPrintTakesControlCharactersOut(t *testing.T) {
	var out strings.Builder
	a := newApp(strings.NewReader(""), &out, io.Discard)
	err := a.print(nil, func(w io.Writer) {
		fmt.Fprint(w, "a\x1b[2Jb\r\u009bc\n")
		writeTable(w, []string{"N"}, [][]string{{"x\ny\x07"}})
	})
	if err != nil || out.String() != "a [2Jb  c\nN\nx y\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestLongListsAreCounted(t *testing.T) {
	r := run.ApplyResult{Verified: true, Unexplained: 2, Differences: []run.DifferenceRow{
		{Object: "Account", Kind: run.Unseen}, {Object: "Contact", ID: "003000000000001AAA", Field: "Phone", Kind: "update"},
	}}
	for i := range shownLines + 5 {
		r.Errors = append(r.Errors, run.RowErrorRow{Object: "Account", ID: sf.ID(fmt.Sprint(i)), Code: "X"})
	}
	var out strings.Builder
	writeApplied(&out, r)
	for _, want := range []string{
		"and 5 more; --json lists them", "Account: could not be observed", "Contact 003000000000001AAA Phone: update is missing",
		"an earlier run, whose snapshot cannot be read: 2 differences", // and does not need the observation
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "refused:"); n != shownLines {
		t.Errorf("%d lines", n)
	}
}

func TestPlainTextCannotSteerATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"Acme\x1b[2J":            "Acme [2J",
		"a\r\nb\x00":             "a  b ",
		"\u202egnp.exe":          `\u202egnp.exe`,
		"\u2066x\u2069":          `\u2066x\u2069`,
		"שלום \u200fword – ok 😀": "שלום \u200fword – ok 😀",
	} {
		if got := plain(text); got != want {
			t.Errorf("plain(%q) = %q, want %q", text, got, want)
		}
	}
}

// A thousand objects that are left out for one reason are one line, which says how to see each; few are listed, and so is every field.
func TestCoverageFoldsWhatIsLeftOutTogether(t *testing.T) {
	var gaps []run.GapRow
	for i := range 1000 {
		gaps = append(gaps, run.GapRow{Object: fmt.Sprintf("Thing%03d__c", i), Reason: "excluded: outside of what the rules hold: Account"})
	}
	gaps = append(gaps, run.GapRow{Object: "Account", Field: "BillingAddress", Reason: "compound: held as its parts"}, run.GapRow{Object: "Event__e", Reason: "kind: an event"})
	folded := coverageRows(gaps, false)
	if len(folded) != 3 || folded[0][0] != "(1,000)" || !strings.Contains(folded[0][2], "--all") || folded[1][1] != "BillingAddress" || folded[2][0] != "Event__e" {
		t.Errorf("%q", folded)
	}
	if all := coverageRows(gaps, true); len(all) != 1002 || all[999][0] != "Thing999__c" {
		t.Errorf("%d lines", len(all))
	}
}
