package org

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/sf"
)

// Config says what kind of org New makes. The zero value of each field has a default.
type Config struct {
	Seed       uint64 // names the org: its Ids are a function of it
	Clock      *Clock // default: stands at 2026-01-05T08:00:00Z
	Name       string // default "Emulated Org"
	Username   string // of the first user, a system administrator; default "admin@emulated.example"
	DailyCalls int    // DailyApiRequests; default 15,000, as Developer Edition
	// StrictFieldAccess hides newly deployed custom fields and objects from the system administrator, too, until a profile
	// or permission set gives access, as a deploy through the Metadata API does on the platform. Without it they are
	// open to the administrator, as those are that are made in Setup, and a retrieve of that profile says so.
	StrictFieldAccess bool
	Features          Features
	// Edition is OrganizationType, such as "Enterprise Edition", and Sandbox is IsSandbox: by these clients, and the rules
	// of deployments, tell a production org. The default is "Developer Edition".
	Edition string
	Sandbox bool
	// Permissions are user permissions, by their names in metadata, that the first user has through a permission set beside
	// the profile: what a System Administrator has only when somebody gives it, such as BulkApiHardDelete.
	Permissions []string
}

// Org is one emulated org.
type Org struct {
	cfg   Config
	clock *Clock
	id    sf.ID
	admin sf.ID
	pod   string // two characters of every Id, from the seed

	alone   sync.RWMutex // held by a transaction of several calls, shared by every other call
	mu      sync.RWMutex // guards everything below
	running *transaction `image:"-"`
	schema  *schema
	tables  map[string]*table // by folded API name
	bin     map[sf.ID]*deletion
	log     map[string]map[sf.ID]time.Time // deletions by folded API name and Id
	logFrom time.Time                      // the log is complete from here
	words   map[string]string              // one copy of each short text that many records share
	reject  func(Attempt) *Error           `image:"-"`
	// refusals are the rules of Reject and Contend, of which reject is made.
	refusals    [2]func(Attempt) *Error `image:"-"`
	grain       time.Duration           // stamps are cut to it
	late        []lateWrite
	limits      limits
	binFrom     time.Time            // no deletion in the Recycle Bin is older
	binned      int                  // records in the Recycle Bin
	archiving   time.Time            // when the next activity is archived; zero when none is due
	bodies      map[string]*Body     // bytes of files, by key
	images      map[sf.ID]*Body      // images in rich text, by the Id that the HTML refers to
	shown       map[sf.ID]imagePlace // where they show, of those that a record was saved with
	imageSerial int                  // the last Id of an image that was given out
	serials     map[string]uint64    // Ids given out under prefixes that objects share
	accessMu    sync.Mutex
	access      map[sf.ID]*permits `image:"-"` // what users may do, as worked out
	outbox      outbox
	slow        time.Duration `image:"-"` // what the reactions of the running load cost
	callouts    int           // call-outs that reactions made
	granted     time.Time     // when what users may do changed last
	objects     int           // custom objects made so far, which gives their key prefixes

	due atomic.Int64 // when a late write or the end of a deletion falls due, in Unix nanoseconds
}

// Caller is the user on whose behalf something is done.
type Caller struct {
	User sf.ID
	// Version is the major version of the API that is called; 0 is the newest.
	Version int
	tx      *transaction `image:"-"` // of Transact; nil outside
}

// Began is what the clock of an org shows that is given none.
var Began = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// New makes an org with the standard objects and its first users, profiles and picklist tables.
func New(cfg Config) *Org {
	if cfg.Clock == nil {
		cfg.Clock = FixedClock(Began)
	}
	if cfg.Name == "" {
		cfg.Name = "Emulated Org"
	}
	if cfg.Username == "" {
		cfg.Username = "admin@emulated.example"
	}
	cfg.Features.MultiCurrency = cfg.Features.MultiCurrency || cfg.Features.DatedCurrency
	if cfg.DailyCalls == 0 {
		cfg.DailyCalls = 15_000
	}
	o := &Org{
		cfg: cfg, clock: cfg.Clock, schema: standardOrgSchema(cfg.Features), tables: map[string]*table{},
		bin: map[sf.ID]*deletion{}, log: map[string]map[sf.ID]time.Time{}, words: map[string]string{}, serials: map[string]uint64{}, bodies: map[string]*Body{},
		images: map[sf.ID]*Body{}, shown: map[sf.ID]imagePlace{},
	}
	o.due.Store(never)
	n := cfg.Seed
	o.pod = string([]byte{base62[n%62], base62[n/62%62]})
	o.limits = newLimits(cfg.DailyCalls)
	o.adoptTables()
	o.populate()
	if cfg.Features.PersonAccounts {
		o.personTypes()
	}
	return o
}

// adoptTables gives every object its table and every table its object, after a change of schema.
func (o *Org) adoptTables() {
	maps.DeleteFunc(o.tables, func(key string, _ *table) bool { return o.schema.objects[key] == nil })
	for key, object := range o.schema.objects {
		t := o.tables[key]
		if t == nil {
			t = newTable()
			o.tables[key] = t
		}
		if t.object != object {
			t.adopt(object)
			t.rights = permissionTables[key]
		}
	}
	o.attach()
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// serialStart leaves room so that Ids look like those of an org that is in use.
const serialStart = 100_000

// serial counts the Ids that an object has given out. Objects that share a prefix share a counter.
func (o *Org) serial(t *table) uint64 {
	if t.object.KeyPrefix == "" {
		o.serials[t.object.prefix()]++
		return o.serials[t.object.prefix()]
	}
	t.serial++
	return t.serial
}

// newID gives out the Ids of an object in ascending order: three characters of key prefix, two of
// the org, one reserved, nine of a counter.
func (o *Org) newID(t *table) sf.ID {
	n := o.serial(t) + serialStart + o.cfg.Seed%9973
	b := []byte(t.object.prefix() + o.pod + "0000000000")
	for i := len(b) - 1; n > 0; i-- {
		b[i] = base62[n%62]
		n /= 62
	}
	id, err := sf.ParseID(string(b))
	if err != nil {
		panic(err) // made of letters and digits only
	}
	return id
}

// Clock returns the org's clock.
func (o *Org) Clock() *Clock { return o.clock }

// ID returns the Id of the Organization record.
func (o *Org) ID() sf.ID { return o.id }

// Name returns the org's name.
func (o *Org) Name() string { return o.cfg.Name }

// Admin returns the caller that is the first user.
func (o *Org) Admin() Caller { return Caller{User: o.admin} }

// User is what a sign-in needs to know of a User record.
type User struct {
	ID       sf.ID
	Username string
	Name     string
	Email    string
	Active   bool
	Profile  string // name of the profile
}

// UserByName returns the user with that username, without regard to case.
func (o *Org) UserByName(username string) (User, bool) {
	defer o.read()()
	t := o.tables["user"]
	f := t.object.Field("Username")
	for _, r := range t.holding(f.column, username) {
		return o.user(r), true
	}
	return User{}, false
}

// UserByID returns the user with that Id.
func (o *Org) UserByID(id sf.ID) (User, bool) {
	defer o.read()()
	r := o.tables["user"].find(id)
	if r == nil {
		return User{}, false
	}
	return o.user(r), true
}

func (o *Org) user(r *row) User {
	t := o.tables["user"]
	text := func(name string) string { return r.text(t.object.Field(name).column) }
	u := User{ID: r.id, Username: text("Username"), Name: text("Name"), Email: text("Email"), Active: text("IsActive") == "true"}
	profiles := o.tables["profile"]
	if p := profiles.find(sf.ID(text("ProfileId"))); p != nil {
		u.Profile = p.text(profiles.object.Field("Name").column)
	}
	return u
}

// Features returns what is switched on in the org.
func (o *Org) Features() Features { return o.cfg.Features }

// Objects returns every object of the org in the order of the global describe, which is by name.
func (o *Org) Objects() []*Object {
	defer o.read()()
	return o.schema.sorted
}

// Describe returns the object of that API name, without regard to case.
func (o *Org) Describe(name string) (*Object, bool) {
	defer o.read()()
	object := o.schema.object(name)
	return object, object != nil
}

// ObjectOf returns the object to which the key prefix of the Id belongs.
func (o *Org) ObjectOf(id sf.ID) (*Object, bool) {
	defer o.read()()
	object := o.schema.prefixes[id.KeyPrefix()]
	return object, object != nil
}

// read enters the org for reading and returns what leaves it.
func (o *Org) read() func() {
	o.settle()
	o.mu.RLock()
	return o.mu.RUnlock
}

// write enters the org for writing and returns what leaves it.
func (o *Org) write() func() {
	o.settle()
	o.mu.Lock()
	return o.mu.Unlock
}

// word returns a shared copy of a short text, so that a million records of one owner hold its Id
// once.
func (o *Org) word(text string) string {
	if len(text) > maxWord {
		return text
	}
	if w, ok := o.words[text]; ok {
		return w
	}
	if len(o.words) < maxWords {
		w := strings.Clone(text)
		o.words[w] = w
		return w
	}
	return text
}

// maxWord and maxWords bound the texts that records share.
const (
	maxWord  = 40
	maxWords = 1 << 18
)

// Error is a status code of the partner WSDL with its message. It is what the platform answers for
// one row of a load, and for a query that cannot run.
type Error struct {
	Code    string // StatusCode or ExceptionCode, such as REQUIRED_FIELD_MISSING
	Message string
	Fields  []string
}

// Error spells the code and the message as the SOAP fault string does.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func fault(code, message string, fields ...string) *Error {
	return &Error{Code: code, Message: message, Fields: fields}
}

func fold(s string) string { return strings.ToLower(s) }

func itoa(n int) string { return strconv.Itoa(n) }
