package soap

import "holdfast/internal/emulator/wire"

// Fault spells an error as the body of a reply of status 500.
func Fault(err error) []byte { return faultEnvelope(wire.ErrorOf(err)) }
