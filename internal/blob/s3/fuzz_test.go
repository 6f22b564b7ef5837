package s3

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/problem"
)

// FuzzPage: a page that is accepted says whether it is the last, counts right and names every object.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`<ListBucketResult><Prefix>repo/</Prefix><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>repo/a</Key><Size>1</Size></Contents></ListBucketResult>`), false)
	f.Add([]byte(`<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>`), false)
	f.Add([]byte(`<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>x</NextKeyMarker></ListVersionsResult>`), true)
	f.Fuzz(func(t *testing.T, body []byte, versions bool) {
		query := url.Values{"prefix": {"repo/"}}
		if versions {
			query.Set("versions", "")
		}
		if checkPage(body, query) != nil {
			return
		}
		var p page
		if err := xml.Unmarshal(body, &p); err != nil {
			t.Fatalf("%q is accepted: %v", body, err)
		}
		next := p.NextContinuationToken + p.NextKeyMarker
		if p.IsTruncated == nil || *p.IsTruncated && next == "" || p.KeyCount != nil && *p.KeyCount != len(p.Contents)+len(p.CommonPrefixes) {
			t.Fatalf("%q is accepted", body)
		}
	})
}

// FuzzContentRange: a range that is accepted is the one that was asked for.
func FuzzContentRange(f *testing.F) {
	f.Add("bytes 3-6/10", int64(4), int64(3), int64(4))
	f.Add("bytes 0-0/1", int64(1), int64(0), int64(-1))
	f.Fuzz(func(t *testing.T, part string, got, offset, length int64) {
		if checkRange(part, got, offset, length) == nil && (offset < 0 || got < 0 || length >= 0 && got > length) {
			t.Fatalf("%q of %d bytes for %d from %d is accepted", part, got, length, offset)
		}
	})
}

// FuzzLocation: a location that is accepted names a bucket, and an error never repeats what stands where
// people put passwords.
func FuzzLocation(f *testing.F) {
	f.Add("s3://bucket/prefix?endpoint=https://host:1&region=r&path-style=true&retain-days=7&profile=p&credentials=/f&versions=first")
	f.Add("s3://user:pass@bucket")
	f.Fuzz(func(t *testing.T, location string) {
		c, err := Parse(location)
		if err == nil && (c.Bucket == "" || c.Retention < 0) {
			t.Fatalf("%q is read as %+v", location, c)
		}
		if err != nil && problem.KindOf(err) != problem.Usage {
			t.Fatalf("%q: %v", location, err)
		}
		const secret = "correct-horse"
		if _, err := Parse("s3://" + secret + ":" + secret + "@" + location); err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("the error repeats a password: %v", err)
		}
	})
}

// FuzzCredentialsFile: what is read from a file stands in it.
func FuzzCredentialsFile(f *testing.F) {
	f.Add([]byte("[default]\naws_access_key_id = A\naws_secret_access_key = B\n# x\n[other]\n"))
	name := filepath.Join(f.TempDir(), "credentials")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		value, err := (&keyring{profile: "default"}).readFile(name)
		if err != nil {
			return
		}
		if value.AccessKeyID == "" || !bytes.Contains(text, []byte(value.AccessKeyID)) || !bytes.Contains(text, []byte(value.SecretAccessKey)) {
			t.Fatalf("%q gives %q", text, value.AccessKeyID)
		}
	})
}
