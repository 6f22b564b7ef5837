package apply

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"holdfast/internal/problem"
)

// journalMagic opens every journal; its number is the version of the format.
const journalMagic = "holdfast-journal/1\n"

const (
	// frameHead is the length of a frame's head: body length and the check of the head.
	frameHead = 8
	// frameSum is the length of a frame's chained check.
	frameSum = 16
	// frameBody bounds one body: the outcome of a full job of jobRows rows with clipped messages
	// stays below it.
	frameBody = 16 << 20
	// sector is the least that a disk writes or does not write: what it left out of a file whose
	// length it recorded is zero from a multiple of this on.
	sector = 512
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chain is the check of the frame before, which is part of the check of the next: a frame that is
// missing, repeated or moved breaks the chain.
type chain [frameSum]byte

func chainStart() chain { return chain{}.next([]byte(journalMagic)) }

func (c chain) next(body []byte) chain {
	h := sha256.New()
	h.Write(c[:])
	h.Write(body)
	var sum [sha256.Size]byte
	return chain(h.Sum(sum[:0])[:frameSum])
}

// encodeFrame writes the form in docs/format/journal.md, "Frames".
func encodeFrame(c chain, body []byte) ([]byte, chain) {
	next := c.next(body)
	frame := make([]byte, frameHead, frameHead+len(body)+frameSum)
	binary.BigEndian.PutUint32(frame, uint32(len(body)))
	binary.BigEndian.PutUint32(frame[4:], crc32.Checksum(frame[:4], castagnoli))
	frame = append(frame, body...)
	return append(frame, next[:]...), next
}

// errTorn is the end of a journal whose last frame was not wholly written.
var errTorn = errors.New("torn tail")

// frameReader reads the frames of a journal in order and knows where the last good one ended.
type frameReader struct {
	r     *bufio.Reader
	chain chain
	good  int64 // bytes up to the end of the last good frame
}

// newFrameReader reads the magic. It returns errTorn when the file ends inside it, and a problem
// when the file is something else.
func newFrameReader(r io.Reader) (*frameReader, error) {
	fr := &frameReader{r: bufio.NewReaderSize(r, 64<<10), chain: chainStart()}
	head := make([]byte, len(journalMagic))
	n, err := io.ReadFull(fr.r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	head = head[:n]
	begun := bytes.TrimRight(head, "\x00")
	switch {
	case string(head) == journalMagic:
	case bytes.HasPrefix([]byte(journalMagic), begun):
		if n < len(journalMagic) {
			return fr, errTorn
		}
		return fr, fr.tailOrDamage("its first bytes were never written", head)
	case bytes.HasPrefix(head, []byte("holdfast-journal/")):
		return nil, problem.New(problem.Usage, "journal of an unknown version").
			Hint("go on with the release that wrote it")
	default:
		return nil, problem.New(problem.Damaged, "not a journal").
			Hint("keep the file, and name another place for the journal with --journal")
	}
	fr.good = int64(len(journalMagic))
	return fr, nil
}

// next returns the body of the next frame; io.EOF at a clean end, errTorn where a last frame was not
// wholly written, and a Damaged problem for everything else.
func (fr *frameReader) next() ([]byte, error) {
	head := make([]byte, frameHead)
	switch n, err := io.ReadFull(fr.r, head); {
	case err == io.EOF:
		return nil, io.EOF
	case err == io.ErrUnexpectedEOF && n < frameHead:
		return nil, errTorn
	case err != nil:
		return nil, err
	}
	if crc32.Checksum(head[:4], castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return nil, fr.tailOrDamage("a frame has a bad head", head)
	}
	length := binary.BigEndian.Uint32(head)
	if length > frameBody {
		return nil, fr.damaged("a frame is longer than any that is written")
	}
	rest := make([]byte, int(length)+frameSum)
	switch _, err := io.ReadFull(fr.r, rest); {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return nil, errTorn
	case err != nil:
		return nil, err
	}
	body := rest[:length]
	sum := fr.chain.next(body)
	if !bytes.Equal(sum[:], rest[length:]) {
		const what = "a frame does not match its check"
		if _, err := fr.r.Peek(1); err == nil {
			return nil, fr.damaged(what) // one frame at most is not synced: the one at the end
		}
		return nil, fr.tailOrDamage(what, append(head, rest...))
	}
	fr.chain = sum
	fr.good += frameHead + int64(len(rest))
	return body, nil
}

// tailOrDamage decides over bytes at fr.good that are not a frame. Where the rest of the file is zero
// from the start of the frame or from a sector's start, the disk gave the file its length and not its
// content, which only happens to what was never synced. seen is what was read already of the frame.
func (fr *frameReader) tailOrDamage(what string, seen []byte) error {
	end, zeros := fr.good, int64(0)
	count := func(p []byte) {
		end += int64(len(p))
		kept := int64(len(bytes.TrimRight(p, "\x00")))
		if kept > 0 {
			zeros = 0
		}
		zeros += int64(len(p)) - kept
	}
	count(seen)
	buf := make([]byte, 32<<10)
	for {
		n, err := fr.r.Read(buf)
		count(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	from := end - zeros
	if aligned := (from + sector - 1) / sector * sector; from <= fr.good || aligned < end {
		return errTorn
	}
	return fr.damaged(what)
}

func (fr *frameReader) damaged(what string) error {
	return problem.New(problem.Damaged, fmt.Sprintf("journal is damaged after byte %d: %s", fr.good, what)).
		Hint("keep the file and the plan; make a new plan with `holdfast restore`, which looks at the org as it is")
}
