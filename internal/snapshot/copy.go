package snapshot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// isNote reports whether objects of the class are notes: they are found by name, and stay for ever.
func isNote(class repo.Class) bool { return strings.HasPrefix(string(class), notePrefix) }

// CopyOptions says how a repository is copied.
type CopyOptions struct {
	Delete bool // what the repository has given up is deleted from the copy
	Damage bool // the copy may lack what is damaged in the repository
	DryRun bool // write nothing
	// Parallel is how many objects are copied at once; 0 is a few. Each is in memory whole.
	Parallel int
}

// CopyProgress says how far Copy has come.
type CopyProgress struct {
	Done, Total int   // objects
	Bytes       int64 // written
}

// Copy brings the place to the state of the repository: every snapshot, also such as expired, and every
// note, byte for byte. It can be cut short and run again. The errors are those of repo.Repository.Copy.
//
// progress, when not nil, is called now and then, never twice at once.
func (s *Store) Copy(ctx context.Context, to repo.Place, o CopyOptions, progress func(CopyProgress)) (repo.CopyResult, error) {
	in := repo.CopyInput{Reach: s.reach, Named: isNote, Collect: pruned, Delete: o.Delete, Damage: o.Damage, DryRun: o.DryRun, Parallel: o.Parallel}
	if progress != nil {
		in.Progress = func(done, total int, bytes int64) { progress(CopyProgress{done, total, bytes}) }
	}
	return s.repository.Copy(ctx, to, in)
}

// RepairOptions says what Repair looks at.
type RepairOptions struct {
	// Quick looks for what is missing or has another size, and does not read every object.
	Quick  bool
	DryRun bool // write nothing
	// Seen returns what is remembered of the repository with that id, at the place; nil remembers nothing.
	Seen func(id string) (repo.Witness, error)
}

// Repaired says what Repair did.
type Repaired struct {
	Keys    []repo.Mending // config, key files and key table
	Mended  []repo.Mending // objects
	Aside   []repo.Mending // damaged objects that nothing relies on, and that were put in quarantine
	Unknown bool           // of a dry run: the keys are to be brought back first, so that nothing is known of objects
	Report  Report         // what is still wrong
}

// maxRepairs bounds how often the repository is looked at anew, because what was brought back refers to
// what is missing: a snapshot to segments and a schema.
const maxRepairs = 6

// Repair puts back what is missing or damaged in the place from the second copy of the repository: first
// its keys, then objects. It looks at everything, like Verify. The error is that of what is still wrong, or
// of a bucket; it wraps repo.ErrOlder when the second copy is of before what was seen.
func Repair(ctx context.Context, place, copied repo.Place, identity *seal.Identity, o RepairOptions, progress func(Progress)) (Repaired, error) {
	var out Repaired
	second, err := repo.OpenAt(ctx, copied, identity)
	if err != nil {
		return out, fmt.Errorf("the second copy: %w", err)
	}
	var seen repo.Witness
	if o.Seen != nil {
		if seen, err = o.Seen(second.ID()); err != nil {
			return out, err
		}
	}
	if out.Keys, err = second.MendKeys(ctx, place, seen, o.DryRun); err != nil {
		return out, fmt.Errorf("repair the keys: %w", err)
	}
	first, err := repo.OpenAt(ctx, place, identity)
	if o.DryRun && len(out.Keys) > 0 && (problem.KindOf(err) == problem.Damaged || problem.KindOf(err) == problem.NoRepository) {
		out.Unknown = true
		return out, nil
	}
	if err != nil {
		for _, m := range out.Keys {
			if m.Err != nil { // the reason, perhaps
				return out, fmt.Errorf("%w; %w", err, m.Err)
			}
		}
		return out, err
	}
	p := &repairing{first: Open(first), second: Open(second), o: o, tried: make(map[repo.Ref]bool), out: &out}
	return out, p.run(ctx, progress)
}

type repairing struct {
	first, second *Store
	o             RepairOptions
	tried         map[repo.Ref]bool
	out           *Repaired
}

// run looks, mends what was found, and looks again as long as that found more.
func (p *repairing) run(ctx context.Context, progress func(Progress)) error {
	report, err := p.look(ctx, p.o.Quick, progress)
	if err != nil {
		return err
	}
	lost, err := p.lostNotes(ctx)
	if err != nil {
		return err
	}
	for range maxRepairs {
		more := false
		for _, f := range append(report.Findings, lost...) {
			ref, ok := repo.ParseKey(f.Key)
			if !ok || p.tried[ref] {
				continue
			}
			p.tried[ref], more = true, true
			m, err := p.first.repository.Mend(ctx, ref, foundByName(ref), p.second.repository, p.o.DryRun)
			if err != nil {
				return fmt.Errorf("repair %s: %w", ref, err)
			}
			if !m.Sound { // else it was named for another that it stands on, or was read badly once
				p.out.Mended = append(p.out.Mended, m)
			}
		}
		lost = nil
		if !more || p.o.DryRun {
			break
		}
		if report, err = p.look(ctx, true, nil); err != nil {
			return err
		}
	}
	if err := p.setAside(ctx); err != nil {
		return err
	}
	if !p.o.DryRun {
		// What is sound may have been put back by a repair that was cut short before it was durable.
		if err := p.first.repository.Settle(ctx); err != nil {
			return err
		}
	}
	p.end(report)
	return p.out.Report.Err()
}

// foundByName reports whether the Id of an object does not tell its contents.
func foundByName(ref repo.Ref) bool { return isNote(ref.Class) || ref.Class == classSpill }

// setAside takes away what is damaged, what the copy does not have either, and what nothing relies on. That
// is known only when every manifest can be read.
func (p *repairing) setAside(ctx context.Context) error {
	c, err := p.first.check(ctx)
	if err != nil || slices.Contains(c.legible, false) {
		return err
	}
	var kept []repo.Mending
	for _, m := range p.out.Mended {
		ref, ok := repo.ParseKey(m.Key)
		if m.Err == nil || !ok || isNote(ref.Class) || len(c.users[ref]) > 0 {
			kept = append(kept, m)
			continue
		}
		if m, err = p.first.repository.SetAside(ctx, ref, foundByName(ref), p.o.DryRun); err != nil {
			return fmt.Errorf("take %s aside: %w", ref, err)
		}
		p.out.Aside = append(p.out.Aside, m)
	}
	p.out.Mended = kept
	return nil
}

// end says what is still wrong: what the last look found, and what could not be mended.
func (p *repairing) end(report Report) {
	if p.o.DryRun {
		report.Findings = nil
	}
	for _, m := range slices.Concat(p.out.Keys, p.out.Mended, p.out.Aside) {
		if m.Err == nil {
			continue
		}
		at := slices.IndexFunc(report.Findings, func(f Finding) bool { return f.Key == m.Key })
		if at < 0 {
			report.Findings = append(report.Findings, Finding{Key: m.Key, Text: m.Err.Error()})
		} else {
			report.Findings[at].Text += "; it is not put back: " + m.Err.Error()
		}
	}
	p.out.Report = report
}

// look is Check, or Verify, without its error when that tells damage.
func (p *repairing) look(ctx context.Context, quick bool, progress func(Progress)) (Report, error) {
	var report Report
	var err error
	if quick {
		report, err = p.first.Check(ctx)
	} else {
		report, err = p.first.Verify(ctx, VerifyOptions{}, progress)
	}
	if len(report.Findings) > 0 {
		err = nil // it is that of the report; a medium that does not give bytes back is another
	}
	return report, err
}

// lostNotes returns the notes that the second copy has and this repository does not: nothing names them,
// so that no check misses them, and none is ever given up.
func (p *repairing) lostNotes(ctx context.Context) ([]Finding, error) {
	theirs, err := p.second.repository.Contents(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := p.first.repository.Contents(ctx)
	if err != nil {
		return nil, err
	}
	var lost []Finding
	for ref := range theirs.Objects {
		if _, there := ours.Objects[ref]; isNote(ref.Class) && !there {
			lost = append(lost, Finding{Key: ref.Key()})
		}
	}
	slices.SortFunc(lost, func(a, b Finding) int { return strings.Compare(a.Key, b.Key) })
	return lost, nil
}
