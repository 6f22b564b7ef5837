package run

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// drilled are the types of components that say what records an org takes, in the order of deployment. Code is
// not among them: the empty org runs none.
var drilled = []string{"GlobalValueSet", "CustomLabels", "CustomObject", "StandardValueSet", "Queue"}

// deploy gives the empty org the objects, fields, picklists, record types and rules of the newest snapshot. What
// it does not take is told, and the drill goes on.
func (d *drill) deploy(ctx context.Context) error {
	held := componentKinds(d.against)
	if !slices.Contains(held, "CustomObject") {
		d.out.NotTried = append(d.out.NotTried, "metadata: the snapshot holds none, so the empty org has standard objects and those of packages alone")
		return d.packagedLater(ctx)
	}
	for _, kind := range drilled {
		if !slices.Contains(held, kind) {
			continue
		}
		if err := d.deployKind(ctx, kind); err != nil {
			return err
		}
		if kind == "CustomObject" {
			if err := d.packagedLater(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *drill) deployKind(ctx context.Context, kind string) error {
	var keys []sf.ComponentKey
	var files []component.Entry
	for row, err := range componentRows(ctx, d.against, kind) {
		if err != nil {
			return err
		}
		if d.packaged(row) {
			continue // its package brought it
		}
		if row.Installed() && (kind != "CustomObject" || namespaceOf(row.Name) != "" && !d.installed(row.Name)) {
			d.out.NotDeployed = append(d.out.NotDeployed, ProblemRow{Type: kind, Name: row.Name, Problem: "it belongs to a managed package"})
			continue
		}
		own, err := componentFiles(ctx, d.in.Store, row)
		if err != nil {
			return err
		}
		if kind == "CustomObject" {
			own = d.withoutPackages(row.Name, own)
		}
		if len(own) == 0 {
			continue
		}
		keys, files = append(keys, component.InManifest(row.ComponentKey)), append(files, own...)
		if kind == "CustomObject" {
			d.learn(row.Name, own)
		}
	}
	return d.send(ctx, kind, keys, files)
}

// installed reports a name in the namespace of a package that the empty org has.
func (d *drill) installed(name string) bool {
	ns := namespaceOf(name)
	return ns != "" && slices.Contains(d.out.Packages, ns)
}

// packaged reports a component of which the definitions of the packages have everything: the values of a package's
// value set stand in its picklists.
func (d *drill) packaged(row component.Row) bool {
	return row.Type == "GlobalValueSet" && row.Installed() && (slices.Contains(d.out.Packages, row.Namespace) || d.installed(row.Name+"__c"))
}

// partsOfPackages are the elements of an object whose names have the namespace of the package that they belong to.
var partsOfPackages = []string{
	"fields", "recordTypes", "validationRules", "fieldSets", "listViews", "compactLayouts", "webLinks", "businessProcesses", "indexes",
}

// withoutPackages takes out of the files of an object what the packages have brought: what is left adds to it. A file that
// cannot be read stays as it is: whoever deploys it says what is wrong.
func (d *drill) withoutPackages(object string, files []component.Entry) []component.Entry {
	if len(d.out.Packages) == 0 {
		return files
	}
	var out []component.Entry
	for _, f := range files {
		root, err := component.Parse(f.Body)
		if err != nil {
			out = append(out, f)
			continue
		}
		whole := len(root.Nodes)
		root.Nodes = slices.DeleteFunc(root.Nodes, func(n *component.Node) bool {
			if d.installed(object) && !slices.Contains(partsOfPackages, n.Name) {
				return true // it is the definition of the object, which is the package's
			}
			name := n.Value("fullName")
			if n.Name == "fields" {
				return d.installed(name)
			}
			ns, _, found := strings.Cut(name, "__")
			return slices.Contains(partsOfPackages, n.Name) && found && slices.Contains(d.out.Packages, ns)
		})
		if len(root.Nodes) < whole {
			f.Body = component.Print(root)
		}
		if len(root.Nodes) > 0 || whole == 0 {
			out = append(out, f)
		}
	}
	return out
}

// send deploys components to the empty org, and notes what it does not take.
func (d *drill) send(ctx context.Context, kind string, keys []sf.ComponentKey, files []component.Entry) error {
	if len(keys) == 0 {
		return nil
	}
	manifest := sf.ManifestOf("66.0", keys)
	archive, err := component.Pack(append([]component.Entry{{Path: "package.xml", Body: component.PrintManifest(manifest)}}, files...))
	if err != nil {
		return fmt.Errorf("pack the components of %s: %w", kind, err)
	}
	id, err := d.in.Org.StartDeploy(ctx, archive, sf.DeployOptions{IgnoreWarnings: true, AllowMissingFiles: true})
	if err != nil {
		return fmt.Errorf("deploy the components of %s: %w", kind, err)
	}
	done, err := d.in.Org.AwaitDeploy(ctx, id)
	if err != nil {
		return fmt.Errorf("deploy the components of %s: %w", kind, err)
	}
	for _, r := range done.Results {
		if r.Success && r.Type != "" {
			d.deployed++
		}
		if !r.Success && r.Type != "" {
			d.out.NotDeployed = append(d.out.NotDeployed, ProblemRow{Type: r.Type, Name: r.Name, Problem: r.Problem, Line: r.Line})
		}
	}
	if done.Error != "" {
		d.out.NotDeployed = append(d.out.NotDeployed, ProblemRow{Type: kind, Problem: done.Error})
	}
	return nil
}

// learn notes which validation rule of the object speaks which words.
func (d *drill) learn(object string, files []component.Entry) {
	for _, f := range files {
		var def struct {
			Rules []struct {
				Name    string `xml:"fullName"`
				Message string `xml:"errorMessage"`
			} `xml:"validationRules"`
		}
		if xml.Unmarshal(f.Body, &def) != nil {
			continue // whoever deploys it will say what is wrong with it
		}
		for _, r := range def.Rules {
			d.rules[object+"\x00"+strings.TrimSpace(r.Message)] = r.Name
		}
	}
}
