package wire

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
)

// Versions of the API that the emulated org serves. Versions 7 to 30 are retired.
// Source: API End-of-Life policy as reported by apexhours.com and vantagepoint.io.
const (
	FirstVersion = 31
	LastVersion  = 68
)

// Call is one API request of a signed-in user.
type Call struct {
	*http.Request
	Caller  org.Caller
	Version string // such as "66.0"
	BaseURL string // scheme and host as the client sees them, no trailing slash
	// Path is what follows the version, split at slashes, empty segments left out.
	Path []string
}

// Root is the path of the resources of this version: /services/data/v66.0.
func (c *Call) Root() string { return "/services/data/v" + c.Version }

// Major returns the number of the version before the point.
func (c *Call) Major() int {
	major, _, _ := strings.Cut(c.Version, ".")
	n, _ := strconv.Atoi(major)
	return n
}

// Is reports whether the path after the version has these segments; "*" matches any one.
func (c *Call) Is(segments ...string) bool {
	if len(c.Path) != len(segments) {
		return false
	}
	for i, s := range segments {
		if s != "*" && !strings.EqualFold(s, c.Path[i]) {
			return false
		}
	}
	return true
}

// Sub returns the same caller's call of another method and target, as a composite request makes it.
// The target is a path with its query, such as /services/data/v66.0/query?q=….
func (c *Call) Sub(method, target string, body []byte) (*Call, error) {
	r, err := http.NewRequestWithContext(c.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		return nil, BadRequest("INVALID_INPUT", "the url of a subrequest cannot be read: "+target)
	}
	r.Header.Set("Content-Type", "application/json")
	version, rest, ok := SplitDataPath(r.URL.Path)
	if !ok {
		return nil, NotFound()
	}
	sub := &Call{Request: r, Caller: c.Caller, Version: version, BaseURL: c.BaseURL, Path: rest}
	sub.Caller.Version = sub.Major()
	return sub, nil
}

// SplitDataPath takes /services/data/v66.0/a/b apart into the version and its segments. Double and
// trailing slashes do not count: the official command line sends both.
func SplitDataPath(path string) (version string, rest []string, ok bool) {
	segments := Segments(path)
	if len(segments) < 3 || segments[0] != "services" || segments[1] != "data" || !strings.HasPrefix(segments[2], "v") {
		return "", nil, false
	}
	return segments[2][1:], segments[3:], true
}

// Segments splits a path at slashes and leaves empty segments out.
func Segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// Reply writes v as JSON with that status.
func Reply(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return ReplyBytes(w, status, b.Bytes())
}

// ReplyBytes writes a body that is JSON already.
func ReplyBytes(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}
