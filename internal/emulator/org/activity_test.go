package org_test

import (
	"slices"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
)

// Source: SOAP API Developer Guide, "Archived Activities".
func TestOldActivitiesAreArchived(t *testing.T) {
	w := newWorld(t)
	w.add("Task", "Subject=done", "Status=Completed", "ActivityDate=2026-03-01")
	w.add("Task", "Subject=open", "ActivityDate=2026-03-01")
	w.add("Task", "Subject=ancient", "Status=Completed", "ActivityDate=2020-01-01")
	w.add("Event", "Subject=party", "ActivityDateTime=2026-03-01T10:00:00Z", "DurationInMinutes=60")
	w.wants("SELECT Subject FROM Task ORDER BY Subject", "ancient", "done", "open") // until the night
	w.clock.Advance(24 * time.Hour)
	w.wants("SELECT Subject FROM Task ORDER BY Subject", "done", "open")
	w.clock.Advance(365 * 24 * time.Hour)
	w.wants("SELECT Subject FROM Task", "open")
	w.wants("SELECT Subject FROM Event")
	want := []string{"ancient|true", "done|true", "open|false"}
	if have := w.lines("SELECT Subject, IsArchived FROM Task ORDER BY Subject", true); !slices.Equal(have, want) {
		t.Errorf("queryAll shows %q, want %q", have, want)
	}
	id := w.lines("SELECT Id FROM Task WHERE Subject = 'done'", true)[0]
	if r := w.one(org.Update, org.Row{ID: id, Fields: fields("Description=kept")}, org.Options{}); !r.Success {
		t.Errorf("an archived task was not updated: %v", r.Errors)
	}
	w.refused("INVALID_FIELD_FOR_INSERT_UPDATE", org.Update, org.Row{ID: id, Fields: fields("IsArchived=false")})
}

// Source: Salesforce Help, "Recycle Bin": 25 records for each megabyte, the oldest go after two hours.
func TestBinOverflows(t *testing.T) {
	w := newWorld(t)
	w.SetLimit("DataStorageMB", 1, 1)
	for range 20 {
		w.do(org.Delete, w.add("Account", "Name=old"))
	}
	w.clock.Advance(time.Hour)
	for range 10 {
		w.do(org.Delete, w.add("Account", "Name=new"))
	}
	count := func() int { return len(w.lines("SELECT Id FROM Account WHERE IsDeleted = true", true)) }
	if count() != 30 {
		t.Errorf("the bin holds %d records before the two hours are over", count())
	}
	w.clock.Advance(time.Hour)
	if count() != 25 {
		t.Errorf("the bin holds %d records, want 25", count())
	}
	if have := w.lines("SELECT Id FROM Account WHERE Name = 'new' AND IsDeleted = true", true); len(have) != 10 {
		t.Errorf("%d of the ten newest are left", len(have))
	}
}

func TestUndeleteMakesRoomInTheBin(t *testing.T) {
	w := newWorld(t)
	w.SetLimit("DataStorageMB", 1, 1)
	for range 30 {
		id := w.add("Account", "Name=A")
		w.do(org.Delete, id)
		w.do(org.Undelete, id)
	}
	last := w.add("Account", "Name=last")
	w.do(org.Delete, last)
	w.clock.Advance(3 * time.Hour)
	w.do(org.Undelete, last)
}

// Source: Object Reference, Task, "Recurring Tasks".
func TestSeriesMakesItsOccurrences(t *testing.T) {
	w := newWorld(t)
	series := w.add("Task", "Subject=Gym", "IsRecurrence=true", "RecurrenceStartDateOnly=2026-03-02", "RecurrenceEndDateOnly=2026-03-15",
		"RecurrenceType=RecursWeekly", "RecurrenceInterval=1", "RecurrenceDayOfWeekMask=10")
	w.wants("SELECT Subject, ActivityDate, IsRecurrence FROM Task WHERE RecurrenceActivityId = '"+string(series)+"' ORDER BY ActivityDate",
		"Gym|2026-03-02|false", "Gym|2026-03-04|false", "Gym|2026-03-09|false", "Gym|2026-03-11|false")
	w.do(org.Delete, series)
	w.wants("SELECT Id FROM Task")
	row := func(pairs ...string) org.Row { return org.Row{Object: "Task", Fields: fields(pairs...)} }
	w.refused("REQUIRED_FIELD_MISSING", org.Insert, row("Subject=s", "IsRecurrence=true", "RecurrenceStartDateOnly=2026-03-02"))
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, row("Subject=s", "IsRecurrence=true", "RecurrenceStartDateOnly=2026-03-02",
		"RecurrenceEndDateOnly=2026-12-31", "RecurrenceType=RecursDaily"))
	w.wants("SELECT Id FROM Task")
}

func TestInvitationsMakeAGroupEvent(t *testing.T) {
	w := newWorld(t)
	con := w.add("Contact", "LastName=L")
	event := w.add("Event", "Subject=e", "ActivityDateTime=2026-03-05T10:00:00Z", "DurationInMinutes=30")
	invitation := org.Row{Object: "EventRelation", Fields: fields("EventId="+string(event), "RelationId="+string(con))}
	if r := w.one(org.Insert, invitation, org.Options{}); !r.Success {
		t.Fatal(r.Errors)
	}
	w.wants("SELECT Event.IsGroupEvent, Status FROM EventRelation", "true|New")
	w.refused("DUPLICATE_VALUE", org.Insert, invitation)
	w.do(org.Delete, event)
	w.wants("SELECT Id FROM EventRelation")
}

// Source: Object Reference, EmailMessage.
func TestEmailMakesATaskAndCannotBeEdited(t *testing.T) {
	w := newWorld(t)
	acc := w.add("Account", "Name=A")
	mail := w.add("EmailMessage", "Subject=Hi", "TextBody=text", "RelatedToId="+string(acc), "Status=3", "MessageDate=2026-03-01T10:00:00Z")
	w.wants("SELECT Id, Subject, TaskSubtype, WhatId, ActivityDate, IsClosed FROM Task",
		w.value(mail, "ActivityId")+"|Email: Hi|Email|"+string(acc)+"|2026-03-01|true")
	w.refused("INSUFFICIENT_ACCESS_OR_READONLY", org.Update, org.Row{ID: string(mail), Fields: fields("Subject=x")})
	draft := w.add("EmailMessage", "Subject=Draft", "Status=5", "RelatedToId="+string(acc))
	w.set(draft, "Subject=Better")
}

// Sources: Object Reference, TaskRelation and WhoId of Task.
func TestSharedTasksHaveSeveralPeople(t *testing.T) {
	w := newWorld(t)
	w.Org = org.New(org.Config{Seed: 7, Clock: w.clock, Features: org.Features{SharedActivities: true}})
	acc := w.add("Account", "Name=A")
	ada, bob := w.add("Contact", "LastName=Ada", "AccountId="+string(acc)), w.add("Contact", "LastName=Bob")
	lead := w.add("Lead", "LastName=L", "Company=C")
	task := w.add("Task", "Subject=s", "WhoId="+string(ada), "WhatId="+string(acc))
	const relations = "SELECT RelationId, IsWhat FROM TaskRelation ORDER BY IsWhat, Id"
	w.wants(relations, string(ada)+"|false", string(acc)+"|true")
	second := w.add("TaskRelation", "TaskId="+string(task), "RelationId="+string(bob))
	w.wants("SELECT WhoId, WhoCount, WhatCount FROM Task", string(ada)+"|2|1")
	w.refused("DUPLICATE_VALUE", org.Insert, org.Row{Object: "TaskRelation", Fields: fields("TaskId="+string(task), "RelationId="+string(bob))})
	w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, org.Row{Object: "TaskRelation", Fields: fields("TaskId="+string(task), "RelationId="+string(lead))})
	// Another WhoId joins as the primary; none promotes who is left.
	w.do(org.Delete, second)
	w.set(task, "WhoId="+string(bob))
	w.wants("SELECT WhoId, WhoCount FROM Task", string(bob)+"|2")
	w.set(task, "WhoId=")
	w.wants("SELECT WhoId, WhoCount FROM Task", string(ada)+"|1")
	w.set(task, "WhoId="+string(bob), "WhatId=")
	w.wants("SELECT WhoId, WhatCount FROM Task", string(bob)+"|0")
	// A task of several stays when one of them goes, and goes with the last.
	w.do(org.Delete, bob)
	w.wants("SELECT WhoId, WhoCount FROM Task", string(ada)+"|1")
	w.do(org.Delete, ada)
	w.wants("SELECT Id FROM Task")
	w.do(org.Undelete, ada)
	w.wants("SELECT WhoId, WhoCount FROM Task", string(ada)+"|1")
}

// Source: Object Reference, EventRelation: parents and invitees.
func TestSharedEventsHaveParentsAndInvitees(t *testing.T) {
	w := newWorld(t)
	w.Org = org.New(org.Config{Seed: 7, Clock: w.clock, Features: org.Features{SharedActivities: true}})
	acc, ada := w.add("Account", "Name=A"), w.add("Contact", "LastName=Ada")
	event := w.add("Event", "Subject=e", "ActivityDateTime=2026-03-05T10:00:00Z", "DurationInMinutes=30", "WhoId="+string(ada), "WhatId="+string(acc))
	w.wants("SELECT RelationId, IsParent, IsInvitee, IsWhat FROM EventRelation ORDER BY IsWhat",
		string(ada)+"|true|false|false", string(acc)+"|true|false|true")
	w.wants("SELECT IsGroupEvent, WhoCount, WhatCount FROM Event", "false|1|1")
	w.add("EventRelation", "EventId="+string(event), "RelationId="+string(w.Admin().User))
	w.wants("SELECT IsGroupEvent, WhoCount FROM Event", "true|1")
	w.wants("SELECT Status, IsParent FROM EventRelation WHERE IsInvitee = true", "New|false")
	w.do(org.Delete, event)
	w.wants("SELECT Id FROM EventRelation")
	plain := newWorld(t)
	plain.add("Event", "Subject=e", "ActivityDateTime=2026-03-05T10:00:00Z", "DurationInMinutes=30", "WhoId="+string(plain.add("Contact", "LastName=Ada")))
	plain.wants("SELECT Id FROM EventRelation")
}
