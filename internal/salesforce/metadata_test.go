package salesforce_test

import (
	"archive/zip"
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

const (
	packageHead = `<?xml version="1.0" encoding="UTF-8"?><Package xmlns="http://soap.sforce.com/2006/04/metadata">`
	classMeta   = `<?xml version="1.0" encoding="UTF-8"?><ApexClass xmlns="http://soap.sforce.com/2006/04/metadata">` +
		`<apiVersion>66.0</apiVersion><status>Active</status></ApexClass>`
)

// classArchive is an archive with one class.
func classArchive(t *testing.T, name, body string) []byte {
	t.Helper()
	raw, err := testkit.Zip(map[string]string{
		"package.xml":                       packageHead + "<types><members>" + name + "</members><name>ApexClass</name></types><version>66.0</version></Package>",
		"classes/" + name + ".cls":          body,
		"classes/" + name + ".cls-meta.xml": classMeta,
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestDeploysListsAndRetrieves(t *testing.T) {
	_, c := emulated(t, emulator.Options{Seed: 1})
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	body := "public class Umlaut { /* Größe & <Maß> \u2028 */ }\n"
	d, err := org.Deploy(t.Context(), classArchive(t, "Umlaut", body), sf.DeployOptions{RollbackOnError: true})
	if err != nil || !d.Success || !d.Done || d.Status != sf.DeploySucceeded || d.Components != 1 {
		t.Fatalf("deploy: %+v, %v", d, err)
	}
	key := sf.ComponentKey{Type: "ApexClass", Name: "Umlaut"}
	if !slices.ContainsFunc(d.Results, func(r sf.DeployResult) bool { return r.ComponentKey == key && r.Success && r.Created }) {
		t.Errorf("results: %+v", d.Results)
	}

	types, namespace, err := org.MetadataTypes(t.Context())
	if err != nil || namespace != "" {
		t.Fatalf("describe: %q, %v", namespace, err)
	}
	i := slices.IndexFunc(types, func(m sf.MetadataType) bool { return m.Name == "CustomObject" })
	if i < 0 || types[i].Directory != "objects" || types[i].Suffix != "object" || !slices.Contains(types[i].Children, "CustomField") {
		t.Fatalf("describe: %d types, CustomObject %+v", len(types), types[max(i, 0)])
	}
	listed, err := org.Components(t.Context(), []sf.ComponentQuery{{Type: "ApexClass"}, {Type: "Profile"}})
	if err != nil {
		t.Fatal(err)
	}
	i = slices.IndexFunc(listed, func(m sf.Component) bool { return m.ComponentKey == key })
	if i < 0 || listed[i].FileName != "classes/Umlaut.cls" || listed[i].ModifiedBy == "" || listed[i].Modified.IsZero() || listed[i].Installed() {
		t.Fatalf("list: %+v", listed)
	}
	if !slices.ContainsFunc(listed, func(m sf.Component) bool { return m.Type == "Profile" && m.Name == "Admin" && m.Modified.IsZero() }) {
		t.Error("the list has no profile Admin without a date")
	}

	r, err := org.Retrieve(t.Context(), sf.ManifestOf("66.0", []sf.ComponentKey{{Type: "ApexClass", Name: "Gone"}, key, key}))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Messages) != 1 || !strings.Contains(r.Messages[0].Problem, "Gone") {
		t.Errorf("messages: %+v", r.Messages)
	}
	if got := unzip(t, r.Zip)["classes/Umlaut.cls"]; got != body {
		t.Errorf("the class came back as %q", got)
	}
}

func unzip(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(in); err != nil {
			t.Fatal(err)
		}
		files[f.Name] = b.String()
	}
	return files
}

func TestDeploymentThatFailsSaysWhy(t *testing.T) {
	_, c := emulated(t, emulator.Options{Seed: 1})
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := testkit.Zip(map[string]string{
		"package.xml": packageHead + "<types><members>Nothing__c.X__c</members><name>CustomField</name></types><version>66.0</version></Package>",
		"objects/Nothing__c.object": `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><fields><fullName>X__c</fullName>` +
			`<label>X</label><type>Text</type><length>10</length></fields></CustomObject>`,
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := org.Deploy(t.Context(), raw, sf.DeployOptions{RollbackOnError: true})
	if err != nil || !d.Done || d.Success || d.Status != sf.DeployFailed || d.ComponentErrors == 0 || len(d.Results) == 0 || d.Results[0].Problem == "" {
		t.Fatalf("%+v, %v", d, err)
	}
	d, err = org.Deploy(t.Context(), []byte("no archive"), sf.DeployOptions{RollbackOnError: true})
	if err != nil || d.Success || d.Error == "" {
		t.Fatalf("no archive: %+v, %v", d, err)
	}
	if _, err := org.DeployStatus(t.Context(), "../../query"); problem.KindOf(err) != problem.Usage {
		t.Errorf("an Id that is none: %v", err)
	}
}

func TestValidationIsDeployedWithoutItsArchive(t *testing.T) {
	_, c := emulated(t, emulator.Options{Seed: 1})
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	raw := classArchive(t, "Checked", "public class Checked {}")
	d, err := org.Deploy(ctx, raw, sf.DeployOptions{RollbackOnError: true, CheckOnly: true, TestLevel: sf.RunLocalTests})
	if err != nil || !d.Success || !d.CheckOnly {
		t.Fatalf("validate: %+v, %v", d, err)
	}
	if there := listed(t, org, "Checked"); there {
		t.Fatal("a validation has deployed")
	}
	id, err := org.QuickDeploy(ctx, d.ID)
	if err != nil || id == d.ID {
		t.Fatalf("quick deploy: %q, %v", id, err)
	}
	if q, err := org.AwaitDeploy(ctx, id); err != nil || !q.Success {
		t.Fatalf("quick deploy: %+v, %v", q, err)
	}
	if !listed(t, org, "Checked") {
		t.Fatal("the quick deployment has not deployed")
	}
	if err := org.CancelDeploy(ctx, id); err != nil {
		t.Errorf("cancelling what has ended: %v", err)
	}
}

func listed(t *testing.T, org *salesforce.Org, class string) bool {
	t.Helper()
	list, err := org.Components(t.Context(), []sf.ComponentQuery{{Type: "ApexClass"}})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(list, func(c sf.Component) bool { return c.Name == class })
}

// TestRetrieveBeginsAgain: an archive is given out once, so one that breaks off is retrieved anew.
func TestRetrieveBeginsAgain(t *testing.T) {
	server, c := emulated(t, emulator.Options{Seed: 1})
	cut := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
		forward, err := http.NewRequestWithContext(r.Context(), r.Method, server.URL+r.URL.RequestURI(), bytes.NewReader(body.Bytes()))
		if err != nil {
			panic(err)
		}
		forward.Header = r.Header.Clone()
		resp, err := http.DefaultTransport.RoundTrip(forward)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		var answer bytes.Buffer
		if _, err := answer.ReadFrom(resp.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		if bytes.Contains(body.Bytes(), []byte("<includeZip>true")) && cut < 2 {
			cut++
			_, _ = w.Write(answer.Bytes()[:answer.Len()-40-200*cut])
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(answer.Bytes())
	}))
	t.Cleanup(proxy.Close)
	c.InstanceURL = proxy.URL
	c.Credentials = salesforce.Credentials{AccessToken: c.Credentials.AccessToken}
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := org.Deploy(t.Context(), classArchive(t, "Again", "public class Again {}"), sf.DeployOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := org.Retrieve(t.Context(), sf.ManifestOf("66.0", []sf.ComponentKey{{Type: "ApexClass", Name: "Again"}}))
	if err != nil || cut != 2 || unzip(t, r.Zip)["classes/Again.cls"] != "public class Again {}" {
		t.Fatalf("cut %d times: %v", cut, err)
	}
}

func TestArchiveIsTakenOutOfAnAnswer(t *testing.T) {
	const around = `<?xml version="1.0"?><e:Envelope xmlns:e="x"><a zipFile="no">zipFile</a><zipFiles>b</zipFiles>`
	for _, test := range []struct{ text, want, rest string }{
		{around + "<m:zipFile>UEsDBA==</m:zipFile></e:Envelope>", "PK\x03\x04", around + "<m:zipFile></m:zipFile></e:Envelope>"},
		{around + "<zipFile x='y'>UEs\r\nDB A=\n=\n</zipFile>", "PK\x03\x04", around + "<zipFile x='y'></zipFile>"},
		{around + `<zipFile xsi:nil="true"/>text<b/>`, "", around + `<zipFile xsi:nil="true"/>text<b/>`},
	} {
		for name, src := range map[string]func(string) *salesforce.ArchiveFilter{
			"whole": func(s string) *salesforce.ArchiveFilter { return salesforce.NewArchiveFilter(strings.NewReader(s)) },
			"byte by byte": func(s string) *salesforce.ArchiveFilter {
				return salesforce.NewArchiveFilter(iotest.OneByteReader(strings.NewReader(s)))
			},
		} {
			f := src(test.text)
			var rest bytes.Buffer
			if _, err := rest.ReadFrom(f); err != nil || rest.String() != test.rest || f.Archive() != test.want {
				t.Errorf("%s: %q, archive %q, %v", name, rest.String(), f.Archive(), err)
			}
		}
	}
	for _, text := range []string{"<zipFile>UEs</zipFile>", "<zipFile>U*sD</zipFile>", "<" + strings.Repeat("a", 100<<10)} {
		var rest bytes.Buffer
		if _, err := rest.ReadFrom(salesforce.NewArchiveFilter(strings.NewReader(text))); err == nil {
			t.Errorf("%.40q passes", text)
		}
	}
}
