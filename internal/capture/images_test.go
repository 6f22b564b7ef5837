package capture_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// pictures is an org with a field of rich text, and images in it.
type pictures struct {
	*emulated
	of map[sf.ID][]byte // bytes of each image
}

func newPictures(t *testing.T) *pictures {
	p := &pictures{emulated: newFiles(t), of: map[sf.ID][]byte{}}
	p.deploy(map[string]string{"objects/Story__c.object": `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus><label>Story</label><pluralLabel>Stories</pluralLabel>
  <nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
  <fields><fullName>Tale__c</fullName><label>Tale</label><type>Html</type><length>32768</length><visibleLines>25</visibleLines></fields>
</CustomObject>`})
	return p
}

// image keeps an image and returns its Id and HTML that shows it.
func (p *pictures) image(n int) (sf.ID, string) {
	p.Helper()
	raw := bytes.Repeat([]byte{byte(n), 'p', 'n', 'g'}, n+1)
	id, src, err := p.server.AddImage(raw)
	if err != nil {
		p.Fatal(err)
	}
	p.of[id] = raw
	return id, `<p>before <img alt="x" src="https://acme.file.force.com` + src + `"></img> after</p>`
}

func (p *pictures) story(html string) sf.ID {
	p.Helper()
	return p.write(org.Insert, []org.Row{{Object: "Story__c", Fields: []org.Assignment{
		{Field: "Name", Text: "story"}, {Field: "Tale__c", Text: html},
	}}}, org.Options{})[0]
}

// want compares the images that are held with these; nil stands for one that is missing.
func (p *pictures) want(ids ...sf.ID) {
	p.Helper()
	held := p.heldFiles(capture.Images, capture.ImageBody)
	if len(held) != len(ids) {
		p.Errorf("%d images are held, want %d", len(held), len(ids))
	}
	for _, id := range ids {
		if raw, found := held[id]; !found || !bytes.Equal(raw, p.of[id]) {
			p.Errorf("image %s: %d bytes are held (%t), want %d", id, len(raw), found, len(p.of[id]))
		}
	}
	if report, err := p.store.Verify(p.Context(), snapshot.VerifyOptions{}, nil); err != nil {
		p.Errorf("%v: %+v", err, report)
	}
}

// TestRichTextImagesAreHeld: each image once, read once, with its record, and gone when nothing refers to it.
func TestRichTextImagesAreHeld(t *testing.T) {
	p := newPictures(t)
	a, showA := p.image(1)
	b, showB := p.image(200)
	c, showC := p.image(3000)
	p.story(showA + showB)
	second := p.story(showC + showA) // what was copied from another record shows the same image
	p.story("no image, and <p>rtaImage?refid=nothing</p>")
	asked := 0
	p.withFiles(func(r emulator.Request) emulator.Fault {
		if strings.Contains(r.Op, "richTextImageFields") {
			asked++
		}
		return emulator.Fault{}
	})
	r := p.back()
	p.want(a, b, c)
	if got := filesResult(r, capture.Images); got.Read != 3 || got.Bodies.Held != 3 || asked != 3 {
		t.Errorf("%+v, %d asked for", got, asked)
	}
	p.server.Clock().Advance(time.Hour)
	p.back()
	p.server.Clock().Advance(time.Hour)
	d, showD := p.image(4)
	p.update(second, "Tale__c", showD)
	p.back()
	p.want(a, b, d)
	if asked != 4 {
		t.Errorf("%d images were asked for, want each once", asked)
	}
	p.server.Clock().Advance(time.Hour)
	p.write(org.Delete, []org.Row{{ID: string(second)}}, org.Options{})
	p.back()
	p.want(a, b)
	p.opts.Files = false
	p.server.Clock().Advance(time.Hour)
	p.story(showD)
	if r := p.back(); gapOf(r, snapshot.Files.Name(capture.Images), "") != capture.RuleFilesEarlier {
		t.Errorf("images that were not read are not named: %+v", r.Coverage)
	}
	p.want(a, b)
}

// TestRichTextImagesThatAreNotGiven: one that the org no longer has is named; one that did not come is missing,
// makes the snapshot partial, and is read by the next run.
func TestRichTextImagesThatAreNotGiven(t *testing.T) {
	p := newPictures(t)
	a, showA := p.image(1)
	b, showB := p.image(2)
	p.story(showA + showB + `<img src="/servlet/rtaImage?eid=x&amp;refid=0EM000000000abc">`)
	p.withFiles(func(r emulator.Request) emulator.Fault {
		if strings.Contains(r.Op, "richTextImageFields") && strings.HasSuffix(r.Path, string(b)) {
			return emulator.Fault{CutAfter: 1}
		}
		return emulator.Fault{}
	})
	if _, err := capture.Run(t.Context(), p.client, p.store, p.opts); err == nil || !strings.Contains(err.Error(), "1 of 2 files") {
		t.Errorf("%v", err)
	}
	raw := p.of[b]
	p.of[b] = nil
	p.want(a, b)
	p.of[b] = raw
	p.withFiles(nil)
	p.server.Clock().Advance(time.Hour)
	r := p.back()
	p.want(a, b)
	named := ""
	for _, g := range r.Coverage {
		if g.Object == snapshot.Files.Name(capture.Images) {
			named += g.Reason
		}
	}
	if !strings.Contains(named, "0EM000000000abcGAA") {
		t.Errorf("an image that the org does not have is not named: %q", named)
	}
}

// TestRichTextImagesThatAreNotAskedFor are named by the object that refers to them.
func TestRichTextImagesThatAreNotAskedFor(t *testing.T) {
	p := newPictures(t)
	_, show := p.image(1)
	p.story(show)
	p.opts.Files = false
	if r := p.back(); gapOf(r, "Story__c", "") != capture.RuleBase64 {
		t.Errorf("%+v", r.Coverage)
	}
}

// TestRichTextImagesAreReadAfterRunsWithoutThem: runs that read no images take over what is held, and the next one that does reads what
// came meanwhile, although nothing changed since: of objects with images and of those without any yet.
func TestRichTextImagesAreReadAfterRunsWithoutThem(t *testing.T) {
	p := newPictures(t)
	p.deploy(map[string]string{"objects/Other__c.object": `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <deploymentStatus>Deployed</deploymentStatus><label>Other</label><pluralLabel>Others</pluralLabel>
  <nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>
  <fields><fullName>Tale__c</fullName><label>Tale</label><type>Html</type><length>32768</length><visibleLines>25</visibleLines></fields>
</CustomObject>`})
	a, showA := p.image(1)
	first := p.story(showA)
	p.back()
	p.want(a)
	b, showB := p.image(2)
	c, showC := p.image(3)
	p.opts.Files = false
	for i := range 3 { // the last of them reads nothing
		p.server.Clock().Advance(time.Hour)
		switch i {
		case 0:
			p.update(first, "Tale__c", showB)
			p.write(org.Insert, []org.Row{{Object: "Other__c", Fields: []org.Assignment{{Field: "Name", Text: "o"}, {Field: "Tale__c", Text: showC}}}}, org.Options{})
		case 1:
			p.story("no image")
		}
		if r := p.back(); gapOf(r, "Other__c", "") != capture.RuleBase64 {
			t.Errorf("run %d does not say that images are owed: %+v", i, r.Coverage)
		}
		p.want(a)
	}
	p.opts.Files = true
	p.server.Clock().Advance(time.Hour)
	if r := p.back(); gapOf(r, "Other__c", "") != "" {
		t.Errorf("%+v", r.Coverage)
	}
	p.want(b, c)
	p.server.Clock().Advance(time.Hour)
	if r := p.back(); gapOf(r, "Other__c", "")+gapOf(r, "Story__c", "") != "" {
		t.Errorf("%+v", r.Coverage)
	}
	p.want(b, c)
}
