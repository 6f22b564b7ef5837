package component_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"holdfast/internal/component"
)

// TestTableIsThatOfTheRegistry holds the table to its source, where the official client is installed.
func TestTableIsThatOfTheRegistry(t *testing.T) {
	folder := filepath.Join("..", "..", ".cache", "npm", "node_modules", "@salesforce", "source-deploy-retrieve", "lib", "src", "registry")
	read := func(name string, out any) {
		raw, err := os.ReadFile(filepath.Join(folder, name))
		if os.IsNotExist(err) {
			if os.Getenv("CI") == "true" {
				t.Fatalf("the registry of source-deploy-retrieve is missing: %v", err)
			}
			t.Skipf("NOT TESTED: %s needs the registry of source-deploy-retrieve in .cache/npm", t.Name())
		}
		if err == nil {
			err = json.Unmarshal(raw, out)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var registry struct {
		Types map[string]struct {
			Name, DirectoryName, Suffix, AliasFor string
			InFolder                              bool
			Children                              struct {
				Types map[string]struct{ Name, Suffix, DirectoryName string }
			}
		}
	}
	read("metadataRegistry.json", &registry)
	seen := 0
	for _, r := range registry.Types {
		if r.AliasFor != "" {
			continue
		}
		seen++
		k := component.Known().Kind(r.Name)
		if k == nil || k.Directory != r.DirectoryName || k.Suffix != r.Suffix || k.InFolder != r.InFolder {
			t.Errorf("%s: %+v", r.Name, k)
			continue
		}
		for _, c := range r.Children.Types {
			found := slices.ContainsFunc(k.Children, func(x component.Child) bool {
				return x.Name == c.Name && x.Suffix == c.Suffix && x.Dir == c.DirectoryName
			})
			if !found && r.Name != "DigitalExperienceBundle" {
				t.Errorf("%s lacks %s", r.Name, c.Name)
			}
		}
	}
	if seen < 500 {
		t.Errorf("the registry has %d types", seen)
	}
	var sets struct{ FullNames []string }
	read("stdValueSetRegistry.json", &sets)
	if !slices.Equal(sets.FullNames, component.StandardValueSets()) {
		t.Error("the standard value sets differ")
	}
}
