// Package apply is the write door: it carries an approved plan out on an org, row by row, under a
// journal.
//
// It promises that a plan is applied at most once and can be taken up again wherever it stopped: each
// call to the org is announced in the journal before it is made and its outcome is written down after
// it, so that a restart knows what may have happened and finds out by asking (a Bulk job has an id) or
// by looking (an update, a deletion or an undeletion shows in the record). No row is inserted twice.
// It refuses a plan whose records have moved since it was made, keeps the errors of single rows, and
// never guesses which result belongs to which row.
//
// It does not decide what to write (package plan does) and does not judge the result (package run
// observes the org again). The bytes of a journal are specified in docs/format/journal.md.
package apply
