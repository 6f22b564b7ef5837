package rollback

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast/internal/component"
	"holdfast/internal/plan"
	"holdfast/internal/sf"
)

// MaxFile bounds a plan file: what one deployment may hold unpacked, twice over as base64.
const MaxFile = 1 << 30

// ErrFile is a file that is not a plan of this version, whole and in canonical form.
var ErrFile = errors.New("not a valid rollback plan")

// DigestError is a plan whose bytes are not those that were approved.
type DigestError struct {
	Approved, Actual string
}

// Error names both digests.
func (e *DigestError) Error() string {
	return fmt.Sprintf("the approval is for %.80s, and the plan is %s", e.Approved, e.Actual)
}

// Digest returns the SHA-256 of the bytes of a plan file in hexadecimal digits: what an approval names.
func Digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Approved is a plan whose exact bytes someone agreed to. Only Approve makes one; the zero Approved has
// no plan.
type Approved struct {
	plan    *Plan
	digest  string
	records []plan.Approved
}

// Approve reads the plan file and returns it as approved if the digest is that of these bytes. A wrong
// digest is a *DigestError; bytes that are no plan wrap ErrFile.
func Approve(raw []byte, digest string) (Approved, error) {
	if actual := Digest(raw); actual != digest {
		return Approved{}, &DigestError{Approved: digest, Actual: actual}
	}
	p, err := Decode(raw)
	if err != nil {
		return Approved{}, err
	}
	a := Approved{plan: &p, digest: digest}
	for _, r := range p.Records {
		part, err := approveRecords(r)
		if err != nil {
			return Approved{}, err
		}
		a.records = append(a.records, part)
	}
	return a, nil
}

// Plan returns the plan, or nil for the zero Approved. The caller does not change it.
func (a Approved) Plan() *Plan { return a.plan }

// Digest returns the digest of the bytes that were approved.
func (a Approved) Digest() string { return a.digest }

// Records are the plans of records in the plan, approved with it.
func (a Approved) Records() []plan.Approved { return a.records }

// IsFile reports bytes that begin as a plan of any version of this format does.
func IsFile(raw []byte) bool { return bytes.HasPrefix(raw, []byte(`{"format":"holdfast-rollback/`)) }

// Encode writes the plan as docs/format/rollback-plan.md specifies. The same plan always gives the same
// bytes.
func Encode(p Plan) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	lines := linesOf(p)
	for _, l := range lines {
		line, err := spell(l)
		if err != nil {
			return nil, err
		}
		b.Write(line)
	}
	inside, err := writeRecords(&b, p.Records)
	if err != nil {
		return nil, err
	}
	end, err := spell(endLine{len(lines) + inside, Digest(b.Bytes())})
	if err != nil {
		return nil, err
	}
	b.Write(end)
	if b.Len() > MaxFile {
		return nil, fmt.Errorf("a rollback plan of %d bytes, and %d are allowed", b.Len(), MaxFile)
	}
	return b.Bytes(), nil
}

// Decode reads what Encode wrote, and nothing else. Its errors wrap ErrFile.
func Decode(raw []byte) (Plan, error) {
	p, err := decode(raw)
	if err != nil {
		return Plan{}, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return p, nil
}

func decode(raw []byte) (Plan, error) {
	if len(raw) > MaxFile {
		return Plan{}, fmt.Errorf("more than %d bytes", MaxFile)
	}
	r := &lineReader{rest: raw}
	var p Plan
	var h headerLine
	if r.next(&h); r.err == nil && h.Format != Format {
		return p, fmt.Errorf("format %.80q is not %s", h.Format, Format)
	}
	made, err := sf.ParseDatetime(h.Made)
	if r.err = errors.Join(r.err, err); r.err != nil {
		return p, r.err
	}
	p = Plan{
		Org: sf.ID(h.Org), Made: made.UTC().Truncate(time.Millisecond), Tests: sf.TestLevel(h.Tests),
		Source: Source{Before: h.Before, After: h.After, Live: h.Live, Only: h.Only, Except: h.Except},
	}
	for range r.each(h.Notes) {
		var n noteLine
		r.next(&n)
		p.Notes = append(p.Notes, n.Note)
	}
	for range r.each(h.Actions) {
		p.Actions = append(p.Actions, r.action())
	}
	for range r.each(h.Values) {
		var v valuesLine
		r.next(&v)
		p.Values = append(p.Values, Values{Object: v.Values, Field: v.Field, Records: v.Records})
	}
	for i := range r.each(h.Deployments) {
		p.Deployments = append(p.Deployments, r.deployment(i+1))
	}
	for i := range r.each(h.Records) {
		p.Records = append(p.Records, r.records(i+1))
	}
	var end endLine
	if r.next(&end); r.err != nil {
		return p, r.err
	}
	again, err := Encode(p)
	switch {
	case err != nil:
		return p, err
	case !bytes.Equal(again, raw): // a plan has one spelling
		return p, errors.New("its bytes are not those that were written")
	}
	return p, nil
}

// lineReader reads lines until the first error, after which it reads nothing.
type lineReader struct {
	rest []byte
	err  error
}

// next reads one line, of which only members of into are allowed.
func (r *lineReader) next(into any) {
	if r.err != nil {
		return
	}
	line, rest, found := bytes.Cut(r.rest, []byte("\n"))
	if !found {
		r.err = errors.New("cut off")
		return
	}
	r.rest = rest
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if r.err = dec.Decode(into); r.err == nil {
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			r.err = errors.New("a line is not one object")
		}
	}
}

// each goes through the lines that are announced, and stops at the first that is not there, so that a lie costs
// nothing.
func (r *lineReader) each(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if r.err == nil && (n < 0 || n > len(r.rest)) {
			r.err = fmt.Errorf("%d lines are announced", n)
		}
		for i := 0; i < n && r.err == nil; i++ {
			if !yield(i) {
				return
			}
		}
	}
}

func (r *lineReader) action() Action {
	var l actionLine
	r.next(&l)
	a := Action{Key: sf.ComponentKey{Type: l.Type, Name: l.Name}, Verb: Verb(l.Action), Why: l.Why}
	for range r.each(l.Parts) {
		var c partLine
		r.next(&c)
		a.Parts = append(a.Parts, component.PartChange{Element: c.Element, Key: c.Key, How: component.Difference(c.Part)})
	}
	for range r.each(l.Conflicts) {
		var c conflictLine
		r.next(&c)
		a.Conflicts = append(a.Conflicts, component.PartChange{Element: c.Element, Key: c.Key, How: component.Difference(c.Conflict)})
	}
	return a
}

func (r *lineReader) deployment(number int) Deployment {
	var l deploymentLine
	if r.next(&l); r.err == nil && l.Deployment != number {
		r.err = fmt.Errorf("deployment %d stands in the place of %d", l.Deployment, number)
	}
	var d Deployment
	var members []sf.ComponentKey
	for range r.each(l.Deploy) {
		var k deployLine
		r.next(&k)
		members = append(members, sf.ComponentKey{Type: k.Deploy, Name: k.Name})
	}
	for range r.each(l.Delete) {
		var k deleteLine
		r.next(&k)
		d.Deleted = append(d.Deleted, sf.ComponentKey{Type: k.Delete, Name: k.Name})
	}
	for range r.each(l.Files) {
		var f fileLine
		if r.next(&f); r.err == nil {
			var e component.Entry
			e, r.err = f.entry()
			d.Files = append(d.Files, e)
		}
	}
	d.Manifest = sf.ManifestOf(l.Version, members)
	return d
}

// check returns what makes a plan none.
func (p Plan) check() error {
	if id, err := sf.ParseID(string(p.Org)); err != nil || id != p.Org {
		return fmt.Errorf("%.30q is not the Id of an org", p.Org)
	}
	if p.Source.Before == "" || p.Source.After == "" && len(p.Source.Only) == 0 || p.Source.Live == "" {
		return errors.New("a snapshot is not named")
	}
	for _, list := range [][]string{p.Source.Only, p.Source.Except} {
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			return errors.New("what it is about is not in order")
		}
	}
	switch p.Tests {
	case "", sf.NoTestRun, sf.RunLocalTests, sf.RunAllTestsInOrg, sf.RunRelevantTests:
	default:
		return fmt.Errorf("test level %.40q", p.Tests)
	}
	for i, a := range p.Actions {
		if err := a.check(); err != nil {
			return err
		}
		if i > 0 && p.Actions[i-1].Key.Compare(a.Key) >= 0 {
			return fmt.Errorf("%s %s is not in its place", a.Key.Type, a.Key.Name)
		}
	}
	for _, v := range p.Values {
		if v.Object == "" || v.Records < 0 {
			return errors.New("values of no object")
		}
	}
	for i, rec := range p.Records {
		if rec == nil || rec.Org != p.Org || rec.Empty() {
			return fmt.Errorf("records %d: not a plan for org %s that does something", i+1, p.Org)
		}
	}
	for i, d := range p.Deployments {
		if err := d.check(); err != nil {
			return fmt.Errorf("deployment %d: %w", i+1, err)
		}
	}
	return nil
}

func (a Action) check() error {
	if a.Key.Type == "" || a.Key.Name == "" {
		return errors.New("an action on no component")
	}
	switch a.Verb {
	case PutBack, TakeBack, Remove, Activate, Deactivate, Keep, Nothing, Cannot:
	default:
		return fmt.Errorf("%.40q is no action", a.Verb)
	}
	for _, c := range slices.Concat(a.Parts, a.Conflicts) {
		switch c.How {
		case component.Added, component.Removed, component.Changed:
		default:
			return fmt.Errorf("a part is %.40q", c.How)
		}
		if c.Element == "" {
			return fmt.Errorf("%s %s: a part without an element", a.Key.Type, a.Key.Name)
		}
	}
	return nil
}

// Limits of one deployment. Source: Metadata API Developer Guide, "Deploying and Retrieving Metadata with
// the Zip File".
const (
	maxDeployFiles = 10_000
	maxDeployBytes = 629_145_600
)

// ErrTooLarge is a deployment that no org takes at once.
var ErrTooLarge = errors.New("too large for one deployment")

func (d Deployment) check() error {
	keys := slices.Concat(d.Members(), d.Deleted)
	size := 0
	for i, f := range d.Files {
		if err := component.CheckPath(f.Path); err != nil {
			return err
		}
		if !strings.Contains(f.Path, "/") || i > 0 && d.Files[i-1].Path >= f.Path {
			return fmt.Errorf("file %.80q is not in its place", f.Path)
		}
		size += len(f.Body)
	}
	for _, k := range keys {
		if k.Type == "" || k.Name == "" || !utf8.ValidString(k.Type+k.Name) {
			return errors.New("a component without a name")
		}
	}
	switch {
	case len(keys) == 0:
		return errors.New("it does nothing")
	case len(d.Files) > maxDeployFiles || size > maxDeployBytes:
		return fmt.Errorf("%w: %d files of %d bytes", ErrTooLarge, len(d.Files), size)
	case len(d.Deleted) != len(slices.Compact(slices.SortedFunc(slices.Values(d.Deleted), sf.ComponentKey.Compare))),
		!slices.IsSortedFunc(d.Deleted, sf.ComponentKey.Compare):
		return errors.New("its deletions are not in order")
	}
	return nil
}
