// Package capture observes an org into a snapshot: every object that can be queried, in full the
// first time and by its changes afterwards, with deletions as tombstones.
//
// Promises. A part is published only when what it holds agrees with what the org counts, after every
// difference was explained; the two exceptions, an object that the org does not count and one that
// changes faster than it can be counted, are named in the coverage. A part that cannot be proved, or
// whose reading fails, keeps its earlier content and its earlier watermark, is named, and makes the
// snapshot partial. A watermark is a server time read before the first query of its part, so that
// neither the clock of this machine nor the length of a query loses a change. Where the org has a
// Recycle Bin or a log to ask, records that vanish in numbers are not buried for their absence alone.
// Lookups that the org emptied because what they referred to was deleted, or filled because it came
// back, are read again, whatever their stamps say.
// A capture that ends with an error other than Partial has published nothing. Memory is bounded by
// constants and a few bytes for each record Id that a part reads.
//
// Not promised: an instant. Each part is an observation over its own interval. Values that change
// without a stamp (formulas, roll-ups) are as fresh as the last reading of their record; the
// coverage names them. A hard deletion that is outweighed by a record that appears without a stamp
// is seen by a census (Options.Census) and by nothing less.
//
// docs/design/capture.md explains the choices.
package capture
