package run_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// cabinet is an org with files on records.
type cabinet struct {
	*ward
}

var cabinetSees = []string{"Account", "Contact", "Attachment", "ContentDocument", "ContentDocumentLink", "ContentVersion", "Document", "Folder", "User", "RecordType", "Profile"}

func newCabinet(t *testing.T, options emulator.Options) *cabinet {
	o := observeOrg(t, options)
	c := &cabinet{&ward{observed: o, rnd: rand.New(rand.NewPCG(7, 7)), ids: map[string][]string{}, loader: &testkit.Loader{
		InstanceURL: o.server.URL, AccessToken: o.server.AccessToken, Version: "v66.0",
	}}}
	c.between(nil)
	return c
}

// between interferes with requests to an org that shows the objects of files.
func (c *cabinet) between(f func(emulator.Request) emulator.Fault) {
	c.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: testkit.Narrow(cabinetSees...)}
		}
		if f == nil {
			return emulator.Fault{}
		}
		return f(q)
	})
}

// content makes n bytes that follow from a seed.
func (c *cabinet) content(seed uint64, n int) *org.Body {
	c.Helper()
	raw := make([]byte, n)
	chance := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = chance.Read(raw)
	b, err := c.server.Org().StoreBody(bytes.NewReader(raw), int64(n))
	c.must(err)
	return b
}

func (c *cabinet) one(object string, body org.Assignment, fields ...string) string {
	c.Helper()
	row := org.Row{Object: object}
	for i := 0; i < len(fields); i += 2 {
		row.Fields = append(row.Fields, org.Assignment{Field: fields[i], Text: fields[i+1]})
	}
	if body.Field != "" {
		row.Fields = append(row.Fields, body)
	}
	return string(c.write(org.Insert, row)[0])
}

// fill hangs onto an account: a file of three versions that is on a contact, too; two that are equal but for where they are;
// a file that somebody linked by hand for internal users; attachments of one name with equal and other bytes, and none.
func (c *cabinet) fill() {
	c.Helper()
	for i := range 2 {
		account := c.one("Account", org.Assignment{}, "Name", fmt.Sprint("Account ", i))
		contact := c.one("Contact", org.Assignment{}, "LastName", fmt.Sprint("Contact ", i), "AccountId", account)
		data := func(seed uint64, n int) org.Assignment {
			return org.Assignment{Field: "VersionData", Body: c.content(seed, n)}
		}
		first := c.one("ContentVersion", data(1, 20_000), "PathOnClient", "Plan.pdf", "Title", "Plan", "FirstPublishLocationId", account)
		plan := c.field("ContentVersion", "ContentDocumentId")[first]
		c.one("ContentVersion", data(2, 3_000_000), "PathOnClient", "Plan 2.pdf", "Title", "Plan", "ContentDocumentId", plan, "ReasonForChange", "better")
		c.one("ContentVersion", data(uint64(3+i), 100), "PathOnClient", "Plan.pdf", "Title", "Plan, the last", "ContentDocumentId", plan)
		c.one("ContentDocumentLink", org.Assignment{}, "ContentDocumentId", plan, "LinkedEntityId", contact, "ShareType", "V", "Visibility", "InternalUsers")
		for range 2 {
			c.one("ContentVersion", data(9, 500), "PathOnClient", "twin.bin", "Title", "Twin", "FirstPublishLocationId", account)
		}
		loose := c.one("ContentVersion", data(10, 700), "PathOnClient", "Ümläut \"x\".bin", "Title", "Loose")
		c.one("ContentDocumentLink", org.Assignment{}, "ContentDocumentId", c.field("ContentVersion", "ContentDocumentId")[loose],
			"LinkedEntityId", account, "ShareType", "C", "Visibility", "InternalUsers")
		for n, seed := range []uint64{20, 20, 21} {
			c.one("Attachment", org.Assignment{Field: "Body", Body: c.content(seed, 1_000)}, "ParentId", account, "Name", "note.txt", "Description", fmt.Sprint(n/2))
		}
	}
}

// sum is the beginning of the SHA-256 of what the org gives of a file.
func (c *cabinet) sum(object, field, id string) string {
	c.Helper()
	h := sha256.New()
	c.must(c.client.Body(c.Context(), object, field, sf.ID(id), h))
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

// contents says what hangs on which record, without Ids: names, sharing, versions and the SHA-256 of what the org gives.
func (c *cabinet) contents() string {
	c.Helper()
	sum := c.sum
	rows := func(query string) []map[string]any {
		r, err := c.loader.Query(c.Context(), query)
		c.must(err)
		return r
	}
	var lines []string
	for object, label := range map[string]string{"Account": "Name", "Contact": "LastName"} {
		for id, name := range c.field(object, label) {
			for _, l := range rows("SELECT ContentDocumentId, ShareType, Visibility FROM ContentDocumentLink WHERE LinkedEntityId = '" + id + "'") {
				line := fmt.Sprint(name, ": ", l["ShareType"], " ", l["Visibility"])
				document := fmt.Sprint(l["ContentDocumentId"])
				for _, v := range rows("SELECT Id, Title, PathOnClient, VersionNumber, IsLatest, ReasonForChange FROM ContentVersion WHERE ContentDocumentId = '" + document + "' ORDER BY VersionNumber") {
					line += fmt.Sprint(" | ", v["VersionNumber"], v["IsLatest"], v["Title"], v["PathOnClient"], v["ReasonForChange"], sum("ContentVersion", "VersionData", fmt.Sprint(v["Id"])))
				}
				lines = append(lines, line)
			}
			if object == "Account" {
				for _, a := range rows("SELECT Id, Name, Description FROM Attachment WHERE ParentId = '" + id + "'") {
					lines = append(lines, fmt.Sprint(name, ": attachment ", a["Name"], a["Description"], sum("Attachment", "Body", fmt.Sprint(a["Id"]))))
				}
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (c *cabinet) save() string {
	c.Helper()
	r, err := run.Backup(c.Context(), run.BackupInput{Source: c.client, Store: c.store, Options: capture.Options{OrgName: "prod", Files: true}})
	c.must(err)
	return r.Snapshot.ID
}

// lose deletes the accounts with their contacts, attachments and files, for good where purge says so.
func (c *cabinet) lose(purge bool) {
	c.Helper()
	var documents []string
	for id := range c.field("ContentDocument", "Title") {
		documents = append(documents, id)
	}
	slices.Sort(documents)
	c.must(c.loader.Delete(c.Context(), documents))
	var accounts []string
	for id := range c.field("Account", "Name") {
		accounts = append(accounts, id)
	}
	slices.Sort(accounts)
	c.must(c.loader.Delete(c.Context(), accounts))
	if purge {
		c.must(c.loader.EmptyRecycleBin(c.Context(), append(documents, accounts...)))
	}
	c.server.Clock().Advance(time.Hour)
}

func total(c *cabinet) string {
	c.Helper()
	out := ""
	for _, object := range []string{"ContentVersion", "ContentDocument", "Attachment", "Account", "Contact"} {
		out += fmt.Sprint(object, len(c.field(object, "CreatedDate")), " ")
	}
	return out
}

// TestTrap29RestoreBringsFilesBack: versions, sharing and bytes are as they were, whether the Recycle Bin has them or not.
func TestTrap29RestoreBringsFilesBack(t *testing.T) {
	for _, purge := range []bool{false, true} {
		t.Run(fmt.Sprint("purge ", purge), func(t *testing.T) {
			c := newCabinet(t, emulator.Options{})
			c.fill()
			want, n := c.contents(), total(c)
			from := c.save()
			c.lose(purge)
			r := c.restore(run.RestoreInput{Snapshot: from})
			if purge {
				if len(r.Files) != 2 || r.Files[0] != (run.RestoreFilesRow{Object: "Attachment", Files: 6, Bytes: 6_000}) ||
					r.Files[1] != (run.RestoreFilesRow{Object: "ContentVersion", Files: 12, Bytes: 6_043_600}) {
					t.Errorf("the plan counts %+v", r.Files)
				}
				if !strings.Contains(string(r.File), "12 files of ContentVersion are sent with their records, 6043600 bytes") {
					t.Error("the plan does not say how much it sends")
				}
			}
			out := c.apply(r)
			if out.Failed > 0 || out.Unexplained > 0 || out.Files.Files != 18 || out.Files.Other != 0 {
				t.Errorf("%d refused, %d unexplained, %+v\n%+v", out.Failed, out.Unexplained, out.Files, out.Errors)
			}
			if got := c.contents(); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if got := total(c); got != n {
				t.Errorf("%s, not %s", got, n)
			}
			if again := c.restore(run.RestoreInput{Snapshot: from}); !again.Plan.Empty() {
				t.Errorf("once more there is something to do: %+v", again.Steps)
			}
		})
	}
}

// TestTrap25FilesAreMadeOnce: answers get lost before and after the org has made a record, and the run dies again and again;
// in the end each file is there once.
func TestTrap25FilesAreMadeOnce(t *testing.T) {
	c := newCabinet(t, emulator.Options{})
	c.fill()
	want, n := c.contents(), total(c)
	from := c.save()
	c.lose(true)
	r := c.restore(run.RestoreInput{Snapshot: from})
	journal := filepath.Join(t.TempDir(), "files.journal")
	var made, deaths, begun, done atomic.Int64
	var out run.ApplyResult
	for range 60 {
		ctx, die := context.WithCancel(t.Context())
		c.between(func(q emulator.Request) emulator.Fault {
			if q.Op != "POST sobjects/ContentVersion" && q.Op != "POST sobjects/Attachment" {
				return emulator.Fault{}
			}
			n := made.Add(1) % 4
			if n == 1 {
				return emulator.Fault{Cut: true}
			}
			begun.Add(1)
			return emulator.Fault{DropReply: n == 0, After: func() {
				if done.Add(1); n == 2 {
					deaths.Add(1)
					die()
				}
			}}
		})
		in := c.input(r, journal)
		in.Options.Wait = func(ctx context.Context, _ time.Duration) error {
			for range 200 { // until the org is done with requests of the life before
				if done.Load() == begun.Load() {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			return ctx.Err()
		}
		var err error
		out, err = run.Apply(ctx, in)
		die()
		if err == nil {
			break
		}
		if out.Ended {
			t.Fatalf("%v\n%+v", err, out.Differences)
		}
	}
	c.between(nil)
	if !out.Ended || out.Failed > 0 || out.Unexplained > 0 || deaths.Load() < 3 {
		t.Fatalf("ended %t, %d refused, %d unexplained, %d deaths", out.Ended, out.Failed, out.Unexplained, deaths.Load())
	}
	if got := total(c); got != n {
		t.Errorf("%s, not %s", got, n)
	}
	if got := c.contents(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestRestoreOfFilesSaysWhatIsOther: a file whose bytes the org changed on the way is a difference.
func TestRestoreOfFilesSaysWhatIsOther(t *testing.T) {
	c := newCabinet(t, emulator.Options{})
	account := c.one("Account", org.Assignment{}, "Name", "A")
	c.one("Attachment", org.Assignment{Field: "Body", Body: c.content(1, 5_000)}, "ParentId", account, "Name", "a.bin")
	from := c.save()
	c.must(c.loader.Delete(c.Context(), []string{account}))
	c.must(c.loader.EmptyRecycleBin(c.Context(), []string{account}))
	r := c.restore(run.RestoreInput{Snapshot: from})
	c.between(func(q emulator.Request) emulator.Fault {
		if strings.HasPrefix(q.Op, "GET sobjects/Attachment/") && strings.HasSuffix(q.Path, "/Body") {
			return emulator.Fault{Rewrite: func(status int, _ http.Header, body []byte) (int, []byte) {
				return status, append(body[:len(body)-1:len(body)-1], body[len(body)-1]^1)
			}}
		}
		return emulator.Fault{}
	})
	out, err := run.Apply(t.Context(), c.input(r, filepath.Join(t.TempDir(), "j")))
	if problem.KindOf(err) != problem.NotVerified || out.Files.Other != 1 || out.Unexplained != 1 || out.Differences[0].Field != "Body" {
		t.Errorf("%v, %+v, %+v", err, out.Files, out.Differences)
	}
}

// TestRestoreSaysWhichFilesItHasNot: a file that the snapshot lacks is counted in the plan, and its record is not sent without it.
func TestRestoreSaysWhichFilesItHasNot(t *testing.T) {
	c := newCabinet(t, emulator.Options{})
	account := c.one("Account", org.Assignment{}, "Name", "A")
	c.one("Attachment", org.Assignment{Field: "Body", Body: c.content(1, 5_000)}, "ParentId", account, "Name", "a.bin")
	from := c.backup().Snapshot.ID // without files
	c.must(c.loader.Delete(c.Context(), []string{account}))
	c.must(c.loader.EmptyRecycleBin(c.Context(), []string{account}))
	r := c.restore(run.RestoreInput{Snapshot: from})
	if len(r.Files) != 1 || r.Files[0] != (run.RestoreFilesRow{Object: "Attachment", Lost: 1}) ||
		!slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "1 file of Attachment does not come back") }) {
		t.Errorf("%+v %v", r.Files, r.Notes)
	}
	if out := c.apply(r); out.Failed > 0 || out.Done != 1 {
		t.Errorf("%+v", out.Errors)
	}
}

// A seed brings files into another org with the records that they are on, with their versions and sharing; those of records that do
// not come stay away. Once more there is nothing to do.
func TestSeedBringsFilesAlong(t *testing.T) {
	a := newCabinet(t, emulator.Options{})
	a.fill()
	want := a.contents()
	from := a.save()
	lonely := a.one("Contact", org.Assignment{}, "LastName", "Lonely")
	a.one("Attachment", org.Assignment{Field: "Body", Body: a.content(30, 10)}, "ParentId", lonely, "Name", "lonely.txt")
	b := newCabinet(t, emulator.Options{Seed: 99})
	b.store = a.store
	in := run.SeedInput{Snapshot: from, Objects: []string{"Account", "Contact", "ContentVersion", "Attachment"}}
	prepared := b.seed(in)
	out := b.apply(b.restore(run.RestoreInput{Snapshot: prepared.Snapshot.ID}))
	if out.Failed > 0 || out.Unexplained > 0 || out.Files.Files != 18 {
		t.Errorf("%+v %+v", out.Errors, out.Files)
	}
	if got := b.contents(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := b.restore(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID}); !again.Plan.Empty() {
		t.Errorf("once more there is something to do: %+v", again.Steps)
	}
	c := newCabinet(t, emulator.Options{Seed: 98})
	c.store = a.store
	in.Objects = []string{"Attachment"}
	in.Snapshot = a.save()
	alone := c.seed(in)
	if len(alone.Objects) != 1 || alone.Objects[0].Records != 0 || alone.Objects[0].Homeless != 7 || alone.Objects[0].Files != 0 {
		t.Errorf("%+v", alone.Objects)
	}
}
