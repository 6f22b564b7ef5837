package orgtest

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// retrieve returns the files of a retrieve by name; its first problem stands under the empty name.
func (o *Org) retrieve(t *testing.T, members map[string][]string) map[string]string {
	t.Helper()
	request := "<retrieveRequest><apiVersion>65.0</apiVersion><singlePackage>true</singlePackage><unpackaged>"
	for _, kind := range slices.Sorted(maps.Keys(members)) {
		request += "<types>"
		for _, m := range members[kind] {
			request += "<members>" + m + "</members>"
		}
		request += "<name>" + kind + "</name></types>"
	}
	id := o.meta("retrieve", request+"<version>65.0</version></unpackaged></retrieveRequest>").OK(200).Element("id")
	for until := time.Now().Add(jobPatience); time.Now().Before(until); o.pause() {
		r := o.meta("checkRetrieveStatus", "<asyncProcessId>"+id+"</asyncProcessId><includeZip>true</includeZip>").OK(200)
		if r.Element("done") != "true" {
			continue
		}
		files := map[string]string{"": r.Element("problem")}
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Element("zipFile")))
		if err != nil {
			t.Fatal(err)
		}
		archive, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.File {
			files[f.Name] = content(t, f)
			if !strings.HasPrefix(f.Name, "unpackaged/") {
				files["unpackaged/"+f.Name] = files[f.Name] // a single package has no folder
			}
		}
		return files
	}
	t.Fatalf("retrieve %s does not end", id)
	return nil
}

func content(t *testing.T, f *zip.File) string {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, replyMax))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
