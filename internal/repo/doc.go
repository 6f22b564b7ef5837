// Package repo is a sealed, content-addressed store of objects in a bucket. It knows nothing of
// Salesforce.
//
// docs/format/repository.md is the specification of every byte.
package repo
