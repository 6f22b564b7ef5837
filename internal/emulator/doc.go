// Package emulator is a Salesforce org in a process: Start serves an org of package org over HTTP,
// and unmodified clients of the platform can sign in to it, read, load, deploy and break things.
//
// It promises the shapes, status codes and error texts that clients depend on, and the traps that
// real orgs set: pages, locators, separate result files in arbitrary order, limits, expiring
// sessions. A test can interfere with any request (Intercept) and count what was asked (Calls).
// It is an independent model: it shares nothing with the client but words, so that a mistake of one
// is seen by the other.
//
// Every session has the rights of its user; the first one is a system administrator. The Server tells
// the client id, secret and key of the first connected app; Options can add others. Nothing here is
// meant to be reachable by others than the developer of the machine: it listens on loopback unless
// told otherwise, and its tokens follow from the seed. How it is made is in docs/design/emulator.md.
package emulator
