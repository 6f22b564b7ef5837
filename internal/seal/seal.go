// Package seal makes objects unreadable and unalterable to whoever holds only the storage.
//
// Every object has a data key of its own, drawn at random, under which its frames are sealed with
// AES-256-GCM. The data key is wrapped under a key derived from the repository's master key, and the
// master key is wrapped for age X25519 recipients. What authenticates a frame binds the repository,
// the class and Id of the object, and the frame's place, so that nothing can be moved, renamed or
// swapped. An object's Id is a keyed hash of its contents: without the master key nobody can test
// whether a guessed record is stored.
//
// Promises: Open of anything but what Seal made, under the same Id, is an error of kind Damaged. A
// wrong identity is an error of kind WrongKey. Not promised: that the sizes of objects say nothing.
//
// docs/format/repository.md is the specification of every byte.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"

	"holdfast/internal/problem"
)

// RepositoryID names a repository for ever; it is random and no secret.
type RepositoryID [16]byte

// NewRepositoryID draws an id.
func NewRepositoryID() RepositoryID {
	var id RepositoryID
	_, _ = rand.Read(id[:]) // never fails: it ends the program rather than return bad randomness
	return id
}

// String returns the id as 32 hexadecimal digits.
func (id RepositoryID) String() string { return hex.EncodeToString(id[:]) }

// ID names an object by its contents: HMAC-SHA-256 under a key of the repository.
type ID [sha256.Size]byte

// String returns the Id as 64 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads 64 lower-case hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("object id of %d characters, want %d", len(s), hex.EncodedLen(len(id)))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil || hex.EncodeToString(id[:]) != s {
		return ID{}, fmt.Errorf("object id %q is not lower-case hexadecimal", s)
	}
	return id, nil
}

// Labels of derived keys; docs/format/repository.md, "Keys".
const (
	labelContent = "holdfast content id 1"
	labelName    = "holdfast name id 1"
	labelWrap    = "holdfast key wrap 1"
)

// keySize is the size of every symmetric key, in bytes.
const keySize = 32

// Sealer seals and opens the objects of one repository. It is safe for concurrent use.
type Sealer struct {
	repository RepositoryID
	contentKey []byte
	nameKey    []byte
	wrap       cipher.AEAD
}

func newSealer(repository RepositoryID, master []byte) (*Sealer, error) {
	if len(master) != keySize {
		return nil, fmt.Errorf("master key of %d bytes, want %d", len(master), keySize)
	}
	s := &Sealer{repository: repository}
	var wrapKey []byte
	for _, k := range []struct {
		label string
		to    *[]byte
	}{{labelContent, &s.contentKey}, {labelName, &s.nameKey}, {labelWrap, &wrapKey}} {
		key, err := hkdf.Key(sha256.New, master, repository[:], k.label, keySize)
		if err != nil {
			return nil, fmt.Errorf("derive %s: %w", k.label, err)
		}
		*k.to = key
	}
	var err error
	s.wrap, err = newGCM(wrapKey)
	return s, err
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Repository returns the id of the repository whose objects it seals.
func (s *Sealer) Repository() RepositoryID { return s.repository }

// ContentID returns the Id of the object with that class and those frames.
func (s *Sealer) ContentID(class string, frames [][]byte) ID {
	mac := hmac.New(sha256.New, s.contentKey)
	writeLength(mac, len(class))
	mac.Write([]byte(class))
	writeLength(mac, len(frames))
	for _, frame := range frames {
		writeLength(mac, len(frame))
		mac.Write(frame)
	}
	return ID(mac.Sum(nil))
}

// NameID returns the Id of an object that is found by name instead of by its contents.
func (s *Sealer) NameID(class, name string) ID {
	mac := hmac.New(sha256.New, s.nameKey)
	writeLength(mac, len(class))
	mac.Write([]byte(class))
	mac.Write([]byte(name))
	return ID(mac.Sum(nil))
}

func writeLength(h hash.Hash, n int) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	h.Write(b[:])
}

// The layout of a sealed object; docs/format/repository.md, "Object".
const (
	magic       = "HFO"
	version     = 1
	nonceSize   = 12
	tagSize     = 16
	fixedHeader = 4 + 4 + nonceSize + keySize + tagSize // magic and version, count, wrapped key

	// MaxFrames bounds the frames of an object, and so the header that a reader must hold.
	MaxFrames = 1 << 16
	// MaxFrame bounds the bytes of a frame before sealing.
	MaxFrame = 32 << 20
	// headerNonce is the place that authenticates the header; no frame has it.
	headerNonce = 1<<32 - 1
)

// HeaderSize returns the size of the header of an object of n frames, in bytes.
func HeaderSize(n int) int { return fixedHeader + 4*n + tagSize }

// Seal returns the object with that class, Id and frames. The data key is drawn at random, so that
// sealing twice gives different bytes that open to the same frames.
func (s *Sealer) Seal(class string, id ID, frames [][]byte) ([]byte, error) {
	if len(frames) == 0 || len(frames) > MaxFrames {
		return nil, fmt.Errorf("%s of %d frames, want 1 to %d", class, len(frames), MaxFrames)
	}
	size := HeaderSize(len(frames))
	for _, frame := range frames {
		if len(frame) > MaxFrame {
			return nil, fmt.Errorf("%s with a frame of %d bytes, at most %d", class, len(frame), MaxFrame)
		}
		size += len(frame) + tagSize
	}
	var secret [keySize + nonceSize]byte
	_, _ = rand.Read(secret[:])
	dataKey, nonce := secret[:keySize], secret[keySize:]
	data, err := newGCM(dataKey)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, size)
	out = append(out, magic...)
	out = append(out, version)
	out = binary.BigEndian.AppendUint32(out, uint32(len(frames)))
	out = append(out, nonce...)
	out = s.wrap.Seal(out, nonce, dataKey, s.bind(class, id, "key"))
	for _, frame := range frames {
		out = binary.BigEndian.AppendUint32(out, uint32(len(frame)))
	}
	header := append(s.bind(class, id, "header"), out...)
	out = data.Seal(out, place(headerNonce), nil, header)
	aad := s.bind(class, id, "frame")
	for i, frame := range frames {
		out = data.Seal(out, place(uint32(i)), frame, aad)
	}
	return out, nil
}

// bind returns what a seal authenticates beside its bytes: what they are and where they belong.
func (s *Sealer) bind(class string, id ID, part string) []byte {
	b := make([]byte, 0, 128)
	b = append(b, "holdfast object 1 "...)
	b = append(b, part...)
	b = append(b, 0)
	b = append(b, s.repository[:]...)
	b = append(b, id[:]...)
	return append(b, class...)
}

// place is the nonce of the n-th frame. It repeats in no object, and every object has its own key.
func place(n uint32) []byte {
	var nonce [nonceSize]byte
	binary.BigEndian.PutUint32(nonce[nonceSize-4:], n)
	return nonce[:]
}

// Header is the opened header of one object.
type Header struct {
	data    cipher.AEAD
	aad     []byte
	offsets []int64 // of each frame, and the size of the whole object
}

// HeaderLength returns how many bytes the header of the object that begins with prefix has. The
// prefix must have at least 8 bytes, or be the whole object.
func HeaderLength(prefix []byte) (int, error) {
	if len(prefix) < 8 || string(prefix[:len(magic)]) != magic {
		return 0, damaged("not a sealed object")
	}
	if prefix[len(magic)] != version {
		return 0, problem.Newf(problem.Damaged, "object format %d, this program knows %d", prefix[len(magic)], version).
			Hint("a newer version of holdfast may have written it; upgrade this one")
	}
	n := binary.BigEndian.Uint32(prefix[4:8])
	if n == 0 || n > MaxFrames {
		return 0, damaged("%d frames, want 1 to %d", n, MaxFrames)
	}
	return HeaderSize(int(n)), nil
}

// OpenHeader opens the header of the object that is to have that class and Id, from its first bytes.
func (s *Sealer) OpenHeader(class string, id ID, prefix []byte) (*Header, error) {
	length, err := HeaderLength(prefix)
	if err != nil {
		return nil, err
	}
	if len(prefix) < length {
		return nil, damaged("%d bytes of a header of %d", len(prefix), length)
	}
	head := prefix[:length-tagSize]
	nonce := head[8 : 8+nonceSize]
	wrapped := head[8+nonceSize : fixedHeader]
	dataKey, err := s.wrap.Open(nil, nonce, wrapped, s.bind(class, id, "key"))
	if err != nil {
		return nil, damaged("its key does not open")
	}
	data, err := newGCM(dataKey)
	if err != nil {
		return nil, err
	}
	aad := append(s.bind(class, id, "header"), head...)
	if _, err := data.Open(nil, place(headerNonce), prefix[length-tagSize:length], aad); err != nil {
		return nil, damaged("its header is altered")
	}
	h := &Header{data: data, aad: s.bind(class, id, "frame")}
	at := int64(length)
	for lengths := head[fixedHeader:]; len(lengths) > 0; lengths = lengths[4:] {
		n := binary.BigEndian.Uint32(lengths)
		if n > MaxFrame {
			return nil, damaged("a frame of %d bytes, at most %d", n, MaxFrame)
		}
		h.offsets = append(h.offsets, at)
		at += int64(n) + tagSize
	}
	h.offsets = append(h.offsets, at)
	return h, nil
}

// Frames returns the number of frames.
func (h *Header) Frames() int { return len(h.offsets) - 1 }

// Size returns the size of the whole object in bytes.
func (h *Header) Size() int64 { return h.offsets[len(h.offsets)-1] }

// Range returns where the sealed frames from to (exclusive) lie in the object.
func (h *Header) Range(from, to int) (offset, length int64) {
	return h.offsets[from], h.offsets[to] - h.offsets[from]
}

// OpenFrame opens the i-th frame from its sealed bytes, which are overwritten.
func (h *Header) OpenFrame(i int, sealed []byte) ([]byte, error) {
	if _, length := h.Range(i, i+1); int64(len(sealed)) != length {
		return nil, damaged("frame %d has %d bytes, want %d", i, len(sealed), length)
	}
	frame, err := h.data.Open(sealed[:0], place(uint32(i)), sealed, h.aad)
	if err != nil {
		return nil, damaged("frame %d is altered", i)
	}
	return frame, nil
}

func damaged(format string, args ...any) error {
	return problem.Newf(problem.Damaged, format, args...)
}
