package s3

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/problem"
)

func TestParseLocation(t *testing.T) {
	for location, want := range map[string]Config{
		"s3://bucket":        {Bucket: "bucket"},
		"s3://bucket/":       {Bucket: "bucket"},
		"s3://my.bucket/a/b": {Bucket: "my.bucket", Prefix: "a/b"},
		"s3://bucket/a/?region=eu-central-1&retain-days=30": {
			Bucket: "bucket", Prefix: "a", Region: "eu-central-1", Retention: 30 * 24 * time.Hour,
		},
		"s3://bucket?endpoint=https://s3.example.com:9000&path-style=true&profile=p&credentials=/etc/holdfast/s3": {
			Bucket: "bucket", Endpoint: "https://s3.example.com:9000", PathStyle: true, Profile: "p", CredentialsFile: "/etc/holdfast/s3",
		},
	} {
		got, err := Parse(location)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, %v", location, got, err)
		}
	}
	for _, location := range []string{
		"", "bucket", "s3:", "s3:bucket", "s3:///prefix", "s3://" + testKeyID + ":" + testSecret + "@bucket", "https://bucket",
		"s3://bucket?retain-days=0", "s3://bucket?retain-days=1000000", "s3://bucket?retain-days=x", "s3://bucket?path-style=maybe",
		"s3://bucket?secret=" + "x", "s3://bucket?region=a&region=b", "s3://bucket#x", "s3://bucket:9000/x", "s3://bucket?%zz",
		"s3://bucket?endpoint=https://" + testKeyID + ":" + testSecret + "@host", "s3://bucket?endpoint=ftp://host",
		"s3://bucket?endpoint=https://host/bucket",
	} {
		_, err := Parse(location)
		if problem.KindOf(err) != problem.Usage || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: %v", location, err)
		}
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", testKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", testSecret)
	for name, c := range map[string]Config{
		"bucket":    {Bucket: "No_Bucket"},
		"prefix":    {Bucket: "bucket", Prefix: "/a"},
		"retention": {Bucket: "bucket", Retention: -1},
		"endpoint":  {Bucket: "bucket", Endpoint: "host:9000"},
	} {
		if _, err := Open(t.Context(), c); problem.KindOf(err) != problem.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	for endpoint, want := range map[string]string{
		"": "", "https://s3.eu-west-1.amazonaws.com": "eu-west-1", "https://minio.example.com": defaultRegion,
	} {
		u, err := parseEndpoint(endpoint)
		must(t, err)
		if got := region(Config{}, u); got != want {
			t.Errorf("region of %q: %q, want %q", endpoint, got, want)
		}
	}
}

func TestCredentialsComeFromFilesAndTheEnvironment(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, ".aws", "credentials")
	must(t, os.Mkdir(filepath.Dir(file), 0o700))
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	expect := func(k *keyring, want string) {
		t.Helper()
		v, err := k.Retrieve()
		got := v.AccessKeyID + " " + v.SecretAccessKey + " " + v.SessionToken
		if want == "" && (problem.KindOf(err) != problem.Unauthorized || problem.HintOf(err) == "" || strings.Contains(err.Error(), "hush")) {
			t.Errorf("want a refusal: %s, %v", got, err)
		}
		if want != "" && (err != nil || got != want) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	expect(&keyring{}, "")
	must(t, os.WriteFile(file, []byte("# a comment = x\n[default]\naws_access_key_id = a\naws_secret_access_key=hush=1\n\n"+
		"[ other ]\naws_access_key_id=b\naws_secret_access_key = hush2\naws_session_token = t\n[half]\naws_access_key_id = hush\nhush\n"), 0o600))
	expect(&keyring{}, "a hush=1 ")
	expect(&keyring{profile: "other"}, "b hush2 t")
	expect(&keyring{profile: "half"}, "")
	expect(&keyring{profile: "none"}, "")
	t.Setenv("AWS_PROFILE", "other")
	expect(&keyring{}, "b hush2 t")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "none"))
	expect(&keyring{}, "")
	expect(&keyring{file: file}, "b hush2 t")
	t.Setenv("AWS_ACCESS_KEY_ID", "e")
	expect(&keyring{}, "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hush3")
	expect(&keyring{}, "e hush3 ")
	expect(&keyring{file: file}, "b hush2 t")
	must(t, os.WriteFile(file, make([]byte, maxKeyFile+1), 0o600))
	expect(&keyring{file: file}, "")
}

// TestRotatedCredentialsAreReadAgain: session tokens end in the middle of a long run.
func TestRotatedCredentialsAreReadAgain(t *testing.T) {
	f := newFake(t)
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(id string) {
		must(t, os.WriteFile(file, []byte("[default]\naws_access_key_id="+id+"\naws_secret_access_key="+testSecret+"\n"), 0o600))
	}
	write(testKeyID)
	c := f.config()
	c.CredentialsFile = file
	b, err := Open(t.Context(), c)
	must(t, err)
	write("ROTATED" + testKeyID)
	f.when("PUT", fault{status: 400, body: xmlError("ExpiredToken")})
	if err := b.Put(t.Context(), "k", nil); problem.KindOf(err) != problem.Unauthorized {
		t.Errorf("the fake knows only the first key: %v", err)
	}
	write(testKeyID)
	f.when("PUT", fault{status: 400, body: xmlError("ExpiredToken")})
	must(t, b.Put(t.Context(), "k", nil))
}
