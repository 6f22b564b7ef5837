package soql_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"holdfast/internal/soql"
)

// spellings pairs a query with its canonical print; an empty print means the query is canonical.
var spellings = []struct{ text, print string }{
	{"SELECT Id FROM Account", ""},
	{"select id,name from account", "SELECT id, name FROM account"},
	{"SELECT COUNT() FROM Account", ""},
	{"select count() from XYZZY", "SELECT COUNT() FROM XYZZY"},
	{"SELECT COUNT(Id) CNT FROM Account", ""},
	{"SELECT Id FROM Account a WHERE a.Name = 'x'", ""},
	{"SELECT Id, Account.Owner.Name FROM Contact WHERE Account.Name != NULL", ""},
	{"SELECT Id FROM A WHERE (B = 1 AND C = 2) OR D = 3", ""},
	{"SELECT Id FROM A WHERE ((B = 1)) AND ((C = 2))", "SELECT Id FROM A WHERE B = 1 AND C = 2"},
	{"SELECT Id FROM A WHERE NOT (B = 1 OR C <> 2)", "SELECT Id FROM A WHERE NOT (B = 1 OR C != 2)"},
	{"SELECT Id FROM A WHERE NOT B = 1 AND C = 2", "SELECT Id FROM A WHERE (NOT B = 1) AND C = 2"},
	{"SELECT Id FROM A WHERE B IN ('a', 'b') AND C NOT IN ('d')", ""},
	{"SELECT Id FROM A WHERE Id IN (SELECT AccountId FROM Contact WHERE LastName LIKE 'Sm%')", ""},
	{"SELECT Id FROM A WHERE M INCLUDES ('a;b', 'c') AND N EXCLUDES ('d')", ""},
	{`SELECT Id FROM A WHERE B = 'it\'s \\ a\nb\u0000' AND C LIKE '50\%\\%'`, ""},
	{`SELECT Id FROM A WHERE B = '\uD83D\uDE00'`, "SELECT Id FROM A WHERE B = '😀'"},
	{"SELECT Id FROM A WHERE D = 2024-02-29 AND E >= 2024-02-29T23:59:59.123+09:00", ""},
	{"SELECT Id FROM A WHERE D = LAST_N_DAYS:30 AND E < TODAY AND F = true", ""},
	{"SELECT Id FROM A WHERE B = -1.5e3 AND C = USD5000.50", ""},
	{"SELECT Id FROM A USING SCOPE mine WHERE B = 1 WITH SECURITY_ENFORCED ORDER BY C DESC NULLS LAST, D LIMIT 10 OFFSET 5", ""},
	{"SELECT Name n, MAX(Amount), COUNT_DISTINCT(Id) c FROM Opportunity GROUP BY Name HAVING MAX(Amount) > 5 ORDER BY MAX(Amount) DESC", ""},
	{"SELECT LeadSource, Rating, COUNT(Id) FROM Lead GROUP BY ROLLUP(LeadSource, Rating)", ""},
	{"SELECT CALENDAR_YEAR(CreatedDate), COUNT(Id) FROM Lead GROUP BY CALENDAR_YEAR(CreatedDate)", ""},
	{
		"SELECT CALENDAR_YEAR(convertTimezone(CreatedDate)) FROM Lead GROUP BY CALENDAR_YEAR(convertTimezone(CreatedDate))",
		"SELECT CALENDAR_YEAR(CONVERTTIMEZONE(CreatedDate)) FROM Lead GROUP BY CALENDAR_YEAR(CONVERTTIMEZONE(CreatedDate))",
	},
	{"SELECT Id, (SELECT Id, LastName FROM Contacts WHERE Email != NULL LIMIT 5) FROM Account", ""},
	{"SELECT TYPEOF What WHEN Account THEN Phone, Name WHEN Opportunity THEN Amount ELSE Name END FROM Event", ""},
	{"SELECT FIELDS(ALL) FROM Account LIMIT 200", ""},
	{"SELECT Id FROM Account FOR VIEW", ""},
	{"SELECT Id FROM Account WHERE Name = 'a' ALL ROWS", ""},
	{"SELECT Id FROM Account WHERE DISTANCE(Loc__c, GEOLOCATION(37.7, -122.4), 'mi') < 20", ""},
	{"SELECT Name, InstanceName, IsSandbox, TrialExpirationDate, NamespacePrefix, OrganizationType FROM Organization", ""},
}

func TestPrintIsCanonical(t *testing.T) {
	for _, c := range spellings {
		q, err := soql.Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		want := c.print
		if want == "" {
			want = c.text
		}
		if got := q.String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, want)
		}
		checkRoundTrip(t, c.text)
	}
}

// checkRoundTrip demands that printing loses nothing, and that what is printed prints as itself.
func checkRoundTrip(t *testing.T, text string) {
	t.Helper()
	q, err := soql.Parse(text)
	if err != nil {
		return
	}
	printed := q.String()
	again, err := soql.Parse(printed)
	if err != nil {
		t.Fatalf("%q printed as %q, which does not parse: %v", text, printed, err)
	}
	if second := again.String(); second != printed {
		t.Fatalf("%q printed as %q, then as %q", text, printed, second)
	}
	forget(reflect.ValueOf(q))
	forget(reflect.ValueOf(again))
	if !reflect.DeepEqual(q, again) {
		t.Fatalf("%q: the tree of %q differs", text, printed)
	}
}

// forget clears positions and texts, which printing does not keep.
func forget(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			forget(v.Elem())
		}
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		if v.Elem().Kind() == reflect.Struct { // a Literal is held by value
			c := reflect.New(v.Elem().Type())
			c.Elem().Set(v.Elem())
			forget(c)
			v.Set(c.Elem())
			return
		}
		forget(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			forget(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			switch name := v.Type().Field(i).Name; {
			case name == "Pos":
				f.SetInt(0)
			case name == "Text" && v.Type() == reflect.TypeFor[soql.Query]():
				f.SetString("")
			default:
				forget(f)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, word := range map[string]string{
		"":                                   "unexpected token: '<EOF>'",
		"SELECT":                             "unexpected token: '<EOF>'",
		"SELECT FROM Account":                "unexpected token: 'FROM'",
		"SELECT Id FROM":                     "unexpected token: '<EOF>'",
		"SELECT Id FORM Account":             "unexpected token: 'Account'",
		"SELECT Id, FROM Account":            "unexpected token: 'FROM'",
		"SELECT Id FROM Account WHERE":       "unexpected token: '<EOF>'",
		"SELECT Id FROM A WHERE B = 1 AND C": "unexpected token: '<EOF>'",
		"SELECT Id FROM A WHERE B=1 AND C=2 OR D=3":                         "unexpected token: 'OR'",
		"SELECT Id FROM A WHERE B = 'x":                                     "unexpected token: '''",
		"SELECT Id FROM A WHERE B = foo":                                    "unexpected token: 'foo'",
		"SELECT Id FROM A WHERE B = :x":                                     "unexpected token: ':'",
		"SELECT Id FROM A LIMIT -1":                                         "unexpected token: '-1'",
		"SELECT Id FROM A WHERE B = 1.2.3":                                  "unexpected token: '1.2.3'",
		"SELECT * FROM A":                                                   "unexpected char: '*'",
		`SELECT Id FROM A WHERE B = 'a\z'`:                                  `Illegal character sequence '\z'`,
		"SELECT Id FROM A; DROP TABLE":                                      "unexpected char: ';'",
		"SELECT Id FROM A WHERE Id IN (SELECT (SELECT Id FROM C) FROM B)":   "unexpected token: '('",
		"SELECT Id FROM A WHERE " + strings.Repeat("(", 500):                "nests too deeply",
		"SELECT Id FROM A WHERE B = '" + strings.Repeat("x", 100_000) + "'": "100000",
	} {
		_, err := soql.Parse(text)
		var e *soql.Error
		if !errors.As(err, &e) {
			t.Errorf("%.60q: error %v, want one of the platform", text, err)
			continue
		}
		if !strings.Contains(e.Message, word) {
			t.Errorf("%.60q: %q, want %q", text, e.Message, word)
		}
	}
}

// The message of a recorded reply to a count of an unknown object.
func TestErrorPointsAsThePlatformDoes(t *testing.T) {
	q, err := soql.Parse("select count() from XYZZY")
	if err != nil {
		t.Fatal(err)
	}
	got := q.ErrorAt(q.From.Pos, "INVALID_TYPE", "sObject type '%s' is not supported.", q.From.Name).Message
	want := "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported."
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range spellings {
		f.Add(c.text)
	}
	f.Fuzz(checkRoundTripFuzz)
}

func checkRoundTripFuzz(t *testing.T, text string) { checkRoundTrip(t, text) }

// TestQueryOfMoreThan100000CharactersIsRefused counts characters, not bytes.
func TestQueryOfMoreThan100000CharactersIsRefused(t *testing.T) {
	query := func(n int) string {
		head := "SELECT Id FROM Account WHERE Name = '"
		return head + strings.Repeat("ü", n-len(head)-1) + "'"
	}
	if _, err := soql.Parse(query(100_000)); err != nil {
		t.Error(err)
	}
	if _, err := soql.Parse(query(100_001)); err == nil || !strings.HasPrefix(err.Error(), "MALFORMED_QUERY") {
		t.Errorf("%v", err)
	}
}
