package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/internal/problem"
)

func sample(name string) Org {
	return Org{
		Name: name, InstanceURL: "https://example.my.salesforce.com", Auth: AuthJWT,
		JWTKeyFile: "/secrets/key.pem", ClientID: "3MVG9", Username: "backup@example.com",
	}
}

func TestOrgsRememberWhatWasAdded(t *testing.T) {
	orgs := OpenOrgs(t.TempDir())
	for _, name := range []string{"prod", "a.b-c_D"} {
		if err := orgs.Add(sample(name)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := orgs.List()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Org{sample("a.b-c_D"), sample("prod")}, got); diff != "" {
		t.Fatal(diff)
	}
	if err := orgs.Remove("prod"); err != nil {
		t.Fatal(err)
	}
	if _, err := orgs.Get("prod"); problem.KindOf(err) != problem.NotFound {
		t.Fatalf("a removed org: %v", err)
	}
	if err := orgs.Remove("prod"); problem.KindOf(err) != problem.NotFound {
		t.Fatalf("removed twice: %v", err)
	}
}

func TestAnOrgIsNeverOverwritten(t *testing.T) {
	orgs := OpenOrgs(t.TempDir())
	if err := orgs.Add(sample("prod")); err != nil {
		t.Fatal(err)
	}
	other := sample("prod")
	other.InstanceURL = "https://other.my.salesforce.com"
	if err := orgs.Add(other); problem.KindOf(err) != problem.Usage {
		t.Fatalf("a second org of one name: %v", err)
	}
	got, err := orgs.Get("prod")
	if err != nil || got.InstanceURL != sample("prod").InstanceURL {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestWhatCannotBeAnOrg(t *testing.T) {
	for what, spoil := range map[string]func(*Org){
		"a path":             func(o *Org) { o.Name = "../prod" },
		"no name":            func(o *Org) { o.Name = "" },
		"no sign-in":         func(o *Org) { o.Auth = "" },
		"no key":             func(o *Org) { o.JWTKeyFile = "" },
		"no URL":             func(o *Org) { o.InstanceURL = "" },
		"a URL in the clear": func(o *Org) { o.InstanceURL = "http://example.com" },
		"a URL with a path":  func(o *Org) { o.InstanceURL = "https://example.com/services" },
		"a URL with a user":  func(o *Org) { o.InstanceURL = "https://me@example.com" },
		"an unknown scheme":  func(o *Org) { o.InstanceURL = "ftp://example.com" },
		"a bad login URL":    func(o *Org) { o.LoginURL = "login" },
		"a look-alike":       func(o *Org) { o.InstanceURL = "http://localhost.example.com" },
		"another look-alike": func(o *Org) { o.InstanceURL = "http://127.0.0.1.example.com" },
	} {
		o := sample("prod")
		spoil(&o)
		if err := o.Validate(); problem.KindOf(err) != problem.Usage {
			t.Errorf("%s: %v", what, err)
		}
	}
	local := sample("emulator")
	local.InstanceURL = "http://127.0.0.1:8181"
	if err := local.Validate(); err != nil {
		t.Errorf("http on loopback: %v", err)
	}
}

func TestAnOrgFileIsReadStrictly(t *testing.T) {
	home := t.TempDir()
	orgs := OpenOrgs(home)
	if err := orgs.Add(sample("prod")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "orgs", "prod.yaml")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"an unknown field":   string(good) + "password: hunter2\n",
		"an unknown version": strings.Replace(string(good), orgVersion, "holdfast-org/9", 1),
		"not YAML":           "{",
		"empty":              "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := orgs.Get("prod")
		if problem.KindOf(err) != problem.Usage || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestASecretThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("00D!abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadToken(path); got != "00D!abc" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err := ReadToken(path)
	if problem.KindOf(err) != problem.Usage || !strings.Contains(problem.HintOf(err), "chmod 600") {
		t.Fatalf("readable by the group: %v (%s)", err, problem.HintOf(err))
	}
	for what, body := range map[string]string{"two lines": "a\nb\n", "empty": "\n", "long": strings.Repeat("a", 70_000), "control": "a\x00b"} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadToken(path); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v (%s)", what, err, problem.HintOf(err))
		}
	}
	for what, path := range map[string]string{"folder": t.TempDir(), "nothing": path + "x", "below a file": path + "/x"} {
		if _, err := ReadToken(path); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v (%s)", what, err, problem.HintOf(err))
		}
	}
}

func TestHomeFollowsTheEnvironment(t *testing.T) {
	env := map[string]string{"XDG_CONFIG_HOME": "/x"}
	get := func(k string) string { return env[k] }
	if got, err := HomeDir(get); got != "/x/holdfast" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	env["HOLDFAST_HOME"] = "/h"
	if got, err := HomeDir(get); got != "/h" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	if Repo.Value("flag", get) != "flag" || Repo.Value("", get) != "" {
		t.Fatal("a flag comes before the environment")
	}
	env["HOLDFAST_REPO"] = "/r"
	if Repo.Value("", get) != "/r" {
		t.Fatal("the environment comes before nothing")
	}
}

// A secret that somebody gives in place of the name of its file is in no error.
func TestASecretIsNoFileName(t *testing.T) {
	for _, secret := range []string{
		"AGE-SECRET-KEY-1QQPQQQQ", "age-secret-key-1qqpqqqq", "force://PlatformCLI::5Aep861@example.my.salesforce.com",
		"00D000000000001!AQ0AQ", "-----BEGIN RSA PRIVATE KEY-----",
	} {
		_, err := ReadSecret(secret)
		if problem.KindOf(err) != problem.Usage || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "is a secret itself") {
			t.Errorf("%.12s: %v", secret, err)
		}
	}
}
