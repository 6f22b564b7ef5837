package org

// RuleField is the field that the rules of its type make, with nothing from the catalogue.
func RuleField(name, kind string, length, precision, scale int, targets []string) *Field {
	if kind == "reference" {
		kind = "ref"
	}
	return newField(name, shape{kind: kind, length: length, precision: precision, scale: scale, targets: targets})
}

// RuleLabel is the label that follows from the name of a field.
func RuleLabel(o *Object, name string) string { return labelOf(o, &Field{Name: name}) }

// ReadCatalogue reads the files and publishes the schema of a new org, as the first org does.
func ReadCatalogue() int {
	s := readStandard()
	return len(newStandardSchema(s, Features{}).objects)
}
