// Package metadata deploys mdapi archives into an emulated org: package.xml, destructive changes,
// objects with their fields and record types, value sets, custom metadata records, and installed
// packages from a registry. Every other component is kept as it came and given back as it was.
//
// A deploy is one transaction. Each component succeeds or fails for itself; when one fails and
// rollbackOnError is set, nothing of the deploy remains.
//
// Sources: Metadata API Developer Guide and the metadata WSDL, API 66. The texts of problems are those
// of public deploy results where a comment says so, and unverified elsewhere.
package metadata
