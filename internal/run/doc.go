// Package run holds the verbs, one file each: what an operator can do is what this folder lists.
//
// A verb is a function that takes a context and an input and returns a result of plain rows, ready
// to be printed or encoded as JSON. It prints nothing and knows no flags; which org and which
// storage it works on is handed in. Errors have the kinds of package problem.
package run
