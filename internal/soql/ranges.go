package soql

import "time"

// maxRange bounds the number of a counted date range, far beyond what the calendar can hold in use.
const maxRange = 100_000

type rangeUnit uint8

const (
	dayUnit rangeUnit = iota + 1
	weekUnit
	monthUnit
	quarterUnit
	yearUnit
	fiscalQuarterUnit
	fiscalYearUnit
	ninetyDays
)

// plainRange is a date literal without a number: the unit, and how far from the present one.
type plainRange struct {
	unit   rangeUnit
	offset int
}

// plainRanges and countedRanges are the date literals of the SOQL Reference, "Date Formats and Date
// Literals in WHERE". LAST_90_DAYS and NEXT_90_DAYS are ranges of days with one end at today.
var plainRanges = map[string]plainRange{
	"YESTERDAY": {dayUnit, -1}, "TODAY": {dayUnit, 0}, "TOMORROW": {dayUnit, 1},
	"LAST_WEEK": {weekUnit, -1}, "THIS_WEEK": {weekUnit, 0}, "NEXT_WEEK": {weekUnit, 1},
	"LAST_MONTH": {monthUnit, -1}, "THIS_MONTH": {monthUnit, 0}, "NEXT_MONTH": {monthUnit, 1},
	"LAST_QUARTER": {quarterUnit, -1}, "THIS_QUARTER": {quarterUnit, 0}, "NEXT_QUARTER": {quarterUnit, 1},
	"LAST_YEAR": {yearUnit, -1}, "THIS_YEAR": {yearUnit, 0}, "NEXT_YEAR": {yearUnit, 1},
	"LAST_FISCAL_QUARTER": {fiscalQuarterUnit, -1}, "THIS_FISCAL_QUARTER": {fiscalQuarterUnit, 0},
	"NEXT_FISCAL_QUARTER": {fiscalQuarterUnit, 1},
	"LAST_FISCAL_YEAR":    {fiscalYearUnit, -1}, "THIS_FISCAL_YEAR": {fiscalYearUnit, 0},
	"NEXT_FISCAL_YEAR": {fiscalYearUnit, 1},
	"LAST_90_DAYS":     {ninetyDays, -1}, "NEXT_90_DAYS": {ninetyDays, 1},
}

// countedRange is a date literal with a number. Sign says on which side of the present it lies; ago
// means the one unit that lies n units away, otherwise all n units next to the present one.
type countedRange struct {
	unit rangeUnit
	sign int
	ago  bool
}

var countedRanges = map[string]countedRange{
	"LAST_N_DAYS": {dayUnit, -1, false}, "NEXT_N_DAYS": {dayUnit, 1, false}, "N_DAYS_AGO": {dayUnit, -1, true},
	"LAST_N_WEEKS": {weekUnit, -1, false}, "NEXT_N_WEEKS": {weekUnit, 1, false}, "N_WEEKS_AGO": {weekUnit, -1, true},
	"LAST_N_MONTHS": {monthUnit, -1, false}, "NEXT_N_MONTHS": {monthUnit, 1, false}, "N_MONTHS_AGO": {monthUnit, -1, true},
	"LAST_N_QUARTERS": {quarterUnit, -1, false}, "NEXT_N_QUARTERS": {quarterUnit, 1, false}, "N_QUARTERS_AGO": {quarterUnit, -1, true},
	"LAST_N_YEARS": {yearUnit, -1, false}, "NEXT_N_YEARS": {yearUnit, 1, false}, "N_YEARS_AGO": {yearUnit, -1, true},
	"LAST_N_FISCAL_QUARTERS": {fiscalQuarterUnit, -1, false}, "NEXT_N_FISCAL_QUARTERS": {fiscalQuarterUnit, 1, false},
	"N_FISCAL_QUARTERS_AGO": {fiscalQuarterUnit, -1, true},
	"LAST_N_FISCAL_YEARS":   {fiscalYearUnit, -1, false}, "NEXT_N_FISCAL_YEARS": {fiscalYearUnit, 1, false},
	"N_FISCAL_YEARS_AGO": {fiscalYearUnit, -1, true},
}

// Env is what the value of a query depends on besides the rows.
type Env struct {
	Now time.Time
	// Location is the time zone of the calling user, in which days begin; nil means UTC.
	Location *time.Location
	// FiscalYearStart is the first month of the fiscal year; 0 means January.
	FiscalYearStart time.Month
}

func (e Env) location() *time.Location {
	if e.Location == nil {
		return time.UTC
	}
	return e.Location
}

// Range returns the days of a RangeLiteral, from inclusive to exclusive, as midnights in the zone of
// the caller.
func (e Env) Range(l Literal) (from, to time.Time) {
	now := e.Now.In(e.location())
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, e.location())
	if r, ok := plainRanges[l.Text]; ok {
		switch {
		case r.unit == ninetyDays && r.offset < 0: // the 90 days up to and including today
			return today.AddDate(0, 0, -89), today.AddDate(0, 0, 1)
		case r.unit == ninetyDays: // the 90 days after today
			return today.AddDate(0, 0, 1), today.AddDate(0, 0, 91)
		}
		return e.step(e.begin(today, r.unit), r.unit, r.offset), e.step(e.begin(today, r.unit), r.unit, r.offset+1)
	}
	r := countedRanges[l.Text]
	begin := e.begin(today, r.unit)
	switch {
	case r.ago:
		return e.step(begin, r.unit, -l.N), e.step(begin, r.unit, 1-l.N)
	case r.sign < 0 && r.unit == dayUnit: // LAST_N_DAYS includes today
		return e.step(begin, r.unit, -l.N), e.step(begin, r.unit, 1)
	case r.sign < 0:
		return e.step(begin, r.unit, -l.N), begin
	default:
		return e.step(begin, r.unit, 1), e.step(begin, r.unit, 1+l.N)
	}
}

// begin returns the first day of the unit that holds the day. Weeks begin on Sunday, as in the
// en_US locale.
func (e Env) begin(day time.Time, u rangeUnit) time.Time {
	first := func(m time.Month) time.Time {
		return time.Date(day.Year(), m, 1, 0, 0, 0, 0, day.Location())
	}
	start := max(e.FiscalYearStart, time.January)
	switch u {
	case weekUnit:
		return day.AddDate(0, 0, -int(day.Weekday()))
	case monthUnit:
		return first(day.Month())
	case quarterUnit:
		return first(day.Month() - (day.Month()-1)%3)
	case yearUnit:
		return first(time.January)
	case fiscalQuarterUnit:
		return first(day.Month() - (day.Month()-start+12)%3)
	case fiscalYearUnit:
		if day.Month() < start {
			return first(start).AddDate(-1, 0, 0)
		}
		return first(start)
	default:
		return day
	}
}

func (e Env) step(t time.Time, u rangeUnit, n int) time.Time {
	switch u {
	case weekUnit:
		return t.AddDate(0, 0, 7*n)
	case monthUnit:
		return t.AddDate(0, n, 0)
	case quarterUnit, fiscalQuarterUnit:
		return t.AddDate(0, 3*n, 0)
	case yearUnit, fiscalYearUnit:
		return t.AddDate(n, 0, 0)
	default:
		return t.AddDate(0, 0, n)
	}
}
