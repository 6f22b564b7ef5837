package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// DefaultAPIVersion is the version of the platform's APIs that the package was written against.
const DefaultAPIVersion = "66.0"

// orgPrefix begins the Id of every org: snapshots are kept apart by it.
const orgPrefix = "00D"

// maxReply bounds an answer that is read whole: describes of real objects reach a few MB.
const maxReply = 64 << 20

// Config says which org to reach, as whom, and how carefully.
type Config struct {
	InstanceURL string // the org's My Domain address; http only for the local machine
	Credentials Credentials
	APIVersion  string // such as "66.0"; empty means DefaultAPIVersion
	Budget      Budget

	// Obtain asks whoever keeps the login, such as the sf command line, for an access token; it takes
	// the place of credentials that renew.
	Obtain func(ctx context.Context) (Secret, error)
	// Rotated keeps the refresh token that takes the place of the one given, which the org no longer
	// takes: apps may be set to rotate. Without it the new one lasts as long as the connection.
	Rotated func(refresh Secret) error

	HTTPClient *http.Client      // nil means one with sensible bounds; its redirect policy is not used
	Progress   func(text string) // told of waits and retries, from any goroutine; may be nil

	Now    func() time.Time                           // nil means time.Now
	Sleep  func(context.Context, time.Duration) error // nil means to sleep
	Chance func() float64                             // in [0, 1), for jitter; nil means math/rand
}

// Org is a connection to an org. All methods may be used concurrently.
type Org struct {
	version  string
	loginURL string
	http     *http.Client
	session  *session
	ledger   ledger
	bulk     bulkLedger
	throttle *throttle
	pace     pace
	notice   func(string)
	requests atomic.Int64
	identity sf.Identity

	mu       sync.Mutex
	objects  map[string]*sf.Object // describes so far, by lower-case name
	ended    endedJob              // as JobState has seen it last
	prefixes map[string]string     // key prefix to object name; nil before the first global describe
}

var versionForm = regexp.MustCompile(`^[0-9]{2,3}\.0$`)

// Connect signs in, learns who and where it is, and what is left of the daily API calls. Errors are
// problems: Usage for a Config that cannot work, Unreachable, Unauthorized, NotFound, Limits.
func Connect(ctx context.Context, c Config) (*Org, error) {
	instance, err := checkURL(c.InstanceURL)
	if err != nil {
		return nil, err
	}
	login := instance
	if c.Credentials.LoginURL != "" {
		if login, err = checkURL(c.Credentials.LoginURL); err != nil {
			return nil, err
		}
	}
	version := firstOf(c.APIVersion, DefaultAPIVersion)
	if !versionForm.MatchString(version) {
		return nil, problem.New(problem.Usage, fmt.Sprintf("API version %q", version)).Hint("write it like %s", DefaultAPIVersion)
	}
	share := c.Budget.Share
	if share == 0 {
		share = DefaultShare
	}
	if !(share > 0 && share <= 1) {
		return nil, problem.New(problem.Usage, fmt.Sprintf("API budget of %v of the daily calls", share)).
			Hint("give a share above 0 and up to 1")
	}
	if b := c.Budget.Bandwidth; b != 0 && b < MinBandwidth {
		return nil, problem.Newf(problem.Usage, "a bandwidth of %d bytes a second", b).
			Hint("give at least %d, or none", MinBandwidth)
	}
	s, err := newSession(c, instance)
	if err != nil {
		return nil, err
	}
	o := &Org{
		version: version, loginURL: login, session: s, ledger: ledger{share: share},
		bulk: bulkLedger{share: share}, throttle: newThrottle(),
		objects: map[string]*sf.Object{}, http: httpClient(c.HTTPClient), notice: c.Progress,
		pace: pace{now: c.Now, sleep: c.Sleep, chance: c.Chance},
	}
	o.fillDefaults()
	o.ledger.now = o.pace.now
	if c.Budget.Bandwidth > 0 {
		o.http = slowed(o.http, &flow{rate: c.Budget.Bandwidth, pace: o.pace})
	}
	if o.identity, err = o.whoAmI(ctx); err != nil {
		return nil, err
	}
	return o, o.learnLimits(ctx)
}

func (o *Org) fillDefaults() {
	if o.notice == nil {
		o.notice = func(string) {}
	}
	if o.pace.now == nil {
		o.pace.now = time.Now
	}
	if o.pace.sleep == nil {
		o.pace.sleep = sleepFor
	}
	if o.pace.chance == nil {
		o.pace.chance = rand.Float64
	}
}

// httpClient returns a copy of the client that follows no redirect: the session would travel along.
func httpClient(given *http.Client) *http.Client {
	c := http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}}
	if given != nil {
		c = *given
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// checkURL returns scheme and host of an org's address. Only the local machine may be reached
// without TLS: the session would be readable on the way.
func checkURL(raw string) (string, error) {
	bad := func(why string) error {
		return problem.New(problem.Usage, "address of the org: "+why).
			Hint("write it like https://example.my.salesforce.com")
	}
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil || u.Host == "":
		return "", bad("not a URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return "", bad("it holds more than scheme and host")
	case u.Scheme == "http" && !isLocal(u.Hostname()):
		return "", bad("http:// would show the session to the network")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", bad(fmt.Sprintf("scheme %q", u.Scheme))
	}
	return u.Scheme + "://" + u.Host, nil
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Identity returns the org and user of the connection, as the org named them when it was made.
func (o *Org) Identity(context.Context) (sf.Identity, error) {
	id := o.identity
	_, id.InstanceURL = o.session.current()
	return id, nil
}

// whoAmI asks the OpenID userinfo resource, which also proves the session.
func (o *Org) whoAmI(ctx context.Context) (sf.Identity, error) {
	var info struct {
		UserID   string `json:"user_id"`
		OrgID    string `json:"organization_id"`
		Username string `json:"preferred_username"`
	}
	const what = "connect to the org"
	c := call{what: what, method: http.MethodGet, path: "/services/oauth2/userinfo", repeat: true, attempts: signInAttempts}
	if err := o.json(ctx, c, &info); err != nil {
		return sf.Identity{}, err
	}
	user, errUser := sf.ParseID(info.UserID)
	org, errOrg := sf.ParseID(info.OrgID)
	if err := errors.Join(errUser, errOrg); err != nil {
		return sf.Identity{}, o.giveUp(what, damaged("userinfo: %w", err))
	}
	if org.KeyPrefix() != orgPrefix {
		return sf.Identity{}, o.giveUp(what, damaged("userinfo: %s is not the Id of an org", org))
	}
	return sf.Identity{OrgID: org, UserID: user, Username: info.Username}, nil
}

// learnLimits reads how many daily API calls are used. Some users may not read limits; then the
// header of every answer tells the same.
func (o *Org) learnLimits(ctx context.Context) error {
	var limits limitsReply
	c := call{what: "read the org's limits", method: http.MethodGet, path: o.data("limits"), repeat: true}
	if err := o.json(ctx, c, &limits); err != nil {
		f, ok := errors.AsType[*Fault](err)
		if ok && f.Status == http.StatusForbidden && problem.KindOf(err) == problem.Failed {
			return nil
		}
		return err
	}
	if used, most, ok := limits.of("DailyApiRequests"); ok {
		o.ledger.learn(used, most)
	}
	o.bulk.learn(limits)
	return nil
}

// Usage returns what the connection has spent so far and what the org last said about its limit.
func (o *Org) Usage() sf.Usage {
	_, used, limit := o.ledger.figures()
	return sf.Usage{Calls: o.requests.Load(), DailyUsed: used, DailyLimit: limit}
}

// data returns the path of a REST resource of the connection's API version.
func (o *Org) data(resource string) string { return "/services/data/v" + o.version + "/" + resource }

// json sends a call and decodes its whole JSON answer into out.
func (o *Org) json(ctx context.Context, c call, out any) error {
	c.accept, c.whole = mediaJSON, true
	return o.do(ctx, c, func(resp *http.Response) error {
		if resp.StatusCode == http.StatusNoContent {
			return damaged("answered without content")
		}
		raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
		switch {
		case err != nil:
			return err
		case len(raw) > maxReply:
			return fmt.Errorf("the answer is longer than %d bytes", maxReply)
		}
		if err := json.Unmarshal(raw, out); err != nil {
			return damaged("broken JSON: %w", err)
		}
		return nil
	})
}

// NewestVersion returns the newest version of the APIs that the org serves, such as "67.0".
func (o *Org) NewestVersion(ctx context.Context) (string, error) {
	var reply []struct {
		Version string `json:"version"`
	}
	c := call{what: "list the org's API versions", method: http.MethodGet, path: "/services/data", repeat: true}
	if err := o.json(ctx, c, &reply); err != nil {
		return "", err
	}
	newest := ""
	for _, v := range reply {
		if versionForm.MatchString(v.Version) && (len(v.Version) > len(newest) || len(v.Version) == len(newest) && v.Version > newest) {
			newest = v.Version
		}
	}
	return newest, nil
}
