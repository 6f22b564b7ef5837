// Package formula parses, checks and evaluates the platform's formula language: formula fields,
// validation rules, default values, workflow field updates and the conditions of declared reactions.
// It knows no org: the caller hands in what a field path means and what it holds.
//
// What it covers is the table in docs/reference/emulator-formulas.md, which a test holds to the code.
// A formula that uses anything else does not parse; a caller shows that, and never takes it for null.
//
// Source of the grammar and of what blanks do: the formula engine that Salesforce publishes
// (github.com/salesforce/formula-engine, Formula.g4 and its BuiltinFunctionsTest), and Salesforce
// Help, "Formula Operators and Functions by Context". No line of the former is repeated here.
package formula
