package formula

import (
	"maps"
	"strings"
)

// Use is where a formula stands, which decides what functions it may call.
type Use uint8

// The uses of formulas.
const (
	Field      Use = 1 << iota // a formula field
	Validation                 // a validation rule
	Default                    // a default value
	Workflow                   // workflow rules and field updates, assignment rules, reactions
)

const (
	everywhere = Field | Validation | Default | Workflow
	onSave     = Validation | Workflow // there is a record and a version before
)

// function is one row of the table of functions.
type function struct {
	least, most int      // arguments; most -1 is any number
	takes       []string // types of each argument, one letter each, see letters; the last one repeats
	gives       Type     // TypeUnknown: it follows from the arguments
	use         Use
	about       string // how it is called and what it does, for the reference
	eval        func(e *evaluation, args []Value) (Value, error)
	lazy        func(e *evaluation, n node) (Value, error) // instead of eval, where not all arguments are evaluated
	check       func(c *checking, n node, types []Type) (Type, error)
}

// letters are the types that an argument may have: a means all of them.
var letters = map[byte]Type{
	't': TypeText, 'n': TypeNumber, 'b': TypeBoolean, 'd': TypeDate, 'm': TypeDatetime, 'h': TypeTime,
	'p': TypePicklist, 'q': TypeMultiPicklist, 'l': TypeLocation,
}

func accepts(allowed string, t Type) bool {
	if allowed == "a" || t == TypeNull || t == TypeUnknown {
		return true
	}
	for i := range len(allowed) {
		if letters[allowed[i]] == t {
			return true
		}
	}
	return false
}

func expected(allowed string) string {
	var names []string
	for i := range len(allowed) {
		names = append(names, letters[allowed[i]].String())
	}
	return strings.Join(names, ", ")
}

// functions is the table, by name in capitals. Each group stands in the file that evaluates it.
var functions = union(logicFunctions(), textFunctions(), mathFunctions(), dateFunctions(), recordFunctions(), uncomputed())

func union(groups ...map[string]*function) map[string]*function {
	out := map[string]*function{}
	for _, group := range groups {
		maps.Copy(out, group)
	}
	return out
}

// uncomputed are the functions that the platform has and this package cannot compute: what they
// give lies outside the records of an org. A formula with one of them is read, and Unread names it.
func uncomputed() map[string]*function {
	out := map[string]*function{}
	for name, about := range map[string]string{
		"CURRENCYRATE": "CURRENCYRATE(code): conversion rate of a currency", "PREDICT": "PREDICT(model, …): an Einstein prediction",
		"GETSESSIONID": "GETSESSIONID(): the session of the user", "URLFOR": "URLFOR(target, …): a relative URL",
		"LINKTO": "LINKTO(label, target, …): a link of an s-control", "GETRECORDIDS": "GETRECORDIDS(object type): selected records of a list",
		"INCLUDE": "INCLUDE(s-control)", "REQUIRESCRIPT": "REQUIRESCRIPT(url)", "IMAGEPROXYURL": "IMAGEPROXYURL(url)",
		"PARENTGROUPVAL": "PARENTGROUPVAL(…): of reports", "PREVGROUPVAL": "PREVGROUPVAL(…): of reports",
		"JUNCTIONIDLIST": "JUNCTIONIDLIST(…)", "ISCLONE": "ISCLONE(): the record is a clone made in the user interface",
	} {
		out[name] = &function{least: 0, most: -1, takes: []string{"a"}, gives: TypeUnknown, use: everywhere, about: about}
	}
	return out
}

// Unread returns the functions of the formula that cannot be computed here; empty when it can be.
func (f *Formula) Unread() []string {
	var out []string
	for _, name := range f.Functions() {
		if fn := functions[name]; fn.eval == nil && fn.lazy == nil {
			out = append(out, name)
		}
	}
	return out
}
