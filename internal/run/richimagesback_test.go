package run_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/run"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// TestADeletedFieldComesBackWithItsImages: the values of a field of rich text that a rollback brings back show what they showed.
func TestADeletedFieldComesBackWithItsImages(t *testing.T) {
	r := ruled(t)
	rich := thing("A=a")
	for path, body := range rich {
		rich[path] = strings.Replace(body, "<length>40</length><type>Text</type>", "<length>1000</length><type>Html</type><visibleLines>25</visibleLines>", 1)
	}
	r.deploy(nil, rich)
	ids := r.insert("Thing__c", testkit.Row{"Name": "a", "A__c": picture(1, 500)})
	b, err := run.Backup(t.Context(), run.BackupInput{Source: r.client, Store: r.store, Options: capture.Options{
		OrgName: "prod", Metadata: r.client, Include: withThings, Files: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.server.Clock().Advance(time.Hour)
	want := r.imagesOf(ids[0])
	r.deploy([]sf.ComponentKey{{Type: "CustomField", Name: "Thing__c.A__c"}})
	after := r.take(withThings...)
	out := r.roll(b.Snapshot.ID, after)
	if len(out.Applied) != 1 || out.Applied[0].Failed > 0 || out.Applied[0].Files.Images != 1 {
		t.Errorf("%+v", out.Applied)
	}
	if got := r.imagesOf(ids[0]); len(got) != 1 || !bytes.Equal(got[0], want[0]) {
		t.Errorf("%d images", len(got))
	}
}

// imagesOf are the bytes of the images that the field of a thing shows.
func (r *release) imagesOf(id string) [][]byte {
	r.Helper()
	rows, err := r.loader.Query(r.Context(), "SELECT A__c FROM Thing__c WHERE Id = '"+id+"'")
	if err != nil {
		r.Fatal(err)
	}
	html, _ := rows[0]["A__c"].(string)
	record, err := sf.ParseID(id)
	if err != nil {
		r.Fatal(err)
	}
	var out [][]byte
	for _, image := range sf.RichImages(html) {
		var raw bytes.Buffer
		if err := r.client.Image(r.Context(), "Thing__c", "A__c", record, image, &raw); err != nil {
			r.Fatal(err)
		}
		out = append(out, raw.Bytes())
	}
	return out
}
