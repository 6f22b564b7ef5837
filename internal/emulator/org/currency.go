package org

import (
	"math/big"
	"slices"
	"strings"

	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// Multiple currencies. Sources: Object Reference, CurrencyType; SOQL Reference, convertCurrency() and
// "Querying Currency Fields in Multi-Currency Orgs"; Salesforce Help, "Implications of Enabling
// Multiple Currencies". Amounts are kept in the currency of their record, and rates say how much of a
// currency one unit of the corporate one is worth.

// corporateCurrency is the first currency of an org.
const corporateCurrency = "USD"

// plantCurrency makes the corporate currency of an org that has several.
func (w *work) plantCurrency() {
	w.plant("CurrencyType", map[string]string{
		"IsoCode": corporateCurrency, "ConversionRate": "1", "DecimalPlaces": "2", "IsActive": "true", "IsCorporate": "true",
	})
}

// currencyType checks a currency. The codes are StatusCodes of the partner WSDL; the wordings are
// unverified.
func (d *draft) currencyType() *Error {
	rate, ok := parseNumber(d.get("ConversionRate"))
	corporate := d.get("IsCorporate") == "true"
	switch {
	case ok && rate.Sign() <= 0:
		return fault("INVALID_CURRENCY_CONV_RATE", "the conversion rate must be greater than zero", "ConversionRate")
	case d.was("IsCorporate") == "true" && !corporate:
		return fault("CANT_UNSET_CORP_CURRENCY", "another currency must become the corporate one", "IsCorporate")
	case corporate && ok && rate.Cmp(big.NewRat(1, 1)) != 0:
		return fault("INVALID_CURRENCY_CORP_RATE", "the rate of the corporate currency is 1", "ConversionRate")
	case d.old != nil && corporate && d.get("IsActive") != "true":
		return fault("CANT_DISABLE_CORP_CURRENCY", "the corporate currency cannot be switched off", "IsActive")
	case len(d.get("IsoCode")) != 3:
		return fault("INVALID_CURRENCY_ISO", "not a currency: "+d.get("IsoCode"), "IsoCode")
	}
	return d.sibling("IsoCode", "")
}

// datedRate checks a dated rate, of which a currency has one a day. The wordings are unverified.
func (d *draft) datedRate() *Error {
	if rate, ok := parseNumber(d.get("ConversionRate")); ok && rate.Sign() <= 0 {
		return fault("INVALID_CURRENCY_CONV_RATE", "the conversion rate must be greater than zero", "ConversionRate")
	}
	return d.sibling("StartDate", "IsoCode")
}

// offer adds a new currency to the values of every CurrencyIsoCode.
func (d *draft) offer() {
	o, code := d.w.o, d.get("IsoCode")
	if d.old != nil || slices.ContainsFunc(o.schema.sets["CurrencyIsoCode"], func(v PicklistValue) bool { return v.Value == code }) {
		return
	}
	before, objects := o.schema, o.objects
	tx := &Tx{org: o, schema: o.schema.copy(), work: d.w, prefixes: o.objects}
	list := append(slices.Clone(before.sets["CurrencyIsoCode"]), PicklistValue{Value: code, Label: code, Active: true})
	tx.schema.sets["CurrencyIsoCode"] = list
	for _, object := range before.objects {
		for i, f := range object.Fields {
			if f.set == "CurrencyIsoCode" {
				c := *f
				c.Picklist = list
				tx.schema.edit(tx.schema.object(object.Name)).Fields[i] = &c
			}
		}
	}
	tx.expose()
	o.objects = objects
	d.w.also(func() {
		o.schema = before
		o.adoptTables()
	})
}

// denominated gives a custom object or setting its currency field, after the name; that it stands there is
// unverified.
func (t *Tx) denominated(o *Object) {
	if !t.org.cfg.Features.MultiCurrency || o.Kind == CustomMetadata || o.Kind == BigObject || o.Kind == PlatformEvent {
		return
	}
	f := fieldsOf(strings.Replace(macros["currency"], "feature=MultiCurrency ", "", 1))[0]
	f.Picklist = t.schema.sets[f.set]
	o.Fields = slices.Insert(o.Fields, o.recordTypeAt(), f)
}

// denominate gives a record its currency: that of its parent for what is a line of it, else that of
// the user. A record in a currency that is switched off is refused.
func (d *draft) denominate() *Error {
	f := d.object.Field("CurrencyIsoCode")
	if f == nil || f.column < 0 || d.object.Name == "User" {
		return nil
	}
	if d.old == nil && !d.given[f.column] {
		d.vals[f.column] = d.w.o.userCurrency(d.w.caller)
	}
	for _, lookup := range []string{"OpportunityId", "OrderId", "QuoteId"} {
		if p := d.w.o.record(sf.ID(d.get(lookup))); p.r != nil && strings.HasSuffix(d.object.Name, "Item") {
			d.vals[f.column] = orElse(p.t.text(p.r, "CurrencyIsoCode"), d.vals[f.column])
		}
	}
	code := d.vals[f.column]
	if d.old != nil && d.old.text(f.column) == code {
		return nil
	}
	if _, active := d.w.o.rate(code); !active {
		return fault("INVALID_CURRENCY_ISO", "not an active currency: "+code, "CurrencyIsoCode")
	}
	return nil
}

func (o *Org) userCurrency(caller Caller) string {
	users := o.tables["user"]
	if r := users.find(caller.User); r != nil {
		if code := users.text(r, "DefaultCurrencyIsoCode"); code != "" {
			return code
		}
	}
	t := o.tables["currencytype"]
	for _, r := range t.rows {
		if r.fate == live && t.text(r, "IsCorporate") == "true" {
			return t.text(r, "IsoCode")
		}
	}
	return corporateCurrency
}

// rate is what one unit of the corporate currency is worth, and whether the currency is active.
func (o *Org) rate(code string) (*big.Rat, bool) {
	t := o.tables["currencytype"]
	for _, r := range t.holding(t.object.Field("IsoCode").column, code) {
		if rate, ok := parseNumber(t.text(r, "ConversionRate")); ok && r.fate == live {
			return rate, t.text(r, "IsActive") == "true"
		}
	}
	return nil, false
}

// dated names the day whose rate converts the amounts of a record; records of other objects are converted by today's.
// Source: SOQL and SOSL Reference, convertCurrency(); Salesforce Help, "About Advanced Currency Management".
func (o *Org) dated(t *table, r *row) string {
	if !o.cfg.Features.DatedCurrency {
		return ""
	}
	switch t.object.Name {
	case "Opportunity", "OpportunityHistory":
		return t.text(r, "CloseDate")
	case "OpportunityLineItem":
		return via("OpportunityId", "CloseDate")(o, t, r)
	}
	return ""
}

// rateOn is the rate of a day: that of the last dated one that had begun, else that of the currency.
func (o *Org) rateOn(day, code string) *big.Rat {
	best, _ := o.rate(code)
	t := o.tables["datedconversionrate"]
	if day == "" || t == nil {
		return best
	}
	begun := ""
	for _, r := range t.holding(t.object.Field("IsoCode").column, code) {
		start := t.text(r, "StartDate")
		if rate, ok := parseNumber(t.text(r, "ConversionRate")); ok && r.fate == live && start <= day && start > begun {
			best, begun = rate, start
		}
	}
	return best
}

// nextRate is when the next dated rate of the same currency begins. Source: Object Reference,
// DatedConversionRate.NextStartDate; the day where none follows is that of public replies.
func nextRate(o *Org, t *table, r *row) string {
	const never = "9999-12-31"
	next, from := never, t.text(r, "StartDate")
	for _, other := range t.holding(t.object.Field("IsoCode").column, t.text(r, "IsoCode")) {
		if start := t.text(other, "StartDate"); other.fate == live && start > from && start < next {
			next = start
		}
	}
	return next
}

// exchange converts an amount between two currencies.
func (o *Org) exchange(amount, from, to string, scale int) string {
	return o.exchangeOn("", amount, from, to, scale)
}

// exchangeOn converts an amount by the rates of a day; by those of today where there are no dated ones.
func (o *Org) exchangeOn(day, amount, from, to string, scale int) string {
	n, ok := parseNumber(amount)
	a, b := o.rateOn(day, from), o.rateOn(day, to)
	if !ok || a == nil || b == nil || from == to {
		return amount
	}
	return decimal(n.Mul(n.Quo(n, a), b), scale)
}

// currencyOf is the currency of a record; empty in an org with one currency, and for objects without amounts.
func (o *Org) currencyOf(t *table, r *row) string {
	if !o.cfg.Features.MultiCurrency {
		return ""
	}
	return t.text(r, "CurrencyIsoCode")
}

// amount is the value of a field for a record in another currency: roll-ups are in that of their master, and
// formulas in that of the record they stand on. Source: Salesforce Help, "Implications of Enabling Multiple Currencies",
// "Roll-Up Summary Field" and "Cross-Object Formulas".
func (o *Org) amount(t *table, r *row, f *Field, to string) string {
	text := o.value(t, r, f, 1)
	if f.Type != sf.TypeCurrency || to == "" {
		return text
	}
	return o.exchange(text, t.text(r, "CurrencyIsoCode"), to, f.Scale)
}

// converted is a column with its amounts in the currency of the reader, as convertCurrency() gives
// them. It does not touch an org with one currency.
func (s *selection) converted(call *soql.Call, use soql.Use) (soql.Column[*row], bool, error) {
	if call.Name != "CONVERTCURRENCY" || call.Arg == nil || !s.o.cfg.Features.MultiCurrency {
		return soql.Column[*row]{}, false, nil
	}
	tr, err := s.locate(call.Arg)
	if err != nil {
		return soql.Column[*row]{}, true, err
	}
	if tr.field.Type != sf.TypeCurrency { // the wording is unverified
		return soql.Column[*row]{}, true, s.q.ErrorAt(call.Pos, "INVALID_FIELD", "convertCurrency is not valid on field %s", tr.field.Name)
	}
	col, err := s.resolve(call.Arg, use)
	if err != nil {
		return soql.Column[*row]{}, true, err
	}
	col.Get = s.o.inCurrency(s.t, tr, col.Get, s.o.userCurrency(s.caller))
	return col, true, nil
}

// inCurrency reads amounts of the records at the end of a trail in one currency.
func (o *Org) inCurrency(t *table, tr *trail, get func(*row) string, to string) func(*row) string {
	return func(r *row) string {
		pt, p := o.walk(t, r, tr.hops)
		if p == nil {
			return get(r)
		}
		return o.exchangeOn(o.dated(pt, p), get(r), pt.text(p, "CurrencyIsoCode"), to, tr.field.Scale)
	}
}
