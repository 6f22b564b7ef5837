package emulator_test

import (
	"runtime"
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

// TestSOAPReadsATextInPiecesInOnePass: what is allocated grows with the text, not with its square.
func TestSOAPReadsATextInPiecesInOnePass(t *testing.T) {
	c := start(t, emulator.Options{})
	const pieces, enough = 20_000, 200 << 20 // 20,000 growing copies are 2 GB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	blanks := strings.Repeat("          <!---->", pieces)
	c.soap("u/64.0", "login", "<username>"+c.s.Username+blanks+"</username><password><![CDATA["+c.s.Password+"]]></password>").ok(200).has("<sessionId>")
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > enough {
		t.Errorf("%d bytes to read %d pieces", used, pieces)
	}
}

func TestSOAPBoundsItsElements(t *testing.T) {
	c := start(t, emulator.Options{})
	c.soap("u/66.0", "delete", strings.Repeat("<ids/>", 600_000)).ok(500).has("the request is not an XML document")
}

// TestTokensAreNoFormsInParts: the reader of such forms would keep their files on disk, whatever their size.
func TestTokensAreNoFormsInParts(t *testing.T) {
	c := start(t, emulator.Options{})
	form := func(name, token string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + token + "\r\n--b--\r\n"
	}
	c.header.Set("Authorization", "")
	c.header.Set("Content-Type", "multipart/form-data; boundary=b")
	c.do("POST", "/services/oauth2/revoke", form("token", c.s.RefreshToken)).ok(400)
	c.do("POST", "/services/oauth2/userinfo", form("oauth_token", c.s.AccessToken)).ok(403)
}
