package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"holdfast/bench/process"
	"holdfast/internal/testkit"
)

// oopsRows are the records whose values the measured deployment destroys.
const oopsRows = 1_000

const (
	oopsClassXML = "<ApexClass" + metadataSpace + "><apiVersion>66.0</apiVersion><status>Active</status></ApexClass>"
	oopsField    = "<fields><fullName>Size__c</fullName><label>Size</label><length>40</length><type>Text</type></fields>"
	oopsObject   = "<CustomObject" + metadataSpace + "><deploymentStatus>Deployed</deploymentStatus>" + oopsField +
		"<label>O</label><nameField><label>N</label><type>Text</type></nameField><pluralLabel>Os</pluralLabel><sharingModel>ReadWrite</sharingModel></CustomObject>"
	oopsProfile = "<Profile" + metadataSpace + "><classAccesses><apexClass>OopsNew</apexClass><enabled>true</enabled></classAccesses></Profile>"
)

func oopsManifest(members ...string) string {
	var out strings.Builder
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<Package" + metadataSpace + ">")
	for _, m := range members {
		kind, name, _ := strings.Cut(m, ":")
		out.WriteString("<types><members>" + name + "</members><name>" + kind + "</name></types>")
	}
	return out.String() + "<version>66.0</version></Package>"
}

// oops measures, in an org of so many components or in one with the Nonprofit Success Pack, how long it takes to compare
// all of them, and from a deployment that went wrong to the verified state before it: planned from two backups, and with the
// plan that a guarded deployment leaves. The deployment edits, makes and grants, and deletes a field with values.
func (b *bench) oops(ctx context.Context, components int) error {
	var flags []string
	step, n, what := "classes", components*10/14, fmt.Sprintf("%d components", components)
	if components == 0 {
		project, err := testkit.SharedPath("projects", "npsp")
		if err != nil {
			fmt.Printf("\nNonprofit Success Pack: NOT MEASURED: %v\n", err)
			return nil
		}
		flags = []string{"--packages", filepath.Join(filepath.Dir(project), "npsp-packages")}
		step, n, what = "npsp", 0, "all metadata of an org with the Nonprofit Success Pack"
	}
	return b.withOrg(ctx, flags, func(ctx context.Context) error {
		if err := b.step(ctx, step, n); err != nil {
			return err
		}
		return b.takenBack(ctx, what)
	})
}

// takenBack measures in the org that is there.
func (b *bench) takenBack(ctx context.Context, what string) error {
	err := b.loader.DeployFiles(ctx, map[string]string{
		"package.xml":      oopsManifest("ApexClass:Oops", "CustomObject:Oops__c"),
		"classes/Oops.cls": "public class Oops { }", "classes/Oops.cls-meta.xml": oopsClassXML, "objects/Oops__c.object": oopsObject,
	})
	if err != nil {
		return err
	}
	var rows strings.Builder
	rows.WriteString("Name,Size__c\n")
	for i := range oopsRows {
		fmt.Fprintf(&rows, "row %d,size %d\n", i, i)
	}
	if err := b.loader.BulkInsert(ctx, "Oops__c", strings.NewReader(rows.String())); err != nil {
		return err
	}
	if err := b.init(ctx); err != nil {
		return err
	}
	columnsOf(what + "; a deployment that destroys " + fmt.Sprint(oopsRows) + " values is taken back")
	show := func(name string, args ...string) error {
		_, err := b.shown(ctx, figure{name, 0, [][]string{append([]string{b.holdfast}, args...)}})
		return err
	}
	backup := []string{b.holdfast, "backup", "bench", "--json", "--object", "components/*", "--object", "Oops__c"}
	if _, err := b.taken(ctx, "capture", backup); err != nil {
		return err
	}
	export := filepath.Join(b.dir, "export")
	if _, err := b.measure(ctx, b.holdfast, "export", export, "--managed", "--quiet"); err != nil {
		return err
	}
	if err := show("compare with a project of the same", "diff", "latest", filepath.Join(export, "force-app"), "--quiet"); err != nil {
		return err
	}
	folder, err := b.oopsPackage()
	if err != nil {
		return err
	}
	guard := filepath.Join(b.dir, "guard")
	if err := show("guard deploy", "guard", "deploy", "bench", folder, "--to", guard, "--quiet", "--rehearse", "0"); err != nil {
		return err
	}
	if err := b.applied(ctx, "from oops to verified, guarded", filepath.Join(guard, "rollback.plan")); err != nil {
		return err
	}
	return b.fromBackups(ctx, show, backup, folder)
}

// fromBackups deploys the same without a guard, between two backups.
func (b *bench) fromBackups(ctx context.Context, show func(string, ...string) error, backup []string, folder string) error {
	before, err := b.taken(ctx, "", backup)
	if err != nil {
		return err
	}
	files := map[string]string{}
	for _, name := range oopsNames {
		body, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		files[name] = string(body)
	}
	if err := b.loader.DeployFiles(ctx, files); err != nil {
		return err
	}
	after, err := b.taken(ctx, "capture of what was deployed", backup)
	if err != nil {
		return err
	}
	if err := show("compare two snapshots", "diff", before, after, "--changes", "--quiet"); err != nil {
		return err
	}
	plan := filepath.Join(b.dir, "oops.plan")
	if err := show("rollback plan", "rollback", "bench", "--undo", before+".."+after, "--plan", plan, "--quiet"); err != nil {
		return err
	}
	return b.applied(ctx, "apply and verify", plan)
}

// taken takes a backup, which is a figure when it has a name, and returns the id of the snapshot.
func (b *bench) taken(ctx context.Context, name string, backup []string) (string, error) {
	var said string
	var err error
	if name == "" {
		var u process.Usage
		u, err = b.measure(ctx, backup[0], backup[1:]...)
		said = u.Said
	} else {
		said, err = b.shown(ctx, figure{name, 0, [][]string{backup}})
	}
	if err != nil {
		return "", err
	}
	var result struct {
		Snapshot struct {
			ID string `json:"id"`
		} `json:"snapshot"`
	}
	if err := json.Unmarshal([]byte(said), &result); err != nil || result.Snapshot.ID == "" {
		return "", fmt.Errorf("the backup named no snapshot: %w", err)
	}
	return result.Snapshot.ID, nil
}

// applied measures the application of a plan.
func (b *bench) applied(ctx context.Context, name, plan string) error {
	raw, err := os.ReadFile(plan)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	_, err = b.shown(ctx, figure{name, 0, [][]string{{b.holdfast, "apply", plan, "--approve", hex.EncodeToString(sum[:]), "--quiet"}}})
	return err
}

// oopsNames are the files of what is deployed.
var oopsNames = []string{
	"package.xml", "destructiveChangesPost.xml", "classes/Oops.cls", "classes/Oops.cls-meta.xml", "classes/OopsNew.cls",
	"classes/OopsNew.cls-meta.xml", "profiles/Standard.profile",
}

// oopsPackage writes what is deployed.
func (b *bench) oopsPackage() (string, error) {
	folder := filepath.Join(b.dir, "package")
	for i, body := range []string{
		oopsManifest("ApexClass:Oops", "ApexClass:OopsNew", "Profile:Standard"), oopsManifest("CustomField:Oops__c.Size__c"),
		"public class Oops { Integer wrong; }", oopsClassXML, "public class OopsNew { }", oopsClassXML, oopsProfile,
	} {
		path := filepath.Join(folder, oopsNames[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			return "", err
		}
	}
	return folder, nil
}
