package rest

import (
	"strings"
	"testing"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// TestFileTooLargeIsRefusedByItsCode: StatusCode of the partner WSDL, FILE_SIZE_LIMIT_EXCEEDED.
func TestFileTooLargeIsRefusedByItsCode(t *testing.T) {
	_, err := org.New(org.Config{}).StoreBody(strings.NewReader("four"), 3)
	if got := wire.ErrorOf(refusedBody(err, "Attachment")).Errors[0].Code; got != "FILE_SIZE_LIMIT_EXCEEDED" {
		t.Error(got)
	}
}
