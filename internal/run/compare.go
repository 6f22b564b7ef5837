package run

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"holdfast/internal/capture"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/snapshot"
)

// Side is one of two states whose components are compared: a snapshot, an org as it is now, or the files of a
// project, whichever is set.
type Side struct {
	Snapshot string          // beginning of an ID, or "latest"
	Live     MetadataOrg     // observed into the repository first
	Capture  capture.Options // how it is observed; Kind and Include are set by Compare

	Label  string // of a project: where its files are from, for people
	Commit string // of a project: the full name of the Git commit; empty for what is in no repository
	Files  []component.Entry
}

// CompareInput says which states to compare, and what of them.
type CompareInput struct {
	Store         *snapshot.Store // may be nil when both sides are projects
	Before, After Side

	Types      []string // patterns of metadata types, such as Custom*; empty: all
	Components []string // patterns of components as TYPE:NAME; empty: all
	Except     []string // patterns of components as TYPE:NAME that are left out
	How        []string // differences that are wanted: added, removed, changed; empty: all

	// Each is given every component that differs with the texts of its files; an error of it ends the comparison.
	// Nil: only the differences are wanted.
	Each func(ComponentTexts) error
}

// SideRow is one of the two states that were compared.
type SideRow struct {
	Kind       string `json:"kind"`             // snapshot, org or project
	Name       string `json:"name"`             // short ID of the snapshot, or where the project is
	Commit     string `json:"commit,omitempty"` // full name of the Git commit
	Components int    `json:"components"`       // that it has of the types that were compared
}

// ComponentTexts is one component that differs, with its files in canonical form.
type ComponentTexts struct {
	ComponentDiff
	Files []FileTexts
}

// FileTexts is one file before and after; empty where it was not there.
type FileTexts struct {
	Path          string
	Before, After string
	Binary        bool // it is no text: only that it differs can be told
}

// Compare compares the components of any two states. They differ when they say something else: neither order, nor
// date, nor what stands for its own absence counts.
//
// Of a project a type of which it has nothing is left out and named, unless the other side is a project, too, or
// the type is asked for: a project rarely holds everything that an org has.
// Errors: Usage for a request that makes no sense, NotFound for a snapshot that is not there.
func Compare(ctx context.Context, in CompareInput) (DiffResult, error) {
	out := DiffResult{Objects: []DiffRow{}, Components: []ComponentDiff{}}
	if err := in.check(); err != nil {
		return out, err
	}
	before, err := in.side(ctx, in.Before)
	if err != nil {
		return out, err
	}
	after, err := in.side(ctx, in.After)
	if err != nil {
		return out, err
	}
	if before.sn != nil {
		out.Before = snapshotRow(before.sn.Info())
	}
	if after.sn != nil {
		out.After = snapshotRow(after.sn.Info())
	}
	c := &comparison{in: in, before: before, after: after, out: &out}
	for _, kind := range c.kinds() {
		if err := c.kind(ctx, kind); err != nil {
			return out, err
		}
	}
	out.Sides = []SideRow{before.row, after.row}
	data := before.sn
	if data == nil {
		data = after.sn
	}
	out.Data, err = touchedData(ctx, data, out.Components)
	return out, err
}

func (in CompareInput) check() error {
	for _, how := range in.How {
		if !slices.Contains([]string{string(component.Added), string(component.Removed), string(component.Changed)}, how) {
			return problem.Newf(problem.Usage, "%q is no difference", how).Hint("added, removed or changed")
		}
	}
	for _, text := range slices.Concat(in.Components, in.Except) {
		if kind, name, ok := strings.Cut(text, ":"); !ok || kind == "" || name == "" {
			return problem.Newf(problem.Usage, "%q names no component", text).Hint("write it as ApexClass:Pay or CustomObject:*__c")
		}
	}
	for _, text := range slices.Concat(in.Types, in.Components, in.Except) {
		if _, err := path.Match(text, ""); err != nil {
			return problem.Newf(problem.Usage, "%q is no pattern", text).Hint("* stands for any text, ? for one character")
		}
	}
	return nil
}

// wants reports that a component is asked for.
func (in CompareInput) wants(kind, name string) bool {
	means := func(text string) bool {
		k, n, _ := strings.Cut(text, ":")
		return matchesText(k, kind) && matchesText(n, name)
	}
	return in.wantsKind(kind) && (len(in.Components) == 0 || slices.ContainsFunc(in.Components, means)) && !slices.ContainsFunc(in.Except, means)
}

// wantsKind reports that something of a type is asked for.
func (in CompareInput) wantsKind(kind string) bool {
	byType := len(in.Types) == 0 || slices.ContainsFunc(in.Types, func(p string) bool { return matchesText(p, kind) })
	return byType && (len(in.Components) == 0 || slices.ContainsFunc(in.Components, func(text string) bool {
		k, _, _ := strings.Cut(text, ":")
		return matchesText(k, kind)
	}))
}

// matchesText reports that a pattern means the text. A slash is a character like others: reports lie in folders.
func matchesText(pattern, text string) bool {
	plain := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	ok, err := path.Match(plain(pattern), plain(text))
	return err == nil && ok
}

// asked reports that the operator named the type.
func (in CompareInput) asked(kind string) bool {
	return (len(in.Types) > 0 || len(in.Components) > 0) && in.wantsKind(kind)
}

func (in CompareInput) wantsHow(how string) bool {
	return len(in.How) == 0 || slices.Contains(in.How, how)
}

// side reads what is needed of one side.
func (in CompareInput) side(ctx context.Context, s Side) (*compared, error) {
	c := &compared{store: in.Store}
	switch {
	case s.Live != nil:
		sn, err := in.observe(ctx, s)
		if err != nil {
			return nil, err
		}
		c.sn, c.row = sn, SideRow{Kind: "org", Name: sn.Info().OrgName}
	case s.Snapshot != "":
		sn, err := held(ctx, in.Store, s.Snapshot)
		if err != nil {
			return nil, err
		}
		c.sn, c.row = sn, SideRow{Kind: "snapshot", Name: sn.Info().Short()}
	default:
		c.row = SideRow{Kind: "project", Name: s.Label, Commit: s.Commit}
		c.files = map[string]map[string][]component.Entry{}
		for key, files := range component.ByKey(s.Files) {
			if c.files[key.Type] == nil {
				c.files[key.Type] = map[string][]component.Entry{}
			}
			c.files[key.Type][key.Name] = files
		}
	}
	return c, nil
}

// observe takes a snapshot of the components of an org, as far as they are asked for. What profiles say depends on
// what else is read with them, so that with them everything is.
func (in CompareInput) observe(ctx context.Context, s Side) (*snapshot.Snapshot, error) {
	opts := s.Capture
	opts.Kind, opts.Metadata, opts.Include = kindLive, s.Live, nil
	patterns := slices.Clone(in.Types)
	for _, text := range in.Components {
		kind, _, _ := strings.Cut(text, ":")
		patterns = append(patterns, kind)
	}
	for _, p := range patterns {
		opts.Include = append(opts.Include, snapshot.Components.Name(p))
	}
	if len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return matchesText(p, "Profile") }) {
		opts.Include = []string{snapshot.Components.Name("*")}
	}
	captured, err := capture.Run(ctx, s.Live, in.Store, opts)
	if err != nil && problem.KindOf(err) != problem.Partial {
		return nil, fmt.Errorf("read the live org: %w", err)
	}
	return in.Store.Load(ctx, captured.Snapshot.ID)
}
