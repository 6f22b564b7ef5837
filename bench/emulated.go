package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/bench/process"
	"holdfast/internal/testkit"
)

// withOrg measures against a new emulated org, in a folder of its own.
func (b *bench) withOrg(ctx context.Context, flags []string, measure func(context.Context) error) error {
	dir, err := os.MkdirTemp("", "holdfast-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir, b.in = dir, ""
	stop, err := b.startOrg(ctx, flags)
	if err != nil {
		return err
	}
	defer stop()
	return measure(ctx)
}

// startOrg starts `holdfast emulate` and signs in to it.
func (b *bench) startOrg(ctx context.Context, flags []string) (stop func(), err error) {
	cmd := exec.CommandContext(ctx, b.holdfast, append([]string{"emulate", "--listen", "127.0.0.1:0", "--control", "--quiet"}, flags...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("emulate printed no line: %w", err)
	}
	if err := b.signIn(ctx, line); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// signIn reads how to sign in to the org, and lets the measured processes do it.
func (b *bench) signIn(ctx context.Context, line []byte) error {
	s, err := testkit.ReadSignIn(line)
	if err != nil {
		return err
	}
	var steered struct {
		Token string `json:"control_token"`
	}
	if err := json.Unmarshal(line, &steered); err != nil {
		return err
	}
	b.control = steered.Token
	b.loader = newLoader(s.InstanceURL, s.AccessToken)
	b.env = append(os.Environ(), tokenEnv+"="+s.AccessToken, "HOLDFAST_HOME="+filepath.Join(b.dir, "home"),
		"HOLDFAST_REPO="+filepath.Join(b.dir, "repo"), "HOLDFAST_KEY_FILE="+filepath.Join(b.dir, "operator.key"))
	signIn := filepath.Join(b.dir, "sign-in.json")
	if err := os.WriteFile(signIn, line, 0o600); err != nil {
		return err
	}
	_, err = b.measure(ctx, b.holdfast, "org", "add", "bench", "--sign-in-file", signIn)
	return err
}

// signInSF lets the official command line use the org, under the alias bench.
func (b *bench) signInSF(ctx context.Context) error {
	home := filepath.Join(b.dir, "sf")
	b.env = append(b.env, "HOME="+home, "SF_DATA_DIR="+home, "SF_CACHE_DIR="+home, "SF_DISABLE_TELEMETRY=true",
		"SF_AUTOUPDATE_DISABLE=true", "SF_SKIP_NEW_VERSION_CHECK=true", "SF_USE_GENERIC_UNIX_KEYCHAIN=true",
		"SF_ACCESS_TOKEN="+b.loader.AccessToken)
	_, err := b.measure(ctx, b.sf, "org", "login", "access-token", "--instance-url", b.loader.InstanceURL, "--no-prompt", "--alias", "bench")
	return err
}

// init makes the repository.
func (b *bench) init(ctx context.Context) error {
	_, err := b.measure(ctx, b.holdfast, "init", "--recovery-key-file", filepath.Join(b.dir, "recovery.key"))
	return err
}

func (b *bench) measure(ctx context.Context, name string, args ...string) (process.Usage, error) {
	return process.Run(ctx, process.Command{Name: name, Args: args, Env: b.env, Dir: b.in, Within: b.within})
}

// figure is one line of a table: what commands took that ran one after the other.
type figure struct {
	name     string
	rows     int // that they read; 0: no number of calls per million is shown
	commands [][]string
}

// columnsOf prints the heads of the columns that shown fills.
func columnsOf(what string) {
	fmt.Printf("\n%s\n%-34s %10s %10s %12s %8s\n", what, "", "wall s", "CPU s", "peak RSS MB", "calls")
}

// shown runs the commands of a figure and prints it: their sums, the highest peak, the calls by kind. It returns
// what the last one said.
func (b *bench) shown(ctx context.Context, f figure) (said string, err error) {
	before, err := b.calls(ctx)
	if err != nil {
		return "", err
	}
	var sum process.Usage
	for _, c := range f.commands {
		u, err := b.measure(ctx, c[0], c[1:]...)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.name, err)
		}
		sum = process.Usage{Wall: sum.Wall + u.Wall, CPU: sum.CPU + u.CPU, RSS: max(sum.RSS, u.RSS), Said: u.Said}
	}
	after, err := b.calls(ctx)
	if err != nil {
		return "", err
	}
	calls := after.Total - before.Total
	fmt.Printf("%-34s %10.2f %10.2f %12.1f %8d", f.name, sum.Wall, sum.CPU, rss(sum), calls)
	if f.rows > 0 {
		fmt.Printf("   %.1f calls per million rows", float64(calls)/float64(f.rows)*1e6)
	}
	if fmt.Println(); calls > 0 {
		fmt.Printf("    %s\n", after.since(before))
	}
	return sum.Said, nil
}

// tried is shown for the tools of others: that one cannot do it is a figure, too.
func (b *bench) tried(ctx context.Context, f figure) error {
	_, err := b.shown(ctx, f)
	if err != nil && ctx.Err() == nil {
		fmt.Printf("%-34s fails: %.300s\n", f.name, strings.ReplaceAll(err.Error(), "\n", " "))
		return nil
	}
	return err
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
