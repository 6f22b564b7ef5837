package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Format names the version of the plan file that this package writes, and the only one it reads.
const Format = "holdfast-plan/1"

// Bounds of a plan file, so that a hostile or damaged one cannot take all memory.
const (
	// MaxRows is the most records that a plan touches.
	MaxRows = 2_000_000
	// MaxLine is the longest line in bytes. The long texts of a record hold 1.6 million characters
	// together (unverified), and a line has them before and after.
	MaxLine = 16 << 20
)

// ErrFile is a file that is not a plan of this version, whole and in canonical form.
var ErrFile = errors.New("not a valid plan file")

// DigestError is a plan whose bytes are not those that were approved.
type DigestError struct {
	Approved, Actual string
}

// Error names both digests.
func (e *DigestError) Error() string {
	return fmt.Sprintf("the approval is for %s, and the plan is %s", clip(e.Approved), e.Actual)
}

// Digest returns the SHA-256 of the bytes of a plan file in hexadecimal digits: what an approval
// names.
func Digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Approved is a plan whose exact bytes someone agreed to. Only Approve makes one; the zero Approved
// has no plan.
type Approved struct {
	plan   *Plan
	digest string
}

// Approve reads the plan file and returns it as approved if the digest is that of these bytes. A
// wrong digest is a *DigestError; bytes that are no plan wrap ErrFile.
func Approve(raw []byte, digest string) (Approved, error) {
	if actual := Digest(raw); actual != digest {
		return Approved{}, &DigestError{Approved: digest, Actual: actual}
	}
	p, err := Decode(bytes.NewReader(raw))
	if err != nil {
		return Approved{}, err
	}
	return Approved{plan: p, digest: digest}, nil
}

// Plan returns the plan, or nil for the zero Approved. The caller does not change it.
func (a Approved) Plan() *Plan { return a.plan }

// Digest returns the digest of the bytes that were approved.
func (a Approved) Digest() string { return a.digest }
