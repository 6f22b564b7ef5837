package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// The org's own bypass is on for one user while a plan is applied: a checkbox of the user's record of a hierarchy custom
// setting, or an assignment of a permission set. As with automation, what was there is in the journal before anything is
// changed, and afterwards it is put back and read again.
// Sources: Apex Developer Guide, "Hierarchy Custom Setting Methods"; Object Reference, PermissionSetAssignment.

// The field of a setting that says whose record it is, and the values of a checkbox.
const (
	settingOwner = "SetupOwnerId"
	settingYes   = "true"
	settingNo    = "false"
)

// bypassing is what the journal has as set.
type bypassing struct {
	user sf.ID
	set  []entrySet
	made map[string]string // the record that sets it, by kind and name, as far as it is known
	back bool
}

func (e entrySet) key() string { return e.Kind + " " + e.Name }

// bypassed reports that a bypass is on, or about to be.
func (l *ledger) bypassed() bool { return l.bypass != nil && !l.bypass.back }

// foldBypass takes in the entries about bypasses and reports whether this was one.
func (l *ledger) foldBypass(e entry) (bool, error) {
	switch {
	case e.T == entryBypass && !l.bypassed() && e.User != "":
		l.bypass = &bypassing{user: sf.ID(e.User), set: e.Set, made: map[string]string{}}
		l.left = slices.DeleteFunc(l.left, func(name string) bool {
			return slices.ContainsFunc(e.Set, func(s entrySet) bool { return s.key() == name })
		})
	case e.T == entryOn && l.bypassed():
		for _, s := range e.Set {
			l.bypass.made[s.key()] = s.Row
		}
	case e.T == entryUnset && (l.bypassed() || len(e.Names) > 0): // one that was on before is not ours to put back, and can go all the same
		if l.bypass != nil {
			l.bypass.back = true
		}
		l.left = append(l.left, e.Names...)
	case e.T == entryBypass, e.T == entryOn, e.T == entryUnset:
		return true, fmt.Errorf("%s out of place", e.T)
	default:
		return false, nil
	}
	return true, nil
}

// bypassOn writes down how the user has each bypass of the plan, and then sets those that are not on. What an earlier run
// had set is put back first: somebody may have changed it since, and this one may be of another user.
func (a *application) bypassOn(ctx context.Context) error {
	if len(a.ledger.plan.Bypass) == 0 || a.ledger.count(rowPending) == 0 {
		return nil
	}
	if a.ledger.bypassed() {
		if err := a.bypassOff(ctx); err != nil {
			return err
		}
	}
	var set []entrySet
	for _, b := range a.ledger.plan.Bypass {
		e, on, err := a.standingOf(ctx, a.user, entrySet{Kind: b.Kind, Name: b.Name, With: string(b.ID)})
		if err != nil {
			return fmt.Errorf("bypass %s: %w", b.Name, err)
		}
		if !on {
			set = append(set, e)
		}
	}
	if len(set) == 0 {
		return nil
	}
	if err := a.record(entry{T: entryBypass, User: string(a.user), Set: set}); err != nil {
		return err
	}
	for _, group := range grouped(set) {
		if err := a.setBypass(ctx, group); err != nil {
			return fmt.Errorf("set the bypass %s: %w", group[0].Name, err)
		}
	}
	made := make([]entrySet, len(set))
	for i, s := range set {
		now, on, err := a.standingOf(ctx, a.user, s)
		if err != nil {
			return fmt.Errorf("bypass %s: %w", s.Name, err)
		}
		if !on {
			return problem.Newf(problem.NotVerified, "bypass %s was set and is not on", s.Name).
				Hint("see what changes it in the org, or make a plan without --bypass")
		}
		made[i] = entrySet{Kind: s.Kind, Name: s.Name, With: s.With, Row: now.Row}
	}
	return a.record(entry{T: entryOn, Set: made})
}

// grouped puts the checkboxes of one setting together: they are written by one call. A permission is alone.
func grouped(set []entrySet) [][]entrySet {
	by := map[string][]entrySet{}
	for _, s := range set {
		key := s.key()
		if s.Kind == plan.BypassSetting {
			key, _, _ = strings.Cut(key, ".")
		}
		by[key] = append(by[key], s)
	}
	var out [][]entrySet
	for _, key := range slices.Sorted(maps.Keys(by)) {
		out = append(out, by[key])
	}
	return out
}

// standingOf reads how a user has a bypass.
func (a *application) standingOf(ctx context.Context, user sf.ID, e entrySet) (now entrySet, on bool, err error) {
	now = entrySet{Kind: e.Kind, Name: e.Name, With: e.With}
	if e.Kind == plan.BypassPermission {
		return a.assignedTo(ctx, user, e)
	}
	object, field, _ := strings.Cut(e.Name, ".")
	err = a.each(ctx, object, []string{field}, settingOwner, user, func(r sf.Record) {
		now.Row, now.Was, on = string(r.ID), r.Get(field).Text(), r.Get(field).Text() == settingYes
	})
	return now, on, err
}

// assignedTo reads how a user has a permission set: an assignment that has lapsed gives nothing, and is told as the row of one who
// is without the bypass. Of several the one that gives it counts, and then one that was not there before.
func (a *application) assignedTo(ctx context.Context, user sf.ID, e entrySet) (now entrySet, on bool, err error) {
	now = entrySet{Kind: e.Kind, Name: e.Name, With: e.With}
	if _, err := a.described(ctx, assignments, assignee, assignedSet); err != nil {
		return now, false, err
	}
	all, err := Assignments(ctx, a.target, a.schema, user)
	for _, x := range all {
		switch {
		case string(x.Set) != e.With:
		case x.Lapsed == "":
			now.Row, on = string(x.ID), true
		case !on && (now.Row == "" || now.Row == e.Row):
			now.Row = string(x.ID)
		}
	}
	return now, on, err
}

// each reads the records whose reference field holds that Id.
func (a *application) each(ctx context.Context, object string, fields []string, key string, id sf.ID, fn func(sf.Record)) error {
	o, err := a.described(ctx, object, append(slices.Clone(fields), key)...)
	if err != nil {
		return err
	}
	for r, err := range a.target.Records(ctx, sf.Extract{Object: o, Fields: fields, IDs: []sf.ID{id}, Field: key}) {
		if err != nil {
			return err
		}
		fn(r)
	}
	return nil
}

// described returns an object of the org that has these fields.
func (a *application) described(ctx context.Context, object string, fields ...string) (*sf.Object, error) {
	if a.schema == nil {
		var err error
		if a.schema, err = a.target.Schema(ctx); err != nil {
			return nil, err
		}
	}
	o := a.schema.Object(object)
	for _, f := range fields {
		if o == nil || o.Field(f) == nil {
			return nil, problem.Newf(problem.NotFound, "the org has no %s.%s, or the user may not see it", object, f).
				Hint("see what `holdfast org show` has as the org's bypass")
		}
	}
	return o, nil
}

// setBypass sets the bypasses of one record.
func (a *application) setBypass(ctx context.Context, group []entrySet) error {
	if group[0].Kind == plan.BypassPermission {
		return a.assign(ctx, group[0])
	}
	object, _, _ := strings.Cut(group[0].Name, ".")
	if group[0].Row != "" {
		return a.setFields(ctx, object, group, func(entrySet) sf.Value { return sf.Text(settingYes) })
	}
	fields, values, err := a.inherited(ctx, object)
	if err != nil {
		return err
	}
	for _, s := range group {
		_, field, _ := strings.Cut(s.Name, ".")
		if i := slices.Index(fields, field); i >= 0 {
			values[i] = sf.Text(settingYes)
			continue
		}
		fields, values = append(fields, field), append(values, sf.Text(settingYes))
	}
	return a.make(ctx, object, append(fields, settingOwner), append(values, sf.Text(string(a.user))))
}

// inherited are the values that a user without a record of a setting has, from the profile's record or else the org's: a
// record of the user's own, whose checkboxes are never null, would take them away. Source: Apex Developer Guide,
// "Hierarchy Custom Setting Methods" (getInstance: fields are merged from the lowest level at which they are defined).
func (a *application) inherited(ctx context.Context, object string) (fields []string, values []sf.Value, err error) {
	o, err := a.described(ctx, object, settingOwner)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range o.Fields {
		if f.Custom && f.Createable && f.Type != sf.TypeBase64 {
			fields = append(fields, f.Name)
		}
	}
	who, err := a.target.Identity(ctx)
	if err != nil {
		return nil, nil, err
	}
	owners := []sf.ID{}
	user, err := a.described(ctx, "User", "ProfileId")
	if err != nil {
		return nil, nil, err
	}
	for r, err := range a.target.Records(ctx, sf.Extract{Object: user, Fields: []string{"ProfileId"}, IDs: []sf.ID{a.user}}) {
		if err != nil {
			return nil, nil, err
		}
		owners = append(owners, sf.ID(r.Get("ProfileId").Text()))
	}
	owners = append(owners, who.OrgID)
	values = make([]sf.Value, len(fields))
	for _, owner := range owners {
		err := a.each(ctx, object, fields, settingOwner, owner, func(r sf.Record) {
			for i, f := range fields {
				if v := r.Get(f); values[i].IsAbsent() && v.IsText() {
					values[i] = v
				}
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	kept := 0
	for i, v := range values {
		if !v.IsAbsent() {
			fields[kept], values[kept] = fields[i], v
			kept++
		}
	}
	return fields[:kept], values[:kept], nil
}

// assign assigns the permission set. Whether an org takes that beside an assignment that has lapsed is unverified: Salesforce Help
// calls what has expired soft-deleted.
func (a *application) assign(ctx context.Context, s entrySet) error {
	to, ok := a.meter.Target.(FileTarget)
	if !ok {
		return errors.New("nothing was given to make single records with")
	}
	o, err := Assign(ctx, to, a.user, sf.ID(s.With))
	if err == nil && !o.Success && s.Row != "" {
		return problem.Newf(problem.Conflict, "the user's assignment %s has expired or was revoked, and the org takes no other beside it: %s %s", s.Row, o.Code, o.Message).
			Hint("delete or extend it in Setup, or make a plan without --bypass")
	}
	if err != nil {
		return err
	}
	return refusedBypass(o)
}

// make makes one record. The call is sent once: where its answer is lost the run ends, and putting back looks.
func (a *application) make(ctx context.Context, object string, fields []string, values []sf.Value) error {
	to, ok := a.meter.Target.(FileTarget)
	if !ok {
		return errors.New("nothing was given to make single records with")
	}
	o, err := to.InsertFile(ctx, object, fields, sf.Write{Values: values}, nil)
	if err != nil {
		return err
	}
	return refusedBypass(o)
}

func (a *application) setFields(ctx context.Context, object string, group []entrySet, value func(entrySet) sf.Value) error {
	row := sf.Write{ID: sf.ID(group[0].Row)}
	var fields []string
	for _, s := range group {
		_, field, _ := strings.Cut(s.Name, ".")
		fields, row.Values = append(fields, field), append(row.Values, value(s))
	}
	out, err := a.target.Update(ctx, object, fields, []sf.Write{row})
	if err != nil {
		return err
	}
	return refusedBypass(out[0])
}

func refusedBypass(o sf.Outcome) error {
	if o.Success {
		return nil
	}
	return problem.Newf(problem.Conflict, "the org refuses: %s %s", o.Code, o.Message).
		Hint("give the user what it needs for that (Customize Application for a setting, Assign Permission Sets for a permission), or make a plan without --bypass")
}

// bypassOff puts back what the journal has as set, and proves it.
func (a *application) bypassOff(ctx context.Context) error {
	b := a.ledger.bypass
	var left []string
	for _, group := range grouped(b.set) {
		of := a.unsetSetting
		if group[0].Kind == plan.BypassPermission {
			of = a.unsetPermission
		}
		others, err := of(ctx, b, group)
		if err != nil {
			return fmt.Errorf("put the bypass %s back: %w", group[0].Name, err)
		}
		left = append(left, others...)
	}
	for _, s := range b.set {
		if slices.Contains(left, s.key()) {
			continue
		}
		now, on, err := a.standingOf(ctx, b.user, s)
		if err != nil {
			return err
		}
		if on || s.Kind == plan.BypassSetting && now.Row != s.Row {
			return problem.Newf(problem.NotVerified, "bypass %s is not as it was before it was set", s.Name).
				Hint("run the same command again, or put it back by hand: for user %s it was %s", b.user, cmp.Or(s.Was, "not there"))
		}
	}
	for _, name := range a.since.bypass {
		if !slices.Contains(left, name) {
			left = append(left, name)
		}
	}
	return a.record(entry{T: entryUnset, Names: left})
}

// unsetPermission takes the assignment away again. One that somebody made since, after ours was taken away, stays, and so does one
// that had lapsed before: it is somebody's doing when it gives again.
func (a *application) unsetPermission(ctx context.Context, b *bypassing, group []entrySet) (left []string, err error) {
	s := group[0]
	now, on, err := a.standingOf(ctx, b.user, s)
	made := b.made[s.key()]
	theirs := now.Row == s.Row || made != "" && made != now.Row
	switch {
	case err != nil || now.Row == "":
		return nil, err
	case theirs && on:
		return []string{s.key()}, nil
	case theirs || !on && made == "":
		return nil, nil
	}
	return nil, a.remove(ctx, now.Row)
}

// unsetSetting takes the user's record away again, or gives it the values that it had. A record that somebody has changed
// since stays, without what was set.
func (a *application) unsetSetting(ctx context.Context, b *bypassing, group []entrySet) (left []string, err error) {
	object, _, _ := strings.Cut(group[0].Name, ".")
	fields := []string{"CreatedDate", "LastModifiedDate"}
	for _, s := range group {
		_, field, _ := strings.Cut(s.Name, ".")
		fields = append(fields, field)
	}
	var now *sf.Record
	if err := a.each(ctx, object, fields, settingOwner, b.user, func(r sf.Record) { now = &r }); err != nil {
		return nil, err
	}
	if now == nil { // somebody has deleted it, or it was never made
		if group[0].Row == "" {
			return nil, nil
		}
		return keysOf(group), nil
	}
	ours, was := group[:0:0], group[0].Row
	made := b.made[group[0].key()]
	if known := cmp.Or(was, made); known != "" && known != string(now.ID) { // somebody has made another
		return keysOf(group), nil
	}
	for _, s := range group {
		_, field, _ := strings.Cut(s.Name, ".")
		if now.Get(field).Text() == settingYes {
			ours = append(ours, entrySet{Kind: s.Kind, Name: s.Name, Row: string(now.ID), Was: s.Was})
		} else if was == "" { // somebody has taken it away, in a record that was made for it
			left = append(left, s.key())
		}
	}
	switch {
	case was == "" && len(left) == 0 && now.Get("CreatedDate") == now.Get("LastModifiedDate"):
		return nil, a.remove(ctx, string(now.ID))
	case was == "": // it stays, with what else is in it
		left = keysOf(group)
	}
	if len(ours) == 0 {
		return left, nil
	}
	return left, a.setFields(ctx, object, ours, func(s entrySet) sf.Value { return sf.Text(cmp.Or(s.Was, settingNo)) })
}

func (a *application) remove(ctx context.Context, id string) error {
	out, err := a.target.Delete(ctx, []sf.ID{sf.ID(id)})
	if err != nil || out[0].Code == "ENTITY_IS_DELETED" {
		return err
	}
	return refusedBypass(out[0])
}

func keysOf(set []entrySet) []string {
	out := make([]string, len(set))
	for i, s := range set {
		out[i] = s.key()
	}
	return out
}
