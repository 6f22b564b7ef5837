package blob_test

import (
	"path"
	"strings"
	"testing"

	"holdfast/internal/blob"
)

// FuzzValidKey: a key is a clean, relative path that leaves no directory and hides nothing.
func FuzzValidKey(f *testing.F) {
	f.Add("segment/ab/abcdef")
	f.Add("a/../b")
	f.Fuzz(func(t *testing.T, key string) {
		if !blob.ValidKey(key) {
			return
		}
		if path.Clean(key) != key || path.IsAbs(key) || strings.HasPrefix(key, ".") || strings.Contains(key, "/.") || strings.ToLower(key) != key || len(key) > 255 {
			t.Fatalf("%q is a key", key)
		}
	})
}

// FuzzRange: a range lies within its object and has no more than was asked for.
func FuzzRange(f *testing.F) {
	f.Add(int64(10), int64(3), int64(4))
	f.Fuzz(func(t *testing.T, size, offset, length int64) {
		if size < 0 {
			return
		}
		from, to, err := blob.Range(size, offset, length)
		if err == nil && (from < 0 || from > to || to > size || length >= 0 && to-from > length) {
			t.Fatalf("%d+%d of %d is %d to %d", offset, length, size, from, to)
		}
	})
}
