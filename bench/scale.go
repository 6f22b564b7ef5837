package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// scaleObject is the standard object whose rows are computed when they are read, so that an org of any size
// takes no memory.
const scaleObject = "Lead"

// scaleFields are read by all: the others' tools are told, Holdfast is told by leaving out the rest.
var scaleFields = []string{"LastName", "FirstName", "Company", "Status", "Email", "Phone", "City", "Description", "IsDeleted", "SystemModstamp"}

// scale measures a first backup, one of the unchanged org after it, and what the others' tools take to export
// the same rows, for each number of rows.
func (b *bench) scale(ctx context.Context, sizes string) error {
	return eachSize(sizes, func(rows int) error {
		return b.withOrg(ctx, nil, func(ctx context.Context) error { return b.scaleOf(ctx, rows) })
	})
}

// eachSize calls do for each number of a list such as 120000,1000000.
func eachSize(sizes string, do func(rows int) error) error {
	for text := range strings.SplitSeq(sizes, ",") {
		rows, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-scale %q: %w", sizes, err)
		}
		if err := do(rows); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) scaleOf(ctx context.Context, rows int) error {
	backup, err := b.generated(ctx, rows)
	if err != nil {
		return err
	}
	columnsOf(fmt.Sprintf("%d rows", rows))
	for _, name := range []string{"full backup, sealed", "backup of the unchanged org"} {
		if _, err := b.shown(ctx, figure{name, rows, [][]string{backup}}); err != nil {
			return err
		}
	}
	query := "SELECT Id, " + strings.Join(scaleFields, ", ") + " FROM " + scaleObject
	peer := []string{b.peer, b.loader.InstanceURL, query, filepath.Join(b.dir, "peer.csv")}
	if err := b.tried(ctx, figure{"go-salesforce v3.1.0, to CSV", rows, [][]string{peer}}); err != nil || b.sf == "" {
		return err
	}
	if err := b.signInSF(ctx); err != nil {
		return err
	}
	sf := []string{b.sf, "data", "export", "bulk", "-o", "bench", "-q", query, "--output-file", filepath.Join(b.dir, "sf.csv"), "-w", "30"}
	return b.tried(ctx, figure{"sf data export bulk, to CSV", rows, [][]string{sf}})
}

// generated gives the org so many rows, makes the repository, and returns the command that backs them up.
func (b *bench) generated(ctx context.Context, rows int) ([]string, error) {
	err := b.steer(ctx, http.MethodPost, "generate", map[string]any{
		"object": scaleObject, "rows": rows, "seed": 7, "from": "2020-01-01T00:00:00Z", "step": "1s",
	}, nil)
	if err != nil {
		return nil, err
	}
	if err := b.init(ctx); err != nil {
		return nil, err
	}
	backup := []string{b.holdfast, "backup", "bench", "--quiet", "--object", scaleObject, "--api-share", "100"}
	leftOut, err := b.leftOut(ctx)
	for _, f := range leftOut {
		backup = append(backup, "--exclude-field", scaleObject+"."+f)
	}
	return backup, err
}

// leftOut returns the fields that the others' query does not read.
func (b *bench) leftOut(ctx context.Context) ([]string, error) {
	var described struct {
		Fields []struct{ Name, Type string }
	}
	if err := b.get(ctx, "/services/data/v66.0/sobjects/"+scaleObject+"/describe", b.loader.AccessToken, &described); err != nil {
		return nil, err
	}
	var out []string
	for _, f := range described.Fields {
		if f.Name != "Id" && f.Name != "LastModifiedDate" && f.Type != "address" && !slices.Contains(scaleFields, f.Name) {
			out = append(out, f.Name)
		}
	}
	return out, nil
}
