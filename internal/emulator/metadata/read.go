package metadata

import (
	"cmp"
	"encoding/xml"
	"errors"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// read takes the files of the archive apart into components. A file that cannot be read, and one that
// package.xml does not name, fails and takes no further part in the deploy.
func (d *deploy) read() {
	whole := map[key]*piece{}
	for _, file := range d.archive.paths() {
		if file == "package.xml" || isDestructive(file) {
			continue
		}
		d.readFile(file, whole)
	}
	for _, k := range sortedKeys(whole) {
		d.measure(whole[k])
		d.pieces = append(d.pieces, whole[k])
	}
	slices.SortStableFunc(d.pieces, func(a, b *piece) int {
		return cmp.Or(strings.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.col, b.col))
	})
}

// maxCode is how many characters a class or a trigger has at most.
// Source: Apex Developer Guide, "Execution Governors and Limits", static Apex limits.
const maxCode = 1_000_000

// measure refuses code that is too long; the words are unverified.
func (d *deploy) measure(p *piece) {
	if p.kind != "ApexClass" && p.kind != "ApexTrigger" {
		return
	}
	for file, content := range p.files {
		if !strings.HasSuffix(file, "-meta.xml") && utf8.RuneCount(content) > maxCode {
			d.fail(p.kind, p.name, file, "The code is longer than "+itoa(maxCode)+" characters")
		}
	}
}

func isDestructive(file string) bool {
	return file == "destructiveChanges.xml" || file == "destructiveChangesPre.xml" || file == "destructiveChangesPost.xml"
}

func sortedKeys(pieces map[key]*piece) []key {
	var out []key
	for k := range pieces {
		out = append(out, k)
	}
	slices.SortFunc(out, compareKeys)
	return out
}

// readFile reads one file. Components of several files are gathered in whole.
func (d *deploy) readFile(file string, whole map[key]*piece) {
	raw := d.archive.files[file]
	k, name := place(file, "")
	var root *element
	var err error
	if k == nil || !k.bundle && (!k.MetaFile || strings.HasSuffix(file, "-meta.xml")) {
		if root, err = parseXML(raw); err == nil {
			k, name = place(file, root.name)
		}
	}
	switch {
	case k == nil: // wording unverified
		d.warn("", file, file, "File "+file+" is in a folder of no metadata type")
		delete(d.archive.files, file)
		return
	case err != nil:
		delete(d.archive.files, file)
		d.unreadable(k.Name, name, file, err)
		return
	}
	if k.Name == "Flow" { // until API 43 the name of the file had the number of the version; it counts no more
		name, _ = flowVersion(name)
	}
	if root == nil || !k.composed() {
		p := whole[key{k.Name, name}]
		if p == nil {
			if !d.named(k.Name, name, file) {
				delete(d.archive.files, file)
				return
			}
			p = &piece{key: key{k.Name, name}, file: strings.TrimSuffix(file, "-meta.xml"), files: map[string][]byte{}}
			if k.folderOf != "" {
				p.file = file
			}
			whole[p.key] = p
		}
		if p.files[file] = raw; root != nil {
			p.files[file] = root.normal()
		}
		return
	}
	d.readComposed(k, name, file, root)
}

// readComposed takes apart a file of several components, and leaves in the archive what the manifest
// names of it.
func (d *deploy) readComposed(k *Kind, name, file string, root *element) {
	refused := map[string]bool{}
	for i, p := range takeApart(k, name, file, root) {
		switch {
		case i == 0 && !d.manifest.has(k.Name, name): // only a holder for the components inside it
			p.parts = nil
			if len(k.Children) == 0 {
				d.named(k.Name, name, file)
				delete(d.archive.files, file)
				return
			}
			d.pieces = append(d.pieces, p)
		case i == 0, d.named(p.kind, p.name, file):
			d.pieces = append(d.pieces, p)
		default:
			refused[p.name] = true
		}
	}
	if len(refused) == 0 {
		return
	}
	root.kids = slices.DeleteFunc(root.kids, func(e *element) bool {
		_, ok := k.child(e.name)
		return ok && refused[k.childName(name, fullNameOf(e))]
	})
	d.archive.files[file] = root.normal()
}

// named refuses a component that package.xml does not name.
// Source: public deploy results ("objects/X.object (X.Y__c) -- Error: Not in package.xml").
func (d *deploy) named(kind, name, file string) bool {
	if d.manifest.has(kind, name) || d.opts.AutoUpdatePackage {
		return true
	}
	d.fail(kind, name, file, "Not in package.xml")
	return false
}

// unreadable notes a file that is no XML, with the place where the reader gave up.
func (d *deploy) unreadable(kind, name, file string, err error) {
	d.fail(kind, name, file, "Error parsing file: "+err.Error())
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		m := &d.messages[len(d.messages)-1]
		m.Line, m.Column = syntax.Line, 1
	}
}

// checkManifest refuses types that do not exist (wording unverified) and members without a file, in
// the words of public deploy results.
func (d *deploy) checkManifest() {
	here := map[key]bool{}
	for _, p := range d.pieces {
		here[p.key] = true
	}
	for _, m := range d.messages {
		here[key{m.ComponentType, m.FullName}] = true
	}
	for _, t := range d.manifest.Types {
		if !Known(t.Name) {
			d.fail("", "package.xml", "package.xml", "Unknown type name '"+t.Name+"' specified in package.xml")
			continue
		}
		if d.opts.AllowMissingFiles {
			continue
		}
		for _, member := range t.Members {
			_, isFolder := folder(t.Name, member, func(k key) bool { return here[k] })
			if member == "*" || here[key{t.Name, member}] || isFolder || d.versioned(t.Name, member, here) {
				continue
			}
			d.fail(t.Name, member, "package.xml", "An object '"+member+"' of type "+t.Name+
				" was named in package.xml, but was not found in zipped directory")
		}
	}
}

// versioned reports a component whose file is named without the version that the manifest names, or
// the other way round, as flows were until API 43.
func (d *deploy) versioned(kind, member string, here map[key]bool) bool {
	if kind != "Flow" {
		return false
	}
	name, _ := flowVersion(member)
	return here[key{kind, name}]
}

// under returns the files of a folder with a suffix: the name without both, and the path.
func (a *archive) under(folder, suffix string) [][2]string {
	var out [][2]string
	for _, p := range a.paths() {
		if path.Dir(p) != folder {
			continue
		}
		if name, ok := strings.CutSuffix(path.Base(p), "."+suffix); ok {
			out = append(out, [2]string{name, p})
		}
	}
	return out
}

// others notes the components that nothing else has noted: the engine has no rules for them.
func (d *deploy) others() {
	noted := map[key]bool{}
	for _, m := range d.messages {
		noted[key{m.ComponentType, m.FullName}] = true
	}
	for _, p := range d.pieces {
		k := kindNamed(p.kind)
		silent := k != nil && len(k.Children) > 0 && len(p.parts) == 0 && !d.manifest.names(p.kind, p.name)
		if noted[p.key] || silent {
			continue
		}
		d.done(p.kind, p.name, p.file, d.ids[p.key], false)
	}
}
