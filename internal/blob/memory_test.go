package blob_test

import (
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
)

func TestMemoryIsABucket(t *testing.T) {
	blobtest.Bucket(t, func(*testing.T) blob.Bucket { return &blob.Memory{} })
}

func TestFaultPassesThrough(t *testing.T) {
	blobtest.Bucket(t, func(*testing.T) blob.Bucket {
		return blob.NewFault(&blob.Memory{}, nil, func(blob.Op) blob.Outcome { return blob.Pass })
	})
}
