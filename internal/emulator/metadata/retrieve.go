package metadata

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// RetrieveRequest is what a retrieve asks for (RetrieveRequest of the WSDL).
type RetrieveRequest struct {
	Version       int // of the manifest, or of the request when that has none
	SinglePackage bool
	PackageNames  []string
	SpecificFiles []string // with SinglePackage: the only files wanted
	Types         []Wanted // of the unpackaged manifest
	Unpackaged    bool     // there is an unpackaged manifest
}

// Wanted are the members of one type that a manifest names.
type Wanted struct {
	Type    string
	Members []string
}

// RetrieveMessage is a warning of a retrieve.
type RetrieveMessage struct{ FileName, Problem string }

// RetrieveResult is the outcome of a retrieve.
type RetrieveResult struct {
	Zip          []byte      // nil when it failed
	Files        []Component // one for each component in the zip; FileName is the path in it
	Messages     []RetrieveMessage
	ErrorCode    string // of a retrieve that failed
	ErrorMessage string
}

// Retrieval is one retrieve as its status calls show it.
type Retrieval struct {
	ID      string
	Caller  org.Caller
	Status  string // one of RetrieveStatus
	Done    bool
	Result  *RetrieveResult // nil until it is done
	Created time.Time
	Taken   bool // its zip was given out, after which there is none

	completed time.Time
}

// StartRetrieve begins a retrieve and returns its Id.
func (s *Store) StartRetrieve(caller org.Caller, req RetrieveRequest) string {
	j := &s.jobs
	j.lock()
	defer j.mu.Unlock()
	j.serial++
	r := &Retrieval{ID: s.id("09S", j.serial), Caller: caller, Status: Pending, Created: s.org.Clock().Now()}
	if j.retrieves = append(j.retrieves, r); len(j.retrieves) > keptJobs {
		j.retrieves = j.retrieves[1:]
	}
	if !j.closed {
		j.work.Go(func() { s.runRetrieve(r, req) })
	}
	return r.ID
}

func (s *Store) runRetrieve(r *Retrieval, req RetrieveRequest) {
	j := &s.jobs
	never := func() bool { return false }
	j.lock()
	defer j.mu.Unlock()
	j.wait(never, Pending)
	r.Status = InProgress
	j.wait(never, InProgress)
	j.mu.Unlock()
	result := s.Retrieve(req)
	j.lock()
	r.Result, r.Done, r.Status, r.completed = result, true, Succeeded, s.org.Clock().Now()
	if result.ErrorCode != "" {
		r.Status = Failed
	}
}

// errGone is the answer for a retrieve whose result is no longer kept; the wording is unverified.
var errGone = &org.Error{Code: "INVALID_LOCATOR", Message: "retrieve result has been deleted"}

// Retrieval returns how a retrieve stands. The zip is given out once, where take is set: then it is
// deleted. Source: Metadata API Developer Guide, checkRetrieveStatus, includeZip.
func (s *Store) Retrieval(id string, take bool) (Retrieval, *org.Error) {
	s.jobs.lock()
	defer s.jobs.mu.Unlock()
	full, err := sf.ParseID(id)
	i := slices.IndexFunc(s.jobs.retrieves, func(r *Retrieval) bool { return err == nil && r.ID == string(full) })
	if i < 0 {
		return Retrieval{}, noSuchJob()
	}
	r := s.jobs.retrieves[i]
	if r.Done && r.completed.Add(zipKeptFor).Before(s.org.Clock().Now()) {
		r.Taken, r.Result.Zip = true, nil
	}
	if take && r.Taken {
		return Retrieval{}, errGone
	}
	out := *r
	if take && r.Done && r.Status == Succeeded {
		result := *r.Result
		out.Result = &result
		r.Taken, r.Result.Zip = true, nil
	}
	return out, nil
}

// Retrieve answers a request at once.
func (s *Store) Retrieve(req RetrieveRequest) *RetrieveResult {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := &retrieve{store: s, req: req, kids: s.byParent(), files: map[string][]byte{}, result: &RetrieveResult{}, poison: s.Ailing().Poison}
	if err := t.run(); err != nil {
		r := &refusal{"UNKNOWN_EXCEPTION", err.Error()}
		errors.As(err, &r)
		return &RetrieveResult{ErrorCode: r.code, ErrorMessage: r.Error()}
	}
	return t.result
}

// byParent groups the components that live in the files of others. The caller holds mu.
func (s *Store) byParent() map[key][]Component {
	out := map[key][]Component{}
	for k, c := range s.components {
		if p, ok := parentOf(k.kind, k.name); ok {
			out[p] = append(out[p], c)
		}
	}
	return out
}

// retrieve is one retrieve while it runs.
type retrieve struct {
	store  *Store
	req    RetrieveRequest
	kids   map[key][]Component
	files  map[string][]byte // the zip
	result *RetrieveResult
	poison []Poison

	folder string               // of the package at hand, with a slash at the end
	whole  map[key]bool         // components asked for
	single map[key]map[key]bool // by parent: components inside its file asked for
	scope  *scope
}

func (t *retrieve) run() error {
	if t.store.failsNow() {
		return unexpected()
	}
	if t.req.Unpackaged {
		t.folder = "unpackaged/"
		if t.req.SinglePackage {
			t.folder = ""
		}
		t.resolve(t.req.Types)
		if err := t.poisoned(); err != nil {
			return err
		}
		if err := t.write(""); err != nil {
			return err
		}
	}
	for _, name := range t.req.PackageNames {
		if err := t.wholePackage(name); err != nil {
			return err
		}
	}
	if t.req.SinglePackage && len(t.req.SpecificFiles) > 0 {
		t.only(t.req.SpecificFiles)
	}
	count := 0
	for name := range t.files {
		if !strings.HasSuffix(name, "package.xml") {
			count++
		}
	}
	if count > maxFiles { // source: public retrieve results, such as forcedotcom/salesforcedx-vscode issue 685
		return &refusal{"LIMIT_EXCEEDED", "Too many files in retrieve call, limit is: 10000"}
	}
	size := int64(0)
	for _, content := range t.files {
		size += int64(len(content))
	}
	if size > maxUnpacked {
		return tooLarge()
	}
	packed, err := pack(t.files)
	if err != nil {
		return err
	}
	if len(packed) > maxZip { // wording unverified
		return &refusal{"LIMIT_EXCEEDED", "The retrieved zip file is larger than 39 MB"}
	}
	t.result.Zip = packed
	return nil
}

// wholePackage adds an installed package, which is named by its namespace here.
func (t *retrieve) wholePackage(name string) error {
	t.folder = name + "/"
	if t.req.SinglePackage {
		t.folder = ""
	}
	t.whole, t.single = map[key]bool{}, map[key]map[key]bool{}
	for k, c := range t.store.components {
		if c.Namespace == name {
			t.want(k)
		}
	}
	if len(t.whole) == 0 && len(t.single) == 0 { // source: public retrieve results; the exact text is unverified
		return &refusal{"INVALID_CROSS_REFERENCE_KEY", "No package named '" + name + "' found"}
	}
	if err := t.poisoned(); err != nil {
		return err
	}
	return t.write(name)
}

// only leaves the files of that name, and package.xml.
func (t *retrieve) only(files []string) {
	keep := func(name string) bool {
		return strings.HasSuffix(name, "package.xml") || slices.ContainsFunc(files, func(f string) bool {
			return f == name || f == strings.TrimPrefix(name, "unpackaged/") || strings.TrimPrefix(f, "unpackaged/") == name
		})
	}
	maps.DeleteFunc(t.files, func(name string, _ []byte) bool { return !keep(name) })
	t.result.Files = slices.DeleteFunc(t.result.Files, func(c Component) bool { return !keep(c.FileName) })
}

// resolve finds the components that a manifest names.
func (t *retrieve) resolve(types []Wanted) {
	t.whole, t.single = map[key]bool{}, map[key]map[key]bool{}
	for _, w := range types {
		k := kindNamed(w.Type)
		switch {
		case !Known(w.Type): // source: public retrieve results (solenopsis issue 266)
			t.warn("Entity type: '" + w.Type + "' is unknown")
			continue
		case k != nil && k.since > t.req.Version:
			t.warn("Entity type '" + w.Type + "' is not available in this api version")
			continue
		}
		for _, member := range w.Members {
			if member == "*" {
				t.all(w.Type)
				continue
			}
			t.member(w.Type, plainMember(member))
		}
	}
}

// all resolves a wildcard: every component of the type except standard ones; nothing of the types
// whose components lie in folders, nor of those inside the files of others. Source: Metadata API Developer Guide,
// "Sample package.xml" (standard objects must be named); CustomLabels (custom labels take no
// wildcard), and unverified for the other inner types.
func (t *retrieve) all(kind string) {
	k := kindNamed(kind)
	if k == nil || k.InFolder || kind == "StandardValueSet" {
		return
	}
	for ck, c := range t.store.components {
		if ck.kind == kind && !c.past && !(kind == "CustomObject" && !strings.Contains(ck.name, "__")) {
			t.want(ck)
		}
	}
	switch kind {
	case "Profile":
		for _, name := range t.store.profiles() {
			t.want(key{kind, name})
		}
	case "FlowDefinition":
		for _, c := range t.store.definitions() {
			t.want(key{kind, c.FullName})
		}
	}
}

// member resolves one name.
func (t *retrieve) member(kind, name string) {
	k := key{kind, name}
	if f, ok := folder(kind, name, t.has); ok {
		t.want(f)
		return
	}
	if base, n := flowVersion(name); kind == "Flow" && n > 0 && t.store.components[key{kind, base}].number == n {
		k.name = base // the newest
	}
	if _, ok := t.store.components[k]; !ok && !t.exists(k) {
		t.warn("Entity of type '" + kind + "' named '" + name + "' cannot be found")
		return
	}
	t.want(k)
	if parts := strings.Split(name, "/"); len(parts) > 1 { // its folders come with it
		for i := 1; i < len(parts); i++ {
			if f, ok := folder(kind, strings.Join(parts[:i], "/"), t.has); ok {
				t.want(f)
			}
		}
	}
}

func (t *retrieve) has(k key) bool { _, ok := t.store.components[k]; return ok }

// exists reports a component that every org has.
func (t *retrieve) exists(k key) bool {
	switch k.kind {
	case "CustomObject":
		_, ok := t.store.org.Describe(k.name)
		return ok
	case "CustomField":
		object, field, _ := strings.Cut(k.name, ".")
		o, ok := t.store.org.Describe(object)
		return ok && o.Field(field) != nil && customizable(o.Field(field))
	case "Profile":
		return slices.Contains(t.store.profiles(), k.name)
	case "StandardValueSet":
		return t.store.ValueSet(k.name) != nil
	case "FlowDefinition":
		return t.has(key{"Flow", k.name})
	}
	return false
}

// want notes a component; one inside the file of another under that.
func (t *retrieve) want(k key) {
	parent, ok := parentOf(k.kind, k.name)
	if !ok {
		t.whole[k] = true
		return
	}
	if t.single[parent] == nil {
		t.single[parent] = map[key]bool{}
	}
	t.single[parent][k] = true
}

func (t *retrieve) warn(problem string) {
	t.result.Messages = append(t.result.Messages, RetrieveMessage{FileName: t.folder + "package.xml", Problem: problem})
}
