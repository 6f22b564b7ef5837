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

// Source: Salesforce Help, "Implications of Enabling Multiple Currencies".
func TestAmountsOfOtherCurrenciesAreConverted(t *testing.T) {
	w := currencies(t)
	w.add("CurrencyType", "IsoCode=EUR", "ConversionRate=0.5", "DecimalPlaces=2", "IsActive=true")
	w.object("Box__c", org.FieldSpec{Name: "Worth__c", Type: "Currency", Precision: 18, Scale: 2})
	w.object("Thing__c", org.FieldSpec{Name: "Box__c", Type: "MasterDetail", ReferenceTo: "Box__c", RelationshipName: "Things"},
		org.FieldSpec{Name: "Price__c", Type: "Currency", Precision: 18, Scale: 2},
		org.FieldSpec{Name: "Count__c", Type: "Number", Precision: 18, Scale: 0},
		org.FieldSpec{Name: "Share__c", Type: "Currency", Precision: 18, Scale: 2, Formula: "Box__r.Worth__c / 4"})
	for _, op := range []string{"sum", "max"} {
		w.fields("Box__c", org.FieldSpec{Name: op + "__c", Type: "Summary", SummaryOperation: op, SummarizedField: "Thing__c.Price__c", SummaryForeignKey: "Thing__c.Box__c"})
	}
	w.fields("Box__c", org.FieldSpec{Name: "Number__c", Type: "Summary", SummaryOperation: "sum", SummarizedField: "Thing__c.Count__c", SummaryForeignKey: "Thing__c.Box__c"})
	box := "Box__c=" + string(w.add("Box__c", "Name=b", "Worth__c=100", "CurrencyIsoCode=EUR"))
	w.add("Thing__c", "Name=dollars", box, "Price__c=30", "Count__c=1", "CurrencyIsoCode=USD")
	w.add("Thing__c", "Name=euros", box, "Price__c=20", "Count__c=1", "CurrencyIsoCode=EUR")
	w.wants("SELECT CurrencyIsoCode, sum__c, max__c, Number__c FROM Box__c", "EUR|35|20|2")
	w.wants("SELECT Share__c FROM Thing__c ORDER BY Name", "50", "25")
	campaign := "CampaignId=" + string(w.add("Campaign", "Name=c", "CurrencyIsoCode=EUR"))
	for _, code := range []string{"USD", "EUR"} {
		w.add("Opportunity", "Name="+code, "StageName=Prospecting", "CloseDate=2026-04-01", "Amount=10", campaign, "CurrencyIsoCode="+code)
	}
	w.wants("SELECT AmountAllOpportunities FROM Campaign", "15")
}

// Source: SOQL and SOSL Reference, convertCurrency(): dated rates, of opportunities by their close date.
func TestDatedRatesConvertOpportunities(t *testing.T) {
	w := &world{t: t, clock: org.FixedClock(start)}
	w.Org = org.New(org.Config{Seed: 7, Clock: w.clock, Features: org.Features{MultiCurrency: true, DatedCurrency: true}})
	w.add("CurrencyType", "IsoCode=EUR", "ConversionRate=0.5", "DecimalPlaces=2", "IsActive=true")
	w.add("DatedConversionRate", "IsoCode=EUR", "StartDate=2026-01-01", "ConversionRate=0.8")
	later := w.add("DatedConversionRate", "IsoCode=EUR", "StartDate=2026-04-01", "ConversionRate=0.4")
	w.refused("DUPLICATE_VALUE", org.Insert, org.Row{Object: "DatedConversionRate", Fields: fields("IsoCode=EUR", "StartDate=2026-04-01", "ConversionRate=1")})
	w.wants("SELECT StartDate, NextStartDate FROM DatedConversionRate ORDER BY StartDate", "2026-01-01|2026-04-01", "2026-04-01|9999-12-31")
	for _, day := range []string{"2025-12-31", "2026-03-31", "2026-04-01"} {
		w.add("Opportunity", "Name="+day, "StageName=Prospecting", "CloseDate="+day, "Amount=80", "CurrencyIsoCode=EUR")
	}
	w.wants("SELECT convertCurrency(Amount) FROM Opportunity ORDER BY Name", "160", "100", "200")
	w.set(later, "ConversionRate=0.2")
	w.wants("SELECT convertCurrency(Amount) FROM Opportunity WHERE Name = '2026-04-01'", "400")
	w.add("Campaign", "Name=c", "BudgetedCost=80", "StartDate=2026-04-01", "CurrencyIsoCode=EUR")
	w.wants("SELECT convertCurrency(BudgetedCost) FROM Campaign", "160")
}
