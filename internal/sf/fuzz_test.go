package sf

import "testing"

// FuzzID: an Id that is read has 18 characters, and is read as itself.
func FuzzID(f *testing.F) {
	f.Add("001000000000001")
	f.Add("001000000000001AAA")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err != nil {
			return
		}
		if again, err := ParseID(string(id)); err != nil || again != id || len(id) != 18 {
			t.Fatalf("%q is read as %q, and that as %q (%v)", text, id, again, err)
		}
	})
}

// FuzzCanonical: what a value of any type is read as is read as itself.
func FuzzCanonical(f *testing.F) {
	f.Add(uint8(0), "1.50")
	f.Add(uint8(1), "2026-03-01T02:00:00.000+0000")
	f.Add(uint8(2), "2026-03-01")
	f.Add(uint8(3), "02:00:00.000Z")
	f.Add(uint8(4), "true")
	types := []FieldType{TypeDouble, TypeDatetime, TypeDate, TypeTime, TypeBoolean, TypeReference, TypeString}
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		ft := types[int(kind)%len(types)]
		v, err := Canonical(ft, text)
		if err != nil || !v.IsText() {
			return
		}
		if again, err := Canonical(ft, v.Text()); err != nil || again != v {
			t.Fatalf("%s %q is read as %v, and that as %v (%v)", ft, text, v, again, err)
		}
	})
}
