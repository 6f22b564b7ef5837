package org_test

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the platform's checksum
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// bytesOf reads a field of a file to its end.
func (w *world) bytesOf(id sf.ID, field string) []byte {
	w.t.Helper()
	r, size, err := w.OpenBody(w.Admin(), id, field)
	if err != nil || r == nil {
		w.t.Fatalf("open %s of %s: %v", field, id, err)
	}
	raw, err := io.ReadAll(r)
	if err != nil || int64(len(raw)) != size {
		w.t.Fatalf("%d of %d bytes, %v", len(raw), size, err)
	}
	return raw
}

func TestFileIsMadeByItsFirstVersion(t *testing.T) {
	w := newWorld(t)
	acc := w.add("Account", "Name=A")
	data := base64.StdEncoding.EncodeToString([]byte("first"))
	one := w.add("ContentVersion", "PathOnClient=C:\\temp\\Plan.txt", "VersionData="+data, "FirstPublishLocationId="+string(acc))
	document := sf.ID(w.value(one, "ContentDocumentId"))
	sum := md5.Sum([]byte("first")) //nolint:gosec // the platform's checksum
	w.wants("SELECT Title, FileExtension, FileType, ContentSize, Checksum, VersionNumber, IsLatest FROM ContentVersion",
		"Plan|txt|TEXT|5|"+hex.EncodeToString(sum[:])+"|1|true")
	w.wants("SELECT Title, LatestPublishedVersionId, ContentSize, FileType, OwnerId FROM ContentDocument",
		"Plan|"+string(one)+"|5|TEXT|"+string(w.Admin().User))
	w.wants("SELECT LinkedEntityId, ShareType FROM ContentDocumentLink WHERE ContentDocumentId = '"+string(document)+"' ORDER BY ShareType",
		string(w.Admin().User)+"|I", string(acc)+"|V")
	more := base64.StdEncoding.EncodeToString([]byte("second!"))
	two := w.add("ContentVersion", "PathOnClient=Plan2.txt", "Title=Better", "VersionData="+more, "ContentDocumentId="+string(document))
	w.wants("SELECT VersionNumber, IsLatest FROM ContentVersion ORDER BY VersionNumber", "1|false", "2|true")
	w.wants("SELECT Title, LatestPublishedVersionId, ContentSize FROM ContentDocument", "Better|"+string(two)+"|7")
	if got := w.bytesOf(one, "VersionData"); string(got) != "first" {
		t.Errorf("the first version holds %q", got)
	}
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Update, org.Row{ID: string(one), Fields: fields("Title=x")})
	w.set(document, "Title=Renamed")
	if w.value(two, "Title") != "Renamed" {
		t.Error("the latest version kept its title")
	}
	w.do(org.Delete, document)
	w.wants("SELECT Id FROM ContentVersion")
	if have := w.rows("SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '" + string(acc) + "'"); len(have) != 0 {
		t.Errorf("links %q outlive the document", have)
	}
	w.do(org.Undelete, document)
	if have := w.rows("SELECT Id FROM ContentVersion"); len(have) != 2 {
		t.Errorf("%d versions came back", len(have))
	}
}

func TestFileLinks(t *testing.T) {
	w := newWorld(t)
	acc := w.add("Account", "Name=A")
	version := w.add("ContentVersion", "PathOnClient=a.bin", "VersionData=AAAA")
	document := w.value(version, "ContentDocumentId")
	row := org.Row{Object: "ContentDocumentLink", Fields: fields("ContentDocumentId="+document, "LinkedEntityId="+string(acc), "ShareType=V")}
	link := w.one(org.Insert, row, org.Options{})
	w.refused("DUPLICATE_VALUE", org.Insert, row)
	owner := w.rows("SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '" + string(w.Admin().User) + "'")[0]
	w.refused("DELETE_FAILED", org.Delete, org.Row{ID: owner})
	w.do(org.Delete, link.ID)
	w.refused("REQUIRED_FIELD_MISSING", org.Insert, org.Row{Object: "ContentVersion", Fields: fields("VersionData=AAAA")})
	w.refused("REQUIRED_FIELD_MISSING", org.Insert, org.Row{Object: "ContentVersion", Fields: fields("PathOnClient=a")})
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Insert, org.Row{Object: "ContentDocument", Fields: fields("Title=x")})
}

// TestLargeFileCostsNoMemory: the bytes of a generated body are computed when they are read.
func TestLargeFileCostsNoMemory(t *testing.T) {
	w := newWorld(t)
	const size = 64<<20 + 3
	before := heap()
	body := w.GenerateBody(9, size)
	row := org.Row{Object: "ContentVersion", Fields: append(fields("PathOnClient=big.bin"), org.Assignment{Field: "VersionData", Body: body})}
	r := w.one(org.Insert, row, org.Options{})
	if !r.Success {
		t.Fatal(r.Errors)
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("the file costs %d bytes", after-before)
	}
	reader, n, err := w.OpenBody(w.Admin(), r.ID, "VersionData")
	if err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	sum := md5.New() //nolint:gosec // the platform's checksum
	if copied, err := io.Copy(sum, reader); err != nil || copied != size {
		t.Fatalf("%d bytes read, %v", copied, err)
	}
	if have, want := hex.EncodeToString(sum.Sum(nil)), w.value(r.ID, "Checksum"); have != want {
		t.Errorf("the bytes have checksum %s, the record says %s", have, want)
	}
}

func TestBodiesAreKeptOnceAndBounded(t *testing.T) {
	w := newWorld(t)
	raw := bytes.Repeat([]byte("x"), 1<<20)
	body, err := w.StoreBody(bytes.NewReader(raw), 1<<20)
	if err != nil || body.Size() != 1<<20 {
		t.Fatal(err)
	}
	if _, err := w.StoreBody(strings.NewReader("too long"), 3); !errors.Is(err, org.ErrBodyTooLarge) {
		t.Errorf("a body beyond the limit: %v", err)
	}
	acc := w.add("Account", "Name=A")
	before := heap()
	for range 20 {
		row := org.Row{Object: "Attachment", Fields: append(fields("Name=a", "ParentId="+string(acc)), org.Assignment{
			Field: "Body", Text: base64.StdEncoding.EncodeToString(raw),
		})}
		if r := w.one(org.Insert, row, org.Options{}); !r.Success {
			t.Fatal(r.Errors)
		}
	}
	if after := heap(); after > before+2<<20 {
		t.Errorf("twenty attachments with the same bytes cost %d bytes", after-before)
	}
	id := sf.ID(w.rows("SELECT Id FROM Attachment LIMIT 1")[0])
	if w.value(id, "BodyLength") != "1048576" || !bytes.Equal(w.bytesOf(id, "Body"), raw) {
		t.Error("the attachment reads otherwise")
	}
	w.refused("INVALID_TYPE_ON_FIELD_IN_RECORD", org.Insert, org.Row{Object: "Attachment", Fields: fields("Name=a", "ParentId="+string(acc), "Body=***")})
}
