// Package bulk is the Bulk API 2.0 of the emulated org: query jobs whose results come in pages with
// a locator, and ingest jobs whose rows end in three separate files; and, thinly, the older Bulk API
// on the same jobs (classic.go). Jobs run side by side and end with Close; what a row answers is
// decided in package org.
//
// Sources: Bulk API 2.0 and Bulk API Developer Guide; what the official command line and other
// clients read and send. The order of rows in the result files of an ingest job is arbitrary, as on
// the platform, where nothing promises one; here it follows from the seed.
package bulk
