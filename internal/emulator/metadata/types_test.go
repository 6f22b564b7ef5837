package metadata_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/testkit"
)

// wsdlNames are the names of types, or of the values of enumerations, in a WSDL.
func wsdlNames(t *testing.T, file, pattern string) map[string]bool {
	t.Helper()
	raw, err := os.ReadFile(testkit.Shared(t, "wsdl", file))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(raw, -1) {
		names[string(m[1])] = true
	}
	return names
}

func TestDescribedTypesAreInTheWSDL(t *testing.T) {
	known := wsdlNames(t, "metadata-66.wsdl", `<xsd:complexType name="(\w+)">`)
	kinds := metadata.Kinds(66)
	if len(kinds) < 300 {
		t.Errorf("only %d types are described", len(kinds))
	}
	for _, k := range kinds {
		if !known[k.Name] && k.Name != "Settings" { // each kind of settings has a type of its own there
			t.Errorf("%s is not in the WSDL", k.Name)
		}
		for _, c := range k.Children {
			if !known[c.Name] {
				t.Errorf("%s in %s is not in the WSDL", c.Name, k.Name)
			}
		}
	}
	older := metadata.Kinds(50)
	if len(older) >= len(kinds) || slices.ContainsFunc(older, func(k metadata.Kind) bool { return k.Name == "DataWeaveResource" }) {
		t.Errorf("version 50 has %d of %d types", len(older), len(kinds))
	}
}

// TestStatusCodesAreInTheWSDLs looks at the codes that the sources of the Metadata API spell.
func TestStatusCodesAreInTheWSDLs(t *testing.T) {
	known := wsdlNames(t, "metadata-66.wsdl", `<(?:xsd:)?enumeration value="(\w+)"`)
	for name := range wsdlNames(t, "partner-66.wsdl", `<(?:xsd:)?enumeration value="(\w+)"`) { // exception codes of faults
		known[name] = true
	}
	// REST answers this one for a body that is too large; it is no code of SOAP.
	known["REQUEST_ENTITY_TOO_LARGE"] = true
	// The name of a failure inside the package, which no client sees.
	known["INVALID_PACKAGE"] = true
	// The environment of the long tests.
	known["HOLDFAST_LONG"] = true
	code := regexp.MustCompile(`"([A-Z]+(?:_[A-Z]+)+)"`)
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	// The names that list views give to columns are no codes.
	sources = slices.DeleteFunc(sources, func(name string) bool { return name == "columns.go" })
	for _, source := range append(sources, filepath.Join("..", "soap", "meta.go")) {
		raw, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.FindAllSubmatch(raw, -1) {
			if found++; !known[string(m[1])] {
				t.Errorf("%s: %s is no status code of the WSDLs", source, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no status code was found")
	}
}

// TestRegistryIsWhole holds the table to the registry of the official client, where that is installed.
func TestRegistryIsWhole(t *testing.T) {
	path := filepath.Join("..", "..", "..", ".cache", "npm", "node_modules", "@salesforce", "source-deploy-retrieve", "lib", "src", "registry", "metadataRegistry.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("NOT TESTED: the table of types against the registry of the official client: %v", err)
	}
	var registry struct {
		Types map[string]struct {
			Name     string `json:"name"`
			Children struct {
				Types map[string]struct{ Name string }
			} `json:"children"`
		} `json:"types"`
	}
	if err := json.Unmarshal(raw, &registry); err != nil {
		t.Fatal(err)
	}
	for _, k := range registry.Types {
		if !metadata.Known(k.Name) {
			t.Errorf("%s is missing", k.Name)
		}
	}
	if len(registry.Types) < 500 {
		t.Errorf("the registry has only %d types", len(registry.Types))
	}
}
