package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/testkit"
)

const (
	metadataSpace = ` xmlns="http://soap.sforce.com/2006/04/metadata"`
	// deployFiles and retrieveFiles are within the 10,000 files of a deployment and of a retrieve; a class has two.
	// Source: Metadata API Developer Guide, "Metadata API Limits".
	deployFiles     = 9_000
	retrieveClasses = 4_900
)

// components measures a first backup of the metadata of an org of that many classes, an object of three fields for every
// ten of them, a backup of the unchanged org after it, and what the official command line takes to retrieve the
// same: in several retrieves, as one gives 10,000 files at most.
func (b *bench) components(ctx context.Context, n int) error {
	return b.withOrg(ctx, nil, func(ctx context.Context) error {
		classes := n * 10 / 14 // with an object and its three fields for every ten
		if err := b.step(ctx, "classes", classes); err != nil {
			return err
		}
		manifests := b.manifests(classes)
		return b.metadata(ctx, fmt.Sprintf("%d components: %d classes, %d objects of 3 fields", classes+4*(classes/10), classes, classes/10),
			[]string{"components/ApexClass", "components/CustomObject"}, func() ([][]string, error) { return b.retrieves(manifests) })
	})
}

// npsp measures the same of the Nonprofit Success Pack over its five packages, without Apex: all metadata of the org. Of
// the official command line it is what lists that and what retrieves it.
func (b *bench) npsp(ctx context.Context) error {
	project, err := testkit.SharedPath("projects", "npsp")
	if err != nil {
		fmt.Printf("\nNonprofit Success Pack: NOT MEASURED: %v\n", err)
		return nil
	}
	return b.withOrg(ctx, []string{"--packages", filepath.Join(filepath.Dir(project), "npsp-packages")}, func(ctx context.Context) error {
		if err := b.step(ctx, "npsp", 0); err != nil {
			return err
		}
		return b.metadata(ctx, "all metadata of an org with the Nonprofit Success Pack", []string{"components/*"}, func() ([][]string, error) {
			commands, err := b.retrieves([]string{""})
			list := []string{b.sf, "project", "generate", "manifest", "--from-org", "bench", "--name", "package0.xml", "--json"}
			return append([][]string{list}, commands...), err
		})
	})
}

// deployNPSP makes an org one of the pack.
func (b *bench) deployNPSP(ctx context.Context) error {
	project, err := testkit.SharedPath("projects", "npsp")
	if err != nil {
		return err
	}
	deployments, err := testkit.NPSPDeployments(project)
	if err != nil {
		return err
	}
	for _, files := range deployments {
		if err := b.loader.DeployFiles(ctx, files); err != nil {
			return err
		}
	}
	return nil
}

// metadata measures backups of components, and the commands of sf that retrieve the same.
func (b *bench) metadata(ctx context.Context, what string, objects []string, commands func() ([][]string, error)) error {
	if err := b.init(ctx); err != nil {
		return err
	}
	columnsOf(what)
	backup := []string{b.holdfast, "backup", "bench", "--quiet"}
	for _, o := range objects {
		backup = append(backup, "--object", o)
	}
	for _, name := range []string{"full backup, sealed", "backup of the unchanged org"} {
		if _, err := b.shown(ctx, figure{name, 0, [][]string{backup}}); err != nil {
			return err
		}
	}
	export := []string{b.holdfast, "export", filepath.Join(b.dir, "export"), "--managed", "--quiet"}
	if _, err := b.shown(ctx, figure{"export as an SFDX project", 0, [][]string{export}}); err != nil {
		return err
	}
	if b.sf == "" {
		fmt.Println("sf project retrieve: NOT MEASURED: set HOLDFAST_SF")
		return nil
	}
	if err := b.signInSF(ctx); err != nil {
		return err
	}
	all, err := commands()
	if err != nil {
		return err
	}
	b.in = filepath.Join(b.dir, "project")
	return b.tried(ctx, figure{fmt.Sprintf("sf project retrieve, %d commands", len(all)), 0, all})
}

func className(i int) string  { return fmt.Sprintf("Gen%05d", i) }
func objectName(i int) string { return fmt.Sprintf("Thing%05d__c", i) }

// deployMany deploys the classes and objects.
func (b *bench) deployMany(ctx context.Context, classes int) error {
	files := map[string]string{}
	for i := range classes {
		files["classes/"+className(i)+".cls"] = "public class " + className(i) + " {}\n"
		files["classes/"+className(i)+".cls-meta.xml"] = "<ApexClass" + metadataSpace + "><apiVersion>66.0</apiVersion><status>Active</status></ApexClass>"
	}
	for i := range classes / 10 {
		var fields strings.Builder
		for f := range 3 {
			fmt.Fprintf(&fields, "<fields><fullName>F%d__c</fullName><label>F</label><length>9</length><type>Text</type></fields>", f)
		}
		files["objects/"+objectName(i)+".object"] = "<CustomObject" + metadataSpace + "><deploymentStatus>Deployed</deploymentStatus>" + fields.String() +
			"<label>T</label><nameField><label>N</label><type>Text</type></nameField><pluralLabel>Ts</pluralLabel><sharingModel>ReadWrite</sharingModel></CustomObject>"
	}
	for names := range slices.Chunk(slices.Sorted(maps.Keys(files)), deployFiles) {
		part := map[string]string{}
		var members, objects []string
		for _, name := range names {
			part[name] = files[name]
			if base, isClass := strings.CutSuffix(filepath.Base(name), ".cls"); isClass {
				members = append(members, base)
			}
			if base, isObject := strings.CutSuffix(filepath.Base(name), ".object"); isObject {
				objects = append(objects, base)
			}
		}
		part["package.xml"] = manifestOf(members, objects)
		if err := b.loader.DeployFiles(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func manifestOf(classes, objects []string) string {
	var out strings.Builder
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<Package" + metadataSpace + ">")
	for _, t := range []struct {
		name    string
		members []string
	}{{"ApexClass", classes}, {"CustomObject", objects}} {
		if len(t.members) > 0 {
			out.WriteString("<types><members>" + strings.Join(t.members, "</members><members>") + "</members><name>" + t.name + "</name></types>")
		}
	}
	return out.String() + "<version>66.0</version></Package>"
}

// manifests returns what one retrieve after the other can give.
func (b *bench) manifests(classes int) []string {
	var all, objects []string
	for i := range classes {
		all = append(all, className(i))
	}
	for i := range classes / 10 {
		objects = append(objects, objectName(i))
	}
	texts := []string{manifestOf(nil, objects)}
	for some := range slices.Chunk(all, retrieveClasses) {
		texts = append(texts, manifestOf(some, nil))
	}
	return texts
}

// retrieves writes a project with manifests, and returns the commands that retrieve them. An empty one is left to a command
// that comes before.
func (b *bench) retrieves(manifests []string) ([][]string, error) {
	project := filepath.Join(b.dir, "project")
	if err := os.MkdirAll(filepath.Join(project, "force-app"), 0o755); err != nil {
		return nil, err
	}
	const about = `{"packageDirectories":[{"path":"force-app","default":true}],"sourceApiVersion":"66.0"}`
	if err := os.WriteFile(filepath.Join(project, "sfdx-project.json"), []byte(about), 0o644); err != nil {
		return nil, err
	}
	var commands [][]string
	for i, text := range manifests {
		path := filepath.Join(project, fmt.Sprintf("package%d.xml", i))
		if text != "" {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
		commands = append(commands, []string{b.sf, "project", "retrieve", "start", "-o", "bench", "-x", path, "--json"})
	}
	return commands, nil
}
