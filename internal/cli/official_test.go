package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
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

// official is the official command line, unmodified, with a home of its own and a project as its folder.
type official struct {
	path, dir string
	env       []string
}

// officialClient is signed in to the org, under the alias emu. Without it nothing is tested, which is an error in CI.
func officialClient(t *testing.T, server *emulator.Server) official {
	t.Helper()
	path := os.Getenv("HOLDFAST_SF")
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("the sf command line is missing (HOLDFAST_SF)")
		}
		t.Skip("NOT TESTED: what is held against the official command line: set HOLDFAST_SF")
	}
	home, dir := t.TempDir(), t.TempDir()
	about := `{"packageDirectories":[{"path":"force-app","default":true}],"sourceApiVersion":"66.0"}`
	if err := os.WriteFile(filepath.Join(dir, "sfdx-project.json"), []byte(about), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "force-app"), 0o700); err != nil {
		t.Fatal(err)
	}
	client := official{path, dir, append(os.Environ(), "HOME="+home, "SF_DATA_DIR="+home, "SF_CACHE_DIR="+home, "SF_USE_GENERIC_UNIX_KEYCHAIN=true",
		"SF_DISABLE_TELEMETRY=true", "SF_AUTOUPDATE_DISABLE=true", "SF_SKIP_NEW_VERSION_CHECK=true",
		"SF_ORG_MAX_QUERY_LIMIT=100000", "SF_ACCESS_TOKEN="+server.AccessToken)}
	err := client.ask(t.Context(), &struct{}{}, "org", "login", "access-token", "--instance-url", server.URL, "--no-prompt", "--alias", "emu")
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// ask runs one command, and reads the result that it prints with --json.
func (o official) ask(ctx context.Context, result any, args ...string) error {
	cmd := exec.CommandContext(ctx, o.path, append(args, "--json")...)
	cmd.Dir, cmd.Env = o.dir, o.env
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("sf %s: %w: %.300s", strings.Join(args, " "), err, out)
	}
	reply := struct {
		Status int
		Result any
	}{Result: result}
	return json.Unmarshal(out, &reply)
}

// extras are components of kinds that the pack has none of.
func extras(t *testing.T) map[string]string {
	t.Helper()
	const space = ` xmlns="http://soap.sforce.com/2006/04/metadata">`
	packed, err := testkit.Zip(map[string]string{"js/a.js": "a()\n", "readme.txt": "Grüße\r\n"})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"classes/Harbour.cls":          "public class Harbour { public String name = 'Grüße 🎈 <&>'; }\n",
		"classes/Harbour.cls-meta.xml": "<ApexClass" + space + "<apiVersion>66.0</apiVersion><status>Active</status></ApexClass>",
		"pages/Quay.page":              "<apex:page><b>&amp; quay</b></apex:page>\n",
		"pages/Quay.page-meta.xml":     "<ApexPage" + space + "<apiVersion>66.0</apiVersion><label>Quay</label></ApexPage>",
		"reports/Yard-meta.xml":        "<ReportFolder" + space + "<name>Yard</name></ReportFolder>",
		"reports/Yard/Ships.report":    "<Report" + space + "<name>Ships</name><reportType>AccountList</reportType></Report>",
		"package.xml": `<?xml version="1.0" encoding="UTF-8"?><Package` + space + `
<types><members>Harbour</members><name>ApexClass</name></types>
<types><members>Quay</members><name>ApexPage</name></types>
<types><members>Chart</members><members>Notes</members><members>Parts</members><name>StaticResource</name></types>
<types><members>Yard</members><members>Yard/Ships</members><name>Report</name></types>
<version>66.0</version></Package>`,
	}
	for name, r := range map[string]struct{ kind, body string }{
		"Chart": {"application/octet-stream", "\x00\x01\xff chart\r\n"}, "Notes": {"text/plain", "notes\r\n"}, "Parts": {"application/zip", string(packed)},
	} {
		files["staticresources/"+name+".resource"] = r.body
		files["staticresources/"+name+".resource-meta.xml"] = "<StaticResource" + space + "<cacheControl>Private</cacheControl><contentType>" + r.kind + "</contentType></StaticResource>"
	}
	return files
}

// extraFiles are what a project has of them, by the official client's names.
var extraFiles = []string{
	"classes/Harbour.cls", "pages/Quay.page-meta.xml", "reports/Yard.reportFolder-meta.xml", "reports/Yard/Ships.report-meta.xml",
	"staticresources/Chart.bin", "staticresources/Notes.txt", "staticresources/Parts/js/a.js", "staticresources/Parts/readme.txt",
}

// TestAnExportHasWhatTheOfficialCommandLineRetrieves: the Nonprofit Success Pack over its five packages, everything
// that sf lists of the org in one retrieve, and the project that Holdfast exports of a snapshot, file by file.
//
// Two things do not count. The official client trims the texts of elements, Holdfast keeps them as the org gives them. And
// an object of which the org gives nothing of its own has an empty file with one of them and none with the other.
func TestAnExportHasWhatTheOfficialCommandLineRetrieves(t *testing.T) {
	server, err := emulator.Start(t.Context(), emulator.Options{Seed: 1, Packages: testkit.NPSPRegistry(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	sf := officialClient(t, server)
	loader := &testkit.Loader{InstanceURL: server.URL, AccessToken: server.AccessToken, Version: "v66.0"}
	testkit.DeployNPSP(t, t.Context(), loader)
	if err := loader.DeployFiles(t.Context(), extras(t)); err != nil {
		t.Fatal(err)
	}

	house := newHouse(t, server)
	house.must("init", "--recovery-key-file", house.path("recovery.key"))
	house.backup()
	house.must("export", house.path("project"), "--format", "sfdx", "--managed")
	list := []string{"project", "generate", "manifest", "--from-org", "emu", "--name", "all.xml", "--include-packages", "managed"}
	if err := sf.ask(t.Context(), &struct{}{}, list...); err != nil {
		t.Fatal(err)
	}
	var got struct{ Messages []struct{ Problem string } }
	if err := sf.ask(t.Context(), &got, "project", "retrieve", "start", "-o", "emu", "--manifest", "all.xml"); err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) > 0 {
		t.Errorf("the retrieve says %v", got.Messages)
	}

	held, retrieved := sourceFiles(t, house.path("project")), sourceFiles(t, sf.dir)
	same := 0
	for _, name := range slices.Sorted(maps.Keys(retrieved)) {
		ours, theirs := held[name], retrieved[name]
		switch {
		case ours == nil:
			t.Errorf("%s is retrieved, and not exported", name)
		case ours.says != theirs.says:
			t.Errorf("%s differs: exported\n%.400s\nretrieved\n%.400s", name, ours.says, theirs.says)
		case bytes.Equal(ours.raw, theirs.raw):
			same++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(held)) {
		if retrieved[name] == nil {
			t.Errorf("%s is exported, and not retrieved", name)
		}
	}
	for _, name := range extraFiles {
		if held[name] == nil || retrieved[name] == nil {
			t.Errorf("%s is not exported, or not retrieved", name)
		}
	}
	t.Logf("%d files: %d equal byte by byte, the others but for blanks around texts", len(retrieved), same)
	if len(retrieved) < 2200 || same < 2200 {
		t.Errorf("%d files were compared, %d of them are equal", len(retrieved), same)
	}
}

// sourceFile is a file of a project and, of XML, what it says.
type sourceFile struct {
	raw  []byte
	says string
}

// sourceFiles reads the components of a project by their path below the folder of their types, without objects of
// which nothing is said.
func sourceFiles(t *testing.T, dir string) map[string]*sourceFile {
	t.Helper()
	files := map[string]*sourceFile{}
	root := os.DirFS(filepath.Join(dir, "force-app", "main", "default"))
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f := &sourceFile{}
		if f.raw, err = fs.ReadFile(root, path); err != nil {
			return err
		}
		if f.says = string(f.raw); strings.HasSuffix(path, "-meta.xml") {
			var said element
			if err := xml.Unmarshal(f.raw, &said); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if len(said.Inner) == 0 && strings.HasSuffix(path, ".object-meta.xml") {
				return nil
			}
			f.says = said.spell("")
		}
		files[path] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// element is an XML element with everything in it, in its order.
type element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Inner   []element  `xml:",any"`
}

func (e element) spell(indent string) string {
	line := indent + e.XMLName.Local
	for _, a := range e.Attrs {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			line += " " + a.Name.Local + "=" + a.Value
		}
	}
	if len(e.Inner) == 0 {
		return line + fmt.Sprintf(" %q\n", strings.TrimSpace(e.Text))
	}
	line += "\n"
	for _, inner := range e.Inner {
		line += inner.spell(indent + " ")
	}
	return line
}
