package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

func encoded(t testing.TB, p *Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, p); err != nil {
		t.Fatalf("encode: %v", err)
	}
	return b.Bytes()
}

// mustRoundTrip is law 7 on one plan.
func mustRoundTrip(t testing.TB, p *Plan) {
	t.Helper()
	raw := encoded(t, p)
	got, err := Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("decode: %v\n%s", err, raw)
	}
	if again := encoded(t, got); !bytes.Equal(again, raw) {
		t.Fatalf("decoded and encoded again\n%s\nwas\n%s", again, raw)
	}
}

// samplePlan has every kind of line and of value.
func samplePlan(t testing.TB) *Plan {
	t.Helper()
	schema := parseSchema(strings.Split(defaultSchema, "\n"))
	live := parseState([]string{"Account 001C Name=old", "Account 001D Name=junk"})
	want := parseState([]string{
		"Account 001A Name=Acme ParentId=001B CreatedDate=x", "Account 001B Name=#N/A ParentId=001A",
		"Account 001C Name=new ParentId=<null>", "Account 001E Name=bin", "Contact 003E LastName=x AccountId=001E",
	})
	odd := sf.NewRecord("Account", longID("001C"), map[string]sf.Value{
		"Name": sf.Text("quote \" slash \\ line\r\ntab\t nul\x00 \u2028 é <&>"), "ParentId": sf.Text("\xff"),
	})
	live["Account"][0] = odd
	in := Input{
		Org: "00D000000000001EAA", Made: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), Schema: schema,
		Source: Source{Wanted: "w", Base: "b", Live: "l"}, Notes: []string{"a note"},
		Conflicts: []state.Conflict{{Object: "Account", ID: longID("001F"), Field: "Name", Base: sf.Null(), Live: sf.Text("x"), Reason: state.ReasonEdited}},
		InBin: func(id sf.ID) bool {
			return strings.HasPrefix(shortID(id), "001E") || strings.HasPrefix(shortID(id), "003E")
		},
	}
	for _, object := range []string{"Account", "Contact"} {
		d, err := state.Collect(state.Diff(state.FromSlice(live[object]), state.FromSlice(want[object])), 0)
		if err != nil {
			t.Fatal(err)
		}
		in.Delta = append(in.Delta, d...)
	}
	p, err := Order(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecodeRefusesEveryChangedByte(t *testing.T) {
	raw := encoded(t, samplePlan(t))
	mustRoundTrip(t, samplePlan(t))
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= []byte{1, 0x20, 0x80}[i%3]
		if _, err := Decode(bytes.NewReader(changed)); !errors.Is(err, ErrFile) {
			t.Fatalf("byte %d changed to %q: error %v", i, changed[i], err)
		}
	}
}

func TestDecodeRefusesEveryShorterFile(t *testing.T) {
	raw := encoded(t, samplePlan(t))
	for n := range raw {
		if _, err := Decode(bytes.NewReader(raw[:n])); !errors.Is(err, ErrFile) {
			t.Fatalf("%d of %d bytes: error %v", n, len(raw), err)
		}
	}
	if _, err := Decode(bytes.NewReader(append(bytes.Clone(raw), '\n'))); !errors.Is(err, ErrFile) {
		t.Errorf("a line feed follows: error %v", err)
	}
}

func TestDecodeReturnsTheErrorsOfItsReader(t *testing.T) {
	boom := errors.New("disk")
	raw := encoded(t, samplePlan(t))
	broken := io.MultiReader(bytes.NewReader(raw[:len(raw)/2]), failingReader{boom})
	if _, err := Decode(broken); !errors.Is(err, boom) || errors.Is(err, ErrFile) {
		t.Errorf("error %v, want the reader's", err)
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// TestDecodeIsBounded: a line without an end costs no more than the bound.
func TestDecodeIsBounded(t *testing.T) {
	endless := io.LimitReader(spaces{}, 1<<40)
	if _, err := Decode(endless); !errors.Is(err, ErrFile) {
		t.Errorf("error %v", err)
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// The spoilt plans are written with the counts and the sum that belong to them, so that only the
// rules refuse them.
func TestDecodeHoldsToTheRules(t *testing.T) {
	cases := map[string]func(p *Plan){
		"org":                        func(p *Plan) { p.Org = "00D" },
		"step number":                func(p *Plan) { p.Steps[1].Number = 7 },
		"order of operations":        func(p *Plan) { p.Steps[0].Op, p.Steps[len(p.Steps)-1].Op = Delete, Undelete },
		"object":                     func(p *Plan) { p.Steps[0].Object = "" },
		"row Id":                     func(p *Plan) { rows(p, Insert)[0].ID = "001" },
		"row twice":                  func(p *Plan) { rows(p, Insert)[1].ID = rows(p, Insert)[0].ID },
		"field that is not listed":   func(p *Plan) { step(p, Insert).Fields = nil },
		"field that nobody sets":     func(p *Plan) { step(p, Insert).Fields = append(step(p, Insert).Fields, "Zzz") },
		"field set to nothing":       func(p *Plan) { rows(p, Insert)[0].Fields[0].After = sf.Value{} },
		"update that sets nothing":   func(p *Plan) { rows(p, Update)[0].Fields = nil },
		"insert of what is there":    func(p *Plan) { rows(p, Insert)[0].Before = state.Hash{1} },
		"delete of what is not":      func(p *Plan) { rows(p, Delete)[0].Before = state.Hash{} },
		"hard delete before delete":  func(p *Plan) { step(p, Second).Op = HardDelete },
		"hard delete of what is not": func(p *Plan) { step(p, Delete).Op = HardDelete; rows(p, HardDelete)[0].Before = state.Hash{} },
		"hard delete that sets": func(p *Plan) {
			step(p, Delete).Op = HardDelete
			rows(p, HardDelete)[0].Fields[0].After = sf.Null()
		},
		"deleted twice": func(p *Plan) {
			last := *step(p, Delete)
			last.Op, last.Number = HardDelete, len(p.Steps)+1
			p.Steps = append(p.Steps, last)
		},
		"delete that sets":          func(p *Plan) { rows(p, Delete)[0].Fields[0].After = sf.Null() },
		"undelete that sets":        func(p *Plan) { rows(p, Undelete)[0].Fields = rows(p, Insert)[0].Fields },
		"second pass of no insert":  func(p *Plan) { rows(p, Second)[0].ID = longID("001Z") },
		"back with a later record":  func(p *Plan) { rows(p, Undelete)[0].With = longID("003E") },
		"undo out of order":         func(p *Plan) { p.Undo[0], p.Undo[1] = p.Undo[1], p.Undo[0] },
		"undo twice":                func(p *Plan) { p.Undo[1] = p.Undo[0] },
		"without on another":        func(p *Plan) { step(p, Update).Without = []string{"Name"} },
		"update of what is not":     func(p *Plan) { updateOf(p, longID("001C")).Before = state.Hash{} },
		"conflict of no record":     func(p *Plan) { p.Conflicts[0].ID = "x" },
		"conflict of no object":     func(p *Plan) { p.Conflicts[0].Object = "" },
		"bypass of no kind":         func(p *Plan) { p.SetBypass([]Bypass{{Kind: "group", Name: "A"}}) },
		"bypass without a set":      func(p *Plan) { p.SetBypass([]Bypass{{Kind: BypassPermission, Name: "A"}}) },
		"bypass of a whole setting": func(p *Plan) { p.SetBypass([]Bypass{{Kind: BypassSetting, Name: "A__c"}}) },
		"bypasses out of order": func(p *Plan) {
			p.Bypass = []Bypass{{Kind: BypassSetting, Name: "B__c.X__c"}, {Kind: BypassSetting, Name: "A__c.X__c"}}
		},
		"images of a deletion":       func(p *Plan) { picture(&rows(p, Delete)[0]); rows(p, Delete)[0].Fields[0].After = sf.Value{} },
		"image that does not show":   func(p *Plan) { picture(&rows(p, Second)[0]); rows(p, Second)[0].Images[0].Ref = longID("0EM2") },
		"image without bytes":        func(p *Plan) { picture(&rows(p, Second)[0]); rows(p, Second)[0].Images[0].Body = "" },
		"undo with another's hashes": func(p *Plan) { p.Undo[0].Before = state.Hash{} },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			p := samplePlan(t)
			spoil(p)
			if _, err := Decode(bytes.NewReader(encoded(t, p))); !errors.Is(err, ErrFile) {
				t.Errorf("error %v, want ErrFile", err)
			}
		})
	}
}

func step(p *Plan, op Op) *Step {
	for i := range p.Steps {
		if p.Steps[i].Op == op {
			return &p.Steps[i]
		}
	}
	panic("the sample has no step " + op.String())
}

func rows(p *Plan, op Op) []Row { return step(p, op).Rows }

func updateOf(p *Plan, id sf.ID) *Row {
	for i, r := range rows(p, Update) {
		if r.ID == id {
			return &rows(p, Update)[i]
		}
	}
	panic("the sample does not update " + string(id))
}

// TestImagesAreInThePlan: their references, whatever bytes these have.
func TestImagesAreInThePlan(t *testing.T) {
	p := samplePlan(t)
	picture(&rows(p, Second)[0])
	picture(&rows(p, Update)[0])
	mustRoundTrip(t, p)
	got, err := Decode(bytes.NewReader(encoded(t, p)))
	if err != nil || !slices.Equal(rows(got, Second)[0].Images, rows(p, Second)[0].Images) || rows(got, Second)[1].Images != nil {
		t.Errorf("%v %+v", err, rows(got, Second))
	}
}

func TestEncodeRefusesWhatIsNotText(t *testing.T) {
	p := samplePlan(t)
	p.Notes = []string{"\xff"}
	if err := Encode(io.Discard, p); err == nil {
		t.Error("a note that is not UTF-8 is written")
	}
}

func TestApproveTakesExactlyTheseBytes(t *testing.T) {
	raw := encoded(t, samplePlan(t))
	approved, err := Approve(raw, Digest(raw))
	if err != nil || approved.Digest() != Digest(raw) || len(approved.Plan().Steps) == 0 {
		t.Fatalf("approved %+v, %v", approved, err)
	}
	other := samplePlan(t)
	other.Notes = nil
	_, err = Approve(encoded(t, other), Digest(raw))
	if wrong, ok := errors.AsType[*DigestError](err); !ok || wrong.Approved != Digest(raw) {
		t.Errorf("another plan under this approval: %v", err)
	}
	if _, err := Approve(raw, Digest(raw)[:63]); err == nil {
		t.Error("a part of the digest is enough")
	}
	junk := []byte("junk\n")
	if _, err := Approve(junk, Digest(junk)); !errors.Is(err, ErrFile) {
		t.Errorf("junk: %v, want ErrFile", err)
	}
	if (Approved{}).Plan() != nil {
		t.Error("the zero Approved has a plan")
	}
}

func FuzzDecode(f *testing.F) {
	raw := encoded(f, samplePlan(f))
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add([]byte(`{"format":"holdfast-plan/1"}` + "\n"))
	f.Add([]byte("{\"end\":0,\"sha256\":\"\"}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Decode(bytes.NewReader(raw))
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Fatalf("error %v does not wrap ErrFile", err)
			}
			return
		}
		if again := encoded(t, p); !bytes.Equal(again, raw) {
			t.Fatalf("accepted %q, which is written as %q", raw, again)
		}
	})
}

// TestVectors holds this reader to the vectors that any reader of the format is held to. The first
// word of a file's name is the outcome: "valid", "version", "damaged" or "rule". Only "valid" is
// read. Run with -update to write the vectors anew.
func TestVectors(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "format", "vectors", "plan")
	if *update {
		writeVectors(t, dir)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s: %v", dir, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Decode(bytes.NewReader(raw))
		switch outcome, _, _ := strings.Cut(filepath.Base(file), "-"); outcome {
		case "valid":
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
		case "version", "damaged", "rule":
			if !errors.Is(err, ErrFile) {
				t.Errorf("%s: error %v, want ErrFile", file, err)
			}
		default:
			t.Errorf("%s: %q is no outcome", file, outcome)
		}
	}
}

// picture gives the first text of a row an image that is to be made anew.
func picture(r *Row) {
	const html = `<img alt="x" src="https://x/servlet/rtaImage?eid=001A&amp;feoid=F&amp;refid=0EM000000000001">`
	r.Fields[0].After = sf.Text(html)
	r.Images = []Image{{Ref: sf.RichImages(html)[0], Body: "a reference\xff"}}
}

var sampleBypass = []Bypass{
	{Kind: BypassSetting, Name: "Bypass__c.Triggers__c"}, {Kind: BypassPermission, Name: "Skip_Rules", Set: "Skips", ID: "0PS000000000001GAA"},
}

func writeVectors(t *testing.T, dir string) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	raw := encoded(t, samplePlan(t))
	empty := encoded(t, &Plan{Org: "00D000000000001EAA", Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	unruly := samplePlan(t)
	unruly.Steps[1].Number = 7
	hard := samplePlan(t)
	step(hard, Delete).Op = HardDelete
	passing := samplePlan(t)
	passing.SetBypass(sampleBypass)
	setless := samplePlan(t)
	setless.SetBypass([]Bypass{{Kind: BypassPermission, Name: "Skip_Rules"}})
	early := samplePlan(t)
	step(early, Undelete).Op = HardDelete
	pictured := samplePlan(t)
	picture(&rows(pictured, Second)[0])
	picture(&rows(pictured, Update)[0])
	unshown := samplePlan(t)
	picture(&rows(unshown, Second)[0])
	rows(unshown, Second)[0].Fields[0].After = sf.Text("no image")
	for name, content := range map[string][]byte{
		"valid-empty":            empty,
		"valid-every-line":       raw,
		"version-2":              bytes.Replace(raw, []byte("holdfast-plan/1"), []byte("holdfast-plan/2"), 1),
		"damaged-text":           bytes.Replace(raw, []byte(`"Acme"`), []byte(`"Acne"`), 1),
		"damaged-cut":            raw[:1+bytes.LastIndexByte(raw[:len(raw)/2], '\n')],
		"damaged-trailing":       append(bytes.Clone(raw), "{}\n"...),
		"damaged-spelling":       bytes.Replace(raw, []byte(`"format":`), []byte(`"format": `), 1),
		"rule-numbers-of-step":   encoded(t, unruly),
		"valid-hard-delete":      encoded(t, hard),
		"rule-hard-delete-early": encoded(t, early),
		"valid-bypass":           encoded(t, passing),
		"rule-bypass-of-no-set":  encoded(t, setless),
		"valid-images":           encoded(t, pictured),
		"rule-image-unshown":     encoded(t, unshown),
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".jsonl"), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTrap21RingOfTwentyThousand: a ring of 20,000 contacts and a chain as long take two passes, and
// no longer than reading them.
func TestTrap21RingOfTwentyThousand(t *testing.T) {
	n := 20_000
	if os.Getenv("HOLDFAST_LONG") != "" {
		n = 1_000_000
	}
	schema := parseSchema([]string{"Contact LastName! ReportsToId>Contact"})
	id := func(i int) sf.ID { return mustID(fmt.Sprintf("003%012d", i)) }
	for name, last := range map[string]sf.Value{"ring": sf.Text(string(id(0))), "chain": sf.Null()} {
		shape := sf.NewShape("Contact", []string{"LastName", "ReportsToId"})
		var delta state.Delta
		for i := range n {
			next := last
			if i+1 < n {
				next = sf.Text(string(id(i + 1)))
			}
			c, _ := state.Between(sf.Record{}, sf.Record{ID: id(i), Shape: shape, Values: []sf.Value{sf.Text("x"), next}})
			delta = append(delta, c)
		}
		p, err := Order(Input{Schema: schema, Delta: delta})
		if err != nil {
			t.Fatal(err)
		}
		if p.Count(Insert) != n || len(p.Steps) > maxLevels+1 {
			t.Errorf("%s: %d inserted in %d steps", name, p.Count(Insert), len(p.Steps))
		}
		if name == "ring" && (len(p.Steps) != 2 || p.Count(Second) != n) {
			t.Errorf("ring: %d steps, %d rows in the second pass", len(p.Steps), p.Count(Second))
		}
	}
}

func mustID(s string) sf.ID {
	id, err := sf.ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}
