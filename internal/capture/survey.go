package capture

import (
	"slices"
	"strings"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// task is one object to read, and how.
type task struct {
	object *sf.Object
	fields []string // that are held, sorted
	stamp  string   // field by which changes are found, or ""

	previous *snapshot.Part // whole part of the last snapshot, or nil
	reread   bool           // every record is read, not only changes
	why      string         // why every record is read

	// beside is the snapshot by which what the records refer to is known to be settled: that in which
	// they were last read, or the last one when all are read now. It is nil when there is none.
	beside *snapshot.Snapshot
}

func (t *task) has(field string) bool {
	_, found := slices.BinarySearch(t.fields, field)
	return found
}

// archives reports an object whose old records leave ordinary queries and counts while queryAll
// still sees them (Task and Event).
// Source: SOAP API Developer Guide, "Archived Activities".
func (t *task) archives() bool { return t.has("IsArchived") && t.has("IsDeleted") }

// survey is what a capture will do, decided before any record is read.
type survey struct {
	tasks []*task        // in the order in which they are begun
	carry []string       // objects taken over from the last snapshot
	gaps  []snapshot.Gap // known already
}

// held is what the last snapshot holds of one object: the part and the object as it was described
// when the part was read, which may be nil when that is not known.
type held struct {
	part   snapshot.Part
	object *sf.Object
	beside *snapshot.Snapshot // in which the part was read

	formulas time.Time // when every record was last read, which is how old formulas may be
}

// plan decides for every object that the org describes or the last snapshot, which may be nil, holds.
// earlier has the whole parts by the name of their object.
func (o Options) plan(schema *sf.Schema, earlier map[string]held, parent *snapshot.Snapshot, now time.Time) survey {
	var s survey
	described := make(map[string]bool, len(schema.Objects))
	for _, object := range schema.Objects {
		described[object.Name] = true
		before, isHeld := earlier[object.Name]
		if g, out := uncoverable(object); out {
			s.gaps = append(s.gaps, g)
			continue
		}
		if g, out := o.Rules.excluded(object.Name); out {
			s.gaps = append(s.gaps, g)
			continue
		}
		if isBig(object) && !isHeld && !names(o.Include, object.Name) && !slices.Contains(o.Rules.Only, object.Name) {
			s.gaps = append(s.gaps, gap(object.Name, "", RuleKind, "a big object, of which every row is read each time: it is held when it is asked for by its name"))
			continue
		}
		switch {
		case len(o.Include) > 0 && !names(o.Include, object.Name), isBig(object) && isHeld && !names(o.Include, object.Name) && !slices.Contains(o.Rules.Only, object.Name):
			if isHeld {
				s.carry = append(s.carry, object.Name)
				_, gaps := o.Rules.coveredFields(object)
				s.gaps = append(append(s.gaps, gaps...), o.Rules.staleFields(object, before.formulas)...)
			} else {
				s.gaps = append(s.gaps, gap(object.Name, "", RuleNotSelected, "the operator asked for other objects only"))
			}
		default:
			t, gaps := o.task(object, before, isHeld, now)
			if t.reread {
				t.beside = parent
			}
			s.tasks = append(s.tasks, t)
			s.gaps = append(s.gaps, gaps...)
		}
	}
	for name := range earlier {
		if !described[name] {
			s.gaps = append(s.gaps, gap(name, "", RuleVanished,
				"deleted, or hidden from the user; earlier snapshots hold it"))
		}
	}
	// Long readings first, so that the workers end together.
	slices.SortStableFunc(s.tasks, func(a, b *task) int {
		if c := work(b) - work(a); c != 0 {
			return int(max(-1, min(1, c)))
		}
		return strings.Compare(a.object.Name, b.object.Name)
	})
	return s
}

// work estimates how many records a task reads; one never read before may have any number.
func work(t *task) int64 {
	switch {
	case t.previous == nil:
		return 1 << 40
	case t.reread:
		return t.previous.Records
	}
	return 0
}

// task decides how one object is read, and returns what of it is not held.
func (o Options) task(object *sf.Object, before held, isHeld bool, now time.Time) (*task, []snapshot.Gap) {
	t := &task{object: object, stamp: stampField(object)}
	var gaps []snapshot.Gap
	t.fields, gaps = o.Rules.coveredFields(object)
	if !isHeld {
		t.reread, t.why = true, "not held before"
		return t, gaps
	}
	t.previous, t.beside = &before.part, before.beside
	changed := o.Rules.schemaGaps(object, t.fields, before.object, before.part.Fields)
	gaps = append(gaps, changed...)
	switch {
	case len(changed) > 0:
		t.reread, t.why = true, "its fields changed"
	case before.object == nil:
		t.reread, t.why = true, "the types that its fields had are not known"
	case o.Full:
		t.reread, t.why = true, "asked for"
	case o.RefreshFormulas > 0 && hasFormulas(object) && now.Sub(before.formulas) >= o.RefreshFormulas:
		t.reread, t.why = true, "its formulas were due"
	case t.stamp == "":
		t.reread, t.why = true, "it has no stamp that changes move"
	case before.part.Watermark.IsZero():
		t.reread, t.why = true, "no watermark"
	default:
		gaps = append(gaps, o.Rules.staleFields(object, before.formulas)...)
	}
	return t, gaps
}
