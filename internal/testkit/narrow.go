package testkit

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Narrow returns a rewriting of the list of all objects (GET sobjects) that leaves custom objects and
// those with these names. Tests that are about few objects see no more of an org: describing hundreds
// is what most of their time would go to.
func Narrow(keep ...string) func(status int, header http.Header, body []byte) (int, []byte) {
	// New orgs give the same list again and again, and shortening it costs as much as making it.
	var mu sync.Mutex
	var last, short []byte
	return func(status int, _ http.Header, body []byte) (int, []byte) {
		if status != http.StatusOK {
			return status, body
		}
		mu.Lock()
		defer mu.Unlock()
		if !bytes.Equal(body, last) {
			shorter, err := narrowed(body, keep)
			if err != nil {
				return status, body
			}
			last, short = bytes.Clone(body), shorter
		}
		return status, bytes.Clone(short)
	}
}

func narrowed(body []byte, keep []string) ([]byte, error) {
	var list map[string]json.RawMessage
	var all []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(list["sobjects"], &all); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(o json.RawMessage) bool {
		var object struct{ Name string }
		err := json.Unmarshal(o, &object)
		return err != nil || !strings.HasSuffix(object.Name, "__c") && !slices.Contains(keep, object.Name)
	})
	var err error
	if list["sobjects"], err = json.Marshal(all); err != nil {
		return nil, err
	}
	return json.Marshal(list)
}
