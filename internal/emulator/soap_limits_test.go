package emulator_test

import (
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

// TestSOAPCallsAreBounded: SOAP API Developer Guide, merge() (200 requests) and convertLead() (100 leads).
func TestSOAPCallsAreBounded(t *testing.T) {
	t.Parallel()
	c := start(t, emulator.Options{})
	for call, most := range map[string]struct {
		row string
		n   int
	}{"merge": {"<request/>", 200}, "convertLead": {"<leadConverts/>", 100}} {
		c.soap("u/66.0", call, strings.Repeat(most.row, most.n+1)).ok(500).has("sf:EXCEEDED_ID_LIMIT")
		c.soap("u/66.0", call, strings.Repeat(most.row, most.n)).ok(200).has("<success>false</success>")
	}
}
