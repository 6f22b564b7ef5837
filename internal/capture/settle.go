package capture

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

const (
	// askByID is the number of records that are asked for by Id to explain a difference: with some
	// hundreds of Ids in a query that is a few dozen calls. Of more, a sample is asked for.
	askByID = 10_000
	// sampleByID is the size of that sample.
	sampleByID = 1000
	// brakeShare is the part of the records, one in twenty, that may vanish without a witness.
	brakeShare = 20
	// brakeFloor lets a few records of a small object go.
	brakeFloor = 10
	// logReach is how far back the log of deletions is asked; the org keeps 15 days at most.
	// Source: REST API Developer Guide, "Get Deleted".
	logReach = 14 * 24 * time.Hour
	// logMinimum is the shortest window that the log accepts: the end must be more than a minute
	// after the start. Source: SOAP API Developer Guide, "getDeleted()".
	logMinimum = 2 * time.Minute
	// settleRounds is how often a moving object is read again before it is given up.
	settleRounds = 3
)

// settle makes what the part will hold agree with what the org counts, by ever more expensive means:
// read what changed meanwhile, ask the log of deletions, compare all Ids; then follow an object that
// keeps changing for a while. It returns the count to publish, or uncounted.
func (p *part) settle(ctx context.Context) (int64, error) {
	steps := []func(context.Context) error{p.catchUp, p.consultLog, p.takeCensus}
	if p.opts.Census {
		if err := p.takeCensus(ctx); err != nil {
			return 0, err
		}
		steps = steps[:2]
	}
	explained := len(steps)
	for range settleRounds {
		steps = append(steps, p.catchUp)
	}
	var last counts
	var pace int64 // the most that moved between two rounds
	for i := 0; ; i++ {
		c, err := p.compareCounts(ctx)
		switch {
		case err != nil || c.agreed():
			return c.live, err
		case c.org == uncounted:
			return p.settleUncounted(ctx)
		case i == 0:
			p.settled = fmt.Sprintf("the org counted %d where %d were held", c.org, c.live)
		case i > explained:
			pace = max(pace, abs(c.org-last.org), abs(c.difference()-last.difference()))
		}
		last = c
		if i == len(steps) {
			return p.giveUp(c, pace)
		}
		if err := steps[i](ctx); err != nil {
			return 0, err
		}
	}
}

func abs(n int64) int64 { return max(n, -n) }

// counts sets what the org counts against what the part will hold. Records that the org archived are
// held, though it does not count them.
type counts struct{ org, live, archived int64 }

func (c counts) difference() int64 { return c.org - (c.live - c.archived) }
func (c counts) agreed() bool      { return c.org != uncounted && c.difference() == 0 }

// compareCounts asks the org for its count, and counts what the part will hold.
func (p *part) compareCounts(ctx context.Context) (c counts, err error) {
	if c.org, err = p.countOrg(ctx); err != nil {
		return c, err
	}
	c.live, c.archived, err = p.countHeld(ctx)
	return c, err
}

// giveUp decides about a difference that is still there when the object has been read again and
// again. One no greater than what moved from round to round is an object in motion, and published
// with a mark; any other would be a short answer.
func (p *part) giveUp(c counts, pace int64) (int64, error) {
	if abs(c.difference()) > pace {
		return 0, problem.Newf(problem.Failed, "%s: the org counts %d records and showed %d, and nothing explains the difference",
			p.object.Name, c.org, c.live-c.archived).
			Hint("run the backup again; if it stays so, compare the user's permissions with those of a system administrator")
	}
	p.gap(gap(p.object.Name, "", RuleMoving, "the org counted %d records while %d were read; it was changing", c.org, c.live))
	return c.live, nil
}

// settleUncounted proves a part that the org does not count by a census, where there is something
// to compare, and says in the coverage that no count stands behind it.
func (p *part) settleUncounted(ctx context.Context) (int64, error) {
	p.gap(gap(p.object.Name, "", RuleUncounted, "the org does not count it; nothing but the reading itself says that it is whole"))
	if !p.reread && !p.opts.Census {
		if err := p.takeCensus(ctx); err != nil {
			return 0, err
		}
	}
	return uncounted, nil
}

// catchUp reads what changed since the part was begun. An object without a stamp is read again.
func (p *part) catchUp(ctx context.Context) error {
	if p.stamp != "" {
		return p.takeAll(ctx, p.changesSince(p.from.Add(-p.opts.overlap())))
	}
	return p.takeAll(ctx, p.everything(p.rows))
}

// consultLog buries the records that the org's log of deletions names and that are not there. It names records
// that were undeleted, too: where more are named than can be asked for by Id, the census decides.
func (p *part) consultLog(ctx context.Context) error {
	if err := p.askLog(ctx); err != nil || len(p.log) == 0 {
		return err
	}
	suspects, err := p.heldAmongLogged(ctx)
	if err != nil || suspects.len() > askByID {
		return err
	}
	found, err := p.lookFor(ctx, suspects)
	if err != nil {
		return err
	}
	return p.buryAll(suspects, found, false)
}

// heldAmongLogged returns the records that the part would hold although the log names them.
func (p *part) heldAmongLogged(ctx context.Context) (*roll, error) {
	var known roll // what was held, then what this run saw, which counts more
	if !p.reread {
		named := func(yield func(sf.ID) bool) {
			for _, d := range p.log {
				if !yield(d.ID) {
					return
				}
			}
		}
		for r, err := range p.parent.Lookup(ctx, p.object.Name, named) {
			if err != nil {
				return nil, fmt.Errorf("look up %s in the last snapshot: %w", p.object.Name, err)
			}
			known.put(r.ID, markLive)
		}
	}
	for id, m := range p.seen.all() {
		if _, ok := p.logged(id); ok {
			known.put(id, m)
		}
	}
	suspects := &roll{}
	for id, m := range known.all() {
		if m != markGone {
			suspects.put(id, m)
		}
	}
	return suspects, nil
}

// askLog fetches the log of deletions for the time since the previous part, once. A log that the org
// does not give, or that does not reach back far enough, proves less; it is never needed.
func (p *part) askLog(ctx context.Context) error {
	if p.logAsked || p.previous == nil || !p.object.Replicateable {
		return nil
	}
	p.logAsked = true
	to := p.clock.latest()
	from := p.previous.Watermark.Add(-p.opts.overlap())
	if reach := to.Add(-logReach); from.Before(reach) {
		from = reach
	}
	if to.Sub(from) < logMinimum {
		from = to.Add(-logMinimum)
	}
	log, err := p.src.Deleted(ctx, p.object.Name, from, to)
	if err != nil {
		code, _ := answer(err)
		if code == "" && problem.KindOf(err) != problem.NotFound || fatal(ctx, err) {
			return fmt.Errorf("read the log of deletions of %s: %w", p.object.Name, err)
		}
		return nil
	}
	p.log = slices.Clone(log.Records)
	slices.SortFunc(p.log, func(a, b sf.DeletedRecord) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), b.At.Compare(a.At))
	})
	p.log = slices.CompactFunc(p.log, func(a, b sf.DeletedRecord) bool { return a.ID == b.ID })
	return nil
}

// logged returns when the log says that the record was deleted.
func (p *part) logged(id sf.ID) (time.Time, bool) {
	i, found := slices.BinarySearchFunc(p.log, id, func(d sf.DeletedRecord, id sf.ID) int { return cmp.Compare(d.ID, id) })
	if !found {
		return time.Time{}, false
	}
	return p.log[i].At, true
}

// takeCensus lists every Id that the org has and compares: records that were not read are read by
// Id, records that are not listed are buried where it is proved that they are gone.
func (p *part) takeCensus(ctx context.Context) error {
	p.tell(Event{Object: p.object.Name, Stage: Census, Rows: p.rows, Bytes: p.bytes})
	listed, err := p.listIDs(ctx)
	if err != nil {
		return err
	}
	missing, extra, err := compareIDs(p.liveIDs(ctx), listed.live())
	if err != nil {
		return err
	}
	if err := p.readExtra(ctx, extra); err != nil {
		return err
	}
	if err := p.readArchived(ctx, listed); err != nil {
		return err
	}
	return p.buryMissing(ctx, missing)
}

// listIDs reads the Ids of all live records.
func (p *part) listIDs(ctx context.Context) (*roll, error) {
	x := sf.Extract{Object: p.object}
	if p.archives() {
		x.IncludeDeleted, x.Fields = true, []string{"IsArchived", "IsDeleted"}
	}
	live, _, err := p.countHeld(ctx)
	if err != nil {
		return nil, err
	}
	x.ExpectRows = live
	listed := &roll{}
	for r, err := range p.src.Records(ctx, x) {
		if err != nil {
			return nil, fmt.Errorf("list the Ids of %s: %w", p.object.Name, err)
		}
		if len(r.ID) != 18 {
			return nil, problem.Newf(problem.Failed, "the org sent a record with the Id %q", r.ID)
		}
		switch {
		case isTrue(r, "IsDeleted"):
		case isTrue(r, "IsArchived") && p.archives():
			listed.put(r.ID, markArchived)
		default:
			listed.put(r.ID, markLive)
		}
	}
	return listed, nil
}

// readExtra reads the records that the org lists and did not show. Many of them are a short answer,
// which another attempt may complete.
func (p *part) readExtra(ctx context.Context, extra *roll) error {
	n := extra.len()
	if n == 0 {
		return nil
	}
	if n > askByID {
		return problem.Newf(problem.Failed, "%s: the org lists %d records that it did not show", p.object.Name, n).
			Hint("run the backup again")
	}
	return p.readByID(ctx, extra)
}

// readArchived reads again the records that the org archived since they were read: whether that moves
// their stamp is not documented.
func (p *part) readArchived(ctx context.Context, listed *roll) error {
	if !p.archives() || p.reread {
		return nil
	}
	var archived, again roll
	for id, m := range listed.all() {
		if m == markArchived {
			archived.put(id, m)
		}
	}
	for r, err := range p.parent.Lookup(ctx, p.object.Name, archived.ids()) {
		if err != nil {
			return fmt.Errorf("look up %s in the last snapshot: %w", p.object.Name, err)
		}
		if !isTrue(r, "IsArchived") {
			again.put(r.ID, markLive)
		}
	}
	return p.readByID(ctx, &again)
}

// readByID reads the records of the roll, some thousands at a time.
func (p *part) readByID(ctx context.Context, ids *roll) error {
	x := p.extract()
	x.IncludeDeleted = p.archives()
	for batch := range chunks(ids) {
		x.IDs = batch
		if err := p.takeAll(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// buryUnseen compares a part of which every record was read to what was held before, so that each
// record that is gone has a tombstone and its evidence.
func (p *part) buryUnseen(ctx context.Context) error {
	missing, _, err := compareIDs(p.heldIDs(ctx), p.seen.live())
	if err != nil {
		return err
	}
	unseen := &roll{}
	known, stop := iter.Pull2(p.seen.all())
	defer stop()
	id, m, ok := known()
	for lost := range missing.ids() {
		for ok && id < lost {
			id, m, ok = known()
		}
		if !ok || id != lost || m != markGone {
			unseen.put(lost, markLive)
		}
	}
	return p.buryMissing(ctx, unseen)
}

// buryMissing buries records that the org does not list, after asking for them by Id. It refuses
// when the org still has one of them, which makes the list false, and when more are gone than a
// witness or the operator confirms.
func (p *part) buryMissing(ctx context.Context, missing *roll) error {
	gone := missing.len()
	if gone == 0 {
		return nil
	}
	if err := p.askLog(ctx); err != nil {
		return err
	}
	found, err := p.lookFor(ctx, missing)
	if err != nil {
		return err
	}
	if alive := found.alive(); alive > 0 {
		return problem.Newf(problem.Failed, "%s: the org did not list %d records, and still has %d of them when asked by Id",
			p.object.Name, gone, alive).
			Hint("run the backup again: the list was short, and nothing was taken for deleted")
	}
	var unproved int64
	for id := range missing.ids() {
		if _, ok := p.logged(id); !ok && found[id] == nil {
			unproved++
		}
	}
	if refusal := p.brake(unproved); refusal != nil {
		went, err := p.wentWithParents(ctx, missing)
		if err != nil {
			return err
		}
		if !went {
			return refusal
		}
	}
	return p.buryAll(missing, found, true)
}

// brake refuses deletions that rest on absence alone when there are too many: a user who lost a
// permission and an org that sent a short list look the same. An object for which the org has
// neither a log nor a Recycle Bin (shares, histories, jobs) has no witness but its count, which
// agreed; there only the loss of everything is refused.
func (p *part) brake(unproved int64) error {
	if names(p.opts.AcceptDeletions, p.object.Name) || unproved == 0 {
		return nil
	}
	live, archived := p.seen.count()
	held := live + archived
	if p.previous != nil {
		held = p.previous.Records
	}
	limit := max(brakeFloor, held/brakeShare)
	witness := p.object.Replicateable || p.has("IsDeleted")
	all := unproved >= held && held > 1
	if !all && (!witness || unproved <= limit) {
		return nil
	}
	return problem.Newf(problem.Failed, "%s: %d of %d records are gone and neither the Recycle Bin nor the log of deletions knows them",
		p.object.Name, unproved, held).
		Hint("check that the user still sees all data; if they were deleted, run the backup again with `--accept-deletions %s`", p.object.Name)
}

// sighting is what the org showed of a record that was asked for by Id.
type sighting struct {
	gone bool
	at   time.Time
}

type sightings map[sf.ID]*sighting

func (s sightings) alive() int {
	n := 0
	for _, seen := range s {
		if !seen.gone {
			n++
		}
	}
	return n
}

// lookFor asks the org for the records by Id, in the Recycle Bin too where it has one; of very many,
// for a sample.
func (p *part) lookFor(ctx context.Context, suspects *roll) (sightings, error) {
	total := suspects.len()
	if total == 0 || isBig(p.object) { // a big object is not asked for by Id
		return nil, nil
	}
	every := int64(1)
	if total > askByID {
		every = total / sampleByID
	}
	x := sf.Extract{Object: p.object, IDs: []sf.ID{}}
	if p.has("IsDeleted") {
		x.Fields, x.IncludeDeleted = []string{"IsDeleted"}, true
	}
	if p.stamp != "" {
		x.Fields = append(x.Fields, p.stamp)
	}
	i := int64(0)
	for id := range suspects.ids() {
		if i%every == 0 {
			x.IDs = append(x.IDs, id)
		}
		i++
	}
	found := sightings{}
	for r, err := range p.src.Records(ctx, x) {
		if err != nil {
			return nil, fmt.Errorf("look for %s by Id: %w", p.object.Name, err)
		}
		found[r.ID] = &sighting{gone: isTrue(r, "IsDeleted"), at: p.stampOf(r)}
	}
	return found, nil
}

// buryAll buries the suspects that were not found alive, each with the best evidence there is. With
// absence, not being there is evidence too.
func (p *part) buryAll(suspects *roll, found sightings, absence bool) error {
	for id := range suspects.ids() {
		seen := found[id]
		at, logged := p.logged(id)
		var err error
		switch {
		case seen != nil && !seen.gone:
		case seen != nil:
			err = p.bury(id, seen.at, EvidenceBin)
		case logged:
			p.buried.Log++
			err = p.bury(id, at, EvidenceLog)
		case absence:
			p.buried.Census++
			err = p.bury(id, time.Time{}, EvidenceCensus)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
