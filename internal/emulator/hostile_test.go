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
	t.Parallel()
	c := start(t, emulator.Options{})
	c.soap("u/66.0", "delete", strings.Repeat("<ids/>", 500_001)).ok(500).has("the request is not an XML document")
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

func TestTheControlEndpointRefusesWhatHasNoMeaning(t *testing.T) {
	c := start(t, emulator.Options{ControlToken: "steer"})
	for path, bodies := range map[string][]string{
		"hardness": {`{"bulk":{"batchRows":-1}}`, `{"bulk":{"parallel":-1}}`, `{"others":{"every":-1}}`, `{"concurrent":-1}`, `{"tick":"-5h"}`, `{"stampGrain":"-1s"}`},
		"clock":    {`{"set":"9999-12-31T23:59:59Z"}`, `{"set":"0001-01-02T00:00:00Z"}`, `{"set":"0001-01-01T00:00:00Z"}`, `{"advance":"2562047h"}`},
	} {
		for _, body := range bodies {
			c.control("PUT", path, body).ok(400)
		}
	}
	c.control("GET", "hardness", "").ok(200).is("{}")
	c.control("GET", "clock", "").ok(200).is(`{"now":"2026-01-05T08:00:00Z"}`)
}
