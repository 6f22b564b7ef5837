package config

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzOrgFile: an org file that is read is one that could have been written.
func FuzzOrgFile(f *testing.F) {
	home := f.TempDir()
	orgs := OpenOrgs(home)
	if err := os.MkdirAll(filepath.Join(home, "orgs"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("version: holdfast-org/1\ninstance_url: https://x.my.salesforce.com\nauth: access-token\naccess_token_file: /token\n"))
	f.Add([]byte("version: holdfast-org/2\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := os.WriteFile(orgs.path("one"), body, 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := orgs.Get("one")
		if err != nil {
			return
		}
		if err := o.Validate(); err != nil || o.Name != "one" {
			t.Fatalf("%q is read as %+v: %v", body, o, err)
		}
	})
}
