// Package soap is the SOAP side of the emulated org: the partner and enterprise APIs, the Metadata API,
// and of the Apex API the refusal to run code. It reads requests and spells replies; what a row
// answers is decided in package org.
//
// Requests are read by local names and liberally, because clients spell them differently and the
// platform takes them all: any prefix, ZipFile or zipFile, retrieveRequest or request,
// asyncProcessId or id.
//
// Source: the partner and metadata WSDLs, API 66, and recorded requests of public clients.
package soap
