package emulator

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/internal/emulator/bulk"
	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/soap"
	"holdfast/internal/emulator/wire"
)

// Hardness is everything that an emulated org does to its clients beyond answering them.
type Hardness = hard.Hardness

// ParseHardness reads the JSON form of a hardness.
func ParseHardness(text []byte) (Hardness, error) { return hard.Parse(text) }

// Injected is one thing that a hardness did.
type Injected = hard.Injected

// storm is a weather as it befalls the requests of one server.
type storm struct {
	org     *org.Org
	weather *hard.Weather

	mu     sync.Mutex
	calls  int64 // data requests since the hardness was set
	active int   // data requests that are being answered
}

func newStorm(o *org.Org, h Hardness) (*storm, error) {
	weather, err := hard.NewWeather(h)
	if err != nil {
		return nil, err
	}
	s := &storm{org: o, weather: weather}
	s.arrange(h)
	return s, nil
}

func (s *storm) set(h Hardness) error {
	if err := s.weather.Set(h); err != nil {
		return err
	}
	s.mu.Lock()
	s.calls = 0
	s.mu.Unlock()
	s.arrange(h)
	return nil
}

// arrange tells the engine what it has to do itself.
func (s *storm) arrange(h Hardness) {
	s.org.SetStampGrain(time.Duration(h.StampGrain))
	if h.DailyCalls > 0 {
		s.org.SetLimit("DailyApiRequests", h.DailyCalls, h.DailyCalls)
	}
	if h.RowLocked == 0 && len(h.Script) == 0 {
		s.org.Contend(nil)
		return
	}
	s.org.Contend(func(a org.Attempt) *org.Error {
		key := a.Object + " " + string(a.ID)
		if yes, _ := s.weather.Draw(hard.RowLocked, key); !yes {
			return nil
		}
		// Source: public replies; the Ids are those of the rows that another transaction holds.
		return &org.Error{
			Code:    "UNABLE_TO_LOCK_ROW",
			Message: "unable to obtain exclusive access to this record or 1 records: " + string(a.ID),
		}
	})
}

// date is the Date header.
func (s *storm) date() string {
	skew := time.Duration(s.weather.Hardness().DateSkew)
	return s.org.Clock().Now().Add(skew).Format(http.TimeFormat)
}

// isData reports a request that spends API calls, as against sign-in and the control endpoint.
func isData(r Request) bool {
	return strings.HasPrefix(r.Path, "/services/data/v") || isSOAP(r) || isAsync(r)
}

// befall says what goes wrong with a request.
func (s *storm) befall(r Request) Fault {
	if !isData(r) {
		return Fault{}
	}
	h := s.weather.Hardness()
	s.mu.Lock()
	s.calls++
	s.active++
	calls, active := s.calls, s.active
	s.mu.Unlock()
	end := func() {
		s.mu.Lock()
		s.active--
		s.mu.Unlock()
	}
	if calls <= int64(h.FirstFreeCall) {
		return Fault{end: end}
	}
	if h.Tick > 0 {
		s.org.Clock().Advance(time.Duration(h.Tick))
	}
	if h.Others.Every > 0 && calls%int64(h.Others.Every) == 0 {
		s.others(h, calls/int64(h.Others.Every))
	}
	f, refused := s.ruled(h, r, calls, active)
	if !refused {
		f = s.drawn(h, r)
	}
	f.end = end
	return f
}

// ruled applies what is counted or timed.
func (s *storm) ruled(h Hardness, r Request, calls int64, active int) (Fault, bool) {
	switch {
	case h.RetiredBelow > 0 && retired(h.RetiredBelow, r):
		s.weather.Note(hard.Retired, r.Op, "")
		return retirement(r), true
	case within(h.Maintenance, s.org.Clock().Now()):
		s.weather.Note(hard.Maintenance, r.Op, "")
		return refusal(r, "SERVER_UNAVAILABLE", "The server is down for maintenance"), true // words unverified
	case h.Concurrent > 0 && active > h.Concurrent:
		s.weather.Note(hard.Concurrent, r.Op, "")
		// Source: the reply in SalesforceLabs/OrgCheck#432.
		return refusal(r, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."), true
	case h.TokenCalls > 0 && calls%int64(h.TokenCalls) == 0:
		s.weather.Note(hard.TokenExpired, r.Op, "")
		return Fault{ExpireToken: true}, true
	}
	return Fault{}, false
}

func within(windows []hard.Window, now time.Time) bool {
	for _, w := range windows {
		if !now.Before(w.From) && now.Before(w.To) {
			return true
		}
	}
	return false
}

// versionOf returns the major version that a path asks for, or 0.
func versionOf(r Request) int {
	segments := wire.Segments(r.Path)
	if len(segments) < 3 {
		return 0
	}
	text := strings.TrimPrefix(segments[2], "v")
	if isSOAP(r) && len(segments) > 3 {
		text = segments[3]
	}
	major, _ := soap.Major(text)
	return major
}

func isSOAP(r Request) bool { return strings.HasPrefix(r.Path, "/services/Soap/") }

// isAsync reports a request to the older Bulk API.
func isAsync(r Request) bool { return strings.HasPrefix(r.Path, "/services/async/") }

func retired(below int, r Request) bool {
	v := versionOf(r)
	return v >= wire.FirstVersion && v < below
}

// retirement is how each surface refuses a retired version: REST with 410, both kinds of Bulk with
// InvalidVersion and 400, SOAP with a fault. Source: API End-of-Life policy as reported by apexhours.com.
func retirement(r Request) Fault {
	if strings.Contains(r.Op, " jobs/") {
		return refusal(r, "INVALIDVERSION", "InvalidVersion : Unsupported API version")
	}
	return refusal(r, "UNSUPPORTED_API_VERSION", "API version "+strconv.Itoa(versionOf(r))+".0 is retired")
}

// refusal is a reply with one error in the shape of the surface.
func refusal(r Request, code, message string) Fault {
	e := wire.BadRequest(code, message)
	if isSOAP(r) {
		return Fault{
			Status: http.StatusInternalServerError, Header: http.Header{"Content-Type": {"text/xml;charset=UTF-8"}},
			Body: string(soap.Fault(e)),
		}
	}
	if isAsync(r) { // that an org which is down says so with 5xx, as elsewhere, is unverified
		status := http.StatusBadRequest
		if e.Status >= http.StatusInternalServerError {
			status = e.Status
		}
		kind, body := bulk.ClassicError(r.Header, e)
		return Fault{Status: status, Header: http.Header{"Content-Type": {kind}}, Body: string(body)}
	}
	return Fault{
		Status: e.Status, Header: http.Header{"Content-Type": {"application/json;charset=UTF-8"}}, Body: string(e.Body()),
	}
}

// keyLength bounds the key of a request in the log; longer ones are cut and told apart by a hash.
const keyLength = 160

// keyOf says what a request asks for, as draws count it.
func keyOf(r Request) string {
	key := r.Op
	if r.Query != "" {
		key += "?" + r.Query
	}
	if len(key) <= keyLength {
		return key
	}
	f := fnv.New64a()
	_, _ = f.Write([]byte(key)) // a hash takes everything
	return fmt.Sprintf("%s… %016x", key[:keyLength], f.Sum64())
}

// drawn applies what is left to chance. Of the refusals the first one drawn wins.
func (s *storm) drawn(h Hardness, r Request) Fault {
	key := keyOf(r)
	if yes, _ := s.weather.Draw(hard.CutBefore, key); yes {
		return Fault{Cut: true}
	}
	for _, name := range []string{
		hard.TooMany, hard.LimitExceeded, hard.ConcurrentLimit, hard.UnknownException, hard.Unavailable, hard.GatewayPage,
		hard.QueryTimeout, hard.LocatorLost,
	} {
		if name == hard.QueryTimeout && !isQuery(r) || name == hard.LocatorLost && !isLaterPage(r) {
			continue
		}
		if yes, x := s.weather.Draw(name, key); yes {
			return refusalOf(name, r, x)
		}
	}
	var f Fault
	if isPage(r) {
		if yes, _ := s.weather.Draw(hard.SlowPage, key); yes {
			f.Delay = time.Duration(h.SlowFor)
			if f.Delay == 0 {
				f.Delay = defaultSlow
			}
		}
		f.Rewrite = s.shortening(h, r, key)
	}
	if yes, _ := s.weather.Draw(hard.LoseReply, key); yes {
		f.DropReply = true
	}
	if yes, _ := s.weather.Draw(hard.StripHeaders, key); yes {
		f.StripHeaders = []string{"Sforce-*"}
	}
	if yes, x := s.weather.Draw(hard.CutBody, key); yes {
		f.CutAt = func(size int64) int64 { return 1 + int64(x%uint64(max(size, 1))) }
	}
	return f
}

// defaultSlow is how long a slow page takes.
const defaultSlow = 50 * time.Millisecond

// isQuery reports a request that runs a query at once.
func isQuery(r Request) bool {
	return r.Op == "GET query" || r.Op == "GET queryAll" || r.Op == "SOAP query" || r.Op == "SOAP queryAll"
}

// isLaterPage reports a request for a further page of an answer.
func isLaterPage(r Request) bool {
	return strings.HasPrefix(r.Op, "GET query/") || strings.HasPrefix(r.Op, "GET queryAll/") || r.Op == "SOAP queryMore" ||
		isResults(r) && strings.Contains(r.Query, "locator=")
}

func isResults(r Request) bool { return r.Op == "GET jobs/query/*/results" }

// isPage reports a request for rows.
func isPage(r Request) bool { return isQuery(r) || isLaterPage(r) || isResults(r) }

// refusalOf is the refusal of that name. The number chooses what varies.
func refusalOf(name string, r Request, x uint64) Fault {
	switch name {
	case hard.TooMany:
		return Fault{
			Status: http.StatusTooManyRequests, Body: "Too Many Requests",
			Header: http.Header{"Retry-After": {"0"}, "Content-Type": {"text/plain"}},
		}
	case hard.LimitExceeded:
		return refusal(r, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	case hard.ConcurrentLimit:
		return refusal(r, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
	case hard.UnknownException:
		return refusal(r, "UNKNOWN_EXCEPTION", fmt.Sprintf(
			"An unexpected error occurred. Please include this ErrorId if you contact support: %d-%d (%d)", x%1e9, x>>32%1e5, int32(x)))
	case hard.Unavailable:
		return refusal(r, "SERVER_UNAVAILABLE", "The server is currently unavailable") // words unverified
	case hard.GatewayPage:
		return Fault{
			Status: http.StatusServiceUnavailable, Header: http.Header{"Content-Type": {"text/html"}},
			Body: "<html><head><title>503 Service Unavailable</title></head><body>We are down for maintenance.</body></html>",
		}
	case hard.QueryTimeout:
		return refusal(r, "QUERY_TIMEOUT", "Your query request was running for too long.")
	}
	return refusal(r, "INVALID_QUERY_LOCATOR", "invalid query locator")
}
