package metadata

import (
	"encoding/xml"
	"net/url"

	"holdfast/internal/emulator/org"
)

// accessFile is a Profile or PermissionSet, as much of it as the engine knows.
type accessFile struct {
	Label   string `xml:"label"`
	Objects []struct {
		Object    string `xml:"object"`
		Create    bool   `xml:"allowCreate"`
		Read      bool   `xml:"allowRead"`
		Edit      bool   `xml:"allowEdit"`
		Delete    bool   `xml:"allowDelete"`
		ViewAll   bool   `xml:"viewAllRecords"`
		ModifyAll bool   `xml:"modifyAllRecords"`
	} `xml:"objectPermissions"`
	Fields []struct {
		Field    string `xml:"field"`
		Readable bool   `xml:"readable"`
		Editable bool   `xml:"editable"`
	} `xml:"fieldPermissions"`
	System []switched `xml:"userPermissions"`
	Custom []switched `xml:"customPermissions"`
}

type switched struct {
	Name    string `xml:"name"`
	Enabled bool   `xml:"enabled"`
}

// standardProfiles are the profiles whose file has another name. Source: Metadata API Developer Guide, Profile.
var standardProfiles = map[string]string{"Admin": "System Administrator", "Standard": "Standard User"}

func (f *accessFile) spec(name string, profile bool) org.AccessSpec {
	s := org.AccessSpec{Profile: profile, Name: name, Label: f.Label, System: map[string]bool{}, Custom: map[string]bool{}}
	if plain, err := url.PathUnescape(name); err == nil && profile {
		s.Name = plain
	}
	if standard := standardProfiles[name]; profile && standard != "" {
		s.Name = standard
	}
	for _, o := range f.Objects {
		s.Objects = append(s.Objects, org.ObjectAccessSpec(o))
	}
	for _, a := range f.Fields {
		s.Fields = append(s.Fields, org.FieldAccessSpec{Field: a.Field, Read: a.Readable || a.Editable, Editable: a.Editable})
	}
	for _, p := range f.System {
		s.System[p.Name] = p.Enabled
	}
	for _, p := range f.Custom {
		s.Custom[p.Name] = p.Enabled
	}
	return s
}

// access deploys custom permissions, and what profiles and permission sets give.
func (d *deploy) access() {
	for _, kind := range []struct{ name, folder, suffix string }{
		{"CustomPermission", "customPermissions", "customPermission"}, {"PermissionSet", "permissionsets", "permissionset"}, {"Profile", "profiles", "profile"},
	} {
		for _, entry := range d.archive.under(kind.folder, kind.suffix) {
			name, file := entry[0], entry[1]
			var def accessFile
			if err := xml.Unmarshal(d.archive.files[file], &def); err != nil {
				continue // read has refused it
			}
			var id string
			ok := d.attempt(kind.name, name, file, func() (string, bool, *org.Error) {
				if kind.name == "CustomPermission" {
					got, created, err := d.tx.PutCustomPermission(name, def.Label)
					id = string(got)
					return id, created, err
				}
				got, created, err := d.tx.PutAccess(def.spec(name, kind.name == "Profile"))
				id = string(got)
				return id, created, err
			})
			if ok {
				d.keepFile(kind.name, name, file, id, "", nil)
			}
		}
	}
}
