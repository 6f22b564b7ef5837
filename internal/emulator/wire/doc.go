// Package wire spells what the engine of the emulator knows as the platform's APIs do: values,
// records and errors in JSON, CSV and XML, and the HTTP status of each error. The surfaces of the
// emulator share it. It shares nothing with the client, so that a mistake in one is seen by the
// other.
package wire
