// Package soap is the SOAP side of the emulated org: the calls of the partner API that have no REST
// counterpart (undelete, emptyRecycleBin …) and the Metadata API.
//
// Requests are read by local names and liberally, because clients spell them differently and the
// platform takes them all: any prefix, ZipFile or zipFile, retrieveRequest or request,
// asyncProcessId or id.
//
// Source: the partner and metadata WSDLs, API 66, and recorded requests of public clients.
package soap
