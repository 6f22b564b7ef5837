package soql

import (
	"strconv"
	"time"

	"holdfast/internal/sf"
)

// dateParts are the date functions of the SOQL Reference that give a number.
var dateParts = map[string]func(t time.Time, env Env) int{
	"CALENDAR_MONTH":   func(t time.Time, _ Env) int { return int(t.Month()) },
	"CALENDAR_QUARTER": func(t time.Time, _ Env) int { return int(t.Month()-1)/3 + 1 },
	"CALENDAR_YEAR":    func(t time.Time, _ Env) int { return t.Year() },
	"DAY_IN_MONTH":     func(t time.Time, _ Env) int { return t.Day() },
	"DAY_IN_WEEK":      func(t time.Time, _ Env) int { return int(t.Weekday()) + 1 },
	"DAY_IN_YEAR":      func(t time.Time, _ Env) int { return t.YearDay() },
	"HOUR_IN_DAY":      func(t time.Time, _ Env) int { return t.Hour() },
	"WEEK_IN_MONTH":    func(t time.Time, _ Env) int { return (t.Day()-1)/7 + 1 },
	"WEEK_IN_YEAR":     func(t time.Time, _ Env) int { return (t.YearDay()-1)/7 + 1 },
	"FISCAL_MONTH":     func(t time.Time, env Env) int { return int(fiscal(t, env).Month()) },
	"FISCAL_QUARTER":   func(t time.Time, env Env) int { return int(fiscal(t, env).Month()-1)/3 + 1 },
	"FISCAL_YEAR":      func(t time.Time, env Env) int { return fiscal(t, env).Year() },
}

// fiscal moves a date so that the fiscal year that holds it begins in January.
func fiscal(t time.Time, env Env) time.Time {
	start := max(env.FiscalYearStart, time.January)
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, t.Location()).AddDate(0, -int(start-1), 0)
}

// function compiles the functions that give one value for one value.
func (r Rows[R]) function(c *Call, use Use) (Column[R], error) {
	switch c.Name {
	case "TOLABEL", "CONVERTCURRENCY", "FORMAT":
		// Labels equal values and there is one currency unless the caller resolves these itself.
		if c.Arg != nil {
			return r.Column(c.Arg, use)
		}
	case "DAY_ONLY":
		return r.dateColumn(c, use, sf.TypeDate, func(t time.Time) string { return t.Format(time.DateOnly) })
	}
	if part, ok := dateParts[c.Name]; ok {
		return r.dateColumn(c, use, sf.TypeInt, func(t time.Time) string { return strconv.Itoa(part(t, r.Env)) })
	}
	return Column[R]{}, r.Query.ErrorAt(c.Pos, "MALFORMED_QUERY", "unsupported function: %s", c.Name)
}

// dateColumn is a function of a date or datetime, which CONVERTTIMEZONE may wrap. Without it a
// datetime counts in UTC (SOQL Reference, "Date Functions").
func (r Rows[R]) dateColumn(c *Call, use Use, t sf.FieldType, f func(time.Time) string) (Column[R], error) {
	path, zone := c.Arg, time.UTC
	if len(c.Args) == 1 {
		if inner, ok := c.Args[0].(*Call); ok && inner.Name == "CONVERTTIMEZONE" {
			path, zone = inner.Arg, r.Env.location()
		}
	}
	if path == nil {
		return Column[R]{}, r.Query.ErrorAt(c.Pos, "MALFORMED_QUERY", "invalid argument of %s", c.Name)
	}
	col, err := r.Column(path, use)
	if err != nil {
		return Column[R]{}, err
	}
	layout := sf.DatetimeLayout
	switch col.Type {
	case sf.TypeDate:
		layout, zone = time.DateOnly, time.UTC
	case sf.TypeDatetime:
	default:
		return Column[R]{}, r.Query.ErrorAt(c.Pos, "INVALID_FIELD", "%s is not valid on field %s", c.Name, path)
	}
	return Column[R]{Type: t, Get: func(row R) string {
		at, err := time.Parse(layout, col.Get(row))
		if err != nil {
			return ""
		}
		return f(at.In(zone))
	}}, nil
}
