// Package sf holds the platform's words: record Ids, values, records, objects and fields. It is
// shared by every package, the client and the emulator included, and therefore contains no
// behaviour of the platform: how a value travels on a wire belongs to whoever speaks on that wire.
package sf
