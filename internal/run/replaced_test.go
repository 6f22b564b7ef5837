package run_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// shelf is a cabinet of attachments and documents, whose bytes can be replaced where they are.
type shelf struct {
	*cabinet
	account           string
	note, other, kept string // attachments
	leaflet, second   string // documents
}

func newShelf(t *testing.T) *shelf {
	c := newCabinet(t, emulator.Options{})
	s := &shelf{cabinet: c, account: c.one("Account", org.Assignment{}, "Name", "Acme")}
	folder := c.one("Folder", org.Assignment{}, "Name", "Shared", "DeveloperName", "Shared", "Type", "Document", "AccessType", "Public")
	who, err := c.client.Identity(t.Context())
	c.must(err)
	document := func(name string, seed uint64, n int) string {
		return c.one("Document", org.Assignment{Field: "Body", Body: c.content(seed, n)}, "FolderId", folder, "Name", name, "DeveloperName", name, "AuthorId", string(who.UserID))
	}
	body := func(seed uint64, n int) org.Assignment {
		return org.Assignment{Field: "Body", Body: c.content(seed, n)}
	}
	s.note = c.one("Attachment", body(1, 1_000), "ParentId", s.account, "Name", "note.txt")
	s.other = c.one("Attachment", body(2, 2_000), "ParentId", s.account, "Name", "other.txt", "Description", "as it was")
	s.kept = c.one("Attachment", body(3, 3_000), "ParentId", s.account, "Name", "kept.txt")
	s.leaflet, s.second = document("Leaflet", 4, 400_000), document("Second", 5, 500)
	return s
}

// bytesOf are the SHA-256 of what the org gives of each file.
func (s *shelf) bytesOf() string {
	s.Helper()
	out := s.contents()
	for _, id := range []string{s.leaflet, s.second} {
		out += "\n" + s.sum("Document", "Body", id)
	}
	return out
}

// replace gives a record other bytes, and fields other values.
func (s *shelf) replace(object, id string, seed uint64, n int, fields ...string) {
	s.Helper()
	s.server.Clock().Advance(time.Minute)
	row := org.Row{ID: id, Object: object, Fields: []org.Assignment{{Field: "Body", Body: s.content(seed, n)}}}
	for i := 0; i < len(fields); i += 2 {
		row.Fields = append(row.Fields, org.Assignment{Field: fields[i], Text: fields[i+1]})
	}
	s.write(org.Update, row)
	s.server.Clock().Advance(time.Hour)
}

// Bytes of attachments and documents that were replaced are put back with the values beside them: the plan says so, the bytes are
// read again, nothing else is sent, and taking it back brings the other bytes back.
func TestTrap29ReplacedFilesArePutBack(t *testing.T) {
	s := newShelf(t)
	want, from := s.bytesOf(), s.save()
	s.replace("Attachment", s.note, 11, 1_000) // of equal length
	s.replace("Attachment", s.other, 12, 50, "Description", "spoilt")
	s.replace("Document", s.leaflet, 14, 410_000)
	spoilt := s.bytesOf()
	r := s.restore(run.RestoreInput{Snapshot: from})
	if len(r.Files) != 2 || r.Files[0] != (run.RestoreFilesRow{Object: "Attachment", Replaced: 2, Bytes: 3_000}) ||
		r.Files[1] != (run.RestoreFilesRow{Object: "Document", Replaced: 1, Bytes: 400_000}) {
		t.Errorf("the plan counts %+v", r.Files)
	}
	if text := string(r.File); !strings.Contains(text, "2 files of Attachment are put back as they were, 3000 bytes") ||
		!strings.Contains(text, "1 file of Document is put back as it was, 400000 bytes") || r.Plan.Count(plan.Update) != 3 {
		t.Errorf("the plan has %d rows and does not say what it puts back: %q", r.Plan.Count(plan.Update), r.Notes)
	}
	out := s.apply(r)
	if out.Failed > 0 || out.Unexplained > 0 || out.Files.Files != 3 || out.Files.Other != 0 {
		t.Errorf("%d refused, %d unexplained, %+v\n%+v", out.Failed, out.Unexplained, out.Files, out.Errors)
	}
	if got := s.bytesOf(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := s.restore(run.RestoreInput{Snapshot: from}); !again.Plan.Empty() {
		t.Errorf("once more there is something to do: %+v", again.Steps)
	}
	back := s.restore(run.RestoreInput{Before: r.Live.ID, After: out.Observed.ID})
	s.apply(back)
	if got := s.bytesOf(); got != spoilt {
		t.Errorf("taken back\n%s\nwant\n%s", got, spoilt)
	}
}

// Whoever replaced a file again keeps it: after the incident it is a conflict of the plan, and after the plan a row that
// is left alone.
func TestTrap29ReplacedFilesOfOthersStay(t *testing.T) {
	s := newShelf(t)
	from := s.save()
	s.replace("Attachment", s.note, 11, 1_000)
	s.replace("Document", s.leaflet, 14, 410_000)
	s.replace("Document", s.second, 15, 500)
	after := s.save()
	s.replace("Document", s.leaflet, 24, 900) // honest work
	r := s.restore(run.RestoreInput{Before: from, After: after})
	if len(r.Conflicts) != 1 || string(r.Conflicts[0].ID) != s.leaflet || r.Conflicts[0].Field != "Body" || r.Plan.Count(plan.Update) != 2 {
		t.Fatalf("%d rows, conflicts %+v", r.Plan.Count(plan.Update), r.Conflicts)
	}
	s.replace("Document", s.second, 25, 700) // when the plan is there
	want := s.bytesOf()
	in := s.input(r, filepath.Join(t.TempDir(), "plan.journal"))
	out, err := run.Apply(t.Context(), in)
	if problem.KindOf(err) != problem.Partial || out.Failed != 1 || string(out.Errors[0].ID) != s.second || out.Errors[0].Code != "HOLDFAST_MOVED" {
		t.Fatalf("%v %+v", err, out.Errors)
	}
	got, now := strings.Split(s.bytesOf(), "\n"), strings.Split(want, "\n")
	differ := 0
	for i := range now {
		if got[i] != now[i] {
			differ++
		}
	}
	if differ != 1 {
		t.Errorf("%d files changed, want the note alone\n%s", differ, strings.Join(got, "\n"))
	}
}

// Answers that are lost before and after the org replaced a file, and deaths: it ends as planned, and each file is sent no more than its answer
// was lost.
func TestTrap25FilesAreReplacedOnce(t *testing.T) {
	s := newShelf(t)
	want, from := s.bytesOf(), s.save()
	s.replace("Attachment", s.note, 11, 1_000)
	s.replace("Attachment", s.other, 12, 50, "Description", "spoilt")
	s.replace("Attachment", s.kept, 13, 5)
	r := s.restore(run.RestoreInput{Snapshot: from})
	journal := filepath.Join(t.TempDir(), "files.journal")
	var mu sync.Mutex
	sent, lost := 0, 0
	var out run.ApplyResult
	for range 20 {
		ctx, die := context.WithCancel(t.Context())
		s.between(func(q emulator.Request) emulator.Fault {
			if q.Op != "PATCH sobjects/Attachment/*" {
				return emulator.Fault{}
			}
			mu.Lock()
			defer mu.Unlock()
			sent++
			switch sent {
			case 1:
				lost++
				return emulator.Fault{Cut: true} // never arrives
			case 2, 4:
				return emulator.Fault{DropReply: true}
			case 3:
				return emulator.Fault{DropReply: true, After: die}
			}
			return emulator.Fault{}
		})
		in := s.input(r, journal)
		in.Options.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
		var err error
		out, err = run.Apply(ctx, in)
		die()
		if err == nil {
			break
		}
	}
	s.between(nil)
	if got := s.bytesOf(); got != want || !out.Ended || out.Files.Files != 3 {
		t.Errorf("%+v\ngot\n%s\nwant\n%s", out.Files, got, want)
	}
	if sent != 3+lost {
		t.Errorf("%d calls for three files, of which %d did not arrive", sent, lost)
	}
}
