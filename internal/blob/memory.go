package blob

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Memory is a bucket in memory. The zero value is ready to use.
type Memory struct {
	mu      sync.RWMutex
	objects map[string][]byte
}

// String says where the bucket is, for messages.
func (m *Memory) String() string { return "memory" }

// Put stores a copy of body unless the key is taken.
func (m *Memory) Put(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := CheckPut(key, body); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.objects[key]; taken {
		return fmt.Errorf("put %s: %w", key, ErrExist)
	}
	if m.objects == nil {
		m.objects = make(map[string][]byte)
	}
	m.objects[key] = bytes.Clone(body)
	return nil
}

// Get returns a copy of the range.
func (m *Memory) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	body, ok := m.objects[key]
	if !ok {
		return nil, fmt.Errorf("get %s: %w", key, ErrNotFound)
	}
	from, to, err := Range(int64(len(body)), offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return bytes.Clone(body[from:to]), nil
}

// Range turns an offset and a length as Get takes them into a half-open range of an object of size
// bytes. A negative offset is an error.
func Range(size, offset, length int64) (from, to int64, err error) {
	if offset < 0 {
		return 0, 0, fmt.Errorf("offset %d is negative", offset)
	}
	from = min(offset, size)
	to = size
	if length >= 0 && length < size-from {
		to = from + length
	}
	return from, to, nil
}

// Stat returns the size of the object.
func (m *Memory) Stat(ctx context.Context, key string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	body, ok := m.objects[key]
	if !ok {
		return Info{}, fmt.Errorf("stat %s: %w", key, ErrNotFound)
	}
	return Info{Key: key, Size: int64(len(body))}, nil
}

// List yields the objects that were there when it was called.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		m.mu.RLock()
		infos := make([]Info, 0, len(m.objects))
		for _, key := range slices.Sorted(maps.Keys(m.objects)) {
			if strings.HasPrefix(key, prefix) {
				infos = append(infos, Info{Key: key, Size: int64(len(m.objects[key]))})
			}
		}
		m.mu.RUnlock()
		for _, info := range infos {
			if err := ctx.Err(); err != nil {
				yield(Info{}, err)
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Delete removes the object.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// Corrupt lets a test damage what is stored: change receives a copy of the object's bytes and
// returns what is to be found there from now on; nil removes the object.
func (m *Memory) Corrupt(key string, change func(body []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if body := change(bytes.Clone(m.objects[key])); body != nil {
		m.objects[key] = body
	} else {
		delete(m.objects, key)
	}
}

// Clone returns a bucket with the same objects that shares nothing that can change.
func (m *Memory) Clone() *Memory {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return &Memory{objects: maps.Clone(m.objects)}
}
