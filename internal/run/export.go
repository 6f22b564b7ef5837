package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// ProjectInput says which components are written as a project, and where to.
type ProjectInput struct {
	Store     *snapshot.Store
	OrgID     sf.ID    // what "latest" is the latest of; empty: of every org
	Snapshot  string   // beginning of an ID, or "latest"
	Types     []string // metadata types; empty: all
	Installed bool     // also components of managed packages, which no project can deploy; else what the org added to them

	// Create makes a new file of that path, with slashes, and the folders to it. It fails when there is one.
	Create func(path string) (io.WriteCloser, error)
}

// ProjectResult says what was written.
type ProjectResult struct {
	Snapshot   SnapshotRow `json:"snapshot"`          // where it came from
	Types      []TypeRow   `json:"types"`             // by name
	Files      int         `json:"files"`             // written, in all
	Installed  int         `json:"installed"`         // components of managed packages that were left out, to which the org added nothing
	NotHeld    int         `json:"not_held"`          // components whose files the snapshot does not hold
	Stale      int         `json:"stale"`             // types that were taken over because reading them failed
	APIVersion string      `json:"api_version"`       // of the project
	Missing    []string    `json:"missing,omitempty"` // types and components that are not held, damaged or could not be written
}

// TypeRow counts the components of one type.
type TypeRow struct {
	Type       string `json:"type"`       // metadata type
	Components int    `json:"components"` // written
	Files      int    `json:"files"`      // written
}

// projectRoot is the package folder of a project.
const projectRoot = "force-app/main/default/"

// Project writes the components of a snapshot as an SFDX project: sfdx-project.json, the files in source
// format, and manifest/package.xml, which names them. Errors: NotFound for a snapshot or a type that is not
// held; Partial when something is missing, which the result names.
func Project(ctx context.Context, in ProjectInput) (ProjectResult, error) {
	sn, err := held(ctx, in.Store, in.Snapshot, ofOrg(in.OrgID)...)
	if err != nil {
		return ProjectResult{}, err
	}
	p := &project{
		in: in, sn: sn, table: component.Known(),
		out: ProjectResult{Snapshot: snapshotRow(sn.Info()), Types: []TypeRow{}, APIVersion: sn.Schema().APIVersion},
	}
	kinds, err := p.kinds()
	if err != nil {
		return p.out, err
	}
	if err := p.write("sfdx-project.json", projectFile(p.out.APIVersion)); err != nil {
		return p.out, err
	}
	for _, kind := range kinds {
		if err := p.kind(ctx, kind); err != nil {
			return p.out, err
		}
	}
	if err := p.write("manifest/package.xml", component.PrintManifest(sf.ManifestOf(p.out.APIVersion, p.keys))); err != nil {
		return p.out, err
	}
	if len(p.out.Missing) > 0 {
		return p.out, problem.Newf(problem.Partial, "%d types or components are missing in the project, the first of them %s",
			len(p.out.Missing), p.out.Missing[0]).Hint("`holdfast show %s --coverage` says why; another snapshot may hold them", sn.Info().Short())
	}
	return p.out, nil
}

// project is a project while it is written.
type project struct {
	in    ProjectInput
	sn    *snapshot.Snapshot
	table *component.Table
	keys  []sf.ComponentKey
	out   ProjectResult
}

// kinds returns the types to write, and notes those that the snapshot lacks.
func (p *project) kinds() ([]string, error) {
	held := componentKinds(p.sn)
	for _, part := range p.sn.PartsOf(snapshot.Components) {
		kind, _ := snapshot.Components.Of(part.Object)
		if len(p.in.Types) > 0 && !slices.ContainsFunc(p.in.Types, func(t string) bool { return strings.EqualFold(t, kind) }) {
			continue
		}
		if part.State != snapshot.Whole {
			p.out.Missing = append(p.out.Missing, kind)
		}
		if part.Stale {
			p.out.Stale++
		}
	}
	if len(held) == 0 && len(p.out.Missing) == 0 {
		return nil, problem.Newf(problem.NotFound, "snapshot %s holds no metadata", p.sn.Info().Short()).
			Hint("`holdfast backup` without --no-metadata captures it")
	}
	if len(p.in.Types) == 0 {
		return held, nil
	}
	var chosen []string
	for _, wanted := range p.in.Types {
		i := slices.IndexFunc(held, func(k string) bool { return strings.EqualFold(k, wanted) })
		if i < 0 {
			return nil, problem.Newf(problem.NotFound, "snapshot %s holds no components of type %q", p.sn.Info().Short(), wanted).
				Hint("give metadata types, such as ApexClass; `holdfast show %s` lists them", p.sn.Info().Short())
		}
		chosen = append(chosen, held[i])
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

// kind writes the components of one type.
func (p *project) kind(ctx context.Context, kind string) error {
	row := TypeRow{Type: kind}
	for c, err := range componentRows(ctx, p.sn, kind) {
		if problem.KindOf(err) == problem.Damaged {
			p.out.Missing = append(p.out.Missing, kind)
			break
		}
		if err != nil {
			return err
		}
		if isVersion(c) {
			continue
		}
		n, err := p.component(ctx, c)
		if err != nil {
			return err
		}
		if n > 0 {
			row.Components++
			row.Files += n
			p.keys = append(p.keys, component.InManifest(c.ComponentKey))
		}
	}
	p.out.Files += row.Files
	p.out.Types = append(p.out.Types, row)
	return nil
}

// isVersion reports an earlier version of a flow, which stands beside the flow itself.
func isVersion(c component.Row) bool {
	_, number := component.SplitFlow(c.Name)
	return c.Type == "Flow" && number > 0 && number == c.Version
}

// component writes one component and returns the number of its files; 0 when it is missing.
func (p *project) component(ctx context.Context, c component.Row) (int, error) {
	name := c.Type + " " + c.Name
	files, err := componentFiles(ctx, p.in.Store, c)
	if problem.KindOf(err) == problem.Damaged {
		p.out.Missing = append(p.out.Missing, name)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(files) == 0 && (!c.Installed() || p.in.Installed) {
		p.out.NotHeld++
		p.out.Missing = append(p.out.Missing, name)
		return 0, nil
	}
	if c.Installed() && !p.in.Installed {
		if files = component.Local(c, files); len(files) == 0 {
			p.out.Installed++
			return 0, nil
		}
	}
	source, err := p.table.ToSource(c.ComponentKey, files)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", name, err)
	}
	for _, f := range source {
		if err := component.CheckPath(f.Path); err != nil {
			return 0, problem.Wrap(problem.Damaged, err, "write "+name)
		}
		if err := p.write(projectRoot+f.Path, f.Body); err != nil {
			return 0, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return len(source), nil
}

func (p *project) write(path string, body []byte) error {
	f, err := p.in.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	return errors.Join(err, f.Close())
}

// projectFile is the sfdx-project.json of a project with one package folder.
func projectFile(version string) []byte {
	return fmt.Appendf(nil, `{
  "packageDirectories": [
    {
      "path": "force-app",
      "default": true
    }
  ],
  "namespace": "",
  "sfdcLoginUrl": "https://login.salesforce.com",
  "sourceApiVersion": "%s"
}
`, version)
}
