package run_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// gallery is an org with stories, whose texts show images.
type gallery struct {
	*ward
	mu   sync.Mutex
	sent map[string]int // requests, by operation
}

const storyObject = `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus><label>Story</label><pluralLabel>Stories</pluralLabel>
  <nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
  <fields><fullName>Tale__c</fullName><label>Tale</label><type>Html</type><length>32768</length><visibleLines>25</visibleLines></fields>
</CustomObject>`

func newGallery(t *testing.T) *gallery {
	t.Helper()
	return galleryOf(t, emulator.Options{})
}

func galleryOf(t *testing.T, options emulator.Options) *gallery {
	t.Helper()
	o := observeOrg(t, options)
	g := &gallery{ward: &ward{observed: o, rnd: rand.New(rand.NewPCG(3, 3)), ids: map[string][]string{}, loader: &testkit.Loader{
		InstanceURL: o.server.URL, AccessToken: o.server.AccessToken, Version: "v66.0",
	}}}
	g.must(g.loader.DeployFiles(t.Context(), map[string]string{
		"package.xml": testkit.PackageXML("CustomObject", "Story__c"), "objects/Story__c.object": storyObject,
	}))
	g.between(nil)
	return g
}

// between counts requests and interferes with them.
func (g *gallery) between(f func(emulator.Request) emulator.Fault) {
	g.mu.Lock()
	g.sent = map[string]int{}
	g.mu.Unlock()
	sees := testkit.Narrow("User")
	g.server.Intercept(func(q emulator.Request) emulator.Fault {
		g.mu.Lock()
		g.sent[q.Op]++
		g.mu.Unlock()
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: sees}
		}
		if f == nil {
			return emulator.Fault{}
		}
		return f(q)
	})
}

func (g *gallery) calls(op string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent[op]
}

// picture is HTML that embeds an image of n bytes that follow from the seed.
func picture(seed byte, n int) string {
	raw := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(raw)
	copy(raw, "\x89PNG\x0D\x0A\x1A\x0A")
	return fmt.Sprintf(`<p>%d <img alt="p%d" src="data:image/png;base64,%s"></img></p>`, seed, seed, base64.StdEncoding.EncodeToString(raw))
}

func (g *gallery) story(name string, parts ...string) string {
	g.Helper()
	return string(g.write(org.Insert, org.Row{Object: "Story__c", Fields: []org.Assignment{
		{Field: "Name", Text: name}, {Field: "Tale__c", Text: strings.Join(parts, "")},
	}})[0])
}

func (g *gallery) retell(id string, parts ...string) {
	g.Helper()
	g.write(org.Update, org.Row{Object: "Story__c", ID: id, Fields: []org.Assignment{{Field: "Tale__c", Text: strings.Join(parts, "")}}})
}

// remove deletes records, and empties them out of the Recycle Bin.
func (g *gallery) remove(ids ...string) {
	g.Helper()
	g.must(g.loader.Delete(g.Context(), ids))
	g.must(g.loader.EmptyRecycleBin(g.Context(), ids))
	g.server.Clock().Advance(time.Hour)
}

func (g *gallery) save() string {
	g.Helper()
	return g.saveWith(true)
}

func (g *gallery) saveWith(files bool) string {
	g.Helper()
	r, err := run.Backup(g.Context(), run.BackupInput{Source: g.client, Store: g.store, Options: capture.Options{OrgName: "prod", Files: files}})
	if err != nil && problem.KindOf(err) != problem.Partial {
		g.Fatal(err)
	}
	g.server.Clock().Advance(time.Hour)
	return r.Snapshot.ID
}

// shown is what people see: each story by its name, with the SHA-256 of the images that the org gives for it.
func (g *gallery) shown() string {
	g.Helper()
	rows, err := g.loader.Query(g.Context(), "SELECT Id, Name, Tale__c FROM Story__c ORDER BY Name")
	g.must(err)
	var out []string
	for _, r := range rows {
		id, _ := r["Id"].(string)
		html, _ := r["Tale__c"].(string)
		record, err := sf.ParseID(id)
		g.must(err)
		out = append(out, fmt.Sprint(r["Name"], ": ", sf.ReplaceRichImages(html, func(image sf.ID, _ string) string {
			var raw bytes.Buffer
			if err := g.client.Image(g.Context(), "Story__c", "Tale__c", record, image, &raw); err != nil {
				return "broken"
			}
			return fmt.Sprintf("%x", sha256.Sum256(raw.Bytes()))
		})))
	}
	return strings.Join(out, "\n")
}

func (g *gallery) shows(want string) {
	g.Helper()
	if got := g.shown(); got != want {
		g.Errorf("the org shows\n%s\nnot\n%s", got, want)
	}
}

// nothingLeft demands that nothing is to be done any more.
func (g *gallery) nothingLeft(in run.RestoreInput) {
	g.Helper()
	if again := g.restore(in); !again.Plan.Empty() {
		g.Errorf("the plan after it is not empty: %+v", again.Plan.Steps)
	}
}

const putImage = "PATCH sobjects/Story__c/*"

// TestImagesComeBackWithTheirRecords: records that are gone for good come back with their images, which have other Ids then; large
// and small go by REST, and what shows none by a job. Nothing remains to be done afterwards, and it can be taken back.
func TestImagesComeBackWithTheirRecords(t *testing.T) {
	g := newGallery(t)
	ids := []string{
		g.story("a", picture(1, 500), picture(2, 200_000)), g.story("b", picture(3, 700), "<p>end</p>"), g.story("c", "<p>no image</p>"),
	}
	g.story("kept", picture(4, 50))
	want, from := g.shown(), g.save()
	g.remove(ids...)
	g.between(nil)
	in := run.RestoreInput{Snapshot: from}
	r := g.restore(in)
	if len(r.Files) != 1 || r.Files[0] != (run.RestoreFilesRow{Object: capture.Images, Files: 3, Bytes: 201_200}) {
		t.Errorf("the plan counts %+v", r.Files)
	}
	if !strings.Contains(strings.Join(r.Notes, "\n"), "3 images in rich text are made anew with the texts of 2 records, 201200 bytes") {
		t.Errorf("%q", r.Notes)
	}
	if f := r.Forecast; f == nil || f.Bytes.Likely < 201_200*4/3 {
		t.Errorf("the forecast does not count images: %+v", r.Forecast)
	}
	if len(r.File) > 100_000 {
		t.Errorf("a plan of %d bytes holds the images", len(r.File))
	}
	out := g.apply(r)
	g.shows(want)
	if out.Files != (run.AppliedFiles{Images: 3, Bytes: 201_200}) {
		t.Errorf("%+v", out.Files)
	}
	if out.Failed > 0 || out.Unexplained > 0 || len(out.NewIDs) != 3 || g.calls(putImage) != 2 {
		t.Errorf("%+v, %d calls with images", out.Errors, g.calls(putImage))
	}
	g.nothingLeft(in)
	back := g.restore(run.RestoreInput{Before: r.Live.ID, After: out.Observed.ID})
	if back.Totals.Delete != 3 {
		t.Errorf("%+v", back.Totals)
	}
	g.apply(back)
	if got := g.shown(); !strings.HasPrefix(got, "kept: ") || strings.Contains(got, "broken") {
		t.Errorf("%s", got)
	}
}

// TestImagesOfAnOverwrittenText come back with the text, from two states and from three; those that it still shows stay. The text
// is no difference any more, though its images have other Ids, and taking it back brings the images that were there in between.
func TestImagesOfAnOverwrittenText(t *testing.T) {
	g := newGallery(t)
	id := g.story("a", picture(1, 500), picture(2, 600))
	other := g.story("b", picture(3, 700))
	want, from := g.shown(), g.save()
	rows, err := g.loader.Query(t.Context(), "SELECT Tale__c FROM Story__c WHERE Name = 'a'")
	g.must(err)
	html, _ := rows[0]["Tale__c"].(string)
	_, second, _ := strings.Cut(html, "</p>")
	g.retell(id, second, picture(9, 900)) // the second image stays
	g.retell(other, "<p>nothing</p>")
	spoilt, after := g.shown(), g.save()

	in := run.RestoreInput{Before: from, After: after}
	r := g.restore(in)
	if len(r.Files) != 1 || r.Files[0] != (run.RestoreFilesRow{Object: capture.Images, Files: 2, Bytes: 1_200}) || r.Totals.Update != 2 {
		t.Errorf("the plan counts %+v, %+v", r.Files, r.Totals)
	}
	out := g.apply(r)
	g.shows(want)
	g.nothingLeft(in)
	g.nothingLeft(run.RestoreInput{Snapshot: from})
	now := g.save()
	var differ []string
	if _, err := run.Diff(t.Context(), run.DiffInput{Store: g.store, Before: from, After: now, Objects: []string{"Story__c"}, Each: func(c run.ChangeRow) error {
		for _, f := range c.Fields {
			differ = append(differ, f.Field)
		}
		return nil
	}}); err != nil || slices.Contains(differ, "Tale__c") {
		t.Errorf("%v: %v", err, differ)
	}

	// Somebody spoils it once more: that nobody has worked on the text since is known although its images have other Ids.
	g.retell(id, "<p>spoilt again</p>")
	again := g.restore(run.RestoreInput{Before: from, After: g.save()})
	if again.Totals.Update != 1 || again.Totals.Conflicts != 0 {
		t.Errorf("%+v", again.Totals)
	}
	g.apply(again)
	g.shows(want)

	back := g.restore(run.RestoreInput{Before: r.Live.ID, After: out.Observed.ID})
	if back.Totals.Conflicts != 0 || back.Totals.Update != 2 {
		t.Errorf("%+v %+v", back.Totals, back.Conflicts)
	}
	g.apply(back)
	g.shows(spoilt)
}

// TestImagesOfUndeletedRecordsAreThere: nothing is sent for them.
func TestImagesOfUndeletedRecordsAreThere(t *testing.T) {
	g := newGallery(t)
	id := g.story("a", picture(1, 500))
	want, from := g.shown(), g.save()
	g.must(g.loader.Delete(t.Context(), []string{id}))
	g.server.Clock().Advance(time.Hour)
	r := g.restore(run.RestoreInput{Snapshot: from})
	if len(r.Files) != 0 || r.Totals.Undelete != 1 || r.Totals.Update != 0 {
		t.Errorf("%+v, %+v", r.Files, r.Totals)
	}
	g.apply(r)
	g.shows(want)
}

// TestImagesThatAreNotHeldAreLost: the plan counts them, and the text comes back all the same.
func TestImagesThatAreNotHeldAreLost(t *testing.T) {
	g := newGallery(t)
	id := g.story("a", picture(1, 500), picture(2, 600))
	want := g.shown()
	g.between(func(q emulator.Request) emulator.Fault {
		if strings.Contains(q.Op, "richTextImageFields") && strings.Contains(q.Path, "/0EM000000000002") {
			return emulator.Fault{Status: 404, Body: `[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`}
		}
		return emulator.Fault{}
	})
	from := g.save()
	g.remove(id)
	g.between(nil)
	r := g.restore(run.RestoreInput{Snapshot: from})
	if len(r.Files) != 1 || r.Files[0].Files != 1 || r.Files[0].Lost != 1 {
		t.Errorf("the plan counts %+v", r.Files)
	}
	if !strings.Contains(strings.Join(r.Notes, "\n"), "1 image in rich text does not come back: the snapshot does not hold its bytes") {
		t.Errorf("%q", r.Notes)
	}
	g.apply(r)
	if want == g.shown() {
		t.Error("nothing was lost")
	}
	if got := g.shown(); strings.Count(got, "broken") != 1 || strings.Count(got, "<img") != 2 {
		t.Errorf("%s", got)
	}
}

// TestImagesAreWrittenOnce: an answer that is lost is settled by looking at what the text shows, within a run and by the next one.
func TestImagesAreWrittenOnce(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprintf("dies %t", dies), func(t *testing.T) {
			g := newGallery(t)
			ids := []string{g.story("a", picture(1, 500)), g.story("b", picture(2, 600)), g.story("c", picture(3, 700))}
			want, from := g.shown(), g.save()
			g.remove(ids[:2]...)
			g.retell(ids[2], "<p>spoilt</p>")
			r := g.restore(run.RestoreInput{Snapshot: from})
			ctx, die := context.WithCancel(t.Context())
			defer die()
			lost := 0
			g.between(func(q emulator.Request) emulator.Fault {
				if q.Op != putImage {
					return emulator.Fault{}
				}
				g.mu.Lock()
				defer g.mu.Unlock()
				if lost++; lost == 2 {
					fault := emulator.Fault{DropReply: true}
					if dies {
						fault.After = die
					}
					return fault
				}
				return emulator.Fault{}
			})
			in := g.input(r, filepath.Join(t.TempDir(), "journal"))
			out, err := run.Apply(ctx, in)
			if dies {
				if err == nil {
					t.Fatal("it did not die")
				}
				out, err = run.Apply(t.Context(), in)
			}
			if err != nil || out.Failed > 0 || out.Unexplained > 0 {
				t.Fatalf("%v %+v", err, out)
			}
			g.shows(want)
			g.mu.Lock()
			defer g.mu.Unlock()
			if lost != 3 {
				t.Errorf("images were written %d times, want each once", lost)
			}
		})
	}
}

// TestTextsThatAreRefusedWithTheirImages are written without: the run is partial and says so, and the next plan has the images.
func TestTextsThatAreRefusedWithTheirImages(t *testing.T) {
	g := newGallery(t)
	id := g.story("a", "<p>text</p>", picture(1, 500))
	want, from := g.shown(), g.save()
	g.remove(id)
	r := g.restore(run.RestoreInput{Snapshot: from})
	g.between(func(q emulator.Request) emulator.Fault {
		if q.Op == putImage {
			return emulator.Fault{Status: 400, Body: `[{"message":"Tale: data value too large: <p> (max length=32768)","errorCode":"STRING_TOO_LONG","fields":["Tale__c"]}]`}
		}
		return emulator.Fault{}
	})
	out, err := run.Apply(t.Context(), g.input(r, filepath.Join(t.TempDir(), "journal")))
	if problem.KindOf(err) != problem.Partial || len(out.Errors) != 1 || out.Errors[0].Code != "HOLDFAST_IMAGES" || !strings.Contains(out.Errors[0].Message, "STRING_TOO_LONG") {
		t.Errorf("%v %+v", err, out.Errors)
	}
	if got := g.shown(); !strings.Contains(got, "<p>text</p>") || strings.Count(got, "broken") != 1 {
		t.Errorf("%s", got)
	}
	g.server.Clock().Advance(time.Hour)
	g.between(nil)
	again := g.restore(run.RestoreInput{Snapshot: from})
	if again.Totals.Update != 1 || len(again.Files) != 1 || again.Files[0].Files != 1 {
		t.Errorf("%+v %+v", again.Totals, again.Files)
	}
	g.apply(again)
	g.shows(want)
	g.nothingLeft(run.RestoreInput{Snapshot: from})
}

// TestAnImageThatIsAnotherIsADifference: what the org made of the image is looked at, and not only the text around it.
func TestAnImageThatIsAnotherIsADifference(t *testing.T) {
	g := newGallery(t)
	id := g.story("a", picture(1, 500))
	from := g.save()
	g.retell(id, "<p>spoilt</p>")
	r := g.restore(run.RestoreInput{Snapshot: from})
	g.between(func(q emulator.Request) emulator.Fault {
		if strings.Contains(q.Op, "richTextImageFields") {
			return emulator.Fault{Rewrite: func(status int, _ http.Header, body []byte) (int, []byte) {
				return status, append([]byte("x"), body[1:]...)
			}}
		}
		return emulator.Fault{}
	})
	out, err := run.Apply(t.Context(), g.input(r, filepath.Join(t.TempDir(), "journal")))
	if problem.KindOf(err) != problem.NotVerified || len(out.Differences) != 1 || out.Differences[0].Field != "Tale__c" {
		t.Errorf("%v %+v", err, out.Differences)
	}
}

// TestSeedBringsImagesAlong: another org gets images of its own, and once more there is nothing to do. What is masked brings none.
func TestSeedBringsImagesAlong(t *testing.T) {
	a := newGallery(t)
	a.story("a", picture(1, 500), picture(2, 600))
	a.story("b", picture(3, 700))
	want, from := a.shown(), a.save()
	b := galleryOf(t, emulator.Options{Seed: 99})
	b.store = a.store
	in := run.SeedInput{Snapshot: from, Objects: []string{"Story__c"}}
	prepared := b.seed(in)
	if prepared.Images != 3 {
		t.Errorf("%+v", prepared)
	}
	if out := b.apply(b.restore(run.RestoreInput{Snapshot: prepared.Snapshot.ID})); out.Failed > 0 || out.Unexplained > 0 {
		t.Errorf("%+v %+v", out.Errors, out.Differences)
	}
	b.shows(want)
	b.nothingLeft(run.RestoreInput{Snapshot: b.seed(in).Snapshot.ID})

	c := galleryOf(t, emulator.Options{Seed: 98})
	c.store = a.store
	in.MaskRules, in.MaskKey = "Story__c.Tale__c empty\n", []byte(seedKey)
	masked := c.seed(in)
	if masked.Images != 0 {
		t.Errorf("%+v", masked)
	}
	c.apply(c.restore(run.RestoreInput{Snapshot: masked.Snapshot.ID}))
	if got := c.shown(); strings.Contains(got, "img") {
		t.Errorf("%s", got)
	}
}

// TestImagesInTheirOrder: that each is there is not enough.
func TestImagesInTheirOrder(t *testing.T) {
	g := newGallery(t)
	one, two := strings.Replace(picture(1, 500), "<p>1 ", "<p>", 1), strings.Replace(picture(2, 600), "<p>2 ", "<p>", 1)
	one, two = strings.Replace(one, "p1", "p", 1), strings.Replace(two, "p2", "p", 1)
	id := g.story("a", one, two)
	want, from := g.shown(), g.save()
	rows, err := g.loader.Query(t.Context(), "SELECT Tale__c FROM Story__c")
	g.must(err)
	html, _ := rows[0]["Tale__c"].(string)
	first, second, _ := strings.Cut(html, "</p>")
	g.retell(id, second, first, "</p>")
	if g.shown() == want {
		t.Fatal("they were not swapped")
	}
	r := g.restore(run.RestoreInput{Snapshot: from})
	if len(r.Files) != 0 || r.Totals.Update != 1 {
		t.Errorf("%+v %+v", r.Files, r.Totals)
	}
	g.apply(r)
	g.shows(want)
}

// TestLoadedTextsThatEmbedImages are what was loaded when the org has made images of the same bytes.
func TestLoadedTextsThatEmbedImages(t *testing.T) {
	g := newGallery(t)
	html := picture(1, 500)
	r, err := run.Load(t.Context(), run.LoadInput{
		Restore: run.RestoreInput{Source: g.client, Store: g.store, Capture: capture.Options{OrgName: "prod"}},
		Object:  "Story__c", Op: run.LoadInsert, Columns: []string{"Name", "Tale__c"}, Rows: [][]string{{"a", html}, {"b", picture(2, 30_000)}},
	})
	g.must(err)
	if out := g.apply(r.RestoreResult); out.Failed > 0 || out.Unexplained > 0 {
		t.Errorf("%+v %+v", out.Errors, out.Differences)
	}
	if got := g.shown(); strings.Contains(got, "data:") || strings.Contains(got, "broken") {
		t.Errorf("%s", got)
	}
}

// TestATextIsNotSpoiltForImagesThatAreNotHeld: where a live text shows other images in the place of those that the snapshot
// does not hold, it stays.
func TestATextIsNotSpoiltForImagesThatAreNotHeld(t *testing.T) {
	g := newGallery(t)
	id := g.story("a", picture(1, 500))
	from := g.saveWith(false)
	g.retell(id, picture(1, 600))
	want := g.shown()
	r := g.restore(run.RestoreInput{Snapshot: from})
	if !r.Plan.Empty() {
		t.Errorf("%+v", r.Plan.Steps)
	}
	g.shows(want)
}
