package testkit

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sourceFolders says which metadata type the folders of a project in source format hold, and the
// folder and suffix of the type in an mdapi archive. Folders that it does not name are left out.
// Source: metadata registry of source-deploy-retrieve.
var sourceFolders = map[string]struct{ kind, suffix string }{
	"globalValueSets": {"GlobalValueSet", "globalValueSet"}, "standardValueSets": {"StandardValueSet", "standardValueSet"},
	"customMetadata": {"CustomMetadata", "md"}, "layouts": {"Layout", "layout"}, "tabs": {"CustomTab", "tab"},
	"applications": {"CustomApplication", "app"}, "permissionsets": {"PermissionSet", "permissionset"},
	"profiles": {"Profile", "profile"}, "flexipages": {"FlexiPage", "flexipage"}, "flows": {"Flow", "flow"},
	"quickActions": {"QuickAction", "quickAction"}, "workflows": {"Workflow", "workflow"},
	"reportTypes": {"ReportType", "reportType"}, "matchingRules": {"MatchingRules", "matchingRule"},
	"remoteSiteSettings": {"RemoteSiteSetting", "remoteSite"}, "cspTrustedSites": {"CspTrustedSite", "cspTrustedSite"},
	"prompts": {"Prompt", "prompt"}, "labels": {"CustomLabels", "labels"},
}

// objectParts are the folders of a decomposed object, and the element that each file becomes in the
// .object file.
var objectParts = map[string]string{
	"fields": "fields", "recordTypes": "recordTypes", "listViews": "listViews", "compactLayouts": "compactLayouts",
	"validationRules": "validationRules", "webLinks": "webLinks", "fieldSets": "fieldSets",
	"businessProcesses": "businessProcesses", "indexes": "indexes", "sharingReasons": "sharingReasons",
}

// SourceToMdapi turns the folders of a project in SFDX source format into the files of an mdapi
// archive, package.xml included: decomposed objects become one .object file each, and the -meta.xml
// endings go. Only declarative metadata is taken.
func SourceToMdapi(folders ...string) (map[string]string, error) {
	files := map[string]string{}
	objects := map[string]map[string][]string{} // object → element → bodies
	members := map[string]map[string]bool{}
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "-meta.xml") {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return addSource(files, objects, members, filepath.ToSlash(path), raw)
		})
		if err != nil {
			return nil, err
		}
	}
	for object, elements := range objects {
		files["objects/"+object+".object"] = composeObject(elements)
		note(members, "CustomObject", object)
	}
	files["package.xml"] = packageOf(members)
	return files, nil
}

func note(members map[string]map[string]bool, kind, name string) {
	if members[kind] == nil {
		members[kind] = map[string]bool{}
	}
	members[kind][name] = true
}

func addSource(files map[string]string, objects map[string]map[string][]string, members map[string]map[string]bool, path string, raw []byte) error {
	parts := strings.Split(path, "/")
	for i := len(parts) - 2; i >= 0; i-- {
		if parts[i] == "objects" {
			return addObjectPart(objects, parts[i+1:], raw, path)
		}
		if f, ok := sourceFolders[parts[i]]; ok && i == len(parts)-2 {
			name := strings.TrimSuffix(strings.TrimSuffix(parts[i+1], "-meta.xml"), "."+f.suffix)
			files[parts[i]+"/"+name+"."+f.suffix] = string(raw)
			note(members, f.kind, name)
			return nil
		}
	}
	return nil
}

// addObjectPart takes objects/X/X.object-meta.xml and objects/X/fields/F.field-meta.xml.
func addObjectPart(objects map[string]map[string][]string, parts []string, raw []byte, path string) error {
	object := parts[0]
	if objects[object] == nil {
		objects[object] = map[string][]string{}
	}
	var body struct {
		Inner string `xml:",innerxml"`
	}
	if err := xml.Unmarshal(raw, &body); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	element := ""
	if len(parts) == 3 {
		var ok bool
		if element, ok = objectParts[parts[1]]; !ok {
			return nil
		}
	}
	objects[object][element] = append(objects[object][element], strings.TrimSpace(body.Inner))
	return nil
}

const metadataHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func composeObject(elements map[string][]string) string {
	var b strings.Builder
	b.WriteString(metadataHead + `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">` + "\n")
	for _, element := range slices.Sorted(maps.Keys(elements)) {
		for _, body := range elements[element] {
			if element == "" {
				b.WriteString(body + "\n")
				continue
			}
			fmt.Fprintf(&b, "<%s>\n%s\n</%s>\n", element, body, element)
		}
	}
	b.WriteString("</CustomObject>\n")
	return b.String()
}

// projectVersion is the API version that the archives are made for.
const projectVersion = "66.0"

func packageOf(members map[string]map[string]bool) string {
	var b strings.Builder
	b.WriteString(metadataHead + `<Package xmlns="http://soap.sforce.com/2006/04/metadata">` + "\n")
	for _, kind := range slices.SortedFunc(maps.Keys(members), cmp.Compare) {
		b.WriteString("<types>\n")
		for _, name := range slices.Sorted(maps.Keys(members[kind])) {
			fmt.Fprintf(&b, "<members>%s</members>\n", escapeXML(name))
		}
		fmt.Fprintf(&b, "<name>%s</name>\n</types>\n", kind)
	}
	fmt.Fprintf(&b, "<version>%s</version>\n</Package>\n", projectVersion)
	return b.String()
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}

// ProjectFiles returns the files of a public project below its package folders, by their paths in it.
func ProjectFiles(t testing.TB, name string, folders ...string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	root := os.DirFS(Shared(t, "projects", name))
	for _, folder := range folders {
		err := fs.WalkDir(root, folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files[path], err = fs.ReadFile(root, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}
