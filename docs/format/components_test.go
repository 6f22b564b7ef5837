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
func componentFiles(body []byte) map[string]string {
	c := &cursor{rest: body}
	files, last := map[string]string{}, ""
	for len(c.rest) > 0 {
		name := c.take(c.uv())
		want(name > last && !strings.HasPrefix(name, "/") && path.Clean(name) == name && !strings.HasPrefix(name, "..") &&
			!strings.ContainsAny(name, "\\:"), "the path %q", name)
		files[name], last = c.take(c.uv()), name
	}
	return files
}

// components reads the components of one type, and holds those that the test has deployed to what it deployed.
func (m *maker) components(id, part string, state map[string]row) {
	m.t.Helper()
	kind := strings.TrimPrefix(part, "components/")
	named := map[string]map[string]string{}
	for rowID, r := range state {
		name := r.values["FullName"]
		if name == nil || componentName(kind, *name) != rowID {
			m.t.Fatalf("%.8s %s: row %s is of %v", id, part, rowID, name)
		}
		content, sum := r.values["Content"], r.values["Sum"]
		if content == nil || sum == nil || len(*sum) != 64 {
			m.t.Errorf("%.8s %s %s: its files are not held", id, part, *name)
			continue
		}
		files, err := try(func() map[string]string { return componentFiles(m.reader.body(*content)) })
		m.check(err)
		named[*name] = files
		if len(named[*name]) == 0 {
			m.t.Errorf("%.8s %s %s has no files", id, part, *name)
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
