package run

import (
	"context"
	"errors"
	"iter"
	"testing"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// oneOrganization is an org that answers what kind it is, or does not.
type oneOrganization struct {
	capture.Source
	values []string // IsSandbox, OrganizationType; none: no record
	err    error
}

func (o oneOrganization) Records(_ context.Context, x sf.Extract) iter.Seq2[sf.Record, error] {
	return func(yield func(sf.Record, error) bool) {
		if o.err != nil {
			yield(sf.Record{}, o.err)
			return
		}
		if len(o.values) == 0 {
			return
		}
		values := map[string]sf.Value{}
		for i, v := range o.values {
			values[x.Fields[i]] = sf.Null()
			if v != "" {
				values[x.Fields[i]] = sf.Text(v)
			}
		}
		yield(sf.NewRecord("Organization", "00D000000000001AAA", values), nil)
	}
}

// What kind of org it is may be hidden, in whole or in part: then it is taken for one in production, and that is said. Only where
// nobody answered is it an error: automation that is off must come back whatever the user may see.
func TestAnOrgThatHidesItsKindIsTakenForProduction(t *testing.T) {
	t.Parallel()
	whole := &sf.Schema{Objects: []*sf.Object{{Name: "Organization", Fields: []*sf.Field{{Name: "IsSandbox"}, {Name: "OrganizationType"}}}}}
	for name, c := range map[string]struct {
		schema           *sf.Schema
		org              oneOrganization
		production, told bool
		fails            bool
	}{
		"production":              {whole, oneOrganization{values: []string{"false", "Enterprise Edition"}}, true, true, false},
		"sandbox":                 {whole, oneOrganization{values: []string{"true", "Enterprise Edition"}}, false, true, false},
		"developer":               {whole, oneOrganization{values: []string{"false", "Developer Edition"}}, false, true, false},
		"no object":               {&sf.Schema{}, oneOrganization{}, true, false, false},
		"no field":                {&sf.Schema{Objects: []*sf.Object{{Name: "Organization", Fields: []*sf.Field{{Name: "IsSandbox"}}}}}, oneOrganization{}, true, false, false},
		"no record":               {whole, oneOrganization{}, true, false, false},
		"empty values":            {whole, oneOrganization{values: []string{"", ""}}, true, false, false},
		"no access":               {whole, oneOrganization{err: problem.New(problem.Failed, "INSUFFICIENT_ACCESS")}, true, false, false},
		"no permission":           {whole, oneOrganization{err: problem.New(problem.Unauthorized, "API_DISABLED_FOR_ORG")}, true, false, false},
		"an error of no kind":     {whole, oneOrganization{err: errors.New("odd")}, true, false, false},
		"the org does not answer": {whole, oneOrganization{err: problem.New(problem.Unreachable, "no route")}, false, false, true},
		"no calls are left":       {whole, oneOrganization{err: problem.New(problem.Limits, "REQUEST_LIMIT_EXCEEDED")}, false, false, true},
	} {
		production, told, err := inProduction(t.Context(), c.org, c.schema)
		if production != c.production || told != c.told || (err != nil) != c.fails {
			t.Errorf("%s: production %v, told %v, %v", name, production, told, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := inProduction(ctx, oneOrganization{err: context.Canceled}, whole); err == nil {
		t.Error("an interruption is taken for an answer")
	}
}
