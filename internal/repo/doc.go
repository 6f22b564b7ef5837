// Package repo is a sealed, content-addressed store of objects in a bucket. It knows nothing of
// Salesforce.
//
// An object has a class and a list of frames; its Id is a keyed hash of both, so that the same
// contents are stored once. Named objects are found by a name instead, which the storage does not
// see. Objects are put once and never change.
//
// Promises. What Put acknowledged survives a crash. What is read is authenticated, and its class and
// Id with it: anything else is an error of kind Damaged that names the object. A wrong key fails
// closed with kind WrongKey. Any number of processes may use one repository at once, without locks:
// nothing is overwritten or deleted that another could refer to.
//
// docs/format/repository.md is the specification of every byte.
package repo
