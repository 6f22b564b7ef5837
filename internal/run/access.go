package run

import (
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/capture"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// AccessRow is what a user lacks of an org, and what would give it.
type AccessRow struct {
	Permissions []string `json:"permissions"`       // user permissions that a backup needs and the user lacks, by their API names
	Restore     []string `json:"restore"`           // user permissions that a restore needs and the user lacks
	Objects     []string `json:"objects"`           // objects that others may read and the user does not see
	Fields      []string `json:"fields"`            // fields that others may read and the user does not see, as OBJECT.FIELD
	Unknown     string   `json:"unknown,omitempty"` // why some of it is not known

	PermissionSet string `json:"permission_set,omitempty"` // metadata of a permission set that gives what is lacking, ready to deploy
}

// The user permissions that matter, by their names in the Metadata API; the fields of PermissionSet have
// Permissions before them. Where the org does not have one it is passed over.
// Sources: Salesforce Help, "User Permissions"; Object Reference, "ContentDocumentLink" and
// "ContentVersion" (Query All Files).
var (
	backupPermissions  = []string{"ApiEnabled", "ViewAllData", "QueryAllFiles", "ViewSetup"}
	restorePermissions = []string{"ModifyAllData", "CreateAuditFields", "UpdateWithInactiveOwner"}
	hardDeletion       = "BulkApiHardDelete"
)

// permissionNames are what people call them.
var permissionNames = map[string]string{
	"ApiEnabled": "API Enabled", "ViewAllData": "View All Data", "QueryAllFiles": "Query All Files",
	"ViewSetup": "View Setup and Configuration", "ModifyAllData": "Modify All Data",
	"CreateAuditFields":       "Set Audit Fields upon Record Creation",
	"UpdateWithInactiveOwner": "Update Records with Inactive Owners",
	hardDeletion:              "Bulk API Hard Delete",
}

// accessOf finds out what the user lacks: of user permissions by the permission sets that are assigned to
// the user, of which the profile is one; of objects and fields by what any permission set or profile of the
// org lets somebody read and describe does not show the user. A field that nobody was ever given is not
// found that way.
func accessOf(ctx context.Context, src capture.Source, schema *sf.Schema, user sf.ID, restore bool) (AccessRow, error) {
	row := AccessRow{Permissions: []string{}, Restore: []string{}, Objects: []string{}, Fields: []string{}}
	granted, err := grantedTo(ctx, src, schema, user)
	if err != nil {
		return row, err
	}
	if granted == nil {
		row.Unknown = "the user may not read which permission sets are assigned to it"
	} else {
		for _, name := range backupPermissions {
			if has, known := granted[name]; known && !has {
				row.Permissions = append(row.Permissions, name)
			}
		}
		for _, name := range restorePermissions {
			if has, known := granted[name]; known && !has {
				row.Restore = append(row.Restore, name)
			}
		}
	}
	if err := row.hidden(ctx, src, schema); err != nil {
		return row, err
	}
	row.PermissionSet, err = row.permissionSet(restore)
	return row, err
}

// grantedTo returns for each user permission that the org has whether the user has it, by its profile or by
// a permission set that is assigned to it; nil when that cannot be known.
func grantedTo(ctx context.Context, src capture.Source, schema *sf.Schema, user sf.ID) (map[string]bool, error) {
	granted := map[string]bool{}
	for _, way := range []struct {
		from, key, to string // the records of from with the user in key name those of to
		link          string
	}{
		{from: "User", to: "Profile", link: "ProfileId"},
		{from: "PermissionSetAssignment", key: "AssigneeId", to: "PermissionSet", link: "PermissionSetId"},
	} {
		from, to := schema.Object(way.from), schema.Object(way.to)
		if from == nil || to == nil || from.Field(way.link) == nil || way.key != "" && from.Field(way.key) == nil {
			continue
		}
		ids := []sf.ID{}
		x := sf.Extract{Object: from, Fields: []string{way.link}, IDs: []sf.ID{user}, Field: way.key}
		answered, err := eachRecord(ctx, src, x, func(r sf.Record) { ids = append(ids, sf.ID(r.Get(way.link).Text())) })
		if err != nil || !answered {
			return nil, err
		}
		var fields []string
		for _, name := range slices.Concat(backupPermissions, restorePermissions, []string{hardDeletion}) {
			if to.Field("Permissions"+name) != nil {
				fields = append(fields, "Permissions"+name)
				if !granted[name] {
					granted[name] = false // the org has it
				}
			}
		}
		answered, err = eachRecord(ctx, src, sf.Extract{Object: to, Fields: fields, IDs: ids}, func(r sf.Record) {
			for _, f := range fields {
				name := strings.TrimPrefix(f, "Permissions")
				granted[name] = granted[name] || r.Get(f).Text() == "true"
			}
		})
		if err != nil || !answered {
			return nil, err
		}
	}
	if len(granted) == 0 {
		return nil, nil
	}
	return granted, nil
}

// mayHardDelete refuses what the org would refuse at the end: a hard deletion by a user who lacks the permission. Where it
// is not known who has which permission, the org has the word.
func mayHardDelete(ctx context.Context, src capture.Source, schema *sf.Schema) error {
	who, err := src.Identity(ctx)
	if err != nil {
		return err
	}
	granted, err := grantedTo(ctx, src, schema, who.UserID)
	if err != nil {
		return err
	}
	if has, known := granted[hardDeletion]; known && !has {
		return problem.Newf(problem.Unauthorized, "the user lacks the permission %q", permissionNames[hardDeletion]).
			Hint("give it by a permission set for as long as it is needed; --op delete moves records to the Recycle Bin and does not need it")
	}
	return nil
}

// eachRecord calls fn with each record, and reports whether the org answered.
func eachRecord(ctx context.Context, src capture.Source, x sf.Extract, fn func(sf.Record)) (bool, error) {
	for r, err := range src.Records(ctx, x) {
		if err != nil {
			return false, unlessRefused(err, x.Object.Name)
		}
		fn(r)
	}
	return true, nil
}

// unlessRefused drops the error of an org that does not answer for an object.
func unlessRefused(err error, object string) error {
	switch problem.KindOf(err) {
	case problem.Failed, problem.NotFound:
		return nil
	}
	return fmt.Errorf("read %s: %w", object, err)
}

// hidden finds the objects and fields that somebody may read and the user does not see.
func (row *AccessRow) hidden(ctx context.Context, src capture.Source, schema *sf.Schema) error {
	objects, fields := map[string]bool{}, map[string]bool{}
	see := func(object string) *sf.Object {
		o := schema.Object(object)
		if o == nil || !o.Queryable {
			return nil
		}
		return o
	}
	known, err := eachGrant(ctx, src, schema, "ObjectPermissions", []string{"SobjectType"}, func(r sf.Record) {
		if object := r.Get("SobjectType").Text(); object != "" && see(object) == nil {
			objects[object] = true
		}
	})
	if err != nil {
		return err
	}
	alsoKnown, err := eachGrant(ctx, src, schema, "FieldPermissions", []string{"SobjectType", "Field"}, func(r sf.Record) {
		name := r.Get("Field").Text()
		object, field, found := strings.Cut(name, ".")
		if o := see(object); found && (o == nil || o.Field(field) == nil) {
			fields[name] = true
		}
	})
	if err != nil {
		return err
	}
	if !known || !alsoKnown {
		row.Unknown = strings.TrimPrefix(row.Unknown+"; the user may not read who may read what", "; ")
	}
	row.Objects = slices.AppendSeq(row.Objects, maps.Keys(objects))
	row.Fields = slices.AppendSeq(row.Fields, maps.Keys(fields))
	slices.Sort(row.Objects)
	slices.Sort(row.Fields)
	return nil
}

// eachGrant calls fn with each row of permissions that lets somebody read something, and reports whether
// the org answered.
func eachGrant(ctx context.Context, src capture.Source, schema *sf.Schema, object string, fields []string, fn func(sf.Record)) (bool, error) {
	o := schema.Object(object)
	if o == nil || !o.Queryable || slices.ContainsFunc(fields, func(f string) bool { return o.Field(f) == nil }) {
		return false, nil
	}
	return eachRecord(ctx, src, sf.Extract{Object: o, Fields: append(fields, "PermissionsRead")}, func(r sf.Record) {
		if r.Get("PermissionsRead").Text() == "true" {
			fn(r)
		}
	})
}

// The permission set in the form of the Metadata API. Source: Metadata API Developer Guide,
// "PermissionSet".
type permissionSet struct {
	XMLName     xml.Name           `xml:"http://soap.sforce.com/2006/04/metadata PermissionSet"`
	Description string             `xml:"description"`
	Fields      []fieldPermission  `xml:"fieldPermissions"`
	Activation  bool               `xml:"hasActivationRequired"`
	Label       string             `xml:"label"`
	Objects     []objectPermission `xml:"objectPermissions"`
	Users       []userPermission   `xml:"userPermissions"`
}

type fieldPermission struct {
	Editable bool   `xml:"editable"`
	Field    string `xml:"field"`
	Readable bool   `xml:"readable"`
}

type objectPermission struct {
	Create    bool   `xml:"allowCreate"`
	Delete    bool   `xml:"allowDelete"`
	Edit      bool   `xml:"allowEdit"`
	Read      bool   `xml:"allowRead"`
	ModifyAll bool   `xml:"modifyAllRecords"`
	Object    string `xml:"object"`
	ViewAll   bool   `xml:"viewAllRecords"`
}

type userPermission struct {
	Enabled bool   `xml:"enabled"`
	Name    string `xml:"name"`
}

// permissionSet writes the metadata that gives a backup what it lacks, and a restore where that is asked
// for. For a backup alone it gives no right to write.
func (row *AccessRow) permissionSet(restore bool) (string, error) {
	permissions := row.Permissions
	set := permissionSet{
		Label: "Holdfast backup", Description: "What a backup needs to see and does not see. Made by holdfast check.",
	}
	if restore && len(row.Restore) > 0 {
		permissions = slices.Concat(permissions, row.Restore)
		set.Label, set.Description = "Holdfast restore", "What a backup and a restore need and lack. Made by holdfast check."
	}
	if len(permissions)+len(row.Objects)+len(row.Fields) == 0 {
		return "", nil
	}
	objects := map[string]bool{}
	for _, name := range row.Objects {
		objects[name] = true
	}
	for _, name := range row.Fields {
		object, _, _ := strings.Cut(name, ".")
		objects[object] = true
		set.Fields = append(set.Fields, fieldPermission{Field: name, Readable: true})
	}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		set.Objects = append(set.Objects, objectPermission{Object: name, Read: true, ViewAll: true})
	}
	for _, name := range slices.Sorted(slices.Values(permissions)) {
		set.Users = append(set.Users, userPermission{Enabled: true, Name: name})
	}
	body, err := xml.MarshalIndent(set, "", "    ")
	if err != nil {
		return "", fmt.Errorf("write the permission set: %w", err)
	}
	return xml.Header + string(body) + "\n", nil
}

// PermissionLabel is what people call a user permission, with its name in metadata.
func PermissionLabel(name string) string {
	return fmt.Sprintf("%q (%s)", permissionNames[name], name)
}

// needsSetting are permissions that nobody can be given before a setting of Setup, User Interface, that names
// both is on. Source: Salesforce Help 000176484; what the setting is called in each release is unverified.
var needsSetting = []string{"CreateAuditFields", "UpdateWithInactiveOwner"}

// findings says what to act on. What only restores need is advice, unless it is asked for.
func (row *AccessRow) findings(restore bool) []FindingRow {
	var out []FindingRow
	if restore {
		for _, name := range row.Restore {
			hint := "deploy the permission set that this command prints, and assign it to the user"
			if slices.Contains(needsSetting, name) {
				hint = "switch the setting that names it on in Setup, User Interface; then " + hint
			}
			out = append(out, FindingRow{
				Rule: FindingPermission, Hint: hint, Text: fmt.Sprintf("the user lacks %s, which a restore needs", PermissionLabel(name)),
			})
		}
	}
	for _, name := range row.Permissions {
		out = append(out, FindingRow{
			Rule: FindingPermission, Text: "the user lacks " + PermissionLabel(name),
			Hint: "deploy the permission set that this command prints, and assign it to the user",
		})
	}
	if n := len(row.Objects); n > 0 {
		out = append(out, FindingRow{
			Rule: FindingHidden, Text: fmt.Sprintf("%d objects that others may read are hidden from the user: %s", n, some(row.Objects)),
			Hint: "deploy the permission set that this command prints, and assign it to the user",
		})
	}
	if n := len(row.Fields); n > 0 {
		out = append(out, FindingRow{
			Rule: FindingHidden, Text: fmt.Sprintf("%d fields that others may read are hidden from the user: %s", n, some(row.Fields)),
			Hint: "deploy the permission set that this command prints, and assign it to the user",
		})
	}
	return out
}

// shownNames is how many names a finding lists.
const shownNames = 5

func some(names []string) string {
	if len(names) <= shownNames {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:shownNames], ", ") + ", …"
}
