package run

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"holdfast/internal/capture"
	"holdfast/internal/sf"
)

// binSource is an org of which only the Recycle Bin is asked.
type binSource struct {
	capture.Source
	asked [][]string
}

// Records notes the fields that are asked for, and finds nothing.
func (s *binSource) Records(_ context.Context, x sf.Extract) iter.Seq2[sf.Record, error] {
	s.asked = append(s.asked, slices.Clone(x.Fields))
	return func(func(sf.Record, error) bool) {}
}

// TestRecycleBinIsAskedTheSameInEveryChunk: an object whose snapshot holds IsDeleted is looked for with the same fields however many
// records there are.
func TestRecycleBinIsAskedTheSameInEveryChunk(t *testing.T) {
	object := &sf.Object{Name: "Thing__c", Undeletable: true, Fields: []*sf.Field{{Name: "IsDeleted", Type: sf.TypeBoolean}, {Name: "Name", Type: sf.TypeString}}}
	var ids []sf.ID
	for i := range 2*binRows + 1 {
		id, err := sf.ParseID(fmt.Sprintf("a00000000%06d", i))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	source := &binSource{}
	if err := (RestoreInput{Source: source}).inBin(t.Context(), object, []string{"IsDeleted", "Name"}, ids, map[sf.ID]sf.Record{}); err != nil {
		t.Fatal(err)
	}
	if len(source.asked) != 3 {
		t.Fatalf("asked %d times", len(source.asked))
	}
	for i, fields := range source.asked {
		if !slices.Equal(fields, []string{"IsDeleted", "Name"}) {
			t.Errorf("chunk %d asks for %q", i, fields)
		}
	}
}
