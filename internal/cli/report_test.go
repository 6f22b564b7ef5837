package cli

import (
	"errors"
	"strings"
	"testing"

	"holdfast/internal/run"
)

// What records and orgs say is text on the page, whatever it looks like, and long lists are cut and counted.
func TestReportShowsHostileTextAsText(t *testing.T) {
	r := run.ApplyResult{OrgID: "00D000000000001EAA", Failed: 1, Verified: true, Classes: map[string]int64{"lost": 3}}
	for range reportRows + 7 {
		r.Errors = append(r.Errors, run.RowErrorRow{Object: "Account", Message: `<script>alert(1)</script>`})
	}
	var page strings.Builder
	if err := reportHTML(&page, r, errors.New(`"><img src=x>`)); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, bad := range []string{"<script>alert", "<img"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s is markup", bad)
		}
	}
	for _, want := range []string{"refused rows; everything else is as planned", "and 7 more", "&lt;script&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	for name, c := range map[string]run.ApplyResult{
		"The org is as planned.":                   {Verified: true},
		"The org is not as planned.":               {Verified: true, Unexplained: 1},
		"The application did not come to its end.": {},
	} {
		page.Reset()
		if err := reportHTML(&page, c, nil); err != nil || !strings.Contains(page.String(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
