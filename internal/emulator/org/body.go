package org

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the platform's checksum of a file is an MD5; nothing is protected by it
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"holdfast/internal/sf"
)

// Body is the bytes of a file. Equal bytes are kept once in an org, whatever records have them, and a
// generated body is computed when it is read, so that a large one costs no memory. The value of a
// base64 field is the key of its body; only OpenBody and Base64 turn it into bytes.
type Body struct {
	key      string
	size     int64
	checksum string // MD5 in hexadecimal, as ContentVersion.Checksum
	bytes    []byte
	seed     uint64
	computed bool
}

// Size is the number of bytes.
func (b *Body) Size() int64 { return b.size }

// open returns a new reader of the bytes.
func (b *Body) open() io.Reader {
	if b.computed {
		return &generator{seed: b.seed, left: b.size}
	}
	return bytes.NewReader(b.bytes)
}

// generator computes the bytes of a body: blocks of the hash of the seed and their number.
type generator struct {
	seed, block uint64
	left        int64
	rest        []byte
}

func (g *generator) Read(p []byte) (int, error) {
	if g.left == 0 {
		return 0, io.EOF
	}
	done := 0
	for done < len(p) && g.left > 0 {
		if len(g.rest) == 0 {
			var in [16]byte
			binary.LittleEndian.PutUint64(in[:8], g.seed)
			binary.LittleEndian.PutUint64(in[8:], g.block)
			sum := sha256.Sum256(in[:])
			g.rest, g.block = sum[:], g.block+1
		}
		n := copy(p[done:], g.rest[:min(int64(len(g.rest)), g.left)])
		g.rest, g.left, done = g.rest[n:], g.left-int64(n), done+n
	}
	return done, nil
}

// The largest files. Source: REST API Developer Guide, "Insert or Update Blob Data".
const (
	MaxContentVersion = 2 << 30   // bytes of a ContentVersion
	MaxBody           = 500 << 20 // bytes of any other body
)

// ErrBodyTooLarge is returned by StoreBody for a stream of more bytes than the limit.
var ErrBodyTooLarge = errors.New("the body is larger than the limit")

// StoreBody reads a stream to its end and keeps its bytes, for an Assignment that carries it. More
// than limit bytes are refused with ErrBodyTooLarge.
func (o *Org) StoreBody(r io.Reader, limit int64) (*Body, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read the body of a file: %w", err)
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%w of %d bytes", ErrBodyTooLarge, limit)
	}
	b := bodyOf(raw)
	defer o.write()()
	return o.keep(b), nil
}

func bodyOf(raw []byte) *Body {
	sum := sha256.Sum256(raw)
	check := md5.Sum(raw) //nolint:gosec // see the import
	return &Body{key: hex.EncodeToString(sum[:]), size: int64(len(raw)), checksum: hex.EncodeToString(check[:]), bytes: raw}
}

// GenerateBody returns a body of size bytes that follow from the seed. Its bytes are computed once for
// their checksum and then whenever they are read.
func (o *Org) GenerateBody(seed uint64, size int64) *Body {
	b := &Body{
		key: "computed-" + strconv.FormatUint(seed, 16) + "-" + strconv.FormatInt(size, 10), size: size, seed: seed, computed: true,
	}
	check := md5.New() //nolint:gosec // see the import
	if _, err := io.Copy(check, b.open()); err != nil {
		panic(err) // neither side can fail
	}
	b.checksum = hex.EncodeToString(check.Sum(nil))
	defer o.write()()
	return o.keep(b)
}

// keep returns the one body of the org with these bytes. The caller holds the lock.
func (o *Org) keep(b *Body) *Body {
	if known := o.bodies[b.key]; known != nil {
		return known
	}
	o.bodies[b.key] = b
	return b
}

// readBody turns the base64 text of a value into a body.
func (o *Org) readBody(f *Field, text string) (string, *Error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil { // the wording is unverified
		return "", fault("INVALID_TYPE_ON_FIELD_IN_RECORD", f.Label+": value not of required type: invalid base64", f.Name)
	}
	return o.keep(bodyOf(raw)).key, nil
}

// OpenBody returns a reader of a base64 field of a live record, and how many bytes it gives. It is
// nil without an error when the field is null.
func (o *Org) OpenBody(_ Caller, id sf.ID, field string) (io.Reader, int64, error) {
	defer o.read()()
	p := o.record(id)
	if p.r == nil || p.r.fate != live {
		return nil, 0, fault("NOT_FOUND", "The requested resource does not exist")
	}
	f := p.t.object.Field(field)
	if f == nil || f.Type != sf.TypeBase64 {
		return nil, 0, fault("NOT_FOUND", "The requested resource does not exist")
	}
	b := o.bodies[p.r.text(f.column)]
	if b == nil {
		return nil, 0, nil
	}
	return b.open(), b.size, nil
}

// Base64 returns the bytes behind the value of a base64 field, as SOAP spells them; empty for null.
func (o *Org) Base64(value string) string {
	defer o.read()()
	b := o.bodies[value]
	if b == nil {
		return ""
	}
	raw, err := io.ReadAll(b.open())
	if err != nil {
		panic(err) // memory and arithmetic do not fail
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// bodySize is the length of the body in a field.
func bodySize(field string) derivation {
	return func(o *Org, t *table, r *row) string {
		if b := o.bodies[t.text(r, field)]; b != nil {
			return strconv.FormatInt(b.size, 10)
		}
		return "0"
	}
}
