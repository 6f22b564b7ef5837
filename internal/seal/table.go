package seal

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TableBase is the name of the object of the key table that begins a generation.
const TableBase = "base"

// Limits of a key table; docs/format/repository.md, "Key table".
const (
	tableFormat = "holdfast-table/1"
	// MaxPast is how many earlier generations a base names.
	MaxPast = 256
	// timeLayout is the form of times: whole seconds, UTC.
	timeLayout = "2006-01-02T15:04:05Z"
)

// SecretName names a secret.
type SecretName [8]byte

// Secret is what the data keys of the objects of one session are derived from.
type Secret struct {
	Name    SecretName
	Key     Key
	Lasting bool // it seals what is found by name, and stays in every generation
	At      time.Time
}

// NewSecret draws a secret.
func NewSecret(lasting bool, at time.Time) Secret {
	s := Secret{Key: NewKey(), Lasting: lasting, At: Second(at)}
	_, _ = rand.Read(s.Name[:])
	return s
}

// Second cuts a time to what a key table keeps.
func Second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// DataKey is the key of one object.
type DataKey struct {
	ID  KeyID
	Key Key
}

// Root is an object that the key table names. Expired is when it was given up, or zero.
type Root struct {
	Class   string
	ID      ID
	Data    DataKey
	Expired time.Time
}

// Condemned is an object that no root reached at that time.
type Condemned struct {
	Class string
	ID    ID
	At    time.Time
}

// Gone is an object that was given up for good, with the era that began with that.
type Gone struct {
	Era   uint32
	Class string
	ID    ID
}

// Past is the random name of an earlier generation.
type Past struct {
	Generation uint64
	Name       TableName
}

// TableName is the random name of a generation, by which it differs from every other of that number.
type TableName [8]byte

// NewTableName draws a name.
func NewTableName() TableName {
	var n TableName
	_, _ = rand.Read(n[:])
	return n
}

// String returns 16 hexadecimal digits.
func (n TableName) String() string { return hex.EncodeToString(n[:]) }

// Member is a recipient of the repository, and how its identity is kept: "file", "passphrase", or the
// name of a key service.
type Member struct {
	Recipient Recipient
	Kind      string
	Identity  string // hex SHA-256 of its wrapped identity in the repository, or ""
}

// Table is what one object of the key table says. An addition has secrets and roots only.
type Table struct {
	Generation uint64
	Base       bool
	Name       TableName
	Past       []Past
	Era        uint32
	IDs        Key
	Members    []Member
	Secrets    []Secret
	Keys       []DataKey
	Roots      []Root
	Condemned  []Condemned
	Gone       []Gone
}

// encode returns the text of the table in its only form. It sorts what is in t.
func (t *Table) encode(repository RepositoryID) ([]byte, error) {
	t.sort()
	out := fmt.Appendf(nil, "%s\nrepository %s\ngeneration %d\n", tableFormat, repository, t.Generation)
	if t.Base {
		out = fmt.Appendf(out, "base %s\n", t.Name)
		for _, p := range t.Past {
			out = fmt.Appendf(out, "past %016x %s\n", p.Generation, p.Name)
		}
		out = fmt.Appendf(out, "era %d\nids %x\n", t.Era, t.IDs[:])
		for _, m := range t.Members {
			out = fmt.Appendf(out, "recipient %s %s %s\n", m.Recipient, m.Kind, cmp.Or(m.Identity, "-"))
		}
	} else if len(t.Past)+len(t.Members)+len(t.Keys)+len(t.Condemned)+len(t.Gone) > 0 {
		return nil, fmt.Errorf("an addition to the key table that says more than secrets and roots")
	}
	for _, s := range t.Secrets {
		use := "session"
		if s.Lasting {
			use = "lasting"
		}
		out = fmt.Appendf(out, "secret %x %x %s %s\n", s.Name[:], s.Key[:], use, s.At.Format(timeLayout))
	}
	for _, k := range t.Keys {
		out = fmt.Appendf(out, "key %x %x\n", k.ID[:], k.Key[:])
	}
	for _, expired := range []bool{false, true} {
		for _, r := range t.Roots {
			switch {
			case r.Expired.IsZero() == expired:
			case expired:
				out = fmt.Appendf(out, "expired %s %s %x %x %s\n", r.Class, r.ID, r.Data.ID[:], r.Data.Key[:], r.Expired.Format(timeLayout))
			default:
				out = fmt.Appendf(out, "root %s %s %x %x\n", r.Class, r.ID, r.Data.ID[:], r.Data.Key[:])
			}
		}
	}
	for _, c := range t.Condemned {
		out = fmt.Appendf(out, "condemned %s %s %s\n", c.Class, c.ID, c.At.Format(timeLayout))
	}
	for _, g := range t.Gone {
		out = fmt.Appendf(out, "gone %08x %s %s\n", g.Era, g.Class, g.ID)
	}
	return out, nil
}

// sort brings every list into the order of the bytes of its lines, and drops what is there twice.
func (t *Table) sort() {
	object := func(aClass, bClass string, a, b ID) int {
		return cmp.Or(strings.Compare(aClass+" ", bClass+" "), bytes.Compare(a[:], b[:]))
	}
	slices.SortFunc(t.Past, func(a, b Past) int { return cmp.Compare(a.Generation, b.Generation) })
	slices.SortFunc(t.Members, func(a, b Member) int { return strings.Compare(a.Recipient.String(), b.Recipient.String()) })
	slices.SortFunc(t.Secrets, func(a, b Secret) int { return bytes.Compare(a.Name[:], b.Name[:]) })
	slices.SortFunc(t.Keys, func(a, b DataKey) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	slices.SortFunc(t.Roots, func(a, b Root) int { return object(a.Class, b.Class, a.ID, b.ID) })
	slices.SortFunc(t.Condemned, func(a, b Condemned) int { return object(a.Class, b.Class, a.ID, b.ID) })
	slices.SortFunc(t.Gone, func(a, b Gone) int {
		return cmp.Or(cmp.Compare(a.Era, b.Era), object(a.Class, b.Class, a.ID, b.ID))
	})
	t.Past = slices.CompactFunc(t.Past, func(a, b Past) bool { return a.Generation == b.Generation })
	t.Members = slices.CompactFunc(t.Members, func(a, b Member) bool { return a.Recipient.String() == b.Recipient.String() })
	t.Secrets = slices.CompactFunc(t.Secrets, func(a, b Secret) bool { return a.Name == b.Name })
	t.Keys = slices.CompactFunc(t.Keys, func(a, b DataKey) bool { return a.ID == b.ID })
	t.Roots = slices.CompactFunc(t.Roots, func(a, b Root) bool { return a.Class == b.Class && a.ID == b.ID })
	t.Condemned = slices.CompactFunc(t.Condemned, func(a, b Condemned) bool { return a.Class == b.Class && a.ID == b.ID })
	t.Gone = slices.Compact(t.Gone)
}

// parseTable reads the text of an object of the key table, in its only form.
func parseTable(repository RepositoryID, generation uint64, base bool, text []byte) (*Table, error) {
	t := &Table{Generation: generation, Base: base}
	head := fmt.Sprintf("%s\nrepository %s\ngeneration %d\n", tableFormat, repository, generation)
	rest, found := strings.CutPrefix(string(text), head)
	if !found {
		return nil, damaged("key table: it is not of this repository and generation")
	}
	for line := range strings.Lines(rest) {
		p := fields{words: strings.Split(strings.TrimSuffix(line, "\n"), " ")}
		if !p.into(t) {
			return nil, damaged("key table: a line of kind %.20q cannot be read", p.words[0])
		}
	}
	again, err := t.encode(repository)
	if err != nil || !bytes.Equal(again, text) {
		return nil, damaged("key table: not in its only form")
	}
	return t, nil
}

// fields are the words of a line. The first that does not fit sets bad.
type fields struct {
	words []string
	bad   bool
}

// lineLengths says how many words a line of each kind has.
var lineLengths = map[string]int{
	"base": 2, "past": 3, "era": 2, "ids": 2, "recipient": 4, "secret": 5, "key": 3,
	"root": 5, "expired": 6, "condemned": 4, "gone": 4,
}

// into reads the line into the table. What is out of order is found by encoding again.
func (p *fields) into(t *Table) bool {
	if lineLengths[p.words[0]] != len(p.words) {
		return false
	}
	switch p.words[0] {
	case "base":
		p.hex(1, t.Name[:])
	case "past":
		past := Past{Generation: p.number(1, 16, 64)}
		p.hex(2, past.Name[:])
		t.Past = append(t.Past, past)
	case "era":
		t.Era = uint32(p.number(1, 10, 32))
	case "ids":
		p.hex(1, t.IDs[:])
	case "recipient":
		r, err := ParseRecipient(p.words[1])
		p.bad = p.bad || err != nil || !validKind(p.words[2])
		m := Member{Recipient: r, Kind: p.words[2]}
		if p.words[3] != "-" {
			m.Identity = p.id(3).String()
		}
		t.Members = append(t.Members, m)
	case "secret":
		s := Secret{Lasting: p.words[3] == "lasting", At: p.time(4)}
		p.hex(1, s.Name[:])
		p.hex(2, s.Key[:])
		t.Secrets = append(t.Secrets, s)
	case "key":
		t.Keys = append(t.Keys, p.dataKey(1))
	case "root":
		t.Roots = append(t.Roots, Root{Class: p.class(1), ID: p.id(2), Data: p.dataKey(3)})
	case "expired":
		r := Root{Class: p.class(1), ID: p.id(2), Data: p.dataKey(3), Expired: p.time(5)}
		p.bad = p.bad || r.Expired.IsZero()
		t.Roots = append(t.Roots, r)
	case "condemned":
		t.Condemned = append(t.Condemned, Condemned{Class: p.class(1), ID: p.id(2), At: p.time(3)})
	case "gone":
		t.Gone = append(t.Gone, Gone{Era: uint32(p.number(1, 16, 32)), Class: p.class(2), ID: p.id(3)})
	}
	return !p.bad
}

func (p *fields) hex(i int, to []byte) {
	if len(p.words[i]) != hex.EncodedLen(len(to)) {
		p.bad = true
		return
	}
	_, err := hex.Decode(to, []byte(p.words[i]))
	p.bad = p.bad || err != nil
}

func (p *fields) number(i, base, bits int) uint64 {
	n, err := strconv.ParseUint(p.words[i], base, bits)
	p.bad = p.bad || err != nil
	return n
}

func (p *fields) time(i int) time.Time {
	t, err := time.Parse(timeLayout, p.words[i])
	p.bad = p.bad || err != nil
	return t
}

func (p *fields) class(i int) string {
	p.bad = p.bad || !ValidClass(p.words[i])
	return p.words[i]
}

func (p *fields) id(i int) ID {
	var id ID
	p.hex(i, id[:])
	return id
}

func (p *fields) dataKey(i int) DataKey {
	var k DataKey
	p.hex(i, k.ID[:])
	p.hex(i+1, k.Key[:])
	return k
}

// ValidClass reports whether s is one to 32 of a-z, 0-9 and "-", beginning with a letter.
func ValidClass(s string) bool { return len(s) <= 32 && validKind(s) }

func validKind(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if b := s[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' {
			return false
		}
	}
	return true
}
