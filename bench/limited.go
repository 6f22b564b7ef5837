package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"holdfast/bench/process"
)

// beyond is by how many MiB the process that shows that there is a limit goes beyond it.
const beyond = 64

// limited measures Holdfast within a hard limit of memory, for each number of rows: a first backup, one of the unchanged
// org, what of it is read back. The emulated org is outside of the limit. What is not whole is an error.
func (b *bench) limited(ctx context.Context, sizes string) (err error) {
	bytes, err := parseSize(b.file)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	group := process.NewGroup()
	defer func() { err = errors.Join(err, group.Close()) }()
	if err := group.Limit(b.limit); err != nil {
		return err
	}
	greedy := process.Command{Name: self, Args: []string{"-do", "take", "-limit", strconv.Itoa(b.limit + beyond)}}
	if err := group.Prove(ctx, greedy); err != nil {
		fmt.Printf("\n*** THE LIMIT OF %d MiB IS NOT ENFORCED: %v ***\n", b.limit, err)
	} else {
		fmt.Printf("%s: a process that took %d MiB was ended by the limit of %d MiB\n", group.About(), b.limit+beyond, b.limit)
	}
	return eachSize(sizes, func(rows int) error {
		return b.withOrg(ctx, nil, func(ctx context.Context) error {
			b.within = group
			defer func() { b.within = process.Group{} }()
			return b.limitedOf(ctx, rows, bytes)
		})
	})
}

func (b *bench) limitedOf(ctx context.Context, rows int, bytes int64) error {
	backup, err := b.generated(ctx, rows)
	if err != nil {
		return err
	}
	what, expected := fmt.Sprintf("%d rows", rows), map[string]int64{scaleObject: int64(rows)}
	var version struct{ ID string }
	if bytes > 0 {
		film := map[string]any{"name": "film.mp4", "bytes": bytes, "seed": 7}
		if err := b.steer(ctx, http.MethodPost, "files", film, &version); err != nil {
			return err
		}
		backup = append(backup, "--object", "ContentVersion")
		what += fmt.Sprintf(" and a file of %d bytes", bytes)
		expected["ContentVersion"] = 1
	}
	columnsOf(fmt.Sprintf("%s, within %d MiB", what, b.limit))
	for _, name := range []string{"full backup, sealed", "backup of the unchanged org"} {
		if _, err := b.shown(ctx, figure{name, rows, [][]string{backup}}); err != nil {
			return err
		}
	}
	if err := b.wantWhole(ctx, expected, bytes); err != nil {
		return err
	}
	if err := b.wantRows(ctx, rows); err != nil {
		return err
	}
	if bytes > 0 {
		if err := b.wantFile(ctx, version.ID, bytes); err != nil {
			return err
		}
	}
	_, err = b.shown(ctx, figure{"verify", 0, [][]string{{b.holdfast, "verify", "--quiet"}}})
	if err != nil {
		return err
	}
	stored, err := process.Size(filepath.Join(b.dir, "repo"))
	fmt.Printf("%.2f GB stored\n", float64(stored)/1e9)
	return err
}

// wantWhole demands that the last snapshot holds of each object what the org counted, and that this is what it was given.
func (b *bench) wantWhole(ctx context.Context, given map[string]int64, bytes int64) error {
	said, err := b.shown(ctx, figure{"show --coverage", 0, [][]string{{b.holdfast, "show", "latest", "--coverage", "--json"}}})
	if err != nil {
		return err
	}
	var shown struct {
		Snapshot struct {
			Partial    bool
			FilesBytes int64 `json:"files_bytes"`
		}
		Parts []struct {
			Object, State     string
			Stale             bool
			Records, Expected int64
		}
		Files []struct {
			Object        string
			Held, Missing int64
		}
	}
	if err := json.Unmarshal([]byte(said), &shown); err != nil {
		return err
	}
	if shown.Snapshot.Partial || shown.Snapshot.FilesBytes != bytes {
		return fmt.Errorf("the snapshot is partial (%t), or has other files than one of %d bytes: %d", shown.Snapshot.Partial, bytes, shown.Snapshot.FilesBytes)
	}
	for _, p := range shown.Parts {
		want, known := given[p.Object]
		if p.State != "whole" || p.Stale || p.Records != p.Expected || known && p.Records != want {
			return fmt.Errorf("%s: %s, %d of %d records, of %d that the org was given", p.Object, p.State, p.Records, p.Expected, want)
		}
		if delete(given, p.Object); known {
			fmt.Printf("    %s: expected %d, held %d\n", p.Object, p.Expected, p.Records)
		}
	}
	for _, f := range shown.Files {
		if f.Held > 0 || f.Missing > 0 {
			fmt.Printf("    files of %s: held %d, missing %d\n", f.Object, f.Held, f.Missing)
		}
	}
	if len(given) > 0 {
		return fmt.Errorf("not in the snapshot: %v", given)
	}
	return nil
}

// wantRows demands that what is written out has as many rows, and no Id twice.
func (b *bench) wantRows(ctx context.Context, rows int) error {
	out := filepath.Join(b.dir, "out")
	if _, err := b.shown(ctx, figure{"rescue as CSV", 0, [][]string{{b.holdfast, "rescue", "latest", "--object", scaleObject, "--to", out, "--quiet"}}}); err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(out, scaleObject+".csv"))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := csv.NewReader(bufio.NewReaderSize(f, 1<<20))
	lines.ReuseRecord = true
	n, last := -1, "" // the first line has the names
	for {
		cells, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if n++; n > 1 && cells[0] <= last {
			return fmt.Errorf("row %d of the CSV has the Id %s after %s", n, cells[0], last)
		}
		last = strings.Clone(cells[0])
	}
	if n != rows {
		return fmt.Errorf("%d rows were written out, the org has %d", n, rows)
	}
	fmt.Printf("    %d rows, no Id twice\n", n)
	return os.RemoveAll(out)
}

// wantFile demands that the file of the snapshot has the bytes that the org gives to a client that knows nothing of Holdfast.
func (b *bench) wantFile(ctx context.Context, id string, bytes int64) error {
	path := filepath.Join(b.dir, "film.mp4")
	if _, err := b.shown(ctx, figure{"the file, written out", 0, [][]string{{b.holdfast, "file", "latest", id, "--to", path, "--quiet"}}}); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	held, n, err := digest(f)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.loader.InstanceURL+"/services/data/v66.0/sobjects/ContentVersion/"+id+"/VersionData", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+b.loader.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	seen, m, err := digest(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || n != bytes || m != bytes || held != seen {
		return fmt.Errorf("file %s: %d bytes with SHA-256 %s are held, the org gives %s, %d bytes with %s", id, n, held, resp.Status, m, seen)
	}
	fmt.Printf("    %d bytes, SHA-256 %s, as the org gives them\n", n, held)
	return os.Remove(path)
}

func digest(r io.Reader) (sum string, n int64, err error) {
	h := sha256.New()
	n, err = io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// parseSize reads a number of bytes such as 500M or 2G; nothing is none.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, shift := text, 0
	for unit, by := range map[string]int{"K": 10, "M": 20, "G": 30} {
		if n, ok := strings.CutSuffix(text, unit); ok {
			number, shift = n, by
		}
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("size %q: give a number, with K, M or G behind it if need be", text)
	}
	return n << shift, nil
}
