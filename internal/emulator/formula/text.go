package formula

import (
	"math/big"
	"net/url"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf16"
)

// text declares a function of texts: the first argument, blank for blank, and the others.
func textFunction(about string, least, most int, takes []string, eval func([]Value) (Value, error)) *function {
	return &function{
		least: least, most: most, takes: takes, gives: TypeText, use: everywhere, about: about,
		eval: func(_ *evaluation, a []Value) (Value, error) { return eval(a) },
	}
}

// mapped declares a function from one text to another.
func mapped(about string, f func(string) string) *function {
	most := 1 + strings.Count(about, ",")
	return textFunction(about, 1, most, []string{"t"}, func(a []Value) (Value, error) { return Text(f(a[0].Text)), nil })
}

// maxText bounds the text that a function makes. Source: a formula field holds at most 1,300
// characters of a long text area's 131,072; no result on the platform is longer than the latter.
const maxText = 131_072

// textFunctions work on texts; positions and lengths count UTF-16 code units, as Java does.
// Source of blanks and bounds: the formula engine, FunctionLeft, FunctionMid, FunctionLpad and so on.
func textFunctions() map[string]*function {
	fns := map[string]*function{
		"LEFT":  textFunction("LEFT(text, length)", 2, 2, []string{"t", "n"}, func(a []Value) (Value, error) { return slice(a[0], 0, count(a[1])), nil }),
		"RIGHT": textFunction("RIGHT(text, length)", 2, 2, []string{"t", "n"}, evalRight),
		"MID":   textFunction("MID(text, start, length)", 3, 3, []string{"t", "n", "n"}, evalMid),
		"TRIM":  mapped("TRIM(text)", func(s string) string { return strings.Trim(s, " \t\r\n") }),
		"UPPER": mapped("UPPER(text, locale)", strings.ToUpper), "LOWER": mapped("LOWER(text, locale)", strings.ToLower),
		"REVERSE": mapped("REVERSE(text)", reversed), "INITCAP": mapped("INITCAP(text)", initialCapitals),
		"HTMLENCODE": mapped("HTMLENCODE(text)", htmlEncode), "JSENCODE": mapped("JSENCODE(text)", jsEncode),
		"JSINHTMLENCODE": mapped("JSINHTMLENCODE(text)", func(s string) string { return htmlEncode(jsEncode(s)) }),
		"URLENCODE":      mapped("URLENCODE(text)", url.QueryEscape),
		"CASESAFEID":     mapped("CASESAFEID(id): 18 characters of an Id of 15", caseSafe),
		"SUBSTITUTE": textFunction("SUBSTITUTE(text, old, new)", 3, 3, []string{"t"}, func(a []Value) (Value, error) {
			if a[0].Blank() || a[1].Blank() {
				return a[0], nil
			}
			if n := strings.Count(a[0].Text, a[1].Text); len(a[0].Text)+n*len(a[2].Text) > maxText {
				return Value{}, errValue("the text is too long")
			}
			return Text(strings.ReplaceAll(a[0].Text, a[1].Text, a[2].Text)), nil
		}),
		"LPAD": textFunction("LPAD(text, length, pad)", 2, 3, []string{"t", "n", "t"}, func(a []Value) (Value, error) { return padded(a, true) }),
		"RPAD": textFunction("RPAD(text, length, pad)", 2, 3, []string{"t", "n", "t"}, func(a []Value) (Value, error) { return padded(a, false) }),
		"BR":   textFunction("BR(): a line break, as HTML", 0, 0, []string{"t"}, func([]Value) (Value, error) { return Text("<br>"), nil }),
		"CHR": textFunction("CHR(number)", 1, 1, []string{"n"}, func(a []Value) (Value, error) {
			if n := count(a[0]); n > 0 && n <= unicode.MaxRune {
				return Text(string(rune(n))), nil
			}
			return Value{}, nil
		}),
		"HYPERLINK": textFunction("HYPERLINK(url, label, target)", 2, 3, []string{"t"}, evalHyperlink),
		"IMAGE":     textFunction("IMAGE(url, alternate, height, width)", 2, 4, []string{"t", "t", "n", "n"}, evalImage),
		"TEXT": textFunction("TEXT(number, date, datetime, time or picklist)", 1, 1, []string{"ndmhp"},
			func(a []Value) (Value, error) { return Text(a[0].Spell()), nil }),
	}
	for name, fn := range textTests() {
		fns[name] = fn
	}
	return fns
}

// textTests ask something of a text.
func textTests() map[string]*function {
	test := func(about string, takes []string, f func(a []Value) (Value, error)) *function {
		return &function{
			least: 2, most: 2, takes: takes, gives: TypeBoolean, use: everywhere, about: about,
			eval: func(_ *evaluation, a []Value) (Value, error) { return f(a) },
		}
	}
	within := func(f func(s, part string) bool) func(a []Value) (Value, error) {
		return func(a []Value) (Value, error) {
			switch {
			case a[1].Blank():
				return Bool(true), nil
			case a[0].Blank():
				return Missing(TypeBoolean), nil
			}
			return Bool(f(a[0].Text, a[1].Text)), nil
		}
	}
	regex := test("REGEX(text, pattern): the whole text matches", []string{"t"}, evalRegex)
	regex.use = onSave | Default // Source: Salesforce Help, REGEX: not available in formula fields
	return map[string]*function{
		"BEGINS":    test("BEGINS(text, start)", []string{"t"}, within(strings.HasPrefix)),
		"CONTAINS":  test("CONTAINS(text, part)", []string{"t"}, within(strings.Contains)),
		"ISPICKVAL": test("ISPICKVAL(picklist, value)", []string{"p", "t"}, func(a []Value) (Value, error) { return Bool(a[0].Text == a[1].Text), nil }),
		"INCLUDES": test("INCLUDES(multi-select picklist, value)", []string{"q", "t"}, func(a []Value) (Value, error) {
			for _, v := range strings.Split(a[0].Text, ";") {
				if v == a[1].Text && !a[0].Blank() {
					return Bool(true), nil
				}
			}
			return Bool(false), nil
		}),
		"REGEX": regex,
		"ISNUMBER": {
			least: 1, most: 1, takes: []string{"t"}, gives: TypeBoolean, use: everywhere, about: "ISNUMBER(text)",
			eval: func(_ *evaluation, a []Value) (Value, error) {
				_, ok := readNumber(a[0].Text)
				return Bool(ok), nil
			},
		},
		"LEN": numeric("LEN(text)", 1, 1, []string{"t"}, func(a []Value) (Value, error) { return Int(int64(len(units(a[0].Text)))), nil }),
		"ASCII": numeric("ASCII(text): code point of the first character", 1, 1, []string{"t"}, func(a []Value) (Value, error) {
			for _, r := range a[0].Text {
				return Int(int64(r)), nil
			}
			return Value{}, nil
		}),
		"FIND": numeric("FIND(part, text, start)", 2, 3, []string{"t", "t", "n"}, evalFind),
		"VALUE": numeric("VALUE(text)", 1, 1, []string{"t"}, func(a []Value) (Value, error) {
			if a[0].Blank() {
				return Value{}, nil
			}
			n, ok := readNumber(a[0].Text)
			if !ok {
				return Value{}, errValue("The value '%s' is not a valid number.", a[0].Text)
			}
			return Number(n), nil
		}),
		"PICKLISTCOUNT": numeric("PICKLISTCOUNT(multi-select picklist)", 1, 1, []string{"q"}, func(a []Value) (Value, error) {
			if a[0].Blank() {
				return Int(0), nil
			}
			return Int(int64(strings.Count(a[0].Text, ";") + 1)), nil
		}),
	}
}

// count is a number as a length or position; digits behind the point are dropped.
func count(v Value) int {
	if v.Type != TypeNumber {
		return 0
	}
	n := new(big.Int).Quo(v.Num.Num(), v.Num.Denom())
	if !n.IsInt64() || n.Int64() > maxText || n.Int64() < -maxText {
		return maxText * n.Sign()
	}
	return int(n.Int64())
}

func units(s string) []uint16 { return utf16.Encode([]rune(s)) }

// slice cuts a text; what lies outside it does not count.
func slice(v Value, from, to int) Value {
	u := units(v.Text)
	to = min(to, len(u))
	if from = max(from, 0); from >= to {
		return Value{}
	}
	return Text(string(utf16.Decode(u[from:to])))
}

func evalRight(a []Value) (Value, error) {
	n := len(units(a[0].Text))
	return slice(a[0], n-max(count(a[1]), 0), n), nil
}

func evalMid(a []Value) (Value, error) {
	if a[1].Blank() || a[2].Blank() {
		return Value{}, nil
	}
	from := max(count(a[1]), 1) - 1
	return slice(a[0], from, from+max(count(a[2]), 0)), nil
}

func evalFind(a []Value) (Value, error) {
	from := 0
	if len(a) == 3 {
		from = max(count(a[2])-1, 0)
	}
	if a[0].Blank() || a[1].Blank() {
		return Int(0), nil
	}
	text := units(a[1].Text)
	rest := string(utf16.Decode(text[min(from, len(text)):]))
	at := strings.Index(rest, a[0].Text)
	if at < 0 {
		return Int(0), nil
	}
	return Int(int64(from + len(units(rest[:at])) + 1)), nil
}

func padded(a []Value, left bool) (Value, error) {
	pad := " "
	if len(a) == 3 {
		pad = a[2].Text
	}
	n, have := count(a[1]), len(units(a[0].Text))
	if a[0].Blank() || n <= 0 {
		return Value{}, nil
	}
	if n <= have || pad == "" {
		return slice(a[0], 0, n), nil
	}
	fill := slice(Text(strings.Repeat(pad, (n-have)/len(units(pad))+1)), 0, n-have).Text
	if left {
		return Text(fill + a[0].Text), nil
	}
	return Text(a[0].Text + fill), nil
}

// evalRegex matches the whole text, as Java's matches does. The pattern is RE2: look-around and
// back references, which Java has, cannot be computed and give an error.
// maxMatch bounds a match: the steps of the pattern by the bytes of the text. The platform's bound is one
// million looks at the text, with these words. Source: Apex Developer Guide, "Using Regions", and public
// replies; that formulas have the bound, too, is unverified.
const maxMatch = 10_000_000

func evalRegex(a []Value) (Value, error) {
	pattern := "^(?:" + a[1].Text + ")$"
	if parsed, err := syntax.Parse(pattern, syntax.Perl); err == nil {
		program, err := syntax.Compile(parsed.Simplify())
		if err == nil && len(program.Inst)*len(a[0].Text) > maxMatch {
			return Value{}, errValue("Regex too complicated")
		}
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return Value{}, errValue("Regular expression cannot be computed: %s", a[1].Text)
	}
	return Bool(re.MatchString(a[0].Text)), nil
}

func readNumber(text string) (*big.Rat, bool) {
	s := strings.TrimSpace(text)
	const maxDigits = 100
	if s == "" || len(s) > maxDigits || strings.Trim(s, "+-.0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func reversed(s string) string {
	r := []rune(s)
	for i, k := 0, len(r)-1; i < k; i, k = i+1, k-1 {
		r[i], r[k] = r[k], r[i]
	}
	return string(r)
}

func initialCapitals(s string) string {
	up := true
	return strings.Map(func(r rune) rune {
		out := unicode.ToLower(r)
		if up {
			out = unicode.ToUpper(r)
		}
		up = !unicode.IsLetter(r) && !unicode.IsDigit(r)
		return out
	}, s)
}

func htmlEncode(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(s)
}

func jsEncode(s string) string {
	return strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "<", `\u003C`, ">", `\u003E`).Replace(s)
}

// caseSafe appends the three characters that tell the case of an Id. Source: Salesforce Help,
// CASESAFEID, and the check characters of every 18-character Id.
func caseSafe(id string) string {
	if len(id) != 15 {
		return id
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	for group := range 3 {
		n := 0
		for i := range 5 {
			if c := id[group*5+i]; c >= 'A' && c <= 'Z' {
				n |= 1 << i
			}
		}
		id += digits[n : n+1]
	}
	return id
}

// evalHyperlink and evalImage give the markup that the API shows: text formulas with markup are
// stored as encoded tags and come out as HTML. Source: REST answers of public orgs, which show
// <a href="…" target="_blank">…</a> and <img src="…" alt="…" border="0"/>; the order of the attributes of
// an image with a size is unverified.
func evalHyperlink(a []Value) (Value, error) {
	target := "_blank"
	if len(a) == 3 {
		target = a[2].Text
	}
	return Text(`<a href="` + htmlEncode(a[0].Text) + `" target="` + htmlEncode(target) + `">` + htmlEncode(a[1].Text) + `</a>`), nil
}

func evalImage(a []Value) (Value, error) {
	size := ""
	for i, name := range []string{"height", "width"} {
		if len(a) > i+2 && !a[i+2].Blank() {
			size += name + ":" + a[i+2].Spell() + "px; "
		}
	}
	if size != "" {
		size = ` style="` + size + `"`
	}
	return Text(`<img src="` + htmlEncode(a[0].Text) + `" alt="` + htmlEncode(a[1].Text) + `"` + size + ` border="0"/>`), nil
}
