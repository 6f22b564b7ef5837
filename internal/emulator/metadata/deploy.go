package metadata

import (
	"errors"
	"maps"
	"strings"
	"sync/atomic"

	"holdfast/internal/emulator/org"
)

// Options are the DeployOptions of the WSDL, without performRetrieve, which changes nothing here.
type Options struct {
	CheckOnly         bool
	RollbackOnError   bool
	SinglePackage     bool
	AllowMissingFiles bool
	AutoUpdatePackage bool
	IgnoreWarnings    bool
	PurgeOnDelete     bool
	TestLevel         string   // one of TestLevel; empty means NoTestRun
	RunTests          []string // classes, with RunSpecifiedTests
}

// Message is what a deploy says about one component (DeployMessage).
type Message struct {
	ComponentType string
	FullName      string
	FileName      string
	ID            string
	Success       bool
	Changed       bool
	Created       bool
	Deleted       bool
	Problem       string
	ProblemType   string // Error or Warning; empty on success
	Line, Column  int
}

// Result is the outcome of a deploy (DeployResult). Status is one of DeployStatus.
type Result struct {
	Status       string // Succeeded, SucceededPartial, Failed or Canceled
	Success      bool
	CheckOnly    bool
	Total        int
	Deployed     int
	Errors       int
	Files        int
	Components   []Message // in the order in which they were deployed, package.xml last
	Tests        TestRun
	ErrorCode    string // of a deploy that could not begin
	ErrorMessage string
}

// errRefused makes a transaction take back a deploy that has failures.
var errRefused = errors.New("deploy has failures")

// errCanceled makes a transaction take back a deploy that was cancelled.
var errCanceled = errors.New("deploy was cancelled")

// Deploy deploys an archive for the caller at once, past the queue, and returns what became of each
// component. An archive that cannot be read gives a result too, with ErrorCode.
func (s *Store) Deploy(caller org.Caller, raw []byte, opts Options) *Result {
	return s.deploy(caller, raw, opts, new(atomic.Bool))
}

// deploy deploys an archive, unless cancelled becomes true before it is done.
func (s *Store) deploy(caller org.Caller, raw []byte, opts Options, cancelled *atomic.Bool) *Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := openArchive(raw, opts.SinglePackage)
	var r *refusal
	if errors.As(err, &r) && r.code != "INVALID_PACKAGE" {
		return &Result{Status: "Failed", ErrorCode: r.code, ErrorMessage: r.message, CheckOnly: opts.CheckOnly}
	}
	d := &deploy{
		store: s, caller: caller, opts: opts, kind: s.Kind(), archive: a, cancelled: cancelled,
		kept: map[key]Component{}, dropped: map[key]bool{}, ids: map[key]string{}, stripped: map[key]Component{},
		gone: map[key]bool{}, versions: map[string]*newVersion{}, active: map[string]int{},
	}
	if err != nil {
		// Source: public results: a failure of the component package.xml, named as its own file.
		d.fail("", "package.xml", "package.xml", "No package.xml found")
		return d.finish(errRefused)
	}
	return d.finish(s.org.Change(caller, d.run))
}

// deploy is one deploy while it runs.
type deploy struct {
	store     *Store
	caller    org.Caller
	opts      Options
	kind      OrgKind
	archive   *archive
	cancelled *atomic.Bool
	manifest  *manifest
	tx        *org.Tx
	messages  []Message
	pieces    []*piece
	kept      map[key]Component // of packages, to be stored when the deploy succeeds
	dropped   map[key]bool
	gone      map[key]bool // what was deleted after the additions
	versions  map[string]*newVersion
	active    map[string]int    // by flow: the number of the version that becomes active; 0 for none
	stripped  map[key]Component // components that lost a reference to something deleted
	ids       map[key]string    // of components that are records
	tests     TestRun
	ran       map[string]bool // the test classes that ran
}

func (d *deploy) run(tx *org.Tx) error {
	d.tx = tx
	m, err := readManifest(d.archive.files["package.xml"])
	if err != nil {
		d.fail("", "package.xml", "package.xml", err.Error())
		return errRefused
	}
	d.manifest = m
	d.read()
	d.checkManifest()
	for _, stage := range []func(){
		func() { d.destroy("destructiveChangesPre.xml") },
		func() { d.destroy("destructiveChanges.xml") }, // deletions come before additions by default
		d.install,
		d.valueSets,
		d.labels,
		func() { d.objects(d.archive, &renamer{}) },
		d.duplicateRules,
		d.assignmentRules,
		d.workflows,
		d.automation,
		d.access,
		d.records,
		d.others,
		func() { d.destroy("destructiveChangesPost.xml") },
		d.runTests,
	} {
		if d.cancelled.Load() {
			return errCanceled
		}
		stage()
	}
	if d.failures()+d.tests.problems() > 0 && (d.opts.RollbackOnError || d.opts.CheckOnly) {
		return errRefused
	}
	if d.opts.CheckOnly {
		return org.ErrRollback
	}
	return nil
}

func (d *deploy) failures() int {
	n := 0
	for _, m := range d.messages {
		if !m.Success {
			n++
		}
	}
	return n
}

func (d *deploy) finish(err error) *Result {
	d.describeChanges()
	r := &Result{
		CheckOnly: d.opts.CheckOnly, Components: d.messages, Total: len(d.messages), Errors: d.failures(), Tests: d.tests,
	}
	if d.archive != nil {
		r.Files = len(d.archive.files)
	}
	r.Deployed = r.Total - r.Errors
	switch {
	case errors.Is(err, errCanceled):
		r.Status, r.Deployed, r.Components = "Canceled", 0, nil
		return r
	case err != nil && !errors.Is(err, org.ErrRollback):
		r.Status = "Failed"
		if !errors.Is(err, errRefused) {
			r.ErrorCode, r.ErrorMessage = "UNKNOWN_EXCEPTION", err.Error()
		}
		return r
	case r.Errors+d.tests.problems() > 0:
		r.Status = "SucceededPartial"
	default:
		r.Status, r.Success = "Succeeded", true
	}
	if err == nil {
		before := maps.Clone(d.store.components)
		d.keep()
		if err := d.trail(before, d.messages); err != nil {
			panic(err) // rows of the trail follow no rules
		}
	}
	for i := range d.messages {
		m := &d.messages[i]
		if m.Success && m.ID == "" {
			m.ID = d.store.components[key{m.ComponentType, m.FullName}].ID
		}
	}
	return r
}

// describeChanges says of each component that was deployed whether it was there before, and whether
// it differs from what was there.
func (d *deploy) describeChanges() {
	byKey := map[key]*piece{}
	for _, p := range d.pieces {
		byKey[p.key] = p
	}
	standard := func(k key) bool {
		o, ok := d.store.org.Describe(k.name)
		return k.kind == "CustomObject" && ok && o.Kind == org.StandardObject
	}
	for i := range d.messages {
		m := &d.messages[i]
		if !m.Success || m.Deleted || m.ProblemType != "" {
			continue
		}
		if p := byKey[key{m.ComponentType, m.FullName}]; p != nil {
			old, exists := d.store.components[p.key]
			if p.kind == "FlowDefinition" { // it is there as soon as the flow is
				old, exists = d.store.definition(p.name)
			}
			m.Created = m.Created || !exists && !standard(p.key)
			m.Changed = m.Created || !exists || !p.equalContent(&old)
		}
	}
}

// keep stores what the deploy brought. The caller holds the store's mu.
func (d *deploy) keep() {
	store := d.store
	for k, c := range d.stripped {
		store.components[k] = c
	}
	for k := range d.dropped {
		delete(store.components, k)
	}
	for k := range d.dropped {
		if _, n := flowVersion(k.name); k.kind == "Flow" && n == 0 {
			store.promote(k.name)
		}
	}
	store.emptied(d.dropped)
	for k, c := range d.kept {
		if !d.gone[k] {
			d.put(k, c)
		}
	}
	failed := map[key]bool{}
	for _, m := range d.messages {
		if !m.Success {
			failed[key{m.ComponentType, m.FullName}] = true
		}
	}
	for _, p := range d.pieces {
		if !failed[p.key] && !d.gone[p.key] {
			d.putPiece(p)
		}
	}
	for name, active := range d.active {
		d.activate(name, active)
	}
}

func (d *deploy) putPiece(p *piece) {
	old, exists := d.store.components[p.key]
	if exists && p.equalContent(&old) {
		return
	}
	c := Component{
		Type: p.kind, FullName: p.name, FileName: p.file, ID: d.ids[p.key], Namespace: old.Namespace,
		files: p.files, body: p.body, parts: old.parts,
	}
	if k := kindNamed(p.kind); k != nil && k.composed() {
		c.FileName, c.parts = k.fileOf(p.name), mergeParts(old.parts, p.parts)
	} else if k == nil { // a child: it lies in the file of its parent
		if parent, ok := parentOf(p.kind, p.name); ok {
			c.FileName = kindNamed(parent.kind).fileOf(parent.name)
		}
	} else {
		c.FileName = listedFile(k, p)
	}
	if v := d.versions[p.name]; v != nil && p.kind == "Flow" {
		if c.number = v.number; exists {
			d.store.keepVersion(old)
		}
		delete(d.store.components, p.key) // a new version has an Id and stamps of its own
	}
	d.put(p.key, c)
}

// listedFile is the file by which a list names a component: without -meta.xml where the content
// stands beside it, and the folder for a bundle. Source: listMetadata results.
func listedFile(k *Kind, p *piece) string {
	if k.bundle || k.Suffix != "" && k.folderOf == "" {
		return k.fileOf(p.name)
	}
	return strings.TrimSuffix(p.file, "-meta.xml")
}

// put stores a component with its stamps. One that is there keeps its Id and its creation.
func (d *deploy) put(k key, c Component) {
	now := d.store.org.Clock().Now()
	old, ok := d.store.components[k]
	c.Created, c.Modified, c.By, c.Editor = now, now, d.caller.User, d.caller.User
	if ok {
		c.Created, c.By = old.Created, old.By
		if old.ID != "" {
			c.ID = old.ID
		}
	}
	if c.ID == "" {
		c.ID = d.store.componentID(k.kind)
	}
	d.store.components[k] = c
}

// fail notes a component that was not deployed.
func (d *deploy) fail(kind, name, file, problem string) {
	m := Message{ComponentType: kind, FullName: name, FileName: file, Problem: problem, ProblemType: "Error"}
	for _, p := range d.pieces { // failures are few
		if p.kind == kind && p.name == name {
			m.Line, m.Column = p.line, p.col
			break
		}
	}
	d.messages = append(d.messages, m)
}

// warn notes a problem that is one only where warnings are not ignored.
// Source: Metadata API Developer Guide, DeployOptions, ignoreWarnings.
func (d *deploy) warn(kind, name, file, problem string) {
	d.messages = append(d.messages, Message{
		ComponentType: kind, FullName: name, FileName: file, Problem: problem, ProblemType: "Warning", Success: d.opts.IgnoreWarnings,
	})
}

// done notes a component that was deployed.
func (d *deploy) done(kind, name, file, id string, created bool) {
	d.messages = append(d.messages, Message{
		ComponentType: kind, FullName: name, FileName: file, ID: id, Success: true, Changed: !created, Created: created,
	})
}

// keepFile keeps the Id of a component that is a record, and a component of an installed package,
// which has no file in the archive. An object that a package only adds to does not become the package's.
func (d *deploy) keepFile(kind, name, file, id, namespace string, _ map[string][]byte) {
	if namespace == "" {
		d.ids[key{kind, name}] = id
		return
	}
	if kind == "CustomObject" && !strings.HasPrefix(name, namespace+"__") {
		return
	}
	if parent, ok := parentOf(kind, name); ok {
		file = kindNamed(parent.kind).fileOf(parent.name)
	} else if k := kindNamed(kind); k != nil {
		file = k.fileOf(name)
	}
	d.kept[key{kind, name}] = Component{Type: kind, FullName: name, FileName: file, ID: id, Namespace: namespace}
}

// attempt runs one component in a savepoint and notes its outcome.
func (d *deploy) attempt(kind, name, file string, f func() (id string, created bool, err *org.Error)) bool {
	var id string
	var created bool
	err := d.tx.Savepoint(func() error {
		var fault *org.Error
		if id, created, fault = f(); fault != nil {
			return fault
		}
		return nil
	})
	if err != nil {
		var fault *org.Error
		text := err.Error()
		if errors.As(err, &fault) {
			text = fault.Message
		}
		d.fail(kind, name, file, text)
		return false
	}
	d.done(kind, name, file, id, created)
	return true
}
