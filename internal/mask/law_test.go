package mask

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode"

	"holdfast/internal/sf"

	"pgregory.net/rapid"
)

var lawSchema = &sf.Schema{Objects: []*sf.Object{
	{Name: "Contact", Fields: []*sf.Field{
		{Name: "Name", Type: sf.TypeString, Length: 255, Nillable: true},
		{Name: "Email", Type: sf.TypeEmail, Length: 80, Nillable: true},
		{Name: "Site", Type: sf.TypeURL, Length: 255, Nillable: true},
		{Name: "Amount", Type: sf.TypeCurrency, Nillable: true},
		{Name: "Born", Type: sf.TypeDate, Nillable: true},
		{Name: "Seen", Type: sf.TypeDatetime, Nillable: true},
		{Name: "Kind", Type: sf.TypePicklist, Picklist: []sf.PicklistValue{{Value: "A", Active: true}, {Value: "B", Active: true}, {Value: "C", Active: true}}},
		{Name: "Notes", Type: sf.TypeTextarea, Length: 32_000, Nillable: true},
		{Name: "AccountId", Type: sf.TypeReference, Nillable: true},
		{Name: "Phone", Type: sf.TypePhone, Nillable: true, Createable: true},
		{Name: "Plain", Type: sf.TypeString, Nillable: true},
	}},
	{Name: "Lead", Fields: []*sf.Field{
		{Name: "Email", Type: sf.TypeEmail, Length: 80, Nillable: true},
		{Name: "Must", Type: sf.TypeEmail, Length: 80, Createable: true},
		{Name: "Only", Type: sf.TypePicklist, Picklist: []sf.PicklistValue{{Value: "A", Active: true}}, Createable: true},
		{Name: "Single", Type: sf.TypePicklist, Picklist: []sf.PicklistValue{{Value: "A", Active: true}}, Nillable: true, Createable: true},
		{Name: "Phone", Type: sf.TypeDouble, Nillable: true},
		{Name: "Count", Type: sf.TypeInt, Nillable: true},
		{Name: "Chance", Type: sf.TypePercent, Nillable: true},
		{Name: "PlaceLatitude", Type: sf.TypeDouble, Nillable: true},
		{Name: "Spot__Longitude__s", Type: sf.TypeDouble, Nillable: true},
	}},
}}

func masker(t interface{ Fatal(...any) }, key, rules string) *Masker {
	parsed, err := Parse(rules)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New([]byte(key), parsed, lawSchema)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	lawKey   = "0123456789abcdef"
	lawRules = "*.type:email\n# comment\nContact.Name shape\nContact.Site\nContact.Amount\nContact.Born\nContact.Seen\nContact.Kind\nContact.Notes\n"
)

func genText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9 .,'@-]{1,80}`), rapid.StringN(1, 40, 120), rapid.SampledFrom([]string{
		"A", "1", "-", " ", "Müller", "Möller", "Null", "#N/A", "Ann Smith", strings.Repeat("long text ", 40), "日本語", "🎈",
	}))
}

// Law 10: masking is deterministic, keeps references, and lets no masked source value through. It also keeps
// the shape of values, and values of one shape apart.
func TestLaw10MaskingIsDeterministicKeepsReferencesAndLetsNothingThrough(t *testing.T) {
	m, again, other := masker(t, lawKey, lawRules), masker(t, lawKey, lawRules), masker(t, "another key, as long", lawRules)
	rapid.Check(t, func(t *rapid.T) {
		text := genText().Draw(t, "text")
		values := map[string]sf.Value{
			"Name": sf.Text(text), "Email": sf.Text(rapid.StringMatching(`[a-z.]{1,20}@[a-z]{1,20}\.(com|org)`).Draw(t, "email")),
			"Site":   sf.Text(rapid.StringMatching(`https?://[a-z]{1,20}\.com(/[a-z0-9]{1,10})?`).Draw(t, "site")),
			"Amount": sf.Text(canonical(t, fmt.Sprintf("%d.%d", rapid.IntRange(-100_000, 100_000).Draw(t, "whole"), rapid.IntRange(0, 99).Draw(t, "cents")))),
			"Born":   sf.Text(fmt.Sprintf("%04d-%02d-%02d", rapid.IntRange(1900, 2030).Draw(t, "year"), rapid.IntRange(1, 12).Draw(t, "month"), rapid.IntRange(1, 28).Draw(t, "day"))),
			"Seen":   sf.Text("2026-03-01T12:00:00.123Z"), "Kind": sf.Text(rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "kind")),
			"Notes": sf.Text(text), "AccountId": sf.Text("001000000000001AAA"), "Plain": sf.Text(text),
		}
		r := sf.NewRecord("Contact", "003000000000001AAA", values)
		out := m.Record(r)
		if fmt.Sprint(out) != fmt.Sprint(again.Record(r)) {
			t.Fatal("the same key gives something else")
		}
		if out.ID != r.ID || out.Get("AccountId") != r.Get("AccountId") || out.Get("Plain") != r.Get("Plain") {
			t.Fatal("an Id, a reference or a field without a rule is changed")
		}
		differs := 0
		for name := range values {
			was, is := r.Get(name).Text(), out.Get(name).Text()
			if !m.Masks("Contact", name) {
				continue
			}
			if is == was {
				t.Fatalf("%s lets %q through", name, was)
			}
			if is != other.Record(r).Get(name).Text() {
				differs++
			}
			typed, err := sf.Canonical(lawSchema.Objects[0].Field(name).Type, is)
			if err != nil || typed.Text() != is {
				t.Fatalf("%s: %q is not a %s in canonical form: %v", name, is, lawSchema.Objects[0].Field(name).Type, err)
			}
		}
		if differs < 4 {
			t.Fatal("another key gives the same")
		}
		if a, b := out.Get("Name").Text(), out.Get("Notes").Text(); a != b {
			t.Fatalf("the same text is %q here and %q there", a, b)
		}
		if was, is := shapeOf(text), shapeOf(out.Get("Name").Text()); was != is && strings.ContainsFunc(text, alnum) {
			t.Fatalf("%q becomes %q", text, out.Get("Name").Text())
		}
		lead := sf.NewRecord("Lead", "00Q000000000001AAA", map[string]sf.Value{"Email": values["Email"]})
		if m.Record(lead).Get("Email") != out.Get("Email") {
			t.Fatal("one address has two pseudonyms")
		}
		if !strings.HasSuffix(out.Get("Email").Text(), nowhere) {
			t.Fatal("mail to a pseudonym reaches somebody")
		}
	})
}

func canonical(t *rapid.T, raw string) string {
	text, err := sf.CanonicalNumber(raw)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func alnum(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// shapeOf writes what a pseudonym keeps: capitals, small letters, digits, and the rest as it is.
func shapeOf(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return '9'
		case unicode.IsUpper(r):
			return 'A'
		case unicode.IsLetter(r), unicode.IsMark(r):
			return 'a'
		}
		return r
	}, s)
}

// The permutation is one: of every bound up to a few hundred, each number has another one, and none itself.
func TestPermutationHasNoFixedPointAndLosesNothing(t *testing.T) {
	p := permuter{[]byte(lawKey)}
	for n := int64(2); n < 300; n += 1 + n/8 {
		seen := map[int64]bool{}
		for x := range n {
			y := p.permute(big.NewInt(x), big.NewInt(n), []byte("t")).Int64()
			if y == x || y < 0 || y >= n || seen[y] {
				t.Fatalf("%d of %d becomes %d", x, n, y)
			}
			seen[y] = true
		}
	}
}

// Every value of a small shape has a pseudonym of its own, so that unique fields stay unique.
func TestPseudonymsOfOneShapeAreUnlike(t *testing.T) {
	p := permuter{[]byte(lawKey)}
	seen := map[string]string{}
	for i := range 10_000 {
		text := fmt.Sprintf("A-%04d", i)
		out := p.shape(text, "x")
		if was, twice := seen[out]; twice {
			t.Fatalf("%s and %s become %s", was, text, out)
		}
		seen[out] = text
	}
	numbers := map[string]bool{}
	for i := range 2_000 {
		numbers[p.number(fmt.Sprint(i-1000), "n")] = true
	}
	if len(numbers) != 2_000 {
		t.Errorf("%d of 2000 numbers are left", len(numbers))
	}
}

func TestRulesRefuseSlipsOfThePen(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "no rule",
		"Contact":               "line 1",
		"Contact.Name wrong":    "not one of",
		"Contact.Nothing":       "masks no field",
		"Contact.AccountId":     "refers to a record",
		"Contact.Name number":   "does not fit",
		"Contact.Kind empty":    "it is required",
		"Contact.Name\nLead.No": "masks no field",

		"*.type:emial\nContact.Name": "is it email?",
		"Contact.type:phnoe":         "is it phone?",
		"*.Emial\nContact.Name":      "is it Email?",
		"Contcat.type:email":         "is it Contact?",
		"Contact.Name shpae":         "is it shape?",
		"*.type:reference":           "never masked",
		"*.Phone number":             "Contact.Phone cannot be masked as rule *.Phone asks: number does not fit a phone",
		"*.type:email empty":         "Lead.Must cannot be masked as rule *.type:email asks: it is required",
		"*.type:picklist":            "Lead.Only cannot be masked as rule *.type:picklist asks: its picklist has no other value",
		"*.AccountId":                "masks no field",
	} {
		rules, err := Parse(text)
		if err == nil {
			_, err = New([]byte(lawKey), rules, lawSchema)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	rules, _ := Parse("*.Name")
	if _, err := New([]byte("short"), rules, lawSchema); err == nil {
		t.Error("a short key is taken")
	}
	if !slices.Contains(methods, Auto) {
		t.Error("auto is no method")
	}
}

// A rule that cannot mask a field leaves it to the next one; what no rule has a pseudonym for is blanked and
// told; what is kept is kept on purpose.
func TestLaw10WhatHasNoPseudonymIsBlankedAndTold(t *testing.T) {
	m := masker(t, lawKey, "*.Phone number\nLead.Only keep\n*.type:picklist\n*.type:phone\n*.type:multipicklist\n")
	if got := m.Blanked(); !slices.Equal(got, []string{"Lead.Single"}) {
		t.Errorf("blanked: %v", got)
	}
	lead := m.Record(sf.NewRecord("Lead", "00Q000000000001AAA", map[string]sf.Value{"Single": sf.Text("A"), "Only": sf.Text("A")}))
	if !lead.Get("Single").IsNull() || lead.Get("Only").Text() != "A" || m.Masks("Lead", "Only") {
		t.Errorf("%v", lead)
	}
	contact := m.Record(sf.NewRecord("Contact", "003000000000001AAA", map[string]sf.Value{"Phone": sf.Text("0171-555")}))
	if got := contact.Get("Phone").Text(); got == "0171-555" || shapeOf(got) != "9999-999" {
		t.Errorf("%q", got)
	}
}

// Law 10 for fields of URLs, which take any text: what is no scheme is masked.
func TestLaw10NothingComesThroughBeforeTheSignOfAScheme(t *testing.T) {
	m := masker(t, lawKey, "*.type:url")
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.OneOf(rapid.StringMatching(`[A-Za-z]{5,12} [0-9]{4,9}( https?| ftp)?`), rapid.StringMatching(`(tel|skype|x-[a-z]{4}):[0-9]{5,8}`)).Draw(t, "before")
		text := before + "://" + rapid.StringMatching(`[a-z]{1,9}\.com(/[a-z]{1,5})?`).Draw(t, "rest")
		out := m.Record(sf.NewRecord("Contact", "003000000000001AAA", map[string]sf.Value{"Site": sf.Text(text)})).Get("Site").Text()
		for _, word := range strings.FieldsFunc(before, func(r rune) bool { return !alnum(r) }) {
			if len(word) > 3 && !slices.Contains(schemes, word) && strings.Contains(strings.ToLower(out), strings.ToLower(word)) {
				t.Fatalf("%q becomes %q", text, out)
			}
		}
	})
}

// Numbers stay within what their fields take, are one to one, and none stays itself.
func TestNumbersStayWithinTheirFields(t *testing.T) {
	m := masker(t, lawKey, "Lead.Count\nLead.Chance\nLead.PlaceLatitude\nLead.Spot__Longitude__s")
	rapid.Check(t, func(t *rapid.T) {
		for field, most := range map[string]int64{"Count": 2_147_483_647, "Chance": 100, "PlaceLatitude": 90, "Spot__Longitude__s": 180} {
			value := fmt.Sprint(rapid.Int64Range(-most, most).Draw(t, field))
			if field != "Count" {
				value = canonical(t, fmt.Sprintf("%s.%0*d", value, rapid.IntRange(1, 6).Draw(t, "scale"), rapid.IntRange(0, 9).Draw(t, "fraction")))
				if number, _ := new(big.Rat).SetString(value); number.Abs(number).Cmp(new(big.Rat).SetInt64(most)) > 0 {
					continue
				}
			}
			out := m.Record(sf.NewRecord("Lead", "00Q000000000001AAA", map[string]sf.Value{field: sf.Text(value)})).Get(field).Text()
			number, ok := new(big.Rat).SetString(out)
			if !ok || number.Abs(number).Cmp(new(big.Rat).SetInt64(most)) > 0 || out == value || canonical(t, out) != out {
				t.Fatalf("%s %s becomes %s", field, value, out)
			}
		}
	})
	p, seen := permuter{[]byte(lawKey)}, map[string]bool{}
	for i := -1000; i <= 1000; i++ {
		text, _ := sf.CanonicalNumber(fmt.Sprintf("%de-1", i))
		out, fits := p.bounded(text, 100)
		if !fits || seen[out] || out == text {
			t.Fatalf("%s becomes %s", text, out)
		}
		seen[out] = true
	}
}

func TestCombiningMarksAreLetters(t *testing.T) {
	p := permuter{[]byte(lawKey)}
	if out := p.shape("Rene\u0301 \u0e17\u0e35\u0e48", "x"); strings.ContainsAny(out, "\u0301\u0e35\u0e48") {
		t.Errorf("%q", out)
	}
}
