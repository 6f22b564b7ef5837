package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
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
	fmt.Printf("%-10s %-34s %10s %10s %12s %8s %14s\n", "rows", "", "wall s", "CPU s", "peak RSS MB", "calls", "calls / 1 M")
	for text := range strings.SplitSeq(sizes, ",") {
		rows, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-scale %q: %w", sizes, err)
		}
		if err := b.scaleOf(ctx, rows); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) scaleOf(ctx context.Context, rows int) error {
	dir, err := os.MkdirTemp("", "holdfast-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	stop, err := b.startOrg(ctx)
	if err != nil {
		return err
	}
	defer stop()
	err = b.steer(ctx, http.MethodPost, "generate", map[string]any{
		"object": scaleObject, "rows": rows, "seed": 7, "from": "2020-01-01T00:00:00Z", "step": "1s",
	}, nil)
	if err != nil {
		return err
	}
	if _, err := b.measure(ctx, b.holdfast, "init", "--recovery-key-file", filepath.Join(dir, "recovery.key")); err != nil {
		return err
	}
	backup := []string{b.holdfast, "backup", "bench", "--quiet", "--object", scaleObject, "--api-share", "100"}
	for _, f := range b.leftOut(ctx) {
		backup = append(backup, "--exclude-field", scaleObject+"."+f)
	}
	query := "SELECT Id, " + strings.Join(scaleFields, ", ") + " FROM " + scaleObject
	sfHome := filepath.Join(dir, "sf")
	b.env = append(b.env, "HOME="+sfHome, "SF_DATA_DIR="+sfHome, "SF_CACHE_DIR="+sfHome, "SF_DISABLE_TELEMETRY=true",
		"SF_AUTOUPDATE_DISABLE=true", "SF_SKIP_NEW_VERSION_CHECK=true", "SF_USE_GENERIC_UNIX_KEYCHAIN=true",
		"SF_ACCESS_TOKEN="+b.loader.AccessToken)
	runs := []struct {
		name    string
		command []string
	}{
		{"full backup, sealed", backup},
		{"backup of the unchanged org", backup},
		{"go-salesforce v3.1.0, to CSV", []string{b.peer, b.loader.InstanceURL, query, filepath.Join(dir, "peer.csv")}},
	}
	if b.sf != "" {
		if _, err := b.measure(ctx, b.sf, "org", "login", "access-token", "--instance-url", b.loader.InstanceURL, "--no-prompt", "--alias", "bench"); err != nil {
			return err
		}
		runs = append(runs, struct {
			name    string
			command []string
		}{"sf data export bulk, to CSV", []string{
			b.sf, "data", "export", "bulk", "-o", "bench", "-q", query, "--output-file", filepath.Join(dir, "sf.csv"), "-w", "30",
		}})
	}
	for _, r := range runs {
		before, err := b.calls(ctx)
		if err != nil {
			return err
		}
		u, err := b.measure(ctx, r.command[0], r.command[1:]...)
		after, callsErr := b.calls(ctx)
		if callsErr != nil {
			return callsErr
		}
		if err != nil { // that a tool cannot do it is a figure, too
			fmt.Printf("%-10d %-34s fails: %.160s\n", rows, r.name, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Printf("%-10d %-34s %10.2f %10.2f %12.1f %8d %14.1f\n", rows, r.name, u.wall, u.cpu, u.rss, after.Total-before.Total,
			float64(after.Total-before.Total)/float64(rows)*1e6)
		fmt.Printf("%-10s %s\n", "", after.since(before))
	}
	return nil
}

// leftOut returns the fields that the others' query does not read.
func (b *bench) leftOut(ctx context.Context) []string {
	var described struct {
		Fields []struct{ Name, Type string }
	}
	if err := b.get(ctx, "/services/data/v66.0/sobjects/"+scaleObject+"/describe", b.loader.AccessToken, &described); err != nil {
		return nil
	}
	var out []string
	for _, f := range described.Fields {
		wanted := f.Name == "Id" || f.Name == "LastModifiedDate" || f.Type == "address"
		for _, name := range scaleFields {
			wanted = wanted || f.Name == name
		}
		if !wanted {
			out = append(out, f.Name)
		}
	}
	return out
}

// counted is how many requests the emulated org has answered: in all, and of each kind.
type counted struct {
	Total int64
	ByOp  map[string]int64 `json:"byOp"`
}

// since says how many of each kind there were since an earlier count, the most frequent first.
func (c counted) since(before counted) string {
	ops := slices.SortedFunc(maps.Keys(c.ByOp), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.ByOp[b]-before.ByOp[b], c.ByOp[a]-before.ByOp[a]), strings.Compare(a, b))
	})
	var parts []string
	for _, op := range ops {
		if n := c.ByOp[op] - before.ByOp[op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, op))
		}
	}
	return strings.Join(parts, ", ")
}

func (b *bench) calls(ctx context.Context) (counted, error) {
	var reply counted
	err := b.steer(ctx, http.MethodGet, "calls", nil, &reply)
	return reply, err
}

// steer asks the control endpoint of the emulated org.
func (b *bench) steer(ctx context.Context, method, what string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = strings.NewReader(string(raw))
	}
	return b.ask(ctx, method, "/_holdfast/"+what, b.control, body, out)
}

func (b *bench) get(ctx context.Context, path, token string, out any) error {
	return b.ask(ctx, http.MethodGet, path, token, nil, out)
}

func (b *bench) ask(ctx context.Context, method, path, token string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, b.loader.InstanceURL+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err == nil && resp.StatusCode > 299 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(raw, out)
}
