package emulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"holdfast/internal/emulator/bulk"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/rest"
	"holdfast/internal/emulator/soap"
)

// closeGrace is how long Close waits for requests that are being answered.
const closeGrace = 2 * time.Second

// Options of an emulated org. The zero value is an org that suits most tests.
type Options struct {
	Addr       string // default "127.0.0.1:0": any free port of this machine
	Seed       uint64 // names the org: Ids, tokens and arbitrary orders follow from it
	Clock      *org.Clock
	Name       string
	Username   string
	DailyCalls int // DailyApiRequests
	// Features are the optional features of the org that are on.
	Features org.Features
	// BulkPageRows is the number of rows on a page of Bulk results; 0 means 50,000.
	BulkPageRows int
	// SessionLife is how long, by the org's clock, an access token is good for; 0 means for ever.
	SessionLife time.Duration
	// Packages are the managed packages that a deployed InstalledPackage can install: the namespace,
	// and a folder with the package in Metadata API format without its namespace.
	Packages map[string]string
}

// Server is an emulated org that answers HTTP. Its fields say how to sign in; they do not change.
type Server struct {
	URL          string // scheme and host, no trailing slash
	OrgID        string
	UserID       string
	Username     string
	Password     string // for SOAP login and the password grant
	AccessToken  string // of the first user; "<org>!<token>"
	RefreshToken string
	ClientID     string // of the connected app
	ClientSecret string

	org      *org.Org
	sessions *sessions
	app      *app
	rest     *rest.API
	bulk     *bulk.Jobs
	soap     *soap.API
	requests *requests

	server *http.Server
	stop   context.CancelFunc // makes shutdown run
	served chan struct{}      // closed when no more connections are taken
	ended  chan struct{}      // closed when everything has ended
}

// Start makes an org and serves it until Close is called or ctx ends.
func Start(ctx context.Context, o Options) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("listen for the emulated org: %w", err)
	}
	engine := org.New(org.Config{
		Seed: o.Seed, Clock: o.Clock, Name: o.Name, Username: o.Username, DailyCalls: o.DailyCalls, Features: o.Features,
	})
	s := &Server{
		URL:      "http://" + listener.Addr().String(),
		OrgID:    string(engine.ID()),
		UserID:   string(engine.Admin().User),
		org:      engine,
		rest:     rest.New(engine),
		requests: newRequests(),
		served:   make(chan struct{}),
		ended:    make(chan struct{}),
	}
	user, ok := engine.UserByID(engine.Admin().User)
	if !ok {
		return nil, errors.Join(errors.New("the emulated org has no first user"), listener.Close())
	}
	s.Username = user.Username
	s.app = newApp(o.Seed, engine.ID())
	s.sessions = newSessions(engine, o.Seed, o.SessionLife)
	s.ClientID, s.ClientSecret, s.Password = s.app.id, s.app.secret, s.app.password
	s.AccessToken = s.sessions.open(user.ID)
	s.RefreshToken = s.sessions.grant(user.ID)
	s.bulk = bulk.New(bulk.Config{Org: engine, Seed: o.Seed, PageRows: o.BulkPageRows, Rule: s.requests.batchRule})
	s.soap = soap.New(soap.Config{
		Org: engine, Metadata: metadata.New(engine, registry(o.Packages)), Session: s.sessions.caller, Login: s.login, Logout: s.sessions.close,
	})
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go s.serve(listener)
	ctx, s.stop = context.WithCancel(ctx)
	context.AfterFunc(ctx, s.shutdown)
	return s, nil
}

// registry opens the folders of the managed packages.
func registry(packages map[string]string) metadata.Registry {
	r := metadata.Registry{}
	for namespace, folder := range packages {
		r[namespace] = os.DirFS(folder)
	}
	return r
}

// serve ends when shutdown closes the listener, which is how it always ends.
func (s *Server) serve(listener net.Listener) {
	defer close(s.served)
	_ = s.server.Serve(listener)
}

// shutdown runs once, when Close is called or the context of Start ends.
func (s *Server) shutdown() {
	defer close(s.ended)
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		_ = s.server.Close() // the grace is over; what remains is cut
	}
	<-s.served
	s.bulk.Close()
}

// Close stops the server: requests that are being answered get a moment to end, jobs stop. It may be
// called more than once, and returns when everything has ended.
func (s *Server) Close() {
	s.stop()
	<-s.ended
}

// Org returns the engine, for tests that arrange or inspect what no API can.
func (s *Server) Org() *org.Org { return s.org }

// Clock returns the org's clock.
func (s *Server) Clock() *org.Clock { return s.org.Clock() }

// ExpireSessions ends all sessions at once; refresh tokens stay good.
func (s *Server) ExpireSessions() { s.sessions.expireAll() }

// PrivateKeyPEM returns the key with which the connected app signs JWT bearer assertions, made when
// it is first asked for.
func (s *Server) PrivateKeyPEM() []byte { return s.app.keyPEM() }

// login checks a user name and password and opens a session.
func (s *Server) login(username, password string) (token string, user org.User, ok bool) {
	user, found := s.org.UserByName(username)
	if !found || !user.Active || password != s.Password {
		return "", org.User{}, false
	}
	return s.sessions.open(user.ID), user, true
}
