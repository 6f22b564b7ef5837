// Package hard says how hard an emulated org is on its clients, and decides it reproducibly.
//
// A Hardness is a value: what goes wrong, and how often. Whether it goes wrong this time is drawn
// from the seed, the behaviour, what is asked, and how often that was asked before; other requests
// in between change nothing, so the same requests meet the same faults. What befell is kept in a
// log; a log given back as a script makes exactly the same happen again, without draws.
//
// It decides and does nothing: package emulator acts upon requests, package bulk upon batches.
package hard
