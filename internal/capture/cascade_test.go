package capture_test

import (
	"testing"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/sf"
)

// withHistory is an org with records and a history of each, which knows neither bin nor log nor stamp.
func withHistory(t *testing.T) (b *bench, records, history []sf.ID) {
	owner := object("Parcel__c", "a01")
	owner.Children = []sf.ChildRelationship{{Child: "Parcel__History", Field: "ParentId", CascadeDelete: true}}
	log := without(object("Parcel__History", "017",
		&sf.Field{Name: "ParentId", Type: sf.TypeReference, ReferenceTo: []string{"Parcel__c"}}), "SystemModstamp", "IsDeleted")
	log.Replicateable = false
	b = newBench(t, owner, log)
	records, history = b.org.insert("Parcel__c", 6), b.org.insert("Parcel__History", 12)
	for i, id := range history {
		b.org.updateQuietly("Parcel__History", id, "ParentId", string(records[i%len(records)]))
	}
	b.org.advance(time.Hour)
	b.back()
	b.org.advance(time.Hour)
	return b, records, history
}

// All histories may go when all that they belong to is known to be deleted: from the bin, or, once it was
// emptied, from the log.
func TestHistoriesGoWithTheirRecords(t *testing.T) {
	b, records, history := withHistory(t)
	b.org.remove("Parcel__c", records...)
	b.org.hardDelete("Parcel__c", false, records[:3]...) // the log still names them
	b.org.hardDelete("Parcel__History", false, history...)
	r := b.back()
	if p := part(t, r, "Parcel__History"); p.Mode != capture.ModeFull || p.Part.Changes.Deleted != 12 {
		t.Errorf("%s, %+v", p.Mode, p.Part.Changes)
	}
	b.wantSame("Parcel__History")
}

// Histories that vanish while what they belong to is there, or without a trace of its deletion, look like
// a lost permission.
func TestHistoriesDoNotGoAlone(t *testing.T) {
	b, records, history := withHistory(t)
	b.org.remove("Parcel__c", records[1:]...)
	b.org.hardDelete("Parcel__History", false, history...)
	b.backPartial("Parcel__History")

	b, records, history = withHistory(t)
	b.org.insert("Parcel__c", 1)
	b.back()
	b.org.advance(time.Hour)
	b.org.hardDelete("Parcel__c", false, records...)
	b.org.hardDelete("Parcel__History", false, history...)
	b.backPartial("Parcel__History") // of the six records, few enough, nobody knows
}
