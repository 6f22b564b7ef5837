// Package blobtest holds the conformance suite of blob.Bucket, and Disk, a file system in memory
// that can lose what was not synced. Only tests import it.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/blob"
)

// Bucket runs the conformance suite. open returns a new, empty bucket.
func Bucket(t *testing.T, open func(t *testing.T) blob.Bucket) {
	for _, c := range []struct {
		name string
		test func(*testing.T, blob.Bucket)
	}{
		{"RoundTrip", roundTrip},
		{"PutIsOnce", putIsOnce},
		{"PutRacesHaveOneWinner", putRaces},
		{"Ranges", ranges},
		{"Missing", missing},
		{"ListIsSortedAndComplete", listing},
		{"Keys", keys},
		{"Cancelled", cancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func roundTrip(t *testing.T, b blob.Bucket) {
	for n, body := range [][]byte{nil, {0}, []byte("text\r\n\x00"), bytes.Repeat([]byte("0123456789abcdef"), 1<<16)} {
		key := fmt.Sprintf("a/b%d/c", n)
		must(t, b.Put(t.Context(), key, body))
		got, err := b.Get(t.Context(), key, 0, -1)
		must(t, err)
		if !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes, want %d", key, len(got), len(body))
		}
		info, err := b.Stat(t.Context(), key)
		must(t, err)
		if info.Size != int64(len(body)) || info.Key != key {
			t.Errorf("stat %s: %+v", key, info)
		}
		must(t, b.Delete(t.Context(), key))
		if _, err := b.Get(t.Context(), key, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("get after delete: %v", err)
		}
	}
}

func putIsOnce(t *testing.T, b blob.Bucket) {
	must(t, b.Put(t.Context(), "k", []byte("first")))
	if err := b.Put(t.Context(), "k", []byte("second")); !errors.Is(err, blob.ErrExist) {
		t.Fatalf("second put: %v, want ErrExist", err)
	}
	got, err := b.Get(t.Context(), "k", 0, -1)
	must(t, err)
	if string(got) != "first" {
		t.Fatalf("the second put changed the object to %q", got)
	}
}

func putRaces(t *testing.T, b blob.Bucket) {
	const writers, keys = 8, 20
	var mu sync.Mutex
	won := make(map[string]string)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for k := range keys {
				key, body := fmt.Sprintf("race/%d/x", k), fmt.Sprintf("writer %d", w)
				err := b.Put(context.WithoutCancel(t.Context()), key, []byte(body))
				if errors.Is(err, blob.ErrExist) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if other, twice := won[key]; twice {
					t.Errorf("%s: won by %s and %s", key, other, body)
				}
				won[key] = body
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for key, body := range won {
		got, err := b.Get(t.Context(), key, 0, -1)
		must(t, err)
		if string(got) != body {
			t.Errorf("%s: %q, won by %q", key, got, body)
		}
	}
	if len(won) != keys {
		t.Errorf("%d keys were won, want %d", len(won), keys)
	}
}

func ranges(t *testing.T, b blob.Bucket) {
	must(t, b.Put(t.Context(), "r", []byte("0123456789")))
	for _, c := range []struct {
		offset, length int64
		want           string
	}{
		{0, 4, "0123"},
		{3, 2, "34"},
		{8, 5, "89"},
		{10, 1, ""},
		{99, -1, ""},
		{4, -1, "456789"},
		{0, 0, ""},
		{2, 1<<63 - 1, "23456789"},
	} {
		got, err := b.Get(t.Context(), "r", c.offset, c.length)
		if err != nil || string(got) != c.want {
			t.Errorf("get %d+%d: %q %v, want %q", c.offset, c.length, got, err, c.want)
		}
	}
	if _, err := b.Get(t.Context(), "r", -1, 1); err == nil {
		t.Error("a negative offset is accepted")
	}
}

func missing(t *testing.T, b blob.Bucket) {
	must(t, b.Put(t.Context(), "dir/x", nil))
	for _, key := range []string{"nothing", "dir", "dir/x/y", "dir/y"} {
		if _, err := b.Get(t.Context(), key, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("get %s: %v, want ErrNotFound", key, err)
		}
		if _, err := b.Stat(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("stat %s: %v, want ErrNotFound", key, err)
		}
	}
	must(t, b.Delete(t.Context(), "nothing"))
	must(t, b.Delete(t.Context(), "nowhere/at/all"))
}

func list(t *testing.T, b blob.Bucket, prefix string) []string {
	t.Helper()
	var keys []string
	for info, err := range b.List(t.Context(), prefix) {
		must(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

func listing(t *testing.T, b blob.Bucket) {
	all := []string{"aa", "a-b/x", "a.b", "a/x/1", "a/x/2", "a/xx", "a0", "b/deep/er/and/deeper"}
	for _, i := range []int{3, 0, 7, 1, 5, 2, 6, 4} {
		must(t, b.Put(t.Context(), all[i], []byte(all[i])))
	}
	slices.Sort(all)
	for _, prefix := range []string{"", "a", "a/", "a/x", "a/x/", "b/deep", "b/deep/er/", "c", "c/", "a/x/1", "../", "/"} {
		var want []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		if got := list(t, b, prefix); !slices.Equal(got, want) {
			t.Errorf("list %q: %q, want %q", prefix, got, want)
		}
	}
	for _, err := range b.List(t.Context(), "") {
		must(t, err)
		break // stopping early is allowed
	}
}

func keys(t *testing.T, b blob.Bucket) {
	for _, key := range []string{
		"", "/", "a/", "/a", "a//b", ".", "..", "a/../b", ".hidden", "a/.b", "A", "a b", "a\x00", "ä",
		strings.Repeat("a", 256), "1/2/3/4/5/6/7/8/9",
	} {
		if err := b.Put(t.Context(), key, nil); err == nil || errors.Is(err, blob.ErrExist) {
			t.Errorf("put %q: %v, want another error", key, err)
		}
		if _, err := b.Get(t.Context(), key, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("get %q: %v, want ErrNotFound", key, err)
		}
		must(t, b.Delete(t.Context(), key))
	}
	if err := b.Put(t.Context(), "big", make([]byte, blob.MaxObject+1)); err == nil {
		t.Error("an object that is too large is accepted")
	}
	if got := list(t, b, ""); len(got) > 0 {
		t.Errorf("refused objects are listed: %q", got)
	}
}

func cancelled(t *testing.T, b blob.Bucket) {
	must(t, b.Put(t.Context(), "k", nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := b.Get(ctx, "k", 0, -1)
	_, statErr := b.Stat(ctx, "k")
	var listErr error
	for _, err := range b.List(ctx, "") {
		listErr = err
	}
	for verb, err := range map[string]error{
		"put": b.Put(ctx, "new", nil), "get": getErr, "stat": statErr, "list": listErr, "delete": b.Delete(ctx, "k"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", verb, err)
		}
	}
	if got := list(t, b, ""); !slices.Equal(got, []string{"k"}) {
		t.Errorf("cancelled calls had an effect: %q", got)
	}
}
