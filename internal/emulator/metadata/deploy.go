package metadata

import (
	"errors"
	"slices"
	"strings"

	"holdfast/internal/emulator/org"
)

// Options are those of DeployOptions that mean something here.
type Options struct {
	CheckOnly         bool
	RollbackOnError   bool
	SinglePackage     bool
	AllowMissingFiles bool
	IgnoreWarnings    bool
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
	Status       string // Succeeded, SucceededPartial or Failed
	Success      bool
	CheckOnly    bool
	Total        int
	Deployed     int
	Errors       int
	Components   []Message // in the order in which they were deployed, package.xml last
	ErrorCode    string    // of a deploy that could not begin
	ErrorMessage string
}

// errRefused makes a transaction take back a deploy that has failures.
var errRefused = errors.New("deploy has failures")

// Deploy deploys an archive for the caller and returns what became of each component. An archive that
// cannot be read gives a result too, with ErrorCode.
func (s *Store) Deploy(caller org.Caller, raw []byte, opts Options) *Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := openArchive(raw, opts.SinglePackage)
	if err != nil {
		code, message, _ := strings.Cut(err.Error(), ": ")
		return &Result{Status: "Failed", ErrorCode: code, ErrorMessage: message, CheckOnly: opts.CheckOnly}
	}
	d := &deploy{store: s, caller: caller, opts: opts, archive: a, kept: map[key]Component{}, dropped: map[key]bool{}}
	err = s.org.Change(caller, d.run)
	return d.finish(err)
}

// deploy is one deploy while it runs.
type deploy struct {
	store    *Store
	caller   org.Caller
	opts     Options
	archive  *archive
	manifest *manifest
	tx       *org.Tx
	messages []Message
	kept     map[key]Component // to be stored when the deploy succeeds
	dropped  map[key]bool
}

func (d *deploy) run(tx *org.Tx) error {
	d.tx = tx
	m, err := readManifest(d.archive.files["package.xml"])
	if err != nil {
		d.fail("", "", "package.xml", err.Error())
		return errRefused
	}
	d.manifest = m
	d.checkManifest()
	d.destroy("destructiveChangesPre.xml")
	d.destroy("destructiveChanges.xml") // deletions come before additions by default
	d.install()
	d.valueSets()
	d.objects(d.archive, &renamer{})
	d.records()
	d.others()
	d.destroy("destructiveChangesPost.xml")
	if d.failures() > 0 && (d.opts.RollbackOnError || d.opts.CheckOnly) {
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
	r := &Result{CheckOnly: d.opts.CheckOnly, Components: d.messages, Total: len(d.messages), Errors: d.failures()}
	r.Deployed = r.Total - r.Errors
	switch {
	case err != nil && !errors.Is(err, org.ErrRollback):
		r.Status = "Failed"
		if !errors.Is(err, errRefused) {
			r.ErrorCode, r.ErrorMessage = "UNKNOWN_EXCEPTION", err.Error()
		}
		return r
	case r.Errors > 0:
		r.Status = "SucceededPartial"
	default:
		r.Status, r.Success = "Succeeded", true
	}
	if err == nil {
		d.keep()
	}
	return r
}

func (d *deploy) keep() {
	now := d.store.org.Clock().Now()
	for k := range d.dropped {
		delete(d.store.components, k)
	}
	for k, c := range d.kept {
		old, ok := d.store.components[k]
		c.Created, c.Modified, c.By = now, now, d.caller.User
		if ok {
			c.Created, c.ID = old.Created, old.ID
		}
		if c.ID == "" {
			c.ID = d.store.componentID()
		}
		d.store.components[k] = c
	}
}

func (d *deploy) fail(kind, name, file, problem string) {
	d.messages = append(d.messages, Message{
		ComponentType: kind, FullName: name, FileName: file, Problem: problem, ProblemType: "Error",
	})
}

// done notes a component that was deployed, and keeps its file.
func (d *deploy) done(kind, name, file, id string, created bool) {
	d.messages = append(d.messages, Message{
		ComponentType: kind, FullName: name, FileName: file, ID: id, Success: true, Changed: !created, Created: created,
	})
}

func (d *deploy) keepFile(kind, name, file, id, namespace string, files map[string][]byte) {
	d.kept[key{kind, name}] = Component{
		Type: kind, FullName: name, FileName: file, ID: id, Namespace: namespace, Files: files,
	}
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

// checkManifest refuses types that do not exist (wording unverified) and members without a file, in
// the words of public deploy results.
func (d *deploy) checkManifest() {
	for _, t := range d.manifest.Types {
		k, known := kindNamed(t.Name)
		if !known {
			if !slices.Contains(parts, t.Name) && !strings.HasSuffix(t.Name, "Folder") {
				d.fail("", "package.xml", "package.xml", "Unknown type name '"+t.Name+"' specified in package.xml")
			}
			continue
		}
		if d.opts.AllowMissingFiles {
			continue
		}
		for _, member := range t.Members {
			if member != "*" && !d.hasFile(k, member) {
				d.fail(t.Name, member, "package.xml", "An object '"+member+"' of type "+t.Name+
					" was named in package.xml, but was not found in zipped directory")
			}
		}
	}
}

func (d *deploy) hasFile(k kind, member string) bool {
	prefix := k.folder + "/" + member
	for p := range d.archive.files {
		if p == prefix || strings.HasPrefix(p, prefix+".") || strings.HasPrefix(p, prefix+"/") {
			return true
		}
	}
	return false
}

// destroy deletes what a destructive manifest names. A component that is not there is a warning and
// no failure. Source: Metadata API Developer Guide, "Deleting Components from an Organization".
func (d *deploy) destroy(file string) {
	raw, ok := d.archive.files[file]
	if !ok {
		return
	}
	m, err := readManifest(raw)
	if err != nil {
		d.fail("", "", file, err.Error())
		return
	}
	for _, t := range m.Types {
		for _, member := range t.Members {
			d.drop(t.Name, member, file)
		}
	}
}

func (d *deploy) drop(kind, member, file string) {
	var fault *org.Error
	switch kind {
	case "CustomField":
		object, field, _ := strings.Cut(member, ".")
		fault = d.tx.DropField(object, field)
	case "CustomObject":
		fault = d.tx.DropObject(member)
	default:
		if _, ok := d.store.components[key{kind, member}]; !ok {
			fault = &org.Error{Message: "No " + kind + " named: " + member + " found"}
		}
	}
	m := Message{ComponentType: kind, FullName: member, FileName: file, Success: true, Deleted: fault == nil}
	if fault != nil {
		m.Problem, m.ProblemType = fault.Message, "Warning"
	} else {
		d.dropped[key{kind, member}] = true
		if kind == "CustomObject" {
			for k := range d.store.components {
				if strings.HasPrefix(k.name, member+".") {
					d.dropped[k] = true
				}
			}
		}
	}
	d.messages = append(d.messages, m)
}
