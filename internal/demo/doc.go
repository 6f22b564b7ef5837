// Package demo is an operator with an org of its own: it fills an empty org with a generated company,
// lets an integration wreck it, and drives the same verbs as the command line to bring it back. An
// independent witness, which reads the org without the client of Holdfast, tells at the end whether
// it is right.
//
// It promises the same story for the same seed. It keeps nothing, decides nothing and knows no
// storage and no client: the doors are handed in.
package demo

import (
	"context"
	"fmt"
	"net/http"
)

// Fill deploys the demo's objects to an empty org and fills it with a generated company. It returns
// the number of records.
func Fill(ctx context.Context, url, token string, seed uint64) (int, error) {
	c := newCompany(people{url: url, token: token, client: http.DefaultClient}, seed)
	if err := c.deploy(ctx); err != nil {
		return 0, fmt.Errorf("fill the org: %w", err)
	}
	n, err := c.found(ctx)
	if err != nil {
		return 0, fmt.Errorf("fill the org: %w", err)
	}
	return n, nil
}
