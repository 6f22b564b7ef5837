package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/apply"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Notes of these kinds say which applications that make records have begun, and which of them are known to the identity map with all
// that they made; docs/format/identity.md, "Applications".
const (
	begunKind    = "begun"
	begunMagic   = "holdfast-begun/1"
	settledKind  = "settled"
	settledMagic = "holdfast-settled/1"
)

// begunApplication is an application of which nobody knows yet what it has made, but its journal.
type begunApplication struct {
	digest, at, journal string
	objects             []string // of which it makes records
	note                string   // its name
}

// makes returns the objects of which a plan makes records, by name.
func makes(p *plan.Plan) []string {
	var out []string
	for _, s := range p.Steps {
		if s.Op == plan.Insert {
			out = append(out, s.Object)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// attempt is the beginning of the names of all notes of an application: its runs, of which some may have died.
func attempt(org sf.ID, digest, at string) string {
	return fmt.Sprintf("%s-%s-%s-", org, digest[:min(len(digest), 32)], at)
}

// noteBegun writes down, before anything is made, that the application of a plan has begun, and refuses to go on while another one
// has not ended: what that made has new Ids which nobody knows, so that this plan would make it once more. Of two that begin
// at one moment at least one sees the other.
func (in ApplyInput) noteBegun(ctx context.Context, b apply.Beginning) error {
	org, digest, objects := b.Plan.Plan().Org, b.Plan.Digest(), makes(b.Plan.Plan())
	journal, err := filepath.Abs(in.Journal)
	if err != nil {
		journal = in.Journal
	}
	where := sha256.Sum256([]byte(journal))
	own := attempt(org, digest, b.At)
	name := fmt.Sprintf("%s%d-%s", own, b.Batches, hex.EncodeToString(where[:8]))
	body := fmt.Sprintf("%s %s\n%s\n%s\n%q\n%s\n", begunMagic, org, digest, b.At, journal, strings.Join(objects, " "))
	if err := in.Store.PutNote(ctx, begunKind, name, []byte(body)); err != nil {
		return fmt.Errorf("write down that the application begins: %w", err)
	}
	open, err := unsettled(ctx, in.Store, org)
	if err != nil {
		return err
	}
	for _, o := range open {
		other := slices.ContainsFunc(o.objects, func(name string) bool { return slices.Contains(objects, name) })
		if !other || strings.HasPrefix(o.note, own) {
			continue
		}
		if o.digest == in.GiveUp {
			if err := settle(ctx, in.Store, o); err != nil {
				return err
			}
			continue
		}
		// This one has made nothing.
		return errors.Join(problem.Newf(problem.Conflict, "the application of plan %s, begun %s with journal %s, has not ended: which records it made is in that journal alone, and this plan might make them once more",
			o.digest, o.at, o.journal).
			Hint("end it with `holdfast apply PLAN --resume`, and make this plan anew; if its journal is lost, see in the org what it made, and take it for ended with `holdfast apply PLAN --give-up %s`", o.digest),
			in.noteSettled(ctx, org, digest, b.At))
	}
	return nil
}

// warnOfBegun says in a plan that another one, which makes records of the same objects, was begun and has not ended.
func warnOfBegun(ctx context.Context, store *snapshot.Store, p *plan.Plan) error {
	objects := makes(p)
	if len(objects) == 0 {
		return nil
	}
	open, err := unsettled(ctx, store, p.Org)
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, o := range open {
		if told[o.digest] || !slices.ContainsFunc(o.objects, func(name string) bool { return slices.Contains(objects, name) }) {
			continue
		}
		told[o.digest] = true
		p.Notes = append(p.Notes, fmt.Sprintf("the application of plan %.12s, begun %s with journal %s, has not ended: what it made is not known here and would be made once more, so that this plan is refused; "+
			"end that one with `holdfast apply PLAN --resume`, and make this plan anew", o.digest, o.at, o.journal))
	}
	return nil
}

// keep keeps the Ids of what an application has made, also of one that stopped, and then says that it is known, if it is.
func (in ApplyInput) keep(ctx context.Context, approved plan.Approved, applied apply.Result) error {
	p := approved.Plan()
	if err := storeIdentity(ctx, in.Store, p.Org, applied.Pairs); err != nil {
		return err
	}
	if len(makes(p)) == 0 || applied.Begun == "" || applied.Unknown || applied.Verified != nil {
		return nil
	}
	return in.noteSettled(ctx, p.Org, approved.Digest(), applied.Begun)
}

// noteSettled writes down that all that an application made so far is in the identity map.
func (in ApplyInput) noteSettled(ctx context.Context, org sf.ID, digest, at string) error {
	open, err := unsettled(ctx, in.Store, org)
	if err != nil {
		return err
	}
	for _, o := range open {
		if strings.HasPrefix(o.note, attempt(org, digest, at)) {
			if err := settle(ctx, in.Store, o); err != nil {
				return err
			}
		}
	}
	return nil
}

func settle(ctx context.Context, store *snapshot.Store, o begunApplication) error {
	if err := store.PutNote(ctx, settledKind, o.note, []byte(settledMagic+"\n")); err != nil {
		return fmt.Errorf("write down that the application has ended: %w", err)
	}
	return nil
}

// unsettled are the applications to the org that have begun and are not settled.
func unsettled(ctx context.Context, store *snapshot.Store, org sf.ID) ([]begunApplication, error) {
	settled := map[string]bool{}
	for note, err := range store.Notes(ctx, settledKind) {
		if err != nil {
			return nil, fmt.Errorf("applications that have ended: %w", err)
		}
		settled[note.Name] = true
	}
	var out []begunApplication
	for note, err := range store.Notes(ctx, begunKind) {
		if err != nil {
			return nil, fmt.Errorf("applications that have begun: %w", err)
		}
		if settled[note.Name] || !strings.HasPrefix(note.Name, string(org)+"-") {
			continue
		}
		lines := strings.Split(string(note.Body), "\n")
		if len(lines) != 6 || lines[0] != begunMagic+" "+string(org) || lines[5] != "" {
			return nil, problem.Newf(problem.Damaged, "note %s does not say which application has begun", note.Name)
		}
		out = append(out, begunApplication{digest: lines[1], at: lines[2], journal: lines[3], objects: strings.Fields(lines[4]), note: note.Name})
	}
	return out, nil
}
