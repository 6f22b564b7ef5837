package sf_test

import (
	"slices"
	"testing"

	"holdfast/internal/sf"
)

func TestRichImages(t *testing.T) {
	const address = "https://x.file.force.com/servlet/rtaImage?eid=a005e000007Dksm&amp;feoid=00N5e00000djU6Y&amp;refid="
	id, err := sf.ParseID("0EM5e000000B9LQ")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		html, want string
		ids        []sf.ID
	}{
		{`<p>a<img alt="x" src="` + address + `0EM5e000000B9LQ"></img>b</p>`, `<p>a<img alt="x" src="NEW"></img>b</p>`, []sf.ID{id}},
		{`<IMG SRC='` + address + `0EM5e000000B9LQ&x=1'><img src="` + address + string(id) + `">`, `<IMG SRC='NEW'><img src="NEW">`, []sf.ID{id, id}},
		// Neither a link to an image, nor what people write, nor an Id that is none.
		{`<a href="` + address + `0EM5e000000B9LQ">`, "", nil},
		{address + `0EM5e000000B9LQ`, "", nil},
		{`<img src="` + address + `0EM5e000000B9L">`, "", nil},
		{`<img src="` + address + `0EM5e000000B9LQAA1">`, "", nil},
		{`<img alt="rtaImage?" src="other">`, "", nil},
	} {
		if c.want == "" {
			c.want = c.html
		}
		got := sf.ReplaceRichImages(c.html, func(sf.ID, string) string { return "NEW" })
		if got != c.want || !slices.Equal(sf.RichImages(c.html), c.ids) {
			t.Errorf("%s became %s, %v", c.html, got, sf.RichImages(c.html))
		}
	}
}

func TestEmbeddedImages(t *testing.T) {
	html := `<p>a<img alt="x" src="data:image/png;base64,YQ=="></img><IMG SRC='data:image/gif;base64,Yg=='>c</p>`
	got := sf.ReplaceEmbeddedImages(html, func(raw []byte) string { return "NEW-" + string(raw) })
	if want := `<p>a<img alt="x" src="NEW-a"></img><IMG SRC='NEW-b'>c</p>`; got != want {
		t.Errorf("%s", got)
	}
	for _, other := range []string{`<img src="data:image/png;base64,!">`, `<a href="data:image/png;base64,YQ==">`, `data:image/png;base64,YQ==`, `<img src="data:text/html;base64,YQ==">`} {
		if got := sf.ReplaceEmbeddedImages(other, func([]byte) string { return "NEW" }); got != other {
			t.Errorf("%s became %s", other, got)
		}
	}
}
