package org

import (
	"iter"
	"slices"
	"strings"
	"time"

	"holdfast/internal/emulator/formula"
	"holdfast/internal/sf"
)

// A reaction stands for what the code of a trigger or a flow does, which is not executed here: it is
// declared in the component, and acts while the component is active. See docs/adr/0015.

// AutomationSpec is an Apex trigger, or one version of a record-triggered flow.
type AutomationSpec struct {
	Kind    string   // ApexTrigger or Flow
	Name    string   // full name
	Object  string   // whose records start it
	Events  []string // "before insert", "after update" …, as the trigger or the flow's start declares them
	Active  bool
	Declare []string // its declarations, one a line, without the mark
}

// reaction is one declaration of an active component.
type reaction struct {
	owner  string // "ApexTrigger Name"
	events map[string]bool
	action string // reject, fail, set, create, mail, slow, call
	target string // field of set and of reject; object of create
	text   string // message, or address of a call
	value  *compiled
	fields []reactionField
	delay  time.Duration
	when   *compiled // nil: always
}

type reactionField struct {
	name  string
	value *compiled
}

// maxDepth is how deep the writes of reactions nest. Source: Apex Developer Guide, "Execution
// Governors and Limits": stack depth for an Apex invocation that recursively fires triggers, 16.
const maxDepth = 16

// maxMails bounds what the outbox keeps; the count goes on.
const maxMails = 1000

// Mail is one message that automation sent.
type Mail struct {
	At     time.Time
	By     string // the component, such as "ApexTrigger Welcome"
	Record string // the record that it is about
}

// Deliverability says which mail leaves the org. Source: Salesforce Help, "Configure Deliverability Settings".
type Deliverability uint8

// The access levels of deliverability: mail of automation leaves the org with AllEmail alone. A new sandbox has
// SystemEmail.
const (
	AllEmail Deliverability = iota
	SystemEmail
	NoEmail
)

// outbox is the mail of an org.
type outbox struct {
	level Deliverability
	sent  int
	held  int
	last  []Mail
}

// SetDeliverability sets which mail leaves the org.
func (o *Org) SetDeliverability(level Deliverability) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outbox.level = level
}

// Outbox returns how many messages of automation left the org, how many the deliverability setting held
// back, and the last ones that left.
func (o *Org) Outbox() (sent, held int, last []Mail) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.outbox.sent, o.outbox.held, append([]Mail(nil), o.outbox.last...)
}

// Callouts returns how many call-outs reactions have made, those of transactions that were taken back
// included.
func (o *Org) Callouts() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.callouts
}

// mail sends a message of automation, unless the transaction is taken back or the deliverability setting holds
// it. Source: Apex Developer Guide, "Triggers and Order of Execution": mail leaves after the commit.
func (w *work) mail(by string, record sf.ID) {
	box := w.o.outbox
	w.also(func() { w.o.outbox = box })
	if box.level != AllEmail {
		w.o.outbox.held++
		return
	}
	w.o.outbox.sent++
	last := box.last
	if len(last) >= maxMails {
		last = last[1:]
	}
	w.o.outbox.last = append(slices.Clip(last), Mail{At: w.at, By: by, Record: string(record)})
}

// PutAutomation replaces what a component declares, or takes it away when the component is not active.
func (t *Tx) PutAutomation(spec AutomationSpec) *Error {
	owner := spec.Kind + " " + spec.Name
	t.dropReactions(owner)
	if len(spec.Declare) == 0 {
		return nil
	}
	o := t.schema.object(spec.Object)
	if o == nil {
		return missing("CustomObject", spec.Object)
	}
	var reactions []*reaction
	for _, line := range spec.Declare {
		r, err := t.readReaction(o, line)
		if err != nil {
			return err
		}
		r.owner = owner
		for event := range r.events {
			if !containsFold(spec.Events, event) {
				return fault("INVALID_OPERATION", spec.Kind+" "+spec.Name+" does not run "+event+": "+line)
			}
		}
		reactions = append(reactions, r)
	}
	if spec.Active {
		c := t.conduct(spec.Object)
		c.reactions = append(c.reactions, reactions...)
	}
	return nil
}

func containsFold(list []string, text string) bool {
	for _, s := range list {
		if strings.EqualFold(s, text) {
			return true
		}
	}
	return false
}

// DropAutomation takes away what a component declared.
func (t *Tx) DropAutomation(kind, name string) { t.dropReactions(kind + " " + name) }

func (t *Tx) dropReactions(owner string) {
	for _, o := range t.schema.objects {
		if o.conduct == nil {
			continue
		}
		for _, r := range o.conduct.reactions {
			if !strings.EqualFold(r.owner, owner) {
				continue
			}
			c := t.conduct(o.Name)
			kept := c.reactions[:0:0]
			for _, r := range c.reactions {
				if !strings.EqualFold(r.owner, owner) {
					kept = append(kept, r)
				}
			}
			c.reactions = kept
			break
		}
	}
}

// readReaction reads one declaration:
//
//	before insert, before update: reject "message" at Field when <formula>
//	after insert: create Task Subject = "Call", WhatId = Id when <formula>
//	before insert: set Name to UPPER(Name) · fail "message" · mail · slow 50ms · call "https://…"
func (t *Tx) readReaction(o *Object, line string) (*reaction, *Error) {
	wrong := func(why string) *Error {
		return fault("INVALID_OPERATION", "cannot read the declaration `"+line+"`: "+why+"; see docs/adr/0015-declared-reactions.md")
	}
	events, rest, ok := strings.Cut(line, ":")
	if !ok {
		return nil, wrong("no colon after the events")
	}
	r := &reaction{events: map[string]bool{}}
	for _, e := range strings.Split(events, ",") {
		e = strings.Join(strings.Fields(strings.ToLower(e)), " ")
		switch e {
		case "before insert", "before update", "before delete", "after insert", "after update", "after delete", "after undelete":
			r.events[e] = true
		default:
			return nil, wrong("no event " + e)
		}
	}
	action, condition := cutWord(rest, "when")
	if condition != "" {
		when, err := t.schema.booleanFormula(o, condition, formula.Workflow)
		if err != nil {
			return nil, wrong(err.Message)
		}
		r.when = when
	}
	word, rest, _ := strings.Cut(strings.TrimSpace(action), " ")
	r.action = strings.ToLower(word)
	if r.action == "set" && !r.beforeSave() {
		return nil, wrong("set acts before insert and before update alone")
	}
	if why := t.readAction(o, r, strings.TrimSpace(rest)); why != "" {
		return nil, wrong(why)
	}
	return r, nil
}

// beforeSave reports a reaction whose every event comes before a save, where a field can still be set.
func (r *reaction) beforeSave() bool {
	for e := range r.events {
		if e != "before insert" && e != "before update" {
			return false
		}
	}
	return true
}

func (t *Tx) readAction(o *Object, r *reaction, rest string) (why string) {
	value := func(text string) *compiled {
		f, err := formula.Parse(text)
		if err == nil {
			_, err = f.Check(t.schema.lookUp(o), formula.Workflow, formula.TypeUnknown)
		}
		if err != nil {
			why = err.Error()
		}
		return &compiled{of: f}
	}
	switch r.action {
	case "reject", "fail", "call":
		quoted, at := cutWord(rest, "at")
		text, opened := strings.CutPrefix(strings.TrimSpace(quoted), `"`)
		text, closed := strings.CutSuffix(text, `"`)
		if r.text = text; !opened || !closed {
			return "no text in quotes"
		}
		if r.target = strings.TrimSpace(at); r.target != "" && t.field(o, r.target) < 0 {
			return "no field " + r.target
		}
	case "set":
		field, text := cutWord(rest, "to")
		if r.target = strings.TrimSpace(field); t.field(o, r.target) < 0 {
			return "no field " + r.target
		}
		r.value = value(text)
	case "create":
		object, pairs, _ := strings.Cut(rest, " ")
		if t.schema.object(object) == nil {
			return "no object " + object
		}
		r.target = object
		for _, pair := range splitOutside(pairs, ',') {
			field, text, ok := strings.Cut(pair, "=")
			if !ok {
				return "no value in " + pair
			}
			r.fields = append(r.fields, reactionField{strings.TrimSpace(field), value(text)})
		}
	case "slow":
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || d > maxSlow {
			return "no duration up to " + maxSlow.String()
		}
		r.delay = d
	case "mail":
	default:
		return "no action " + r.action
	}
	return why
}

// maxSlow bounds what one reaction costs. Source: Apex Developer Guide: maximum CPU time of a
// synchronous transaction, 10,000 ms.
const maxSlow = 10 * time.Second

// cutWord cuts at the first such word that stands outside quotes and parentheses.
func cutWord(text, word string) (before, after string) {
	for i := range outside(text, ' ') {
		rest := text[i+1:]
		if len(rest) > len(word) && strings.EqualFold(rest[:len(word)], word) && rest[len(word)] == ' ' {
			return text[:i], strings.TrimSpace(rest[len(word):])
		}
	}
	return text, ""
}

// splitOutside splits at a byte that stands outside quotes and parentheses.
func splitOutside(text string, at byte) []string {
	var out []string
	from := 0
	for i := range outside(text, at) {
		out = append(out, text[from:i])
		from = i + 1
	}
	return append(out, text[from:])
}

// outside finds a byte where it stands outside quotes and parentheses.
func outside(text string, at byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		depth, quote := 0, byte(0)
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case quote != 0 && c == '\\':
				i++
			case quote != 0:
				if c == quote {
					quote = 0
				}
			case c == '"' || c == '\'':
				quote = c
			case c == '(':
				depth++
			case c == ')':
				depth--
			case depth == 0 && c == at:
				if !yield(i) {
					return
				}
			}
		}
	}
}
