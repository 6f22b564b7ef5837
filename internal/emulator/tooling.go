package emulator

import (
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/rest"
)

// components hands the REST surface the metadata of one type, which it does not know itself.
func components(store *metadata.Store) func(kind string) []rest.Component {
	return func(kind string) []rest.Component {
		var out []rest.Component
		for _, c := range store.Show(kind) {
			out = append(out, rest.Component{
				ID: c.ID, FullName: c.FullName, Namespace: c.Namespace, Created: c.Created, Modified: c.Modified, By: c.By, Editor: c.Editor,
				Facts: c.Facts, Late: c.Late,
			})
		}
		return out
	}
}
