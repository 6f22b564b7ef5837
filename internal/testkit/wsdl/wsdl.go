// Package wsdl checks SOAP replies against the real WSDLs of Salesforce: it takes their schemas out,
// lets xmllint (libxml2) validate whole envelopes with them, and lists the codes that they allow.
// Only tests import it.
package wsdl

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"holdfast/internal/testkit"
)

// The WSDLs among the real data.
const (
	Partner  = "partner-66.wsdl"
	Metadata = "metadata-66.wsdl"
)

// Schema validates envelopes against one WSDL.
type Schema struct {
	xmllint string
	dir     string
	text    string // the WSDL
}

// Open takes the schemas of a WSDL out. Without the WSDL or without xmllint nothing is tested: the
// test is skipped with a loud line, and fails in CI (CI=true).
func Open(t testing.TB, name string) *Schema {
	t.Helper()
	text, err := os.ReadFile(testkit.Shared(t, "wsdl", name))
	if err != nil {
		t.Fatal(err)
	}
	s := &Schema{dir: t.TempDir(), text: string(text)}
	if s.xmllint, err = exec.LookPath("xmllint"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("xmllint is missing: apt-get install libxml2-utils")
		}
		t.Skipf("NOT TESTED: %s needs xmllint: apt-get install libxml2-utils", t.Name())
	}
	s.write(t)
	return s
}

// schemas are the schemas of a WSDL: the name of the element, its attributes, and what it holds. They are found without a
// pattern, which takes half a minute of a megabyte under the race detector.
func schemas(text string) [][3]string {
	var found [][3]string
	for {
		at, name := -1, ""
		for _, tag := range []string{"schema", "xsd:schema"} {
			if i := strings.Index(text, "<"+tag+" "); i >= 0 && (at < 0 || i < at) {
				at, name = i, tag
			}
		}
		if at < 0 {
			return found
		}
		attributes, rest, _ := strings.Cut(text[at+len(name)+2:], ">")
		inside, after, ok := strings.Cut(rest, "</"+name+">")
		if !ok {
			return found
		}
		found, text = append(found, [3]string{name, attributes, inside}), after
	}
}

// What a schema declares, and what a WSDL declares for all of them.
var (
	targetOf    = regexp.MustCompile(`targetNamespace="([^"]*)"`)
	importOf    = regexp.MustCompile(`<((?:xsd:)?import) namespace="([^"]*)"\s*/>`)
	declaration = regexp.MustCompile(`xmlns:(\w+)="([^"]*)"`)
)

// write makes a file of each schema, and one that describes the envelope and imports them all: what
// it holds must be declared.
func (s *Schema) write(t testing.TB) {
	head, _, _ := strings.Cut(s.text[strings.Index(s.text, "<definitions"):], ">")
	files := map[string]string{}
	found := schemas(s.text)
	for i, m := range found {
		files[targetOf.FindStringSubmatch(m[1])[1]] = fmt.Sprintf("schema%d.xsd", i)
	}
	if len(found) == 0 {
		t.Fatal("the WSDL holds no schema")
	}
	imports := ""
	for _, m := range found {
		declared := m[1]
		for _, d := range declaration.FindAllStringSubmatch(head, -1) {
			if !strings.Contains(declared, "xmlns:"+d[1]+"=") {
				declared += " " + d[0]
			}
		}
		inside := importOf.ReplaceAllStringFunc(m[2], func(text string) string {
			p := importOf.FindStringSubmatch(text)
			return fmt.Sprintf(`<%s namespace="%s" schemaLocation="%s"/>`, p[1], p[2], files[p[2]])
		})
		namespace := targetOf.FindStringSubmatch(m[1])[1]
		s.file(t, files[namespace], fmt.Sprintf("<%s %s>%s</%s>", m[0], declared, inside, m[0]))
		imports += fmt.Sprintf(`<import namespace="%s" schemaLocation="%s"/>`, namespace, files[namespace])
	}
	s.file(t, "types.xsd", `<schema xmlns="http://www.w3.org/2001/XMLSchema">`+imports+`</schema>`)
	s.file(t, "envelope.xsd", strings.Replace(envelope, "<!--imports-->", imports, 1))
}

// envelope is SOAP 1.1 as far as replies use it. Source: SOAP 1.1, appendix, with every part strict.
const envelope = `<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 targetNamespace="http://schemas.xmlsoap.org/soap/envelope/"><!--imports-->
<element name="Envelope"><complexType><sequence>
 <element name="Header" minOccurs="0" form="qualified"><complexType><sequence>
  <any namespace="##other" minOccurs="0" maxOccurs="unbounded" processContents="strict"/></sequence></complexType></element>
 <element name="Body" form="qualified"><complexType><choice>
  <element name="Fault" form="qualified"><complexType><sequence>
   <element name="faultcode" type="QName"/><element name="faultstring" type="string"/>
   <element name="detail" minOccurs="0"><complexType><sequence>
    <any namespace="##other" processContents="strict"/></sequence></complexType></element></sequence></complexType></element>
  <any namespace="##other" processContents="strict"/></choice></complexType></element>
</sequence></complexType></element></schema>`

func (s *Schema) file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Validate reports what is wrong with envelopes, by name; each may be a reply or a fault.
func (s *Schema) Validate(t testing.TB, envelopes map[string][]byte) {
	t.Helper()
	args := []string{"--noout", "--nonet", "--schema", filepath.Join(s.dir, "envelope.xsd")}
	for name, text := range envelopes {
		args = append(args, s.file(t, strings.Map(fileRune, name)+".xml", string(text)))
	}
	if len(envelopes) == 0 {
		t.Fatal("there is nothing to validate")
	}
	cmd := exec.CommandContext(t.Context(), s.xmllint, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, strings.ReplaceAll(string(out), s.dir+"/", ""))
	}
}

// fileRune keeps the characters of a name that a file can have anywhere.
func fileRune(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
		return r
	}
	return '_'
}

// Values lists the values of an enumeration, such as StatusCode of the partner WSDL.
func (s *Schema) Values(t testing.TB, name string) map[string]bool {
	t.Helper()
	return Values(t, s.text, name)
}

// complexType finds the types with elements.
var complexType = regexp.MustCompile(`<(?:xsd:)?complexType name="(\w+)"`)

// Types lists the types with elements that the WSDL declares, such as CustomObject of the metadata WSDL.
func (s *Schema) Types() map[string]bool {
	types := map[string]bool{}
	for _, m := range complexType.FindAllStringSubmatch(s.text, -1) {
		types[m[1]] = true
	}
	return types
}

// Values lists the values of an enumeration of a WSDL or a schema.
func Values(t testing.TB, text, name string) map[string]bool {
	t.Helper()
	_, rest, found := strings.Cut(text, `simpleType name="`+name+`"`)
	if !found {
		t.Fatalf("there is no enumeration %s", name)
	}
	inside, _, _ := strings.Cut(rest, "simpleType>")
	values := map[string]bool{}
	for _, m := range regexp.MustCompile(`enumeration value="([^"]*)"`).FindAllStringSubmatch(inside, -1) {
		values[m[1]] = true
	}
	return values
}
