package emulator_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/testkit"
)

const longEnv = "HOLDFAST_LONG"

// webTabs makes files of Metadata API form: tabs of web pages, n of them from one on, and their manifest.
func webTabs(from, n int) []string {
	names, files := []string{}, []string{}
	for i := from; i < from+n; i++ {
		name := fmt.Sprintf("Tab%05d", i)
		names = append(names, name)
		files = append(files, "tabs/"+name+".tab", webTab(name))
	}
	return append(files, "package.xml", testkit.PackageXML("CustomTab", names...))
}

func webTab(name string) string {
	return metaHead + "<CustomTab" + metaSpace + "<label>" + name + "</label><motif>Custom53: Bell</motif><url>https://example.com</url><urlEncodingKey>UTF-8</urlEncodingKey></CustomTab>"
}

// What is too much for one call is refused as the platform refuses it, and its parts are not. That ten thousand files go in
// two halves is proved below the wire, by TestTenThousandFilesAreTheMost.
func TestDeploymentsHaveBounds(t *testing.T) {
	t.Parallel()
	c := start(t, emulator.Options{})
	c.deploy("ZipFile", "id", packed(t, webTabs(0, 10_000)...)).
		has("<status>Failed</status>", "<errorMessage>INVALID_OPERATION: Too many files in zip</errorMessage>")
	c.deploy("ZipFile", "id", packed(t, webTabs(0, 100)...)).has("<status>Succeeded</status>", "<numberComponentsDeployed>100</numberComponentsDeployed>")
	// 38 MB of zip are below 39 MB, and above 50 MB as base64.
	a := c.soap("m/66.0", "deploy", "<ZipFile>"+strings.Repeat("A", 38<<20/3*4)+"</ZipFile>")
	if a.status != 500 || !bytes.Contains(a.body, []byte("EXCEEDED_MAX_SIZE_REQUEST")) {
		t.Errorf("38 MB of zip in a message of 51 MB: %d %.300s", a.status, a.body)
	}
	noise := make([]byte, 4<<20)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	c.deploy("ZipFile", "id", packed(t, "package.xml", testkit.PackageXML("StaticResource", "Noise"), "staticresources/Noise.resource", string(noise),
		"staticresources/Noise.resource-meta.xml", resourceMeta)).has("<status>Succeeded</status>")
}

const resourceMeta = metaHead + "<StaticResource" + metaSpace + "<cacheControl>Private</cacheControl><contentType>application/octet-stream</contentType></StaticResource>"

// resources writes static resources of 5 MB into a folder of a project; the client packs them well when they are plain.
func (l commandLine) resources(t *testing.T, folder string, n int, plain bool) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(l.dir, folder, "staticresources"), 0o700); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("all work and no play\n"), 5<<20/21)
	for i := range n {
		if !plain {
			if _, err := rand.Read(content); err != nil {
				t.Fatal(err)
			}
		}
		name := fmt.Sprintf("%s/staticresources/%s%03d.resource", folder, folder, i)
		l.file(t, name, string(content))
		l.file(t, name+"-meta.xml", resourceMeta)
	}
}

// TestConformanceLargeZips sends and fetches with the official client what is too large in one request, and the
// same in halves: 45 MB of zip, and 630 MB of files.
func TestConformanceLargeZips(t *testing.T) {
	if os.Getenv(longEnv) == "" {
		t.Skipf("NOT TESTED: zips of more than 39 MB and files of more than 600 MB by the official client: it takes minutes; set %s=1", longEnv)
	}
	for name, size := range map[string]struct {
		n                    int // files of 5 MB, in each half
		plain                bool
		deploySays, fetchSay string
	}{
		"39 MB":  {5, false, "EXCEEDED_MAX_SIZE_REQUEST", "The retrieved zip file is larger than 39 MB"},
		"600 MB": {63, true, "Maximum size of uncompressed files exceeded", "Maximum size of uncompressed files exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			sf, c := signedIn(t, emulator.Options{})
			sf.project(t, "one", "two")
			sf.resources(t, "one", size.n, size.plain)
			sf.resources(t, "two", size.n, size.plain)
			if text := sf.refused(t, "project", "deploy", "start", "-o", "emu", "--source-dir", "one", "--source-dir", "two"); !strings.Contains(text, size.deploySays) {
				t.Errorf("both halves at once: %.2000s", text)
			}
			for _, half := range []string{"one", "two"} {
				var r deployReport
				sf.json(t, &r, "project", "deploy", "start", "-o", "emu", "--source-dir", half)
				if r.Status != "Succeeded" || r.NumberComponentsDeployed != size.n {
					t.Errorf("%s: %s, %d", half, r.Status, r.NumberComponentsDeployed)
				}
			}
			if n := len(c.s.Metadata().List("StaticResource", "")); n != 2*size.n {
				t.Errorf("%d resources", n)
			}
			empty := sf.at(t.TempDir())
			empty.project(t, "force-app")
			empty.tooMuch(t, "StaticResource", size.fetchSay)
			half := []string{"project", "retrieve", "start", "-o", "emu"}
			for i := range size.n {
				half = append(half, "-m", fmt.Sprintf("StaticResource:one%03d", i))
			}
			empty.json(t, &struct{}{}, half...)
			sameFiles(t, filepath.Join(sf.dir, "one", "staticresources"), filepath.Join(empty.dir, "force-app", "main", "default", "staticresources"), size.n)
		})
	}
}

// tooMuch retrieves all components of a type, which must fail. The client ends well when a retrieve has
// failed, and says so in its result.
func (l commandLine) tooMuch(t *testing.T, kind, want string) {
	t.Helper()
	var r struct{ Status, ErrorMessage string }
	l.json(t, &r, "project", "retrieve", "start", "-o", "emu", "-m", kind)
	if r.Status != "Failed" || !strings.Contains(r.ErrorMessage, want) {
		t.Errorf("every %s at once: %+v", kind, r)
	}
}

// sameFiles demands that n contents of a folder are in another.
func sameFiles(t *testing.T, sent, back string, n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sent, "*.resource"))
	if err != nil || len(files) != n {
		t.Fatalf("%d files %v", len(files), err)
	}
	for _, file := range files {
		a, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".resource")
		found, err := filepath.Glob(filepath.Join(back, name+".*")) // the client ends the name by the type of content
		found = slices.DeleteFunc(found, func(path string) bool { return strings.HasSuffix(path, "-meta.xml") })
		if err != nil || len(found) != 1 {
			t.Errorf("%s came back as %v: %v", name, found, err)
			continue
		}
		if b, err := os.ReadFile(found[0]); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: %d bytes came back of %d: %v", name, len(b), len(a), err)
		}
	}
}

// TestConformanceLargeProject sends a project of more than 10,000 files with the official client, at once and
// in two parts.
func TestConformanceLargeProject(t *testing.T) {
	if os.Getenv(longEnv) == "" {
		t.Skipf("NOT TESTED: a project of more than 10,000 files by the official client: it takes minutes; set %s=1", longEnv)
	}
	sf, c := signedIn(t, emulator.Options{})
	sf.project(t, "one", "two")
	for i := range 10_200 {
		name := fmt.Sprintf("Tab%05d", i)
		half := [2]string{"one", "two"}[i%2]
		sf.file(t, half+"/"+name+".tab-meta.xml", webTab(name))
	}
	if text := sf.refused(t, "project", "deploy", "start", "-o", "emu", "--source-dir", "one", "--source-dir", "two"); !strings.Contains(text, "Too many files in zip") {
		t.Errorf("10,200 files at once: %.2000s", text)
	}
	for _, half := range []string{"one", "two"} {
		var r deployReport
		sf.json(t, &r, "project", "deploy", "start", "-o", "emu", "--source-dir", half)
		if r.Status != "Succeeded" || r.NumberComponentsDeployed != 5100 {
			t.Errorf("%s: %+v", half, r.Status)
		}
	}
	if n := len(c.s.Metadata().List("CustomTab", "")); n < 10_200 {
		t.Errorf("%d tabs", n)
	}
	sf.tooMuch(t, "CustomTab", "Too many files in retrieve call, limit is: 10000")
}
