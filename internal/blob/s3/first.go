package s3

import (
	"context"
	"fmt"
	"strings"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
)

// maxFirsts bounds how many first versions are remembered: some ten MiB.
const maxFirsts = 1 << 16

// version returns the version of the key to be read: the first one with Config.First, else the latest, "".
func (b *Bucket) version(ctx context.Context, key string) (string, error) {
	if !b.first || !blob.ValidKey(key) {
		return "", nil
	}
	b.mu.Lock()
	known, found := b.firsts[key]
	b.mu.Unlock()
	if found {
		return known, nil
	}
	first := ""
	err := b.eachFirst(ctx, key, func(object minio.ObjectInfo) bool {
		if object.Key == b.prefix+key {
			first = object.VersionID
		}
		return false // the key itself sorts before all that continue it
	})
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", blob.ErrNotFound
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.firsts == nil || len(b.firsts) >= maxFirsts {
		b.firsts = make(map[string]string)
	}
	b.firsts[key] = first
	return first, nil
}

// listFirst yields every object that has a version, by its first one.
func (b *Bucket) listFirst(ctx context.Context, prefix string, yield func(blob.Info, error) bool) {
	err := b.eachFirst(ctx, prefix, func(object minio.ObjectInfo) bool {
		key := object.Key[len(b.prefix):]
		return !blob.ValidKey(key) || yield(blob.Info{Key: key, Size: object.Size}, nil)
	})
	if err != nil {
		yield(blob.Info{}, b.explain(fmt.Sprintf("list the versions of %q in %s", prefix, b.name), err))
	}
}

// eachFirst calls fn with the first version of each key that begins with prefix, in the order of keys,
// until it returns false. A listing that breaks off is made again, and what was seen is passed over.
func (b *Bucket) eachFirst(ctx context.Context, prefix string, fn func(minio.ObjectInfo) bool) error {
	last := "" // of the keys that fn had
	return b.try(ctx, func() error {
		var at minio.ObjectInfo // the oldest version so far of the key that is listed
		enough := false
		give := func() bool {
			if at.Key != "" && at.Key > last {
				last = at.Key
				enough = !fn(at)
			}
			return !enough
		}
		options := minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true, WithVersions: true, MaxKeys: b.pageKeys}
		listing, stop := context.WithCancel(ctx)
		defer stop()
		for version := range b.core.ListObjectsIter(listing, b.bucket, options) {
			switch {
			case version.Err != nil:
				return version.Err
			case !strings.HasPrefix(version.Key, options.Prefix) || version.Key < at.Key:
				return fmt.Errorf("%w: listed %q after %q", errNotS3, version.Key, at.Key)
			case version.Key != at.Key:
				if !give() {
					return nil
				}
				at = minio.ObjectInfo{}
			}
			if !version.IsDeleteMarker {
				at = version // of one key the latest comes first
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		give()
		return nil
	})
}

func readOnly(what string) error {
	return problem.Newf(problem.Usage, "%s: the bucket is read by first versions, and not written", what).
		Hint("copy the repository to a new bucket and go on there")
}
