package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	dir, err := os.MkdirTemp("", "holdfast-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	stop, err := b.startOrg(ctx)
	if err != nil {
		return err
	}
	defer stop()
	classes := n * 10 / 14 // with an object and its three fields for every ten
	if err := b.deployMany(ctx, classes); err != nil {
		return err
	}
	if _, err := b.measure(ctx, b.holdfast, "init", "--recovery-key-file", filepath.Join(dir, "recovery.key")); err != nil {
		return err
	}
	fmt.Printf("%d components: %d classes, %d objects of 3 fields\n", classes+4*(classes/10), classes, classes/10)
	fmt.Printf("%-34s %10s %10s %12s %8s\n", "", "wall s", "CPU s", "peak RSS MB", "calls")
	backup := []string{b.holdfast, "backup", "bench", "--quiet", "--object", "components/ApexClass", "--object", "components/CustomObject"}
	for _, name := range []string{"full backup, sealed", "backup of the unchanged org"} {
		if err := b.measured(ctx, name, [][]string{backup}); err != nil {
			return err
		}
	}
	if b.sf == "" {
		fmt.Println("sf project retrieve: NOT MEASURED: set HOLDFAST_SF")
		return nil
	}
	home := filepath.Join(dir, "sf")
	b.env = append(b.env, "HOME="+home, "SF_DATA_DIR="+home, "SF_CACHE_DIR="+home, "SF_DISABLE_TELEMETRY=true",
		"SF_AUTOUPDATE_DISABLE=true", "SF_SKIP_NEW_VERSION_CHECK=true", "SF_USE_GENERIC_UNIX_KEYCHAIN=true",
		"SF_ACCESS_TOKEN="+b.loader.AccessToken)
	if _, err := b.measure(ctx, b.sf, "org", "login", "access-token", "--instance-url", b.loader.InstanceURL, "--no-prompt", "--alias", "bench"); err != nil {
		return err
	}
	commands, err := b.retrieves(classes)
	if err != nil {
		return err
	}
	b.in = filepath.Join(dir, "project")
	return b.measured(ctx, fmt.Sprintf("sf project retrieve, %d times", len(commands)), commands)
}

// measured runs commands one after the other and prints what they took: their sums, and the highest peak.
func (b *bench) measured(ctx context.Context, name string, commands [][]string) error {
	before, err := b.calls(ctx)
	if err != nil {
		return err
	}
	var sum usage
	for _, c := range commands {
		u, err := b.measure(ctx, c[0], c[1:]...)
		if err != nil { // that a tool cannot do it is a figure, too
			fmt.Printf("%-34s fails: %.300s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
			return nil
		}
		sum.wall, sum.cpu, sum.rss = sum.wall+u.wall, sum.cpu+u.cpu, max(sum.rss, u.rss)
	}
	after, err := b.calls(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%-34s %10.2f %10.2f %12.1f %8d\n", name, sum.wall, sum.cpu, sum.rss, after.Total-before.Total)
	fmt.Printf("    %s\n", after.since(before))
	return nil
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

// retrieves writes a project and the manifests of what one retrieve after the other can give, and returns the commands.
func (b *bench) retrieves(classes int) ([][]string, error) {
	project := filepath.Join(b.dir, "project")
	if err := os.MkdirAll(filepath.Join(project, "force-app"), 0o755); err != nil {
		return nil, err
	}
	const about = `{"packageDirectories":[{"path":"force-app","default":true}],"sourceApiVersion":"66.0"}`
	if err := os.WriteFile(filepath.Join(project, "sfdx-project.json"), []byte(about), 0o644); err != nil {
		return nil, err
	}
	var all, objects []string
	for i := range classes {
		all = append(all, className(i))
	}
	for i := range classes / 10 {
		objects = append(objects, objectName(i))
	}
	manifests := []string{manifestOf(nil, objects)}
	for some := range slices.Chunk(all, retrieveClasses) {
		manifests = append(manifests, manifestOf(some, nil))
	}
	var commands [][]string
	for i, text := range manifests {
		path := filepath.Join(project, fmt.Sprintf("package%d.xml", i))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
		commands = append(commands, []string{b.sf, "project", "retrieve", "start", "-o", "bench", "-x", path, "--json"})
	}
	return commands, nil
}
