// Package mask replaces values by pseudonyms: the same value by the same pseudonym under the same key,
// wherever it stands, so that what joined before joins after; of the same type and shape, so that an org
// takes it and people can read it; and never by itself.
//
// Within one shape (which characters are capitals, small letters, digits or others) pseudonyms are one to
// one, so that unique fields stay unique. That holds for letters of ASCII; values with other letters get
// pseudonyms that differ with the probability of chance. Without the key nobody can tell the value; shape,
// length and how often a value occurs stay visible. References, Ids and what an org computes are never
// masked.
package mask
