package org

import (
	"hash/fnv"
	"strings"
	"time"

	"holdfast/internal/emulator/image"
	"holdfast/internal/sf"
)

// The state of an org is everything below Org that is not tagged image:"-". What is tagged follows
// from the rest and is made again by Thaw, or belongs to whoever runs the org: its clock's source
// and its rules.

// ImageShared says that a row never changes.
func (*row) ImageShared() {}

// ImageShared says that a layout never changes; the words that it refers to only grow.
func (*layout) ImageShared() {}

// ImageShared says that the bytes of a file never change.
func (*Body) ImageShared() {}

// ImageShared says that an object that has been published never changes.
func (*Object) ImageShared() {}

// ImageShared says that a field of a published object never changes.
func (*Field) ImageShared() {}

// Thaw makes the numbers of the words from the words.
func (w *words) Thaw() {
	list := make([]string, len(w.at))
	for text, n := range w.at {
		list[n] = text
	}
	w.list.Store(&list)
}

// Thaw makes what is not in the image of a table.
func (t *table) Thaw() {
	t.layouts, t.indexes, t.words = map[string]*layout{}, map[int]index{}, newWords()
	if t.autos == nil {
		t.autos = map[int]int{}
	}
	t.adopt(t.object)
	if t.gen != nil {
		t.stored = map[sf.ID]int32{}
		for _, r := range t.rows {
			t.stored[r.id] = r.pos
		}
	}
}

// Thaw makes what is not in the image of an org. Its clock stands still until RunClock.
func (o *Org) Thaw() {
	o.clock.source = func() time.Time { return time.Time{} }
	for _, object := range o.schema.objects {
		for _, f := range object.Fields {
			if f.derive != nil {
				continue
			}
			if d := derivationOf(object, f); d != nil { // other orgs may read a field of a copy now: it is written when it was read
				f.derive = d
			}
		}
	}
	o.adoptTables()
	o.due.Store(0)
}

// derivationOf returns how a field is computed that the platform computes without a formula; nil for
// all others.
func derivationOf(o *Object, f *Field) derivation {
	for _, s := range loadStandard().objects {
		if s.Name != o.Name {
			continue
		}
		for _, known := range s.Fields {
			if known.Name == f.Name && known.derive != nil {
				return known.derive
			}
		}
	}
	if f.Name == "CommentCount" && strings.HasSuffix(o.Name, "Feed") {
		return countOf("feedcomment", "FeedItemId", nil)
	}
	return nil
}

// RunClock lets the clock of an org that was read or cloned run with a source again. The offset by
// which it was moved is kept.
func (o *Org) RunClock(source func() time.Time) {
	o.clock.mu.Lock()
	defer o.clock.mu.Unlock()
	o.clock.source = source
}

// Still runs f while nothing in the org changes, so that it can be copied.
func (o *Org) Still(f func()) {
	o.alone.Lock()
	defer o.alone.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// Clone returns a copy of the org that goes its own way from now on. Records are shared until one of
// the two changes them, so it takes little time and memory. The clock of the copy shows the same time
// and runs alike.
func (o *Org) Clone() *Org {
	var c *Org
	o.Still(func() { c = image.Copy(o) })
	c.RunLike(o)
	return c
}

// RunLikeClock makes the clock run with the source of another one.
func (o *Org) RunLikeClock(c *Clock) {
	c.mu.Lock()
	source := c.source
	c.mu.Unlock()
	o.RunClock(source)
}

// RunLike makes the clock of an org that was copied run with the source of the other's.
func (o *Org) RunLike(other *Org) {
	o.RunLikeClock(other.clock)
}

// BecomeSandbox makes a copy of an org what the platform makes of one: another org with another Id,
// whose records keep theirs, whose users sign in with the name of the sandbox behind their user
// name, and reach no one by mail: the address of a user but the one who asked is made invalid, and automation sends no mail.
// Sources: Salesforce Help, "Users and Contacts" and "Servers and IDs" (Sandboxes), "Configure Deliverability
// Settings" (a new sandbox begins with system email only).
func (o *Org) BecomeSandbox(name string, by Caller) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.begin(Caller{User: o.admin}, o.clock.Now(), Options{Quiet: true})
	users := o.tables["user"]
	for _, r := range users.rows {
		if r.fate != live {
			continue
		}
		vals := users.dense(r)
		users.amend(vals, "Username", users.text(r, "Username")+"."+fold(name))
		if email := users.text(r, "Email"); r.id != by.User && email != "" && !strings.HasSuffix(email, ".invalid") {
			users.amend(vals, "Email", email+".invalid")
		}
		w.set(users, users.pack(r.id, vals, r.fate, r.pos))
	}
	w.undo = nil
	o.outbox = outbox{level: SystemEmail}
	o.rename(name)
	o.cfg.Username += "." + fold(name)
}

// amend sets a value of a row that is being made, if there is such a field.
func (t *table) amend(vals []string, field, text string) {
	if f := t.object.Field(field); f != nil && f.column >= 0 {
		vals[f.column] = text
	}
}

// rename gives a sandbox an Id of its own: that of the org it was made of with another end, which
// follows from the name. No record refers to the Organization.
func (o *Org) rename(name string) {
	orgs := o.tables["organization"]
	old := orgs.find(o.id)
	if old == nil {
		return
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(string(o.id) + fold(name))) // a hash takes everything
	digest := h.Sum64()
	b := []byte(o.id)[:15]
	for i := 8; i < len(b); i++ {
		b[i] = base62[digest%62]
		digest /= 62
	}
	id, err := sf.ParseID(string(b))
	if err != nil { // letters and digits
		panic(err)
	}
	vals := orgs.dense(old)
	orgs.amend(vals, "IsSandbox", "true")
	renamed := newTable()
	renamed.serial, renamed.autos = orgs.serial, orgs.autos
	renamed.object = orgs.object
	renamed.columns = orgs.columns
	renamed.adopt(orgs.object)
	renamed.put(renamed.pack(id, vals, live, 0))
	o.tables["organization"] = renamed
	o.id = id
}
