package run

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// GitInput says which snapshots become commits, and where the stream for git fast-import goes.
type GitInput struct {
	Store    *snapshot.Store
	OrgID    sf.ID  // empty: that of the snapshot
	Snapshot string // the last one to commit: beginning of an ID, or "latest"
	Since    string // ID of the snapshot that the branch holds; empty: the branch is new
	Branch   string
	Out      io.Writer // a stream for git fast-import
}

// GitResult says what was written.
type GitResult struct {
	OrgID     sf.ID       `json:"org_id"`    // Id of the org
	Branch    string      `json:"branch"`    // that holds the commits
	Snapshots int         `json:"snapshots"` // looked at
	Commits   []CommitRow `json:"commits"`   // in their order
}

// CommitRow is one commit: what one person had changed by the time of one snapshot.
type CommitRow struct {
	Snapshot string    `json:"snapshot"` // ID of the snapshot
	Author   string    `json:"author"`   // who changed the components last, as the org says; "Holdfast" where it does not
	When     time.Time `json:"when"`     // of the latest change among them, server time
	Added    int       `json:"added"`    // components
	Changed  int       `json:"changed"`  // components
	Removed  int       `json:"removed"`  // components; who removed them is not known
}

// SnapshotTrailer is the line of a commit that says which snapshot it completes.
const SnapshotTrailer = "Holdfast-Snapshot"

// GitStream writes the history of an org's components, as a project in source format, for git fast-import: the
// snapshots after Since up to the one that is named, in their order, and for each a commit by everyone who
// changed something since the one before, as the org says who changed each component last.
// Components of managed packages are left out. A snapshot without a change makes no commit.
func GitStream(ctx context.Context, in GitInput) (GitResult, error) {
	last, err := held(ctx, in.Store, in.Snapshot, ofOrg(in.OrgID)...)
	if err != nil {
		return GitResult{}, err
	}
	org := last.Info().OrgID
	out := GitResult{OrgID: org, Branch: in.Branch, Commits: []CommitRow{}}
	all, err := in.Store.List(ctx, snapshot.OfOrg(org))
	if err != nil {
		return out, err
	}
	slices.SortStableFunc(all, func(a, b snapshot.Info) int { return a.Started.Compare(b.Started) })
	h := &history{in: in, table: component.Known(), w: bufio.NewWriter(in.Out), out: &out, begun: in.Since != ""}
	if in.Since != "" {
		if h.before, err = held(ctx, in.Store, in.Since, snapshot.OfOrg(org)); err != nil {
			return out, fmt.Errorf("the snapshot that branch %s holds: %w", in.Branch, err)
		}
	}
	for _, info := range all {
		if info.Damage != nil || info.Started.After(last.Info().Started) || h.before != nil && !info.Started.After(h.before.Info().Started) {
			continue
		}
		sn, err := in.Store.Load(ctx, info.ID)
		if err != nil {
			return out, err
		}
		if len(componentKinds(sn)) == 0 {
			continue
		}
		if err := h.snapshot(ctx, sn); err != nil {
			return out, err
		}
	}
	if out.Snapshots == 0 && h.before == nil {
		return out, problem.Newf(problem.NotFound, "no snapshot of org %s holds metadata", org).
			Hint("`holdfast backup` without --no-metadata captures it")
	}
	return out, h.w.Flush()
}

// history is a stream while it is written.
type history struct {
	in     GitInput
	table  *component.Table
	w      *bufio.Writer
	out    *GitResult
	before *snapshot.Snapshot // what the branch holds; nil: nothing
	begun  bool               // the branch has a commit
	emails map[string]string  // of users, by full name
}

// touch is one component that differs.
type touch struct {
	before, after *component.Row
}

func (t touch) how() component.Difference {
	switch {
	case t.before == nil:
		return component.Added
	case t.after == nil:
		return component.Removed
	}
	return component.Changed
}

// row is the component as it is, or was.
func (t touch) row() component.Row {
	if t.after != nil {
		return *t.after
	}
	return *t.before
}

func (t touch) key() sf.ComponentKey { return t.row().ComponentKey }

// files reads the files that a project has of the component before and after.
func (t touch) files(ctx context.Context, store *snapshot.Store) (before, after []component.Entry, err error) {
	read := func(row *component.Row) ([]component.Entry, error) {
		if row == nil {
			return nil, nil
		}
		files, err := componentFiles(ctx, store, *row)
		if err != nil || !row.Installed() {
			return files, err
		}
		return component.Local(*row, files), nil
	}
	if before, err = read(t.before); err != nil {
		return nil, nil, err
	}
	after, err = read(t.after)
	return before, after, err
}

// committer is who makes the commits, and the author of what nobody is known to have done.
const committer = "Holdfast"

// snapshot writes the commits of one snapshot.
func (h *history) snapshot(ctx context.Context, sn *snapshot.Snapshot) error {
	h.out.Snapshots++
	touched, err := touches(ctx, h.in.Store, h.before, sn)
	if err != nil {
		return err
	}
	groups := map[string][]touch{}
	for _, t := range touched {
		author := committer
		if t.after != nil && t.after.ModifiedBy != "" {
			author = t.after.ModifiedBy
		}
		groups[author] = append(groups[author], t)
	}
	if err := h.learn(ctx, sn); err != nil {
		return err
	}
	authors := slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		if c := latest(groups[a], sn).Compare(latest(groups[b], sn)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	for i, author := range authors {
		if err := h.commit(ctx, sn, author, groups[author], i == len(authors)-1); err != nil {
			return err
		}
	}
	h.before = sn
	return nil
}

// latest is when the last of the components was changed; of deletions that is not known.
func latest(group []touch, sn *snapshot.Snapshot) time.Time {
	var at time.Time
	for _, t := range group {
		if t.after != nil && t.after.Modified.After(at) {
			at = t.after.Modified
		}
	}
	if at.IsZero() || at.After(sn.Info().To) {
		return sn.Info().To
	}
	return at
}

// touches returns the components whose files differ between two snapshots, sorted. The first may be nil.
func touches(ctx context.Context, store *snapshot.Store, before, after *snapshot.Snapshot) ([]touch, error) {
	kinds := componentKinds(after)
	if before != nil {
		kinds = append(kinds, componentKinds(before)...)
	}
	slices.Sort(kinds)
	var out []touch
	for _, kind := range slices.Compact(kinds) {
		err := eachTouch(ctx, before, after, kind, func(t touch) error {
			if t.before != nil && t.after != nil && t.before.Sum == t.after.Sum || isVersion(t.row()) {
				return nil
			}
			if t.row().Installed() {
				old, now, err := t.files(ctx, store)
				if err != nil || component.Sum(kind, old) == component.Sum(kind, now) {
					return err
				}
			}
			out = append(out, t)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b touch) int { return a.key().Compare(b.key()) })
	return out, nil
}

// eachTouch calls fn with each component of a type that differs in anything. A snapshot that does not hold
// the type says nothing of it: its components are neither added nor removed by that.
func eachTouch(ctx context.Context, before, after *snapshot.Snapshot, kind string, fn func(touch) error) error {
	part := snapshot.Components.Name(kind)
	if p, ok := after.Part(part); !ok || p.State != snapshot.Whole {
		return nil
	}
	if before != nil {
		if p, ok := before.Part(part); ok && p.State == snapshot.Whole {
			return diffComponents(ctx, before, after, kind, fn)
		}
	}
	for row, err := range componentRows(ctx, after, kind) {
		if err != nil {
			return err
		}
		if row.Content == "" {
			continue
		}
		if err := fn(touch{after: &row}); err != nil {
			return err
		}
	}
	return nil
}

func diffComponents(ctx context.Context, before, after *snapshot.Snapshot, kind string, fn func(touch) error) error {
	part := snapshot.Components.Name(kind)
	row := func(sn *snapshot.Snapshot, id sf.ID) (*component.Row, error) {
		r, found, err := sn.Record(ctx, part, id)
		if err != nil || !found {
			return nil, err
		}
		c := component.RowOf(kind, r)
		return &c, nil
	}
	for change, err := range snapshot.Diff(ctx, before, after, part) {
		if err != nil {
			return fmt.Errorf("compare %s: %w", kind, err)
		}
		var t touch
		if change.Kind != state.Create {
			if t.before, err = row(before, change.ID); err != nil {
				return err
			}
		}
		if change.Kind != state.Delete {
			if t.after, err = row(after, change.ID); err != nil {
				return err
			}
		}
		if t.after != nil && t.after.Content == "" {
			continue // it is there, and its files are not held: that is no change of them
		}
		if err := fn(t); err != nil {
			return err
		}
	}
	return nil
}

// learn notes the addresses of the org's users, where the snapshot holds them.
func (h *history) learn(ctx context.Context, sn *snapshot.Snapshot) error {
	if h.emails != nil {
		return nil
	}
	h.emails = map[string]string{}
	part, held := wholePart(sn, "User")
	if !held || !slices.Contains(part.Fields, "Name") || !slices.Contains(part.Fields, "Email") {
		return nil
	}
	for r, err := range sn.Records(ctx, "User") {
		if err != nil {
			return fmt.Errorf("read the users: %w", err)
		}
		name, email := r.Get("Name").Text(), r.Get("Email").Text()
		if was, twice := h.emails[name]; twice && was != email {
			email = "" // two people of one name
		}
		h.emails[name] = email
	}
	return nil
}

// person spells a name and an address as git reads them.
func (h *history) person(name string, at time.Time) string {
	plain := func(s string) string {
		return strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r == '<' || r == '>' || r == 0x7f {
				return -1
			}
			return r
		}, s))
	}
	email := plain(h.emails[name])
	if email == "" {
		local := strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }), ".")
		email = local + "@" + strings.ToLower(string(h.out.OrgID)) + ".invalid"
	}
	return fmt.Sprintf("%s <%s> %d +0000", plain(name), email, at.Unix())
}

// commit writes one commit.
func (h *history) commit(ctx context.Context, sn *snapshot.Snapshot, author string, group []touch, completes bool) error {
	row := CommitRow{Snapshot: sn.Info().ID, Author: author, When: latest(group, sn)}
	for _, t := range group {
		switch t.how() {
		case component.Added:
			row.Added++
		case component.Removed:
			row.Removed++
		case component.Changed:
			row.Changed++
		}
	}
	fmt.Fprintf(h.w, "commit refs/heads/%s\nauthor %s\ncommitter %s\n", h.in.Branch, h.person(author, row.When), h.person(committer, sn.Info().To))
	h.data([]byte(message(group, row, sn, completes)))
	if h.begun && len(h.out.Commits) == 0 {
		fmt.Fprintf(h.w, "from refs/heads/%s^0\n", h.in.Branch)
	}
	if !h.begun {
		h.file("sfdx-project.json", projectFile(sn.Schema().APIVersion))
		h.begun = true
	}
	for _, t := range group {
		if err := h.component(ctx, t); err != nil {
			return err
		}
	}
	h.out.Commits = append(h.out.Commits, row)
	_, err := h.w.WriteString("\n")
	return err
}

// named is how many components a message names.
const named = 50

func message(group []touch, row CommitRow, sn *snapshot.Snapshot, completes bool) string {
	var b strings.Builder
	if len(group) == 1 {
		fmt.Fprintf(&b, "%s %s: %s\n\n", group[0].key().Type, group[0].key().Name, group[0].how())
	} else {
		fmt.Fprintf(&b, "%d components: %d added, %d changed, %d removed\n\n", len(group), row.Added, row.Changed, row.Removed)
		for i, t := range group {
			if i == named {
				fmt.Fprintf(&b, "and %d more\n", len(group)-named)
				break
			}
			fmt.Fprintf(&b, "%s %s: %s\n", t.key().Type, t.key().Name, t.how())
		}
		b.WriteString("\n")
	}
	if completes {
		fmt.Fprintf(&b, "%s: %s\n", SnapshotTrailer, sn.Info().ID)
	}
	return b.String()
}

// component writes the files of a component, and removes those that it has no more.
func (h *history) component(ctx context.Context, t touch) error {
	was, is, err := t.files(ctx, h.in.Store)
	if err != nil {
		return err
	}
	source := func(files []component.Entry) ([]component.Entry, error) {
		if len(files) == 0 {
			return nil, nil
		}
		return h.table.ToSource(t.key(), files)
	}
	old, err := source(was)
	if err != nil {
		return err
	}
	now, err := source(is)
	if err != nil {
		return err
	}
	for _, f := range old {
		if !slices.ContainsFunc(now, func(n component.Entry) bool { return n.Path == f.Path }) {
			fmt.Fprintf(h.w, "D %s\n", quoted(projectRoot+f.Path))
		}
	}
	for _, f := range now {
		if err := component.CheckPath(f.Path); err != nil {
			return problem.Wrap(problem.Damaged, err, "write "+t.key().Name)
		}
		h.file(projectRoot+f.Path, f.Body)
	}
	return nil
}

func (h *history) file(path string, body []byte) {
	fmt.Fprintf(h.w, "M 100644 inline %s\n", quoted(path))
	h.data(body)
}

// data writes bytes with their number. What cannot be written shows when the stream is flushed.
func (h *history) data(body []byte) {
	fmt.Fprintf(h.w, "data %d\n", len(body))
	_, _ = h.w.Write(body)
	_, _ = h.w.WriteString("\n")
}

// quoted spells a path as git fast-import reads it.
func quoted(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}
