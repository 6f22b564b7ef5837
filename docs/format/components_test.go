package format_test

import (
	"crypto/sha256"
	"encoding/base64"
	"path"
	"strings"
)

// componentName is the Id of the row of a component: snapshot.md, "Components".
func componentName(kind, fullName string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + fullName))
	text := base64.RawURLEncoding.EncodeToString(sum[:])
	return strings.ReplaceAll(strings.ReplaceAll(text, "-", "0"), "_", "1")[:18]
}

// componentFiles reads the files of a component.
func componentFiles(body []byte) (map[string]string, error) {
	c := &cursor{rest: body}
	files, last := map[string]string{}, ""
	for len(c.rest) > 0 && c.err == nil {
		name := c.text()
		if name <= last || strings.HasPrefix(name, "/") || path.Clean(name) != name || strings.HasPrefix(name, "..") || strings.ContainsAny(name, "\\:") {
			c.fail("the path %q", name)
		}
		files[name], last = c.text(), name
	}
	return files, c.err
}

// components reads the components of one type, and holds those that the test has deployed to what it deployed.
func (m *maker) components(id string, p part, state map[string]row) {
	m.t.Helper()
	kind := strings.TrimPrefix(p.Object, "components/")
	named := map[string]map[string]string{}
	for rowID, r := range state {
		name := r.values["FullName"]
		if name == nil || componentName(kind, *name) != rowID {
			m.t.Fatalf("%.8s %s: row %s is of %v", id, p.Object, rowID, name)
		}
		content, sum := r.values["Content"], r.values["Sum"]
		if content == nil || sum == nil || len(*sum) != 64 {
			m.t.Errorf("%.8s %s %s: its files are not held", id, p.Object, *name)
			continue
		}
		body, err := m.reader.body(*content)
		m.check(err)
		named[*name], err = componentFiles(body)
		m.check(err)
		if len(named[*name]) == 0 {
			m.t.Errorf("%.8s %s %s has no files", id, p.Object, *name)
		}
	}
	if kind != "CustomObject" {
		return
	}
	box := named["Box__c"]["objects/Box__c.object"]
	if !strings.Contains(box, "<label>Box</label>") || !strings.Contains(box, "<fullName>") && !strings.Contains(box, "<nameField>") {
		m.t.Errorf("%.8s: Box__c is held as %q", id, box)
	}
}
