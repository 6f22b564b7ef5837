package formula

import (
	"math/big"
	"time"
)

// dateFunctions work on dates, datetimes and times. The day of a moment is its day in UTC: the
// platform takes the time zone of the user who looks, which a stored answer cannot follow.
func dateFunctions() map[string]*function {
	fns := map[string]*function{
		"TODAY": dated("TODAY()", 0, TypeDate, "a", func(e *evaluation, _ Value) (Value, error) { return Date(e.Now.UTC()), nil }),
		"NOW": dated("NOW()", 0, TypeDatetime, "a", func(e *evaluation, _ Value) (Value, error) {
			return Datetime(e.Now.Truncate(time.Second)), nil
		}),
		"TIMENOW":       dated("TIMENOW()", 0, TypeTime, "a", func(e *evaluation, _ Value) (Value, error) { return Time(e.Now.UTC()), nil }),
		"DATEVALUE":     dated("DATEVALUE(text or datetime)", 1, TypeDate, "tmd", dateValue),
		"DATETIMEVALUE": dated("DATETIMEVALUE(text or date)", 1, TypeDatetime, "tdm", datetimeValue),
		"TIMEVALUE":     dated("TIMEVALUE(text or datetime)", 1, TypeTime, "tmh", timeValue),
		"FROMUNIXTIME": dated("FROMUNIXTIME(seconds)", 1, TypeDatetime, "n", func(_ *evaluation, v Value) (Value, error) {
			s := new(big.Int).Quo(v.Num.Num(), v.Num.Denom())
			if !s.IsInt64() || s.BitLen() > 38 {
				return Value{}, errValue("the date is out of range")
			}
			return Datetime(time.Unix(s.Int64(), 0)), nil
		}),
		"UNIXTIMESTAMP": dated("UNIXTIMESTAMP(date, datetime or time)", 1, TypeNumber, "dmh", func(_ *evaluation, v Value) (Value, error) {
			return Int(v.At.Unix()), nil
		}),
		"DATE": {
			least: 3, most: 3, takes: []string{"n"}, gives: TypeDate, use: everywhere, about: "DATE(year, month, day)",
			eval: func(_ *evaluation, a []Value) (Value, error) {
				if a[0].Blank() || a[1].Blank() || a[2].Blank() {
					return Value{}, nil
				}
				return dateOf(count(a[0]), count(a[1]), count(a[2]))
			},
		},
		"ADDMONTHS": {
			least: 2, most: 2, takes: []string{"dm", "n"}, gives: TypeUnknown, use: everywhere,
			about: "ADDMONTHS(date, months): the last day of a month stays one",
			check: func(_ *checking, _ node, types []Type) (Type, error) { return types[0], nil },
			eval:  addMonths,
		},
	}
	part := func(name, takes string, f func(time.Time) int) {
		fns[name] = dated(name+"("+map[string]string{"d": "date", "h": "time"}[takes]+")", 1, TypeNumber, takes,
			func(_ *evaluation, v Value) (Value, error) { return Int(int64(f(v.At))), nil })
	}
	part("YEAR", "d", time.Time.Year)
	part("MONTH", "d", func(t time.Time) int { return int(t.Month()) })
	part("DAY", "d", time.Time.Day)
	part("WEEKDAY", "d", func(t time.Time) int { return int(t.Weekday()) + 1 })
	part("DAYOFYEAR", "d", time.Time.YearDay)
	part("ISOWEEK", "d", func(t time.Time) int { _, w := t.ISOWeek(); return w })
	part("ISOYEAR", "d", func(t time.Time) int { y, _ := t.ISOWeek(); return y })
	part("HOUR", "h", time.Time.Hour)
	part("MINUTE", "h", time.Time.Minute)
	part("SECOND", "h", time.Time.Second)
	part("MILLISECOND", "h", func(t time.Time) int { return t.Nanosecond() / int(time.Millisecond) })
	return fns
}

// dated declares a function of at most one value, which is blank when that is.
func dated(about string, args int, gives Type, takes string, f func(*evaluation, Value) (Value, error)) *function {
	return &function{
		least: args, most: args, takes: []string{takes}, gives: gives, use: everywhere, about: about,
		eval: func(e *evaluation, a []Value) (Value, error) {
			switch {
			case args == 0:
				return f(e, Value{})
			case a[0].Blank():
				return Value{}, nil
			}
			return f(e, a[0])
		},
	}
}

func dateOf(year, month, day int) (Value, error) {
	if year < 1 || year > 9999 {
		return Value{}, errValue("Year out of range in DATE() function")
	}
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if t.Year() != year || int(t.Month()) != month || t.Day() != day {
		return Value{}, errValue("Month or Day out of range in DATE() function")
	}
	return Date(t), nil
}

func dateValue(_ *evaluation, v Value) (Value, error) {
	if v.Type != TypeText {
		return Date(v.At), nil
	}
	t, err := time.Parse("2006-1-2", v.Text)
	if err != nil {
		return Value{}, errValue("The value '%s' is not a valid date.", v.Text)
	}
	return Date(t), nil
}

func datetimeValue(_ *evaluation, v Value) (Value, error) {
	if v.Type != TypeText {
		return Datetime(v.At), nil
	}
	for _, layout := range []string{"2006-1-2 15:04:05", "2006-1-2 15:04:05Z07:00", "2006-1-2"} {
		if t, err := time.Parse(layout, v.Text); err == nil {
			return Datetime(t), nil
		}
	}
	return Value{}, errValue("The value '%s' is not a valid datetime.", v.Text)
}

func timeValue(_ *evaluation, v Value) (Value, error) {
	if v.Type != TypeText {
		return Time(v.At), nil
	}
	for _, layout := range []string{"15:04:05.000", "15:04:05", "15:04"} {
		if t, err := time.Parse(layout, v.Text); err == nil {
			return Time(t), nil
		}
	}
	return Value{}, errValue("The value '%s' is not a valid time.", v.Text)
}

// addMonths keeps the last day of a month the last one. Source: Salesforce Help, ADDMONTHS; the
// formula engine's tests.
func addMonths(_ *evaluation, a []Value) (Value, error) {
	if a[0].Blank() || a[1].Blank() {
		return Missing(a[0].Type), nil
	}
	const farMonths = 12 * 10_000
	n := count(a[1])
	if n > farMonths || n < -farMonths {
		return Value{}, errValue("the date is out of range")
	}
	t := a[0].At
	last := t.AddDate(0, 0, 1).Day() == 1
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	end := first.AddDate(0, 1, -1)
	day := t.Day()
	if last || day > end.Day() {
		day = end.Day()
	}
	a[0].At = first.AddDate(0, 0, day-1)
	return a[0], nil
}
