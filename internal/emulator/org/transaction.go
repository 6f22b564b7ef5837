package org

import (
	"time"

	"holdfast/internal/sf"
)

// transaction is what several calls of one caller did so far, so that all of it can be taken back.
type transaction struct {
	undo  []undo
	ended bool
}

// open reports a transaction that calls belong to. It may be called on nil.
func (t *transaction) open() bool { return t != nil && !t.ended }

// Transact runs f as one transaction: what the caller that f gets writes through the org is seen by
// that caller alone until f returns, and when f returns an error nothing of it remains, neither
// records nor entries of the logs behind getDeleted. Others wait until then. f must not hand its
// caller to anything that outlives it.
//
// Ids and auto-numbers that were given out are not given out again, as on the platform.
func (o *Org) Transact(caller Caller, f func(Caller) error) error {
	o.alone.Lock()
	defer o.alone.Unlock()
	o.settle()
	t := &transaction{}
	o.during(t)
	defer o.during(nil)
	err := f(Caller{User: caller.User, tx: t})
	o.mu.Lock()
	defer o.mu.Unlock()
	t.ended = true
	if err != nil {
		w := &work{o: o, undo: t.undo}
		w.rollback(0)
	}
	return err
}

// during notes that a transaction runs: what falls due by the clock waits for its end.
func (o *Org) during(t *transaction) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running = t
}

// reading enters the org for what a caller reads, and returns what leaves it.
func (o *Org) reading(c Caller) func() {
	if c.tx.open() {
		return o.read()
	}
	o.alone.RLock()
	leave := o.read()
	return func() { leave(); o.alone.RUnlock() }
}

// later is the later of two moments.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// writing enters the org for what a caller writes, and returns what leaves it.
func (o *Org) writing(c Caller) func() {
	if c.tx.open() {
		return o.write()
	}
	o.alone.RLock()
	leave := o.write()
	return func() { leave(); o.alone.RUnlock() }
}

// SchemaModified returns when what describes tell changed last: an object or a field, or a permission, which is when the
// org was made until something is deployed or granted. Source: REST API, Describe Global: the date is also that of
// "org-wide events, such as changes to permissions, profiles, or field labels".
func (o *Org) SchemaModified() time.Time {
	defer o.read()()
	if at := later(o.schema.changed, o.granted); !at.IsZero() {
		return at
	}
	t := o.tables["organization"]
	if f := t.object.Field("CreatedDate"); f != nil && len(t.rows) > 0 {
		if made, err := sf.ParseDatetime(t.rows[0].text(f.column)); err == nil {
			return made
		}
	}
	return o.clock.Now()
}
