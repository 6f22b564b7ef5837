package emulator_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

// project makes an empty project of the official client in its directory, with these folders of
// source; the first is where a retrieve puts what it finds.
func (l commandLine) project(t *testing.T, folders ...string) {
	t.Helper()
	var packages []map[string]any
	for i, f := range folders {
		packages = append(packages, map[string]any{"path": f, "default": i == 0})
		if err := os.MkdirAll(filepath.Join(l.dir, f), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(map[string]any{"packageDirectories": packages, "namespace": "", "sourceApiVersion": "66.0"})
	if err != nil {
		t.Fatal(err)
	}
	l.file(t, "sfdx-project.json", string(text))
}

// at is the same command line in another directory.
func (l commandLine) at(dir string) commandLine {
	l.dir = dir
	return l
}

// refused runs a command that must fail and returns what it prints with --json.
func (l commandLine) refused(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), l.path, append(args, "--json")...)
	cmd.Dir, cmd.Env = l.dir, l.env
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		t.Fatalf("sf %s: %v, want a failure\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// signedIn is the official client with the alias emu of an emulated org, in an empty project.
func signedIn(t *testing.T, o emulator.Options) (commandLine, *client) {
	t.Helper()
	sf := officialClient(t)
	c := start(t, o)
	sf.env = append(sf.env, "SF_ACCESS_TOKEN="+c.s.AccessToken)
	sf.json(t, &struct{}{}, "org", "login", "access-token", "--instance-url", c.s.URL, "--no-prompt", "--alias", "emu")
	sf = sf.at(t.TempDir())
	sf.project(t, "force-app")
	return sf, c
}

// deployReport is the result of sf project deploy.
type deployReport struct {
	ID                       string
	Status                   string
	CheckOnly                bool
	NumberComponentErrors    int
	NumberComponentsDeployed int
	NumberTestsCompleted     int
	Files                    []struct{ FullName, Type, State string }
}

// roundTrips are the projects that a deploy and a retrieve must give back.
var roundTrips = []struct {
	name     string
	folders  []string
	packages bool // it extends installed packages
	least    int  // XML files
}{
	{"dreamhouse", []string{"force-app"}, false, 30},
	{"easy-spaces", []string{"es-base-objects", "es-base-code", "es-space-mgmt"}, false, 50},
	{"npsp", []string{"force-app"}, true, 1000},
}

// TestConformanceRoundTrip deploys real projects with the official client and retrieves them into an
// empty tree: every file must come back with the same elements and texts.
func TestConformanceRoundTrip(t *testing.T) {
	t.Parallel()
	for _, p := range roundTrips {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			source := testkit.Shared(t, "projects", p.name)
			var o emulator.Options
			if p.packages {
				o.Packages = testkit.NPSPRegistry(t)
			}
			sf, c := signedIn(t, o)
			if p.packages {
				for _, namespace := range testkit.NPSPPackages {
					c.install(namespace)
				}
			}
			sf.project(t, p.folders...)
			args := []string{}
			for _, f := range p.folders {
				if err := os.CopyFS(filepath.Join(sf.dir, f), os.DirFS(filepath.Join(source, f))); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--source-dir", f)
			}
			var deployed deployReport
			sf.json(t, &deployed, append([]string{"project", "deploy", "start", "-o", "emu"}, args...)...)
			if deployed.Status != "Succeeded" || deployed.NumberComponentErrors != 0 {
				t.Fatalf("%+v", deployed)
			}
			sf.json(t, &struct{}{}, append([]string{"project", "generate", "manifest", "--name", "all.xml"}, args...)...)
			empty := sf.at(t.TempDir())
			empty.project(t, "force-app")
			raw, err := os.ReadFile(filepath.Join(sf.dir, "all.xml"))
			if err != nil {
				t.Fatal(err)
			}
			empty.file(t, "all.xml", string(raw))
			var got struct {
				Messages []struct{ Problem string }
			}
			empty.json(t, &got, "project", "retrieve", "start", "-o", "emu", "--manifest", "all.xml")
			if len(got.Messages) != 0 {
				t.Errorf("the retrieve says %v", got.Messages)
			}
			sent, back := xmlFiles(t, sf.dir), xmlFiles(t, empty.dir)
			if len(sent) < p.least {
				t.Errorf("only %d files were sent", len(sent))
			}
			compareTrees(t, sent, back)
		})
	}
}

// install installs a managed package from the registry of the org.
func (c *client) install(namespace string) {
	c.t.Helper()
	c.deploy("ZipFile", "id", packed(c.t, "package.xml", testkit.PackageXML("InstalledPackage", namespace),
		"installedPackages/"+namespace+".installedPackage",
		`<InstalledPackage xmlns="http://soap.sforce.com/2006/04/metadata"><versionNumber>1.0</versionNumber></InstalledPackage>`)).
		has("<status>Succeeded</status>")
}

// xmlFiles reads the metadata files of a project by their path below the folder of their types.
func xmlFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "-meta.xml") {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(filepath.ToSlash(path), "/main/default/")
		text, err := spelling(raw)
		files[name] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// node is an element as the comparison sees it.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Kids    []node     `xml:",any"`
}

// byName are the files whose elements are components: the platform gives them back by name, whatever
// the order in which they were sent.
var byName = []string{"CustomLabels", "Workflow", "MatchingRules", "SharingRules", "AssignmentRules", "CustomObject"}

// spelling is what an XML file says. Five things do not count, because the platform or its client
// change them too: blanks at the ends of texts, which the official client trims before it sends them; comments and the blanks between elements, which no retrieve gives back; the order
// of elements with different names, because the platform writes them by name; the order of components
// in one file (byName); and namespace declarations.
func spelling(raw []byte) (string, error) {
	var root node
	if err := xml.NewDecoder(bytes.NewReader(raw)).Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if slices.Contains(byName, root.XMLName.Local) {
		slices.SortStableFunc(root.Kids, func(a, b node) int { return strings.Compare(a.fullName(), b.fullName()) })
	}
	return root.spell(""), nil
}

func (n *node) fullName() string {
	for _, k := range n.Kids {
		if k.XMLName.Local == "fullName" {
			return k.Text
		}
	}
	return ""
}

func (n *node) spell(indent string) string {
	line := indent + n.XMLName.Local
	for _, a := range n.Attrs {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			line += " " + a.Name.Local + "=" + a.Value
		}
	}
	if len(n.Kids) == 0 {
		return line + fmt.Sprintf(" %q\n", strings.TrimSpace(n.Text))
	}
	slices.SortStableFunc(n.Kids, func(a, b node) int { return strings.Compare(a.XMLName.Local, b.XMLName.Local) })
	line += "\n"
	for i := range n.Kids {
		line += n.Kids[i].spell(indent + " ")
	}
	return line
}

// firstDifference shows where two texts part.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d: sent %s, got %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines sent, %d came back", len(a), len(b))
}

func compareTrees(t *testing.T, sent, back map[string]string) {
	t.Helper()
	missing, different := 0, 0
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		got, ok := back[name]
		switch {
		case !ok:
			if missing++; missing < 10 {
				t.Errorf("%s did not come back", name)
			}
		case got != sent[name]:
			if different++; different < 5 {
				t.Errorf("%s differs: %s", name, firstDifference(sent[name], got))
			}
		}
	}
	extra := 0
	for _, name := range slices.Sorted(maps.Keys(back)) {
		if _, ok := sent[name]; !ok {
			if extra++; extra < 20 {
				t.Logf("%s came back and was not sent", name)
			}
		}
	}
	t.Logf("%d files: %d missing, %d different, %d more", len(sent), missing, different, extra)
}
