package org

import (
	"fmt"
	"reflect"
	"strings"
)

// Features are what an administrator, or Salesforce at the administrator's request, switches on for
// a whole org and what then changes its schema. The zero value is a new Developer Edition org.
//
// Source of the names: the settings of the same name in Salesforce Help and in the scratch org
// features of the Salesforce DX Developer Guide.
type Features struct {
	// PersonAccounts adds IsPersonAccount, PersonContactId and the Person… fields to Account, and
	// IsPersonAccount to Contact. It cannot be switched off again.
	PersonAccounts bool
	// MultiCurrency adds CurrencyIsoCode to the objects that hold amounts, and the objects
	// CurrencyType and, with DatedCurrency, DatedConversionRate. It cannot be switched off again.
	MultiCurrency bool
	// DatedCurrency is advanced currency management: rates by date. It implies MultiCurrency.
	DatedCurrency bool
	// Territories is Sales Territories (Territory2 and its objects).
	Territories bool
	// StateCountryPicklists makes states and countries of addresses picklists with codes.
	StateCountryPicklists bool
	// ContactsToMultipleAccounts adds AccountContactRelation.
	ContactsToMultipleAccounts bool
	// SharedActivities lets an activity have up to 50 people: TaskRelation, what an event is about in
	// EventRelation, WhoCount and WhatCount. It cannot be switched off again.
	SharedActivities bool
	// OptOutFields makes the opt-outs of mail, fax and calls of Contact and Lead visible. It is no setting
	// of the platform: the fields are there, but field-level security hides them from every profile of a new
	// org, so that no describe of one has them. Source: five describes of new orgs.
	OptOutFields bool
}

// FeatureNames are the names that Enable takes, in the order of the documentation.
func FeatureNames() []string {
	t := reflect.TypeFor[Features]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Name
	}
	return names
}

// Enable switches on the feature of that name, without regard to case, and what it implies.
func (f *Features) Enable(name string) error {
	for _, known := range FeatureNames() {
		if strings.EqualFold(known, name) {
			reflect.ValueOf(f).Elem().FieldByName(known).SetBool(true)
			f.MultiCurrency = f.MultiCurrency || f.DatedCurrency
			return nil
		}
	}
	return fmt.Errorf("feature %q: not one of %s", name, strings.Join(FeatureNames(), ", "))
}

// on reports one of the features of these exact names, which commas separate.
func (f Features) on(names string) bool {
	for name := range strings.SplitSeq(names, ",") {
		if v := reflect.ValueOf(f).FieldByName(name); v.IsValid() && v.Bool() {
			return true
		}
	}
	return false
}
