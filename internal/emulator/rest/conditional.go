package rest

import (
	"crypto/sha1" //nolint:gosec // an entity tag is no secret
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// Conditional requests. Source: REST API, "Conditional Request Headers": weak ones by date for records and describes,
// strong ones by entity tag for records of Account; 304 for reads, 412 for what may not go on, 400 for a header of a
// write that cannot be read; a DELETE takes no conditions.

// zones are the abbreviations of time zones that dates of headers come with, beside GMT. Source: the examples of the
// REST API (MST); RFC 822.
var zones = strings.NewReplacer("UTC", "+0000", "GMT", "+0000", "EST", "-0500", "EDT", "-0400", "CST", "-0600", "CDT", "-0500",
	"MST", "-0700", "MDT", "-0600", "PST", "-0800", "PDT", "-0700")

// dateOf reads a date of a header.
func dateOf(text string) (time.Time, bool) {
	at, err := http.ParseTime(text)
	if err != nil {
		at, err = time.Parse(time.RFC1123Z, zones.Replace(text))
	}
	return at, err == nil
}

// reads reports a call that changes nothing.
func reads(c *wire.Call) bool { return c.Method == http.MethodGet || c.Method == http.MethodHead }

// unmodified answers the conditional headers of a request for what changed last at that moment. It
// reports whether it has answered. Dates have whole seconds.
func unmodified(w http.ResponseWriter, c *wire.Call, modified time.Time) bool {
	modified = modified.Truncate(time.Second)
	if since, ok := dateOf(c.Header.Get("If-Modified-Since")); ok && !modified.After(since) && reads(c) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	if since, ok := dateOf(c.Header.Get("If-Unmodified-Since")); ok && modified.After(since) {
		w.WriteHeader(http.StatusPreconditionFailed)
		return true
	}
	if c.Method == http.MethodGet {
		w.Header().Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
	}
	return false
}

// stampOf reads when a record changed last; false when it does not say.
func (a *API) stampOf(c *wire.Call, object *org.Object, id string) (time.Time, bool) {
	f := object.Field("LastModifiedDate")
	if f == nil {
		return time.Time{}, false
	}
	records, err := a.org.Retrieve(c.Caller, object.Name, []string{id}, []string{f.Name})
	if err != nil || len(records) == 0 || records[0] == nil {
		return time.Time{}, false
	}
	for _, cell := range records[0].Cells {
		if cell.Name == f.Name {
			at, err := sf.ParseDatetime(cell.Text)
			return at, err == nil
		}
	}
	return time.Time{}, false
}

// tagOf is the entity tag of a record: a hash of all that it holds. Records of Account alone have one.
func (a *API) tagOf(c *wire.Call, object *org.Object, id string) string {
	if object.Name != "Account" {
		return ""
	}
	records, err := a.org.Retrieve(c.Caller, object.Name, []string{id}, namesOf(object))
	if err != nil || len(records) == 0 || records[0] == nil {
		return ""
	}
	sum := sha1.Sum(wire.AppendRecord(nil, *records[0], c.Root())) //nolint:gosec // the same
	return `"` + base64.StdEncoding.EncodeToString(sum[:]) + `"`
}

// matches reports a tag among those of a header. A server that compresses adds -gzip to a tag.
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.Replace(strings.TrimSpace(one), `-gzip"`, `"`, 1); one == tag || one == "*" {
			return true
		}
	}
	return false
}

// conditional asks the conditional headers about a record, when there are any, and reports whether they were
// the answer.
func (a *API) conditional(w http.ResponseWriter, c *wire.Call, object *org.Object, id string) (bool, error) {
	if c.Method == http.MethodDelete {
		return false, nil
	}
	match, none := c.Header.Get("If-Match"), c.Header.Get("If-None-Match")
	if !reads(c) {
		for _, name := range []string{"If-Match", "If-None-Match", "If-Unmodified-Since"} {
			text := c.Header.Get(name)
			_, dated := dateOf(text)
			if text != "" && !strings.Contains(text, `"`) && text != "*" && !dated {
				return false, wire.BadRequest("INVALID_INPUT", "Invalid value of header "+name+": "+text) // the words are unverified
			}
		}
	}
	if match == "" && none == "" && c.Method != http.MethodGet {
		return a.dated(w, c, object, id), nil
	}
	if tag := a.tagOf(c, object, id); tag != "" {
		switch {
		case match != "" && !matches(match, tag), none != "" && matches(none, tag) && !reads(c):
			w.WriteHeader(http.StatusPreconditionFailed)
			return true, nil
		case none != "" && matches(none, tag):
			w.WriteHeader(http.StatusNotModified)
			return true, nil
		case c.Method == http.MethodGet:
			w.Header().Set("ETag", tag)
		}
	}
	return a.dated(w, c, object, id), nil
}

// dated asks the headers that hold dates.
func (a *API) dated(w http.ResponseWriter, c *wire.Call, object *org.Object, id string) bool {
	if c.Header.Get("If-Modified-Since") == "" && c.Header.Get("If-Unmodified-Since") == "" {
		return false
	}
	at, ok := a.stampOf(c, object, id)
	return ok && unmodified(w, c, at)
}

// describeIfModified and describeGlobalIfModified answer a describe unless the client has it already.
func (a *API) describeIfModified(w http.ResponseWriter, c *wire.Call) error {
	if unmodified(w, c, a.org.SchemaModified()) {
		return nil
	}
	return a.describe(w, c)
}

func (a *API) describeGlobalIfModified(w http.ResponseWriter, c *wire.Call) error {
	if unmodified(w, c, a.org.SchemaModified()) {
		return nil
	}
	return a.describeGlobal(w, c)
}
