package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"holdfast/internal/blob"
	"holdfast/internal/blob/blobtest"
	"holdfast/internal/problem"
)

// TestMain takes away the pause that the client makes of its own accord after a request that failed,
// up to a fifth of a second: hundreds of them fail here.
func TestMain(m *testing.M) {
	minio.DefaultRetryUnit = 0
	m.Run()
}

func TestTheFakeIsABucket(t *testing.T) {
	blobtest.Bucket(t, func(t *testing.T) blob.Bucket {
		f := newFake(t)
		f.page = 3
		return f.open()
	})
}

func xmlError(code string) string {
	return "<Error><Code>" + code + "</Code><Message>key " + testKeyID + " with " + testSecret + "</Message></Error>"
}

// TestFaultsByClass answers every verb with every fault twice, which must not be noticed or end at
// once, and then for ever.
func TestFaultsByClass(t *testing.T) {
	verbs := map[string]func(*Bucket) error{
		"PUT": func(b *Bucket) error { return b.Put(t.Context(), "new", []byte("body")) },
		"GET": func(b *Bucket) error { _, err := b.Get(t.Context(), "old", 0, -1); return err },
		"HEAD": func(b *Bucket) error {
			_, err := b.Stat(t.Context(), "old")
			return err
		},
		"DELETE": func(b *Bucket) error { return b.Delete(t.Context(), "old") },
		"LIST":   func(b *Bucket) error { _, err := keysOf(t.Context(), b, ""); return err },
	}
	for _, c := range []struct {
		name  string
		fault fault
		again bool
		kind  problem.Kind
	}{
		{"500", fault{status: 500, body: xmlError("InternalError")}, true, problem.Unreachable},
		{"500 HTML", fault{status: 500, body: "<html>oops"}, true, problem.Unreachable},
		{"502", fault{status: 502}, true, problem.Unreachable},
		{"503", fault{status: 503, body: xmlError("SlowDown")}, true, problem.Unreachable},
		{"504", fault{status: 504}, true, problem.Unreachable},
		{"429", fault{status: 429}, true, problem.Unreachable},
		{"lost answer", fault{lose: true}, true, problem.Unreachable},
		{"403", fault{status: 403, body: xmlError("AccessDenied")}, false, problem.Unauthorized},
		{"403 signature", fault{status: 403, body: xmlError("SignatureDoesNotMatch")}, false, problem.Unauthorized},
		{"clock", fault{status: 403, body: xmlError("RequestTimeTooSkewed")}, false, problem.Unauthorized},
		{"redirect", fault{status: 301, header: http.Header{"Location": {"https://elsewhere.example/"}}}, false, problem.NoRepository},
		{"507", fault{status: 507, body: xmlError("InsufficientStorage")}, false, problem.NoSpace},
		{"501", fault{status: 501, body: xmlError("NotImplemented")}, false, problem.Failed},
	} {
		for verb, do := range verbs {
			t.Run(c.name+" "+verb, func(t *testing.T) {
				f := newFake(t)
				b := f.open()
				must(t, b.Put(t.Context(), "old", []byte("old")))
				method := strings.ReplaceAll(verb, "LIST", "GET")
				f.when(method, c.fault, c.fault)
				err := do(b)
				// net/http itself repeats a GET once when a connection that it kept has died.
				waits := len(f.sleeps)
				if c.name == "lost answer" && verb != "PUT" {
					waits = 2
				}
				if c.again && (err != nil || waits != 2) {
					t.Errorf("two failures: %v after waits %v", err, f.sleeps)
				}
				if !c.again && (err == nil || len(f.sleeps) != 0) {
					t.Errorf("a final refusal: %v after waits %v", err, f.sleeps)
				}
				if verb == "DELETE" && c.name == "lost answer" {
					return // it took effect, so it cannot go on for ever
				}
				f.when(method, always(c.fault)...)
				f.mu.Lock()
				delete(f.objects, "org/one/new")
				f.objects["org/one/old"] = stored{}
				f.mu.Unlock()
				err = do(b)
				if verb == "PUT" && c.name == "lost answer" {
					if err != nil || !bytes.Equal(f.objects["org/one/new"].body, []byte("body")) {
						t.Errorf("a put whose answers are all lost: %v", err)
					}
					return
				}
				if err == nil || problem.KindOf(err) != c.kind || problem.HintOf(err) == "" && c.kind != problem.Failed {
					t.Errorf("for ever: %v (%v)", err, problem.KindOf(err))
				}
				if c.again && len(f.sleeps) != maxAttempts-1 {
					t.Errorf("waits %v", f.sleeps)
				}
				if text := fmt.Sprintf("%v %+v %s", err, err, problem.HintOf(err)); strings.Contains(text, testSecret) ||
					strings.Contains(text, testKeyID) || strings.Contains(text, "\n") {
					t.Errorf("credentials or lines in %q", text)
				}
			})
		}
	}
}

func TestWaitsGrowAndAreBounded(t *testing.T) {
	f := newFake(t)
	b := f.open()
	f.when("GET", always(fault{status: 503})...)
	_, err := b.Get(t.Context(), "k", 0, -1)
	want := []time.Duration{375, 750, 1500, 3000, 6000} // ms: three quarters of 500 ms doubling
	if err == nil || len(f.sleeps) != len(want) {
		t.Fatalf("%v, waits %v", err, f.sleeps)
	}
	for i, d := range f.sleeps {
		if d != want[i]*time.Millisecond {
			t.Errorf("wait %d is %v", i+1, d)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.pace.sleep = func(context.Context, time.Duration) error { cancel(); return ctx.Err() }
	f.when("GET", always(fault{status: 503})...)
	if _, err := b.Get(ctx, "k", 0, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped while waiting: %v", err)
	}
}

// TestLostPutIsSettledByLooking: whoever reads nil wrote the object, and nobody else did.
func TestLostPutIsSettledByLooking(t *testing.T) {
	f := newFake(t)
	b := f.open()
	f.when("PUT", fault{lose: true})
	must(t, b.Put(t.Context(), "mine", []byte("same bytes")))
	if err := b.Put(t.Context(), "mine", []byte("same bytes")); !errors.Is(err, blob.ErrExist) {
		t.Errorf("a second put of the same bytes: %v", err)
	}

	// An attempt fails; before the next one another writer takes the key with the same bytes.
	other := f.open()
	b.pace.sleep = func(ctx context.Context, _ time.Duration) error {
		return other.Put(ctx, "theirs", []byte("same bytes"))
	}
	f.when("PUT", fault{status: 500})
	if err := b.Put(t.Context(), "theirs", []byte("same bytes")); !errors.Is(err, blob.ErrExist) {
		t.Errorf("lost to another writer: %v", err)
	}

	// The key is taken, and the writer may not read: the store's word counts.
	f.when("HEAD", always(fault{status: 403})...)
	if err := b.Put(t.Context(), "theirs", nil); !errors.Is(err, blob.ErrExist) {
		t.Errorf("without the right to read: %v", err)
	}

	// 409 is not "taken": the store asks to be asked again.
	f.when("HEAD")
	b = f.open()
	f.when("PUT", fault{status: 409, body: xmlError("ConditionalRequestConflict")})
	must(t, b.Put(t.Context(), "conflict", []byte("x")))

	// Refused after an attempt that may have taken effect: looking finds it.
	f.when("PUT", fault{lose: true}, fault{status: 403})
	must(t, b.Put(t.Context(), "late", []byte("x")))
}

func TestStoreWithoutConditionsIsRefused(t *testing.T) {
	f := newFake(t)
	f.ignore = true
	b := f.open()
	for range 2 {
		err := b.Put(t.Context(), "k", []byte("x"))
		if err == nil || !strings.Contains(err.Error(), "If-None-Match") || problem.HintOf(err) == "" {
			t.Errorf("put: %v", err)
		}
	}
	if _, taken := f.objects["org/one/k"]; taken {
		t.Error("an object was put where it could be overwritten")
	}
	f.ignore = false
	f.mu.Lock()
	f.fault = func(r *http.Request) fault {
		if r.Header.Get("If-None-Match") != "" {
			return fault{status: 501, body: xmlError("NotImplemented")}
		}
		return fault{}
	}
	f.mu.Unlock()
	if err := b.Put(t.Context(), "k", nil); err == nil || !strings.Contains(err.Error(), "If-None-Match") {
		t.Errorf("not implemented: %v", err)
	}
}

func TestDamagedBytesAreNeverDelivered(t *testing.T) {
	f := newFake(t)
	b := f.open()
	body := []byte("0123456789abcdef")
	must(t, b.Put(t.Context(), "k", body))
	cut := func(a *httptest.ResponseRecorder) { a.Body.Truncate(5) }
	flip := func(a *httptest.ResponseRecorder) { a.Body.Bytes()[3] ^= 1 }
	shorter := func(a *httptest.ResponseRecorder) {
		a.Body.Truncate(5)
		a.Header().Set("Content-Length", "5")
	}
	shifted := func(a *httptest.ResponseRecorder) { a.Header().Set("Content-Range", "bytes 3-6/16") }
	nowhere := func(a *httptest.ResponseRecorder) { a.Header().Del("Content-Range") }
	for _, c := range []struct {
		name           string
		rewrite        func(*httptest.ResponseRecorder)
		offset, length int64
		kind           problem.Kind
	}{
		{"cut", cut, 0, -1, problem.Unreachable},
		{"flipped", flip, 0, -1, problem.Damaged},
		{"shorter than stored", shorter, 0, -1, problem.Damaged},
		{"cut range", cut, 2, 8, problem.Unreachable},
		{"short range", shorter, 2, 8, problem.Unreachable},
		{"another range", shifted, 2, 4, problem.Unreachable},
		{"range without place", nowhere, 2, 4, problem.Unreachable},
		{"range instead of whole", func(a *httptest.ResponseRecorder) { a.Header().Set("Content-Range", "bytes 0-15/16") }, 0, -1, problem.Unreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.when("GET", fault{rewrite: c.rewrite})
			got, err := b.Get(t.Context(), "k", c.offset, c.length)
			want := body[c.offset:]
			if c.length >= 0 {
				want = want[:c.length]
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("damaged once: %q, %v", got, err)
			}
			f.when("GET", always(fault{rewrite: c.rewrite})...)
			if got, err := b.Get(t.Context(), "k", c.offset, c.length); problem.KindOf(err) != c.kind || got != nil {
				t.Errorf("damaged for ever: %q, %v (%v)", got, err, problem.KindOf(err))
			}
		})
	}
	f.when("GET", fault{rewrite: func(a *httptest.ResponseRecorder) {
		a.Code = 200
		a.Header().Del("Content-Range")
		a.Body = bytes.NewBuffer(body)
		a.Header().Set("Content-Length", "16")
	}})
	if got, err := b.Get(t.Context(), "k", 4, 3); err != nil || string(got) != "456" {
		t.Errorf("the whole object instead of a range: %q, %v", got, err)
	}
	wrong := fault{rewrite: func(a *httptest.ResponseRecorder) { a.Header().Set(checksumHeader, "AAAA") }}
	f.when("PUT", wrong)
	if err := b.Put(t.Context(), "changed", body); problem.KindOf(err) != problem.Damaged {
		t.Errorf("stored with another checksum: %v", err)
	}
}

func keysOf(ctx context.Context, b *Bucket, prefix string) ([]string, error) {
	var keys []string
	for info, err := range b.List(ctx, prefix) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, info.Key)
	}
	return keys, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTrap09ListingIsCompleteOrAnError breaks each page of a listing in every way.
func TestTrap09ListingIsCompleteOrAnError(t *testing.T) {
	f := newFake(t)
	f.page = 3
	b := f.open()
	var all []string
	for i := range 10 {
		all = append(all, fmt.Sprintf("d/%02d", i))
		must(t, b.Put(t.Context(), all[i], nil))
	}
	// What else is in the bucket is not ours.
	f.objects["org/one/.hidden"] = stored{}
	f.objects["org/one/d/UPPER"] = stored{}
	f.objects["org/onetwo"] = stored{}

	text := func(old, replacement string) func(*httptest.ResponseRecorder) {
		return func(a *httptest.ResponseRecorder) {
			a.Body = bytes.NewBufferString(strings.Replace(a.Body.String(), old, replacement, 1))
		}
	}
	whole := func(body string) func(*httptest.ResponseRecorder) {
		return func(a *httptest.ResponseRecorder) { a.Body = bytes.NewBufferString(body) }
	}
	for name, rewrite := range map[string]func(*httptest.ResponseRecorder){
		"nothing":             whole(""),
		"a page of a proxy":   whole("<html><body>log in</body></html>"),
		"another document":    whole("<ListAllMyBucketsResult><IsTruncated>false</IsTruncated></ListAllMyBucketsResult>"),
		"an error with 200":   whole(xmlError("InternalError")),
		"an empty document":   whole("<ListBucketResult></ListBucketResult>"),
		"cut":                 func(a *httptest.ResponseRecorder) { a.Body.Truncate(a.Body.Len() - 40) },
		"no IsTruncated":      text("<IsTruncated>true</IsTruncated>", ""),
		"one key lost":        text("<Contents><Key>org/one/d/01</Key><Size>0</Size></Contents>", ""),
		"no token":            text("<NextContinuationToken>org/one/d/02</NextContinuationToken>", ""),
		"a key without size":  text("<Size>0</Size>", ""),
		"another prefix":      text("<Prefix>org/one/", "<Prefix>org/two/"),
		"a key of the others": text("<Key>org/one/d/01", "<Key>org/two/d/01"),
		"out of order":        text("<Key>org/one/d/01", "<Key>org/one/d/00"),
	} {
		t.Run(name, func(t *testing.T) {
			f.when("GET", fault{rewrite: rewrite})
			if got, err := keysOf(t.Context(), b, "d/"); err != nil || !slices.Equal(got, all) {
				t.Errorf("broken once: %q, %v", got, err)
			}
			f.when("GET", always(fault{rewrite: rewrite})...)
			got, err := keysOf(t.Context(), b, "d/")
			if problem.KindOf(err) != problem.Unreachable {
				t.Errorf("broken for ever: %v after %q", err, got)
			}
		})
	}
	t.Run("second page", func(t *testing.T) {
		f.when("GET", fault{}, fault{status: 503}, fault{}, fault{lose: true})
		if got, err := keysOf(t.Context(), b, ""); err != nil || !slices.Equal(got, all) {
			t.Errorf("%q, %v", got, err)
		}
		f.when("GET", append([]fault{{}}, always(fault{status: 404, body: "<html>gone</html>"})...)...)
		if got, err := keysOf(t.Context(), b, "d/"); err == nil || len(got) != 3 {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("stopped in the middle", func(t *testing.T) {
		f.when("GET")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var keys []string
		var last error
		for info, err := range b.List(ctx, "d/") {
			last = err
			keys = append(keys, info.Key)
			cancel()
		}
		if !errors.Is(last, context.Canceled) || len(keys) > 4 {
			t.Errorf("%q, %v", keys, last)
		}
	})
}

func TestAnswerOfAProxyIsNotMissing(t *testing.T) {
	f := newFake(t)
	b := f.open()
	must(t, b.Put(t.Context(), "k", []byte("x")))
	page := always(fault{status: 404, body: "<html>not here</html>"})
	f.when("GET", page...)
	if _, err := b.Get(t.Context(), "k", 0, -1); err == nil || errors.Is(err, blob.ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	for _, method := range []string{"DELETE", "HEAD"} {
		f.when(method, page...)
		if err := b.Delete(t.Context(), "k"); err == nil {
			t.Errorf("a delete that no store carried out is success: %s", method)
		}
		if _, err := b.Stat(t.Context(), "k"); method == "HEAD" && (err == nil || errors.Is(err, blob.ErrNotFound)) {
			t.Errorf("stat: %v", err)
		}
	}
	f.when("GET", always(fault{status: 404, body: xmlError("NoSuchBucket")})...)
	if _, err := b.Get(t.Context(), "k", 0, -1); problem.KindOf(err) != problem.NoRepository || errors.Is(err, blob.ErrNotFound) {
		t.Errorf("get without a bucket: %v", err)
	}
	f.mu.Lock()
	f.fault = func(*http.Request) fault { return fault{status: 404, body: xmlError("NoSuchBucket")} }
	f.mu.Unlock()
	if _, err := b.Stat(t.Context(), "k"); problem.KindOf(err) != problem.NoRepository {
		t.Errorf("stat without a bucket: %v", err)
	}
	if err := b.Delete(t.Context(), "k"); problem.KindOf(err) != problem.NoRepository {
		t.Errorf("delete without a bucket: %v", err)
	}
}

func TestStalledRequestsEnd(t *testing.T) {
	f := newFake(t)
	b := f.open()
	must(t, b.Put(t.Context(), "k", []byte("x")))
	b.wire.stall = 200 * time.Millisecond
	f.when("GET", fault{hang: true})
	if _, err := b.Get(t.Context(), "k", 0, -1); err != nil {
		t.Errorf("stalled once: %v", err)
	}
	f.when("GET", always(fault{hang: true})...)
	if _, err := b.Get(t.Context(), "k", 0, -1); problem.KindOf(err) != problem.Unreachable || !strings.Contains(err.Error(), "did not move") {
		t.Errorf("stalled for ever: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	f := newFake(t)
	c := f.config()
	f.server.Close()
	if _, err := Open(t.Context(), c); problem.KindOf(err) != problem.Unreachable {
		t.Errorf("closed port: %v", err)
	}
}

// TestFaultsLoseNothing compares a bucket behind a store that fails in a third of all requests with a
// map: what was acknowledged is there, and what is read is right.
func TestFaultsLoseNothing(t *testing.T) {
	ops := 1500
	if os.Getenv("HOLDFAST_LONG") != "" {
		ops = 1_000_000
	}
	const seed = 7
	chance := rand.New(rand.NewPCG(seed, 0))
	f := newFake(t)
	f.page = 5
	b := f.open()
	faults := rand.New(rand.NewPCG(seed, 1))
	f.fault = func(*http.Request) fault {
		return []fault{
			{status: 500},
			{status: 503, body: xmlError("SlowDown")},
			{lose: true},
			{status: 409, body: xmlError("OperationAborted")},
			{rewrite: func(a *httptest.ResponseRecorder) { a.Body.Truncate(a.Body.Len() / 2) }},
			{}, // the rest: ten of fifteen
		}[min(faults.IntN(15), 5)]
	}
	known := make(map[string]string) // key → body that must be there
	maybe := make(map[string]bool)   // keys whose last operation failed
	failed := 0
	for n := range ops {
		key := fmt.Sprintf("k/%d", chance.IntN(20))
		body := fmt.Sprintf("%d %s", n, strings.Repeat("x", chance.IntN(40)))
		switch chance.IntN(4) {
		case 0:
			err := b.Put(t.Context(), key, []byte(body))
			_, there := known[key]
			switch {
			case err == nil && (there && !maybe[key]):
				t.Fatalf("op %d: put of %s, which is there", n, key)
			case err == nil:
				known[key], maybe[key] = body, false
			case errors.Is(err, blob.ErrExist) && !there && !maybe[key]:
				t.Fatalf("op %d: %s exists, which was never put", n, key)
			case !errors.Is(err, blob.ErrExist):
				failed++
				maybe[key] = maybe[key] || !there
			}
		case 1:
			if err := b.Delete(t.Context(), key); err != nil {
				failed++
				maybe[key] = true
			} else {
				delete(known, key)
				maybe[key] = false
			}
		case 2:
			got, err := b.Get(t.Context(), key, 0, -1)
			want, there := known[key]
			switch {
			case maybe[key]:
			case err == nil && (!there || string(got) != want), errors.Is(err, blob.ErrNotFound) && there:
				t.Fatalf("op %d: get %s: %q, %v; want %q", n, key, got, err, want)
			case err != nil && !errors.Is(err, blob.ErrNotFound):
				failed++
			}
		case 3:
			keys, err := keysOf(t.Context(), b, "k/")
			if err != nil {
				failed++
				continue
			}
			for key := range known {
				if !maybe[key] && !slices.Contains(keys, key) {
					t.Fatalf("op %d: %s is missing in %q", n, key, keys)
				}
			}
		}
	}
	t.Logf("%d operations, %d failed, seed %d", ops, failed, seed)
}
