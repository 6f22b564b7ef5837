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
		d.out.NotTried = append(d.out.NotTried, "metadata: the snapshot holds none, so the empty org has standard objects alone")
		return nil
	}
	for _, kind := range drilled {
		if !slices.Contains(held, kind) {
			continue
		}
		if err := d.deployKind(ctx, kind); err != nil {
			return err
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
		if row.Installed() {
			d.out.NotDeployed = append(d.out.NotDeployed, ProblemRow{Type: kind, Name: row.Name, Problem: "it belongs to a managed package"})
			continue
		}
		own, err := componentFiles(ctx, d.in.Store, row)
		if err != nil {
			return err
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
