// Package salesforce is a live org: it signs in, reads records and schemas, and sends loads, through
// REST, Bulk API 2.0 and SOAP. The caller states what it wants; which API serves it, paging, job
// polling, retries, renewing the session and the platform's limits stay inside.
//
// It promises that:
//   - a sequence of records that ends without an error is complete: every page was checked against
//     the count the org gave for it, and the sum against the count of the query or job;
//   - values are canonical (package sf) and text is what the org holds, byte for byte;
//   - a call whose outcome is not known is sent again only where doing it twice is harmless; in every
//     other case the error is ErrOutcomeUnknown;
//   - no call is sent that could carry the org's use of its daily limit above the Budget;
//   - secrets stay in memory: no error, notice or printed value holds one.
//
// It does not order or remember anything: records come as the org sends them, and results of jobs
// are matched to rows by the caller.
//
// What the platform does is taken from its documentation (REST API, Bulk API 2.0 and SOAP API
// Developer Guides) unless a comment says "unverified".
package salesforce
