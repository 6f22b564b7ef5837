package formula

// logicFunctions decide. Blank booleans are neither true nor false: IF takes them for false, AND and
// OR too, NOT keeps them. Source: the formula engine, FunctionIf, FunctionAnd, FunctionOr, OperatorNot.
func logicFunctions() map[string]*function {
	return map[string]*function{
		"IF": {
			least: 3, most: 3, takes: []string{"b", "a", "a"}, gives: TypeUnknown, use: everywhere,
			about: "IF(test, value, otherwise)", check: sameResult(1, 2),
			lazy: func(e *evaluation, n node) (Value, error) {
				test, err := e.eval(n.args[0])
				if err != nil {
					return Value{}, err
				}
				if test.True() {
					return e.eval(n.args[1])
				}
				return e.eval(n.args[2])
			},
		},
		"CASE": {
			least: 4, most: -1, takes: []string{"a"}, gives: TypeUnknown, use: everywhere,
			about: "CASE(expression, value, result, …, otherwise)", check: checkCase, lazy: evalCase,
		},
		"AND": {
			least: 1, most: -1, takes: []string{"b"}, gives: TypeBoolean, use: everywhere, about: "AND(test, …)",
			lazy: func(e *evaluation, n node) (Value, error) { return e.all(n.args, true) },
		},
		"OR": {
			least: 1, most: -1, takes: []string{"b"}, gives: TypeBoolean, use: everywhere, about: "OR(test, …)",
			lazy: func(e *evaluation, n node) (Value, error) { return e.all(n.args, false) },
		},
		"NOT": {
			least: 1, most: 1, takes: []string{"b"}, gives: TypeBoolean, use: everywhere, about: "NOT(test)",
			eval: func(_ *evaluation, a []Value) (Value, error) {
				if a[0].Blank() {
					return Missing(TypeBoolean), nil
				}
				return Bool(!a[0].Yes), nil
			},
		},
		"ISBLANK": {
			least: 1, most: 1, takes: []string{"a"}, gives: TypeBoolean, use: everywhere, about: "ISBLANK(expression)",
			eval: func(_ *evaluation, a []Value) (Value, error) { return Bool(a[0].Blank()), nil },
		},
		"ISNULL": {
			least: 1, most: 1, takes: []string{"a"}, gives: TypeBoolean, use: everywhere,
			about: "ISNULL(expression): like ISBLANK, but a text is never null",
			eval: func(_ *evaluation, a []Value) (Value, error) {
				return Bool(a[0].Blank() && a[0].Of != TypeText), nil
			},
		},
		"BLANKVALUE": {
			least: 2, most: 2, takes: []string{"a", "a"}, gives: TypeUnknown, use: everywhere,
			about: "BLANKVALUE(expression, substitute)", check: sameResult(0, 1), lazy: substitute(false),
		},
		"NULLVALUE": {
			least: 2, most: 2, takes: []string{"a", "a"}, gives: TypeUnknown, use: everywhere,
			about: "NULLVALUE(expression, substitute): like BLANKVALUE, but a text is never null",
			check: sameResult(0, 1), lazy: substitute(true),
		},
		"IFERROR": {
			least: 2, most: 2, takes: []string{"a", "a"}, gives: TypeUnknown, use: everywhere,
			about: "IFERROR(expression, substitute)", check: sameResult(0, 1),
			lazy: func(e *evaluation, n node) (Value, error) {
				if v, err := e.eval(n.args[0]); err == nil {
					return v, nil
				}
				return e.eval(n.args[1])
			},
		},
	}
}

// all evaluates the arguments of AND until one is not true, of OR until one is.
func (e *evaluation) all(args []node, and bool) (Value, error) {
	for _, a := range args {
		v, err := e.eval(a)
		if err != nil {
			return Value{}, err
		}
		if v.True() != and {
			return Bool(!and), nil
		}
	}
	return Bool(and), nil
}

func substitute(textIsNeverNull bool) func(*evaluation, node) (Value, error) {
	return func(e *evaluation, n node) (Value, error) {
		v, err := e.eval(n.args[0])
		if err != nil || !v.Blank() || textIsNeverNull && v.Of == TypeText {
			return v, err
		}
		return e.eval(n.args[1])
	}
}

func evalCase(e *evaluation, n node) (Value, error) {
	v, err := e.eval(n.args[0])
	if err != nil {
		return Value{}, err
	}
	for i := 1; i+1 < len(n.args); i += 2 {
		when, err := e.eval(n.args[i])
		if err != nil {
			return Value{}, err
		}
		if same := equal(v, when); same.True() {
			return e.eval(n.args[i+1])
		}
	}
	return e.eval(n.args[len(n.args)-1])
}

// equal compares as = does. With a blank, texts compare as the empty text, and everything else gives
// a blank. Source: the formula engine, OperatorEquality.comparePointwise.
func equal(a, b Value) Value {
	if !a.Blank() && !b.Blank() {
		order, ok := compare(a, b)
		return Bool(ok && order == 0)
	}
	if textual(a) || textual(b) {
		return Bool(a.Text == b.Text)
	}
	return Missing(TypeBoolean)
}

func textual(v Value) bool { return isText(v.Type) || v.Blank() && isText(v.Of) }

// sameResult checks that two arguments have one type, which is the type of the result.
func sameResult(i, k int) func(*checking, node, []Type) (Type, error) {
	return func(_ *checking, n node, types []Type) (Type, error) {
		a, b := plain(types[i]), plain(types[k])
		if a == TypeNull || a == TypeUnknown {
			return b, nil
		}
		if b != TypeNull && b != TypeUnknown && a != b {
			return 0, wrongType(n, a.String(), b)
		}
		return a, nil
	}
}

// plain takes a picklist for the text that it holds.
func plain(t Type) Type {
	if t == TypePicklist || t == TypeMultiPicklist {
		return TypeText
	}
	return t
}

func checkCase(_ *checking, n node, types []Type) (Type, error) {
	of, result := plain(types[0]), TypeNull
	for i := 1; i < len(types); i++ {
		want := &result
		if i%2 == 1 && i < len(types)-1 {
			want = &of
		}
		switch t := plain(types[i]); {
		case t == TypeNull || t == TypeUnknown:
		case *want == TypeNull || *want == TypeUnknown:
			*want = t
		case *want != t:
			return 0, wrongType(n, want.String(), t)
		}
	}
	return result, nil
}
