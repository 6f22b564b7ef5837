package cli_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

// TestSampleAppsComeBack runs the main job on two sample apps: their metadata deployed, their data
// plans loaded, then every record of theirs deleted, half of it for good.
func TestSampleAppsComeBack(t *testing.T) {
	for _, app := range []struct {
		name    string
		folders []string
		plans   []string
		objects []string
		records int
	}{
		{
			"dreamhouse",
			[]string{"force-app"},
			[]string{"sample-data-plan.json"},
			[]string{"Broker__c", "Property__c", "Contact"},
			25,
		},
		{
			"easy-spaces",
			[]string{"es-base-objects", "es-base-code", "es-space-mgmt"},
			[]string{"Plan2.json", "Plan1.json"},
			[]string{"Account", "Contact", "Lead", "Market__c", "Space__c", "Reservation__c"},
			180,
		},
	} {
		t.Run(app.name, func(t *testing.T) {
			ctx := t.Context()
			server, err := emulator.Start(ctx, emulator.Options{Seed: 3})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			loader := &testkit.Loader{InstanceURL: server.URL, AccessToken: server.AccessToken, Version: "v66.0"}
			root := testkit.Shared(t, "projects", app.name)
			var folders []string
			for _, f := range app.folders {
				folders = append(folders, filepath.Join(root, f))
			}
			files, err := testkit.SourceToMdapi(folders...)
			if err != nil {
				t.Fatal(err)
			}
			if err := loader.DeployFiles(ctx, files); err != nil {
				t.Fatal(err)
			}
			loaded := 0
			for _, plan := range app.plans {
				n, err := testkit.LoadPlan(ctx, loader, filepath.Join(root, "data", plan))
				if err != nil {
					t.Fatal(err)
				}
				loaded += n
			}
			if loaded != app.records {
				t.Errorf("%d records loaded, want %d", loaded, app.records)
			}
			comesBack(t, server, loader, app.objects)
		})
	}
}

// comesBack backs the org up, deletes every record of the objects, half of them for good, and
// restores.
func comesBack(t *testing.T, server *emulator.Server, loader *testkit.Loader, objects []string) {
	t.Helper()
	ctx := t.Context()
	house := newHouse(t, server)
	house.must("init", "--recovery-key-file", house.path("recovery.key"))
	house.backup()
	original, err := testkit.TakeDump(ctx, loader, objects)
	if err != nil {
		t.Fatal(err)
	}
	server.Clock().Advance(time.Hour)
	for _, object := range slices.Backward(objects) {
		ids := slices.Sorted(maps.Keys(original[object]))
		if err := loader.Delete(ctx, ids); err != nil {
			t.Fatal(err)
		}
		if err := loader.EmptyRecycleBin(ctx, ids[:len(ids)/2]); err != nil {
			t.Fatal(err)
		}
	}
	server.Clock().Advance(time.Hour)

	var planned struct {
		Digest string `json:"digest"`
	}
	plan := house.path("restore.plan")
	house.json(&planned, "restore", "wrecked", "--to", "latest", "--plan", plan)
	var applied struct {
		Unexplained int `json:"unexplained"`
	}
	house.json(&applied, "apply", plan, "--approve", planned.Digest)
	now, err := testkit.TakeDump(ctx, loader, objects)
	if err != nil {
		t.Fatal(err)
	}
	successors := house.successors()
	lines, total := original.Differences(now, successors, 20)
	if total > 0 || applied.Unexplained > 0 {
		t.Errorf("%d differences, %d unexplained:\n%s", total, applied.Unexplained, strings.Join(lines, "\n"))
	}
	t.Logf("%d records came back under new Ids", len(successors))
}
