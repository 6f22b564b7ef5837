// Package orgtest holds what is known of the platform's behaviour as rules: a sentence, its source,
// and a test that asks an org over its plain HTTP API. Run asks the emulator in every test run, and a
// real org when one is given, so that the model and the world can be held against each other. The
// same table is the fidelity ledger, docs/reference/fidelity.md.
//
// The tests speak HTTP by themselves: they use neither the client nor the emulator, whose mistakes
// they are there to see. A rule makes the records that it needs, under names of its own, and removes
// them; it must not be run on an org whose automation acts on accounts and contacts.
package orgtest
