package emulator

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"holdfast/internal/emulator/bulk"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/rest"
	"holdfast/internal/emulator/soap"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
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
	// Hardness is what the org does to its clients beyond answering them.
	Hardness Hardness
	// Kind is what a new org is for; empty means metadata.Developer. Deployments have stricter rules in production.
	Kind metadata.OrgKind
	// Features are the optional features of the org that are on.
	Features org.Features
	// Permissions are what the first user of a new org may do beyond a System Administrator, by the names in
	// metadata, such as BulkApiHardDelete; see org.Config.
	Permissions []string
	// StrictFieldAccess hides fields that were deployed from everybody, the administrator too, until a profile or a permission
	// set gives them; see org.Config.
	StrictFieldAccess bool
	// Key makes tokens and passwords that nobody can work out who does not have it; empty: they follow from the seed alone, as
	// practice and tests want it. An org with records of somebody has one: whoever is on this machine can call it.
	Key []byte
	// TLSAddr is where https is served beside http, such as "127.0.0.1:0"; empty means nowhere.
	TLSAddr string
	// Apps are connected apps beside the first one and the official command line.
	Apps []App
	// BulkPageRows is the number of rows on a page of Bulk results; 0 means 50,000.
	BulkPageRows int
	// BulkChunkRows is the largest number of rows of a chunk of a Bulk 2.0 query; 0 means 100,000.
	BulkChunkRows int
	// SessionLife is how long, by the org's clock, an access token is good for; 0 means for ever.
	SessionLife time.Duration
	// Packages are the managed packages that a deployed InstalledPackage can install: the namespace,
	// and a folder with the package in Metadata API format without its namespace.
	Packages map[string]string
	// Folder is where the org is kept: what is there is read at the start, and the org is saved now and
	// then and at the end. Empty: the org is in memory alone. One process can have it open at a time.
	Folder string
	// Sandbox, when the folder is new, lets the org begin as a sandbox of that name of the org that is
	// kept in the folder SandboxOf.
	Sandbox, SandboxOf string
	// ControlToken opens the control endpoint below /_holdfast/ to whoever on this machine has it;
	// empty: there is no such endpoint.
	ControlToken string

	memory *memory // of a sandbox; nil: a new org, or that of Folder
}

// Server is an emulated org that answers HTTP. Its fields say how to sign in; they do not change.
type Server struct {
	URL          string // scheme and host, no trailing slash
	SecureURL    string // the same over https; empty without Options.TLSAddr
	OrgID        string
	UserID       string
	Username     string
	Password     string // for SOAP login and the password grant
	AccessToken  string // of the first user; "<org>!<token>"
	RefreshToken string
	ClientID     string // of the connected app
	ClientSecret string
	Kept         bool // the org was in the folder, or is a sandbox of one that was

	org      *org.Org
	sessions *sessions
	app      *app // the first
	apps     apps
	ca       *authority // nil without https
	rest     *rest.API
	bulk     *bulk.Jobs
	soap     *soap.API
	metadata *metadata.Store
	requests *requests

	options Options
	memory  *memory
	folder  *folder // nil: in memory alone

	saving    sync.Mutex // guards what follows, and lets one save at a time
	snapshots map[string]*memory
	sandboxes []*Server
	failed    error // of the last save

	holding sync.Mutex
	release func() // ends the hold on jobs that the control endpoint began; nil: there is none

	server *http.Server
	stop   context.CancelFunc // makes shutdown run
	served sync.WaitGroup     // of the listeners, until no more connections are taken
	ended  chan struct{}      // closed when everything has ended
}

// Start makes an org and serves it until Close is called or ctx ends.
func Start(ctx context.Context, o Options) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("listen for the emulated org: %w", err)
	}
	m, kept, known, err := remember(o)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	engine := m.Org
	cursors := wire.NewCursors(engine)
	s := &Server{
		URL:      "http://" + listener.Addr().String(),
		OrgID:    string(engine.ID()),
		UserID:   string(engine.Admin().User),
		org:      engine,
		requests: newRequests(),
		ended:    make(chan struct{}),
		options:  o,
		memory:   m,
		folder:   kept,
		Kept:     known,
	}
	if s.requests.storm, err = newStorm(engine, o.Hardness); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	user, ok := engine.UserByID(engine.Admin().User)
	if !ok {
		return nil, errors.Join(errors.New("the emulated org has no first user"), listener.Close())
	}
	s.Username = user.Username
	secure, err := s.listenTLS(ctx, o.TLSAddr)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	key := append(binary.BigEndian.AppendUint64(nil, o.Seed), o.Key...)
	s.app, s.apps = newApps(key, engine.ID(), o.Apps)
	s.sessions = newSessions(engine, key, o.SessionLife)
	s.ClientID, s.ClientSecret, s.Password = s.app.ClientID, s.app.ClientSecret, s.sessions.password(user.ID)
	s.AccessToken = s.sessions.open(session{user: user.ID, app: s.app, scope: defaultScope})
	s.RefreshToken = s.sessions.grant(refreshToken{user: user.ID, app: s.app, scope: defaultScope})
	s.bulk = bulk.New(bulk.Config{Org: engine, Seed: o.Seed, PageRows: o.BulkPageRows, ChunkRows: o.BulkChunkRows, Rule: s.requests.batchRule, Weather: s.requests.storm.weather})
	s.metadata = m.Metadata
	s.rest = rest.New(rest.Config{
		Org: engine, Cursors: cursors, Components: components(s.metadata), ValueSet: s.metadata.ValueSet, Layouts: s.metadata,
	})
	s.soap = soap.New(soap.Config{
		Org: engine, Metadata: s.metadata, Session: s.sessions.caller, Login: s.login, Logout: s.sessions.close,
		SetPassword: s.sessions.setPassword, NewPassword: s.sessions.newPassword, SessionLife: o.SessionLife, Cursors: cursors,
	})
	// What clients do wrong is told to them: the log of the standard library would write it on stderr.
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	s.served.Go(func() { s.serve(listener) })
	if secure != nil {
		s.served.Go(func() { s.serve(secure) })
	}
	ctx, s.stop = context.WithCancel(ctx)
	if s.folder != nil {
		s.served.Go(func() { s.keep(ctx) })
	}
	context.AfterFunc(ctx, s.shutdown)
	return s, nil
}

// listenTLS opens the https listener, if there is to be one.
func (s *Server) listenTLS(ctx context.Context, addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen with TLS for the emulated org: %w", err)
	}
	host, _, _ := net.SplitHostPort(addr)
	if s.ca, err = newAuthority(host); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.SecureURL = "https://" + listener.Addr().String()
	return s.ca.listener(listener), nil
}

// AuthorityPEM returns the certificate of the authority that clients must trust to reach SecureURL
// (NODE_EXTRA_CA_CERTS, SSL_CERT_FILE); nil without https.
func (s *Server) AuthorityPEM() []byte {
	if s.ca == nil {
		return nil
	}
	return s.ca.pem
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
	s.served.Wait()
	s.bulk.Close()
	s.metadata.Close()
	s.forget()
}

// Close stops the server: requests that are being answered get a moment to end, jobs stop. It may be
// called more than once, and returns when everything has ended.
func (s *Server) Close() {
	s.stop()
	<-s.ended
}

// SaveError returns what went wrong with the save at the end, after Close.
func (s *Server) SaveError() error { return s.failed }

// Org returns the engine, for tests that arrange or inspect what no API can.
func (s *Server) Org() *org.Org { return s.org }

// AddImage keeps an image of rich text in the org, and returns its Id and the address by which the HTML of a field
// refers to it. It belongs to the first record that is saved with it.
func (s *Server) AddImage(image []byte) (id sf.ID, src string, err error) {
	if id, err = s.org.AddImage(image); err != nil {
		return "", "", err
	}
	return id, org.ImageAddress("", "", id), nil
}

// Metadata returns the org's metadata, for tests that hold its jobs or let its Apex tests fail.
func (s *Server) Metadata() *metadata.Store { return s.metadata }

// Clock returns the org's clock.
func (s *Server) Clock() *org.Clock { return s.org.Clock() }

// ExpireSessions ends all sessions at once; refresh tokens stay good.
func (s *Server) ExpireSessions() { s.sessions.expireAll() }

// PrivateKeyPEM returns the key with which the connected app signs JWT bearer assertions, made when
// it is first asked for.
func (s *Server) PrivateKeyPEM() []byte { return s.app.keyPEM() }

// AppKeyPEM returns the signing key of any connected app, or nil when there is no such app.
func (s *Server) AppKeyPEM(clientID string) []byte {
	if a := s.apps[clientID]; a != nil {
		return a.keyPEM()
	}
	return nil
}

// SetPassword gives a user, named by username, a password of their own. It reports whether there is
// such a user.
func (s *Server) SetPassword(username, password string) bool {
	user, ok := s.org.UserByName(username)
	if ok {
		s.sessions.setPassword(user.ID, password)
	}
	return ok
}
