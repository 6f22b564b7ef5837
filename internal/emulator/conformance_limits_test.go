package emulator_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
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

// What is too much for one call is refused as the platform refuses it, and the same in parts is not.
func TestDeploymentsHaveBounds(t *testing.T) {
	c := start(t, emulator.Options{})
	c.deploy("ZipFile", "id", packed(t, webTabs(0, 10_000)...)).
		has("<status>Failed</status>", "<errorMessage>INVALID_OPERATION: Too many files in zip</errorMessage>")
	for _, from := range []int{0, 5000} {
		c.deploy("ZipFile", "id", packed(t, webTabs(from, 5000)...)).has("<status>Succeeded</status>", "<numberComponentsDeployed>5000</numberComponentsDeployed>")
	}
	noise := make([]byte, 38<<20) // below 39 MB, and above as base64
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	a := c.soap("m/66.0", "deploy", "<ZipFile>"+base64.StdEncoding.EncodeToString(noise)+"</ZipFile>")
	if a.status != 500 || !bytes.Contains(a.body, []byte("EXCEEDED_MAX_SIZE_REQUEST")) {
		t.Errorf("38 MB of zip in a message of 51 MB: %d %.300s", a.status, a.body)
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
}
