// Package org is the engine of an emulated Salesforce org: its schema, users, records, DML, Recycle
// Bin, queries, limits and clock, in memory and without any wire. The surfaces that speak HTTP are
// built on it and are the only ones to spell values, status lines and faults.
//
// It is an executable model, written from documentation and observed replies and sharing no code
// with the client that is tested against it. A rule of the platform carries its source in a comment,
// or the word "unverified" where none could be read.
//
// It does not model: visibility by sharing (shares are kept and hide nothing), Apex and flows beyond
// what is declared of them, dated currency rates,
// the conversion of leads to person accounts, libraries of files, likes and votes in feeds, and how
// many people an activity is with.
//
// Values are text in canonical form, as sf.Value describes it; the empty text is null, because the
// platform stores no empty text. All methods of Org are safe for concurrent use.
package org
