package org

import (
	"strings"
	"sync"

	"holdfast/internal/sf"
)

// Config says what kind of org New makes. The zero value of each field has a default.
type Config struct {
	Seed       uint64 // names the org: its Ids are a function of it
	Clock      *Clock // default: stands at 2026-01-05T08:00:00Z
	Name       string // default "Emulated Org"
	Username   string // of the first user, a system administrator; default "admin@emulated.example"
	DailyCalls int    // DailyApiRequests; default 15,000, as Developer Edition
	// EnhancedPicklists and other features are those of Developer Edition of API 66.
}

// Org is one emulated org.
type Org struct {
	mu    sync.RWMutex
	clock *Clock
}

// Caller is the user on whose behalf something is done.
type Caller struct{ User sf.ID }

// New makes an org with the standard objects and its first users, profiles and picklist tables.
func New(cfg Config) *Org { return &Org{clock: cfg.Clock} }

// Clock returns the org's clock.
func (o *Org) Clock() *Clock { return o.clock }

// ID returns the Id of the Organization record.
func (o *Org) ID() sf.ID { return "" }

// Name returns the org's name.
func (o *Org) Name() string { return "" }

// Admin returns the caller that is the first user.
func (o *Org) Admin() Caller { return Caller{} }

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
func (o *Org) UserByName(username string) (User, bool) { return User{}, false }

// UserByID returns the user with that Id.
func (o *Org) UserByID(id sf.ID) (User, bool) { return User{}, false }

// Objects returns every object of the org in the order of the global describe, which is by name.
func (o *Org) Objects() []*Object { return nil }

// Describe returns the object of that API name, without regard to case.
func (o *Org) Describe(name string) (*Object, bool) { return nil, false }

// ObjectOf returns the object to which the key prefix of the Id belongs.
func (o *Org) ObjectOf(id sf.ID) (*Object, bool) { return nil, false }

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
