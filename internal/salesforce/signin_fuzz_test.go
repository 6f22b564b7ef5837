package salesforce

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzTokens: the reply to a sign-in gives a token and an address that can be used, or an error that says
// nothing of it.
func FuzzTokens(f *testing.F) {
	f.Add([]byte(`{"access_token":"00D!secret","instance_url":"https://acme.my.salesforce.com","refresh_token":"5Aep"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tokens, err := readTokens(raw)
		if err == nil && tokens.AccessToken == "" {
			t.Fatalf("%q gives no token", raw)
		}
		if err != nil && len(raw) > 200 && strings.Contains(err.Error(), string(raw)) {
			t.Fatalf("the error quotes the reply: %v", err)
		}
	})
}

// FuzzArchive: whatever an org sends as an archive is taken or refused, in bounded memory.
func FuzzArchive(f *testing.F) {
	f.Add([]byte("<r><zipFile>UEsDBA==</zipFile></r>"))
	f.Add([]byte("<a><m:zipFile xmlns:m=\"x\">UE\nsD</m:zipFile>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var archive bytes.Buffer
		filter := &archiveFilter{src: bytes.NewReader(text), to: &archive, room: 1 << 10}
		var rest bytes.Buffer
		_, err := rest.ReadFrom(filter)
		if err == nil && archive.Len() > 1<<10 {
			t.Fatalf("%d bytes of an archive with room for 1024", archive.Len())
		}
	})
}
