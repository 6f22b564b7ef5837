package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Credentials of the fake, to be looked for in errors.
const (
	testKeyID  = "HOLDFASTTESTKEYID"
	testSecret = "holdfast-test-secret-0123456789"
	testBucket = "holdfast-test"
)

// fake is as much of an S3 store as a Bucket asks of one, without versions. It exists to answer
// wrongly on purpose; that the right answers are right is shown by the real store in store_test.go.
type fake struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	objects map[string]stored
	page    int                       // keys on a page
	ignore  bool                      // ignore If-None-Match
	fault   func(*http.Request) fault // asked before each request
	calls   []string                  // METHOD key
	sleeps  []time.Duration
}

type stored struct {
	body []byte
	meta http.Header
}

// fault is how the fake answers instead.
type fault struct {
	status  int    // answer with this, without effect
	body    string // of the answer with status
	header  http.Header
	lose    bool // carry it out, then hang up
	hang    bool // neither answer nor hang up
	rewrite func(*httptest.ResponseRecorder)
}

func newFake(t *testing.T) *fake {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", testKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", testSecret)
	t.Setenv("AWS_SESSION_TOKEN", "")
	f := &fake{t: t, objects: make(map[string]stored), page: 1000}
	f.server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

func (f *fake) config() Config {
	return Config{
		Endpoint: f.server.URL, Bucket: testBucket, Prefix: "org/one",
		Chance: func() float64 { return 0.5 },
		Sleep: func(ctx context.Context, d time.Duration) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.sleeps = append(f.sleeps, d)
			return ctx.Err()
		},
	}
}

func (f *fake) open() *Bucket {
	f.t.Helper()
	b, err := Open(f.t.Context(), f.config())
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// when sets the fault for requests of the method that concern an object or a listing of our prefix.
func (f *fake) when(method string, faults ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.sleeps = nil, nil
	n := 0
	f.fault = func(r *http.Request) fault {
		if r.Method != method || strings.HasSuffix(r.URL.Path, probeKey) {
			return fault{}
		}
		n++
		if n > len(faults) {
			return fault{}
		}
		return faults[n-1]
	}
}

// always is the fault that does not end.
func always(one fault) []fault { return slices.Repeat([]fault{one}, 50) }

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.mu.Lock()
	f.calls = append(f.calls, r.Method+" "+r.URL.Path)
	var now fault
	if f.fault != nil {
		now = f.fault(r)
	}
	answer := httptest.NewRecorder()
	switch {
	case now.hang:
		f.mu.Unlock()
		<-r.Context().Done()
		return
	case now.status != 0:
		maps.Copy(answer.Header(), now.header)
		answer.WriteHeader(now.status)
		_, _ = answer.WriteString(now.body)
	default:
		f.answer(answer, r)
	}
	f.mu.Unlock()
	if now.lose {
		panic(http.ErrAbortHandler)
	}
	if now.rewrite != nil {
		now.rewrite(answer)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	if r.Method != http.MethodHead {
		_, _ = w.Write(answer.Body.Bytes())
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>no: %s</Message></Error>", code, code)
}

func (f *fake) answer(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, "/"+testBucket+"/")
	switch {
	case !strings.Contains(r.Header.Get("Authorization"), "Credential="+testKeyID+"/"):
		refuse(w, 403, "InvalidAccessKeyId")
	case !ok && !strings.HasPrefix(r.URL.Path, "/"+testBucket):
		refuse(w, 404, "NoSuchBucket")
	case name == "" && r.Method == http.MethodGet || r.URL.Query().Has("list-type"):
		f.list(w, r.URL.Query())
	case !ok || name == "":
		w.WriteHeader(200) // HEAD of the bucket
	case r.Method == http.MethodPut:
		f.put(w, r, name)
	case r.Method == http.MethodDelete:
		delete(f.objects, name)
		w.WriteHeader(204)
	default:
		f.get(w, r, name)
	}
}

func (f *fake) put(w http.ResponseWriter, r *http.Request, name string) {
	body, _ := io.ReadAll(r.Body)
	sum := sha256.Sum256(body)
	text := base64.StdEncoding.EncodeToString(sum[:])
	_, taken := f.objects[name]
	switch {
	case r.Header.Get(checksumHeader) != text || r.Header.Get("X-Amz-Content-Sha256") != fmt.Sprintf("%x", sum):
		refuse(w, 400, "BadDigest")
	case taken && r.Header.Get("If-None-Match") == "*" && !f.ignore:
		refuse(w, 412, "PreconditionFailed")
	default:
		meta := http.Header{checksumHeader: {text}}
		meta.Set("X-Amz-Meta-"+putMark, r.Header.Get("X-Amz-Meta-"+putMark))
		f.objects[name] = stored{body, meta}
		w.Header().Set(checksumHeader, text)
	}
}

func (f *fake) get(w http.ResponseWriter, r *http.Request, name string) {
	object, ok := f.objects[name]
	if !ok {
		refuse(w, 404, "NoSuchKey")
		return
	}
	maps.Copy(w.Header(), object.meta)
	w.Header().Set("Last-Modified", "Tue, 01 Sep 2026 00:00:00 GMT")
	var from, to int
	body := object.body
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n > 0 {
		if from >= len(body) {
			refuse(w, 416, "InvalidRange")
			return
		}
		if n < 2 || to >= len(body) {
			to = len(body) - 1
		}
		w.Header().Del(checksumHeader)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(body)))
		body = body[from : to+1]
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(206)
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = w.Write(body)
}

func (f *fake) list(w http.ResponseWriter, query url.Values) {
	after := max(query.Get("start-after"), query.Get("continuation-token"))
	type content struct {
		Key  string
		Size int
	}
	result := struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		Prefix                string
		KeyCount              int
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}{Prefix: query.Get("prefix")}
	for _, name := range slices.Sorted(maps.Keys(f.objects)) {
		if !strings.HasPrefix(name, query.Get("prefix")) || name <= after {
			continue
		}
		if len(result.Contents) == f.page {
			result.IsTruncated = true
			result.NextContinuationToken = result.Contents[f.page-1].Key
			break
		}
		result.Contents = append(result.Contents, content{name, len(f.objects[name].body)})
	}
	result.KeyCount = len(result.Contents)
	_ = xml.NewEncoder(w).Encode(result)
}
