// Package seal makes objects unreadable and unalterable to whoever holds only the storage.
//
// Every object has a data key of its own, under which its frames are sealed with AES-256-GCM. The
// object names its key and does not hold it: keys lie in the key table, a few small objects that are
// sealed under the master key, so that an object can be made unreadable for ever where it cannot be
// deleted. The master key is wrapped for age X25519 recipients. What authenticates a frame binds the
// repository, the class, the Id and the era of the object, and the frame's place, so that nothing can
// be moved, renamed or swapped. An object's Id is a keyed hash of its contents: without the key table
// nobody can test whether a guessed record is stored.
//
// Promises: opening anything but what was sealed, under the same Id, is an error of kind Damaged. A
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

// keySize is the size of every symmetric key, in bytes.
const keySize = 32

// Key is a symmetric key. It never prints itself.
type Key [keySize]byte

// NewKey draws a key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k[:])
	return k
}

// String keeps a key out of messages.
func (Key) String() string { return "key" }

// GoString keeps a key out of messages.
func (Key) GoString() string { return "key" }

// Labels of derived keys; docs/format/repository.md, "Keys" and "Ids".
const (
	labelContent = "holdfast content id 1"
	labelName    = "holdfast name id 1"
	labelMaster  = "holdfast master id 1"
	labelTable   = "holdfast key table 1"
	labelData    = "holdfast data key 1 "
)

// derive is HKDF-SHA-256 with the id of the repository as salt.
func derive(key Key, repository RepositoryID, info string, size int) []byte {
	out, err := hkdf.Key(sha256.New, key[:], repository[:], info, size)
	if err != nil {
		panic(err) // only for a size that the hash does not give, and sizes are constants here
	}
	return out
}

func newGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a size that is none of AES, and sizes are constants here
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for a block that is not of 16 bytes
	}
	return gcm
}

// Namer gives the Ids of one repository. It is safe for concurrent use.
type Namer struct{ contentKey, nameKey []byte }

// NewNamer derives the keys of Ids from those 32 bytes of the key table.
func NewNamer(repository RepositoryID, ids Key) *Namer {
	return &Namer{
		contentKey: derive(ids, repository, labelContent, keySize),
		nameKey:    derive(ids, repository, labelName, keySize),
	}
}

// ContentID returns the Id of the object with that class and those frames in that era.
func (n *Namer) ContentID(class string, era uint32, frames [][]byte) ID {
	mac := hmac.New(sha256.New, n.contentKey)
	writeNumber(mac, uint32(len(class)))
	mac.Write([]byte(class))
	writeNumber(mac, era)
	writeNumber(mac, uint32(len(frames)))
	for _, frame := range frames {
		writeNumber(mac, uint32(len(frame)))
		mac.Write(frame)
	}
	return ID(mac.Sum(nil))
}

// NameID returns the Id of an object that is found by name instead of by its contents.
func (n *Namer) NameID(class, name string) ID {
	mac := hmac.New(sha256.New, n.nameKey)
	writeNumber(mac, uint32(len(class)))
	mac.Write([]byte(class))
	mac.Write([]byte(name))
	return ID(mac.Sum(nil))
}

func writeNumber(h hash.Hash, n uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	h.Write(b[:])
}

// KeyID names the data key of one object: the name of a secret, and eight random bytes.
type KeyID [16]byte

// Secret returns the name of the secret that the key is derived from.
func (k KeyID) Secret() SecretName { return SecretName(k[:len(SecretName{})]) }

// Place is where an object belongs: what its seal binds beside its bytes.
type Place struct {
	Repository RepositoryID
	Class      string
	ID         ID
	Era        uint32
}

// bind returns the associated data of a part of the object.
func (p Place) bind(part string) []byte {
	b := make([]byte, 0, 128)
	b = append(b, "holdfast object 1 "...)
	b = append(b, part...)
	b = append(b, 0)
	b = append(b, p.Repository[:]...)
	b = append(b, p.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, p.Era)
	return append(b, p.Class...)
}

// DataKey derives the key of the object at that place from the secret.
func (s Secret) DataKey(p Place, id KeyID) Key {
	info := make([]byte, 0, 128)
	info = append(info, labelData...)
	info = append(info, id[:]...)
	info = append(info, p.ID[:]...)
	info = binary.BigEndian.AppendUint32(info, p.Era)
	info = append(info, p.Class...)
	return Key(derive(s.Key, p.Repository, string(info), keySize))
}

// The layout of a sealed object; docs/format/repository.md, "Object".
const (
	magic       = "HFO"
	version     = 1
	nonceSize   = 12
	tagSize     = 16
	fixedHeader = 4 + 4 + 4 + len(KeyID{}) // magic and version, count, era, key id

	// HeadSize is how many bytes ParseHead needs.
	HeadSize = fixedHeader
	// MaxFrames bounds the frames of an object, and so the header that a reader must hold.
	MaxFrames = 1 << 16
	// MaxFrame bounds the bytes of a frame before sealing.
	MaxFrame = 32 << 20
	// headerNonce is the place that authenticates the header; no frame has it.
	headerNonce = 1<<32 - 1
)

// HeaderSize returns the size of the header of an object of n frames, in bytes.
func HeaderSize(n int) int { return fixedHeader + 4*n + tagSize }

// Seal returns the object with those frames for that place, the id of its data key, and the key. The
// key is new each time, so that sealing twice gives different bytes that open to the same frames.
func Seal(s Secret, p Place, frames [][]byte) ([]byte, KeyID, Key, error) {
	var id KeyID
	n := copy(id[:], s.Name[:])
	_, _ = rand.Read(id[n:])
	key := s.DataKey(p, id)
	object, err := sealUnder(id, key, p, frames)
	return object, id, key, err
}

func sealUnder(id KeyID, key Key, p Place, frames [][]byte) ([]byte, error) {
	if len(frames) == 0 || len(frames) > MaxFrames {
		return nil, fmt.Errorf("%s of %d frames, want 1 to %d", p.Class, len(frames), MaxFrames)
	}
	size := HeaderSize(len(frames))
	for _, frame := range frames {
		if len(frame) > MaxFrame {
			return nil, fmt.Errorf("%s with a frame of %d bytes, at most %d", p.Class, len(frame), MaxFrame)
		}
		size += len(frame) + tagSize
	}
	data := newGCM(key[:])
	out := make([]byte, 0, size)
	out = append(out, magic...)
	out = append(out, version)
	out = binary.BigEndian.AppendUint32(out, uint32(len(frames)))
	out = binary.BigEndian.AppendUint32(out, p.Era)
	out = append(out, id[:]...)
	for _, frame := range frames {
		out = binary.BigEndian.AppendUint32(out, uint32(len(frame)))
	}
	out = data.Seal(out, place(headerNonce), nil, append(p.bind("header"), out...))
	aad := p.bind("frame")
	for i, frame := range frames {
		out = data.Seal(out, place(uint32(i)), frame, aad)
	}
	return out, nil
}

// place is the nonce of the n-th frame. It repeats in no object, and every object has its own key.
func place(n uint32) []byte {
	var nonce [nonceSize]byte
	binary.BigEndian.PutUint32(nonce[nonceSize-4:], n)
	return nonce[:]
}

// Head is what an object says of itself in the open. Nothing of it is authenticated before OpenHeader.
type Head struct {
	Frames int
	Era    uint32
	Key    KeyID
}

// Size returns how many bytes the header has.
func (h Head) Size() int { return HeaderSize(h.Frames) }

// ParseHead reads the first HeadSize bytes of an object. The error is of kind Damaged, with a hint
// when the object is of a version that this program does not know.
func ParseHead(prefix []byte) (Head, error) {
	if len(prefix) < len(magic)+1 || string(prefix[:len(magic)]) != magic {
		return Head{}, damaged("not a sealed object")
	}
	if prefix[len(magic)] != version {
		return Head{}, problem.Newf(problem.Damaged, "object format %d, this program knows %d", prefix[len(magic)], version).
			Hint("a newer version of holdfast may have written it; upgrade this one")
	}
	if len(prefix) < fixedHeader {
		return Head{}, damaged("%d bytes of a header", len(prefix))
	}
	n := binary.BigEndian.Uint32(prefix[4:])
	if n == 0 || n > MaxFrames {
		return Head{}, damaged("%d frames, want 1 to %d", n, MaxFrames)
	}
	return Head{Frames: int(n), Era: binary.BigEndian.Uint32(prefix[8:]), Key: KeyID(prefix[12:fixedHeader])}, nil
}

// Header is the opened header of one object.
type Header struct {
	data    cipher.AEAD
	aad     []byte
	offsets []int64 // of each frame, and the size of the whole object
}

// OpenHeader opens the header of the object that is to have that key and place, from its first bytes.
// The era of the place is that of the head.
func OpenHeader(key Key, p Place, prefix []byte) (*Header, error) {
	head, err := ParseHead(prefix)
	if err != nil {
		return nil, err
	}
	length := head.Size()
	if len(prefix) < length {
		return nil, damaged("%d bytes of a header of %d", len(prefix), length)
	}
	p.Era = head.Era
	data := newGCM(key[:])
	fixed := prefix[:length-tagSize]
	aad := append(p.bind("header"), fixed...)
	if _, err := data.Open(nil, place(headerNonce), prefix[length-tagSize:length], aad); err != nil {
		return nil, damaged("its header is altered, or it is another object")
	}
	h := &Header{data: data, aad: p.bind("frame")}
	at := int64(length)
	for lengths := fixed[fixedHeader:]; len(lengths) > 0; lengths = lengths[4:] {
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
