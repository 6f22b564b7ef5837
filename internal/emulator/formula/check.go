package formula

import "strings"

// Schema tells the type of a field by its path from the record; false when there is no such field.
// Paths that begin with $ are globals.
type Schema func(path []string) (Type, bool)

// MissingFieldError is the error of a formula that names a field which is not there.
type MissingFieldError struct{ Path []string }

// Error has the words of the platform.
func (e *MissingFieldError) Error() string {
	return "Field " + strings.Join(e.Path, ".") + " does not exist. Check spelling."
}

type checking struct {
	schema Schema
	use    Use
}

// Check checks the types of a formula and returns that of its result. want is the type that the
// result must have; TypeUnknown takes any. The messages are those of the formula engine's labels. A
// field that is not there is a *MissingFieldError, everything else an *Error.
func (f *Formula) Check(schema Schema, use Use, want Type) (Type, error) {
	c := &checking{schema: schema, use: use}
	t, err := c.check(f.root)
	if err != nil {
		return 0, err
	}
	if t == TypePicklist || t == TypeMultiPicklist {
		return 0, picklistMessage(f.root)
	}
	if want != TypeUnknown && t != TypeNull && t != TypeUnknown && t != want {
		return 0, wrong("Formula result is data type (%s), incompatible with expected data type (%s).", t, want)
	}
	return t, nil
}

func (c *checking) check(n node) (Type, error) {
	switch n.op {
	case leafText:
		return TypeText, nil
	case leafNumber:
		return TypeNumber, nil
	case leafTrue, leafFalse:
		return TypeBoolean, nil
	case leafNull:
		return TypeNull, nil
	case leafField:
		t, ok := c.schema(n.path)
		if !ok {
			return 0, &MissingFieldError{n.path}
		}
		return t, nil
	}
	types := make([]Type, len(n.args))
	for i, a := range n.args {
		t, err := c.check(a)
		if err != nil {
			return 0, err
		}
		types[i] = t
	}
	if n.fn == nil {
		return c.operator(n, types)
	}
	if n.fn.use&c.use == 0 {
		return 0, wrong("Function %s may not be used in this type of formula", n.op)
	}
	for i, t := range types {
		allowed := n.fn.takes[min(i, len(n.fn.takes)-1)]
		if accepts(allowed, t) {
			continue
		}
		if t == TypePicklist || t == TypeMultiPicklist {
			return 0, picklistMessage(n.args[i])
		}
		return 0, wrongType(n, expected(allowed), t)
	}
	if n.fn.check != nil {
		return n.fn.check(c, n, types)
	}
	return n.fn.gives, nil
}

// picklistMessage is what the platform says of a picklist where a text is wanted.
func picklistMessage(n node) *Error {
	return wrong("Field %s is a picklist field. Picklist fields are only supported in certain functions.", n.text)
}

func wrongType(n node, want string, have Type) *Error {
	what := "operator '" + n.op + "'"
	switch {
	case n.fn != nil:
		what = "function '" + n.op + "()'"
	case n.op == "NEGATE":
		what = "operator '-'"
	case n.op == "PLUS":
		what = "operator '+'"
	}
	return wrong("Incorrect parameter type for %s. Expected %s, received %s", what, want, have)
}

// operator checks an operator. What can be added to what: the formula engine, OperatorAddOrSubtract.
func (c *checking) operator(n node, types []Type) (Type, error) {
	for i, t := range types {
		if t == TypePicklist || t == TypeMultiPicklist {
			return 0, picklistMessage(n.args[i])
		}
		if t == TypeUnknown {
			if n.op == "=" || n.op == "<>" || strings.ContainsAny(n.op, "<>|") || n.op == "&&" {
				return TypeBoolean, nil
			}
			return TypeUnknown, nil
		}
	}
	need := func(want, result Type) (Type, error) {
		for _, t := range types {
			if t != want && t != TypeNull {
				return 0, wrongType(n, want.String(), t)
			}
		}
		return result, nil
	}
	switch n.op {
	case "&&", "||":
		return need(TypeBoolean, TypeBoolean)
	case "&":
		return need(TypeText, TypeText)
	case "*", "/", "^", "NEGATE", "PLUS":
		return need(TypeNumber, TypeNumber)
	case "=", "<>", "<", ">", "<=", ">=":
		a, b := types[0], types[1]
		if a != TypeNull && b != TypeNull && a != b {
			return 0, wrongType(n, a.String(), b)
		}
		if len(n.op) > 0 && n.op != "=" && n.op != "<>" && (a == TypeBoolean || b == TypeBoolean) {
			return 0, wrongType(n, "Number, Text, Date, DateTime", TypeBoolean)
		}
		return TypeBoolean, nil
	}
	return addition(n, types[0], types[1])
}

func addition(n node, a, b Type) (Type, error) {
	plus := n.op == "+"
	switch {
	case a == TypeNull || b == TypeNull:
		if a == TypeNull {
			return b, nil
		}
		return a, nil
	case a == TypeNumber && b == TypeNumber:
		return TypeNumber, nil
	case a == TypeText && plus:
		if b == TypeText {
			return TypeText, nil
		}
		return 0, wrongType(n, TypeText.String(), b)
	case isTemporal(a) && b == TypeNumber:
		return a, nil
	case a == TypeNumber && plus && isTemporal(b) && b != TypeTime:
		return b, nil
	case isTemporal(a) && a == b && !plus:
		return TypeNumber, nil
	case a == TypeNumber:
		return 0, wrongType(n, TypeNumber.String(), b)
	case isTemporal(a):
		return 0, wrongType(n, "Number, Date, DateTime", b)
	}
	return 0, wrongType(n, "Number, Date, DateTime", a)
}
