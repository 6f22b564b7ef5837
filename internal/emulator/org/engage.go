package org

import "holdfast/internal/sf"

// The people of shared activities: each person an activity is with, and what it is about, is a record of
// TaskRelation or EventRelation, and WhoId is the primary one of them. Sources: Object Reference, TaskRelation,
// EventRelation, and WhoId of Task and Event: "if the ID is not among the relations it is added as the
// primary; if WhoId is set to null, an arbitrary one is promoted" (from version 37). Which one is promoted, that the
// person before leaves with a WhoId that is set to null, and the wordings of refusals are unverified.

// maxPeople is how many contacts an activity can be with. Source: Salesforce Help, "Guidelines for Relating
// Multiple Contacts to Activities".
const maxPeople = 50

// engagement is where the relations of one kind of activity are.
type engagement struct{ relations, key string }

var engagements = map[string]engagement{"Task": {"TaskRelation", "TaskId"}, "Event": {"EventRelation", "EventId"}}

// of are the live relations of an activity to people, or to what it is about. An event's relations to invitees alone are
// neither.
func (e engagement) of(o *Org, activity sf.ID, what bool) (*table, []*row) {
	return o.childrenOf(fold(e.relations), e.key, activity, func(t *table, r *row) bool {
		return (t.text(r, "IsWhat") == "true") == what && (e.key == "TaskId" || t.text(r, "IsParent") == "true")
	})
}

// engaged brings the relations of an activity in line with its WhoId and WhatId.
func (d *draft) engaged() *Error {
	e := engagements[d.object.Name]
	if !d.w.o.cfg.Features.SharedActivities {
		return nil
	}
	t, abouts := e.of(d.w.o, d.id, true)
	missing := d.get("WhatId")
	for _, r := range abouts {
		if t.text(r, "RelationId") == missing {
			missing = ""
			continue
		}
		d.w.remove(place{t, r.pos})
	}
	d.w.relate(e, d.id, missing, true)
	who, was := d.get("WhoId"), ""
	if d.old != nil {
		was = d.was("WhoId")
	}
	_, people := e.of(d.w.o, d.id, false)
	for _, r := range people {
		switch t.text(r, "RelationId") {
		case who:
			return nil
		case was:
			if who == "" {
				d.w.remove(place{t, r.pos})
			}
		}
	}
	if who == "" {
		d.w.promote(e, d.id)
		return nil
	}
	if err := d.w.joins(people, t, who); err != nil {
		return err
	}
	d.w.relate(e, d.id, who, false)
	return nil
}

// relate makes a relation; none to nobody.
func (w *work) relate(e engagement, activity sf.ID, id string, what bool) {
	if id == "" {
		return
	}
	values := map[string]string{e.key: string(activity), "RelationId": id, "IsWhat": boolText(what)}
	if e.key == "EventId" {
		values["IsParent"] = "true"
		t, rows := w.o.childrenOf(fold(e.relations), e.key, activity, nil)
		for _, r := range rows {
			if t.text(r, "RelationId") == id { // who was invited only
				w.amend(place{t, r.pos}, map[string]string{"IsParent": "true", "SystemModstamp": w.stamp})
				return
			}
		}
	}
	w.plant(e.relations, values)
}

// promote makes the oldest person that is left the primary one of an activity, or nobody.
func (w *work) promote(e engagement, activity sf.ID) {
	p := w.o.record(activity)
	if p.r == nil || p.r.fate != live {
		return
	}
	t, people := e.of(w.o, activity, false)
	next := ""
	for _, r := range people {
		if id := t.text(r, "RelationId"); next == "" || id == p.t.text(p.r, "WhoId") {
			next = id
		}
	}
	if next != p.t.text(p.r, "WhoId") {
		w.amend(place{p.t, p.r.pos}, map[string]string{"WhoId": next, "SystemModstamp": w.stamp})
	}
}

// joins refuses one more person: a lead is alone, and there is a limit for contacts.
func (w *work) joins(people []*row, t *table, who string) *Error {
	const lead = "00Q"
	if len(people) == 0 {
		return nil
	}
	if sf.ID(who).KeyPrefix() == lead || sf.ID(t.text(people[0], "RelationId")).KeyPrefix() == lead {
		return fault("FIELD_INTEGRITY_EXCEPTION", "An activity can be related to one lead or to several contacts", "WhoId")
	}
	if len(people) >= maxPeople {
		return fault("FIELD_INTEGRITY_EXCEPTION", "An activity can be related to at most "+itoa(maxPeople)+" contacts", "WhoId")
	}
	return nil
}

// relation checks a relation that a caller makes: who or what it is to follows from its object.
func (d *draft) relation(e engagement) *Error {
	if d.old != nil || !d.w.o.cfg.Features.SharedActivities {
		return nil
	}
	to := d.w.o.record(sf.ID(d.get("RelationId")))
	if to.r == nil {
		return nil
	}
	what := true
	switch to.t.object.Name {
	case "Contact", "Lead", "User", "Calendar":
		what = false
	}
	d.put("IsWhat", boolText(what))
	if e.key == "EventId" && !d.named("IsInvitee") && !d.named("IsParent") {
		d.put(map[bool]string{true: "IsParent", false: "IsInvitee"}[what], "true")
	}
	t, have := e.of(d.w.o, sf.ID(d.get(e.key)), what)
	for _, r := range have {
		if t.text(r, "RelationId") == d.get("RelationId") {
			return fault("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: <unknown>")
		}
	}
	switch {
	case e.key == "EventId" && d.get("IsParent") != "true":
		return nil
	case what && len(have) > 0:
		return fault("FIELD_INTEGRITY_EXCEPTION", "The activity is about another record already", "RelationId")
	case what:
		return nil
	}
	return d.w.joins(have, t, d.get("RelationId"))
}

// joined carries a new relation over to its activity: the first person is the primary one.
func (d *draft) joined(e engagement) {
	if d.old != nil || !d.w.o.cfg.Features.SharedActivities || e.key == "EventId" && d.get("IsParent") != "true" {
		return
	}
	activity := sf.ID(d.get(e.key))
	if d.get("IsWhat") != "true" {
		d.w.promote(e, activity)
		return
	}
	if p := d.w.o.record(activity); p.r != nil {
		d.w.amend(place{p.t, p.r.pos}, map[string]string{"WhatId": d.get("RelationId"), "SystemModstamp": d.w.stamp})
	}
}

// leaving returns what becomes of the activity when a relation of it has been deleted.
func (w *work) leaving(p place) func() {
	r := p.t.rows[p.pos]
	e := engagements["Task"]
	if p.t.object.Name == "EventRelation" {
		e = engagements["Event"]
	}
	activity, what, to := sf.ID(p.t.text(r, e.key)), p.t.text(r, "IsWhat") == "true", p.t.text(r, "RelationId")
	return func() {
		a := w.o.record(activity)
		switch {
		case !w.o.cfg.Features.SharedActivities || a.r == nil || a.r.fate != live:
		case !what:
			w.promote(e, activity)
		case a.t.text(a.r, "WhatId") == to:
			w.amend(place{a.t, a.r.pos}, map[string]string{"WhatId": "", "SystemModstamp": w.stamp})
		}
	}
}

// others reports an activity that has people besides the one who is deleted, and so stays.
func (w *work) others(t *table, r *row, field *Field, id sf.ID) bool {
	e, ok := engagements[t.object.Name]
	if !ok || field.Name != "WhoId" || !w.o.cfg.Features.SharedActivities {
		return false
	}
	relations, people := e.of(w.o, r.id, false)
	for _, p := range people {
		if relations.text(p, "RelationId") != string(id) {
			return true
		}
	}
	return false
}
