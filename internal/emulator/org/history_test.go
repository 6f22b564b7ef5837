package org_test

import (
	"slices"
	"testing"
	"time"

	"holdfast/internal/emulator/org"
)

// tracked makes a custom object with a history, a feed and shares.
func (w *world) tracked(sharing string, specs ...org.FieldSpec) {
	w.t.Helper()
	w.change(func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{
			Name: "Thing__c", Label: "Thing", LabelPlural: "Things", Kind: org.CustomObject, History: true, Feeds: true, Sharing: sharing,
		}); err != nil {
			return err
		}
		return putFields(tx, "Thing__c", specs...)
	})
}

func TestHistoryTellsWhatChanged(t *testing.T) {
	w := newWorld(t)
	size, friend, story, plain := number("Size__c", 0), lookup("Friend__c", "Account", "Things", "SetNull"),
		org.FieldSpec{Name: "Story__c", Type: "LongTextArea", Length: 5000}, words("Plain__c", 20)
	size.TrackHistory, friend.TrackHistory, story.TrackHistory = true, true, true
	w.tracked("", size, friend, story, plain)
	acc := w.add("Account", "Name=Acme")
	id := w.add("Thing__c", "Size__c=1")
	w.clock.Advance(time.Minute)
	w.set(id, "Size__c=2", "Friend__c="+string(acc), "Story__c=long", "Plain__c=untracked")
	w.wants("SELECT ParentId, Field, DataType, OldValue, NewValue, CreatedDate FROM Thing__History",
		string(id)+"|created|Text|||2026-03-02T09:30:15.000Z",
		string(id)+"|Size__c|Double|1|2|2026-03-02T09:31:15.000Z",
		string(id)+"|Friend__c|Text||Acme|2026-03-02T09:31:15.000Z",
		string(id)+"|Friend__c|EntityId||"+string(acc)+"|2026-03-02T09:31:15.000Z",
		string(id)+"|Story__c|StringPlusClob|||2026-03-02T09:31:15.000Z")
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Insert, org.Row{Object: "Thing__History", Fields: fields("ParentId=" + string(id))})
	w.do(org.Delete, id)
	w.wants("SELECT Id FROM Thing__History")
	w.do(org.Undelete, id)
	if have := len(w.rows("SELECT Id FROM Thing__History WHERE Parent.Size__c = 2")); have != 5 {
		t.Errorf("%d rows of history came back", have)
	}
}

func TestHistoryOfStandardFields(t *testing.T) {
	w := newWorld(t)
	id := w.add("Account", "Name=A", "Site=x")
	w.change(func(tx *org.Tx) error {
		if _, err := tx.PutObject(org.ObjectSpec{Name: "Account", History: true}); err != nil {
			return err
		}
		return putFields(tx, "Account", org.FieldSpec{Name: "OwnerId", TrackHistory: true}, org.FieldSpec{Name: "Site", TrackHistory: true})
	})
	other := w.rows("SELECT Id FROM User WHERE Name = 'Sam Standard'")[0]
	w.set(id, "Site=y", "OwnerId="+other, "Phone=1")
	w.wants("SELECT AccountId, Field, OldValue, NewValue FROM AccountHistory WHERE DataType = 'Text' ORDER BY Field",
		string(id)+"|Owner|Ada Admin|Sam Standard", string(id)+"|Site|x|y")
}

func TestSharesFollowTheOwner(t *testing.T) {
	w := newWorld(t)
	w.tracked("Private")
	sam := w.rows("SELECT Id FROM User WHERE Name = 'Sam Standard'")[0]
	group := w.add("Group", "Name=G", "Type=Regular")
	id := w.add("Thing__c")
	w.wants("SELECT UserOrGroupId, AccessLevel, RowCause FROM Thing__Share", string(w.Admin().User)+"|All|Owner")
	share := "ParentId=" + string(id)
	w.add("Thing__Share", share, "UserOrGroupId="+sam, "AccessLevel=Edit")
	manual := w.add("Thing__Share", share, "UserOrGroupId="+string(group), "AccessLevel=Read")
	for _, pairs := range [][]string{
		{"UserOrGroupId=" + sam, "AccessLevel=All"},
		{"UserOrGroupId=" + sam, "AccessLevel=Read", "RowCause=Owner"},
	} {
		w.refused("FIELD_INTEGRITY_EXCEPTION", org.Insert, org.Row{Object: "Thing__Share", Fields: fields(append(pairs, share)...)})
	}
	w.add("Thing__Share", share, "UserOrGroupId="+string(group), "AccessLevel=Edit") // takes the place of the first
	w.wants("SELECT AccessLevel FROM Thing__Share WHERE UserOrGroupId = '"+string(group)+"'", "Edit")
	owner := w.rows("SELECT Id FROM Thing__Share WHERE RowCause = 'Owner'")[0]
	w.refused("UNAUTHORIZED_SHARE_ACTION", org.Delete, org.Row{Object: "Thing__Share", ID: owner})
	w.refused("ENTITY_IS_DELETED", org.Delete, org.Row{Object: "Thing__Share", ID: string(manual)})
	w.set(id, "OwnerId="+sam)
	w.wants("SELECT UserOrGroupId, RowCause FROM Thing__Share", sam+"|Owner")
}

func TestObjectsOpenToAllHaveNoShares(t *testing.T) {
	w := newWorld(t)
	w.tracked("ReadWrite")
	if _, ok := w.Describe("Thing__Share"); ok {
		t.Error("an object that everybody may edit has a share object")
	}
}

func TestPostsShowInTheFeedOfTheirRecord(t *testing.T) {
	w := newWorld(t)
	size := number("Size__c", 0)
	size.TrackFeedHistory = true
	w.tracked("", size)
	id := w.add("Thing__c")
	post := w.add("FeedItem", "ParentId="+string(id), "Body=Hello")
	w.add("FeedComment", "FeedItemId="+string(post), "CommentBody=yes")
	w.wants("SELECT Id, ParentId, Type, Body, CommentCount FROM Thing__Feed", string(post)+"|"+string(id)+"|TextPost|Hello|1")
	w.wants("SELECT ParentId FROM FeedComment", string(id))
	w.refused("INVALID_TYPE_FOR_OPERATION", org.Insert, org.Row{Object: "Thing__Feed", Fields: fields("Body=x")})
	w.refused("REQUIRED_FIELD_MISSING", org.Insert, org.Row{Object: "FeedItem", Fields: fields("ParentId=" + string(id))})
	w.set(id, "Size__c=3")
	if have := w.rows("SELECT Type FROM Thing__Feed ORDER BY Id"); !slices.Equal(have, []string{"TextPost", "TrackedChange"}) {
		t.Errorf("the feed shows %q", have)
	}
	w.one(org.Delete, org.Row{Object: "Thing__Feed", ID: string(post)}, org.Options{})
	w.wants("SELECT Type FROM FeedItem", "TrackedChange")
	w.wants("SELECT Type FROM Thing__Feed", "TrackedChange")
	w.wants("SELECT Id FROM FeedComment")
}
