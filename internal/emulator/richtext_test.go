package emulator_test

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

const story = `<?xml version="1.0" encoding="UTF-8"?><CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
<label>Story</label><pluralLabel>Stories</pluralLabel><nameField><label>Story</label><type>Text</type></nameField>
<deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>
<fields><fullName>Tale__c</fullName><label>Tale</label><type>Html</type><length>1000</length><visibleLines>25</visibleLines></fields>
<fields><fullName>Other__c</fullName><label>Other</label><type>Html</type><length>1000</length><visibleLines>25</visibleLines></fields>
</CustomObject>`

// imageAddress is the form in which the platform refers to an image. Source: REST API Developer Guide, "Get an Image from a Rich
// Text Area Field".
var imageAddress = regexp.MustCompile(`^<p>a<img alt="x" src="https://[^"]+/servlet/rtaImage\?eid=(\w{15})&amp;feoid=\w+&amp;refid=(0EM\w{12})"></img></p>$`)

func embedded(kind, bytes string) string {
	return `<p>a<img alt="x" src="data:` + kind + `;base64,` + base64.StdEncoding.EncodeToString([]byte(bytes)) + `"></img></p>`
}

func stories(t *testing.T) *client {
	t.Helper()
	c := start(t, emulator.Options{Seed: 5})
	c.deploy("ZipFile", "id", packed(c.t, "package.xml", strings.ReplaceAll(manifest, "House__c", "Story__c"), "objects/Story__c.object", story)).
		has("<status>Succeeded</status>")
	return c
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	raw, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// tale returns the HTML of a story and the Id of the image that it shows.
func (c *client) tale(id string) (html, image string) {
	c.t.Helper()
	p := c.query("SELECT Tale__c FROM Story__c WHERE Id = '" + id + "'")
	html, _ = p.Records[0]["Tale__c"].(string)
	m := imageAddress.FindStringSubmatch(html)
	if m == nil || m[1] != id[:15] {
		c.t.Fatalf("%s shows no image of its own: %q", id, html)
	}
	return html, m[2]
}

// TestEmbeddedImagesBecomeImagesOfTheField: through every API alike, each of its own.
func TestEmbeddedImagesBecomeImagesOfTheField(t *testing.T) {
	t.Parallel()
	c := stories(t)
	large := strings.Repeat("picture ", 40_000) // the length of a field is held to what it keeps
	html := embedded("image/png", large)
	one := c.create("Story__c", `{"Name":"rest","Tale__c":`+quoted(t, html)+`}`)
	c.do("POST", "composite/sobjects", `{"records":[{"attributes":{"type":"Story__c"},"Name":"collections","Tale__c":`+quoted(t, html)+`}]}`).ok(200)
	c.soap("u/66.0", "create", `<sObjects><type>Story__c</type><Name>soap</Name><Tale__c><![CDATA[`+html+`]]></Tale__c></sObjects>`).ok(200).has("<success>true</success>")
	small := embedded("image/gif", "small") // a job carries no more than 32,000 characters
	if j := c.load(`{"object":"Story__c","operation":"insert","contentType":"CSV","lineEnding":"LF"}`, "Name,Tale__c\nbulk,\""+strings.ReplaceAll(small, `"`, `""`)+"\"\n"); j.NumberRecordsFailed > 0 || j.State != "JobComplete" {
		t.Fatalf("%+v", j)
	}
	seen := map[string]bool{}
	for _, r := range c.query("SELECT Id, Name FROM Story__c").Records {
		id, _ := r["Id"].(string)
		_, image := c.tale(id)
		want := large
		if r["Name"] == "bulk" {
			want = "small"
		}
		if got := c.do("GET", "sobjects/Story__c/"+id+"/richTextImageFields/Tale__c/"+image, "").ok(200); string(got.body) != want {
			t.Errorf("%s: %d bytes", r["Name"], len(got.body))
		}
		if seen[image] = true; r["Name"] == "rest" && id != one {
			t.Error(id)
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d images", len(seen))
	}
}

// TestImagesStayWithTheirField: an address that points to the image of another record or field is broken, and so is one whose image
// went with the text that showed it; what comes out of the Recycle Bin has its images.
func TestImagesStayWithTheirField(t *testing.T) {
	t.Parallel()
	c := stories(t)
	one := c.create("Story__c", `{"Name":"one","Tale__c":`+quoted(t, embedded("image/png", "first"))+`}`)
	html, image := c.tale(one)
	other := c.create("Story__c", `{"Name":"other","Tale__c":`+quoted(t, html)+`,"Other__c":`+quoted(t, html)+`}`)
	c.do("PATCH", "sobjects/Story__c/"+one, `{"Other__c":`+quoted(t, html)+`}`).ok(204)
	at := func(id, field string) int {
		return c.do("GET", "sobjects/Story__c/"+id+"/richTextImageFields/"+field+"/"+image, "").status
	}
	if at(one, "Tale__c") != 200 || at(one, "Other__c") != 404 || at(other, "Tale__c") != 404 || at(other, "Other__c") != 404 {
		t.Error(at(one, "Tale__c"), at(one, "Other__c"), at(other, "Tale__c"), at(other, "Other__c"))
	}
	c.do("DELETE", "sobjects/Story__c/"+one, "").ok(204)
	if at(one, "Tale__c") != 404 {
		t.Error("a deleted record shows its image")
	}
	c.soap("u/66.0", "undelete", "<ids>"+one+"</ids>").ok(200).has("<success>true</success>")
	if at(one, "Tale__c") != 200 {
		t.Error("an undeleted record does not show its image")
	}
	c.do("PATCH", "sobjects/Story__c/"+one, `{"Tale__c":null}`).ok(204)
	c.do("PATCH", "sobjects/Story__c/"+one, `{"Tale__c":`+quoted(t, html)+`}`).ok(204)
	if at(one, "Tale__c") != 404 {
		t.Error("an image that the field no longer referred to is there")
	}
}

// TestImagesThatCannotBeMade leave an empty address; what is refused leaves nothing.
func TestImagesThatCannotBeMade(t *testing.T) {
	t.Parallel()
	c := stories(t)
	for _, html := range []string{
		embedded("text/html", "x"), embedded("image/png", ""), embedded("image/png", strings.Repeat("x", 1<<20+1)),
		`<p>a<img alt="x" src="data:image/png;base64,!!!"></img></p>`, `<p>a<img alt="x" src="data:image/png,abc"></img></p>`,
	} {
		id := c.create("Story__c", `{"Name":"x","Tale__c":`+quoted(t, html)+`}`)
		if got := c.query("SELECT Tale__c FROM Story__c WHERE Id = '" + id + "'").Records[0]["Tale__c"]; got != `<p>a<img alt="x" src=""></img></p>` {
			t.Errorf("%.60s became %v", html, got)
		}
	}
	c.do("POST", "sobjects/Story__c", `{"Name":"x","Other__c":`+quoted(t, strings.Repeat("x", 1001))+`,"Tale__c":`+quoted(t, embedded("image/png", "lost"))+`}`).ok(400).has("STRING_TOO_LONG")
	id := c.create("Story__c", `{"Name":"x","Tale__c":`+quoted(t, embedded("image/png", "kept"))+`}`)
	html, image := c.tale(id)
	c.do("PATCH", "sobjects/Story__c/"+id, `{"Other__c":`+quoted(t, strings.Repeat("x", 1001))+`,"Tale__c":null}`).ok(400)
	if again, _ := c.tale(id); again != html || c.do("GET", "sobjects/Story__c/"+id+"/richTextImageFields/Tale__c/"+image, "").status != 200 {
		t.Error("a refused update took the image")
	}
}
