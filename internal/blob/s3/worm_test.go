package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// wormAttacks is how many attempts are made on locked objects.
func wormAttacks() int {
	if os.Getenv("HOLDFAST_LONG") != "" {
		return 100_000
	}
	return 1_200
}

// attack is something that the owner of the account does to one version of a locked object. It reports
// whether it must be refused.
type attack struct {
	name    string
	refused bool
	do      func(ctx context.Context, g *gateway, bucket, name, version string, r *rand.Rand) error
}

// sooner draws a time before the end of any lock of the test.
func sooner(r *rand.Rand) time.Time {
	return time.Now().Add(time.Duration(r.IntN(50)+1) * time.Minute)
}

var attacks = []attack{
	{"delete the version", true, func(ctx context.Context, g *gateway, bucket, name, version string, r *rand.Rand) error {
		return g.raw.RemoveObject(ctx, bucket, name, minio.RemoveObjectOptions{VersionID: version, GovernanceBypass: r.IntN(2) == 0})
	}},
	{"delete versions together", true, func(ctx context.Context, g *gateway, bucket, name, version string, r *rand.Rand) error {
		objects := make(chan minio.ObjectInfo, 1)
		objects <- minio.ObjectInfo{Key: name, VersionID: version}
		close(objects)
		for failed := range g.raw.RemoveObjects(ctx, bucket, objects, minio.RemoveObjectsOptions{GovernanceBypass: r.IntN(2) == 0}) {
			return failed.Err
		}
		return nil
	}},
	{"shorten", true, func(ctx context.Context, g *gateway, bucket, name, version string, r *rand.Rand) error {
		mode, until := minio.Compliance, sooner(r)
		return g.raw.PutObjectRetention(ctx, bucket, name, minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until, VersionID: version, GovernanceBypass: r.IntN(2) == 0})
	}},
	{"downgrade", true, func(ctx context.Context, g *gateway, bucket, name, version string, r *rand.Rand) error {
		mode, until := minio.Governance, time.Now().Add(time.Duration(r.IntN(200))*time.Hour)
		return g.raw.PutObjectRetention(ctx, bucket, name, minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until, VersionID: version, GovernanceBypass: true})
	}},
	{"unlock", true, func(ctx context.Context, g *gateway, bucket, name, version string, _ *rand.Rand) error {
		return g.raw.PutObjectRetention(ctx, bucket, name, minio.PutObjectRetentionOptions{VersionID: version, GovernanceBypass: true})
	}},
	{"overwrite where there is one", true, func(ctx context.Context, g *gateway, bucket, name, _ string, _ *rand.Rand) error {
		options := minio.PutObjectOptions{SendContentMd5: true}
		options.SetMatchETagExcept("*")
		_, err := g.raw.PutObject(ctx, bucket, name, strings.NewReader("evil"), 4, options)
		return err
	}},
	{"put another version on top", false, func(ctx context.Context, g *gateway, bucket, name, _ string, r *rand.Rand) error {
		body := bytes.Repeat([]byte("evil"), r.IntN(50))
		_, err := g.raw.PutObject(ctx, bucket, name, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{SendContentMd5: true})
		return err
	}},
	{"put a delete marker on top", false, func(ctx context.Context, g *gateway, bucket, name, _ string, _ *rand.Rand) error {
		return g.raw.RemoveObject(ctx, bucket, name, minio.RemoveObjectOptions{})
	}},
	{"lift the hold", false, func(ctx context.Context, g *gateway, bucket, name, version string, _ *rand.Rand) error {
		off := minio.LegalHoldDisabled
		return g.raw.PutObjectLegalHold(ctx, bucket, name, minio.PutObjectLegalHoldOptions{Status: &off, VersionID: version})
	}},
	{"delete the bucket", true, func(ctx context.Context, g *gateway, bucket, _, _ string, _ *rand.Rand) error {
		return g.raw.RemoveBucketWithOptions(ctx, bucket, minio.RemoveBucketOptions{ForceDelete: true})
	}},
	{"suspend versions", true, func(ctx context.Context, g *gateway, bucket, _, _ string, _ *rand.Rand) error {
		return g.raw.SuspendVersioning(ctx, bucket)
	}},
}

// TestS3StoreKeepsWhatIsLockedFromItsOwner attacks locked objects with all rights there are, in any order:
// each stays what it was, locked for as long as it was, and is read through whatever was put on top.
func TestS3StoreKeepsWhatIsLockedFromItsOwner(t *testing.T) {
	g := startGateway(t)
	c := g.bucket(t, true, true)
	c.Retention = 100 * time.Hour
	b := g.open(t, c)
	ctx := t.Context()
	type locked struct {
		key, version string
		body         []byte
		lock         Retention
	}
	var all []locked
	for n := range 12 {
		l := locked{key: fmt.Sprintf("class/%02d/object", n), body: bytes.Repeat([]byte{byte(n)}, 100*n)}
		must(t, b.Put(ctx, l.key, l.body))
		var err error
		l.lock, err = b.Retained(ctx, l.key)
		must(t, err)
		_, ids := g.versionsOf(t, c, l.key)
		l.version = ids[0]
		all = append(all, l)
	}
	r := rand.New(rand.NewPCG(8, 15))
	for n := range wormAttacks() {
		l, a := all[r.IntN(len(all))], attacks[n%len(attacks)]
		err := a.do(ctx, g, c.Bucket, "repo/"+l.key, l.version, r)
		hidden := a.name == "overwrite where there is one" // a delete marker may be on top: then there is none
		if err == nil && a.refused && !hidden {
			t.Fatalf("attempt %d: %s of %s was allowed", n, a.name, l.key)
		}
	}

	c.First = true
	first := g.open(t, c)
	for _, l := range all {
		if lock := g.lockOf(t, c.Bucket, "repo/"+l.key, l.version); !strings.Contains(lock, "<Mode>COMPLIANCE</Mode>") ||
			!strings.Contains(lock, "<RetainUntilDate>"+l.lock.Until.Format("2006-01-02T15:04:05")) {
			t.Errorf("the lock of %s is %s, was %+v", l.key, lock, l.lock)
		}
		got, err := first.Get(ctx, l.key, 0, -1)
		if err != nil || !bytes.Equal(got, l.body) {
			t.Errorf("%s: %d bytes, %v", l.key, len(got), err)
		}
		if part, err := first.Get(ctx, l.key, 3, 4); err != nil || len(l.body) > 7 && !bytes.Equal(part, l.body[3:7]) {
			t.Errorf("a range of %s: %q, %v", l.key, part, err)
		}
		if stat, err := first.Stat(ctx, l.key); err != nil || stat.Size != int64(len(l.body)) {
			t.Errorf("%s: %+v, %v", l.key, stat, err)
		}
	}
	var keys []string
	for info, err := range first.List(ctx, "class/") {
		must(t, err)
		keys = append(keys, info.Key)
	}
	if len(keys) != len(all) || !slices.IsSorted(keys) {
		t.Errorf("listed: %q", keys)
	}
	if _, err := first.Get(ctx, "class/99/object", 0, -1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("what never was: %v", err)
	}
	for what, err := range map[string]error{"put": first.Put(ctx, "new", nil), "delete": first.Delete(ctx, all[0].key)} {
		if problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("%s through first versions: %v", what, err)
		}
	}
	t.Logf("%d attempts on %d locked objects", wormAttacks(), len(all))
}

// lockOf returns what the store says of the lock of a version. Its form is not the one that the client reads.
func (g *gateway) lockOf(t *testing.T, bucket, name, version string) string {
	t.Helper()
	u, err := g.raw.Presign(t.Context(), http.MethodGet, bucket, name, time.Minute, url.Values{"retention": {""}, "versionId": {version}})
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), http.NoBody)
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return string(body)
}

// TestS3StoreListsFirstVersionsInPages reads first versions where one page does not hold those of one key.
func TestS3StoreListsFirstVersionsInPages(t *testing.T) {
	g := startGateway(t)
	c := g.bucket(t, false, true)
	b := g.open(t, c)
	ctx := t.Context()
	for n := range 4 {
		key := fmt.Sprintf("k%d", n)
		must(t, b.Put(ctx, key, []byte(key)))
		for v := range n {
			_, err := g.raw.PutObject(ctx, c.Bucket, "repo/"+key, strings.NewReader("later"), 5, minio.PutObjectOptions{})
			must(t, err)
			if v%2 == 1 {
				must(t, g.raw.RemoveObject(ctx, c.Bucket, "repo/"+key, minio.RemoveObjectOptions{}))
			}
		}
	}
	c.First = true
	first := g.open(t, c)
	for _, page := range []int{2, 1000} { // this store repeats or leaves out versions at other ends of pages
		first.pageKeys = page
		first.firsts = nil
		n := 0
		for info, err := range first.List(ctx, "") {
			must(t, err)
			if info.Key != fmt.Sprintf("k%d", n) || info.Size != 2 {
				t.Errorf("pages of %d: %+v", page, info)
			}
			n++
			if got, err := first.Get(ctx, info.Key, 0, -1); err != nil || string(got) != info.Key {
				t.Errorf("pages of %d, %s: %q, %v", page, info.Key, got, err)
			}
		}
		if n != 4 {
			t.Errorf("pages of %d: %d objects", page, n)
		}
	}
}
