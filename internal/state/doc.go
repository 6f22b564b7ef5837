// Package state computes with the states of an org: what differs between two of them, how a change
// is applied, undone and moved onto a later state, when two states count as equal, and one number
// that stands for the content of a state.
//
// It is pure: no clock, no files, no network, no goroutines. States are sequences of records, so
// that nothing here holds all records of an object; only changes are ever collected.
//
// The laws that it keeps are tests named TestLaw01… to TestLaw05… and TestLaw08…. The bytes behind
// Hash and Digest are specified in docs/format/digest.md.
package state
