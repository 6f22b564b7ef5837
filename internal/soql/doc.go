// Package soql is the Salesforce Object Query Language: it parses a query into a tree, prints a tree
// as a query, and evaluates the conditions, the order and the aggregates of a query over rows that
// someone else holds. It does no I/O, knows no schema and never asks the clock: names are resolved by
// a function of the caller, and "now" is an argument.
//
// The grammar is that of the SOQL and SOSL Reference, SELECT, without bind variables (they belong to
// Apex). Names are not case-sensitive and are kept as written.
//
// Errors are *Error values that carry the platform's error code and its message format, position
// included, so that a server can answer them as they are.
package soql
