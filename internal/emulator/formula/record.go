package formula

import "strings"

// recordFunctions ask about the record that is being saved. Source of where they may be used:
// Salesforce Help, ISNEW, ISCHANGED, PRIORVALUE, VLOOKUP; of what counts as changed: the formula
// engine, FunctionIsChanged.
func recordFunctions() map[string]*function {
	return map[string]*function{
		"ISNEW": {
			least: 0, most: 0, takes: []string{"a"}, gives: TypeBoolean, use: onSave, about: "ISNEW()",
			eval: func(e *evaluation, _ []Value) (Value, error) { return Bool(e.New), nil },
		},
		"ISCHANGED": {
			least: 1, most: 1, takes: []string{"a"}, gives: TypeBoolean, use: onSave, about: "ISCHANGED(field)", check: wantsField,
			lazy: func(e *evaluation, n node) (Value, error) {
				if e.New || e.Prior == nil {
					return Bool(false), nil
				}
				now, was := e.field(n.args[0].path), e.zero(e.Prior(n.args[0].path))
				if now.Blank() || was.Blank() {
					return Bool(now.Blank() != was.Blank()), nil
				}
				if isText(now.Type) {
					now.Text, was.Text = strings.ReplaceAll(now.Text, "\r\n", "\n"), strings.ReplaceAll(was.Text, "\r\n", "\n")
				}
				order, ok := compare(now, was)
				return Bool(!ok || order != 0), nil
			},
		},
		"PRIORVALUE": {
			least: 1, most: 1, takes: []string{"a"}, gives: TypeUnknown, use: onSave, about: "PRIORVALUE(field)", check: wantsField,
			lazy: func(e *evaluation, n node) (Value, error) {
				if e.New || e.Prior == nil { // the formula engine, FunctionPriorValue: blank
					return Missing(e.field(n.args[0].path).kind()), nil
				}
				return e.zero(e.Prior(n.args[0].path)), nil
			},
		},
		"VLOOKUP": {
			least: 3, most: 3, takes: []string{"a"}, gives: TypeUnknown, use: Validation,
			about: "VLOOKUP(field to return, field on lookup object, value)",
			check: func(_ *checking, n node, types []Type) (Type, error) {
				for _, a := range n.args[:2] {
					if a.op != leafField || !strings.HasPrefix(strings.ToLower(a.text), "$objecttype.") {
						return 0, wrong("Incorrect parameter for function VLOOKUP(). Expected $ObjectType field reference.")
					}
				}
				return plain(types[0]), nil
			},
			lazy: func(e *evaluation, n node) (Value, error) {
				v, err := e.eval(n.args[2])
				if err != nil || e.Find == nil {
					return Value{}, err
				}
				return e.Find(n.args[0].path, n.args[1].path, v), nil
			},
		},
	}
}

func wantsField(_ *checking, n node, types []Type) (Type, error) {
	if n.args[0].op != leafField {
		return 0, wrong("Incorrect parameter for function '%s()'. Expected Field reference.", n.op)
	}
	if n.op == "ISCHANGED" {
		return TypeBoolean, nil
	}
	return types[0], nil
}
