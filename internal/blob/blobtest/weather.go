package blobtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"holdfast/internal/blob"
)

// ErrWeather is the error of an operation that the way to the store or the store itself made fail.
var ErrWeather = errors.New("the store does not answer")

// Weather says how many of a thousand operations go wrong, in each way.
type Weather struct {
	Refused    int // 500, 503, 409 or a timeout on the way there: no effect, an error
	Lost       int // it takes effect, the answer is lost
	Late       int // a put times out, and takes effect later
	Duplicated int // a put is made once more later, by a proxy or a network
	Cut        int // a listing breaks off
	Paused     int // the process stands still for a day or so before the operation
}

// Calm is the weather in which nothing goes wrong.
var Calm = Weather{}

// Rough is weather in which each step of a process meets something.
var Rough = Weather{Refused: 20, Lost: 20, Late: 10, Duplicated: 10, Cut: 30, Paused: 5}

// Sky is the weather over one bucket that several processes use. What they do interleaves by virtual
// time: it runs in a bubble of testing/synctest.
type Sky struct {
	bucket blob.Bucket

	mu     sync.Mutex
	late   []func() // what is still on its way
	ops    int
	faults int
}

// NewSky returns a sky over the bucket.
func NewSky(bucket blob.Bucket) *Sky { return &Sky{bucket: bucket} }

// Ops returns how many operations there were, and how many of them went wrong.
func (s *Sky) Ops() (ops, faults int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ops, s.faults
}

// Settle lets arrive what is still on its way.
func (s *Sky) Settle() {
	s.mu.Lock()
	late := s.late
	s.late = nil
	s.mu.Unlock()
	for _, arrive := range late {
		arrive()
	}
}

// Under returns the bucket as a process sees it whose operations take time and meet the weather as the
// seed decides. It is for one process; its operations may overlap.
func (s *Sky) Under(w Weather, seed uint64) blob.Bucket {
	return &under{sky: s, weather: w, rand: rand.New(rand.NewPCG(seed, 1))}
}

type under struct {
	sky     *Sky
	weather Weather
	mu      sync.Mutex
	rand    *rand.Rand
}

func (u *under) String() string { return fmt.Sprint(u.sky.bucket) }

// lot draws a number below n.
func (u *under) lot(n int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.rand.IntN(n)
}

// among reports whether the operation is one of so many of a thousand, and counts it.
func (u *under) among(perMille int) bool {
	if u.lot(1000) >= perMille {
		return false
	}
	u.sky.mu.Lock()
	u.sky.faults++
	u.sky.mu.Unlock()
	return true
}

// begin lets time pass before an operation, and returns the error of one that never arrives.
func (u *under) begin(ctx context.Context) error {
	pause := time.Duration(1 + u.lot(int(50*time.Millisecond)))
	if u.among(u.weather.Paused) {
		pause += time.Duration(u.lot(int(30 * time.Hour)))
	}
	if err := Sleep(ctx, pause); err != nil {
		return err
	}
	u.sky.mu.Lock()
	u.sky.ops++
	var arrive func()
	if n := len(u.sky.late); n > 0 && u.sky.ops%7 == 0 {
		arrive, u.sky.late = u.sky.late[0], u.sky.late[1:]
	}
	u.sky.mu.Unlock()
	if arrive != nil {
		arrive()
	}
	if u.among(u.weather.Refused) {
		return ErrWeather
	}
	return nil
}

// Sleep waits, or less when the context ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Sky) later(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = append(s.late, fn)
}

// Put implements blob.Bucket.
func (u *under) Put(ctx context.Context, key string, body []byte) error {
	if err := u.begin(ctx); err != nil {
		return err
	}
	again := func() { _ = u.sky.bucket.Put(context.WithoutCancel(ctx), key, body) }
	switch {
	case u.among(u.weather.Late):
		u.sky.later(again)
		return ErrWeather
	case u.among(u.weather.Duplicated):
		u.sky.later(again)
	case u.among(u.weather.Lost):
		again()
		return ErrWeather
	}
	return u.sky.bucket.Put(ctx, key, body)
}

// Get implements blob.Bucket.
func (u *under) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	return u.sky.bucket.Get(ctx, key, offset, length)
}

// Stat implements blob.Bucket.
func (u *under) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := u.begin(ctx); err != nil {
		return blob.Info{}, err
	}
	return u.sky.bucket.Stat(ctx, key)
}

// listPage is how many objects a listing yields before it asks again: others may work in between.
const listPage = 12

// List implements blob.Bucket. What is put or deleted while it goes on may be in it or not.
func (u *under) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		last := ""
		for {
			if err := u.begin(ctx); err != nil {
				yield(blob.Info{}, err)
				return
			}
			cut := u.among(u.weather.Cut)
			n := 0
			for info, err := range u.sky.bucket.List(ctx, prefix) {
				if err != nil {
					yield(blob.Info{}, err)
					return
				}
				if info.Key <= last {
					continue
				}
				if n == listPage {
					break
				}
				n++
				last = info.Key
				if !yield(info, nil) {
					return
				}
			}
			if cut {
				yield(blob.Info{}, ErrWeather)
				return
			}
			if n < listPage {
				return
			}
		}
	}
}

// Delete implements blob.Bucket.
func (u *under) Delete(ctx context.Context, key string) error {
	if err := u.begin(ctx); err != nil {
		return err
	}
	err := u.sky.bucket.Delete(ctx, key)
	if u.among(u.weather.Lost) {
		return ErrWeather
	}
	return err
}
