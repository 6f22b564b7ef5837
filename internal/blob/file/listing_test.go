package file_test

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"holdfast/internal/blob/blobtest"
	"holdfast/internal/blob/file"
)

// busy is a file system on which others work whenever a directory is about to be read.
type busy struct {
	file.FS
	work func(dir string)
}

func (b busy) ReadDir(dir string) ([]fs.DirEntry, error) {
	b.work(dir)
	return b.FS.ReadDir(dir)
}

// TestAListingMissesNothingThatGoesOn lists what is replaced by something with a later key whenever the
// listing is about to come to it: at any time there is one object.
func TestAListingMissesNothingThatGoesOn(t *testing.T) {
	for stop := range 6 {
		disk := blobtest.NewDisk()
		other := file.New(disk, "disk")
		key := func(n int) string { return fmt.Sprintf("table/%d/base", n) }
		at := 0
		put := func() {
			if err := other.Put(t.Context(), key(at), nil); err != nil {
				t.Fatal(err)
			}
		}
		put()
		b := file.New(busy{disk, func(dir string) {
			if dir == fmt.Sprintf("table/%d", at) && at < stop {
				at++
				put()
				if err := other.Delete(t.Context(), key(at-1)); err != nil {
					t.Fatal(err)
				}
			}
		}}, "disk")
		var keys []string
		for info, err := range b.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, info.Key)
		}
		if !slices.Equal(keys, []string{key(stop)}) {
			t.Errorf("listed %q, there is %s", keys, key(stop))
		}
	}
}
