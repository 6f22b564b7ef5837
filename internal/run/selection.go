package run

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// Selection says which part of a state a restore is about. The zero value is all of it. What is given
// together narrows: only records that every part allows are selected.
type Selection struct {
	Objects []string // API names
	Records []string // Ids of 15 or 18 characters, also those from before an earlier restore
	Query   string   // SOQL with FROM and WHERE, over the wanted state; with an undo also over the one after it

	// Children takes in the records that refer to selected ones, and those that refer to these, so many
	// steps far. Follow names the objects to which that is restricted; empty: all.
	Children int
	Follow   []string

	// Exclude names objects and Ids of records that stay out, also as parents and children.
	Exclude []string

	// Fields, as Object.Field or Field, restricts the restore to these values of records that are there.
	Fields []string

	// Take names conflicts that are decided for the wanted value: "all", an object, Object.Field, or the Id
	// of a record. Every other conflict keeps what is live.
	Take []string

	// By, Since and Until select, of what changed between two states, what one user changed, or what was
	// changed within a time. By is a username or the Id of a user.
	By           string
	Since, Until time.Time // server time; zero: open
}

// maxChildren bounds how far the children of a selection are followed.
const maxChildren = 32

// choose sets the slice.
func (in RestoreInput) choose(ctx context.Context, w *wanted) error {
	if err := in.check(w); err != nil {
		return err
	}
	for _, decide := range []func(context.Context, *wanted) error{
		in.chooseObjects, in.chooseRecords, in.chooseExcluded, in.chooseFields, in.chooseQuery, in.chooseChildren, in.chooseParty, in.chooseTaken,
	} {
		if err := decide(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (s Selection) check(w *wanted) error {
	party := s.By != "" || !s.Since.IsZero() || !s.Until.IsZero()
	switch {
	case party && w.base == nil:
		return problem.New(problem.Usage, "what somebody changed, or what changed within a time, can only be undone").
			Hint("name the states around it with --undo BEFORE..AFTER; AFTER may be latest")
	case !s.Since.IsZero() && !s.Until.IsZero() && !s.Since.Before(s.Until):
		return problem.New(problem.Usage, "the time that is selected ends before it begins")
	case len(s.Take) > 0 && w.base == nil:
		return problem.New(problem.Usage, "there are no conflicts on the way back to one state").
			Hint("--take goes with --undo alone")
	case s.Children < 0 || s.Children > maxChildren:
		return problem.Newf(problem.Usage, "children are followed 0 to %d steps far", maxChildren)
	case s.Children > 0 && len(s.Objects)+len(s.Records) == 0 && s.Query == "":
		return problem.New(problem.Usage, "whose children are meant is not said").
			Hint("select records with --record or --query, or objects with --object")
	case len(s.Follow) > 0 && s.Children == 0:
		return problem.New(problem.Usage, "--follow goes with --children alone")
	}
	return nil
}

func (in RestoreInput) chooseObjects(_ context.Context, w *wanted) error {
	for _, name := range in.Objects {
		object := w.eq.Schema.Object(name)
		if object == nil {
			return capture.NoObject(w.eq.Schema, name)
		}
		if _, held := w.want.Part(object.Name); !held {
			return problem.Newf(problem.NotFound, "snapshot %s does not hold %s", w.want.Info().Short(), object.Name).
				Hint("`holdfast show %s --coverage` says why", w.want.Info().Short())
		}
		if w.chosen == nil {
			w.chosen = map[string]bool{}
		}
		w.chosen[object.Name] = true
	}
	return nil
}

func (in RestoreInput) chooseRecords(_ context.Context, w *wanted) error {
	for _, text := range in.Records {
		id, err := sf.ParseID(strings.TrimSpace(text))
		if err != nil {
			return problem.Wrap(problem.Usage, err, "record")
		}
		if w.records == nil {
			w.records = map[sf.ID]bool{}
		}
		w.records[w.eq.Identity.Map(id)] = true
	}
	return nil
}

func (in RestoreInput) chooseExcluded(_ context.Context, w *wanted) error {
	for _, text := range in.Exclude {
		if object := w.eq.Schema.Object(text); object != nil {
			w.excluded.object(object.Name)
			continue
		}
		id, err := sf.ParseID(strings.TrimSpace(text))
		if err != nil {
			return problem.Newf(problem.NotFound, "%q is neither an object of the org nor the Id of a record", text).
				Hint("give API names or Ids with --exclude")
		}
		w.excluded.record(w.eq.Identity.Map(id))
	}
	return nil
}

// excluded is what stays out of a selection.
type excluded struct {
	objects map[string]bool
	records map[sf.ID]bool
}

func (e *excluded) object(name string) {
	if e.objects == nil {
		e.objects = map[string]bool{}
	}
	e.objects[name] = true
}

func (e *excluded) record(id sf.ID) {
	if e.records == nil {
		e.records = map[sf.ID]bool{}
	}
	e.records[id] = true
}

// chooseFields reads the fields: of one object, or of every object that has it.
func (in RestoreInput) chooseFields(_ context.Context, w *wanted) error {
	for _, text := range in.Fields {
		object, field, qualified := strings.Cut(text, ".")
		if !qualified {
			object, field = "", text
		}
		found := false
		for _, o := range w.eq.Schema.Objects {
			if qualified && !strings.EqualFold(o.Name, object) {
				continue
			}
			if f := o.Field(field); f != nil {
				w.fields.add(o.Name, f.Name)
				found = true
			}
		}
		if !found {
			return problem.Newf(problem.NotFound, "the org has no field %q", text).
				Hint("give API names, such as Account.Phone or Phone")
		}
	}
	return nil
}

// everyField stands for all fields of an object, and for its records that come and go, too.
const everyField = "*"

// fieldSet is a set of fields by object; nil is every field.
type fieldSet map[string]map[string]bool

func (s *fieldSet) add(object, field string) {
	if *s == nil {
		*s = fieldSet{}
	}
	if (*s)[object] == nil {
		(*s)[object] = map[string]bool{}
	}
	(*s)[object][field] = true
}

// of keeps of an update what is selected, and reports that there is something. Only records that are
// there have fields to bring back.
func (s fieldSet) of(c state.Change) (state.Change, bool) {
	if s == nil || s[c.Object][everyField] {
		return c, true
	}
	if c.Kind != state.Update {
		return c, false
	}
	c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool { return !s[c.Object][f.Field] })
	return c, len(c.Fields) > 0
}

// names returns the fields as Object.Field, sorted.
func (s fieldSet) names() []string {
	var out []string
	for object, fields := range s {
		for field := range fields {
			out = append(out, object+"."+field)
		}
	}
	slices.Sort(out)
	return out
}

// takeAll decides every conflict for the wanted value.
const takeAll = "all"

// chooseTaken reads which conflicts are decided for the wanted value.
func (in RestoreInput) chooseTaken(_ context.Context, w *wanted) error {
	for _, text := range in.Take {
		object, field, qualified := strings.Cut(text, ".")
		o := w.eq.Schema.Object(object)
		id, idErr := sf.ParseID(text)
		switch {
		case text == takeAll:
			w.taken = append(w.taken, takeAll)
		case o != nil && !qualified:
			w.taken = append(w.taken, o.Name)
		case o != nil && o.Field(field) != nil:
			w.taken = append(w.taken, o.Name+"."+o.Field(field).Name)
		case idErr == nil:
			w.taken = append(w.taken, string(w.eq.Identity.Map(id)))
		default:
			return problem.Newf(problem.NotFound, "%q is not an object, a field or the Id of a record", text).
				Hint("give all, Object, Object.Field or an Id with --take")
		}
	}
	slices.Sort(w.taken)
	w.taken = slices.Compact(w.taken)
	w.eq.Take = w.takes()
	return nil
}

// takes returns the decision on a conflict; nil: each keeps what is live.
func (w *wanted) takes() func(object string, id sf.ID, field string) bool {
	if len(w.taken) == 0 {
		return nil
	}
	taken := map[string]bool{}
	for _, t := range w.taken {
		taken[t] = true
	}
	return func(object string, id sf.ID, field string) bool {
		return taken[takeAll] || taken[object] || taken[object+"."+field] || taken[string(id)]
	}
}

// chooseQuery selects by a query over each state whose records the restore may touch.
func (in RestoreInput) chooseQuery(ctx context.Context, w *wanted) error {
	if in.Query == "" {
		return nil
	}
	q, err := parseSelection(in.Query)
	if err != nil {
		return err
	}
	selected := map[sf.ID]bool{}
	for sn := range w.sources() {
		object, ids, err := w.selectIDs(ctx, sn, q)
		if err != nil {
			return err
		}
		if len(w.chosen) > 0 && !w.chosen[object] {
			return problem.Newf(problem.Usage, "the query selects records of %s, and other objects are chosen", object)
		}
		maps.Copy(selected, ids)
	}
	if w.records != nil {
		maps.DeleteFunc(selected, func(id sf.ID, _ bool) bool { return !w.records[id] })
	}
	if len(selected) == 0 {
		return problem.New(problem.NotFound, "the query selects no record").
			Hint("it is evaluated over the snapshot, not over the org; `holdfast show` lists what that holds")
	}
	w.records = selected
	return nil
}

// sources yields the states in which records of the slice are looked for.
func (w *wanted) sources() iter.Seq[liveState] {
	return func(yield func(liveState) bool) {
		if !yield(w.want) {
			return
		}
		if w.base != nil && !yield(w.base) {
			return
		}
		if w.base == nil && w.deleteExtra {
			yield(w.live)
		}
	}
}

// chooseChildren takes in the records that refer to selected ones.
func (in RestoreInput) chooseChildren(ctx context.Context, w *wanted) error {
	if in.Children == 0 {
		return nil
	}
	follow := map[string]bool{}
	for _, name := range in.Follow {
		object := w.eq.Schema.Object(name)
		if object == nil {
			return capture.NoObject(w.eq.Schema, name)
		}
		follow[object.Name] = true
	}
	if w.records == nil {
		if err := w.allOfChosen(ctx); err != nil {
			return err
		}
	}
	w.chosen = nil // the records say it all
	frontier := maps.Clone(w.records)
	for range in.Children {
		next := map[sf.ID]bool{}
		for sn := range w.sources() {
			if err := w.referring(ctx, sn, frontier, follow, next); err != nil {
				return err
			}
		}
		if len(next) == 0 {
			break
		}
		maps.Copy(w.records, next)
		frontier = next
	}
	return nil
}

// allOfChosen turns chosen objects into their records.
func (w *wanted) allOfChosen(ctx context.Context) error {
	w.records = map[sf.ID]bool{}
	for sn := range w.sources() {
		for object := range w.chosen {
			if _, held := sn.Part(object); !held {
				continue
			}
			for r, err := range w.eq.Records(sn.Records(ctx, object)) {
				if err != nil {
					return err
				}
				if w.records[r.ID] = true; len(w.records) > w.limit {
					return w.tooMany()
				}
			}
		}
	}
	return nil
}

func (w *wanted) tooMany() error {
	return problem.Newf(problem.Limits, "more than %d records are selected", w.limit).
		Hint("select fewer records, and restore in parts")
}

// notFollowed are references that every record has, or that lead to what is no part of a graph.
func notFollowed(field string) bool {
	return field == "OwnerId" || field == "RecordTypeId" || sf.IsSystemField(field)
}

// referring adds to next the records of the snapshot that refer to one of the frontier.
func (w *wanted) referring(ctx context.Context, sn liveState, frontier map[sf.ID]bool, follow map[string]bool, next map[sf.ID]bool) error {
	for _, part := range sn.Parts() {
		object := sn.Schema().Object(part.Object)
		if object == nil || part.State != snapshot.Whole || w.excluded.objects[part.Object] || len(follow) > 0 && !follow[part.Object] {
			continue
		}
		var refs []string
		for _, f := range object.References() {
			if !notFollowed(f.Name) && slices.Contains(part.Fields, f.Name) {
				refs = append(refs, f.Name)
			}
		}
		if len(refs) == 0 {
			continue
		}
		for r, err := range w.eq.Records(sn.Records(ctx, part.Object)) {
			if err != nil {
				return err
			}
			if w.records[r.ID] || w.excluded.records[r.ID] || !slices.ContainsFunc(refs, func(f string) bool { return frontier[sf.ID(r.Get(f).Text())] }) {
				continue
			}
			if next[r.ID] = true; len(w.records)+len(next) > w.limit {
				return w.tooMany()
			}
		}
	}
	return nil
}

// Words with which a plan says what of its states it is about. Whoever verifies it computes the same.
const (
	onlyField  = "field "
	onlyBy     = "by "
	onlySince  = "since "
	onlyUntil  = "until "
	onlyTake   = "take "
	onlyVacant = "vacant"
)

// only returns what narrows the difference of the states of a plan, sorted.
func (w *wanted) only() []string {
	var out []string
	for _, name := range w.fields.names() {
		out = append(out, onlyField+name)
	}
	if w.vacant {
		out = append(out, onlyVacant)
	}
	if w.party.user != "" {
		out = append(out, onlyBy+string(w.party.user))
	}
	for _, t := range w.taken {
		out = append(out, onlyTake+t)
	}
	for word, at := range map[string]time.Time{onlySince: w.party.since, onlyUntil: w.party.until} {
		if !at.IsZero() {
			out = append(out, word+at.UTC().Format(sf.DatetimeLayout))
		}
	}
	slices.Sort(out)
	return out
}

// readOnly is the inverse of only.
func (w *wanted) readOnly(words []string) error {
	for _, word := range words {
		var err error
		switch {
		case strings.HasPrefix(word, onlyField):
			object, field, _ := strings.Cut(strings.TrimPrefix(word, onlyField), ".")
			w.fields.add(object, field)
		case word == onlyVacant:
			w.vacant = true
		case strings.HasPrefix(word, onlyBy):
			w.party.user, err = sf.ParseID(strings.TrimPrefix(word, onlyBy))
		case strings.HasPrefix(word, onlySince):
			w.party.since, err = sf.ParseDatetime(strings.TrimPrefix(word, onlySince))
		case strings.HasPrefix(word, onlyUntil):
			w.party.until, err = sf.ParseDatetime(strings.TrimPrefix(word, onlyUntil))
		case strings.HasPrefix(word, onlyTake):
			w.taken = append(w.taken, strings.TrimPrefix(word, onlyTake))
		default:
			err = fmt.Errorf("unknown word")
		}
		if err != nil {
			return problem.Wrap(problem.Usage, err, fmt.Sprintf("the plan is about %q", word)).
				Hint("it was made by another version; make a new one with `holdfast restore`")
		}
	}
	w.eq.Take = w.takes()
	return nil
}
