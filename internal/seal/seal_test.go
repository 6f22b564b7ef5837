package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// vectorSealer is that of docs/format/repository.md, "Vectors".
func vectorSealer(t testing.TB) *Sealer {
	t.Helper()
	var repository RepositoryID
	master := make([]byte, keySize)
	for i := range repository {
		repository[i] = byte(i)
	}
	for i := range master {
		master[i] = byte(0x80 + i)
	}
	s, err := newSealer(repository, master)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var vectorFrames = [][]byte{[]byte("head"), {}, []byte("body of the object")}

func TestVectors(t *testing.T) {
	s := vectorSealer(t)
	id := s.ContentID("segment", vectorFrames)
	if got, want := id.String(), vectorContentID; got != want {
		t.Errorf("content id %s, want %s", got, want)
	}
	if got, want := s.NameID("note-run", "name").String(), vectorNameID; got != want {
		t.Errorf("name id %s, want %s", got, want)
	}
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "format", "repository.md"))
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(doc)), "")
	for _, v := range []string{vectorContentID, vectorNameID, vectorObject, hex.EncodeToString(s.contentKey), hex.EncodeToString(s.nameKey)} {
		if !strings.Contains(flat, v) {
			t.Errorf("the document does not hold %s", v)
		}
	}
	sealed, err := hex.DecodeString(vectorObject)
	if err != nil {
		t.Fatal(err)
	}
	if got := open(t, s, "segment", id, sealed); !equal(got, vectorFrames) {
		t.Errorf("opens to %q", got)
	}
}

func equal(a, b [][]byte) bool {
	return bytes.Equal(bytes.Join(a, []byte("|")), bytes.Join(b, []byte("|"))) && len(a) == len(b)
}

func tryOpen(s *Sealer, class string, id ID, sealed []byte) ([][]byte, error) {
	h, err := s.OpenHeader(class, id, sealed)
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

func open(t *testing.T, s *Sealer, class string, id ID, sealed []byte) [][]byte {
	t.Helper()
	frames, err := tryOpen(s, class, id, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

func TestEveryBitIsAuthenticated(t *testing.T) {
	s := vectorSealer(t)
	id := s.ContentID("segment", vectorFrames)
	sealed, err := s.Seal("segment", id, vectorFrames)
	if err != nil {
		t.Fatal(err)
	}
	for at := range sealed {
		for bit := range 8 {
			bad := bytes.Clone(sealed)
			bad[at] ^= 1 << bit
			if _, err := tryOpen(s, "segment", id, bad); problem.KindOf(err) != problem.Damaged {
				t.Fatalf("bit %d of byte %d: %v", bit, at, err)
			}
		}
		if _, err := tryOpen(s, "segment", id, sealed[:at]); problem.KindOf(err) != problem.Damaged {
			t.Fatalf("cut at %d: %v", at, err)
		}
	}
}

func TestAnObjectOpensOnlyAsItself(t *testing.T) {
	s := vectorSealer(t)
	id := s.ContentID("segment", vectorFrames)
	sealed, err := s.Seal("segment", id, vectorFrames)
	if err != nil {
		t.Fatal(err)
	}
	other := s.NameID("segment", "other")
	for name, try := range map[string]func() ([][]byte, error){
		"class": func() ([][]byte, error) { return tryOpen(s, "snapshot", id, sealed) },
		"id":    func() ([][]byte, error) { return tryOpen(s, "segment", other, sealed) },
		"repository": func() ([][]byte, error) {
			o, err := newSealer(RepositoryID{9}, bytes.Repeat([]byte{7}, keySize))
			if err != nil {
				t.Fatal(err)
			}
			return tryOpen(o, "segment", id, sealed)
		},
	} {
		if _, err := try(); problem.KindOf(err) != problem.Damaged {
			t.Errorf("opened as another %s: %v", name, err)
		}
	}
}

func TestSealingTwiceSharesNothing(t *testing.T) {
	s := vectorSealer(t)
	id := s.ContentID("c", vectorFrames)
	a, errA := s.Seal("c", id, vectorFrames)
	b, errB := s.Seal("c", id, vectorFrames)
	if errors.Join(errA, errB) != nil {
		t.Fatal(errA, errB)
	}
	body := HeaderSize(len(vectorFrames))
	if bytes.Equal(a[8:20], b[8:20]) || bytes.Equal(a[body:], b[body:]) {
		t.Error("a nonce or a data key was used twice")
	}
}

func TestContentIDsTellApart(t *testing.T) {
	s := vectorSealer(t)
	seen := make(map[ID]string)
	for name, id := range map[string]ID{
		"ab":     s.ContentID("c", [][]byte{[]byte("ab")}),
		"a b":    s.ContentID("c", [][]byte{[]byte("a"), []byte("b")}),
		"ab ''":  s.ContentID("c", [][]byte{[]byte("ab"), nil}),
		"'' ab":  s.ContentID("c", [][]byte{nil, []byte("ab")}),
		"ca b":   s.ContentID("ca", [][]byte{[]byte("b")}),
		"name":   s.NameID("c", "ab"),
		"name 2": s.NameID("ca", "b"),
	} {
		if other, taken := seen[id]; taken {
			t.Errorf("%s and %s have one id", name, other)
		}
		seen[id] = name
	}
}

func TestSealRefusesWhatItCannotHold(t *testing.T) {
	s := vectorSealer(t)
	for name, frames := range map[string][][]byte{
		"no frames": nil, "too many": make([][]byte, MaxFrames+1), "too large": {make([]byte, MaxFrame+1)},
	} {
		if _, err := s.Seal("c", ID{}, frames); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	a, b, other := identity(t), identity(t), identity(t)
	repository := NewRepositoryID()
	for _, to := range [][]Recipient{nil, {a.Recipient()}, {a.Recipient(), a.Recipient()}} {
		if _, err := NewKeyFile(repository, to); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("%d recipients: %v", len(to), err)
		}
	}
	file, err := NewKeyFile(repository, []Recipient{a.Recipient(), b.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	var sealed [][]byte
	for _, id := range []*Identity{a, b} {
		s, err := OpenKeyFile(repository, file, id)
		if err != nil {
			t.Fatal(err)
		}
		object, err := s.Seal("c", ID{1}, vectorFrames)
		if err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, object)
	}
	s, _ := OpenKeyFile(repository, file, b)
	if !equal(open(t, s, "c", ID{1}, sealed[0]), vectorFrames) {
		t.Error("the two recipients have different master keys")
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
	s := vectorSealer(f)
	id := s.ContentID("segment", vectorFrames)
	sealed, err := hex.DecodeString(vectorObject)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:HeaderSize(3)])
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, err := tryOpen(s, "segment", id, b)
		if err == nil && !equal(frames, vectorFrames) {
			t.Fatalf("forged: %q", frames)
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
		if want := keyFormat + "\nrepository " + repository.String() + "\nmaster " + hex.EncodeToString(master) + "\n"; string(text) != want {
			t.Fatalf("%q is accepted", text)
		}
	})
}
