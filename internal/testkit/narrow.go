package testkit

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// Narrow returns a rewriting of the list of all objects (GET sobjects) that leaves custom objects and
// those with these names. Tests that are about few objects see no more of an org: describing hundreds
// is what most of their time would go to.
func Narrow(keep ...string) func(status int, header http.Header, body []byte) (int, []byte) {
	return func(status int, _ http.Header, body []byte) (int, []byte) {
		var list map[string]any
		if status != http.StatusOK || json.Unmarshal(body, &list) != nil {
			return status, body
		}
		all, _ := list["sobjects"].([]any)
		list["sobjects"] = slices.DeleteFunc(all, func(o any) bool {
			object, _ := o.(map[string]any)
			name, _ := object["name"].(string)
			return !strings.HasSuffix(name, "__c") && !slices.Contains(keep, name)
		})
		short, err := json.Marshal(list)
		if err != nil {
			return status, body
		}
		return status, short
	}
}
