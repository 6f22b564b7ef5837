package file_test

import (
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
)

func TestDirectoryIsABucket(t *testing.T) {
	blobtest.Bucket(t, func(t *testing.T) blob.Bucket {
		b, err := file.Create(t.TempDir() + "/new/place")
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}
