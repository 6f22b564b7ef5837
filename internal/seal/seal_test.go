package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast/internal/problem"
)

func identity(t testing.TB) *Identity {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// The repository of docs/format/repository.md, "Vectors": ids, secret and master key count up from
// 0x80, 0xa0 and 0xc0.
func counting(from byte) (k Key) {
	for i := range k {
		k[i] = from + byte(i)
	}
	return k
}

func vectorPlace(class string, id ID) Place {
	var p Place
	for i := range p.Repository {
		p.Repository[i] = byte(i)
	}
	p.Class, p.ID, p.Era = class, id, 3
	return p
}

func vectorNamer() *Namer { return NewNamer(vectorPlace("", ID{}).Repository, counting(0x80)) }

var (
	vectorFrames = [][]byte{[]byte("head"), {}, []byte("body of the object")}
	vectorSecret = Secret{Name: SecretName{1, 2, 3, 4, 5, 6, 7, 8}, Key: counting(0xa0), At: time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)}
	vectorKeyID  = KeyID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
)

func vectorSealed(t testing.TB) (Place, Key, []byte) {
	t.Helper()
	p := vectorPlace("segment", vectorNamer().ContentID("segment", 3, vectorFrames))
	key := vectorSecret.DataKey(p, vectorKeyID)
	object, err := sealUnder(vectorKeyID, key, p, vectorFrames)
	if err != nil {
		t.Fatal(err)
	}
	return p, key, object
}

func vectorTable() *Table {
	r, _ := ParseRecipient("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")
	at := vectorSecret.At
	return &Table{
		Generation: 2, Base: true, Name: TableName{9, 9}, Past: []Past{{1, TableName{8, 8}}}, Era: 3, IDs: counting(0x80),
		Members: []Member{{r, "file", ""}}, Secrets: []Secret{vectorSecret}, Keys: []DataKey{{vectorKeyID, counting(0)}},
		Roots:     []Root{{"snapshot", ID{1}, DataKey{vectorKeyID, counting(1)}, time.Time{}}, {"snapshot", ID{2}, DataKey{vectorKeyID, counting(2)}, at}},
		Condemned: []Condemned{{"segment", ID{3}, at}}, Gone: []Gone{{3, "segment", ID{4}}},
	}
}

func TestVectors(t *testing.T) {
	n := vectorNamer()
	p, key, object := vectorSealed(t)
	master := masterOf(p.Repository, counting(0xc0))
	text, err := vectorTable().encode(p.Repository)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		hex.EncodeToString(n.contentKey), hex.EncodeToString(n.nameKey), p.ID.String(), hex.EncodeToString(key[:]),
		hex.EncodeToString(object), n.NameID("note-run", "name").String(), hex.EncodeToString(master.id[:]),
	}
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "format", "repository.md"))
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(doc)), "")
	for _, v := range append(got, strings.Join(strings.Fields(string(text)), "")) {
		if !strings.Contains(flat, v) {
			t.Errorf("the document does not hold %s", v)
		}
	}
	table := regexp.MustCompile(`(?m)^    key table +([0-9a-f\n ]+)$`).FindSubmatch(doc)
	if table == nil {
		t.Fatal("the document holds no key table")
	}
	sealed, err := hex.DecodeString(strings.Join(strings.Fields(string(table[1])), ""))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := master.OpenTable(2, TableBase, sealed)
	if err != nil || !reflect.DeepEqual(opened, vectorTable()) {
		t.Errorf("%+v %v", opened, err)
	}
}

func equal(a, b [][]byte) bool {
	return bytes.Equal(bytes.Join(a, []byte("|")), bytes.Join(b, []byte("|"))) && len(a) == len(b)
}

func tryOpen(key Key, p Place, sealed []byte) ([][]byte, error) {
	h, err := OpenHeader(key, p, sealed)
	if err != nil {
		return nil, err
	}
	var frames [][]byte
	for i := range h.Frames() {
		offset, length := h.Range(i, i+1)
		if offset+length > int64(len(sealed)) {
			return nil, damaged("cut off")
		}
		frame, err := h.OpenFrame(i, bytes.Clone(sealed[offset:offset+length]))
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	if h.Size() != int64(len(sealed)) {
		return nil, damaged("size")
	}
	return frames, nil
}

// TestEveryBitIsAuthenticated derives the key anew from what the object says of it, as a reader does.
func TestEveryBitIsAuthenticated(t *testing.T) {
	p, _, object := vectorSealed(t)
	reread := func(b []byte) error {
		head, err := ParseHead(b)
		if err != nil {
			return err
		}
		p.Era = head.Era
		_, err = tryOpen(vectorSecret.DataKey(p, head.Key), p, b)
		return err
	}
	if err := reread(object); err != nil {
		t.Fatal(err)
	}
	for at := range object {
		for bit := range 8 {
			bad := bytes.Clone(object)
			bad[at] ^= 1 << bit
			if err := reread(bad); problem.KindOf(err) != problem.Damaged {
				t.Fatalf("bit %d of byte %d: %v", bit, at, err)
			}
		}
		if err := reread(object[:at]); problem.KindOf(err) != problem.Damaged {
			t.Fatalf("cut at %d: %v", at, err)
		}
	}
}

// TestAnObjectOpensOnlyAsItself holds for its key, too, so that a key that is given away opens one object.
func TestAnObjectOpensOnlyAsItself(t *testing.T) {
	p, key, object := vectorSealed(t)
	for name, change := range map[string]func(*Place){
		"class": func(p *Place) { p.Class = "snapshot" }, "id": func(p *Place) { p.ID[0]++ },
		"repository": func(p *Place) { p.Repository[0]++ },
	} {
		other := p
		change(&other)
		if _, err := tryOpen(key, other, object); problem.KindOf(err) != problem.Damaged {
			t.Errorf("opened as another %s: %v", name, err)
		}
		if vectorSecret.DataKey(other, vectorKeyID) == key {
			t.Errorf("another %s has the same key", name)
		}
	}
	era := p
	era.Era++
	if vectorSecret.DataKey(era, vectorKeyID) == key {
		t.Error("another era has the same key")
	}
}

func TestSealingTwiceSharesNothing(t *testing.T) {
	p := vectorPlace("c", ID{1})
	keys := map[Key]bool{}
	ids := map[KeyID]bool{}
	bodies := map[string]bool{}
	for range 1000 {
		object, id, key, err := Seal(vectorSecret, p, vectorFrames)
		if err != nil || id.Secret() != vectorSecret.Name {
			t.Fatal(err)
		}
		keys[key], ids[id], bodies[string(object[HeaderSize(len(vectorFrames)):])] = true, true, true
	}
	if len(keys) != 1000 || len(ids) != 1000 || len(bodies) != 1000 {
		t.Error("a data key was used twice")
	}
}

func TestContentIDsTellApart(t *testing.T) {
	n := vectorNamer()
	seen := make(map[ID]string)
	for name, id := range map[string]ID{
		"ab":     n.ContentID("c", 0, [][]byte{[]byte("ab")}),
		"era":    n.ContentID("c", 1, [][]byte{[]byte("ab")}),
		"a b":    n.ContentID("c", 0, [][]byte{[]byte("a"), []byte("b")}),
		"ab ''":  n.ContentID("c", 0, [][]byte{[]byte("ab"), nil}),
		"'' ab":  n.ContentID("c", 0, [][]byte{nil, []byte("ab")}),
		"ca b":   n.ContentID("ca", 0, [][]byte{[]byte("b")}),
		"name":   n.NameID("c", "ab"),
		"name 2": n.NameID("ca", "b"),
	} {
		if other, taken := seen[id]; taken {
			t.Errorf("%s and %s have one id", name, other)
		}
		seen[id] = name
	}
}

func TestSealRefusesWhatItCannotHold(t *testing.T) {
	for name, frames := range map[string][][]byte{
		"no frames": nil, "too many": make([][]byte, MaxFrames+1), "too large": {make([]byte, MaxFrame+1)},
	} {
		if _, err := sealUnder(vectorKeyID, Key{}, Place{Class: "c"}, frames); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	a, b, other := identity(t), identity(t), identity(t)
	repository := NewRepositoryID()
	master := NewMaster(repository)
	for _, to := range [][]Recipient{nil, {a.Recipient()}, {a.Recipient(), a.Recipient()}} {
		if _, err := master.Wrap(to); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("%d recipients: %v", len(to), err)
		}
	}
	file, err := master.Wrap([]Recipient{a.Recipient(), b.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []*Identity{a, b} {
		m, err := OpenKeyFile(repository, file, id)
		if err != nil || m.key != master.key || m.id != master.id {
			t.Fatal(err)
		}
	}
	if _, err := OpenKeyFile(repository, file, other); problem.KindOf(err) != problem.WrongKey {
		t.Errorf("another identity: %v", err)
	}
	if _, err := OpenKeyFile(NewRepositoryID(), file, a); !errors.Is(err, ErrOtherRepository) {
		t.Errorf("another repository: %v", err)
	}
	for _, bad := range [][]byte{nil, file[:len(file)-1], []byte("text"), make([]byte, maxKeyFile+1)} {
		if _, err := OpenKeyFile(repository, bad, a); err == nil {
			t.Error("a broken key file opens")
		}
	}
}

func TestATableOpensOnlyAsItself(t *testing.T) {
	p := vectorPlace("", ID{})
	master := masterOf(p.Repository, counting(0xc0))
	sealed, err := master.SealTable(TableBase, vectorTable())
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, m *Master, generation uint64, name string, b []byte) {
		t.Helper()
		if _, err := m.OpenTable(generation, name, b); problem.KindOf(err) != problem.Damaged {
			t.Errorf("%s: %v", what, err)
		}
	}
	for at := range sealed {
		bad := bytes.Clone(sealed)
		bad[at] ^= 4
		refused("a changed byte", master, 2, TableBase, bad)
		refused("cut off", master, 2, TableBase, sealed[:at])
	}
	refused("another generation", master, 3, TableBase, sealed)
	refused("another name", master, 2, "add-00", sealed)
	refused("another master key", NewMaster(p.Repository), 2, TableBase, sealed)
	refused("another repository", masterOf(RepositoryID{9}, counting(0xc0)), 2, TableBase, sealed)
	if _, err := master.SealTable("add-00", &Table{Generation: 2, Gone: []Gone{{}}}); err == nil {
		t.Error("an addition may take away")
	}
}

func TestPassphrases(t *testing.T) {
	id := identity(t)
	const phrase = "six random words are a passphrase"
	if _, err := WrapWithPassphrase(id, "short"); problem.KindOf(err) != problem.Usage {
		t.Errorf("a short passphrase: %v", err)
	}
	file, err := wrapWithPassphrase(id, phrase, 10)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenWithPassphrase(file, phrase)
	if err != nil || again.Recipient().String() != id.Recipient().String() {
		t.Fatal(err)
	}
	if _, err := OpenWithPassphrase(file, phrase+"!"); problem.KindOf(err) != problem.WrongKey {
		t.Errorf("another passphrase: %v", err)
	}
	file[len(file)-1] ^= 1
	if _, err := OpenWithPassphrase(file, phrase); problem.KindOf(err) != problem.Damaged {
		t.Errorf("an altered file: %v", err)
	}
	costly := bytes.Replace(file, []byte(" 10\n"), []byte(" 21\n"), 1)
	if _, err := OpenWithPassphrase(costly, phrase); problem.KindOf(err) != problem.Damaged {
		t.Errorf("a file that asks for too much work: %v", err)
	}
}

func TestIdentityFiles(t *testing.T) {
	a := identity(t)
	again, err := ReadIdentity(strings.NewReader("\r\n" + a.Secret() + "\n# end"))
	if err != nil || again.Recipient().String() != a.Recipient().String() {
		t.Fatalf("%v", err)
	}
	if strings.Contains(a.String(), "SECRET") {
		t.Error("String shows the secret")
	}
	secret := strings.TrimSpace(strings.Split(a.Secret(), "\n")[1])
	for name, text := range map[string]string{
		"empty": "", "comments": "# nothing\n", "garbage": "hello", "damaged": secret[:len(secret)-1] + "X",
		"recipient": a.Recipient().String(), "huge": strings.Repeat("#\n", maxIdentityFile),
	} {
		_, err := ReadIdentity(strings.NewReader(text))
		if problem.KindOf(err) != problem.Usage {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret[20:40]) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
	for _, given := range []string{secret, strings.ToLower(secret), "x" + secret} { // the wrong half, by mistake
		if _, err := ParseRecipient(given); err == nil || strings.Contains(strings.ToUpper(err.Error()), secret[20:40]) {
			t.Errorf("recipient: %v", err)
		}
	}
	if _, err := ParseRecipient("age1nope"); problem.KindOf(err) != problem.Usage {
		t.Errorf("a bad recipient: %v", err)
	}
	if r, err := ParseRecipient(" " + a.Recipient().String() + "\n"); err != nil || r != a.Recipient() && r.String() != a.Recipient().String() {
		t.Errorf("%v %v", r, err)
	}
}

func FuzzOpen(f *testing.F) {
	p, _, object := vectorSealed(f)
	f.Add(object)
	f.Add(object[:HeaderSize(3)])
	f.Fuzz(func(t *testing.T, b []byte) {
		head, err := ParseHead(b)
		if err != nil {
			return
		}
		at := p
		at.Era = head.Era
		frames, err := tryOpen(vectorSecret.DataKey(at, head.Key), at, b)
		if err == nil && !equal(frames, vectorFrames) {
			t.Fatalf("forged: %q", frames)
		}
	})
}

// FuzzTable reads texts of tables: what is accepted has one spelling.
func FuzzTable(f *testing.F) {
	p := vectorPlace("", ID{})
	text, err := vectorTable().encode(p.Repository)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := parseTable(p.Repository, 2, true, text)
		if err != nil {
			return
		}
		again, err := table.encode(p.Repository)
		if err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q is read as %q: %v", text, again, err)
		}
	})
}

// FuzzTableObject opens objects of the key table: only what was sealed opens.
func FuzzTableObject(f *testing.F) {
	p := vectorPlace("", ID{})
	master := masterOf(p.Repository, counting(0xc0))
	sealed, err := master.SealTable(TableBase, vectorTable())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := master.OpenTable(2, TableBase, b); err == nil && !reflect.DeepEqual(got, vectorTable()) {
			t.Fatalf("forged: %+v", got)
		}
	})
}

// FuzzWrapped reads identities that a service has wrapped.
func FuzzWrapped(f *testing.F) {
	repository := vectorPlace("", ID{}).Repository
	member := vectorTable().Members[0].Recipient
	f.Add([]byte(wrappedFormat + "\nrepository " + repository.String() + "\nrecipient " + member.String() + "\nservice s\nsealed x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, ok, err := ParseWrapped(repository, b)
		if !ok || err != nil {
			return
		}
		want := wrappedFormat + "\nrepository " + repository.String() + "\nrecipient " + w.Recipient.String() + "\nservice " + w.Service + "\nsealed " + w.sealed + "\n"
		if string(b) != want {
			t.Fatalf("%q is accepted", b)
		}
	})
}

func FuzzKeyText(f *testing.F) {
	var repository RepositoryID
	f.Add([]byte(keyFormat + "\nrepository " + repository.String() + "\nmaster " + strings.Repeat("ab", keySize) + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		master, err := parseKey(repository, text)
		if err != nil {
			return
		}
		if want := keyFormat + "\nrepository " + repository.String() + "\nmaster " + hex.EncodeToString(master[:]) + "\n"; string(text) != want {
			t.Fatalf("%q is accepted", text)
		}
	})
}
