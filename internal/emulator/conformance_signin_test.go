package emulator_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// browser is a program that does what somebody at a browser does: it allows the access that is asked for, a
// moment after it has been opened. The client listens only then.
const browser = `#!/bin/sh
(
  sleep 1
  exec curl -sS -L -o /dev/null --noproxy '*' --max-time 20 --data-urlencode username="$LOGIN_USER" --data-urlencode password="$LOGIN_PASSWORD" -d decision=allow "$1"
) >/dev/null 2>&1 &
`

// sfWeb signs in through a browser. The client listens for the answer on a port that its project names.
func sfWeb(t *testing.T, sf commandLine, c *client) {
	sf.dir = t.TempDir()
	path := filepath.Join(sf.dir, "browser")
	if err := os.WriteFile(path, []byte(browser), 0o700); err != nil {
		t.Fatal(err)
	}
	port, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, number, _ := net.SplitHostPort(port.Addr().String())
	if err := port.Close(); err != nil {
		t.Fatal(err)
	}
	sf.file(t, "sfdx-project.json", fmt.Sprintf(`{"packageDirectories":[{"path":"force-app","default":true}],"oauthLocalPort":%s}`, number))
	sf.env = append(slices.Clone(sf.env), "HOME="+sf.dir, "SF_DATA_DIR="+sf.dir, "SF_CACHE_DIR="+sf.dir, "BROWSER="+path,
		"LOGIN_USER="+c.s.Username, "LOGIN_PASSWORD="+c.s.Password)
	var user struct{ Username, OrgID string }
	sf.json(t, &user, "org", "login", "web", "--instance-url", c.s.URL, "--alias", "web")
	if user.Username != c.s.Username || user.OrgID != c.s.OrgID {
		t.Errorf("signed in as %+v", user)
	}
}
