package formula

import (
	"maps"
	"slices"
	"strings"
)

// Reference returns the table of functions as a page of the reference, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Formulas of the emulator

What the emulated org computes of the platform's formula language: in formula fields, default values,
validation rules, workflow field updates, assignment rules, and the conditions of declared reactions.
The page is generated from the table of functions; a test holds it to the code.

Literals: text in " or ' (with \n \r \t \" \' \\), numbers, TRUE, FALSE, NULL; comments between /* and */.
Operators, the weakest first:

    ||   &&   = == <> !=   < > <= >=   + - &   ^   * /   - + ! NOT

Fields are named by path (Account.Owner.Name); a custom relationship ends in __r. Globals: $User, $Profile,
$UserRole, $Organization, $Permission, $Setup, $CustomMetadata, $Label, $RecordType, $Api, $System.OriginDateTime,
and $ObjectType in VLOOKUP.

A percent counts as its fraction. Days are those of UTC. What the platform shows as #Error! reads as null, as its
APIs have it, and makes a validation rule fail. A formula with a function that the last column marks *read, not
computed* reads as null too; the deployment that brings it says so in a warning. A text of more than 3,900 characters, a
formula of more than 15,000 bytes with the formulas that it uses, an unknown function, a field that does not
exist and arguments of the wrong type fail the component that has them.

| Function | Gives | Where |
|---|---|---|
`)
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		fn := functions[name]
		gives := fn.gives.String()
		if fn.gives == TypeUnknown {
			gives = "as its arguments"
		}
		where := "everywhere"
		switch {
		case fn.eval == nil && fn.lazy == nil:
			gives, where = "", "*read, not computed*"
		case fn.use == Validation:
			where = "validation rules"
		case fn.use == onSave:
			where = "rules on saving"
		case fn.use != everywhere:
			where = "not in formula fields"
		}
		b.WriteString("| `" + strings.ReplaceAll(fn.about, "|", "\\|") + "` | " + gives + " | " + where + " |\n")
	}
	return b.String()
}
