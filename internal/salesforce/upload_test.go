package salesforce_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
)

// stream gives n bytes without holding them.
type stream struct{ n, at int64 }

// Read is that of io.Reader.
func (e *stream) Read(p []byte) (int, error) {
	if e.at == e.n {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), e.n-e.at)]
	for i := range p {
		p[i] = byte((e.at + int64(i)) * 31 >> 3)
	}
	e.at += int64(len(p))
	return len(p), nil
}

// A large file goes through in pieces: neither what is sent nor what is waited for is ever held. HOLDFAST_LONG sends 1.5 GB.
func TestInsertFileStreams(t *testing.T) {
	size := int64(96 << 20)
	if os.Getenv("HOLDFAST_LONG") != "" {
		size = 1_500_000_000
	}
	var got atomic.Value
	fake := newFake(t)
	fake.on("GET "+v+"sobjects/ContentVersion/describe", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, `{"name":"ContentVersion","queryable":true,"createable":true,"fields":[
			{"name":"Id","type":"id"},{"name":"Title","type":"string","length":255,"createable":true,"nillable":true},
			{"name":"PathOnClient","type":"string","length":500,"createable":true,"nillable":true},
			{"name":"VersionData","type":"base64","createable":true,"nillable":true}]}`)
	})
	fake.on("POST "+v+"sobjects/ContentVersion", func(w http.ResponseWriter, r *http.Request) {
		_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || r.ContentLength < size {
			t.Errorf("a length of %d, %v", r.ContentLength, err)
		}
		parts := multipart.NewReader(r.Body, params["boundary"])
		entity, err := parts.NextPart()
		if err != nil {
			t.Error(err)
			return
		}
		fields, _ := io.ReadAll(entity)
		file, err := parts.NextPart()
		if err != nil {
			t.Error(err)
			return
		}
		sum := sha256.New()
		n, err := io.Copy(sum, file)
		if err != nil || n != size || file.FormName() != "VersionData" || string(fields) != `{"PathOnClient":"big \"one\".bin","Title":null}` {
			t.Errorf("%d bytes of %s beside %s: %v", n, file.FormName(), fields, err)
		}
		got.Store(string(sum.Sum(nil)))
		writeJSON(w, 201, `{"id":"068000000000001AAA","success":true,"errors":[]}`)
	})
	client := fake.connect()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, err := client.InsertFile(t.Context(), "ContentVersion", []string{"PathOnClient", "Title"},
		sf.Write{Values: []sf.Value{sf.Text(`big "one".bin`), sf.Null()}},
		&sf.Upload{Field: "VersionData", Name: "big \"one\".bin", Size: size, Open: func() io.Reader { return &stream{n: size} }})
	runtime.ReadMemStats(&after)
	if err != nil || !out.Success || out.ID != "068000000000001AAA" {
		t.Fatalf("%+v, %v", out, err)
	}
	want := sha256.New()
	_, _ = io.Copy(want, &stream{n: size})
	if got.Load() != string(want.Sum(nil)) {
		t.Error("other bytes arrived")
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes were allocated for a file of %d", used, size)
	}
}

// A file is sent once: when the answer is lost the error says that nobody knows, and nothing is sent again. What the org
// refuses is an outcome, and what is too large is not sent at all.
// insertOne makes a record of one field.
func insertOne(t *testing.T, client *salesforce.Org, object, field string, v sf.Value) sf.ID {
	t.Helper()
	out, err := client.InsertFile(t.Context(), object, []string{field}, sf.Write{Values: []sf.Value{v}}, nil)
	if err != nil || !out.Success {
		t.Fatalf("%+v, %v", out, err)
	}
	return out.ID
}

func TestInsertFileOutcomes(t *testing.T) {
	server, err := emulator.Start(t.Context(), emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := salesforce.Connect(t.Context(), salesforce.Config{
		InstanceURL: server.URL, Credentials: salesforce.Credentials{AccessToken: salesforce.Secret(server.AccessToken)},
	})
	if err != nil {
		t.Fatal(err)
	}
	insert := func(path sf.Value, size int64) (sf.Outcome, error) {
		return client.InsertFile(t.Context(), "ContentVersion", []string{"PathOnClient"}, sf.Write{Values: []sf.Value{path}},
			&sf.Upload{Field: "VersionData", Name: "a", Size: size, Open: func() io.Reader { return &stream{n: size} }})
	}
	if out, err := insert(sf.Text("a.bin"), 1000); err != nil || !out.Success || out.ID.KeyPrefix() != "068" {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := insert(sf.Null(), 10); err != nil || out.Success || out.Code != "REQUIRED_FIELD_MISSING" {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := insert(sf.Text("a.bin"), 2<<30+1); err != nil || out.Code != "FILE_SIZE_LIMIT_EXCEEDED" {
		t.Errorf("%+v, %v", out, err)
	}
	var sent atomic.Int64
	server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op != "POST sobjects/ContentVersion" {
			return emulator.Fault{}
		}
		sent.Add(1)
		return emulator.Fault{DropReply: true}
	})
	if _, err := insert(sf.Text("b.bin"), 100_000); !errors.Is(err, salesforce.ErrOutcomeUnknown) || sent.Load() != 1 {
		t.Errorf("sent %d times: %v", sent.Load(), err)
	}
	server.Intercept(nil)
	account := insertOne(t, client, "Account", "Name", sf.Text("Acme"))
	note, err := client.InsertFile(t.Context(), "Attachment", []string{"Name", "ParentId"}, sf.Write{Values: []sf.Value{sf.Text("a.txt"), sf.Text(string(account))}},
		&sf.Upload{Field: "Body", Name: "a", Size: 3, Open: func() io.Reader { return strings.NewReader("old") }})
	if err != nil || !note.Success {
		t.Fatalf("%+v, %v", note, err)
	}
	update := func(name sf.Value, size int64) (sf.Outcome, error) {
		return client.UpdateFile(t.Context(), "Attachment", []string{"Name"}, sf.Write{ID: note.ID, Values: []sf.Value{name}},
			sf.Upload{Field: "Body", Name: "a", Size: size, Open: func() io.Reader { return strings.NewReader("new ones"[:min(size, 8)]) }})
	}
	if out, err := update(sf.Text("b.txt"), 8); err != nil || !out.Success || out.ID != note.ID {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := update(sf.Null(), 3); err != nil || out.Success || out.Code == "" {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := update(sf.Text("b.txt"), 500<<20+1); err != nil || out.Code != "FILE_SIZE_LIMIT_EXCEEDED" {
		t.Errorf("%+v, %v", out, err)
	}
	var is bytes.Buffer
	if err := client.Body(t.Context(), "Attachment", "Body", note.ID, &is); err != nil || is.String() != "new ones" {
		t.Errorf("%q, %v", is.String(), err)
	}
	schema, err := client.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range client.Records(t.Context(), sf.Extract{Object: schema.Object("ContentVersion")}) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != 2 {
		t.Errorf("%d records", n)
	}
}
