package image_test

import (
	"bytes"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"holdfast/internal/emulator/image"
)

type leaf struct{ name string }

// ImageShared marks leaf as one that never changes.
func (*leaf) ImageShared() {}

type shape interface{ area() int }

type square struct{ side int }

func (s square) area() int { return s.side * s.side }

type world struct {
	n      int64
	names  []string
	byName map[string]*world
	self   *world
	leaves []*leaf
	at     time.Time
	ratio  *big.Rat
	any    shape
	pair   [2]*leaf
	raw    []byte
	skip   func()       `image:"-"`
	sum    int          `image:"-"`
	kids   map[leaf]int // a struct as a key
}

// Thaw derives what is not in the image.
func (w *world) Thaw() { w.sum = len(w.names) + len(w.leaves) }

func example() *world {
	l := &leaf{name: "oak"}
	w := &world{
		n: -5, names: []string{"a", "", "a"}, byName: map[string]*world{}, leaves: []*leaf{l, l, nil},
		at: time.Date(2026, 1, 5, 8, 0, 0, 1, time.UTC), ratio: big.NewRat(-22, 7), any: square{3},
		pair: [2]*leaf{l, nil}, raw: []byte("raw\x00"), skip: func() {}, kids: map[leaf]int{{name: "k"}: 1},
	}
	w.self, w.byName["me"], w.byName["other"] = w, w, &world{n: 1}
	return w
}

func demand(t *testing.T, w *world) {
	t.Helper()
	if w.n != -5 || !slices.Equal(w.names, []string{"a", "", "a"}) || w.self != w || w.byName["me"] != w ||
		w.byName["other"].n != 1 || w.byName["other"].names != nil || len(w.leaves) != 3 || w.leaves[0].name != "oak" ||
		w.leaves[0] != w.leaves[1] || w.leaves[2] != nil || w.pair[0] != w.leaves[0] || w.pair[1] != nil ||
		!w.at.Equal(example().at) || w.ratio.RatString() != "-22/7" || w.any.area() != 9 || string(w.raw) != "raw\x00" ||
		w.kids[leaf{name: "k"}] != 1 || w.skip != nil || w.sum != 6 {
		t.Errorf("got %+v", w)
	}
}

func TestImagesKeepEverything(t *testing.T) {
	var b bytes.Buffer
	if err := image.Write(&b, example(), square{}); err != nil {
		t.Fatal(err)
	}
	var w world
	if err := image.Read(&b, &w, square{}); err != nil {
		t.Fatal(err)
	}
	demand(t, &w)
}

func TestCopiesShareWhatNeverChanges(t *testing.T) {
	from := example()
	to := image.Copy(from)
	demand(t, to)
	if to == from || to.leaves[0] != from.leaves[0] {
		t.Error("the copy is the original, or its shared part is not")
	}
	to.names[0], to.byName["new"] = "changed", to
	if from.names[0] != "a" || from.byName["new"] != nil {
		t.Error("a change of the copy changed the original")
	}
}

// What is overwritten stays where it is, and so does what is left out of images.
func TestOverwritingKeepsPlaces(t *testing.T) {
	from, to := example(), &world{names: []string{"old"}, byName: map[string]*world{"old": nil}, skip: func() {}}
	image.Overwrite(to, from)
	if to.self != to || to.byName["me"] != to || len(to.byName) != 2 || to.skip == nil {
		t.Errorf("got %+v", to)
	}
	to.skip = nil
	demand(t, to)
	if from.self != from {
		t.Error("the original has changed")
	}
}

func TestImagesOfOthersAreRefused(t *testing.T) {
	var b bytes.Buffer
	if err := image.Write(&b, example()); err == nil {
		t.Error("a value of a type that is not among the concrete ones was written")
	}
	b.Reset()
	if err := image.Write(&b, example(), square{}); err != nil {
		t.Fatal(err)
	}
	text := b.Bytes()
	var other struct{ n int }
	if err := image.Read(bytes.NewReader(text), &other); !errors.Is(err, image.ErrOther) {
		t.Errorf("other types: %v", err)
	}
	if err := image.Read(bytes.NewReader(append([]byte("emulated org 2\n"), text[15:]...)), &world{}, square{}); !errors.Is(err, image.ErrOther) {
		t.Errorf("another version: %v", err)
	}
}

// Any changed byte and any missing end is found, and none of them is a panic.
func TestDamageIsFound(t *testing.T) {
	var b bytes.Buffer
	if err := image.Write(&b, example(), square{}); err != nil {
		t.Fatal(err)
	}
	text := b.Bytes()
	for i := range text {
		damaged := bytes.Clone(text)
		damaged[i] ^= 0x41
		if image.Read(bytes.NewReader(damaged), &world{}, square{}) == nil {
			t.Fatalf("a changed byte at %d was not found", i)
		}
		if image.Read(bytes.NewReader(text[:i]), &world{}, square{}) == nil {
			t.Fatalf("an end at %d was not found", i)
		}
	}
}

func TestCheckNamesWhatCannotBeKept(t *testing.T) {
	if bad := image.Check(&world{}, square{}); len(bad) > 0 {
		t.Errorf("%v", bad)
	}
	type careless struct {
		F func()
		C chan int
	}
	if bad := image.Check(&careless{}); len(bad) != 2 {
		t.Errorf("%v", bad)
	}
}
