// Package repo is a sealed, content-addressed store of objects in a bucket. It knows nothing of
// Salesforce.
//
// An object has a class and a list of frames; its Id is a keyed hash of both, so that the same
// contents are stored once. Named objects are found by a name instead, which the storage does not
// see. Objects are put once and never change. Some objects are roots: the key table names them, from
// Commit on, and everything else is there because a root reaches it.
//
// Promises. What Put acknowledged survives a crash. What Commit acknowledged stays whole, with all
// that it reaches, through any Prune and Erase of any process. What is read is authenticated, and its
// class and Id with it: anything else is an error of kind Damaged that names the object. A wrong key
// fails closed with kind WrongKey. Any number of processes may use one repository at once, without
// locks: which of two comes first is decided by the store, never by clocks or names of machines.
//
// docs/format/repository.md is the specification of every byte, and of the order of writes.
package repo
