package sf

import (
	"errors"
	"fmt"
)

// ID is a record Id in its 18-character form. The zero value means "no Id".
//
// The last three characters are a check on the case of the first fifteen: each is the five-bit map
// of capitals in a group of five, least significant first, in the alphabet A-Z0-5. Comparing two
// IDs byte by byte therefore compares records.
type ID string

// ErrID is the error for text that is not a record Id.
var ErrID = errors.New("not a record Id")

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// ParseID reads a record Id of 15 or 18 characters and returns the 18-character form. An
// 18-character Id whose check characters do not fit its case is corrected when folding its case by
// the check gives a valid Id, and refused otherwise.
func ParseID(s string) (ID, error) {
	switch len(s) {
	case 15:
		suffix, err := idSuffix(s)
		if err != nil {
			return "", err
		}
		return ID(s + suffix), nil
	case 18:
		suffix, err := idSuffix(s[:15])
		if err != nil {
			return "", err
		}
		if suffix == s[15:] {
			return ID(s), nil
		}
		fixed, err := foldID(s)
		if err != nil {
			return "", err
		}
		return fixed, nil
	default:
		return "", fmt.Errorf("%w: %q has %d characters, want 15 or 18", ErrID, clip(s), len(s))
	}
}

// KeyPrefix returns the first three characters, which name the object of the record.
func (id ID) KeyPrefix() string {
	if len(id) < 3 {
		return ""
	}
	return string(id[:3])
}

// Short returns the case-sensitive 15-character form.
func (id ID) Short() string {
	if len(id) < 15 {
		return string(id)
	}
	return string(id[:15])
}

func idSuffix(s string) (string, error) {
	var out [3]byte
	for g := range 3 {
		bits := 0
		for i := range 5 {
			c := s[g*5+i]
			switch {
			case c >= 'A' && c <= 'Z':
				bits |= 1 << i
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			default:
				return "", fmt.Errorf("%w: %q holds the character %q", ErrID, clip(s), c)
			}
		}
		out[g] = idAlphabet[bits]
	}
	return string(out[:]), nil
}

// foldID restores the case of the first fifteen characters from the three check characters, for an
// Id that went through something that lost case.
func foldID(s string) (ID, error) {
	b := []byte(s)
	for g := range 3 {
		c := b[15+g]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		bits := -1
		for i := range len(idAlphabet) {
			if idAlphabet[i] == c {
				bits = i
			}
		}
		if bits < 0 {
			return "", fmt.Errorf("%w: %q has a bad check character", ErrID, clip(s))
		}
		b[15+g] = c
		for i := range 5 {
			p := &b[g*5+i]
			isLetter := (*p|0x20) >= 'a' && (*p|0x20) <= 'z'
			switch {
			case bits&(1<<i) != 0 && !isLetter:
				return "", fmt.Errorf("%w: %q does not fit its check characters", ErrID, clip(s))
			case bits&(1<<i) != 0:
				*p &^= 0x20
			case isLetter:
				*p |= 0x20
			}
		}
	}
	return ID(b), nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
