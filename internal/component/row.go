package component

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// Row is a component as a snapshot holds it: what the org says of it, and where its files are.
type Row struct {
	sf.Component
	Sum     string // of its files; "" when they are not held
	Content string // reference to its files in the repository; "" when they are not held
	Version int    // of a flow: the number of the version that the files are of; 0 when not known
	Status  string // of a flow: that of its version, such as Active
}

// The fields of the record that a Row is, sorted.
const (
	fieldID         = "ComponentId"
	FieldContent    = "Content" // the reference to the files
	fieldCreatedBy  = "CreatedByName"
	fieldCreated    = "CreatedDate"
	fieldFile       = "FileName"
	FieldName       = "FullName"
	fieldModifiedBy = "LastModifiedByName"
	fieldModified   = "LastModifiedDate"
	fieldManageable = "ManageableState"
	fieldNamespace  = "NamespacePrefix"
	fieldStatus     = "Status"
	FieldSum        = "Sum"
	fieldVersion    = "VersionNumber"
)

// RowFields returns the fields of the record that a Row is, sorted.
func RowFields() []string {
	return []string{
		fieldID, FieldContent, fieldCreatedBy, fieldCreated, fieldFile, FieldName, fieldModifiedBy, fieldModified,
		fieldManageable, fieldNamespace, fieldStatus, FieldSum, fieldVersion,
	}
}

// RowID returns the Id of the record of a component: made of its name, so that it is the same in every
// snapshot and every org. docs/format/snapshot.md, "Components".
func RowID(k sf.ComponentKey) sf.ID {
	sum := sha256.Sum256([]byte(k.Type + "\x00" + k.Name))
	text := base64.RawURLEncoding.EncodeToString(sum[:])
	return sf.ID(strings.NewReplacer("-", "0", "_", "1").Replace(text)[:18])
}

func textOrNull(s string) sf.Value {
	if s == "" {
		return sf.Null()
	}
	return sf.Text(s)
}

func timeOrNull(t time.Time) sf.Value {
	if t.IsZero() {
		return sf.Null()
	}
	return sf.Text(t.UTC().Format(sf.DatetimeLayout))
}

// Record writes the row as a record of that shape, which has the fields of RowFields.
func (r Row) Record(shape *sf.Shape) sf.Record {
	version := ""
	if r.Version > 0 {
		version = strconv.Itoa(r.Version)
	}
	out := sf.Record{ID: RowID(r.ComponentKey), Shape: shape, Values: make([]sf.Value, shape.Len())}
	for name, v := range map[string]sf.Value{
		fieldID: textOrNull(r.ID), FieldContent: textOrNull(r.Content), fieldCreatedBy: textOrNull(r.CreatedBy), fieldCreated: timeOrNull(r.Created),
		fieldFile: textOrNull(r.FileName), FieldName: sf.Text(r.Name), fieldModifiedBy: textOrNull(r.ModifiedBy), fieldModified: timeOrNull(r.Modified),
		fieldManageable: textOrNull(r.Manageable), fieldNamespace: textOrNull(r.Namespace), fieldStatus: textOrNull(r.Status),
		FieldSum: textOrNull(r.Sum), fieldVersion: textOrNull(version),
	} {
		if i := shape.Index(name); i >= 0 {
			out.Values[i] = v
		}
	}
	return out
}

// RowOf reads a record of the components of that type. What the record lacks is empty.
func RowOf(kind string, r sf.Record) Row {
	text := func(field string) string { return r.Get(field).Text() }
	moment := func(field string) time.Time {
		t, err := sf.ParseDatetime(text(field))
		if err != nil {
			return time.Time{}
		}
		return t
	}
	version, _ := strconv.Atoi(text(fieldVersion)) // 0 is none
	return Row{
		Component: sf.Component{
			ComponentKey: sf.ComponentKey{Type: kind, Name: text(FieldName)}, FileName: text(fieldFile), ID: text(fieldID),
			Namespace: text(fieldNamespace), Manageable: text(fieldManageable), CreatedBy: text(fieldCreatedBy), Created: moment(fieldCreated),
			ModifiedBy: text(fieldModifiedBy), Modified: moment(fieldModified),
		},
		Sum: text(FieldSum), Content: text(FieldContent), Version: version, Status: text(fieldStatus),
	}
}

// Same reports that the org says the same of two components, which is not to say that their files are
// the same.
func Same(a, b sf.Component) bool {
	return a.ComponentKey == b.ComponentKey && a.ID == b.ID && a.Namespace == b.Namespace && a.FileName == b.FileName &&
		a.Created.Equal(b.Created) && a.Modified.Equal(b.Modified) && a.ModifiedBy == b.ModifiedBy && a.Manageable == b.Manageable
}

// contextTypes are those whose components decide what a profile is given back with.
// Source: Metadata API Developer Guide, Profile; docs.gearset.com, "Retrieving profiles".
var contextTypes = []string{
	"ApexClass", "ApexPage", "Bot", "CustomApplication", "CustomObject", "CustomPermission", "CustomTab", "DataCategoryGroup",
	"ExternalDataSource", "Flow", "Layout",
}

// ContextTypes returns the types whose components a profile is about.
func ContextTypes() []string { return slices.Clone(contextTypes) }

// InContext reports a type whose components a profile is about: it is given back with what it says of
// those that were asked for in the same request.
func InContext(kind string) bool { return slices.Contains(contextTypes, kind) }

// Dependent reports a type whose content depends on what else is asked for.
func Dependent(kind string) bool { return kind == "Profile" }

// datedTypes are those whose date moves with their content, because they are records of their own.
// For all others the date may stand still (an object and its fields) or be missing (settings, standard
// profiles). Source: facts about each are unverified beyond public reports; the list is kept short.
var datedTypes = []string{
	"ApexComponent", "ApexTrigger", "AuraDefinitionBundle", "Dashboard", "Document", "EmailTemplate", "LightningComponentBundle",
	"Report", "StaticResource",
}

// Dated reports a component whose content has not changed as long as its date has not.
func Dated(c sf.Component) bool {
	return slices.Contains(datedTypes, c.Type) && !c.Modified.IsZero() && c.ID != ""
}
