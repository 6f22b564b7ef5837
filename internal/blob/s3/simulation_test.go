package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

	"holdfast/internal/blob"
)

// direct carries requests to the fake without a network, through weather: refused, lost, late and repeated
// requests, conflicts, and answers that are cut.
type direct struct {
	fake *fake
	rand *rand.Rand
	late []*http.Request // on their way still
	n    int             // requests
	bad  int             // of which something happened to
}

var errTimeout = errors.New("i/o timeout")

// RoundTrip implements http.RoundTripper.
func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	d.n++
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	if len(d.late) > 0 && d.rand.IntN(5) == 0 {
		d.answer(d.late[0])
		d.late = d.late[1:]
	}
	put := r.Method == http.MethodPut
	lot := d.rand.IntN(100)
	if lot < 25 {
		d.bad++
	}
	switch {
	case lot < 5:
		return nil, errTimeout // on its way there
	case lot < 10:
		d.answer(r)
		return nil, io.ErrUnexpectedEOF // on its way back
	case lot < 13 && put:
		d.late = append(d.late, d.copyOf(r))
		return nil, errTimeout
	case lot < 16 && put:
		d.late = append(d.late, d.copyOf(r)) // somebody on the way sends it again
	case lot < 19:
		return refusal(r, 503, "SlowDown"), nil
	case lot < 21:
		return refusal(r, 500, "InternalError"), nil
	case lot < 23 && put:
		return refusal(r, 409, "ConditionalRequestConflict"), nil
	case lot < 25 && r.Method == http.MethodGet:
		answer := d.answer(r)
		answer.Body.Truncate(answer.Body.Len() / 2)
		return answer.Result(), nil
	}
	response := d.answer(r).Result()
	response.Request = r
	return response, nil
}

func (d *direct) copyOf(r *http.Request) *http.Request {
	again := r.Clone(context.Background())
	again.Body, _ = r.GetBody()
	return again
}

func (d *direct) answer(r *http.Request) *httptest.ResponseRecorder {
	d.fake.mu.Lock()
	defer d.fake.mu.Unlock()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	d.fake.answer(answer, r)
	return answer
}

func refusal(r *http.Request, status int, code string) *http.Response {
	answer := httptest.NewRecorder()
	answer.Code = status
	answer.Body.WriteString(xmlError(code))
	response := answer.Result()
	response.Request = r
	return response
}

// simulated is how many operations are simulated.
func simulated() int {
	switch {
	case os.Getenv("HOLDFAST_LONG") != "":
		return 1_000_000
	case os.Getenv("HOLDFAST_HARNESS") != "":
		return 50_000
	}
	return 2_000
}

// truth is what is known of one key.
type truth struct {
	tried [][]byte // what anybody tried to put
	won   []byte   // what somebody was told that he has put; nil for nobody
}

// TestSimulatedStoreLosesNothing has three clients put, read and list the same keys through a store and a
// network that fail in a quarter of all requests: of those who put a key one at most is told that he did,
// what he put is there for ever, and a listing holds it.
func TestSimulatedStoreLosesNothing(t *testing.T) {
	const seed, keysAtOnce, putsEach = 11, 12, 40
	f := newFake(t)
	f.page = 4
	d := &direct{fake: f, rand: rand.New(rand.NewPCG(seed, 1))}
	var clients []*Bucket
	for range 3 {
		b := f.open()
		b.wire.base = d
		clients = append(clients, b)
	}
	r := rand.New(rand.NewPCG(seed, 2))
	ctx := t.Context()
	failed := 0
	for n := 0; n < simulated(); {
		known := make(map[string]*truth) // of one epoch; a listing is of it alone
		epoch := fmt.Sprintf("e%d/", n)
		for range keysAtOnce * putsEach {
			n++
			b, key := clients[r.IntN(len(clients))], fmt.Sprintf("%s%d", epoch, r.IntN(keysAtOnce))
			k := known[key]
			if k == nil {
				k = &truth{}
				known[key] = k
			}
			var err error
			switch r.IntN(4) {
			case 0:
				err = k.put(ctx, b, key, fmt.Appendf(nil, "body %d", n))
			case 1, 2:
				err = k.get(ctx, b, key)
			default:
				err = listed(ctx, b, epoch, known)
			}
			if wrong, ok := errors.AsType[wrongError](err); ok {
				t.Fatalf("operation %d, %s: %v", n, key, wrong)
			}
			if err != nil {
				failed++
			}
		}
		clear(f.objects) // of past epochs; the probe with them, which every client has seen
		d.late = nil
	}
	t.Logf("%d operations (%d gave up) in %d requests, %d of which went wrong; seed %d", simulated(), failed, d.n, d.bad, seed)
}

// wrongError is what must never happen.
type wrongError struct{ error }

func (k *truth) put(ctx context.Context, b *Bucket, key string, body []byte) error {
	k.tried = append(k.tried, body)
	err := b.Put(ctx, key, body)
	switch {
	case err == nil && k.won != nil:
		return wrongError{fmt.Errorf("put twice: %q and %q", k.won, body)}
	case err == nil:
		k.won = body
	case errors.Is(err, blob.ErrExist) && len(k.tried) == 1:
		return wrongError{errors.New("taken, and nobody else has put it")}
	case errors.Is(err, blob.ErrExist):
		return nil
	}
	return err
}

func (k *truth) get(ctx context.Context, b *Bucket, key string) error {
	got, err := b.Get(ctx, key, 0, -1)
	switch {
	case errors.Is(err, blob.ErrNotFound) && k.won != nil:
		return wrongError{fmt.Errorf("%q is lost", k.won)}
	case errors.Is(err, blob.ErrNotFound):
		return nil
	case err == nil && k.won != nil && !bytes.Equal(got, k.won):
		return wrongError{fmt.Errorf("%q, want %q", got, k.won)}
	case err == nil && !slices.ContainsFunc(k.tried, func(b []byte) bool { return bytes.Equal(b, got) }):
		return wrongError{fmt.Errorf("%q, which nobody put", got)}
	}
	return err
}

func listed(ctx context.Context, b *Bucket, prefix string, known map[string]*truth) error {
	keys, err := keysOf(ctx, b, prefix)
	if err != nil {
		return err
	}
	for key, k := range known {
		if _, found := slices.BinarySearch(keys, key); !found && k.won != nil {
			return wrongError{fmt.Errorf("%s is missing in %q", key, keys)}
		}
	}
	return nil
}
