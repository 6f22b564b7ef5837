// Package s3 is a blob.Bucket in a bucket of S3 or of a store that speaks its language.
//
// It promises what blob.Bucket promises, given a store that is strongly consistent and obeys
// If-None-Match. An object is put by one request with If-None-Match: *, so a key that is taken stays
// as it is; a store that ignores the condition is found out before the first object is put, and
// refused. Every put carries the SHA-256 of its bytes, both in the signature and as
// x-amz-checksum-sha256, and a whole object is compared with the checksum that the store kept.
// (A range of an object cannot be: the store has no checksum for it. Its length is checked.)
//
// A put whose answer was lost is repeated, and when the key is then taken, settled by looking: each
// put carries a random number of its own as metadata (x-amz-meta-holdfast-put), so its own object is
// told from another writer's even when the bytes are the same.
//
// A listing is complete or an error. Answers that are not those of a store, such as the page of a
// proxy, are errors and never "there is nothing".
//
// With a retention, every object but those of Config.Unlocked is locked in COMPLIANCE mode: for so long, and up to a
// quarter more (blob.LockEnd), nobody can delete it, the owner of the account included. Where the bucket locks by itself whatever is put,
// objects of Config.Unlocked are refused. Delete of a locked object changes nothing and returns a
// *RetainedError. In a bucket with versions Delete removes all versions of the key; it never leaves
// a delete marker behind, which would hide what is still there and paid for.
//
// A store that obeys cannot be made to lose a locked object, but to hide it: anybody with the rights may
// put another version or a delete marker on top. Config.First reads what lies below.
//
// What it does not do: create buckets, set their policies, or refuse the key "a/b" beside "a", which
// S3 cannot and callers do not.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// Config says where a bucket is and how it is used. Secrets are not part of it.
type Config struct {
	Endpoint  string // URL of the store, https://host[:port]; empty: that of AWS
	Region    string // empty: that of the endpoint or the bucket, else us-east-1
	Bucket    string // name of the bucket
	Prefix    string // before every key, without "/" at its end; empty: none
	PathStyle bool   // name the bucket in the path of URLs even where the store could take it as a host

	CredentialsFile string // file in AWS's form; empty: the environment, then AWS's usual file
	Profile         string // profile in the file; empty: AWS_PROFILE, else "default"

	Retention time.Duration // lock each object for so long at least in COMPLIANCE mode; 0: no lock
	Unlocked  []string      // what keys begin with whose objects must stay deletable: no lock is put on these

	// First reads each object as it was first put, whatever was put or deleted over it since: what an
	// attacker with all rights can do to a locked object is to hide it. It needs a bucket with versions,
	// and one more request for each object. Such a bucket is for reading; Put and Delete refuse.
	First bool

	// Time and chance, for tests; nil is the real thing.
	Now    func() time.Time
	Sleep  func(context.Context, time.Duration) error
	Chance func() float64 // in [0, 1)
}

// Bucket is a blob.Bucket in a bucket of an S3 store.
type Bucket struct {
	core      minio.Core
	keys      *keyring
	creds     *credentials.Credentials
	pace      pace
	wire      *wire
	bucket    string
	prefix    string // ends with "/", or is empty
	name      string // where it is, for messages
	retention time.Duration
	unlocked  []string
	first     bool
	pageKeys  int // of one request of a listing

	mu      sync.Mutex
	guarded bool // the store is known to obey If-None-Match
	bare    bool // the store is known to put no lock of its own on every object
	firsts  map[string]string
}

const (
	awsEndpoint   = "https://s3.amazonaws.com"
	defaultRegion = "us-east-1" // what stores without regions expect in a signature
)

// Open returns the bucket after asking the store whether it is there. The error is a problem of kind
// Usage (the settings make no sense), NoRepository (there is no such bucket, or it cannot lock),
// Unauthorized or Unreachable.
func Open(ctx context.Context, c Config) (*Bucket, error) {
	b, err := connect(c)
	if err != nil {
		return nil, err
	}
	if err := b.reach(ctx); err != nil {
		return nil, b.explain("open "+b.name, err)
	}
	if b.retention > 0 {
		if err := b.canLock(ctx); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// reach asks for one key. A listing needs no right that a repository can do without, and unlike the
// answer to HEAD its refusal says why.
func (b *Bucket) reach(ctx context.Context) error {
	return b.try(ctx, func() error {
		owner := false
		options := minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true, MaxKeys: 1, FetchOwner: &owner}
		for object := range b.core.ListObjectsIter(ctx, b.bucket, options) {
			return object.Err
		}
		return ctx.Err()
	})
}

// connect makes the bucket without asking the store.
func connect(c Config) (*Bucket, error) {
	endpoint, err := parseEndpoint(c.Endpoint)
	if err != nil {
		return nil, err
	}
	if err := s3utils.CheckValidBucketNameStrict(c.Bucket); err != nil {
		return nil, problem.Newf(problem.Usage, "bucket %q: not the name of a bucket", c.Bucket).
			Hint("names of buckets are 3 to 63 of a-z, 0-9, - and .")
	}
	if c.Prefix != "" && !blob.ValidKey(c.Prefix) {
		return nil, problem.Newf(problem.Usage, "prefix %q: not a prefix of keys", c.Prefix).
			Hint("use a-z, 0-9, -, _ and ., joined by /, with no / at the beginning or end")
	}
	if c.Retention < 0 {
		return nil, problem.Newf(problem.Usage, "retention %v is negative", c.Retention)
	}
	keys := &keyring{file: c.CredentialsFile, profile: c.Profile}
	if _, err := keys.Retrieve(); err != nil {
		return nil, err
	}
	b := &Bucket{
		keys: keys, creds: credentials.New(keys), pace: newPace(c), wire: newWire(),
		bucket: c.Bucket, retention: c.Retention, unlocked: c.Unlocked, first: c.First, pageKeys: maxPageKeys,
		name: "s3://" + path.Join(c.Bucket, c.Prefix) + " at " + endpoint.Host,
	}
	if c.Prefix != "" {
		b.prefix = c.Prefix + "/"
	}
	lookup := minio.BucketLookupAuto
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds: b.creds, Secure: endpoint.Scheme == "https", Transport: b.wire, Region: region(c, endpoint),
		BucketLookup: lookup, MaxRetries: 1, // pace repeats what may be repeated
	})
	if err != nil {
		return nil, problem.Newf(problem.Usage, "endpoint %s: %v", c.Endpoint, err)
	}
	b.core = minio.Core{Client: client}
	return b, nil
}

func parseEndpoint(text string) (*url.URL, error) {
	if text == "" {
		text = awsEndpoint
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		// The text is not repeated: it may hold a password.
		return nil, problem.New(problem.Usage, "the endpoint of the object store is not https://host or https://host:port").
			Hint("credentials come from the environment or a file, and the bucket has a setting of its own")
	}
	return u, nil
}

// region returns the region to sign for, or "" where the client asks AWS for that of the bucket.
func region(c Config, endpoint *url.URL) string {
	if c.Region != "" {
		return c.Region
	}
	if r := s3utils.GetRegionFromURL(*endpoint); r != "" || s3utils.IsAmazonEndpoint(*endpoint) {
		return r
	}
	return defaultRegion
}

// String returns where the bucket is.
func (b *Bucket) String() string { return b.name }

// canLock returns nil if objects in the bucket can be locked.
func (b *Bucket) canLock(ctx context.Context) error {
	what := "look whether " + b.name + " can lock objects"
	var state string
	err := b.try(ctx, func() (err error) {
		state, _, _, _, err = b.core.GetObjectLockConfig(ctx, b.bucket)
		return err
	})
	refused, ok := errors.AsType[minio.ErrorResponse](err)
	switch {
	case err == nil && state == "Enabled":
		return nil
	case err == nil, ok && (refused.StatusCode == http.StatusNotFound && refused.Code != minio.NoSuchBucket || refused.StatusCode == http.StatusNotImplemented):
		return problem.Newf(problem.NoRepository, "%s: Object Lock is not enabled", what).
			Hint("make a bucket with Object Lock, or leave the retention out")
	}
	return b.explain(what, err)
}

// Stat returns the size of the object; see blob.Bucket.
func (b *Bucket) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := ctx.Err(); err != nil {
		return blob.Info{}, err
	}
	version, err := b.version(ctx, key)
	if err != nil {
		return blob.Info{}, b.explain("stat "+key, err)
	}
	info, err := b.head(ctx, key, version)
	if err != nil {
		return blob.Info{}, b.explain("stat "+key, err)
	}
	return blob.Info{Key: key, Size: info.Size}, nil
}

// head returns what the store knows of a version of the object, or of the latest one.
func (b *Bucket) head(ctx context.Context, key, version string) (minio.ObjectInfo, error) {
	var info minio.ObjectInfo
	if !blob.ValidKey(key) {
		return info, blob.ErrNotFound
	}
	err := b.try(ctx, func() (err error) {
		info, err = b.core.StatObject(ctx, b.bucket, b.prefix+key, minio.StatObjectOptions{VersionID: version})
		if err == nil && info.Size < 0 {
			return fmt.Errorf("%w: an object without a size", errNotS3)
		}
		if absent(err) && version == "" {
			return b.confirm(ctx, key)
		}
		return err
	})
	return info, err
}

// confirm asks again, with a request whose refusal says why, after HEAD found no object: its answer has
// no body, and any proxy on the way can say 404.
func (b *Bucket) confirm(ctx context.Context, key string) error {
	_, err := b.getOnce(ctx, key, "", 0, 1)
	if err == nil || beyond(err) {
		return fmt.Errorf("%w: an object that is there and is not", errNotS3)
	}
	return err
}
