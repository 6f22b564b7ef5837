package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/problem"
)

// gatewayEnv names the program of the real store: versitygw, built by .ci/tools.
const gatewayEnv = "HOLDFAST_VERSITYGW"

// gateway is a running store.
type gateway struct {
	endpoint string
	data     string        // directory of the buckets
	raw      *minio.Client // what somebody else with the same credentials can do
	buckets  int
}

// startGateway starts a store in directories of the test, which must keep extended attributes.
func startGateway(t *testing.T) *gateway {
	t.Helper()
	program := os.Getenv(gatewayEnv)
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the real store is missing: set %s to versitygw", gatewayEnv)
		}
		t.Skipf("NOT TESTED: %s needs a real store: set %s to versitygw", t.Name(), gatewayEnv)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", testKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", testSecret)
	t.Setenv("AWS_SESSION_TOKEN", "")
	dir := t.TempDir()
	for _, sub := range []string{"data", "versions"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	var said string
	for range 5 { // the port may be taken between choosing and listening
		g := &gateway{data: filepath.Join(dir, "data")}
		if said = g.start(t, program, dir); said == "" {
			return g
		}
	}
	t.Fatalf("%s does not start: %s", program, said)
	return nil
}

// start returns "" when the store answers, else what it said.
func (g *gateway) start(t *testing.T, program, dir string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	var said bytes.Buffer
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, "--quiet", "--port", address,
		"posix", "--versioning-dir", filepath.Join(dir, "versions"), g.data)
	command.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+testKeyID, "ROOT_SECRET_KEY="+testSecret)
	command.Stdout, command.Stderr = &said, &said
	must(t, command.Start())
	gone := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(gone)
	}()
	stop := func() {
		_ = command.Process.Kill()
		<-gone
	}
	g.endpoint = "http://" + address
	g.raw, err = minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(testKeyID, testSecret, ""), Region: defaultRegion})
	must(t, err)
	for range 200 {
		if _, err := g.raw.ListBuckets(t.Context()); err == nil {
			t.Cleanup(stop)
			return ""
		}
		select {
		case <-gone:
			return said.String()
		case <-time.After(50 * time.Millisecond):
		}
	}
	stop()
	return "no answer in 10 seconds: " + said.String()
}

// bucket makes a bucket of its own and returns the settings for it.
func (g *gateway) bucket(t *testing.T, lock, versions bool) Config {
	t.Helper()
	g.buckets++
	c := Config{Endpoint: g.endpoint, Bucket: fmt.Sprintf("bucket-%d", g.buckets), Prefix: "repo"}
	must(t, g.raw.MakeBucket(t.Context(), c.Bucket, minio.MakeBucketOptions{ObjectLocking: lock}))
	if versions && !lock {
		must(t, g.raw.EnableVersioning(t.Context(), c.Bucket))
	}
	return c
}

func (g *gateway) open(t *testing.T, c Config) *Bucket {
	t.Helper()
	b, err := Open(t.Context(), c)
	must(t, err)
	return b
}

// versionsOf returns "version" or "marker" for each version of the object, the latest first.
func (g *gateway) versionsOf(t *testing.T, c Config, key string) (all []string, ids []string) {
	t.Helper()
	for v := range g.raw.ListObjectsIter(t.Context(), c.Bucket, minio.ListObjectsOptions{
		Prefix: c.Prefix + "/" + key, WithVersions: true, Recursive: true,
	}) {
		must(t, v.Err)
		what := "version"
		if v.IsDeleteMarker {
			what = "marker"
		}
		all, ids = append(all, what), append(ids, v.VersionID)
	}
	return all, ids
}

func TestS3StoreIsABucket(t *testing.T) {
	g := startGateway(t)
	for name, versions := range map[string]bool{"plain": false, "with versions": true} {
		t.Run(name, func(t *testing.T) {
			blobtest.Bucket(t, func(t *testing.T) blob.Bucket { return g.open(t, g.bucket(t, false, versions)) })
		})
	}
	t.Run("at the root", func(t *testing.T) {
		blobtest.Bucket(t, func(t *testing.T) blob.Bucket {
			c := g.bucket(t, false, false)
			c.Prefix = ""
			return g.open(t, c)
		})
	})
}

func TestS3StoreManyPages(t *testing.T) {
	g := startGateway(t)
	b := g.open(t, g.bucket(t, false, true))
	b.pageKeys = 7
	const objects = 50
	var want []string
	for i := range objects {
		want = append(want, fmt.Sprintf("d/%02d", i))
		must(t, b.Put(t.Context(), want[i], nil))
	}
	got, err := keysOf(t.Context(), b, "d/")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d keys, %v", len(got), objects, err)
	}
	last := "repo/d/29" // a listing that goes on after a failure
	var rest []string
	_, err = b.listAfter(t.Context(), "d/", &last, func(info blob.Info, _ error) bool {
		rest = append(rest, info.Key)
		return true
	})
	if err != nil || !slices.Equal(rest, want[30:]) {
		t.Errorf("%d of %d keys, %v", len(rest), objects-30, err)
	}
}

// TestS3StoreChecksums shows that the store compares what it gets with the checksum, and gives it back.
func TestS3StoreChecksums(t *testing.T) {
	g := startGateway(t)
	c := g.bucket(t, false, false)
	b := g.open(t, c)
	must(t, b.Put(t.Context(), "k", []byte("right")))
	info, err := g.raw.StatObject(t.Context(), c.Bucket, "repo/k", minio.StatObjectOptions{Checksum: true})
	must(t, err)
	if info.ChecksumSHA256 == "" {
		t.Error("the store keeps no checksum")
	}
	// Bytes that change in the store behind its back.
	must(t, os.WriteFile(filepath.Join(g.data, c.Bucket, "repo", "k"), []byte("wrong"), 0o600))
	b.pace.sleep = func(context.Context, time.Duration) error { return nil }
	if got, err := b.Get(t.Context(), "k", 0, -1); problem.KindOf(err) != problem.Damaged {
		t.Errorf("damaged in the store: %q, %v", got, err)
	}
}

// spy sees the requests that pass.
type spy struct {
	base http.RoundTripper
	see  func(*http.Request)
}

func (s spy) RoundTrip(r *http.Request) (*http.Response, error) {
	s.see(r)
	return s.base.RoundTrip(r)
}

func TestS3StoreDeleteRemovesEveryVersion(t *testing.T) {
	g := startGateway(t)
	c := g.bucket(t, false, true)
	b := g.open(t, c)
	must(t, b.Put(t.Context(), "k", []byte("one")))
	must(t, b.Put(t.Context(), "k-longer", []byte("stays")))
	b.pageKeys = 2
	for _, body := range []string{"two", "three", "four", "five"} { // another program overwrites it
		_, err := g.raw.PutObject(t.Context(), c.Bucket, "repo/k", strings.NewReader(body), int64(len(body)), minio.PutObjectOptions{})
		must(t, err)
	}
	_, ids := g.versionsOf(t, c, "k")
	var order []string
	b.wire.base = spy{b.wire.base, func(r *http.Request) {
		if r.Method == http.MethodDelete {
			order = append(order, r.URL.Query().Get("versionId"))
		}
	}}
	must(t, b.Delete(t.Context(), "k"))
	slices.Reverse(order) // the oldest was first: an older version never comes to light in between
	if !slices.Equal(order, ids[:5]) {
		t.Errorf("deleted, the last one first: %q, of %q", order, ids)
	}
	if all, _ := g.versionsOf(t, c, "k"); !slices.Equal(all, []string{"version"}) {
		t.Errorf("left behind: %q, want that of k-longer", all)
	}
	must(t, b.Put(t.Context(), "k", []byte("again")))
}

func TestS3StoreRefusals(t *testing.T) {
	g := startGateway(t)
	c := g.bucket(t, false, false)
	for _, test := range []struct {
		name   string
		change func(*testing.T, *Config)
		kind   problem.Kind
	}{
		{"no bucket", func(_ *testing.T, c *Config) { c.Bucket = "elsewhere" }, problem.NoRepository},
		{"wrong secret", func(t *testing.T, _ *Config) { t.Setenv("AWS_SECRET_ACCESS_KEY", testSecret+"x") }, problem.Unauthorized},
		{"unknown key", func(t *testing.T, _ *Config) { t.Setenv("AWS_ACCESS_KEY_ID", "NOBODYKNOWSTHISONE") }, problem.Unauthorized},
		{"no lock", func(_ *testing.T, c *Config) { c.Retention = time.Hour }, problem.NoRepository},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := c
			test.change(t, &c)
			_, err := Open(t.Context(), c)
			if problem.KindOf(err) != test.kind || problem.HintOf(err) == "" || strings.Contains(err.Error(), testSecret) {
				t.Errorf("%v (%v, %q)", err, problem.KindOf(err), problem.HintOf(err))
			}
		})
	}
}

// TestS3StoreLockHolds does to locked objects all that an owner of the account can do.
func TestS3StoreLockHolds(t *testing.T) {
	g := startGateway(t)
	c := g.bucket(t, true, true)
	c.Retention = time.Hour
	b := g.open(t, c)
	ctx, body := t.Context(), []byte("locked")
	before := time.Now()
	must(t, b.Put(ctx, "k", body))
	lock, err := b.Retained(ctx, "k")
	must(t, err)
	if lock.Mode != "COMPLIANCE" || lock.Hold || lock.Until.Before(before.Add(c.Retention)) || lock.Until.After(time.Now().Add(c.Retention+c.Retention/4+2*time.Second)) {
		t.Fatalf("%+v", lock)
	}
	_, ids := g.versionsOf(t, c, "k")

	err = b.Delete(ctx, "k")
	retained, ok := errors.AsType[*RetainedError](err)
	if !ok || !errors.Is(err, blob.ErrRetained) || !retained.Until.Equal(lock.Until) || retained.Key != "k" || !retained.RetainedUntil().Equal(lock.Until) {
		t.Errorf("delete: %v", err)
	}
	if keys, err := keysOf(ctx, b, ""); err != nil || !slices.Equal(keys, []string{"k"}) {
		t.Errorf("after a refused delete: %q, %v", keys, err)
	}
	if err := b.Put(ctx, "k", []byte("other")); !errors.Is(err, blob.ErrExist) {
		t.Errorf("put: %v", err)
	}

	name, shorter := "repo/k", time.Now().Add(time.Minute)
	governance, compliance := minio.Governance, minio.Compliance
	for what, attack := range map[string]func() error{
		"delete the version": func() error {
			return g.raw.RemoveObject(ctx, c.Bucket, name, minio.RemoveObjectOptions{VersionID: ids[0]})
		},
		"delete it with bypass": func() error {
			return g.raw.RemoveObject(ctx, c.Bucket, name, minio.RemoveObjectOptions{VersionID: ids[0], GovernanceBypass: true})
		},
		"shorten": func() error {
			return g.raw.PutObjectRetention(ctx, c.Bucket, name, minio.PutObjectRetentionOptions{Mode: &compliance, RetainUntilDate: &shorter, VersionID: ids[0], GovernanceBypass: true})
		},
		"downgrade": func() error {
			return g.raw.PutObjectRetention(ctx, c.Bucket, name, minio.PutObjectRetentionOptions{Mode: &governance, RetainUntilDate: &lock.Until, VersionID: ids[0], GovernanceBypass: true})
		},
		"take the lock away": func() error {
			return g.raw.PutObjectRetention(ctx, c.Bucket, name, minio.PutObjectRetentionOptions{VersionID: ids[0], GovernanceBypass: true})
		},
		"delete the bucket":    func() error { return g.raw.RemoveBucket(ctx, c.Bucket) },
		"suspend versions":     func() error { return g.raw.SuspendVersioning(ctx, c.Bucket) },
		"take lock off bucket": func() error { return g.raw.SetObjectLockConfig(ctx, c.Bucket, nil, nil, nil) },
	} {
		if err := attack(); err == nil && what != "take lock off bucket" {
			t.Errorf("%s: allowed", what)
		}
	}
	if now, err := b.Retained(ctx, "k"); err != nil || now != lock {
		t.Errorf("the lock is now %+v, %v", now, err)
	}
	// An overwrite and a plain delete are allowed, and hide the version without touching it.
	_, err = g.raw.PutObject(ctx, c.Bucket, name, strings.NewReader("evil"), 4, minio.PutObjectOptions{SendContentMd5: true})
	must(t, err)
	must(t, g.raw.RemoveObject(ctx, c.Bucket, name, minio.RemoveObjectOptions{}))
	object, err := g.raw.GetObject(ctx, c.Bucket, name, minio.GetObjectOptions{VersionID: ids[0]})
	must(t, err)
	var got bytes.Buffer
	if _, err := got.ReadFrom(object); err != nil || !bytes.Equal(got.Bytes(), body) {
		t.Errorf("the locked version: %q, %v", got.Bytes(), err)
	}
	must(t, b.Delete(ctx, "k")) // a delete marker is on top: there is no object, as far as the store says
	if all, _ := g.versionsOf(t, c, "k"); !slices.Equal(all, []string{"marker", "version", "version"}) {
		t.Errorf("versions: %q", all)
	}
	err = b.removeVersion(ctx, "k", ids[0]) // this store does not show the lock of a version that is not the latest
	if _, ok := errors.AsType[*RetainedError](err); !ok {
		t.Errorf("delete the hidden version: %v", err)
	}
}

func TestS3StoreLockIsExtendedNeverShortened(t *testing.T) {
	g := startGateway(t)
	c := g.bucket(t, true, true)
	c.Retention = time.Hour
	b := g.open(t, c)
	ctx := t.Context()
	must(t, b.Put(ctx, "k", []byte("x")))
	first, err := b.Retained(ctx, "k")
	must(t, err)
	must(t, b.Retain(ctx, "k", first.Until.Add(-30*time.Minute)))
	if now, err := b.Retained(ctx, "k"); err != nil || now != first {
		t.Errorf("asked for less: %+v, %v", now, err)
	}
	later := first.Until.Add(30*time.Minute + time.Millisecond)
	must(t, b.Retain(ctx, "k", later))
	if now, err := b.Retained(ctx, "k"); err != nil || now.Until.Before(later) || now.Mode != "COMPLIANCE" {
		t.Errorf("asked for more: %+v, %v", now, err)
	}
	if err := b.Retain(ctx, "none", later); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("no object: %v", err)
	}

	// A lock that has ended lets go.
	c.Retention = time.Second
	b = g.open(t, c)
	must(t, b.Put(ctx, "brief", []byte("x")))
	if _, ok := errors.AsType[*RetainedError](b.Delete(ctx, "brief")); !ok {
		t.Error("a lock of a second does not hold")
	}
	for range 50 {
		if err = b.Delete(ctx, "brief"); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if all, _ := g.versionsOf(t, c, "brief"); err != nil || len(all) != 0 {
		t.Errorf("after its end: %v, %q", err, all)
	}

	// A legal hold has no end.
	c.Retention = 0
	b = g.open(t, c)
	must(t, b.Put(ctx, "held", []byte("x")))
	on := minio.LegalHoldEnabled
	must(t, g.raw.PutObjectLegalHold(ctx, c.Bucket, "repo/held", minio.PutObjectLegalHoldOptions{Status: &on}))
	if retained, ok := errors.AsType[*RetainedError](b.Delete(ctx, "held")); !ok || !retained.Hold || !retained.RetainedUntil().IsZero() {
		t.Errorf("held: %+v", retained)
	}
}
