package metadata

import (
	"io/fs"
	"slices"
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

	mu         sync.Mutex
	components map[key]Component
	serial     int
}

type key struct{ kind, name string }

// Component is one component as listMetadata shows it, with its files.
type Component struct {
	Type      string
	FullName  string
	FileName  string // below the package folder, such as objects/Account.object
	Namespace string
	ID        string
	Created   time.Time
	Modified  time.Time
	By        sf.ID
	Files     map[string][]byte // as deployed, by path; nil for a component of an installed package
}

// New returns the metadata of an org, which has only the standard objects.
func New(o *org.Org, registry Registry) *Store {
	return &Store{org: o, registry: registry, components: map[key]Component{}}
}

// List returns the components of a type by full name.
func (s *Store) List(kind string) []Component {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Component
	for k, c := range s.components {
		if k.kind == kind {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Component) int { return strings.Compare(a.FullName, b.FullName) })
	return out
}

// Kind is one metadata type as describeMetadata shows it.
type Kind struct {
	Name, Folder, Suffix string
	Children             []string
}

// Kinds returns the metadata types that can be deployed.
func Kinds() []Kind {
	var out []Kind
	for _, k := range kinds {
		kind := Kind{Name: k.name, Folder: k.folder, Suffix: k.suffix}
		if k.name == "CustomObject" {
			kind.Children = slices.Clone(parts[:10])
		}
		out = append(out, kind)
	}
	return out
}

// componentID gives a component that is no record an Id: 0Aa and a counter. The real prefixes differ
// by type.
func (s *Store) componentID() string {
	s.serial++
	digits := []byte("0Aa000000000000")
	for i, n := len(digits)-1, s.serial; n > 0; i-- {
		digits[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[n%36]
		n /= 36
	}
	id, err := sf.ParseID(string(digits))
	if err != nil {
		return ""
	}
	return string(id)
}
