package s3

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/blob"
)

// maxPageKeys is how many keys one request of a listing asks for: the most that S3 gives.
const maxPageKeys = 1000

// List yields the objects in the order of keys; see blob.Bucket. Objects in the bucket whose names are
// not keys below the prefix of the repository are not objects of it.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(blob.Info{}, err)
			return
		}
		if prefix != "" && !blob.ValidKey(strings.TrimSuffix(prefix, "/")) {
			return // no key begins with that
		}
		if b.first {
			b.listFirst(ctx, prefix, yield)
			return
		}
		last := "" // of the names seen: where a failed listing goes on
		for n := 1; ; n++ {
			before := last
			stopped, err := b.listAfter(ctx, prefix, &last, yield)
			if stopped {
				return
			}
			if err == nil {
				err = ctx.Err() // the client ends a listing in silence when it is told to stop
			}
			if err == nil {
				return
			}
			if last != before {
				n = 1
			}
			if again, stop := b.again(ctx, n, err); !again {
				yield(blob.Info{}, b.explain(fmt.Sprintf("list %q in %s", prefix, b.name), stop))
				return
			}
		}
	}
}

// listAfter yields what comes after *last, and moves it. It reports whether the caller has enough.
// Each page was checked by the wire to be a whole page of a listing.
func (b *Bucket) listAfter(ctx context.Context, prefix string, last *string, yield func(blob.Info, error) bool) (stopped bool, err error) {
	owner := false
	options := minio.ListObjectsOptions{
		Prefix: b.prefix + prefix, Recursive: true, StartAfter: *last, MaxKeys: b.pageKeys, FetchOwner: &owner,
	}
	for object := range b.core.ListObjectsIter(ctx, b.bucket, options) {
		switch {
		case object.Err != nil:
			return false, object.Err
		case !strings.HasPrefix(object.Key, options.Prefix):
			return false, fmt.Errorf("%w: listed %q", errNotS3, object.Key)
		case object.Key <= *last:
			return false, fmt.Errorf("%w: listed %q after %q", errNotS3, object.Key, *last)
		}
		*last = object.Key
		key := object.Key[len(b.prefix):]
		if blob.ValidKey(key) && !yield(blob.Info{Key: key, Size: object.Size}, nil) {
			return true, nil
		}
	}
	return false, nil
}
