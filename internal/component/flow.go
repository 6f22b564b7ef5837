package component

import (
	"strconv"
	"strings"
)

// SplitFlow splits the name of a version of a flow, such as Renew-3, into that of the flow and the number of the
// version, which is 0 for a name that has none. The names of flows have letters, digits and underscores only.
// Source: Metadata API Developer Guide, Flow (names of versions); Salesforce Help, flow properties (API names).
func SplitFlow(name string) (flow string, number int) {
	flow, digits, found := strings.Cut(name, "-")
	if n, err := strconv.Atoi(digits); found && err == nil && n > 0 {
		return flow, n
	}
	return name, 0
}
