// Package rest is the REST API of the emulated org: resources, describes of objects, layouts and list
// views, queries with their pages, searches, records one by one, in collections, trees, graphs and composites, limits, and the logs of
// changes; and what clients ask of the Tooling API. It reads requests and spells replies; what a row
// answers is decided in package org.
//
// Source: REST API Developer Guide, and the recorded requests of the official clients.
package rest
