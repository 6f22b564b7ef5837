// Package rest is the REST API of the emulated org: resources, describe, queries with their pages,
// records one by one, in collections, trees and composites, limits, and the logs of changes.
//
// Source: REST API Developer Guide, and the recorded requests of the official clients.
package rest
