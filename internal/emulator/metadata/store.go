package metadata

import (
	"cmp"
	"io/fs"
	"strings"
	"sync"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// Registry holds the managed packages that can be installed: namespace → a folder in mdapi form
// (objects/…), whose components are named without their namespace.
type Registry map[string]fs.FS

// Store is the metadata of one org. It is safe for concurrent use; deploys run one at a time, as they
// do on the platform.
type Store struct {
	org      *org.Org
	registry Registry `image:"-"`

	mu         sync.RWMutex // guards what follows; held for writing by a deploy while it runs
	components map[key]Component
	serial     int
	tests      map[string]string // declared failures by Class or Class.method
	coverage   map[string]int    // declared, in percent

	jobs jobs `image:"-"`

	ailing  sync.Mutex `image:"-"` // guards ailment
	ailment Ailment    `image:"-"`
}

type key struct{ kind, name string }

func compareKeys(a, b key) int {
	return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
}

// Component is one component as listMetadata shows it. What it holds can be had by a retrieve.
type Component struct {
	Type      string
	FullName  string
	FileName  string // below the package folder, such as objects/Account.object
	Namespace string
	ID        string
	Created   time.Time
	Modified  time.Time
	By        sf.ID // who created it
	Editor    sf.ID // who modified it last

	files map[string][]byte // by path, of a type that is not taken apart
	parts []part            // of a type that is
	body  string            // of a component inside the file of another
	past  bool              // an earlier version of a flow, which no list shows

	number int // of a version of a flow
}

// New returns the metadata of an org, which has only the standard objects. Close ends what runs.
func New(o *org.Org, registry Registry) *Store {
	s := &Store{org: o, registry: registry, components: map[key]Component{}, tests: map[string]string{}, coverage: map[string]int{}}
	return s
}

// idPrefixes are the key prefixes of component Ids. Source: public lists of key prefixes; types that
// are not here share one of the emulator's own.
var idPrefixes = map[string]string{
	"ApexClass": "01p", "ApexTrigger": "01q", "ApexPage": "066", "ApexComponent": "099", "AuraDefinitionBundle": "0Ab",
	"CompactLayout": "0AH", "CustomApplication": "02u", "CustomField": "00N", "CustomLabel": "101", "CustomObject": "01I",
	"CustomPermission": "0CP", "CustomTab": "01r", "Dashboard": "01Z", "DashboardFolder": "00l", "Document": "015",
	"DocumentFolder": "00l", "EmailFolder": "00l", "EmailTemplate": "00X", "FieldSet": "0IX", "FlexiPage": "0M0", "Flow": "301",
	"GlobalValueSet": "0Nt", "Group": "00G", "InstalledPackage": "0A3", "Layout": "00h", "LightningComponentBundle": "0Rb",
	"ListView": "00B", "NamedCredential": "0XA", "PermissionSet": "0PS", "PermissionSetGroup": "0PG", "Profile": "00e",
	"Queue": "00G", "QuickAction": "09D", "RecordType": "012", "RemoteSiteSetting": "0rp", "Report": "00O",
	"ReportFolder": "00l", "ReportType": "070", "Role": "00E", "StaticResource": "081", "ValidationRule": "03d",
	"WebLink": "00b", "WorkflowAlert": "01W", "WorkflowFieldUpdate": "04Y", "WorkflowRule": "01Q", "WorkflowTask": "01X",
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// componentID gives a component that is no record an Id. The caller holds mu for writing.
func (s *Store) componentID(kind string) string {
	s.serial++
	return s.id(idPrefixes[kind], s.serial)
}

// id makes an Id of a prefix ("0Aa" when it is empty), the org's own two characters and a number.
func (s *Store) id(prefix string, n int) string {
	if prefix == "" {
		prefix = "0Aa"
	}
	digits := []byte(prefix + string(s.org.ID())[3:5] + "0000000000")
	for i := len(digits) - 1; n > 0; i-- {
		digits[i] = base62[n%len(base62)]
		n /= len(base62)
	}
	id, err := sf.ParseID(string(digits))
	if err != nil { // made of letters and digits
		panic(err)
	}
	return string(id)
}

func compareComponents(a, b Component) int {
	if n := strings.Compare(a.Type, b.Type); n != 0 {
		return n
	}
	return strings.Compare(a.FullName, b.FullName)
}
