package capture_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/testkit"
)

// newFiles is an emulated org of which the test sees what belongs to files.
func newFiles(t testing.TB) *emulated {
	e := newEmulated(t, emulator.Options{})
	e.opts.Files = true
	e.withFiles(nil)
	return e
}

var fileObjects = []string{"Account", "Attachment", "ContentDocument", "ContentDocumentLink", "ContentVersion", "Document", "StaticResource", "User"}

// withFiles interferes with requests, and narrows the org to the objects of files.
func (e *emulated) withFiles(f func(emulator.Request) emulator.Fault) {
	e.opts.Include, f = nil, oneAtATime(f)
	e.server.Intercept(func(r emulator.Request) emulator.Fault {
		if r.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: testkit.Narrow(fileObjects...)}
		}
		if f == nil {
			return emulator.Fault{}
		}
		return f(r)
	})
}

// file inserts a version of a file, of a new document or of that one, and returns its Id.
func (e *emulated) file(document, title string, body *org.Body) sf.ID {
	e.Helper()
	fields := []org.Assignment{{Field: "PathOnClient", Text: title + ".bin"}, {Field: "Title", Text: title}, {Field: "VersionData", Body: body}}
	if document != "" {
		fields = append(fields, org.Assignment{Field: "ContentDocumentId", Text: document})
	}
	return e.write(org.Insert, []org.Row{{Object: "ContentVersion", Fields: fields}}, org.Options{})[0]
}

func (e *emulated) document(version sf.ID) string {
	e.Helper()
	engine := e.server.Org()
	r, err := engine.Retrieve(engine.Admin(), "ContentVersion", []string{string(version)}, []string{"ContentDocumentId"})
	if err != nil {
		e.Fatal(err)
	}
	for _, c := range r[0].Cells {
		if c.Name == "ContentDocumentId" {
			return c.Text
		}
	}
	e.Fatal("no document")
	return ""
}

// bytesOf keeps random bytes as a body.
func (e *emulated) bytesOf(seed uint64, n int) *org.Body {
	e.Helper()
	raw := make([]byte, n)
	chance := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = chance.Read(raw)
	b, err := e.server.Org().StoreBody(bytes.NewReader(raw), int64(n))
	if err != nil {
		e.Fatal(err)
	}
	return b
}

// held returns the files of the newest snapshot, nil for one that is missing.
func (e *emulated) heldFiles(object, field string) map[sf.ID][]byte {
	e.Helper()
	sn, err := e.store.Load(e.Context(), "latest")
	if err != nil {
		e.Fatal(err)
	}
	held := map[sf.ID][]byte{}
	for r, err := range sn.Records(e.Context(), snapshot.Files.Name(object)) {
		if err != nil {
			e.Fatal(err)
		}
		if v := r.Get(field); v.IsText() {
			b, err := snapshot.ParseBody(v.Text())
			if err != nil {
				e.Fatal(err)
			}
			raw, err := io.ReadAll(e.store.OpenBody(e.Context(), b))
			if err != nil {
				e.Fatal(err)
			}
			held[r.ID] = raw
		} else if v.IsNull() {
			held[r.ID] = nil
		}
	}
	return held
}

// wantFiles compares every file of the newest snapshot with what the engine has, and verifies the repository.
func (e *emulated) wantFiles(object, field string, n int) {
	e.Helper()
	held := e.heldFiles(object, field)
	if len(held) != n {
		e.Errorf("%d files of %s are held, want %d", len(held), object, n)
	}
	for id, raw := range held {
		r, _, err := e.server.Org().OpenBody(e.server.Org().Admin(), id, field)
		if err != nil {
			e.Fatal(err)
		}
		want, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(raw, want) {
			e.Errorf("%s %s: %d bytes are held, the org has %d, or others", object, id, len(raw), len(want))
		}
	}
	if report, err := e.store.Verify(e.Context(), snapshot.VerifyOptions{}, nil); err != nil {
		e.Errorf("verify: %v: %+v", err, report.Findings)
	}
}

func filesResult(r capture.Result, object string) capture.FilesResult {
	i := slices.IndexFunc(r.Files, func(f capture.FilesResult) bool { return f.Object == object })
	if i < 0 {
		return capture.FilesResult{}
	}
	return r.Files[i]
}

// isBlob reports a request for the bytes of a file.
func isBlob(r emulator.Request) bool {
	return strings.HasSuffix(r.Path, "/VersionData") || strings.HasSuffix(r.Path, "/Body")
}

// TestTrap29EveryVersionAndLinkOfAFileIsHeld: 3 versions, 5 links, equal titles; bytes that are equal are stored once.
func TestTrap29EveryVersionAndLinkOfAFileIsHeld(t *testing.T) {
	e := newFiles(t)
	first := e.file("", "Plan", e.bytesOf(1, 900_000))
	document := e.document(first)
	e.file(document, "Plan", e.bytesOf(2, 900_000))
	e.file(document, "Plan", e.bytesOf(1, 900_000)) // back to the first
	other := e.file("", "Plan", e.bytesOf(1, 900_000))
	var links []org.Row
	for _, id := range e.insert("Account", 5) {
		links = append(links, org.Row{Object: "ContentDocumentLink", Fields: []org.Assignment{
			{Field: "ContentDocumentId", Text: document}, {Field: "LinkedEntityId", Text: string(id)}, {Field: "ShareType", Text: "V"},
		}})
	}
	e.write(org.Insert, links, org.Options{})
	set := e.write(org.Insert, []org.Row{{Object: "PermissionSet", Fields: []org.Assignment{
		{Field: "Name", Text: "Files"}, {Field: "Label", Text: "Files"}, {Field: "PermissionsQueryAllFiles", Text: "true"},
	}}}, org.Options{})[0]
	e.write(org.Insert, []org.Row{{Object: "PermissionSetAssignment", Fields: []org.Assignment{
		{Field: "PermissionSetId", Text: string(set)}, {Field: "AssigneeId", Text: string(e.server.Org().Admin().User)},
	}}}, org.Options{})
	r := e.back()
	if got := filesResult(r, "ContentVersion"); got.Bodies != (snapshot.Tally{Held: 4, Bytes: 3_600_000}) {
		t.Errorf("%+v", got)
	}
	e.wantFiles("ContentVersion", "VersionData", 4)
	e.wantSame("ContentDocumentLink")
	if e.document(other) == document {
		t.Error("one document of equal titles")
	}
	if stored := r.Snapshot.NewBytes; stored > 2_200_000 {
		t.Errorf("%d bytes stored of 1,800,000 that differ", stored)
	}
	for _, g := range r.Coverage {
		if g.Object == "ContentVersion" && g.Field == "VersionData" {
			t.Errorf("a gap for what is held: %+v", g)
		}
	}
}

// TestTrap29ThreeThousandAttachmentsOfOneParent, in a number of calls and objects that is bounded.
func TestTrap29ThreeThousandAttachmentsOfOneParent(t *testing.T) {
	e := newFiles(t)
	parent := e.insert("Account", 1)[0]
	rows := make([]org.Row, 3000)
	for i := range rows {
		rows[i] = org.Row{Object: "Attachment", Fields: []org.Assignment{
			{Field: "Name", Text: "a.txt"}, {Field: "ParentId", Text: string(parent)}, {Field: "Body", Body: e.bytesOf(uint64(i), 50+i%7)},
		}}
	}
	for chunk := range slices.Chunk(rows, 200) {
		e.write(org.Insert, chunk, org.Options{})
	}
	var blobs atomic.Int64
	count := func(r emulator.Request) emulator.Fault {
		if isBlob(r) {
			blobs.Add(1)
		}
		return emulator.Fault{}
	}
	e.withFiles(count)
	e.back()
	e.wantFiles("Attachment", "Body", 3000)
	if n := blobs.Load(); n != 3000 {
		t.Errorf("%d calls for 3,000 attachments", n)
	}
	objects := 0
	for info, err := range e.memory.List(t.Context(), "body/") {
		if err != nil {
			t.Fatal(err)
		}
		_ = info
		objects++
	}
	if objects > 2 {
		t.Errorf("%d objects for small bodies", objects)
	}
	blobs.Store(0)
	before, _ := e.server.Calls()
	e.back() // nothing changed
	after, _ := e.server.Calls()
	if blobs.Load() != 0 || after-before > 60 {
		t.Errorf("an unchanged org: %d files read again, %d calls", blobs.Load(), after-before)
	}
	e.wantFiles("Attachment", "Body", 3000)
}

// TestTrap29ACorruptedDownloadIsCaught: read again while it may come right, missing by name when it does not,
// and healed by the next run.
func TestTrap29ACorruptedDownloadIsCaught(t *testing.T) {
	e := newFiles(t)
	good, bad := e.file("", "good", e.bytesOf(1, 5000)), e.file("", "bad", e.bytesOf(2, 300_000))
	spoil := func(times int64) {
		var n atomic.Int64
		e.withFiles(func(r emulator.Request) emulator.Fault {
			if !isBlob(r) || !strings.Contains(r.Path, string(bad)) || n.Add(1) > times {
				return emulator.Fault{}
			}
			return emulator.Fault{Rewrite: func(status int, _ http.Header, body []byte) (int, []byte) {
				body = bytes.Clone(body)
				body[len(body)/2] ^= 1
				return status, body
			}}
		})
	}
	spoil(100)
	r, err := capture.Run(t.Context(), e.client, e.store, e.opts)
	if problem.KindOf(err) != problem.Partial || !strings.Contains(err.Error(), string(bad)) || !r.Snapshot.Partial {
		t.Fatalf("%v of %+v", err, r.Snapshot)
	}
	held := e.heldFiles("ContentVersion", "VersionData")
	if len(held) != 2 || held[bad] != nil || len(held[good]) != 5000 {
		t.Errorf("held: %v", slices.Collect(maps.Keys(held)))
	}
	if !slices.ContainsFunc(r.Coverage, func(g snapshot.Gap) bool {
		return capture.Of(g.Reason) == capture.RuleFileMissing && strings.Contains(g.Reason, string(bad))
	}) {
		t.Errorf("the coverage does not name it: %+v", r.Coverage)
	}
	if tally := filesResult(r, "ContentVersion").Bodies; tally != (snapshot.Tally{Held: 1, Missing: 1, Bytes: 5000}) {
		t.Errorf("%+v", tally)
	}
	spoil(2)
	if got := filesResult(e.back(), "ContentVersion"); got.Read != 1 {
		t.Errorf("the next run read %+v", got)
	}
	e.wantFiles("ContentVersion", "VersionData", 2)
}

// TestFilesFollowTheirRecords: what changed is read again, what went is buried, and earlier snapshots keep it.
func TestFilesFollowTheirRecords(t *testing.T) {
	e := newFiles(t)
	parent := e.insert("Account", 1)[0]
	var rows []org.Row
	for i := range 6 {
		rows = append(rows, org.Row{Object: "Attachment", Fields: []org.Assignment{
			{Field: "Name", Text: "a"}, {Field: "ParentId", Text: string(parent)}, {Field: "Body", Body: e.bytesOf(uint64(i), 1000*i)},
		}})
	}
	ids := e.write(org.Insert, rows, org.Options{})
	version := e.file("", "v", e.bytesOf(9, 400_000))
	first := e.back()
	e.wantFiles("Attachment", "Body", 6)
	e.write(org.Update, []org.Row{{ID: string(ids[1]), Fields: []org.Assignment{{Field: "Body", Body: e.bytesOf(77, 1000)}}}}, org.Options{})
	e.update(version, "Title", "another title")
	e.write(org.Delete, rowsOf(ids[2:4]), org.Options{})
	second := e.back()
	if got := filesResult(second, "Attachment"); got.Read != 1 || got.Bodies.Held != 4 {
		t.Errorf("attachments: %+v", got)
	}
	if got := filesResult(second, "ContentVersion"); got.Read != 0 || got.Bodies.Held != 1 {
		t.Errorf("versions, whose bytes never change: %+v", got)
	}
	e.wantFiles("Attachment", "Body", 4)
	old, err := e.store.Load(t.Context(), first.Snapshot.ID)
	if err != nil {
		t.Fatal(err)
	}
	if part, _ := old.Part(snapshot.Files.Name("Attachment")); part.Bodies.Held != 6 {
		t.Errorf("the first snapshot holds %+v", part.Bodies)
	}
	// A snapshot that reads no files keeps those that are held, and the next one need not read them.
	e.opts.Files = false
	e.back()
	e.wantFiles("Attachment", "Body", 4)
	e.opts.Files = true
	if got := filesResult(e.back(), "Attachment"); got.Read != 0 {
		t.Errorf("read again: %+v", got)
	}
}

// TestFilesGoOnAfterACut: a connection that breaks off, at any place, changes nothing.
func TestFilesGoOnAfterACut(t *testing.T) {
	e := newFiles(t)
	for i := range 8 {
		e.file("", "v", e.bytesOf(uint64(i), 200_000*(i+1)))
	}
	var n atomic.Int64
	e.withFiles(func(r emulator.Request) emulator.Fault {
		if !isBlob(r) || n.Add(1)%3 != 0 {
			return emulator.Fault{}
		}
		return emulator.Fault{CutAfter: 1 + n.Load()*20_000}
	})
	e.back()
	e.wantFiles("ContentVersion", "VersionData", 8)
}

// TestFilesBeyondTheLimitAreMissing, by number and name, and are read by the next run alone.
func TestFilesBeyondTheLimitAreMissing(t *testing.T) {
	e := newFiles(t)
	for i := range 12 {
		e.file("", "v", e.bytesOf(uint64(i), 3000))
	}
	var n atomic.Int64
	e.withFiles(func(r emulator.Request) emulator.Fault {
		if isBlob(r) && n.Add(1) > 5 {
			return emulator.Fault{Status: 403, Body: `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`}
		}
		return emulator.Fault{}
	})
	r, err := capture.Run(t.Context(), e.client, e.store, e.opts)
	if problem.KindOf(err) != problem.Partial {
		t.Fatal(err)
	}
	got := filesResult(r, "ContentVersion").Bodies
	if got.Held != 5 || got.Missing != 7 || n.Load() > 10 {
		t.Errorf("%+v after %d calls for files", got, n.Load())
	}
	e.withFiles(nil)
	if got := filesResult(e.back(), "ContentVersion"); got.Read != 7 {
		t.Errorf("the next run read %+v", got)
	}
	e.wantFiles("ContentVersion", "VersionData", 12)
}

// TestFilesOfARunThatWasKilledAreKept: what was noted is not read again.
func TestFilesOfARunThatWasKilledAreKept(t *testing.T) {
	e := newFiles(t)
	e.opts.SaveBytes, e.opts.Parallel = 100_000, 1
	for i := range 10 {
		e.file("", "v", e.bytesOf(uint64(i), 40_000))
	}
	var n atomic.Int64
	die, kill := context.WithCancel(t.Context())
	defer kill()
	e.withFiles(func(r emulator.Request) emulator.Fault {
		if isBlob(r) && n.Add(1) > 8 {
			kill()
		}
		return emulator.Fault{}
	})
	if _, err := capture.Run(die, e.client, e.store, e.opts); err == nil {
		t.Fatal("it was to be killed")
	}
	e.withFiles(nil)
	got := filesResult(e.back(), "ContentVersion")
	if got.Kept < 3 || got.Kept+got.Read != 10 {
		t.Errorf("%+v", got)
	}
	e.wantFiles("ContentVersion", "VersionData", 10)
}

// TestALargeFilePassesThroughLittleMemory. HOLDFAST_LONG makes it 1.5 GB.
func TestALargeFilePassesThroughLittleMemory(t *testing.T) {
	size := int64(24 << 20)
	if os.Getenv("HOLDFAST_LONG") != "" {
		size = 1_500_000_000
	}
	e := newFiles(t)
	id := e.file("", "video", e.server.Org().GenerateBody(5, size))
	var n atomic.Int64
	e.withFiles(func(r emulator.Request) emulator.Fault {
		if isBlob(r) && n.Add(1) == 1 {
			return emulator.Fault{CutAfter: size / 3}
		}
		return emulator.Fault{}
	})
	r := e.back()
	if got := filesResult(r, "ContentVersion").Bodies; got.Bytes != size {
		t.Fatalf("%+v", got)
	}
	sn, err := e.store.Load(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	row, _, err := sn.Record(t.Context(), snapshot.Files.Name("ContentVersion"), id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := snapshot.ParseBody(row.Get("VersionData").Text())
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := e.server.Org().OpenBody(e.server.Org().Admin(), id, "VersionData")
	if err != nil {
		t.Fatal(err)
	}
	if err := sameBytes(e.store.OpenBody(t.Context(), b), want); err != nil {
		t.Error(err)
	}
}

func sameBytes(a, b io.Reader) error {
	x, y := make([]byte, 1<<16), make([]byte, 1<<16)
	for at := 0; ; at += len(x) {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return fmt.Errorf("they differ after %d bytes (%w, %w)", at, errA, errB)
		}
		if errA != nil || errB != nil {
			if errA != io.EOF && errA != io.ErrUnexpectedEOF {
				return errA
			}
			return nil
		}
	}
}
