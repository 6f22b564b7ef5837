package sf

import (
	"slices"
	"strings"
	"time"
)

// MetadataType is one type of component as describeMetadata names it.
type MetadataType struct {
	Name      string   // such as CustomObject (xmlName)
	Directory string   // of an archive, such as objects
	Suffix    string   // of its files, without the dot; empty for bundles and documents
	InFolder  bool     // its components lie in folders, which are components of a type of their own
	MetaFile  bool     // its content stands apart from a -meta.xml
	Children  []string // types whose components stand inside the files of this one, such as CustomField
}

// ComponentKey names one component of an org.
type ComponentKey struct {
	Type string // metadata type
	Name string // full name, such as Account.Region__c or Folder/Report
}

// Compare orders by type, then by name, byte by byte.
func (k ComponentKey) Compare(other ComponentKey) int {
	if c := strings.Compare(k.Type, other.Type); c != 0 {
		return c
	}
	return strings.Compare(k.Name, other.Name)
}

// Component is one component as the org lists it (FileProperties of the metadata WSDL). What it says of
// authors and dates may be missing or wrong for some types.
type Component struct {
	ComponentKey
	FileName   string // path in an archive
	ID         string // empty for standard ones
	Namespace  string // of the package that it comes from, or of the org
	Manageable string // manageableState, such as unmanaged or installed; empty when not said

	CreatedBy  string // full name of the user
	Created    time.Time
	ModifiedBy string // full name of the user
	Modified   time.Time
}

// Installed reports a component of a managed package, whose content the org does not give out in full.
func (c Component) Installed() bool {
	switch c.Manageable {
	case "installed", "installedEditable", "deprecatedEditable":
		return true
	}
	return false
}

// FlowVersion is one version of a flow. As a component it is named by the flow, a hyphen and its number.
type FlowVersion struct {
	Flow      string // full name
	Namespace string
	Number    int
	Status    string // Active, Draft, Obsolete or InvalidDraft
}

// ComponentQuery asks an org for its components of one type, in one folder where the type has folders.
type ComponentQuery struct {
	Type   string
	Folder string
}

// Manifest is a package.xml: which components are meant.
type Manifest struct {
	Version string // of the API, such as 66.0
	Types   []ManifestType
}

// ManifestType is one type of a manifest with the names of its components, or "*" for all.
type ManifestType struct {
	Name    string
	Members []string
}

// ManifestOf returns the manifest of these components, sorted and each once.
func ManifestOf(version string, keys []ComponentKey) Manifest {
	sorted := slices.SortedFunc(slices.Values(keys), ComponentKey.Compare)
	m := Manifest{Version: version}
	for _, k := range slices.Compact(sorted) {
		if n := len(m.Types); n == 0 || m.Types[n-1].Name != k.Type {
			m.Types = append(m.Types, ManifestType{Name: k.Type})
		}
		t := &m.Types[len(m.Types)-1]
		t.Members = append(t.Members, k.Name)
	}
	return m
}

// Retrieved is the answer to a retrieve.
type Retrieved struct {
	Zip      []byte            // an archive in Metadata API format, as the org sent it
	Files    []Component       // what the org says of each component in it
	Messages []RetrieveProblem // what it could not give, such as components that are not there
}

// RetrieveProblem is a warning of a retrieve.
type RetrieveProblem struct {
	FileName string
	Problem  string
}

// TestLevel says which Apex tests a deployment runs; "" leaves it to the org.
type TestLevel string

// The test levels of the metadata WSDL, API 66.
const (
	NoTestRun         TestLevel = "NoTestRun"
	RunSpecifiedTests TestLevel = "RunSpecifiedTests"
	RunLocalTests     TestLevel = "RunLocalTests"
	RunAllTestsInOrg  TestLevel = "RunAllTestsInOrg"
	RunRelevantTests  TestLevel = "RunRelevantTests"
)

// DeployOptions say how an archive is deployed. The zero value deploys what it can and keeps it even
// when a part fails, which a production org refuses: set RollbackOnError.
type DeployOptions struct {
	CheckOnly         bool // a validation: nothing is changed
	RollbackOnError   bool // all or nothing
	IgnoreWarnings    bool
	AllowMissingFiles bool
	PurgeOnDelete     bool // deleted components do not go to the Recycle Bin
	TestLevel         TestLevel
	RunTests          []string // class names, for RunSpecifiedTests
}

// DeployStatus is how far a deployment is (DeployStatus of the metadata WSDL).
type DeployStatus string

// The states of a deployment.
const (
	DeployPending          DeployStatus = "Pending"
	DeployInProgress       DeployStatus = "InProgress"
	DeployFinalizing       DeployStatus = "Finalizing"
	DeployFinalizingFailed DeployStatus = "FinalizingFailed"
	DeploySucceeded        DeployStatus = "Succeeded"
	DeploySucceededPartial DeployStatus = "SucceededPartial"
	DeployFailed           DeployStatus = "Failed"
	DeployCanceling        DeployStatus = "Canceling"
	DeployCanceled         DeployStatus = "Canceled"
)

// Deployment is one deployment as the org reports it.
type Deployment struct {
	ID        string // 0Af…
	Status    DeployStatus
	Done      bool
	Success   bool // every component and every test
	CheckOnly bool

	Error      string // why it failed as a whole; empty otherwise
	CreatedBy  string // full name of the user
	Created    time.Time
	Completed  time.Time // zero until Done
	CanceledBy string

	Components, ComponentErrors, ComponentsDone int
	Tests, TestErrors, TestsDone                int

	Results      []DeployResult // of each component, failures first; empty until it is known
	TestFailures []TestFailure
	Uncovered    []string // why too little code is covered by tests, in the org's words
}

// DeployResult is what a deployment did with one component.
type DeployResult struct {
	ComponentKey
	FileName string // path in the archive
	Success  bool
	Created  bool
	Changed  bool
	Deleted  bool
	Problem  string // empty on success, unless it is a warning
	Warning  bool   // Problem is a warning
	Line     int    // where the problem is; 0 when not said
	Column   int
}

// TestFailure is one Apex test that failed during a deployment.
type TestFailure struct {
	Class, Method, Message string
}
