package org_test

import (
	"testing"

	"holdfast/internal/emulator/org"
)

func currencies(t *testing.T) *world {
	w := &world{t: t, clock: org.FixedClock(start)}
	w.Org = org.New(org.Config{Seed: 7, Clock: w.clock, Features: org.Features{MultiCurrency: true}})
	return w
}

func TestRecordsHaveACurrency(t *testing.T) {
	w := currencies(t)
	w.wants("SELECT IsoCode, ConversionRate, IsCorporate FROM CurrencyType", "USD|1|true")
	w.refused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", org.Insert, org.Row{Object: "Account", Fields: fields("Name=A", "CurrencyIsoCode=EUR")})
	eur := w.add("CurrencyType", "IsoCode=EUR", "ConversionRate=0.5", "DecimalPlaces=2", "IsActive=true")
	base := []string{"StageName=Prospecting", "CloseDate=2026-04-01", "Amount=100"}
	w.add("Opportunity", append(base, "Name=plain")...)
	w.add("Opportunity", append(base, "Name=euro", "CurrencyIsoCode=EUR")...)
	w.wants("SELECT Name, CurrencyIsoCode, Amount, convertCurrency(Amount) dollars FROM Opportunity ORDER BY Name", "euro|EUR|100|200", "plain|USD|100|100")
	w.wants("SELECT SUM(Amount) FROM Opportunity", "300")
	w.set(w.Admin().User, "DefaultCurrencyIsoCode=EUR")
	w.add("Account", "Name=A")
	w.wants("SELECT CurrencyIsoCode FROM Account", "EUR")
	w.wants("SELECT convertCurrency(Amount) euros FROM Opportunity ORDER BY Name", "100", "50")
	w.set(eur, "IsActive=false")
	w.refused("INVALID_CURRENCY_ISO", org.Insert, org.Row{Object: "Account", Fields: fields("Name=B")})
}

func TestCurrencyRefusals(t *testing.T) {
	w := currencies(t)
	usd := w.rows("SELECT Id FROM CurrencyType")[0]
	for pair, code := range map[string]string{
		"ConversionRate=2": "INVALID_CURRENCY_CORP_RATE", "IsActive=false": "CANT_DISABLE_CORP_CURRENCY",
		"IsCorporate=false": "CANT_UNSET_CORP_CURRENCY", "ConversionRate=0": "INVALID_CURRENCY_CONV_RATE",
	} {
		w.refused(code, org.Update, org.Row{ID: usd, Fields: fields(pair)})
	}
	w.refused("DUPLICATE_VALUE", org.Insert, org.Row{Object: "CurrencyType", Fields: fields("IsoCode=USD", "ConversionRate=1", "DecimalPlaces=2")})
	plain := newWorld(t)
	if m := plain.queryError("SELECT CurrencyIsoCode FROM Account"); m[:len("INVALID_FIELD")] != "INVALID_FIELD" {
		t.Error(m)
	}
}
