package metadata

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/testkit"
)

// made are the files of a component of a type, and its name.
func (k *Kind) made() (name string, files map[string]string) {
	root := func(inner string) string {
		return `<?xml version="1.0" encoding="UTF-8"?>` + "\n<" + k.Name + ` xmlns="` + metadataSpace + `">` + inner + "</" + k.Name + ">\n"
	}
	name, files = "Sample", map[string]string{}
	if k.folderOf != "" {
		name = "Yard" + k.Name
	}
	switch {
	case k.Name == "AssignmentRules", k.Name == "Workflow": // of an object
		name = "Account"
	case k.Name == "CustomLabels":
		name = k.Name
	case k.InFolder:
		name = "Yard/Sample"
	}
	switch {
	case k.bundle && k.Name == "DigitalExperienceBundle":
		name = "site/Sample"
		files[k.Folder+"/site/Sample/content.json"] = "{}\n"
	case k.bundle:
		files[k.Folder+"/Sample/Sample.js"] = "export default 1;\n"
	case k.folderOf != "":
		files[k.Folder+"/"+name+"-meta.xml"] = root("<name>Sample</name>")
	case k.MetaFile:
		file := k.Folder + "/" + name
		if k.Suffix != "" {
			file += "." + k.Suffix
		} else {
			file += ".txt"
			name += ".txt"
		}
		files[file], files[file+"-meta.xml"] = "content\n", root("<label>x</label>")
	default:
		files[k.fileOf(name)] = root("<label>x</label>")
	}
	return name, files
}

// Every metadata type of the table, which is that of the official client's registry and of the WSDL, is stored
// and given back. Types that the engine reads are deployed with what they must say by other tests.
func TestEveryTypeIsStoredAndReturned(t *testing.T) {
	read := []string{"CustomObject", "CustomMetadata", "InstalledPackage", "DuplicateRule", "FlowDefinition", "StandardValueSet"}
	var manifest strings.Builder
	var wanted []Wanted
	all, archive := map[string]string{}, map[string]string{}
	count := 0
	for _, k := range loadTypes().kinds {
		if slices.Contains(read, k.Name) {
			continue
		}
		name, files := k.made()
		maps.Copy(all, files)
		kind := k.Name
		if k.folderOf != "" {
			kind = k.folderOf
		}
		manifest.WriteString("<types><members>" + name + "</members><name>" + kind + "</name></types>")
		wanted = append(wanted, Wanted{kind, []string{name}})
		count++
	}
	if count < 565 {
		t.Errorf("only %d types are asked", count)
	}
	maps.Copy(archive, all)
	archive["package.xml"] = `<Package xmlns="` + metadataSpace + `">` + manifest.String() + "<version>66.0</version></Package>"
	raw, err := testkit.Zip(archive)
	if err != nil {
		t.Fatal(err)
	}
	o := org.New(org.Config{})
	s := New(o, nil)
	if r := s.Deploy(o.Admin(), raw, Options{RollbackOnError: true, SinglePackage: true}); !r.Success {
		for _, m := range r.Components {
			if !m.Success {
				t.Errorf("%s %s: %s", m.ComponentType, m.FullName, m.Problem)
			}
		}
		t.Fatal(r.ErrorCode, r.ErrorMessage)
	}
	got := s.Retrieve(RetrieveRequest{Version: 68, Unpackaged: true, SinglePackage: true, Types: wanted})
	if len(got.Messages) > 0 {
		t.Errorf("%v", got.Messages)
	}
	back, err := openArchive(got.Zip, true)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range all {
		if root, err := parseXML([]byte(text)); err == nil {
			text = string(root.normal())
		}
		if have := string(back.files[path]); strings.TrimSpace(have) != strings.TrimSpace(text) {
			t.Errorf("%s came back as %q, want %q", path, have, text)
		}
	}
}
