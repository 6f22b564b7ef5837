// Package image copies, writes and reads everything that is reachable from a Go value: the state of
// an emulated org, with its records, schema, metadata and Recycle Bin.
//
// The form follows from the types by reflection, unexported fields included, so that what somebody
// adds to a struct is in the next image without a line of code. What cannot or should not be in it
// carries the tag image:"-": functions, locks, indexes; Check lists what is neither. Pointers keep
// their identity, so a record that is referred to twice is one record again.
//
// An image begins with a version and a fingerprint of all types. It is read by a program with the
// same types and refused by any other: it is the memory of an emulator, not an archive.
package image
