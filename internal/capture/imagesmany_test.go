package capture_test

import (
	"fmt"
	"testing"

	"holdfast/internal/capture"
	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// TestRichTextImagesThatManyRecordsShow: an image is read once, from the record that it is of, wherever that stands among those
// that show it, and no copy of its address counts as one that the org does not give.
func TestRichTextImagesThatManyRecordsShow(t *testing.T) {
	p := newPictures(t)
	early, showEarly := p.image(1)
	late, showLate := p.image(2)
	p.story(showEarly)
	owner := p.story("to be")
	p.update(owner, "Tale__c", showLate)
	var rows []org.Row
	want := []sf.ID{early, late}
	for i := range 1_100 {
		id, show := p.image(3)
		want = append(want, id)
		if i == 10 || i == 1_050 {
			show += showEarly + showLate
		}
		rows = append(rows, org.Row{Object: "Story__c", Fields: []org.Assignment{{Field: "Name", Text: fmt.Sprint(i)}, {Field: "Tale__c", Text: show}}})
	}
	p.write(org.Insert, rows, org.Options{})
	r := p.back()
	p.want(want...)
	if got := filesResult(r, capture.Images); got.Read != int64(len(want)) {
		t.Errorf("%d images were read, want %d", got.Read, len(want))
	}
	if g := gapOf(r, snapshot.Files.Name(capture.Images), ""); g != "" {
		t.Errorf("%s", g)
	}
}
