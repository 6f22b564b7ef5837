package org

import (
	"strconv"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// archiveAge is how old a finished activity is when it is archived: by its day, or by CreatedDate when
// a task has none. Source: SOAP API Developer Guide, "Archived Activities" (365 days).
const archiveAge = 365 * 24 * time.Hour

// ripens is when an activity is archived: at the first midnight, by the org's clock, after it is old
// enough; false for an open task. Archiving runs at night (the hour is unverified), so that an old
// activity that is inserted stays visible until then.
func (o *Org) ripens(t *table, r *row, written time.Time) (time.Time, bool) {
	day := t.text(r, "ActivityDate")
	switch t.object.Name {
	case "Task":
		if o.statusFlag("taskstatus", t.text(r, "Status"), "IsClosed") != "true" {
			return time.Time{}, false
		}
	case "Event":
		if end := t.text(r, "EndDateTime"); end != "" {
			day = end
		}
	default:
		return time.Time{}, false
	}
	if day == "" {
		day = t.text(r, "CreatedDate")
	}
	at, err := time.Parse(time.DateOnly, day[:min(len(day), len(time.DateOnly))])
	if err != nil {
		return time.Time{}, false
	}
	at = at.Add(archiveAge)
	if at.Before(written) {
		at = written
	}
	return at.Truncate(24 * time.Hour).Add(24 * time.Hour), true
}

// ripen notes when an activity that has been written is archived.
func (d *draft) ripen() {
	r := d.t.find(d.id)
	if at, ok := d.w.o.ripens(d.t, r, d.w.at); ok {
		d.w.o.archiveBy(at)
	}
}

func (o *Org) archiveBy(at time.Time) {
	if o.archiving.IsZero() || at.Before(o.archiving) {
		o.archiving = at
	}
	o.dueBy(at)
}

// archive marks the activities that are old enough and finds out when the next one is. The caller
// holds the lock. Whether a stamp of an activity moves is unverified; none does here.
func (o *Org) archive(now time.Time) {
	if o.archiving.IsZero() || o.archiving.After(now) {
		return
	}
	o.archiving = time.Time{}
	w := o.begin(Caller{User: o.admin}, now, Options{})
	for _, name := range []string{"task", "event"} {
		t := o.tables[name]
		column := t.object.Field("IsArchived").column
		for _, r := range t.rows {
			if r.fate != live || r.text(column) == "true" {
				continue
			}
			at, ok := o.ripens(t, r, time.Time{})
			switch {
			case !ok:
			case at.After(now):
				o.archiveBy(at)
			default:
				w.amend(place{t, r.pos}, map[string]string{"IsArchived": "true"})
			}
		}
	}
	w.commit()
}

// archived returns the column that hides archived records from a query that does not ask for all; -1
// where nothing is archived. Source: SOAP API Developer Guide, "Archived Activities".
func archived(o *Object) int {
	if o.Name != "Task" && o.Name != "Event" {
		return -1
	}
	return o.Field("IsArchived").column
}

// maxOccurrences bounds a series. Source: Salesforce Help, "Considerations for Creating Recurring
// Tasks" (100); for events it is unverified.
const maxOccurrences = 100

// series makes the occurrences of a recurring activity. Source: Object Reference, Task, "Recurring
// Tasks": they carry the Id of the series in RecurrenceActivityId and are ordinary activities.
func (d *draft) series() *Error {
	if d.old != nil || d.get("IsRecurrence") != "true" {
		return nil
	}
	begin := orElse(d.get("RecurrenceStartDateOnly"), orElse(d.get("RecurrenceStartDateTime"), d.get("ActivityDate")))
	from, err1 := time.Parse(time.DateOnly, begin[:min(len(begin), len(time.DateOnly))])
	to, err2 := time.Parse(time.DateOnly, d.get("RecurrenceEndDateOnly"))
	if err1 != nil || err2 != nil || d.get("RecurrenceType") == "" {
		return fault("REQUIRED_FIELD_MISSING",
			"Required fields are missing: [RecurrenceStartDateOnly, RecurrenceEndDateOnly, RecurrenceType]", "RecurrenceType")
	}
	made := 0
	for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
		if !d.recursOn(day, from) {
			continue
		}
		if made++; made > maxOccurrences { // the wording is unverified
			return fault("FIELD_INTEGRITY_EXCEPTION", "The series has more than "+itoa(maxOccurrences)+" occurrences", "RecurrenceEndDateOnly")
		}
		d.occurrence(day)
	}
	if made == 0 {
		return fault("FIELD_INTEGRITY_EXCEPTION", "The series has no occurrences", "RecurrenceEndDateOnly")
	}
	return nil
}

// recursOn reports a day of the series. Source: Object Reference, Task.RecurrenceType.
func (d *draft) recursOn(day, from time.Time) bool {
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(d.get(name)); err == nil && n > 0 {
			return n
		}
		return otherwise
	}
	every := number("RecurrenceInterval", 1)
	days := int(day.Sub(from) / (24 * time.Hour))
	months := (day.Year()-from.Year())*12 + int(day.Month()-from.Month())
	switch d.get("RecurrenceType") {
	case "RecursDaily":
		return days%every == 0
	case "RecursEveryWeekday":
		return day.Weekday() != time.Saturday && day.Weekday() != time.Sunday
	case "RecursWeekly": // the mask counts Sunday as 1, Monday as 2, Tuesday as 4 …
		week := (days + int(from.Weekday())) / 7
		return week%every == 0 && number("RecurrenceDayOfWeekMask", 1<<from.Weekday())>>day.Weekday()&1 == 1
	case "RecursMonthly":
		return months%every == 0 && day.Day() == number("RecurrenceDayOfMonth", from.Day())
	case "RecursYearly":
		month := orElse(d.get("RecurrenceMonthOfYear"), from.Month().String())
		return day.Month().String() == month && day.Day() == number("RecurrenceDayOfMonth", from.Day())
	}
	return false
}

// occurrence makes one activity of a series.
func (d *draft) occurrence(day time.Time) {
	values := map[string]string{}
	for _, f := range d.object.Fields {
		if f.column >= 0 && !strings.HasPrefix(f.Name, "Recurrence") {
			values[f.Name] = d.get(f.Name)
		}
	}
	date := day.Format(time.DateOnly)
	values["IsRecurrence"], values["RecurrenceActivityId"], values["ActivityDate"] = "", string(d.id), date
	if start := d.get("StartDateTime"); start != "" {
		at, err := time.Parse(stampLayout, start)
		end, err2 := time.Parse(stampLayout, d.get("EndDateTime"))
		if err == nil && err2 == nil {
			begins := day.Add(at.Sub(at.Truncate(24 * time.Hour)))
			values["StartDateTime"], values["ActivityDateTime"] = stamp(begins), stamp(begins)
			values["EndDateTime"] = stamp(begins.Add(end.Sub(at)))
		}
	}
	d.w.plantAt(d.t, d.w.o.newID(d.t), values)
}

// invited marks the event of an invitation as one of a group, and refuses a second invitation of the
// same person. Source: Object Reference, EventRelation; the wording is unverified.
func (d *draft) invited() *Error {
	if d.w.o.cfg.Features.SharedActivities && d.get("IsInvitee") != "true" {
		return nil
	}
	d.preset("Status", "New")
	t, rows := d.w.o.childrenOf("eventrelation", "EventId", sf.ID(d.get("EventId")), nil)
	for _, r := range rows {
		if r.id != d.id && t.text(r, "RelationId") == d.get("RelationId") {
			return fault("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: <unknown>")
		}
	}
	if p := d.w.o.record(sf.ID(d.get("EventId"))); p.r != nil && p.t.text(p.r, "IsGroupEvent") != "true" {
		d.w.amend(place{p.t, p.r.pos}, map[string]string{"IsGroupEvent": "true", "SystemModstamp": d.w.stamp})
	}
	return nil
}

// email checks a message and gives a new one its task. Sources: Object Reference, EmailMessage:
// Status, of which only a draft can be edited, RelatedToId and ActivityId; which fields the task takes
// is unverified.
func (d *draft) email() *Error {
	const fresh, read, draftStatus = "0", "1", "5"
	if d.old != nil {
		was, now := d.was("Status"), d.get("Status")
		for _, f := range d.object.Fields {
			changed := f.column >= 0 && d.old.text(f.column) != d.vals[f.column]
			if !changed || f.Custom || was == draftStatus || f.Name == "Status" && was == fresh && now == read ||
				f.Name == "RelatedToId" && d.get("IsClientManaged") == "true" {
				continue
			}
			return fault("INSUFFICIENT_ACCESS_OR_READONLY", "You can't edit an email that isn't a draft", f.Name)
		}
		return nil
	}
	d.preset("Status", fresh)
	d.preset("MessageDate", d.w.stamp)
	if d.get("ParentId") != "" {
		d.preset("RelatedToId", d.get("ParentId"))
	}
	if d.get("ActivityId") == "" && d.get("RelatedToId") != "" && d.get("Status") != draftStatus {
		date := d.get("MessageDate")
		d.put("ActivityId", string(d.w.plant("Task", map[string]string{
			"Subject": "Email: " + d.get("Subject"), "Status": "Completed", "Priority": "Normal", "TaskSubtype": "Email",
			"WhatId": d.get("RelatedToId"), "OwnerId": string(d.w.caller.User), "Description": d.get("TextBody"),
			"ActivityDate": date[:min(len(date), len(time.DateOnly))], "CompletedDateTime": date,
		})))
	}
	return nil
}
