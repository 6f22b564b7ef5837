package snapshot

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	signed "golang.org/x/mod/sumdb/note"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
)

// A statement says in a page of text what a snapshot holds, signed by a key that the repository keeps: what was
// given away can be held against the repository later. docs/format/statement.md.

const (
	statementFormat = "holdfast-statement/1"
	drillFormat     = "holdfast-drill/1"
	noteSigner      = "signer"
	signerName      = "statement"
)

// Statement is the signed text, and the key that checks it.
type Statement struct {
	Text     string
	Verifier string // in the form of signed notes: name, key id, key
}

// Statement signs what the snapshot says of itself. The same snapshot gives the same statement.
func (sn *Snapshot) Statement(ctx context.Context) (Statement, error) { return sn.sign(ctx, "") }

// DrillStatement signs what a drill of the snapshot has found, in lines that end with a line feed, before what the
// snapshot says of itself.
func (sn *Snapshot) DrillStatement(ctx context.Context, found string) (Statement, error) {
	return sn.sign(ctx, drillFormat+"\n"+found)
}

func (sn *Snapshot) sign(ctx context.Context, head string) (Statement, error) {
	text, err := sn.stated(ctx)
	if err != nil {
		return Statement{}, err
	}
	text = head + text
	private, verifier, err := sn.store.signer(ctx)
	if err != nil {
		return Statement{}, err
	}
	signer, err := signed.NewSigner(private)
	if err != nil {
		return Statement{}, problem.Newf(problem.Damaged, "the key of statements cannot be used")
	}
	page, err := signed.Sign(&signed.Note{Text: text}, signer)
	if err != nil {
		return Statement{}, fmt.Errorf("sign the statement: %w", err)
	}
	return Statement{Text: string(page), Verifier: verifier}, nil
}

// stated returns the text that is signed.
func (sn *Snapshot) stated(ctx context.Context) (string, error) {
	digest, err := sn.store.manifestDigest(ctx, sn.manifest.info.ID)
	if err != nil {
		return "", err
	}
	i := sn.manifest.info
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nrepository %s\nsnapshot %s\nmanifest %s\n", statementFormat, sn.store.repository.ID(), i.ID, digest)
	fmt.Fprintf(&b, "org %s\nkind %s\nstarted %s\nfrom %s\nto %s\n", i.OrgID, i.Kind, writeTime(i.Started), writeTime(i.From), writeTime(i.To))
	fmt.Fprintf(&b, "parts %d\nabsent %d\nstale %d\ngaps %d\nrecords %d\n", i.Parts, i.Absent, i.Stale, len(sn.manifest.gaps), i.Records)
	fmt.Fprintf(&b, "calls %d\ndangled %d\ndangling %d\n", i.Calls, i.Dangled, i.Dangling)
	for _, p := range sn.manifest.parts {
		switch {
		case p.state == Absent:
			fmt.Fprintf(&b, "absent-part %s\n", p.object)
		case p.stale:
			fmt.Fprintf(&b, "stale-part %s %d %d %s\n", p.object, p.records(), p.expected, p.digest())
		default:
			fmt.Fprintf(&b, "part %s %d %d %s\n", p.object, p.records(), p.expected, p.digest())
		}
	}
	return b.String(), nil
}

// manifestDigest is the SHA-256 over the frames of the manifest, each after its length.
func (s *Store) manifestDigest(ctx context.Context, id string) (string, error) {
	object, err := s.repository.Open(ctx, snapshotRef(id))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for i := range object.Frames() {
		frame, err := object.Frame(ctx, i)
		if err != nil {
			return "", err
		}
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(frame)))
		sum.Write(length[:])
		sum.Write(frame)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// signer returns the key of statements of the repository, and makes it when there is none.
func (s *Store) signer(ctx context.Context) (private, verifier string, err error) {
	private, verifier, err = s.readSigner(ctx)
	if !errors.Is(err, repo.ErrMissing) {
		return private, verifier, err
	}
	private, verifier, err = signed.GenerateKey(rand.Reader, "holdfast-"+s.repository.ID()[:16])
	if err != nil {
		return "", "", fmt.Errorf("make a key of statements: %w", err)
	}
	err = s.PutNote(ctx, noteSigner, signerName, []byte(private+"\n"+verifier+"\n"))
	if problem.KindOf(err) == problem.Conflict { // another process was first
		return s.readSigner(ctx)
	}
	return private, verifier, err
}

func (s *Store) readSigner(ctx context.Context) (private, verifier string, err error) {
	class, err := noteClass(noteSigner)
	if err != nil {
		return "", "", err
	}
	n, err := s.openNote(ctx, s.repository.Named(class, signerName))
	if err != nil {
		return "", "", err
	}
	body, err := s.noteBody(ctx, n)
	if err != nil {
		return "", "", err
	}
	lines := strings.Split(string(body), "\n")
	if len(lines) != 3 {
		return "", "", damaged(n.object.Ref(), fmt.Errorf("%w: no key of statements", errWire))
	}
	return lines[0], lines[1], nil
}

// Stated is what a statement was found to say.
type Stated struct {
	Snapshot string // its ID
	Verifier string // the key that signed it
	Drill    string // what a drill of the snapshot has found, when it was signed with that
}

// CheckStatement checks the signature of a statement, by the given key or else by that of the repository, and
// that the snapshot still is what it states. The error is of kind Usage for what is no statement, NotFound when
// the snapshot is gone, and Damaged when the signature is false or the snapshot another.
func (s *Store) CheckStatement(ctx context.Context, page []byte, verifier string) (Stated, error) {
	if verifier == "" {
		var err error
		if _, verifier, err = s.readSigner(ctx); errors.Is(err, repo.ErrMissing) {
			return Stated{}, problem.New(problem.NotFound, "this repository has signed no statement").
				Hint("name the key that signed it with --verifier")
		} else if err != nil {
			return Stated{}, err
		}
	}
	key, err := signed.NewVerifier(verifier)
	if err != nil {
		return Stated{}, problem.New(problem.Usage, "the key is none that checks statements").
			Hint("give the line that `holdfast show SNAPSHOT --statement` printed beside the statement")
	}
	opened, err := signed.Open(page, signed.VerifierList(key))
	if err != nil {
		kind := problem.Usage
		if _, unverified := errors.AsType[*signed.UnverifiedNoteError](err); unverified {
			kind = problem.Damaged
		}
		if _, invalid := errors.AsType[*signed.InvalidSignatureError](err); invalid {
			kind = problem.Damaged
		}
		return Stated{}, problem.Newf(kind, "the statement is not signed by %s, or it was changed", key.Name()).
			Hint("compare it with the copy that was given away")
	}
	out, about := Stated{Verifier: verifier}, opened.Text
	if drilled, ok := strings.CutPrefix(about, drillFormat+"\n"); ok {
		if i := strings.Index(drilled, statementFormat+"\n"); i >= 0 {
			out.Drill, about = drilled[:i], drilled[i:]
		}
	}
	for line := range strings.Lines(about) {
		if id, ok := strings.CutPrefix(line, "snapshot "); ok {
			out.Snapshot = strings.TrimSpace(id)
		}
	}
	sn, err := s.Load(ctx, out.Snapshot)
	if err != nil {
		return out, err
	}
	text, err := sn.stated(ctx)
	if err != nil {
		return out, err
	}
	if text != about {
		return out, problem.Newf(problem.Damaged, "snapshot %s is not what the statement says", sn.Info().Short()).
			Hint("run `holdfast verify`; the repository may have been exchanged")
	}
	return out, nil
}
