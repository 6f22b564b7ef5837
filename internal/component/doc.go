// Package component knows what the components of an org are made of: which files, in which of the two
// formats (that of the Metadata API and that of SFDX projects), with which parts inside, and when two of
// them say the same.
//
// It promises that
//   - an archive or document that is hostile (paths that lead out, links, names that occur twice, more than
//     the limits, DTDs and entities, depth) is refused before it costs more than the limits;
//   - the canonical form of a component is the same for everything that means the same to the platform: the
//     order of elements where it says nothing, white space between them, namespace prefixes, permissions
//     that are not given. Text stays byte for byte, as XML reads it;
//   - what is converted into source format and back has the same canonical form.
//
// What a type is made of stands in a table (kinds.txt), what the parts of its files are known by and where
// their order says nothing in another (keys.txt). A type that is in neither is a file whose repeated
// elements keep their order.
package component
