// Package org is the engine of an emulated Salesforce org: its schema, users, records, DML, Recycle
// Bin, queries, limits and clock, in memory and without any wire. The surfaces that speak HTTP are
// built on it and are the only ones to spell values, status lines and faults. How it is made is in
// docs/design/emulator.md.
//
// It is an executable model, written from documentation and observed replies and sharing no code
// with the client that is tested against it. A rule of the platform carries its source in a comment,
// or the word "unverified" where none could be read.
//
// It is large because a save is one thing: fields, rules, rights, reactions, the bin and the log of
// deletions all act within one transaction on one set of tables, and parts of it would have to show
// each other drafts, rows and undo. Its door has three leaves: the verbs of Org for surfaces
// (Query, Write, Transact …), the methods of Tx for metadata, and for whoever runs an org its
// clock, its limits and what may go wrong (WriteLate, Contend …).
//
// It does not model: sharing rules (shares that are written count, those that a rule would make are
// not made), Apex and flows beyond what is declared of them, dated currency rates, the conversion of
// leads to person accounts, libraries of files, likes and votes in feeds, and Shared Activities (tasks
// and events about several people).
//
// Values are text in canonical form, as sf.Value describes it; the empty text is null, because the
// platform stores no empty text. All methods of Org are safe for concurrent use.
package org
