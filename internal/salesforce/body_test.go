package salesforce_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/internal/problem"
)

const versionID = "068000000000001AAA"

func fileBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{7})
	_, _ = r.Read(b)
	return b
}

// breaking serves the file, of which each answer breaks off after at most that many bytes. With ranges it
// answers a Range, as a store behind the org might; without it ignores it.
func breaking(f *fakeOrg, file func(n int64) []byte, most int, ranges bool) *atomic.Int64 {
	calls := new(atomic.Int64)
	f.mux.HandleFunc("GET "+v+"sobjects/ContentVersion/"+versionID+"/VersionData", func(w http.ResponseWriter, r *http.Request) {
		body := file(calls.Add(1))
		from := 0
		w.Header().Set("Content-Type", "application/octet-stream")
		if at := r.Header.Get("Range"); at != "" && ranges {
			if _, err := fmt.Sscanf(at, "bytes=%d-", &from); err != nil || from >= len(body) {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
			w.Header().Set("Content-Length", fmt.Sprint(len(body)-from))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			if !ranges {
				most *= 2 // what comes again is more, so that it gets further each time
			}
		}
		_, _ = w.Write(body[from:min(len(body), from+most)]) // the rest is owed: the server closes the connection
	})
	return calls
}

// TestFilesGoOnWhereTheyBrokeOff: whether the org answers a Range or begins anew.
func TestFilesGoOnWhereTheyBrokeOff(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		f := newFake(t)
		want := fileBytes(300_000)
		calls := breaking(f, func(int64) []byte { return want }, 40_000, ranges)
		var got bytes.Buffer
		if err := f.connect().Body(t.Context(), "ContentVersion", "VersionData", versionID, &got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("ranges %v: %d bytes, want %d, or others", ranges, got.Len(), len(want))
		}
		if n := calls.Load(); ranges && n != 8 || n < 3 {
			t.Errorf("ranges %v: %d calls", ranges, n)
		}
	}
}

// TestAFileThatChangesIsNotMixed: what is read of two states of a file is an error.
func TestAFileThatChangesIsNotMixed(t *testing.T) {
	for name, second := range map[string][]byte{"other bytes": append([]byte("x"), fileBytes(300_000)...), "shorter": fileBytes(10)} {
		f := newFake(t)
		breaking(f, func(n int64) []byte {
			if n == 1 {
				return fileBytes(300_000)
			}
			return second
		}, 40_000, false)
		var got bytes.Buffer
		err := f.connect().Body(t.Context(), "ContentVersion", "VersionData", versionID, &got)
		if err == nil || !strings.Contains(err.Error(), "changed while it was read") {
			t.Errorf("%s: %d bytes, %v", name, got.Len(), err)
		}
	}
}

// TestAFileThatNeverComesIsGivenUp, and one that whoever takes it does not want any more.
func TestAFileThatNeverComesIsGivenUp(t *testing.T) {
	f := newFake(t)
	calls := breaking(f, func(int64) []byte { return fileBytes(1000) }, 0, true)
	if err := f.connect().Body(t.Context(), "ContentVersion", "VersionData", versionID, new(bytes.Buffer)); problem.KindOf(err) != problem.Unreachable {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	enough := errors.New("enough")
	f = newFake(t)
	calls = breaking(f, func(int64) []byte { return fileBytes(1000) }, 1000, true)
	if err := f.connect().Body(t.Context(), "ContentVersion", "VersionData", versionID, refusing{enough}); !errors.Is(err, enough) || calls.Load() != 1 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	f = newFake(t)
	f.mux.HandleFunc("GET "+v+"sobjects/ContentVersion/"+versionID+"/VersionData", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 404, `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`)
	})
	if err := f.connect().Body(t.Context(), "ContentVersion", "VersionData", versionID, new(bytes.Buffer)); problem.KindOf(err) != problem.NotFound {
		t.Errorf("%v", err)
	}
}

type refusing struct{ err error }

func (r refusing) Write([]byte) (int, error) { return 0, r.err }
