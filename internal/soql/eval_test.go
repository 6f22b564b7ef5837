package soql_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// row is a record of the tests: canonical text by field.
type row map[string]string

var types = map[string]sf.FieldType{
	"Id": sf.TypeID, "Name": sf.TypeString, "Amount": sf.TypeCurrency, "Won": sf.TypeBoolean,
	"Close": sf.TypeDate, "Stamp": sf.TypeDatetime, "Tags": sf.TypeMultipicklist, "Owner": sf.TypeReference,
}

// bind resolves the fields above and treats the sub-query of a semi-join as a set of names.
func bind(q *soql.Query) soql.Rows[row] {
	return soql.Rows[row]{
		Query: q,
		Env: soql.Env{
			Now:             time.Date(2024, 5, 15, 22, 30, 0, 0, time.UTC), // a Wednesday
			Location:        time.FixedZone("+9", 9*3600),                   // there it is the 16th
			FiscalYearStart: time.April,
		},
		Column: func(p *soql.Path, _ soql.Use) (soql.Column[row], error) {
			t, ok := types[p.Field()]
			if !ok {
				return soql.Column[row]{}, q.ErrorAt(p.Pos, "INVALID_FIELD", "No such column '%s'", p)
			}
			return soql.Column[row]{Type: t, Get: func(r row) string { return r[p.Field()] }}, nil
		},
		Members: func(m *soql.Membership) (func(string) bool, error) {
			return func(s string) bool { return s == m.Sub.From.Name }, nil
		},
	}
}

func parse(t *testing.T, text string) *soql.Query {
	t.Helper()
	q, err := soql.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

func TestCondition(t *testing.T) {
	r := row{
		"Id": "001000000000001AAA", "Name": "Ünion Jack 50%", "Amount": "1200.5", "Won": "true",
		"Close": "2024-05-16", "Stamp": "2024-05-15T21:00:00.000Z", "Tags": "red;Green",
	}
	for condition, want := range map[string]bool{
		"Name = 'ünion jack 50%'":                       true,
		"Name != 'x'":                                   true,
		"Name LIKE 'ü%jack%'":                           true,
		"Name LIKE '%50\\%'":                            true,
		"Name LIKE '%5_\\%'":                            true,
		"Name LIKE 'jack%'":                             false,
		"Name > 'a' AND Name < 'b'":                     false,
		"Owner = null":                                  true,
		"Owner = ''":                                    true,
		"Owner != '005000000000001'":                    true,
		"Owner IN ('005000000000001')":                  false,
		"Owner NOT IN ('005000000000001')":              true,
		"Owner IN (null)":                               true,
		"Id = '001000000000001'":                        true,
		"Id > '001000000000000AAA'":                     true,
		"Amount > 1200":                                 true,
		"Amount = 1.2005e3":                             true,
		"Amount < -2":                                   false,
		"Amount = USD1200.50":                           true,
		"Won = true AND (NOT Won = false)":              true,
		"Close = TODAY":                                 true, // of the caller's zone
		"Close = 2024-05-16":                            true,
		"Close > LAST_WEEK":                             true,
		"Close = THIS_FISCAL_QUARTER":                   true,
		"Close = THIS_FISCAL_YEAR":                      true,
		"Close IN (YESTERDAY, TOMORROW)":                false,
		"Stamp = TODAY":                                 true,
		"Stamp = LAST_N_DAYS:1":                         true,
		"Stamp < 2024-05-16T06:00:00+09:00":             false,
		"Stamp <= 2024-05-16T06:00:00+09:00":            true,
		"Stamp = N_DAYS_AGO:1":                          false,
		"Tags INCLUDES ('green;RED', 'blue')":           true,
		"Tags INCLUDES ('blue')":                        false,
		"Tags EXCLUDES ('blue')":                        true,
		"Tags = 'green;red'":                            true,
		"CALENDAR_YEAR(Stamp) = 2024":                   true,
		"DAY_IN_MONTH(Stamp) = 15":                      true,
		"DAY_IN_MONTH(convertTimezone(Stamp)) = 16":     true,
		"FISCAL_QUARTER(Close) = 1":                     true,
		"DAY_ONLY(convertTimezone(Stamp)) = 2024-05-16": true,
		"Name IN (SELECT Name FROM Other)":              false,
		"Amount < null":                                 false,
	} {
		q := parse(t, "SELECT Id FROM A WHERE "+condition)
		test, err := bind(q).Condition(q.Where)
		if err != nil {
			t.Errorf("%s: %v", condition, err)
			continue
		}
		if got := test(r); got != want {
			t.Errorf("%s is %v, want %v", condition, got, want)
		}
	}
}

func TestConditionRefuses(t *testing.T) {
	for condition, word := range map[string]string{
		"Nme = 'x'":             "No such column 'Nme'",
		"Id = 'abc'":            "invalid ID field: abc",
		"Amount = '5'":          "'Amount' must be of type double and should not be enclosed in quotes",
		"Stamp > 2024-01-01":    "'Stamp' must be of type dateTime",
		"Stamp > '2024-01-01'":  "'Stamp' must be of type dateTime and should not be enclosed in quotes",
		"Won = 1":               "'Won' must be of type boolean",
		"Name = 5":              "'Name' must be of type string and should be enclosed in quotes",
		"Close = 2024-02-31":    "'Close' must be of type date",
		"Name INCLUDES ('a')":   "only valid on multipicklist",
		"Amount LIKE '5%'":      "invalid operator on double field",
		"SOUNDEX(Name) = 'a'":   "unsupported function: SOUNDEX",
		"CALENDAR_YEAR(Id) = 5": "CALENDAR_YEAR is not valid on field Id",
	} {
		q := parse(t, "SELECT Id FROM A WHERE "+condition)
		_, err := bind(q).Condition(q.Where)
		var e *soql.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, word) {
			t.Errorf("%s: error %v, want %q", condition, err, word)
		}
	}
}

func TestOrderPutsNullsFirstUnlessAskedOtherwise(t *testing.T) {
	rows := []row{{"Name": "b", "Amount": "10"}, {"Name": "A", "Amount": "9"}, {"Amount": "-1"}, {"Name": "c", "Amount": "-20.5"}}
	for by, want := range map[string]string{
		"Name":                 "|A|b|c",
		"Name DESC":            "|c|b|A",
		"Name NULLS LAST":      "A|b|c|",
		"Name DESC NULLS LAST": "c|b|A|",
		"Amount":               "c||A|b",
		"Amount DESC":          "b|A||c",
	} {
		q := parse(t, "SELECT Id FROM A ORDER BY "+by)
		compare, err := bind(q).Order(q.OrderBy)
		if err != nil {
			t.Fatal(err)
		}
		sorted := slices.Clone(rows)
		slices.SortStableFunc(sorted, compare)
		var names []string
		for _, r := range sorted {
			names = append(names, r["Name"])
		}
		if got := strings.Join(names, "|"); got != want {
			t.Errorf("ORDER BY %s gives %s, want %s", by, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	values := []string{"1.10", "", "2", "-0.3", "2"}
	for name, want := range map[string]string{
		"COUNT": "4", "COUNT_DISTINCT": "3", "SUM": "4.8", "AVG": "1.2", "MIN": "-0.3", "MAX": "2",
	} {
		f := soql.NewFold(name, sf.TypeDouble)
		for _, v := range values {
			f.Add(v)
		}
		if got := f.Result(); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got := soql.NewFold("SUM", sf.TypeDouble).Result(); got != "" {
		t.Errorf("the sum of nothing is %q, want null", got)
	}
}
