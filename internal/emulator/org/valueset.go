package org

import "slices"

// ValueSet returns the values of a standard value set, such as Industry, as they are now; nil when
// there is no set of that name.
func (o *Org) ValueSet(name string) []PicklistValue {
	defer o.read()()
	if _, standard := loadStandard().sets[name]; !standard {
		return nil
	}
	return slices.Clone(o.schema.sets[name])
}
