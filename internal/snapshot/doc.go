// Package snapshot keeps states of an org in a repository.
//
// A snapshot is one observation of an org: for each object a part, with the interval in which it was
// read, a watermark, counts and a digest. A part's state is a list of layers, a base and deltas,
// each a run of immutable sorted segments, which snapshots share. Reading merges the layers; the
// later one wins.
//
// Promises. A snapshot exists from the moment its manifest is stored, which is the last write, and
// never changes. Store.Write that returns an error has published nothing. What is read is
// authenticated frame by frame, and a reading of a whole part ends with an error of kind Damaged
// unless the records read have the part's digest. Memory is bounded by a constant per part that is
// being written or read, whatever the number of records.
//
// Not promised: that a snapshot which someone removed from the storage is missed.
//
// docs/format/snapshot.md is the specification of every byte.
package snapshot
