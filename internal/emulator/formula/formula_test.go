package formula_test

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator/formula"
)

// fields are those of the tests: name to type and value.
var fields = map[string]formula.Value{
	"t":                                 formula.Text("hi"),
	"empty":                             formula.Missing(formula.TypeText),
	"n":                                 formula.Int(7),
	"none":                              formula.Missing(formula.TypeNumber),
	"b":                                 formula.Bool(true),
	"d":                                 formula.Date(time.Date(2026, 2, 27, 0, 0, 0, 0, time.UTC)),
	"nodate":                            formula.Missing(formula.TypeDate),
	"m":                                 formula.Datetime(time.Date(2026, 2, 27, 10, 11, 12, 0, time.UTC)),
	"p":                                 {Type: formula.TypePicklist, Text: "Open"},
	"nopick":                            formula.Missing(formula.TypePicklist),
	"q":                                 {Type: formula.TypeMultiPicklist, Text: "a;b c"},
	"up.t":                              formula.Text("parent"),
	"$user.name":                        formula.Text("Ada"),
	"$objecttype.zip__c.fields.city__c": formula.Missing(formula.TypeText),
	"$objecttype.zip__c.fields.name":    formula.Missing(formula.TypeText),
}

var prior = map[string]formula.Value{"n": formula.Int(5), "t": formula.Text("hi"), "empty": formula.Text("was")}

func schema(path []string) (formula.Type, bool) {
	v, ok := fields[strings.ToLower(strings.Join(path, "."))]
	if v.Blank() {
		return v.Of, ok
	}
	return v.Type, ok
}

func record() formula.Record {
	return formula.Record{
		Now:   time.Date(2026, 3, 2, 9, 30, 15, 0, time.UTC),
		Field: func(path []string) formula.Value { return fields[strings.ToLower(strings.Join(path, "."))] },
		Prior: func(path []string) formula.Value { return prior[strings.ToLower(strings.Join(path, "."))] },
		Find: func(result, key []string, v formula.Value) formula.Value {
			return formula.Text(result[len(result)-1] + "/" + key[len(key)-1] + "/" + v.Spell())
		},
	}
}

// eval checks and evaluates a formula; blank is "", #Error! is "!".
func eval(t *testing.T, text string) string {
	t.Helper()
	f, err := formula.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if _, err := f.Check(schema, formula.Validation, formula.TypeUnknown); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	v, err := f.Eval(record())
	if err != nil {
		return "!"
	}
	return v.Spell()
}

// TestFormulasGiveWhatTheFormulaEngineGives holds facts of the formula engine's own tests
// (BuiltinFunctionsTest) and examples of Salesforce Help.
func TestFormulasGiveWhatTheFormulaEngineGives(t *testing.T) {
	for _, c := range [][2]string{
		{"1-37", "-36"},
		{"-37", "-37"},
		{"+37", "37"},
		{"4/2", "2"},
		{"4/null", ""},
		{"2^3", "8"},
		{"0^0", "1"},
		{"64^64", "!"},
		{"2 * 3 ^ 2", "36"},
		{"2+3*4", "14"},
		{"(2+3)*4", "20"},
		{"1/0", "!"},
		{"10 - 2 - 3", "5"},
		{"37=null", ""},
		{`"ab"=""`, "false"},
		{`null=""`, "true"},
		{`null="ab"`, "false"},
		{"37<>null", ""},
		{`null<>"ab"`, "true"},
		{"37<null", ""},
		{"null<=date(2015, 3, 20)", ""},
		{"date(2014, 3, 20)<=date(2015, 3, 20)", "true"},
		{"1 == 1 && 2 != 3", "true"},
		{"abs(-3.5)", "3.5"},
		{"sqrt(16)", "4"},
		{"exp(ln(36))", "36"},
		{"log(100)", "2"},
		{"mod(100,10)", "0"},
		{"mod(-101,10)", "-1"},
		{"mod(100.5,-10)", "0.5"},
		{"mod(1,0)", "!"},
		{"max(100,-10,1000)", "1000"},
		{"min(100.5,null,-10)", ""},
		{"min(100,10)", "10"},
		{"round(-1.17,1)", "-1.2"},
		{"round(0.0006,3)", "0.001"},
		{"round(-123456.3335,-2)", "-123500"},
		{"trunc(1.99,1)", "1.9"},
		{"ceiling(-1.3)", "-2"},
		{"floor(-1.3)", "-1"},
		{"mceiling(-0.07)", "0"},
		{"mfloor(-1.3)", "-2"},
		{"mfloor(6/11*11)", "6"},
		{"and(1=1, 3>37, null)", "false"},
		{"or(1=0, 3>37, 8=12)", "false"},
		{"not(null)", ""},
		{"NOT true", "false"},
		{"!b", "false"},
		{"if(1=null,1,0)", "0"},
		{`case(10,9,"groucho",10,"chico","zeppo")`, "chico"},
		{`isnull("abc")`, "false"},
		{"isnull(empty)", "false"},
		{"isblank(empty)", "true"},
		{"isnull(none)", "true"},
		{"nullvalue(null,6)", "6"},
		{`nullvalue(empty,"x")`, ""},
		{`blankvalue(empty,"x")`, "x"},
		{`begins("123456","12")`, "true"},
		{`begins("","123")`, ""},
		{`contains("123456","235")`, "false"},
		{`contains("a","")`, "true"},
		{`len("")`, "0"},
		{`left("123456",0)`, ""},
		{`left("123456",3)`, "123"},
		{`mid("123456",4,37)`, "456"},
		{`mid("123456",0,2)`, "12"},
		{`right("123456",37)`, "123456"},
		{`right("123456",2)`, "56"},
		{`trim("  a b ")`, "a b"},
		{`reverse("string")`, "gnirts"},
		{`rpad("string",10,",.;")`, "string,.;,"},
		{`lpad("string",15,",.;")`, ",.;,.;,.;string"},
		{`lpad("string",5)`, "strin"},
		{`lpad("string",9)`, "   string"},
		{`find("asman","Doug Chasman")`, "8"},
		{`find("x","abc")`, "0"},
		{`find("b","abcb",3)`, "4"},
		{`substitute("a-b-c","-","+")`, "a+b+c"},
		{`value("123456")*100`, "12345600"},
		{`value("x")`, "!"},
		{`isnumber("+5.0")`, "true"},
		{`isnumber("5x")`, "false"},
		{`upper("å")`, "Å"},
		{`ADDMONTHS(date(2020,7,31),-3)`, "2020-04-30"},
		{`ADDMONTHS(date(2020,2,29),12)`, "2021-02-28"},
		{`ADDMONTHS(date(2020,4,30),1)`, "2020-05-31"},
		{"date(2005,4,5)+1.9", "2005-04-06"},
		{"date(2005,4,5)+0.5+0.5", "2005-04-05"},
		{"date(2005,4,5)-date(2005,4,1)", "4"},
		{"date(2005,2,30)", "!"},
		{`text(DATETIMEVALUE("2016-2-29 13:15:10")+0.166666)`, "2016-02-29 17:15:10Z"},
		{"WEEKDAY(DATE(1969,2,12))", "4"},
		{"month(null)", ""},
		{`timevalue("08:34:56.789")-timevalue("06:34:56.789")`, "7200000"},
		{`timevalue("10:34:56.789")-timevalue("12:34:56.789")`, "79200000"},
		{`hour(timevalue("08:34:56.789"))`, "8"},
		{`millisecond(timevalue("08:34:56.789"))`, "789"},
		{"text(today())", "2026-03-02"},
		{`"a" & empty & "b"`, "ab"},
		{`'it\'s'`, "it's"},
		{"/* why */ n", "7"},
		{"n+none", ""},
		{"text(m)", "2026-02-27 10:11:12Z"},
		{`ISPICKVAL(p,"Open")`, "true"},
		{`ISPICKVAL(nopick,"")`, "true"},
		{`TEXT(p)="Open"`, "true"},
		{`CASE(p,"Open",1,0)`, "1"},
		{`INCLUDES(q,"b c")`, "true"},
		{`INCLUDES(q,"b")`, "false"},
		{"PICKLISTCOUNT(q)", "2"},
		{"up.t", "parent"},
		{`$User.Name`, "Ada"},
		{`CASESAFEID("001A0000006Vm9r")`, "001A0000006Vm9rIAC"},
		{`REGEX("12-34","[0-9]+-[0-9]+")`, "true"},
		{`REGEX("x12","[0-9]+")`, "false"},
		{"ISCHANGED(n)", "true"},
		{"ISCHANGED(t)", "false"},
		{"ISCHANGED(empty)", "true"},
		{"PRIORVALUE(n)", "5"},
		{"ISNEW()", "false"},
		{`VLOOKUP($ObjectType.Zip__c.Fields.City__c,$ObjectType.Zip__c.Fields.Name,t)`, "City__c/Name/hi"},
		{`HYPERLINK("/x","go","_self")`, `<a href="/x" target="_self">go</a>`},
		{`IMAGE("/p","alt")`, `<img src="/p" alt="alt" border="0"/>`},
		{"ROUND(DISTANCE(GEOLOCATION(37.775,-122.418),GEOLOCATION(37.794,-122.395),'mi'),1)", "1.8"},
		{`iferror(1/0,3)`, "3"},
		{`t & BR() & "x"`, "hi<br>x"},
		{`year(d)*100+month(d)`, "202602"},
		{"DATEVALUE(m)", "2026-02-27"},
		{"m - DATETIMEVALUE(d)", "0.424444444444444444"},
	} {
		if got := eval(t, c[0]); got != c[1] {
			t.Errorf("%s = %q, want %q", c[0], got, c[1])
		}
	}
}

// TestWrongFormulasAreRefused holds the messages of the formula engine's labels.
func TestWrongFormulasAreRefused(t *testing.T) {
	for _, c := range [][2]string{
		{"", "end of formula"},
		{"1 +", "end of formula"},
		{"(1", "Missing ')'"},
		{"1 2", "Extra 2"},
		{`"a`, "Found '\"'"},
		{".5", "Found '.'"},
		{"\"a\nb\"", "Found"},
		{"/* open", "Found '/*'"},
		{`"\q"`, `Found '\q'`},
		{"1 ~ 2", "Found '~'"},
		{"FOO(1)", "Unknown function FOO. Check spelling."},
		{"LEFT(t)", "Incorrect number of parameters for function 'LEFT()'"},
		{"CASE(n,1,2,3,4)", "Incorrect number of parameters"},
		{"nowhere__c", "Field nowhere__c does not exist. Check spelling."},
		{"n & t", "Incorrect parameter type for operator '&'. Expected Text, received Number"},
		{"t + n", "Incorrect parameter type for operator '+'. Expected Text, received Number"},
		{"d + d", "Incorrect parameter type for operator '+'"},
		{"n * t", "Incorrect parameter type for operator '*'. Expected Number, received Text"},
		{"n = t", "Incorrect parameter type for operator '='"},
		{"LEFT(n, 1)", "Incorrect parameter type for function 'LEFT()'. Expected Text, received Number"},
		{"NOT(n)", "Expected Boolean, received Number"},
		{`p = "Open"`, "Field p is a picklist field."},
		{"LEN(p)", "Field p is a picklist field."},
		{"p", "Field p is a picklist field."},
		{`IF(b, 1, "x")`, "Incorrect parameter type for function 'IF()'. Expected Number, received Text"},
		{"TEXT(t)", "Incorrect parameter type for function 'TEXT()'"},
		{"ISCHANGED(1)", "Incorrect parameter for function 'ISCHANGED()'"},
		{"VLOOKUP(1,2,3)", "Incorrect parameter for function VLOOKUP()"},
	} {
		f, err := formula.Parse(c[0])
		if err == nil {
			_, err = f.Check(schema, formula.Validation, formula.TypeUnknown)
		}
		if err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%q: %v, want %q", c[0], err, c[1])
		}
	}
}

// TestUseDecidesTheFunctions: Salesforce Help, ISNEW and REGEX, "not available in formula fields".
func TestUseDecidesTheFunctions(t *testing.T) {
	for _, text := range []string{"ISNEW()", "ISCHANGED(n)", "PRIORVALUE(n)", `REGEX(t,"x")`} {
		f, err := formula.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Check(schema, formula.Field, formula.TypeUnknown); err == nil || !strings.Contains(err.Error(), "may not be used in this type of formula") {
			t.Errorf("%s in a field: %v", text, err)
		}
		if _, err := f.Check(schema, formula.Validation, formula.TypeUnknown); err != nil {
			t.Errorf("%s in a rule: %v", text, err)
		}
	}
}

func TestTheResultMustFitItsField(t *testing.T) {
	f, err := formula.Parse("n + 1")
	if err != nil {
		t.Fatal(err)
	}
	want := "Formula result is data type (Number), incompatible with expected data type (Text)."
	if _, err := f.Check(schema, formula.Field, formula.TypeText); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	var missing *formula.MissingFieldError
	f, err = formula.Parse("gone__c + 1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Check(schema, formula.Field, formula.TypeText); !errors.As(err, &missing) || missing.Path[0] != "gone__c" {
		t.Errorf("a missing field gave %v", err)
	}
}

func TestFormulasNameWhatTheyDependOn(t *testing.T) {
	f, err := formula.Parse(`IF(Account.Owner.Name = "x", N__c, n__c + CURRENCYRATE("EUR")) & $User.Id`)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, p := range f.Fields() {
		paths = append(paths, strings.Join(p, "."))
	}
	if !slices.Equal(paths, []string{"Account.Owner.Name", "N__c", "$User.Id"}) {
		t.Errorf("fields %q", paths)
	}
	if got := f.Unread(); !slices.Equal(got, []string{"CURRENCYRATE"}) {
		t.Errorf("unread %q", got)
	}
}

// TestBlankNumbersCountAsZeroWhereTheFormulaSaysSo: formulaTreatBlanksAs of CustomField.
func TestBlankNumbersCountAsZeroWhereTheFormulaSaysSo(t *testing.T) {
	f, err := formula.Parse("n + none")
	if err != nil {
		t.Fatal(err)
	}
	r := record()
	r.BlankAsZero = true
	if v, err := f.Eval(r); err != nil || v.Num.Cmp(big.NewRat(7, 1)) != 0 {
		t.Errorf("%v, %v", v, err)
	}
}

// TestAFormulaHasBounds: what nests, grows or counts beyond them is refused or cut, and never worked out.
func TestAFormulaHasBounds(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("(", 10_000) + "1" + strings.Repeat(")", 10_000): "nests too deep",
		strings.Repeat("NOT ", 10_000) + "b":                            "nests too deep",
		strings.Repeat("-", 10_000) + "1":                               "nests too deep",
		"10^10^10^10":                                                   "too large",
		"ROUND(1, 1000000)":                                             "too many",
	} {
		f, err := formula.Parse(text)
		if err == nil {
			_, err = f.Eval(record())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s… : %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"TEXT(" + strings.Repeat("1+", 30_000) + "1)": "30001",
		`TEXT(LEN(RPAD("x", 100000000000)))`:          "131072",
	} {
		f, err := formula.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := f.Eval(record()); err != nil || v.Text != want {
			t.Errorf("%.20s…: %q %v, want %s", text, v.Text, err, want)
		}
	}
}

func FuzzFormula(f *testing.F) {
	for _, text := range []string{`IF(n > 1, "a" & t, LEFT(t, 3))`, "DATE(2020,1,31) + n", `CASE(p, "a", 1, 2)`, "/* */ -1 ^ 2", `"\"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := formula.Parse(text)
		if err != nil {
			return
		}
		again, err := formula.Parse(parsed.Text())
		if err != nil || len(again.Fields()) != len(parsed.Fields()) {
			t.Fatalf("read twice: %v", err)
		}
		typ, err := parsed.Check(schema, formula.Validation, formula.TypeUnknown)
		if err != nil {
			return
		}
		v, err := parsed.Eval(record())
		if err == nil && !v.Blank() && typ != formula.TypeUnknown && typ != formula.TypeNull && v.Type != typ &&
			v.Type != formula.TypePicklist && v.Type != formula.TypeMultiPicklist {
			t.Fatalf("%q is of type %v and gave %v", text, typ, v)
		}
	})
}

// TestNoFormulaExplodes has short formulas whose values or matches would grow without bound.
func TestNoFormulaExplodes(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("JSENCODE(", 24) + `LPAD("\\", 1000, "\\")` + strings.Repeat(")", 24),
		`REGEX(LPAD("a", 20000, "a"), "` + strings.Repeat("(a{0,900})*", 100) + `x")`,
		`LPAD("a", 100000, "a") & LPAD("a", 100000, "a")`,
	} {
		if got := eval(t, text); got != "!" {
			t.Errorf("%.60s is %d bytes", text, len(got))
		}
	}
	if got := eval(t, `FIND("b", LPAD("éb", 100, "é"), 2)`); got != "100" {
		t.Errorf("FIND gives %s", got)
	}
}

// TestFormulasNestAsDeepAsTheirLengthAllows: operators bind on seven levels, which do not count as nesting.
func TestFormulasNestAsDeepAsTheirLengthAllows(t *testing.T) {
	if got := eval(t, strings.Repeat("IF(n = 0, 0, ", 150)+"1"+strings.Repeat(")", 150)); got != "1" {
		t.Errorf("150 times IF is %s", got)
	}
	if _, err := formula.Parse(strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300)); err == nil {
		t.Error("300 parentheses are read")
	}
}
